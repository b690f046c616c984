/** The webtop's sections: favourites first, then folders by name, those without a folder last. */
import type { OfferedResource } from '../api/types';

export interface Folder {
  /** Path as the estate gives it, `/` between levels; empty for resources without a folder. */
  path: string;
  resources: OfferedResource[];
}

export function byFolder(resources: readonly OfferedResource[], locale: string): Folder[] {
  const folders = new Map<string, OfferedResource[]>();
  for (const resource of resources) {
    const path = resource.folder.split('/').filter((part) => part.trim() !== '').join(' / ');
    const list = folders.get(path);
    if (list) list.push(resource);
    else folders.set(path, [resource]);
  }
  const order = new Intl.Collator(locale, { numeric: true });
  return [...folders]
    .map(([path, list]) => ({
      path,
      resources: list.sort((a, b) => order.compare(a.title, b.title)),
    }))
    .sort((a, b) => {
      if (a.path === '' || b.path === '') return a.path === '' ? 1 : -1;
      return order.compare(a.path, b.path);
    });
}
