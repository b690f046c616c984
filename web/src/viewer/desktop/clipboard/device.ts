/** The clipboard of the device, through the browser. */
import type { ClipboardContent } from '../protocol';
import { CONTENT_BYTES_MAX } from './formats';

const TEXT = 'text/plain';
const HTML = 'text/html';
const PNG = 'image/png';

/** Reads it; throws where the browser does not allow that. */
export async function readDevice(): Promise<ClipboardContent> {
  const content: ClipboardContent = {};
  for (const item of await navigator.clipboard.read()) {
    for (const type of item.types) {
      if (type !== TEXT && type !== HTML && type !== PNG) continue;
      const blob = await item.getType(type);
      if (blob.size > CONTENT_BYTES_MAX) continue;
      if (type === TEXT) content.text ??= await blob.text();
      else if (type === HTML) content.html ??= await blob.text();
      else content.image ??= blob;
    }
  }
  return content;
}

/** Writes all its forms as one item; throws where the browser does not allow that. */
export async function writeDevice(content: ClipboardContent): Promise<void> {
  const forms: Record<string, Blob> = {};
  if (content.text !== undefined) forms[TEXT] = new Blob([content.text], { type: TEXT });
  if (content.html !== undefined) forms[HTML] = new Blob([content.html], { type: HTML });
  if (content.image !== undefined) forms[PNG] = content.image;
  await navigator.clipboard.write([new ClipboardItem(forms)]);
}

/** What a paste event carries: no permission is needed for it. */
export function ofPaste(data: DataTransfer): ClipboardContent {
  const content: ClipboardContent = {};
  const text = data.getData(TEXT);
  if (text !== '') content.text = text;
  const html = data.getData(HTML);
  if (html !== '') content.html = html;
  const image = [...data.files].find((file) => file.type === PNG);
  if (image && image.size <= CONTENT_BYTES_MAX) content.image = image;
  return content;
}

/** The files that a paste event carries. A picture that was copied comes as one file of a fixed name. */
export function filesOf(data: DataTransfer): File[] {
  const files = [...data.files];
  const isPicture = files.length === 1 && files[0]?.type === PNG && files[0].name === 'image.png';
  return isPicture ? [] : files;
}

export async function readPermission(): Promise<PermissionState> {
  try {
    return (await navigator.permissions.query({ name: 'clipboard-read' as PermissionName })).state;
  } catch {
    // This browser knows no such permission: it asks at each reading.
    return 'prompt';
  }
}

/** Tells two contents apart without keeping them; the same content has the same mark. */
export async function markOf(content: ClipboardContent): Promise<string> {
  const text = content.text?.replace(/\r\n/g, '\n');
  // Browsers clean HTML and encode images anew, so what comes back differs in bytes.
  if (text !== undefined) return `text ${text}`;
  if (content.image) return `image ${await pixelMark(content.image)}`;
  return content.html === undefined ? '' : `html ${content.html}`;
}

async function pixelMark(image: Blob): Promise<string> {
  const bitmap = await createImageBitmap(image);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context?.drawImage(bitmap, 0, 0);
  bitmap.close();
  const data = context?.getImageData(0, 0, canvas.width, canvas.height).data ?? new Uint8ClampedArray();
  let hash = 0x811c9dc5;
  for (const byte of data) hash = Math.imul(hash ^ byte, 0x01000193);
  return `${canvas.width}x${canvas.height} ${hash >>> 0}`;
}
