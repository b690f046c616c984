/**
 * Device-independent bitmaps, as CF_DIB carries them: a BITMAPINFOHEADER (MS-WMF 2.2.2.3), masks or
 * colour table, then the rows. Written as 32 bits, bottom up; read in the forms that occur: 1, 4, 8,
 * 16, 24 and 32 bits without compression, and 16 and 32 bits with masks.
 */

export interface Pixels {
  width: number;
  height: number;
  /** RGBA, row by row from the top. */
  data: Uint8ClampedArray<ArrayBuffer>;
}

const HEADER_LEN = 40;
const BI_RGB = 0;
const BI_BITFIELDS = 3;
const BI_ALPHABITFIELDS = 6;
/** Largest side, and most pixels, of an image from the host. */
export const SIDE_MAX = 16_384;
export const PIXELS_MAX = 64 * 1024 * 1024;

export function encodeDib({ width, height, data }: Pixels): Uint8Array {
  const bytes = new Uint8Array(HEADER_LEN + width * height * 4);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, HEADER_LEN, true);
  view.setInt32(4, width, true);
  view.setInt32(8, height, true);
  view.setUint16(12, 1, true);
  view.setUint16(14, 32, true);
  view.setUint32(16, BI_RGB, true);
  view.setUint32(20, width * height * 4, true);
  for (let y = 0; y < height; y += 1) {
    let from = y * width * 4;
    let to = HEADER_LEN + (height - 1 - y) * width * 4;
    for (let x = 0; x < width; x += 1, from += 4, to += 4) {
      // Most programs ignore the fourth byte; so transparent pixels are laid on white.
      const alpha = data[from + 3] ?? 255;
      for (let channel = 0; channel < 3; channel += 1) {
        const value = data[from + channel] ?? 0;
        bytes[to + 2 - channel] = Math.round((value * alpha + 255 * (255 - alpha)) / 255);
      }
      bytes[to + 3] = 255;
    }
  }
  return bytes;
}

/** Undefined for what is no such bitmap, cut short, or larger than the limits. */
export function decodeDib(bytes: Uint8Array): Pixels | undefined {
  const layout = readHeader(bytes);
  if (!layout) return undefined;
  const { width, height, bits, isTopDown, rowLen, at, colours, masks } = layout;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const data = new Uint8ClampedArray(width * height * 4);
  let anyAlpha = false;
  for (let y = 0; y < height; y += 1) {
    const row = at + (isTopDown ? y : height - 1 - y) * rowLen;
    for (let x = 0; x < width; x += 1) {
      const to = (y * width + x) * 4;
      if (bits <= 8) {
        const perByte = 8 / bits;
        const byte = bytes[row + Math.floor(x / perByte)] ?? 0;
        const index = (byte >> (8 - bits * ((x % perByte) + 1))) & ((1 << bits) - 1);
        // The table holds blue, green, red, nothing.
        const entry = colours.at + index * 4;
        if (index < colours.count) {
          data[to] = bytes[entry + 2] ?? 0;
          data[to + 1] = bytes[entry + 1] ?? 0;
          data[to + 2] = bytes[entry] ?? 0;
        }
        data[to + 3] = 255;
      } else if (bits === 24) {
        data[to] = bytes[row + x * 3 + 2] ?? 0;
        data[to + 1] = bytes[row + x * 3 + 1] ?? 0;
        data[to + 2] = bytes[row + x * 3] ?? 0;
        data[to + 3] = 255;
      } else {
        const pixel = bits === 32 ? view.getUint32(row + x * 4, true) : view.getUint16(row + x * 2, true);
        for (let channel = 0; channel < 4; channel += 1) data[to + channel] = part(pixel, masks[channel] ?? 0);
        anyAlpha ||= (data[to + 3] ?? 0) !== 0;
      }
    }
  }
  // Without one alpha that is not zero the fourth byte means nothing.
  if (bits > 8 && bits !== 24 && !anyAlpha) for (let to = 3; to < data.length; to += 4) data[to] = 255;
  return { width, height, data };
}

interface Layout {
  width: number;
  height: number;
  bits: number;
  isTopDown: boolean;
  rowLen: number;
  /** Where the rows begin. */
  at: number;
  colours: { at: number; count: number };
  /** Red, green, blue, alpha. */
  masks: readonly number[];
}

function readHeader(bytes: Uint8Array): Layout | undefined {
  if (bytes.length < HEADER_LEN) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerLen = view.getUint32(0, true);
  const width = view.getInt32(4, true);
  const tall = view.getInt32(8, true);
  const height = Math.abs(tall);
  const bits = view.getUint16(14, true);
  const compression = view.getUint32(16, true);
  if (headerLen < HEADER_LEN || headerLen > 256 || width <= 0 || height === 0) return undefined;
  if (width > SIDE_MAX || height > SIDE_MAX || width * height > PIXELS_MAX) return undefined;
  if (![1, 4, 8, 16, 24, 32].includes(bits)) return undefined;
  const hasMasks = compression === BI_BITFIELDS || compression === BI_ALPHABITFIELDS;
  if (compression !== BI_RGB && !(hasMasks && (bits === 16 || bits === 32))) return undefined;

  let at = headerLen;
  let masks = bits === 16 ? [0x7c00, 0x03e0, 0x001f, 0] : [0xff0000, 0xff00, 0xff, 0xff000000];
  if (hasMasks) {
    // From BITMAPV3INFOHEADER on the masks are part of the header; before, they follow it.
    const count = compression === BI_ALPHABITFIELDS || headerLen >= 56 ? 4 : 3;
    if (bytes.length < HEADER_LEN + count * 4) return undefined;
    masks = [0, 1, 2, 3].map((n) => (n < count ? view.getUint32(HEADER_LEN + n * 4, true) : 0));
    if (headerLen === HEADER_LEN) at += count * 4;
  }
  const used = view.getUint32(32, true);
  const count = bits <= 8 ? Math.min(used === 0 ? 1 << bits : used, 1 << bits) : 0;
  const colours = { at, count };
  at += count * 4;
  const rowLen = Math.floor((width * bits + 31) / 32) * 4;
  if (bytes.length < at + rowLen * height) return undefined;
  return { width, height, bits, isTopDown: tall < 0, rowLen, at, colours, masks };
}

/** One channel of a pixel, widened to eight bits. */
function part(pixel: number, mask: number): number {
  if (mask === 0) return 0;
  const low = mask & -mask;
  // `>>> 0`: the masks and pixels use all 32 bits.
  const value = Math.floor(((pixel & mask) >>> 0) / (low >>> 0));
  const max = Math.floor((mask >>> 0) / (low >>> 0));
  return Math.round((value * 255) / max);
}
