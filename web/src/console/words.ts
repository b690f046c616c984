/** States, reasons and outcomes of the console in words, with what would change them. */
import type {
  AgentState,
  Choice,
  Host,
  HostMode,
  HostState,
  LaunchRecord,
  OrderOutcome,
  WhyNot,
} from '../api/console-types';
import type { HostVerdict, Refusal } from '../api/types';
import { clock } from '../lib/time';
import { ofHostVerdict, ofRefusal, type Words } from '../lib/words';
import { m } from '../paraglide/messages';
import type { Mark } from './StateMark.svelte';

export interface Marked {
  mark: Mark;
  word: string;
}

export function hostState(state: HostState): Marked {
  switch (state) {
    case 'up':
      return { mark: 'good', word: m.state_up() };
    case 'down':
      return { mark: 'bad', word: m.state_down() };
    case 'silent':
      return { mark: 'bad', word: m.state_silent() };
    case 'revoked':
      return { mark: 'bad', word: m.state_revoked() };
    case 'waiting':
      return { mark: 'warn', word: m.state_waiting() };
    case 'never-joined':
      return { mark: 'wait', word: m.state_never_joined() };
    case 'unknown':
      return { mark: 'wait', word: m.state_unknown() };
    default:
      return { mark: 'wait', word: state };
  }
}

export const HOST_STATES: readonly HostState[] = [
  'up',
  'silent',
  'down',
  'waiting',
  'never-joined',
  'revoked',
  'unknown',
];

export function hostMode(mode: HostMode): Marked {
  switch (mode) {
    case 'enabled':
      return { mark: 'good', word: m.mode_enabled() };
    case 'drain':
      return { mark: 'warn', word: m.mode_drain() };
    case 'disabled':
      return { mark: 'off', word: m.mode_disabled() };
    default:
      return { mark: 'wait', word: mode };
  }
}

export function agentWord(host: Host): string {
  if (host.agent === 'none') return m.agent_none();
  return host.agent_state ? agentState(host.agent_state.state).word : m.agent_never_joined();
}

export function agentState(state: AgentState['state']): Marked {
  switch (state) {
    case 'connected':
      return { mark: 'good', word: m.agent_connected() };
    case 'silent':
      return { mark: 'bad', word: m.agent_silent() };
    case 'waiting':
      return { mark: 'warn', word: m.agent_waiting() };
    case 'revoked':
      return { mark: 'bad', word: m.agent_revoked() };
    case 'never-joined':
      return { mark: 'wait', word: m.agent_never_joined() };
    default:
      return { mark: 'wait', word: state };
  }
}

export function sessionState(state: string, isUnknown = false): Marked {
  if (isUnknown) return { mark: 'warn', word: m.state_session_unknown() };
  switch (state) {
    case 'active':
      return { mark: 'good', word: m.state_active() };
    case 'disconnected':
      return { mark: 'wait', word: m.state_disconnected() };
    case 'pending':
      return { mark: 'off', word: m.state_pending() };
    case 'ended':
      return { mark: 'off', word: m.state_ended() };
    default:
      return { mark: 'wait', word: state };
  }
}

/** Who set a mode, and why: "by ina at 09:10: new kernel". */
export function modeSetBy(host: Host, locale: string): string | undefined {
  const set = host.mode_set;
  if (!set) return undefined;
  const by = m.mode_by({ by: set.by, time: clock(set.at_ms, locale) });
  const why = set.reason === '' ? by : `${by}: ${set.reason}`;
  return set.until_restart ? `${why} (${m.mode_until_restart()})` : why;
}

/** One reason why a host takes no new sessions, and what would change it. */
export function whyNot(reason: WhyNot, host: Host, locale: string): Words {
  const since = host.agent_state?.since_ms ?? host.since_ms;
  const known = whyNotTexts(reason.code, host, since == null ? '' : clock(since, locale), locale);
  return known ?? { title: reason.message, next: reason.next_step ?? undefined };
}

function whyNotTexts(code: string, host: Host, since: string, locale: string): Words | undefined {
  const by = modeSetBy(host, locale);
  switch (code) {
    case 'disabled':
    case 'draining':
      return {
        title: code === 'disabled' ? m.why_disabled() : m.why_draining(),
        why: by ?? m.why_mode_estate(),
        next: by === undefined ? m.next_mode_estate() : m.next_mode_set(),
      };
    case 'unreachable':
      return { title: m.why_unreachable(), why: host.detail, next: m.next_unreachable() };
    case 'not-probed':
      return { title: m.why_not_probed(), next: m.next_not_probed() };
    case 'not-trusted':
      return host.identity === 'changed'
        ? { title: m.why_identity_changed(), next: m.next_identity_changed() }
        : { title: m.why_not_trusted(), next: m.next_not_trusted() };
    case 'full':
      return { title: m.why_full({ sessions: host.sessions, max: host.sessions_max }), next: m.next_full() };
    case 'silent':
      return { title: since === '' ? m.why_silent() : m.why_silent_since({ time: since }), next: m.next_silent() };
    case 'never-joined':
      return { title: m.why_never_joined(), next: m.next_never_joined() };
    case 'waiting-for-approval':
      return { title: m.why_waiting(), next: m.next_waiting() };
    case 'revoked':
      return { title: m.why_revoked(), next: m.next_revoked() };
    case 'sign-ins-in-progress':
      return { title: m.why_sign_ins({ count: host.sign_ins ?? '?' }), next: m.next_sign_ins() };
    case 'penalised':
      return {
        title: m.why_penalised({ count: host.penalty?.failures ?? '?' }),
        next: host.penalty ? m.next_penalised({ time: clock(host.penalty.until_ms, locale) }) : m.next_penalised_soon(),
      };
    default:
      return undefined;
  }
}

/** What would have made a launch come to this host; nothing where it simply lost a fair choice. */
export function verdictNext(verdict: HostVerdict): string | undefined {
  switch (verdict.reason) {
    case 'disabled':
    case 'draining':
      return verdict.set ? m.next_mode_set() : m.next_mode_estate();
    case 'unreachable':
      return m.next_unreachable();
    case 'not-probed':
      return m.next_not_probed();
    case 'not-trusted':
      return m.next_not_trusted();
    case 'full':
      return m.next_full();
    case 'silent':
      return m.next_silent();
    case 'never-joined':
      return m.next_never_joined();
    case 'waiting-for-approval':
      return m.next_waiting();
    case 'revoked':
      return m.next_revoked();
    case 'sign-ins-in-progress':
      return m.next_sign_ins();
    case 'account-in-use':
      return m.next_account_in_use();
    case 'other-site':
      return m.next_other_site();
    default:
      return verdict.next_step ?? undefined;
  }
}

export function launchOutcome(outcome: LaunchRecord['outcome']): Marked {
  switch (outcome) {
    case 'placed':
      return { mark: 'good', word: m.launch_placed() };
    case 'resumed':
      return { mark: 'wait', word: m.launch_resumed() };
    case 'refused':
      return { mark: 'warn', word: m.launch_refused() };
    case 'failed':
      return { mark: 'bad', word: m.launch_failed() };
    default:
      return { mark: 'wait', word: outcome };
  }
}

/** Why a host was chosen. */
export function choiceWords(choice: Choice): string {
  const load = { sessions: choice.sessions ?? 0, max: choice.sessions_max ?? 0 };
  switch (choice.choice) {
    case 'resumed':
      return m.choice_resumed();
    case 'fewest-sessions':
      return m.choice_fewest_sessions(load);
    case 'resource-based':
      return m.choice_resource_based({ ...load, index: Math.round((choice.index ?? 0) / 100) });
    case 'round-robin':
      return m.choice_round_robin();
    case 'pack':
      return m.choice_pack(load);
    case 'last-host':
      return m.choice_last_host();
    case 'runs-there':
      return m.choice_runs_there();
    default:
      return choice.choice;
  }
}

/** Why a host was not chosen, said to somebody else than the person of the launch. */
export function verdictWords(verdict: HostVerdict): string {
  switch (verdict.reason) {
    case 'account-in-use':
      return m.verdict_account_in_use({ host: verdict.host, account: verdict.account ?? '?' });
    case 'session-elsewhere':
      return m.verdict_session_elsewhere({ host: verdict.host });
    default:
      return ofHostVerdict(verdict);
  }
}

/** A refusal in one line, for operators; with every host's reason or without. */
export function refusalCause(refusal: Refusal, withHosts = true): string {
  switch (refusal.refusal) {
    case 'not-found':
      return m.cause_not_found({ resource: refusal.resource ?? '?' });
    case 'not-now':
      return m.cause_not_now({ why: ofRefusal(refusal).why ?? '' });
    case 'no-host': {
      const hosts = (refusal.hosts ?? []).map(verdictWords);
      const title = m.cause_no_host({ pool: refusal.pool ?? '?' });
      if (hosts.length === 0) return `${title}: ${m.cause_empty_pool()}`;
      return withHosts ? `${title}: ${hosts.join('; ')}` : title;
    }
    case 'resume-elsewhere':
      return m.cause_resume_elsewhere({ network: refusal.network ?? '?' });
    default:
      return ofRefusal(refusal).title;
  }
}

/** The cause of a launch that came to nothing, in one line. */
export function launchCause(record: LaunchRecord): string {
  if (record.outcome === 'refused' && record.refusal) return refusalCause(record.refusal);
  return record.detail ?? launchOutcome(record.outcome).word;
}

/** What became of an order to an agent. */
export function outcomeWords(outcome: OrderOutcome): { words: Words; good: boolean } {
  const why = outcome.detail ?? undefined;
  switch (outcome.outcome) {
    case 'done':
    case 'identities':
      return { words: { title: m.outcome_done(), why }, good: true };
    case 'not-found':
      return { words: { title: m.outcome_not_found() }, good: false };
    case 'not-supported':
      return { words: { title: m.outcome_not_supported(), why }, good: false };
    default:
      return { words: { title: m.outcome_failed(), why }, good: false };
  }
}

/** Why a session is disconnected or over, in two or three words. */
export function endedBecause(reason: string): string {
  switch (reason) {
    case 'client-closed':
    case 'user-disconnected':
      return m.ended_user_left();
    case 'client-lost':
      return m.ended_client_lost();
    case 'host-lost':
    case 'host-failed':
      return m.ended_host_lost();
    case 'taken-over':
      return m.ended_taken_over();
    case 'idle-timeout':
      return m.ended_idle();
    case 'total-timeout':
    case 'session-timeout':
    case 'disconnected-timeout':
      return m.ended_time();
    case 'logged-off':
    case 'host-closed':
    case 'user-ended':
    case 'program-exited':
      return m.ended_logged_off();
    case 'operator-ended':
      return m.ended_operator();
    case 'host-restarted':
      return m.ended_restart();
    case 'maintenance':
      return m.ended_maintenance();
    case 'signed-out':
      return m.ended_signed_out();
    case 'limit-reached':
      return m.ended_limit();
    case 'process-stopped':
      return m.ended_process();
    case 'ticket-lapsed':
      return m.ended_ticket();
    default:
      return reason;
  }
}
