import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { outcomeOf } from '../src/viewer/desktop/failures';
import { canDecode, Video, type VideoClient, type VideoJob } from '../src/viewer/desktop/worker/video';

/** A decoder of the browser: gives pictures when the test says so. */
class FakeDecoder {
  static all: FakeDecoder[] = [];
  static isConfigSupported = vi.fn(async () => ({ supported: true }));
  state = 'unconfigured';
  readonly configured: VideoDecoderConfig[] = [];
  readonly chunks: { type: string; timestamp: number; data: Uint8Array }[] = [];

  constructor(readonly on: { output: (frame: unknown) => void; error: (error: Error) => void }) {
    FakeDecoder.all.push(this);
  }

  configure(config: VideoDecoderConfig): void {
    this.state = 'configured';
    this.configured.push(config);
  }

  decode(chunk: { type: string; timestamp: number; data: Uint8Array }): void {
    this.chunks.push(chunk);
  }

  close(): void {
    this.state = 'closed';
  }

  give(id: number, format: string | null = 'I420'): ReturnType<typeof vi.fn> {
    const close = vi.fn();
    this.on.output({
      timestamp: id,
      format,
      visibleRect: { width: 4, height: 2 },
      allocationSize: () => 12,
      copyTo: async (planes: Uint8Array) => void planes.fill(id),
      close,
    });
    return close;
  }
}

class FakeChunk {
  constructor(init: object) {
    Object.assign(this, init);
  }
}

function client(jobs: VideoJob[]): VideoClient & { pictures: unknown[][]; failures: string[] } {
  const pictures: unknown[][] = [];
  const failures: string[] = [];
  return {
    pictures,
    failures,
    videoJob: () => {
      const job = jobs.shift();
      return job ? JSON.stringify(job) : '';
    },
    videoBytes: () => new Uint8Array([1]),
    videoPicture: (id, width, height, nv12, planes) => void pictures.push([id, width, height, nv12, [...planes]]),
    videoFailed: (message) => void failures.push(message),
  };
}

const picture = (id: number, stream = 1, key = false, codec: string | null = null): VideoJob => ({ type: 'decode', id, stream, key, codec });
const CODEC = 'avc1.640020';
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

beforeEach(() => {
  FakeDecoder.all = [];
  vi.stubGlobal('self', globalThis);
  vi.stubGlobal('VideoDecoder', FakeDecoder);
  vi.stubGlobal('EncodedVideoChunk', FakeChunk);
});
afterEach(() => vi.unstubAllGlobals());

describe('video that the browser decodes', () => {
  test('is offered when the browser has a decoder', async () => {
    expect(await canDecode()).toBe(true);
    FakeDecoder.isConfigSupported.mockResolvedValueOnce({ supported: false });
    expect(await canDecode()).toBe(false);
    FakeDecoder.isConfigSupported.mockRejectedValueOnce(new Error('no'));
    expect(await canDecode()).toBe(false);
    vi.stubGlobal('VideoDecoder', undefined);
    delete (globalThis as { VideoDecoder?: unknown }).VideoDecoder;
    expect(await canDecode()).toBe(false);
  });

  test('goes to one decoder for each stream, and its planes come back under their number', async () => {
    const rdp = client([picture(1, 1, true, CODEC), picture(2), picture(3, 2, true, CODEC)]);
    const done = vi.fn();
    new Video(rdp, done).pump();
    const [first, second] = FakeDecoder.all;
    expect(first?.chunks.map((chunk) => [chunk.type, chunk.timestamp])).toEqual([['key', 1], ['delta', 2]]);
    expect(first?.configured).toMatchObject([{ codec: CODEC, optimizeForLatency: true }]);
    expect(second?.chunks.length).toBe(1);
    const closed = first?.give(1);
    second?.give(3, 'NV12');
    await settled();
    expect(rdp.pictures).toEqual([
      [1, 4, 2, false, Array(12).fill(1)],
      [3, 4, 2, true, Array(12).fill(3)],
    ]);
    expect(closed).toHaveBeenCalledOnce();
    expect(done).toHaveBeenCalledTimes(2);
  });

  test('other parameters make the decoder begin anew, the same ones do not', () => {
    const rdp = client([picture(1, 1, true, CODEC), picture(2, 1, true, CODEC), picture(3, 1, true, 'avc1.42c01f')]);
    new Video(rdp, vi.fn()).pump();
    expect(FakeDecoder.all.length).toBe(1);
    expect(FakeDecoder.all[0]?.configured.map((config) => config.codec)).toEqual([CODEC, 'avc1.42c01f']);
  });

  test('a stream that ends gives back its decoder after its last picture', async () => {
    const rdp = client([picture(1, 1, true, CODEC), { type: 'close', stream: 1 }]);
    new Video(rdp, vi.fn()).pump();
    expect(FakeDecoder.all[0]?.state).toBe('configured');
    FakeDecoder.all[0]?.give(1);
    await settled();
    expect(rdp.pictures.length).toBe(1);
    expect(FakeDecoder.all[0]?.state).toBe('closed');
  });

  test.each([
    ['a stream without parameters', [picture(1)], () => undefined],
    ['an error of the decoder', [picture(1, 1, true, CODEC)], (decoder: FakeDecoder) => decoder.on.error(new Error('broken'))],
    ['planes of another kind', [picture(1, 1, true, CODEC)], (decoder: FakeDecoder) => decoder.give(1, null)],
  ] as const)('%s is told once, and nothing is decoded after it', async (_what, jobs, happen) => {
    const rdp = client([...jobs]);
    const done = vi.fn();
    const video = new Video(rdp, done);
    video.pump();
    const [decoder] = FakeDecoder.all;
    if (decoder) happen(decoder);
    await settled();
    decoder?.on.error(new Error('again'));
    video.pump();
    expect(rdp.failures.length).toBe(1);
    expect(rdp.pictures).toEqual([]);
    expect(done).toHaveBeenCalledOnce();
  });

  test('a connection that ends with it comes back by itself, shown or not', () => {
    for (const wasOpen of [false, true]) {
      const outcome = outcomeOf({ code: 'video', message: '', reached: true, closed: { code: 4000, reason: 'host-closed' } }, 'nla1', wasOpen);
      expect(outcome).toEqual({ is: 'ended', reason: 'client-lost' });
    }
  });
});
