/** Names of resources that were seen, so that a launch is headed by a name and not by an id. */
import { api } from '../api/client';
import type { Workspace } from '../api/types';

let titles = $state<Record<string, string>>({});

export function rememberTitles(workspace: Workspace): void {
  titles = Object.fromEntries(workspace.resources.map((resource) => [resource.id, resource.title]));
}

/** The name of a resource, or its id as long as nothing better is known. */
export function titleOf(resource: string): string {
  return titles[resource] ?? resource;
}

/** Asks for the names when a launch was opened by its address. */
export async function fetchTitles(resource: string): Promise<void> {
  if (resource in titles) return;
  await api.workspace().then(rememberTitles, () => undefined);
}
