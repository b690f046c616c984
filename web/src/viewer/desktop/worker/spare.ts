/**
 * Workers of desktop connections. One can be made ahead, while the person is on the way to the
 * click, so that the client is compiled when it is wanted.
 */

let spare: Worker | undefined;

export function prepareWorker(): void {
  spare ??= create();
}

export function takeWorker(): Worker {
  const worker = spare ?? create();
  spare = undefined;
  return worker;
}

function create(): Worker {
  const worker = new Worker(new URL('./main.ts', import.meta.url), { type: 'module', name: 'rdp' });
  // A spare one that fails to load must not be handed out; who has it looks for itself.
  worker.addEventListener('error', () => {
    if (spare === worker) spare = undefined;
  });
  return worker;
}
