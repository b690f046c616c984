import { describe, expect, test } from 'vitest';
import { checkSocket, silenceText, tallyText, verdictMeaning, verdictWord } from '../src/console/ports/check-words';
import {
  byUrgency, changesOf, CheckSearch, checksOfBundles, countsOf, fails, keyOf, matrixOf, oldestOf, progressOf, silentOf, tallyOf, timesOf, toneOf,
  unwatchedOf, VERDICTS, type CheckFilter,
} from '../src/console/ports/checks';
import { shapeOf } from '../src/console/ports/shapes';
import type { Check, CheckChange, MapLayout, PortPlan, Vantage } from '../src/console/ports/types';

const check = (verdict: string, more: Partial<Check> = {}): Check => ({
  flow: 'f', application_protocol: 'LDAP', purpose: 'Directory', from: 'a', to: 'b', address: '10.0.0.1', transport: 'tcp', port: 389, required: true,
  verdict, evidence: '', checked_at_ms: 1_000, since_ms: 500, ...more,
});
const vantage = (host: string, state: Vantage['state'], last_report_at_ms: number | null = null): Vantage => ({ host, state, detail: '', last_report_at_ms });
const none: CheckFilter = { q: '', verdict: '', from: '', to: '', protocol: '' };
const compare = (a: string, b: string): number => a.localeCompare(b);

describe('how bad a result is', () => {
  test('every verdict has a word, a meaning, and a shape of its own', () => {
    expect(new Set(VERDICTS.map(verdictWord)).size).toBe(VERDICTS.length);
    expect(new Set(VERDICTS.map(verdictMeaning)).size).toBe(VERDICTS.length);
    expect(new Set(VERDICTS.map((verdict) => JSON.stringify(shapeOf(verdict)))).size).toBe(VERDICTS.length);
  });

  test('a verdict of a later version is shown as it is named, and neither fails nor is proven', () => {
    expect(verdictWord('half-open')).toBe('half-open');
    expect([fails(check('half-open')), toneOf(check('half-open'))]).toEqual([false, 'off']);
  });

  test('red is for what is required, amber for what is not; nothing but failures is either', () => {
    const tones = VERDICTS.map((verdict) => toneOf(check(verdict)));
    expect(tones).toEqual(['bad', 'bad', 'bad', 'bad', 'bad', 'part', 'off', 'good', 'off']);
    expect(toneOf(check('refused', { required: false }))).toBe('warn');
    expect(toneOf(check('proven', { required: false }))).toBe('good');
  });

  test('required failures come first, then other failures, then what is not known; what changed last before that', () => {
    const all = [
      check('skipped'), check('proven'), check('not-checked'), check('new-one'), check('reachable'), check('wrong-service', { required: false }),
      check('refused', { required: false }), check('wrong-service'), check('refused', { since_ms: 1 }), check('refused', { since_ms: 9 }),
    ];
    expect([...all].sort(byUrgency).map(({ verdict, required, since_ms }) => `${verdict}${required ? '!' : ''}${since_ms === 9 ? '9' : ''}`)).toEqual([
      'refused!9', 'refused!', 'wrong-service!', 'refused', 'wrong-service', 'reachable!', 'not-checked!', 'new-one!', 'proven!', 'skipped!',
    ]);
  });

  test('a tally counts failures and keeps the worst', () => {
    expect(tallyOf([])).toBeUndefined();
    const tally = tallyOf([check('proven'), check('refused', { required: false }), check('no-answer'), check('skipped')]);
    expect(tally).toMatchObject({ all: 4, failing: 2, failingRequired: 1, worst: { verdict: 'no-answer' } });
    expect(tally && tallyText(tally)).toBe('2 of 4 flows fail, worst: no answer');
    const well = tallyOf([check('skipped'), check('proven')]);
    expect(well && tallyText(well)).toBe('2 flows, worst: proven');
  });

  test('counts are in the order of urgency, without what is not there; one required failure makes its count red', () => {
    const counts = countsOf([check('proven'), check('refused', { required: false }), check('refused'), check('odd')]);
    expect(counts).toEqual([
      { verdict: 'refused', count: 2, tone: 'bad' },
      { verdict: 'proven', count: 1, tone: 'good' },
      { verdict: 'odd', count: 1, tone: 'off' },
    ]);
  });
});

describe('finding results', () => {
  const all = [
    check('proven', { to: 'dc1' }),
    check('refused', { to: 'dc2', required: false }),
    check('blocked', { from: 'c', to: 'dc1', application_protocol: 'DNS', evidence: 'prohibited by Büro-FW', port: 53, transport: 'udp' }),
  ];
  const found = (filter: Partial<CheckFilter>): string[] => new CheckSearch().find(all, { ...none, ...filter }).map(({ verdict }) => verdict);

  test('by verdict, ends and protocol', () => {
    expect(found({ verdict: 'fails' })).toEqual(['refused', 'blocked']);
    expect(found({ verdict: 'required-fails' })).toEqual(['blocked']);
    expect(found({ verdict: 'proven' })).toEqual(['proven']);
    expect(found({ from: 'a', to: 'dc2' })).toEqual(['refused']);
    expect(found({ protocol: 'DNS' })).toEqual(['blocked']);
  });

  test('by words, of the evidence too', () => {
    expect(found({ q: 'buro 53' })).toEqual(['blocked']);
    expect(found({ q: 'dc1' })).toEqual(['proven', 'blocked']);
    expect(found({ q: 'dc1', verdict: 'fails' })).toEqual(['blocked']);
  });

  test('two ports of one flow have two keys, and a new result the same', () => {
    expect(keyOf(check('proven', { port: 1 }))).not.toBe(keyOf(check('proven', { port: 2 })));
    expect(keyOf(check('proven', { since_ms: 1 }))).toBe(keyOf(check('refused', { since_ms: 2 })));
  });

  test('two thousand results are searched, sorted and put into a matrix in a blink', () => {
    const many = Array.from({ length: 2_000 }, (_, at) => check(VERDICTS[at % 9] ?? '', { from: `sh${at % 50}`, to: `dc${at % 40}`, port: at }));
    const search = new CheckSearch();
    search.find(many, { ...none, q: 'sh' });
    const from = performance.now();
    const hits = search.find(many.map((one) => ({ ...one })), { ...none, q: 'sh1 ldap' });
    matrixOf([...hits].sort(byUrgency), compare);
    expect(hits.length).toBeGreaterThan(100);
    expect(performance.now() - from).toBeLessThan(200);
  });
});

describe('the matrix', () => {
  test('hosts with failures come first; a cell is empty where no flow is', () => {
    const matrix = matrixOf(
      [check('proven'), check('refused', { from: 'z', required: false }), check('refused', { from: 'y', to: 'c' }), check('proven', { from: 'y', to: 'b' })],
      compare,
    );
    expect(matrix.from).toEqual(['y', 'z', 'a']);
    expect(matrix.to).toEqual(['c', 'b']);
    expect(matrix.cell('y', 'c')).toMatchObject({ all: 1, failingRequired: 1 });
    expect(matrix.cell('a', 'c')).toBeUndefined();
  });
});

describe('the map', async () => {
  const data = (await import('../dev/mock-ports.json')).default as unknown as { plan: PortPlan; layout: MapLayout };

  test('every result of the plan stands behind a line, and behind no line between other hosts', () => {
    const all = data.plan.flows.flatMap((flow) =>
      flow.from.flatMap((from) => flow.to.filter((to) => to !== from).map((to) => check('proven', { flow: flow.flow, from, to }))),
    );
    const behind = checksOfBundles(data.layout, data.plan, all);
    expect(new Set([...behind.values()].flat()).size).toBe(all.length);
    const alone = all.filter(({ to }) => to === 'files');
    const lines = checksOfBundles(data.layout, data.plan, alone);
    expect([...lines.values()].flat().every(({ to }) => to === 'files')).toBe(true);
    expect(lines.size).toBeLessThan(behind.size);
  });

  test('a result of a flow that the map does not know is left out', () => {
    expect(checksOfBundles(data.layout, data.plan, [check('refused', { flow: 'of-tomorrow' })]).size).toBe(0);
  });
});

describe('how old results are', () => {
  const vantages = [vantage('a', 'reporting', 5_000), vantage('s', 'silent', 1_000), vantage('t', 'silent'), vantage('n', 'no-agent'), vantage('m', 'no-agent')];

  test('who is silent for longest is named first, with how long', () => {
    expect(silentOf(vantages).map(({ host }) => host)).toEqual(['t', 's']);
    expect(silenceText(vantage('sh2', 'silent', 1_000), 721_000)).toBe('sh2 has not reported for 12 min: its results may be out of date.');
    expect(silenceText(vantage('sh2', 'silent'), 721_000)).toBe('sh2 has not reported yet.');
  });

  test('hosts without agent matter where they open something', () => {
    expect(unwatchedOf(vantages, [check('not-checked', { from: 'n' }), check('proven', { to: 'm' })])).toEqual(['n']);
  });

  test('the oldest result is found, and none among what was never checked', () => {
    expect(oldestOf([check('proven', { checked_at_ms: 9 }), check('proven', { checked_at_ms: 4 }), check('not-checked', { checked_at_ms: null })])).toBe(4);
    expect(oldestOf([check('not-checked', { checked_at_ms: null })])).toBeUndefined();
  });

  test('a check is under way until everybody who reports has new results; nobody waits for the silent', () => {
    const before = [check('proven'), check('proven', { to: 'c' }), check('proven', { from: 's' }), check('not-checked', { from: 'n', checked_at_ms: null }), check('skipped', { to: 'd', checked_at_ms: null })];
    const times = timesOf(before);
    expect(progressOf(times, before, vantages, '')).toEqual({ done: 0, all: 2 });
    const after = before.map((one, at) => (at === 0 ? { ...one, checked_at_ms: 2_000 } : one));
    expect(progressOf(times, after, vantages, '')).toEqual({ done: 1, all: 2 });
    expect(progressOf(times, after, vantages, 's')).toEqual({ done: 0, all: 0 });
    expect(progressOf(times, [...after, check('proven', { to: 'new' })], vantages, 'a')).toEqual({ done: 2, all: 3 });
  });

  test('a history is of one address and port, newest first', () => {
    const change = (at_ms: number, port: number, address = '10.0.0.1'): CheckChange => ({
      at_ms, flow: 'f', from: 'a', to: 'b', address, port, verdict: 'refused', before: 'proven', evidence: '',
    });
    const changes = changesOf(check('refused'), [change(1, 389), change(3, 389), change(2, 389, '10.0.0.2'), change(4, 636)]);
    expect(changes.map(({ at_ms }) => at_ms)).toEqual([3, 1]);
    expect(changesOf(check('proven', { transport: 'icmp', port: null }), [change(1, 0)])).toHaveLength(1);
  });

  test('a port where there is one', () => {
    expect([checkSocket(check('proven')), checkSocket(check('proven', { transport: 'icmp', port: null })), checkSocket(check('proven', { port_last: 399 }))]).toEqual(['389/tcp', 'icmp', '389–399/tcp']);
  });
});
