/** What the RDP client is told about this device. */
import type { ClockChange, Monitor, Settings, TimeZone } from './protocol';
import { scalePercent, type Size } from './size';
import { offersVideo } from './video';

/** At most 15 characters: what Windows shows for a client (MS-RDPBCGR 2.2.1.3.2, clientName). */
const CLIENT_NAME = 'Portico';
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

export interface Device {
  size: Size;
  ratio: number;
  keyboardLayout: number;
  clipboard: boolean;
  drive: Settings['drive'];
  printer: boolean;
  microphone: boolean;
  monitors: readonly Monitor[];
}

export function settingsOf(
  ticket: string,
  { size, ratio, keyboardLayout, clipboard, drive, printer, microphone, monitors }: Device,
): Settings {
  return {
    ticket,
    ...size,
    scalePercent: scalePercent(ratio),
    keyboardLayout,
    timeZone: timeZone(new Date()),
    clientName: CLIENT_NAME,
    sound: true,
    clipboard,
    drive,
    printer,
    // Whether the device has a touch screen may change; a host that asks gets no touch without one.
    touch: true,
    microphone,
    h264: offersVideo(),
    monitors,
  };
}

/** The device's zone, with this year's changes of the clock. */
export function timeZone(now: Date): TimeZone {
  const year = now.getFullYear();
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const changes = changesIn(year);
  const [first, second] = changes;
  // Two changes a year are summer time; anything else is a decision of that year, and no rule.
  if (!first || !second || changes.length !== 2) {
    return { name, biasMin: now.getTimezoneOffset(), daylightBiasMin: 0 };
  }
  const [summer, winter] = first.after < first.before ? [first, second] : [second, first];
  return {
    name,
    biasMin: summer.before,
    daylightBiasMin: summer.after - summer.before,
    daylightDate: dayOf(summer),
    standardDate: dayOf(winter),
  };
}

/** Offsets as of `Date.getTimezoneOffset`, and the first minute of the new one. */
interface Change {
  at: Date;
  before: number;
  after: number;
}

function changesIn(year: number): Change[] {
  const found: Change[] = [];
  const offsetAt = (ms: number): number => new Date(ms).getTimezoneOffset();
  const end = Date.UTC(year + 1, 0, 1);
  for (let day = Date.UTC(year, 0, 1); day < end; day += DAY_MS) {
    const before = offsetAt(day);
    const after = offsetAt(day + DAY_MS);
    if (before === after) continue;
    let low = day;
    let high = day + DAY_MS;
    while (high - low > MINUTE_MS) {
      const middle = low + Math.floor((high - low) / 2 / MINUTE_MS) * MINUTE_MS;
      if (offsetAt(middle) === before) low = middle;
      else high = middle;
    }
    found.push({ at: new Date(high), before, after });
  }
  return found;
}

/** The change as a rule, in the local time that held until then. */
function dayOf({ at, before }: Change): ClockChange {
  const local = new Date(at.getTime() - before * MINUTE_MS);
  const date = local.getUTCDate();
  const lastDate = new Date(Date.UTC(local.getUTCFullYear(), local.getUTCMonth() + 1, 0)).getUTCDate();
  return {
    month: local.getUTCMonth() + 1,
    dayOfWeek: local.getUTCDay(),
    week: date + 7 > lastDate ? 5 : Math.ceil(date / 7),
    hour: local.getUTCHours(),
    minute: local.getUTCMinutes(),
  };
}
