/**
 * Frames of the terminal channel, sub-protocol `portico.terminal.v1`: one frame per binary
 * WebSocket message, big-endian. The other end is `portico-wire/src/terminal.rs`.
 */

export const SUB_PROTOCOL = 'portico.terminal.v1';
export const VERSION = 1;

/** Bytes of one input frame; longer pastes are cut into several. */
export const INPUT_LEN_MAX = 16 * 1024;
/** Longest frame of the engine: an Output with its tag. */
export const FRAME_LEN_MAX = 1 + 32 * 1024;
export const TICKET_LEN_MAX = 256;
/** Most columns or rows. */
export const SIDE_MAX = 2000;

const HELLO = 0x00;
const INPUT = 0x01;
const RESIZE = 0x02;
const ACK = 0x03;
const DISCONNECT = 0x04;
const END = 0x05;
const OPENED = 0x80;
const OUTPUT = 0x81;
const EXITED = 0x82;
const REFUSED = 0x83;
const CLOSED = 0x84;

export type ClientFrame =
  | { type: 'hello'; cols: number; rows: number; received: number; ticket: string }
  | { type: 'input'; bytes: Uint8Array }
  | { type: 'resize'; cols: number; rows: number }
  | { type: 'ack'; received: number }
  | { type: 'disconnect' }
  | { type: 'end' };

export type EngineFrame =
  /**
   * `start`: offset in the stream of the first output byte that follows. When not `resumed`, it
   * does not go on where this viewer was, and the terminal is cleared first. May come again.
   */
  | { type: 'opened'; start: number; resumed: boolean }
  | { type: 'output'; bytes: Uint8Array }
  | { type: 'exited'; status: number; signal: string }
  | { type: 'refused'; error: unknown }
  | { type: 'closed'; reason: string };

export class DecodeError extends Error {
  constructor(field: string, problem: string) {
    super(`${field}: ${problem}`);
    this.name = 'DecodeError';
  }
}

export function encode(frame: ClientFrame): Uint8Array<ArrayBuffer> {
  switch (frame.type) {
    case 'hello': {
      const ticket = new TextEncoder().encode(frame.ticket);
      if (ticket.length > TICKET_LEN_MAX) throw new RangeError('ticket is too long');
      // tag + version + cols + rows + received + length of the ticket + ticket
      const { bytes, view } = buffer(1 + 1 + 2 + 2 + 8 + 2 + ticket.length);
      view.setUint8(0, HELLO);
      view.setUint8(1, VERSION);
      view.setUint16(2, cells(frame.cols));
      view.setUint16(4, cells(frame.rows));
      view.setBigUint64(6, offset(frame.received));
      view.setUint16(14, ticket.length);
      bytes.set(ticket, 16);
      return bytes;
    }
    case 'input': {
      if (frame.bytes.length > INPUT_LEN_MAX) throw new RangeError('input frame is too long');
      const { bytes, view } = buffer(1 + frame.bytes.length);
      view.setUint8(0, INPUT);
      bytes.set(frame.bytes, 1);
      return bytes;
    }
    case 'resize': {
      const { bytes, view } = buffer(1 + 2 + 2);
      view.setUint8(0, RESIZE);
      view.setUint16(1, cells(frame.cols));
      view.setUint16(3, cells(frame.rows));
      return bytes;
    }
    case 'ack': {
      const { bytes, view } = buffer(1 + 8);
      view.setUint8(0, ACK);
      view.setBigUint64(1, offset(frame.received));
      return bytes;
    }
    case 'disconnect':
      return Uint8Array.of(DISCONNECT);
    case 'end':
      return Uint8Array.of(END);
  }
}

/** Reads one frame; throws `DecodeError` for anything that is not exactly one. */
export function decode(data: ArrayBuffer): EngineFrame {
  if (data.byteLength > FRAME_LEN_MAX) throw new DecodeError('frame', 'too long');
  if (data.byteLength === 0) throw new DecodeError('tag', 'missing');
  const view = new DataView(data);
  const tag = view.getUint8(0);
  switch (tag) {
    case OPENED: {
      exactly(view, 'opened', 1 + 8 + 1);
      const resumed = view.getUint8(9);
      if (resumed > 1) throw new DecodeError('opened.resumed', 'neither 0 nor 1');
      return { type: 'opened', start: position(view, 1, 'opened.start'), resumed: resumed === 1 };
    }
    case OUTPUT:
      return { type: 'output', bytes: new Uint8Array(data, 1) };
    case EXITED: {
      atLeast(view, 'exited', 1 + 4 + 1);
      const signalLen = view.getUint8(5);
      exactly(view, 'exited.signal', 1 + 4 + 1 + signalLen);
      return { type: 'exited', status: view.getInt32(1), signal: utf8(data, 6, 'exited.signal') };
    }
    case REFUSED: {
      const text = utf8(data, 1, 'refused');
      try {
        return { type: 'refused', error: JSON.parse(text) as unknown };
      } catch {
        throw new DecodeError('refused', 'not JSON');
      }
    }
    case CLOSED:
      return { type: 'closed', reason: utf8(data, 1, 'closed') };
    default:
      throw new DecodeError('tag', `unknown value 0x${tag.toString(16).padStart(2, '0')}`);
  }
}

/** Cuts input into frames no longer than the limit. */
export function inputFrames(bytes: Uint8Array): ClientFrame[] {
  const frames: ClientFrame[] = [];
  for (let at = 0; at < bytes.length; at += INPUT_LEN_MAX) {
    frames.push({ type: 'input', bytes: bytes.subarray(at, at + INPUT_LEN_MAX) });
  }
  return frames;
}

function buffer(length: number): { bytes: Uint8Array<ArrayBuffer>; view: DataView } {
  const bytes = new Uint8Array(length);
  return { bytes, view: new DataView(bytes.buffer) };
}

/** Columns or rows, brought into the range that the protocol allows. */
function cells(value: number): number {
  return Math.max(1, Math.min(SIDE_MAX, Math.trunc(value)));
}

function offset(value: number): bigint {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError('offset is not a count');
  return BigInt(value);
}

/** An offset as a number: 2^53 bytes are more than any session prints. */
function position(view: DataView, at: number, field: string): number {
  const value = view.getBigUint64(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new DecodeError(field, 'too large');
  return Number(value);
}

function atLeast(view: DataView, field: string, length: number): void {
  if (view.byteLength < length) throw new DecodeError(field, 'truncated');
}

function exactly(view: DataView, field: string, length: number): void {
  atLeast(view, field, length);
  if (view.byteLength > length) throw new DecodeError(field, 'has bytes after its end');
}

function utf8(data: ArrayBuffer, from: number, field: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(new Uint8Array(data, from));
  } catch {
    throw new DecodeError(field, 'not UTF-8');
  }
}
