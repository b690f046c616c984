/** Runs in the audio thread: PCM comes from the session's worker through a port of its own. */
import type { SoundFormat } from '../protocol';
import { SoundRing } from './ring';

// The types of this scope are in no library of TypeScript.
declare const sampleRate: number;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;

class SessionSound extends AudioWorkletProcessor {
  private ring: SoundRing | undefined;

  constructor() {
    super();
    this.port.onmessage = (event: MessageEvent<{ format: SoundFormat } | { source: MessagePort }>) => {
      if ('format' in event.data) this.ring = new SoundRing(event.data.format, sampleRate);
      else event.data.source.onmessage = (pcm: MessageEvent<Uint8Array<ArrayBuffer>>) => this.take(pcm.data);
    };
  }

  process(_inputs: Float32Array[][], outputs: Float32Array[][]): boolean {
    const output = outputs[0];
    if (output) this.ring?.pull(output);
    return true;
  }

  private take(pcm: Uint8Array<ArrayBuffer>): void {
    this.ring?.push(new Int16Array(pcm.buffer, pcm.byteOffset, pcm.byteLength >> 1));
  }
}

registerProcessor('portico-session-sound', SessionSound);
