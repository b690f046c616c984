/** Makes images of the host's pointer shapes. Encoding takes time, and only the newest counts. */
import type { PointerShape } from '../protocol';

/** Largest shape of the protocol: large pointers, MS-RDPBCGR 2.2.9.1.1.4.3. */
const SIDE_MAX = 384;

interface Shape {
  width?: number;
  height?: number;
  hotspotX?: number;
  hotspotY?: number;
}

export class PointerImages {
  private serial = 0;

  constructor(private readonly tell: (shape: PointerShape) => void) {}

  plain(kind: 'default' | 'hidden'): void {
    this.serial += 1;
    this.tell({ kind });
  }

  /** `pixels` is RGBA, as of `RdpClient.pointerPixels`. */
  shape({ width = 0, height = 0, hotspotX = 0, hotspotY = 0 }: Shape, pixels: Uint8Array): void {
    this.serial += 1;
    const mine = this.serial;
    const fits = width > 0 && height > 0 && width <= SIDE_MAX && height <= SIDE_MAX;
    if (!fits || pixels.length < width * height * 4) {
      this.tell({ kind: 'default' });
      return;
    }
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext('2d');
    const data = new Uint8ClampedArray(pixels.subarray(0, width * height * 4));
    context?.putImageData(new ImageData(data, width, height), 0, 0);
    canvas.convertToBlob().then(
      (image) => {
        if (mine === this.serial) this.tell({ kind: 'shape', image, width, height, hotspotX, hotspotY });
      },
      () => this.tell({ kind: 'default' }),
    );
  }
}
