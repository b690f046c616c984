/**
 * One connection of the desktop viewer: one element of the RDP component, from its creation to its
 * end. A reconnection makes a new one, as the component plans one element per backend and life.
 */
import type { UserInteraction } from '@devolutions/iron-remote-desktop';
import type { ClipboardPolicy, Launch } from '../../api/types';
import { webSocketUrl, type ConnectionEvents, type Outcome } from '../connection';
import { endingOfClose } from '../end-reasons';
import { ofConnectError } from './failures';
import { firstPicture } from './picture';
import { load, type Rdp } from './rdp';
import { desktopSize, scalePercent, type Size } from './size';
import { SocketWatch } from './socket-watch';

export type Scale = 'fit' | 'full' | 'real';

/** `ScreenScale` of the component, whose package exports the type only. */
const SCREEN_SCALE = { fit: 1, full: 2, real: 3 } as const;

/** The component wants these; the gateway takes all of them from the ticket. */
const DUMMY = 'portico';
const FIRST_PICTURE_MS = 10_000;
/** The component lays its picture out this long after it was made visible (150 ms, and a frame). */
const LAYOUT_MS = 200;
const CLOSE_EVENT_MS = 1_500;
/** Time for the host to follow a resize; after it, it counts as unable. */
const RESIZE_MS = 2_500;

export interface DesktopOptions {
  viewport: Size;
  ratio: number;
  scale: Scale;
  unicodeKeyboard: boolean;
  clipboard: ClipboardPolicy;
}

export interface DesktopEvents extends ConnectionEvents {
  /** The session has copied something. */
  remoteCopied: () => void;
  /** The socket closed; the last picture is still there, but not for long. */
  closing: () => void;
}

export class DesktopConnection {
  private readonly watch: SocketWatch;
  private readonly stop = new AbortController();
  private element: HTMLElement | undefined;
  private ui: UserInteraction | undefined;
  private scale: Scale;
  /** Whether the host follows resizes: unknown until the first one was tried. */
  private follows: 'unknown' | 'yes' | 'no' = 'unknown';
  private isOver = false;

  constructor(
    private readonly container: HTMLElement,
    private readonly launch: Launch,
    private readonly options: DesktopOptions,
    private readonly events: DesktopEvents,
  ) {
    this.scale = options.scale;
    this.watch = new SocketWatch(() => this.events.closing());
  }

  get canvas(): HTMLCanvasElement | undefined {
    return this.element?.shadowRoot?.querySelector('canvas') ?? undefined;
  }

  async open(): Promise<void> {
    try {
      this.events.progress('signing-in');
      const rdp = await load();
      if (this.stop.signal.aborted) return;
      const ui = await this.createElement(rdp);
      const session = await this.connect(rdp, ui);
      if (this.stop.signal.aborted) {
        this.watch.close();
        return;
      }
      this.events.progress('starting');
      ui.setKeyboardUnicodeMode(this.options.unicodeKeyboard);
      ui.setVisibility(true);
      const running = session.run();
      const canvas = this.canvas;
      if (canvas) void this.announcePicture(canvas);
      await running.catch(() => undefined);
      await this.ended();
    } catch (error) {
      const closed = await this.watch.closed(CLOSE_EVENT_MS);
      this.over(ofConnectError(error, this.launch.host, closed));
    }
  }

  focus(): void {
    this.element?.focus({ preventScroll: true });
    this.canvas?.focus({ preventScroll: true });
  }

  /** Lets go of every key and button that the host believes to be held. */
  releaseKeys(): void {
    window.dispatchEvent(new Event('blur'));
  }

  setScale(scale: Scale): void {
    this.scale = scale;
    this.ui?.setScale(SCREEN_SCALE[scale]);
  }

  setUnicodeKeyboard(on: boolean): void {
    this.ui?.setKeyboardUnicodeMode(on);
  }

  ctrlAltDel(): void {
    this.ui?.ctrlAltDel();
  }

  metaKey(): void {
    this.ui?.metaKey();
  }

  sendClipboard(): Promise<void> {
    return this.ui?.sendClipboardData() ?? Promise.resolve();
  }

  fetchClipboard(): Promise<void> {
    return this.ui?.saveRemoteClipboardData() ?? Promise.resolve();
  }

  /** The window has another size: the host follows if it can, else the picture is scaled. */
  resize(viewport: Size, ratio: number): void {
    const { ui, canvas } = this;
    if (!ui || !canvas || this.scale === 'real' || this.follows === 'no') return;
    const size = desktopSize(viewport, ratio);
    if (canvas.width === size.width && canvas.height === size.height) return;
    const before = { width: canvas.width, height: canvas.height };
    ui.resize(size.width, size.height, scalePercent(ratio));
    // The component sets its box to the wished size at once; put it right until the host follows.
    ui.setScale(SCREEN_SCALE[this.scale]);
    if (this.follows === 'yes') return;
    window.setTimeout(() => {
      if (this.isOver) return;
      const same = canvas.width === before.width && canvas.height === before.height;
      this.follows = same ? 'no' : 'yes';
    }, RESIZE_MS);
  }

  /** Closes the connection from this side; the session goes on. */
  close(): void {
    if (this.stop.signal.aborted) return;
    this.stop.abort();
    try {
      this.ui?.shutdown();
    } catch {
      // Not connected yet, or not any more.
    }
    this.watch.close();
    this.remove();
  }

  remove(): void {
    this.element?.remove();
    this.element = undefined;
  }

  private async createElement(rdp: Rdp): Promise<UserInteraction> {
    const element = document.createElement('iron-remote-desktop');
    // The backend is read when the element enters the document, so it is set before.
    Object.assign(element, { module: rdp.Backend, scale: this.scale, flexcenter: 'true', verbose: 'false' });
    const ready = new Promise<UserInteraction>((resolve) => {
      element.addEventListener(
        'ready',
        (event) => {
          const ui = (event as CustomEvent<{ irgUserInteraction: UserInteraction }>).detail.irgUserInteraction;
          ui.setEnableClipboard(this.options.clipboard !== 'none');
          // Its own automatic mode reads the clipboard ten times a second; ours follows events.
          ui.setEnableAutoClipboard(false);
          ui.onClipboardRemoteUpdateCallback(() => this.events.remoteCopied());
          resolve(ui);
        },
        { once: true },
      );
    });
    this.element = element;
    this.container.append(element);
    const ui = await ready;
    element.shadowRoot?.adoptedStyleSheets.push(edgeToEdge());
    this.ui = ui;
    await clipboardIsReady();
    return ui;
  }

  private async connect(rdp: Rdp, ui: UserInteraction): ReturnType<UserInteraction['connect']> {
    const url = webSocketUrl(this.launch.gateway.path, location);
    const config = ui
      .configBuilder()
      .withUsername(DUMMY)
      .withPassword(DUMMY)
      .withDestination(DUMMY)
      .withProxyAddress(url)
      .withAuthToken(this.launch.ticket)
      .withDesktopSize(desktopSize(this.options.viewport, this.options.ratio))
      // The gateway signs in to the host; the browser never holds a password.
      .withExtension(rdp.enableCredssp(false))
      .withExtension(rdp.displayControl(true))
      .build();
    return this.watch.during(url, () => ui.connect(config));
  }

  private async announcePicture(canvas: HTMLCanvasElement): Promise<void> {
    const laidOut = new Promise((resolve) => window.setTimeout(resolve, LAYOUT_MS));
    await firstPicture(canvas, FIRST_PICTURE_MS, this.stop.signal);
    await laidOut;
    if (!this.isOver) this.events.progress('open');
  }

  private async ended(): Promise<void> {
    const closed = await this.watch.closed(CLOSE_EVENT_MS);
    // Without a close event the socket is still up: the host ended the RDP session in order.
    this.over({ is: 'ended', ...(closed ? endingOfClose(closed.code, closed.reason) : { reason: 'host-closed' }) });
  }

  private over(outcome: Outcome): void {
    if (this.isOver || this.stop.signal.aborted) return;
    this.isOver = true;
    this.watch.close();
    this.events.over(outcome);
  }
}

/** The component frames its picture while it has the keyboard; in a full window that is no news. */
function edgeToEdge(): CSSStyleSheet {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync('.capturing-inputs { outline: none !important; } canvas { display: block; outline: none; }');
  return sheet;
}

/**
 * The component sets up its clipboard after `ready`, behind a permission query of its own, and must
 * have done so before it connects. There is no event for it: our query is asked after its query.
 */
async function clipboardIsReady(): Promise<void> {
  try {
    await navigator.permissions.query({ name: 'clipboard-read' as PermissionName });
  } catch {
    // This browser knows no such permission; the component falls back in the same way.
  }
  await new Promise((resolve) => window.setTimeout(resolve, 0));
}
