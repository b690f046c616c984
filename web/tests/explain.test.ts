import { describe, expect, test } from 'vitest';
import { askedOf, askedOfCheck, askedText, causeTone, commandOf, fromOf, newestOf, portText, seenOf, standingOf } from '../src/console/ports/explain';
import { causeLabel, causeTitle, certaintyWord, otherLabel } from '../src/console/ports/explain-words';
import type { Check, FlowCause, FlowExplained } from '../src/console/ports/types';
import { KINDS } from './kinds';

const check = (from: string, verdict: string, more: Partial<Check> = {}): Check => ({
  flow: 'f', application_protocol: 'RDP', purpose: 'Sessions', from, to: 'sh1', address: '10.0.0.1', transport: 'tcp', port: 3389, required: true,
  verdict, evidence: '', checked_at_ms: 1_000, since_ms: 500, ...more,
});
const cause = (kind: string, more: Partial<FlowCause> = {}): FlowCause => ({ kind, title: `the title of ${kind}`, certainty: 'likely', why: 'w', next_step: 'n', flow: 'f', from: 'gw1', to: 'sh1', ...more });
const explained = (more: Partial<FlowExplained> = {}): FlowExplained => ({ from: 'gw1', to: 'sh1', port: 3389, transport: 'tcp', flows: [], seen: [], causes: [], not_planned: false, ...more });

describe('the flow that the address names', () => {
  test('comes back as it was written, with and without its own host and transport', () => {
    for (const asked of [
      { from: 'gw1', to: 'sh1', port: 3389, transport: 'tcp' }, { from: '', to: 'dc1.example', port: 88, transport: 'udp' }, { from: 'a', to: 'b', port: 1, transport: '' },
    ]) expect(askedOf(askedText(asked))).toEqual(asked);
    expect(new URLSearchParams({ explain: askedText({ from: 'gw1', to: 'sh1', port: 3389, transport: 'tcp' }) }).toString()).toBe('explain=gw1+sh1+3389+tcp');
  });

  test('is none when it is anything else: what it names ends in a command that people run', () => {
    for (const text of ['', 'sh1', 'gw1 sh1', 'gw1 sh1 0', 'gw1 sh1 65536', 'gw1 sh1 1e3', 'gw1 sh1 22 icmp', 'gw1 sh1 22 tcp more', 'gw1  22', '$(reboot) sh1 22', 'gw1 sh1;reboot 22', '-f sh1 22'])
      expect(askedOf(text), text).toBeUndefined();
  });

  test('is that of a result, unless it has no port', () => {
    expect(askedOfCheck(check('gw1', 'refused'))).toEqual({ from: 'gw1', to: 'sh1', port: 3389, transport: 'tcp' });
    expect(askedOfCheck(check('gw1', 'refused', { port: null }))).toBeUndefined();
    expect(askedOfCheck(check('gw1', 'refused', { transport: 'ip' }))).toBeUndefined();
  });

  test('is explained by the same command', () => {
    expect(commandOf({ from: 'gw1', to: 'sh1', port: 88, transport: 'udp' })).toBe('portico explain flow --from gw1 --to sh1 --port 88/udp');
    expect(portText({ port: 88, transport: '' })).toBe('88');
  });
});

describe('how a flow stands', () => {
  const refused = [check('gw1', 'refused'), check('gw2', 'proven')];

  test('in all cases', () => {
    expect(standingOf(explained({ not_planned: true, causes: [cause('not-planned')] }))).toBe('not-planned');
    expect(standingOf(explained({ seen: [check('gw1', 'not-checked', { checked_at_ms: null })], causes: [cause('unchecked')] }))).toBe('never');
    expect(standingOf(explained({ seen: refused, causes: [cause('nothing-listens')] }))).toBe('caused');
    expect(standingOf(explained({ seen: [check('gw1', 'proven')] }))).toBe('works');
    expect(standingOf(explained({ seen: [check('gw1', 'skipped')] }))).toBe('unclear');
  });

  test('what its own host saw comes first, then the worst', () => {
    const seen = [check('gw3', 'proven'), check('gw2', 'refused'), check('gw1', 'proven')];
    expect(seenOf(explained({ seen })).map(({ from }) => from)).toEqual(['gw1', 'gw2', 'gw3']);
    expect(seenOf(explained({ seen, from: null }))[0]?.from).toBe('gw2');
  });

  test('without a host that was asked for, it is the way that the cause is about', () => {
    expect(fromOf(explained({ from: null, causes: [cause('host-down', { from: 'gw9' })] }))).toBe('gw9');
    expect(fromOf(explained({ from: null, seen: refused }))).toBe('gw1');
    expect(fromOf(explained({ from: null }))).toBe('');
  });

  test('red is for what is required and fails, amber for what is not or will', () => {
    const tone = (...seen: Check[]): string => causeTone(explained({ seen, causes: [cause('x')] }));
    expect(tone(check('gw1', 'refused'))).toBe('bad');
    expect(tone(check('gw1', 'refused', { required: false }))).toBe('warn');
    expect(tone(check('gw1', 'proven'))).toBe('warn');
    expect(tone(check('gw1', 'reachable'))).toBe('part');
    expect(tone()).toBe('off');
  });

  test('a new result is told by its time, of this flow only', () => {
    const asked = { from: 'gw1', to: 'sh1', port: 3389, transport: 'tcp' };
    expect(newestOf([check('gw1', 'proven', { checked_at_ms: 5 }), check('gw1', 'proven', { checked_at_ms: 7 }), check('gw2', 'proven', { checked_at_ms: 9 }), check('gw1', 'proven', { port: 22, checked_at_ms: 8 })], asked)).toBe(7);
    expect(newestOf([], asked)).toBe(0);
  });
});

describe('words', () => {
  test('every kind has a title of its own, and one of a later version that of the server', () => {
    expect(new Set(KINDS.map((kind) => causeTitle(cause(kind)))).size).toBe(KINDS.length);
    for (const kind of KINDS) expect(causeTitle(cause(kind)), kind).not.toBe(`the title of ${kind}`);
    expect(causeTitle(cause('gremlins'))).toBe('the title of gremlins');
  });

  test('who is not sure does not say "the cause"', () => {
    const all = ['certain', 'likely', 'possible'];
    expect(all.map((certainty) => causeLabel(cause('x', { certainty })))).toEqual(['Cause', 'Most likely cause', 'Possible cause']);
    expect(all.map((certainty) => otherLabel(cause('x', { certainty })))).toEqual(['Also', 'Also possible', 'Also possible']);
    expect([...all, 'odd'].map(certaintyWord)).toEqual(['certain', 'likely', 'possible', 'odd']);
  });
});
