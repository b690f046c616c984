/** Search over the resources of a workspace: instant at 10,000 of them. */
import type { OfferedResource } from '../api/types';

export interface SearchEntry {
  resource: OfferedResource;
  title: string;
  rest: string;
}

/** Folds case and marks, so that `Buro` finds `Büro` and `STRASSE` finds `Straße`. */
export function fold(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/\p{M}+/gu, '')
    .toLowerCase()
    .replaceAll('ß', 'ss');
}

/** Made once per workspace, so that a keystroke only compares. */
export function index(resources: readonly OfferedResource[]): SearchEntry[] {
  return resources.map((resource) => ({
    resource,
    title: fold(resource.title),
    rest: fold(`${resource.folder} ${resource.description} ${resource.id}`),
  }));
}

/** All resources that contain every word of the query, best first; ties keep their order. */
export function search(entries: readonly SearchEntry[], query: string): OfferedResource[] {
  const words = fold(query).split(/\s+/).filter((word) => word !== '');
  if (words.length === 0) return entries.map((entry) => entry.resource);
  const hits: { resource: OfferedResource; score: number }[] = [];
  for (const entry of entries) {
    const score = rate(entry, words);
    if (score > 0) hits.push({ resource: entry.resource, score });
  }
  return hits.sort((a, b) => b.score - a.score).map((hit) => hit.resource);
}

function rate(entry: SearchEntry, words: readonly string[]): number {
  let total = 0;
  for (const word of words) {
    const score = rateWord(entry, word);
    if (score === 0) return 0;
    total += score;
  }
  return total;
}

/** What stands before the beginning of a word within a name. */
const BOUNDARIES = [' ', '-', '_', '/', '('];

function rateWord(entry: SearchEntry, word: string): number {
  if (entry.title.startsWith(word)) return 8;
  if (BOUNDARIES.some((boundary) => entry.title.includes(boundary + word))) return 6;
  if (entry.title.includes(word)) return 4;
  return entry.rest.includes(word) ? 1 : 0;
}
