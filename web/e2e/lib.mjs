// Shared by the page tests (stand-in server) and the real end-to-end tests.
import { execFileSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

/** The canvas that shows a desktop. */
export const DESKTOP_CANVAS = '.stage canvas';
export const WIDTHS = [360, 1280, 2560];
const HEIGHTS = { 360: 740, 1280: 800, 2560: 1440 };

/** Where Debian puts Chromium; another one can be named. */
export const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

export function launchChromium(extra = []) {
  return chromium.launch({
    executablePath: CHROMIUM,
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--force-color-profile=srgb', ...extra],
  });
}

/**
 * A browser context: its own cookies, as a person's own browser. `terminal` settings are remembered
 * as the page would; the screen reader mode makes the text readable for tests.
 */
export async function newContext(browser, { width = 1280, theme = 'light', locale = 'en-GB', baseURL, readable = true, hasTouch = false, deviceScaleFactor = 1 } = {}) {
  const context = await browser.newContext({
    baseURL,
    viewport: { width, height: HEIGHTS[width] ?? 800 },
    colorScheme: theme,
    locale,
    ignoreHTTPSErrors: true,
    reducedMotion: 'reduce',
    hasTouch,
    deviceScaleFactor,
  });
  if (readable) {
    await context.addInitScript(() => {
      try {
        localStorage.setItem('portico-terminal', JSON.stringify({ screenReader: true }));
      } catch {
        // Pages without storage, such as about:blank.
      }
    });
  }
  return context;
}

/** Collects what a page complains about; a test asserts that it is empty. */
export function watchErrors(page) {
  const errors = [];
  page.on('pageerror', (error) => errors.push(`page error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() !== 'error') return;
    const text = message.text();
    // The browser logs every answer of 400 and above by itself; the pages show those in words.
    if (/Failed to load resource|WebSocket connection to/.test(text)) return;
    errors.push(`console: ${text}`);
  });
  return errors;
}

export async function signIn(page, user, password) {
  await page.goto('/sign-in');
  await page.locator('input[name=username]').fill(user);
  await page.locator('input[name=password]').fill(password);
  await page.locator('button[type=submit]').click();
  await page.locator('main#content').waitFor();
}

/** Opens a resource from the webtop by its tile. */
export async function openFromWebtop(page, resource) {
  await page.goto('/');
  await page.locator(`a[data-tile][href="/launch/${resource}"]`).first().click();
}

/** Ends what runs, so that a test begins with a session of its own. */
export async function endAll(page) {
  await page.goto('/');
  await page.locator('[data-tile]').first().waitFor();
  for (;;) {
    const end = page.locator('.sessions button').first();
    if ((await end.count()) === 0) return;
    const before = await page.locator('.sessions > li').count();
    await end.click();
    await page.locator('dialog .danger').click();
    await eventually('a session less', async () => (await page.locator('.sessions > li').count()) < before);
  }
}

/** Waits until the viewer has its session; a refusal ends the test at once, in the page's words. */
async function waitForViewer(page, timeout) {
  await page.waitForFunction(
    () => location.pathname.startsWith('/view/') || document.querySelector('.launching .notice') !== null,
    undefined,
    { timeout },
  );
  const refused = page.locator('.launching .notice');
  if ((await refused.count()) > 0) throw new Error(`the launch was refused: ${await refused.first().innerText()}`);
}

/** Waits until a desktop shows a picture; its canvas is drawn by the worker of the connection. */
export async function waitForDesktop(page, timeout = 60_000) {
  await waitForViewer(page, timeout);
  const canvas = page.locator(DESKTOP_CANVAS);
  await canvas.waitFor({ state: 'visible', timeout });
  await page.waitForFunction(
    (selector) => (document.querySelector(selector)?.width ?? 0) > 0,
    DESKTOP_CANVAS,
    { timeout },
  );
  return canvas;
}

/** The lab's desktop opens an xterm at 40,48; this lies inside its text. */
export const XTERM = { x: 60, y: 90, width: 480, height: 300 };

/** Opens the desktop and waits for its terminal: the background is there before the programs. */
export async function openDesktop(page, resource = 'desktop') {
  await openFromWebtop(page, resource);
  await waitForDesktop(page);
  await page.locator('.launching').waitFor({ state: 'detached' });
  await eventually('the terminal of the desktop', async () => lit(await readPixels(page, XTERM), 200) > 0.7);
}

export async function focusXterm(page) {
  await page.locator(DESKTOP_CANVAS).click({ position: { x: 300, y: 250 } });
}

/** The picture of a region once it has not changed for a while. */
export async function settled(page, region) {
  let last = await readPixels(page, region);
  return eventually('a picture that rests', async () => {
    await new Promise((resolve) => setTimeout(resolve, 600));
    const now = await readPixels(page, region);
    const rests = difference(last, now) < 0.002;
    last = now;
    return rests ? now : undefined;
  });
}

/** Pixels of a region of the desktop's canvas, in the host's coordinates; the whole by default. */
export function readPixels(page, region) {
  return page.evaluate(([selector, wanted]) => {
    const canvas = document.querySelector(selector);
    if (!(canvas instanceof HTMLCanvasElement)) throw new Error('there is no canvas');
    const { x, y, width, height } = wanted ?? { x: 0, y: 0, width: canvas.width, height: canvas.height };
    const copy = document.createElement('canvas');
    copy.width = width;
    copy.height = height;
    const context = copy.getContext('2d', { willReadFrequently: true });
    context.drawImage(canvas, x, y, width, height, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height);
    // One number per pixel, joined: small enough to hand over and to compare.
    const bytes = new Uint8Array(width * height);
    for (let at = 0; at < bytes.length; at += 1) {
      bytes[at] = (data[at * 4] * 30 + data[at * 4 + 1] * 59 + data[at * 4 + 2] * 11) / 100;
    }
    let text = '';
    for (let at = 0; at < bytes.length; at += 0x8000) {
      text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
    }
    return { width, height, pixels: btoa(text) };
  }, [DESKTOP_CANVAS, region]);
}

/** Share of pixels, 0 to 1, whose brightness differs by more than `tolerance`. */
export function difference(before, after, tolerance = 24) {
  if (before.width !== after.width || before.height !== after.height) return 1;
  const a = Buffer.from(before.pixels, 'base64');
  const b = Buffer.from(after.pixels, 'base64');
  let changed = 0;
  for (let at = 0; at < a.length; at += 1) if (Math.abs(a[at] - b[at]) > tolerance) changed += 1;
  return changed / a.length;
}

/** Share of pixels that are not black. */
export function lit(picture, above = 12) {
  const bytes = Buffer.from(picture.pixels, 'base64');
  let count = 0;
  for (const byte of bytes) if (byte > above) count += 1;
  return count / bytes.length;
}

/** Tries until `probe` gives something truthy; the error says what was last seen. */
export async function eventually(what, probe, { timeout = 60_000, every = 100 } = {}) {
  const until = Date.now() + timeout;
  let last;
  for (;;) {
    last = await probe();
    if (last) return last;
    if (Date.now() > until) throw new Error(`not within ${timeout} ms: ${what}; last seen: ${String(last)}`);
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}

/**
 * Does something until `probe` shows that it took effect: what a person does whose click was lost.
 * After each try it looks for `patience` ms.
 */
export async function repeat(what, act, probe, { patience = 3_000, timeout = 60_000 } = {}) {
  const once = async () => {
    await act();
    const until = Date.now() + patience;
    for (;;) {
      const seen = await probe();
      if (seen || Date.now() > until) return seen;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  return eventually(what, once, { timeout });
}

/**
 * A way to `url` that can be cut as a cable: the connections of a browser that was started with
 * `args` go through it. Pages cannot do that to a WebSocket of their worker.
 */
export async function cuttableWay(url) {
  const { hostname, port } = new URL(url);
  const open = new Set();
  const server = createServer((near) => {
    const far = connect({ host: hostname, port: Number(port), family: 4 });
    for (const socket of [near, far]) {
      open.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        open.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(far).pipe(near);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const rule = `--host-resolver-rules=MAP ${hostname}:${port} 127.0.0.1:${server.address().port}`;
  const cut = () => open.forEach((socket) => socket.destroy());
  return {
    args: [rule],
    cut,
    close: () => {
      cut();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

/**
 * Starts to look for an element that may stay for a moment only, and resolves when it was there.
 * A locator looks twice a second; this looks at every frame.
 */
export function glimpse(page, selector) {
  const seen = page.waitForFunction((wanted) => document.querySelector(wanted) !== null, selector, { polling: 'raf' });
  // A test that fails before it awaits this must not end with an unhandled rejection as well.
  seen.catch(() => undefined);
  return seen;
}

export async function waitForTerminal(page, timeout = 60_000) {
  await waitForViewer(page, timeout);
  await page.locator('.xterm-screen').waitFor({ state: 'visible', timeout });
  await page.locator('.xterm-helper-textarea').focus();
}

/** Lines that the terminal shows now, without trailing blanks. */
export async function readTerminal(page) {
  const lines = await page.evaluate(() => {
    const tree = document.querySelector('.xterm-accessibility-tree') ?? document.querySelector('.xterm-rows');
    return [...(tree?.children ?? [])].map((row) => row.textContent ?? '');
  });
  const text = lines.map((line) => line.replaceAll('\u00a0', ' ').trimEnd());
  while (text.length > 0 && text.at(-1) === '') text.pop();
  return text;
}

export async function typeInTerminal(page, text) {
  await page.locator('.xterm-helper-textarea').focus();
  // Playwright inserts what is not on an American keyboard as text, which xterm.js ignores in
  // screen reader mode; a person's own keyboard sends key events for it, and so does this.
  const keys = await page.context().newCDPSession(page);
  for (const part of text.match(/[\x20-\x7e\n]+|[^\x20-\x7e\n]/gu) ?? []) {
    if (/^[\x20-\x7e\n]/.test(part)) {
      await page.keyboard.type(part);
    } else {
      await keys.send('Input.dispatchKeyEvent', { type: 'keyDown', key: part, text: part, windowsVirtualKeyCode: 0 });
      await keys.send('Input.dispatchKeyEvent', { type: 'keyUp', key: part });
    }
  }
  await keys.detach();
}

/** Types into a desktop in scancode mode: Playwright must press Shift for capitals itself. */
export async function typeInDesktop(page, text) {
  for (const char of text) {
    if (char === '\n') await page.keyboard.press('Enter');
    else if (/[A-Z]/.test(char)) await page.keyboard.press(`Shift+Key${char}`);
    else if (/[a-z]/.test(char)) await page.keyboard.press(`Key${char.toUpperCase()}`);
    else if (/[0-9]/.test(char)) await page.keyboard.press(`Digit${char}`);
    else if (char === ' ') await page.keyboard.press('Space');
    else if (char === '-') await page.keyboard.press('Minus');
    else if (char === '.') await page.keyboard.press('Period');
    else if (char === '/') await page.keyboard.press('Slash');
    else if (char === '&') await page.keyboard.press('Shift+Digit7');
    else throw new Error(`no key for ${JSON.stringify(char)}`);
  }
}

/** Keeps a picture when a folder is named by the environment. */
export async function shoot(page, name, folder = process.env.PORTICO_SHOTS) {
  if (!folder) return;
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
}

/** Fails early, in words, when Chromium is missing. */
export function requireChromium() {
  try {
    execFileSync(CHROMIUM, ['--version'], { stdio: 'ignore' });
  } catch {
    throw new Error(`${CHROMIUM} does not run: install Debian's chromium, or name another one in CHROMIUM`);
  }
}
