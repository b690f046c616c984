// The microphone on a real host: xrdp 0.10 in the lab, which is optional (E2E_MORE=sh3). The browser's
// fake microphone beeps; a program in the session records what comes there.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { after, before, test } from 'node:test';
import { openMenu } from './desktop-devices.mjs';
import { eventually, launchChromium, newContext, openFromWebtop, requireChromium, shoot, signIn, waitForDesktop, watchErrors } from './lib.mjs';

const HOST = 'sh3';
const USER = 'demo';
/** Louder than silence with its rounding; the beep has a quarter of full scale and more. */
const LOUD = 1_000;

let browser;
before(async () => {
  requireChromium();
  browser = await launchChromium(['--ignore-certificate-errors', '--use-fake-device-for-media-stream', '--use-fake-ui-for-media-stream']);
});
after(() => browser?.close());

/** Records in the session for some seconds; gives how many samples were loud, and how many there were. */
function record(seconds) {
  const script = `XDG_RUNTIME_DIR=$HOME/.runtime timeout ${seconds} parec --raw --rate=44100 --channels=1 --format=s16le`;
  const child = spawn(process.env.PORTICO_LAB, ['exec', HOST, '--user', USER, '--', 'sh', '-c', script], { stdio: ['ignore', 'pipe', 'ignore'] });
  const parts = [];
  child.stdout.on('data', (data) => parts.push(data));
  return new Promise((resolve) => {
    child.once('close', () => {
      const bytes = Buffer.concat(parts);
      let loud = 0;
      for (let at = 0; at + 1 < bytes.length; at += 2) if (Math.abs(bytes.readInt16LE(at)) > LOUD) loud += 1;
      resolve({ loud, samples: bytes.length / 2 });
    });
  });
}

test('what the device hears is heard in the session, only while the microphone is on', async () => {
  const context = await newContext(browser, { baseURL: process.env.PORTICO_URL });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const errors = watchErrors(page);
  await signIn(page, USER, 'portico-demo');
  await openFromWebtop(page, 'modern');
  await waitForDesktop(page);
  await page.locator('.launching').waitFor({ state: 'detached' });
  await eventually('the sound of the session', () => {
    try {
      const sources = execFileSync(process.env.PORTICO_LAB, ['exec', HOST, '--user', USER, '--', 'sh', '-c', 'XDG_RUNTIME_DIR=$HOME/.runtime timeout 5 pactl list short sources'], { stdio: ['ignore', 'pipe', 'ignore'] });
      return /xrdp/.test(sources.toString());
    } catch {
      return false;
    }
  });
  const off = await record(4);
  assert.equal(off.loud, 0, 'nothing while it is off');

  await openMenu(page);
  await page.getByRole('button', { name: 'Switch the microphone on' }).click();
  await page.locator('.sign').waitFor();
  await page.keyboard.press('Escape');
  const listening = record(6);
  await page.locator('.sign').getByText('Microphone on').waitFor();
  await shoot(page, 'microphone-on');
  const on = await listening;
  console.log(`${on.loud} loud samples of ${on.samples}`);
  // Beeps of a fifth of a second, once a second.
  assert.ok(on.loud > 5_000, JSON.stringify(on));
  await page.locator('.sign').getByText('Microphone ready').waitFor();

  const second = record(6);
  await page.locator('.sign').getByText('Microphone on').waitFor();
  const again = await second;
  assert.ok(again.loud > 2_000, `another program: ${JSON.stringify(again)}`);
  await page.locator('.sign').click();
  await page.locator('.sign').waitFor({ state: 'detached' });
  assert.equal((await record(4)).loud, 0, 'off again');
  assert.deepEqual(errors, []);
  await context.close();
});
