import { recall, remember } from '../lib/prefs.svelte';

const KIND_KEY = 'portico-viewer';
const begun = new Set<string>();

/**
 * Loads a viewer's code while the person is still on the way to the click. The browser's cache
 * keeps it; a failure here is found again, and shown, by the launch itself.
 */
export function warmUp(kind: 'desktop' | 'application' | 'terminal' | 'link'): void {
  if (kind === 'link' || begun.has(kind)) return;
  begun.add(kind);
  const forget = (): void => void begun.delete(kind);
  import('./View.svelte').catch(forget);
  if (kind === 'terminal') import('./terminal/Terminal.svelte').catch(forget);
  else {
    import('./desktop/Desktop.svelte').catch(forget);
    import('./desktop/worker/spare').then((module) => module.prepareWorker()).catch(forget);
  }
}

/**
 * The same for a page that was opened at its address: who sits here mostly opens what they opened
 * last, and so its viewer loads while the server is still asked who they are and what it is.
 */
export function warmUpAgain(): void {
  const kind = recall(KIND_KEY);
  if (kind === 'desktop' || kind === 'terminal') warmUp(kind);
  else import('./View.svelte').catch(() => undefined);
}

/** Only the kind is kept: a machine of many people shall not tell what one of them opened. */
export function rememberKind(kind: 'desktop' | 'terminal'): void {
  remember(KIND_KEY, kind);
}
