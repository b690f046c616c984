// What the desktop viewer's own RDP client does with a real host, beyond real.test.mjs: layouts,
// input methods, pictures in the clipboard, the size of the window, statistics.
// Needs the lab (PORTICO_LAB), as it looks at the clipboard from inside the desktop.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import {
  DESKTOP_CANVAS, difference, endAll, eventually, focusXterm, launchChromium, newContext, openDesktop, readPixels, repeat,
  requireChromium, settled, shoot, signIn, typeInDesktop, watchErrors, XTERM,
} from './lib.mjs';
import { portico } from './server.mjs';

const USER = 'demo';
const PASSWORD = 'portico-demo';
const URL_OF_PORTICO = process.env.PORTICO_URL;

let browser;
before(async () => {
  requireChromium();
  browser = await launchChromium(['--ignore-certificate-errors']);
});
after(() => browser?.close());

async function desktop(locale = 'en-GB', begins = true) {
  const context = await newContext(browser, { baseURL: URL_OF_PORTICO, locale });
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: new URL(URL_OF_PORTICO).origin });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const errors = watchErrors(page);
  await signIn(page, USER, PASSWORD);
  // Layout and time zone are those of the connection that began the session.
  if (begins) await endAll(page);
  await openDesktop(page);
  await focusXterm(page);
  return { context, page, errors };
}

/** Runs a program inside the desktop that the user has now; gives its output as bytes. */
function inDesktop(command, input) {
  const { host } = JSON.parse(portico('get', 'sessions', '-o', 'json')).find((one) => one.user === USER && one.resource === 'desktop');
  const script = `cd ~${USER} && display=$(pgrep -a -u ${USER} Xorg | grep -o ':[0-9]*' | head -1) && exec runuser -u ${USER} -- env DISPLAY=$display XAUTHORITY=$PWD/.Xauthority ${command}`;
  // xclip stays behind to give what it was given, and must not hold our pipes.
  return execFileSync(process.env.PORTICO_LAB, ['exec', host, '--', 'sh', '-c', script], { input, stdio: ['pipe', 'pipe', 'ignore'], timeout: 20_000 });
}

/**
 * The second line of the terminal, which is the output of a command that was typed in the first one:
 * selected by dragging over it, and the lab's xterm gives it to the clipboard of the host, where it is
 * read. Not by three clicks: the second of them selects a word, and a word ends before an at sign. And
 * not from the device's clipboard: what the host had before may come there late.
 */
async function secondLine(page) {
  inDesktop('sh -c "xclip -selection clipboard >/dev/null 2>&1"', 'nothing yet');
  const { x, y } = await page.locator(DESKTOP_CANVAS).boundingBox();
  const select = async () => {
    await page.mouse.move(x + 47, y + 111);
    await page.mouse.down();
    await page.mouse.move(x + 840, y + 111, { steps: 4 });
    await page.mouse.up();
  };
  return repeat('a line of the host in its clipboard', select, () => {
    const text = inDesktop('xclip -selection clipboard -o').toString();
    return text !== 'nothing yet' && text.trim();
  });
}

/** A line that is typed by `type` behind `echo`, as the host understood it. */
async function echoed(page, type) {
  await page.keyboard.press('Control+KeyC');
  await typeInDesktop(page, 'clear\n');
  await settled(page, XTERM);
  await typeInDesktop(page, 'echo ');
  await type();
  await page.keyboard.press('Enter');
  await settled(page, XTERM);
  return secondLine(page);
}

describe('typing', () => {
  test('on a German keyboard each key types what is printed on it, and so does AltGr', async () => {
    const { context, page } = await desktop('de-DE');
    const press = async (...keys) => {
      for (const key of keys) await page.keyboard.press(key);
    };
    const seen = await eventually('the German line', async () => {
      const line = await echoed(page, async () => {
        await press('KeyY', 'KeyZ', 'Semicolon', 'Quote', 'BracketLeft', 'Minus');
        await page.keyboard.down('AltRight');
        await press('KeyQ', 'KeyE');
        await page.keyboard.up('AltRight');
      });
      return line.startsWith('zy') && line;
    });
    assert.equal(seen, 'zyöäüß@€');
    // A dead key: the host puts the accent on the letter.
    assert.equal(await echoed(page, () => press('Equal', 'KeyE')), 'é');
    // What an input method commits goes as text; xrdp types what its layout has.
    const keys = await context.newCDPSession(page);
    const committed = await echoed(page, async () => {
      await keys.send('Input.imeSetComposition', { text: 'a', selectionStart: 1, selectionEnd: 1 });
      await keys.send('Input.insertText', { text: 'äöü' });
    });
    assert.equal(committed, 'äöü');
    await shoot(page, 'desktop-german');
    await context.close();
  });

  test('on a French keyboard, too', async () => {
    const { context, page } = await desktop('fr-FR');
    const seen = await eventually('the French line', async () => {
      // The command is typed on that layout as well: `clear` and `echo` have letters that stay.
      await page.keyboard.press('Control+KeyC');
      const type = async (codes) => {
        for (const code of codes) await page.keyboard.press(code);
      };
      const clear = ['KeyC', 'KeyL', 'KeyE', 'KeyQ', 'KeyR', 'Enter'];
      await type(clear);
      await settled(page, XTERM);
      await type(['KeyE', 'KeyC', 'KeyH', 'KeyO', 'Space', 'KeyQ', 'KeyA', 'Semicolon', 'Digit2', 'Enter']);
      await settled(page, XTERM);
      const line = await secondLine(page);
      return line.startsWith('aq') && line;
    });
    assert.equal(seen, 'aqmé');
    await context.close();
  });
});

describe('clipboard', () => {
  test('letters of every kind and pictures go both ways', async () => {
    const { context, page } = await desktop();
    // No emoji: the clipboard of xrdp 0.9 gives nothing out with characters beyond 16 bits.
    const text = 'Ä Ω 漢';
    await page.evaluate(async (value) => {
      await navigator.clipboard.writeText(value);
      window.dispatchEvent(new Event('focus'));
    }, text);
    await eventually('the text on the host', () => inDesktop('xclip -selection clipboard -o').toString() === text);

    await page.evaluate(async () => {
      const canvas = new OffscreenCanvas(40, 30);
      const context = canvas.getContext('2d');
      context.fillStyle = '#c8553d';
      context.fillRect(0, 0, 40, 30);
      await navigator.clipboard.write([new ClipboardItem({ 'image/png': await canvas.convertToBlob() })]);
      window.dispatchEvent(new Event('focus'));
    });
    const bitmap = await eventually('the picture on the host', () => {
      const bytes = inDesktop('xclip -selection clipboard -t image/bmp -o');
      return bytes.length > 54 && bytes;
    });
    assert.deepEqual([bitmap.subarray(0, 2).toString(), bitmap.readInt32LE(18), bitmap.readInt32LE(22)], ['BM', 40, 30]);
    assert.deepEqual([...bitmap.subarray(bitmap.readUInt32LE(10)).subarray(0, 3)], [0x3d, 0x55, 0xc8]);

    // Back: the same picture, half as high, so that it is another one.
    const half = Buffer.from(bitmap);
    half.writeInt32LE(15, 22);
    inDesktop('sh -c "xclip -selection clipboard -t image/bmp >/dev/null 2>&1"', half);
    const size = await eventually('the picture on the device', () => page.evaluate(async () => {
      const [item] = await navigator.clipboard.read();
      if (!item.types.includes('image/png')) return undefined;
      const picture = await createImageBitmap(await item.getType('image/png'));
      return picture.height === 15 && [picture.width, picture.height];
      // It may change while it is read.
    }).catch(() => undefined));
    assert.deepEqual(size, [40, 15]);

    inDesktop('sh -c "xclip -selection clipboard >/dev/null 2>&1"', 'vom Host: Ä Ω 漢');
    await eventually('the text on the device', async () => (await page.evaluate(() => navigator.clipboard.readText())) === 'vom Host: Ä Ω 漢');
    await context.close();
  });
});

describe('picture', () => {
  test('statistics tell the codec and how fast the host answers', async () => {
    const { context, page, errors } = await desktop();
    await page.locator('.toolbar .tab').click();
    await page.getByLabel('Show statistics').check();
    await page.keyboard.press('Escape');
    const figure = (name) => page.locator(`[data-figure=${name}] dd`).innerText();
    await page.locator('.statistics').waitFor();
    // The lab's desktop has a clock and a turning body, so something is drawn all the time.
    await eventually('pictures', async () => Number.parseInt(await figure('drawn'), 10) > 0);
    assert.notEqual(await figure('codec'), '–');
    await repeat('a response', () => typeInDesktop(page, 'x'), async () => /\d/.test(await figure('response')));
    await shoot(page, 'desktop-statistics');
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('the host follows the window, and the session goes on', async () => {
    const { context, page } = await desktop();
    await page.setViewportSize({ width: 800, height: 600 });
    await eventually('a desktop of the new size', async () => {
      const { width, height } = await readPixels(page);
      return width === 800 && height === 600;
    });
    // A picture of the old size that was on its way must not end the connection.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    assert.equal(await page.locator('.curtain').count(), 0);
    const before = await settled(page, XTERM);
    await typeInDesktop(page, 'echo resized\n');
    await eventually('the terminal to change', async () => difference(before, await readPixels(page, XTERM)) > 0.001);
    await shoot(page, 'desktop-resized');
    await context.close();
  });
});
