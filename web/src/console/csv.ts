/** Records as a file for spreadsheets. */
import type { AuditRecord } from '../api/console-types';

/** What makes a spreadsheet take a text for a formula, at its beginning. */
const FORMULA = /^[\s\u0000-\u001f]*[=+\-@|%＝＋－＠]/u;

/**
 * One value: quoted where the format needs it. Names in the audit log may come from an attacker, so
 * a text that a spreadsheet would run as a formula gets an apostrophe in front.
 */
export function csvField(value: string | number | null | undefined): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number') return String(value);
  const harmless = FORMULA.test(value) || /^[\t\r]/.test(value) ? `'${value}` : value;
  return /[",;\r\n\t]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

/** A whole file by RFC 4180, with a byte order mark: without it, spreadsheets guess the encoding. */
export function csvFile(head: readonly string[], rows: readonly (readonly (string | number | null | undefined)[])[]): string {
  const lines = [head, ...rows].map((row) => row.map(csvField).join(','));
  return `\ufeff${lines.join('\r\n')}\r\n`;
}

export const AUDIT_HEAD = ['seq', 'time', 'actor', 'action', 'object', 'outcome', 'client_address', 'detail'] as const;

export function auditRow(record: AuditRecord): (string | number | null | undefined)[] {
  return [
    record.seq,
    new Date(record.at).toISOString(),
    record.actor,
    record.action,
    record.object,
    record.outcome,
    record.client_address,
    record.detail == null ? '' : JSON.stringify(record.detail),
  ];
}

/** Details of a record for people: its fields in one line. */
export function detailText(detail: unknown): string {
  if (detail === null || detail === undefined) return '';
  if (typeof detail !== 'object' || Array.isArray(detail)) return String(detail);
  return Object.entries(detail)
    .filter(([, value]) => value !== null && value !== '')
    .map(([key, value]) => `${key}: ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
    .join(', ');
}
