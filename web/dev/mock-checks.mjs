// The stand-in's answers about the port check: a result for each planned flow between two hosts.
import { explainRule } from './mock-explain.mjs';
import { chance } from './mock-world.mjs';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** How long a check of everything takes here. */
const CHECK_MS = 4_000;
/** Results of the large estate. */
const HUGE = 2_000;
const SILENT = new Map([['sh02', 12 * MINUTE]]);
const NO_AGENT = new Set(['clients', 'admin-pc', 'license.parallels.example']);

const SEEN = {
  proven: ['answered as {protocol} in {ms} ms'],
  reachable: ['the port takes connections and says nothing by itself'],
  'wrong-service': ['answered "220 mail.example ESMTP Postfix", which is SMTP', '<img src=x onerror=alert(1)> \u001b[31mhello\u202eolleh'],
  refused: ['connection refused (ECONNREFUSED)'],
  'no-answer': ['no answer within 3 s'],
  blocked: ['destination unreachable, administratively prohibited, from 10.20.0.1'],
  'not-resolvable': ['files.example has no address (NXDOMAIN)'],
  skipped: ['one-way UDP: nobody answers'],
  'not-checked': [null],
};
const NEXT = {
  reachable: 'Nothing needs to be done, or use a probe with a secret.',
  'wrong-service': 'See which program listens on this port of the target: ss -ltnp.',
  refused: 'Start the service on the target, or let it listen on this address.',
  'no-answer': 'Let the firewall on the way pass it: the rules of the plan say how.',
  blocked: 'Ask who runs 10.20.0.1 to let it pass.',
  'not-resolvable': 'Correct the name in the estate file, or add it to the DNS.',
};

/** Spreads verdicts over flows, the same at each call. */
function verdictOf(check, number, kind) {
  if (NO_AGENT.has(check.from)) return 'not-checked';
  if (kind === 'well') return 'proven';
  if (check.transport === 'udp' && chance(number) < 0.4) return 'skipped';
  if (check.to === 'files' && ['sh03', 'sh04', 'sh11'].includes(check.from)) return 'no-answer';
  if (check.to === 'cb02' && check.from === 'sg01') return 'refused';
  if (check.to === 'dc02' && check.from === 'sh07') return number % 2 === 0 ? 'blocked' : 'wrong-service';
  if (check.from === 'sh09' && check.to === 'dc01' && check.port === 135) return 'not-resolvable';
  return chance(number + 7) < 0.12 ? 'reachable' : 'proven';
}

function results(plan, kind) {
  const now = Date.now();
  const rows = [];
  for (const flow of plan.flows) {
    for (const from of flow.from) {
      for (const to of flow.to) {
        if (from === to || rows.length >= HUGE) continue;
        const number = rows.length;
        const check = {
          flow: flow.flow, application_protocol: flow.application_protocol, purpose: flow.reason, from, to, address: `10.10.${number % 200}.${1 + (to.length * 7) % 250}`,
          transport: flow.transport, port: flow.ports[0]?.first ?? null, required: number % 9 !== 0,
        };
        const verdict = verdictOf(check, number, kind);
        const seen = SEEN[verdict];
        const text = seen[number % seen.length];
        const unchecked = verdict === 'not-checked';
        rows.push({
          ...check, verdict, evidence: text?.replace('{protocol}', check.application_protocol).replace('{ms}', String(1 + (number % 40))) ?? '', port_last: null,
          next_step: NEXT[verdict] ?? null, took_ms: unchecked ? null : 1 + (number % 40), checked_at_ms: unchecked ? null : now - (SILENT.get(from) ?? (1 + chance(number) * 3) * MINUTE),
          since_ms: unchecked ? null : now - Math.floor(chance(number + 3) * (['proven', 'skipped', 'reachable'].includes(verdict) ? 300 : 9) * HOUR),
        });
      }
    }
  }
  return rows;
}

function vantages(plan, rows, kind) {
  const now = Date.now();
  const opening = new Set(rows.map(({ from }) => from));
  return plan.hosts
    .filter(({ id }) => opening.has(id))
    .map(({ id }) => {
      if (NO_AGENT.has(id)) return { host: id, state: 'no-agent', detail: 'no agent runs there', last_report_at_ms: null };
      const silent = kind === 'well' ? undefined : SILENT.get(id);
      return { host: id, state: silent === undefined ? 'reporting' : 'silent', detail: silent === undefined ? 'its agent' : 'the agent is not connected', last_report_at_ms: now - (silent ?? 90_000) };
    });
}

/** The results of this state, made once; while a check is under way they become new one after another. */
function checksOf(own, plan) {
  own.checks_made ??= results(plan, own.world_kind);
  const run = own.check_run;
  if (run === undefined) return own.checks_made;
  const share = Math.min(1, (Date.now() - run.at) / CHECK_MS);
  const asked = own.checks_made.filter(({ from }) => !NO_AGENT.has(from) && !SILENT.has(from) && (run.from.length === 0 || run.from.includes(from)));
  asked.slice(0, Math.ceil(asked.length * share)).forEach((check) => {
    if ((check.checked_at_ms ?? 0) < run.at) check.checked_at_ms = Date.now();
  });
  return own.checks_made;
}

/** The hosts of the console's world have other names than those of the plan. */
const ALSO = { sh1: 'sh03', sh2: 'sh02', acc2: 'cb02' };

function answerOf(own, plan, asked) {
  const [name, planned] = Object.entries(ALSO).find(([one]) => asked.get('from') === one || asked.get('to') === one) ?? ['', ''];
  const renamed = (id) => (id === planned ? name : id);
  const rows = checksOf(own, plan).map((check) => (name === '' ? check : { ...check, from: renamed(check.from), to: renamed(check.to) }));
  const shown = own.checks === 'never' ? rows.map((check) => ({ ...check, verdict: 'not-checked', evidence: '', next_step: null, took_ms: null, checked_at_ms: null, since_ms: null })) : rows;
  const fits = shown.filter((check) => ['from', 'to', 'verdict'].every((key) => (asked.get(key) ?? check[key]) === check[key]));
  const times = fits.map(({ checked_at_ms: at }) => at ?? 0);
  return {
    checked_at_ms: Math.max(0, ...times) || null,
    rows: fits.slice(0, Number(asked.get('limit') ?? 2000)),
    more: fits.length > Number(asked.get('limit') ?? 2000),
    vantages: vantages(plan, checksOf(own, plan), own.world_kind).map((one) => ({ ...one, host: renamed(one.host) })),
  };
}

function historyOf(own, plan, asked) {
  const now = Date.now();
  const ends = ['flow', 'from', 'to'].map((key) => asked.get(key));
  return checksOf(own, plan)
    .filter((check) => check.flow === ends[0] && check.from === ends[1] && check.to === ends[2])
    .flatMap(({ flow, from, to, address, port }) => {
      const changed = (at_ms, before, verdict, evidence) => ({ at_ms, flow, from, to, address, port: port ?? 0, verdict, before, evidence });
      const first = changed(now - 260 * HOUR, 'not-checked', 'proven', 'answered in 4 ms');
      if (to !== 'files') return [first];
      return [
        changed(now - 3 * HOUR, 'proven', 'no-answer', 'no answer within 3 s'),
        changed(now - 88 * HOUR, 'no-answer', 'proven', 'answered in 6 ms'),
        changed(now - 90 * HOUR, 'proven', 'no-answer', 'no answer within 3 s'),
        first,
      ];
    });
}

/** Rules in the form of those of the console; `planOf` gives the plan of a state. */
export const checkRules = (planOf) => [
  explainRule(answerOf, planOf),
  {
    match: /^GET \/ports\/checks$/, role: 'auditor',
    answer: ({ url, own, send, fail }) =>
      own.checks === 'error' ? fail(503, 'store-away', 'no state', { retry_after_s: 5 }) : send(200, answerOf(own, planOf(own), url.searchParams)),
  },
  { match: /^GET \/ports\/checks\/history$/, role: 'auditor', answer: ({ url, own, send }) => send(200, historyOf(own, planOf(own), url.searchParams)) },
  {
    match: /^POST \/ports\/checks$/, role: 'operator',
    answer: ({ own, body, send }) => {
      own.check_run = { at: Date.now(), from: body?.from ?? [] };
      return send(202);
    },
  },
];
