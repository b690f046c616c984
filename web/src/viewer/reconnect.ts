/**
 * Coming back after a network drop, as a machine without clock, timers or network: the page feeds
 * it what happened with the time, and carries out what the state says.
 */

/** Wait before each attempt; the last one repeats. */
export const BACKOFF_MS: readonly number[] = [500, 1_000, 2_000, 4_000, 8_000, 15_000];
/** After this long without success the page stops trying by itself and offers a button. */
export const GIVE_UP_AFTER_MS = 10 * 60 * 1000;

export type ReconnectState =
  | { is: 'connected' }
  | { is: 'waiting'; attempt: number; retryAtMs: number; lostAtMs: number }
  | { is: 'trying'; attempt: number; lostAtMs: number }
  /** Over for now; `why` is `refused` when the server said no. */
  | { is: 'stopped'; why: 'cancelled' | 'gave-up' | 'refused' };

export type ReconnectEvent =
  | { type: 'lost' }
  /** Time went by. */
  | { type: 'tick' }
  /** The person asked, or the browser came online. */
  | { type: 'hurry' }
  | { type: 'connected' }
  /** An attempt failed; `retryable` is false when another one would fail the same way. */
  | { type: 'failed'; retryable: boolean; retryAfterMs?: number | undefined }
  | { type: 'cancel' };

/**
 * The state after `event`. `chance` in [0, 1) spreads the waits so that all viewers of a gateway
 * that restarted do not come back in the same instant.
 */
export function step(
  state: ReconnectState,
  event: ReconnectEvent,
  nowMs: number,
  chance: number,
): ReconnectState {
  switch (event.type) {
    case 'connected':
      return { is: 'connected' };
    case 'lost':
      // A drop while waiting or trying is part of the same outage.
      if (state.is === 'waiting') return state;
      if (state.is === 'trying') return retryLater(state, nowMs, chance, undefined);
      return wait(1, nowMs, nowMs, chance, undefined);
    case 'tick':
      if (state.is !== 'waiting' || nowMs < state.retryAtMs) return state;
      return { is: 'trying', attempt: state.attempt, lostAtMs: state.lostAtMs };
    case 'hurry':
      if (state.is === 'waiting') {
        return { is: 'trying', attempt: state.attempt, lostAtMs: state.lostAtMs };
      }
      if (state.is === 'stopped') return { is: 'trying', attempt: 1, lostAtMs: nowMs };
      return state;
    case 'failed':
      if (state.is !== 'trying') return state;
      if (!event.retryable) return { is: 'stopped', why: 'refused' };
      return retryLater(state, nowMs, chance, event.retryAfterMs);
    case 'cancel':
      if (state.is === 'connected' || state.is === 'stopped') return state;
      return { is: 'stopped', why: 'cancelled' };
  }
}

/** Whole seconds until the next attempt, for the countdown. */
export function secondsLeft(state: ReconnectState, nowMs: number): number {
  return state.is === 'waiting' ? Math.max(0, Math.ceil((state.retryAtMs - nowMs) / 1000)) : 0;
}

function retryLater(
  state: { attempt: number; lostAtMs: number },
  nowMs: number,
  chance: number,
  retryAfterMs: number | undefined,
): ReconnectState {
  if (nowMs - state.lostAtMs >= GIVE_UP_AFTER_MS) return { is: 'stopped', why: 'gave-up' };
  return wait(state.attempt + 1, state.lostAtMs, nowMs, chance, retryAfterMs);
}

function wait(
  attempt: number,
  lostAtMs: number,
  nowMs: number,
  chance: number,
  retryAfterMs: number | undefined,
): ReconnectState {
  const base = BACKOFF_MS[Math.min(attempt, BACKOFF_MS.length) - 1] ?? 15_000;
  const spread = base * 0.3 * chance;
  const delay = Math.max(base + spread, retryAfterMs ?? 0);
  return { is: 'waiting', attempt, retryAtMs: nowMs + delay, lostAtMs };
}
