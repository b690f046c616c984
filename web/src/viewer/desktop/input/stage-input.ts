/**
 * Input of the desktop viewer: listens on the stage and on its hidden input field, and says what the
 * session shall get. The field has the keyboard: only a field gets what an input method composes.
 */
import { DirectTouch, type ContactInput, type TouchMode, type TouchTaken } from './direct-touch';
import { platformOf, Keyboard, type KeyboardMode } from './keyboard';
import { softEdit } from './soft-text';
import { TouchGestures, type TouchAction, type TouchInput } from './touch';
import { Wheel, type WheelInput } from './wheel';
import type { ToWorker } from '../protocol';
import { toDesktop, type Rect } from '../screens/layout';
import { toPicture, type Size } from '../size';

/** Bits of `PointerEvent.buttons`, and the button of the session each of them is. */
const BUTTONS: readonly (readonly [bit: number, button: number])[] = [[1, 0], [4, 1], [2, 2], [8, 3], [16, 4]];
/** How long a paste combination waits for the browser's paste event. */
const PASTE_MS = 40;
/** Text that an on-screen keyboard may build up before the field is emptied. */
const FIELD_LEN_MAX = 200;

export interface StageEnds {
  send: (order: ToWorker) => void;
  /** The canvas that shows the session now. */
  canvas: () => HTMLCanvasElement | undefined;
  /** The part of the picture that it shows, where that is not all. */
  part: () => Rect | undefined;
  picture: () => Size | undefined;
  /** Whether the device's clipboard comes with the paste event, as it may not be read otherwise. */
  wantsPaste: () => boolean;
  pasted: (data: DataTransfer) => void;
}

export class StageInput {
  private readonly keyboard: Keyboard;
  private readonly wheel = new Wheel();
  private readonly gestures = new TouchGestures();
  private readonly direct: DirectTouch;
  private touchMode: TouchMode = 'direct';
  private taken: TouchTaken = { fingers: false, pen: false };
  private readonly stop = new AbortController();
  private buttons = 0;
  private longPressTimer = 0;
  private pasteTimer = 0;
  private heldPaste: KeyboardEvent | undefined;
  private isSoft = false;
  private softText = '';

  constructor(
    private readonly stage: HTMLElement,
    private readonly field: HTMLTextAreaElement,
    private readonly ends: StageEnds,
    mode: KeyboardMode,
  ) {
    this.keyboard = new Keyboard((order) => ends.send(order), platformOf(navigator.userAgent), mode);
    this.direct = new DirectTouch((order) => ends.send(order));
    this.listen();
  }

  end(): void {
    this.stop.abort();
    window.clearTimeout(this.longPressTimer);
    window.clearTimeout(this.pasteTimer);
  }

  focus(): void {
    this.field.focus({ preventScroll: true });
  }

  setMode(mode: KeyboardMode): void {
    this.keyboard.releaseAll();
    this.keyboard.mode = mode;
  }

  /** What the person wants of touches, and what the host takes. */
  setTouch(mode: TouchMode, taken: TouchTaken): void {
    if (mode !== this.touchMode) this.releaseAll();
    this.touchMode = mode;
    this.taken = taken;
  }

  /** Lets go of every key, button and finger that the host believes to be held. */
  releaseAll(): void {
    this.buttons = 0;
    this.direct.clear();
    this.flushPaste();
    this.keyboard.releaseAll();
  }

  /** A combination that the browser or the device keeps for itself. */
  tap(codes: readonly string[]): void {
    this.keyboard.tap(codes);
  }

  /** Shows the device's on-screen keyboard; call from a gesture. */
  openSoftKeyboard(): void {
    this.isSoft = true;
    this.emptyField();
    this.field.inputMode = 'text';
    this.field.blur();
    this.focus();
  }

  private listen(): void {
    const { stage, field } = this;
    const { signal } = this.stop;
    const at = { signal, passive: false };
    field.addEventListener('keydown', (event) => this.onKey(event), at);
    field.addEventListener('keyup', (event) => this.onKey(event), at);
    field.addEventListener('compositionstart', () => field.classList.add('composing'), at);
    field.addEventListener('compositionend', (event) => this.onComposed(event), at);
    field.addEventListener('input', (event) => this.onInput(event as InputEvent), at);
    field.addEventListener('paste', (event) => this.onPaste(event), at);
    field.addEventListener('focus', () => this.keyboard.forgetLocks(), at);
    field.addEventListener('blur', () => this.onBlur(), at);
    this.page.addEventListener('blur', () => this.releaseAll(), at);

    stage.addEventListener('pointerdown', (event) => this.onPointer(event, 'down'), at);
    stage.addEventListener('pointermove', (event) => this.onPointer(event, 'move'), at);
    stage.addEventListener('pointerup', (event) => this.onPointer(event, 'up'), at);
    stage.addEventListener('pointercancel', (event) => this.onPointer(event, 'cancel'), at);
    stage.addEventListener('pointerleave', (event) => this.onLeave(event), at);
    stage.addEventListener('wheel', (event) => this.onWheel(event), at);
    // Middle click pastes or scrolls, buttons 3 and 4 go through the history: here the session has them.
    for (const type of ['mousedown', 'mouseup', 'auxclick', 'contextmenu', 'dragstart', 'selectstart']) {
      stage.addEventListener(type, (event) => event.preventDefault(), at);
    }
  }

  private onKey(event: KeyboardEvent): void {
    if (this.isSoft && (event.key === 'Unidentified' || event.keyCode === 229)) return;
    const isPress = event.type === 'keydown';
    this.flushPaste();
    if (isPress && !event.repeat && isPasteChord(event) && this.ends.wantsPaste()) {
      // Let the browser paste into the field first: its event has the clipboard without a question.
      this.heldPaste = event;
      this.pasteTimer = window.setTimeout(() => this.flushPaste(), PASTE_MS);
      return;
    }
    this.feed(event);
  }

  private flushPaste(): void {
    window.clearTimeout(this.pasteTimer);
    const event = this.heldPaste;
    this.heldPaste = undefined;
    if (event) this.feed(event);
  }

  private feed(event: KeyboardEvent): void {
    const taken = this.keyboard.feed({
      type: event.type === 'keyup' ? 'keyup' : 'keydown',
      code: event.code,
      key: event.key,
      ctrlKey: event.ctrlKey,
      altKey: event.altKey,
      shiftKey: event.shiftKey,
      metaKey: event.metaKey,
      isComposing: event.isComposing,
      timeStamp: event.timeStamp,
      getModifierState: (name) => event.getModifierState(name),
    });
    if (taken === 'ours') event.preventDefault();
    // The other half of an AltGr comes in the same task, or never.
    if (this.keyboard.hasPending) window.setTimeout(() => this.keyboard.flushControl(), 0);
  }

  private onPaste(event: ClipboardEvent): void {
    event.preventDefault();
    if (event.clipboardData) this.ends.pasted(event.clipboardData);
    this.flushPaste();
  }

  private onComposed(event: CompositionEvent): void {
    this.field.classList.remove('composing');
    if (this.isSoft) return;
    this.keyboard.commit(event.data);
    this.emptyField();
  }

  private onInput(event: InputEvent): void {
    if (this.isSoft) {
      const { backspaces, text } = softEdit(this.softText, this.field.value);
      for (let left = backspaces; left > 0; left -= 1) this.keyboard.tap(['Backspace']);
      for (const part of text.split(/(\n)/)) {
        if (part === '\n') this.keyboard.tap(['Enter']);
        else this.keyboard.commit(part);
      }
      this.softText = this.field.value;
      if (!event.isComposing && this.softText.length > FIELD_LEN_MAX) this.emptyField();
      return;
    }
    // Text without a key and without composing: an emoji panel, dictation.
    if (event.isComposing || event.inputType === 'insertCompositionText') return;
    if (event.inputType === 'insertText' || event.inputType === 'insertReplacementText') {
      this.keyboard.commit(event.data ?? this.field.value);
    }
    this.emptyField();
  }

  private emptyField(): void {
    this.field.value = '';
    // A backspace of an on-screen keyboard needs something to delete.
    if (this.isSoft) this.field.value = '\u00a0';
    this.softText = this.field.value;
  }

  private onBlur(): void {
    this.isSoft = false;
    this.field.inputMode = 'none';
    this.emptyField();
    this.releaseAll();
  }

  private onPointer(event: PointerEvent, type: TouchInput['type']): void {
    const canvas = this.ends.canvas();
    if (!canvas) return;
    event.preventDefault();
    if (type === 'down') {
      this.stage.setPointerCapture(event.pointerId);
      this.moveField(event);
      // The press of a finger must not close an on-screen keyboard, nor open one.
      if (this.stage.ownerDocument.activeElement !== this.field) this.focus();
    }
    if (this.isDirect && this.direct.feed(contact(event, type), this.point(event, canvas), this.taken)) return;
    if (event.pointerType === 'touch') {
      this.onTouch(event, type);
      return;
    }
    const at = this.point(event, canvas);
    const changed = this.buttons ^ (type === 'cancel' ? 0 : event.buttons);
    if (changed !== 0) this.keyboard.syncModifiers();
    if (type === 'move') this.ends.send({ type: 'pointer-move', ...at });
    for (const [bit, button] of BUTTONS) {
      if ((changed & bit) === 0) continue;
      this.ends.send({ type: 'pointer-button', button, pressed: (this.buttons & bit) === 0, ...at });
    }
    this.buttons ^= changed;
  }

  /** A pen that is lifted away gives no other event. */
  private onLeave(event: PointerEvent): void {
    const canvas = this.ends.canvas();
    if (event.pointerType !== 'pen' || !this.isDirect || !canvas) return;
    this.direct.feed(contact(event, 'leave'), this.point(event, canvas), this.taken);
  }

  private onTouch(event: PointerEvent, type: TouchInput['type']): void {
    const input: TouchInput = { type, id: event.pointerId, x: event.clientX, y: event.clientY, timeStamp: event.timeStamp };
    for (const action of this.gestures.feed(input)) this.act(action);
    window.clearTimeout(this.longPressTimer);
    const dueMs = this.gestures.longPressAtMs;
    if (dueMs === undefined) return;
    this.longPressTimer = window.setTimeout(() => {
      for (const action of this.gestures.longPress(Math.max(dueMs, performance.now()))) this.act(action);
    }, dueMs - performance.now());
  }

  private act(action: TouchAction): void {
    const canvas = this.ends.canvas();
    if (!canvas) return;
    if (action.type === 'wheel') {
      this.turn(action.wheel);
      return;
    }
    const at = this.point({ clientX: action.x, clientY: action.y }, canvas);
    if (action.type === 'move') this.ends.send({ type: 'pointer-move', ...at });
    else this.ends.send({ type: 'pointer-button', button: action.button, pressed: action.pressed, ...at });
  }

  private onWheel(event: WheelEvent): void {
    event.preventDefault();
    this.keyboard.syncModifiers();
    this.turn(event);
  }

  private turn(input: WheelInput): void {
    for (const turn of this.wheel.feed(input)) this.ends.send({ type: 'wheel', ...turn });
  }

  private point(event: { clientX: number; clientY: number }, canvas: HTMLCanvasElement): { x: number; y: number } {
    const at = { x: event.clientX, y: event.clientY };
    const box = canvas.getBoundingClientRect();
    const part = this.ends.part();
    const picture = this.ends.picture();
    return part && picture ? toDesktop(at, box, part, picture) : toPicture(at, box, canvas);
  }

  private get isDirect(): boolean {
    return this.touchMode === 'direct';
  }

  /** The window that the stage is in, which may be another one than this code's. */
  private get page(): Window {
    return this.stage.ownerDocument.defaultView ?? window;
  }

  /** Input methods show their window where the field is: at the last click, mostly at the caret. */
  private moveField(event: PointerEvent): void {
    const box = this.stage.getBoundingClientRect();
    this.field.style.left = `${event.clientX - box.left + this.stage.scrollLeft}px`;
    this.field.style.top = `${event.clientY - box.top + this.stage.scrollTop}px`;
  }
}

function contact(event: PointerEvent, type: ContactInput['type']): ContactInput {
  const { pointerType, pointerId, pressure, buttons, tiltX, tiltY } = event;
  return { type, pointerType, pointerId, pressure, buttons, tiltX, tiltY };
}

function isPasteChord(event: KeyboardEvent): boolean {
  const isV = event.key.toLowerCase() === 'v' && (event.ctrlKey || event.metaKey) && !event.altKey;
  return isV || (event.code === 'Insert' && event.shiftKey);
}
