import { describe, expect, test } from 'vitest';
import { ApiError } from '../src/api/errors';
import { ofEnd, ofError, ofRefusal } from '../src/lib/words';
import { ChordDetector } from '../src/viewer/chord';
import { webSocketUrl } from '../src/viewer/connection';
import { desktopSize, scalePercent } from '../src/viewer/desktop/size';
import { aftermath, END_REASONS, reasonOfClose } from '../src/viewer/end-reasons';

describe('why a connection ended', () => {
  test('the text of a close frame wins, then its code, and a bare break is a lost path', () => {
    expect(reasonOfClose(4003, 'taken-over')).toBe('taken-over');
    expect(reasonOfClose(4007, '')).toBe('idle-timeout');
    expect(reasonOfClose(4007, 'some other text')).toBe('idle-timeout');
    for (const code of [1001, 1006, 1011, 4999]) expect(reasonOfClose(code, '')).toBe('client-lost');
  });

  test('every reason has words and an aftermath; only broken paths retry by themselves', () => {
    for (const reason of END_REASONS) expect(ofEnd(reason, 'sh1').title).not.toBe('');
    expect(END_REASONS.filter((reason) => aftermath(reason) === 'retry')).toEqual([
      'client-lost', 'host-lost', 'process-stopped', 'ticket-lapsed',
    ]);
  });
});

describe('words of refusals', () => {
  test('a refused launch names every host with its reason', () => {
    const words = ofRefusal({
      refusal: 'no-host',
      pool: 'desktops',
      hosts: [
        { host: 'sh1', reason: 'draining' },
        { host: 'sh2', reason: 'full', sessions: 3, sessions_max: 3 },
        { host: 'sh3', reason: 'something-new' },
      ],
    });
    expect(words.list).toEqual([
      'sh1 is draining and takes no new sessions',
      'sh2 is full (3 of 3 sessions)',
      'sh3 was not chosen (something-new)',
    ]);
  });

  test('a lock-out says how long, an unknown code falls back to the text of the server', () => {
    const locked = new ApiError({ status: 429, code: 'locked', message: '', retryAfterS: 840 });
    expect(ofError(locked).next).toContain('14 min');
    const unknown = new ApiError({ status: 418, code: 'teapot', message: 'I am a teapot' });
    expect(ofError(unknown).why).toContain('I am a teapot');
  });

  test('an answer that is not ours, such as a proxy page, is still an error with words', () => {
    const error = ApiError.fromAnswer(new Response('<html>', { status: 502 }), '<html>');
    expect(error.code).toBe('server-away');
    expect(error.retryable).toBe(true);
  });
});

describe('the chord', () => {
  const stroke = (type: string, key: string, held: string): Parameters<ChordDetector['feed']>[0] => ({
    type, key, ctrlKey: held.includes('c'), altKey: held.includes('a'), shiftKey: held.includes('s'),
  });

  test('the three keys together, let go, are the chord, once', () => {
    const chord = new ChordDetector();
    expect(chord.feed(stroke('keydown', 'Control', 'c'))).toBe(false);
    expect(chord.feed(stroke('keydown', 'Alt', 'ca'))).toBe(false);
    expect(chord.feed(stroke('keydown', 'Shift', 'cas'))).toBe(false);
    expect(chord.feed(stroke('keyup', 'Shift', 'ca'))).toBe(true);
    expect(chord.feed(stroke('keyup', 'Alt', 'c'))).toBe(false);
  });

  test('another key in between makes it a combination of the session', () => {
    const chord = new ChordDetector();
    chord.feed(stroke('keydown', 'Shift', 'cas'));
    chord.feed(stroke('keydown', 'T', 'cas'));
    expect(chord.feed(stroke('keyup', 'T', 'cas'))).toBe(false);
    expect(chord.feed(stroke('keyup', 'Shift', 'ca'))).toBe(false);
  });

  test('two of the three are nothing', () => {
    const chord = new ChordDetector();
    chord.feed(stroke('keydown', 'Alt', 'ca'));
    expect(chord.feed(stroke('keyup', 'Alt', 'c'))).toBe(false);
  });
});

describe('sizes and addresses', () => {
  test('a desktop is as large as the window, within what the protocol allows', () => {
    expect(desktopSize({ width: 1283, height: 801 }, 1)).toEqual({ width: 1280, height: 800 });
    expect(desktopSize({ width: 1280, height: 800 }, 1.5)).toEqual({ width: 1920, height: 1200 });
    expect(desktopSize({ width: 100, height: 90_000 }, 1)).toEqual({ width: 200, height: 8192 });
  });

  test('the scale is between 100 and 500 per cent', () => {
    expect([0.5, 1, 1.25, 9].map(scalePercent)).toEqual([100, 100, 125, 500]);
  });

  test('the WebSocket goes to the same host, encrypted where the page is', () => {
    expect(webSocketUrl('/session/desktop', { protocol: 'https:', host: 'a:8443' })).toBe('wss://a:8443/session/desktop');
    expect(webSocketUrl('/session/terminal', { protocol: 'http:', host: 'b' })).toBe('ws://b/session/terminal');
  });
});

describe('messages', () => {
  test('both languages have the same keys and placeholders', async () => {
    const en = (await import('../messages/en.json')).default as Record<string, string>;
    const de = (await import('../messages/de.json')).default as Record<string, string>;
    expect(Object.keys(de)).toEqual(Object.keys(en));
    const placeholders = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).sort();
    for (const key of Object.keys(en)) expect(placeholders(de[key] ?? ''), key).toEqual(placeholders(en[key] ?? ''));
  });
});
