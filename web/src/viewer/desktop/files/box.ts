/**
 * A folder in the browser's own store, for browsers that let nobody choose one of the device, and
 * for people who want to share a few files and no folder. Files are put in and saved by hand.
 *
 * Each session has its own while its page is open; what is left of others is removed.
 */

const PLACE = 'portico-transfer';
/** Files that are shown. */
export const SHOWN_MAX = 500;
const DEPTH_MAX = 16;
/** Longest until a download has begun. */
const DOWNLOAD_MS = 60_000;

export interface BoxFile {
  /** With the directories that it is in, which only the host makes. */
  path: readonly string[];
  size: number;
}

export class Box {
  private constructor(
    readonly root: FileSystemDirectoryHandle,
    private readonly letGo: () => void,
  ) {}

  /** Throws where the browser has no store, as in some private windows. */
  static async open(session: string): Promise<Box> {
    const place = await (await navigator.storage.getDirectory()).getDirectoryHandle(PLACE, { create: true });
    const letGo = await hold(session);
    await removeOthers(place, session);
    return new Box(await place.getDirectoryHandle(session, { create: true }), letGo);
  }

  /** Puts files in; those of the same name are replaced. */
  async add(files: Iterable<File>): Promise<void> {
    for (const file of files) {
      const stream = await (await this.root.getFileHandle(goodName(file.name), { create: true })).createWritable();
      await stream.write(file);
      await stream.close();
    }
  }

  async list(): Promise<BoxFile[]> {
    const found: BoxFile[] = [];
    await collect(this.root, [], found);
    return found.sort((one, other) => one.path.join('/').localeCompare(other.path.join('/')));
  }

  async save({ path }: BoxFile): Promise<void> {
    const file = await (await (await this.parentOf(path)).getFileHandle(path.at(-1) ?? '')).getFile();
    download(file, file.name);
  }

  async remove({ path }: BoxFile): Promise<void> {
    await (await this.parentOf(path)).removeEntry(path.at(-1) ?? '');
  }

  /** The session is over, or nobody wants it any more: it goes with all that is in it. */
  async discard(): Promise<void> {
    try {
      for await (const name of this.root.keys()) await this.root.removeEntry(name, { recursive: true });
    } finally {
      this.letGo();
    }
  }

  private async parentOf(path: readonly string[]): Promise<FileSystemDirectoryHandle> {
    let directory = this.root;
    for (const name of path.slice(0, -1)) directory = await directory.getDirectoryHandle(name);
    return directory;
  }
}

/** Hands something to the browser's downloads. */
export function download(content: Blob, name: string): void {
  // The type must not be one that the browser would open here.
  const url = URL.createObjectURL(new Blob([content], { type: 'application/octet-stream' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(url), DOWNLOAD_MS);
}

/** A name that hosts take, too. */
export function goodName(name: string): string {
  // eslint-disable-next-line no-control-regex
  const good = name.replace(/[<>:"/\\|?*\u0000-\u001f\u007f]/g, '_').replace(/[. ]+$/, '');
  return good === '' ? '_' : good.slice(-200);
}

async function collect(directory: FileSystemDirectoryHandle, path: readonly string[], found: BoxFile[]): Promise<void> {
  for await (const handle of directory.values()) {
    if (found.length >= SHOWN_MAX) return;
    const inside = [...path, handle.name];
    if (handle.kind === 'directory') {
      if (inside.length < DEPTH_MAX) await collect(handle as FileSystemDirectoryHandle, inside, found);
    } else {
      found.push({ path: inside, size: (await (handle as FileSystemFileHandle).getFile()).size });
    }
  }
}

/** Marks the box as in use by this page, so that no other one removes it; gives back what ends that. */
function hold(session: string): Promise<() => void> {
  return new Promise((resolve) => {
    void navigator.locks.request(lockOf(session), { mode: 'shared' }, () => new Promise<void>((release) => resolve(release)));
  });
}

async function removeOthers(place: FileSystemDirectoryHandle, session: string): Promise<void> {
  for await (const name of place.keys()) {
    if (name === session) continue;
    await navigator.locks.request(lockOf(name), { ifAvailable: true }, async (lock) => {
      if (lock) await place.removeEntry(name, { recursive: true }).catch(() => undefined);
    });
  }
}

function lockOf(session: string): string {
  return `portico-transfer ${session}`;
}
