// The port check of the running deployment: agents and Portico prove their flows, a server that is
// stopped turns its flow, placement keeps away from the host, and the console explains why. Run by
// scripts/end-to-end, whose settings check every flow each ten seconds.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { signInByApi } from './api.mjs';
import { eventually, launchChromium, newContext, requireChromium, shoot, signIn, watchErrors } from './lib.mjs';
import { portico } from './server.mjs';

const PASSWORD = 'portico-demo';
/** A port of the second SSH server that this test starts on ssh2, and stops. */
const PORT = 2222;
/** Two rounds: one may have been under way. */
const WITHIN = { every: 500, timeout: 40_000 };

const json = (...args) => JSON.parse(portico(...args, '-o', 'json'));
const host = (id) => json('get', 'hosts').find((one) => one.id === id);
const checks = () => json('get', 'port-checks');
const row = (from, to, flow) => checks().find((one) => one.from === from && one.to === to && one.flow === flow);
const probe = () => row('portico', 'ssh2', 'portico.gateway-host-ssh-probe');

const estate = readFileSync(process.env.PORTICO_ESTATE, 'utf8');
const apply = (text) => {
  const file = join(process.env.PORTICO_WORK, 'estate-port-checks.toml');
  writeFileSync(file, text);
  portico('apply', '-f', file);
};
after(() => portico('apply', '-f', process.env.PORTICO_ESTATE));

/** OpenSSH on ssh2 at another port; `stop` ends it. */
async function secondServer() {
  const args = ['exec', 'ssh2', '--', '/usr/sbin/sshd', '-D', '-e', '-p', String(PORT), '-o', 'PidFile=none'];
  const child = spawn(process.env.PORTICO_LAB, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const [said] = await once(child.stderr, 'data');
  assert.match(String(said), /listening/);
  const lab = (...words) => execFileSync(process.env.PORTICO_LAB, words, { encoding: 'utf8' });
  return () => lab('exec', 'ssh2', '--', 'pkill', '-f', `sshd.*-p ${PORT}`);
}

/** What the console says of the flow to the server that was stopped. */
async function explainedInConsole() {
  requireChromium();
  const browser = await launchChromium(['--ignore-certificate-errors']);
  try {
    const context = await newContext(browser, { baseURL: process.env.PORTICO_URL });
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    const errors = watchErrors(page);
    await signIn(page, 'ben', PASSWORD);
    await page.goto('/console/ports?from=portico&to=ssh2&q=portico.gateway-host-ssh-probe');
    const row = page.locator('section summary').filter({ hasText: `${PORT}/tcp` });
    await row.waitFor();
    const button = page.getByRole('button', { name: 'Explain this flow' });
    // The only row is open by itself.
    await button.click();
    const panel = page.getByRole('dialog', { name: `portico to ssh2, port ${PORT}/tcp` });
    await panel.getByRole('heading', { name: 'Cause: nothing listens there' }).waitFor();
    await panel.getByText(`portico explain flow --from portico --to ssh2 --port ${PORT}/tcp`).waitFor();
    const seen = panel.getByRole('region', { name: 'Seen from' }).locator('li').first();
    assert.match(await seen.innerText(), /refused[^]*portico/);
    const history = panel.getByRole('region', { name: 'History' }).locator('li').first();
    await eventually('the change in the history', async () => /refused\s+before: proven/.test(await history.innerText()));
    await panel.getByRole('button', { name: 'Check from portico now' }).waitFor();
    await shoot(page, 'port-check-explained');
    assert.deepEqual(errors, []);
  } finally {
    await browser.close();
  }
}

test('a server that stops turns its flow, the change is told, and no session is placed there', async () => {
  const stop = await secondServer();
  let isStopped = false;
  try {
    const at = /(id = "ssh2"\n(?:(?!\[\[).*\n)*?port = )22\n/;
    assert.match(estate, at);
    apply(estate.replace(at, `$1${PORT}\n`));

    await eventually('the flow to be proven', () => probe()?.verdict === 'proven', WITHIN);
    await eventually('the host to be taken', () => host('ssh2').takes_new, WITHIN);
    for (const id of ['sh1', 'sh2', 'ssh1', 'ssh2']) {
      // What the agent itself opens: it has no probe for the link but TLS, which answers.
      await eventually(`${id} to have checked its link`, () => {
        const own = row(id, 'portico', 'portico.agent-broker-link');
        return ['proven', 'reachable'].includes(own?.verdict) && own.checked_at_ms > 0;
      }, WITHIN);
    }
    const ben = await signInByApi('ben', PASSWORD);
    const answer = await ben.call('GET', '/ports/checks?to=ssh2');
    assert.equal(answer.status, 200, answer.text);
    const state = new Map(answer.json.vantages.map((one) => [one.host, one.state]));
    assert.equal(state.get('portico'), 'reporting');
    assert.equal(state.get('ssh1'), 'reporting');

    stop();
    isStopped = true;
    await eventually('the flow to be refused', () => probe().verdict === 'refused', WITHIN);
    const refused = host('ssh2');
    assert.equal(refused.agent_state.state, 'connected', 'its agent lives');
    assert.equal(refused.takes_new, false);
    assert.equal(refused.why_not[0].code, 'unreachable');
    assert.match(refused.why_not[0].message, /from portico/);
    const placed = json('explain', 'launch', '--user', 'ben', '--resource', 'terminal').outcome;
    assert.equal(placed.host, 'ssh1', JSON.stringify(placed));
    assert.equal(placed.others.find((other) => other.host === 'ssh2').reason, 'unreachable');
    const history = await ben.call('GET', '/ports/checks/history?to=ssh2&flow=portico.gateway-host-ssh-probe');
    assert.deepEqual([history.json[0].before, history.json[0].verdict], ['proven', 'refused'], history.text);
    const audit = await ben.call('GET', '/audit?action=port-check.changed&limit=1000');
    assert.ok(audit.text.includes('portico to ssh2'), audit.text.slice(0, 500));
    const told = await ben.call('GET', `/ports/explain?from=portico&to=ssh2&port=${PORT}`);
    assert.equal(told.status, 200, told.text);
    assert.deepEqual([told.json.causes[0].kind, told.json.causes[0].certainty], ['nothing-listens', 'likely'], told.text);
    await explainedInConsole();
  } finally {
    if (!isStopped) stop();
  }
});

/** A program that listens on sh1 where nothing is planned; `stop` ends it. */
async function strayListener(port) {
  const code = `import socket,time
s=socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("0.0.0.0", ${port})); s.listen(); print("listening", flush=True); time.sleep(120)`;
  const child = spawn(process.env.PORTICO_LAB, ['exec', 'sh1', '--', 'python3', '-c', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [said] = await once(child.stdout, 'data');
  assert.match(String(said), /listening/);
  const lab = (...words) => execFileSync(process.env.PORTICO_LAB, words, { encoding: 'utf8' });
  return () => lab('exec', 'sh1', '--', 'pkill', '-f', `s.bind.*${port}`);
}

test('a program that listens where nothing is planned is told by the agent of its host', async () => {
  const STRAY = 5555;
  const straysOf = (answer) => {
    assert.equal(answer.hosts.length, 1);
    const [one] = answer.hosts;
    assert.equal(one.host, 'sh1');
    assert.ok(['clean', 'drifted', 'partly'].includes(one.state), JSON.stringify(one));
    assert.ok(one.drift.sockets > 0, JSON.stringify(one.drift.notes));
    return one.drift.findings.filter((finding) => finding.class === 'superfluous' && finding.side === 'listener'
      && finding.traffic.some(({ protocol, ports }) => protocol === 'tcp' && ports.some(({ first, last }) => first <= STRAY && STRAY <= last)));
  };
  assert.deepEqual(straysOf(json('ports', 'diff', '--host', 'sh1')), []);
  const stop = await strayListener(STRAY);
  try {
    const [found] = straysOf(json('ports', 'diff', '--host', 'sh1'));
    assert.ok(found, 'it is found');
    assert.match(found.processes.map(({ name }) => name).join(' '), /python3/);
    assert.ok(found.next_step);
    // All that have agents, and Portico itself, which has none.
    const all = json('ports', 'diff', '--all-hosts');
    assert.deepEqual(all.hosts.map((one) => one.host).sort(), ['sh1', 'sh2', 'ssh1', 'ssh2']);
    assert.equal(all.summary.not_asked, 0, JSON.stringify(all.hosts.map((one) => one.fault)));
    assert.ok(all.summary.without_agent.length > 0);
    assert.throws(() => portico('ports', 'diff', '--host', 'sh1', '--strict'), /./);
  } finally {
    stop();
  }
  await eventually('it to be gone', () => straysOf(json('ports', 'diff', '--host', 'sh1')).length === 0, WITHIN);
});
