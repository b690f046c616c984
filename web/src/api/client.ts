/** The one place that talks HTTP to the portal. Every call returns data or throws `ApiError`. */
import createClient from 'openapi-fetch';
import { plainDeep } from '../lib/plain';
import type { paths } from './schema';
import { ApiError } from './errors';
import type { Launch, Me, Site, Workspace } from './types';

/** After this time a call counts as failed, so that a dead network shows as an error. */
const CALL_TIMEOUT_MS = 20_000;

let csrfToken = '';

/** Remembers the token that state-changing calls must carry; empty after a sign-out. */
export function useCsrfToken(token: string): void {
  csrfToken = token;
}

const client = createClient<paths>({
  baseUrl: '',
  credentials: 'same-origin',
  fetch: (request: Request) =>
    fetch(request, { signal: AbortSignal.any([request.signal, AbortSignal.timeout(CALL_TIMEOUT_MS)]) }),
});

client.use({
  onRequest({ request }) {
    if (request.method !== 'GET' && csrfToken !== '') {
      request.headers.set('X-Portico-Csrf', csrfToken);
    }
    return request;
  },
});

type Answer<T> = { data?: T; error?: unknown; response: Response };

/** Turns an answer into its data; anything else, the network included, becomes an `ApiError`. */
async function unwrap<T>(call: Promise<Answer<unknown>>): Promise<T> {
  let answer: Answer<unknown>;
  try {
    answer = await call;
  } catch (cause) {
    throw ApiError.unreachable(cause);
  }
  if (answer.response.ok) return plainDeep(answer.data) as T;
  throw ApiError.fromAnswer(answer.response, plainDeep(answer.error));
}

/**
 * A call that changes something. Another tab may have signed in anew since this page was loaded, so
 * that our token is of the sign-in before: then the token is asked for, and the call made once more.
 */
async function change<T>(call: () => Promise<Answer<unknown>>): Promise<T> {
  try {
    return await unwrap<T>(call());
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 'csrf') throw error;
    csrfToken = (await api.me()).csrf_token;
    return unwrap<T>(call());
  }
}

/** What a query may hold; `undefined` is left out. */
type Query = Record<string, string | number | undefined>;
/** openapi-fetch for paths that the generated schema does not have yet. */
type Untyped = (path: string, init: object) => Promise<Answer<unknown>>;

/** Reads a path below the API that the schema does not name. */
export function read<T>(path: string, query: Query = {}): Promise<T> {
  return unwrap<T>((client.GET as unknown as Untyped)(`/api/v1${path}`, { params: { query } }));
}

/** Changes something by a path below the API that the schema does not name. */
export function act<T>(method: 'POST' | 'PUT' | 'DELETE', path: string, body?: object): Promise<T> {
  const call = client[method] as unknown as Untyped;
  return change<T>(() => call(`/api/v1${path}`, body === undefined ? {} : { body }));
}

export const api = {
  site: () => unwrap<Site>(client.GET('/api/v1/site')),

  setup: (body: {
    token: string;
    user: string;
    display_name: string;
    password: string;
    site_name: string;
  }) => unwrap<void>(client.POST('/api/v1/setup', { body })),

  signIn: (user: string, password: string) =>
    unwrap<Me>(client.POST('/api/v1/sign-in', { body: { user, password } })),

  signOut: () => change<void>(() => client.POST('/api/v1/sign-out')),

  me: () => unwrap<Me>(client.GET('/api/v1/me')),

  workspace: () => unwrap<Workspace>(client.GET('/api/v1/workspace')),

  setFavourite: (resource: string, favourite: boolean) => {
    const params = { path: { resource } };
    return change<void>(() =>
      favourite
        ? client.PUT('/api/v1/favourites/{resource}', { params })
        : client.DELETE('/api/v1/favourites/{resource}', { params }),
    );
  },

  launch: (resource: string) =>
    change<Launch>(() => client.POST('/api/v1/launches', { body: { resource } })),

  reconnect: (id: string, grant: string) =>
    change<Launch>(() =>
      client.POST('/api/v1/sessions/{id}/reconnect', { params: { path: { id } }, body: { grant } }),
    ),

  disconnect: (id: string) =>
    change<void>(() =>
      client.POST('/api/v1/sessions/{id}/disconnect', { params: { path: { id } } }),
    ),

  end: (id: string) =>
    change<{ host_keeps_it: boolean; message: string }>(() =>
      client.DELETE('/api/v1/sessions/{id}', { params: { path: { id } } }),
    ),
};
