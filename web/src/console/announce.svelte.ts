/** One line that says what was just done: seen at the foot of the window, and read aloud. */

const SHOWN_MS = 5_000;

let text = $state('');

export const announcement = {
  get text(): string {
    return text;
  },
};

export function announce(what: string): void {
  text = what;
  window.setTimeout(() => {
    if (text === what) text = '';
  }, SHOWN_MS);
}
