/**
 * Keeps the clipboards of device and session in step where the policy allows it. It follows events:
 * coming back to the window sends, a copy inside the session fetches. The buttons do the same once.
 */
import type { ClipboardPolicy } from '../../../api/types';
import { recall, remember } from '../../../lib/prefs.svelte';
import type { ClipboardContent } from '../protocol';
import { markOf, ofPaste, readDevice, readPermission, writeDevice } from './device';

const KEY = 'portico-clipboard-auto';
const FETCH_AFTER_MS = 80;

interface Session {
  /** Offers this to the session, in place of what was offered before. */
  offer: (content: ClipboardContent) => void;
  /** What the session has copied; undefined when it does not give it. */
  fetch: () => Promise<ClipboardContent | undefined>;
}

export type ClipboardResult = 'done' | 'nothing' | 'denied';

export class ClipboardSync {
  /** Mark of what both have: sending it back would only make us its owner. */
  private shared = '';
  private remoteHasNews = false;
  private mayRead = false;
  private fetchTimer = 0;
  automatic: boolean;

  constructor(
    private readonly policy: ClipboardPolicy,
    private readonly session: Session,
  ) {
    this.automatic = recall(KEY) !== 'off';
    void this.learnPermission();
  }

  get maySend(): boolean {
    return this.policy === 'both' || this.policy === 'to-host';
  }

  get mayFetch(): boolean {
    return this.policy === 'both' || this.policy === 'from-host';
  }

  /** Whether the content of the next paste event is wanted, as reading is not allowed. */
  get wantsPaste(): boolean {
    return this.automatic && this.maySend && !this.mayRead;
  }

  setAutomatic(on: boolean): void {
    this.automatic = on;
    remember(KEY, on ? 'on' : 'off');
  }

  /** A new connection knows nothing of what was shared before. */
  connected(): void {
    this.shared = '';
    this.remoteHasNews = false;
  }

  /** The session copied something. */
  remoteCopied(): void {
    this.remoteHasNews = true;
    window.clearTimeout(this.fetchTimer);
    if (!this.automatic || !this.mayFetch || !document.hasFocus()) return;
    // Programs often offer twice, and some hosts do not answer in the very moment of an offer.
    this.fetchTimer = window.setTimeout(() => void this.fetchNow(), FETCH_AFTER_MS);
  }

  /** The window got the focus: the device's clipboard may be another one now. */
  async windowFocused(): Promise<void> {
    await this.learnPermission();
    if (!this.automatic) return;
    if (this.remoteHasNews && this.mayFetch) {
      await this.fetchNow();
      return;
    }
    // Without a permission given before, asking now would be a prompt out of nowhere.
    if (this.maySend && this.mayRead) await this.send(await readDevice().catch(() => ({})), 'if-new');
  }

  pasted(data: DataTransfer): void {
    if (this.maySend) void this.send(ofPaste(data), 'always');
  }

  async sendNow(): Promise<ClipboardResult> {
    if (!this.maySend) return 'denied';
    try {
      const content = await readDevice();
      await this.learnPermission();
      return (await this.send(content, 'always')) ? 'done' : 'nothing';
    } catch {
      return 'denied';
    }
  }

  async fetchNow(): Promise<ClipboardResult> {
    if (!this.mayFetch) return 'denied';
    if (!this.remoteHasNews) return 'nothing';
    const content = await this.session.fetch();
    if (!content) return 'nothing';
    try {
      await writeDevice(content);
      this.remoteHasNews = false;
      this.shared = await markOf(content);
      return 'done';
    } catch {
      return 'denied';
    }
  }

  private async send(content: ClipboardContent, when: 'always' | 'if-new'): Promise<boolean> {
    if (Object.keys(content).length === 0) return false;
    if (when === 'always') {
      // At once: the combination that pastes is on its way behind it.
      this.session.offer(content);
      this.shared = await markOf(content).catch(() => '');
      return true;
    }
    const mark = await markOf(content).catch(() => '');
    if (mark !== '' && mark === this.shared) return false;
    this.shared = mark;
    this.session.offer(content);
    return true;
  }

  private async learnPermission(): Promise<void> {
    this.mayRead = (await readPermission()) === 'granted';
  }
}
