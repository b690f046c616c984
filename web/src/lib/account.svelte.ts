/** Who is signed in, and the site's name and notice. */
import { api, useCsrfToken } from '../api/client';
import { asApiError, type ApiError } from '../api/errors';
import type { Me, Site } from '../api/types';

export type AccountState =
  | { is: 'asking' }
  | { is: 'signed-in'; me: Me }
  | { is: 'signed-out' }
  | { is: 'away'; error: ApiError };

let state = $state<AccountState>({ is: 'asking' });
let site = $state<Site | undefined>();

export const account = {
  get state(): AccountState {
    return state;
  },
  get me(): Me | undefined {
    return state.is === 'signed-in' ? state.me : undefined;
  },
  get site(): Site | undefined {
    return site;
  },
};

/** Asks the server who we are. Called at the start and on retry. */
export async function askWhoWeAre(): Promise<void> {
  try {
    become(await api.me());
  } catch (thrown) {
    const error = asApiError(thrown);
    state = error.status === 401 ? { is: 'signed-out' } : { is: 'away', error };
  }
}

export async function loadSite(): Promise<Site> {
  site = await api.site();
  return site;
}

export async function signIn(user: string, password: string): Promise<void> {
  become(await api.signIn(user, password));
}

export async function signOut(): Promise<void> {
  await api.signOut();
  signedOut();
}

/** The server said that we are not signed in any more. */
export function signedOut(): void {
  useCsrfToken('');
  state = { is: 'signed-out' };
}

function become(me: Me): void {
  useCsrfToken(me.csrf_token);
  state = { is: 'signed-in', me };
}
