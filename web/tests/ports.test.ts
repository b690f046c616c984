import { describe, expect, test } from 'vitest';
import {
  endName, Estate, filterRows, headOf, hostsOfEnd, partsOfBundle, pathOf, peers, planRows, portsText, protocols, socketText,
  transportText, wordsOf, type PlanFilter,
} from '../src/console/ports/model';
import { answerText, conditionText, proofText, sentence } from '../src/console/ports/words';
import { rulesHref } from '../src/console/ports/api';
import type { MapLayout, PlanFlow, PortPlan } from '../src/console/ports/types';

const flow = (id: string, from: string[], to: string[], more: Partial<PlanFlow> = {}): PlanFlow => ({
  flow: id, from, to, transport: 'tcp', ip_protocol: null, ports: [{ first: 443, last: 443 }], application_protocol: 'HTTPS',
  service: 'Büro', reason: 'because', ...more,
});
const host = (id: string, zone: string | null, ...roles: string[]): PortPlan['hosts'][number] => ({
  id, title: '', roles, addresses: [], zone, site: null,
});
const plan: PortPlan = {
  hosts: [host('a', 'out', 'x.client'), host('b', 'in', 'x.server'), host('c', 'in', 'x.server')],
  zones: [],
  flows: [flow('f1', ['a'], ['b', 'c']), flow('f2', ['b', 'c'], ['b', 'c'], { application_protocol: 'RPC', ports: [{ first: 135, last: 135 }] })],
  gaps: [],
  assumptions: [],
};
const none: PlanFilter = { q: '', role: '', protocol: '', zone: '', host: '' };
const keys = (filter: Partial<PlanFilter>, direction = ''): string[] =>
  filterRows(planRows(plan), new Estate(plan), { ...none, ...filter }, direction).map((row) => row.key);

describe('ports in words', () => {
  test('ranges, lists, and transports without ports', () => {
    expect(portsText([{ first: 80, last: 80 }, { first: 1024, last: 65535 }])).toBe('80, 1024–65535');
    expect(socketText({ transport: 'udp', ip_protocol: null, ports: [{ first: 53, last: 53 }] })).toBe('53/udp');
    expect(socketText({ transport: 'icmp', ip_protocol: null, ports: [] })).toBe('icmp');
    expect([47, 50, 51, 99].map((ip_protocol) => transportText({ transport: 'ip', ip_protocol }))).toEqual(['gre', 'esp', 'ah', 'ip 99']);
  });

  test('every kind of answer and condition says something; an unknown one is shown as it is', () => {
    expect(answerText({ answer: 'replaced', by: 'x', why: 'y' })).toBe('replaced: x: y');
    for (const when of ['feature', 'os', 'same-site', 'optional', 'port-given']) expect(conditionText({ when })).not.toBe('');
    expect(conditionText({ when: 'note', text: 'so' })).toBe('so');
    expect(conditionText({ when: 'new-kind' })).toBe('new-kind');
    expect(proofText('A')).toMatch(/^A: /);
    expect(proofText('Z')).toBe('Z');
  });

  test('a clause of the planner becomes a sentence, once', () => {
    expect(['give a port', 'Done.', 'öffnet', ''].map((text) => sentence(text))).toEqual(['Give a port.', 'Done.', 'Öffnet.', '']);
    // Names of hosts with which it may begin are written as they are, and nothing else is.
    expect(['sh1 refused', 'sh1: no', 'sh12 refused', 'the host'].map((text) => sentence(text, ['gw1', 'sh1', null]))).toEqual(['sh1 refused.', 'sh1: no.', 'Sh12 refused.', 'The host.']);
  });

  test('names in the address of rules are encoded', () => {
    expect(rulesHref('csv', 'a&b=c')).toBe('/api/v1/ports/rules?format=csv&host=a%26b%3Dc');
    expect(rulesHref('csv', '')).toBe('/api/v1/ports/rules?format=csv');
  });
});

describe('the plan as rows', () => {
  test('host by host: what each accepts and opens', () => {
    expect(planRows(plan).map((row) => row.key)).toEqual(['0>a', '0<b', '1<b', '1>b', '0<c', '1<c', '1>c']);
  });

  test('no host is a peer of itself', () => {
    const row = planRows(plan).find((one) => one.key === '1<b');
    expect(row && peers(row)).toEqual(['c']);
  });

  test('a row is about its host, whoever is at the other end', () => {
    expect(keys({ role: 'x.client' })).toEqual(['0>a']);
    expect(keys({ zone: 'out' })).toEqual(['0>a']);
    expect(keys({ host: 'c' })).toEqual(['0<c', '1<c', '1>c']);
    expect(keys({ protocol: 'RPC' }, 'in')).toEqual(['1<b', '1<c']);
  });

  test('every word has to be found: in the host, the service, the port or the reason', () => {
    expect(keys({ q: 'BURO f1' })).toEqual(['0>a', '0<b', '0<c']);
    expect(keys({ q: 'büro c f2' })).toEqual(['1<b', '1>b', '1<c', '1>c']);
    expect(keys({ q: '135' })).toEqual(['1<b', '1>b', '1<c', '1>c']);
    expect(keys({ q: 'nothing' })).toEqual([]);
    expect(wordsOf('  Ä  b ')).toEqual(['a', 'b']);
  });

  test('protocols come once, sorted', () => {
    expect(protocols(plan, (a, b) => a.localeCompare(b))).toEqual(['HTTPS', 'RPC']);
  });
});

describe('the map', async () => {
  const data = (await import('../dev/mock-ports.json')).default as unknown as { plan: PortPlan; layout: MapLayout };

  test('every planned flow of the example stands behind a line, and no line is empty', () => {
    const behind = data.layout.bundles.map((bundle) => partsOfBundle(data.layout, data.plan, bundle));
    expect(behind.every((parts) => parts.length > 0)).toBe(true);
    const seen = new Set(behind.flat().map((part) => part.flow.flow));
    expect(seen).toEqual(new Set(data.plan.flows.map((one) => one.flow)));
  });

  test('a line has the flows of its own hosts only', () => {
    for (const bundle of data.layout.bundles) {
      const from = new Set(hostsOfEnd(data.layout, bundle.connection.from));
      const to = new Set(hostsOfEnd(data.layout, bundle.connection.to));
      for (const part of partsOfBundle(data.layout, data.plan, bundle)) {
        expect(part.from.every((one) => from.has(one)) && part.to.every((one) => to.has(one))).toBe(true);
      }
    }
  });

  test('a plan that is newer than the map leaves lines out instead of failing', () => {
    const newer = { ...data.plan, flows: [] };
    expect(data.layout.bundles.flatMap((bundle) => partsOfBundle(data.layout, newer, bundle))).toEqual([]);
    expect(hostsOfEnd(data.layout, 999)).toEqual([]);
    expect(endName(data.layout, 999)).toBe('');
  });

  test('lines bend at their corners and end at the neck of the arrowhead', () => {
    const points = [{ x: 0, y: 0 }, { x: 50, y: 0 }, { x: 50, y: 40 }, { x: 100, y: 40 }];
    expect(pathOf(points)).toBe('M0 0L44 0Q50 0 50 6L50 34Q50 40 56 40L92 40');
    expect(headOf(points)).toBe('M100 40L91 36L91 44Z');
    expect([pathOf([]), headOf([])]).toEqual(['', '']);
  });
});
