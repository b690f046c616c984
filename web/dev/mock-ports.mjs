// The stand-in's answers to the Ports page: a RAS estate of 30 hosts, laid out by the catalogue.
import { readFileSync } from 'node:fs';
import { checkRules } from './mock-checks.mjs';

const DATA = JSON.parse(readFileSync(new URL('./mock-ports.json', import.meta.url), 'utf8'));

/** An estate so large that a table must not draw all of it: 10,000 rows. */
function hugePlan() {
  const hosts = Array.from({ length: 5000 }, (_, at) => ({
    id: `node-${String(at).padStart(4, '0')}`, title: '', roles: [at % 2 === 0 ? 'ras.broker' : 'ras.session-host'], addresses: [`10.${at >> 8}.${at & 255}.1`], zone: 'sessions', site: null,
  }));
  const flow = DATA.plan.flows.find((one) => one.application_protocol === 'RDP');
  const pairs = Array.from({ length: 50 }, (_, at) => ({
    ...flow, ports: [{ first: 3000 + at, last: 3000 + at }], from: hosts.slice(at * 100, at * 100 + 100).map(({ id }) => id), to: hosts.slice(4900 - at * 100, 5000 - at * 100).map(({ id }) => id),
  }));
  return { hosts, zones: DATA.plan.zones, flows: pairs, gaps: [], assumptions: [] };
}

function planOf(own) {
  if (own.world_kind === 'empty') return { hosts: DATA.plan.hosts.map((host) => ({ ...host, roles: [] })), zones: [], flows: [], gaps: [], assumptions: [] };
  if (own.world_kind === 'huge') return hugePlan();
  return own.world_kind === 'well' ? { ...DATA.plan, gaps: [] } : DATA.plan;
}

function rulesOf(format, host) {
  const flows = DATA.plan.flows.filter((flow) => host === '' || flow.to.includes(host));
  const lines = flows.flatMap((flow) => [
    `    # ${flow.flow}: ${flow.reason}`,
    `    ip saddr { ${flow.from.length} addresses } ${flow.transport} dport { ${flow.ports.map(({ first, last }) => (first === last ? first : `${first}-${last}`)).join(', ')} } accept`,
  ]);
  return [`# ${format}, ${host || 'all hosts'}`, 'table inet portico {', '  chain input {', '    type filter hook input priority filter; policy drop;', '    ct state established,related accept', ...lines, '  }', '}', ''].join('\n');
}

const read = (answer) => ({ url, own, send, text, fail }) => answer({ url, own, send, text, fail });

/** Rules in the form of those of the console; `text` answers with something that is not JSON. */
export const PORTS_RULES = [
  ...checkRules(planOf),
  { match: /^GET \/ports\/flows$/, role: 'auditor', answer: read(({ send }) => send(200, DATA.flows)) },
  { match: /^GET \/ports\/roles$/, role: 'auditor', answer: read(({ send }) => send(200, DATA.roles)) },
  { match: /^GET \/ports\/plan$/, role: 'auditor', answer: read(({ own, send }) => send(200, planOf(own))) },
  {
    match: /^GET \/ports\/diagram$/, role: 'auditor',
    answer: read(({ url, send, text }) =>
      url.searchParams.get('format') === 'svg'
        ? text('image/svg+xml', '<svg xmlns="http://www.w3.org/2000/svg"/>\n')
        : send(200, DATA.layout)),
  },
  {
    match: /^GET \/ports\/rules$/, role: 'auditor',
    answer: read(({ url, text, fail }) => {
      const format = url.searchParams.get('format');
      if (format === 'kubernetes') {
        return fail(422, 'rules-unsayable', 'Network policies cannot say every flow of the plan', {
          reason: 'windows-services.dc-dc-045 (icmp) between dc01 and dc02',
          next_step: 'Leave these hosts out, or write their rules in another format.',
        });
      }
      return text('text/plain; charset=utf-8', rulesOf(format, url.searchParams.get('host') ?? ''));
    }),
  },
];
