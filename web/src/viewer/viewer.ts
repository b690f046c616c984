/** What the page of a session gives its viewer, and what it may call. */
import type { Launch } from '../api/types';
import type { ConnectionEvents } from './connection';

export interface ViewerProps extends Record<string, unknown> {
  launch: Launch;
  events: ConnectionEvents;
  /** Whether the session is shown and takes keys. */
  isOpen: boolean;
  /** Shows a short text and has a screen reader say it. */
  announce: (text: string) => void;
  ondisconnect: () => void;
  onend: () => void;
}

export interface ViewerHandle extends Record<string, unknown> {
  /** Opens a connection with a ticket; what was shown before stays until it is open. */
  connect: (launch: Launch) => void;
  /** Closes the connection; the session goes on. */
  close: () => void;
  focus: () => void;
}
