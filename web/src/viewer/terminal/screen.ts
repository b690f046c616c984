/** The xterm.js instance of a viewer. It outlives connections, so that nothing is drawn twice. */
import { FitAddon } from '@xterm/addon-fit';
import { SearchAddon } from '@xterm/addon-search';
import { Unicode11Addon } from '@xterm/addon-unicode11';
import { WebLinksAddon } from '@xterm/addon-web-links';
import { Terminal, type ITheme } from '@xterm/xterm';
import '@xterm/xterm/css/xterm.css';
import { safeUrl } from '../../lib/url';
import { m } from '../../paraglide/messages';
import type { TerminalSettings } from './settings';
import { THEMES } from './themes';

const SCROLLBACK_LINES = 10_000;
const FONT = "ui-monospace, 'Cascadia Mono', 'JetBrains Mono', 'DejaVu Sans Mono', Menlo, Consolas, monospace";
/** Found places that are marked at most; a search for one letter in a flood must stay quick. */
const MARKED_MAX = 1000;

export interface ScreenEvents {
  input: (bytes: Uint8Array) => void;
  resize: (cols: number, rows: number) => void;
  title: (title: string) => void;
  bell: () => void;
  found: (at: number, count: number) => void;
}

export class Screen {
  readonly terminal: Terminal;
  private readonly fitter = new FitAddon();
  private readonly searcher = new SearchAddon({ highlightLimit: MARKED_MAX });

  constructor(settings: TerminalSettings, events: ScreenEvents) {
    this.terminal = new Terminal({
      allowProposedApi: true,
      fontFamily: FONT,
      fontSize: settings.fontSize,
      theme: THEMES[settings.theme],
      screenReaderMode: settings.screenReader,
      scrollback: SCROLLBACK_LINES,
      cursorBlink: !window.matchMedia('(prefers-reduced-motion: reduce)').matches,
      minimumContrastRatio: 4.5,
      macOptionIsMeta: true,
      linkHandler: { activate: (_event, text) => openLink(text, 'ask') },
    });
    const { terminal } = this;
    terminal.loadAddon(this.fitter);
    terminal.loadAddon(this.searcher);
    terminal.loadAddon(new Unicode11Addon());
    terminal.unicode.activeVersion = '11';
    terminal.loadAddon(new WebLinksAddon((_event, uri) => openLink(uri, 'open')));
    const encoder = new TextEncoder();
    terminal.onData((text) => events.input(encoder.encode(text)));
    // Mouse reports of old modes are bytes, one per character.
    terminal.onBinary((text) => events.input(Uint8Array.from(text, (char) => char.charCodeAt(0) & 0xff)));
    terminal.onResize(({ cols, rows }) => events.resize(cols, rows));
    terminal.onTitleChange((title) => events.title(title));
    terminal.onBell(() => events.bell());
    this.searcher.onDidChangeResults(({ resultIndex, resultCount }) => events.found(resultIndex + 1, resultCount));
  }

  attach(parent: HTMLElement): void {
    this.terminal.open(parent);
    this.fit();
    void this.useGpu();
  }

  fit(): void {
    this.fitter.fit();
  }

  apply(settings: TerminalSettings): void {
    const { options } = this.terminal;
    options.theme = THEMES[settings.theme];
    options.fontSize = settings.fontSize;
    options.screenReaderMode = settings.screenReader;
    this.fit();
  }

  search(text: string, direction: 'next' | 'previous', typing = false): void {
    const theme = this.terminal.options.theme as ITheme;
    const options = {
      incremental: typing,
      decorations: {
        matchBackground: theme.selectionBackground ?? '#555555',
        matchOverviewRuler: '#68c5ce',
        activeMatchBackground: '#c98a1b',
        activeMatchColorOverviewRuler: '#f3c272',
      },
    };
    if (text === '') this.searcher.clearDecorations();
    else if (direction === 'next') this.searcher.findNext(text, options);
    else this.searcher.findPrevious(text, options);
  }

  endSearch(): void {
    this.searcher.clearDecorations();
    this.terminal.clearSelection();
  }

  dispose(): void {
    this.terminal.dispose();
  }

  /** Draws with WebGL where there is one; xterm draws with the DOM otherwise. */
  private async useGpu(): Promise<void> {
    try {
      const { WebglAddon } = await import('@xterm/addon-webgl');
      const addon = new WebglAddon();
      addon.onContextLoss(() => addon.dispose());
      this.terminal.loadAddon(addon);
    } catch {
      // No WebGL here.
    }
  }
}

/**
 * Opens an address from the session. One that the program hid behind other words is shown first:
 * what stands on the screen is under the control of the host.
 */
function openLink(text: string, how: 'ask' | 'open'): void {
  const url = safeUrl(text);
  if (!url) return;
  if (how === 'ask' && !window.confirm(m.terminal_open_link({ url }))) return;
  window.open(url, '_blank', 'noopener,noreferrer');
}
