/**
 * Waiting in line: a launch that is refused because others are just signing in is asked for again
 * by the page, as nobody should have to press a button every few seconds.
 */
import type { ApiError } from '../api/errors';

/** After this long the refusal is shown, with a button. */
export const LINE_MAX_MS = 5 * 60 * 1000;

/**
 * When to ask again at `nowMs`, in line since `sinceMs`; undefined for a refusal that stands. Only
 * the server knows which one passes within seconds: it says when. `chance` in [0, 1) spreads those
 * who were refused in the same instant over as long again.
 */
export function askAgainAtMs(
  error: Pick<ApiError, 'code' | 'retryAfterS'>,
  sinceMs: number,
  nowMs: number,
  chance: number,
): number | undefined {
  if (error.code !== 'launch-refused' || error.retryAfterS === undefined) return undefined;
  const atMs = nowMs + error.retryAfterS * 1000 * (1 + chance);
  return atMs - sinceMs > LINE_MAX_MS ? undefined : atMs;
}
