/**
 * Samples between the network, which brings them in bursts, and the sound card, which takes them
 * evenly. The clocks of host and device differ a little; so the ring plays a touch faster or slower
 * to keep its fill near the target, which nobody hears, instead of clicking every few minutes.
 */

/** Sound that waits, at best: covers what a busy network delays. In seconds, as all here. */
export const TARGET_S = 0.1;
/** More than this was held up and comes at once; the old part is skipped. */
const MOST_S = 0.6;
const CAPACITY_S = 2;
/** Largest change of speed, and how much of the deviation is worked off per second. */
const DRIFT_MAX = 0.01;
const DRIFT_GAIN = 0.05;

export interface RingFormat {
  channels: number;
  /** Samples per second and channel. */
  rate: number;
}

export class SoundRing {
  private readonly data: Float32Array[];
  private readonly capacity: number;
  /** Frames ever written; and read, with the fraction between two of them. */
  private written = 0;
  private read = 0;
  private isPlaying = false;
  /** Times that the sound stopped because nothing was there. */
  underruns = 0;

  constructor(
    private readonly format: RingFormat,
    private readonly deviceRate: number,
  ) {
    this.capacity = Math.ceil(format.rate * CAPACITY_S);
    this.data = Array.from({ length: format.channels }, () => new Float32Array(this.capacity));
  }

  /** Frames that wait. */
  get fill(): number {
    return this.written - this.read;
  }

  /** Takes interleaved s16 samples; a part of a frame at the end is dropped. */
  push(samples: Int16Array): void {
    const { channels } = this.format;
    const frames = Math.floor(samples.length / channels);
    for (let frame = 0; frame < frames; frame += 1) {
      const at = (this.written + frame) % this.capacity;
      for (let channel = 0; channel < channels; channel += 1) {
        const line = this.data[channel];
        if (line) line[at] = (samples[frame * channels + channel] ?? 0) / 32_768;
      }
    }
    this.written += frames;
    if (this.fill > this.format.rate * MOST_S) this.read = this.written - this.format.rate * TARGET_S;
  }

  /** Fills the device's channels; silence where nothing is there. One source channel serves all. */
  pull(outputs: readonly Float32Array[]): void {
    const length = outputs[0]?.length ?? 0;
    const target = this.format.rate * TARGET_S;
    if (!this.isPlaying && this.fill >= target) this.isPlaying = true;
    const deviation = (this.fill - target) / this.format.rate;
    const drift = Math.max(-DRIFT_MAX, Math.min(DRIFT_MAX, deviation * DRIFT_GAIN));
    const step = (this.format.rate / this.deviceRate) * (1 + drift);
    for (let at = 0; at < length; at += 1) {
      // Two frames are needed to go between them.
      if (this.isPlaying && this.fill < 2) {
        this.isPlaying = false;
        this.underruns += 1;
      }
      if (!this.isPlaying) {
        for (const output of outputs) output[at] = 0;
        continue;
      }
      const whole = Math.floor(this.read);
      const part = this.read - whole;
      for (let channel = 0; channel < outputs.length; channel += 1) {
        const line = this.data[Math.min(channel, this.data.length - 1)];
        const here = line?.[whole % this.capacity] ?? 0;
        const next = line?.[(whole + 1) % this.capacity] ?? 0;
        const output = outputs[channel];
        if (output) output[at] = here + (next - here) * part;
      }
      this.read += step;
    }
  }
}
