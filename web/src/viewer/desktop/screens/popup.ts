/** One window of a session on another screen: an empty page of ours, which the viewer fills. */
import { Cursor } from '../cursor';
import type { KeyboardMode } from '../input/keyboard';
import { StageInput } from '../input/stage-input';
import type { ToWorker } from '../protocol';
import { placePicture, type Size } from '../size';
import type { DeviceScreen } from './device';
import type { Rect } from './layout';

export interface PopupEnds {
  send: (order: ToWorker) => void;
  title: string;
  fullScreenLabel: string;
  keyboard: KeyboardMode;
  part: () => Rect | undefined;
  picture: () => Size | undefined;
  wantsPaste: () => boolean;
  pasted: (data: DataTransfer) => void;
  resized: () => void;
  closed: () => void;
}

/** Windows that are closed by the system give no event in some browsers. */
const LOOK_MS = 1_000;

// A sheet made by script is no inline style, which the content security policy forbids.
const STYLE = `
  html, body { height: 100%; margin: 0; overflow: hidden; background: #000; }
  .stage { position: fixed; inset: 0; overflow: hidden; touch-action: none; user-select: none; }
  canvas { position: absolute; display: block; }
  textarea { position: absolute; z-index: 1; left: 0; top: 0; width: 1px; height: 1.4em; padding: 0; border: 0;
    outline: none; resize: none; overflow: hidden; opacity: 0; pointer-events: none; font: 16px/1.4 system-ui, sans-serif; }
  .composing { width: 16em; max-width: 100%; opacity: 1; background: #1d2227; color: #fff; }
  button { position: fixed; z-index: 2; top: 0; left: 50%; transform: translateX(-50%); padding: 4px 14px;
    border: 1px solid #666; border-top: 0; border-radius: 0 0 8px 8px; background: #1d2227; color: #fff;
    font: 14px system-ui, sans-serif; opacity: 0.85; cursor: pointer; }
  :fullscreen button { display: none; }
`;

export class Popup {
  readonly cursor: Cursor;
  private readonly stage: HTMLElement;
  private readonly input: StageInput;
  private shown: HTMLCanvasElement | undefined;
  private readonly looking: number;
  private isOver = false;

  /** Nothing when the browser blocks it. */
  static open(screen: DeviceScreen, ends: PopupEnds): Popup | undefined {
    const features = `popup,left=${screen.left},top=${screen.top},width=${screen.width},height=${screen.height}`;
    const opened = window.open('', '', features);
    return opened ? new Popup(opened, screen, ends) : undefined;
  }

  private constructor(
    private readonly page: Window,
    readonly screen: DeviceScreen,
    private readonly ends: PopupEnds,
  ) {
    const { document } = page;
    document.title = ends.title;
    document.documentElement.lang = window.document.documentElement.lang;
    const sheet = new (page as unknown as { CSSStyleSheet: typeof CSSStyleSheet }).CSSStyleSheet();
    sheet.replaceSync(STYLE);
    document.adoptedStyleSheets = [sheet];
    this.stage = document.createElement('div');
    this.stage.className = 'stage';
    this.stage.setAttribute('role', 'application');
    this.stage.setAttribute('aria-label', ends.title);
    const field = document.createElement('textarea');
    field.inputMode = 'none';
    field.setAttribute('aria-label', ends.title);
    field.autocapitalize = 'off';
    field.spellcheck = false;
    const full = document.createElement('button');
    full.type = 'button';
    full.textContent = ends.fullScreenLabel;
    full.addEventListener('click', () => void this.fullScreen());
    this.stage.append(field);
    document.body.replaceChildren(this.stage, full);
    this.cursor = new Cursor(this.stage);
    this.input = new StageInput(
      this.stage,
      field,
      {
        send: (order) => ends.send(order),
        canvas: () => this.shown,
        part: () => ends.part(),
        picture: () => ends.picture(),
        wantsPaste: () => ends.wantsPaste(),
        pasted: (data) => ends.pasted(data),
      },
      ends.keyboard,
    );
    page.addEventListener('resize', () => {
      this.place(ends.part());
      ends.resized();
    });
    page.addEventListener('pagehide', () => this.gone());
    this.looking = window.setInterval(() => {
      if (page.closed) this.gone();
    }, LOOK_MS);
    this.input.focus();
  }

  get viewport(): Size {
    return { width: this.page.innerWidth, height: this.page.innerHeight };
  }

  /** A fresh canvas for a connection, which draws it from its worker. */
  canvas(): OffscreenCanvas {
    this.shown?.remove();
    const canvas = this.page.document.createElement('canvas');
    this.shown = canvas;
    this.stage.append(canvas);
    this.place(this.ends.part());
    return canvas.transferControlToOffscreen();
  }

  /** Shows a part of the picture as large as the window allows; nothing while there is none. */
  place(part: Rect | undefined): void {
    const canvas = this.shown;
    if (!canvas) return;
    canvas.style.visibility = part ? 'visible' : 'hidden';
    if (!part) return;
    const { left, top, width, height, isWhole } = placePicture(part, this.viewport, 'fit', this.page.devicePixelRatio);
    canvas.style.left = `${left}px`;
    canvas.style.top = `${top}px`;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    canvas.style.imageRendering = isWhole ? 'pixelated' : 'auto';
    this.cursor.scale(width / part.width);
  }

  setKeyboard(mode: KeyboardMode): void {
    this.input.setMode(mode);
  }

  close(): void {
    this.isOver = true;
    this.end();
    this.page.close();
  }

  private async fullScreen(): Promise<void> {
    await this.page.document.documentElement.requestFullscreen({ navigationUI: 'hide' }).catch(() => undefined);
    const { keyboard } = this.page.navigator as { keyboard?: { lock?: () => Promise<void> } };
    await keyboard?.lock?.().catch(() => undefined);
    this.input.focus();
  }

  private gone(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.end();
    this.ends.closed();
  }

  private end(): void {
    window.clearInterval(this.looking);
    this.input.releaseAll();
    this.input.end();
    this.cursor.clear();
  }
}
