/** Entry of the worker: loads the client, then serves one connection. */
import { lastPanic, RdpClient, start, type Module } from 'virtual:rdp-client';
import type { FromWorker, ToWorker, WorkerEnd } from '../protocol';
import { Session } from './session';
import { canDecode } from './video';

const loading: Promise<Module> = start();
const decoding = canDecode();
let session: Session | undefined;
let isOver = false;
/** Orders that came before there was a session: a few, as the page sends no input before. */
const early: ToWorker[] = [];

function tell(message: FromWorker, transfer: Transferable[] = []): void {
  if (isOver) return;
  if (message.type === 'end') isOver = true;
  self.postMessage(message, { transfer });
}

function crashed(code: string, error: unknown): void {
  const message = code === 'panic' ? `${String(error)} ${panicText()}` : String(error);
  const end: WorkerEnd = { code, message, reached: session?.reached ?? false };
  session?.drop();
  tell({ type: 'end', end });
}

/** The client's own words for its panic; it may be too broken to give them. */
function panicText(): string {
  try {
    return lastPanic();
  } catch {
    return '';
  }
}

// The page gets to know of the failure by its own message, not by an error event as well.
self.addEventListener('error', (event) => {
  event.preventDefault();
  crashed('crashed', event.message);
});
self.addEventListener('unhandledrejection', (event) => {
  event.preventDefault();
  crashed('crashed', event.reason);
});

self.addEventListener('message', (event: MessageEvent<ToWorker>) => {
  const message = event.data;
  if (message.type === 'connect') void connect(message);
  else if (session) session.take(message);
  // Canvases of other windows come right behind the connection, which waits for the client.
  else early.push(message);
});

async function connect(message: Extract<ToWorker, { type: 'connect' }>): Promise<void> {
  let wasm: Module;
  try {
    wasm = await loading;
  } catch (error) {
    crashed('load-failed', error);
    return;
  }
  try {
    const { h264 } = message.settings;
    const decodes = h264 && (await decoding);
    const client = new RdpClient(JSON.stringify({ ...message.settings, h264: decodes }));
    const video = decodes ? 'offered' : h264 ? 'missing' : 'failed';
    session = new Session(client, wasm, message.canvas, message.url, video, tell, (error) => crashed('panic', error));
    for (const order of early.splice(0)) session.take(order);
  } catch (error) {
    crashed('panic', error);
  }
}

loading.then(
  () => tell({ type: 'loaded' }),
  // Told when a connection wants it.
  () => undefined,
);
