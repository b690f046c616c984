import { describe, expect, test } from 'vitest';
import {
  decode,
  DecodeError,
  encode,
  FRAME_LEN_MAX,
  INPUT_LEN_MAX,
  inputFrames,
  TICKET_LEN_MAX,
  type EngineFrame,
} from '../src/viewer/terminal/codec';

const hex = (text: string): ArrayBuffer =>
  Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)).buffer;
const toHex = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
const utf8 = (text: string): string => toHex(new TextEncoder().encode(text));

describe('frames of the viewer', () => {
  // The same bytes as the vectors of portico-wire.
  test.each([
    [
      { type: 'hello', cols: 80, rows: 24, received: 258, ticket: 'b.t' } as const,
      '00' + '01' + '0050' + '0018' + '0000000000000102' + '0003' + utf8('b.t'),
    ],
    [{ type: 'input', bytes: Uint8Array.of(0x61, 0x0d) } as const, '01610d'],
    [{ type: 'resize', cols: 200, rows: 50 } as const, '0200c80032'],
    [{ type: 'ack', received: 0x1_0000_0001 } as const, '030000000100000001'],
    [{ type: 'disconnect' } as const, '04'],
    [{ type: 'end' } as const, '05'],
  ])('%o is written as the contract says', (frame, bytes) => {
    expect(toHex(encode(frame))).toBe(bytes);
  });

  test('a size outside the range is brought into it', () => {
    expect(toHex(encode({ type: 'resize', cols: 0, rows: 99_999 }))).toBe('02000107d0');
  });

  test('what would not fit is refused, not cut', () => {
    const hello = { type: 'hello', cols: 80, rows: 24, received: 0 } as const;
    expect(() => encode({ ...hello, ticket: 'x'.repeat(TICKET_LEN_MAX + 1) })).toThrow(RangeError);
    expect(() => encode({ ...hello, received: -1, ticket: '' })).toThrow(RangeError);
    expect(() => encode({ type: 'input', bytes: new Uint8Array(INPUT_LEN_MAX + 1) })).toThrow(RangeError);
  });

  test('a long paste is cut into frames that together are the paste', () => {
    const paste = Uint8Array.from({ length: INPUT_LEN_MAX * 2 + 5 }, (_, at) => at % 251);
    const frames = inputFrames(paste);
    expect(frames).toHaveLength(3);
    const joined = frames.flatMap((frame) => (frame.type === 'input' ? [...frame.bytes] : []));
    expect(Uint8Array.from(joined)).toEqual(paste);
  });
});

const VECTORS: [string, EngineFrame][] = [
  ['80' + '0000000000000102' + '01', { type: 'opened', start: 258, resumed: true }],
  ['80' + '0000000000000000' + '00', { type: 'opened', start: 0, resumed: false }],
  ['82' + '00000003' + '00', { type: 'exited', status: 3, signal: '' }],
  ['82' + 'ffffffff' + '04' + utf8('KILL'), { type: 'exited', status: -1, signal: 'KILL' }],
  ['83' + utf8('{"code":"host-down"}'), { type: 'refused', error: { code: 'host-down' } }],
  ['84' + utf8('taken-over'), { type: 'closed', reason: 'taken-over' }],
];

describe('frames of the engine', () => {
  test.each(VECTORS)('%s is read', (bytes, frame) => {
    expect(decode(hex(bytes))).toEqual(frame);
  });

  test('output is read without a copy, empty output too', () => {
    expect(decode(hex('81' + utf8('ä')))).toEqual({ type: 'output', bytes: new TextEncoder().encode('ä') });
    expect(decode(hex('81'))).toEqual({ type: 'output', bytes: new Uint8Array(0) });
  });

  test('a frame of fixed shape is refused at every shorter length and with a byte too many', () => {
    for (const [bytes, frame] of VECTORS) {
      if (frame.type === 'closed' || frame.type === 'refused') continue;
      for (let length = 0; length < bytes.length; length += 2) {
        expect(() => decode(hex(bytes.slice(0, length))), `${bytes} cut to ${length / 2}`).toThrow(DecodeError);
      }
      expect(() => decode(hex(bytes + '00'))).toThrow(DecodeError);
    }
  });

  test('text that is cut within a character, or JSON that is cut anywhere, is refused', () => {
    expect(() => decode(hex('84' + 'c3'))).toThrow(DecodeError);
    const refused = '83' + utf8('{"a":1}');
    for (let length = 2; length < refused.length; length += 2) {
      expect(() => decode(hex(refused.slice(0, length)))).toThrow(DecodeError);
    }
  });

  test.each([
    ['an unknown tag', '7f00'],
    ['a tag of the viewer', '0161'],
    ['a flag that is neither 0 nor 1', '80' + '0000000000000000' + '02'],
    ['an offset beyond 2^53', '80' + '0020000000000000' + '00'],
    ['a signal that is not UTF-8', '82' + '00000000' + '01' + 'ff'],
  ])('%s is refused', (_, bytes) => {
    expect(() => decode(hex(bytes))).toThrow(DecodeError);
  });

  test('a frame above the limit is refused before it is looked at', () => {
    expect(() => decode(new ArrayBuffer(FRAME_LEN_MAX + 1))).toThrow(/too long/);
  });

  test('random bytes never do anything but decode or be refused', () => {
    let seed = 7;
    const chance = (): number => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return seed >>> 24;
    };
    for (let round = 0; round < 5_000; round += 1) {
      const bytes = Uint8Array.from({ length: chance() % 24 }, (_, at) => (at === 0 ? 0x80 + (chance() % 6) : chance()));
      try {
        decode(bytes.buffer);
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError);
      }
    }
  });
});
