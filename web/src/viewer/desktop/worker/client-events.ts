/** Events and statistics of the RDP client, from its JSON to types. */
import type { CleanPathError } from '../protocol';

export interface HostFormat {
  id: number;
  name: string;
}

export type ClientEvent =
  | { type: 'progress'; step: 'signing-in' | 'starting' | 'open' }
  | { type: 'resized'; width: number; height: number }
  | {
      type: 'pointer';
      kind: 'shape' | 'default' | 'hidden' | 'position';
      width?: number;
      height?: number;
      hotspotX?: number;
      hotspotY?: number;
    }
  | { type: 'clipboard-offer'; formats: readonly HostFormat[] }
  | { type: 'clipboard-request'; requestId: number; formatId: number }
  | { type: 'clipboard-data'; ok: boolean }
  | { type: 'sound-format'; channels: number; rate: number; bits: number }
  /** 0 to 65535 for each side. */
  | { type: 'sound-volume'; left: number; right: number }
  | { type: 'display-control'; maxMonitors: number }
  | { type: 'touch-input'; fingers: boolean; pen: boolean }
  | { type: 'microphone-wanted'; channels: number; rate: number }
  | { type: 'microphone-unwanted' }
  | { type: 'end'; code: string; message: string; cleanpath?: CleanPathError }
  /** Events that this page does not use yet. */
  | { type: 'keyboard-leds' | 'auto-reconnect-cookie' | 'signed-in' | 'sign-in-notice' };

/**
 * The JSON comes from our own module, whose types the contract in `rdp-client.d.ts` fixes, so it is
 * not checked field by field.
 */
export function readEvents(json: string): readonly ClientEvent[] {
  return json === '' ? [] : (JSON.parse(json) as ClientEvent[]);
}

/** What the client counted since its start; a build may not count all of it. */
export interface ClientCounts {
  framesReceived?: number;
  updates?: number;
  decodeMs?: number;
  bytesIn?: number;
  bytesOut?: number;
  codec?: string;
  memoryBytes?: number;
  rttMs?: number | null;
}

export function readCounts(json: string): ClientCounts {
  return json === '' ? {} : (JSON.parse(json) as ClientCounts);
}
