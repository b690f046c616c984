/** What the overview makes of the lists. */
import type { ConsoleSession, Host, LaunchRecord, Waiting } from '../api/console-types';

/** A certificate renews at half of its week; one with less than this left did not. */
const CERTIFICATE_SOON_MS = 2 * 24 * 3_600_000;

export interface Need {
  what: 'identity' | 'join' | 'silent' | 'down' | 'certificate' | 'penalty' | 'full';
  host: string;
  sinceMs?: number;
  count?: number;
}

const URGENCY: readonly Need['what'][] = ['identity', 'silent', 'down', 'join', 'certificate', 'penalty', 'full'];

/** Everything that somebody has to look at, the most urgent first. */
export function needsSomebody(hosts: readonly Host[], waiting: readonly Waiting[], nowMs: number = Date.now()): Need[] {
  const needs: Need[] = waiting.map((ask) => ({ what: ask.kind === 'join' ? 'join' : 'identity', host: ask.host, sinceMs: ask.at_ms }));
  for (const host of hosts) {
    // A host that somebody has taken out on purpose needs nobody.
    if (host.mode === 'disabled') continue;
    const since = host.agent_state?.since_ms ?? host.since_ms;
    if (host.state === 'silent') needs.push({ what: 'silent', host: host.id, ...(since == null ? {} : { sinceMs: since }) });
    if (host.state === 'down') needs.push({ what: 'down', host: host.id });
    const expires = host.agent_state?.certificate_expires_ms;
    if (expires != null && expires - nowMs < CERTIFICATE_SOON_MS) {
      needs.push({ what: 'certificate', host: host.id, sinceMs: expires });
    }
    if (host.penalty) needs.push({ what: 'penalty', host: host.id, count: host.penalty.failures });
    if (host.sessions >= host.sessions_max && host.sessions_max > 0) needs.push({ what: 'full', host: host.id });
  }
  return needs.sort((a, b) => URGENCY.indexOf(a.what) - URGENCY.indexOf(b.what));
}

export interface Cause {
  text: string;
  count: number;
  user: string;
  lastMs: number;
}

/** Launches that came to nothing, by cause, the most frequent first. */
export function causes(launches: readonly LaunchRecord[], textOf: (record: LaunchRecord) => string): Cause[] {
  const byText = new Map<string, Cause>();
  for (const record of launches) {
    if (record.outcome !== 'refused' && record.outcome !== 'failed') continue;
    const text = textOf(record);
    const known = byText.get(text);
    if (!known) byText.set(text, { text, count: 1, user: record.user, lastMs: record.at_ms });
    else {
      known.count += 1;
      if (record.at_ms > known.lastMs) Object.assign(known, { user: record.user, lastMs: record.at_ms });
    }
  }
  return [...byText.values()].sort((a, b) => b.count - a.count || b.lastMs - a.lastMs);
}

export function countBy<T>(items: readonly T[], key: (item: T) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(key(item), (counts.get(key(item)) ?? 0) + 1);
  return counts;
}

/** Hosts that report, by their load index where the server gives one, else by processor. */
export function busiest(hosts: readonly Host[], count: number): Host[] {
  const rate = (host: Host): number => host.load?.index ?? host.load?.cpu ?? -1;
  return hosts
    .filter((host) => host.load)
    .sort((a, b) => rate(b) - rate(a))
    .slice(0, count);
}

/** Marks the sessions on silent hosts: nobody knows whether those still exist. */
export function withSilence(sessions: readonly ConsoleSession[], hosts: readonly Host[]): ConsoleSession[] {
  const silent = new Map<string, number>();
  for (const host of hosts) {
    if (host.state === 'silent') silent.set(host.id, host.agent_state?.since_ms ?? host.since_ms ?? 0);
  }
  return sessions.map((session) => {
    const since = session.unknown_since_ms ?? silent.get(session.host);
    return since === undefined || since === null ? session : { ...session, unknown_since_ms: since };
  });
}
