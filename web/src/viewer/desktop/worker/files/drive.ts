/** The shared folder towards the host: requests one after another, and news of them for the page. */
import type { FileNews, FileOrder } from '../../files/protocol';
import type { DriveRequest, FilesClient } from './events';
import { Folder } from './folder';

/** News of one transfer come this far apart. */
const NEWS_MS = 250;
/** Answers wait while so much has not left yet: a host may ask faster than it takes. */
const UNSENT_MAX = 8 * 1024 * 1024;
const UNSENT_LOOK_MS = 20;

export class HostDrive {
  private folder: Folder | undefined;
  private queue: Promise<void> = Promise.resolve();
  private toldMs = 0;
  private changedTimer = 0;
  private isOver = false;

  constructor(
    private readonly client: FilesClient,
    private readonly tell: (news: FileNews) => void,
    private readonly flush: () => void,
    private readonly unsent: () => number,
  ) {}

  add(order: Extract<FileOrder, { type: 'drive-add' }>): void {
    this.letGo();
    const estimate = order.isOurs ? () => navigator.storage.estimate() : undefined;
    this.folder = new Folder(order.root, order.mayWrite, Date.now(), estimate);
    this.client.driveAdd(order.name, order.mayWrite);
  }

  remove(): void {
    this.client.driveRemove();
    this.letGo();
  }

  /** Keeps what was written; nothing is answered any more. */
  end(): void {
    this.isOver = true;
    self.clearTimeout(this.changedTimer);
    this.letGo();
  }

  requested(request: DriveRequest, bytes: Uint8Array): void {
    const { folder } = this;
    // How many wait is limited by the RDP client. A copy, as a view of shared memory is not taken.
    const own = bytes.slice();
    this.queue = this.queue.then(async () => {
      while (this.unsent() > UNSENT_MAX && !this.isOver) await later(UNSENT_LOOK_MS);
      const outcome = folder ? await folder.carryOut(request, own) : { answer: { error: 'failed' as const } };
      if (this.isOver) return;
      this.client.driveAnswer(request.id, JSON.stringify(outcome.answer), outcome.bytes);
      this.flush();
      if (!outcome.answer.error) this.tellOf(request, outcome.bytes?.length ?? own.length, outcome.size);
    });
  }

  private letGo(): void {
    const { folder } = this;
    this.folder = undefined;
    // Behind what is on its way into it.
    if (folder) this.queue = this.queue.then(() => folder.end());
  }

  private tellOf(request: DriveRequest, length: number, size: number | undefined): void {
    switch (request.op) {
      case 'read':
      case 'write': {
        const nowMs = performance.now();
        if (nowMs - this.toldMs < NEWS_MS) return;
        this.toldMs = nowMs;
        const name = request.path.at(-1) ?? '';
        const direction = request.op === 'read' ? 'to-host' : 'from-host';
        this.tell({ type: 'drive-activity', activity: { name, direction, done: request.offset + length, size } });
        return;
      }
      case 'create':
      case 'resize':
      case 'remove':
      case 'rename':
      case 'commit':
        self.clearTimeout(this.changedTimer);
        this.changedTimer = self.setTimeout(() => this.tell({ type: 'drive-changed' }), NEWS_MS);
        return;
      case 'look':
      case 'list':
      case 'space':
    }
  }
}

function later(ms: number): Promise<void> {
  return new Promise((resolve) => self.setTimeout(resolve, ms));
}
