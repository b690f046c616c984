/**
 * Fingers and a pen as the host's own touch input (MS-RDPEI), for hosts that have it: pointer events
 * go in, contacts come out. A machine without page; the RDP client keeps what the host knows.
 */
import type { ToWorker } from '../protocol';

/** What the host takes. */
export interface TouchTaken {
  fingers: boolean;
  pen: boolean;
}

/** How touches reach the session: as a mouse that gestures move, or as they are. */
export type TouchMode = 'gestures' | 'direct';

export type ContactOrder = Extract<ToWorker, { type: 'finger' | 'pen' }>;

/** The parts of a pointer event that matter here. */
export interface ContactInput {
  type: 'down' | 'move' | 'up' | 'cancel' | 'leave';
  pointerType: string;
  pointerId: number;
  /** 0 to 1; 0.5 where the device cannot tell. */
  pressure: number;
  buttons: number;
  tiltX: number;
  tiltY: number;
}

/** Fingers at a time: what the RDP client told the host. */
export const FINGERS_MAX = 10;
/** Units of the protocol (MS-RDPEI 2.2.3.3.1.1, `pressure`). */
const PRESSURE_UNITS = 1_024;
/** What browsers say for devices without pressure (Pointer Events, section 4.1). */
const PRESSURE_UNKNOWN = 0.5;
const PHASES = { down: 0, move: 1, up: 2, cancel: 3, leave: 3 } as const;
/** Bits of `PointerEvent.buttons` of a pen. */
const BARREL = 2;
const ERASER = 32;

export class DirectTouch {
  private readonly down = new Set<number>();
  /** The pen that the host follows: it knows one. */
  private pen: number | undefined;

  constructor(private readonly send: (order: ContactOrder) => void) {}

  /** Takes a pointer at a place of the picture; false when the host does not take its kind. */
  feed(input: ContactInput, at: { x: number; y: number }, taken: TouchTaken): boolean {
    if (input.pointerType === 'pen' && taken.pen) {
      this.penDid(input, at);
      return true;
    }
    if ((input.pointerType !== 'touch' && input.pointerType !== 'pen') || !taken.fingers) return false;
    this.fingerDid(input, at);
    return true;
  }

  /** The host was told that nothing is held any more. */
  clear(): void {
    this.down.clear();
    this.pen = undefined;
  }

  private fingerDid(input: ContactInput, at: { x: number; y: number }): void {
    const { type, pointerId: id } = input;
    if (type === 'down') {
      if (this.down.size >= FINGERS_MAX) return;
      this.down.add(id);
    } else if (!this.down.has(id)) {
      // A pen that hovers, or a finger too many.
      return;
    }
    if (type !== 'down' && type !== 'move') this.down.delete(id);
    const pressure = input.pressure === PRESSURE_UNKNOWN ? 0 : Math.round(input.pressure * PRESSURE_UNITS);
    this.send({ type: 'finger', id, phase: PHASES[type], ...at, pressure });
  }

  private penDid(input: ContactInput, at: { x: number; y: number }): void {
    const isGone = input.type === 'cancel' || input.type === 'leave';
    if (this.pen !== undefined && this.pen !== input.pointerId) return;
    if (this.pen === undefined && isGone) return;
    this.pen = isGone ? undefined : input.pointerId;
    const touches = !isGone && (input.buttons & (1 | ERASER)) !== 0;
    this.send({
      type: 'pen',
      inRange: !isGone,
      touches,
      barrel: (input.buttons & BARREL) !== 0,
      eraser: (input.buttons & ERASER) !== 0,
      ...at,
      pressure: touches ? Math.round(input.pressure * PRESSURE_UNITS) : 0,
      tiltX: input.tiltX,
      tiltY: input.tiltY,
    });
  }
}
