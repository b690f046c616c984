// Paired probes between the agents of two real hosts (ssh1 and ssh2 of the lab): what never answers, and what binds
// its port on demand, is proven by one agent that sends and another that hears.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { eventually } from './lib.mjs';
import { portico } from './server.mjs';

const ESTATE = process.env.PORTICO_ESTATE;
const CHANGED = `${process.env.PORTICO_WORK}/pairs.toml`;
const ROLES = {
  ssh1: ['tarantella.application-server', 'windows.snmp-agent', 'windows.vpn-client'],
  ssh2: ['tarantella.server', 'windows.snmp-trap-receiver', 'windows.vpn-server'],
};
const FEATURES = '{ "windows.vpn-pptp" = true, "windows.vpn-l2tp-ipsec" = true, "windows.vpn-ipsec-ah" = true }';
const TRAP = 'windows-services.snmp-trap';
const X11 = 'tarantella.x11';
/** IP protocols without ports, by raw sockets: the agents of the lab are root. */
const RAW = { 'windows-services.vpn-gre': 47, 'windows-services.vpn-esp': 50, 'windows-services.vpn-ah': 51 };
/** Has a probe of its own, which finds that nothing listens. */
const PRINTING = 'tarantella.printing';

before(() => {
  let text = readFileSync(ESTATE, 'utf8');
  for (const [host, roles] of Object.entries(ROLES)) {
    assert.ok(text.includes(`id = "${host}"\n`), host);
    text = text.replace(`id = "${host}"\n`, `id = "${host}"\nroles = ${JSON.stringify(roles)}\nfeatures = ${FEATURES}\n`);
  }
  writeFileSync(CHANGED, text);
  portico('apply', '-f', CHANGED);
});
after(() => portico('apply', '-f', ESTATE));

const rows = () => JSON.parse(portico('get', 'port-checks', '-o', 'json')).filter(({ from, to }) => from === 'ssh1' && to === 'ssh2');
const of = (flow) => rows().find((row) => row.flow === flow);
const inHost = (host, ...words) => execFileSync(process.env.PORTICO_LAB, ['exec', host, '--', ...words], { stdio: 'pipe', timeout: 20_000 });

test('what never answers and what binds on demand is heard by the agent of the far end', async () => {
  await eventually('both pairs', () => [TRAP, X11].every((flow) => of(flow)?.verdict === 'proven'), { timeout: 120_000, every: 2_000 }).catch((error) => {
    throw new Error(`${error.message}: ${JSON.stringify(rows().map(({ flow, verdict, evidence }) => [flow, verdict, evidence]), null, 1)}`);
  });
  for (const flow of [TRAP, X11]) {
    console.log(of(flow).evidence);
    assert.match(of(flow).evidence, /the agent of ssh2 heard the nonce on (162\/udp|6010\/tcp).* from /);
  }
  await eventually('what answers by itself to be asked itself', () => of(PRINTING)?.verdict === 'refused', { every: 2_000 });
});

test('protocols without ports are heard', async () => {
  await eventually('all three', () => Object.keys(RAW).every((flow) => of(flow)?.verdict === 'proven'), { timeout: 120_000, every: 2_000 }).catch((error) => {
    throw new Error(`${error.message}: ${JSON.stringify(rows().map(({ flow, verdict, evidence }) => [flow, verdict, evidence]), null, 1)}`);
  });
  for (const [flow, protocol] of Object.entries(RAW)) {
    console.log(of(flow).evidence);
    assert.match(of(flow).evidence, new RegExp(`the agent of ssh2 heard the nonce on .*\\b(${protocol}|GRE|ESP|AH)\\b.* from `, 'i'));
  }
});

test('a firewall on the way is told, and what it lets through stays proven', async () => {
  inHost('ssh2', 'nft', 'add table inet pairs; add chain inet pairs in { type filter hook input priority 0; }; add rule inet pairs in udp dport 162 drop');
  try {
    await eventually('the trap to be lost', () => of(TRAP)?.verdict === 'no-answer', { timeout: 120_000, every: 2_000 });
    const { evidence, next_step } = of(TRAP);
    console.log(`${evidence} | ${next_step}`);
    assert.match(evidence, /sent by ssh1 on 162\/udp, not heard by ssh2/);
    assert.match(next_step, /let 162\/udp from ssh1 .* through/);
    assert.equal(of(X11).verdict, 'proven');
  } finally {
    inHost('ssh2', 'nft', 'delete table inet pairs');
  }
  await eventually('the trap to be heard again', () => of(TRAP)?.verdict === 'proven', { timeout: 120_000, every: 2_000 });
});
