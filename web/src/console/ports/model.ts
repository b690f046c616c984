/** The plan as the Ports page shows it: rows of a table, and what stands behind a line of the map. */
import { fold } from '../../lib/search';
import type { MapBundle, MapLayout, MapNode, PlanFlow, PortPlan, PortSpan } from './types';

export const TABS = ['live', 'map', 'plan', 'catalogue', 'rules'] as const;
export type Tab = (typeof TABS)[number];

/** Names of the formats in which rules are written, as the command line has them. */
export const FORMATS = [
  'nftables',
  'iptables',
  'windows',
  'terraform-aws',
  'terraform-azure',
  'kubernetes',
  'csv',
  'markdown',
  'html',
] as const;
/** Formats that are one file for each host. */
export const PER_HOST: readonly string[] = ['nftables', 'iptables', 'windows'];

/** What a plan is searched by. An empty text is no filter. */
export interface PlanFilter {
  q: string;
  role: string;
  protocol: string;
  zone: string;
  host: string;
}

/** A planned flow between some of its hosts. */
export interface Part {
  flow: PlanFlow;
  from: string[];
  to: string[];
}

/** A line of the table: what one host accepts or opens. */
export interface PlanRow {
  key: string;
  host: string;
  direction: 'in' | 'out';
  flow: PlanFlow;
}

const IP_NAMES: Record<number, string> = { 47: 'gre', 50: 'esp', 51: 'ah' };

/** What carries a flow; the plan and the catalogue write it alike. */
interface Carried {
  transport: string;
  ip_protocol?: number | null;
}

export function transportText(flow: Carried): string {
  if (flow.transport !== 'ip') return flow.transport;
  const number = flow.ip_protocol ?? 0;
  return IP_NAMES[number] ?? `ip ${number}`;
}

/** Ports as people write them: `80, 20002–20003`. */
export function portsText(ports: readonly PortSpan[]): string {
  return ports.map(({ first, last }) => (first === last ? String(first) : `${first}–${last}`)).join(', ');
}

/** `443/tcp`; the transport alone where there are no ports. */
export function socketText(flow: Carried & { ports: readonly PortSpan[] }): string {
  const ports = portsText(flow.ports);
  return ports === '' ? transportText(flow) : `${ports}/${transportText(flow)}`;
}

/** Facts about hosts that filters ask for, looked up once. */
export class Estate {
  readonly zoneOf = new Map<string, string>();
  readonly rolesOf = new Map<string, ReadonlySet<string>>();
  private readonly texts = new Map<PlanFlow, string>();

  constructor(readonly plan: PortPlan) {
    for (const host of plan.hosts) {
      this.zoneOf.set(host.id, host.zone ?? '');
      this.rolesOf.set(host.id, new Set(host.roles));
    }
  }

  /** What a flow is found by, besides its hosts. */
  textOf(flow: PlanFlow): string {
    let text = this.texts.get(flow);
    if (text === undefined) {
      text = fold([flow.flow, flow.application_protocol, flow.service, flow.reason, socketText(flow)].join(' '));
      this.texts.set(flow, text);
    }
    return text;
  }

  /** Whether a flow between these hosts passes a filter. */
  passes(part: Part, filter: PlanFilter, words: readonly string[]): boolean {
    if (filter.protocol !== '' && part.flow.application_protocol !== filter.protocol) return false;
    const some = (is: (host: string) => boolean): boolean => part.from.some(is) || part.to.some(is);
    if (filter.role !== '' && !some((host) => this.rolesOf.get(host)?.has(filter.role) === true)) return false;
    if (filter.zone !== '' && !some((host) => this.zoneOf.get(host) === filter.zone)) return false;
    if (filter.host !== '' && !some((host) => host === filter.host)) return false;
    const text = this.textOf(part.flow);
    return words.every((word) => text.includes(word) || some((host) => fold(host).includes(word)));
  }
}

export function wordsOf(query: string): string[] {
  return fold(query).split(/\s+/).filter((word) => word !== '');
}

/** What each host accepts and opens, host by host in the order of the plan. */
export function planRows(plan: PortPlan): PlanRow[] {
  const rows = new Map<string, PlanRow[]>(plan.hosts.map((host) => [host.id, []]));
  plan.flows.forEach((flow, at) => {
    for (const host of flow.to) rows.get(host)?.push({ key: `${at}<${host}`, host, direction: 'in', flow });
    for (const host of flow.from) rows.get(host)?.push({ key: `${at}>${host}`, host, direction: 'out', flow });
  });
  return [...rows.values()].flat();
}

/** The hosts at the other end of a row; no host opens a connection to itself. */
export function peers(row: PlanRow): string[] {
  return (row.direction === 'in' ? row.flow.from : row.flow.to).filter((host) => host !== row.host);
}

export function filterRows(rows: readonly PlanRow[], estate: Estate, filter: PlanFilter, direction: string): PlanRow[] {
  const words = wordsOf(filter.q);
  return rows.filter((row) => {
    if (direction !== '' && row.direction !== direction) return false;
    // A row is about its host: the other end does not bring it into a filter by role, zone or host.
    const part = { flow: row.flow, from: [row.host], to: [row.host] };
    return estate.passes(part, filter, words);
  });
}

export function protocols(plan: PortPlan, compare: (a: string, b: string) => number): string[] {
  return [...new Set(plan.flows.map((flow) => flow.application_protocol))].sort(compare);
}

/** Hosts at an end of the map's lines. */
export function hostsOfEnd(layout: MapLayout, end: number): string[] {
  const nodes = layout.ends === 'node' ? [end] : (layout.groups[end]?.nodes ?? []);
  return nodes.flatMap((node) => layout.nodes[node]?.hosts ?? []);
}

/** What an end of the map is called: its zone, its host, or the first of hosts that are alike. */
export function endName(layout: MapLayout, end: number): string {
  const group = layout.ends === 'group' ? layout.groups[end] : undefined;
  if (group !== undefined && group.title !== '') return group.title;
  const node = layout.nodes[group === undefined ? end : (group.nodes[0] ?? -1)];
  return node === undefined ? '' : nodeName(node);
}

export function nodeName(node: MapNode): string {
  const [first = '', ...others] = node.hosts;
  return others.length === 0 ? first : `${first} … ${others.at(-1) ?? ''}`;
}

/** The planned flows of a line. Told by their hosts, as the plan may be newer than the map. */
export function partsOfBundle(layout: MapLayout, plan: PortPlan, bundle: MapBundle): Part[] {
  const { from, to, flows } = bundle.connection;
  const known = new Set(flows);
  const sources = new Set(hostsOfEnd(layout, from));
  const targets = new Set(hostsOfEnd(layout, to));
  return plan.flows
    .filter((flow) => known.has(flow.flow))
    .map((flow) => ({
      flow,
      from: flow.from.filter((host) => sources.has(host)),
      to: flow.to.filter((host) => targets.has(host)),
    }))
    .filter((part) => part.from.length > 0 && part.to.length > 0);
}

/** A line of the map with round corners, up to the neck of its arrowhead. */
export function pathOf(points: MapBundle['path']): string {
  const BEND = 6;
  const NECK = 8;
  const last = points.at(-1);
  const before = points.at(-2);
  if (last === undefined || before === undefined) return '';
  const neck = { x: last.x - Math.sign(last.x - before.x) * NECK, y: last.y };
  const line = [...points.slice(0, -1), neck];
  return line
    .map((point, at) => {
      const previous = line[at - 1];
      const next = line[at + 1];
      if (previous === undefined) return `M${point.x} ${point.y}`;
      if (next === undefined) return `L${point.x} ${point.y}`;
      const bend = Math.min(BEND, reach(previous, point) / 2, reach(point, next) / 2);
      const a = toward(point, previous, bend);
      const b = toward(point, next, bend);
      return `L${a.x} ${a.y}Q${point.x} ${point.y} ${b.x} ${b.y}`;
    })
    .join('');
}

export function headOf(points: MapBundle['path']): string {
  const tip = points.at(-1);
  const before = points.at(-2);
  if (tip === undefined || before === undefined) return '';
  const back = tip.x - Math.sign(tip.x - before.x) * 9;
  return `M${tip.x} ${tip.y}L${back} ${tip.y - 4}L${back} ${tip.y + 4}Z`;
}

type Point = MapBundle['path'][number];

function reach(a: Point, b: Point): number {
  return Math.max(Math.abs(a.x - b.x), Math.abs(a.y - b.y));
}

function toward(from: Point, to: Point, by: number): Point {
  return { x: from.x + Math.sign(to.x - from.x) * by, y: from.y + Math.sign(to.y - from.y) * by };
}
