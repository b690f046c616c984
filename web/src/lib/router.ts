/**
 * Paths of the portal. `/session/desktop` and `/session/terminal` are WebSockets of the gateway and
 * `/api/` is the API, so no page lives under them.
 */

export type Route =
  | { page: 'webtop' }
  | { page: 'sign-in'; next: string }
  | { page: 'setup'; token: string }
  | { page: 'view'; resource: string }
  | { page: 'console'; section: ConsoleSection; query: string }
  | { page: 'console'; section: 'host'; host: string; query: string }
  | { page: 'not-found'; path: string };

/** Pages of the console with a place in its navigation; the first is at `/console` itself. */
export const CONSOLE_SECTIONS = [
  'overview',
  'hosts',
  'sessions',
  'launches',
  'agents',
  'maintenance',
  'ports',
  'audit',
] as const;

export type ConsoleSection = (typeof CONSOLE_SECTIONS)[number];

/** Ids of the estate: the same characters as `portico-model` allows, with room to spare. */
const RESOURCE_ID_LEN_MAX = 128;

/** The token of a set-up link is behind the `#`: browsers never send that to a server or log it. */
export function parseRoute(path: string, query: string, fragment = ''): Route {
  const search = new URLSearchParams(query);
  const parts = path.split('/').filter((part) => part !== '');
  if (parts.length === 0) return { page: 'webtop' };
  const [first, second] = parts;
  if (parts.length === 1) {
    if (first === 'sign-in') return { page: 'sign-in', next: safeNext(search.get('next')) };
    if (first === 'setup') return { page: 'setup', token: new URLSearchParams(fragment.replace(/^#/, '')).get('token') ?? '' };
  }
  if (first === 'console') return consoleRoute(parts.slice(1), query) ?? { page: 'not-found', path };
  if (parts.length === 2 && (first === 'launch' || first === 'view') && second !== undefined) {
    const resource = decode(second);
    if (resource !== undefined && resource.length <= RESOURCE_ID_LEN_MAX) {
      return { page: 'view', resource };
    }
  }
  return { page: 'not-found', path };
}

function consoleRoute(parts: string[], query: string): Route | undefined {
  const [section = 'overview', id, ...rest] = parts;
  if (rest.length > 0) return undefined;
  if (section === 'hosts' && id !== undefined) {
    const host = decode(id);
    return host !== undefined && host.length <= RESOURCE_ID_LEN_MAX
      ? { page: 'console', section: 'host', host, query }
      : undefined;
  }
  const known = CONSOLE_SECTIONS.find((one) => one === section);
  return known !== undefined && id === undefined ? { page: 'console', section: known, query } : undefined;
}

export const hrefs = {
  webtop: () => '/',
  signIn: (next: string) => (next === '/' ? '/sign-in' : `/sign-in?next=${encodeURIComponent(next)}`),
  launch: (resource: string) => `/launch/${encodeURIComponent(resource)}`,
  view: (resource: string) => `/view/${encodeURIComponent(resource)}`,
  console: (section: ConsoleSection = 'overview', filters: Record<string, string> = {}) => {
    const query = new URLSearchParams(Object.entries(filters).filter(([, value]) => value !== '')).toString();
    return (section === 'overview' ? '/console' : `/console/${section}`) + (query === '' ? '' : `?${query}`);
  },
  host: (id: string) => `/console/hosts/${encodeURIComponent(id)}`,
};

/**
 * Where to go after the sign-in. Only a path of this origin: a link to the sign-in page must not
 * be able to send people elsewhere afterwards.
 */
export function safeNext(next: string | null): string {
  if (next === null || !next.startsWith('/') || next.startsWith('//')) return '/';
  // Browsers read a backslash as a slash, and drop tabs and line ends inside an address.
  if (/[\\\u0000-\u001f]/.test(next)) return '/';
  if (next.startsWith('/sign-in') || next.startsWith('/api/') || next.startsWith('/session/')) {
    return '/';
  }
  return next;
}

function decode(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}
