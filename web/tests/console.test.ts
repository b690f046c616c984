import { describe, expect, expectTypeOf, test } from 'vitest';
import type { AuditRecord, ConsoleSession, HistoryRecord, Host, HostSession, JoinToken, LaunchRecord, Load, LoadHistory, Maintenance, OrderOutcome, Waiting } from '../src/api/console-types';
import type { components } from '../src/api/schema';
import { FETCHES_MAX, readAudit, type Fetch } from '../src/console/audit';
import { explained, witness } from '../src/console/explained';
import { csvField, csvFile, detailText } from '../src/console/csv';
import { readFilters, writeFilters } from '../src/console/filters';
import { age, bytes, percent, queue, share } from '../src/console/format';
import { columns, spells } from '../src/console/load';
import { checkPlan, localInput } from '../src/console/maintenance';
import { busiest, causes, countBy, needsSomebody, withSilence } from '../src/console/overview';
import { may } from '../src/console/roles';
import { moved, RowIndex, sorted, visibleRange } from '../src/console/rows';
import {
  choiceWords, endedBecause, hostMode, hostState, HOST_STATES, launchCause, launchOutcome, outcomeWords, sessionState,
  verdictNext, whyNot,
} from '../src/console/words';
import { ofHostVerdict, ofRefusal } from '../src/lib/words';
import { endingOfClose, END_REASONS } from '../src/viewer/end-reasons';

function host(id: string, more: Partial<Host> = {}): Host {
  return {
    id, title: '', pool: 'desktops', address: '10.0.0.1', port: 3389, protocol: 'rdp', weight: 100, mode: 'enabled',
    wanted_mode: 'enabled', state: 'up', detail: '', takes_new: true, why_not: [], agent: 'required', identity: 'accepted',
    pins: [], roles: [], sessions: 1, sessions_max: 10, unmanaged_sessions: 0, ...more,
  };
}

const load = (cpu: number, index?: number): Load => ({
  at_ms: 0, cpu, memory: 0, memory_total_bytes: 0, run_queue: 0, disk_wait: 0, received_bytes_s: 0, sent_bytes_s: 0,
  ...(index === undefined ? {} : { index }),
});

describe('rows', () => {
  interface Row { id: string; text: string }
  const index = (): RowIndex<Row> => new RowIndex((row) => row.id, (row) => row.text);
  const rows: Row[] = [{ id: 'a', text: 'Büro Nord' }, { id: 'b', text: 'sh1 Straße' }, { id: 'c', text: 'Nordost' }];
  const ids = (found: readonly Row[]): string[] => found.map((row) => row.id);

  test('every word has to be in a row, case and marks do not matter, the order stays', () => {
    expect(ids(index().search(rows, 'NORD'))).toEqual(['a', 'c']);
    expect(ids(index().search(rows, 'nord buro'))).toEqual(['a']);
    expect(ids(index().search(rows, 'strasse'))).toEqual(['b']);
    expect(ids(index().search(rows, '  '))).toEqual(['a', 'b', 'c']);
  });

  test('a row whose text has changed is found by the new one', () => {
    const one = index();
    one.search(rows, 'nord');
    const changed = rows.map((row) => (row.id === 'a' ? { ...row, text: 'Süd' } : row));
    expect(ids(one.search(changed, 'nord'))).toEqual(['c']);
    expect(ids(one.search(changed, 'sud'))).toEqual(['a']);
  });

  test('ten thousand rows are searched in a few milliseconds, again and again', () => {
    const many = Array.from({ length: 10_000 }, (_, at) => ({ id: String(at), text: `node-${at} pool-${at % 40}` }));
    const one = index();
    one.search(many, 'pool');
    const from = performance.now();
    expect(one.search(many.map((row) => ({ ...row })), 'node-77 pool-3').length).toBeGreaterThan(1);
    expect(performance.now() - from).toBeLessThan(200);
  });

  test('sorting keeps equal rows in their order, both ways', () => {
    const values = [{ n: 2, id: 'a' }, { n: 1, id: 'b' }, { n: 2, id: 'c' }];
    const by = (a: { n: number }, b: { n: number }): number => a.n - b.n;
    expect(sorted(values, by, 'ascending').map((row) => row.id)).toEqual(['b', 'a', 'c']);
    expect(sorted(values, by, 'descending').map((row) => row.id)).toEqual(['a', 'c', 'b']);
  });

  test.each([
    [0, -500, { from: 0, to: 0 }],
    [10, -500, { from: 0, to: 10 }],
    [10_000, 0, { from: 0, to: 30 }],
    [10_000, 4_400, { from: 90, to: 130 }],
    [10_000, 439_900, { from: 9_987, to: 10_000 }],
    [5, 99_999, { from: 4, to: 5 }],
  ])('of %i rows at %i px those in the window are drawn', (count, above, range) => {
    expect(visibleRange(count, 44, above, 880, 10)).toEqual(range);
  });

  test('arrow keys stop at the ends', () => {
    expect([moved('ArrowUp', 0, 9, 5), moved('ArrowDown', 8, 9, 5), moved('PageDown', 6, 9, 5), moved('PageUp', 3, 9, 5)]).toEqual([0, 8, 8, 0]);
    expect([moved('Home', 7, 9, 5), moved('End', 0, 9, 5), moved('x', 0, 9, 5)]).toEqual([0, 8, undefined]);
  });
});

describe('filters in the address', () => {
  test('what is written is read back; what is not known or empty is left out', () => {
    const filters = { q: 'a b&c', state: 'silent', pool: '' };
    const href = writeFilters('/console/hosts', filters);
    expect(href).toBe('/console/hosts?q=a+b%26c&state=silent');
    expect(readFilters(['q', 'state', 'pool'], new URL(href, 'https://portico.example').search)).toEqual(filters);
    expect(readFilters(['q'], '?evil=1')).toEqual({ q: '' });
    expect(writeFilters('/console/hosts', { q: '' })).toBe('/console/hosts');
  });
});

describe('CSV', () => {
  test.each(['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', ' =1', '|calc', '%0', '＝1'])('%j is no formula any more', (text) => {
    expect(csvField(text).replace(/^"/, '').startsWith("'")).toBe(true);
  });

  test('values are quoted where the format needs it, and nothing else changes', () => {
    expect(csvField('plain')).toBe('plain');
    expect(csvField('a,b')).toBe('"a,b"');
    expect(csvField('say "x"')).toBe('"say ""x"""');
    expect(csvField('two\nlines')).toBe('"two\nlines"');
    expect([csvField(-5), csvField(null), csvField(undefined)]).toEqual(['-5', '', '']);
  });

  test('a file has a byte order mark, a head and one line for each record', () => {
    expect(csvFile(['a', 'b'], [[1, '=x'], ['ü', null]])).toBe("\ufeffa,b\r\n1,'=x\r\nü,\r\n");
  });

  test('details are one line for people', () => {
    expect(detailText({ mode: 'drain', reason: null, set: { by: 'ina' } })).toBe('mode: drain, set: {"by":"ina"}');
    expect([detailText(null), detailText('x'), detailText(undefined)]).toEqual(['', 'x', '']);
  });
});

describe('reading the audit log', () => {
  const record = (seq: number, actor: string, action: string): AuditRecord => ({ seq, at: 0, actor, action, object: '', outcome: 'ok' });
  const all = Array.from({ length: 3_500 }, (_, at) => record(3_500 - at, at % 700 === 5 ? 'rare' : 'often', at % 2 ? 'host.mode' : 'sign-in.ok'));
  /** As the portal answers it: pages, and no filters. */
  const fetch: Fetch = (_filter, limit, before = Infinity) => {
    const rest = all.filter((one) => one.seq < before);
    const records = rest.slice(0, limit);
    return Promise.resolve({ records, next: rest.length > limit ? (records.at(-1)?.seq ?? null) : null });
  };

  test('without filters each page is one call, and none is lost between pages', async () => {
    const first = await readAudit(fetch, { actor: '', action: '' }, 50);
    expect([first.records.length, first.next]).toEqual([50, 3_451]);
    const second = await readAudit(fetch, { actor: '', action: '' }, 50, first.next ?? undefined);
    expect(second.records[0]?.seq).toBe(3_450);
  });

  test('with filters it goes through the pages until enough fit, and goes on where it stopped', async () => {
    const first = await readAudit(fetch, { actor: 'rare', action: '' }, 3);
    expect(first.records.map((one) => one.seq)).toEqual([3_495, 2_795, 2_095]);
    const second = await readAudit(fetch, { actor: 'rare', action: '' }, 3, first.next ?? undefined);
    expect([second.records.map((one) => one.seq), second.next]).toEqual([[1_395, 695], null]);
    expect((await readAudit(fetch, { actor: 'nobody', action: 'host.' }, 3)).records).toEqual([]);
  });

  test('it gives up after a number of calls, and says where to go on', async () => {
    let calls = 0;
    const endless: Fetch = () => {
      calls += 1;
      return Promise.resolve({ records: [record(9, 'often', 'x')], next: 9 });
    };
    expect(await readAudit(endless, { actor: 'nobody', action: '' }, 3)).toEqual({ records: [], next: 9 });
    expect(calls).toBe(FETCHES_MAX);
  });
});

describe('roles', () => {
  test('auditors read, the help desk acts on sessions, operators on hosts', () => {
    const rights = (role: Parameters<typeof may>[0]): boolean[] => [may(role, 'read'), may(role, 'sessions'), may(role, 'hosts')];
    expect(rights('user')).toEqual([false, false, false]);
    expect(rights('auditor')).toEqual([true, false, false]);
    expect(rights('help-desk')).toEqual([true, true, false]);
    expect(rights('operator')).toEqual([true, true, true]);
    expect(rights('owner')).toEqual([true, true, true]);
  });
});

describe('numbers', () => {
  test('shares and queues are per ten thousand; absurd ones stay in their range', () => {
    expect([share(-1), share(5_000), share(20_000)]).toEqual([0, 0.5, 1]);
    expect(percent(3_456, 'en')).toBe('35%');
    expect(queue(12_500, 'de')).toBe('1,3');
  });

  test('ages and bytes take their largest fitting unit', () => {
    expect([age(5), age(65), age(3_725), age(172_800), age(-1)]).toEqual(['5 s', '1 min', '1 h 02 min', '2 d', '0 s']);
    expect([bytes(999, 'en'), bytes(1_500, 'en'), bytes(64e9, 'en')]).toEqual(['999 byte', '1.5 kB', '64 GB']);
  });
});

describe('load over time', () => {
  const point = (at_ms: number, cpu: number): LoadHistory['points'][number] => ({ at_ms, cpu, memory: 0, run_queue: 5_000, disk_wait: 0, sessions: 3 });

  test('no line bridges the time without reports', () => {
    const { times, values } = columns({ period_s: 10, points: [point(100_000, 1), point(0, 5_000), point(10_000, 10_000)] });
    expect(times).toEqual([0, 10, 20, 100]);
    expect(values.cpu).toEqual([0.5, 1, null, 0.0001]);
    expect(values.run_queue[0]).toBe(0.5);
  });

  test('the table has means over spells, newest first', () => {
    const list = spells({ period_s: 10, points: [point(0, 2_000), point(60_000, 4_000), point(300_000, 10_000)] }, 5);
    expect(list.map((spell) => [spell.fromMs, spell.values.cpu])).toEqual([[300_000, 1], [0, expect.closeTo(0.3)]]);
  });

  test('without points there is nothing, and nothing breaks', () => {
    expect(columns({ period_s: 10, points: [] }).times).toEqual([]);
    expect(spells({ period_s: 10, points: [] }, 5)).toEqual([]);
  });
});

describe('the overview', () => {
  test('who needs somebody comes by urgency; a disabled host needs nobody', () => {
    const day = 86_400_000;
    const hosts = [
      host('full', { sessions: 10 }),
      host('quiet', { state: 'silent', agent_state: { state: 'silent', since_ms: 5 } }),
      host('off', { state: 'down', mode: 'disabled' }),
      host('dead', { state: 'down' }),
      host('lapsing', { agent_state: { state: 'connected', certificate_expires_ms: day } }),
      host('punished', { penalty: { failures: 2, until_ms: 1 } }),
    ];
    const waiting = [{ host: 'new', kind: 'join' as const, at_ms: 1, fingerprint: '0' }, { host: 'odd', kind: 'identity' as const, at_ms: 1, fingerprint: '1' }];
    expect(needsSomebody(hosts, waiting, 0).map((need) => `${need.what} ${need.host}`)).toEqual([
      'identity odd', 'silent quiet', 'down dead', 'join new', 'certificate lapsing', 'penalty punished', 'full full',
    ]);
  });

  test('failed launches are grouped by cause, the most frequent first, with the last one', () => {
    const record = (at_ms: number, outcome: LaunchRecord['outcome'], detail: string): LaunchRecord => ({ at_ms, user: `u${at_ms}`, resource: 'r', title: 'R', outcome, detail, took_ms: 1 });
    const list = causes([record(3, 'failed', 'a'), record(1, 'failed', 'b'), record(2, 'failed', 'b'), record(4, 'placed', 'a')], (one) => one.detail ?? '');
    expect(list).toEqual([{ text: 'b', count: 2, user: 'u2', lastMs: 2 }, { text: 'a', count: 1, user: 'u3', lastMs: 3 }]);
  });

  test('the busiest are those with the highest index; hosts without load are left out', () => {
    expect(busiest([host('a', { load: load(9_000, 10) }), host('b', { load: load(1, 20) }), host('c')], 5).map((one) => one.id)).toEqual(['b', 'a']);
    expect(countBy(['x', 'y', 'x'], (one) => one).get('x')).toBe(2);
  });
});

describe('silent hosts', () => {
  test('sessions on them are unknown since the host fell silent; others stay as they are', () => {
    const session = (id: string, on: string): ConsoleSession => ({ id, host: on, user: 'u', account: 'u', pool: 'p', resource: 'r', title: 'R', kind: 'desktop', protocol: 'rdp', state: 'active', since_ms: 1, created_at_ms: 1 });
    const hosts = [host('quiet', { state: 'silent', agent_state: { state: 'silent', since_ms: 77 } }), host('loud')];
    expect(withSilence([session('a', 'quiet'), session('b', 'loud'), session('c', 'gone')], hosts).map((one) => one.unknown_since_ms)).toEqual([77, undefined, undefined]);
  });
});

describe('words', () => {
  const REASONS = [
    'disabled', 'draining', 'never-joined', 'waiting-for-approval', 'revoked', 'silent', 'unreachable', 'not-probed',
    'not-trusted', 'other-protocol', 'full', 'sign-ins-in-progress', 'other-site', 'penalised', 'not-last-host',
    'higher-load', 'same-load', 'not-its-turn', 'emptier-than-chosen', 'as-full', 'more-sessions', 'as-few-sessions',
    'session-elsewhere', 'account-in-use',
  ];

  test('every reason of the model has words of its own', () => {
    for (const reason of REASONS) expect(ofHostVerdict({ host: 'sh1', reason }), reason).not.toContain(`(${reason})`);
    expect(ofHostVerdict({ host: 'sh1', reason: 'sign-ins-in-progress', sign_ins: 2, sign_ins_max: 2 })).toContain('2 of at most 2');
    expect(ofHostVerdict({ host: 'sh1', reason: 'higher-load', index: 6_400, chosen: 4_100 })).toContain('64 % against 41 %');
  });

  test('what would change the answer is said where something would, and not where a host just lost', () => {
    expect(verdictNext({ host: 'a', reason: 'draining', set: { by: 'ina', at: 0, reason: '' } })).toContain('portico hosts enable');
    expect(verdictNext({ host: 'a', reason: 'draining' })).toContain('estate file');
    for (const reason of ['higher-load', 'same-load', 'not-its-turn', 'as-full']) expect(verdictNext({ host: 'a', reason })).toBeUndefined();
  });

  test('why a host takes no one names who drained it, or the estate; an unknown code keeps the server’s words', () => {
    const draining = { code: 'draining', message: 'm' };
    const set = { mode: 'drain' as const, by: 'ina', at_ms: 0, reason: 'kernel', until_restart: true };
    expect(whyNot(draining, host('a', { mode_set: set }), 'en').why).toMatch(/by ina at .*: kernel \(until the next restart\)/);
    expect(whyNot(draining, host('a'), 'en').next).toContain('portico apply');
    expect(whyNot({ code: 'new', message: 'something new', next_step: 'wait' }, host('a'), 'en')).toEqual({ title: 'something new', next: 'wait' });
    expect(whyNot({ code: 'not-trusted', message: '' }, host('a', { identity: 'changed' }), 'en').title).toContain('changed');
    for (const code of REASONS.slice(0, 9)) expect(whyNot({ code, message: '-' }, host('a'), 'en').title, code).not.toBe('-');
  });

  test('every state, outcome and end has a word; an unknown one is shown as it is', () => {
    for (const state of HOST_STATES) expect(hostState(state).word).not.toBe('');
    expect(hostState('odd' as never).word).toBe('odd');
    expect(hostMode('odd' as never).word).toBe('odd');
    expect(launchOutcome('odd' as never).word).toBe('odd');
    expect(sessionState('active', true).mark).toBe('warn');
    for (const reason of END_REASONS) expect(endedBecause(reason), reason).not.toBe(reason);
  });

  test('a choice says why, an outcome whether it worked, a refusal where to go on', () => {
    expect(choiceWords({ choice: 'resource-based', index: 4_100, sessions: 3, sessions_max: 30 })).toContain('41 %');
    expect(choiceWords({ choice: 'new-rule' })).toBe('new-rule');
    const good = (outcome: OrderOutcome['outcome']): boolean => outcomeWords({ outcome }).good;
    expect([good('done'), good('identities'), good('failed'), good('not-found'), good('not-supported')]).toEqual([true, true, false, false, false]);
    expect(ofRefusal({ refusal: 'resume-elsewhere', network: '10.0.0.0/8' }).why).toContain('10.0.0.0/8');
  });

  test('the cause of a refused launch names its hosts', () => {
    const record: LaunchRecord = { at_ms: 0, user: 'u', resource: 'r', title: 'R', outcome: 'refused', took_ms: 1, refusal: { refusal: 'no-host', pool: 'p', hosts: [{ host: 'sh1', reason: 'draining' }] } };
    expect(launchCause(record)).toContain('sh1 is draining');
    expect(launchCause({ ...record, outcome: 'failed', detail: 'refused by 10.0.0.1' })).toBe('refused by 10.0.0.1');
  });
});

describe('maintenance', () => {
  const plan = { hosts: ['sh1'], startsAtMs: 2_000, text: 'x' };

  test('a plan needs hosts, a time ahead and a text', () => {
    expect(checkPlan(plan, 1_000)).toBeUndefined();
    expect(checkPlan({ ...plan, hosts: [] }, 1_000)).toContain('host');
    expect(checkPlan(plan, 3_000)).toContain('past');
    expect(checkPlan({ ...plan, startsAtMs: Number.NaN }, 1_000)).not.toBeUndefined();
    expect(checkPlan({ ...plan, text: ' ' }, 1_000)).not.toBeUndefined();
  });

  test('a time goes into the form and comes out the same', () => {
    const ms = new Date(2026, 10, 21, 7, 5).getTime();
    expect(localInput(ms)).toBe('2026-11-21T07:05');
    expect(new Date(localInput(ms)).getTime()).toBe(ms);
  });
});

describe('types', () => {
  test('what the schema says of the console fits what its pages take', () => {
    type Schemas = components['schemas'];
    expectTypeOf<Schemas['HostView']>().toExtend<Host>();
    expectTypeOf<Schemas['LoadHistoryView']>().toExtend<LoadHistory>();
    expectTypeOf<Schemas['HostSessionView']>().toExtend<HostSession>();
    expectTypeOf<Schemas['SessionView']>().toExtend<ConsoleSession>();
    expectTypeOf<Schemas['WaitingView']>().toExtend<Waiting>();
    expectTypeOf<Schemas['JoinTokenView']>().toExtend<JoinToken>();
    expectTypeOf<Schemas['MaintenanceView']>().toExtend<Maintenance>();
    expectTypeOf<Schemas['OutcomeView']>().toExtend<OrderOutcome>();
  });
});

describe('taking over', () => {
  test('who took a session over is read from the reason, and only there, and only an address', () => {
    expect(endingOfClose(4003, 'taken-over by=192.0.2.7')).toEqual({ reason: 'taken-over', by: '192.0.2.7' });
    expect(endingOfClose(4003, 'taken-over by=2001:db8::7')).toEqual({ reason: 'taken-over', by: '2001:db8::7' });
    expect(endingOfClose(4003, 'taken-over')).toEqual({ reason: 'taken-over' });
    expect(endingOfClose(4003, 'taken-over by=<b>x</b>')).toEqual({ reason: 'taken-over' });
    expect(endingOfClose(4006, 'operator-ended by=ina')).toEqual({ reason: 'operator-ended' });
    expect(endingOfClose(4003, `taken-over by=${'1'.repeat(99)}`)).toEqual({ reason: 'taken-over' });
  });

  test('the codes of the new reasons', () => {
    expect([4015, 4016, 4017, 4018, 4019].map((code) => endingOfClose(code, '').reason)).toEqual([
      'logged-off', 'host-restarted', 'disconnected-timeout', 'session-timeout', 'maintenance',
    ]);
  });
});

describe('a session explained', () => {
  const at = 1_700_000_000_000;
  const of = (seq: number, more: Partial<HistoryRecord>): HistoryRecord => ({ seq, at: at + seq, host: 'sh1', kind: 'created', ...more });
  const session: ConsoleSession = {
    id: 's', user: 'anna', resource: 'desktop', title: 'Desktop', kind: 'desktop', host: 'sh1', pool: 'p', account: 'anna',
    protocol: 'rdp', state: 'disconnected', reason: 'client-lost', since_ms: at, created_at_ms: at,
  } as ConsoleSession;

  test('every step says who it is known from, and the last two say how it stands now', () => {
    const steps = explained({
      session,
      on_host: { key: 'xrdp:10', account: 'anna', kind: 'rdp', state: 'disconnected', age_s: 60 },
      history: [
        of(1, { client_address: '192.0.2.7' }),
        of(2, { kind: 'connection', event: 'failed', detail: '<b>refused</b>' }),
        of(3, { kind: 'state-changed', to: { state: 'ended', reason: 'logged-off' } }),
        of(4, { kind: 'danced' }),
      ],
    }, 'en');
    expect(steps.map((step) => step.what)).toEqual([
      'Launched from 192.0.2.7 and placed on sh1',
      'The host did not accept a connection: <b>refused</b>',
      'Over: logged off',
      'danced',
      'Now: disconnected, network of the client',
      'On the host: disconnected as xrdp:10',
    ]);
    expect(steps[0]).toMatchObject({ atMs: at + 1, fact: expect.stringContaining('(entry 1)') });
    expect(steps[2]?.fact).toContain('a report of the host\u2019s agent'.replace('\u2019', "'"));
    expect(steps.at(-1)?.atMs).toBeUndefined();
  });

  test('a session that is long over has its history only', () => {
    const steps = explained({ session: null, on_host: null, history: [] }, 'en');
    expect(steps.map((step) => step.what)).toEqual(['Now: the directory has it no more', 'On the host: not seen']);
  });

  test('a flow to its host that does not work is said last', () => {
    const broken = { flow: 'portico.gateway-host-rdp', from: 'gate', to: 'sh1', evidence: 'nothing listens' };
    const steps = explained({ session: null, on_host: null, history: [], broken_flows: [broken] }, 'en');
    expect(steps.at(-1)?.what).toBe(
      'A flow to the host does not work, seen from gate: nothing listens (portico.gateway-host-rdp)',
    );
    expect(steps.at(-1)?.ports).toEqual({ from: 'gate', to: 'sh1', q: 'portico.gateway-host-rdp' });
  });

  test('every reason of an end has a witness', () => {
    for (const reason of END_REASONS) expect(witness(reason), reason).not.toBe('');
    expect(witness('logged-off')).not.toBe(witness('host-closed'));
    expect(witness('operator-ended')).not.toBe(witness('user-ended'));
  });
});
