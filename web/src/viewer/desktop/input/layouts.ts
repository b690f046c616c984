/**
 * Keyboard layout of the session by language. Browsers do not tell their layout, so the one that is
 * usual for the language is the best guess; hosts fall back to the American one.
 */

/**
 * Windows keyboard layout ids by BCP 47 tag in lower case; the low word is the language id of Windows
 * (MS-LCID 2.2). For languages whose users switch between a Latin and their own layout, the own one.
 */
export const LAYOUTS: Readonly<Record<string, number>> = {
  ar: 0x0401, bg: 0x0402, bs: 0x041a, ca: 0x040a, cs: 0x0405, cy: 0x0452, da: 0x0406, de: 0x0407, 'de-ch': 0x0807,
  'de-li': 0x0807, el: 0x0408, en: 0x0409, 'en-au': 0x0409, 'en-ca': 0x0409, 'en-gb': 0x0809, 'en-ie': 0x1809,
  es: 0x040a, 'es-419': 0x080a, 'es-ar': 0x080a, 'es-cl': 0x080a, 'es-co': 0x080a, 'es-mx': 0x080a, 'es-pe': 0x080a,
  et: 0x0425, eu: 0x040a, fa: 0x0429, fi: 0x040b, fr: 0x040c, 'fr-be': 0x080c, 'fr-ca': 0x1009, 'fr-ch': 0x100c,
  ga: 0x1809, gl: 0x040a, gsw: 0x0807, he: 0x040d, hi: 0x0439, hr: 0x041a, hu: 0x040e, hy: 0x042b, is: 0x040f,
  it: 0x0410, 'it-ch': 0x0807, ja: 0x0411, ka: 0x0437, kk: 0x043f, ko: 0x0412, lb: 0x046e, lt: 0x0427, lv: 0x0426,
  mk: 0x042f, mt: 0x043a, nb: 0x0414, nl: 0x0413, 'nl-be': 0x0813, nn: 0x0414, no: 0x0414, pl: 0x0415, pt: 0x0816,
  'pt-br': 0x0416, ro: 0x0418, ru: 0x0419, sk: 0x041b, sl: 0x0424, sq: 0x041c, sr: 0x0c1a, 'sr-cyrl': 0x0c1a,
  'sr-latn': 0x081a, sv: 0x041d, th: 0x041e, tr: 0x041f, uk: 0x0422, vi: 0x042a, zh: 0x0804, 'zh-hant': 0x0404,
  'zh-hk': 0x0404, 'zh-tw': 0x0404,
};

/** The layout that is usual for a tag such as `de-CH`; 0, the host's own, when none is known. */
export function layoutForLanguage(tag: string): number {
  const known = knownTag(tag);
  return known === undefined ? 0 : (LAYOUTS[known] ?? 0);
}

/**
 * The tag of the table that a tag falls under. The region decides where it changes the layout, the
 * script where it changes the letters.
 */
export function knownTag(tag: string): string | undefined {
  const [language = '', ...parts] = tag.toLowerCase().split(/[-_]/);
  let script: string | undefined;
  let region: string | undefined;
  for (const part of parts) {
    // Extensions and private use follow.
    if (part.length === 1) break;
    if (part.length === 4 && region === undefined) script ??= part;
    else if (part.length === 2 || part.length === 3) region ??= part;
  }
  const tags = [script, region].flatMap((part) => (part === undefined ? [] : [`${language}-${part}`]));
  return [...tags, language].find((known) => Object.hasOwn(LAYOUTS, known));
}
