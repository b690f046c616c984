/**
 * What the calls below `/api/v1/ports` carry. The plan is of the generated types; catalogue and
 * picture are data of the core, which the schema calls objects: the catalogue is described in
 * docs/schemas/port-flows.schema.json, the picture in the crate's module `diagram`.
 */
import type { components } from '../../api/schema';

export interface PortSpan {
  first: number;
  last: number;
  /** How the ports in use follow from the estate. */
  formula?: { text: string } | null;
}

export type Transport = 'tcp' | 'udp' | 'icmp' | 'ip';

export interface Source {
  document: string;
  section: string;
  row: number | null;
  as_written: string;
}

export type Answer =
  | { answer: 'built'; by: string }
  | { answer: 'replaced'; by: string; why: string }
  | { answer: 'catalogued'; why: string }
  | { answer: 'declined'; why: string };

/** `when` names the kind; what else is there depends on it. */
export interface Condition {
  when: string;
  feature?: string;
  at?: string;
  first?: string | null;
  last?: string | null;
  why?: string;
  name?: string;
  question?: string;
  text?: string;
}

/** A line of the catalogue. */
export interface CatalogueFlow {
  id: string;
  from: string;
  to: string;
  transport: Transport;
  ip_protocol: number | null;
  ports: PortSpan[];
  application_protocol: string;
  service: string;
  system_service_name: string | null;
  purpose: string;
  direction: 'one-way' | 'both-ways';
  conditions: Condition[];
  proof: string;
  sources: Source[];
  errata: { written: string; correction: string }[];
  portico: Answer;
}

export interface PortRole {
  id: string;
  title: string;
  description: string;
  includes: string[];
  external: boolean;
}

type Schemas = components['schemas'];

export type PlanHost = Schemas['PortHostView'];
export type PlanZone = Schemas['PortZoneView'];
/** A flow of the catalogue between hosts, which are told by their ids. */
export type PlanFlow = Schemas['PortFlowView'];
export type PlanGap = Schemas['PortGapView'];
export type PortPlan = Schemas['PortPlanView'];

export type Family = 'display' | 'web' | 'product' | 'directory' | 'files' | 'administration' | 'names' | 'other';

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface TextLine {
  x: number;
  y: number;
  width: number;
  text: string;
  style: 'heading' | 'title' | 'name' | 'small';
}

export interface MapLabel {
  rect: Box;
  items: { family: Family | null; text: TextLine }[];
}

export interface MapGroup {
  id: string;
  title: string;
  kind: 'zone' | 'unzoned' | 'alone' | 'external';
  rect: Box;
  nodes: number[];
  texts: TextLine[];
}

export interface MapNode {
  id: string;
  group: number;
  hosts: string[];
  roles: string[];
  external: boolean;
  rect: Box;
  texts: TextLine[];
}

export interface MapBundle {
  id: string;
  connection: { from: number; to: number; flows: string[]; planned: number[]; services: string[] };
  family: Family;
  path: { x: number; y: number }[];
  label: MapLabel;
}

/** `Layout` of the catalogue's `diagram` module: the picture of the plan as data. */
export interface MapLayout {
  title: string;
  summary: string;
  width: number;
  height: number;
  ends: 'group' | 'node';
  groups: MapGroup[];
  nodes: MapNode[];
  bundles: MapBundle[];
  texts: TextLine[];
  legend: MapLabel;
}

/** The last result of one flow between two hosts. */
export type Check = Schemas['PortCheckRowView'];
/** A host from which flows are checked. */
export type Vantage = Schemas['PortVantageView'];
export type Checks = Schemas['PortChecksView'];
/** A verdict that changed. */
export type CheckChange = Schemas['PortChangeView'];
/** Why a flow does not work, or will stop to. */
export type FlowCause = Schemas['FlowCauseView'];
/** A flow explained: its causes, who needs it, and what every vantage point saw. */
export type FlowExplained = Schemas['FlowExplanationView'];
