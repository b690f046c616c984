import { describe, expect, test } from 'vitest';
import {
  BACKOFF_MS,
  GIVE_UP_AFTER_MS,
  secondsLeft,
  step,
  type ReconnectEvent,
  type ReconnectState,
} from '../src/viewer/reconnect';

const CONNECTED: ReconnectState = { is: 'connected' };

/** Runs events at given times, with no spread. */
function run(events: [number, ReconnectEvent][], from: ReconnectState = CONNECTED): ReconnectState {
  return events.reduce((state, [now, event]) => step(state, event, now, 0), from);
}

describe('reconnecting', () => {
  test('a drop waits a moment, tries, and success ends it', () => {
    const waiting = run([[1000, { type: 'lost' }]]);
    expect(waiting).toEqual({ is: 'waiting', attempt: 1, retryAtMs: 1500, lostAtMs: 1000 });
    expect(run([[1499, { type: 'tick' }]], waiting)).toBe(waiting);
    const trying = run([[1500, { type: 'tick' }]], waiting);
    expect(trying).toEqual({ is: 'trying', attempt: 1, lostAtMs: 1000 });
    expect(run([[1600, { type: 'connected' }]], trying)).toEqual(CONNECTED);
  });

  test('waits grow along the table and stay at its end', () => {
    let state = run([[0, { type: 'lost' }]]);
    let now = 0;
    const waits: number[] = [];
    for (let attempt = 0; attempt < 8; attempt += 1) {
      if (state.is !== 'waiting') throw new Error(state.is);
      waits.push(state.retryAtMs - now);
      now = state.retryAtMs;
      state = run([[now, { type: 'tick' }], [now, { type: 'failed', retryable: true }]], state);
    }
    expect(waits).toEqual([...BACKOFF_MS, 15_000, 15_000]);
  });

  test('chance only adds, and at most a third', () => {
    const state = step(CONNECTED, { type: 'lost' }, 0, 0.999);
    expect(state.is === 'waiting' && state.retryAtMs).toBeLessThan(BACKOFF_MS[0]! * 1.34);
    expect(state.is === 'waiting' && state.retryAtMs).toBeGreaterThan(BACKOFF_MS[0]!);
  });

  test('the server may ask for a longer wait, not a shorter one', () => {
    const trying: ReconnectState = { is: 'trying', attempt: 1, lostAtMs: 0 };
    const longer = run([[0, { type: 'failed', retryable: true, retryAfterMs: 30_000 }]], trying);
    expect(longer.is === 'waiting' && longer.retryAtMs).toBe(30_000);
    const shorter = run([[0, { type: 'failed', retryable: true, retryAfterMs: 1 }]], trying);
    expect(shorter.is === 'waiting' && shorter.retryAtMs).toBe(BACKOFF_MS[1]);
  });

  test('a second drop within an outage does not start the count again', () => {
    const waiting = run([[0, { type: 'lost' }]]);
    expect(run([[100, { type: 'lost' }]], waiting)).toBe(waiting);
    const after = run([[0, { type: 'lost' }], [500, { type: 'tick' }], [600, { type: 'lost' }]]);
    expect(after).toMatchObject({ is: 'waiting', attempt: 2, lostAtMs: 0 });
  });

  test('a refusal that another try would not change stops at once', () => {
    const trying: ReconnectState = { is: 'trying', attempt: 3, lostAtMs: 0 };
    expect(run([[0, { type: 'failed', retryable: false }]], trying)).toEqual({ is: 'stopped', why: 'refused' });
  });

  test('after ten minutes it gives up, and a person can start it again', () => {
    const trying: ReconnectState = { is: 'trying', attempt: 40, lostAtMs: 0 };
    const stopped = run([[GIVE_UP_AFTER_MS, { type: 'failed', retryable: true }]], trying);
    expect(stopped).toEqual({ is: 'stopped', why: 'gave-up' });
    expect(run([[GIVE_UP_AFTER_MS + 5, { type: 'hurry' }]], stopped)).toMatchObject({ is: 'trying', attempt: 1 });
  });

  test('hurry skips a wait and changes nothing else', () => {
    expect(run([[0, { type: 'lost' }], [10, { type: 'hurry' }]])).toMatchObject({ is: 'trying', attempt: 1 });
    expect(run([[0, { type: 'hurry' }]])).toEqual(CONNECTED);
  });

  test('cancel stops a wait and an attempt; a late failure or tick changes nothing after it', () => {
    for (const before of [[], [[500, { type: 'tick' }]]] as [number, ReconnectEvent][][]) {
      const state = run([[0, { type: 'lost' }], ...before, [600, { type: 'cancel' }]]);
      expect(state).toEqual({ is: 'stopped', why: 'cancelled' });
      expect(run([[700, { type: 'failed', retryable: true }], [9_999, { type: 'tick' }]], state)).toEqual(state);
    }
    expect(run([[0, { type: 'cancel' }]])).toEqual(CONNECTED);
  });

  test('the countdown shows whole seconds and never less than none', () => {
    const waiting: ReconnectState = { is: 'waiting', attempt: 1, retryAtMs: 5_000, lostAtMs: 0 };
    expect([0, 4_001, 4_999, 5_000, 9_000].map((now) => secondsLeft(waiting, now))).toEqual([5, 1, 1, 0, 0]);
    expect(secondsLeft(CONNECTED, 0)).toBe(0);
  });
});
