// A stand-in for the portal, the gateway and the engine, for looking at every page and state and
// for the page tests. It is never shipped. State is kept per value of the cookie `mock`, so that
// browser contexts do not disturb each other; `POST /mock/<name>` changes it.
import { createServer } from 'node:http';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { WebSocketServer } from 'ws';
import { changeSession, handleConsole } from './mock-console.mjs';
import { fullWorkspace, hostileWorkspace, hugeWorkspace } from './mock-data.mjs';
import { terminal } from './mock-terminal.mjs';

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
};

// The same as the portal's, so that the page tests find what it blocks.
const CSP =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; " +
  "connect-src 'self'; img-src 'self' data: blob:; font-src 'self'; worker-src 'self' blob:; " +
  "manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

function freshState() {
  return {
    site: { name: 'Portico demo', notice: 'For staff of Example Ltd.\nUse is logged.', setup_needed: false },
    role: 'user',
    signedIn: true,
    console: 'ok',
    world_kind: 'full',
    signIn: 'ok',
    setup: 'ok',
    workspace: 'full',
    launch: 'ok',
    reconnect: 'ok',
    desktop: 'ok',
    clipboard: 'both',
    drive: 'read-write',
    printer: 'on',
    /** What the desktop got of the viewer: see dev/stand-in-rdp.ts. */
    inputs: [],
    launched: 0,
    say: () => undefined,
    favourites: null,
    sockets: new Set(),
    terminals: new Map(),
    ended: new Set(),
  };
}

export async function startMock({ dist, port = 0 }) {
  const states = new Map();
  const state = (name) => {
    if (!states.has(name)) states.set(name, freshState());
    return states.get(name);
  };

  const server = createServer(async (request, response) => {
    try {
      await handle(request, response);
    } catch (error) {
      response.writeHead(500).end(String(error));
    }
  });

  async function handle(request, response) {
    const url = new URL(request.url, 'http://mock');
    const control = /^\/mock\/([^/]+)(\/close)?$/.exec(url.pathname);
    if (control) return handleControl(control, request, response);
    const own = state(nameOf(request));
    if (url.pathname.startsWith('/api/v1/')) return handleApi(own, url, request, response);
    return handleFile(url, response);
  }

  async function handleControl([, name, close], request, response) {
    const body = JSON.parse((await read(request)) || '{}');
    const own = state(name);
    if (close) {
      for (const socket of own.sockets) {
        if (body.code) socket.close(body.code, body.reason ?? '');
        else socket.terminate();
      }
    } else Object.assign(own, body);
    response.writeHead(204).end();
  }

  async function handleFile(url, response) {
    const path = normalize(url.pathname).replace(/^\/+/, '');
    let file = join(dist, path);
    if (path === '' || !existsSync(file) || extname(file) === '') file = join(dist, 'index.html');
    response.writeHead(200, {
      'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
      'content-security-policy': CSP,
      'cache-control': 'no-store',
    });
    response.end(await readFile(file));
  }

  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request, socket, head) => {
    const own = state(nameOf(request));
    sockets.handleUpgrade(request, socket, head, (peer) => {
      own.sockets.add(peer);
      peer.on('close', () => own.sockets.delete(peer));
      peer.on('error', () => undefined);
      if (request.url.startsWith('/session/terminal')) terminal(peer, own);
      else desktop(peer, own);
    });
  });

  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  const address = server.address();
  return {
    url: `http://127.0.0.1:${address.port}`,
    set: (name, change) => Object.assign(state(name), change),
    /** What the viewer's inputs were; and a word to its RDP client. */
    inputs: (name) => state(name).inputs,
    /** What the RDP client of the last connection was told. */
    settings: (name) => state(name).settings,
    launched: (name) => state(name).launched,
    say: (name, order) => state(name).say(order),
    reset: (name) => states.delete(name),
    drop: (name, code, reason) => {
      for (const socket of state(name).sockets) {
        if (code) socket.close(code, reason ?? '');
        else socket.terminate();
      }
    },
    close: () => {
      for (const own of states.values()) for (const socket of own.sockets) socket.terminate();
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

const DESKTOP_ENDS = { refused: { wsa: 10061 }, untrusted: { tls: 42 }, logon: { http: 403 } };

/** Speaks lines of JSON with dev/stand-in-rdp.ts. `black` and `none` open without a picture, `fixed` keeps its size. */
function desktop(peer, own) {
  const say = (order) => peer.send(Buffer.from(`${JSON.stringify(order)}\n`));
  own.say = say;
  peer.once('message', (first) => {
    own.settings = JSON.parse(String(first)).settings;
    own.launched += 1;
    const cleanpath = DESKTOP_ENDS[own.desktop];
    if (cleanpath) {
      say({ end: { code: 'clean-path', cleanpath } });
      // The gateway closes behind the failure, and says there why, where that is known.
      if (own.cause) peer.close(4002, `host-failed cause=${own.cause}`);
    } else say({ ok: own.desktop });
    peer.on('message', (data) => own.inputs.push(JSON.parse(String(data))));
  });
}

function nameOf(request) {
  return /(?:^|;\s*)mock=([^;]+)/.exec(request.headers.cookie ?? '')?.[1] ?? 'default';
}

async function read(request) {
  let text = '';
  for await (const part of request) text += part;
  return text;
}

const ME = {
  user: 'demo',
  display_name: 'Demo User',
  groups: ['staff'],
  csrf_token: 'csrf',
  signed_in_at_ms: Date.now(),
  expires_at_ms: Date.now() + 8 * 3600e3,
};

async function handleApi(own, url, request, response) {
  const body = JSON.parse((await read(request)) || '{}');
  const path = url.pathname.slice('/api/v1'.length);
  const send = (status, value) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(value === undefined ? undefined : JSON.stringify(value));
  };
  const text = (type, content) => {
    response.writeHead(200, { 'content-type': type });
    response.end(content);
  };
  const fail = (status, code, message, more = {}) => send(status, { error: { code, message, ...more } });
  const call = `${request.method} ${path}`;

  if (own.away) return response.destroy();
  if (call === 'GET /site') return send(200, { version: '0.0.0', ...own.site });
  if (call === 'POST /setup') {
    if (own.setup === 'token') return fail(404, 'setup-token-invalid', 'the set-up link is not valid');
    if (own.setup === 'weak') {
      return fail(422, 'weak-password', 'the password is too weak', { reason: 'it contains the user name' });
    }
    own.site.setup_needed = false;
    return send(204);
  }
  if (call === 'POST /sign-in') {
    if (own.signIn === 'locked') return fail(429, 'locked', 'locked', { retry_after_s: 840 });
    if (own.signIn === 'wrong' || body.password !== 'portico-demo') {
      return fail(401, 'wrong-credentials', 'user or password is wrong');
    }
    own.signedIn = true;
    return send(200, { ...ME, role: own.role });
  }
  if (!own.signedIn) return fail(401, 'not-signed-in', 'You are not signed in');
  if (request.method !== 'GET' && request.headers['x-portico-csrf'] !== 'csrf') {
    return fail(403, 'csrf', 'the CSRF header is missing');
  }
  if (call === 'GET /me') return send(200, { ...ME, role: own.role });
  if (call === 'POST /sign-out') {
    own.signedIn = false;
    return send(204);
  }
  if (call === 'GET /workspace') return sendWorkspace(own, send, fail);
  if (path.startsWith('/favourites/')) {
    const all = workspaceOf(own).resources;
    own.favourites ??= new Set(all.filter((resource) => resource.favourite).map((resource) => resource.id));
    const id = decodeURIComponent(path.slice('/favourites/'.length));
    if (request.method === 'PUT') own.favourites.add(id);
    else own.favourites.delete(id);
    return send(204);
  }
  if (call === 'POST /launches') return sendLaunch(own, body.resource, send, fail);
  if (path.endsWith('/reconnect')) {
    if (own.reconnect === 'away') return response.destroy();
    if (own.reconnect === 'gone') return fail(404, 'session-not-found', 'no such session');
    return send(200, launchOf(own, path.split('/')[2].replace(/^s-/, ''), true));
  }
  if (path.endsWith('/disconnect')) {
    changeSession(own, path.split('/')[2], true);
    return send(204);
  }
  if (request.method === 'DELETE' && path.startsWith('/sessions/')) {
    const id = decodeURIComponent(path.split('/')[2]);
    if (changeSession(own, id, false)) return send(200, { host_keeps_it: false, message: 'ended' });
    own.ended.add(id);
    return send(200, { host_keeps_it: path.includes('desktop'), message: 'ended' });
  }
  if (handleConsole(own, call, url, body, { send, text, fail })) return undefined;
  return fail(404, 'not-found', 'There is no such thing');
}

function workspaceOf(own) {
  if (own.workspace === 'empty') return { resources: [], sessions: [] };
  if (own.workspace === 'hostile') return hostileWorkspace();
  if (own.workspace === 'huge') return hugeWorkspace();
  return fullWorkspace();
}

function sendWorkspace(own, send, fail) {
  if (own.workspace === 'error') return fail(503, 'store-away', 'no state', { retry_after_s: 5 });
  if (own.workspace === 'slow') return undefined;
  const workspace = workspaceOf(own);
  if (own.favourites) {
    for (const resource of workspace.resources) resource.favourite = own.favourites.has(resource.id);
  }
  workspace.sessions = workspace.sessions.filter((session) => !own.ended.has(session.id));
  return send(200, workspace);
}

function sendLaunch(own, resource, send, fail) {
  switch (own.launch) {
    case 'slow':
      return undefined;
    case 'no-host':
      return fail(409, 'launch-refused', 'No host can take the session', {
        details: {
          refusal: 'no-host',
          pool: 'desktops',
          hosts: [
            { host: 'sh1', reason: 'draining' },
            { host: 'sh2', reason: 'unreachable', detail: 'connection refused by 10.91.0.12:3389' },
            { host: 'sh3', reason: 'full', sessions: 20, sessions_max: 20 },
          ],
        },
      });
    case 'cause':
      return fail(409, 'launch-refused', 'The computer for this does not answer', { cause: own.cause, reason: 'your administrator sees why' });
    case 'not-now':
      return fail(409, 'launch-refused', 'not now', {
        details: {
          refusal: 'not-now',
          resource,
          conditions: [
            { entitlement: 'staff', condition: 'time' },
            { entitlement: 'staff', condition: 'client-network' },
          ],
        },
      });
    case 'store-away':
      return fail(503, 'store-away', 'no state', { retry_after_s: 5 });
    case 'in-line':
      return fail(409, 'launch-refused', 'No host can take the session', {
        retry_after_s: 1,
        details: {
          refusal: 'no-host',
          pool: 'desktops',
          hosts: [{ host: 'sh1', reason: 'sign-ins-in-progress', sign_ins: 2, sign_ins_max: 2 }],
        },
      });
    default: {
      const known = workspaceOf(own).resources.some((offered) => offered.id === resource);
      if (!known) {
        return fail(404, 'resource-not-found', 'no such resource', {
          details: { refusal: 'not-found', resource },
        });
      }
      return send(201, launchOf(own, resource, false));
    }
  }
}

let tickets = 0;

function launchOf(own, resource, resumed) {
  const offered = workspaceOf(own).resources.find((r) => r.id === resource);
  const viewer = offered?.kind === 'terminal' ? 'terminal' : 'desktop';
  tickets += 1;
  return {
    session: `s-${resource}`,
    resource,
    title: offered?.title ?? resource,
    viewer,
    ticket: `mock.${resource}.${tickets}`,
    ticket_expires_at_ms: Date.now() + 60_000,
    reconnect_grant: `grant-${tickets}`,
    resumed,
    gateway: { path: `/session/${viewer}` },
    policy: {
      clipboard: own.clipboard,
      drive: own.drive,
      printer: own.printer,
      microphone: own.microphone ?? 'off',
      idle_timeout_s: 3600,
      total_timeout_s: 86400,
    },
    host: viewer === 'terminal' ? 'ssh1' : 'sh1',
  };
}
