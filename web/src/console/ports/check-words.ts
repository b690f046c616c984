/** Verdicts of the port check in words. */
import { m } from '../../paraglide/messages';
import { age } from '../format';
import type { Tally } from './checks';
import { portsText } from './model';
import type { Check, Vantage } from './types';

const WORDS: Record<string, () => string> = {
  proven: m.check_proven,
  reachable: m.check_reachable,
  'wrong-service': m.check_wrong_service,
  refused: m.check_refused,
  'no-answer': m.check_no_answer,
  blocked: m.check_blocked,
  'not-resolvable': m.check_not_resolvable,
  skipped: m.check_skipped,
  'not-checked': m.check_not_checked,
};

const MEANINGS: Record<string, () => string> = {
  proven: m.check_proven_means,
  reachable: m.check_reachable_means,
  'wrong-service': m.check_wrong_service_means,
  refused: m.check_refused_means,
  'no-answer': m.check_no_answer_means,
  blocked: m.check_blocked_means,
  'not-resolvable': m.check_not_resolvable_means,
  skipped: m.check_skipped_means,
  'not-checked': m.check_not_checked_means,
};

/** A verdict of a later version is shown as it is named. */
export function verdictWord(verdict: string): string {
  return WORDS[verdict]?.() ?? verdict;
}

export function verdictMeaning(verdict: string): string {
  return MEANINGS[verdict]?.() ?? verdict;
}

/** What a line of the map or a cell of the matrix comes to, in one clause. */
export function tallyText(tally: Tally): string {
  const worst = verdictWord(tally.worst.verdict);
  if (tally.failing === 0) return m.checks_tally({ count: tally.all, worst });
  return m.checks_tally_fails({ count: tally.failing, all: tally.all, worst });
}

/** `389/tcp`; the transport alone where there is no port. */
export function checkSocket(check: Check): string {
  if (check.port == null) return check.transport;
  const ports = portsText([{ first: check.port, last: check.port_last ?? check.port }]);
  return `${ports}/${check.transport}`;
}

export function silenceText(vantage: Vantage, nowMs: number): string {
  if (vantage.last_report_at_ms == null) return m.checks_silent_always({ host: vantage.host });
  return m.checks_silent({ host: vantage.host, age: age((nowMs - vantage.last_report_at_ms) / 1000) });
}
