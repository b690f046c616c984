/** Whether this tab still offers H.264 to hosts, and why not. */

/** `missing`: the browser has no decoder; `failed`: it did not decode what a host sent. */
export type VideoState = 'offered' | 'missing' | 'failed';

let hasFailed = false;

/** A decoder that failed once is not tried again: the next connection would end in the same way. */
export function videoFailed(): void {
  hasFailed = true;
}

export function offersVideo(): boolean {
  return !hasFailed;
}
