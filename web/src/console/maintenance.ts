/** What the form of a maintenance has to get right before it is sent. */
import { m } from '../paraglide/messages';

/** A point in time as an input of type `datetime-local` wants it: local, without a zone. */
export function localInput(ms: number): string {
  const date = new Date(ms);
  const pad = (part: number): string => String(part).padStart(2, '0');
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}T${pad(date.getHours())}:${pad(date.getMinutes())}`;
}

/** What is wrong with a plan, in words; nothing when it may be sent. */
export function checkPlan(plan: { hosts: readonly string[]; startsAtMs: number; text: string }, nowMs: number): string | undefined {
  if (plan.hosts.length === 0) return m.maintenance_hosts_missing();
  if (!Number.isFinite(plan.startsAtMs)) return m.maintenance_start_missing();
  if (plan.startsAtMs < nowMs) return m.maintenance_start_past();
  if (plan.text.trim() === '') return m.field_text_missing();
  return undefined;
}
