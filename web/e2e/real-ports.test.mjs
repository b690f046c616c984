// The port plan of the running estate: the console shows it, and its rules, loaded with the real tool
// on a real host, let in what is planned and nothing else. Run by scripts/end-to-end.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';
import AxeBuilder from '@axe-core/playwright';
import { signInByApi } from './api.mjs';
import { eventually, launchChromium, newContext, openFromWebtop, readTerminal, shoot, signIn, typeInTerminal, waitForTerminal, watchErrors } from './lib.mjs';
import { portico } from './server.mjs';

const baseURL = process.env.PORTICO_URL;
const PASSWORD = 'portico-demo';
/** A port that no document of the catalogue plans for a session host. */
const UNPLANNED = 8055;
/** A dropped packet gets no answer; nothing on one machine takes this long. */
const SILENCE_MS = 1_500;
const SESSION_HOSTS = ['sh1', 'sh2', 'ssh1', 'ssh2', 'nla1'];

const lab = (args, options = {}) => execFileSync(process.env.PORTICO_LAB, args, { encoding: 'utf8', ...options });
const json = (...args) => JSON.parse(portico(...args, '-o', 'json'));
const host = (id) => json('get', 'hosts').find((one) => one.id === id);
const nft = (args, input = '') => lab(['exec', 'ssh1', '--', 'nft', ...args], { input });

let browser;
before(async () => {
  browser = await launchChromium(['--ignore-certificate-errors']);
});
after(async () => browser?.close());

async function operator() {
  const context = await newContext(browser, { baseURL });
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  const errors = watchErrors(page);
  await signIn(page, 'ben', PASSWORD);
  return { context, page, errors };
}

async function axe(page, where) {
  const { violations } = await new AxeBuilder({ page }).setLegacyMode(true).analyze();
  const lines = violations.flatMap((violation) => violation.nodes.map((node) => `${violation.id}: ${node.target.join(' ')}`));
  assert.deepEqual(lines, [], `axe on ${where}`);
}

/** What this machine sees of a port: open, refused, or silent. */
function knock(address, port) {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: SILENCE_MS });
    const seen = (what) => {
      socket.destroy();
      resolve(what);
    };
    socket.once('connect', () => seen('open'));
    socket.once('timeout', () => seen('silent'));
    socket.once('error', (error) => seen(error.code === 'ECONNREFUSED' ? 'refused' : error.code));
  });
}

/** The same, as another server of the lab sees it. */
function knockFrom(server, address, port) {
  const open = 'exec 3<>"/dev/tcp/$0/$1"';
  try {
    lab(['exec', server, '--', 'timeout', String(SILENCE_MS / 1000), 'bash', '-c', open, address, String(port)], { stdio: 'ignore' });
    return 'open';
  } catch (error) {
    return error.status === 124 ? 'silent' : 'refused';
  }
}

/** Something on ssh1 that listens on a port of no plan. */
async function listener() {
  const script = `require('node:net').createServer((socket) => socket.end()).listen(${UNPLANNED}, () => console.log('listens'))`;
  const child = spawn(
    process.env.PORTICO_LAB,
    ['exec', 'ssh1', '--program', process.execPath, '--', 'node', '-e', script],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const first = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
  assert.match(String(first[0]), /listens/, 'the listener on ssh1 started');
  return child;
}

describe('the Ports page', () => {
  test('map, plan, catalogue and rules tell of the running estate, and axe finds nothing on them', async () => {
    const { context, page, errors } = await operator();
    const gateway = host('sh1').address.replace(/\d+$/, '1');
    const tab = async (name) => {
      await page.getByRole('navigation', { name: 'Ports' }).getByRole('link', { name, exact: true }).click();
    };
    const rows = page.locator('[role=row][data-at]');

    await page.goto('/console/ports?tab=map');
    const map = page.getByRole('region', { name: 'Map' });
    await map.getByText('This machine', { exact: true }).waitFor();
    await map.getByText('Lab', { exact: true }).waitFor();
    await map.getByRole('button', { name: /\bRDP\b/ }).focus();
    await page.keyboard.press('Enter');
    const rdp = page.locator('details', { hasText: '3389/tcp' }).filter({ hasText: 'RDP' });
    await rdp.first().waitFor();
    if ((await rdp.first().getAttribute('open')) === null) await rdp.first().locator('summary').click();
    await rdp.getByText('portico.gateway to portico.session-host: Desktops and applications', { exact: false }).waitFor();
    await rdp.getByText('portico.gateway-host-rdp', { exact: true }).waitFor();
    await rdp.locator('q', { hasText: '3389/tcp' }).waitFor();
    await axe(page, 'map');
    await shoot(page, 'ports-map');

    await tab('Plan');
    await page.locator('main input[type=search]').fill('3389');
    await rows.filter({ hasText: 'sh1' }).first().waitFor();
    await eventually('only rows of that port', async () => {
      const texts = await rows.allInnerTexts();
      return texts.length > 0 && texts.every((text) => text.includes('3389/tcp'));
    });
    await axe(page, 'plan');
    await shoot(page, 'ports-plan');

    await tab('Catalogue');
    await rows.first().waitFor();
    await axe(page, 'catalogue');

    await tab('Rules');
    await page.getByLabel('Host', { exact: true }).selectOption('sh1');
    await page.getByText(`ip saddr ${gateway} tcp dport 3389 accept`, { exact: false }).waitFor();
    await axe(page, 'rules');
    await shoot(page, 'ports-rules');
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('the live tab shows what the agents found out, and an operator has it checked anew', async () => {
    const { context, page, errors } = await operator();
    const headline = page.getByRole('region', { name: /flow|checked/ }).filter({ has: page.getByRole('list', { name: 'Flows by verdict' }) });
    const search = page.locator('main input[type=search]');
    const rows = page.locator('main section summary');

    await page.goto('/console/ports');
    await headline.getByRole('button', { name: /^\d+ proven$/ }).waitFor({ timeout: 60_000 });
    await search.fill('portico.gateway-host-ssh-probe');
    await page.getByLabel('To', { exact: true }).selectOption('ssh1');
    await eventually('the flow to be proven', async () => {
      const texts = await rows.allInnerTexts();
      return texts.length === 1 && texts[0].startsWith('proven') && texts[0].includes('portico → ssh1');
    });
    // A row that is alone is open.
    await page.getByRole('heading', { name: 'What was seen' }).waitFor();
    await page.getByText('The service answered as only it does.').waitFor();
    await page.getByRole('region', { name: 'History' }).locator('li').first().waitFor();
    await axe(page, 'live, a flow');
    await shoot(page, 'ports-live-flow');

    await page.goto('/console/ports?view=matrix');
    await page.getByRole('button', { name: /^portico to ssh1: / }).waitFor();
    await axe(page, 'live, the matrix');
    await shoot(page, 'ports-live-matrix');
    await page.getByRole('button', { name: 'Check now' }).click();
    await page.getByText(/^Checked anew: \d+$/).waitFor({ timeout: 90_000 });

    await page.goto('/console/ports');
    await page.getByRole('region', { name: 'Map' }).getByRole('button', { name: /flows/ }).first().waitFor();
    await axe(page, 'live, the map');
    await shoot(page, 'ports-live-map');

    await page.goto('/console/hosts/ssh1');
    await page.getByRole('region', { name: 'Ports', exact: true }).getByRole('link', { name: /^All \d+ flows$/ }).first().waitFor();
    await axe(page, 'the ports of a host');
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('a server that dies turns its line and its cell red, with what to do and since when', async () => {
    const { context, page, errors } = await operator();
    const line = page.getByRole('region', { name: 'Map' }).getByRole('button', { name: /^portico to .*flows fail, worst:/ });
    await page.goto('/console/ports?to=nla1');
    await page.getByRole('heading', { name: 'What was seen' }).waitFor();
    lab(['kill', 'nla1']);
    try {
      await page.getByRole('heading', { name: /^Required flows that fail: [1-9]/ }).waitFor({ timeout: 60_000 });
      await line.waitFor();
      assert.match(await line.getAttribute('class'), /bad/);
      // The row was open, and tells the news by itself.
      await page.getByRole('heading', { name: 'What to do' }).waitFor();
      await page.getByRole('region', { name: 'History' }).getByText('before: proven').first().waitFor();
      await axe(page, 'live, a failing flow');
      await shoot(page, 'ports-live-fails');
      await page.goto('/console/ports?view=matrix');
      await page.getByRole('button', { name: /^portico to nla1: 1 of \d+ flows fail/ }).waitFor();
    } finally {
      lab(['start', 'nla1']);
    }
    await page.getByRole('button', { name: /^portico to nla1: \d+ flows, worst: proven$/ }).waitFor({ timeout: 60_000 });
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('the command line plans the estate of the server', () => {
    const planned = portico('ports', 'plan');
    for (const id of SESSION_HOSTS) assert.match(planned, new RegExp(`^${id} .*portico\\.session-host`, 'm'), planned);
  });
});

describe('rules of the plan on a real host', () => {
  test('let in what is planned and nothing else, until they are taken away', async () => {
    const { address } = host('ssh1');
    for (const { id } of json('get', 'sessions').filter((one) => one.user === 'ben')) portico('sessions', 'end', id);
    portico('hosts', 'drain', 'ssh2', '--reason', 'the terminal of this test is to be on ssh1');
    const other = await listener();
    const { context, page } = await operator();
    try {
      assert.equal(await knock(address, UNPLANNED), 'open');
      assert.equal(knockFrom('sh1', address, 22), 'open');

      const rules = await (await signInByApi('ben', PASSWORD)).call('GET', '/ports/rules?format=nftables&host=ssh1');
      assert.equal(rules.status, 200, rules.text);
      const before = host('ssh1').load.at_ms;
      nft(['-f', '-'], rules.text);
      const loaded = nft(['list', 'ruleset']);
      assert.match(loaded, /table inet portico/);
      nft(['-f', '-'], rules.text);
      assert.equal(nft(['list', 'ruleset']), loaded, 'loaded twice is loaded once');

      assert.equal(await knock(address, UNPLANNED), 'silent', 'a port that is not planned');
      assert.equal(knockFrom('sh1', address, 22), 'silent', 'a planned port, from a host that is not planned');
      await openFromWebtop(page, 'terminal');
      await waitForTerminal(page);
      await eventually('a prompt of ssh1', async () => (await readTerminal(page)).some((line) => line.startsWith('ben@ssh1')));
      await typeInTerminal(page, 'echo planned-$((40+2))\n');
      await eventually('an answer', async () => (await readTerminal(page)).includes('planned-42'));
      await eventually('its agent to go on reporting', () => host('ssh1').load.at_ms > before + 2_000, { every: 500 });

      nft(['delete', 'table', 'inet', 'portico']);
      assert.equal(await knock(address, UNPLANNED), 'open', 'without the rules it is as before');
      assert.equal(knockFrom('sh1', address, 22), 'open');
    } finally {
      // Whatever a failure has left would let later tests fail for no reason of theirs.
      nft(['-f', '-'], 'add table inet portico\ndelete table inet portico\n');
      other.kill();
      portico('hosts', 'undrain', 'ssh2');
      for (const { id } of json('get', 'sessions').filter((one) => one.user === 'ben')) portico('sessions', 'end', id);
      await context.close();
    }
  });
});
