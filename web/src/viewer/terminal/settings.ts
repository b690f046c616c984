/** What this browser remembers about terminals. */
import { recall, remember } from '../../lib/prefs.svelte';
import { isTheme, type TerminalThemeId } from './themes';

const KEY = 'portico-terminal';
export const FONT_SIZE_MIN = 9;
export const FONT_SIZE_MAX = 32;
const FONT_SIZE = 15;

export interface TerminalSettings {
  theme: TerminalThemeId;
  fontSize: number;
  screenReader: boolean;
}

export function readSettings(): TerminalSettings {
  let stored: Record<string, unknown> = {};
  try {
    stored = JSON.parse(recall(KEY) ?? '{}') as Record<string, unknown>;
  } catch {
    // An older or foreign value: the defaults serve.
  }
  return {
    theme: isTheme(stored['theme']) ? stored['theme'] : 'dark',
    fontSize: clampFontSize(typeof stored['fontSize'] === 'number' ? stored['fontSize'] : FONT_SIZE),
    screenReader: stored['screenReader'] === true,
  };
}

export function writeSettings(settings: TerminalSettings): void {
  remember(KEY, JSON.stringify(settings));
}

export function clampFontSize(size: number): number {
  return Math.max(FONT_SIZE_MIN, Math.min(FONT_SIZE_MAX, Math.round(size)));
}
