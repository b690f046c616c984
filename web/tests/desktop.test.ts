import { afterEach, describe, expect, test, vi } from 'vitest';
import { decodeDib, encodeDib, PIXELS_MAX } from '../src/viewer/desktop/clipboard/dib';
import { decodeHtml, decodeText, encodeHtml, encodeText } from '../src/viewer/desktop/clipboard/formats';
import { cursorCss } from '../src/viewer/desktop/cursor';
import { outcomeOf } from '../src/viewer/desktop/failures';
import type { WorkerEnd } from '../src/viewer/desktop/protocol';
import { timeZone } from '../src/viewer/desktop/settings';
import { placePicture, toPicture } from '../src/viewer/desktop/size';
import { SoundRing } from '../src/viewer/desktop/sound/ring';
import { Counters } from '../src/viewer/desktop/worker/counters';
import { Inbox, INBOX_BYTES_MAX } from '../src/viewer/desktop/worker/inbox';

describe('where the picture lies', () => {
  const window = { width: 1283, height: 801 };

  test('a picture that nearly fits is not stretched, and lies on whole pixels of the screen', () => {
    expect(placePicture({ width: 1280, height: 800 }, window, 'fit', 1)).toEqual({ left: 1, top: 0, width: 1280, height: 800, isWhole: true });
    const dense = placePicture({ width: 1602, height: 1000 }, window, 'fit', 1.25);
    expect(dense).toEqual({ left: 0, top: 0, width: 1602 / 1.25, height: 800, isWhole: true });
  });

  test('fit keeps the proportion, full does not, real does not scale', () => {
    const picture = { width: 400, height: 400 };
    const by = (scale: 'fit' | 'full' | 'real') => placePicture(picture, { width: 1000, height: 600 }, scale, 1);
    expect(by('fit')).toMatchObject({ left: 200, width: 600, height: 600, isWhole: false });
    expect(by('full')).toMatchObject({ left: 0, width: 1000, height: 600 });
    expect(by('real')).toMatchObject({ left: 300, top: 100, width: 400, height: 400, isWhole: true });
  });

  test('on a dense screen a picture of CSS size has squares as pixels', () => {
    expect(placePicture({ width: 1280, height: 800 }, { width: 1280, height: 800 }, 'fit', 2)).toEqual({
      left: 0, top: 0, width: 1280, height: 800, isWhole: true,
    });
  });

  test('a point of the window is one inside the picture', () => {
    const box = { left: 100, top: 50, width: 500, height: 250 } as DOMRectReadOnly;
    const picture = { width: 1000, height: 500 };
    expect(toPicture({ x: 100, y: 50 }, box, picture)).toEqual({ x: 0, y: 0 });
    expect(toPicture({ x: 350, y: 175 }, box, picture)).toEqual({ x: 500, y: 250 });
    expect(toPicture({ x: 9_000, y: -3 }, box, picture)).toEqual({ x: 999, y: 0 });
  });
});

describe('the pointer', () => {
  const shape = { kind: 'shape' as const, image: new Blob(), width: 32, height: 32, hotspotX: 10, hotspotY: 31 };

  test('a shape at its size, larger, and not too large', () => {
    expect(cursorCss(shape, 'blob:a', 1)).toBe('url("blob:a") 10 31, default');
    expect(cursorCss(shape, 'blob:a', 0.5)).toBe('image-set(url("blob:a") 2x) 5 15, default');
    expect(cursorCss({ ...shape, width: 256, height: 256 }, 'blob:a', 1)).toBe('image-set(url("blob:a") 2x) 5 15, default');
    expect(cursorCss({ kind: 'hidden' }, '', 1)).toBe('none');
    expect(cursorCss({ kind: 'default' }, '', 1)).toBe('default');
  });
});

describe('how a connection ended', () => {
  const end = (more: Partial<WorkerEnd>): WorkerEnd => ({ code: 'clean-path', message: '', reached: true, ...more });
  const titleOf = (more: Partial<WorkerEnd>): unknown => {
    const outcome = outcomeOf(end(more), 'sh1', false);
    return outcome.is === 'failed' ? outcome.words.title : outcome.reason;
  };

  test('the numbers of the gateway have words', () => {
    expect(titleOf({ cleanpath: { wsa: 10061 } })).toBe('The host refused the connection');
    expect(titleOf({ cleanpath: { wsa: 11001 } })).toBe('The host cannot be reached');
    expect(titleOf({ cleanpath: { tls: 42 } })).toBe('The host is not the one Portico trusts');
    expect(titleOf({ cleanpath: { http: 403 } })).toBe('The host did not accept your sign-in');
    expect(titleOf({ cleanpath: { http: 503 } })).toBe('The gateway cannot take the connection right now');
    expect(titleOf({ code: 'load-failed', reached: false })).toBe('The viewer could not be loaded');
    expect(titleOf({ code: 'closed', reached: false })).toBe('The gateway cannot be reached');
    expect(titleOf({ code: 'closed' })).toBe('The session could not be opened');
  });

  test('a used ticket asks for another, a panic may be tried again', () => {
    expect(outcomeOf(end({ cleanpath: { http: 401 } }), 'sh1', false)).toMatchObject({ ticket: true });
    expect(outcomeOf(end({ code: 'panic' }), 'sh1', false)).toMatchObject({ is: 'failed', retryable: true });
  });

  test('the reason of the close wins where the failure says less', () => {
    const closed = { code: 4003, reason: 'taken-over by=192.0.2.7' };
    expect(outcomeOf(end({ code: 'closed', closed }), 'sh1', true)).toEqual({ is: 'ended', reason: 'taken-over', by: '192.0.2.7' });
    expect(outcomeOf(end({ cleanpath: { http: 409 }, closed }), 'sh1', false)).toMatchObject({ is: 'ended', reason: 'taken-over' });
    expect(outcomeOf(end({ cleanpath: { http: 403 }, closed }), 'sh1', false)).toMatchObject({ is: 'failed' });
  });

  test('after it was open: a break and a crash of ours retry, an orderly end does not', () => {
    const reason = (more: Partial<WorkerEnd>): string => {
      const outcome = outcomeOf(end(more), 'sh1', true);
      return outcome.is === 'ended' ? outcome.reason : outcome.is;
    };
    expect(reason({ code: 'closed', closed: { code: 1006, reason: '' } })).toBe('client-lost');
    for (const code of ['panic', 'crashed', 'hung', 'flooded', 'protocol']) expect(reason({ code })).toBe('client-lost');
    expect(reason({ code: 'closed' })).toBe('host-closed');
    // The gateway only sees that the host closed; the host told the client more.
    expect(reason({ code: 'logged-off', closed: { code: 4000, reason: 'host-closed' } })).toBe('logged-off');
    expect(reason({ code: 'logged-off', closed: { code: 4006, reason: 'operator-ended' } })).toBe('operator-ended');
  });
});

describe('clipboard formats', () => {
  test('text has the line ends and the zero of Windows there, and not here', () => {
    const bytes = encodeText('Ä\nΩ漢😀');
    expect([...bytes.slice(0, 6)]).toEqual([0xc4, 0, 0x0d, 0, 0x0a, 0]);
    expect([...bytes.slice(-2)]).toEqual([0, 0]);
    expect(decodeText(bytes)).toBe('Ä\nΩ漢😀');
    expect(decodeText(new Uint8Array([0x41, 0, 0, 0, 0x42, 0, 0x43]))).toBe('A');
    expect(decodeText(new Uint8Array())).toBe('');
  });

  test('HTML comes back as its fragment', () => {
    const bytes = encodeHtml('<html><body class="x"><b>Grüße 漢</b></body></html>');
    expect(decodeHtml(bytes)).toBe('<b>Grüße 漢</b>');
    expect(decodeHtml(encodeHtml('<i>plain</i>'))).toBe('<i>plain</i>');
    expect(decodeHtml(encodeHtml('<body>a<!--StartFragment-->b<!--EndFragment-->c</body>'))).toBe('b');
  });

  test('a header that lies is no HTML', () => {
    const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
    expect(decodeHtml(bytes('StartFragment:0000000010\r\nEndFragment:9999999999\r\n'))).toBeUndefined();
    expect(decodeHtml(bytes('StartFragment:20\r\nEndFragment:10\r\n....................'))).toBeUndefined();
    expect(decodeHtml(bytes('<b>no header</b>'))).toBeUndefined();
  });

  test('a bitmap comes back pixel by pixel, transparent ones on white', () => {
    const data = new Uint8ClampedArray([255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255, 9, 9, 9, 0, 1, 2, 3, 255, 4, 5, 6, 255]);
    const back = decodeDib(encodeDib({ width: 3, height: 2, data }));
    expect(back?.width).toBe(3);
    expect([...(back?.data ?? [])]).toEqual([255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255, 255, 255, 255, 255, 1, 2, 3, 255, 4, 5, 6, 255]);
  });

  /** A header and rows: two pixels wide, one high. */
  const dib = (bits: number, compression: number, rest: readonly number[], more: { used?: number; height?: number } = {}): Uint8Array => {
    const bytes = new Uint8Array(40 + rest.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, 40, true);
    view.setInt32(4, 2, true);
    view.setInt32(8, more.height ?? 1, true);
    view.setUint16(14, bits, true);
    view.setUint32(16, compression, true);
    view.setUint32(32, more.used ?? 0, true);
    bytes.set(rest, 40);
    return bytes;
  };

  test('the forms that programs write', () => {
    const rgb = (bytes: Uint8Array) => [...(decodeDib(bytes)?.data ?? [])];
    expect(rgb(dib(24, 0, [1, 2, 3, 4, 5, 6, 0, 0]))).toEqual([3, 2, 1, 255, 6, 5, 4, 255]);
    expect(rgb(dib(32, 0, [1, 2, 3, 0, 4, 5, 6, 0]))).toEqual([3, 2, 1, 255, 6, 5, 4, 255]);
    expect(rgb(dib(32, 3, [0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 0, 1, 2, 3, 0, 4, 5, 6, 0]))).toEqual([3, 2, 1, 255, 6, 5, 4, 255]);
    expect(rgb(dib(16, 0, [0xff, 0x7f, 0, 0x7c]))).toEqual([255, 255, 255, 255, 255, 0, 0, 255]);
    expect(rgb(dib(1, 0, [0, 0, 0, 0, 255, 255, 255, 0, 0b01000000, 0, 0, 0]))).toEqual([0, 0, 0, 255, 255, 255, 255, 255]);
    // Top down.
    expect(rgb(dib(24, 0, [1, 2, 3, 1, 2, 3, 0, 0, 7, 8, 9, 7, 8, 9, 0, 0], { height: -2 })).slice(0, 3)).toEqual([3, 2, 1]);
  });

  test('what is cut or lies about its size is none', () => {
    const whole = encodeDib({ width: 4, height: 4, data: new Uint8ClampedArray(64).fill(200) });
    for (let len = 0; len < whole.length; len += 1) expect(decodeDib(whole.slice(0, len)), String(len)).toBeUndefined();
    const huge = whole.slice();
    new DataView(huge.buffer).setInt32(4, 16_000, true);
    new DataView(huge.buffer).setInt32(8, PIXELS_MAX / 16_000, true);
    expect(decodeDib(huge)).toBeUndefined();
    expect(decodeDib(dib(13, 0, []))).toBeUndefined();
    expect(decodeDib(dib(32, 1, [0, 0, 0, 0, 0, 0, 0, 0]))).toBeUndefined();
  });
});

describe('sound', () => {
  const RATE = 48_000;
  const sine = (frames: number, from = 0, hertz = 440, rate = RATE): Int16Array =>
    Int16Array.from({ length: frames * 2 }, (_, at) => Math.round(16_000 * Math.sin((2 * Math.PI * hertz * (from + Math.floor(at / 2))) / rate)));
  const pull = (ring: SoundRing, frames: number): Float32Array => {
    const left = new Float32Array(frames);
    ring.pull([left, new Float32Array(frames)]);
    return left;
  };
  const loudest = (samples: Float32Array): number => samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);

  test('it waits for a cushion, then plays what came', () => {
    const ring = new SoundRing({ channels: 2, rate: RATE }, RATE);
    ring.push(sine(1_000));
    expect(loudest(pull(ring, 128))).toBe(0);
    ring.push(sine(9_000, 1_000));
    expect(loudest(pull(ring, 2_000))).toBeGreaterThan(0.4);
  });

  test('clocks that differ by half a per cent are evened out: no gap and no growing delay in two minutes', () => {
    const rate = 8_000;
    const ring = new SoundRing({ channels: 1, rate }, rate);
    let written = 0;
    let fullest = 0;
    const block = 80;
    ring.push(new Int16Array(800));
    for (let at = 0; at < 2 * 60 * 100; at += 1) {
      // The host makes 0.5 % more than the device plays.
      const wanted = Math.round((at + 1) * block * 1.005);
      ring.push(new Int16Array(wanted - written));
      written = wanted;
      pull(ring, block);
      fullest = Math.max(fullest, ring.fill);
    }
    expect(fullest).toBeLessThan(rate * 0.3);
    expect(ring.underruns).toBe(0);
  });

  test('what was held up is skipped, not played late', () => {
    const ring = new SoundRing({ channels: 2, rate: RATE }, RATE);
    ring.push(new Int16Array(RATE * 2 * 3));
    expect(ring.fill).toBeLessThan(RATE * 0.2);
  });

  test('after a gap it fills its cushion again', () => {
    const ring = new SoundRing({ channels: 2, rate: RATE }, RATE);
    ring.push(sine(6_000));
    pull(ring, 8_000);
    expect(ring.underruns).toBe(1);
    ring.push(sine(100));
    expect(loudest(pull(ring, 100))).toBe(0);
  });

  test('another rate and one channel play at the right pitch on both sides', () => {
    const ring = new SoundRing({ channels: 1, rate: 22_050 }, 44_100);
    ring.push(Int16Array.from({ length: 10_000 }, (_, at) => Math.round(16_000 * Math.sin((2 * Math.PI * 441 * at) / 22_050))));
    const left = new Float32Array(8_820);
    const right = new Float32Array(8_820);
    ring.pull([left, right]);
    expect(right).toEqual(left);
    let crossings = 0;
    for (let at = 1; at < left.length; at += 1) if ((left[at - 1] ?? 0) < 0 && (left[at] ?? 0) >= 0) crossings += 1;
    // 441 Hz in 0.2 s is 88 periods.
    expect(Math.abs(crossings - 88)).toBeLessThanOrEqual(2);
  });
});

describe('the worker', () => {
  test('more than may wait is refused', () => {
    const inbox = new Inbox();
    const quarter = new Uint8Array(INBOX_BYTES_MAX / 4);
    for (let at = 0; at < 4; at += 1) expect(inbox.put(quarter)).toBe(true);
    expect(inbox.put(new Uint8Array(1))).toBe(false);
    inbox.take();
    expect(inbox.put(new Uint8Array(1))).toBe(true);
    expect(inbox.bytes).toBe(quarter.length * 3 + 1);
  });

  test('figures are per second, and a response is measured once', () => {
    const counters = new Counters(0);
    const size = { width: 800, height: 600 };
    counters.received(125_000, 8);
    counters.asked(100);
    counters.painted(130, 2);
    counters.painted(150, 2);
    const first = counters.take(2_000, { updates: 10, codec: 'x' }, size, 'offered', 0, 1);
    expect(first).toMatchObject({ drawnPerS: 1, updatesPerS: 5, decodeMsPerS: 4, drawMsPerS: 2, bitsInPerS: 500_000, responseMs: 30 });
    const second = counters.take(3_000, { updates: 10 }, size, 'offered', 0, 1);
    expect(second).toMatchObject({ drawnPerS: 0, updatesPerS: 0, bitsInPerS: 0, responseMs: undefined });
  });
});

describe('the device', () => {
  afterEach(() => vi.unstubAllEnvs());
  const zoneIn = (zone: string) => {
    vi.stubEnv('TZ', zone);
    return timeZone(new Date(2026, 6, 1));
  };

  test('its time zone is what Windows adds to local time, with the days when the clock changes', () => {
    expect(zoneIn('Europe/Berlin')).toEqual({
      name: 'Europe/Berlin',
      biasMin: -60,
      daylightBiasMin: -60,
      daylightDate: { month: 3, dayOfWeek: 0, week: 5, hour: 2, minute: 0 },
      standardDate: { month: 10, dayOfWeek: 0, week: 5, hour: 3, minute: 0 },
    });
    expect(zoneIn('America/New_York')).toMatchObject({
      biasMin: 300,
      daylightDate: { month: 3, dayOfWeek: 0, week: 2, hour: 2 },
      standardDate: { month: 11, dayOfWeek: 0, week: 1, hour: 2 },
    });
    // In the south summer begins in October; Lord Howe moves by half an hour.
    expect(zoneIn('Australia/Lord_Howe')).toMatchObject({ biasMin: -630, daylightBiasMin: -30, daylightDate: { month: 10 } });
    expect(zoneIn('Asia/Kolkata')).toMatchObject({ biasMin: -330, daylightBiasMin: 0 });
  });
});
