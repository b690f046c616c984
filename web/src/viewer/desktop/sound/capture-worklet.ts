/** Runs in the audio thread: what the microphone hears goes to the session's worker, in small parts. */
import { interleave } from './pcm';

// The types of this scope are in no library of TypeScript.
declare const sampleRate: number;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
  constructor(options: { processorOptions: { channels: number } });
}
declare function registerProcessor(
  name: string,
  processor: new (options: { processorOptions: { channels: number } }) => AudioWorkletProcessor,
): void;

/** One message each; a worklet is called with three milliseconds at a time. */
const PART_S = 0.02;

class Capture extends AudioWorkletProcessor {
  private to: MessagePort | undefined;
  private readonly channels: number;
  private readonly part: Int16Array<ArrayBuffer>;
  private filled = 0;

  constructor(options: { processorOptions: { channels: number } }) {
    super(options);
    this.channels = options.processorOptions.channels;
    this.part = new Int16Array(Math.round(sampleRate * PART_S) * this.channels);
    this.port.onmessage = (event: MessageEvent<MessagePort>) => (this.to = event.data);
  }

  process(inputs: Float32Array[][]): boolean {
    const samples = interleave(inputs[0] ?? [], this.channels);
    for (const sample of samples) {
      this.part[this.filled] = sample;
      this.filled += 1;
      if (this.filled < this.part.length) continue;
      this.filled = 0;
      const bytes = new Uint8Array(this.part.slice().buffer);
      this.to?.postMessage(bytes, [bytes.buffer]);
    }
    return true;
  }
}

registerProcessor('portico-microphone', Capture);
