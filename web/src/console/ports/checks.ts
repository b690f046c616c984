/** Results of the port check as the page shows them: which is worst, and what stands in which cell. */
import { RowIndex } from '../rows';
import { partsOfBundle } from './model';
import type { Check, CheckChange, MapLayout, PortPlan, Vantage } from './types';

/** All verdicts, those that need somebody first. */
export const VERDICTS = [
  'refused',
  'blocked',
  'no-answer',
  'not-resolvable',
  'wrong-service',
  'reachable',
  'not-checked',
  'proven',
  'skipped',
] as const;
export type Verdict = (typeof VERDICTS)[number];

const FAILURES: ReadonlySet<string> = new Set(['refused', 'blocked', 'no-answer', 'not-resolvable', 'wrong-service']);

/** How much a result matters; red and amber are for what fails only. */
export type Tone = 'bad' | 'warn' | 'part' | 'off' | 'good';

/** What results are narrowed down by. An empty text is no filter. */
export interface CheckFilter {
  q: string;
  /** A verdict, or `fails`, or `required-fails`. */
  verdict: string;
  from: string;
  to: string;
  protocol: string;
}

/** What many results come to. */
export interface Tally {
  all: number;
  failing: number;
  failingRequired: number;
  worst: Check;
}

export function fails(check: Check): boolean {
  return FAILURES.has(check.verdict);
}

export function toneOf(check: Check): Tone {
  if (fails(check)) return check.required ? 'bad' : 'warn';
  switch (check.verdict) {
    case 'proven':
      return 'good';
    case 'reachable':
      return 'part';
    default:
      return 'off';
  }
}

/** A key that stays with a check from answer to answer. */
export function keyOf(check: Check): string {
  return [check.flow, check.from, check.to, check.transport, check.port ?? '', check.address].join('\u0001');
}

/** Place in the order of urgency; a verdict of a later version counts as not checked. */
function urgency(check: Check): number {
  const at = VERDICTS.findIndex((one) => one === check.verdict);
  const place = at < 0 ? VERDICTS.indexOf('not-checked') : at;
  if (!fails(check)) return place + 2 * VERDICTS.length;
  return check.required ? place : place + VERDICTS.length;
}

/** Worst first; of those that are as bad, what changed last. */
export function byUrgency(a: Check, b: Check): number {
  return urgency(a) - urgency(b) || (b.since_ms ?? 0) - (a.since_ms ?? 0);
}

export function tallyOf(checks: Iterable<Check>): Tally | undefined {
  let tally: Tally | undefined;
  for (const check of checks) tally = counted(tally, check);
  return tally;
}

/** A tally and one more result. */
function counted(tally: Tally | undefined, check: Check): Tally {
  const failing = fails(check) ? 1 : 0;
  const failingRequired = check.required ? failing : 0;
  if (tally === undefined) return { all: 1, failing, failingRequired, worst: check };
  tally.all += 1;
  tally.failing += failing;
  tally.failingRequired += failingRequired;
  if (urgency(check) < urgency(tally.worst)) tally.worst = check;
  return tally;
}

export interface Count {
  verdict: string;
  count: number;
  tone: Tone;
}

/** How many results there are of each verdict, in the order of urgency. */
export function countsOf(checks: readonly Check[]): Count[] {
  const tallies = new Map<string, Tally | undefined>(VERDICTS.map((verdict) => [verdict, undefined]));
  for (const check of checks) tallies.set(check.verdict, counted(tallies.get(check.verdict), check));
  return [...tallies].flatMap(([verdict, tally]) => (tally ? [{ verdict, count: tally.all, tone: toneOf(tally.worst) }] : []));
}

/** Finds results, fast when they are asked for again and again. */
export class CheckSearch {
  private readonly index = new RowIndex<Check>(keyOf, (check) =>
    [check.flow, check.application_protocol, check.purpose, check.from, check.to, check.address, check.port, check.transport, check.evidence].join(' '),
  );

  find(checks: readonly Check[], filter: CheckFilter): readonly Check[] {
    return this.index.search(checks.filter((check) => passes(check, filter)), filter.q);
  }
}

export function passes(check: Check, filter: Omit<CheckFilter, 'q'>): boolean {
  if (filter.from !== '' && check.from !== filter.from) return false;
  if (filter.to !== '' && check.to !== filter.to) return false;
  if (filter.protocol !== '' && check.application_protocol !== filter.protocol) return false;
  switch (filter.verdict) {
    case '':
      return true;
    case 'fails':
      return fails(check);
    case 'required-fails':
      return fails(check) && check.required;
    default:
      return check.verdict === filter.verdict;
  }
}

export interface Matrix {
  /** Hosts that open, and hosts that listen, those with failures first. */
  from: string[];
  to: string[];
  cell: (from: string, to: string) => Tally | undefined;
}

/** Hosts against hosts. */
export function matrixOf(checks: readonly Check[], compare: (a: string, b: string) => number): Matrix {
  const rows = new Map<string, Map<string, Tally>>();
  const sources = new Map<string, Tally>();
  const targets = new Map<string, Tally>();
  for (const check of checks) {
    let row = rows.get(check.from);
    if (row === undefined) rows.set(check.from, (row = new Map<string, Tally>()));
    row.set(check.to, counted(row.get(check.to), check));
    sources.set(check.from, counted(sources.get(check.from), check));
    targets.set(check.to, counted(targets.get(check.to), check));
  }
  const order = (hosts: ReadonlyMap<string, Tally>): string[] =>
    [...hosts]
      .sort(([a, x], [b, y]) => y.failingRequired - x.failingRequired || y.failing - x.failing || compare(a, b))
      .map(([host]) => host);
  return { from: order(sources), to: order(targets), cell: (from, to) => rows.get(from)?.get(to) };
}

/** The results behind each line of the map; a line without any is left out. */
export function checksOfBundles(layout: MapLayout, plan: PortPlan, checks: readonly Check[]): Map<string, Check[]> {
  const byFlow = new Map<string, Check[]>();
  for (const check of checks) {
    const known = byFlow.get(check.flow);
    if (known) known.push(check);
    else byFlow.set(check.flow, [check]);
  }
  const found = new Map<string, Check[]>();
  for (const bundle of layout.bundles) {
    const behind = new Set<Check>();
    for (const part of partsOfBundle(layout, plan, bundle)) {
      const from = new Set(part.from);
      const to = new Set(part.to);
      for (const check of byFlow.get(part.flow.flow) ?? []) {
        if (from.has(check.from) && to.has(check.to)) behind.add(check);
      }
    }
    if (behind.size > 0) found.set(bundle.id, [...behind]);
  }
  return found;
}

/** Vantage points that others wait for, those that are silent for longest first. */
export function silentOf(vantages: readonly Vantage[]): Vantage[] {
  return vantages
    .filter(({ state }) => state === 'silent')
    .sort((a, b) => (a.last_report_at_ms ?? 0) - (b.last_report_at_ms ?? 0) || (a.host < b.host ? -1 : 1));
}

/** Hosts that open flows and have nobody who could check them. */
export function unwatchedOf(vantages: readonly Vantage[], checks: readonly Check[]): string[] {
  const opening = new Set(checks.map(({ from }) => from));
  return vantages.filter(({ host, state }) => state === 'no-agent' && opening.has(host)).map(({ host }) => host);
}

/** When the oldest result was found; absent when there is none. */
export function oldestOf(checks: readonly Check[]): number | undefined {
  let oldest: number | undefined;
  for (const { checked_at_ms: at } of checks) if (at != null && (oldest === undefined || at < oldest)) oldest = at;
  return oldest;
}

/** When each check was done last, to tell new results by: the clocks of two machines are never compared. */
export function timesOf(checks: readonly Check[]): Map<string, number | null> {
  return new Map(checks.map((check) => [keyOf(check), check.checked_at_ms ?? null]));
}

export interface Progress {
  done: number;
  all: number;
}

/** How many of the results that were asked for are new. Nobody waits for the silent, or for what is never sent. */
export function progressOf(
  before: ReadonlyMap<string, number | null>,
  checks: readonly Check[],
  vantages: readonly Vantage[],
  from: string,
): Progress {
  const reporting = new Set(vantages.filter(({ state }) => state === 'reporting').map(({ host }) => host));
  const asked = checks.filter((check) => reporting.has(check.from) && check.verdict !== 'skipped' && (from === '' || check.from === from));
  const done = asked.filter((check) => check.checked_at_ms != null && check.checked_at_ms !== before.get(keyOf(check))).length;
  return { done, all: asked.length };
}

/** How the verdict at this address and port changed, newest first: a flow may have several of each. */
export function changesOf(check: Check, changes: readonly CheckChange[]): CheckChange[] {
  return changes
    .filter(({ address, port }) => address === check.address && port === (check.port ?? 0))
    .sort((a, b) => b.at_ms - a.at_ms);
}
