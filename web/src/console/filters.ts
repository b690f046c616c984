/** Search and filters of a list, kept in the address so that a view can be shared. */

export type Filters<K extends string> = Record<K, string>;

/** Reads the known keys out of a query. */
export function readFilters<K extends string>(keys: readonly K[], query: string): Filters<K> {
  const given = new URLSearchParams(query);
  return Object.fromEntries(keys.map((key) => [key, given.get(key) ?? ''])) as Filters<K>;
}

/** Writes what is set behind a path. */
export function writeFilters(path: string, filters: Record<string, string>): string {
  const set = Object.entries(filters).filter(([, value]) => value !== '');
  return set.length === 0 ? path : `${path}?${new URLSearchParams(set).toString()}`;
}
