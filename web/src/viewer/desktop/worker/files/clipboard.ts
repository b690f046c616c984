/**
 * Files of the clipboard. Those of the device lie here as handles while they are offered, and their
 * bytes are read when the host asks; those of the host are fetched one by one when the page asks.
 */
import type { FileNews, HostFile } from '../../files/protocol';
import type { FileEvent, FilesClient } from './events';

/** Bytes in one request to the host. */
const PART = 1024 * 1024;
/** Longest file that is fetched from a host: it is put together in the browser's store. */
export const TAKEN_BYTES_MAX = 4 * 1024 * 1024 * 1024;
/** A host that does not answer within this has not got it. */
const PART_MS = 30_000;
/** Lists that a host may lock, as many as the RDP client keeps. */
const LOCKS_MAX = 100;

/** One file on its way from the host. */
interface Taking {
  file: HostFile;
  lock: number | undefined;
  /** Of the request that waits. */
  id: number;
  size: number | undefined;
  done: number;
  parts: Blob[];
  timer: number;
}

export class HostClipboardFiles {
  private offered: readonly File[] = [];
  private readonly locked = new Map<number, readonly File[]>();
  private lock: number | undefined;
  private taking: Taking | undefined;
  private readonly waiting: { file: HostFile; lock: number | undefined }[] = [];
  private lastId = 0;

  constructor(
    private readonly client: FilesClient,
    private readonly tell: (news: FileNews) => void,
    private readonly flush: () => void,
  ) {}

  /** The device has these now. */
  offer(files: readonly File[]): void {
    this.offered = files;
    this.client.clipboardOfferFiles(JSON.stringify(files.map(({ name, size }) => ({ name, size }))));
  }

  locks(lock: number): void {
    if (this.locked.size < LOCKS_MAX) this.locked.set(lock, this.offered);
  }

  unlocks(lock: number): void {
    this.locked.delete(lock);
  }

  /** The host wants a part of a file, or its size. */
  requested({ id, index, offset, length, lock }: Extract<FileEvent, { type: 'clipboard-file-request' }>): void {
    const file = ((lock === null ? undefined : this.locked.get(lock)) ?? this.offered)[index];
    if (file && length === 0) {
      const size = new DataView(new ArrayBuffer(8));
      size.setBigUint64(0, BigInt(file.size), true);
      this.client.clipboardPart(id, new Uint8Array(size.buffer));
      return;
    }
    const bytes = file?.slice(offset, offset + length).arrayBuffer();
    // The file may be gone or changed on the device by now.
    void Promise.resolve(bytes)
      .catch(() => undefined)
      .then((found) => {
        this.client.clipboardPart(id, found && new Uint8Array(found));
        this.flush();
      });
  }

  listed(files: readonly HostFile[], lock: number | null): void {
    this.lock = lock ?? undefined;
    this.tell({ type: 'clipboard-listed', files });
  }

  /** The page wants a file; those before it come first. */
  take(file: HostFile): void {
    this.waiting.push({ file, lock: this.lock });
    if (!this.taking) this.next();
  }

  /** A part came, or will not. */
  came(id: number, bytes: Uint8Array | undefined): void {
    const { taking } = this;
    if (!taking || taking.id !== id) return;
    self.clearTimeout(taking.timer);
    if (!bytes) {
      this.finish(undefined);
    } else if (taking.size === undefined) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      this.goOn(taking, bytes.length === 8 ? Number(view.getBigUint64(0, true)) : Number.NaN);
    } else if (bytes.length === 0 || taking.done + bytes.length > taking.size) {
      this.finish(undefined);
    } else {
      // A blob keeps it outside of the worker's memory.
      taking.parts.push(new Blob([bytes.slice()]));
      taking.done += bytes.length;
      this.tell({ type: 'clipboard-progress', index: taking.file.index, done: taking.done });
      this.goOn(taking, taking.size);
    }
  }

  private next(): void {
    const wanted = this.waiting.shift();
    if (!wanted) return;
    const taking: Taking = { ...wanted, id: 0, size: undefined, done: 0, parts: [], timer: 0 };
    this.taking = taking;
    if (wanted.file.size === null) this.ask(taking, 0);
    else this.goOn(taking, wanted.file.size);
  }

  private goOn(taking: Taking, size: number): void {
    if (!(size <= TAKEN_BYTES_MAX)) {
      this.finish(undefined);
      return;
    }
    taking.size = size;
    if (taking.done === size) this.finish(new Blob(taking.parts));
    else this.ask(taking, Math.min(PART, size - taking.done));
  }

  private ask(taking: Taking, length: number): void {
    this.lastId = (this.lastId + 1) % 0x8000_0000;
    taking.id = this.lastId;
    taking.timer = self.setTimeout(() => {
      if (this.taking === taking) this.finish(undefined);
      this.flush();
    }, PART_MS);
    this.client.clipboardFetchPart(taking.id, taking.file.index, taking.done, length, taking.lock);
  }

  private finish(content: Blob | undefined): void {
    const { taking } = this;
    if (!taking) return;
    self.clearTimeout(taking.timer);
    this.taking = undefined;
    this.tell({ type: 'clipboard-taken', file: taking.file, content });
    this.next();
  }
}
