/** Why a connection did not open, in words. Both viewers meet the same cases under other codes. */
import type { Words } from '../lib/words';
import { m } from '../paraglide/messages';

export type ConnectFailure =
  | 'refused'
  | 'timed-out'
  | 'unreachable'
  | 'other-identity'
  | 'not-trusted'
  | 'encryption'
  | 'log-on'
  | 'no-password'
  | 'log-on-method'
  | 'negotiation'
  | 'ticket'
  | 'host-gone'
  | 'gateway-busy'
  | 'gateway-away'
  | 'engine-away'
  | 'engine-full'
  | 'no-picture'
  | 'viewer'
  | 'broken';

export function connectWords(failure: ConnectFailure, host: string): Words {
  const next = m.connect_host_next({ host });
  switch (failure) {
    case 'refused':
      return { title: m.connect_host_refused_title(), next };
    case 'timed-out':
      return { title: m.connect_host_timeout_title(), next };
    case 'unreachable':
      return { title: m.connect_host_unreachable_title(), next };
    case 'other-identity':
      return {
        title: m.connect_untrusted_title(),
        why: m.connect_untrusted_why({ host }),
        next: m.connect_untrusted_next(),
      };
    case 'not-trusted':
      return {
        title: m.connect_not_trusted_title(),
        why: m.connect_not_trusted_why({ host }),
        next: m.connect_not_trusted_next(),
      };
    case 'encryption':
      return { title: m.connect_tls_title(), why: m.connect_tls_why({ host }), next };
    case 'log-on':
      return {
        title: m.connect_logon_title(),
        why: m.connect_logon_why({ host }),
        next: m.connect_logon_next(),
      };
    case 'no-password':
      return {
        title: m.connect_logon_title(),
        why: m.connect_no_password_why({ host }),
        next: m.connect_logon_next(),
      };
    case 'log-on-method':
      return {
        title: m.connect_logon_title(),
        why: m.connect_method_why({ host }),
        next: m.connect_method_next(),
      };
    case 'negotiation':
      return {
        title: m.connect_negotiation_title(),
        why: m.connect_negotiation_why({ host }),
        next,
      };
    case 'ticket':
      return { title: m.connect_ticket_title(), why: m.connect_ticket_why() };
    case 'host-gone':
      return {
        title: m.connect_host_gone_title(),
        why: m.connect_host_gone_why({ host }),
        next: m.connect_host_gone_next(),
      };
    case 'gateway-busy':
      return { title: m.connect_busy_title(), why: m.connect_busy_why(), next: m.error_busy_next() };
    case 'gateway-away':
      return { title: m.connect_gateway_title(), why: m.connect_gateway_why() };
    case 'engine-away':
      return { title: m.connect_engine_title(), why: m.connect_engine_why(), next: m.refusal_no_host_next() };
    case 'engine-full':
      return { title: m.connect_engine_full_title(), next: m.connect_engine_full_next() };
    case 'no-picture':
      return {
        title: m.connect_no_picture_title(),
        why: m.connect_no_picture_why({ host }),
        next: m.connect_no_picture_next(),
      };
    case 'viewer':
      return { title: m.connect_viewer_title(), why: m.connect_viewer_why(), next: m.connect_viewer_next() };
    case 'broken':
      return { title: m.connect_failed_title(), why: m.connect_failed_why({ host }), next };
  }
}

/** Failures after which the same attempt may work a moment later. */
const RETRYABLE: ReadonlySet<ConnectFailure> = new Set<ConnectFailure>([
  'refused',
  'timed-out',
  'unreachable',
  'ticket',
  'gateway-busy',
  'gateway-away',
  'engine-away',
  'no-picture',
  'broken',
]);

export function isRetryable(failure: ConnectFailure): boolean {
  return RETRYABLE.has(failure);
}
