/**
 * Files of one session, as the page knows them: the folder that is shared, what the clipboards have,
 * and what was printed. Outlives connections: after a reconnection the folder is shared again.
 */
import type { ClipboardPolicy, DrivePolicy } from '../../../api/types';
import { Box, download, type BoxFile } from './box';
import type { DriveActivity, FileNews, FileOrder, HostFile } from './protocol';

/** A host that has not taken the folder within this does not take it. */
const TAKE_MS = 15_000;
/** A transfer without news is over. */
const QUIET_MS = 2_000;
/** Print jobs that are kept for saving. */
const JOBS_MAX = 10;

export type DriveView =
  | { is: 'none' }
  | { is: 'choosing' }
  /** Shared, and the host has not answered; or it has. */
  | { is: 'connecting' | 'connected'; name: string; mayWrite: boolean; isBox: boolean }
  /** `impossible`: this host has no drives; `refused`: it did not take this one. */
  | { is: 'failed'; why: 'impossible' | 'refused' | 'broken' | 'not-allowed' | 'no-store' };

export interface PrintJob {
  at: Date;
  content: Blob;
}

export type TakeState = { is: 'waiting' } | { is: 'taking'; done: number } | { is: 'taken' } | { is: 'failed' };

interface Shared {
  root: FileSystemDirectoryHandle;
  name: string;
  mayWrite: boolean;
  box: Box | undefined;
}

type Picker = (options: { id: string; mode: 'read' | 'readwrite' }) => Promise<FileSystemDirectoryHandle>;

export class SessionFiles {
  drive = $state.raw<DriveView>({ is: 'none' });
  activity = $state.raw<DriveActivity | undefined>();
  boxFiles = $state.raw<readonly BoxFile[]>([]);
  jobs = $state.raw<readonly PrintJob[]>([]);
  /** A job was too long to be kept. */
  lostJob = $state(false);
  clipboardAble = $state(false);
  hostHasFiles = $state(false);
  hostFiles = $state.raw<readonly HostFile[] | undefined>();
  taking = $state.raw<Readonly<Record<number, TakeState>>>({});
  /** Names of what the host was offered last. */
  offered = $state.raw<readonly string[]>([]);

  private shared: Shared | undefined;
  private isReady = false;
  private takeTimer = 0;
  private quietTimer = 0;

  constructor(
    private readonly session: string,
    readonly policy: { drive: DrivePolicy; clipboard: ClipboardPolicy; printer: boolean },
    private readonly send: (order: FileOrder) => void,
    /** Something came that the person should hear of. */
    private readonly printed: () => void,
  ) {}

  get maySend(): boolean {
    return this.clipboardAble && (this.policy.clipboard === 'both' || this.policy.clipboard === 'to-host');
  }

  get mayFetch(): boolean {
    return this.clipboardAble && (this.policy.clipboard === 'both' || this.policy.clipboard === 'from-host');
  }

  /** Whether this browser lets people choose a folder of the device. */
  get canChoose(): boolean {
    return picker() !== undefined;
  }

  /** A connection is open; it knows nothing of an earlier one. */
  connected(): void {
    if (this.shared) this.share(this.shared);
  }

  /** A connection is being made. */
  connecting(): void {
    this.isReady = false;
    this.clipboardAble = false;
    this.hostHasFiles = false;
    this.hostFiles = undefined;
    this.taking = {};
    this.offered = [];
    this.activity = undefined;
    window.clearTimeout(this.takeTimer);
  }

  async choose(mayWrite: boolean): Promise<void> {
    const pick = picker();
    if (!pick || this.drive.is === 'choosing') return;
    const before = this.drive;
    this.drive = { is: 'choosing' };
    try {
      const root = await pick({ id: 'portico', mode: mayWrite ? 'readwrite' : 'read' });
      await this.forget();
      this.share({ root, name: root.name, mayWrite, box: undefined });
    } catch (error) {
      const isCancelled = error instanceof DOMException && error.name === 'AbortError';
      this.drive = isCancelled ? before : { is: 'failed', why: 'not-allowed' };
    }
  }

  async openBox(mayWrite: boolean): Promise<void> {
    this.drive = { is: 'choosing' };
    try {
      await this.forget();
      const box = await Box.open(this.session);
      this.share({ root: box.root, name: 'Portico', mayWrite, box });
      await this.refreshBox();
    } catch {
      this.drive = { is: 'failed', why: 'no-store' };
    }
  }

  async remove(): Promise<void> {
    this.send({ type: 'drive-remove' });
    this.drive = { is: 'none' };
    await this.forget();
  }

  async addToBox(files: Iterable<File>): Promise<boolean> {
    try {
      await this.shared?.box?.add(files);
      return true;
    } catch {
      return false;
    } finally {
      await this.refreshBox();
    }
  }

  async saveFromBox(file: BoxFile): Promise<void> {
    // What the host has removed meanwhile only goes from the list.
    await this.shared?.box?.save(file).catch(() => undefined);
    await this.refreshBox();
  }

  async removeFromBox(file: BoxFile): Promise<void> {
    await this.shared?.box?.remove(file).catch(() => undefined);
    await this.refreshBox();
  }

  /** Offers files to the host in place of what its clipboard has. */
  offer(files: readonly File[]): boolean {
    if (!this.maySend || files.length === 0) return false;
    this.send({ type: 'clipboard-offer', files });
    this.offered = files.map((file) => file.name);
    return true;
  }

  listHostFiles(): void {
    this.send({ type: 'clipboard-list' });
  }

  take(file: HostFile): void {
    this.taking = { ...this.taking, [file.index]: { is: 'waiting' } };
    this.send({ type: 'clipboard-take', file });
  }

  saveJob(job: PrintJob): void {
    const stamp = job.at.toISOString().slice(0, 19).replace(/[T:]/g, '-');
    download(job.content, `print-${stamp}.ps`);
  }

  removeJob(job: PrintJob): void {
    this.jobs = this.jobs.filter((other) => other !== job);
  }

  hear(news: FileNews): void {
    switch (news.type) {
      case 'drive-state':
        this.hearOfDrive(news.state);
        return;
      case 'drive-activity':
        this.activity = news.activity;
        window.clearTimeout(this.quietTimer);
        this.quietTimer = window.setTimeout(() => (this.activity = undefined), QUIET_MS);
        return;
      case 'drive-changed':
        void this.refreshBox();
        return;
      case 'print-job':
        if (news.job) this.jobs = [...this.jobs, { at: new Date(), content: news.job }].slice(-JOBS_MAX);
        else this.lostJob = true;
        this.printed();
        return;
      case 'clipboard-able':
        this.clipboardAble = news.able;
        return;
      case 'clipboard-copied':
        this.hostHasFiles = news.hasFiles;
        this.hostFiles = undefined;
        this.taking = {};
        this.offered = [];
        return;
      case 'clipboard-listed':
        this.hostFiles = news.files;
        return;
      case 'clipboard-progress':
        this.taking = { ...this.taking, [news.index]: { is: 'taking', done: news.done } };
        return;
      case 'clipboard-taken':
        if (news.content) download(news.content, news.file.name);
        this.taking = { ...this.taking, [news.file.index]: { is: news.content ? 'taken' : 'failed' } };
    }
  }

  /** The page goes. */
  end(): void {
    window.clearTimeout(this.takeTimer);
    window.clearTimeout(this.quietTimer);
    void this.forget();
  }

  private share(shared: Shared): void {
    this.shared = shared;
    const { root, name, mayWrite, box } = shared;
    this.drive = { is: 'connecting', name, mayWrite, isBox: box !== undefined };
    this.send({ type: 'drive-add', root, name, mayWrite, isOurs: box !== undefined });
    window.clearTimeout(this.takeTimer);
    this.takeTimer = window.setTimeout(() => {
      if (this.drive.is === 'connecting') this.fail(this.isReady ? 'refused' : 'impossible');
    }, TAKE_MS);
  }

  private hearOfDrive(state: 'ready' | 'accepted' | 'refused' | 'broken'): void {
    if (state === 'ready') {
      this.isReady = true;
    } else if (state === 'accepted') {
      if (this.drive.is === 'connecting') this.drive = { ...this.drive, is: 'connected' };
    } else if (this.shared) {
      this.fail(state);
    }
  }

  private fail(why: 'impossible' | 'refused' | 'broken'): void {
    this.drive = { is: 'failed', why };
    void this.forget();
  }

  private async forget(): Promise<void> {
    const { shared } = this;
    this.shared = undefined;
    this.boxFiles = [];
    await shared?.box?.discard().catch(() => undefined);
  }

  private async refreshBox(): Promise<void> {
    const { shared } = this;
    const files = (await shared?.box?.list().catch(() => undefined)) ?? [];
    if (shared === this.shared) this.boxFiles = files;
  }
}

function picker(): Picker | undefined {
  return (window as { showDirectoryPicker?: Picker }).showDirectoryPicker?.bind(window) as Picker | undefined;
}
