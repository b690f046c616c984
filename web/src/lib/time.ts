/**
 * The browser's own tag for a language of the portal, such as `en-GB` for `en`: it decides between
 * 14:10 and 2:10 PM.
 */
export function regional(locale: string): string {
  return globalThis.navigator?.languages?.find((tag) => tag.split('-')[0] === locale) ?? locale;
}

/** Points in time for people: the hour today, with the day before that. */
export function clock(ms: number, locale: string, nowMs: number = Date.now()): string {
  const then = new Date(ms);
  const sameDay = new Date(nowMs).toDateString() === then.toDateString();
  return new Intl.DateTimeFormat(
    regional(locale),
    sameDay
      ? { hour: '2-digit', minute: '2-digit' }
      : { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' },
  ).format(then);
}
