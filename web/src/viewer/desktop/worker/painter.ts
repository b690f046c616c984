/** Brings the changed parts of the client's picture onto the canvas. */

import type { Rect } from '../screens/layout';

/** Looks at every so-manieth pixel for one that is not black; odd, so that columns differ by row. */
const LOOK_STEP = 7;
/** The bits of a pixel that make it more than almost black, in memory order (RGBA, little endian). */
const NOT_BLACK = 0x00f8_f8f8;

/** Where the picture lies: `RdpClient` and the memory of its module. */
export interface Picture {
  width(): number;
  height(): number;
  framePointer(): number;
}

export class Painter {
  private readonly context: OffscreenCanvasRenderingContext2D | null;
  private image: ImageData | undefined;
  private part: Rect | undefined;
  private sawPicture = false;

  constructor(
    private readonly canvas: OffscreenCanvas,
    private readonly picture: Picture,
    private readonly memory: { readonly buffer: ArrayBuffer },
  ) {
    this.context = canvas.getContext('2d', { alpha: false, desynchronized: true });
  }

  /**
   * Another part of the picture, or none: the canvas gets its size and is black until it is painted.
   * It may reach beyond the picture.
   */
  show(part: Rect | undefined): void {
    this.part = part;
    if (!part) return;
    if (this.canvas.width !== part.width) this.canvas.width = part.width;
    if (this.canvas.height !== part.height) this.canvas.height = part.height;
  }

  /** Paints rectangles of the picture, given as x, y, width, height. */
  paint(rectangles: Uint32Array): void {
    const image = this.view();
    const { part } = this;
    if (!image || !this.context || !part) return;
    for (let at = 0; at + 3 < rectangles.length; at += 4) {
      const [x = 0, y = 0, width = 0, height = 0] = rectangles.subarray(at, at + 4);
      const left = Math.max(x, part.left);
      const top = Math.max(y, part.top);
      const right = Math.min(x + width, part.left + part.width);
      const bottom = Math.min(y + height, part.top + part.height);
      if (right <= left || bottom <= top) continue;
      this.context.putImageData(image, -part.left, -part.top, left, top, right - left, bottom - top);
    }
  }

  paintAll(): void {
    this.paint(new Uint32Array([0, 0, this.picture.width(), this.picture.height()]));
  }

  /** Whether anything but black is in the picture; true from the first time on. */
  hasPicture(): boolean {
    if (this.sawPicture) return true;
    const image = this.view();
    if (!image) return false;
    const pixels = new Uint32Array(image.data.buffer, image.data.byteOffset, image.width * image.height);
    for (let at = 0; at < pixels.length; at += LOOK_STEP) {
      if (((pixels[at] ?? 0) & NOT_BLACK) !== 0) {
        this.sawPicture = true;
        return true;
      }
    }
    return false;
  }

  /** The picture as image data over wasm memory, without a copy; made anew when it has moved. */
  private view(): ImageData | undefined {
    const width = this.picture.width();
    const height = this.picture.height();
    if (width === 0 || height === 0) return undefined;
    const address = this.picture.framePointer();
    const { buffer } = this.memory;
    const { image } = this;
    const isSame =
      image?.width === width &&
      image.height === height &&
      image.data.buffer === buffer &&
      image.data.byteOffset === address;
    if (!isSame) {
      this.image = new ImageData(new Uint8ClampedArray(buffer, address, width * height * 4), width, height);
    }
    return this.image;
  }
}
