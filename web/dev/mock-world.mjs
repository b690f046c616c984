// The stand-in's estate for the console: twelve hosts in every state, 200 sessions, launches,
// approvals, tokens, maintenance and an audit log. Numbers move with the clock and are otherwise
// the same in every run.

const MINUTE = 60e3;
const HOUR = 3600e3;
const DAY = 24 * HOUR;
const WHOLE = 10_000;

/** A number in [0, 1) that depends on its seed alone. */
export function chance(seed) {
  let x = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return ((x ^ (x >>> 16)) >>> 0) / 2 ** 32;
}

const PEOPLE = [
  'anna', 'ben', 'carla', 'dieter', 'emil', 'frieda', 'gustav', 'hanna', 'ina', 'jonas', 'katharina', 'leo',
  'mara', 'nils', 'olga', 'paul', 'quirin', 'rosa', 'samir', 'tilda', 'uwe', 'vera', 'wim', 'xenia', 'yusuf', 'zoe',
];

const RESOURCES = [
  ['desktop', 'Linux desktop', 'desktop', 'rdp', 'desktops'],
  ['editor', 'Text editor', 'application', 'rdp', 'desktops'],
  ['browser', 'Intranet browser', 'application', 'rdp', 'desktops'],
  ['windows', 'Windows Server 2025', 'desktop', 'rdp', 'accounting'],
  ['terminal', 'Terminal', 'terminal', 'ssh', 'terminals'],
];

const hex = (seed, length) =>
  Array.from({ length }, (_, at) => Math.floor(chance(seed * 131 + at) * 16).toString(16)).join('');
const pin = (seed) => `sha256:${hex(seed, 64)}`;

/** How busy a host is at a time: its own level, two slow waves, a little noise. */
export function loadAt(seed, ms, sessions = 10) {
  const level = 0.15 + 0.55 * chance(seed);
  const wave = Math.sin(ms / (11 * MINUTE) + seed * 2.1) * 0.12 + Math.sin(ms / (2.3 * MINUTE) + seed) * 0.05;
  const noise = (chance(seed + Math.floor(ms / 2000)) - 0.5) * 0.06;
  const cpu = Math.min(0.98, Math.max(0.02, level + wave + noise));
  const memory = Math.min(0.97, 0.25 + 0.5 * chance(seed + 7) + Math.sin(ms / (23 * MINUTE) + seed) * 0.05);
  return {
    at_ms: ms,
    cpu: Math.round(cpu * WHOLE),
    memory: Math.round(memory * WHOLE),
    memory_total_bytes: 64e9,
    run_queue: Math.round(Math.max(0, cpu * 1.3 - 0.35 + noise) * WHOLE),
    disk_wait: Math.round(Math.max(0, 0.06 * chance(seed + 3) + noise * 0.4) * WHOLE),
    pressure: { cpu: Math.round(cpu * 2000), memory: 40, io: 120 },
    received_bytes_s: Math.round(2e5 + 4e6 * cpu),
    sent_bytes_s: Math.round(1e5 + 9e6 * cpu),
    index: Math.round((cpu * 0.4 + memory * 0.3 + Math.min(1, sessions / 30) * 0.3) * WHOLE),
  };
}

const reason = (code, message, next_step) => ({ code, message, next_step });

function host(id, at, now, more = {}) {
  const { agent_state = {}, ...rest } = more;
  const isManaged = rest.agent !== 'none';
  return {
    id, title: id, pool: 'desktops', address: `10.91.0.${11 + at}`, port: 3389, protocol: 'rdp', site: 'north',
    weight: 100, mode: 'enabled', mode_set: null, wanted_mode: 'enabled', state: 'up', detail: '',
    since_ms: now - 3 * DAY, takes_new: true, why_not: [], agent: 'required',
    agent_state: isManaged ? {
      state: 'connected', since_ms: now - 3 * DAY, software: 'portico-agent 0.3.0', system: 'Debian GNU/Linux 12',
      boot: hex(at, 8), cpus: 8, certificate_expires_ms: now + 5 * DAY, link: 'dial', ...agent_state,
    } : null,
    load: true, identity: 'accepted', pins: [pin(at), pin(at + 100)], roles: ['portico.session-host'],
    sessions: 0, sessions_max: 30, unmanaged_sessions: 0, ...rest,
  };
}

function hostList(now) {
  const silentSince = now - 14 * MINUTE;
  return [
    host('sh1', 0, now, { title: 'sh1' }),
    host('sh2', 1, now, {
      mode: 'drain',
      mode_set: { mode: 'drain', by: 'ina', at_ms: now - 70 * MINUTE, reason: 'new kernel tonight', until_restart: true },
      takes_new: false, why_not: [reason('draining', 'it is draining', 'portico hosts enable sh2')],
    }),
    host('sh3', 2, now, {
      state: 'silent', since_ms: silentSince, takes_new: false, load: null,
      agent_state: { state: 'silent', since_ms: silentSince },
      why_not: [reason('silent', 'its agent is silent', 'look on the host')],
    }),
    host('sh4', 3, now, { sessions_max: 17, takes_new: false, why_not: [reason('full', 'it is full', 'end sessions')] }),
    host('sh5', 4, now, { takes_new: false, why_not: [reason('sign-ins-in-progress', 'two people are signing in', 'wait')] }),
    host('sh6', 5, now, {
      title: 'sh6 (new rack)', state: 'never-joined', takes_new: false, load: null, identity: 'none', pins: [],
      agent_state: { state: 'never-joined', since_ms: null, software: null, system: null, boot: null, cpus: null, certificate_expires_ms: null, link: null },
      why_not: [reason('never-joined', 'its agent has never joined', 'create a join token')],
    }),
    host('sh7', 6, now, {
      state: 'waiting', takes_new: false, load: null,
      agent_state: { state: 'waiting', since_ms: now - 9 * MINUTE },
      why_not: [reason('waiting-for-approval', 'its agent waits', 'approve it')],
    }),
    host('acc1', 7, now, { title: 'Accounting 1', pool: 'accounting', agent: 'none', load: null, identity: 'pinned', detail: 'answered in 3 ms', sessions_max: 60 }),
    host('acc2', 8, now, {
      title: 'Accounting 2', pool: 'accounting', agent: 'none', load: null, identity: 'pinned', state: 'down',
      since_ms: now - 2 * HOUR, detail: 'connection refused by 10.91.0.19:3389', takes_new: false,
      why_not: [reason('unreachable', 'it does not answer', 'check the way')],
    }),
    host('ssh1', 9, now, { pool: 'terminals', port: 22, protocol: 'ssh', site: 'south', sessions_max: 60, agent_state: { certificate_expires_ms: now + 20 * HOUR } }),
    host('ssh2', 10, now, {
      pool: 'terminals', port: 22, protocol: 'ssh', site: 'south', sessions_max: 60, identity: 'changed', takes_new: false,
      why_not: [reason('not-trusted', 'its identity has changed', 'trust it')],
    }),
    host('ssh3', 11, now, {
      pool: 'terminals', port: 22, protocol: 'ssh', site: 'south', sessions_max: 60, mode: 'disabled', wanted_mode: 'disabled', takes_new: false,
      why_not: [
        reason('disabled', 'it is disabled', 'change the estate file'),
        reason('penalised', 'launches on it failed', 'wait'),
      ],
    }),
  ];
}

const SESSION_HOSTS = {
  desktops: ['sh1', 'sh2', 'sh3', 'sh4', 'sh5'],
  accounting: ['acc1'],
  terminals: ['ssh1', 'ssh2'],
};

function sessionList(now, hosts, count) {
  const room = new Map(hosts.map((one) => [one.id, one.sessions_max]));
  const list = [];
  for (let at = 0; list.length < count && at < count * 4; at += 1) {
    const [resource, title, kind, protocol, pool] = RESOURCES[Math.floor(chance(at * 3 + 1) * RESOURCES.length)];
    const places = SESSION_HOSTS[pool];
    const on = places[Math.floor(chance(at * 5 + 2) * places.length)];
    if (room.get(on) === 0) continue;
    room.set(on, room.get(on) - 1);
    const person = PEOPLE[Math.floor(chance(at * 7 + 3) * PEOPLE.length)];
    const user = chance(at * 7 + 4) < 0.6 ? person : `${person}.${PEOPLE[at % PEOPLE.length]}`;
    const roll = chance(at * 11 + 5);
    const state = roll < 0.62 ? 'active' : roll < 0.97 ? 'disconnected' : 'pending';
    const age = Math.floor(chance(at * 13 + 6) * 30 * HOUR) + MINUTE;
    list.push({
      id: `s-${hex(at + 900, 10)}`, user, account: user.split('.')[0], resource, title, host: on, kind, protocol, pool, state,
      since_ms: now - Math.floor(age / 3), created_at_ms: now - age,
      ...(state === 'active' ? { client_address: `10.20.${at % 12}.${1 + (at % 250)}` } : {}),
      ...(state === 'disconnected' ? { reason: ['client-lost', 'user-disconnected', 'idle-timeout', 'client-closed'][at % 4] } : {}),
      ...(state !== 'pending' && pool !== 'accounting' ? { on_host: protocol === 'rdp' ? `xrdp:${10 + at}` : `ssh:pts/${at}` } : {}),
    });
  }
  return list;
}

function launchList(now, sessions) {
  const others = (chosen) => [
    { host: 'sh2', reason: 'draining', set: { by: 'ina', at: now - 70 * MINUTE, reason: 'new kernel tonight' } },
    { host: 'sh3', reason: 'silent', since: now - 14 * MINUTE },
    { host: 'sh4', reason: 'full', sessions: 17, sessions_max: 17 },
    { host: 'sh5', reason: 'sign-ins-in-progress', sign_ins: 2, sign_ins_max: 2 },
    { host: 'sh6', reason: 'never-joined' },
    { host: 'sh1', reason: 'higher-load', index: 6400, chosen: 4100 },
  ].filter((verdict) => verdict.host !== chosen);
  const list = [];
  for (let at = 0; at < 60; at += 1) {
    const session = sessions[(at * 3) % Math.max(1, sessions.length)];
    if (!session) break;
    const base = {
      at_ms: now - Math.floor((at + chance(at + 41)) * 3.2 * MINUTE), user: session.user, resource: session.resource, title: session.title,
      client_address: `10.20.${at % 12}.${1 + at}`, took_ms: 2 + Math.floor(chance(at + 43) * 9),
    };
    if (at % 13 === 4) {
      list.push({ ...base, outcome: 'refused', refusal: { refusal: 'no-host', pool: 'accounting', hosts: [
        { host: 'acc1', reason: 'account-in-use', account: session.account },
        { host: 'acc2', reason: 'unreachable', detail: 'connection refused by 10.91.0.19:3389' },
      ] } });
    } else if (at % 13 === 9) {
      list.push({ ...base, outcome: 'refused', refusal: { refusal: 'not-now', resource: session.resource, conditions: [{ entitlement: 'staff', condition: 'time' }] } });
    } else if (at % 17 === 6) {
      list.push({ ...base, outcome: 'failed', host: 'ssh3', detail: 'ssh3: the host key is not the one that is trusted', session: session.id });
    } else {
      const resumed = at % 5 === 1;
      list.push({
        ...base, outcome: resumed ? 'resumed' : 'placed', host: session.host, session: session.id,
        choice: resumed ? { choice: 'resumed', session: session.id } : { choice: 'resource-based', index: 4100, sessions: 12, sessions_max: 30 },
        others: others(session.host),
      });
    }
  }
  return list.sort((a, b) => b.at_ms - a.at_ms);
}

const ACTIONS = [
  ['sign-in.ok', 'ok', (at) => `10.20.0.${at % 200}`], ['launch.placed', 'ok', () => 'desktop'], ['sign-in.failed', 'refused', () => 'portal'],
  ['host.mode', 'ok', () => 'sh2'], ['session.end', 'ok', (at) => `s-${hex(at, 10)}`], ['join-token.create', 'ok', () => 'sh6'],
  ['launch.refused', 'refused', () => 'windows'], ['estate.apply', 'ok', () => 'estate'], ['host.approve', 'ok', () => 'sh7'],
];

function auditList(now) {
  return Array.from({ length: 320 }, (_, at) => {
    const [action, outcome, object] = ACTIONS[Math.floor(chance(at + 71) * ACTIONS.length)];
    return {
      seq: 4000 - at, at: now - at * 4 * MINUTE, actor: at === 3 ? '=cmd|calc' : PEOPLE[Math.floor(chance(at + 73) * 12)], action, outcome,
      object: object(at), client_address: at % 4 === 3 ? null : `10.20.0.${at % 200}`,
      detail: action === 'host.mode' ? { mode: 'drain', reason: 'new kernel tonight' } : action === 'sign-in.failed' ? { why: 'wrong password' } : null,
      hash: hex(at, 64),
    };
  });
}

/** What an estate without anything looks like. */
const NOTHING = { hosts: [], sessions: [], launches: [], waiting: [], tokens: [], maintenances: [], audit: [] };

/** `kind`: full, well (nothing to be done), empty, or huge (10,000 hosts). */
export function makeWorld(kind) {
  const now = Date.now();
  if (kind === 'empty') return structuredClone(NOTHING);
  let hosts = hostList(now);
  if (kind === 'well') hosts = hosts.filter((one) => ['sh1', 'acc1'].includes(one.id));
  if (kind === 'huge') {
    hosts = Array.from({ length: 10_000 }, (_, at) =>
      host(`node-${String(at).padStart(5, '0')}`, at % 200, now, { pool: `pool-${at % 40}`, address: `10.${at >> 16}.${(at >> 8) & 255}.${at & 255}`, sessions: at % 30 }),
    );
  }
  const sessions = kind === 'huge' ? [] : sessionList(now, hosts, kind === 'well' ? 12 : 200).filter((one) => hosts.some((host) => host.id === one.host));
  if (kind !== 'huge') {
    for (const one of hosts) one.sessions = sessions.filter((session) => session.host === one.id).length;
    const sh1 = hosts.find((one) => one.id === 'sh1');
    sh1.unmanaged_sessions = 2;
  }
  const all = {
    hosts,
    sessions,
    launches: launchList(now, sessions),
    waiting: [
      { host: 'sh7', kind: 'join', at_ms: now - 9 * MINUTE, address: '10.91.0.17', software: 'portico-agent 0.3.0', key_sha256: hex(777, 64), fingerprint: hex(777, 64), accepted: [], offered: [] },
      { host: 'ssh2', kind: 'identity', at_ms: now - 40 * MINUTE, fingerprint: hex(556, 64), accepted: [pin(10), pin(110)], offered: [pin(10), pin(555)] },
    ],
    tokens: [
      { id: 't-1', host: 'sh6', expires_at_ms: now + 41 * MINUTE, enable: false, rejoin: false, state: 'usable', created_by: 'ina' },
      { id: 't-2', host: 'sh7', expires_at_ms: now + 12 * MINUTE, enable: false, rejoin: true, state: 'used', created_by: 'ina' },
    ],
    maintenances: [
      {
        id: 'm-1', hosts: ['sh2', 'sh4', 'sh5'], starts_at_ms: now + 6 * HOUR, ends_at_ms: now + 8 * HOUR, warn_before_s: 900, drain_before_s: 14_400,
        text: 'A new kernel is installed tonight. Please save your work.', restart: true, at_once: 1, state: 'planned', by: 'ina',
      },
      {
        id: 'm-2', hosts: ['ssh1'], starts_at_ms: now - 2 * DAY, ends_at_ms: now - 2 * DAY + HOUR, warn_before_s: 900, drain_before_s: 3600,
        text: 'New disks.', restart: true, at_once: 1, state: 'over', by: 'ina',
      },
    ],
    audit: auditList(now),
  };
  return kind === 'well' ? { ...all, launches: all.launches.filter((one) => one.outcome === 'placed'), waiting: [], tokens: [] } : all;
}
