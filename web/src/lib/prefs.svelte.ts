/** What this browser remembers for its user: language, theme and the viewers' settings. */
import { baseLocale, getLocale, locales, overwriteGetLocale, setLocale, type Locale } from '../paraglide/runtime';

export type Theme = 'system' | 'light' | 'dark';

const THEME_KEY = 'portico-theme';

let locale = $state<Locale>(readLocale());
let theme = $state<Theme>(readTheme());

document.documentElement.lang = readLocale();
// Messages read the language through this, so every text on the page follows a change by itself.
overwriteGetLocale(() => locale);

export const prefs = {
  get locale(): Locale {
    return locale;
  },
  set locale(value: Locale) {
    locale = value;
    document.documentElement.lang = value;
    try {
      void setLocale(value, { reload: false });
    } catch {
      // Storage may be forbidden; the choice then lasts as long as the page.
    }
  },
  get theme(): Theme {
    return theme;
  },
  set theme(value: Theme) {
    theme = value;
    if (value === 'system') {
      delete document.documentElement.dataset['theme'];
      forget(THEME_KEY);
    } else {
      document.documentElement.dataset['theme'] = value;
      remember(THEME_KEY, value);
    }
  },
};

export { locales, type Locale };

/** Reads a remembered value; `undefined` when there is none or storage is forbidden. */
export function recall(key: string): string | undefined {
  try {
    return localStorage.getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}

export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Private windows may refuse; nothing depends on it.
  }
}

function forget(key: string): void {
  try {
    localStorage.removeItem(key);
  } catch {
    // See `remember`.
  }
}

function readLocale(): Locale {
  try {
    return getLocale();
  } catch {
    return baseLocale;
  }
}

function readTheme(): Theme {
  const stored = recall(THEME_KEY);
  return stored === 'light' || stored === 'dark' ? stored : 'system';
}
