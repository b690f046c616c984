import { describe, expect, test } from 'vitest';
import type { OfferedResource } from '../src/api/types';
import { byFolder } from '../src/lib/folders';
import { plain, plainDeep } from '../src/lib/plain';
import { fold, index, search } from '../src/lib/search';
import { neighbour, type Box } from '../src/lib/spatial';
import { safeUrl } from '../src/lib/url';

function resource(title: string, more: Partial<OfferedResource> = {}): OfferedResource {
  return {
    id: title.toLowerCase(),
    title,
    kind: 'application',
    icon: 'app',
    folder: '',
    description: '',
    favourite: false,
    availability: { state: 'available' },
    ...more,
  };
}

const titles = (found: OfferedResource[]): string[] => found.map((hit) => hit.title);

describe('search', () => {
  const entries = index([
    resource('Büro-Rechner'),
    resource('Text editor', { description: 'Notes and letters' }),
    resource('Windows Server', { folder: 'Work/Accounting' }),
    resource('Contexts'),
    resource('Straßenkarte'),
  ]);

  test('the beginning of a name comes before the beginning of a word, that before the middle', () => {
    expect(titles(search(entries, 'text'))).toEqual(['Text editor', 'Contexts']);
    expect(titles(search(entries, 'e'))[0]).toBe('Text editor');
  });

  test('every word has to be found, anywhere', () => {
    expect(titles(search(entries, 'server account'))).toEqual(['Windows Server']);
    expect(search(entries, 'server letters')).toEqual([]);
  });

  test('marks, case and sharp s do not matter', () => {
    expect(titles(search(entries, 'BURO'))).toEqual(['Büro-Rechner']);
    expect(titles(search(entries, 'strasse'))).toEqual(['Straßenkarte']);
    expect(fold('ＷＩＤＥ É')).toBe('wide e');
  });

  test('without words everything is found in its order', () => {
    expect(titles(search(entries, '  '))).toHaveLength(5);
  });

  test('ten thousand resources are searched in a few milliseconds', () => {
    const many = index(Array.from({ length: 10_000 }, (_, at) => resource(`Program ${at}`)));
    const from = performance.now();
    expect(search(many, 'program 77').length).toBeGreaterThan(100);
    expect(performance.now() - from).toBeLessThan(200);
  });
});

describe('folders', () => {
  test('are sorted as the language sorts, numbers by value, those without a folder last', () => {
    const folders = byFolder(
      [
        resource('b'),
        resource('x10', { folder: 'Zeta' }),
        resource('x9', { folder: 'Zeta' }),
        resource('a', { folder: 'Ärzte//Haus' }),
      ],
      'de',
    );
    expect(folders.map((folder) => folder.path)).toEqual(['Ärzte / Haus', 'Zeta', '']);
    expect(titles(folders[1]?.resources ?? [])).toEqual(['x9', 'x10']);
  });
});

describe('arrow keys', () => {
  // Three in a row, two in the next, then one.
  const boxes: Box[] = [
    [0, 0], [110, 0], [220, 0],
    [0, 90], [110, 95],
    [0, 200],
  ].map(([left, top]) => ({ left: left!, top: top!, width: 100, height: 80 }));

  test.each([
    [0, 'right', 1], [2, 'right', 3], [5, 'right', undefined], [0, 'left', undefined],
    [1, 'down', 4], [2, 'down', 4], [4, 'up', 1], [5, 'up', 3], [3, 'down', 5], [0, 'up', undefined],
  ] as const)('from %i %s', (from, direction, to) => {
    expect(neighbour(boxes, from, direction)).toBe(to);
  });
});

describe('hostile text', () => {
  test('loses what controls a screen or turns its direction, and nothing else', () => {
    expect(plain('\u202etxt.exe')).toBe('\ufffdtxt.exe');
    expect(plain('\u001b[31mred\u0007')).toBe('\ufffd[31mred\ufffd');
    expect(plain('Grüße, עברית und 漢字\nzweite Zeile')).toBe('Grüße, עברית und 漢字\nzweite Zeile');
    expect(plainDeep({ a: ['\u0000', 1, null, { b: 'c\r' }] })).toEqual({ a: ['\ufffd', 1, null, { b: 'c\ufffd' }] });
  });
});

describe('links', () => {
  test.each(['javascript:alert(1)', 'data:text/html,x', 'no address', '', null, undefined])('%j is no link', (url) => {
    expect(safeUrl(url)).toBeUndefined();
  });

  test('http and https are', () => {
    expect(safeUrl('https://wiki.example/a')).toBe('https://wiki.example/a');
  });
});
