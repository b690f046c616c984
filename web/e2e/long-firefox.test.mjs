// A desktop in Firefox, as its people have it: sign in, open, see, type, come back. The other tests run
// in Chromium; what Firefox lacks stands in docs/rdp-client.md.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openFirefox, requireFirefox } from './firefox.mjs';
import { difference, eventually, lit, readPixels, XTERM } from './lib.mjs';

const URL_OF_PORTICO = process.env.PORTICO_URL;
const SHOTS = process.env.PORTICO_SHOTS;

let firefox;
let page;
before(async () => {
  requireFirefox();
  firefox = await openFirefox();
  ({ page } = firefox);
  await page.watchErrors();
});
after(() => firefox?.close());

const has = (selector) => page.evaluate((wanted) => document.querySelector(wanted) !== null, selector);
const shoot = (name) => (SHOTS ? page.screenshot(join(SHOTS, `${name}.png`)) : undefined);
/** `readPixels` of Playwright pages hands its arguments over as one. */
const pixels = (region) => readPixels({ evaluate: (act, args) => page.evaluate(act, args) }, region);

async function settledTerminal() {
  let last = await pixels(XTERM);
  return eventually('a picture that rests', async () => {
    await new Promise((resolve) => setTimeout(resolve, 600));
    const now = await pixels(XTERM);
    const rests = difference(last, now) < 0.002;
    last = now;
    return rests ? now : undefined;
  });
}

test('Firefox signs in, shows a desktop and types into it', async () => {
  await page.goto(`${URL_OF_PORTICO}/sign-in`);
  await eventually('the form', () => has('input[name=password]'));
  await page.click('input[name=username]');
  await page.type('anna');
  await page.click('input[name=password]');
  await page.type('portico-demo\n');
  await eventually('the webtop', () => has('a[data-tile][href="/launch/desktop"]'));
  await page.click('a[data-tile][href="/launch/desktop"]');
  await eventually('the desktop', async () => (await has('.stage canvas')) && !(await has('.launching')));
  await eventually('the terminal of the desktop', async () => lit(await pixels(XTERM), 200) > 0.7);
  await page.click('.stage canvas', { x: 300, y: 250 });
  const before = await settledTerminal();
  await shoot('firefox-desktop');
  await page.type('echo firefox\n');
  await eventually('what was typed', async () => difference(before, await pixels(XTERM)) > 0.001);
  await settledTerminal();
  await shoot('firefox-typed');
});

test('its menu says what Firefox cannot do', async () => {
  await page.click('.toolbar .tab');
  await eventually('the menu', () => has('.panel'));
  const text = await eventually('what is said of screens', () =>
    page.evaluate(() => {
      const all = document.querySelector('.panel')?.innerText ?? '';
      return all.includes('This browser shows a session in one window.') && all;
    }),
  );
  assert.ok(!text.includes('Choose screens'));
  await shoot('firefox-menu');
  assert.deepEqual(page.errors.filter((error) => !/Content-Security-Policy|cookie/i.test(error)), []);
});
