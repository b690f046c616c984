// H.264 of a real host (nla1 of the lab), decoded by the browser: that it is used, that the picture is
// the host's, and what happens when the browser does not decode it.
// Needs the lab (PORTICO_LAB), which is asked for the host's own picture.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import {
  DESKTOP_CANVAS, eventually, launchChromium, newContext, openDesktop, repeat, requireChromium, shoot, signIn, watchErrors,
} from './lib.mjs';

const URL_OF_PORTICO = process.env.PORTICO_URL;
/** Share of pixels that may differ: a clock and a turning body move between the two pictures. */
const MOVING_MAX = 0.03;

let browser;
before(async () => {
  requireChromium();
  browser = await launchChromium(['--ignore-certificate-errors']);
});
after(() => browser?.close());

/** A page with statistics over the session; `inWorker` is run in the connection's worker before its own code. */
async function desktop({ inWorker = '', inPage } = {}) {
  const context = await newContext(browser, { baseURL: URL_OF_PORTICO });
  await context.addInitScript(() => localStorage.setItem('portico-statistics', 'on'));
  if (inPage) await context.addInitScript(inPage);
  let patched = 0;
  if (inWorker) {
    // A worker whose code comes from the test counts as one of nowhere, which may not reach this machine.
    await context.grantPermissions(['local-network-access'], { origin: new URL(URL_OF_PORTICO).origin });
    await context.route(/\/assets\/main-[^/]*\.js$/, async (route) => {
      const response = await route.fetch();
      patched += 1;
      await route.fulfill({ response, body: `${inWorker};\n${await response.text()}` });
    });
  }
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const errors = watchErrors(page);
  await signIn(page, 'demo', 'portico-demo');
  await openDesktop(page, 'nla-desktop');
  if (inWorker) assert.ok(patched > 0, 'the worker was not patched');
  return { context, page, errors };
}

const figure = (page, name) => page.locator(`[data-figure=${name}] dd`).innerText();

/** What the host's screen shows, as RGB, asked from the X server inside the host. */
function pictureOfHost() {
  const dump = execFileSync(process.env.PORTICO_LAB, ['exec', 'nla1', '--user', 'demo', '--', 'env', 'DISPLAY=:0', 'xwd', '-root', '-silent'], {
    maxBuffer: 64 * 1024 * 1024,
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 20_000,
  });
  // XWDFile.h: numbers of 32 bits, big endian.
  const field = (at) => dump.readUInt32BE(at * 4);
  const [width, height, perPixel, perLine] = [field(4), field(5), field(11), field(12)];
  assert.deepEqual([perPixel, field(7)], [32, 0], 'a picture of 32 bits, little endian');
  const pixels = dump.subarray(field(0) + field(19) * 12);
  const rgb = Buffer.alloc(width * height * 3);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const from = y * perLine + x * 4;
      rgb.set([pixels[from + 2], pixels[from + 1], pixels[from]], (y * width + x) * 3);
    }
  }
  return { width, height, rgb };
}

async function pictureOfPage(page) {
  const { width, height, text } = await page.evaluate((selector) => {
    const canvas = document.querySelector(selector);
    const copy = document.createElement('canvas');
    copy.width = canvas.width;
    copy.height = canvas.height;
    const context = copy.getContext('2d', { willReadFrequently: true });
    context.drawImage(canvas, 0, 0);
    const { data } = context.getImageData(0, 0, copy.width, copy.height);
    const rgb = new Uint8Array((data.length / 4) * 3);
    for (let at = 0; at < data.length / 4; at += 1) rgb.set(data.subarray(at * 4, at * 4 + 3), at * 3);
    let joined = '';
    for (let at = 0; at < rgb.length; at += 0x8000) joined += String.fromCharCode(...rgb.subarray(at, at + 0x8000));
    return { width: copy.width, height: copy.height, text: btoa(joined) };
  }, DESKTOP_CANVAS);
  return { width, height, rgb: Buffer.from(text, 'base64') };
}

/** Share of pixels of which a colour differs by more than `tolerance`. */
function differing(a, b, tolerance) {
  assert.deepEqual([a.width, a.height], [b.width, b.height]);
  let count = 0;
  for (let at = 0; at < a.rgb.length; at += 3) {
    const most = Math.max(
      Math.abs(a.rgb[at] - b.rgb[at]),
      Math.abs(a.rgb[at + 1] - b.rgb[at + 1]),
      Math.abs(a.rgb[at + 2] - b.rgb[at + 2]),
    );
    if (most > tolerance) count += 1;
  }
  return count / (a.rgb.length / 3);
}

async function assertShowsTheHost(page, tolerance) {
  let last = 1;
  await eventually(`the picture of the host (tolerance ${tolerance})`, async () => {
    last = differing(pictureOfHost(), await pictureOfPage(page), tolerance);
    return last < MOVING_MAX;
  }, { timeout: 30_000, every: 500 }).catch((error) => {
    throw new Error(`${error.message}; ${last} of the pixels differ`);
  });
  return last;
}

test('H.264 with full colour is decoded by the browser and shows what the host shows', async () => {
  const { context, page, errors } = await desktop();
  await eventually('H.264', async () => (await figure(page, 'codec')) === 'H.264 (AVC444)');
  assert.equal(await figure(page, 'video'), 'offered');
  const differs = await assertShowsTheHost(page, 32);
  console.log(`AVC444: ${(differs * 100).toFixed(2)} % of the pixels differ by more than 32`);
  // It goes on: the host waits for acknowledgements.
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  await eventually('pictures', async () => Number.parseInt(await figure(page, 'updates'), 10) > 0);
  await assertShowsTheHost(page, 32);
  await shoot(page, 'desktop-h264');
  // What is typed comes back as a picture.
  await repeat('a response', () => page.keyboard.press('KeyX'), async () => /\d/.test(await figure(page, 'response')));
  assert.deepEqual(errors, []);
  await context.close();
});

test('without full colour it is H.264 as well', async () => {
  const { context, page, errors } = await desktop({
    inPage: () => {
      const post = Worker.prototype.postMessage;
      Worker.prototype.postMessage = function postMessage(message, ...rest) {
        if (message?.type === 'connect') message.settings.avc444 = false;
        return post.call(this, message, ...rest);
      };
    },
  });
  await eventually('H.264', async () => (await figure(page, 'codec')) === 'H.264 (AVC420)');
  // Colours of neighbours run into each other.
  const differs = await assertShowsTheHost(page, 80);
  console.log(`AVC420: ${(differs * 100).toFixed(2)} % of the pixels differ by more than 80`);
  assert.deepEqual(errors, []);
  await context.close();
});

test('a browser without a decoder is sent something else, and the statistics say so', async () => {
  const { context, page, errors } = await desktop({ inWorker: 'VideoDecoder.isConfigSupported = async () => ({ supported: false })' });
  await eventually('another codec', async () => /^(surface|bitmap)$/.test(await figure(page, 'codec')));
  assert.equal(await figure(page, 'video'), 'not in this browser');
  await assertShowsTheHost(page, 32);
  assert.deepEqual(errors, []);
  await context.close();
});

for (const [what, inWorker] of [
  ['fails', 'VideoDecoder.prototype.decode = function () { throw new Error("told to fail") }'],
  ['gives no picture', 'VideoDecoder.prototype.decode = function () {}'],
]) {
  test(`a decoder that ${what} is left out of the next connection, which comes by itself`, async () => {
    const { context, page, errors } = await desktop({ inWorker });
    // Before its pipeline is open this host sends the first picture in another way.
    await eventually('the next connection', async () => (await figure(page, 'video')) === 'off: decoding failed');
    await eventually('another codec', async () => /^(surface|bitmap)$/.test(await figure(page, 'codec')));
    await assertShowsTheHost(page, 32);
    assert.deepEqual(errors, []);
    await context.close();
  });
}

/** Where the host's pointer is, as its X server has it. */
function pointerOnHost() {
  const text = execFileSync(process.env.PORTICO_LAB, ['exec', 'nla1', '--user', 'demo', '--', 'env', 'DISPLAY=:0', 'xdotool', 'getmouselocation'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 20_000,
  });
  const [, x, y] = /x:(\d+) y:(\d+)/.exec(text);
  return { x: Number(x), y: Number(y) };
}

test('a host that cannot follow the window is scaled into it, and the pointer still finds its place', async () => {
  const { context, page, errors } = await desktop();
  await page.setViewportSize({ width: 800, height: 600 });
  const shown = () => page.locator(DESKTOP_CANVAS).evaluate((canvas) => {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    return { left, top, width, height, pixels: [canvas.width, canvas.height] };
  });
  await eventually('a smaller picture', async () => Math.round((await shown()).width) === 800);
  const box = await shown();
  // The whole of the host's screen, in its own proportions.
  assert.deepEqual(box.pixels, [1280, 800]);
  assert.equal(Math.round(box.height), 500);
  assert.ok(box.left >= 0 && box.top >= 0 && box.top + box.height <= 600, JSON.stringify(box));
  await assertShowsTheHost(page, 32);
  for (const [x, y] of [[320, 200], [960, 600]]) {
    await page.mouse.move(box.left + (x / 1280) * box.width, box.top + (y / 800) * box.height);
    await eventually(`the pointer at ${x}, ${y}`, () => {
      const at = pointerOnHost();
      return Math.abs(at.x - x) <= 2 && Math.abs(at.y - y) <= 2;
    });
  }
  await shoot(page, 'desktop-scaled');
  assert.deepEqual(errors, []);
  await context.close();
});
