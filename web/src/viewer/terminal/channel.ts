/** One WebSocket of the terminal viewer: frames in and out, and one outcome at the end. */
import { plainDeep } from '../../lib/plain';
import { causeWords } from '../cause-words';
import { webSocketUrl, type Outcome } from '../connection';
import { endingOfClose, type Ending } from '../end-reasons';
import { gatewayAway, ofRefused, ticketLapsed } from './failures';
import { decode, encode, inputFrames, SUB_PROTOCOL, type ClientFrame, type EngineFrame } from './codec';

/** Keystrokes that wait in the socket; above this the path is dead and typing on is no use. */
const UNSENT_BYTES_MAX = 4 * 1024 * 1024;

/** How long the close of the socket may take after the frame that announces it. */
const CLOSE_AFTER_FRAME_MS = 500;
/** No code of a close frame: the reason text decides alone. */
const NO_CODE = 0;

export interface ChannelEvents {
  opened: (start: number, resumed: boolean) => void;
  output: (bytes: Uint8Array) => void;
  over: (outcome: Outcome) => void;
}

export class TerminalChannel {
  private readonly socket: WebSocket;
  private exit: { status: number; signal: string } | undefined;
  /** The engine's refusal, until the close behind it. */
  private refused: Extract<Outcome, { is: 'failed' }> | undefined;
  private isOpened = false;
  private isOver = false;

  constructor(
    path: string,
    private readonly host: string,
    hello: { cols: number; rows: number; received: number; ticket: string },
    private readonly events: ChannelEvents,
  ) {
    this.socket = new WebSocket(webSocketUrl(path, location), SUB_PROTOCOL);
    this.socket.binaryType = 'arraybuffer';
    this.socket.addEventListener('open', () => this.send({ type: 'hello', ...hello }));
    this.socket.addEventListener('message', (event) => this.receive(event.data));
    this.socket.addEventListener('close', (event) => this.closed(event));
  }

  send(frame: ClientFrame): void {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    if (this.socket.bufferedAmount > UNSENT_BYTES_MAX) {
      this.socket.close(1000, 'client-closed');
      this.over({ is: 'ended', reason: 'client-lost' });
      return;
    }
    this.socket.send(encode(frame));
  }

  input(bytes: Uint8Array): void {
    for (const frame of inputFrames(bytes)) this.send(frame);
  }

  /** Leaves, without an outcome: whoever closes knows. */
  close(): void {
    this.isOver = true;
    this.send({ type: 'disconnect' });
    this.socket.close(1000, 'client-closed');
  }

  /** Cuts off an engine that breaks the protocol; the session goes on. */
  cutOff(): void {
    this.socket.close(1000, 'client-closed');
    this.over({ is: 'ended', reason: 'limit-reached' });
  }

  private receive(data: unknown): void {
    if (this.isOver) return;
    let frame: EngineFrame;
    try {
      if (!(data instanceof ArrayBuffer)) throw new TypeError('text message');
      frame = decode(data);
    } catch (error) {
      console.error('Terminal channel broke the protocol', error);
      this.cutOff();
      return;
    }
    switch (frame.type) {
      case 'opened':
        this.isOpened = true;
        this.events.opened(frame.start, frame.resumed);
        break;
      case 'output':
        this.events.output(frame.bytes);
        break;
      case 'exited':
        this.exit = { status: frame.status, signal: frame.signal };
        break;
      case 'refused':
        this.refused = ofRefused(plainDeep(frame.error), this.host);
        window.setTimeout(() => this.refusedFor(), CLOSE_AFTER_FRAME_MS);
        break;
      case 'closed':
        this.announced(endingOfClose(NO_CODE, frame.reason));
        break;
    }
  }

  /** Who took a session over stands in the close of the socket, which is right behind the frame. */
  private announced(ending: Ending): void {
    if (this.refused) return;
    if (ending.reason === 'taken-over' && ending.by === undefined) {
      window.setTimeout(() => this.ended(ending), CLOSE_AFTER_FRAME_MS);
    } else this.ended(ending);
  }

  private closed(event: CloseEvent): void {
    const ending = endingOfClose(event.code, event.reason);
    if (this.refused) this.refusedFor(ending.cause);
    else if (!this.isOpened && ending.reason === 'client-lost') {
      this.over(gatewayAway(this.host));
    } else this.ended(ending);
  }

  /** Why the host could not be reached stands in the close of the socket, right behind the refusal. */
  private refusedFor(cause = ''): void {
    if (this.refused) this.over({ ...this.refused, words: causeWords(cause) ?? this.refused.words });
  }

  private ended(ending: Ending): void {
    if (ending.reason === 'ticket-lapsed' && !this.isOpened) {
      this.over(ticketLapsed(this.host));
      return;
    }
    const exit = this.exit;
    this.over(
      exit ? { is: 'ended', reason: 'program-exited', exit } : { is: 'ended', ...ending },
    );
  }

  private over(outcome: Outcome): void {
    if (this.isOver) return;
    this.isOver = true;
    this.socket.close();
    this.events.over(outcome);
  }
}
