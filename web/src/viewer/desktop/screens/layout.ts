/**
 * Screens of the device to monitors of the session, and what part of the one picture each window
 * shows. Without page, as the worker reckons with it, too.
 */
import type { Monitor } from '../protocol';
import type { Size } from '../size';

export interface Rect extends Size {
  left: number;
  top: number;
}

/** Number of a window; the viewer itself is 0. */
export const MAIN = 0;

/** A monitor of the session and the window that shows it. */
export interface ScreenMonitor extends Monitor {
  id: number;
}

/** A window: the screen it is on, as the device has them side by side, and the pixels it shows. */
export interface ScreenWindow {
  id: number;
  screen: Rect;
  size: Size;
  scalePercent: number;
}

/**
 * The monitors of the session for windows, the first of which is the primary one, at 0. The windows
 * need not be as large as their screens, but monitors must touch and not overlap (MS-RDPEDISP
 * 2.2.2.2.1): each keeps its side of the one that its screen is nearest to.
 */
export function arrange(windows: readonly ScreenWindow[]): ScreenMonitor[] {
  const [first, ...rest] = windows;
  if (!first) return [];
  const placed: { from: ScreenWindow; at: Rect }[] = [{ from: first, at: { left: 0, top: 0, ...first.size } }];
  for (const from of rest.toSorted((a, b) => gap(a.screen, first.screen) - gap(b.screen, first.screen))) {
    const near = placed.toSorted((a, b) => gap(a.from.screen, from.screen) - gap(b.from.screen, from.screen))[0];
    const at = near && beside(near, from);
    placed.push({ from, at: at && !placed.some((one) => overlaps(one.at, at)) ? at : atTheEnd(placed, from.size) });
  }
  return windows.flatMap(({ id, scalePercent }) => {
    const at = placed.find((one) => one.from.id === id)?.at;
    return at ? [{ id, ...at, scalePercent, primary: id === first.id }] : [];
  });
}

/** The rectangle around monitors; nothing without any. */
export function bounds(monitors: readonly Rect[]): Rect | undefined {
  if (monitors.length === 0) return undefined;
  const left = Math.min(...monitors.map((one) => one.left));
  const top = Math.min(...monitors.map((one) => one.top));
  const right = Math.max(...monitors.map((one) => one.left + one.width));
  const bottom = Math.max(...monitors.map((one) => one.top + one.height));
  return { left, top, width: right - left, height: bottom - top };
}

/**
 * The part of a picture that a window shows; nothing while the picture is not that of the monitors,
 * such as before the host follows.
 */
export function partOf(id: number, monitors: readonly ScreenMonitor[], picture: Size): Rect | undefined {
  if (monitors.length < 2) return undefined;
  const all = bounds(monitors);
  const one = monitors.find((monitor) => monitor.id === id);
  if (!all || !one || all.width !== picture.width || all.height !== picture.height) return undefined;
  return { left: one.left - all.left, top: one.top - all.top, width: one.width, height: one.height };
}

/** A point of a window in pixels of the whole picture, also beyond the window: while one drags. */
export function toDesktop(
  point: { x: number; y: number },
  box: DOMRectReadOnly,
  part: Rect,
  picture: Size,
): { x: number; y: number } {
  const inside = (at: number, size: number): number => Math.max(0, Math.min(size - 1, Math.floor(at)));
  return {
    x: inside(part.left + ((point.x - box.left) * part.width) / Math.max(1, box.width), picture.width),
    y: inside(part.top + ((point.y - box.top) * part.height) / Math.max(1, box.height), picture.height),
  };
}

/** On the side of `near` where its screen is, as far along the edge as on the device. */
function beside(near: { from: ScreenWindow; at: Rect }, from: ScreenWindow): Rect {
  const { size } = from;
  const across = offset(near.from.screen.left, near.from.screen.width, from.screen.left, from.screen.width);
  const down = offset(near.from.screen.top, near.from.screen.height, from.screen.top, from.screen.height);
  if (Math.abs(across) >= Math.abs(down)) {
    const left = across >= 0 ? near.at.left + near.at.width : near.at.left - size.width;
    const top = near.at.top + along(from.screen.top - near.from.screen.top, size.height, near.at.height);
    return { left, top, ...size };
  }
  const top = down >= 0 ? near.at.top + near.at.height : near.at.top - size.height;
  const left = near.at.left + along(from.screen.left - near.from.screen.left, size.width, near.at.width);
  return { left, top, ...size };
}

/** Distance of the middles, in parts of what it is when the two touch. */
function offset(at: number, side: number, otherAt: number, otherSide: number): number {
  return (otherAt + otherSide / 2 - at - side / 2) / Math.max(1, (side + otherSide) / 2);
}

/** Keeps a piece of the edge in common. */
function along(shift: number, side: number, nearSide: number): number {
  return Math.max(1 - side, Math.min(nearSide - 1, Math.round(shift)));
}

function atTheEnd(placed: readonly { at: Rect }[], size: Size): Rect {
  const last = placed.map((one) => one.at).toSorted((a, b) => b.left + b.width - a.left - a.width)[0];
  return { left: (last?.left ?? 0) + (last?.width ?? 0), top: last?.top ?? 0, ...size };
}

function gap(a: Rect, b: Rect): number {
  return Math.hypot(a.left + a.width / 2 - b.left - b.width / 2, a.top + a.height / 2 - b.top - b.height / 2);
}

function overlaps(a: Rect, b: Rect): boolean {
  return (
    a.left < b.left + b.width && b.left < a.left + a.width && a.top < b.top + b.height && b.top < a.top + a.height
  );
}
