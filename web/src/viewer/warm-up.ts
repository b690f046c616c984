/**
 * Loads a viewer's code while the person is still on the way to the click. The browser's cache
 * keeps it; a failure here is found again, and shown, by the launch itself.
 */
const begun = new Set<string>();

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
