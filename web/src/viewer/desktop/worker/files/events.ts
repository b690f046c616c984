/** What the RDP client says about files, from its JSON to types: `core/src/files.rs`. */
import type { DriveState, HostFile } from '../../files/protocol';

export type Kind = 'file' | 'directory';
/** Names from the shared folder down; the RDP client has checked them. */
export type Path = readonly string[];

export type DriveRequest = { id: number } & (
  | { op: 'look' | 'list' | 'remove' | 'commit'; path: Path }
  | { op: 'create'; path: Path; kind: Kind }
  | { op: 'read'; path: Path; offset: number; length: number }
  | { op: 'write'; path: Path; offset: number }
  | { op: 'resize'; path: Path; size: number }
  | { op: 'rename'; from: Path; to: Path; replace: boolean }
  | { op: 'space' }
);

export type DriveError =
  | 'not-found'
  | 'path-not-found'
  | 'exists'
  | 'is-directory'
  | 'not-directory'
  | 'not-empty'
  | 'denied'
  | 'full'
  | 'busy'
  | 'too-many'
  | 'failed';

export interface Entry {
  kind: Kind;
  size: number;
  modifiedMs: number;
}

export interface DriveAnswer {
  error?: DriveError;
  entry?: Entry;
  entries?: readonly (Entry & { name: string })[];
  /** Bytes. */
  total?: number;
  free?: number;
}

export type FileEvent =
  | ({ type: 'drive-request' } & DriveRequest)
  | { type: 'drive-state'; state: DriveState }
  | { type: 'print-job'; complete: boolean }
  | { type: 'clipboard-files-able'; able: boolean }
  | { type: 'clipboard-files'; files: readonly HostFile[]; lock: number | null }
  /** A length of 0 asks for the size. */
  | { type: 'clipboard-file-request'; id: number; index: number; offset: number; length: number; lock: number | null }
  | { type: 'clipboard-lock' | 'clipboard-unlock'; lock: number }
  | { type: 'clipboard-file-data'; id: number; ok: boolean };

/** The part of the RDP client that is about files. */
export interface FilesClient {
  fileEvent(): string;
  fileBytes(): Uint8Array;
  driveAdd(name: string, mayWrite: boolean): void;
  driveRemove(): void;
  driveAnswer(id: number, answer: string, bytes: Uint8Array | undefined): void;
  clipboardOfferFiles(files: string): void;
  clipboardFetchFiles(): void;
  clipboardFetchPart(id: number, index: number, offset: number, length: number, lock: number | undefined): void;
  clipboardPart(id: number, bytes: Uint8Array | undefined): void;
}
