/**
 * Keyboard events to keys of the session, without the page: events go in, orders come out. Two ways:
 *
 * - `position`: each key goes as its scancode, and the layout of the session decides what it types.
 *   Dead keys and AltGr are the session's business, too.
 * - `character`: what the device's layout typed goes as text; only keys without a character, and
 *   combinations with Control, Alt or the Windows key, go as scancodes. Modifiers go only when one of
 *   those needs them, so that the Shift of a capital is not pressed in the session as well.
 *
 * In both, what an input method composes goes as text when it is committed.
 */
import type { LockKeys, ToWorker } from '../protocol';
import { codeOfCharacter, scancodeOf } from './scancodes';

export type KeyboardMode = 'position' | 'character';

/** The parts of a keyboard event that matter here. */
export interface KeyInput {
  type: 'keydown' | 'keyup';
  code: string;
  key: string;
  ctrlKey: boolean;
  altKey: boolean;
  shiftKey: boolean;
  metaKey: boolean;
  isComposing: boolean;
  timeStamp: number;
  getModifierState: (name: string) => boolean;
}

export type KeyOrder = Extract<ToWorker, { type: 'key' | 'pause-key' | 'text' | 'release-all' | 'lock-keys' }>;

/** What the page does with the event: keep it from the browser, or let it be (input methods). */
export type Taken = 'ours' | 'leave';

const MODIFIERS = ['ShiftLeft', 'ShiftRight', 'ControlLeft', 'ControlRight', 'AltLeft', 'AltRight', 'MetaLeft', 'MetaRight'];
/** Windows sends Control with every AltGr, in the same instant. */
const ALT_GR_PAIR_MS = 2;

export class Keyboard {
  private readonly held = new Map<string, string>();
  /** Modifiers that are down on the device but not sent, in `character` mode. */
  private readonly lazy = new Set<string>();
  /** Those of them that shaped a character: no keys of their own any more. */
  private readonly wasUsed = new Set<string>();
  /** A left Control that may be the half of an AltGr. */
  private pendingControl: { code: string; atMs: number } | undefined;
  private swallowControl = false;
  private locksKnown = false;

  constructor(
    private readonly send: (order: KeyOrder) => void,
    private readonly platform: 'windows' | 'mac' | 'other',
    public mode: KeyboardMode,
  ) {}

  feed(input: KeyInput): Taken {
    // 229: an input method has the key (UI Events, section 7.3.1); its result comes as text.
    if (input.isComposing || input.key === 'Process') return 'leave';
    if (this.isHalfOfAltGr(input)) return 'ours';
    this.flushControl();
    if (!this.locksKnown && input.type === 'keydown') this.sendLocks(input);
    return this.mode === 'character' ? this.byCharacter(input) : this.byPosition(input);
  }

  /** A left Control that turned out to be no half of an AltGr; call soon after `feed`. */
  flushControl(): void {
    if (!this.pendingControl) return;
    const { code } = this.pendingControl;
    this.pendingControl = undefined;
    this.press(code, code);
  }

  get hasPending(): boolean {
    return this.pendingControl !== undefined;
  }

  /** Text that an input method or an on-screen keyboard committed. */
  commit(text: string): void {
    if (text !== '') this.send({ type: 'text', text });
  }

  /** A key by its position, pressed and let go: for menus. */
  tap(codes: readonly string[]): void {
    this.releaseAll();
    for (const code of codes) this.sendKey(code, true);
    for (const code of [...codes].reverse()) this.sendKey(code, false);
  }

  /** Modifiers that a click of the pointer shall see. */
  syncModifiers(): void {
    this.flushControl();
    for (const code of this.lazy) this.press(code, code);
    this.lazy.clear();
  }

  /** Nothing is held any more: the window lost the keys. */
  releaseAll(): void {
    this.pendingControl = undefined;
    this.swallowControl = false;
    this.held.clear();
    this.lazy.clear();
    this.wasUsed.clear();
    this.send({ type: 'release-all' });
  }

  /** The locks may be others now; they are told with the next key. */
  forgetLocks(): void {
    this.locksKnown = false;
  }

  private byPosition(input: KeyInput): Taken {
    const { code } = input;
    if (!scancodeOf(code) && code !== 'Pause') {
      // On-screen keyboards give no position; their text comes through the input field.
      if (input.type === 'keydown' && isCharacter(input.key) && code === '') {
        this.commit(input.key);
        return 'ours';
      }
      return 'leave';
    }
    if (input.type === 'keydown') {
      this.press(code, code);
      // A Mac gives no `keyup` for keys that are let go while the Command key is held.
      if (this.platform === 'mac' && input.metaKey && !MODIFIERS.includes(code)) this.release(code);
      // A Mac gives only the `keydown` when Caps Lock goes on, and only the `keyup` when it goes off.
      if (this.platform === 'mac' && code === 'CapsLock') this.release(code);
    } else if (this.platform === 'mac' && code === 'CapsLock') {
      this.press(code, code);
      this.release(code);
    } else {
      this.release(code);
    }
    return 'ours';
  }

  private byCharacter(input: KeyInput): Taken {
    const { code, key } = input;
    if (MODIFIERS.includes(code)) {
      if (input.type === 'keydown') {
        if (!this.held.has(code) && !this.lazy.has(code)) {
          this.lazy.add(code);
          this.wasUsed.delete(code);
        }
      } else if (this.lazy.delete(code)) {
        // Pressed and let go alone: a key of its own, as the Windows key is.
        if (!this.wasUsed.delete(code)) {
          this.press(code, code);
          this.release(code);
        }
      } else {
        this.release(code);
      }
      return 'ours';
    }
    if (input.type === 'keyup') {
      this.release(code);
      return 'ours';
    }
    // The next key brings the letter with its accent.
    if (key === 'Dead') return 'leave';
    const altGr = input.getModifierState('AltGraph') || (this.platform === 'mac' && input.altKey && !input.ctrlKey);
    const isCombination = (input.ctrlKey || input.metaKey || input.altKey) && !altGr;
    if (isCharacter(key) && !isCombination) {
      for (const modifier of MODIFIERS) {
        if (this.held.has(modifier)) {
          this.release(modifier);
          this.lazy.add(modifier);
        }
        if (this.lazy.has(modifier)) this.wasUsed.add(modifier);
      }
      this.commit(key);
      return 'ours';
    }
    // The letter counts, not its place: Ctrl+C is Ctrl+C on every layout of the device.
    const position = (isCharacter(key) ? codeOfCharacter(key) : undefined) ?? code;
    if (!scancodeOf(position) && position !== 'Pause') return 'leave';
    this.syncModifiers();
    this.press(code, position);
    if (this.platform === 'mac' && input.metaKey) this.release(code);
    return 'ours';
  }

  private isHalfOfAltGr(input: KeyInput): boolean {
    if (this.platform !== 'windows') return false;
    if (input.code === 'ControlLeft') {
      if (input.type === 'keyup') {
        const swallow = this.swallowControl;
        this.swallowControl = false;
        return swallow;
      }
      if (this.held.has('ControlLeft') || this.swallowControl) return this.swallowControl;
      this.pendingControl ??= { code: input.code, atMs: input.timeStamp };
      return true;
    }
    const pair = this.pendingControl;
    if (pair && input.code === 'AltRight' && input.type === 'keydown' && input.timeStamp - pair.atMs <= ALT_GR_PAIR_MS) {
      this.pendingControl = undefined;
      this.swallowControl = true;
    }
    return false;
  }

  private press(code: string, position: string): void {
    this.held.set(code, position);
    this.sendKey(position, true);
  }

  private release(code: string): void {
    const position = this.held.get(code);
    if (position === undefined) return;
    this.held.delete(code);
    this.sendKey(position, false);
  }

  private sendKey(position: string, pressed: boolean): void {
    if (position === 'Pause') {
      this.sendPause(pressed);
      return;
    }
    const key = scancodeOf(position);
    if (key) this.send({ type: 'key', key, pressed });
  }

  /** With Control it is another key, Break, which is an extended Scroll Lock. */
  private sendPause(pressed: boolean): void {
    const isBreak = this.held.has('ControlLeft') || this.held.has('ControlRight');
    if (!pressed) return;
    if (!isBreak) {
      this.send({ type: 'pause-key' });
      return;
    }
    const key = { code: 0x46, extended: true };
    this.send({ type: 'key', key, pressed: true });
    this.send({ type: 'key', key, pressed: false });
  }

  private sendLocks(input: KeyInput): void {
    this.locksKnown = true;
    // The state is the one after the key; a lock key itself is pressed in the session right after.
    const before = (name: string): boolean => input.getModifierState(name) !== (input.key === name);
    const locks: LockKeys = {
      scroll: before('ScrollLock'),
      // A Mac has no Num Lock: its number pad always types numbers.
      num: this.platform === 'mac' || before('NumLock'),
      caps: before('CapsLock'),
      kana: false,
    };
    this.send({ type: 'lock-keys', locks });
  }
}

/** One character, however many code units it has. */
function isCharacter(key: string): boolean {
  const [first, ...rest] = key;
  return first !== undefined && rest.length === 0;
}

export function platformOf(userAgent: string): 'windows' | 'mac' | 'other' {
  if (/Windows/.test(userAgent)) return 'windows';
  return /Macintosh|Mac OS X|iPhone|iPad/.test(userAgent) ? 'mac' : 'other';
}
