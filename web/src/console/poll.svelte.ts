/** Data that is asked for again and again while the page can be seen. */
import { asApiError, type ApiError } from '../api/errors';
import { signedOut } from '../lib/account.svelte';

/** Pages about a single thing, and the overview. */
export const POLL_LIVE_MS = 2_000;
/** Lists. */
export const POLL_LIST_MS = 5_000;
/** A list that takes long to fetch is fetched less often: at most this share of the time. */
const BUSY_SHARE_MAX = 0.2;

export interface Poll<T> {
  readonly data: T | undefined;
  /** Why the last call failed; the data before it stays. */
  readonly error: ApiError | undefined;
  /** When the data was read. */
  readonly readAtMs: number | undefined;
  refresh: () => Promise<void>;
  /** Shows what an order will come to before the server says so; the next answer puts it right. */
  expect: (change: (data: T) => T) => void;
}

/** Must be called while a component is set up; ends with it. */
export function poll<T>(fetch: () => Promise<T>, everyMs: number): Poll<T> {
  let data = $state.raw<T | undefined>();
  let error = $state.raw<ApiError | undefined>();
  let readAtMs = $state<number | undefined>();
  let tookMs = 0;
  /** Answers to calls from before the last expectation know nothing of it. */
  let expectations = 0;
  let underWay = 0;

  async function refresh(): Promise<void> {
    const before = expectations;
    const from = performance.now();
    underWay += 1;
    try {
      const answer = await fetch();
      if (before !== expectations) return;
      data = answer;
      error = undefined;
      readAtMs = Date.now();
    } catch (thrown) {
      const problem = asApiError(thrown);
      error = problem;
      if (problem.status === 401) signedOut();
    } finally {
      underWay -= 1;
      tookMs = performance.now() - from;
    }
  }

  $effect(() => {
    let timer = 0;
    const next = (): void => {
      timer = window.setTimeout(() => {
        if (document.visibilityState !== 'visible' || underWay > 0) next();
        else void refresh().then(next);
      }, Math.max(everyMs, tookMs / BUSY_SHARE_MAX));
    };
    const onVisible = (): void => {
      if (document.visibilityState === 'visible') void refresh();
    };
    void refresh();
    next();
    document.addEventListener('visibilitychange', onVisible);
    return () => {
      window.clearTimeout(timer);
      document.removeEventListener('visibilitychange', onVisible);
    };
  });

  return {
    get data() {
      return data;
    },
    get error() {
      return error;
    },
    get readAtMs() {
      return readAtMs;
    },
    refresh,
    expect(change) {
      expectations += 1;
      if (data !== undefined) data = change(data);
    },
  };
}
