/**
 * Bytes that came and are not decoded yet. A WebSocket cannot be told to wait, so there is a limit:
 * a host that waits for acknowledgements, as all do, never comes near it.
 */
export const INBOX_BYTES_MAX = 64 * 1024 * 1024;

export class Inbox {
  private readonly chunks: Uint8Array[] = [];
  private total = 0;

  /** False when the limit is passed; the bytes are dropped then. */
  put(bytes: Uint8Array): boolean {
    if (this.total + bytes.length > INBOX_BYTES_MAX) return false;
    this.chunks.push(bytes);
    this.total += bytes.length;
    return true;
  }

  take(): Uint8Array | undefined {
    const bytes = this.chunks.shift();
    if (bytes) this.total -= bytes.length;
    return bytes;
  }

  get isEmpty(): boolean {
    return this.chunks.length === 0;
  }

  get bytes(): number {
    return this.total;
  }
}
