/** The host's pointer shape as a CSS cursor. */
import type { PointerShape } from './protocol';

/** Browsers refuse larger cursors, in CSS pixels. */
const SIDE_MAX = 128;

/**
 * The value of `cursor` for a shape whose image is at `url`. `cssPerPixel`: CSS pixels that one pixel
 * of the picture takes, so that the pointer is as large as what lies under it.
 */
export function cursorCss(shape: PointerShape, url: string, cssPerPixel: number): string {
  if (shape.kind !== 'shape') return shape.kind === 'hidden' ? 'none' : 'default';
  const largest = Math.max(shape.width, shape.height);
  const scale = Math.min(cssPerPixel, SIDE_MAX / largest);
  const x = Math.min(shape.width - 1, shape.hotspotX) * scale;
  const y = Math.min(shape.height - 1, shape.hotspotY) * scale;
  const at = `${Math.floor(x)} ${Math.floor(y)}, default`;
  if (scale === 1) return `url("${url}") ${at}`;
  return `image-set(url("${url}") ${Number((1 / scale).toFixed(3))}x) ${at}`;
}

/** Sets it on an element, and lets go of the images that were there before. */
export class Cursor {
  private url = '';
  private shape: PointerShape = { kind: 'default' };
  private cssPerPixel = 1;

  constructor(private readonly element: HTMLElement) {}

  show(shape: PointerShape): void {
    const before = this.url;
    this.url = shape.kind === 'shape' ? URL.createObjectURL(shape.image) : '';
    this.shape = shape;
    this.apply();
    if (before !== '') URL.revokeObjectURL(before);
  }

  scale(cssPerPixel: number): void {
    this.cssPerPixel = cssPerPixel;
    this.apply();
  }

  clear(): void {
    this.show({ kind: 'default' });
  }

  private apply(): void {
    this.element.style.cursor = cursorCss(this.shape, this.url, this.cssPerPixel);
  }
}
