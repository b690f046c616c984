/**
 * Everything that can go wrong, in words: what happened, why, what to do. Codes of the API are
 * translated here; what is unknown falls back to the server's own text.
 */
import type { ApiError } from '../api/errors';
import type { HostVerdict, Refusal } from '../api/types';
import { m } from '../paraglide/messages';
import type { EndReason } from '../viewer/end-reasons';

export interface Words {
  title: string;
  why?: string | undefined;
  /** Details of the reason, such as one line per host. */
  list?: string[] | undefined;
  next?: string | undefined;
  /** Whether it keeps the names of hosts to itself; so does what stands around it. */
  nameless?: boolean | undefined;
}

export function ofError(error: ApiError): Words {
  const refusal = asRefusal(error.details);
  if (refusal) return ofRefusal(refusal);
  switch (error.code) {
    case 'wrong-credentials':
      return { title: m.error_wrong_credentials_title(), next: m.error_wrong_credentials_next() };
    case 'locked':
      return {
        title: m.error_locked_title(),
        why: m.error_locked_why(),
        next:
          error.retryAfterS === undefined
            ? m.error_locked_next_later()
            : m.error_locked_next({ time: duration(error.retryAfterS) }),
      };
    case 'server-away':
      return {
        title: m.error_server_away_title(),
        why: m.error_server_away_why(),
        next: m.error_server_away_next(),
      };
    case 'store-away':
      return {
        title: m.error_store_away_title(),
        why: m.error_store_away_why(),
        next: m.error_store_away_next(),
      };
    case 'not-signed-in':
      return {
        title: m.error_not_signed_in_title(),
        why: m.error_not_signed_in_why(),
        next: m.error_not_signed_in_next(),
      };
    case 'role-missing':
      return { title: m.error_role_missing_title(), why: error.reason, next: m.error_role_missing_next() };
    case 'session-not-found':
    case 'session-ended':
      return { title: m.error_session_gone_title(), next: m.error_session_gone_next() };
    case 'resource-not-found':
      return {
        title: m.error_resource_not_found_title(),
        why: m.error_not_found_why(),
        next: m.error_resource_not_found_next(),
      };
    case 'not-found':
      return { title: m.error_not_found_title(), why: m.error_not_found_why() };
    case 'waiting-changed':
      return {
        title: m.error_waiting_changed_title(),
        list: ofChange(error.details),
        next: m.error_waiting_changed_next(),
      };
    case 'setup-token-invalid':
      return {
        title: m.error_setup_token_title(),
        why: m.error_setup_token_why(),
        next: m.error_setup_token_next(),
      };
    case 'setup-done':
      return { title: m.error_setup_done_title(), next: m.error_setup_done_next() };
    case 'weak-password':
      return { title: m.error_weak_password_title(), why: ofWeakness(error) };
    case 'busy':
    case 'too-many-requests':
      return { title: m.error_busy_title(), next: m.error_busy_next() };
    default:
      return {
        title: m.error_unknown_title(),
        why: m.error_unknown_why({ message: joined(error.message, error.reason) }),
        next: m.error_unknown_next(),
      };
  }
}

/** The rule that a new password breaks; the server's own words for one that is not known here. */
function ofWeakness(error: ApiError): string {
  const details = error.details as { weakness?: unknown } | undefined;
  switch (details?.weakness) {
    case 'too-short':
      return m.weak_too_short();
    case 'too-long':
      return m.weak_too_long();
    case 'repeats':
      return m.weak_repeats();
    case 'user-name':
      return m.weak_user_name();
    case 'common':
      return m.weak_common();
    default:
      return error.reason ?? error.message;
  }
}

/** A refusal in one line, for a tile. */
export function refusalLine(details: unknown): string | undefined {
  const refusal = asRefusal(details);
  if (!refusal) return undefined;
  const { title, why, list } = ofRefusal(refusal);
  return list ? list.join('; ') : (why ?? title);
}

export function ofRefusal(refusal: Refusal): Words {
  switch (refusal.refusal) {
    case 'not-found':
      return {
        title: m.error_resource_not_found_title(),
        why: m.error_resource_not_found_why({ name: refusal.resource ?? '' }),
        next: m.error_resource_not_found_next(),
      };
    case 'not-now':
      return {
        title: m.refusal_not_now_title(),
        why: unique((refusal.conditions ?? []).map((failed) => ofCondition(failed.condition))).join(' '),
        next: m.refusal_not_now_next(),
      };
    case 'is-link':
      return { title: m.refusal_is_link_title(), why: m.refusal_is_link_why() };
    case 'no-host': {
      const hosts = refusal.hosts ?? [];
      return hosts.length === 0
        ? {
            title: m.refusal_no_host_title(),
            why: m.refusal_no_host_empty({ pool: refusal.pool ?? '' }),
            next: m.refusal_no_host_next(),
          }
        : {
            title: m.refusal_no_host_title(),
            why: m.refusal_no_host_why(),
            list: hosts.map(ofHostVerdict),
            next: m.refusal_no_host_next(),
          };
    }
    case 'store-away':
      return {
        title: m.error_store_away_title(),
        why: m.error_store_away_why(),
        next: m.error_store_away_next(),
      };
    case 'busy':
      return { title: m.refusal_busy_title(), why: m.refusal_busy_why(), next: m.error_busy_next() };
    case 'resume-elsewhere':
      return {
        title: m.refusal_resume_elsewhere_title(),
        why: refusal.network
          ? m.refusal_resume_elsewhere_network({ network: refusal.network })
          : m.refusal_resume_elsewhere_why(),
        next: m.refusal_resume_elsewhere_next(),
      };
    default:
      return { title: m.error_unknown_title(), why: refusal.refusal, next: m.error_unknown_next() };
  }
}

export function ofHostVerdict(verdict: HostVerdict): string {
  const { host } = verdict;
  const load = { host, sessions: verdict.sessions ?? 0, max: verdict.sessions_max ?? 0 };
  switch (verdict.reason) {
    case 'disabled':
      return m.host_disabled({ host });
    case 'draining':
      return m.host_draining({ host });
    case 'unreachable':
      return verdict.detail
        ? m.host_unreachable_detail({ host, detail: verdict.detail })
        : m.host_unreachable({ host });
    case 'not-probed':
      return m.host_not_probed({ host });
    case 'not-trusted':
      return m.host_not_trusted({ host });
    case 'other-protocol':
      return m.host_other_protocol({ host });
    case 'full':
      return m.host_full(load);
    case 'more-sessions':
    case 'as-few-sessions':
      return m.host_more_sessions(load);
    case 'session-elsewhere':
      return m.host_session_elsewhere({ host });
    case 'account-in-use':
      return m.host_account_in_use({ host });
    case 'silent':
      return m.host_silent({ host });
    case 'never-joined':
      return m.host_never_joined({ host });
    case 'waiting-for-approval':
      return m.host_waiting({ host });
    case 'revoked':
      return m.host_revoked({ host });
    case 'sign-ins-in-progress':
      return m.host_sign_ins({ host, count: verdict.sign_ins ?? 0, max: verdict.sign_ins_max ?? 0 });
    case 'other-site':
      return verdict.site ? m.host_other_site({ host, site: verdict.site }) : m.host_far({ host });
    case 'penalised':
      return m.host_penalised({ host, count: verdict.failures ?? 0 });
    case 'higher-load':
      return m.host_higher_load({ host, load: asPercent(verdict.index), chosen: asPercent(verdict.chosen) });
    case 'same-load':
      return m.host_same_load({ host, load: asPercent(verdict.index) });
    case 'not-last-host':
      return m.host_not_last({ host });
    case 'as-full':
      return m.host_as_full(load);
    case 'not-its-turn':
      return m.host_not_its_turn({ host });
    case 'emptier-than-chosen':
      return m.host_emptier(load);
    default:
      return verdict.message ? `${host}: ${verdict.message}` : m.host_other({ host, reason: verdict.reason });
  }
}

/** Why a viewer shows no picture any more. Reasons after which it retries have no words here. */
export function ofEnd(reason: EndReason, host: string, by?: string): Words {
  switch (reason) {
    case 'taken-over':
      return {
        title: m.over_taken_over_title(),
        why: by === undefined ? m.over_taken_over_why() : m.over_taken_over_by({ address: by }),
        next: m.over_taken_over_next(),
      };
    case 'client-closed':
      return { title: m.over_client_closed_title(), why: m.over_session_goes_on() };
    case 'host-closed':
      return { title: m.over_host_closed_title(), why: m.over_host_closed_why() };
    case 'host-failed':
      return {
        title: m.over_host_failed_title(),
        why: m.over_host_failed_why({ host }),
        next: m.connect_host_next({ host }),
      };
    case 'user-disconnected':
      return { title: m.over_user_disconnected_title(), why: m.over_session_goes_on() };
    case 'user-ended':
      return { title: m.over_user_ended_title() };
    case 'operator-ended':
      return { title: m.over_operator_ended_title(), next: m.over_operator_ended_why() };
    case 'idle-timeout':
      return {
        title: m.over_idle_timeout_title(),
        why: m.over_idle_timeout_why(),
        next: m.over_session_goes_on(),
      };
    case 'total-timeout':
      return {
        title: m.over_total_timeout_title(),
        why: m.over_total_timeout_why(),
        next: m.over_session_goes_on(),
      };
    case 'signed-out':
      return { title: m.over_signed_out_title(), why: m.over_signed_out_why() };
    case 'limit-reached':
      return { title: m.over_limit_title(), why: m.over_limit_why() };
    case 'program-exited':
      return { title: m.over_program_exited_title() };
    case 'logged-off':
      return { title: m.over_logged_off_title(), why: m.over_logged_off_why({ host }) };
    case 'host-restarted':
      return { title: m.over_host_restarted_title({ host }), why: m.over_host_restarted_why() };
    case 'disconnected-timeout':
      return { title: m.over_disconnected_timeout_title(), why: m.over_disconnected_timeout_why() };
    case 'session-timeout':
      return { title: m.over_session_timeout_title(), why: m.over_session_timeout_why() };
    case 'maintenance':
      return {
        title: m.over_maintenance_title(),
        why: m.over_maintenance_why({ host }),
        next: m.over_maintenance_next(),
      };
    case 'ticket-lapsed':
      return { title: m.connect_ticket_title(), why: m.connect_ticket_why() };
    case 'client-lost':
    case 'host-lost':
    case 'process-stopped':
      return { title: m.lost_title(), why: m.lost_why() };
  }
}

/** A length of time for people: minutes from 90 seconds on. */
export function duration(seconds: number): string {
  return seconds >= 90
    ? m.duration_minutes({ minutes: Math.ceil(seconds / 60) })
    : m.duration_seconds({ seconds: Math.ceil(seconds) });
}

function ofCondition(condition: string): string {
  switch (condition) {
    case 'client-network':
      return m.refusal_condition_client_network();
    case 'time':
      return m.refusal_condition_time();
    case 'strength':
      return m.refusal_condition_strength();
    default:
      return condition;
  }
}

/** A load index as a whole number of per cent. */
function asPercent(perTenThousand: number | undefined): number {
  return Math.round((perTenThousand ?? 0) / 100);
}

function asRefusal(details: unknown): Refusal | undefined {
  if (typeof details !== 'object' || details === null || !('refusal' in details)) return undefined;
  return typeof details.refusal === 'string' ? (details as Refusal) : undefined;
}

/** What was shown, and what waits now. */
function ofChange(details: unknown): string[] | undefined {
  if (typeof details !== 'object' || details === null || !('seen' in details && 'waiting' in details)) return undefined;
  return [
    m.error_waiting_changed_seen({ fingerprint: String(details.seen) }),
    m.error_waiting_changed_now({ fingerprint: String(details.waiting) }),
  ];
}

function unique(texts: string[]): string[] {
  return [...new Set(texts)];
}

function joined(message: string, reason: string | undefined): string {
  return reason === undefined ? message : `${message} (${reason})`;
}
