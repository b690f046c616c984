/** The filters of a list as state of its page. */
import { renameAddress } from '../lib/navigation.svelte';
import { readFilters, writeFilters, type Filters } from './filters';

/**
 * The filters of a page as state. They follow the address when a link or the history changes it,
 * and the address follows them. Must be called while a component is set up.
 */
export function filtersOf<K extends string>(keys: readonly K[], query: () => string): Filters<K> {
  const filters = $state<Filters<K>>(readFilters(keys, query()));
  let came = query();
  /** While the next page is fetched this one is still here, under an address that is not its own. */
  const path = location.pathname;
  $effect(() => {
    const now = query();
    if (now === came || location.pathname !== path) return;
    came = now;
    Object.assign(filters, readFilters(keys, now));
  });
  $effect(() => {
    const href = writeFilters(path, filters);
    if (location.pathname === path && href !== path + location.search) renameAddress(href);
  });
  return filters;
}
