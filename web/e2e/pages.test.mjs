// Every page and state against the stand-in server: axe finds nothing, nothing runs over the edge,
// nothing complains in the console. Each state in both languages and at three widths.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import AxeBuilder from '@axe-core/playwright';
import { startMock } from '../dev/mock.mjs';
import {
  difference, eventually, launchChromium, newContext, openFromWebtop, readPixels, readTerminal,
  requireChromium, settled, shoot, signIn, typeInDesktop, typeInTerminal, waitForDesktop, waitForTerminal, watchErrors, WIDTHS,
} from './lib.mjs';
import { consoleTests } from './console-does.mjs';
import { deviceTests } from './desktop-devices.mjs';
import { desktopTests } from './desktop-does.mjs';
import { explainTests } from './explain-does.mjs';
import { STATES } from './states.mjs';

const dist = fileURLToPath(new URL('../test-results/mock-dist', import.meta.url));
const LOCALES = ['en-GB', 'de-DE'];
/** Over the two languages every width is seen in both themes. */
const THEMES = {
  'en-GB': { 360: 'light', 1280: 'dark', 2560: 'light' },
  'de-DE': { 360: 'dark', 1280: 'light', 2560: 'dark' },
};
const HEIGHT = { 360: 740, 1280: 800, 2560: 1440 };
let mock;
let browser;

before(async () => {
  requireChromium();
  mock = await startMock({ dist });
  browser = await launchChromium();
});

after(async () => {
  await browser?.close();
  await mock?.close();
});

async function open(name, change = {}, look = {}) {
  mock.reset(name);
  mock.set(name, change);
  const context = await newContext(browser, { ...look, baseURL: mock.url });
  await context.addCookies([{ name: 'mock', value: name, url: mock.url }]);
  const page = await context.newPage();
  page.setDefaultTimeout(20_000);
  return { context, page, errors: watchErrors(page) };
}

/** Axe's findings as one line each. */
async function findings(page) {
  // The legacy mode saves a second page per run; it differs only for frames of other origins.
  const { violations } = await new AxeBuilder({ page }).setLegacyMode(true).analyze();
  return violations.flatMap((violation) =>
    violation.nodes.map((node) => `${violation.id}: ${node.target.join(' ')}: ${node.failureSummary?.split('\n')[1] ?? ''}`),
  );
}

/** Nothing may leave the window, once the page had the time to lay itself out. */
async function staysInside(page, width) {
  let found = [];
  for (let tries = 0; tries < 20; tries += 1) {
    found = await overflowing(page);
    if (found.length === 0) return;
    await page.waitForTimeout(100);
  }
  assert.deepEqual(found, [], `at ${width} px`);
}

/** Elements whose text or box leaves the window sideways. */
function overflowing(page) {
  return page.evaluate(() => {
    const found = [];
    if (document.documentElement.scrollWidth > window.innerWidth) found.push('the page scrolls sideways');
    for (const button of document.querySelectorAll('button, .button, label > span, h1, h2')) {
      if (button.closest('.visually-hidden, .xterm') || button.classList.contains('visually-hidden')) continue;
      const box = button.getBoundingClientRect();
      if (box.width === 0 || box.bottom < 0) continue;
      if (button.scrollWidth > button.clientWidth + 1 && button.clientWidth > 0) {
        found.push(`text bursts ${button.tagName} "${button.textContent.trim().slice(0, 40)}"`);
      }
      if (!button.closest('.scroll') && (box.right > window.innerWidth + 1 || box.left < -1)) {
        found.push(`outside: ${button.tagName} "${button.textContent.trim().slice(0, 40)}"`);
      }
    }
    return found;
  });
}

describe('pages and states', { concurrency: 2 }, () => {
  for (const state of STATES) {
    // German bursts buttons before English does.
    for (const locale of state.once ? LOCALES.slice(1) : LOCALES) {
      test(`${state.name} is clean in ${locale}`, async () => {
        const id = `${state.name}-${locale}`;
        const { context, page, errors } = await open(id, state.mock, { locale });
        try {
          await page.goto(state.path);
          if (state.act) await state.act(page, (code, reason) => mock.drop(id, code, reason), (order) => mock.say(id, order));
          await page.locator(state.ready).first().waitFor();
          for (const width of state.small ? WIDTHS.slice(0, 2) : WIDTHS) {
            const colorScheme = THEMES[locale][width];
            await page.setViewportSize({ width, height: HEIGHT[width] });
            await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
            await staysInside(page, width);
            assert.deepEqual(await findings(page), [], `axe at ${width} px, ${colorScheme}`);
          }
          assert.deepEqual(errors, []);
        } finally {
          await context.close();
        }
      });
    }
  }
});

describe('what pages do', () => {
  test('sign-in leads to the page that was asked for, and only within this origin', async () => {
    const { context, page } = await open('next', { signedIn: false });
    await page.goto('/launch/terminal');
    await page.waitForURL('**/sign-in?next=%2Flaunch%2Fterminal');
    await page.locator('input[name=username]').fill('demo');
    await page.locator('input[name=password]').fill('portico-demo');
    await page.keyboard.press('Enter');
    await waitForTerminal(page);
    await context.close();

    const other = await open('next-2', { signedIn: false });
    await other.page.goto('/sign-in?next=https%3A%2F%2Fevil.example%2F');
    await other.page.locator('input[name=username]').fill('demo');
    await other.page.locator('input[name=password]').fill('portico-demo');
    await other.page.keyboard.press('Enter');
    await other.page.locator('main#content').waitFor();
    assert.equal(new URL(other.page.url()).pathname, '/');
    await other.context.close();
  });

  test('the webtop works by keyboard alone, and the focus returns from dialogs', async () => {
    const { context, page } = await open('keys');
    await page.goto('/');
    await page.locator('[data-tile]').first().waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('terminal');
    await page.keyboard.press('ArrowDown');
    const focused = () => page.evaluate(() => document.activeElement?.textContent?.trim() ?? '');
    assert.match(await focused(), /Terminal/);
    await page.keyboard.press('ArrowUp');
    assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'INPUT');
    await page.keyboard.press('Escape');
    await page.locator('.sessions').waitFor();
    await page.locator('.sessions button').first().focus();
    await page.keyboard.press('Enter');
    await page.locator('dialog[open]').waitFor();
    await page.keyboard.press('Escape');
    await page.locator('dialog').waitFor({ state: 'detached' });
    assert.match(await focused(), /End/);
    await page.keyboard.press('?');
    await page.locator('dialog[open]').waitFor();
    await context.close();
  });

  test('language and theme change at once and are remembered', async () => {
    const { context, page } = await open('settings', { signedIn: false });
    await page.goto('/sign-in');
    await page.locator('input[name=username]').fill('kept');
    await page.getByLabel('Deutsch').check();
    await page.getByRole('heading', { name: 'Anmelden' }).waitFor();
    assert.equal(await page.locator('input[name=username]').inputValue(), 'kept');
    await page.getByLabel('Dunkel').check();
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
    await page.reload();
    await page.getByRole('heading', { name: 'Anmelden' }).waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.lang), 'de');
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
    await context.close();
  });

  test('a search over ten thousand resources answers a keystroke within a blink', async () => {
    const { context, page } = await open('huge', { workspace: 'huge' });
    await page.goto('/');
    await page.locator('[data-tile]').first().waitFor();
    const search = page.locator('input[type=search]');
    await search.fill('program 999');
    await page.locator('[data-results] [data-tile]').first().waitFor();
    const ms = await page.evaluate(async () => {
      const input = document.querySelector('input[type=search]');
      const from = performance.now();
      input.value = 'program 77';
      input.dispatchEvent(new Event('input', { bubbles: true }));
      await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
      return performance.now() - from;
    });
    assert.ok(ms < 500, `took ${ms} ms`);
    await context.close();
  });

  test('hostile names run no script and no link leaves http', async () => {
    const { context, page } = await open('hostile', { workspace: 'hostile' });
    page.on('dialog', () => assert.fail('a script ran'));
    await page.goto('/');
    await page.locator('[data-tile]').first().waitFor();
    assert.equal(await page.locator('main img').count(), 0);
    const hrefs = await page.locator('a[href]').evaluateAll((links) => links.map((link) => link.getAttribute('href')));
    assert.deepEqual(hrefs.filter((href) => !/^(\/|https?:|#)/.test(href)), []);
    await context.close();
  });

  test('a favourite appears in its section and goes again', async () => {
    const { context, page } = await open('favourite');
    await page.goto('/');
    await page.getByRole('button', { name: 'Add Wiki to favourites' }).click();
    await page.locator('section[aria-labelledby=favourites]').getByText('Wiki').waitFor();
    await page.getByRole('button', { name: 'Remove Wiki from favourites' }).first().click();
    await page.locator('section[aria-labelledby=favourites]').getByText('Wiki').waitFor({ state: 'detached' });
    await context.close();
  });
});

describe('what the console does', { concurrency: 2 }, () => {
  consoleTests(open, () => mock);
  explainTests(open, () => mock);
});

describe('what the desktop viewer does', () => {
  desktopTests(open, () => mock);
});

describe('screens, fingers and the microphone of the desktop viewer', () => {
  deviceTests(() => mock);
});

describe('what viewers do', () => {
  test('keys reach the desktop, the chord opens the menu, Escape gives the keys back', async () => {
    const { context, page } = await open('desktop-keys');
    await openFromWebtop(page, 'desktop');
    await waitForDesktop(page);
    await page.locator('.launching').waitFor({ state: 'detached' });
    const before = await readPixels(page);
    await typeInDesktop(page, 'hello 7');
    await eventually('a change in the picture', async () => difference(before, await readPixels(page)) > 0);
    const after = await settled(page);
    await chord(page);
    await page.locator('.panel').waitFor();
    await page.keyboard.press('Escape');
    await page.locator('.panel').waitFor({ state: 'detached' });
    await typeInDesktop(page, 'x');
    await eventually('the keyboard to be given back', async () => difference(after, await readPixels(page)) > 0);
    await context.close();
  });

  test('who is refused because others sign in stays in line, and gets the desktop without a click', async () => {
    const { context, page, errors } = await open('in-line', { launch: 'in-line' });
    await page.goto('/launch/desktop');
    await page.getByText('You are in line', { exact: false }).waitFor();
    let asked = 0;
    page.on('request', (request) => (asked += request.url().endsWith('/api/v1/launches') ? 1 : 0));
    await eventually('the page to ask again', () => asked > 0);
    assert.equal(await page.locator('.notice').count(), 0, 'it is no failure');
    mock.set('in-line', { launch: 'ok' });
    await waitForDesktop(page);
    await page.locator('.launching').waitFor({ state: 'detached' });
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('the desktop follows the window', async () => {
    const { context, page } = await open('desktop-size');
    await openFromWebtop(page, 'desktop');
    await waitForDesktop(page);
    await page.locator('.launching').waitFor({ state: 'detached' });
    await page.setViewportSize({ width: 1000, height: 700 });
    await eventually('a canvas of the new size', async () => (await readPixels(page)).width === 1000);
    const box = await page.locator('.stage canvas').boundingBox();
    assert.deepEqual([box.x, box.y, box.width, box.height].map(Math.round), [0, 0, 1000, 700]);
    await context.close();
  });

  test('after a network drop the desktop is back by itself', async () => {
    const { context, page } = await open('desktop-drop', { reconnect: 'away' });
    await openFromWebtop(page, 'desktop');
    await waitForDesktop(page);
    await page.locator('.launching').waitFor({ state: 'detached' });
    mock.drop('desktop-drop');
    await page.locator('.curtain').waitFor();
    assert.ok(await page.locator('canvas.still').isVisible(), 'the last picture is gone');
    mock.set('desktop-drop', { reconnect: 'ok' });
    await page.locator('.curtain').waitFor({ state: 'detached' });
    await page.getByText('Connected again.').waitFor();
    await context.close();
  });

  test('a drop can be cancelled, and tried again', async () => {
    const { context, page } = await open('cancel', { reconnect: 'away' });
    await openFromWebtop(page, 'desktop');
    await waitForDesktop(page);
    await page.locator('.launching').waitFor({ state: 'detached' });
    mock.drop('cancel');
    await page.getByRole('button', { name: 'Cancel' }).click();
    await page.getByText('You stopped the attempts').waitFor();
    mock.set('cancel', { reconnect: 'ok' });
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.locator('.curtain').waitFor({ state: 'detached' });
    await context.close();
  });

  test('a session taken over elsewhere can be taken back', async () => {
    const { context, page } = await open('taken');
    await openFromWebtop(page, 'desktop');
    await waitForDesktop(page);
    await page.locator('.launching').waitFor({ state: 'detached' });
    mock.drop('taken', 4003, 'taken-over by=198.51.100.23');
    await page.getByText('with your account at 198.51.100.23').waitFor();
    await page.getByRole('button', { name: 'Take it back' }).click();
    await page.locator('.curtain').waitFor({ state: 'detached' });
    await page.locator('.launching').waitFor({ state: 'detached' });
    await context.close();
  });

  test('a flood in the terminal ends at its last line and leaves the tab alive', async () => {
    const { context, page } = await open('flood');
    await openFromWebtop(page, 'terminal');
    await waitForTerminal(page);
    await typeInTerminal(page, 'seq 300000\n');
    await eventually('the last line', async () => (await readTerminal(page)).includes('300000'), { timeout: 60_000 });
    await context.close();
  });

  test('a terminal goes on where it was after a drop, nothing twice and nothing missing', async () => {
    const { context, page } = await open('terminal-drop');
    await openFromWebtop(page, 'terminal');
    await waitForTerminal(page);
    await typeInTerminal(page, 'seq 12\n');
    await eventually('12', async () => (await readTerminal(page)).includes('12'));
    const before = await readTerminal(page);
    mock.drop('terminal-drop');
    await page.locator('.curtain').waitFor();
    await page.locator('.curtain').waitFor({ state: 'detached' });
    assert.deepEqual(await readTerminal(page), before);
    await typeInTerminal(page, 'seq 3\n');
    await eventually('more output', async () => (await readTerminal(page)).length > before.length);
    await context.close();
  });

  test('the exit status of a terminal is shown', async () => {
    const { context, page } = await open('exit');
    await openFromWebtop(page, 'terminal');
    await waitForTerminal(page);
    await typeInTerminal(page, 'exit 3\n');
    await page.getByText('Exit status 3.').waitFor();
    await shoot(page, 'terminal-exited');
    await context.close();
  });

  test('a policy without clipboard forbids pasting into a terminal', async () => {
    const { context, page } = await open('no-paste', { clipboard: 'none' });
    await openFromWebtop(page, 'terminal');
    await waitForTerminal(page);
    const before = await readTerminal(page);
    await page.evaluate(() => {
      const data = new DataTransfer();
      data.setData('text/plain', 'secret');
      document.activeElement.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
    });
    await page.getByText('does not allow pasting').waitFor();
    assert.deepEqual(await readTerminal(page), before);
    await context.close();
  });

  test('disconnecting leads back to the webtop', async () => {
    const { context, page } = await open('leave');
    await signIn(page, 'demo', 'portico-demo').catch(() => undefined);
    await openFromWebtop(page, 'terminal');
    await waitForTerminal(page);
    await chord(page);
    await page.getByRole('button', { name: 'Disconnect' }).click();
    await page.locator('main#content').waitFor();
    assert.equal(new URL(page.url()).pathname, '/');
    await context.close();
  });
});

async function chord(page) {
  for (const key of ['Control', 'Alt', 'Shift']) await page.keyboard.down(key);
  for (const key of ['Shift', 'Alt', 'Control']) await page.keyboard.up(key);
}
