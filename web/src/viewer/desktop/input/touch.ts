/**
 * Touches to pointer actions, for hosts that know a mouse only: a tap clicks, a long press is the
 * right button, a finger that moves after a short rest drags, two fingers turn the wheel. A machine
 * without page or timers: touches go in with their time, actions come out.
 */
import type { WheelInput } from './wheel';

/** Held this long without moving, a finger is the right button. */
export const LONG_PRESS_MS = 550;
/** A finger that moved less is still at its place. */
const STILL_PX = 10;

export interface TouchInput {
  type: 'down' | 'move' | 'up' | 'cancel';
  id: number;
  x: number;
  y: number;
  timeStamp: number;
}

export type TouchAction =
  | { type: 'move'; x: number; y: number }
  | { type: 'button'; button: 0 | 2; pressed: boolean; x: number; y: number }
  | { type: 'wheel'; wheel: WheelInput };

interface Finger {
  x: number;
  y: number;
}

type State =
  | { is: 'idle' }
  /** One finger, at its place so far. */
  | { is: 'pressed'; id: number; at: Finger; sinceMs: number }
  | { is: 'dragging'; id: number }
  | { is: 'scrolling'; fingers: Map<number, Finger> }
  /** The gesture is done; waits for the last finger to go. */
  | { is: 'spent'; ids: Set<number> };

export class TouchGestures {
  private state: State = { is: 'idle' };

  feed(input: TouchInput): TouchAction[] {
    switch (input.type) {
      case 'down':
        return this.down(input);
      case 'move':
        return this.move(input);
      case 'up':
        return this.up(input);
      case 'cancel':
        return this.cancel(input);
    }
  }

  /** When to call `longPress`, while one finger rests. */
  get longPressAtMs(): number | undefined {
    return this.state.is === 'pressed' ? this.state.sinceMs + LONG_PRESS_MS : undefined;
  }

  /** The resting finger has become the right button. */
  longPress(nowMs: number): TouchAction[] {
    const { state } = this;
    if (state.is !== 'pressed' || nowMs < state.sinceMs + LONG_PRESS_MS) return [];
    this.state = { is: 'spent', ids: new Set([state.id]) };
    return click(2, state.at);
  }

  private down(input: TouchInput): TouchAction[] {
    const { state } = this;
    const at = { x: input.x, y: input.y };
    if (state.is === 'idle') {
      this.state = { is: 'pressed', id: input.id, at, sinceMs: input.timeStamp };
      return [];
    }
    if (state.is === 'pressed') {
      this.state = { is: 'scrolling', fingers: new Map([[state.id, state.at], [input.id, at]]) };
      return [{ type: 'move', ...state.at }];
    }
    if (state.is === 'spent') state.ids.add(input.id);
    return [];
  }

  private move(input: TouchInput): TouchAction[] {
    const { state } = this;
    const at = { x: input.x, y: input.y };
    if (state.is === 'pressed' && state.id === input.id) {
      if (Math.hypot(at.x - state.at.x, at.y - state.at.y) < STILL_PX) return [];
      this.state = { is: 'dragging', id: input.id };
      return [{ type: 'move', ...state.at }, { type: 'button', button: 0, pressed: true, ...state.at }, { type: 'move', ...at }];
    }
    if (state.is === 'dragging' && state.id === input.id) return [{ type: 'move', ...at }];
    if (state.is === 'scrolling') {
      const before = state.fingers.get(input.id);
      if (!before) return [];
      state.fingers.set(input.id, at);
      // The picture goes with the fingers; each of two fingers counts half.
      const deltaX = (before.x - at.x) / state.fingers.size;
      const deltaY = (before.y - at.y) / state.fingers.size;
      return [{ type: 'wheel', wheel: { deltaX, deltaY, deltaMode: 0, timeStamp: input.timeStamp } }];
    }
    return [];
  }

  private up(input: TouchInput): TouchAction[] {
    const { state } = this;
    const at = { x: input.x, y: input.y };
    switch (state.is) {
      case 'pressed':
        this.state = { is: 'idle' };
        return click(0, state.at);
      case 'dragging':
        if (state.id !== input.id) return [];
        this.state = { is: 'idle' };
        return [{ type: 'button', button: 0, pressed: false, ...at }];
      case 'scrolling': {
        const ids = new Set(state.fingers.keys());
        ids.delete(input.id);
        this.state = ids.size > 0 ? { is: 'spent', ids } : { is: 'idle' };
        return [];
      }
      case 'spent':
        state.ids.delete(input.id);
        if (state.ids.size === 0) this.state = { is: 'idle' };
        return [];
      case 'idle':
        return [];
    }
  }

  private cancel(input: TouchInput): TouchAction[] {
    const { state } = this;
    if (state.is !== 'pressed') return this.up(input);
    this.state = { is: 'idle' };
    return [];
  }
}

function click(button: 0 | 2, at: Finger): TouchAction[] {
  return [
    { type: 'move', ...at },
    { type: 'button', button, pressed: true, ...at },
    { type: 'button', button, pressed: false, ...at },
  ];
}
