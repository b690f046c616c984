/** Counts what a connection does and makes figures per second of it. */
import type { Statistics } from '../protocol';
import type { VideoState } from '../video';
import type { ClientCounts } from './client-events';

export class Counters {
  private drawn = 0;
  private decodeMs = 0;
  private drawMs = 0;
  private bytesIn = 0;
  private bytesOut = 0;
  private fed = 0;
  private responseMs: number | undefined;
  private askedAtMs: number | undefined;
  private updatesBefore = 0;
  private sinceMs: number;

  constructor(nowMs: number) {
    this.sinceMs = nowMs;
  }

  received(bytes: number, decodeMs: number): void {
    this.bytesIn += bytes;
    this.decodeMs += decodeMs;
    this.fed += 1;
  }

  /** More time of decoding, without bytes. */
  decoded(decodeMs: number): void {
    this.decodeMs += decodeMs;
  }

  sent(bytes: number): void {
    this.bytesOut += bytes;
  }

  /** The person pressed something: the next picture is the answer. */
  asked(nowMs: number): void {
    this.askedAtMs ??= nowMs;
  }

  painted(nowMs: number, drawMs: number): void {
    this.drawn += 1;
    this.drawMs += drawMs;
    if (this.askedAtMs === undefined) return;
    this.responseMs = nowMs - this.askedAtMs;
    this.askedAtMs = undefined;
  }

  /** The figures since the last call. */
  take(
    nowMs: number,
    counts: ClientCounts,
    size: { width: number; height: number },
    video: VideoState,
    queuedBytes: number,
    memoryBytes: number,
  ): Statistics {
    const seconds = Math.max(0.001, (nowMs - this.sinceMs) / 1000);
    const updates = counts.updates ?? counts.framesReceived;
    const statistics: Statistics = {
      ...size,
      codec: counts.codec ?? '',
      video,
      drawnPerS: this.drawn / seconds,
      updatesPerS: (updates === undefined ? this.fed : updates - this.updatesBefore) / seconds,
      decodeMsPerS: this.decodeMs / seconds,
      drawMsPerS: this.drawMs / seconds,
      bitsInPerS: (this.bytesIn * 8) / seconds,
      bitsOutPerS: (this.bytesOut * 8) / seconds,
      responseMs: this.responseMs,
      roundTripMs: counts.rttMs ?? undefined,
      queuedBytes,
      memoryBytes: counts.memoryBytes ?? memoryBytes,
    };
    this.updatesBefore = updates ?? 0;
    this.drawn = this.decodeMs = this.drawMs = this.bytesIn = this.bytesOut = this.fed = 0;
    this.responseMs = undefined;
    // What the host never answers must not count against the next picture that comes by itself.
    if (this.askedAtMs !== undefined && nowMs - this.askedAtMs > 1_000) this.askedAtMs = undefined;
    this.sinceMs = nowMs;
    return statistics;
  }
}
