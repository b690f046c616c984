// A tab in which desktops are opened and left many times: what one connection takes, it gives back.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { DESKTOP_CANVAS, eventually, launchChromium, newContext, requireChromium, signIn, watchErrors } from './lib.mjs';

/** How often; the first ones fill caches that stay. */
const CONNECTS = Number(process.env.CONNECTS ?? 100);
const WARM_UP = 10;
/** Most that the tab may grow between the warm-up and the end. */
const GROWTH_MAX_MB = 20;

let browser;
before(async () => {
  requireChromium();
  browser = await launchChromium(['--ignore-certificate-errors']);
});
after(() => browser?.close());

/** Memory of the tab's process that nothing else shares, and the part of it that is JavaScript's, in MB. */
async function memory(devtools, page) {
  // Twice: what the first round frees may hold more.
  for (let round = 0; round < 2; round += 1) await devtools.send('HeapProfiler.collectGarbage');
  await page.waitForTimeout(500);
  const { metrics } = await devtools.send('Performance.getMetrics');
  const heap = metrics.find((one) => one.name === 'JSHeapUsedSize').value / 1e6;
  const all = await browser.newBrowserCDPSession();
  const { processInfo } = await all.send('SystemInfo.getProcessInfo');
  await all.detach();
  const sizes = processInfo
    .filter((one) => one.type === 'renderer')
    .map((one) => Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync(`/proc/${one.id}/status`, 'utf8'))[1]) / 1000);
  // A spare process waits for the next tab; this tab's is the largest.
  return { heap, process: Math.max(...sizes) };
}

async function connectOnce(page) {
  await page.locator('a[data-tile][href="/launch/desktop"]').first().click();
  await page.locator(DESKTOP_CANVAS).waitFor({ state: 'visible' });
  await page.locator('.launching').waitFor({ state: 'detached' });
  await page.locator('.toolbar .tab').click();
  await page.getByRole('button', { name: 'Disconnect' }).click();
  await page.locator('[data-tile]').first().waitFor();
}

test(`${CONNECTS} desktops in one tab, one after the other, do not grow it`, { timeout: 1_500_000 }, async () => {
  const context = await newContext(browser, { baseURL: process.env.PORTICO_URL });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const errors = watchErrors(page);
  await signIn(page, 'demo', 'portico-demo');
  const devtools = await context.newCDPSession(page);
  await devtools.send('Performance.enable');
  const began = Date.now();
  for (let count = 0; count < WARM_UP; count += 1) await connectOnce(page);
  await eventually('workers to be gone', () => page.workers().length <= 1);
  const first = await memory(devtools, page);
  for (let count = WARM_UP; count < CONNECTS; count += 1) await connectOnce(page);
  await eventually('workers to be gone', () => page.workers().length <= 1);
  const last = await memory(devtools, page);
  const grown = (name) => last[name] - first[name];
  console.log(
    `largest resident: ${CONNECTS} connects in ${Math.round((Date.now() - began) / 1000)} s; the tab's process ${first.process.toFixed(0)} MB after ${WARM_UP}, ${last.process.toFixed(0)} MB at the end, JavaScript ${first.heap.toFixed(1)} and ${last.heap.toFixed(1)} MB`,
  );
  assert.ok(grown('process') < GROWTH_MAX_MB, `the process grew by ${grown('process').toFixed(1)} MB`);
  assert.ok(grown('heap') < GROWTH_MAX_MB / 4, `JavaScript grew by ${grown('heap').toFixed(1)} MB`);
  assert.deepEqual(errors, []);
  await context.close();
});
