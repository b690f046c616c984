/**
 * Learns how the WebSocket of the RDP component closed. The component opens it inside WebAssembly
 * and keeps the close code to itself; for the moment of connecting, the constructor is replaced by
 * one that also tells us.
 */

export interface Closed {
  code: number;
  reason: string;
}

export class SocketWatch {
  private socket: WebSocket | undefined;
  private outcome: Closed | undefined;
  private readonly waiting: ((closed: Closed | undefined) => void)[] = [];

  /** `onClose` is called first thing when the socket closes, while the picture is still shown. */
  constructor(private readonly onClose: () => void) {}

  /** Runs `connect` and watches the first WebSocket to `url` that is opened meanwhile. */
  async during<T>(url: string, connect: () => Promise<T>): Promise<T> {
    const Native = window.WebSocket;
    const watch = this;
    class WatchedWebSocket extends Native {
      constructor(address: string | URL, protocols?: string | string[]) {
        super(address, protocols);
        if (!watch.socket && String(address).startsWith(url)) watch.attach(this);
      }
    }
    window.WebSocket = WatchedWebSocket;
    try {
      return await connect();
    } finally {
      if (window.WebSocket === WatchedWebSocket) window.WebSocket = Native;
    }
  }

  /** How it closed; waits a moment, as the component may notice before the close event is in. */
  closed(withinMs: number): Promise<Closed | undefined> {
    if (this.outcome || !this.socket) return Promise.resolve(this.outcome);
    return new Promise((resolve) => {
      const timer = window.setTimeout(() => resolve(undefined), withinMs);
      this.waiting.push((closed) => {
        window.clearTimeout(timer);
        resolve(closed);
      });
    });
  }

  /** Whether it is closed or never opened. */
  get isDown(): boolean {
    return !this.socket || this.socket.readyState >= WebSocket.CLOSING;
  }

  close(): void {
    this.socket?.close(1000, 'client-closed');
  }

  private attach(socket: WebSocket): void {
    this.socket = socket;
    socket.addEventListener('close', (event) => {
      this.onClose();
      this.outcome = { code: event.code, reason: event.reason };
      for (const tell of this.waiting.splice(0)) tell(this.outcome);
    });
  }
}
