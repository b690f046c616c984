import type { Me } from '../api/types';

/** What every page of the console is given. */
export interface PageProps {
  me: Me;
  /** The host of the address; empty on all other pages. */
  host: string;
  /** The query of the address: search and filters. */
  query: string;
}
