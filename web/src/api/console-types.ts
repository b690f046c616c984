/**
 * What the console reads and writes. Written by hand, as the schema leaves some of it open (reasons,
 * choices, audit records); a test checks that what the schema does say fits.
 */
import type { HostVerdict, Refusal, SessionBase } from './types';

export type Role = 'user' | 'auditor' | 'help-desk' | 'operator' | 'owner';
export type HostState = 'up' | 'down' | 'unknown' | 'silent' | 'never-joined' | 'waiting' | 'revoked';
export type HostMode = 'enabled' | 'drain' | 'disabled';

export interface WhyNot {
  code: string;
  message: string;
  next_step?: string | null;
}

export interface ModeSet {
  mode: HostMode;
  by: string;
  at_ms: number;
  reason: string;
  until_restart: boolean;
}

export interface AgentState {
  state: 'connected' | 'silent' | 'never-joined' | 'waiting' | 'revoked';
  since_ms?: number | null;
  software?: string | null;
  system?: string | null;
  boot?: string | null;
  cpus?: number | null;
  certificate_expires_ms?: number | null;
  link?: 'dial' | 'listen' | null;
}

/** Shares are per ten thousand; the run queue is waiting tasks for each processor, times 10,000. */
export interface Load {
  at_ms: number;
  cpu: number;
  memory: number;
  memory_total_bytes: number;
  run_queue: number;
  disk_wait: number;
  pressure?: { cpu: number; memory: number; io: number } | null;
  received_bytes_s: number;
  sent_bytes_s: number;
  index?: number | null;
}

export interface Host {
  id: string;
  title: string;
  pool: string;
  address: string;
  port: number;
  protocol: 'rdp' | 'ssh';
  site?: string | null;
  weight: number;
  /** The stricter of the estate's and the operator's. */
  mode: HostMode;
  mode_set?: ModeSet | null;
  wanted_mode: HostMode;
  state: HostState;
  detail: string;
  since_ms?: number | null;
  takes_new: boolean;
  why_not: WhyNot[];
  agent: 'none' | 'required';
  agent_state?: AgentState | null;
  load?: Load | null;
  identity: 'pinned' | 'accepted' | 'changed' | 'none';
  pins: string[];
  roles: string[];
  sessions: number;
  sessions_max: number;
  unmanaged_sessions: number;
  sign_ins?: number | null;
  penalty?: { failures: number; until_ms: number } | null;
}

export interface LoadPoint {
  at_ms: number;
  cpu: number;
  memory: number;
  run_queue: number;
  disk_wait: number;
  sessions: number;
}

export interface LoadHistory {
  period_s: number;
  points: LoadPoint[];
}

/** A session as the agent of its host sees it. */
export interface HostSession {
  key: string;
  account: string;
  /** `rdp`, `ssh` or `console`. */
  kind: string;
  display?: string | null;
  /** `active` or `disconnected`. */
  state: string;
  age_s: number;
  idle_s?: number | null;
  /** Id of ours; absent: nobody of Portico started it. */
  session?: string | null;
}

export interface ConsoleSession extends SessionBase {
  /** Its host is silent since then: nobody knows whether the session still exists. */
  unknown_since_ms?: number | null;
  idle_s?: number | null;
}

/** An entry of the history of sessions: `SessionRecord` of `portico-store`. */
export interface HistoryRecord {
  seq: number;
  at: number;
  host: string;
  /** `created`, `state-changed` or `connection`. */
  kind: string;
  client_address?: string | null;
  to?: { state: string; reason?: string; until?: number; client_address?: string | null };
  connection?: string;
  /** `opened`, `failed` or `closed`. */
  event?: string;
  reason?: string;
  detail?: string;
}

/** What is known of a session, and who says so. */
export interface SessionExplained {
  /** The directory's record; absent some time after the session ended. */
  session?: ConsoleSession | null;
  /** What the agent of its host sees of it. */
  on_host?: HostSession | null;
  /** Flows to its host that the port check has seen not to work; a server of before does not say. */
  broken_flows?: BrokenFlow[];
  /** What happened to it, oldest first. */
  history: HistoryRecord[];
}

/** A flow that does not work. */
export interface BrokenFlow {
  /** Id in the catalogue. */
  flow: string;
  from: string;
  to?: string;
  evidence: string;
  since_ms?: number | null;
}

export interface OrderOutcome {
  /** `done`, `not-found`, `failed` or `not-supported`. */
  outcome: string;
  detail?: string | null;
}

export interface Waiting {
  host: string;
  /** `join`: it wants a certificate for a new key; `identity`: its host shows another identity. */
  kind: string;
  at_ms: number;
  /** Names what waits; an answer says it, so that nothing else is answered. */
  fingerprint: string;
  address?: string | null;
  software?: string | null;
  key_sha256?: string | null;
  offered?: string[] | null;
  accepted?: string[] | null;
}

export interface JoinToken {
  id: string;
  host: string;
  expires_at_ms: number;
  enable: boolean;
  rejoin: boolean;
  /** `usable`, `lapsed` or `used`. */
  state: string;
}

export interface NewJoinToken {
  host: string;
  enable: boolean;
  rejoin: boolean;
  life_s?: number;
}

/** The only answer in which the token itself is. */
export interface CreatedJoinToken {
  id: string;
  token: string;
  host: string;
  expires_at_ms: number;
  command: string;
}

export interface LaunchRecord {
  at_ms: number;
  user: string;
  resource: string;
  title: string;
  outcome: 'placed' | 'resumed' | 'refused' | 'failed';
  host?: string | null;
  choice?: Choice | null;
  others?: HostVerdict[] | null;
  refusal?: Refusal | null;
  detail?: string | null;
  session?: string | null;
  client_address?: string | null;
  took_ms: number;
}

/** How a host came to be chosen: `Choice` of `portico-model`. */
export interface Choice {
  choice: string;
  session?: string;
  index?: number;
  sessions?: number;
  sessions_max?: number;
}

export interface NewMaintenance {
  hosts: string[];
  starts_at_ms: number;
  ends_at_ms: number;
  warn_before_s: number;
  drain_before_s: number;
  text: string;
  restart: boolean;
  at_once: number;
}

export interface Maintenance extends NewMaintenance {
  id: string;
  by?: string;
  /** `planned`, `draining`, `running` or `over`. */
  state: string;
}

export interface AuditRecord {
  seq: number;
  at: number;
  actor: string;
  action: string;
  object: string;
  outcome: string;
  client_address?: string | null;
  detail?: unknown;
}

export interface AuditPage {
  records: AuditRecord[];
  /** What to ask as `before` for the page after this one; absent on the last. */
  next?: number | null;
}

export interface AuditFilter {
  actor: string;
  action: string;
}
