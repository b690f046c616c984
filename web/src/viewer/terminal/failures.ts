/** Why a terminal did not open: codes of the gateway and the engine as one of the known failures. */
import { ApiError } from '../../api/errors';
import { ofError } from '../../lib/words';
import { connectWords, isRetryable, type ConnectFailure } from '../connect-words';
import type { Outcome } from '../connection';

const CODES: Record<string, ConnectFailure> = {
  'engine-away': 'engine-away',
  'gateway-full': 'gateway-busy',
  'host-gone': 'host-gone',
  'host-key-changed': 'other-identity',
  'host-lost': 'broken',
  'host-not-trusted': 'not-trusted',
  'host-protocol': 'negotiation',
  'host-refused': 'refused',
  'host-timed-out': 'timed-out',
  'host-unknown': 'unreachable',
  'host-unreachable': 'unreachable',
  'no-password': 'no-password',
  'password-lost': 'ticket',
  'sign-in-method': 'log-on-method',
  'ticket-not-good': 'ticket',
  'too-many-sessions': 'engine-full',
  'wrong-password': 'log-on',
};

export function ofRefused(body: unknown, host: string): Extract<Outcome, { is: 'failed' }> {
  const error = ApiError.fromAnswer(new Response(null, { status: 409 }), body);
  const failure = CODES[error.code];
  if (failure === undefined) {
    return {
      is: 'failed',
      words: ofError(error),
      // The session ended between the launch and now: another launch makes a new one.
      ticket: error.code === 'session-ended' || error.code === 'session-mismatch',
      retryable: error.code === 'store-away',
    };
  }
  return {
    is: 'failed',
    words: connectWords(failure, host),
    ticket: failure === 'ticket' || failure === 'host-gone',
    retryable: isRetryable(failure),
  };
}

export function gatewayAway(host: string): Extract<Outcome, { is: 'failed' }> {
  return { is: 'failed', words: connectWords('gateway-away', host), ticket: false, retryable: true };
}

export function ticketLapsed(host: string): Extract<Outcome, { is: 'failed' }> {
  return { is: 'failed', words: connectWords('ticket', host), ticket: true, retryable: true };
}
