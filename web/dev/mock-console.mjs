// The stand-in's answers to the console.
import { PORTS_RULES } from './mock-ports.mjs';
import { chance, loadAt, makeWorld } from './mock-world.mjs';

const ORDER = ['user', 'auditor', 'help-desk', 'operator', 'owner'];
const HISTORY_S = 3600;
const PERIOD_S = 10;

/** Answers a call of the console, or returns `false` when it is none. */
export function handleConsole(own, call, url, body, { send, text, fail }) {
  const rule = RULES.find(({ match }) => match.test(call));
  if (!rule) return false;
  if (ORDER.indexOf(own.role) < ORDER.indexOf(rule.role)) {
    fail(403, 'role-missing', 'Your role does not allow this', { reason: `it takes the role ${rule.role}` });
    return true;
  }
  if (own.console === 'error' && call.startsWith('GET')) {
    fail(503, 'store-away', 'no state', { retry_after_s: 5 });
    return true;
  }
  if (own.console === 'slow') return true;
  own.world ??= makeWorld(own.world_kind ?? 'full');
  if (own.orders === 'refused' && !call.startsWith('GET')) {
    fail(409, 'agent-silent', 'The agent of the host is silent', { reason: 'no report since 09:10' });
    return true;
  }
  const [, id] = rule.match.exec(call);
  rule.answer({ own, world: own.world, id: id === undefined ? undefined : decodeURIComponent(id), url, body, send, text, fail });
  return true;
}

const OK = { outcome: 'done', detail: 'shown in every session' };

function shown(host, at, now = Date.now()) {
  return { ...host, load: host.load ? loadAt(at, now - (now % 2000), host.sessions) : null };
}

/** Changes a host and answers what an order does. */
const onHost = (change, answer) => ({ world, id, body, send, fail }) => {
  const host = world.hosts.find((one) => one.id === id);
  if (!host) return fail(404, 'not-found', 'There is no such host');
  change?.(host, body, world);
  return send(answer ? 200 : 204, answer);
};

function setMode(host, { mode, reason = '', until_restart = false }) {
  host.why_not = host.why_not.filter(({ code }) => code !== 'draining' && code !== 'disabled');
  if (mode === 'estate') {
    host.mode = host.wanted_mode;
    host.mode_set = null;
  } else {
    host.mode = mode;
    host.mode_set = { mode, by: 'demo', at_ms: Date.now(), reason, until_restart };
  }
  if (host.mode !== 'enabled') host.why_not.unshift({ code: host.mode === 'drain' ? 'draining' : 'disabled', message: host.mode });
  host.takes_new = host.why_not.length === 0;
}

function answered(kind) {
  return (host, _body, world) => {
    world.waiting = world.waiting.filter((one) => one.host !== host.id || one.kind !== kind);
    if (kind === 'identity') host.identity = 'accepted';
    host.why_not = [];
    host.takes_new = host.mode === 'enabled';
  };
}

/** Answers what waits, when it is what the fingerprint says. */
function onWaiting(kind) {
  const answer = onHost(answered(kind));
  return (call) => {
    const { world, id, body, fail } = call;
    const waits = world.waiting.find((one) => one.host === id && one.kind === kind);
    if (!waits) return fail(409, 'nothing-waits', 'Nothing waits there');
    if (body.fingerprint !== waits.fingerprint) {
      const details = { seen: body.fingerprint, waiting: waits.fingerprint };
      return fail(409, 'waiting-changed', 'Something else waits', { details });
    }
    return answer(call);
  };
}

function history(host, at) {
  const now = Date.now() - (Date.now() % (PERIOD_S * 1000));
  const points = [];
  for (let back = HISTORY_S / PERIOD_S; back >= 0; back -= 1) {
    const ms = now - back * PERIOD_S * 1000;
    // The agent was restarted a while ago: a gap.
    if (back > 200 && back < 216) continue;
    const { cpu, memory, run_queue, disk_wait } = loadAt(at, ms, host.sessions);
    const sessions = Math.max(0, host.sessions - Math.floor(back / 60) + Math.floor(chance(Math.floor(ms / 300e3) + at) * 3));
    points.push({ at_ms: ms, cpu, memory, run_queue, disk_wait, sessions });
  }
  return host.load ? points : points.slice(0, 200);
}

function onHostSessions(world, host) {
  const ours = world.sessions
    .filter((session) => session.host === host.id && session.on_host)
    .map((session) => ({
      key: session.on_host, account: session.account, kind: session.protocol, display: session.protocol === 'rdp' ? `:${session.on_host.split(':')[1]}` : null,
      state: session.state === 'active' ? 'active' : 'disconnected', age_s: Math.floor((Date.now() - session.created_at_ms) / 1000), idle_s: session.state === 'active' ? Math.floor(chance(session.created_at_ms % 997) * 900) : null, session: session.id,
    }));
  const strangers = Array.from({ length: host.unmanaged_sessions }, (_, at) => ({
    key: at === 0 ? 'console:tty1' : `ssh:pts/${90 + at}`, account: at === 0 ? 'root' : 'backup', kind: at === 0 ? 'console' : 'ssh', display: null,
    state: 'active', age_s: 7200 + at * 500, idle_s: 60, session: null,
  }));
  return [...strangers, ...ours];
}

const RULES = [
  ...PORTS_RULES,
  {
    match: /^GET \/hosts$/, role: 'auditor',
    answer: ({ world, send }) => send(200, world.hosts.map((host, at) => shown(host, at))),
  },
  {
    match: /^GET \/hosts\/([^/]+)\/load$/, role: 'auditor',
    answer: ({ world, id, send, fail }) => {
      const at = world.hosts.findIndex((one) => one.id === id);
      return at < 0 ? fail(404, 'not-found', 'There is no such host') : send(200, { period_s: PERIOD_S, points: world.hosts[at].agent_state?.state === 'never-joined' ? [] : history(world.hosts[at], at) });
    },
  },
  {
    match: /^GET \/hosts\/([^/]+)\/sessions$/, role: 'auditor',
    answer: ({ world, id, send, fail }) => {
      const host = world.hosts.find((one) => one.id === id);
      return host ? send(200, onHostSessions(world, host)) : fail(404, 'not-found', 'There is no such host');
    },
  },
  { match: /^POST \/hosts\/([^/]+)\/mode$/, role: 'operator', answer: onHost(setMode) },
  { match: /^POST \/hosts\/([^/]+)\/approve$/, role: 'operator', answer: onWaiting('join') },
  { match: /^POST \/hosts\/([^/]+)\/reject$/, role: 'operator', answer: onWaiting('join') },
  { match: /^POST \/hosts\/([^/]+)\/trust$/, role: 'operator', answer: onWaiting('identity') },
  {
    match: /^POST \/hosts\/([^/]+)\/revoke$/, role: 'operator',
    answer: onHost((host) => Object.assign(host, { state: 'revoked', takes_new: false, why_not: [{ code: 'revoked', message: 'revoked' }], agent_state: { ...host.agent_state, state: 'revoked' } })),
  },
  { match: /^POST \/hosts\/([^/]+)\/message$/, role: 'operator', answer: onHost(undefined, OK) },
  { match: /^POST \/hosts\/([^/]+)\/restart$/, role: 'operator', answer: onHost(undefined, { outcome: 'done', detail: 'in 5 minutes' }) },
  {
    match: /^POST \/hosts\/([^/]+)\/probe$/, role: 'operator',
    answer: ({ world, body, send }) => {
      const target = world.hosts.find((one) => one.id === body.host);
      return send(200, target?.state === 'down'
        ? { outcome: 'failed', detail: `connection refused by ${target.address}:${target.port}` }
        : { outcome: 'done', detail: `${target?.address}:${target?.port} answered in 2 ms` });
    },
  },
  { match: /^GET \/sessions$/, role: 'auditor', answer: ({ world, send }) => send(200, world.sessions) },
  {
    match: /^GET \/explain\/session\/([^/]+)$/, role: 'auditor',
    answer: ({ world, id, send, fail }) => {
      const session = world.sessions.find((one) => one.id === id);
      if (!session) return fail(404, 'not-found', 'There is no such session');
      const host = world.hosts.find((one) => one.id === session.host);
      const seen = host ? onHostSessions(world, host).find((one) => one.session === id) : null;
      return send(200, { session, on_host: seen ?? null, history: historyOf(session) });
    },
  },
  {
    match: /^POST \/sessions\/([^/]+)\/message$/, role: 'help-desk',
    answer: ({ world, id, send }) => {
      const session = world.sessions.find((one) => one.id === id);
      return send(200, session?.pool === 'accounting' ? { outcome: 'not-supported', detail: 'no agent runs there' } : OK);
    },
  },
  { match: /^GET \/launches$/, role: 'auditor', answer: ({ world, url, send }) => send(200, world.launches.slice(0, Number(url.searchParams.get('limit') ?? 100))) },
  { match: /^GET \/agents\/waiting$/, role: 'auditor', answer: ({ world, send }) => send(200, world.waiting) },
  { match: /^GET \/join-tokens$/, role: 'auditor', answer: ({ world, send }) => send(200, world.tokens) },
  {
    match: /^POST \/join-tokens$/, role: 'operator',
    answer: ({ world, body, send, fail }) => {
      if (!world.hosts.some((host) => host.id === body.host)) return fail(404, 'host-not-found', `the estate has no host ${body.host}`);
      const token = { id: `t-${world.tokens.length + 1}`, host: body.host, expires_at_ms: Date.now() + (body.life_s ?? 3600) * 1000, enable: body.enable, rejoin: body.rejoin, state: 'usable', created_by: 'demo' };
      world.tokens.push(token);
      const text = `portico-join-1.${Buffer.from(JSON.stringify({ host: body.host, at: ['192.0.2.10:30030'], ca: 'c2hhMjU2'.repeat(5), secret: 'bm90IGEgc2VjcmV0'.repeat(2) })).toString('base64url')}`;
      return send(201, { ...token, token: text, command: `portico agent --join ${text}` });
    },
  },
  {
    match: /^DELETE \/join-tokens\/([^/]+)$/, role: 'operator',
    answer: ({ world, id, send }) => {
      world.tokens = world.tokens.filter((one) => one.id !== id);
      return send(204);
    },
  },
  { match: /^GET \/maintenances$/, role: 'auditor', answer: ({ world, send }) => send(200, world.maintenances) },
  {
    match: /^POST \/maintenances$/, role: 'operator',
    answer: ({ world, body, send }) => {
      const one = { ...body, id: `m-${world.maintenances.length + 1}`, state: 'planned' };
      world.maintenances.push(one);
      return send(201, one);
    },
  },
  {
    match: /^DELETE \/maintenances\/([^/]+)$/, role: 'operator',
    answer: ({ world, id, send }) => {
      world.maintenances = world.maintenances.filter((one) => one.id !== id);
      return send(204);
    },
  },
  {
    match: /^GET \/audit$/, role: 'auditor',
    answer: ({ world, url, send }) => {
      // As the portal does it: no filters yet, the console goes through the pages itself.
      const asked = url.searchParams;
      const before = Number(asked.get('before') ?? Infinity);
      const limit = Number(asked.get('limit') ?? 100);
      const fitting = world.audit.filter(
        (record) => record.seq < before,
      );
      const records = fitting.slice(0, limit);
      return send(200, { records, next: fitting.length > limit ? records.at(-1).seq : null });
    },
  },
];

/** What the history of sessions has of one that was launched and opened. */
function historyOf(session) {
  const of = { session: session.id, user: session.user, resource: session.resource, host: session.host };
  const at = session.created_at_ms;
  const opened = [
    { seq: 43, at: at + 900, ...of, kind: 'connection', connection: 'c-1', event: 'opened' },
    { seq: 44, at: at + 900, ...of, kind: 'state-changed', to: { state: 'active', connection: 'c-1', client_address: session.client_address } },
  ];
  const left = { seq: 45, at: session.since_ms, ...of, kind: 'state-changed', to: { state: 'disconnected', reason: session.reason ?? 'client-lost' } };
  return [
    { seq: 41, at, ...of, kind: 'created', client_address: session.client_address },
    { seq: 42, at, ...of, kind: 'state-changed', to: { state: 'pending', until: at + 60_000 } },
    ...(session.state === 'pending' ? [] : opened),
    ...(session.state === 'disconnected' ? [left] : []),
  ];
}

/** Ends or disconnects a session of the world; `false` when it has none of that name. */
export function changeSession(own, id, disconnects) {
  const session = own.world?.sessions.find((one) => one.id === id);
  if (!session) return false;
  if (disconnects) Object.assign(session, { state: 'disconnected', reason: 'operator-ended', client_address: null });
  else own.world.sessions = own.world.sessions.filter((one) => one.id !== id);
  return true;
}
