/** Numbers and times of the console, in the person's language. */
import { m } from '../paraglide/messages';

/** The whole, of shares that the API gives per ten thousand. */
const WHOLE = 10_000;

/** A share of the API, 0 to 1, whatever was sent. */
export function share(perTenThousand: number): number {
  return Math.min(1, Math.max(0, perTenThousand / WHOLE));
}

export function percent(perTenThousand: number, locale: string): string {
  return new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 0 }).format(share(perTenThousand));
}

/** Waiting tasks for each processor. */
export function queue(perTenThousand: number, locale: string): string {
  return new Intl.NumberFormat(locale, { minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(
    Math.max(0, perTenThousand) / WHOLE,
  );
}

export function bytes(count: number, locale: string): string {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const;
  let value = Math.max(0, count);
  let at = 0;
  while (value >= 1000 && at < units.length - 1) {
    value /= 1000;
    at += 1;
  }
  return new Intl.NumberFormat(locale, {
    style: 'unit',
    unit: units[at] ?? 'byte',
    unitDisplay: 'short',
    maximumFractionDigits: value < 10 && at > 0 ? 1 : 0,
  }).format(value);
}

const MINUTE_S = 60;
const HOUR_S = 3_600;
const DAY_S = 86_400;

/** A length of time in its largest fitting unit; short enough for a table. */
export function age(seconds: number): string {
  const s = Math.max(0, Math.floor(seconds));
  if (s < MINUTE_S) return m.age_seconds({ count: s });
  if (s < HOUR_S) return m.age_minutes({ count: Math.floor(s / MINUTE_S) });
  if (s < 2 * DAY_S) {
    const minutes = Math.floor((s % HOUR_S) / MINUTE_S);
    return m.age_hours({ count: Math.floor(s / HOUR_S), minutes: String(minutes).padStart(2, '0') });
  }
  return m.age_days({ count: Math.floor(s / DAY_S) });
}

/** Minutes and hours of the steps that forms offer. */
export function stepOf(seconds: number): string {
  if (seconds === 0) return m.step_none();
  if (seconds < HOUR_S) return m.step_minutes({ count: seconds / MINUTE_S });
  return seconds === HOUR_S ? m.step_hour() : m.step_hours({ count: seconds / HOUR_S });
}
