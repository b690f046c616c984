/** Calls of the Ports page. Loaded with it. */
import { act, read } from '../../api/client';
import { ApiError } from '../../api/errors';
import { plainDeep } from '../../lib/plain';
import type { Asked } from './explain';
import type { CatalogueFlow, Check, CheckChange, Checks, FlowExplained, MapLayout, PortPlan, PortRole } from './types';

const RULES_TIMEOUT_MS = 30_000;
/** Results that one answer holds at most. */
export const CHECKS_MAX = 20_000;

export const portsApi = {
  flows: () => read<CatalogueFlow[]>('/ports/flows'),
  roles: () => read<PortRole[]>('/ports/roles'),
  plan: () => read<PortPlan>('/ports/plan'),
  map: () => read<MapLayout>('/ports/diagram', { format: 'json' }),
  checks: (ends: { from?: string; to?: string } = {}) => read<Checks>('/ports/checks', { ...ends, limit: CHECKS_MAX }),
  changes: ({ flow, from, to }: Check) => read<CheckChange[]>('/ports/checks/history', { flow, from, to }),
  explain: ({ from, to, port, transport }: Asked) =>
    read<FlowExplained>('/ports/explain', { from: from || undefined, to, port, transport: transport || undefined }),
  checkNow: (from: readonly string[]) => act<void>('POST', '/ports/checks', from.length === 0 ? {} : { from }),
};

export const pictureHref = '/api/v1/ports/diagram?format=svg';

export function rulesHref(format: string, host: string): string {
  const query = new URLSearchParams({ format, ...(host === '' ? {} : { host }) });
  return `/api/v1/ports/rules?${query.toString()}`;
}

/** The rules as text; an error lists what the format cannot say. */
export async function rulesText(format: string, host: string): Promise<string> {
  let response: Response;
  try {
    response = await fetch(rulesHref(format, host), {
      credentials: 'same-origin',
      signal: AbortSignal.timeout(RULES_TIMEOUT_MS),
    });
  } catch (cause) {
    throw ApiError.unreachable(cause);
  }
  if (response.ok) return response.text();
  throw ApiError.fromAnswer(response, plainDeep(await response.json().catch(() => undefined)));
}
