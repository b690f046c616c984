import { describe, expect, test } from 'vitest';
import { DirectTouch, FINGERS_MAX, type ContactInput, type ContactOrder } from '../src/viewer/desktop/input/direct-touch';

const BOTH = { fingers: true, pen: true };
const FINGERS = { fingers: true, pen: false };

function bench() {
  const said: ContactOrder[] = [];
  const touch = new DirectTouch((order) => said.push(order));
  const input = (type: ContactInput['type'], pointerId: number, more: Partial<ContactInput> = {}): ContactInput => ({
    type, pointerId, pointerType: 'touch', pressure: 0.5, buttons: type === 'down' || type === 'move' ? 1 : 0, tiltX: 0, tiltY: 0, ...more,
  });
  return {
    touch,
    finger: (type: ContactInput['type'], id: number, at = { x: 1, y: 2 }, more: Partial<ContactInput> = {}) =>
      touch.feed(input(type, id, more), at, BOTH),
    pen: (type: ContactInput['type'], at: { x: number; y: number }, more: Partial<ContactInput> = {}, taken = BOTH) =>
      touch.feed(input(type, 50, { pointerType: 'pen', ...more }), at, taken),
    said: () => said.splice(0),
  };
}

describe('fingers as they are', () => {
  test('each finger comes, moves and goes under its number', () => {
    const { finger, said } = bench();
    expect(finger('down', 7, { x: 10, y: 20 })).toBe(true);
    finger('down', 8, { x: 30, y: 40 }, { pressure: 0.25 });
    finger('move', 7, { x: 11, y: 21 });
    finger('up', 8, { x: 30, y: 40 });
    finger('cancel', 7, { x: 11, y: 21 });
    expect(said()).toEqual([
      { type: 'finger', id: 7, phase: 0, x: 10, y: 20, pressure: 0 },
      { type: 'finger', id: 8, phase: 0, x: 30, y: 40, pressure: 256 },
      { type: 'finger', id: 7, phase: 1, x: 11, y: 21, pressure: 0 },
      { type: 'finger', id: 8, phase: 2, x: 30, y: 40, pressure: 0 },
      { type: 'finger', id: 7, phase: 3, x: 11, y: 21, pressure: 0 },
    ]);
  });

  test('no more fingers than the host knows, and none that never came down', () => {
    const { finger, said } = bench();
    for (let id = 0; id < FINGERS_MAX + 5; id += 1) finger('down', id);
    for (let id = 0; id < FINGERS_MAX + 5; id += 1) finger('move', id);
    expect(said().filter((order) => order.type === 'finger' && order.phase === 0)).toHaveLength(FINGERS_MAX);
    finger('up', 0);
    finger('up', 0);
    finger('move', FINGERS_MAX + 1);
    expect(said()).toHaveLength(1);
    finger('down', FINGERS_MAX + 1);
    expect(said()).toHaveLength(1);
  });

  test('after a blur a finger that is still down says nothing more', () => {
    const { touch, finger, said } = bench();
    finger('down', 1);
    touch.clear();
    said();
    finger('move', 1);
    finger('up', 1);
    expect(said()).toEqual([]);
  });

  test('a mouse is none, and a host that takes none gets none', () => {
    const { touch, finger, said } = bench();
    expect(finger('down', 1, undefined, { pointerType: 'mouse' })).toBe(false);
    const input: ContactInput = { type: 'down', pointerId: 1, pointerType: 'touch', pressure: 0, buttons: 1, tiltX: 0, tiltY: 0 };
    expect(touch.feed(input, { x: 1, y: 2 }, { fingers: false, pen: false })).toBe(false);
    expect(said()).toEqual([]);
  });
});

describe('a pen as it is', () => {
  test('it hovers, presses with its tilt, and leaves', () => {
    const { pen, said } = bench();
    pen('move', { x: 5, y: 6 }, { buttons: 0, pressure: 0 });
    pen('down', { x: 5, y: 6 }, { buttons: 1, pressure: 0.75, tiltX: -20, tiltY: 35 });
    pen('up', { x: 5, y: 6 }, { buttons: 0, pressure: 0 });
    pen('leave', { x: 5, y: 6 }, { buttons: 0, pressure: 0 });
    pen('leave', { x: 5, y: 6 }, { buttons: 0, pressure: 0 });
    const plain = { type: 'pen', x: 5, y: 6, barrel: false, eraser: false, pressure: 0, tiltX: 0, tiltY: 0 };
    expect(said()).toEqual([
      { ...plain, inRange: true, touches: false },
      { ...plain, inRange: true, touches: true, pressure: 768, tiltX: -20, tiltY: 35 },
      { ...plain, inRange: true, touches: false },
      { ...plain, inRange: false, touches: false },
    ]);
  });

  test('its button and its other end are told', () => {
    const { pen, said } = bench();
    pen('down', { x: 1, y: 1 }, { buttons: 1 | 2, pressure: 1 });
    pen('down', { x: 1, y: 1 }, { buttons: 32, pressure: 1 });
    expect(said()).toMatchObject([
      { touches: true, barrel: true, eraser: false },
      { touches: true, barrel: false, eraser: true },
    ]);
  });

  test('where the host takes fingers only, it is one', () => {
    const { pen, said } = bench();
    pen('move', { x: 1, y: 1 }, { buttons: 0 }, FINGERS);
    expect(said()).toEqual([]);
    pen('down', { x: 1, y: 1 }, {}, FINGERS);
    expect(said()).toMatchObject([{ type: 'finger', phase: 0 }]);
  });
});
