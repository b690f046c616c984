/**
 * Why a connection ended, and what a viewer does then. The words are those of `EndReason` in
 * `portico-model`; WebSocket close codes from 4000 on are the gateway's (`portico-gateway`).
 */

export const END_REASONS = [
  'client-closed',
  'client-lost',
  'host-closed',
  'host-lost',
  'host-failed',
  'taken-over',
  'user-disconnected',
  'user-ended',
  'operator-ended',
  'idle-timeout',
  'total-timeout',
  'signed-out',
  'limit-reached',
  'process-stopped',
  'ticket-lapsed',
  'program-exited',
  'logged-off',
  'host-restarted',
  'disconnected-timeout',
  'session-timeout',
  'maintenance',
] as const;

export type EndReason = (typeof END_REASONS)[number];

/** What happens after a connection ended for a reason. */
export type Aftermath =
  /** Try again by itself: the session goes on and only the path broke. */
  | 'retry'
  /** Another viewer has it: offer to take it back. */
  | 'take-back'
  /** The session goes on: offer to resume it. */
  | 'resume'
  /** The session is over: offer to start it again. */
  | 'start-again'
  /** Sign in first. */
  | 'sign-in';

const AFTERMATHS: Record<EndReason, Aftermath> = {
  'client-closed': 'resume',
  'client-lost': 'retry',
  'host-closed': 'start-again',
  'host-lost': 'retry',
  'host-failed': 'start-again',
  'taken-over': 'take-back',
  'user-disconnected': 'resume',
  'user-ended': 'start-again',
  'operator-ended': 'start-again',
  'idle-timeout': 'resume',
  'total-timeout': 'resume',
  'signed-out': 'sign-in',
  'limit-reached': 'resume',
  'process-stopped': 'retry',
  'ticket-lapsed': 'retry',
  'program-exited': 'start-again',
  'logged-off': 'start-again',
  'host-restarted': 'start-again',
  'disconnected-timeout': 'start-again',
  'session-timeout': 'start-again',
  maintenance: 'start-again',
};

export function aftermath(reason: EndReason): Aftermath {
  return AFTERMATHS[reason];
}

/** Close codes of the gateway: the table at the head of `portico-gateway`. */
const CODES: Record<number, EndReason> = {
  4000: 'host-closed',
  4001: 'host-lost',
  4002: 'host-failed',
  4003: 'taken-over',
  4004: 'user-disconnected',
  4005: 'user-ended',
  4006: 'operator-ended',
  4007: 'idle-timeout',
  4008: 'total-timeout',
  4009: 'signed-out',
  4010: 'limit-reached',
  4011: 'process-stopped',
  4012: 'ticket-lapsed',
  4013: 'program-exited',
  4014: 'client-lost',
  4015: 'logged-off',
  4016: 'host-restarted',
  4017: 'disconnected-timeout',
  4018: 'session-timeout',
  4019: 'maintenance',
};

export function isEndReason(text: string): text is EndReason {
  return (END_REASONS as readonly string[]).includes(text);
}

/** Longest address that is believed to be one. */
const ADDRESS_LEN_MAX = 64;

/** A slug of a cause. */
const CAUSE = /^[a-z][a-z-]{0,63}$/;

export interface Ending {
  reason: EndReason;
  /** Where the viewer is that took the session over, if the gateway tells. */
  by?: string;
  /** Why the host could not be reached, as the port check has found, if the gateway tells: a slug. */
  cause?: string;
}

/**
 * The reason behind a WebSocket close. The reason text wins, as it is the plainer of the two; a
 * close without either is a broken path (1006 and the like), after which a viewer retries. A
 * take-over names its author behind the reason, as in `taken-over by=192.0.2.7`, and a host that
 * failed its cause, as in `host-failed cause=nothing-listens`.
 */
export function endingOfClose(code: number, text: string): Ending {
  const [first = '', ...rest] = text.split(' ');
  const reason = isEndReason(first) ? first : (CODES[code] ?? 'client-lost');
  const value = (name: string): string | undefined => rest.find((part) => part.startsWith(`${name}=`))?.slice(name.length + 1);
  const cause = value('cause');
  if (reason === 'host-failed' && cause && CAUSE.test(cause)) return { reason, cause };
  const by = value('by');
  if (reason !== 'taken-over' || !by || by.length > ADDRESS_LEN_MAX || !/^[\w.:%-]+$/.test(by)) return { reason };
  return { reason, by };
}

export function reasonOfClose(code: number, text: string): EndReason {
  return endingOfClose(code, text).reason;
}
