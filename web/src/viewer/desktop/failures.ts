/** Why a desktop connection did not open: the component's error as one of the known failures. */
import { connectWords, isRetryable, type ConnectFailure } from '../connect-words';
import type { Outcome } from '../connection';
import { endingOfClose } from '../end-reasons';
import type { Closed } from './socket-watch';

/** `IronErrorKind` of the component, whose package exports the type only. */
const KIND = {
  general: 0,
  wrongPassword: 1,
  logonFailure: 2,
  accessDenied: 3,
  rdCleanPath: 4,
  proxyConnect: 5,
  negotiationFailure: 6,
} as const;

/** Winsock codes that the gateway sends in an RDCleanPath error. */
const WSA = { reset: 10054, timedOut: 10060, refused: 10061 } as const;
/** TLS alerts by which the gateway tells what it thinks of the host's certificate. */
const ALERT = { badCertificate: 42, unknownCa: 48 } as const;

interface Details {
  httpStatusCode?: number;
  wsaErrorCode?: number;
  tlsAlertCode?: number;
}

interface ComponentError {
  kind: () => number;
  backtrace: () => string;
  rdcleanpathDetails?: () => Details | undefined;
}

/** HTTP status by which the gateway says that the broker ended the connection before it was open. */
const CLOSED_BY_BROKER = 409;

export function ofConnectError(error: unknown, host: string, closed: Closed | undefined): Outcome {
  const details = isComponentError(error) ? error.rdcleanpathDetails?.() : undefined;
  const failure = isComponentError(error) ? ofKind(error.kind(), details) : 'broken';
  const closedByGateway = closed !== undefined && closed.code >= 4000;
  if (closedByGateway && (failure === 'broken' || details?.httpStatusCode === CLOSED_BY_BROKER)) {
    return { is: 'ended', ...endingOfClose(closed.code, closed.reason) };
  }
  return {
    is: 'failed',
    words: connectWords(failure, host),
    // A host that has gone is left by a fresh launch just as a used ticket is.
    ticket: failure === 'ticket' || failure === 'host-gone',
    retryable: isRetryable(failure),
  };
}

function ofKind(kind: number, details: Details | undefined): ConnectFailure {
  switch (kind) {
    case KIND.wrongPassword:
    case KIND.logonFailure:
    case KIND.accessDenied:
      return 'log-on';
    case KIND.rdCleanPath:
      return ofDetails(details);
    case KIND.proxyConnect:
      return 'gateway-away';
    case KIND.negotiationFailure:
      return 'negotiation';
    default:
      return 'broken';
  }
}

function ofDetails(details: Details | undefined): ConnectFailure {
  switch (details?.wsaErrorCode) {
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
  switch (details?.tlsAlertCode) {
    case undefined:
      break;
    case ALERT.badCertificate:
      return 'other-identity';
    case ALERT.unknownCa:
      return 'not-trusted';
    default:
      return 'encryption';
  }
  switch (details?.httpStatusCode) {
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

function isComponentError(error: unknown): error is ComponentError {
  return typeof error === 'object' && error !== null && 'kind' in error && typeof error.kind === 'function';
}
