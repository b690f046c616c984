// What takes longer than `make test` allows: a gigabyte through the terminal, or FLOOD_BYTES.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually, launchChromium, newContext, openFromWebtop, readTerminal, signIn, typeInTerminal, waitForTerminal } from './lib.mjs';
import { residentKib } from './server.mjs';

const baseURL = process.env.PORTICO_URL;
/** How much; the screen reader's copy of the text, which the test reads, makes it slow. */
const BYTES = Number(process.env.FLOOD_BYTES ?? 1_000_000_000);
/** Most resident memory of portico and its engine, in KiB: a debug build, a hundred times less than the flood. */
const RSS_MAX_KIB = 200 * 1024;
/** Longest time the page may take to answer while the flood goes on, in ms. */
const ANSWER_MAX_MS = 2_000;

let browser;
before(async () => {
  browser = await launchChromium(['--ignore-certificate-errors']);
});
after(async () => browser?.close());

test(`${BYTES / 1e6} MB of text neither grows memory nor freezes the tab`, { timeout: 1_500_000 }, async () => {
  const context = await newContext(browser, { baseURL });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  await signIn(page, 'demo', 'portico-demo');
  await openFromWebtop(page, 'terminal');
  await waitForTerminal(page);
  await eventually('a prompt', async () => (await readTerminal(page)).some((line) => /\$\s*$/.test(line)));
  await typeInTerminal(page, `head -c ${BYTES} /dev/zero | tr '\\0' x | fold -w 99; clear; echo flood-$((40+2))\n`);
  let [rssMax, answerMax] = [0, 0];
  await eventually('the end of the flood', async () => {
    const asked = Date.now();
    const lines = await readTerminal(page);
    answerMax = Math.max(answerMax, Date.now() - asked);
    rssMax = Math.max(rssMax, residentKib());
    return lines.includes('flood-42');
  }, { timeout: 1_400_000, every: 500 });
  console.log(`largest resident memory ${rssMax} KiB, longest answer of the page ${answerMax} ms`);
  assert.ok(rssMax < RSS_MAX_KIB, `${rssMax} KiB`);
  assert.ok(answerMax < ANSWER_MAX_MS, `${answerMax} ms`);
});
