/** What page and worker say to each other about files; carried in `{ type: 'files' }`. */

export type FileOrder =
  /** Shares a folder in place of the one before. `isOurs`: it lies in the browser's own store. */
  | { type: 'drive-add'; root: FileSystemDirectoryHandle; name: string; mayWrite: boolean; isOurs: boolean }
  | { type: 'drive-remove' }
  /** The device's clipboard has these now, in place of what was offered before. */
  | { type: 'clipboard-offer'; files: readonly File[] }
  | { type: 'clipboard-list' }
  /** Fetches one of the files that were listed. */
  | { type: 'clipboard-take'; file: HostFile };

/** A file in the host's clipboard. */
export interface HostFile {
  name: string;
  /** Bytes; not every host says how many. */
  size: number | null;
  /** Its place in the host's list. */
  index: number;
}

export type DriveState = 'ready' | 'accepted' | 'refused' | 'broken';

/** What the host does with a file in the shared folder. */
export interface DriveActivity {
  name: string;
  direction: 'to-host' | 'from-host';
  /** Bytes so far, and of all of it, where that is known. */
  done: number;
  size: number | undefined;
}

export type FileNews =
  | { type: 'drive-state'; state: DriveState }
  | { type: 'drive-activity'; activity: DriveActivity }
  /** The host changed something in the folder. */
  | { type: 'drive-changed' }
  /** Undefined when a job was too long to be kept. */
  | { type: 'print-job'; job: Blob | undefined }
  /** Whether this host takes and gives files over the clipboard. */
  | { type: 'clipboard-able'; able: boolean }
  /** The host copied something new: files, or no files. */
  | { type: 'clipboard-copied'; hasFiles: boolean }
  | { type: 'clipboard-listed'; files: readonly HostFile[] }
  | { type: 'clipboard-progress'; index: number; done: number }
  /** Undefined when the host did not give it. */
  | { type: 'clipboard-taken'; file: HostFile; content: Blob | undefined };
