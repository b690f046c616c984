/**
 * The device's microphone for the session: on only between a click and the next, and only as long as
 * the session listens. What is heard goes from the audio thread straight to the worker.
 */
import type { SoundFormat } from '../protocol';
import workletUrl from './capture-worklet?worker&url';

export type MicrophoneFormat = Pick<SoundFormat, 'channels' | 'rate'>;

/** `waits`: switched on, but the session does not listen. */
export type MicrophoneState = 'off' | 'asking' | 'waits' | 'on' | 'refused' | 'missing';

export class Microphone {
  state: MicrophoneState = 'off';
  private stream: MediaStream | undefined;
  private context: AudioContext | undefined;
  private wanted: MicrophoneFormat | undefined;

  constructor(
    /** Gives the worker its end of what is heard. */
    private readonly give: (port: MessagePort) => void,
    private readonly changed: (state: MicrophoneState) => void,
  ) {}

  /** The person's click. Until then no microphone is opened, whatever the session wants. */
  async switchOn(): Promise<void> {
    if (this.stream || this.state === 'asking') return;
    this.become('asking');
    let stream: MediaStream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    } catch (error) {
      const name = error instanceof DOMException ? error.name : '';
      this.become(name === 'NotFoundError' || name === 'NotReadableError' ? 'missing' : 'refused');
      return;
    }
    // Switched off while the browser asked.
    if (!this.isAsking()) {
      stop(stream);
      return;
    }
    this.stream = stream;
    for (const track of stream.getTracks()) track.addEventListener('ended', () => this.switchOff());
    await this.connect();
  }

  switchOff(): void {
    if (this.stream) stop(this.stream);
    this.stream = undefined;
    this.disconnect();
    this.become('off');
  }

  /** The session listens in this format, or no more. */
  async want(format: MicrophoneFormat | undefined): Promise<void> {
    this.wanted = format;
    if (this.stream) await this.connect();
  }

  private isAsking(): boolean {
    return this.state === 'asking';
  }

  private async connect(): Promise<void> {
    const { stream, wanted } = this;
    this.disconnect();
    if (!stream) return;
    if (!wanted) {
      this.become('waits');
      return;
    }
    // The browser brings the device's rate to the one that the session wants.
    const context = new AudioContext({ sampleRate: wanted.rate });
    this.context = context;
    try {
      await context.audioWorklet.addModule(workletUrl);
      if (this.context !== context) return;
      const node = new AudioWorkletNode(context, 'portico-microphone', {
        numberOfOutputs: 0,
        channelCount: wanted.channels,
        channelCountMode: 'explicit',
        processorOptions: { channels: wanted.channels },
      });
      const { port1, port2 } = new MessageChannel();
      node.port.postMessage(port1, [port1]);
      this.give(port2);
      context.createMediaStreamSource(stream).connect(node);
      await context.resume();
    } catch (error) {
      console.warn('No microphone:', error);
      if (this.context !== context) return;
      this.switchOff();
      this.become('missing');
      return;
    }
    this.become('on');
  }

  private disconnect(): void {
    void this.context?.close().catch(() => undefined);
    this.context = undefined;
  }

  private become(state: MicrophoneState): void {
    this.state = state;
    this.changed(state);
  }
}

function stop(stream: MediaStream): void {
  for (const track of stream.getTracks()) track.stop();
}
