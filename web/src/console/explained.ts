/** A session explained: what happened step by step, and the fact that each step rests on. */
import type { BrokenFlow, HistoryRecord, SessionExplained } from '../api/console-types';
import { clock } from '../lib/time';
import { m } from '../paraglide/messages';
import { endedBecause, sessionState } from './words';

export interface ExplainedStep {
  /** Absent: it is so now. */
  atMs?: number;
  what: string;
  /** Who or what says so. */
  fact: string;
  /** Filters of the Ports page that show why, or may. */
  ports?: { to: string; from?: string; q?: string };
}

/** Entries of the history that one answer holds at most, as in the API. */
export const HISTORY_MAX = 500;

/** Every step, oldest first; where it stands now, by the directory and by the agent, comes last. */
export function explained(answer: SessionExplained, locale: string): ExplainedStep[] {
  return [
    ...answer.history.map((record) => happened(record, locale)),
    directory(answer, locale),
    onHost(answer),
    ...(answer.broken_flows ?? []).map(broken),
  ];
}

function broken({ flow, from, to, evidence }: BrokenFlow): ExplainedStep {
  return { what: m.explain_broken_flow({ from, evidence, flow }), fact: m.fact_port_check(), ports: { from, to: to ?? '', q: flow } };
}

function happened(record: HistoryRecord, locale: string): ExplainedStep {
  const [what, fact] = whatAndWhy(record, locale);
  const step = { atMs: record.at, what, fact: m.fact_entry({ fact, seq: record.seq }) };
  return record.event === 'failed' ? { ...step, ports: { to: record.host } } : step;
}

function whatAndWhy(record: HistoryRecord, locale: string): [string, string] {
  switch (record.kind) {
    case 'created':
      return [
        record.client_address
          ? m.explain_launched_from({ address: record.client_address, host: record.host })
          : m.explain_launched({ host: record.host }),
        m.fact_placement(),
      ];
    case 'state-changed':
      return stateChanged(record, locale);
    case 'connection':
      return connection(record);
    default:
      // Of a later version.
      return [record.kind, m.fact_history()];
  }
}

function stateChanged({ to }: HistoryRecord, locale: string): [string, string] {
  const why = endedBecause(to?.reason ?? '');
  switch (to?.state) {
    case 'pending':
      return [m.explain_pending({ time: clock(to.until ?? 0, locale) }), m.fact_placement()];
    case 'active':
      return [
        to.client_address ? m.explain_active_from({ address: to.client_address }) : m.explain_active(),
        m.fact_gateway(),
      ];
    case 'disconnected':
      return [m.explain_disconnected({ why }), witness(to.reason ?? '')];
    case 'ended':
      return [m.explain_ended({ why }), witness(to.reason ?? '')];
    default:
      return [to?.state ?? '?', m.fact_history()];
  }
}

function connection(record: HistoryRecord): [string, string] {
  switch (record.event) {
    case 'opened':
      return [m.explain_opened(), m.fact_gateway()];
    case 'failed':
      return [m.explain_failed({ detail: record.detail ?? '' }), m.fact_gateway()];
    case 'closed':
      return [m.explain_closed({ why: endedBecause(record.reason ?? '') }), m.fact_gateway()];
    default:
      return [record.event ?? '?', m.fact_history()];
  }
}

/** Whose word it is when a session is disconnected or over for `reason`. */
export function witness(reason: string): string {
  switch (reason) {
    case 'logged-off':
      return m.fact_agent_gone();
    case 'host-restarted':
      return m.fact_agent_boot();
    case 'user-ended':
    case 'user-disconnected':
    case 'signed-out':
      return m.fact_user();
    case 'operator-ended':
      return m.fact_operator();
    case 'disconnected-timeout':
    case 'session-timeout':
    case 'idle-timeout':
    case 'total-timeout':
      return m.fact_limit();
    case 'ticket-lapsed':
      return m.fact_ticket();
    case 'maintenance':
      return m.fact_maintenance();
    case 'process-stopped':
      return m.fact_process();
    default:
      return m.fact_gateway();
  }
}

function directory({ session }: SessionExplained, locale: string): ExplainedStep {
  if (!session) return { what: m.explain_now_gone(), fact: m.fact_history() };
  const { word } = sessionState(session.state, session.unknown_since_ms != null);
  const state = session.reason ? `${word}, ${endedBecause(session.reason)}` : word;
  return {
    what: m.explain_now({ state }),
    fact: m.fact_directory({ time: clock(session.since_ms, locale) }),
  };
}

function onHost({ on_host: seen }: SessionExplained): ExplainedStep {
  if (!seen) return { what: m.explain_not_on_host(), fact: m.fact_no_agent() };
  return {
    what: m.explain_on_host({ state: sessionState(seen.state).word, key: seen.key }),
    fact: m.fact_agent_now(),
  };
}
