/** Size to ask the host for. */

export interface Size {
  width: number;
  height: number;
}

/** Limits of the display control channel (MS-RDPEDISP 2.2.2.2.1). */
const SIDE_MIN = 200;
const SIDE_MAX = 8192;

/**
 * The desktop for a viewport, in the host's pixels. `ratio` above 1 uses every pixel of a dense
 * screen, which is sharper but makes everything on hosts that do not scale small; so it is a choice.
 * Widths are multiples of four: some hosts send bitmaps whose rows the decoder shears otherwise.
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

function clamp(side: number): number {
  return Math.max(SIDE_MIN, Math.min(SIDE_MAX, side));
}
