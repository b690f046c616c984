/**
 * Clipboard formats of Windows, which RDP carries (MS-RDPECLIP 1.3.1.2), from and to what browsers
 * know. All sizes in bytes.
 */

/** Standard formats: fixed numbers of Windows (MS-RDPECLIP 1.3.1.2, winuser.h). */
export const CF_TEXT = 1;
export const CF_DIB = 8;
export const CF_UNICODETEXT = 13;
export const CF_DIBV5 = 17;
/** Registered formats have a name; their number is each side's own, from 0xC000 on. */
export const HTML_NAME = 'HTML Format';
export const PNG_NAMES: readonly string[] = ['PNG', 'image/png'];

/** Largest clipboard content that is taken or given, in either direction. */
export const CONTENT_BYTES_MAX = 64 * 1024 * 1024;

/** UTF-16LE with CR LF and a closing zero. */
export function encodeText(text: string): Uint8Array {
  const lines = text.replace(/\r\n|\r|\n/g, '\r\n');
  const bytes = new Uint8Array((lines.length + 1) * 2);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < lines.length; at += 1) view.setUint16(at * 2, lines.charCodeAt(at), true);
  return bytes;
}

/** Up to the first zero; lines end in LF. */
export function decodeText(bytes: Uint8Array): string {
  const even = bytes.subarray(0, bytes.length & ~1);
  const text = new TextDecoder('utf-16le').decode(even);
  const end = text.indexOf('\0');
  return (end < 0 ? text : text.slice(0, end)).replace(/\r\n/g, '\n');
}

const START = '<!--StartFragment-->';
const END = '<!--EndFragment-->';

/** "HTML Format": a header with byte offsets, then UTF-8 HTML around the fragment. */
export function encodeHtml(html: string): Uint8Array {
  const { before, fragment, after } = around(html);
  const utf8 = new TextEncoder();
  const header = (numbers: readonly number[]): string => {
    const [startHtml, endHtml, startFragment, endFragment] = numbers.map((n) => String(n).padStart(10, '0'));
    return (
      `Version:0.9\r\nStartHTML:${startHtml}\r\nEndHTML:${endHtml}\r\n` +
      `StartFragment:${startFragment}\r\nEndFragment:${endFragment}\r\n`
    );
  };
  const startHtml = header([0, 0, 0, 0]).length;
  const startFragment = startHtml + utf8.encode(before + START).length;
  const endFragment = startFragment + utf8.encode(fragment).length;
  const endHtml = endFragment + utf8.encode(END + after).length;
  const whole = header([startHtml, endHtml, startFragment, endFragment]) + before + START + fragment + END + after;
  return utf8.encode(`${whole}\0`);
}

/** The fragment of "HTML Format"; undefined when the header makes no sense. */
export function decodeHtml(bytes: Uint8Array): string | undefined {
  // Headers are ASCII and short; the offsets count bytes.
  const head = new TextDecoder('latin1').decode(bytes.subarray(0, 1_024));
  const start = offset(head, 'StartFragment') ?? offset(head, 'StartHTML');
  const end = offset(head, 'EndFragment') ?? offset(head, 'EndHTML');
  if (start === undefined || end === undefined || start > end || end > bytes.length) return undefined;
  return new TextDecoder().decode(bytes.subarray(start, end)).replace(/\0+$/, '');
}

function offset(head: string, name: string): number | undefined {
  const found = new RegExp(`${name}:(\\d{1,10})`).exec(head)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** The fragment of an HTML text: what its own marks say, else its body. */
function around(html: string): { before: string; fragment: string; after: string } {
  const start = html.indexOf(START);
  const end = html.indexOf(END);
  if (start >= 0 && end > start) {
    return { before: html.slice(0, start), fragment: html.slice(start + START.length, end), after: html.slice(end + END.length) };
  }
  const body = /<body[^>]*>([\s\S]*)<\/body>/i.exec(html)?.[1] ?? html;
  return { before: '<html><body>\r\n', fragment: body, after: '\r\n</body></html>' };
}
