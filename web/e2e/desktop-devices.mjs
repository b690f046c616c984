// Touch screens, several screens and the microphone in the desktop viewer, against the stand-in of the
// RDP client. A browser of its own: it has two screens and a microphone that beeps.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { DESKTOP_CANVAS, eventually, launchChromium, lit, newContext, openFromWebtop, readPixels, shoot, waitForDesktop, watchErrors } from './lib.mjs';

export const TWO_SCREENS = [
  '--screen-info={0,0 1280x800}{1280,0 1280x800}',
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
];

/** Allows what browsers ask for by a question of their own, which Playwright cannot answer. */
export async function allow(browser, page, origin, permissions) {
  const own = await page.context().newCDPSession(page);
  const { targetInfo } = await own.send('Target.getTargetInfo');
  const all = await browser.newBrowserCDPSession();
  await all.send('Browser.grantPermissions', { origin, permissions, browserContextId: targetInfo.browserContextId });
}

/** Opens the menu anew, so that it shows what is so now. */
export async function openMenu(page) {
  const tab = page.locator('.toolbar .tab');
  if ((await page.locator('.panel').count()) > 0) await tab.click();
  await tab.click();
  await page.locator('.panel').waitFor();
}

export function deviceTests(mock) {
  let browser;
  before(async () => {
    browser = await launchChromium(TWO_SCREENS);
  });
  after(() => browser?.close());

  const ready = async (name, change = {}, { hasTouch = false, viewport } = {}) => {
    mock().reset(name);
    mock().set(name, change);
    const base = { baseURL: mock().url, hasTouch };
    // With a size of the tests' own, all windows would have it.
    const context = viewport ? await browser.newContext({ ...base, viewport: null, locale: 'en-GB' }) : await newContext(browser, base);
    await context.addCookies([{ name: 'mock', value: name, url: mock().url }]);
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    const errors = watchErrors(page);
    await openFromWebtop(page, 'desktop');
    await waitForDesktop(page);
    await page.locator('.launching').waitFor({ state: 'detached' });
    const said = () => mock().inputs(name).splice(0);
    const say = (event) => mock().say(name, { event });
    said();
    return { context, page, errors, said, say };
  };

  test('on a host with touch input, fingers go as they are, and as gestures by choice', async () => {
    const { context, page, said, say } = await ready('direct-touch', {}, { hasTouch: true });
    const touch = await context.newCDPSession(page);
    const send = (type, ...points) => touch.send('Input.dispatchTouchEvent', { type, touchPoints: points.map(([x, y], id) => ({ x, y, id })) });
    say({ type: 'touch-input', fingers: true, pen: false });
    await openMenu(page);
    await page.getByText('Fingers and pen reach the session as they are.').waitFor();
    await page.keyboard.press('Escape');
    said();
    await send('touchStart', [300, 200]);
    await send('touchStart', [300, 200], [500, 400]);
    await send('touchMove', [310, 220], [500, 400]);
    await send('touchEnd');
    let seen = [];
    await eventually('both fingers to go', () => {
      seen = [...seen, ...said()];
      return seen.filter((input) => input.finger !== undefined && input.phase === 2).length === 2;
    });
    const fingers = seen.filter((input) => input.finger !== undefined);
    assert.deepEqual(fingers.slice(0, 3).map(({ phase, at }) => [phase, ...at]), [[0, 300, 200], [0, 500, 400], [1, 310, 220]]);
    assert.equal(seen.filter((input) => input.button !== undefined).length, 0, 'no click besides');

    await send('touchStart', [100, 100]);
    await eventually('the finger', () => said().some((input) => input.phase === 0));
    await page.evaluate(() => window.dispatchEvent(new Event('blur')));
    await eventually('all to be let go', () => said().some((input) => input.released));
    await send('touchEnd');

    await openMenu(page);
    await page.getByLabel('Gestures').check();
    await shoot(page, 'desktop-touch-menu');
    await page.keyboard.press('Escape');
    said();
    await send('touchStart', [300, 200]);
    await send('touchEnd');
    await eventually('the click', () => said().some((input) => input.button === 0 && input.pressed && input.at.join() === '300,200'));
    await context.close();
  });

  test('a session on two screens: each window shows and moves its part, and takes it along', async () => {
    const { context, page, errors, said, say } = await ready('screens', {}, { viewport: true });
    await allow(browser, page, mock().url, ['windowManagement']);
    say({ type: 'display-control', maxMonitors: 4, maxArea: 40_000_000 });
    await openMenu(page);
    await page.getByRole('button', { name: 'Screen 1 This window' }).waitFor();
    await shoot(page, 'desktop-screens-menu');
    const [popup] = await Promise.all([page.waitForEvent('popup'), page.getByRole('button', { name: 'Use these screens' }).click()]);
    const { arrange } = await eventually('the monitors', () => said().find((input) => input.arrange));
    const [main, other] = arrange;
    assert.deepEqual([main.left, main.top, main.primary, other.left, other.top, other.primary], [0, 0, true, main.width, 0, false]);
    const sizes = async (one) => one.evaluate(() => [...document.querySelectorAll('.stage canvas')].map((canvas) => [canvas.width, canvas.height]));
    await eventually('both parts', async () => {
      const [[own], [far]] = [await sizes(page), await sizes(popup)];
      return own.join() === [main.width, main.height].join() && far?.join() === [other.width, other.height].join();
    });
    assert.equal(await popup.evaluate(() => window.screenX), 1_280, 'on the other screen');
    // The stand-in's window lies over both: its right part is in the other window.
    await eventually('the picture', async () => lit(await readPixels(popup)) > 0.9);
    await shoot(page, 'desktop-screens-first');
    await shoot(popup, 'desktop-screens-second');

    said();
    await popup.mouse.click(100, 120);
    await popup.keyboard.press('KeyA');
    let seen = [];
    await eventually('the key', () => {
      seen = [...seen, ...said()];
      return seen.some((input) => input.key === 0x1e && !input.pressed);
    });
    assert.deepEqual(seen.find((input) => input.button === 0)?.at, [main.width + 100, 120]);

    // A reconnection brings both windows back, and the host is told of them at once.
    mock().drop('screens');
    await page.locator('.curtain').waitFor();
    await page.locator('.curtain').waitFor({ state: 'detached' });
    assert.deepEqual(mock().settings('screens').monitors, arrange);
    await eventually('the picture again', async () => lit(await readPixels(popup)) > 0.9);

    said();
    await popup.close();
    const resize = await eventually('one screen again', () => said().find((input) => input.resize)?.resize);
    assert.deepEqual(resize, [main.width, main.height]);
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('a host that does not change its screens is named, and so is a browser that may not tell its own', async () => {
    const { context, page, say } = await ready('screens-fixed', { desktop: 'fixed' }, { viewport: true });
    say({ type: 'display-control', maxMonitors: 1, maxArea: 40_000_000 });
    await openMenu(page);
    await page.getByText('This host shows one screen only.').waitFor();
    say({ type: 'display-control', maxMonitors: 2, maxArea: 40_000_000 });
    await page.getByRole('button', { name: 'Choose screens…' }).waitFor();
    await allow(browser, page, mock().url, ['windowManagement']);
    await page.getByRole('button', { name: 'Choose screens…' }).click();
    const [popup] = await Promise.all([page.waitForEvent('popup'), page.getByRole('button', { name: 'Use these screens' }).click()]);
    await openMenu(page);
    await page.getByText('The host has not changed its screens.').waitFor();
    assert.equal(await popup.locator('canvas').evaluate((canvas) => canvas.style.visibility), 'hidden');
    await page.getByRole('button', { name: 'Back to one screen' }).click();
    await eventually('the window to close', () => popup.isClosed());
    await context.close();
  });

  test('the microphone is heard only while it is on and the session listens, and a sign says so', async () => {
    const { context, page, errors, said, say } = await ready('microphone', { microphone: 'on' });
    const sign = page.locator('.sign');
    say({ type: 'microphone-wanted', channels: 1, rate: 44_100 });
    await page.waitForTimeout(500);
    assert.equal(said().filter((input) => input.heard).length, 0, 'nothing before the click');
    assert.equal(await sign.count(), 0);
    await openMenu(page);
    await page.getByText('A program in the session wants to listen.').waitFor();
    await page.getByRole('button', { name: 'Switch the microphone on' }).click();
    await sign.getByText('Microphone on').waitFor();
    await page.keyboard.press('Escape');
    // 20 ms of 44.1 kHz, 16 bits.
    await eventually('sound', () => said().some((input) => input.heard === 1_764));
    await shoot(page, 'desktop-microphone');
    say({ type: 'microphone-unwanted' });
    await sign.getByText('Microphone ready').waitFor();
    said();
    await page.waitForTimeout(500);
    assert.equal(said().filter((input) => input.heard).length, 0, 'nobody listens');
    say({ type: 'microphone-wanted', channels: 2, rate: 48_000 });
    await eventually('sound again', () => said().some((input) => input.heard === 3_840));
    await sign.click();
    await sign.waitFor({ state: 'detached' });
    said();
    await page.waitForTimeout(500);
    assert.equal(said().filter((input) => input.heard).length, 0, 'off');
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('a policy without a microphone leaves nothing to switch on', async () => {
    const { context, page } = await ready('microphone-off');
    await openMenu(page);
    await page.getByText('Your administrator has not allowed a microphone for this session.').waitFor();
    assert.equal(await page.getByRole('button', { name: /microphone/ }).count(), 0);
    assert.equal(await page.locator(DESKTOP_CANVAS).count(), 1);
    await context.close();
  });
}
