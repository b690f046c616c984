// Touch screens and several screens on a real host. Needs the lab (PORTICO_LAB), as it looks at the
// desktop from inside.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { allow, openMenu, TWO_SCREENS } from './desktop-devices.mjs';
import {
  DESKTOP_CANVAS, difference, endAll, eventually, focusXterm, launchChromium, lit, newContext, openDesktop, readPixels,
  repeat, requireChromium, settled, shoot, signIn, typeInDesktop, watchErrors, XTERM,
} from './lib.mjs';
import { portico } from './server.mjs';

const USER = 'demo';
const PASSWORD = 'portico-demo';
const URL_OF_PORTICO = process.env.PORTICO_URL;

let browser;
before(async () => {
  requireChromium();
  browser = await launchChromium(['--ignore-certificate-errors', ...TWO_SCREENS]);
});
after(() => browser?.close());

async function desktop(context) {
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const errors = watchErrors(page);
  await signIn(page, USER, PASSWORD);
  await endAll(page);
  await openDesktop(page);
  return { page, errors };
}

/** The session that the user has now, as Portico tells it. */
function session() {
  return JSON.parse(portico('get', 'sessions', '-o', 'json')).find((one) => one.user === USER && one.resource === 'desktop');
}

/** Runs a program inside the desktop that the user has now. */
function inDesktop(command) {
  const { host } = session();
  const script = `cd ~${USER} && display=$(pgrep -a -u ${USER} Xorg | grep -o ':[0-9]*' | head -1) && exec runuser -u ${USER} -- env DISPLAY=$display XAUTHORITY=$PWD/.Xauthority ${command}`;
  return execFileSync(process.env.PORTICO_LAB, ['exec', host, '--', 'sh', '-c', script], { stdio: ['ignore', 'pipe', 'ignore'], timeout: 20_000 }).toString();
}

test('on a touch screen, gestures are clicks, a menu, and a wheel on the host', async () => {
  const context = await newContext(browser, { baseURL: URL_OF_PORTICO, hasTouch: true });
  const { page } = await desktop(context);
  const touch = await context.newCDPSession(page);
  const send = (type, ...points) => touch.send('Input.dispatchTouchEvent', { type, touchPoints: points.map(([x, y], id) => ({ x, y, id })) });
  const tap = async (x, y) => {
    await send('touchStart', [x, y]);
    await send('touchEnd');
  };
  // The terminal gets the keys by the tap, and numbers that fill it.
  await tap(300, 250);
  const empty = await settled(page, XTERM);
  await repeat('the terminal to be full', () => typeInDesktop(page, 'seq 200\n'), async () => difference(empty, await readPixels(page, XTERM)) > 0.02);
  const end = await settled(page, XTERM);

  const scroll = async () => {
    await send('touchStart', [300, 200]);
    await send('touchStart', [300, 200], [400, 200]);
    // With the fingers the picture goes down: earlier lines come.
    for (let y = 215; y <= 500; y += 15) await send('touchMove', [300, y], [400, y]);
    await send('touchEnd');
  };
  await repeat('earlier lines', scroll, async () => difference(end, await readPixels(page, XTERM)) > 0.005);
  await shoot(page, 'touch-scrolled');

  // The window manager's menu of the desktop, at the right button only.
  const place = { x: 560, y: 600, width: 220, height: 150 };
  const before = await settled(page, place);
  await tap(570, 610);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  assert.ok(difference(before, await readPixels(page, place)) < 0.05, 'a tap opens no menu');
  await send('touchStart', [570, 610]);
  await eventually('the menu of the desktop', async () => difference(before, await readPixels(page, place)) > 0.1);
  await send('touchEnd');
  await shoot(page, 'touch-menu');
  await context.close();
});

/** Opens a desktop and a window for the second screen; gives how wide both are. */
async function onTwoScreens() {
  // With a size of the tests' own, all windows would have it.
  const context = await browser.newContext({ baseURL: URL_OF_PORTICO, viewport: null, locale: 'en-GB', ignoreHTTPSErrors: true });
  const { page, errors } = await desktop(context);
  await focusXterm(page);
  await allow(browser, page, URL_OF_PORTICO, ['windowManagement']);
  await openMenu(page);
  const [popup] = await Promise.all([page.waitForEvent('popup'), page.getByRole('button', { name: 'Use these screens' }).click()]);
  const size = (one) => one.evaluate(() => {
    const canvas = document.querySelector('.stage canvas');
    return [canvas.width, canvas.height];
  });
  const wide = await eventually('a desktop over both', async () => {
    const [[width, height], [other, otherHeight]] = [await size(page), await size(popup)];
    const screen = /current (\d+) x (\d+)/.exec(inDesktop('xrandr'));
    const isWide = Number(screen?.[1]) === width + other && Number(screen?.[2]) === Math.max(height, otherHeight);
    return isWide && { width, height, other, otherHeight };
  });
  return { context, page, popup, errors, wide };
}

test('a session on two screens: the desktop is as wide as both windows, and each shows its part', async () => {
  const { context, page, popup, errors, wide } = await onTwoScreens();
  await eventually('the picture of the second screen', async () => lit(await readPixels(popup)) > 0.9);

  // A window that is moved over the edge appears in the other one, where the pointer works on.
  const other = { x: 100, y: 300, width: 400, height: 200 };
  const before = await readPixels(popup, other);
  inDesktop(`xdotool search --name Clock windowmove ${wide.width + 100} 250`);
  await eventually('the clock on the second screen', async () => difference(before, await readPixels(popup, other)) > 0.1);
  await popup.mouse.click(600, 400);
  const pointer = await eventually('the pointer', () => {
    const [, x, y] = /x:(\d+) y:(\d+)/.exec(inDesktop('xdotool getmouselocation')) ?? [];
    return x !== undefined && Number(x) >= wide.width && { x: Number(x), y: Number(y) };
  });
  assert.deepEqual(pointer, { x: wide.width + 600, y: 400 });
  await shoot(page, 'screens-first');
  await shoot(popup, 'screens-second');

  await popup.close();
  await eventually('one screen again', () => Number(/current (\d+) x/.exec(inDesktop('xrandr'))?.[1]) === wide.width);
  await eventually('the whole picture', async () => (await readPixels(page)).width === wide.width);
  assert.equal(await page.locator(DESKTOP_CANVAS).count(), 1);
  assert.deepEqual(errors, []);
  await context.close();
});

test('a connection that begins on two screens has two monitors on the host', async () => {
  const { context, page, popup, wide } = await onTwoScreens();
  // The host's side of the connection is cut; the viewer comes back and names both screens at once.
  const { host } = session();
  execFileSync(process.env.PORTICO_LAB, ['exec', host, '--', 'sh', '-c', "ss -K dst \"$1\" sport = :3389 || true", 'sh', process.env.LAB_NET + '.1'], { stdio: 'ignore' });
  await page.locator('.curtain').waitFor();
  await page.locator('.curtain').waitFor({ state: 'detached' });
  const monitors = await eventually('two monitors', () => {
    const found = [...inDesktop('xrandr --listmonitors').matchAll(/(\d+)\/\d+x(\d+)\/\d+\+(\d+)\+(\d+)/g)];
    return found.length === 2 && found.map((one) => one.slice(1).map(Number));
  });
  assert.deepEqual(monitors, [[wide.width, wide.height, 0, 0], [wide.other, wide.otherHeight, wide.width, 0]]);
  await eventually('the picture of the second screen', async () => lit(await readPixels(popup)) > 0.9);
  await context.close();
});
