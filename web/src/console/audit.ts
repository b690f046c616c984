/** Reading the audit log with filters that the portal may not know. */
import type { AuditFilter, AuditPage, AuditRecord } from '../api/console-types';

/** Records in one answer of the API, at most. */
export const FETCH_MAX = 1_000;
/** Answers that are gone through for one page: a rare name is looked for in 20,000 records. */
export const FETCHES_MAX = 20;

export type Fetch = (filter: AuditFilter, limit: number, before?: number) => Promise<AuditPage | AuditRecord[]>;

/** An action fits when it begins so; an actor has to be named in full. */
export function fits(record: AuditRecord, filter: AuditFilter): boolean {
  return (filter.actor === '' || record.actor === filter.actor) && record.action.startsWith(filter.action);
}

/** The next `limit` records that fit, newest first, and where to go on. */
export async function readAudit(fetch: Fetch, filter: AuditFilter, limit: number, before?: number): Promise<AuditPage> {
  const isFiltered = filter.actor !== '' || filter.action !== '';
  const each = isFiltered ? FETCH_MAX : Math.min(limit, FETCH_MAX);
  const records: AuditRecord[] = [];
  let next: number | undefined = before;
  for (let fetches = 0; fetches < FETCHES_MAX; fetches += 1) {
    const answer = await fetch(filter, each, next);
    const page: AuditPage = Array.isArray(answer) ? { records: answer } : answer;
    for (const record of page.records) {
      if (!fits(record, filter)) continue;
      // One too many: the page ends before it.
      if (records.length === limit) return { records, next: records.at(-1)?.seq ?? null };
      records.push(record);
    }
    next = page.next ?? undefined;
    if (next === undefined) return { records, next: null };
    if (!isFiltered && records.length >= limit) return { records, next };
  }
  return { records, next: next ?? null };
}
