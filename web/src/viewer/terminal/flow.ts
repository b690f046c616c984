/**
 * Flow control of the output. The engine sends at most a window beyond the last acknowledged byte;
 * we acknowledge what the terminal has really drawn, so a flood waits at its source and neither
 * memory nor the tab suffers. Acknowledgements are joined: one per 32 KiB or 50 ms.
 */

export const ACK_EVERY_BYTES = 32 * 1024;
export const ACK_AFTER_MS = 50;
/** What the engine may send beyond the last acknowledgement. */
export const WINDOW_BYTES = 256 * 1024;
/** An engine that ignores the window is cut off here rather than let grow our memory. */
export const QUEUED_BYTES_MAX = 4 * WINDOW_BYTES;

export interface Timers {
  set: (run: () => void, afterMs: number) => number;
  clear: (id: number) => void;
}

/** What was written to the terminal in one go, to be named again when it is drawn. */
export interface Chunk {
  end: number;
  stream: number;
}

export class OutputFlow {
  /** Offset after the last byte that arrived. */
  private arrived = 0;
  /** Offset after the last byte that was drawn. */
  private drawn = 0;
  private acknowledged = 0;
  /** Grows when the terminal is cleared: what was queued before no longer counts. */
  private stream = 0;
  private timer: number | undefined;

  constructor(
    private readonly sendAck: (received: number) => void,
    private readonly timers: Timers,
  ) {}

  /** Offset to name in the next Hello. */
  get received(): number {
    return this.arrived;
  }

  /** Bytes that arrived and are not drawn yet. */
  get queued(): number {
    return this.arrived - this.drawn;
  }

  /**
   * Output that begins at `start` follows. Returns whether it goes on where we were; otherwise the
   * terminal has to be cleared.
   */
  open(start: number, resumed: boolean): 'continues' | 'clear' {
    this.stop();
    if (resumed && start === this.arrived) {
      // The engine counts from here, though some of it may still wait to be drawn.
      this.acknowledged = start;
      return 'continues';
    }
    this.stream += 1;
    this.arrived = start;
    this.drawn = start;
    this.acknowledged = start;
    return 'clear';
  }

  /** More output; call `draw` with the answer once the terminal has drawn it. */
  arrive(length: number): Chunk {
    this.arrived += length;
    return { end: this.arrived, stream: this.stream };
  }

  draw(chunk: Chunk): void {
    if (chunk.stream !== this.stream) return;
    this.drawn = Math.max(this.drawn, chunk.end);
    const open = this.drawn - this.acknowledged;
    if (open >= ACK_EVERY_BYTES) this.acknowledge();
    else if (open > 0 && this.timer === undefined) {
      this.timer = this.timers.set(() => {
        this.timer = undefined;
        this.acknowledge();
      }, ACK_AFTER_MS);
    }
  }

  /** The channel is gone: no acknowledgement has a place to go. */
  stop(): void {
    if (this.timer !== undefined) this.timers.clear(this.timer);
    this.timer = undefined;
  }

  private acknowledge(): void {
    this.stop();
    if (this.drawn <= this.acknowledged) return;
    this.acknowledged = this.drawn;
    this.sendAck(this.drawn);
  }
}
