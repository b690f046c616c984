/** Wheel and track pad movements to notches of a wheel. */

/** Units of one notch (MS-RDPBCGR 2.2.8.1.1.3.1.1.3, WheelRotationMask). */
export const NOTCH = 120;
/** How far browsers scroll for one notch. */
const PIXELS_PER_NOTCH = 100;
const LINES_PER_NOTCH = 3;
/** A pause after which the rest of a movement is forgotten. */
const FORGET_MS = 1_000;

export interface WheelInput {
  deltaX: number;
  deltaY: number;
  /** 0 pixels, 1 lines, 2 pages. */
  deltaMode: number;
  timeStamp: number;
}

export interface WheelTurn {
  horizontal: boolean;
  units: number;
}

/**
 * Adds movements up until a notch is full: many hosts turn one notch for every message, however
 * small, and a track pad would race through the page.
 */
export class Wheel {
  private across = 0;
  private down = 0;
  private lastMs = Number.NEGATIVE_INFINITY;

  feed(input: WheelInput): WheelTurn[] {
    if (input.timeStamp - this.lastMs > FORGET_MS) this.across = this.down = 0;
    this.lastMs = input.timeStamp;
    const perNotch = input.deltaMode === 0 ? PIXELS_PER_NOTCH : input.deltaMode === 1 ? LINES_PER_NOTCH : 1;
    this.across += input.deltaX / perNotch;
    this.down += input.deltaY / perNotch;
    const turns: WheelTurn[] = [];
    const down = Math.trunc(this.down);
    if (down !== 0) turns.push({ horizontal: false, units: -down * NOTCH });
    const across = Math.trunc(this.across);
    if (across !== 0) turns.push({ horizontal: true, units: across * NOTCH });
    this.down -= down;
    this.across -= across;
    return turns;
  }
}
