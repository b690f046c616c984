/** The canvases of a session: one for the whole picture, or several for parts of it. */
import { MAIN, partOf, type ScreenMonitor } from '../screens/layout';
import type { Painter, Picture } from './painter';

export class Screens {
  private readonly others = new Map<number, Painter>();
  private monitors: readonly ScreenMonitor[] = [];

  constructor(
    private readonly main: Painter,
    private readonly picture: Picture,
    private readonly painterOf: (canvas: OffscreenCanvas) => Painter,
  ) {}

  /** A window of its own for a monitor that is named by the next `arrange`. */
  add(id: number, canvas: OffscreenCanvas): void {
    this.others.set(id, this.painterOf(canvas));
  }

  arrange(monitors: readonly ScreenMonitor[]): void {
    this.monitors = monitors;
    for (const id of this.others.keys()) {
      if (!monitors.some((monitor) => monitor.id === id)) this.others.delete(id);
    }
    this.resize();
    for (const painter of this.painters()) painter.paintAll();
  }

  /** The picture may have another size. */
  resize(): void {
    const size = { width: this.picture.width(), height: this.picture.height() };
    // The desktop is not open yet.
    if (size.width === 0) return;
    this.main.show(partOf(MAIN, this.monitors, size) ?? { left: 0, top: 0, ...size });
    for (const [id, painter] of this.others) painter.show(partOf(id, this.monitors, size));
  }

  paint(rectangles: Uint32Array): void {
    for (const painter of this.painters()) painter.paint(rectangles);
  }

  hasPicture(): boolean {
    return this.main.hasPicture();
  }

  private painters(): Painter[] {
    return [this.main, ...this.others.values()];
  }
}
