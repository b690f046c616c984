/**
 * A stand-in for the RDP client, for looking at pages and for the page tests (`--mode mock`). It runs
 * in the real worker behind the real WebSocket, paints a test picture, draws what is typed, and tells
 * the stand-in server each input, so that tests can ask for it. It is never shipped.
 */

interface Settings {
  ticket: string;
  width: number;
  height: number;
}

const BYTES = 4;
const PAGE = 64 * 1024;
const encode = (value: unknown): Uint8Array => new TextEncoder().encode(`${JSON.stringify(value)}\n`);

let memory = new WebAssembly.Memory({ initial: 1 });

export async function start(): Promise<{ readonly memory: { readonly buffer: ArrayBuffer } }> {
  return {
    memory: {
      get buffer() {
        return memory.buffer as ArrayBuffer;
      },
    },
  };
}

export function lastPanic(): string {
  return 'the stand-in was told to';
}

export class RdpClient {
  private readonly said: Uint8Array[] = [];
  private readonly happened: object[] = [];
  private changed: number[] = [];
  private typed = '';
  private size = { width: 0, height: 0 };
  private picture = 'ok';
  private isOpen = false;
  private came = '';
  private clipboard: Uint8Array = new Uint8Array();
  private pcm: Uint8Array = new Uint8Array();
  private readonly files: [object, Uint8Array?][] = [];
  private bytes: Uint8Array = new Uint8Array();
  private drives = 'accepted';
  private fed = 0;

  constructor(settings: string) {
    const { ticket, width, height } = JSON.parse(settings) as Settings;
    this.size = { width, height };
    this.said.push(encode({ ticket, settings: JSON.parse(settings) as object }));
    this.happened.push({ type: 'progress', step: 'signing-in' });
  }

  free(): void {}

  /** The stand-in server speaks lines of JSON. */
  feed(bytes: Uint8Array): void {
    this.fed += 1;
    const lines = (this.came + new TextDecoder().decode(bytes)).split('\n');
    this.came = lines.pop() ?? '';
    for (const line of lines) this.obey(JSON.parse(line) as Record<string, unknown>);
  }

  tick(): void {}

  /** No video comes of the stand-in. */
  videoJob(): string {
    return '';
  }

  videoBytes(): Uint8Array {
    return new Uint8Array();
  }

  videoPicture(): void {}

  videoFailed(): void {}

  backlog(): void {}

  output(): Uint8Array {
    return this.said.shift() ?? new Uint8Array();
  }

  events(): string {
    const happened = this.happened.splice(0);
    return happened.length === 0 ? '' : JSON.stringify(happened);
  }

  damage(): Uint32Array {
    return new Uint32Array(this.changed.splice(0));
  }

  framePointer(): number {
    return 0;
  }

  width(): number {
    return this.isOpen ? this.size.width : 0;
  }

  height(): number {
    return this.isOpen ? this.size.height : 0;
  }

  pointerPixels(): Uint8Array {
    const pixels = new Uint8Array(24 * 24 * BYTES);
    for (let y = 0; y < 24; y += 1) {
      for (let x = 0; x <= y; x += 1) pixels.set([x === 0 || x === y ? 0 : 255, 120, 60, 255], (y * 24 + x) * BYTES);
    }
    return pixels;
  }

  key(scancode: number, extended: boolean, pressed: boolean): void {
    this.tell({ key: scancode, extended, pressed });
    if (pressed) this.type('x');
  }

  pauseKey(): void {
    this.tell({ pause: true });
  }

  text(text: string): void {
    this.tell({ text });
    this.type(text);
  }

  pointerMove(x: number, y: number): void {
    this.tell({ move: [x, y] });
  }

  pointerButton(button: number, pressed: boolean, x: number, y: number): void {
    this.tell({ button, pressed, at: [x, y] });
  }

  wheel(horizontal: boolean, units: number): void {
    this.tell({ wheel: units, horizontal });
  }

  releaseAll(): void {
    this.tell({ released: true });
  }

  lockKeys(scroll: boolean, num: boolean, caps: boolean, kana: boolean): void {
    this.tell({ locks: { scroll, num, caps, kana } });
  }

  resize(width: number, height: number): boolean {
    this.tell({ resize: [width, height] });
    if (this.picture === 'fixed') return false;
    this.size = { width, height };
    this.happened.push({ type: 'resized', width, height });
    this.paint();
    return true;
  }

  arrange(monitors: string): boolean {
    const wanted = JSON.parse(monitors) as { left: number; top: number; width: number; height: number }[];
    this.tell({ arrange: wanted });
    if (this.picture === 'fixed') return false;
    const left = Math.min(...wanted.map((one) => one.left));
    const top = Math.min(...wanted.map((one) => one.top));
    const width = Math.max(...wanted.map((one) => one.left + one.width)) - left;
    const height = Math.max(...wanted.map((one) => one.top + one.height)) - top;
    this.size = { width, height };
    this.happened.push({ type: 'resized', width, height });
    this.paint();
    return true;
  }

  finger(id: number, phase: number, x: number, y: number): void {
    this.tell({ finger: id, phase, at: [x, y] });
  }

  pen(state: number, x: number, y: number, pressure: number, tiltX: number, tiltY: number): void {
    this.tell({ pen: state, at: [x, y], pressure, tilt: [tiltX, tiltY] });
  }

  microphone(samples: Uint8Array): void {
    this.tell({ heard: samples.length });
  }

  visible(on: boolean): void {
    this.tell({ visible: on });
  }

  clipboardOffer(formats: string): void {
    const offered = JSON.parse(formats) as { id: number; name: string }[];
    this.tell({ offered });
    // A host asks when something is pasted; this one wants to see all of it at once.
    for (const { id } of offered) this.happened.push({ type: 'clipboard-request', requestId: id, formatId: id });
  }

  clipboardData(requestId: number, bytes: Uint8Array | undefined): void {
    this.tell({ clipboard: requestId, bytes: bytes ? [...bytes] : null });
  }

  clipboardFetch(formatId: number): void {
    this.tell({ fetch: formatId });
  }

  clipboardBytes(): Uint8Array {
    return this.clipboard;
  }

  sound(): Uint8Array {
    const { pcm } = this;
    this.pcm = new Uint8Array();
    return pcm;
  }

  soundLatency(): void {}

  fileEvent(): string {
    const [event, bytes] = this.files.shift() ?? [];
    this.bytes = bytes ?? new Uint8Array();
    return event ? JSON.stringify(event) : '';
  }

  fileBytes(): Uint8Array {
    return this.bytes;
  }

  /** A host that takes drives takes them at once; it asks for whatever the page test tells it. */
  driveAdd(name: string, mayWrite: boolean): void {
    this.tell({ drive: name, mayWrite });
    if (this.drives !== 'none') this.files.push([{ type: 'drive-state', state: 'ready' }], [{ type: 'drive-state', state: this.drives }]);
  }

  driveRemove(): void {
    this.tell({ driveRemoved: true });
  }

  driveAnswer(id: number, answer: string, bytes: Uint8Array | undefined): void {
    this.tell({ driveAnswer: id, answer: JSON.parse(answer) as object, bytes: bytes ? [...bytes] : null });
  }

  clipboardOfferFiles(files: string): void {
    this.tell({ offeredFiles: JSON.parse(files) as object });
  }

  clipboardFetchFiles(): void {
    this.tell({ fetchFiles: true });
  }

  clipboardFetchPart(id: number, index: number, offset: number, length: number): void {
    this.tell({ fetchPart: id, index, offset, length });
  }

  clipboardPart(id: number, bytes: Uint8Array | undefined): void {
    this.tell({ part: id, bytes: bytes ? [...bytes] : null });
  }

  stats(): string {
    return JSON.stringify({ updates: this.fed, codec: 'stand-in' });
  }

  shutdown(): void {
    this.tell({ shutdown: true });
  }

  private obey(order: Record<string, unknown>): void {
    if (order['ok'] !== undefined) {
      this.picture = String(order['ok']);
      this.isOpen = true;
      this.happened.push({ type: 'progress', step: 'starting' }, { type: 'resized', ...this.size });
      this.happened.push({ type: 'progress', step: 'open' });
      this.paint();
    } else if (order['end'] !== undefined) {
      this.happened.push({ type: 'end', message: 'stand-in', ...(order['end'] as object) });
    } else if (order['panic'] !== undefined) {
      throw new Error('the stand-in panics, as it was told');
    } else if (order['hang'] !== undefined) {
      for (;;);
    } else if (order['event'] !== undefined) {
      this.happened.push(order['event'] as object);
    } else if (order['clipboard'] !== undefined) {
      this.clipboard = new Uint8Array(order['clipboard'] as number[]);
      this.happened.push({ type: 'clipboard-data', ok: true });
    } else if (order['drives'] !== undefined) {
      this.drives = String(order['drives']);
    } else if (order['file'] !== undefined) {
      this.files.push([order['file'] as object, new Uint8Array((order['bytes'] as number[] | undefined) ?? [])]);
    } else if (order['tone'] !== undefined) {
      this.pcm = tone(Number(order['tone']));
    }
  }

  private tell(input: object): void {
    this.said.push(encode(input));
  }

  private type(text: string): void {
    this.typed += text;
    this.paint();
  }

  private paint(): void {
    const { width, height } = this.size;
    const needed = Math.ceil((width * height * BYTES) / PAGE);
    const have = memory.buffer.byteLength / PAGE;
    if (needed > have) memory.grow(needed - have);
    if (this.picture === 'none') return;
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext('2d', { willReadFrequently: true });
    if (!context) return;
    if (this.picture === 'black') {
      context.fillStyle = '#000';
      context.fillRect(0, 0, width, height);
    } else {
      draw(context, width, height, this.typed);
    }
    const { data } = context.getImageData(0, 0, width, height);
    new Uint8ClampedArray(memory.buffer).set(data);
    this.changed = [0, 0, width, height];
  }
}

function draw(context: OffscreenCanvasRenderingContext2D, width: number, height: number, typed: string): void {
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
  context.fillText(`demo@stand-in:~$ ${typed}`, width * 0.1 + 12, height * 0.14 + 54);
}

/** One second of a sine, 48 kHz stereo. */
function tone(hertz: number): Uint8Array {
  const samples = new Int16Array(48_000 * 2);
  for (let at = 0; at < samples.length; at += 1) {
    samples[at] = Math.round(8_000 * Math.sin((2 * Math.PI * hertz * Math.floor(at / 2)) / 48_000));
  }
  return new Uint8Array(samples.buffer);
}
