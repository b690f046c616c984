// What the console does, beyond looking right: registered by pages.test.mjs.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { makeWorld } from '../dev/mock-world.mjs';
import { eventually, shoot } from './lib.mjs';

const rows = (page) => page.locator('[role=row][data-at]');
const focusedKey = (page) => page.evaluate(() => document.activeElement?.dataset?.key ?? document.activeElement?.tagName);

/** What the Ports page does. */
function portsTests(open) {
  test('the map tells why by keyboard, closes with Escape, and filters go into the address', async () => {
    const { context, page, errors } = await open('ports-map', { role: 'auditor' });
    await page.goto('/console/ports?tab=map');
    const line = page.getByRole('button', { name: /^sh01 … sh20 to files:/ });
    await line.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'sh01 … sh20 to files' }).waitFor();
    await eventually('the focus in the details', async () => (await page.evaluate(() => document.activeElement?.tagName)) === 'H2');
    await page.getByText('RD Session Host needs it', { exact: false }).first().waitFor();
    await page.locator('q', { hasText: 'TCP 445' }).waitFor();
    await page.keyboard.press('Escape');
    await eventually('the focus on the line', async () => (await page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? '')).startsWith('sh01 … sh20 to files'));
    await page.getByLabel('Protocol', { exact: true }).selectOption('Kerberos');
    await page.waitForURL('**/console/ports?tab=map&protocol=Kerberos');
    await eventually('one line', async () => (await page.locator('.map .line').count()) === 1);
    await page.reload();
    await eventually('the same view', async () => (await page.locator('.map .line').count()) === 1);
    await page.getByRole('button', { name: /^dc01 … dc02/ }).click();
    await page.getByRole('link', { name: 'Rules for it' }).click();
    await page.waitForURL('**/console/ports?tab=rules&host=dc01');
    await page.getByText('# nftables, dc01', { exact: false }).waitFor();
    await page.getByLabel('Format').selectOption('kubernetes');
    await page.getByText('windows-services.dc-dc-045', { exact: false }).waitFor();
    await page.goBack();
    await page.locator('.map .line').first().waitFor();
    assert.deepEqual(errors.filter((text) => !text.includes('422')), []);
    await context.close();
  });

  test('ten thousand rows of a plan: few are drawn, a search is quick, a row tells why', async () => {
    const { context, page, errors } = await open('ports-huge', { role: 'auditor', world_kind: 'huge' });
    await page.goto('/console/ports?tab=plan');
    await page.getByText('10000 of 10000').waitFor();
    assert.ok((await rows(page).count()) < 80, 'too many rows are drawn');
    const ms = await page.evaluate(async () => {
      const input = document.querySelector('main input[type=search]');
      const from = performance.now();
      input.value = 'node-0777 tcp';
      input.dispatchEvent(new Event('input', { bubbles: true }));
      await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
      return performance.now() - from;
    });
    assert.ok(ms < 500, `a search took ${ms} ms`);
    await eventually('two rows', async () => (await rows(page).count()) === 2);
    await page.keyboard.press('/');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog').getByText('needs it', { exact: false }).waitFor();
    await page.keyboard.press('Escape');
    await eventually('the focus on the row', async () => (await focusedKey(page)).includes('node-0777'));
    assert.deepEqual(errors, []);
    await context.close();
  });
}

/** What the live tab of the Ports page does. */
function liveTests(open) {
  const summaries = (page) => page.locator('section summary');

  test('the live map: colours with words and shapes, a line lists its flows, a flow tells what to do and how it was', async () => {
    const { context, page, errors } = await open('live-map', { role: 'auditor' });
    page.on('dialog', () => assert.fail('a script ran'));
    await page.goto('/console/ports');
    await page.getByRole('heading', { name: /^Required flows that fail: \d+$/ }).waitFor();
    await page.getByText('sh02 has not reported for 12 min', { exact: false }).first().waitFor();
    const line = page.getByRole('button', { name: /^sh01 … sh20 to files: 3 of \d+ flows fail, worst: no answer$/ });
    assert.match(await line.getAttribute('class'), /bad/);
    assert.equal(await line.locator('.badge text').textContent(), '3');
    const stroke = (name) => page.locator(`.found.${name} .line`).first().evaluate((path) => getComputedStyle(path).strokeDasharray);
    assert.notEqual(await stroke('bad'), await stroke('good'), 'the lines differ by more than their colour');
    await line.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'sh01 … sh20 to files' }).waitFor();
    await eventually('the focus at the list', async () => (await page.evaluate(() => document.activeElement?.tagName)) === 'H2');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.getByText('Let the firewall on the way pass it', { exact: false }).waitFor();
    const history = page.getByRole('region', { name: 'History' }).locator('li');
    await eventually('the history', async () => (await history.count()) === 4);
    assert.match(await history.first().innerText(), /no answer\s+before: proven/);
    await page.getByRole('button', { name: 'Show all' }).click();
    await page.getByRole('heading', { name: 'Flows', exact: true }).waitFor();
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('filters go into the address, the numbers filter, and what a service said is text', async () => {
    const { context, page, errors } = await open('live-filters', { role: 'auditor' });
    page.on('dialog', () => assert.fail('a script ran'));
    await page.goto('/console/ports');
    await page.getByRole('button', { name: /failing in all/ }).click();
    await page.waitForURL('**/console/ports?verdict=fails');
    await page.getByRole('button', { name: /wrong service/ }).first().click();
    await page.waitForURL('**/console/ports?verdict=wrong-service');
    await page.getByLabel('From', { exact: true }).selectOption('sh07');
    await page.waitForURL('**/console/ports?verdict=wrong-service&from=sh07');
    await page.reload();
    await page.getByText('<img src=x onerror=alert(1)>', { exact: false }).first().waitFor();
    await summaries(page).filter({ hasText: '<img' }).first().click();
    await page.getByRole('heading', { name: 'What was seen' }).waitFor();
    assert.equal(await page.locator('main img').count(), 0);
    assert.doesNotMatch(await page.locator('main').innerText(), /[\u001b\u202e]/);
    await page.getByRole('searchbox').fill('nothing at all');
    await page.getByRole('button', { name: 'Clear search and filters' }).click();
    await page.waitForURL('**/console/ports');
    assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'INPUT');
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('the matrix works by arrow keys, and a cell explains its flow, lists it, and lets go again', async () => {
    const { context, page, errors } = await open('live-matrix', { role: 'auditor' });
    await page.goto('/console/ports?view=matrix');
    const cell = page.getByRole('button', { name: /^sg01 to cb02: \d+ of \d+ flows fail, worst: refused$/ });
    await cell.waitFor();
    assert.equal(await page.locator('td button[tabindex="0"]').count(), 1, 'one stop of the Tab key');
    await page.locator('td button[tabindex="0"]').focus();
    await page.keyboard.press('End');
    const focused = () => page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? '');
    const last = await focused();
    await page.keyboard.press('Home');
    assert.notEqual(await focused(), last);
    const before = await focused();
    await page.keyboard.press('ArrowDown');
    assert.notEqual(await focused(), before);
    await cell.focus();
    await page.keyboard.press('Enter');
    // The only flow of the cell is explained at once; the list behind has it, too.
    await page.waitForURL('**/console/ports?view=matrix&from=sg01&to=cb02&explain=sg01+cb02+20002+tcp');
    await page.getByRole('dialog', { name: 'sg01 to cb02, port 20002/tcp' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    assert.match(await focused(), /^sg01 to cb02:/, 'the focus is on the cell');
    await page.getByRole('heading', { name: 'sg01 to cb02' }).waitFor();
    assert.equal(await cell.getAttribute('aria-pressed'), 'true');
    assert.ok((await page.locator('td button').count()) > 20, 'the other cells stay');
    await cell.click();
    await page.waitForURL('**/console/ports?view=matrix');
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('an operator lets it be checked anew, sees how far it is, and who may not sees no button', async () => {
    const { context, page, errors } = await open('live-now', { role: 'operator' });
    await page.goto('/console/ports?view=matrix');
    await page.getByRole('button', { name: 'Check now' }).click();
    await page.getByText(/^New results: \d+ of \d+$/).waitFor();
    await page.getByText(/^Checked anew: \d+$/).waitFor();
    await page.getByLabel('From', { exact: true }).selectOption('sh07');
    await page.getByRole('button', { name: 'Check from sh07 now' }).waitFor();
    assert.deepEqual(errors, []);
    await context.close();

    const auditor = await open('live-now-2', { role: 'auditor' });
    await auditor.page.goto('/console/ports');
    await auditor.page.locator('.headline').waitFor();
    assert.equal(await auditor.page.getByRole('button', { name: /^Check / }).count(), 0);
    await auditor.context.close();

    const refused = await open('live-now-3', { role: 'operator', orders: 'refused' });
    await refused.page.goto('/console/ports');
    await refused.page.getByRole('button', { name: 'Check now' }).click();
    await refused.page.locator('.headline .notice').getByText('The agent of the host is silent').waitFor();
    await refused.context.close();
  });

  test('two thousand results: a page of them is drawn, a search is quick, the next page starts at its top', async () => {
    const { context, page, errors } = await open('live-huge', { role: 'auditor', world_kind: 'huge' });
    await page.goto('/console/ports?view=matrix');
    await page.getByText('2000 of 2000').waitFor();
    assert.ok((await summaries(page).count()) <= 50, 'too many rows are drawn');
    assert.ok((await page.locator('td button').count()) <= 1600, 'too many cells are drawn');
    const ms = await page.evaluate(async () => {
      const input = document.querySelector('main input[type=search]');
      const from = performance.now();
      input.value = 'node-49 tcp';
      input.dispatchEvent(new Event('input', { bubbles: true }));
      await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
      return performance.now() - from;
    });
    assert.ok(ms < 500, `a search took ${ms} ms`);
    await page.getByRole('searchbox').fill('');
    await page.getByText('1–50 of 2000').waitFor();
    await page.getByRole('button', { name: 'Next' }).click();
    await page.getByText('51–100 of 2000').waitFor();
    assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'H2');
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('a host\'s page shows its failing flows and leads to them', async () => {
    const { context, page, errors } = await open('live-host', { role: 'auditor' });
    await page.goto('/console/hosts/sh1');
    const panel = page.getByRole('region', { name: 'Ports' });
    await panel.getByRole('link', { name: /files 445\/tcp .*no answer/ }).click();
    await page.waitForURL('**/console/ports?from=sh1&to=files&q=*&explain=sh1+files+445+tcp');
    await page.getByRole('dialog', { name: 'sh1 to files, port 445/tcp' }).waitFor();
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('a launch that failed leads to the ports of the host that did not answer', async () => {
    const { context, page, errors } = await open('live-launch', { role: 'auditor' });
    await page.goto('/console/launches?outcome=bad');
    await page.locator('summary').filter({ hasText: 'acc2' }).first().click();
    await page.locator('details[open]').getByRole('link', { name: 'Ports to acc2' }).first().click();
    await page.waitForURL('**/console/ports?to=acc2');
    await page.locator('.headline').waitFor();
    assert.deepEqual(errors, []);
    await context.close();
  });
}

/** `open` makes a context with a state of the stand-in; `mock` changes it meanwhile. */
export function consoleTests(open, mock) {
  portsTests(open);
  liveTests(open);

  test('ten thousand hosts: few rows are drawn, a search is quick, End reaches the last, the address keeps the view', async () => {
    const { context, page, errors } = await open('con-huge', { role: 'operator', world_kind: 'huge' });
    await page.goto('/console/hosts');
    await rows(page).first().waitFor();
    assert.ok((await rows(page).count()) < 80, 'too many rows are drawn');
    await rows(page).first().focus();
    await page.keyboard.press('End');
    await eventually('the last row', async () => (await focusedKey(page)) === 'node-09999');
    assert.ok((await rows(page).count()) < 80, 'too many rows are drawn at the end');
    await page.keyboard.press('/');
    const ms = await page.evaluate(async () => {
      const input = document.querySelector('main input[type=search]');
      const from = performance.now();
      input.value = 'node-0777';
      input.dispatchEvent(new Event('input', { bubbles: true }));
      await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
      return performance.now() - from;
    });
    assert.ok(ms < 500, `a search took ${ms} ms`);
    await eventually('ten hosts', async () => (await rows(page).count()) === 10);
    await page.waitForURL('**/console/hosts?q=node-0777');
    await page.getByLabel('Pool', { exact: true }).selectOption('pool-17');
    await page.waitForURL('**/console/hosts?q=node-0777&pool=pool-17');
    await page.reload();
    await eventually('the same view', async () => (await rows(page).count()) === 1);
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('the host table works by keyboard: search, arrows, Enter, and back to the row', async () => {
    const { context, page } = await open('con-keys', { role: 'operator' });
    await page.goto('/console/hosts');
    await rows(page).first().waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('sh');
    await page.keyboard.press('ArrowDown');
    await eventually('the first row', async () => (await focusedKey(page)) === 'sh1');
    await page.keyboard.press('ArrowDown');
    await eventually('the second row', async () => (await focusedKey(page)) === 'sh2');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/console/hosts/sh2');
    await page.getByRole('heading', { level: 1, name: 'sh2' }).waitFor();
    await eventually('the focus at the way back', async () => (await page.evaluate(() => document.activeElement?.textContent?.trim())) === 'Hosts');
    await page.goBack();
    await eventually('the focus on the row', async () => (await focusedKey(page)) === 'sh2');
    assert.equal(await page.locator('main input[type=search]').inputValue(), 'sh');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('ArrowUp');
    await eventually('the search', async () => (await focusedKey(page)) === 'INPUT');
    await context.close();
  });

  test('draining with a reason shows at once who and why; the switch takes it back; the focus returns', async () => {
    const { context, page } = await open('con-drain', { role: 'operator' });
    await page.goto('/console/hosts/sh1');
    const drain = page.getByRole('switch');
    await drain.focus();
    await page.keyboard.press('Enter');
    await page.getByLabel('Reason').fill('new disks');
    await page.getByLabel('Only until the host restarts').check();
    await page.getByRole('button', { name: 'Drain', exact: true }).click();
    await page.getByText(/by demo at .*: new disks \(until the next restart\)/).first().waitFor();
    assert.equal(await drain.getAttribute('aria-checked'), 'true');
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('role')), 'switch');
    await page.getByText('Takes no new sessions').waitFor();
    await drain.click();
    await page.getByText('As in the estate file: enabled').waitFor();
    await eventually('takes sessions again', async () => (await page.getByText('Takes no new sessions').count()) === 0);
    await context.close();
  });

  test('an order that is refused stays in its dialog with the reason', async () => {
    const { context, page } = await open('con-refused', { role: 'operator', orders: 'refused' });
    await page.goto('/console/hosts/sh1');
    await page.getByRole('button', { name: 'Message…' }).click();
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByText('Write a message.').waitFor();
    await page.getByRole('textbox', { name: 'Message' }).fill('Hello');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.locator('dialog .notice').getByText('The agent of the host is silent').waitFor();
    assert.equal(await page.getByRole('textbox', { name: 'Message' }).inputValue(), 'Hello');
    await context.close();
  });

  test('a changed identity is trusted only after both fingerprints were shown and it was confirmed', async () => {
    const { context, page } = await open('con-trust', { role: 'operator' });
    await page.goto('/console/hosts/ssh2');
    await page.locator('.sides .new').waitFor();
    assert.equal(await page.locator('.sides > div').count(), 2);
    await page.getByRole('button', { name: 'Trust the new identity' }).click();
    await page.locator('dialog').getByRole('button', { name: 'Trust the new identity' }).click();
    await page.locator('.sides').waitFor({ state: 'detached' });
    await page.getByText('The new identity of ssh2 is trusted.').waitFor();
    await context.close();
  });

  test('an answer is about what the dialog showed, and says so when something else waits by then', async () => {
    const world = makeWorld('full');
    const { context, page } = await open('con-race', { role: 'operator', world });
    await page.goto('/console/hosts/ssh2');
    await page.getByRole('button', { name: 'Trust the new identity' }).click();
    const asks = world.waiting.find((one) => one.host === 'ssh2');
    const shown = asks.offered.at(-1);
    const other = `sha256:${'e'.repeat(64)}`;
    world.waiting = world.waiting.map((one) => (one === asks ? { ...one, offered: [other], fingerprint: 'f'.repeat(64) } : one));
    // The page has heard of it; the dialog still shows, and answers, what it showed.
    await page.locator('.sides').getByText(other).waitFor();
    const dialog = page.locator('dialog');
    await dialog.getByText(shown).waitFor();
    assert.equal(await dialog.getByText(other).count(), 0);
    await dialog.getByRole('button', { name: 'Trust the new identity' }).click();
    await dialog.getByText('Something else waits than what you were shown').waitFor();
    await dialog.getByText(`You were shown: ${asks.fingerprint}`).waitFor();
    await dialog.getByText(`Now waits: ${'f'.repeat(64)}`).waitFor();
    await shoot(page, 'con-race');
    assert.equal(world.waiting.filter((one) => one.host === 'ssh2').length, 1);
    assert.notEqual(world.hosts.find((one) => one.id === 'ssh2').identity, 'accepted');
    await dialog.getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('button', { name: 'Trust the new identity' }).click();
    await dialog.getByText(other).waitFor();
    await dialog.getByRole('button', { name: 'Trust the new identity' }).click();
    await page.getByText('The new identity of ssh2 is trusted.').waitFor();
    await context.close();
  });

  test('a session is found, messaged and logged off; it is gone from the list at once', async () => {
    const { context, page } = await open('con-session', { role: 'help-desk' });
    await page.goto('/console/sessions?host=sh1&state=active');
    await rows(page).first().waitFor();
    const key = await rows(page).first().getAttribute('data-key');
    await rows(page).first().focus();
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Message…' }).click();
    await page.getByRole('textbox', { name: 'Message' }).fill('Please save your work');
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByText('Message sent.').waitFor();
    await page.getByRole('button', { name: 'Log off…' }).click();
    await page.getByRole('button', { name: 'Log off', exact: true }).click();
    await page.locator('dialog').waitFor({ state: 'detached' });
    assert.equal(await page.locator(`[data-key="${key}"]`).count(), 0);
    await context.close();
  });

  test('how a session came to where it stands is told step by step, each with who says so', async () => {
    const { context, page } = await open('con-explain', { role: 'auditor' });
    await page.goto('/console/sessions?host=sh1&state=active');
    await rows(page).first().waitFor();
    await rows(page).first().click();
    await page.getByRole('button', { name: 'How it came to this' }).click();
    const steps = page.getByRole('region', { name: 'How it came to this' }).locator('li');
    await steps.first().waitFor();
    const told = await steps.allTextContents();
    assert.match(told[0], /placed on sh1.*Known from: the broker.s decision.*\(entry 41\)/s);
    assert.match(told.at(-2), /Now: .*Known from: the record of the session directory/s);
    assert.match(told.at(-1), /On the host: .*Known from: the last report of the host.s agent/s);
    await page.getByRole('button', { name: 'Hide' }).click();
    await steps.first().waitFor({ state: 'detached' });
    await context.close();
  });

  test('who may not act sees no buttons for it', async () => {
    const { context, page } = await open('con-auditor', { role: 'auditor' });
    await page.goto('/console/hosts/ssh2');
    await page.locator('.sides').waitFor();
    assert.equal(await page.getByRole('switch').count(), 0);
    const names = await page.locator('main button').allTextContents();
    assert.deepEqual(names.filter((name) => /Trust|Restart|Message|Revoke|Disable|Probe/.test(name)), []);
    await page.goto('/console/sessions');
    await rows(page).first().click();
    assert.equal(await page.locator('dialog').getByRole('button', { name: /Log off|Message|Disconnect/ }).count(), 0);
    await page.goto('/console/agents');
    await page.locator('.cards').waitFor();
    assert.equal(await page.getByRole('button', { name: /Approve|Reject|Create/ }).count(), 0);
    await context.close();
  });

  test('news come by themselves; while Portico is away the last view stays and says so', async () => {
    const { context, page } = await open('con-live', { role: 'operator' });
    await page.goto('/console/hosts/sh1');
    const cpu = page.locator('.legend .entry strong').first();
    await cpu.waitFor();
    await page.locator('.fresh').waitFor();
    const height = await page.evaluate(() => document.documentElement.scrollHeight);
    mock().set('con-live', { away: true });
    await page.locator('.fresh.stale').waitFor();
    assert.ok(await cpu.isVisible());
    assert.equal(await page.evaluate(() => document.documentElement.scrollHeight), height, 'the page jumped');
    mock().set('con-live', { away: false });
    await page.locator('.fresh.stale').waitFor({ state: 'detached' });
    await context.close();
  });

  test('the drawing is drawn: every line has its colour in it, in both themes', async () => {
    for (const theme of ['light', 'dark']) {
      const { context, page } = await open(`con-chart-${theme}`, { role: 'operator' }, { theme });
      await page.goto('/console/hosts/sh2');
      await page.locator('.chart canvas').nth(1).waitFor();
      const missing = await page.evaluate(() => {
        const box = document.querySelector('.chart');
        const names = [['cpu', 'memory', 'disk-wait'], ['sessions', 'run-queue']];
        return [...box.querySelectorAll('canvas')].flatMap((canvas, at) => {
          const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
          return names[at].filter((name) => {
            const hex = getComputedStyle(box).getPropertyValue(`--chart-${name}`).trim().slice(1);
            const want = [0, 2, 4].map((from) => Number.parseInt(hex.slice(from, from + 2), 16));
            for (let px = 0; px < data.length; px += 4) {
              if (data[px + 3] > 250 && want.every((part, channel) => Math.abs(data[px + channel] - part) < 6)) return false;
            }
            return true;
          });
        });
      });
      assert.deepEqual(missing, [], theme);
      await shoot(page, `console-host-chart-${theme}`);
      await context.close();
    }
  });

  test('the audit log is filtered, paged, and exported without formulas', async () => {
    const { context, page } = await open('con-audit', { role: 'operator' });
    await page.goto('/console/audit');
    await page.locator('tbody tr').nth(49).waitFor();
    const first = await page.locator('tbody td').first().textContent();
    await page.getByRole('button', { name: 'Older' }).click();
    await page.waitForURL('**/console/audit?before=*');
    await eventually('older records', async () => (await page.locator('tbody td').first().textContent()) !== first);
    await page.getByRole('searchbox', { name: /^What/ }).fill('host.');
    await page.waitForURL('**/console/audit?action=host.');
    await eventually('only hosts', async () => {
      const actions = await page.locator('tbody tr td:nth-child(4)').allTextContents();
      return actions.length > 0 && actions.every((action) => action.startsWith('host.'));
    });
    await page.getByRole('searchbox', { name: /^What/ }).fill('');
    await page.waitForURL('**/console/audit');
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Export as CSV' }).click()]);
    const text = await readFile(await download.path(), 'utf8');
    assert.equal(text.split('\r\n').length, 1 + 320 + 1);
    assert.match(text, /,'=cmd\|calc,/);
    assert.doesNotMatch(text, /(^|,)=/m);
    await context.close();
  });

  test('a maintenance is planned and cancelled', async () => {
    const { context, page } = await open('con-maintenance', { role: 'operator' });
    await page.goto('/console/maintenance');
    await page.locator('.cards').waitFor();
    await page.getByRole('button', { name: 'Plan maintenance…' }).click();
    await page.getByRole('button', { name: 'Plan', exact: true }).click();
    await page.getByText('Choose at least one host.').waitFor();
    await page.getByLabel('sh5').check();
    await page.getByRole('textbox', { name: 'Message' }).fill('Fresh paint');
    await page.getByRole('button', { name: 'Plan', exact: true }).click();
    await page.getByText('Fresh paint').waitFor();
    const card = page.locator('section', { hasText: 'Fresh paint' });
    await card.getByRole('button', { name: 'Cancel the maintenance…' }).click();
    await page.locator('dialog').getByRole('button', { name: 'Cancel the maintenance' }).click();
    await page.getByText('Fresh paint').waitFor({ state: 'detached' });
    await context.close();
  });
}
