/**
 * Directory handles as the File System Standard describes them, in memory: what is written counts
 * when the stream is closed, and errors have the names that browsers give them.
 */

const BAD_NAME = /[/\\]|^\.{0,2}$/;

export class FakeFile {
  readonly kind = 'file';
  content: Uint8Array = new Uint8Array();
  /** How often a stream was closed. */
  commits = 0;

  constructor(public name: string) {}

  async getFile(): Promise<File> {
    return new File([this.content.slice()], this.name, { lastModified: 1_700_000_000_000 });
  }

  async isSameEntry(other: unknown): Promise<boolean> {
    return other === this;
  }

  async createWritable({ keepExistingData = false } = {}): Promise<FakeStream> {
    return new FakeStream(this, keepExistingData ? this.content.slice() : new Uint8Array());
  }
}

class FakeStream {
  private state: 'open' | 'closed' = 'open';

  constructor(
    private readonly file: FakeFile,
    private bytes: Uint8Array,
  ) {}

  async write(what: Blob | { type: 'write'; position: number; data: Uint8Array }): Promise<void> {
    if (this.state === 'closed') throw new TypeError('closed');
    if (what instanceof Blob) {
      this.bytes = new Uint8Array(await what.arrayBuffer());
      return;
    }
    const { position, data } = what;
    if (position > this.bytes.length) throw new DOMException('beyond the end', 'InvalidStateError');
    if (position + data.length > this.bytes.length) await this.truncate(position + data.length);
    this.bytes.set(data, position);
  }

  async truncate(size: number): Promise<void> {
    const bytes = new Uint8Array(size);
    bytes.set(this.bytes.subarray(0, size));
    this.bytes = bytes;
  }

  async close(): Promise<void> {
    this.state = 'closed';
    this.file.content = this.bytes;
    this.file.commits += 1;
  }

  async abort(): Promise<void> {
    this.state = 'closed';
  }
}

export class FakeDirectory {
  readonly kind = 'directory';
  readonly inside = new Map<string, FakeFile | FakeDirectory>();

  constructor(public name = '') {}

  async *values(): AsyncGenerator<FakeFile | FakeDirectory> {
    yield* [...this.inside.values()];
  }

  async isSameEntry(other: unknown): Promise<boolean> {
    return other === this;
  }

  async getFileHandle(name: string, { create = false } = {}): Promise<FakeFile> {
    const found = this.find(name, 'file', create);
    if (found instanceof FakeFile) return found;
    const made = new FakeFile(name);
    this.inside.set(name, made);
    return made;
  }

  async getDirectoryHandle(name: string, { create = false } = {}): Promise<FakeDirectory> {
    const found = this.find(name, 'directory', create);
    if (found instanceof FakeDirectory) return found;
    const made = new FakeDirectory(name);
    this.inside.set(name, made);
    return made;
  }

  async removeEntry(name: string, { recursive = false } = {}): Promise<void> {
    const found = this.inside.get(name);
    if (!found) throw new DOMException('', 'NotFoundError');
    if (found instanceof FakeDirectory && found.inside.size > 0 && !recursive) {
      throw new DOMException('', 'InvalidModificationError');
    }
    this.inside.delete(name);
  }

  /** For tests: a file with this text. */
  put(name: string, text: string): FakeFile {
    const file = new FakeFile(name);
    file.content = new TextEncoder().encode(text);
    this.inside.set(name, file);
    return file;
  }

  private find(name: string, kind: 'file' | 'directory', create: boolean): FakeFile | FakeDirectory | undefined {
    if (BAD_NAME.test(name) || name.endsWith('.lnk')) throw new TypeError('Name is not allowed.');
    const found = this.inside.get(name);
    if (found && found.kind !== kind) throw new DOMException('', 'TypeMismatchError');
    if (!found && !create) throw new DOMException('', 'NotFoundError');
    return found;
  }
}
