/**
 * Keeps the clipboards of device and session in step where the policy allows it. It follows events:
 * coming back to the window sends, a copy inside the session fetches. The buttons do the same once.
 */
import type { ClipboardPolicy } from '../../api/types';
import { recall, remember } from '../../lib/prefs.svelte';

const KEY = 'portico-clipboard-auto';

interface Ends {
  send: () => Promise<void>;
  fetch: () => Promise<void>;
}

export type ClipboardResult = 'done' | 'nothing' | 'denied';

export class ClipboardSync {
  /** What the session gave us last; sending it back would only make us its owner. */
  private fetched: string | undefined;
  private remoteHasNews = false;
  automatic: boolean;

  constructor(
    private readonly policy: ClipboardPolicy,
    private readonly ends: Ends,
  ) {
    this.automatic = recall(KEY) !== 'off';
  }

  get maySend(): boolean {
    return this.policy === 'both' || this.policy === 'to-host';
  }

  get mayFetch(): boolean {
    return this.policy === 'both' || this.policy === 'from-host';
  }

  setAutomatic(on: boolean): void {
    this.automatic = on;
    remember(KEY, on ? 'on' : 'off');
  }

  /** The session copied something. */
  async remoteCopied(): Promise<void> {
    this.remoteHasNews = true;
    if (this.automatic && this.mayFetch && document.hasFocus()) await this.fetchNow();
  }

  /** The window got the focus: the device's clipboard may be another one now. */
  async windowFocused(): Promise<void> {
    if (!this.automatic) return;
    if (this.remoteHasNews && this.mayFetch) {
      await this.fetchNow();
      return;
    }
    // Without a permission given before, asking now would be a prompt out of nowhere.
    if (this.maySend && (await permission()) === 'granted' && !(await this.isOurs())) await this.sendNow();
  }

  async sendNow(): Promise<ClipboardResult> {
    if (!this.maySend) return 'denied';
    try {
      await this.ends.send();
      return 'done';
    } catch {
      return 'denied';
    }
  }

  async fetchNow(): Promise<ClipboardResult> {
    if (!this.mayFetch) return 'denied';
    if (!this.remoteHasNews) return 'nothing';
    try {
      await this.ends.fetch();
      this.remoteHasNews = false;
      if ((await permission()) === 'granted') this.fetched = await navigator.clipboard.readText();
      return 'done';
    } catch {
      return 'denied';
    }
  }

  private async isOurs(): Promise<boolean> {
    try {
      return this.fetched !== undefined && (await navigator.clipboard.readText()) === this.fetched;
    } catch {
      return false;
    }
  }
}

async function permission(): Promise<PermissionState> {
  try {
    return (await navigator.permissions.query({ name: 'clipboard-read' as PermissionName })).state;
  } catch {
    return 'prompt';
  }
}
