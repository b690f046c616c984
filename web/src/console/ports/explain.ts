/** A flow that is to be explained: how the address and the command line name it, and how it stands. */
import { byUrgency, toneOf, type Tone } from './checks';
import type { Check, FlowExplained } from './types';

/** Which flow. Without `from`, whoever opens it; without `transport`, whatever carries it. */
export interface Asked {
  from: string;
  to: string;
  port: number;
  transport: string;
}

/** Ids of the estate as `portico-model` allows them: an address may be anybody's, and ends in a command. */
const ID = /^[a-z0-9][a-z0-9._@-]{0,63}$/;
const TRANSPORTS: readonly string[] = ['', 'tcp', 'udp'];
const PORT_MAX = 65_535;

/** A flow as it stands in the address; no id has a blank. */
export function askedText({ from, to, port, transport }: Asked): string {
  return [from, to, port, ...(transport === '' ? [] : [transport])].join(' ');
}

/** The flow that an address names; nothing when it names none. */
export function askedOf(text: string): Asked | undefined {
  const [from = '', to = '', number = '', transport = '', ...more] = text.split(' ');
  const port = /^\d{1,5}$/.test(number) ? Number(number) : 0;
  if (!ID.test(to) || (from !== '' && !ID.test(from))) return undefined;
  if (port === 0 || port > PORT_MAX || !TRANSPORTS.includes(transport) || more.length > 0) return undefined;
  return { from, to, port, transport };
}

/** What to ask to have a result explained; a flow without ports has no explanation. */
export function askedOfCheck({ from, to, port, transport }: Check): Asked | undefined {
  return port == null || !TRANSPORTS.includes(transport) ? undefined : { from, to, port, transport };
}

/** `3389/tcp`, or the port alone. */
export function portText({ port, transport }: Pick<Asked, 'port' | 'transport'>): string {
  return transport === '' ? String(port) : `${port}/${transport}`;
}

/** The command that explains the same flow. */
export function commandOf(asked: Asked): string {
  return `portico explain flow --from ${asked.from} --to ${asked.to} --port ${portText(asked)}`;
}

/** The host whose way is explained: the one that was asked for, or the one that the cause is about. */
export function fromOf({ from, causes, seen }: FlowExplained): string {
  return from ?? causes[0]?.from ?? [...seen].sort(byUrgency)[0]?.from ?? '';
}

/** The results of every vantage point: those of the flow's own host first, then the worst. */
export function seenOf(explained: FlowExplained): Check[] {
  const from = fromOf(explained);
  return [...explained.seen].sort((a, b) => Number(b.from === from) - Number(a.from === from) || byUrgency(a, b));
}

/** How a flow stands. */
export type Standing = 'not-planned' | 'never' | 'works' | 'unclear' | 'caused';

export function standingOf(explained: FlowExplained): Standing {
  const { causes, seen } = explained;
  if (explained.not_planned) return 'not-planned';
  if (seen.every(({ checked_at_ms: at }) => at == null)) return 'never';
  if (causes.length > 0) return 'caused';
  return seenOf(explained)[0]?.verdict === 'proven' ? 'works' : 'unclear';
}

/** How much the cause matters: red is for a required flow that fails. */
export function causeTone(explained: FlowExplained): Tone {
  const [own] = seenOf(explained);
  if (own === undefined) return 'off';
  // A service that answers and has a cause all the same will stop to, or answers badly.
  return own.verdict === 'proven' ? 'warn' : toneOf(own);
}

/** When any of the results of this flow came in last, to tell that there is something new. */
export function newestOf(checks: readonly Check[], { from, to, port }: Asked): number {
  return checks
    .filter((check) => check.to === to && check.port === port && (from === '' || check.from === from))
    .reduce((newest, { checked_at_ms: at }) => Math.max(newest, at ?? 0), 0);
}
