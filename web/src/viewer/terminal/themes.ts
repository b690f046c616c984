/** Colours of the terminal. Solarized is by Ethan Schoonover (MIT); the others are Portico's. */
import type { ITheme } from '@xterm/xterm';

export type TerminalThemeId = 'dark' | 'light' | 'solarized-dark' | 'solarized-light' | 'contrast';

const SOLARIZED = {
  black: '#073642',
  red: '#dc322f',
  green: '#859900',
  yellow: '#b58900',
  blue: '#268bd2',
  magenta: '#d33682',
  cyan: '#2aa198',
  white: '#eee8d5',
  brightBlack: '#586e75',
  brightRed: '#cb4b16',
  brightGreen: '#93a1a1',
  brightYellow: '#657b83',
  brightBlue: '#839496',
  brightMagenta: '#6c71c4',
  brightCyan: '#93a1a1',
  brightWhite: '#fdf6e3',
} as const;

export const THEMES: Record<TerminalThemeId, ITheme> = {
  dark: {
    background: '#0d1112',
    foreground: '#e3e9e9',
    cursor: '#68c5ce',
    cursorAccent: '#0d1112',
    selectionBackground: '#2d6f77',
    black: '#1c2324',
    red: '#ff8076',
    green: '#7fd39b',
    yellow: '#ecc06c',
    blue: '#82b1ff',
    magenta: '#dd9cf0',
    cyan: '#68c5ce',
    white: '#d5dcdc',
    brightBlack: '#849092',
    brightRed: '#ffa59d',
    brightGreen: '#a3e5b8',
    brightYellow: '#f7d694',
    brightBlue: '#a9c9ff',
    brightMagenta: '#ebbff7',
    brightCyan: '#94dbe2',
    brightWhite: '#ffffff',
  },
  light: {
    background: '#ffffff',
    foreground: '#17211f',
    cursor: '#0b626b',
    cursorAccent: '#ffffff',
    selectionBackground: '#b4dde1',
    black: '#17211f',
    red: '#a3261d',
    green: '#1c6637',
    yellow: '#7a4b00',
    blue: '#1d4fa3',
    magenta: '#7b2a93',
    cyan: '#0b626b',
    white: '#5d696b',
    brightBlack: '#4c5859',
    brightRed: '#c0362c',
    brightGreen: '#267a45',
    brightYellow: '#8b5a0c',
    brightBlue: '#2a63c4',
    brightMagenta: '#9338ae',
    brightCyan: '#127783',
    brightWhite: '#39464a',
  },
  'solarized-dark': {
    ...SOLARIZED,
    background: '#002b36',
    foreground: '#93a1a1',
    cursor: '#93a1a1',
    selectionBackground: '#0a4b5c',
  },
  'solarized-light': {
    ...SOLARIZED,
    background: '#fdf6e3',
    foreground: '#586e75',
    cursor: '#586e75',
    selectionBackground: '#d9d2bd',
  },
  contrast: {
    background: '#000000',
    foreground: '#ffffff',
    cursor: '#ffff00',
    cursorAccent: '#000000',
    selectionBackground: '#005fff',
  },
};

export function isTheme(id: unknown): id is TerminalThemeId {
  return typeof id === 'string' && id in THEMES;
}
