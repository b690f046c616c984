// The broker with real agents on real hosts: what they report, and what becomes of sessions when
// hosts are drained, busy, dead, or logged off from inside. Run by scripts/end-to-end.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import AxeBuilder from '@axe-core/playwright';
import {
  eventually, focusXterm, launchChromium, newContext, openDesktop, shoot, signIn, typeInDesktop,
} from './lib.mjs';
import { portico } from './server.mjs';

const baseURL = process.env.PORTICO_URL;
const lab = (...args) => execFileSync(process.env.PORTICO_LAB, args, { encoding: 'utf8' });
const json = (...args) => JSON.parse(portico(...args, '-o', 'json'));
const host = (id) => json('get', 'hosts').find((one) => one.id === id);
const sessionOf = (user, resource = 'desktop') =>
  json('get', 'sessions').find((one) => one.user === user && one.resource === resource);
const MANAGED = ['sh1', 'sh2', 'ssh1', 'ssh2'];

/** Whether X servers of the user run on that host. */
function hasDesktop(id, user) {
  try {
    return lab('exec', id, '--', 'pgrep', '-u', user, 'Xorg').trim() !== '';
  } catch {
    return false;
  }
}

let browser;
before(async () => {
  browser = await launchChromium(['--ignore-certificate-errors']);
});
after(async () => browser?.close());

async function person(user, look = {}) {
  const context = await newContext(browser, { baseURL, ...look });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  await signIn(page, user, 'portico-demo');
  return page;
}

async function axe(page, where) {
  const { violations } = await new AxeBuilder({ page }).setLegacyMode(true).analyze();
  const lines = violations.flatMap((violation) => violation.nodes.map((node) => `${violation.id}: ${node.target.join(' ')}`));
  assert.deepEqual(lines, [], `axe on ${where}`);
}

/** Ends a session of the user, if there is one, and waits until the host has none either. */
async function noDesktop(user) {
  const session = sessionOf(user);
  if (session) portico('sessions', 'end', session.id);
  await eventually(`no desktop of ${user} on a host`, () => !hasDesktop('sh1', user) && !hasDesktop('sh2', user), { every: 300 });
  await eventually(`no session of ${user}`, () => !sessionOf(user), { every: 300 });
}

describe('agents', () => {
  test('four managed hosts report a load that moves; the fifth says that it is not managed', async () => {
    const first = new Map(MANAGED.map((id) => [id, host(id)]));
    for (const id of MANAGED) {
      const seen = first.get(id);
      assert.equal(seen.agent_state.state, 'connected', id);
      assert.equal(seen.identity, 'accepted', `${id}: its identity came over the link, no pin is in the estate`);
      assert.ok(seen.takes_new, `${id}: ${JSON.stringify(seen.why_not)}`);
    }
    await eventually('newer reports of all', () => MANAGED.every((id) => host(id).load?.at_ms > first.get(id).load.at_ms));
    assert.equal(host('nla1').agent, 'none');
  });

  test('the console shows them', async () => {
    const page = await person('ben');
    await page.goto('/console/hosts');
    for (const id of MANAGED) await page.getByText(id, { exact: true }).first().waitFor();
    await axe(page, 'hosts');
    await shoot(page, 'console-hosts');
    await page.goto('/console/hosts/sh1');
    await page.locator('canvas').first().waitFor();
    await axe(page, 'host');
    await shoot(page, 'console-host');
    await page.context().close();
  });
});

describe('where sessions go', () => {
  test('a drained host gets no new session, and takes them again afterwards', async () => {
    await noDesktop('anna');
    portico('hosts', 'drain', 'sh1', '--reason', 'kernel update');
    try {
      const drained = host('sh1');
      assert.equal(drained.mode, 'drain');
      assert.equal(drained.takes_new, false);
      assert.match(drained.why_not[0].message, /kernel update/);
      const page = await person('anna');
      await openDesktop(page);
      assert.equal(sessionOf('anna').host, 'sh2');
      await page.context().close();
      const said = portico('explain', 'launch', '--user', 'demo', '--resource', 'desktop');
      assert.match(said, /sh1/);
      assert.match(said, /drain/);
    } finally {
      portico('hosts', 'undrain', 'sh1');
    }
    assert.equal(host('sh1').takes_new, true);
  });

  test('a busy host gets the next session last', async (t) => {
    // Anna's desktop is on one of the two; the other one works hard.
    const busy = sessionOf('anna').host === 'sh1' ? 'sh2' : 'sh1';
    const quiet = busy === 'sh1' ? 'sh2' : 'sh1';
    await noDesktop('anna');
    await noDesktop('demo');
    const before = host(quiet).load.cpu;
    lab('load', busy, '40');
    await eventually('the load of the busy host', () => host(busy).load?.cpu > 3_000, { every: 500 });
    if (host(quiet).load.cpu > before + 4_000) {
      t.skip('control groups do not serve here, so every host reports the load of the machine');
      return;
    }
    const choice = json('explain', 'launch', '--user', 'demo', '--resource', 'desktop');
    const placed = choice.outcome;
    assert.equal(placed.host, quiet, JSON.stringify(choice));
    const verdict = placed.others.find((other) => other.host === busy);
    assert.equal(verdict.reason, 'higher-load', JSON.stringify(choice));
  });
});

describe('what ends', () => {
  test('logging off inside the desktop ends the session within three seconds', async () => {
    await noDesktop('demo');
    const page = await person('demo');
    await openDesktop(page);
    const session = sessionOf('demo');
    await eventually('the agent to see it', () => sessionOf('demo').on_host, { every: 300 });
    await focusXterm(page);
    await typeInDesktop(page, 'openbox --exit\n');
    await eventually('the desktop to be gone from the host', () => !hasDesktop(session.host, 'demo'), { every: 50 });
    const gone = Date.now();
    await eventually('the session to be over', () => !sessionOf('demo'), { every: 50 });
    const took = Date.now() - gone;
    assert.ok(took < 3_000, `it took ${took} ms`);
    await page.context().close();
  });

  test('ending a session at the console logs the user off on the host', async () => {
    const page = await person('anna');
    await openDesktop(page);
    const session = sessionOf('anna');
    await eventually('the agent to see it', () => sessionOf('anna').on_host, { every: 300 });
    assert.match(portico('sessions', 'message', session.id, '--text', 'Kernel update at noon'), /\w/);
    const said = portico('sessions', 'end', session.id);
    assert.doesNotMatch(said, /may still run/);
    await eventually('the desktop to be gone from the host', () => !hasDesktop(session.host, 'anna'), { every: 200 });
    await page.context().close();
  });

  test('a host whose xrdp is killed is not chosen, and the refusal says why; it comes back', async () => {
    await noDesktop('anna');
    for (const id of ['sh1', 'sh2']) lab('kill', id);
    try {
      await eventually('both to be silent', () => ['sh1', 'sh2'].every((id) => host(id).state === 'silent'), { every: 500 });
      const page = await person('anna');
      await page.goto('/launch/desktop');
      const notice = page.locator('.notice');
      await notice.waitFor();
      const told = await notice.textContent();
      assert.match(told, /tell your administrator the code [a-z-]+\./);
      assert.doesNotMatch(told, /sh\d/);
      assert.match(portico('explain', 'launch', '--user', 'anna', '--resource', 'desktop'), /sh1/);
      await page.context().close();
    } finally {
      for (const id of ['sh1', 'sh2']) lab('start', id);
    }
    await eventually('both to be back by themselves', () => ['sh1', 'sh2'].every((id) => host(id).takes_new), { every: 500, timeout: 120_000 });
    const page = await person('anna');
    await openDesktop(page);
    await page.context().close();
    await noDesktop('anna');
  });

  test('an agent that is killed takes no session with it', async () => {
    const page = await person('anna');
    await openDesktop(page);
    const session = sessionOf('anna');
    lab('agent', 'kill', session.host);
    await eventually('the host to be silent', () => host(session.host).state === 'silent', { every: 500 });
    assert.equal(sessionOf('anna').id, session.id, 'silence concludes nothing');
    lab('agent', 'start', session.host);
    await eventually('the host to be back', () => host(session.host).takes_new, { every: 500 });
    assert.equal(sessionOf('anna').id, session.id);
    assert.equal(sessionOf('anna').state, 'active');
    await page.context().close();
    await noDesktop('anna');
  });
});
