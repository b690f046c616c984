import { describe, expect, test } from 'vitest';
import { arrange, bounds, MAIN, partOf, toDesktop, type Rect, type ScreenWindow } from '../src/viewer/desktop/screens/layout';
import { interleave } from '../src/viewer/desktop/sound/pcm';
import { Painter } from '../src/viewer/desktop/worker/painter';
import { Screens } from '../src/viewer/desktop/worker/screens';

const rect = (left: number, top: number, width: number, height: number): Rect => ({ left, top, width, height });
const screenOf = (id: number, screen: Rect, size = { width: screen.width, height: screen.height }): ScreenWindow => ({
  id, screen, size, scalePercent: 100,
});
const places = (windows: readonly ScreenWindow[]) =>
  arrange(windows).map(({ id, left, top, width, height }) => [id, left, top, width, height]);

/** What MS-RDPEDISP 2.2.2.2.1 wants of monitors. */
function isGood(monitors: readonly Rect[]): boolean {
  const meets = (a: Rect, b: Rect, by: number): boolean =>
    a.left < b.left + b.width + by && b.left < a.left + a.width + by && a.top < b.top + b.height + by && b.top < a.top + a.height + by;
  return monitors.every((one) => {
    const others = monitors.filter((other) => other !== one);
    return others.every((other) => !meets(one, other, 0)) && others.some((other) => meets(one, other, 1));
  });
}

describe('screens as monitors', () => {
  test('the viewer is at 0, the others where their screens are', () => {
    expect(places([screenOf(0, rect(0, 0, 1280, 800)), screenOf(3, rect(1280, 0, 1920, 1080))])).toEqual([
      [0, 0, 0, 1280, 800],
      [3, 1280, 0, 1920, 1080],
    ]);
    // The viewer on the right screen; the left one is upright and higher.
    expect(places([screenOf(0, rect(1080, 0, 1280, 800)), screenOf(1, rect(0, -400, 1080, 1920))])).toEqual([
      [0, 0, 0, 1280, 800],
      [1, -1080, -400, 1080, 1920],
    ]);
    expect(places([screenOf(0, rect(0, 0, 1280, 800)), screenOf(1, rect(0, 800, 1280, 800))])[1]).toEqual([1, 0, 800, 1280, 800]);
  });

  test('windows smaller than their screens still touch', () => {
    const windows = [
      screenOf(0, rect(0, 0, 1920, 1080), { width: 1200, height: 700 }),
      screenOf(1, rect(1920, 0, 1920, 1080), { width: 1920, height: 1000 }),
      screenOf(2, rect(-1920, 500, 1920, 1080), { width: 800, height: 600 }),
      screenOf(3, rect(1920, 1080, 1280, 1024), { width: 640, height: 480 }),
    ];
    const monitors = arrange(windows);
    expect(monitors.map((one) => one.id)).toEqual([0, 1, 2, 3]);
    expect(isGood(monitors)).toBe(true);
    expect(monitors.filter((one) => one.primary)).toMatchObject([{ id: 0, left: 0, top: 0 }]);
  });

  test('whatever screens and windows there are, the monitors make a desktop', () => {
    let seed = 7;
    const random = (below: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return Math.floor((seed / 2_147_483_648) * below);
    };
    for (let round = 0; round < 500; round += 1) {
      const windows = Array.from({ length: 2 + random(4) }, (_, id) =>
        screenOf(id, rect(random(5_000) - 2_500, random(3_000) - 1_500, 800 + random(1_200), 600 + random(900)), {
          width: 200 + random(2_000), height: 200 + random(1_500),
        }),
      );
      expect(isGood(arrange(windows)), JSON.stringify(windows)).toBe(true);
    }
  });

  test('a part is there only while the picture is that of the monitors', () => {
    const monitors = arrange([screenOf(0, rect(0, 0, 1280, 800)), screenOf(1, rect(-800, 0, 800, 600))]);
    expect(bounds(monitors)).toEqual(rect(-800, 0, 2080, 800));
    expect(partOf(MAIN, monitors, { width: 2080, height: 800 })).toEqual(rect(800, 0, 1280, 800));
    expect(partOf(1, monitors, { width: 2080, height: 800 })).toEqual(rect(0, 0, 800, 600));
    expect(partOf(MAIN, monitors, { width: 1280, height: 800 })).toBeUndefined();
    expect(partOf(9, monitors, { width: 2080, height: 800 })).toBeUndefined();
    expect(partOf(MAIN, monitors.slice(0, 1), { width: 1280, height: 800 })).toBeUndefined();
  });

  test('a point of a window is one of the desktop, and a drag goes on beyond the window', () => {
    const box = { left: 0, top: 0, width: 640, height: 400 } as DOMRectReadOnly;
    const part = rect(800, 0, 1280, 800);
    const picture = { width: 2080, height: 800 };
    expect(toDesktop({ x: 0, y: 0 }, box, part, picture)).toEqual({ x: 800, y: 0 });
    expect(toDesktop({ x: 320, y: 200 }, box, part, picture)).toEqual({ x: 1440, y: 400 });
    expect(toDesktop({ x: -200, y: 10 }, box, part, picture)).toEqual({ x: 400, y: 20 });
    expect(toDesktop({ x: 9_000, y: 9_000 }, box, part, picture)).toEqual({ x: 2079, y: 799 });
  });
});

describe('one picture in several windows', () => {
  class FakeCanvas {
    width = 0;
    height = 0;
    readonly painted: number[][] = [];
    getContext(): object {
      return { putImageData: (_: unknown, ...numbers: number[]) => this.painted.push(numbers) };
    }
  }

  function bench(width: number, height: number) {
    const size = { width, height };
    const memory = { buffer: new ArrayBuffer(4) };
    withImageData();
    const picture = { width: () => size.width, height: () => size.height, framePointer: () => 0 };
    memory.buffer = new ArrayBuffer(4_000 * 1_000 * 4);
    const painterOf = (canvas: unknown): Painter => new Painter(canvas as OffscreenCanvas, picture, memory);
    const main = new FakeCanvas();
    const screens = new Screens(painterOf(main), picture, painterOf as (canvas: OffscreenCanvas) => Painter);
    screens.resize();
    return { main, screens, size };
  }

  /** Node has no ImageData. */
  function withImageData(): void {
    (globalThis as { ImageData?: unknown }).ImageData = class {
      constructor(readonly data: Uint8ClampedArray, readonly width: number, readonly height: number) {}
    };
  }

  test('each window gets its part of what changed, and all of it when the layout changes', () => {
    const { main, screens, size } = bench(1280, 800);
    screens.paint(new Uint32Array([0, 0, 1280, 800]));
    expect(main.painted.splice(0)).toEqual([[-0, -0, 0, 0, 1280, 800]]);
    const other = new FakeCanvas();
    screens.add(1, other as unknown as OffscreenCanvas);
    screens.arrange(arrange([screenOf(0, rect(0, 0, 1280, 800)), screenOf(1, rect(-800, 0, 800, 600))]));
    // The host has not followed yet: the viewer shows all there is, the other window nothing.
    expect([main.width, other.painted.length]).toEqual([1280, 0]);
    main.painted.splice(0);
    Object.assign(size, { width: 2080, height: 800 });
    screens.resize();
    expect([main.width, main.height, other.width, other.height]).toEqual([1280, 800, 800, 600]);
    screens.paint(new Uint32Array([700, 0, 200, 50]));
    expect(main.painted.splice(0)).toEqual([[-800, -0, 800, 0, 100, 50]]);
    expect(other.painted.splice(0)).toEqual([[-0, -0, 700, 0, 100, 50]]);
    // The other window closes; the picture is still wide.
    screens.arrange([]);
    expect([main.width, main.painted]).toEqual([2080, [[-0, -0, 0, 0, 2080, 800]]]);
    screens.paint(new Uint32Array([0, 0, 10, 10]));
    expect(other.painted).toEqual([]);
  });
});

describe('the microphone', () => {
  test('samples are interleaved, a voice in one channel goes to both, and what is too loud is cut', () => {
    expect([...interleave([Float32Array.of(0, 1, -1)], 1)]).toEqual([0, 32_767, -32_767]);
    expect([...interleave([Float32Array.of(0.5, 2)], 2)]).toEqual([16_384, 16_384, 32_767, 32_767]);
    expect([...interleave([Float32Array.of(0.5), Float32Array.of(-2)], 2)]).toEqual([16_384, -32_767]);
    expect(interleave([], 2)).toHaveLength(0);
  });
});
