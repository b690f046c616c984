/**
 * The one chord that belongs to Portico inside a viewer: Ctrl + Alt + Shift, pressed together and
 * let go without another key in between, so that combinations such as Ctrl+Alt+Shift+T still reach
 * the session.
 */

const KEYS = ['Control', 'Alt', 'Shift'];

/** The parts of a keyboard event that matter here. */
export interface KeyStroke {
  type: string;
  key: string;
  ctrlKey: boolean;
  altKey: boolean;
  shiftKey: boolean;
}

export class ChordDetector {
  private armed = false;

  /** Feeds one event; true when it completes the chord. */
  feed(stroke: KeyStroke): boolean {
    // With Alt held, browsers on a Mac and some layouts name Alt plus Shift `Meta` or `AltGraph`.
    const isModifier = KEYS.includes(stroke.key) || stroke.key === 'Meta' || stroke.key === 'AltGraph';
    if (stroke.type === 'keydown') {
      if (!isModifier) this.armed = false;
      else if (stroke.ctrlKey && stroke.altKey && stroke.shiftKey) this.armed = true;
      return false;
    }
    if (!isModifier) return false;
    const complete = this.armed;
    this.armed = false;
    return complete;
  }
}
