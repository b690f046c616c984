/** Causes of flows that do not work, in words. */
import { m } from '../../paraglide/messages';
import type { FlowCause } from './types';

const TITLES: Record<string, () => string> = {
  'not-planned': m.flow_cause_not_planned,
  unchecked: m.flow_cause_unchecked,
  'name-unknown': m.flow_cause_name_unknown,
  'address-of-another': m.flow_cause_address_of_another,
  'nothing-listens': m.flow_cause_nothing_listens,
  'firewall-drops': m.flow_cause_firewall_drops,
  'firewall-rejects': m.flow_cause_firewall_rejects,
  'host-down': m.flow_cause_host_down,
  'connection-reset': m.flow_cause_connection_reset,
  'reverse-path-missing': m.flow_cause_reverse_path_missing,
  'wrong-service': m.flow_cause_wrong_service,
  'too-slow': m.flow_cause_too_slow,
  'tls-refused': m.flow_cause_tls_refused,
  'certificate-expired': m.flow_cause_certificate_expired,
  'certificate-expires-soon': m.flow_cause_certificate_expires_soon,
  'certificate-not-yet-valid': m.flow_cause_certificate_not_yet_valid,
  'certificate-wrong-name': m.flow_cause_certificate_wrong_name,
  'certificate-self-signed': m.flow_cause_certificate_self_signed,
  'certificate-intercepted': m.flow_cause_certificate_intercepted,
  'certificate-untrusted': m.flow_cause_certificate_untrusted,
  'clock-skew': m.flow_cause_clock_skew,
  'not-shown': m.flow_cause_not_shown,
};

/** A kind of a later version is shown in the server's words. */
export function causeTitle({ kind, title }: Pick<FlowCause, 'kind' | 'title'>): string {
  return TITLES[kind]?.() ?? title;
}

export function certaintyWord(certainty: string): string {
  switch (certainty) {
    case 'certain':
      return m.certainty_certain();
    case 'likely':
      return m.certainty_likely();
    case 'possible':
      return m.certainty_possible();
    default:
      return certainty;
  }
}

/** What the first cause is called: who is not sure must not say "the cause". */
export function causeLabel({ certainty }: FlowCause): string {
  if (certainty === 'certain') return m.explain_cause_certain();
  return certainty === 'likely' ? m.explain_cause_likely() : m.explain_cause_possible();
}

/** What a further cause is called. */
export function otherLabel({ certainty }: FlowCause): string {
  return certainty === 'certain' ? m.explain_also_certain() : m.explain_also_possible();
}
