/**
 * What page and worker of a desktop connection say to each other. One worker serves one connection:
 * it owns WebSocket, RDP client and canvas, and is ended with them.
 */
import type { TouchTaken } from './input/direct-touch';
import type { ScreenMonitor } from './screens/layout';
import type { VideoState } from './video';

import type { FileNews, FileOrder } from './files/protocol';

/** What the RDP client wants to know before it connects; goes to it as JSON. */
export interface Settings {
  ticket: string;
  width: number;
  height: number;
  scalePercent: number;
  /** Windows layout id; 0 for the host's own. */
  keyboardLayout: number;
  timeZone: TimeZone;
  clientName: string;
  sound: boolean;
  clipboard: boolean;
  /** What the policy allows a host to do in a folder of the device. */
  drive: 'off' | 'read' | 'read-write';
  printer: boolean;
  touch: boolean;
  microphone: boolean;
  /** Wished; the worker takes it back where the browser has no decoder. */
  h264: boolean;
  /** Empty for one, of the size above. */
  monitors: readonly Monitor[];
}

/** As in MS-RDPBCGR 2.2.1.11.1.1.1.1: minutes that are added to local time to get UTC. */
export interface TimeZone {
  name: string;
  biasMin: number;
  /** On top of it while summer time holds. */
  daylightBiasMin: number;
  /** When summer time ends and begins, in the time that held before; without them there is none. */
  standardDate?: ClockChange;
  daylightDate?: ClockChange;
}

/** A day of the year: month 1 to 12, day 0 (Sunday) to 6, week 1 to 4 or 5 for the last. */
export interface ClockChange {
  month: number;
  dayOfWeek: number;
  week: number;
  hour: number;
  minute: number;
}

export interface Monitor {
  left: number;
  top: number;
  width: number;
  height: number;
  primary: boolean;
  scalePercent: number;
}

/** A clipboard's content, in the forms that both sides know. */
export interface ClipboardContent {
  text?: string;
  html?: string;
  image?: Blob;
}

export type ClipboardKind = keyof ClipboardContent;

/** Scancode of set 1 as in MS-RDPBCGR 2.2.8.1.2.2.1; `extended` are those behind 0xE0. */
export interface Scancode {
  code: number;
  extended: boolean;
}

export interface LockKeys {
  scroll: boolean;
  num: boolean;
  caps: boolean;
  kana: boolean;
}

export interface PenState {
  inRange: boolean;
  touches: boolean;
  barrel: boolean;
  eraser: boolean;
  /** 0 to 1024. */
  pressure: number;
  /** Degrees. */
  tiltX: number;
  tiltY: number;
}

export type ToWorker =
  | { type: 'connect'; url: string; settings: Settings; canvas: OffscreenCanvas }
  | { type: 'key'; key: Scancode; pressed: boolean }
  /** Pressed and let go: Pause has no release of its own. */
  | { type: 'pause-key' }
  | { type: 'text'; text: string }
  | { type: 'pointer-move'; x: number; y: number }
  /** 0 left, 1 middle, 2 right, 3 back, 4 forward. */
  | { type: 'pointer-button'; button: number; pressed: boolean; x: number; y: number }
  /** 120 units are one notch; positive is up, or right. */
  | { type: 'wheel'; horizontal: boolean; units: number }
  | { type: 'release-all' }
  | { type: 'lock-keys'; locks: LockKeys }
  | { type: 'resize'; width: number; height: number; scalePercent: number }
  /** Places are in pixels of the picture; phase 0 down, 1 move, 2 up, 3 cancel. */
  | { type: 'finger'; id: number; phase: 0 | 1 | 2 | 3; x: number; y: number; pressure: number }
  | ({ type: 'pen'; x: number; y: number } & PenState)
  /** A window for the monitor `id`, named by the next `arrange`. */
  | { type: 'screen-canvas'; id: number; canvas: OffscreenCanvas }
  /** Which window shows which part; `ask`: the host shall make its monitors so. */
  | { type: 'arrange'; monitors: readonly ScreenMonitor[]; ask: boolean }
  /** Where samples of the microphone come from, in the format that the session wants. */
  | { type: 'microphone-port'; port: MessagePort }
  | { type: 'visible'; on: boolean }
  /** Asks for everything to be sent again: the picture did not come. */
  | { type: 'repaint' }
  | { type: 'clipboard-offer'; content: ClipboardContent }
  | { type: 'clipboard-fetch' }
  /** Where PCM goes: the other end is in the audio worklet. */
  | { type: 'sound-port'; port: MessagePort; latencyMs: number }
  | { type: 'files'; order: FileOrder }
  | { type: 'shutdown' };

export type PointerShape =
  | { kind: 'default' | 'hidden' }
  | { kind: 'shape'; image: Blob; width: number; height: number; hotspotX: number; hotspotY: number };

export interface SoundFormat {
  channels: number;
  rate: number;
  bits: number;
}

/** Figures of the last second. */
export interface Statistics {
  width: number;
  height: number;
  codec: string;
  video: VideoState;
  /** Pictures drawn, and updates that came from the host. */
  drawnPerS: number;
  updatesPerS: number;
  /** Time in decoding and drawing, per second. */
  decodeMsPerS: number;
  drawMsPerS: number;
  bitsInPerS: number;
  bitsOutPerS: number;
  /** From the last key or click to the next picture; undefined without one in this second. */
  responseMs: number | undefined;
  /** Round trip to the host as its own measurement says; undefined where it does not measure. */
  roundTripMs: number | undefined;
  /** Bytes that came but are not decoded yet. */
  queuedBytes: number;
  memoryBytes: number;
}

/** Numbers that the gateway gave in the error PDU of RDCleanPath. */
export interface CleanPathError {
  http?: number;
  wsa?: number;
  tls?: number;
}

/** How a connection ended, as far as the worker can see. */
export interface WorkerEnd {
  /** The RDP client's word, or the worker's: `panic`, `crashed`, `load-failed`, `hung`, `flooded`. */
  code: string;
  message: string;
  cleanpath?: CleanPathError;
  /** Whether the WebSocket was ever open. */
  reached: boolean;
  /** Close of the WebSocket, where it came in time. */
  closed?: { code: number; reason: string };
}

export type FromWorker =
  /** Client and canvas are ready to be used; sent by a fresh worker. */
  | { type: 'loaded' }
  | { type: 'progress'; step: 'signing-in' | 'starting' | 'active' }
  /** The first update was drawn; it may be all black. */
  | { type: 'drawn' }
  /** Something else than black was drawn, for the first time. */
  | { type: 'picture' }
  | { type: 'resized'; width: number; height: number }
  | { type: 'can-resize'; can: boolean }
  /** How many monitors the host takes while connected. */
  | { type: 'monitors'; max: number }
  /** What of touch input the host takes from now on. */
  | { type: 'touch'; taken: TouchTaken }
  /** The session listens in this format, or no more. */
  | { type: 'microphone'; wanted: { channels: number; rate: number } | undefined }
  | { type: 'pointer'; shape: PointerShape }
  | { type: 'clipboard-offer'; kinds: readonly ClipboardKind[] }
  /** Answer to `clipboard-fetch`; undefined when the host did not give it. */
  | { type: 'clipboard-content'; content: ClipboardContent | undefined }
  | { type: 'sound-format'; format: SoundFormat }
  /** 0 to 1 for each side. */
  | { type: 'sound-volume'; left: number; right: number }
  | { type: 'files'; news: FileNews }
  /** Comes every second, so it is the sign of life as well. */
  | { type: 'statistics'; statistics: Statistics }
  /** The WebSocket closed; the last picture is still on the canvas. */
  | { type: 'closing' }
  /** Exactly once; the worker does nothing after it. */
  | { type: 'end'; end: WorkerEnd };
