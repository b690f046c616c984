import { describe, expect, test } from 'vitest';
import { Keyboard, platformOf, type KeyInput, type KeyOrder } from '../src/viewer/desktop/input/keyboard';
import { layoutForLanguage } from '../src/viewer/desktop/input/layouts';
import { scancodeOf } from '../src/viewer/desktop/input/scancodes';
import { softEdit } from '../src/viewer/desktop/input/soft-text';
import { LONG_PRESS_MS, TouchGestures, type TouchInput } from '../src/viewer/desktop/input/touch';
import { Wheel } from '../src/viewer/desktop/input/wheel';

/** Orders as short words: `+1e` pressed, `-1e` let go, `e0` before extended ones, text in quotes. */
function word(order: KeyOrder): string {
  if (order.type === 'text') return JSON.stringify(order.text);
  if (order.type !== 'key') return order.type;
  const { code, extended } = order.key;
  return `${order.pressed ? '+' : '-'}${extended ? 'e0' : ''}${code.toString(16).padStart(2, '0')}`;
}

/** A device's keyboard: `held` are modifiers (c, a, s, m; g is AltGr as the browser tells it). */
function bench(mode: 'position' | 'character', platform: 'windows' | 'mac' | 'other' = 'other') {
  const said: string[] = [];
  const keyboard = new Keyboard((order) => said.push(word(order)), platform, mode);
  let now = 0;
  const stroke = (type: 'keydown' | 'keyup', code: string, key: string, held = '', more: Partial<KeyInput> = {}) => {
    now += 10;
    return keyboard.feed({
      type, code, key, timeStamp: now, isComposing: false,
      ctrlKey: held.includes('c'), altKey: held.includes('a'), shiftKey: held.includes('s'), metaKey: held.includes('m'),
      getModifierState: (name) => name === 'AltGraph' && held.includes('g'),
      ...more,
    });
  };
  return {
    keyboard,
    down: (code: string, key: string, held?: string, more?: Partial<KeyInput>) => stroke('keydown', code, key, held, more),
    up: (code: string, key: string, held?: string, more?: Partial<KeyInput>) => stroke('keyup', code, key, held, more),
    /** What was said since the last call; the state of the locks comes with the first key. */
    said: () => said.splice(0).filter((order) => order !== 'lock-keys'),
    all: () => said.splice(0),
  };
}

describe('keys by position', () => {
  test('a key is its place, not its character', () => {
    const { down, up, said } = bench('position');
    // Z of a German keyboard; A of a French one.
    down('KeyY', 'z');
    up('KeyY', 'z');
    down('KeyQ', 'a');
    up('KeyQ', 'a');
    expect(said()).toEqual(['+15', '-15', '+10', '-10']);
  });

  test('dead keys and the key beside the left Shift go as keys, too', () => {
    const { down, up, said } = bench('position');
    expect(down('Equal', 'Dead')).toBe('ours');
    up('Equal', 'Dead');
    down('IntlBackslash', '<');
    up('IntlBackslash', '<');
    expect(said()).toEqual(['+0d', '-0d', '+56', '-56']);
  });

  test('AltGr of Windows comes without the Control that the browser adds', () => {
    const { keyboard, down, up, said } = bench('position', 'windows');
    down('ControlLeft', 'Control', 'c', { timeStamp: 100 });
    expect(said()).toEqual([]);
    down('AltRight', 'AltGraph', 'cag', { timeStamp: 100 });
    down('KeyQ', '@', 'cag');
    up('KeyQ', '@', 'cag');
    up('ControlLeft', 'Control', 'ag');
    up('AltRight', 'AltGraph');
    keyboard.flushControl();
    expect(said()).toEqual(['+e038', '+10', '-10', '-e038']);
  });

  test('a Control of its own on Windows is pressed, before the key that follows', () => {
    const { keyboard, down, up, said } = bench('position', 'windows');
    down('ControlLeft', 'Control', 'c');
    expect(keyboard.hasPending).toBe(true);
    keyboard.flushControl();
    down('KeyC', 'c', 'c');
    up('KeyC', 'c', 'c');
    up('ControlLeft', 'Control');
    down('ControlLeft', 'Control', 'c');
    down('KeyV', 'v', 'c');
    expect(said()).toEqual(['+1d', '+2e', '-2e', '-1d', '+1d', '+2f']);
  });

  test('a Mac lets keys go that it forgets under Command', () => {
    const { down, up, said } = bench('position', 'mac');
    down('MetaLeft', 'Meta', 'm');
    down('KeyC', 'c', 'm');
    up('MetaLeft', 'Meta');
    expect(said()).toEqual(['+e05b', '+2e', '-2e', '-e05b']);
  });

  test('what an input method has is left to it, and committed as text', () => {
    const { keyboard, down, said } = bench('position');
    expect(down('KeyN', 'Process')).toBe('leave');
    expect(down('KeyI', 'i', '', { isComposing: true })).toBe('leave');
    keyboard.commit('日本');
    expect(said()).toEqual(['"日本"']);
  });

  test('Pause goes as one, and with Control as Break', () => {
    const { down, up, said } = bench('position');
    expect(down('Pause', 'Pause')).toBe('ours');
    up('Pause', 'Pause');
    down('ControlLeft', 'Control', 'c');
    down('Pause', 'Cancel', 'c');
    up('Pause', 'Cancel', 'c');
    up('ControlLeft', 'Control');
    expect(said()).toEqual(['pause-key', '+1d', '+e046', '-e046', '-1d']);
  });

  test('a key let go that was never pressed here says nothing', () => {
    const { up, said } = bench('position');
    up('Enter', 'Enter');
    expect(said()).toEqual([]);
  });

  test('the locks are told before the first key, and again when they may have changed', () => {
    const { keyboard, down, all } = bench('position');
    down('KeyA', 'a');
    down('KeyB', 'b');
    expect(all()).toEqual(['lock-keys', '+1e', '+30']);
    keyboard.forgetLocks();
    down('KeyC', 'c');
    expect(all()).toEqual(['lock-keys', '+2e']);
  });
});

describe('keys as typed', () => {
  test('characters go as text, without the Shift or AltGr that made them', () => {
    const { down, up, said } = bench('character');
    down('ShiftLeft', 'Shift', 's');
    down('KeyY', 'Z', 's');
    up('KeyY', 'Z', 's');
    up('ShiftLeft', 'Shift');
    down('AltRight', 'AltGraph', 'g');
    down('KeyQ', '@', 'cag');
    up('KeyQ', '@', 'cag');
    up('AltRight', 'AltGraph');
    expect(said()).toEqual(['"Z"', '"@"']);
  });

  test('a dead key waits for its letter', () => {
    const { down, said } = bench('character');
    expect(down('Equal', 'Dead')).toBe('leave');
    down('KeyE', 'é');
    expect(said()).toEqual(['"é"']);
  });

  test('combinations go as keys by their letter, wherever it is on the device', () => {
    const { down, up, said } = bench('character');
    down('ControlLeft', 'Control', 'c');
    // Z of a German keyboard: undo is Ctrl+Z, not Ctrl+Y.
    down('KeyY', 'z', 'c');
    up('KeyY', 'z', 'c');
    up('ControlLeft', 'Control');
    expect(said()).toEqual(['+1d', '+2c', '-2c', '-1d']);
  });

  test('keys without a character see the Shift that is held', () => {
    const { down, up, said } = bench('character');
    down('ShiftLeft', 'Shift', 's');
    down('ArrowLeft', 'ArrowLeft', 's');
    up('ArrowLeft', 'ArrowLeft', 's');
    down('KeyA', 'A', 's');
    up('ShiftLeft', 'Shift');
    expect(said()).toEqual(['+2a', '+e04b', '-e04b', '-2a', '"A"']);
  });

  test('a modifier pressed alone is a key of its own', () => {
    const { down, up, said } = bench('character');
    down('MetaLeft', 'Meta', 'm');
    up('MetaLeft', 'Meta');
    expect(said()).toEqual(['+e05b', '-e05b']);
  });

  test('a click sees the modifiers that are held', () => {
    const { keyboard, down, up, said } = bench('character');
    down('ShiftLeft', 'Shift', 's');
    keyboard.syncModifiers();
    up('ShiftLeft', 'Shift');
    expect(said()).toEqual(['+2a', '-2a']);
  });

  test('an emoji is one character', () => {
    const { down, said } = bench('character');
    down('', '😀');
    expect(said()).toEqual(['"😀"']);
  });
});

describe('the table of keys', () => {
  test('no two keys have the same scancode, and nothing strange is one', () => {
    expect(scancodeOf('NumpadEnter')).toEqual({ code: 0x1c, extended: true });
    expect(scancodeOf('Enter')).toEqual({ code: 0x1c, extended: false });
    for (const code of ['', 'Fn', 'toString', '__proto__']) expect(scancodeOf(code)).toBeUndefined();
  });

  test('platforms', () => {
    expect(platformOf('Mozilla/5.0 (Windows NT 10.0; Win64; x64)')).toBe('windows');
    expect(platformOf('Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)')).toBe('mac');
    expect(platformOf('Mozilla/5.0 (X11; Linux x86_64)')).toBe('other');
  });
});

describe('layouts', () => {
  test.each([
    ['de', 0x0407], ['de-DE', 0x0407], ['de-AT', 0x0407], ['de-CH', 0x0807], ['de-Latn-CH', 0x0807], ['en_GB', 0x0809],
    ['en-US', 0x0409], ['pt-BR', 0x0416], ['zh-Hant-TW', 0x0404], ['sr-Latn-RS', 0x081a], ['de-x-ch', 0x0407],
    ['es-419', 0x080a], ['tlh', 0], ['', 0], ['-', 0], ['constructor', 0],
  ])('%j', (tag, layout) => {
    expect(layoutForLanguage(tag)).toBe(layout);
  });
});

describe('on-screen keyboards', () => {
  test.each([
    ['', 'h', 0, 'h'],
    ['hel', 'hello', 0, 'lo'],
    ['hello', 'hell', 1, ''],
    ['teh', 'the ', 2, 'he '],
    ['a😀', 'a', 1, ''],
    ['\u00a0', '', 1, ''],
    ['same', 'same', 0, ''],
  ])('%j to %j', (before, after, backspaces, text) => {
    expect(softEdit(before, after)).toEqual({ backspaces, text });
  });
});

describe('the wheel', () => {
  const turn = (wheel: Wheel, deltaY: number, timeStamp: number, more = {}) =>
    wheel.feed({ deltaX: 0, deltaY, deltaMode: 0, timeStamp, ...more });

  test('one notch of a mouse is one notch, up is positive', () => {
    const wheel = new Wheel();
    expect(turn(wheel, 100, 0)).toEqual([{ horizontal: false, units: -120 }]);
    expect(turn(wheel, -100, 10)).toEqual([{ horizontal: false, units: 120 }]);
    expect(turn(wheel, 3, 20, { deltaMode: 1 })).toEqual([{ horizontal: false, units: -120 }]);
  });

  test('small movements add up, and are forgotten after a pause', () => {
    const wheel = new Wheel();
    const turned = [...Array(10).keys()].flatMap((at) => turn(wheel, 25, at * 10));
    expect(turned).toHaveLength(2);
    expect(turn(wheel, 60, 5_000)).toEqual([]);
    expect(turn(wheel, 60, 9_000)).toEqual([]);
  });

  test('sideways is its own', () => {
    expect(new Wheel().feed({ deltaX: 250, deltaY: 0, deltaMode: 0, timeStamp: 0 })).toEqual([{ horizontal: true, units: 240 }]);
  });
});

describe('touch', () => {
  const touch = (type: TouchInput['type'], id: number, x: number, y: number, timeStamp: number): TouchInput => ({ type, id, x, y, timeStamp });
  const run = (...inputs: TouchInput[]) => {
    const gestures = new TouchGestures();
    const said = inputs.flatMap((input) => gestures.feed(input));
    return { gestures, said };
  };
  const words = (actions: ReturnType<TouchGestures['feed']>) =>
    actions.map((action) =>
      action.type === 'button' ? `${action.pressed ? '+' : '-'}${action.button} ${action.x},${action.y}`
      : action.type === 'move' ? `${action.x},${action.y}` : `wheel ${action.wheel.deltaX} ${action.wheel.deltaY}`);

  test('a tap clicks where it began', () => {
    const { said } = run(touch('down', 1, 10, 20, 0), touch('move', 1, 12, 21, 30), touch('up', 1, 12, 21, 80));
    expect(words(said)).toEqual(['10,20', '+0 10,20', '-0 10,20']);
  });

  test('a long press is the right button, once', () => {
    const { gestures } = run(touch('down', 1, 5, 5, 1_000));
    expect(gestures.longPressAtMs).toBe(1_000 + LONG_PRESS_MS);
    expect(gestures.longPress(1_100)).toEqual([]);
    expect(words(gestures.longPress(1_000 + LONG_PRESS_MS))).toEqual(['5,5', '+2 5,5', '-2 5,5']);
    expect(gestures.feed(touch('up', 1, 5, 5, 2_000))).toEqual([]);
    expect(words(gestures.feed(touch('down', 2, 1, 1, 3_000)))).toEqual([]);
    expect(words(gestures.feed(touch('up', 2, 1, 1, 3_050)))).toEqual(['1,1', '+0 1,1', '-0 1,1']);
  });

  test('a finger that moves drags', () => {
    const { said } = run(touch('down', 1, 0, 0, 0), touch('move', 1, 40, 0, 20), touch('move', 1, 60, 5, 40), touch('up', 1, 60, 5, 60));
    expect(words(said)).toEqual(['0,0', '+0 0,0', '40,0', '60,5', '-0 60,5']);
  });

  test('two fingers scroll, and click nothing', () => {
    const { said } = run(
      touch('down', 1, 100, 100, 0), touch('down', 2, 200, 100, 10),
      touch('move', 1, 100, 60, 20), touch('move', 2, 200, 60, 20),
      touch('up', 1, 100, 60, 30), touch('move', 2, 200, 20, 40), touch('up', 2, 200, 20, 50),
    );
    expect(words(said)).toEqual(['100,100', 'wheel 0 20', 'wheel 0 20']);
  });

  test('a cancelled drag lets go', () => {
    const { said } = run(touch('down', 1, 0, 0, 0), touch('move', 1, 40, 0, 20), touch('cancel', 1, 40, 0, 30));
    expect(words(said).at(-1)).toBe('-0 40,0');
  });
});
