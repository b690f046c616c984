/**
 * One connection of the desktop viewer: one worker and one canvas, from their creation to their end.
 * A reconnection makes new ones.
 */
import type { ClipboardPolicy, DrivePolicy, Launch, PrinterPolicy } from '../../api/types';
import { webSocketUrl, type ConnectionEvents, type Outcome } from '../connection';
import { failed, outcomeOf, VIDEO } from './failures';
import type { FileNews } from './files/protocol';
import type { TouchTaken } from './input/direct-touch';
import type {
  ClipboardContent,
  FromWorker,
  PointerShape,
  SoundFormat,
  Statistics,
  ToWorker,
  WorkerEnd,
} from './protocol';
import { bounds, MAIN, partOf, type Rect, type ScreenMonitor } from './screens/layout';
import { settingsOf } from './settings';
import type { MicrophoneFormat } from './sound/microphone';
import { desktopSize, placePicture, scalePercent, type Scale, type Size } from './size';
import { videoFailed } from './video';
import { takeWorker } from './worker/spare';

export type { Scale } from './size';

/** From the start until the session is set up; gateway and host have shorter limits of their own. */
const CONNECT_MS = 90_000;
/** Without a picture after this the host is asked to send all of it again. */
const REPAINT_MS = 4_000;
/** Without one after this the connection is given up, so that another one is tried. */
const PICTURE_MS = 10_000;
/** A worker that says nothing for so long hangs; it tells its statistics every second. */
const SILENCE_MS = 20_000;
const LOOK_MS = 5_000;
/** Time for the last bytes to leave when the page ends the connection. */
const SHUTDOWN_MS = 250;
/** The fetch of the host's clipboard has limits of its own; this is for a lost answer. */
const FETCH_MS = 35_000;

export interface DesktopOptions {
  viewport: Size;
  ratio: number;
  scale: Scale;
  clipboard: ClipboardPolicy;
  drive: DrivePolicy;
  printer: PrinterPolicy;
  /** Windows layout id; 0 for the host's own. */
  keyboardLayout: number;
  /** A picture that stays black is shown in the end: some desktops are. */
  acceptBlack: boolean;
  microphone: boolean;
  /** Windows of the session, when there are several; the first is the viewer. */
  monitors: readonly ScreenMonitor[];
}

export interface DesktopEvents extends ConnectionEvents {
  /** Nothing but black came within `PICTURE_MS`, or nothing at all; `over` follows. */
  noPicture: () => void;
  /** The session has copied something. */
  remoteCopied: () => void;
  /** The socket closed; the last picture is still there, but not for long. */
  closing: () => void;
  pointer: (shape: PointerShape) => void;
  /** The picture lies elsewhere now: CSS pixels that one of its pixels takes. */
  placed: (cssPerPixel: number) => void;
  soundFormat: (format: SoundFormat) => void;
  soundVolume: (left: number, right: number) => void;
  statistics: (statistics: Statistics) => void;
  /** What of touch input the host takes; how many monitors; what it wants of the microphone. */
  touch: (taken: TouchTaken) => void;
  monitors: (max: number) => void;
  microphone: (wanted: MicrophoneFormat | undefined) => void;
  files: (news: FileNews) => void;
}

export class DesktopConnection {
  readonly canvas = document.createElement('canvas');
  private worker: Worker | undefined;
  private readonly timers = new Set<number>();
  private looking = 0;
  private scale: Scale;
  private viewport: Size;
  private ratio: number;
  private picture: Size;
  private monitors: readonly ScreenMonitor[];
  private isOpen = false;
  private isActive = false;
  private wasDrawn = false;
  private isOver = false;
  private lastHeardMs = performance.now();
  private isLate = false;
  private waitingForClipboard: ((content: ClipboardContent | undefined) => void) | undefined;

  constructor(
    private readonly container: HTMLElement,
    private readonly launch: Launch,
    private readonly options: DesktopOptions,
    private readonly events: DesktopEvents,
  ) {
    this.scale = options.scale;
    this.viewport = options.viewport;
    this.ratio = options.ratio;
    this.monitors = options.monitors.length > 1 ? options.monitors : [];
    this.picture = bounds(this.monitors) ?? desktopSize(options.viewport, options.ratio);
  }

  open(): void {
    this.events.progress('signing-in');
    const { launch, options } = this;
    const worker = takeWorker();
    this.worker = worker;
    worker.onmessage = (event: MessageEvent<FromWorker>) => this.hear(event.data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.ended({ code: 'load-failed', message: event.message, reached: false });
    };
    this.canvas.width = this.picture.width;
    this.canvas.height = this.picture.height;
    const offscreen = this.canvas.transferControlToOffscreen();
    this.container.append(this.canvas);
    this.place();
    const url = webSocketUrl(launch.gateway.path, location);
    const settings = settingsOf(launch.ticket, {
      size: this.picture,
      ratio: options.ratio,
      keyboardLayout: options.keyboardLayout,
      clipboard: options.clipboard !== 'none',
      microphone: options.microphone,
      monitors: this.monitors,
      drive: options.drive,
      printer: options.printer === 'on',
    });
    this.post({ type: 'connect', url, settings, canvas: offscreen }, [offscreen]);
    this.after(CONNECT_MS, () => {
      if (!this.isActive) this.over(failed('timed-out', launch.host));
    });
    this.looking = window.setInterval(() => this.look(), LOOK_MS);
  }

  /** Input and the like: goes to the worker as it is. */
  send(order: ToWorker): void {
    this.post(order);
  }

  setScale(scale: Scale): void {
    this.scale = scale;
    this.follow(this.ratio);
  }

  /** The window has another size: the picture is scaled to it. */
  setViewport(viewport: Size): void {
    this.viewport = viewport;
    this.place();
  }

  /** The host shall follow the window, if it can; else the picture stays scaled. */
  follow(ratio: number): void {
    this.ratio = ratio;
    this.place();
    const size = desktopSize(this.viewport, ratio);
    const isSame = size.width === this.picture.width && size.height === this.picture.height;
    if (this.scale !== 'real' && !isSame && this.monitors.length === 0) this.askForSize(size);
  }

  /** Several monitors, each with its window; none: the viewer alone. */
  arrange(monitors: readonly ScreenMonitor[]): void {
    const before = this.monitors;
    this.monitors = monitors.length > 1 ? monitors : [];
    const isSame = JSON.stringify(before) === JSON.stringify(this.monitors) && this.part(MAIN) !== undefined;
    this.post({ type: 'arrange', monitors: this.monitors, ask: this.isActive && this.monitors.length > 1 && !isSame });
    this.place();
    if (before.length > 0 && this.monitors.length === 0) this.askForSize(desktopSize(this.viewport, this.ratio));
  }

  addCanvas(id: number, canvas: OffscreenCanvas): void {
    this.post({ type: 'screen-canvas', id, canvas }, [canvas]);
  }

  /** What a window shows of the picture; nothing while the host has not followed. */
  part(id: number): Rect | undefined {
    return partOf(id, this.monitors, this.picture);
  }

  get pictureSize(): Size {
    return this.picture;
  }

  microphonePort(port: MessagePort): void {
    this.post({ type: 'microphone-port', port }, [port]);
  }

  /** What the session has copied; undefined when it does not give it. */
  fetchClipboard(): Promise<ClipboardContent | undefined> {
    this.waitingForClipboard?.(undefined);
    return new Promise((resolve) => {
      this.waitingForClipboard = resolve;
      this.post({ type: 'clipboard-fetch' });
      this.after(FETCH_MS, () => resolve(undefined));
    });
  }

  soundPort(port: MessagePort, latencyMs: number): void {
    this.post({ type: 'sound-port', port, latencyMs }, [port]);
  }

  /** Takes the picture away and ends the worker; the session goes on. No event comes after it. */
  close(): void {
    this.isOver = true;
    this.canvas.remove();
    this.waitingForClipboard?.(undefined);
    window.clearInterval(this.looking);
    for (const timer of this.timers) window.clearTimeout(timer);
    const { worker } = this;
    this.worker = undefined;
    if (!worker) return;
    worker.onmessage = worker.onerror = null;
    worker.postMessage({ type: 'shutdown' } satisfies ToWorker);
    window.setTimeout(() => worker.terminate(), SHUTDOWN_MS);
  }

  private hear(message: FromWorker): void {
    this.lastHeardMs = performance.now();
    if (this.isOver) return;
    switch (message.type) {
      case 'progress':
        if (message.step === 'active') this.active();
        else this.events.progress(message.step);
        return;
      case 'drawn':
        this.wasDrawn = true;
        return;
      case 'picture':
        this.show();
        return;
      case 'resized':
        this.picture = { width: message.width, height: message.height };
        this.place();
        return;
      case 'pointer':
        this.events.pointer(message.shape);
        return;
      case 'clipboard-offer':
        this.events.remoteCopied();
        return;
      case 'clipboard-content':
        this.waitingForClipboard?.(message.content);
        this.waitingForClipboard = undefined;
        return;
      case 'sound-format':
        this.events.soundFormat(message.format);
        return;
      case 'sound-volume':
        this.events.soundVolume(message.left, message.right);
        return;
      case 'statistics':
        this.events.statistics(message.statistics);
        return;
      case 'files':
        this.events.files(message.news);
        return;
      case 'closing':
        this.events.closing();
        return;
      case 'end':
        this.ended(message.end);
        return;
      case 'touch':
        this.events.touch(message.taken);
        return;
      case 'monitors':
        this.events.monitors(message.max);
        return;
      case 'microphone':
        this.events.microphone(message.wanted);
        return;
      case 'can-resize':
      case 'loaded':
    }
  }

  /** The session is set up; its picture has to come. */
  private active(): void {
    if (this.isActive) return;
    this.isActive = true;
    this.events.progress('starting');
    this.after(REPAINT_MS, () => {
      if (!this.isOpen) this.post({ type: 'repaint' });
    });
    this.after(PICTURE_MS, () => {
      if (this.isOpen || this.isOver) return;
      if (this.wasDrawn && this.options.acceptBlack) {
        this.show();
        return;
      }
      this.events.noPicture();
      this.over(failed('no-picture', this.launch.host));
    });
    // The window may have changed meanwhile.
    this.follow(this.ratio);
  }

  private show(): void {
    if (this.isOpen || this.isOver) return;
    this.isOpen = true;
    this.events.progress('open');
  }

  /** A worker in an endless loop cannot tell it. */
  private look(): void {
    const isSilent = performance.now() - this.lastHeardMs > SILENCE_MS && !document.hidden;
    // Twice: after the device slept, this may run before the worker does.
    if (isSilent && this.isLate) this.ended({ code: 'hung', message: 'the worker does not answer', reached: true });
    this.isLate = isSilent;
  }

  private ended(end: WorkerEnd): void {
    if (this.isOver) return;
    console.info(`Desktop connection ended: ${end.code}`, end.message, end.closed?.code ?? '', end.closed?.reason ?? '');
    if (end.code === VIDEO) videoFailed();
    if (!end.closed) this.events.closing();
    this.over(outcomeOf(end, this.launch.host, this.isOpen));
  }

  private over(outcome: Outcome): void {
    if (this.isOver) return;
    this.isOver = true;
    this.events.over(outcome);
  }

  private place(): void {
    const { style } = this.canvas;
    const pixelRatio = window.devicePixelRatio;
    const shown = this.part(MAIN) ?? this.picture;
    const { left, top, width, height, isWhole } = placePicture(shown, this.viewport, this.scale, pixelRatio);
    style.left = `${left}px`;
    style.top = `${top}px`;
    style.width = `${width}px`;
    style.height = `${height}px`;
    style.imageRendering = isWhole ? 'pixelated' : 'auto';
    this.events.placed(width / shown.width);
  }

  private askForSize(size: Size): void {
    if (this.isActive) this.post({ type: 'resize', ...size, scalePercent: scalePercent(this.ratio) });
  }

  private post(message: ToWorker, transfer: Transferable[] = []): void {
    this.worker?.postMessage(message, transfer);
  }

  private after(ms: number, act: () => void): void {
    const timer = window.setTimeout(() => {
      this.timers.delete(timer);
      act();
    }, ms);
    this.timers.add(timer);
  }
}
