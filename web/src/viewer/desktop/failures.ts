/** How a desktop connection ended: the worker's report as one of the known outcomes. */
import { causeWords } from '../cause-words';
import { connectWords, isRetryable, type ConnectFailure } from '../connect-words';
import type { Outcome } from '../connection';
import { endingOfClose, type EndReason, type Ending } from '../end-reasons';
import type { CleanPathError, WorkerEnd } from './protocol';

/** Winsock codes that the gateway sends in an RDCleanPath error. */
const WSA = { reset: 10054, timedOut: 10060, refused: 10061 } as const;
/** TLS alerts by which the gateway tells what it thinks of the host's certificate. */
const ALERT = { badCertificate: 42, unknownCa: 48 } as const;
/** HTTP status by which the gateway says that the broker ended the connection before it was open. */
const CLOSED_BY_BROKER = 409;
/** Ends that are of this side: the session goes on, and another worker can have it. */
const OURS: ReadonlySet<string> = new Set(['panic', 'crashed', 'hung', 'flooded', 'protocol', 'limit']);

/** End of a connection whose video the browser does not decode. */
export const VIDEO = 'video';

/** `wasOpen`: whether the session was shown before. */
export function outcomeOf(end: WorkerEnd, host: string, wasOpen: boolean): Outcome {
  const { closed } = end;
  // The next connection does not offer what this one failed with, even if it showed nothing yet.
  if (end.code === VIDEO) return { is: 'ended', reason: 'client-lost' };
  if (wasOpen) {
    if (OURS.has(end.code)) return { is: 'ended', reason: 'client-lost' };
    // Without a close the socket is still up: the host ended the RDP session in order.
    const ending: Ending = closed ? endingOfClose(closed.code, closed.reason) : { reason: 'host-closed' };
    // That the host closed is all the gateway sees; the host may have told the client why.
    return { is: 'ended', ...ending, reason: ending.reason === 'host-closed' ? ofHost(end.code) : ending.reason };
  }
  const failure = failureOf(end);
  const closedByGateway = closed !== undefined && closed.code >= 4000;
  if (closedByGateway && (failure === 'broken' || end.cleanpath?.http === CLOSED_BY_BROKER)) {
    return { is: 'ended', ...endingOfClose(closed.code, closed.reason) };
  }
  const cause = closed && endingOfClose(closed.code, closed.reason).cause;
  return failed(failure, host, cause);
}

/** `cause`: why the host could not be reached, where that is known. */
export function failed(failure: ConnectFailure, host: string, cause = ''): Extract<Outcome, { is: 'failed' }> {
  return {
    is: 'failed',
    words: causeWords(cause) ?? connectWords(failure, host),
    // A host that has gone is left by a fresh launch just as a used ticket is.
    ticket: failure === 'ticket' || failure === 'host-gone',
    retryable: isRetryable(failure),
  };
}

function failureOf(end: WorkerEnd): ConnectFailure {
  if (end.cleanpath) return ofNumbers(end.cleanpath);
  switch (end.code) {
    case 'load-failed':
      return 'viewer';
    case 'negotiation':
      return 'negotiation';
    case 'denied':
    case 'credentials-needed':
      return 'log-on';
    default:
      return end.reached || OURS.has(end.code) ? 'broken' : 'gateway-away';
  }
}

/** The host's own reason: error info of MS-RDPBCGR 2.2.5.1.1 in the client's words. */
function ofHost(code: string): EndReason {
  switch (code) {
    case 'logged-off':
    case 'taken-over':
    case 'idle-timeout':
      return code;
    case 'disconnected':
      return 'user-disconnected';
    case 'ended-by-administrator':
      return 'operator-ended';
    case 'host-shutdown':
      return 'host-restarted';
    default:
      return 'host-closed';
  }
}

function ofNumbers({ wsa, tls, http }: CleanPathError): ConnectFailure {
  switch (wsa) {
    case undefined:
      break;
    case WSA.refused:
      return 'refused';
    case WSA.timedOut:
      return 'timed-out';
    case WSA.reset:
      return 'broken';
    default:
      return 'unreachable';
  }
  switch (tls) {
    case undefined:
      break;
    case ALERT.badCertificate:
      return 'other-identity';
    case ALERT.unknownCa:
      return 'not-trusted';
    default:
      return 'encryption';
  }
  switch (http) {
    // Used, lapsed, from before a restart of the broker, or its password is lost.
    case 401:
    case 408:
    case 500:
      return 'ticket';
    case 403:
      return 'log-on';
    case 410:
      return 'host-gone';
    case 503:
      return 'gateway-busy';
    default:
      return 'broken';
  }
}
