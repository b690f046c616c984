/** All about files in the worker: what the page orders, and what the RDP client tells. */
import type { FileNews, FileOrder } from '../../files/protocol';
import { HostClipboardFiles } from './clipboard';
import { HostDrive } from './drive';
import type { FileEvent, FilesClient } from './events';

const LIST_NAME = 'FileGroupDescriptorW';

export class HostFiles {
  private readonly drive: HostDrive;
  private readonly clipboard: HostClipboardFiles;

  constructor(
    private readonly client: FilesClient,
    private readonly tell: (news: FileNews) => void,
    /** Sends what a late answer made the client say. */
    flush: () => void,
    /** Bytes that wait to be sent. */
    unsent: () => number,
  ) {
    this.drive = new HostDrive(client, tell, flush, unsent);
    this.clipboard = new HostClipboardFiles(client, tell, flush);
  }

  /** An order of the page. */
  take(order: FileOrder): void {
    switch (order.type) {
      case 'drive-add':
        this.drive.add(order);
        return;
      case 'drive-remove':
        this.drive.remove();
        return;
      case 'clipboard-offer':
        this.clipboard.offer(order.files);
        return;
      case 'clipboard-list':
        this.client.clipboardFetchFiles();
        return;
      case 'clipboard-take':
        this.clipboard.take(order.file);
    }
  }

  /** The host copied something. */
  copied(formats: readonly { name: string }[]): void {
    this.tell({ type: 'clipboard-copied', hasFiles: formats.some(({ name }) => name === LIST_NAME) });
  }

  /** Hands on what the client has to say about files. */
  pump(): void {
    for (let json = this.client.fileEvent(); json !== ''; json = this.client.fileEvent()) {
      // Our own module's JSON, whose types `core/src/files.rs` fixes.
      this.handle(JSON.parse(json) as FileEvent);
    }
  }

  end(): void {
    this.drive.end();
  }

  private handle(event: FileEvent): void {
    switch (event.type) {
      case 'drive-request':
        this.drive.requested(event, this.client.fileBytes());
        return;
      case 'drive-state':
        this.tell(event);
        return;
      case 'print-job': {
        const bytes = this.client.fileBytes().slice();
        const job = event.complete ? new Blob([bytes], { type: 'application/postscript' }) : undefined;
        this.tell({ type: 'print-job', job });
        return;
      }
      case 'clipboard-files-able':
        this.tell({ type: 'clipboard-able', able: event.able });
        return;
      case 'clipboard-files':
        this.clipboard.listed(event.files, event.lock);
        return;
      case 'clipboard-file-request':
        this.clipboard.requested(event);
        return;
      case 'clipboard-lock':
        this.clipboard.locks(event.lock);
        return;
      case 'clipboard-unlock':
        this.clipboard.unlocks(event.lock);
        return;
      case 'clipboard-file-data':
        this.clipboard.came(event.id, event.ok ? this.client.fileBytes() : undefined);
    }
  }
}
