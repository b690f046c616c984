/**
 * The windows of a session beyond the viewer: each shows one monitor, has keyboard and pointer of its
 * own, and takes its monitor along when it is closed. Connections come and go; the windows stay.
 */
import type { KeyboardMode } from '../input/keyboard';
import type { ToWorker, PointerShape } from '../protocol';
import { desktopSize, scalePercent, type Size } from '../size';
import type { DeviceScreen } from './device';
import { arrange, MAIN, type Rect, type ScreenMonitor, type ScreenWindow } from './layout';
import { Popup, type PopupEnds } from './popup';

const SETTLE_MS = 300;
/** A host that has not followed by then does not. */
const FOLLOW_MS = 6_000;

/** What a connection is asked for; `DesktopConnection` does it. */
export interface Spread {
  arrange: (monitors: readonly ScreenMonitor[]) => void;
  addCanvas: (id: number, canvas: OffscreenCanvas) => void;
  part: (id: number) => Rect | undefined;
  readonly pictureSize: Size;
}

export interface WindowEnds {
  connection: () => Spread | undefined;
  send: (order: ToWorker) => void;
  title: (number: number) => string;
  fullScreenLabel: () => string;
  keyboard: () => KeyboardMode;
  viewport: () => Size;
  /** Pixels of the session for one of the window, for the screens of this ratio. */
  ratio: (deviceRatio: number) => number;
  wantsPaste: () => boolean;
  pasted: (data: DataTransfer) => void;
  /** Windows opened, closed, or the host did not follow. */
  changed: () => void;
}

export class ScreenWindows {
  private readonly popups = new Map<number, Popup>();
  private here: DeviceScreen | undefined;
  private next = MAIN + 1;
  private settling = 0;
  private following = 0;
  private readonly onHide = (): void => this.close();
  /** The host shows another size than the one that was asked for. */
  isRefused = false;

  constructor(private readonly ends: WindowEnds) {
    window.addEventListener('pagehide', this.onHide);
  }

  get count(): number {
    return this.popups.size;
  }

  /** The screens that have a window, the viewer's first. */
  get screens(): readonly DeviceScreen[] {
    const others = [...this.popups.values()].map((popup) => popup.screen);
    return this.here && others.length > 0 ? [this.here, ...others] : [];
  }

  /** Opens a window on each screen; call from a click. Gives how many the browser refused. */
  open(here: DeviceScreen, screens: readonly DeviceScreen[]): number {
    this.here = here;
    this.isRefused = false;
    let refused = 0;
    for (const screen of screens) {
      const id = this.next;
      const popup = Popup.open(screen, this.popupEnds(id));
      if (!popup) {
        refused += 1;
        continue;
      }
      this.next += 1;
      this.popups.set(id, popup);
    }
    if (this.popups.size > 0) {
      const connection = this.ends.connection();
      if (connection) this.attach(connection);
    }
    this.ends.changed();
    return refused;
  }

  /** All windows go; the session is as large as the viewer again. */
  close(): void {
    window.clearTimeout(this.settling);
    window.clearTimeout(this.following);
    window.removeEventListener('pagehide', this.onHide);
    const hadAny = this.popups.size > 0;
    for (const popup of this.popups.values()) popup.close();
    this.popups.clear();
    if (hadAny) this.ends.connection()?.arrange([]);
    this.ends.changed();
  }

  /** A new connection: each window shows it from now on. */
  attach(connection: Spread): void {
    for (const [id, popup] of this.popups) connection.addCanvas(id, popup.canvas());
    connection.arrange(this.monitors());
    this.expectFollowing();
  }

  /** The monitors as the windows are now; none for the viewer alone. */
  monitors(): ScreenMonitor[] {
    const { here } = this;
    if (!here || this.popups.size === 0) return [];
    const main: ScreenWindow = this.window(MAIN, here, this.ends.viewport());
    return arrange([main, ...[...this.popups].map(([id, popup]) => this.window(id, popup.screen, popup.viewport))]);
  }

  /** A window has another size; the host is told when it rests. */
  rearrange(): void {
    window.clearTimeout(this.settling);
    this.settling = window.setTimeout(() => {
      this.ends.connection()?.arrange(this.monitors());
      this.expectFollowing();
    }, SETTLE_MS);
  }

  /** The picture has another size: each window shows its part, or nothing. */
  placed(): void {
    const connection = this.ends.connection();
    if (connection?.part(MAIN)) this.isRefused = false;
    for (const [id, popup] of this.popups) popup.place(connection?.part(id));
  }

  pointer(shape: PointerShape): void {
    for (const popup of this.popups.values()) popup.cursor.show(shape);
  }

  setKeyboard(mode: KeyboardMode): void {
    for (const popup of this.popups.values()) popup.setKeyboard(mode);
  }

  private window(id: number, screen: DeviceScreen, viewport: Size): ScreenWindow {
    const ratio = this.ends.ratio(screen.ratio);
    return { id, screen, size: desktopSize(viewport, ratio), scalePercent: scalePercent(ratio) };
  }

  private expectFollowing(): void {
    window.clearTimeout(this.following);
    this.isRefused = false;
    this.following = window.setTimeout(() => {
      const connection = this.ends.connection();
      this.isRefused = this.popups.size > 0 && connection !== undefined && connection.part(MAIN) === undefined;
      this.ends.changed();
    }, FOLLOW_MS);
  }

  private popupEnds(id: number): PopupEnds {
    const { ends } = this;
    return {
      send: (order) => ends.send(order),
      title: ends.title(id + 1),
      fullScreenLabel: ends.fullScreenLabel(),
      keyboard: ends.keyboard(),
      part: () => ends.connection()?.part(id),
      picture: () => ends.connection()?.pictureSize,
      wantsPaste: () => ends.wantsPaste(),
      pasted: (data) => ends.pasted(data),
      resized: () => this.rearrange(),
      closed: () => {
        if (!this.popups.delete(id)) return;
        // The session is told at once: what was on that monitor comes to the others.
        window.clearTimeout(this.settling);
        ends.connection()?.arrange(this.monitors());
        ends.changed();
      },
    };
  }
}
