// GNOME's remote desktop server (grd1 of the lab): the graphics pipeline with the progressive codec, a
// size that follows the window, sound through a dynamic channel up to the ear, and formatted text in
// the clipboard.
// Needs the lab (PORTICO_LAB), which plays the tone inside the host and looks at its clipboard.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
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
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: new URL(URL_OF_PORTICO).origin });
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

/** The clipboard of the desktop by way of its X server; gives out bytes. */
function xclip(args, input) {
  const script = `DISPLAY=:0 XAUTHORITY=$(echo /run/user/*/.mutter-Xwaylandauth.*) exec timeout 10 xclip -selection clipboard ${args}`;
  // xclip stays behind to give what it was given, and must not hold our pipes.
  const command = input === undefined ? script : `${script} >/dev/null 2>&1`;
  return execFileSync(process.env.PORTICO_LAB, ['exec', 'grd1', '--user', 'demo', '--', 'sh', '-c', command], { input, stdio: ['pipe', 'pipe', 'ignore'], timeout: 20_000 });
}

test('formatted text goes both ways between the clipboards', async () => {
  const { context, page, errors } = await desktop();
  await page.evaluate(async () => {
    const form = (type, text) => [type, new Blob([text], { type })];
    const forms = [form('text/html', '<p>vom <b>Gerät: Ä Ω 漢</b></p>'), form('text/plain', 'vom Gerät: Ä Ω 漢')];
    await navigator.clipboard.write([new ClipboardItem(Object.fromEntries(forms))]);
    window.dispatchEvent(new Event('focus'));
  });
  const onHost = (type) => {
    try {
      return xclip(`-t ${type} -o`).toString();
    } catch {
      return ''; // Nobody offers it yet.
    }
  };
  const html = await eventually('the formatted text on the host', () => {
    const text = onHost('text/html');
    return text.includes('Gerät') && text;
  });
  // The browser adds styles to what a page puts there.
  assert.match(html, /<b[^>]*>Gerät: Ä Ω 漢<\/b>/);
  assert.equal(onHost('UTF8_STRING'), 'vom Gerät: Ä Ω 漢');

  xclip('-t text/html', '<p>vom <i>Rechner: Ä Ω 漢</i></p>');
  const device = await eventually('the formatted text on the device', () => page.evaluate(async () => {
    const [item] = await navigator.clipboard.read();
    if (!item.types.includes('text/html')) return undefined;
    const text = await (await item.getType('text/html')).text();
    return text.includes('Rechner') && text;
    // It may change while it is read.
  }).catch(() => undefined));
  assert.match(device, /<i[^>]*>Rechner: Ä Ω 漢<\/i>/);
  assert.deepEqual(errors, []);
  await context.close();
});
