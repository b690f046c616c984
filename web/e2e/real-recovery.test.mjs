// What happens to running sessions when Portico is killed, and what really listens. Run by
// scripts/end-to-end, which names the server under test.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import {
  difference, eventually, focusXterm, launchChromium, lit, newContext, openDesktop, openFromWebtop, readPixels, settled,
  signIn, typeInDesktop, waitForDesktop, XTERM,
} from './lib.mjs';
import { end, pid, portico, start } from './server.mjs';

const baseURL = process.env.PORTICO_URL;
const lab = (...args) => execFileSync(process.env.PORTICO_LAB, args, { encoding: 'utf8' });

let browser;
before(async () => {
  browser = await launchChromium([
    '--ignore-certificate-errors',
    // A script that a test serves may else open no WebSocket to this machine.
    '--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets',
  ]);
});
after(async () => browser?.close());

async function person(user) {
  const context = await newContext(browser, { baseURL });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  await signIn(page, user, 'portico-demo');
  return page;
}

const xorgs = (host, user) => lab('exec', host, '--', 'pgrep', '-u', user, 'Xorg').trim();

describe('set-up', () => {
  test('the link makes the owner once, and the owner signs in', async () => {
    const link = /https:\S+#token=\S+/.exec(readFileSync(`${process.env.PORTICO_WORK}/init.txt`, 'utf8'))[0];
    const setUp = async (password) => {
      const context = await newContext(browser, { baseURL });
      const page = await context.newPage();
      page.setDefaultTimeout(30_000);
      await page.goto(link);
      await page.locator('input[name=site]').fill('Portico demo');
      await page.locator('input[name=name]').fill('Ina Owner');
      await page.locator('input[name=username]').fill('ina');
      await page.locator('input[type=password]').first().fill(password);
      await page.locator('button[type=submit]').click();
      await page.locator('.notice').waitFor();
      const good = (await page.locator('.notice.good').count()) > 0;
      await context.close();
      return good;
    };
    assert.equal(await setUp('passwordpassword'), false, 'a weak password is refused');
    assert.equal(await setUp('two harbours and a lamp'), true);
    assert.equal(await setUp('two harbours and a lamp'), false, 'the link works once');
    const context = await newContext(browser, { baseURL });
    const page = await context.newPage();
    await signIn(page, 'ina', 'two harbours and a lamp');
    await page.goto('/console');
    await page.getByText('sh1').first().waitFor();
    await context.close();
    // Applying the file again leaves the owner, who is not in it, alone.
    portico('apply', '-f', process.env.PORTICO_ESTATE);
    assert.ok(JSON.parse(portico('get', 'users', '-o', 'json')).some((user) => user.id === 'ina' && user.role === 'owner'));
  });
});

describe('Portico is killed while sessions run', () => {
  test('the same desktop is there when it is started again', async () => {
    const page = await person('anna');
    await openDesktop(page);
    await focusXterm(page);
    const before = await settled(page, XTERM);
    await typeInDesktop(page, 'echo before the crash\n');
    await eventually('the typed text', async () => difference(before, await readPixels(page, XTERM)) > 0.002);
    const picture = await settled(page, XTERM);
    const sessions = JSON.parse(portico('get', 'sessions', '-o', 'json'));
    const mine = sessions.find((session) => session.user === 'anna');
    assert.equal(mine.state, 'active');
    const desktop = xorgs(mine.host, 'anna');
    assert.match(desktop, /^\d+$/);

    await end('SIGKILL');
    await start();

    // The viewer retries by itself with its reconnect grant and is back where it was.
    await eventually('the same session', () => {
      const now = JSON.parse(portico('get', 'sessions', '-o', 'json'));
      return now.some((session) => session.id === mine.id && session.state === 'active');
    }, { timeout: 120_000, every: 500 });
    assert.equal(xorgs(mine.host, 'anna'), desktop, 'the same X server runs');
    await eventually('the same picture', async () => {
      // While it reconnects there is no canvas for a moment.
      const now = await readPixels(page, XTERM).catch(() => undefined);
      return now && difference(picture, now) < 0.02;
    });

    // A second browser finds it as well.
    const other = await person('anna');
    await openDesktop(other);
    await eventually('the same picture elsewhere', async () => difference(picture, await readPixels(other, XTERM)) < 0.02);
    assert.equal(xorgs(mine.host, 'anna'), desktop, 'still the same X server');
    await page.context().close();
    await other.context().close();
  });

  test('the audit log is whole', () => {
    assert.match(portico('audit', 'verify'), /whole|ok|intact|verified/i);
  });
});

describe('hosts', () => {
  test('a host that dies is not offered, the person is told a code and the operator the host', async () => {
    for (const host of ['ssh1', 'ssh2']) lab('kill', host);
    try {
      await eventually('both hosts to be seen down', () => {
        const hosts = JSON.parse(portico('get', 'hosts', '-o', 'json'));
        return hosts.filter((host) => host.protocol === 'ssh').every((host) => ['down', 'silent'].includes(host.state));
      }, { timeout: 90_000, every: 1000 });
      const page = await person('ben');
      await page.goto('/launch/terminal');
      const notice = page.locator('.notice');
      await notice.waitFor();
      const told = await notice.textContent();
      assert.match(told, /tell your administrator the code [a-z-]+\./);
      assert.doesNotMatch(told, /ssh\d/);
      assert.match(portico('explain', 'launch', '--user', 'ben', '--resource', 'terminal'), /ssh1/);
      if (process.env.PORTICO_SHOTS) await page.screenshot({ path: `${process.env.PORTICO_SHOTS}/refused.png` });
      await page.context().close();
    } finally {
      for (const host of ['ssh1', 'ssh2']) lab('start', host);
    }
  });

  test('explain says where a launch would go and why not elsewhere', () => {
    const text = portico('explain', 'launch', '--user', 'ben', '--resource', 'desktop');
    assert.match(text, /sh1/);
    assert.match(text, /sh2/);
  });
});

describe('network level authentication', () => {
  test('a host that insists on it shows its desktop, and the browser never had the password', async () => {
    const page = await person('demo');
    // The viewer's worker sends, and a page cannot listen there: so the worker's script is served with
    // an ear in front of it, which tells the page.
    await page.addInitScript(() => {
      window.sent = [];
      new BroadcastChannel('sent').onmessage = (event) => window.sent.push(event.data);
    });
    const ear = `{
      const { send } = WebSocket.prototype;
      const told = new BroadcastChannel('sent');
      WebSocket.prototype.send = function (data) {
        told.postMessage(new Blob([data]));
        return send.call(this, data);
      };
    }\n`;
    await page.context().route(/\/assets\/main-[^/]*\.js$/, async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, body: ear + (await response.text()) });
    });
    await openFromWebtop(page, 'nla-desktop');
    await waitForDesktop(page);
    await eventually('a picture', async () => lit(await readPixels(page)) > 0.2);
    const sent = await page.evaluate(async () => Array.from(new Uint8Array(await new Blob(window.sent).arrayBuffer())));
    const bytes = Buffer.from(sent);
    assert.ok(bytes.length > 500, `only ${bytes.length} bytes were seen`);
    for (const encoding of ['latin1', 'utf16le']) {
      assert.ok(!bytes.includes(Buffer.from('portico-demo', encoding)), `the password, as ${encoding}, left the browser`);
    }
    if (process.env.PORTICO_SHOTS) await page.screenshot({ path: `${process.env.PORTICO_SHOTS}/nla.png` });
    await page.context().close();
  });
});

describe('sockets', () => {
  /** Ports that the process `id` listens on, TCP of both families. */
  function listening(id) {
    const inodes = new Set();
    for (const fd of readdirSync(`/proc/${id}/fd`)) {
      try {
        const match = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${id}/fd/${fd}`));
        if (match) inodes.add(match[1]);
      } catch {
        // Closed meanwhile.
      }
    }
    return ['tcp', 'tcp6'].flatMap((family) =>
      readFileSync(`/proc/${id}/net/${family}`, 'utf8')
        .split('\n')
        .slice(1)
        .map((line) => line.trim().split(/\s+/))
        .filter((columns) => columns[3] === '0A' && inodes.has(columns[9]))
        .map((columns) => Number.parseInt(columns[1].split(':')[1], 16)),
    );
  }

  /** Default ports of the catalogue's flows that end at one of these roles of Portico. */
  function catalogued(...roles) {
    const text = readFileSync(new URL('../../crates/portico-catalogue/data/portico.toml', import.meta.url), 'utf8');
    return text
      .split('[[flow]]')
      .slice(1)
      .filter((flow) => roles.includes(/^to = "([^"]+)"/m.exec(flow)?.[1]))
      .flatMap((flow) => [...flow.matchAll(/first = (\d+)/g)].map((match) => Number(match[1])));
  }

  test('what listens is what the catalogue says', () => {
    const wanted = catalogued('portico.portal', 'portico.gateway', 'portico.broker');
    // The settings of this test move one of them.
    const moved = wanted.map((port) => (port === 443 ? Number(new URL(baseURL).port) : port));
    const ascending = (a, b) => a - b;
    assert.deepEqual(listening(pid()).sort(ascending), moved.sort(ascending));
    const engine = execFileSync('pgrep', ['-P', String(pid())], { encoding: 'utf8' }).trim();
    assert.deepEqual(catalogued('portico.engine'), []);
    assert.deepEqual(listening(engine), []);
  });
});
