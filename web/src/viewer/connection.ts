/** What the two viewers have in common towards the page that shows them. */
import type { Words } from '../lib/words';
import type { Ending } from './end-reasons';

/** How far a connection has come: the last two of the three named steps of a launch. */
export type Progress = 'signing-in' | 'starting' | 'open';

/** How a connection ended. */
export type Outcome =
  | ({ is: 'ended' } & Ending & { exit?: { status: number; signal: string } })
  /** It never opened. `ticket` asks for a fresh ticket, once; `again` for a launch without a click. */
  | { is: 'failed'; words: Words; ticket: boolean; retryable: boolean; again?: { attempt: number; attempts: number } };

export interface ConnectionEvents {
  progress: (progress: Progress) => void;
  /** Called exactly once per connection. */
  over: (outcome: Outcome) => void;
}

/** The address of a gateway path on this host, as a WebSocket. */
export function webSocketUrl(path: string, here: { protocol: string; host: string }): string {
  const scheme = here.protocol === 'http:' ? 'ws' : 'wss';
  return `${scheme}://${here.host}${path}`;
}
