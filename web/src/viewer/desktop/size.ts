/** Size to ask the host for, and where its picture lies in the window. */

export interface Size {
  width: number;
  height: number;
}

/**
 * How the picture is shown: `fit` whole and in proportion, `full` stretched over the window, `real`
 * one of its pixels on one of the screen (scrolled when it is larger).
 */
export type Scale = 'fit' | 'full' | 'real';

/** Limits of the display control channel (MS-RDPEDISP 2.2.2.2.1). */
const SIDE_MIN = 200;
const SIDE_MAX = 8192;
/** A picture that misses the window by so few pixels is not stretched, which would blur it. */
const NEAR_PX = 8;

/**
 * The desktop for a viewport, in the host's pixels. `ratio` above 1 uses every pixel of a dense
 * screen, which is sharper but makes everything on hosts that do not scale small; so it is a choice.
 * Widths must be even (MS-RDPEDISP 2.2.2.2.1); multiples of four also suit the encoders of hosts.
 */
export function desktopSize(viewport: Size, ratio: number): Size {
  return {
    width: clamp(Math.floor((viewport.width * ratio) / 4) * 4),
    height: clamp(Math.floor((viewport.height * ratio) / 2) * 2),
  };
}

/** Scale that the host should draw at, in the steps of the protocol (100 to 500 per cent). */
export function scalePercent(ratio: number): number {
  return Math.max(100, Math.min(500, Math.round(ratio * 100)));
}

/** Where the picture lies, in CSS pixels of the window. */
export interface Place extends Size {
  left: number;
  top: number;
  /** Whether its pixels are shown as squares: each is a whole number of the screen's. */
  isWhole: boolean;
}

/** `pixelRatio`: pixels of the screen for one CSS pixel. */
export function placePicture(picture: Size, viewport: Size, scale: Scale, pixelRatio: number): Place {
  const screen = { width: viewport.width * pixelRatio, height: viewport.height * pixelRatio };
  const across = factor(screen.width, picture.width);
  const down = factor(screen.height, picture.height);
  const one = { across: 1, down: 1 };
  const fit = Math.min(across, down);
  const by = scale === 'real' ? one : scale === 'full' ? { across, down } : { across: fit, down: fit };
  const width = picture.width * by.across;
  const height = picture.height * by.down;
  // On whole pixels of the screen, else every line of it would be a mixture of two.
  const left = Math.max(0, Math.floor((screen.width - width) / 2));
  const top = Math.max(0, Math.floor((screen.height - height) / 2));
  return {
    left: left / pixelRatio,
    top: top / pixelRatio,
    width: width / pixelRatio,
    height: height / pixelRatio,
    isWhole: Number.isInteger(by.across) && Number.isInteger(by.down),
  };
}

/** A point of the window in pixels of the picture, inside it. */
export function toPicture(point: { x: number; y: number }, box: DOMRectReadOnly, picture: Size): { x: number; y: number } {
  const inside = (at: number, size: number): number => Math.max(0, Math.min(size - 1, Math.floor(at)));
  return {
    x: inside(((point.x - box.left) * picture.width) / Math.max(1, box.width), picture.width),
    y: inside(((point.y - box.top) * picture.height) / Math.max(1, box.height), picture.height),
  };
}

/** How many pixels of the screen one of the picture takes; whole where it nearly is. */
function factor(screen: number, picture: number): number {
  const exact = screen / Math.max(1, picture);
  const whole = Math.floor(exact);
  return whole >= 1 && screen - whole * picture < NEAR_PX * whole ? whole : exact;
}

function clamp(side: number): number {
  return Math.max(SIDE_MIN, Math.min(SIDE_MAX, side));
}
