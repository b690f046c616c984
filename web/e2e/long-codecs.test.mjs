// The servers of Debian 13 in the lab, which are optional (E2E_MORE='sh3 shadow3'): xrdp 0.10 with H.264 and
// a size that follows the window, and FreeRDP 3, which forces each codec of the graphics pipeline on a port of its own.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  difference, eventually, launchChromium, lit, newContext, openDesktop, openFromWebtop, readPixels, requireChromium, shoot, signIn,
  waitForDesktop, watchErrors,
} from './lib.mjs';

/** Resources of shadow3, and what the statistics call the codec. */
const CODECS = [
  ['uncompressed', /^gfx-uncompressed$/],
  ['remotefx', /^gfx-remotefx$/],
  ['progressive', /^gfx-progressive$/],
  ['planar', /^gfx-planar$/],
  ['avc420', /^H\.264 \(AVC420\)$/],
  ['avc444', /^H\.264 \(AVC444\)$/],
];

let browser;
before(async () => {
  requireChromium();
  browser = await launchChromium(['--ignore-certificate-errors']);
});
after(() => browser?.close());

async function newPage(inPage) {
  const context = await newContext(browser, { baseURL: process.env.PORTICO_URL });
  if (inPage) await context.addInitScript(inPage);
  await context.addInitScript(() => localStorage.setItem('portico-statistics', 'on'));
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const errors = watchErrors(page);
  await signIn(page, 'demo', 'portico-demo');
  return { context, page, errors };
}

function withoutAvc444() {
  const post = Worker.prototype.postMessage;
  Worker.prototype.postMessage = function postMessage(message, ...rest) {
    if (message?.type === 'connect') message.settings.avc444 = false;
    return post.call(this, message, ...rest);
  };
}

const figure = (page, name) => page.locator(`[data-figure=${name}] dd`).innerText();

for (const [codec, name] of CODECS) {
  test(`${codec}, and no other codec, shows a picture that moves and takes input`, async () => {
    // To who takes both, this server sends AVC420 only when it also has AVC444.
    const { context, page, errors } = await newPage(codec === 'avc420' ? withoutAvc444 : undefined);
    if (codec === 'planar') {
      // FreeRDP 3.15 makes planar pictures wrong from their second line on: its own client shows the same.
      await openFromWebtop(page, `codec-${codec}`);
      await waitForDesktop(page);
    } else {
      await openDesktop(page, `codec-${codec}`);
    }
    await eventually(`the codec ${codec}`, async () => name.test(await figure(page, 'codec'))).catch(async (error) => {
      throw new Error(`${error.message}; it is ${await figure(page, 'codec')}`);
    });
    await eventually('a picture', async () => lit(await readPixels(page)) > 0.02);
    const before = await readPixels(page);
    await eventually('something that moves', async () => difference(before, await readPixels(page)) > 0);
    assert.match(await figure(page, 'codec'), name);
    await shoot(page, `codec-${codec}`);
    assert.deepEqual(errors, []);
    await context.close();
  });
}

test('xrdp 0.10 sends H.264, and its desktop follows the window', async () => {
  const { context, page, errors } = await newPage();
  await openFromWebtop(page, 'modern');
  await waitForDesktop(page);
  await page.locator('.launching').waitFor({ state: 'detached' });
  await eventually('H.264', async () => /^H\.264/.test(await figure(page, 'codec'))).catch(async (error) => {
    throw new Error(`${error.message}; it is ${await figure(page, 'codec')}`);
  });
  await eventually('a picture', async () => lit(await readPixels(page)) > 0.02);
  await page.setViewportSize({ width: 1000, height: 700 });
  await eventually('a desktop of the new size', async () => {
    const { width, height } = await readPixels(page);
    return width === 1000 && height === 700;
  });
  await eventually('a picture of the new size', async () => lit(await readPixels(page)) > 0.02);
  assert.equal(await page.locator('.curtain').count(), 0);
  await shoot(page, 'codec-xrdp-0.10');
  assert.deepEqual(errors, []);
  await context.close();
});
