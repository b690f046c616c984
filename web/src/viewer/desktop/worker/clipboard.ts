/**
 * The clipboard towards the host. The device's content lies here while it is offered, so that the
 * host gets it whenever it pastes; the host's content is fetched as a whole when the page asks.
 */
import { decodeDib, encodeDib } from '../clipboard/dib';
import {
  CF_DIB,
  CF_DIBV5,
  CF_TEXT,
  CF_UNICODETEXT,
  CONTENT_BYTES_MAX,
  decodeHtml,
  decodeText,
  encodeHtml,
  encodeText,
  HTML_NAME,
  PNG_NAMES,
} from '../clipboard/formats';
import type { ClipboardContent, ClipboardKind, FromWorker } from '../protocol';
import type { HostFormat } from './client-events';

/** Our numbers for registered formats; any from 0xC000 to 0xFFFF will do. */
const HTML_ID = 0xc0de;
const PNG_ID = 0xc0df;
/** A host that does not give what it offered within this has not got it. */
const FETCH_MS = 10_000;

interface ClipboardClient {
  clipboardOffer(formats: string): void;
  clipboardData(requestId: number, bytes: Uint8Array | undefined): void;
  clipboardFetch(formatId: number): void;
}

/** One fetch in progress: what is asked for now, what comes after it, what is there. */
interface Fetch {
  now: Wanted;
  rest: Wanted[];
  content: ClipboardContent;
  timer: number;
}

interface Wanted {
  kind: ClipboardKind;
  format: HostFormat;
}

export class HostClipboard {
  private ours: ClipboardContent = {};
  private theirs: readonly HostFormat[] = [];
  private fetching: Fetch | undefined;
  /** Answers on their way to questions that nobody has any more. */
  private stale = 0;

  constructor(
    private readonly client: ClipboardClient,
    private readonly tell: (message: FromWorker) => void,
    /** Sends what a late answer made the client say. */
    private readonly flush: () => void,
  ) {}

  /** The device has this now. */
  offer(content: ClipboardContent): void {
    this.ours = content;
    const formats: HostFormat[] = [];
    if (content.html !== undefined) formats.push({ id: HTML_ID, name: HTML_NAME });
    if (content.text !== undefined) formats.push({ id: CF_UNICODETEXT, name: '' });
    if (content.image !== undefined) formats.push({ id: PNG_ID, name: 'PNG' }, { id: CF_DIB, name: '' });
    this.client.clipboardOffer(JSON.stringify(formats));
  }

  /** The host wants what was offered. */
  requested(requestId: number, formatId: number): void {
    const { text, html, image } = this.ours;
    if ((formatId === CF_UNICODETEXT || formatId === CF_TEXT) && text !== undefined) {
      this.client.clipboardData(requestId, encodeText(text));
    } else if (formatId === HTML_ID && html !== undefined) {
      this.client.clipboardData(requestId, encodeHtml(html));
    } else if ((formatId === PNG_ID || formatId === CF_DIB) && image) {
      const bytes = formatId === PNG_ID ? image.arrayBuffer().then((buffer) => new Uint8Array(buffer)) : dibOf(image);
      void bytes.catch(() => undefined).then((found) => {
        this.client.clipboardData(requestId, found);
        this.flush();
      });
    } else {
      this.client.clipboardData(requestId, undefined);
    }
  }

  /** The host has something new. */
  offered(formats: readonly HostFormat[]): void {
    this.theirs = formats;
    // An answer to the old content may still come; it is not the new one.
    if (this.fetching) {
      this.stale += 1;
      this.finish(undefined);
    }
    const kinds = wantedOf(formats).map((wanted) => wanted.kind);
    if (kinds.length > 0) this.tell({ type: 'clipboard-offer', kinds });
  }

  /** The page wants what the host has. */
  fetch(): void {
    if (this.fetching) return;
    const [now, ...rest] = wantedOf(this.theirs);
    if (!now) {
      this.tell({ type: 'clipboard-content', content: undefined });
      return;
    }
    this.fetching = { now, rest, content: {}, timer: 0 };
    this.ask(this.fetching);
  }

  /** The host's answer; undefined when it had none. Called for every format asked for. */
  came(bytes: Uint8Array | undefined): void {
    if (this.stale > 0) {
      this.stale -= 1;
      return;
    }
    const { fetching } = this;
    if (!fetching) return;
    self.clearTimeout(fetching.timer);
    if (!bytes || bytes.length > CONTENT_BYTES_MAX) {
      this.goOn(fetching);
      return;
    }
    const { kind, format } = fetching.now;
    if (kind === 'text') {
      fetching.content.text = decodeText(bytes);
    } else if (kind === 'html') {
      const html = decodeHtml(bytes);
      if (html !== undefined) fetching.content.html = html;
    } else {
      // Copied: the client's memory is used again before the image is made.
      void imageOf(bytes.slice(), format).then(
        (image) => {
          if (fetching !== this.fetching) return;
          if (image) fetching.content.image = image;
          this.goOn(fetching);
          this.flush();
        },
        () => this.goOn(fetching),
      );
      return;
    }
    this.goOn(fetching);
  }

  private ask(fetching: Fetch): void {
    this.client.clipboardFetch(fetching.now.format.id);
    fetching.timer = self.setTimeout(() => {
      this.stale = 0;
      this.goOn(fetching);
      this.flush();
    }, FETCH_MS);
  }

  private goOn(fetching: Fetch): void {
    if (fetching !== this.fetching) return;
    const next = fetching.rest.shift();
    if (next) {
      fetching.now = next;
      this.ask(fetching);
      return;
    }
    this.finish(fetching.content);
  }

  private finish(content: ClipboardContent | undefined): void {
    self.clearTimeout(this.fetching?.timer);
    this.fetching = undefined;
    const isEmpty = !content || Object.keys(content).length === 0;
    this.tell({ type: 'clipboard-content', content: isEmpty ? undefined : content });
  }
}

/** The formats worth fetching, one of each kind, the best of it. */
function wantedOf(formats: readonly HostFormat[]): Wanted[] {
  const wanted: Wanted[] = [];
  const text = formats.find(({ id }) => id === CF_UNICODETEXT);
  if (text) wanted.push({ kind: 'text', format: text });
  const html = formats.find(({ name }) => name === HTML_NAME);
  if (html) wanted.push({ kind: 'html', format: html });
  const image =
    formats.find(({ name }) => PNG_NAMES.includes(name)) ??
    formats.find(({ id }) => id === CF_DIB) ??
    formats.find(({ id }) => id === CF_DIBV5);
  if (image) wanted.push({ kind: 'image', format: image });
  return wanted;
}

async function imageOf(bytes: Uint8Array<ArrayBuffer>, format: HostFormat): Promise<Blob | undefined> {
  if (PNG_NAMES.includes(format.name)) return new Blob([bytes], { type: 'image/png' });
  const pixels = decodeDib(bytes);
  if (!pixels) return undefined;
  const canvas = new OffscreenCanvas(pixels.width, pixels.height);
  canvas.getContext('2d')?.putImageData(new ImageData(pixels.data, pixels.width, pixels.height), 0, 0);
  return canvas.convertToBlob({ type: 'image/png' });
}

async function dibOf(image: Blob): Promise<Uint8Array> {
  const bitmap = await createImageBitmap(image);
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (!context) throw new Error('no canvas');
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return encodeDib(context.getImageData(0, 0, canvas.width, canvas.height));
}
