/** Calls of the console. Loaded with it, so that the webtop does not carry them. */
import { act, read } from './client';
import type {
  AuditFilter,
  AuditPage,
  ConsoleSession,
  CreatedJoinToken,
  Host,
  HostMode,
  HostSession,
  JoinToken,
  LaunchRecord,
  LoadHistory,
  Maintenance,
  NewJoinToken,
  NewMaintenance,
  OrderOutcome,
  SessionExplained,
  Waiting,
} from './console-types';

const host = (id: string, what: string): string => `/hosts/${encodeURIComponent(id)}${what}`;
const session = (id: string, what: string): string => `/sessions/${encodeURIComponent(id)}${what}`;

export const consoleApi = {
  hosts: () => read<Host[]>('/hosts'),
  load: (id: string, minutes: number) => read<LoadHistory>(host(id, '/load'), { minutes }),
  hostSessions: (id: string) => read<HostSession[]>(host(id, '/sessions')),

  setMode: (id: string, body: { mode: HostMode | 'estate'; reason?: string; until_restart?: boolean }) =>
    act<void>('POST', host(id, '/mode'), body),
  approve: (id: string, fingerprint: string) => act<void>('POST', host(id, '/approve'), { fingerprint }),
  reject: (id: string, fingerprint: string) => act<void>('POST', host(id, '/reject'), { fingerprint }),
  trust: (id: string, fingerprint: string) => act<void>('POST', host(id, '/trust'), { fingerprint }),
  revoke: (id: string, reason: string) => act<void>('POST', host(id, '/revoke'), { reason }),
  messageHost: (id: string, text: string) => act<OrderOutcome>('POST', host(id, '/message'), { text }),
  restart: (id: string, after_s: number, text: string) =>
    act<OrderOutcome>('POST', host(id, '/restart'), { after_s, text }),
  probe: (id: string, target: string) => act<OrderOutcome>('POST', host(id, '/probe'), { host: target }),

  sessions: () => read<ConsoleSession[]>('/sessions'),
  explainSession: (id: string) => read<SessionExplained>(`/explain/session/${encodeURIComponent(id)}`),
  messageSession: (id: string, text: string) => act<OrderOutcome>('POST', session(id, '/message'), { text }),
  disconnect: (id: string) => act<void>('POST', session(id, '/disconnect')),
  end: (id: string) => act<{ host_keeps_it: boolean; message: string }>('DELETE', session(id, '')),

  launches: (limit: number) => read<LaunchRecord[]>('/launches', { limit }),

  waiting: () => read<Waiting[]>('/agents/waiting'),
  joinTokens: () => read<JoinToken[]>('/join-tokens'),
  createJoinToken: (body: NewJoinToken) => act<CreatedJoinToken>('POST', '/join-tokens', body),
  revokeJoinToken: (id: string) => act<void>('DELETE', `/join-tokens/${encodeURIComponent(id)}`),

  maintenances: () => read<Maintenance[]>('/maintenances'),
  planMaintenance: (body: NewMaintenance) => act<Maintenance>('POST', '/maintenances', body),
  cancelMaintenance: (id: string) => act<void>('DELETE', `/maintenances/${encodeURIComponent(id)}`),

  audit: (filter: AuditFilter, limit: number, before?: number) =>
    read<AuditPage>('/audit', {
      limit,
      before,
      actor: filter.actor || undefined,
      action: filter.action || undefined,
    }),
};
