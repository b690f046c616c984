/** What a role may do in the console: the table of `portico-brokering`, for showing buttons only. */
import type { Role } from '../api/console-types';

const ORDER: readonly Role[] = ['user', 'auditor', 'help-desk', 'operator', 'owner'];

const LEAST = {
  /** See hosts, sessions, launches and the audit log. */
  read: 'auditor',
  /** Message, disconnect and end sessions. */
  sessions: 'help-desk',
  /** Modes, orders, tokens, approvals, maintenance. */
  hosts: 'operator',
} as const satisfies Record<string, Role>;

export type Right = keyof typeof LEAST;

export function may(role: Role, right: Right): boolean {
  return ORDER.indexOf(role) >= ORDER.indexOf(LEAST[right]);
}
