/**
 * The build of `web/rdp-client`, or its stand-in (`--mode mock`): plugins/rdp-client.ts resolves it.
 * Declared here, as the types of the build are not there before it was made.
 */
declare module 'virtual:rdp-client' {
  export interface Module {
    readonly memory: { readonly buffer: ArrayBuffer };
  }

  /** Fetches and compiles the WebAssembly module; call once, before the first `new RdpClient`. */
  export function start(): Promise<Module>;

  /** What the client broke on, or ''. Ask when a call has thrown; the module is of no use then. */
  export function lastPanic(): string;

  export class RdpClient {
    /** `settings`: JSON of `Settings`. */
    constructor(settings: string);
    free(): void;
    /** Takes bytes of the gateway, cut anywhere. Never throws for bad bytes: an `end` event tells it. */
    feed(bytes: Uint8Array): void;
    tick(nowMs: number): void;
    /** Bytes to send now; the first call gives the request to the gateway. */
    output(): Uint8Array;
    /** JSON array of events since the last call; '' when none. */
    events(): string;
    /** x, y, width, height of each rectangle that changed since the last call. */
    damage(): Uint32Array;
    /** Address of the RGBA picture in `Module.memory`; valid until the next `feed`. */
    framePointer(): number;
    width(): number;
    height(): number;
    pointerPixels(): Uint8Array;
    key(scancode: number, extended: boolean, pressed: boolean): void;
    pauseKey(): void;
    text(text: string): void;
    pointerMove(x: number, y: number): void;
    pointerButton(button: number, pressed: boolean, x: number, y: number): void;
    wheel(horizontal: boolean, units: number): void;
    releaseAll(): void;
    lockKeys(scroll: boolean, num: boolean, caps: boolean, kana: boolean): void;
    resize(width: number, height: number, scalePercent: number): boolean;
    /** JSON array of `Monitor`; false when the host takes none. */
    arrange(monitors: string): boolean;
    /** Phase 0 down, 1 move, 2 up, 3 cancel; pressure 0 to 1024, 0 for unknown. */
    finger(id: number, phase: number, x: number, y: number, pressure: number): void;
    /** State: sum of 1 in range, 2 touches, 4 barrel button, 8 eraser. */
    pen(state: number, x: number, y: number, pressure: number, tiltX: number, tiltY: number): void;
    /** Interleaved s16le in the format that the host wants; dropped while it does not listen. */
    microphone(samples: Uint8Array): void;
    visible(on: boolean): void;
    clipboardOffer(formats: string): void;
    clipboardData(requestId: number, bytes: Uint8Array | undefined): void;
    clipboardFetch(formatId: number): void;
    clipboardBytes(): Uint8Array;
    /** Interleaved s16le that came since the last call. */
    sound(): Uint8Array;
    /** How long the device takes to play what was taken. */
    soundLatency(latencyMs: number): void;
    /** JSON of the next `VideoJob` (worker/video.ts); '' when none. Ask after each `feed`. */
    videoJob(): string;
    /** Of the last job: H.264 as a byte stream. */
    videoBytes(): Uint8Array;
    /** Planes without gaps; what waited for them is drawn. */
    videoPicture(id: number, width: number, height: number, nv12: boolean, planes: Uint8Array): void;
    /** Ends the connection with the code `video`. */
    videoFailed(message: string): void;
    /** Bytes that came and are not fed yet. */
    backlog(bytes: number): void;
    /** A JSON object of the next thing about files; '' when none. Bytes that belong to it come next. */
    fileEvent(): string;
    fileBytes(): Uint8Array;
    driveAdd(name: string, mayWrite: boolean): void;
    driveRemove(): void;
    driveAnswer(id: number, answer: string, bytes: Uint8Array | undefined): void;
    clipboardOfferFiles(files: string): void;
    clipboardFetchFiles(): void;
    /** A length of 0 asks for the size. */
    clipboardFetchPart(id: number, index: number, offset: number, length: number, lock: number | undefined): void;
    clipboardPart(id: number, bytes: Uint8Array | undefined): void;
    stats(): string;
    shutdown(): void;
  }
}
