/** Plays the session's sound. Starts when the first format comes, and with a gesture where browsers want one. */
import type { SoundFormat } from '../protocol';
import { TARGET_S } from './ring';
import workletUrl from './worklet?worker&url';

const GESTURES = ['pointerdown', 'keydown'] as const;

export class SoundPlayer {
  private context: AudioContext | undefined;
  private gain: GainNode | undefined;
  private node: AudioWorkletNode | undefined;
  private host = 1;
  private readonly unlock = (): void => void this.context?.resume().catch(() => undefined);

  constructor(
    /** 0 to 1. */
    private volume: number,
    private isMuted: boolean,
  ) {}

  /** The session sends this from now on; gives the port for its PCM when the player is ready. */
  async begin(format: SoundFormat): Promise<MessagePort | undefined> {
    // The RDP client decodes to 16 bits; anything else would be noise at full volume.
    if (format.bits !== 16 || format.channels < 1 || format.channels > 2) return undefined;
    if (!this.context) await this.start();
    this.node?.port.postMessage({ format });
    const { port1, port2 } = new MessageChannel();
    this.node?.port.postMessage({ source: port2 }, [port2]);
    return port1;
  }

  setVolume(volume: number, isMuted: boolean): void {
    this.volume = volume;
    this.isMuted = isMuted;
    this.apply();
  }

  /** Volume that the host set, 0 to 1. */
  setHostVolume(left: number, right: number): void {
    this.host = Math.max(left, right);
    this.apply();
  }

  /** `running`, or `suspended` while the browser waits for a gesture; for tests and the overlay. */
  get state(): string {
    return this.context?.state ?? 'none';
  }

  /** From the worker to the ear: the cushion of the ring, and what the device adds. */
  get latencyMs(): number {
    return Math.round((TARGET_S + (this.context?.baseLatency ?? 0)) * 1_000);
  }

  end(): void {
    for (const gesture of GESTURES) window.removeEventListener(gesture, this.unlock, true);
    void this.context?.close().catch(() => undefined);
    this.context = this.node = this.gain = undefined;
  }

  private async start(): Promise<void> {
    const context = new AudioContext({ latencyHint: 'interactive' });
    this.context = context;
    for (const gesture of GESTURES) window.addEventListener(gesture, this.unlock, true);
    await context.audioWorklet.addModule(workletUrl);
    // Ended while the module was on its way.
    if (this.context !== context) return;
    this.node = new AudioWorkletNode(context, 'portico-session-sound', { numberOfInputs: 0, outputChannelCount: [2] });
    this.gain = context.createGain();
    this.node.connect(this.gain).connect(context.destination);
    this.apply();
    this.unlock();
  }

  private apply(): void {
    if (this.gain) this.gain.gain.value = this.isMuted ? 0 : this.volume * this.host;
  }
}
