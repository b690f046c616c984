/**
 * A stand-in for the RDP backend, for looking at pages and for the page tests (`--mode mock`). It
 * opens the real WebSocket, paints a test picture and draws what is typed. It is never shipped.
 */

type Callback = (...args: unknown[]) => void;

class DesktopSize {
  constructor(
    public width: number,
    public height: number,
  ) {}
}

class DeviceEvent {
  constructor(
    readonly kind: string,
    readonly value: unknown = undefined,
  ) {}
  static keyPressed(code: number): DeviceEvent {
    return new DeviceEvent('key', code);
  }
  static keyReleased(code: number): DeviceEvent {
    return new DeviceEvent('key-up', code);
  }
  static unicodePressed(text: string): DeviceEvent {
    return new DeviceEvent('text', text);
  }
  static unicodeReleased(): DeviceEvent {
    return new DeviceEvent('text-up');
  }
  static mouseMove(): DeviceEvent {
    return new DeviceEvent('move');
  }
  static mouseButtonPressed(): DeviceEvent {
    return new DeviceEvent('button');
  }
  static mouseButtonReleased(): DeviceEvent {
    return new DeviceEvent('button-up');
  }
  static wheelRotations(): DeviceEvent {
    return new DeviceEvent('wheel');
  }
}

class InputTransaction {
  readonly events: DeviceEvent[] = [];
  addEvent(event: DeviceEvent): void {
    this.events.push(event);
  }
}

class ClipboardData {
  private readonly texts: { mime: string; value: string | Uint8Array }[] = [];
  addText(mime: string, value: string): void {
    this.texts.push({ mime, value });
  }
  addBinary(mime: string, value: Uint8Array): void {
    this.texts.push({ mime, value });
  }
  items(): { mimeType: () => string; value: () => string | Uint8Array }[] {
    return this.texts.map(({ mime, value }) => ({ mimeType: () => mime, value: () => value }));
  }
  isEmpty(): boolean {
    return this.texts.length === 0;
  }
}

class Session {
  private typed = 0;
  private readonly over: Promise<{ reason: () => string }>;

  constructor(
    private readonly socket: WebSocket,
    private readonly canvas: HTMLCanvasElement,
    private readonly onResized: Callback,
  ) {
    this.over = new Promise((resolve) => {
      socket.addEventListener('close', () => resolve({ reason: () => 'closed' }));
    });
  }
  run(): Promise<{ reason: () => string }> {
    // The component sizes the canvas after connecting, which clears it.
    this.paint();
    return this.over;
  }
  desktopSize(): DesktopSize {
    return new DesktopSize(this.canvas.width, this.canvas.height);
  }
  applyInputs(transaction: InputTransaction): void {
    const keys = transaction.events.filter((event) => event.kind === 'key' || event.kind === 'text');
    if (keys.length === 0) return;
    this.typed += keys.length;
    this.paint();
  }
  releaseAllInputs(): void {}
  synchronizeLockKeys(): void {}
  shutdown(): void {
    this.socket.close(1000, 'client-closed');
  }
  async onClipboardPaste(): Promise<void> {}
  resize(width: number, height: number): void {
    window.setTimeout(() => {
      this.canvas.width = width;
      this.canvas.height = height;
      this.paint();
      this.onResized();
    }, 50);
  }
  supportsUnicodeKeyboardShortcuts(): boolean {
    return false;
  }
  invokeExtension(): void {}

  private paint(): void {
    const { canvas } = this;
    const context = canvas.getContext('2d');
    if (!context) return;
    const { width, height } = canvas;
    const ground = context.createLinearGradient(0, 0, width, height);
    ground.addColorStop(0, '#2f5d73');
    ground.addColorStop(1, '#7a5a82');
    context.fillStyle = ground;
    context.fillRect(0, 0, width, height);
    context.fillStyle = '#20262b';
    context.fillRect(0, height - 34, width, 34);
    context.fillStyle = '#f4f4f0';
    context.fillRect(width * 0.1, height * 0.14, width * 0.55, height * 0.6);
    context.fillStyle = '#3a4a55';
    context.fillRect(width * 0.1, height * 0.14, width * 0.55, 26);
    context.fillStyle = '#1d2429';
    context.font = '15px monospace';
    context.fillText(`demo@stand-in:~$ ${'x'.repeat(this.typed)}`, width * 0.1 + 12, height * 0.14 + 54);
  }
}

class SessionBuilder {
  private canvas: HTMLCanvasElement | undefined;
  private address = '';
  private token = '';
  private size = new DesktopSize(1280, 720);
  private resized: Callback = () => undefined;

  private same(): this {
    return this;
  }
  username = this.same;
  password = this.same;
  destination = this.same;
  serverDomain = this.same;
  setCursorStyleCallback = this.same;
  setCursorStyleCallbackContext = this.same;
  remoteClipboardChangedCallback = this.same;
  forceClipboardUpdateCallback = this.same;
  extension = this.same;
  proxyAddress(address: string): this {
    this.address = address;
    return this;
  }
  authToken(token: string): this {
    this.token = token;
    return this;
  }
  renderCanvas(canvas: HTMLCanvasElement): this {
    this.canvas = canvas;
    return this;
  }
  desktopSize(size: DesktopSize): this {
    this.size = size;
    return this;
  }
  canvasResizedCallback(callback: Callback): this {
    this.resized = callback;
    return this;
  }
  connect(): Promise<Session> {
    const { canvas } = this;
    return new Promise((resolve, reject) => {
      if (!canvas) return;
      const socket = new WebSocket(this.address);
      socket.addEventListener('open', () => socket.send(this.token));
      socket.addEventListener('error', () => reject(failure(5)));
      socket.addEventListener('message', (event) => {
        const said = JSON.parse(String(event.data)) as { ok?: boolean; kind?: number; details?: object };
        if (!said.ok) {
          socket.close();
          reject(failure(said.kind ?? 4, said.details));
          return;
        }
        canvas.width = this.size.width;
        canvas.height = this.size.height;
        resolve(new Session(socket, canvas, this.resized));
      });
    });
  }
}

function failure(kind: number, details?: object): unknown {
  return { kind: () => kind, backtrace: () => 'stand-in', rdcleanpathDetails: () => details };
}

export const Backend = { DesktopSize, InputTransaction, SessionBuilder, ClipboardData, DeviceEvent };

export async function init(): Promise<void> {}

export function enableCredssp(enable: boolean): unknown {
  return { enableCredssp: enable };
}

export function displayControl(enable: boolean): unknown {
  return { displayControl: enable };
}
