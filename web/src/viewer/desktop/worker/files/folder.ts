/**
 * A folder behind a directory handle of the browser, one the person chose or one in the browser's
 * own store. Carries out what the RDP client asks for; the rules of the drive are the client's.
 *
 * A browser writes into a copy that takes the file's place when it is closed, so what was written
 * counts from `commit` on; until then this knows its length.
 */
import type { DriveAnswer, DriveError, DriveRequest, Entry, Path } from './events';

/** Entries of a directory that is listed; each costs a round trip to the browser. */
export const ENTRIES_MAX = 20_000;
/** Round trips at once. */
const LOOKS_AT_ONCE = 32;
/** What a directory that is renamed may have below it, as it has to be copied. */
const COPIED_MAX = 10_000;
const DEPTH_MAX = 64;
/** Chromium's copies, while they are written. */
const SWAP = '.crswap';

/** Where the browser says so, a file or directory is renamed in one go. */
type Movable = FileSystemHandle & { move?: (parent: FileSystemDirectoryHandle, name: string) => Promise<void> };

export interface Outcome {
  answer: DriveAnswer;
  bytes?: Uint8Array;
  /** Of the file that was read. */
  size?: number;
}

interface Writer {
  stream: FileSystemWritableFileStream;
  size: number;
}

class Refusal extends Error {
  constructor(readonly why: DriveError) {
    super(why);
  }
}

export class Folder {
  private readonly writers = new Map<string, Writer>();
  private copied = 0;

  constructor(
    private readonly root: FileSystemDirectoryHandle,
    private readonly mayWrite: boolean,
    /** What a directory shows as its time, which browsers do not tell. */
    private readonly sinceMs: number,
    /** Undefined where nobody knows how much room there is. */
    private readonly estimate?: () => Promise<StorageEstimate>,
  ) {}

  /** Carries out one request; the next one must wait for it. */
  async carryOut(request: DriveRequest, bytes: Uint8Array<ArrayBuffer>): Promise<Outcome> {
    try {
      const changes = !['look', 'list', 'read', 'space', 'commit'].includes(request.op);
      if (changes && !this.mayWrite) throw new Refusal('denied');
      switch (request.op) {
        case 'look':
          return { answer: { entry: await this.look(request.path) } };
        case 'list':
          return { answer: { entries: await this.list(request.path) } };
        case 'read':
          return { answer: {}, ...(await this.read(request.path, request.offset, request.length)) };
        case 'space':
          return { answer: await this.space() };
        case 'create':
          await this.create(request.path, request.kind);
          break;
        case 'write':
          await this.write(request.path, request.offset, bytes);
          break;
        case 'resize':
          await this.resize(request.path, request.size);
          break;
        case 'remove':
          await this.remove(request.path);
          break;
        case 'rename':
          await this.rename(request.from, request.to, request.replace);
          break;
        case 'commit':
          await this.commit(request.path);
      }
      return { answer: {} };
    } catch (error) {
      return { answer: { error: reasonOf(error) } };
    }
  }

  /** Keeps what was written so far, as well as it can be done in a hurry. */
  async end(): Promise<void> {
    const writers = [...this.writers.values()];
    this.writers.clear();
    await Promise.allSettled(writers.map(({ stream }) => stream.close()));
  }

  private async look(path: Path): Promise<Entry> {
    const name = path.at(-1);
    if (name === undefined) return { kind: 'directory', size: 0, modifiedMs: this.sinceMs };
    const parent = await this.parentOf(path);
    try {
      return await this.entryOf(await parent.getFileHandle(name), path);
    } catch (error) {
      if (isNamed(error, 'TypeMismatchError')) return { kind: 'directory', size: 0, modifiedMs: this.sinceMs };
      // A name that the browser refuses cannot be there for anybody.
      if (isNamed(error, 'NotFoundError') || error instanceof TypeError) throw new Refusal('not-found');
      throw error;
    }
  }

  private async list(path: Path): Promise<(Entry & { name: string })[]> {
    const directory = await this.directory(path);
    const handles: FileSystemHandle[] = [];
    for await (const handle of directory.values()) {
      if (handle.name.endsWith(SWAP)) continue;
      if (handles.length === ENTRIES_MAX) throw new Refusal('too-many');
      handles.push(handle);
    }
    const entries: (Entry & { name: string })[] = [];
    for (let at = 0; at < handles.length; at += LOOKS_AT_ONCE) {
      const looks = handles.slice(at, at + LOOKS_AT_ONCE).map(async (handle) => ({
        name: handle.name,
        ...(await this.entryOf(handle, [...path, handle.name])),
      }));
      // What went meanwhile is not listed.
      for (const look of await Promise.allSettled(looks)) if (look.status === 'fulfilled') entries.push(look.value);
    }
    return entries;
  }

  private async read(path: Path, offset: number, length: number): Promise<{ bytes: Uint8Array; size: number }> {
    if (this.writers.has(keyOf(path))) await this.commit(path);
    const file = await (await this.file(path)).getFile();
    return { bytes: new Uint8Array(await file.slice(offset, offset + length).arrayBuffer()), size: file.size };
  }

  private async create(path: Path, kind: 'file' | 'directory'): Promise<void> {
    const parent = await this.parentOf(path);
    const name = nameOf(path);
    if (kind === 'directory') await parent.getDirectoryHandle(name, { create: true });
    else await parent.getFileHandle(name, { create: true });
  }

  private async write(path: Path, offset: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const writer = await this.writer(path);
    if (offset > writer.size) await writer.stream.truncate(offset);
    await writer.stream.write({ type: 'write', position: offset, data: bytes });
    writer.size = Math.max(writer.size, offset + bytes.length);
  }

  private async resize(path: Path, size: number): Promise<void> {
    const writer = await this.writer(path);
    await writer.stream.truncate(size);
    writer.size = size;
  }

  private async remove(path: Path): Promise<void> {
    const parent = await this.parentOf(path);
    await this.forget(path);
    await parent.removeEntry(nameOf(path));
  }

  private async rename(from: Path, to: Path, replace: boolean): Promise<void> {
    for (const key of [...this.writers.keys()]) {
      if (key === keyOf(from) || key.startsWith(`${keyOf(from)}/`)) await this.commit(key.split('/'));
    }
    const source: Movable = await this.handle(from);
    const parent = await this.parentOf(to);
    const found = await this.look(to).catch((error: unknown) => {
      if (error instanceof Refusal && error.why === 'not-found') return undefined;
      throw error;
    });
    // Where upper and lower case are one, a name may stand for the file itself.
    const isItself = found !== undefined && (await source.isSameEntry(await this.handle(to)));
    if (found && !isItself) {
      if (!replace || found.kind === 'directory') throw new Refusal('exists');
      await this.remove(to);
    }
    if (source.move) {
      try {
        await source.move(parent, nameOf(to));
        return;
      } catch {
        // Not every browser moves directories, or out of every place.
      }
    }
    if (isItself) throw new Refusal('failed');
    this.copied = 0;
    await this.copy(source, parent, nameOf(to), 0);
    await (await this.parentOf(from)).removeEntry(nameOf(from), { recursive: true });
  }

  private async copy(source: FileSystemHandle, parent: FileSystemDirectoryHandle, name: string, depth: number): Promise<void> {
    this.copied += 1;
    if (this.copied > COPIED_MAX || depth > DEPTH_MAX) throw new Refusal('too-many');
    if (isDirectory(source)) {
      const directory = await parent.getDirectoryHandle(name, { create: true });
      for await (const inside of source.values()) await this.copy(inside, directory, inside.name, depth + 1);
      return;
    }
    const stream = await (await parent.getFileHandle(name, { create: true })).createWritable();
    await stream.write(await (source as FileSystemFileHandle).getFile());
    await stream.close();
  }

  private async commit(path: Path): Promise<void> {
    const key = keyOf(path);
    const writer = this.writers.get(key);
    this.writers.delete(key);
    await writer?.stream.close();
  }

  private async space(): Promise<DriveAnswer> {
    const { quota, usage } = (await this.estimate?.()) ?? {};
    if (quota === undefined) return {};
    return { total: Math.floor(quota), free: Math.max(0, Math.floor(quota - (usage ?? 0))) };
  }

  private async writer(path: Path): Promise<Writer> {
    const key = keyOf(path);
    const open = this.writers.get(key);
    if (open) return open;
    const handle = await this.file(path);
    const { size } = await handle.getFile();
    const writer = { stream: await handle.createWritable({ keepExistingData: true }), size };
    this.writers.set(key, writer);
    return writer;
  }

  private async forget(path: Path): Promise<void> {
    const key = keyOf(path);
    const writer = this.writers.get(key);
    this.writers.delete(key);
    await writer?.stream.abort().catch(() => undefined);
  }

  private async entryOf(handle: FileSystemHandle, path: Path): Promise<Entry> {
    if (isDirectory(handle)) return { kind: 'directory', size: 0, modifiedMs: this.sinceMs };
    const file = await (handle as FileSystemFileHandle).getFile();
    const size = this.writers.get(keyOf(path))?.size ?? file.size;
    return { kind: 'file', size, modifiedMs: Math.floor(file.lastModified) };
  }

  private async handle(path: Path): Promise<FileSystemHandle> {
    try {
      return await this.file(path);
    } catch (error) {
      if (error instanceof Refusal && error.why === 'is-directory') return this.directory(path);
      throw error;
    }
  }

  private async file(path: Path): Promise<FileSystemFileHandle> {
    try {
      return await (await this.parentOf(path)).getFileHandle(nameOf(path));
    } catch (error) {
      throw isNamed(error, 'TypeMismatchError') ? new Refusal('is-directory') : error;
    }
  }

  private parentOf(path: Path): Promise<FileSystemDirectoryHandle> {
    return this.directory(path.slice(0, -1));
  }

  private async directory(path: Path): Promise<FileSystemDirectoryHandle> {
    let directory = this.root;
    for (const name of path) {
      try {
        directory = await directory.getDirectoryHandle(name);
      } catch (error) {
        const isMissing = isNamed(error, 'NotFoundError') || isNamed(error, 'TypeMismatchError') || error instanceof TypeError;
        throw isMissing ? new Refusal('path-not-found') : error;
      }
    }
    return directory;
  }
}

function keyOf(path: Path): string {
  return path.join('/');
}

function nameOf(path: Path): string {
  const name = path.at(-1);
  if (name === undefined) throw new Refusal('denied');
  return name;
}

function isDirectory(handle: FileSystemHandle): handle is FileSystemDirectoryHandle {
  return handle.kind === 'directory';
}

function isNamed(error: unknown, name: string): boolean {
  return error instanceof DOMException && error.name === name;
}

/** In the words of the RDP client. */
function reasonOf(error: unknown): DriveError {
  if (error instanceof Refusal) return error.why;
  // A name that the browser does not allow.
  if (error instanceof TypeError) return 'denied';
  if (!(error instanceof DOMException)) return 'failed';
  switch (error.name) {
    case 'NotFoundError':
      return 'not-found';
    case 'TypeMismatchError':
      return 'not-directory';
    case 'InvalidModificationError':
      return 'not-empty';
    case 'NotAllowedError':
    case 'SecurityError':
      return 'denied';
    case 'QuotaExceededError':
      return 'full';
    case 'NoModificationAllowedError':
      return 'busy';
    default:
      return 'failed';
  }
}
