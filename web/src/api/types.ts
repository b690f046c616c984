/**
 * Names for the shapes of the HTTP API. They are taken from the paths and not from the schema
 * names, so that a schema may be renamed in the server without a change here.
 */
import type { paths } from './schema';

type Content<R> = R extends { content: { 'application/json': infer T } } ? T : never;
type Ok<Op> = Op extends { responses: infer R }
  ? Content<R[Extract<keyof R, 200 | 201>]>
  : never;
type Item<T> = T extends (infer I)[] ? I : never;

export type Site = Ok<paths['/api/v1/site']['get']>;
export type Me = Ok<paths['/api/v1/me']['get']>;
export type Workspace = Ok<paths['/api/v1/workspace']['get']>;
export type OfferedResource = Item<Workspace['resources']>;
export type Session = Item<Workspace['sessions']>;
/** What a session is to its user; the console knows more of it. */
export type SessionBase = Session;
export type Launch = Ok<paths['/api/v1/launches']['post']>;

/** Directions of the clipboard that a session policy allows. */
export type ClipboardPolicy = 'none' | 'to-host' | 'from-host' | 'both';

/** What a host may do in a folder of the device. */
export type DrivePolicy = 'off' | 'read' | 'read-write';

export type PrinterPolicy = 'off' | 'on';

/** Why a host was not chosen: `HostVerdict` of `portico-model`; each reason has its own fields. */
export interface HostVerdict {
  host: string;
  reason: string;
  detail?: string;
  account?: string;
  site?: string;
  sessions?: number;
  sessions_max?: number;
  sign_ins?: number;
  sign_ins_max?: number;
  /** Load index, per ten thousand, and the one of the chosen host. */
  index?: number;
  chosen?: number;
  failures?: number;
  since?: number;
  until?: number;
  /** Who drained or disabled it, when it was not the estate. */
  set?: { by: string; at: number; reason: string } | null;
  /** The reason in the server's words, and what would change it. */
  message?: string;
  next_step?: string | null;
}

/** Why a launch is refused: `Refusal` of `portico-model`. Travels in an error's `details`. */
export interface Refusal {
  refusal: string;
  resource?: string;
  pool?: string;
  hosts?: HostVerdict[];
  /** Network that a session may be resumed from. */
  network?: string;
  conditions?: { entitlement: string; condition: string }[];
  detail?: string;
}
