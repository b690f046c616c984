// What the desktop viewer does, against the stand-in of the RDP client: it tells the stand-in server
// every input, and does what the server says. The host's side is in real.test.mjs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import AxeBuilder from '@axe-core/playwright';
import { DESKTOP_CANVAS, eventually, openFromWebtop, readPixels, lit, shoot, waitForDesktop } from './lib.mjs';

/** Scancodes as short words: `+1e` pressed, `-1e` let go; text in quotes. */
function words(inputs) {
  return inputs.flatMap((input) => {
    if (input.text !== undefined) return [JSON.stringify(input.text)];
    if (input.key === undefined) return [];
    return [`${input.pressed ? '+' : '-'}${input.extended ? 'e0' : ''}${input.key.toString(16).padStart(2, '0')}`];
  });
}

async function desktop(page) {
  await openFromWebtop(page, 'desktop');
  await waitForDesktop(page);
  await page.locator('.launching').waitFor({ state: 'detached' });
}

/** `open` makes a context with a state of the stand-in; `mock` changes it meanwhile. */
export function desktopTests(open, mock) {
  /** Opens a desktop, and gives what its host gets from now on. */
  const ready = async (name, change, look) => {
    const opened = await open(name, change, look);
    await desktop(opened.page);
    const said = () => mock().inputs(name).splice(0);
    const expectWords = async (wanted) => {
      let seen = [];
      await eventually(`the keys ${wanted.join(' ')}`, () => {
        seen = [...seen, ...words(said())];
        return seen.length >= wanted.length || undefined;
      }, { timeout: 5_000 }).catch(() => undefined);
      assert.deepEqual(seen, wanted);
    };
    said();
    return { ...opened, said, expectWords };
  };
  const menu = async (page) => {
    await page.locator('.toolbar .tab').click();
    await page.locator('.panel').waitFor();
  };

  test('keys of a German and a French keyboard go by position', async () => {
    const { context, page, expectWords } = await ready('keys-position');
    const keys = await context.newCDPSession(page);
    const press = async (code, key, modifiers = 0) => {
      await keys.send('Input.dispatchKeyEvent', { type: 'keyDown', code, key, modifiers });
      await keys.send('Input.dispatchKeyEvent', { type: 'keyUp', code, key, modifiers });
    };
    await press('KeyY', 'z');
    await press('BracketLeft', 'ü');
    await press('Equal', 'Dead');
    await press('IntlBackslash', '<');
    await press('KeyQ', 'a');
    await press('AltRight', 'AltGraph', 1);
    await press('NumpadEnter', 'Enter');
    await expectWords(['+15', '-15', '+1a', '-1a', '+0d', '-0d', '+56', '-56', '+10', '-10', '+e038', '-e038', '+e01c', '-e01c']);
    await context.close();
  });

  test('as typed, characters go as text and combinations as keys', async () => {
    const { context, page, said, expectWords } = await ready('keys-character');
    await menu(page);
    await page.getByLabel('As typed').check();
    await page.keyboard.press('Escape');
    await page.locator('.panel').waitFor({ state: 'detached' });
    said();
    const keys = await context.newCDPSession(page);
    const press = async (code, key, modifiers = 0) => {
      await keys.send('Input.dispatchKeyEvent', { type: 'keyDown', code, key, text: key.length === 1 ? key : undefined, modifiers });
      await keys.send('Input.dispatchKeyEvent', { type: 'keyUp', code, key, modifiers });
    };
    await press('KeyY', 'z');
    await press('Equal', 'Dead');
    await press('KeyE', 'é');
    await page.keyboard.down('Control');
    await press('KeyY', 'z', 2);
    await page.keyboard.up('Control');
    await expectWords(['"z"', '"é"', '+1d', '+2c', '-2c', '-1d']);
    await context.close();
  });

  test('an input method commits its text once, and an emoji panel too', async () => {
    const { context, page, expectWords } = await ready('keys-ime');
    const keys = await context.newCDPSession(page);
    for (const text of ['に', 'にほ', 'にほん', '日本']) {
      await keys.send('Input.dispatchKeyEvent', { type: 'rawKeyDown', code: 'KeyN', key: 'Process', windowsVirtualKeyCode: 229 });
      await keys.send('Input.imeSetComposition', { text, selectionStart: text.length, selectionEnd: text.length });
    }
    assert.equal(await page.locator('.field.composing').count(), 1, 'what is composed can be seen');
    await keys.send('Input.insertText', { text: '日本' });
    await page.keyboard.insertText('😀');
    await expectWords(['"日本"', '"😀"']);
    assert.equal(await page.locator('.field').inputValue(), '');
    await context.close();
  });

  test('keys are let go when the focus goes; the menu presses what a browser keeps', async () => {
    const { context, page, said, expectWords } = await ready('keys-menu');
    await page.keyboard.down('Shift');
    await page.evaluate(() => window.dispatchEvent(new Event('blur')));
    await eventually('the keys to be let go', () => said().some((input) => input.released));
    said();
    // Each press gives the keyboard back to the session, which closes the menu.
    for (const name of ['Alt+Tab', 'Ctrl+Alt+Del', 'Print']) {
      await menu(page);
      await page.getByRole('button', { name, exact: true }).click();
      await page.locator('.panel').waitFor({ state: 'detached' });
    }
    await expectWords(['+38', '+0f', '-0f', '-38', '+1d', '+38', '+e053', '-e053', '-38', '-1d', '+e037', '-e037']);
    await context.close();
  });

  test('the pointer: five buttons, both wheels, dragging over the edge, the shape of the host', async () => {
    const { context, page, said } = await ready('pointer');
    const pointer = await context.newCDPSession(page);
    const mouse = (type, button, buttons, x, y, more = {}) =>
      pointer.send('Input.dispatchMouseEvent', { type, button, buttons, x, y, clickCount: 1, ...more });
    await mouse('mousePressed', 'left', 1, 100, 200);
    await mouse('mousePressed', 'right', 3, 100, 200);
    await mouse('mouseReleased', 'right', 1, 100, 200);
    await mouse('mouseMoved', 'left', 1, 1_279, 799);
    await mouse('mouseReleased', 'left', 0, 1_279, 799);
    await mouse('mousePressed', 'back', 8, 50, 60);
    await mouse('mouseReleased', 'back', 0, 50, 60);
    await mouse('mouseWheel', 'none', 0, 50, 60, { deltaX: 0, deltaY: 250 });
    await mouse('mouseWheel', 'none', 0, 50, 60, { deltaX: -100, deltaY: 0 });
    let seen = [];
    await eventually('the wheel', () => {
      seen = [...seen, ...said()];
      return seen.filter((input) => input.wheel !== undefined).length >= 2;
    });
    const buttons = seen.filter((input) => input.button !== undefined).map(({ button, pressed, at }) => `${pressed ? '+' : '-'}${button} ${at}`);
    assert.deepEqual(buttons, ['+0 100,200', '+2 100,200', '-2 100,200', '-0 1279,799', '+3 50,60', '-3 50,60']);
    assert.ok(seen.some((input) => input.move?.join() === '1279,799'), 'the pointer went along');
    assert.deepEqual(
      seen.filter((input) => input.wheel !== undefined).map(({ wheel, horizontal }) => [wheel, horizontal]),
      [[-240, false], [-120, true]],
    );
    mock().say('pointer', { event: { type: 'pointer', kind: 'shape', width: 24, height: 24, hotspotX: 3, hotspotY: 4 } });
    const cursor = () => page.locator('.stage').evaluate((stage) => stage.style.cursor);
    await eventually('the shape', async () => /^url\("blob:.*"\) 3 4, default$/.test(await cursor()));
    mock().say('pointer', { event: { type: 'pointer', kind: 'hidden' } });
    await eventually('no pointer', async () => (await cursor()) === 'none');
    await context.close();
  });

  test('on a touch screen a tap clicks, a long press is the right button, two fingers scroll', async () => {
    const { context, page, said } = await ready('touch', {}, { hasTouch: true });
    const touch = await context.newCDPSession(page);
    const send = (type, ...points) => touch.send('Input.dispatchTouchEvent', { type, touchPoints: points.map(([x, y], id) => ({ x, y, id })) });
    await send('touchStart', [300, 200]);
    await send('touchEnd');
    await send('touchStart', [400, 300]);
    await eventually('the right button', () => said().some((input) => input.button === 2 && input.pressed && input.at.join() === '400,300'));
    await send('touchEnd');
    await send('touchStart', [300, 400]);
    await send('touchStart', [300, 400], [500, 400]);
    for (let y = 390; y >= 250; y -= 20) await send('touchMove', [300, y], [500, y]);
    await send('touchEnd');
    await eventually('the wheel', () => said().some((input) => input.wheel < 0 && !input.horizontal));
    await menu(page);
    await page.getByRole('button', { name: 'On-screen keyboard' }).click();
    assert.equal(await page.locator('.field').getAttribute('inputmode'), 'text');
    await page.keyboard.insertText('hé');
    await eventually('the text', () => words(said()).includes('"hé"'));
    await context.close();
  });

  test('text, HTML and pictures go to the session and come from it', async () => {
    const { context, page, said } = await ready('clipboard-forms');
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.evaluate(async () => {
      const canvas = new OffscreenCanvas(3, 2);
      const context = canvas.getContext('2d');
      context.fillStyle = '#ff0000';
      context.fillRect(0, 0, 3, 2);
      const image = await canvas.convertToBlob();
      await navigator.clipboard.write([
        new ClipboardItem({ 'text/plain': new Blob(['Ä Ω 漢'], { type: 'text/plain' }), 'text/html': new Blob(['<b>Ä Ω 漢</b>'], { type: 'text/html' }), 'image/png': image }),
      ]);
      window.dispatchEvent(new Event('focus'));
    });
    let seen = [];
    const formats = await eventually('the offer', () => {
      seen = [...seen, ...said()];
      const { offered } = seen.find((input) => input.offered) ?? {};
      return offered && seen.filter((input) => input.bytes).length >= offered.length && offered;
    });
    const given = (match) => {
      const { id } = formats.find(match);
      return Buffer.from(seen.find((input) => input.clipboard === id).bytes);
    };
    assert.equal(given(({ id }) => id === 13).toString('utf16le'), 'Ä Ω 漢\0');
    assert.match(given(({ name }) => name === 'HTML Format').toString(), /^Version:0\.9\r\nStartHTML:\d{10}[\s\S]*<b[^>]*>Ä Ω 漢<\/b>/);
    assert.equal(given(({ name }) => name === 'PNG').subarray(1, 4).toString(), 'PNG');
    const dib = given(({ id }) => id === 8);
    assert.deepEqual([dib.readInt32LE(4), dib.readInt32LE(8), dib.readUInt32LE(40)], [3, 2, 0xffff0000]);

    // The host copies; it is asked for each form, and the device has them all.
    const html = Buffer.from('<i>from the host</i>');
    const head = 'Version:0.9\r\nStartHTML:0000000000\r\nEndHTML:0000000000\r\nStartFragment:0000000105\r\nEndFragment:0000000125\r\n';
    assert.equal(head.length, 105);
    const answers = { 13: Buffer.from('vom Host: Ω\0', 'utf16le'), 49_500: Buffer.concat([Buffer.from(head), html]), 8: dib };
    mock().say('clipboard-forms', {
      event: { type: 'clipboard-offer', formats: [{ id: 13, name: '' }, { id: 49_500, name: 'HTML Format' }, { id: 8, name: '' }] },
    });
    for (let left = Object.keys(answers).length; left > 0; left -= 1) {
      const id = await eventually('a fetch', () => said().find((input) => input.fetch !== undefined)?.fetch);
      mock().say('clipboard-forms', { clipboard: [...answers[id]] });
    }
    const device = await eventually('the clipboard of the device', () => page.evaluate(async () => {
      const [item] = await navigator.clipboard.read();
      const text = await (await item.getType('text/plain')).text();
      if (!text.startsWith('vom')) return undefined;
      const bitmap = await createImageBitmap(await item.getType('image/png'));
      return { text, html: await (await item.getType('text/html')).text(), size: [bitmap.width, bitmap.height] };
      // It may change while it is read.
    }).catch(() => undefined));
    assert.equal(device.text, 'vom Host: Ω');
    assert.match(device.html, /<i[^>]*>from the host<\/i>/);
    assert.deepEqual(device.size, [3, 2]);
    // What came from the session is not sent back to it.
    await page.evaluate(() => window.dispatchEvent(new Event('focus')));
    await page.waitForTimeout(500);
    assert.equal(said().filter((input) => input.offered).length, 0);
    await context.close();
  });

  test('without the permission to read, pasting brings the text along, in front of the key', async () => {
    const { context, page, said } = await ready('clipboard-paste');
    await context.grantPermissions(['clipboard-write']);
    await page.evaluate(() => navigator.clipboard.writeText('pasted Ω'));
    await page.keyboard.press('Control+KeyV');
    let seen = [];
    await eventually('the text and the key', () => {
      seen = [...seen, ...said()];
      return seen.some((input) => input.bytes) && words(seen).includes('+2f');
    });
    const offer = seen.findIndex((input) => input.offered);
    const key = seen.findIndex((input) => input.key === 0x2f);
    assert.ok(offer >= 0 && offer < key, `offer at ${offer}, key at ${key}`);
    assert.equal(Buffer.from(seen.find((input) => input.clipboard === 13).bytes).toString('utf16le'), 'pasted Ω\0');
    await context.close();
  });

  test('a policy that forbids a direction is kept', async () => {
    const { context, page, said } = await ready('clipboard-policy', { clipboard: 'from-host' });
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.evaluate(async () => {
      await navigator.clipboard.writeText('stays here');
      window.dispatchEvent(new Event('focus'));
    });
    await page.waitForTimeout(500);
    assert.equal(said().filter((input) => input.offered).length, 0);
    await context.close();
  });

  test('a panic of the client ends in a fresh worker', async () => {
    const { context, page } = await ready('panic', { reconnect: 'away' });
    mock().say('panic', { panic: true });
    await page.locator('.curtain').waitFor();
    assert.ok(await page.locator('canvas.still').isVisible(), 'the last picture is gone');
    mock().set('panic', { reconnect: 'ok' });
    await page.locator('.curtain').waitFor({ state: 'detached' });
    await eventually('a picture', async () => lit(await readPixels(page)) > 0.9);
    await context.close();
  });

  test('a client that hangs is ended, and another takes over', async () => {
    const { context, page } = await open('hang');
    await page.clock.install();
    await desktop(page);
    mock().say('hang', { hang: true });
    await page.waitForTimeout(500);
    await page.clock.runFor(40_000);
    await page.locator('.curtain').waitFor();
    await page.clock.runFor(2_000);
    await page.locator('.curtain').waitFor({ state: 'detached' });
    await eventually('a picture', async () => lit(await readPixels(page)) > 0.9);
    await context.close();
  });

  test('a host without a picture: the page says so, tries again by itself, and gives up in the end', async () => {
    const { context, page } = await open('no-picture', { desktop: 'none' });
    await page.clock.install();
    await page.goto('/launch/desktop');
    for (const attempt of [2, 3]) {
      await eventually('the connection', () => mock().launched('no-picture') === attempt - 1);
      await page.waitForTimeout(300);
      await page.clock.runFor(10_500);
      await page.getByText(`connecting again (try ${attempt} of 3)`, { exact: false }).waitFor();
    }
    await eventually('the third connection', () => mock().launched('no-picture') === 3);
    await page.waitForTimeout(300);
    await page.clock.runFor(10_500);
    await page.getByText('The host shows no picture').waitFor();
    mock().set('no-picture', { desktop: 'ok' });
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.locator('.launching').waitFor({ state: 'detached' });
    await context.close();
  });

  test('a desktop that is really black is shown after the last try', async () => {
    const { context, page } = await open('black', { desktop: 'black' });
    await page.clock.install();
    await page.goto('/launch/desktop');
    for (const attempt of [1, 2, 3]) {
      await eventually('the connection', () => mock().launched('black') === attempt);
      await page.waitForTimeout(300);
      await page.clock.runFor(10_500);
    }
    await page.locator('.launching').waitFor({ state: 'detached' });
    await context.close();
  });

  test('sound comes out as it came in, and mute is silence', async () => {
    const { context, page } = await open('sound');
    // Listens where the page hands its sound to the device.
    await page.addInitScript(() => {
      const connect = AudioNode.prototype.connect;
      AudioNode.prototype.connect = function (to, ...rest) {
        if (to instanceof AudioDestinationNode) {
          const ear = to.context.createAnalyser();
          ear.fftSize = 16_384;
          globalThis.ear = ear;
          connect.call(this, ear);
        }
        return connect.call(this, to, ...rest);
      };
    });
    await desktop(page);
    const heard = () => page.evaluate(() => {
      const { ear } = globalThis;
      if (!ear) return undefined;
      const levels = new Float32Array(ear.frequencyBinCount);
      ear.getFloatFrequencyData(levels);
      const loudest = levels.indexOf(Math.max(...levels));
      return { level: levels[loudest], hertz: (loudest * ear.context.sampleRate) / ear.fftSize };
    });
    mock().say('sound', { event: { type: 'sound-format', channels: 2, rate: 48_000, bits: 16 } });
    // The port is with the worker a moment after the player is up.
    await eventually('the player', heard);
    await page.waitForTimeout(500);
    await eventually('a tone of 440 Hz', async () => {
      mock().say('sound', { tone: 440 });
      await page.waitForTimeout(250);
      const { level, hertz } = await heard();
      return level > -60 && Math.abs(hertz - 440) < 6;
    }, { every: 1 });
    await menu(page);
    await page.getByLabel('Mute').check();
    await eventually('silence', async () => {
      mock().say('sound', { tone: 440 });
      await page.waitForTimeout(300);
      return (await heard()).level < -100;
    }, { every: 1 });
    await context.close();
  });

  test('the statistics are shown over the session, and are accessible', async () => {
    const { context, page, errors } = await ready('statistics');
    await menu(page);
    await page.getByLabel('Show statistics').check();
    await page.keyboard.press('Escape');
    const codec = page.locator('[data-figure=codec] dd');
    await codec.waitFor();
    assert.equal(await codec.innerText(), 'stand-in');
    await page.keyboard.press('KeyA');
    await eventually('a response', async () => /\d+ ms/.test(await page.locator('[data-figure=response] dd').innerText()));
    const { violations } = await new AxeBuilder({ page }).setLegacyMode(true).analyze();
    assert.deepEqual(violations.map(({ id }) => id), []);
    await shoot(page, 'desktop-statistics');
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('a host that cannot follow the window is scaled, and clicks land where they are seen', async () => {
    const { context, page, said } = await ready('fixed', { desktop: 'fixed' });
    await page.setViewportSize({ width: 640, height: 600 });
    const box = await eventually('a scaled picture', async () => {
      const box = await page.locator(DESKTOP_CANVAS).boundingBox();
      return box.width === 640 && box;
    });
    assert.deepEqual([box.x, box.y, box.height], [0, 100, 400]);
    await page.mouse.click(320, 300);
    await eventually('the click', () => said().some(({ button, pressed, at }) => button === 0 && pressed && at.join() === '640,400'));
    assert.equal((await readPixels(page)).width, 1_280);
    await menu(page);
    await page.getByLabel('Actual size').check();
    await page.keyboard.press('Escape');
    await eventually('its own size', async () => (await page.locator(DESKTOP_CANVAS).boundingBox()).width === 1_280);
    await context.close();
  });

  test('a dense screen can be used pixel by pixel', async () => {
    const { context, page } = await open('dense', {}, { deviceScaleFactor: 2 });
    await desktop(page);
    assert.equal((await readPixels(page)).width, 1_280);
    await menu(page);
    await page.getByLabel(/Use every pixel/).check();
    await eventually('twice the pixels', async () => (await readPixels(page)).width === 2_560);
    const box = await page.locator(DESKTOP_CANVAS).boundingBox();
    assert.deepEqual([box.width, box.height], [1_280, 800]);
    await context.close();
  });
}
