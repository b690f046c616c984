// End to end, in Debian's Chromium, against a real server and real session hosts.
//
//   PORTICO_URL=https://127.0.0.1:8443 node --test e2e/real.test.mjs
//
// PORTICO_USER, PORTICO_PASSWORD   who signs in (demo, portico-demo)
// PORTICO_DESKTOP, PORTICO_TERMINAL  ids of the resources (desktop, terminal)
// PORTICO_SHOTS                    folder for pictures
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import AxeBuilder from '@axe-core/playwright';
import {
  cuttableWay, difference, endAll, eventually, focusXterm, glimpse, launchChromium, newContext, openDesktop as openDesktopOf, openFromWebtop,
  readPixels, readTerminal, repeat, requireChromium, settled, shoot, signIn, typeInDesktop, typeInTerminal,
  waitForDesktop, waitForTerminal, watchErrors, XTERM,
} from './lib.mjs';

const URL_OF_PORTICO = process.env.PORTICO_URL;
const USER = process.env.PORTICO_USER ?? 'demo';
const PASSWORD = process.env.PORTICO_PASSWORD ?? 'portico-demo';
const DESKTOP = process.env.PORTICO_DESKTOP ?? 'desktop';
const TERMINAL = process.env.PORTICO_TERMINAL ?? 'terminal';

let browser;
const contexts = [];

async function person(look = {}, of = browser) {
  const context = await newContext(of, { baseURL: URL_OF_PORTICO, ...look });
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: new URL(URL_OF_PORTICO).origin });
  contexts.push(context);
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const errors = watchErrors(page);
  await signIn(page, USER, PASSWORD);
  return { context, page, errors };
}

async function axe(page, where) {
  const { violations } = await new AxeBuilder({ page }).setLegacyMode(true).analyze();
  const lines = violations.flatMap((violation) => violation.nodes.map((node) => `${violation.id}: ${node.target.join(' ')}`));
  assert.deepEqual(lines, [], `axe on ${where}`);
}

const openDesktop = (page) => openDesktopOf(page, DESKTOP);

before(async () => {
  assert.ok(URL_OF_PORTICO, 'name the server in PORTICO_URL');
  requireChromium();
  browser = await launchChromium(['--ignore-certificate-errors']);
});

after(async () => {
  for (const context of contexts) await context.close().catch(() => undefined);
  await browser?.close();
});

describe('pages of the real server', () => {
  test('sign-in refuses a wrong password and takes the right one; axe finds nothing', async () => {
    const context = await newContext(browser, { baseURL: URL_OF_PORTICO });
    contexts.push(context);
    const page = await context.newPage();
    const errors = watchErrors(page);
    await page.goto('/');
    await page.waitForURL(/\/sign-in/);
    await page.locator('form').waitFor();
    await axe(page, 'sign-in');
    await shoot(page, 'sign-in');
    await page.locator('input[name=username]').fill(USER);
    await page.locator('input[name=password]').fill('certainly not this');
    await page.locator('button[type=submit]').click();
    await page.locator('.notice').waitFor();
    await axe(page, 'sign-in, wrong');
    await page.locator('input[name=password]').fill(PASSWORD);
    await page.locator('button[type=submit]').click();
    await page.locator('main#content [data-tile]').first().waitFor();
    await axe(page, 'webtop');
    await shoot(page, 'webtop');
    assert.deepEqual(errors, []);
  });

  for (const [width, theme, locale] of [[360, 'light', 'de-DE'], [1280, 'dark', 'en-GB'], [2560, 'dark', 'de-DE']]) {
    test(`the webtop is clean at ${width} px, ${theme}, ${locale}`, async () => {
      const { page, errors } = await person({ width, theme, locale });
      await page.locator('[data-tile]').first().waitFor();
      await axe(page, `webtop at ${width}`);
      await shoot(page, `webtop-${width}-${theme}-${locale.slice(0, 2)}`);
      assert.deepEqual(errors, []);
    });
  }

  test('an unknown resource and an unknown page say so', async () => {
    const { page } = await person();
    await page.goto('/launch/no-such-thing');
    await page.locator('.notice').waitFor();
    await axe(page, 'refused launch');
    await shoot(page, 'error');
    await page.goto('/no/such/page');
    await page.locator('main h1').waitFor();
    await axe(page, 'not found');
  });
});

describe('desktop', () => {
  let first;
  let picture;

  test('shows the desktop of the host, and typing into its terminal changes the picture', async () => {
    first = await person();
    await endAll(first.page);
    await openDesktop(first.page);
    await focusXterm(first.page);
    const before = await settled(first.page, XTERM);
    await typeInDesktop(first.page, 'echo portico 12345\n');
    await eventually('pixels of the terminal to change', async () => difference(before, await readPixels(first.page, XTERM)) > 0.002);
    picture = await settled(first.page, XTERM);
    await axe(first.page, 'desktop viewer');
    await shoot(first.page, 'desktop');
  });

  test('its menu opens by the chord and is accessible', async () => {
    const { page } = first;
    for (const key of ['Control', 'Alt', 'Shift']) await page.keyboard.down(key);
    for (const key of ['Shift', 'Alt', 'Control']) await page.keyboard.up(key);
    await page.locator('.panel').waitFor();
    await axe(page, 'menu of the desktop viewer');
    await shoot(page, 'desktop-menu');
    await page.keyboard.press('Escape');
  });

  test('a second browser resumes it with the same windows after the tab was closed', async () => {
    await first.page.close();
    const second = await person();
    await second.page.goto('/');
    await second.page.locator('.sessions').waitFor();
    await shoot(second.page, 'webtop-running');
    await second.page.locator('.sessions a').first().click();
    await waitForDesktop(second.page);
    await second.page.locator('.launching').waitFor({ state: 'detached' });
    await eventually('the same windows', async () => difference(picture, await readPixels(second.page, XTERM)) < 0.02);
    await shoot(second.page, 'desktop-resumed');
    first = second;
  });

  test('a viewer that is taken over says so and can take it back', async () => {
    const other = await person();
    await openDesktop(other.page);
    await first.page.getByRole('button', { name: 'Take it back' }).waitFor();
    await axe(first.page, 'taken over');
    await shoot(first.page, 'taken-over');
    await first.page.getByRole('button', { name: 'Take it back' }).click();
    await first.page.locator('.curtain').waitFor({ state: 'detached' });
    await first.page.locator('.launching').waitFor({ state: 'detached' });
    await other.page.getByRole('button', { name: 'Take it back' }).waitFor();
    await other.page.close();
  });

  test('after its connection was cut it is back by itself', async () => {
    const way = await cuttableWay(URL_OF_PORTICO);
    const behind = await launchChromium(['--ignore-certificate-errors', ...way.args]);
    const visitor = await person({}, behind);
    await openDesktop(visitor.page);
    const before = await settled(visitor.page, XTERM);
    const curtain = glimpse(visitor.page, '.curtain');
    way.cut();
    await curtain;
    await shoot(visitor.page, 'desktop-lost');
    await visitor.page.locator('.curtain').waitFor({ state: 'detached' });
    await eventually('the same windows', async () => difference(before, await readPixels(visitor.page, XTERM)) < 0.02);
    await behind.close();
    await way.close();
  });

  test('text goes both ways over the clipboard', async () => {
    const { page } = await person();
    await openDesktop(page);
    const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
    const remember = (text) => page.evaluate((value) => navigator.clipboard.writeText(value), text);
    // The lab's xterm gives a double-clicked word to the clipboard and pastes by Shift+Insert. The
    // word to click stands in the first line, where it is after a command that clears the screen.
    // A hand leaves a gap between two clicks. Without one all four events come to the host within a
    // millisecond, and while its window manager looks at the first press, the release and the second
    // press may be lost: xterm then sees one click only.
    const selectFirstWord = () =>
      page.locator('.stage canvas').dblclick({ position: { x: 75, y: 93 }, delay: 40 });
    const copyFirstWord = async () => {
      await remember('nothing yet');
      return repeat('a word of the host in the clipboard', selectFirstWord, async () => {
        const text = await clipboard();
        return text !== 'nothing yet' && text;
      });
    };
    await focusXterm(page);
    await typeInDesktop(page, 'clear && echo fromthehost\n');
    await settled(page, XTERM);
    await eventually('the word of the host', async () => (await copyFirstWord()).includes('fromthehost'));

    let before;
    const paste = async () => {
      // Whatever an earlier try left in the line goes.
      await page.keyboard.press('Control+KeyC');
      await typeInDesktop(page, 'clear && echo ');
      await remember('fromthedevice');
      await page.evaluate(() => window.dispatchEvent(new Event('focus')));
      before = await settled(page, XTERM);
      await page.keyboard.press('Shift+Insert');
    };
    // Nothing tells a page when the host has heard of the device's text: pasted too early, it is the
    // old text, or none. A person would paste again.
    await eventually('the word of the device, back from the host', async () => {
      // The host fetches the text when it is pasted, so it appears a moment later.
      const pasted = async () => difference(before, await readPixels(page, XTERM)) > 0.001;
      await repeat('the pasted word', paste, pasted);
      await page.keyboard.press('Enter');
      await settled(page, XTERM);
      await shoot(page, 'desktop-clipboard');
      return (await copyFirstWord()).includes('fromthedevice');
    });
    await page.close();
  });

  test('log off ends it', async () => {
    const { page } = await person();
    await endAll(page);
    assert.equal(await page.locator('.sessions').count(), 0);
  });
});

describe('terminal', () => {
  let page;

  test('shows the last line of seq 1 300000', async () => {
    ({ page } = await person());
    await endAll(page);
    await openFromWebtop(page, TERMINAL);
    await waitForTerminal(page);
    await eventually('a prompt', async () => (await readTerminal(page)).some((line) => /[$#>]\s*$/.test(line)));
    await typeInTerminal(page, 'seq 1 300000\n');
    await eventually('the last line', async () => (await readTerminal(page)).includes('300000'), { timeout: 120_000 });
    await axe(page, 'terminal viewer');
    await shoot(page, 'terminal');
  });

  test('UTF-8 and the size of the window reach the host', async () => {
    await typeInTerminal(page, 'clear; printf "%s\\n" "Grüße 漢 $((6*7))"\n');
    await eventually('the text', async () => (await readTerminal(page)).some((line) => line === 'Grüße 漢 42'));
    await page.setViewportSize({ width: 900, height: 600 });
    // The size follows the window a moment later, so the host is asked until it has it.
    await repeat('the size of the smaller window', () => typeInTerminal(page, 'clear; stty size\n'), async () => {
      const line = (await readTerminal(page)).find((text) => /^\d+ \d+$/.test(text));
      const [rows, cols] = (line ?? '0 0').split(' ').map(Number);
      return rows > 20 && rows < 45 && cols > 60 && cols < 130;
    });
  });

  test('a flood can be interrupted: the tab stays alive', async () => {
    await typeInTerminal(page, 'yes portico\n');
    await eventually('the flood', async () => (await readTerminal(page)).filter((line) => line === 'portico').length > 10);
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    await page.keyboard.press('Control+c');
    await typeInTerminal(page, 'clear; echo still-$((40+2))\n');
    await eventually('an answer', async () => (await readTerminal(page)).includes('still-42'));
  });

  test('after its connection was cut it is back by itself, with nothing lost', async () => {
    const visitor = await person();
    let cut = () => undefined;
    await visitor.context.routeWebSocket(/\/session\/terminal/, (socket) => {
      const server = socket.connectToServer();
      cut = () => {
        server.close();
        socket.close();
      };
    });
    await openFromWebtop(visitor.page, TERMINAL);
    await waitForTerminal(visitor.page);
    await typeInTerminal(visitor.page, 'clear; for i in 1 2 3 4 5 6; do echo "line $i"; sleep 1; done\n');
    await eventually('the first line', async () => (await readTerminal(visitor.page)).includes('line 1'));
    const curtain = glimpse(visitor.page, '.curtain');
    cut();
    await curtain;
    await shoot(visitor.page, 'connection-lost');
    await visitor.page.locator('.curtain').waitFor({ state: 'detached' });
    const lines = () => readTerminal(visitor.page).then((text) => text.filter((line) => line.startsWith('line ')));
    await eventually('the sixth line', async () => (await lines()).includes('line 6'));
    assert.deepEqual(await lines(), [1, 2, 3, 4, 5, 6].map((n) => `line ${n}`));
    await visitor.page.close();
    await page.getByRole('button', { name: 'Take it back' }).click();
    await page.locator('.launching').waitFor({ state: 'detached' });
    await typeInTerminal(page, 'clear; echo still-$((40+2))\n');
    await eventually('an answer', async () => (await readTerminal(page)).includes('still-42'));
  });

  test('goes on in a second browser, and shows the exit status at its end', async () => {
    await page.close();
    ({ page } = await person());
    await openFromWebtop(page, TERMINAL);
    await waitForTerminal(page);
    await eventually('what was there', async () => (await readTerminal(page)).includes('still-42'));
    await typeInTerminal(page, 'exit 7\n');
    await page.getByText('Exit status 7.').waitFor();
    await axe(page, 'ended terminal');
    await shoot(page, 'terminal-ended');
  });
});
