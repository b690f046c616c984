/**
 * One connection: bytes of the WebSocket into the RDP client, what it says out again, and its
 * picture onto the canvas. Bytes are decoded in slices with room for drawing between them, so that a
 * flood shows its newest picture and not each one late.
 */
import type { RdpClient, Module } from 'virtual:rdp-client';
import type { FromWorker, ToWorker, WorkerEnd } from '../protocol';
import type { VideoState } from '../video';
import { readCounts, readEvents, type ClientEvent } from './client-events';
import { HostClipboard } from './clipboard';
import { Counters } from './counters';
import { HostFiles } from './files';
import { Inbox } from './inbox';
import { Painter } from './painter';
import { PointerImages } from './pointer-images';
import { Screens } from './screens';
import { Video } from './video';

/** Longest decoding at one go; then drawing and input have their turn. */
const SLICE_MS = 12;
/** Without an animation frame (hidden page, or none in workers) the picture is drawn this late. */
const DRAW_LATEST_MS = 100;
const TICK_MS = 1_000;
const VOLUME_MAX = 0xffff;
/** How long the end of the RDP session waits for the gateway's close code. */
const CLOSE_WAIT_MS = 1_500;

export class Session {
  reached = false;
  private readonly socket: WebSocket;
  private readonly inbox = new Inbox();
  private readonly screens: Screens;
  private readonly counters = new Counters(performance.now());
  private readonly pointer: PointerImages;
  private readonly clipboard: HostClipboard;
  private readonly video: Video;
  private readonly files: HostFiles;
  private readonly next = new MessageChannel();
  private readonly ticking: number;
  private sound: MessagePort | undefined;
  private microphone: MessagePort | undefined;
  private isSliceDue = false;
  private isDrawDue = false;
  private drawTimer = 0;
  private wasDrawn = false;
  private hadPicture = false;
  private isDone = false;
  private end: WorkerEnd | undefined;

  constructor(
    private readonly client: RdpClient,
    private readonly wasm: Module,
    canvas: OffscreenCanvas,
    url: string,
    private readonly videoState: VideoState,
    private readonly tell: (message: FromWorker, transfer?: Transferable[]) => void,
    private readonly crashed: (error: unknown) => void,
  ) {
    const painterOf = (one: OffscreenCanvas): Painter => new Painter(one, client, wasm.memory);
    this.screens = new Screens(painterOf(canvas), client, painterOf);
    this.pointer = new PointerImages((shape) => tell({ type: 'pointer', shape }));
    this.clipboard = new HostClipboard(client, tell, () => this.flush());
    this.video = new Video(client, (decodeMs) => this.guard(() => this.videoCame(decodeMs)));
    this.files = new HostFiles(
      client,
      (news) => tell({ type: 'files', news }),
      () => this.guard(() => this.flush()),
      () => this.socket.bufferedAmount,
    );
    this.next.port1.onmessage = () => this.guard(() => this.slice());
    this.ticking = self.setInterval(() => this.guard(() => this.tick()), TICK_MS);
    this.socket = new WebSocket(url);
    this.socket.binaryType = 'arraybuffer';
    this.socket.addEventListener('open', () => this.guard(() => this.opened()));
    this.socket.addEventListener('message', (event) => this.guard(() => this.came(event.data)));
    this.socket.addEventListener('close', (event) => this.guard(() => this.closed(event)));
  }

  /** An order of the page. */
  take(message: ToWorker): void {
    this.guard(() => {
      if (this.isDone) return;
      this.carryOut(message);
      this.flush();
      if (message.type !== 'pointer-move') this.drawSoon();
    });
  }

  /** Lets go of everything without a word. Memory goes with the worker, which the page ends. */
  drop(): void {
    this.isDone = true;
    self.clearInterval(this.ticking);
    self.clearTimeout(this.drawTimer);
    this.next.port1.close();
    this.sound?.close();
    this.microphone?.close();
    this.video.end();
    this.files.end();
    if (this.socket.readyState <= WebSocket.OPEN) this.socket.close(1000, 'client-closed');
  }

  private carryOut(message: ToWorker): void {
    const { client } = this;
    switch (message.type) {
      case 'key':
        if (message.pressed) this.counters.asked(performance.now());
        client.key(message.key.code, message.key.extended, message.pressed);
        return;
      case 'pause-key':
        client.pauseKey();
        return;
      case 'text':
        this.counters.asked(performance.now());
        client.text(message.text);
        return;
      case 'pointer-move':
        client.pointerMove(message.x, message.y);
        return;
      case 'pointer-button':
        if (message.pressed) this.counters.asked(performance.now());
        client.pointerButton(message.button, message.pressed, message.x, message.y);
        return;
      case 'wheel':
        client.wheel(message.horizontal, message.units);
        return;
      case 'release-all':
        client.releaseAll();
        return;
      case 'lock-keys':
        client.lockKeys(message.locks.scroll, message.locks.num, message.locks.caps, message.locks.kana);
        return;
      case 'resize':
        this.tell({ type: 'can-resize', can: client.resize(message.width, message.height, message.scalePercent) });
        return;
      case 'screen-canvas':
        this.screens.add(message.id, message.canvas);
        return;
      case 'arrange':
        this.screens.arrange(message.monitors);
        if (message.ask) client.arrange(JSON.stringify(message.monitors));
        return;
      case 'finger':
        this.touched(message.phase === 0);
        client.finger(message.id, message.phase, message.x, message.y, message.pressure);
        return;
      case 'pen':
        this.touched(message.touches);
        client.pen(penBits(message), message.x, message.y, message.pressure, message.tiltX, message.tiltY);
        return;
      case 'microphone-port':
        this.microphone?.close();
        this.microphone = message.port;
        message.port.onmessage = (event: MessageEvent<Uint8Array>) => this.guard(() => this.heard(event.data));
        return;
      case 'visible':
        client.visible(message.on);
        return;
      case 'repaint':
        // A host that may send pictures again sends all of it first.
        client.visible(false);
        client.visible(true);
        return;
      case 'clipboard-offer':
        this.clipboard.offer(message.content);
        return;
      case 'clipboard-fetch':
        this.clipboard.fetch();
        return;
      case 'sound-port':
        this.sound?.close();
        this.sound = message.port;
        client.soundLatency(message.latencyMs);
        return;
      case 'files':
        this.files.take(message.order);
        return;
      case 'shutdown':
        this.shutdown();
        return;
      case 'connect':
    }
  }

  /** Frames of touch input carry the time (MS-RDPEI 2.2.3.3.1). */
  private touched(isNew: boolean): void {
    const nowMs = performance.now();
    if (isNew) this.counters.asked(nowMs);
    this.client.tick(nowMs);
  }

  private heard(samples: Uint8Array): void {
    if (this.isDone) return;
    this.client.microphone(samples);
    this.flush();
  }

  private opened(): void {
    this.reached = true;
    this.client.tick(performance.now());
    this.flush();
  }

  private came(data: unknown): void {
    if (this.isDone || this.end) return;
    if (!(data instanceof ArrayBuffer)) return;
    if (!this.inbox.put(new Uint8Array(data))) {
      this.finish({ code: 'flooded', message: 'more came than is decoded', reached: true });
      return;
    }
    this.sliceSoon();
  }

  private sliceSoon(): void {
    if (this.isSliceDue) return;
    this.isSliceDue = true;
    this.next.port2.postMessage(null);
  }

  /** Decodes what came, for `SLICE_MS` at most. */
  private slice(): void {
    this.isSliceDue = false;
    if (this.isDone) return;
    const beganMs = performance.now();
    this.client.tick(beganMs);
    let nowMs = beganMs;
    for (let bytes = this.inbox.take(); bytes; bytes = this.inbox.take()) {
      const beforeMs = nowMs;
      this.client.backlog(this.inbox.bytes);
      this.client.feed(bytes);
      nowMs = performance.now();
      this.counters.received(bytes.length, nowMs - beforeMs);
      // Each message is answered at once: what the host waits for is in it.
      this.flush();
      if (this.isDone || nowMs - beganMs > SLICE_MS) break;
    }
    this.drawSoon();
    if (!this.inbox.isEmpty && !this.isDone) this.sliceSoon();
  }

  /** A picture of video is in the client: what waited for it is decoded, and the host hears of it. */
  private videoCame(decodeMs: number): void {
    if (this.isDone) return;
    this.counters.decoded(decodeMs);
    this.flush();
    this.drawSoon();
  }

  /** Sends what the client has to say and hands its events on. */
  private flush(): void {
    this.send();
    this.video.pump();
    for (const event of readEvents(this.client.events())) this.handle(event);
    this.files.pump();
    this.handSoundOn();
    // Handling an event may have made the client say more.
    this.send();
  }

  private send(): void {
    if (this.socket.readyState !== WebSocket.OPEN) return;
    const bytes = this.client.output();
    if (bytes.length === 0) return;
    this.counters.sent(bytes.length);
    // Copied: a buffer of wasm memory may move before it is sent.
    this.socket.send(bytes.slice());
  }

  private handle(event: ClientEvent): void {
    switch (event.type) {
      case 'progress':
        this.tell({ type: 'progress', step: event.step === 'open' ? 'active' : event.step });
        return;
      case 'resized':
        this.screens.resize();
        this.tell({ type: 'resized', width: event.width, height: event.height });
        return;
      case 'pointer':
        if (event.kind === 'shape') this.pointer.shape(event, this.client.pointerPixels());
        // Pages cannot move the pointer of the device.
        else if (event.kind !== 'position') this.pointer.plain(event.kind);
        return;
      case 'clipboard-offer':
        this.clipboard.offered(event.formats);
        this.files.copied(event.formats);
        return;
      case 'clipboard-request':
        this.clipboard.requested(event.requestId, event.formatId);
        return;
      case 'clipboard-data':
        this.clipboard.came(event.ok ? this.client.clipboardBytes() : undefined);
        return;
      case 'sound-format':
        this.tell({ type: 'sound-format', format: { channels: event.channels, rate: event.rate, bits: event.bits } });
        return;
      case 'sound-volume':
        this.tell({ type: 'sound-volume', left: event.left / VOLUME_MAX, right: event.right / VOLUME_MAX });
        return;
      case 'end':
        this.finish({
          code: event.code,
          message: event.message,
          reached: this.reached,
          ...(event.cleanpath && { cleanpath: event.cleanpath }),
        });
        return;
      case 'display-control':
        this.tell({ type: 'can-resize', can: true });
        this.tell({ type: 'monitors', max: event.maxMonitors });
        return;
      case 'touch-input':
        this.tell({ type: 'touch', taken: { fingers: event.fingers, pen: event.pen } });
        return;
      case 'microphone-wanted':
        this.tell({ type: 'microphone', wanted: { channels: event.channels, rate: event.rate } });
        return;
      case 'microphone-unwanted':
        this.tell({ type: 'microphone', wanted: undefined });
        return;
      // The device's own locks are what the person sees; and the broker's grant brings a session back.
      case 'keyboard-leds':
      case 'auto-reconnect-cookie':
      case 'signed-in':
      case 'sign-in-notice':
    }
  }

  private handSoundOn(): void {
    const pcm = this.client.sound();
    if (pcm.length === 0 || !this.sound) return;
    const copy = pcm.slice();
    this.sound.postMessage(copy, [copy.buffer]);
  }

  private drawSoon(): void {
    if (this.isDrawDue || this.isDone) return;
    this.isDrawDue = true;
    const draw = (): void => this.guard(() => this.draw());
    // Whichever comes first: frames stop while the page is hidden.
    if ('requestAnimationFrame' in self) self.requestAnimationFrame(draw);
    this.drawTimer = self.setTimeout(draw, DRAW_LATEST_MS);
  }

  private draw(): void {
    if (!this.isDrawDue || this.isDone) return;
    this.isDrawDue = false;
    self.clearTimeout(this.drawTimer);
    const damage = this.client.damage();
    if (damage.length === 0) return;
    const beganMs = performance.now();
    this.screens.paint(damage);
    const nowMs = performance.now();
    this.counters.painted(nowMs, nowMs - beganMs);
    if (!this.wasDrawn) {
      this.wasDrawn = true;
      this.tell({ type: 'drawn' });
    }
    if (!this.hadPicture && this.screens.hasPicture()) {
      this.hadPicture = true;
      this.tell({ type: 'picture' });
    }
  }

  private tick(): void {
    if (this.isDone) return;
    const nowMs = performance.now();
    this.client.tick(nowMs);
    this.flush();
    const size = { width: this.client.width(), height: this.client.height() };
    const counts = readCounts(this.client.stats());
    const memory = this.wasm.memory.buffer.byteLength;
    this.tell({
      type: 'statistics',
      statistics: this.counters.take(nowMs, counts, size, this.videoState, this.inbox.bytes, memory),
    });
  }

  private shutdown(): void {
    this.client.shutdown();
    this.send();
    this.drop();
  }

  private closed(event: CloseEvent): void {
    if (this.isDone) return;
    // What came before the close still counts: the gateway's error PDU may be in it.
    while (!this.inbox.isEmpty && !this.end) this.slice();
    this.draw();
    this.tell({ type: 'closing' });
    const closed = { code: event.code, reason: event.reason };
    this.over({ ...(this.end ?? { code: 'closed', message: '', reached: this.reached }), closed });
  }

  /** The RDP session is over; why may be in the close code that follows. */
  private finish(end: WorkerEnd): void {
    if (this.end || this.isDone) return;
    this.end = end;
    // In `closed`, where the last bytes are read, it is told from there.
    if (this.socket.readyState !== WebSocket.CLOSED) self.setTimeout(() => this.over(end), CLOSE_WAIT_MS);
  }

  private over(end: WorkerEnd): void {
    if (this.isDone) return;
    this.drop();
    this.tell({ type: 'end', end });
  }

  /** A panic of the client ends the connection with a word, and not the worker in silence. */
  private guard(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.crashed(error);
    }
  }
}

/** State of a pen as the client takes it. */
function penBits(pen: Extract<ToWorker, { type: 'pen' }>): number {
  return (pen.inRange ? 1 : 0) | (pen.touches ? 2 : 0) | (pen.barrel ? 4 : 0) | (pen.eraser ? 8 : 0);
}
