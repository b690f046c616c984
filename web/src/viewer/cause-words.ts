/**
 * Why a launch failed, for the person who launched: in words without the names of hosts, addresses
 * and services, which are the operators' affair. The kinds are those of `CauseKind` in
 * `portico-probe`.
 */
import type { ApiError } from '../api/errors';
import { ofError, type Words } from '../lib/words';
import { m } from '../paraglide/messages';

/** The code that the server gives administrators when no host answers and nothing is known of why. */
const UNREACHED = 'unreached';

/** The words of a refused launch. A refusal without details is that no host can be reached. */
export function launchWords(error: ApiError): Words {
  if (error.code !== 'launch-refused' || error.details !== undefined) return ofError(error);
  const code = error.flowCause ?? UNREACHED;
  return causeWords(code) ?? { ...causeWords('host-down'), title: m.user_cause_down_title(), next: m.user_cause_next_again({ code }) };
}

/** The words for a cause; nothing for one that tells a user nothing, or is of a later version. */
export function causeWords(kind: string): Words | undefined {
  const words = wordsOf(kind);
  return words && { ...words, nameless: true };
}

function wordsOf(kind: string): Words | undefined {
  const again = m.user_cause_next_again({ code: kind });
  const tell = m.user_cause_next_tell({ code: kind });
  const certificate = (why: string): Words => ({ title: m.user_cause_certificate_title(), why, next: tell });
  switch (kind) {
    case 'name-unknown':
    case 'address-of-another':
      return { title: m.user_cause_name_title(), why: m.user_cause_name_why(), next: tell };
    case 'nothing-listens':
      return { title: m.user_cause_listens_title(), why: m.user_cause_listens_why(), next: again };
    case 'firewall-drops':
    case 'firewall-rejects':
    case 'reverse-path-missing':
      return { title: m.user_cause_network_title(), why: m.user_cause_network_why(), next: tell };
    case 'host-down':
      return { title: m.user_cause_down_title(), why: m.user_cause_down_why(), next: again };
    case 'connection-reset':
      return { title: m.user_cause_reset_title(), why: m.user_cause_reset_why(), next: again };
    case 'wrong-service':
      return { title: m.user_cause_service_title(), why: m.user_cause_service_why(), next: tell };
    case 'too-slow':
      return { title: m.user_cause_slow_title(), why: m.user_cause_slow_why(), next: again };
    case 'tls-refused':
      return { title: m.connect_tls_title(), why: m.user_cause_tls_why(), next: tell };
    case 'certificate-expired':
      return certificate(m.user_cause_expired_why());
    case 'certificate-not-yet-valid':
      return certificate(m.user_cause_early_why());
    case 'certificate-wrong-name':
      return certificate(m.user_cause_certificate_name_why());
    case 'certificate-self-signed':
    case 'certificate-untrusted':
      return certificate(m.user_cause_certificate_issuer_why());
    case 'certificate-intercepted':
      return certificate(m.user_cause_between_why());
    case 'clock-skew':
      return { title: m.user_cause_clock_title(), why: m.user_cause_clock_why(), next: tell };
    default:
      return undefined;
  }
}
