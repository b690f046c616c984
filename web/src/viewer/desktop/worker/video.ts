/**
 * H.264 of the host, decoded by the browser: pictures come as jobs of the RDP client, and their planes
 * go back to it, which draws them in their turn.
 */

/** What asks whether the browser decodes; high profile at a size that all hosts stay below. */
const PROBE = 'avc1.640033';
/**
 * Hardware decoders hold pictures back until others have come, which never happens here: a host waits
 * until its picture is drawn. And the planes are read back anyway.
 */
const HOW = { optimizeForLatency: true, hardwareAcceleration: 'prefer-software' } as const;

/** Whether H.264 can be offered to hosts. */
export async function canDecode(): Promise<boolean> {
  if (!('VideoDecoder' in self) || !('EncodedVideoChunk' in self)) return false;
  try {
    return (await VideoDecoder.isConfigSupported({ codec: PROBE, ...HOW })).supported === true;
  } catch {
    return false;
  }
}

/** What the client wants of a decoder; the fields of `VideoJob` in `web/rdp-client`. */
export type VideoJob =
  | { type: 'decode'; id: number; stream: number; key: boolean; codec: string | null }
  | { type: 'close'; stream: number };

/** The part of `RdpClient` that has to do with video. */
export interface VideoClient {
  videoJob(): string;
  videoBytes(): Uint8Array;
  videoPicture(id: number, width: number, height: number, nv12: boolean, planes: Uint8Array): void;
  videoFailed(message: string): void;
}

interface Stream {
  decoder: VideoDecoder;
  codec: string;
  /** Pictures that have not come back. */
  running: number;
  isClosing: boolean;
}

export class Video {
  private readonly streams = new Map<number, Stream>();
  /** Memory that planes were read into. */
  private readonly spare: ArrayBuffer[] = [];
  private isOver = false;

  /** `done` is called when the client has something new: to draw, and to say to the host. */
  constructor(
    private readonly client: VideoClient,
    private readonly done: (decodeMs: number) => void,
  ) {}

  /** Begins what the client wants decoded; to be called whenever it was fed. */
  pump(): void {
    for (let json = this.client.videoJob(); json !== '' && !this.isOver; json = this.client.videoJob()) {
      const job = JSON.parse(json) as VideoJob;
      if (job.type === 'close') this.close(job.stream);
      else this.decode(job, this.client.videoBytes());
    }
  }

  end(): void {
    this.isOver = true;
    for (const { decoder } of this.streams.values()) if (decoder.state !== 'closed') decoder.close();
    this.streams.clear();
  }

  private decode(job: Extract<VideoJob, { type: 'decode' }>, bytes: Uint8Array): void {
    try {
      const stream = this.streamFor(job);
      // The client's id is the time: the decoder hands it through.
      const type = job.key ? 'key' : 'delta';
      stream.decoder.decode(new EncodedVideoChunk({ type, timestamp: job.id, data: bytes }));
      stream.running += 1;
    } catch (error) {
      this.fail(String(error));
    }
  }

  /** The decoder of a stream; it begins, or begins anew, with the parameters that come with a picture. */
  private streamFor({ stream: id, codec, key }: Extract<VideoJob, { type: 'decode' }>): Stream {
    const known = this.streams.get(id);
    if (known && (!codec || !key || codec === known.codec)) return known;
    if (!codec) throw new Error('the stream begins without its parameters');
    const stream = known ?? { decoder: this.create(id), codec, running: 0, isClosing: false };
    // In order with what is being decoded, by the decoder's own queue.
    stream.decoder.configure({ codec, ...HOW });
    stream.codec = codec;
    this.streams.set(id, stream);
    return stream;
  }

  private create(id: number): VideoDecoder {
    return new VideoDecoder({
      output: (frame) => {
        const stream = this.streams.get(id);
        if (stream) stream.running -= 1;
        this.read(frame).then(
          () => this.closeIfDone(id),
          (error: unknown) => this.fail(String(error)),
        );
      },
      error: (error) => this.fail(String(error)),
    });
  }

  /** Gives the planes of a picture to the client. */
  private async read(frame: VideoFrame): Promise<void> {
    try {
      if (this.isOver) return;
      const { format, visibleRect, timestamp } = frame;
      if ((format !== 'I420' && format !== 'NV12') || !visibleRect) {
        throw new Error(`pictures come as ${String(format)}`);
      }
      const size = frame.allocationSize();
      const reused = this.spare.pop();
      const buffer = reused && reused.byteLength >= size ? reused : new ArrayBuffer(size);
      const planes = new Uint8Array(buffer, 0, size);
      // Without a layout of ours the planes lie one after the other without gaps.
      await frame.copyTo(planes);
      if (this.isOver) return;
      const beganMs = performance.now();
      this.client.videoPicture(timestamp, visibleRect.width, visibleRect.height, format === 'NV12', planes);
      this.spare.push(buffer);
      this.done(performance.now() - beganMs);
    } finally {
      frame.close();
    }
  }

  private close(id: number): void {
    const stream = this.streams.get(id);
    if (!stream) return;
    stream.isClosing = true;
    this.closeIfDone(id);
  }

  private closeIfDone(id: number): void {
    const stream = this.streams.get(id);
    if (!stream?.isClosing || stream.running > 0) return;
    this.streams.delete(id);
    if (stream.decoder.state !== 'closed') stream.decoder.close();
  }

  private fail(message: string): void {
    if (this.isOver) return;
    this.end();
    this.client.videoFailed(message);
    this.done(0);
  }
}
