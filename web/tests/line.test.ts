import { describe, expect, test } from 'vitest';
import { askAgainAtMs, LINE_MAX_MS } from '../src/viewer/line';

const STORM = { code: 'launch-refused', retryAfterS: 3 };

describe('waiting in line', () => {
  test('a launch is asked for again when the server says, spread over as long again', () => {
    expect(askAgainAtMs(STORM, 0, 1_000, 0)).toBe(4_000);
    expect(askAgainAtMs(STORM, 0, 1_000, 0.5)).toBe(5_500);
    expect(askAgainAtMs(STORM, 0, 1_000, 0.999)).toBeLessThan(7_000);
  });

  test('a refusal without a time stands, and so does any other error', () => {
    expect(askAgainAtMs({ code: 'launch-refused', retryAfterS: undefined }, 0, 0, 0)).toBeUndefined();
    expect(askAgainAtMs({ code: 'store-away', retryAfterS: 5 }, 0, 0, 0)).toBeUndefined();
  });

  test('nobody stands in line for ever', () => {
    const last = LINE_MAX_MS - 3_000;
    expect(askAgainAtMs(STORM, 10, 10 + last, 0)).toBe(10 + LINE_MAX_MS);
    expect(askAgainAtMs(STORM, 10, 11 + last, 0)).toBeUndefined();
  });
});
