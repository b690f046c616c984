// GNOME's remote desktop server (grd1 of the lab): the graphics pipeline with the progressive codec, a
// size that follows the window, and sound through a dynamic channel up to the ear.
// Needs the lab (PORTICO_LAB), which plays the tone inside the host.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, test } from 'node:test';
import {
  DESKTOP_CANVAS, difference, eventually, launchChromium, lit, newContext, openFromWebtop, readPixels, requireChromium, shoot, signIn,
  waitForDesktop, watchErrors,
} from './lib.mjs';

const URL_OF_PORTICO = process.env.PORTICO_URL;
const TONE_HZ = 440;

let browser;
before(async () => {
  requireChromium();
  browser = await launchChromium(['--ignore-certificate-errors']);
});
after(() => browser?.close());

async function desktop(inPage) {
  const context = await newContext(browser, { baseURL: URL_OF_PORTICO });
  await context.addInitScript(() => localStorage.setItem('portico-statistics', 'on'));
  if (inPage) await context.addInitScript(inPage);
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const errors = watchErrors(page);
  await signIn(page, 'demo', 'portico-demo');
  await openFromWebtop(page, 'grd-desktop');
  await waitForDesktop(page);
  await page.locator('.launching').waitFor({ state: 'detached' });
  return { context, page, errors };
}

const figure = (page, name) => page.locator(`[data-figure=${name}] dd`).innerText();

test('the progressive codec is drawn, and the host follows the window', async () => {
  const { context, page, errors } = await desktop();
  await eventually('the progressive codec', async () => (await figure(page, 'codec')) === 'gfx-progressive');
  await eventually('a desktop of the size of the window', async () => {
    const { width, height } = await readPixels(page, undefined);
    return width === 1280 && height === 800;
  });
  // A terminal, and a small thing that moves four times a second.
  await eventually('a picture', async () => lit(await readPixels(page)) > 0.05);
  const before = await readPixels(page);
  await eventually('something that moves', async () => difference(before, await readPixels(page)) > 0);
  await page.setViewportSize({ width: 1000, height: 700 });
  await eventually('a desktop of the new size', async () => {
    const { width, height } = await readPixels(page);
    return width === 1000 && height === 700;
  });
  await eventually('a picture of the new size', async () => lit(await readPixels(page)) > 0.05);
  const resized = await readPixels(page);
  await eventually('something that still moves', async () => difference(resized, await readPixels(page)) > 0);
  assert.equal(await page.locator('.curtain').count(), 0);
  await shoot(page, 'gnome-resized');
  assert.deepEqual(errors, []);
  await context.close();
});

test('a tone on the host is heard in the browser', async () => {
  const { context, page, errors } = await desktop(() => {
    // Listens to what goes to the device.
    const connect = AudioNode.prototype.connect;
    AudioNode.prototype.connect = function connectAndListen(target, ...rest) {
      if (target instanceof AudioDestinationNode) {
        const ear = this.context.createAnalyser();
        ear.fftSize = 32_768;
        ear.smoothingTimeConstant = 0;
        connect.call(this, ear);
        window.ear = ear;
      }
      return connect.call(this, target, ...rest);
    };
  });
  // The gesture that browsers want before a page makes a sound.
  await page.locator(DESKTOP_CANVAS).click({ position: { x: 900, y: 700 } });
  const tone = spawn(process.env.PORTICO_LAB, ['exec', 'grd1', '--user', 'demo', '--', '/etc/lab/tone', String(TONE_HZ), '20'], { stdio: 'ignore' });
  try {
    const heard = await eventually('the tone', async () => {
      const now = await page.evaluate(() => {
        const { ear } = window;
        if (!ear) return undefined;
        const samples = new Float32Array(ear.fftSize);
        ear.getFloatTimeDomainData(samples);
        const levels = new Float32Array(ear.frequencyBinCount);
        ear.getFloatFrequencyData(levels);
        // What is below 50 Hz comes of gaps, not of a tone.
        const perBin = ear.context.sampleRate / ear.fftSize;
        let best = Math.ceil(50 / perBin);
        for (let at = best; at < levels.length; at += 1) if (levels[at] > levels[best]) best = at;
        return {
          hz: best * perBin,
          sounding: samples.filter((sample) => Math.abs(sample) > 0.01).length / samples.length,
          peak: samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0),
        };
      });
      // A busy machine leaves gaps: a third of the time is enough to know the tone.
      return now && now.sounding > 0.3 && Math.abs(now.hz - TONE_HZ) < 8 && now;
    }, { timeout: 18_000 });
    console.log(`heard ${heard.hz.toFixed(1)} Hz, ${(heard.sounding * 100).toFixed(0)} % of the samples sound, peak ${heard.peak.toFixed(2)}`);
    // Half of full scale, as it was played.
    assert.ok(heard.peak > 0.3 && heard.peak < 0.8, `peak ${heard.peak}`);
  } finally {
    tone.kill();
  }
  assert.deepEqual(errors, []);
  await context.close();
});
