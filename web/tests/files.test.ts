import { beforeEach, describe, expect, test, vi } from 'vitest';
import { goodName } from '../src/viewer/desktop/files/box';
import type { FileNews } from '../src/viewer/desktop/files/protocol';
import { sizeText } from '../src/viewer/desktop/files/size';
import { filesOf } from '../src/viewer/desktop/clipboard/device';
import { HostClipboardFiles } from '../src/viewer/desktop/worker/files/clipboard';
import { HostDrive } from '../src/viewer/desktop/worker/files/drive';
import type { DriveRequest, FilesClient } from '../src/viewer/desktop/worker/files/events';
import { ENTRIES_MAX, Folder, type Outcome } from '../src/viewer/desktop/worker/files/folder';
import { FakeDirectory, type FakeFile } from './fake-directory';

const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);
const bytesOf = (content: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(content);

describe('a folder of the device', () => {
  let root: FakeDirectory;
  let folder: Folder;
  beforeEach(() => {
    root = new FakeDirectory();
    folder = make(true);
  });
  const make = (mayWrite: boolean): Folder =>
    new Folder(root as unknown as FileSystemDirectoryHandle, mayWrite, 5, async () => ({ quota: 1000.5, usage: 400 }));
  const run = (request: Omit<DriveRequest, 'id'> & Record<string, unknown>, content = ''): Promise<Outcome> =>
    folder.carryOut({ id: 1, ...request } as DriveRequest, bytesOf(content));

  test('what is there, and what is not', async () => {
    root.put('a.txt', 'hello');
    const sub = await root.getDirectoryHandle('sub', { create: true });
    sub.put('b', '');
    expect((await run({ op: 'look', path: [] })).answer.entry).toEqual({ kind: 'directory', size: 0, modifiedMs: 5 });
    expect((await run({ op: 'look', path: ['a.txt'] })).answer.entry).toEqual({ kind: 'file', size: 5, modifiedMs: 1_700_000_000_000 });
    expect((await run({ op: 'look', path: ['sub'] })).answer.entry?.kind).toBe('directory');
    expect((await run({ op: 'look', path: ['sub', 'b'] })).answer.entry?.size).toBe(0);
    for (const [path, error] of [
      [['none'], 'not-found'],
      // What the browser refuses is there for nobody.
      [['x.lnk'], 'not-found'],
      [['none', 'b'], 'path-not-found'],
      [['a.txt', 'b'], 'path-not-found'],
    ] as const) {
      expect((await run({ op: 'look', path })).answer, path.join('/')).toEqual({ error });
    }
  });

  test('a listing has names, sizes and kinds, and no copies that Chromium writes into', async () => {
    root.put('a.txt', 'hello');
    root.put('a.txt.crswap', 'hel');
    await root.getDirectoryHandle('sub', { create: true });
    const { entries } = (await run({ op: 'list', path: [] })).answer;
    expect(entries?.map(({ name, kind, size }) => [name, kind, size])).toEqual([['a.txt', 'file', 5], ['sub', 'directory', 0]]);
    for (let at = 0; at <= ENTRIES_MAX; at += 1) root.put(`n${at}`, '');
    expect((await run({ op: 'list', path: [] })).answer).toEqual({ error: 'too-many' });
  });

  test('a file is written in a copy, which counts from the commit on; its length is known before', async () => {
    const file = root.put('a.txt', 'hello');
    expect(await run({ op: 'write', path: ['a.txt'], offset: 5 }, ' world')).toEqual({ answer: {} });
    expect(text(file.content)).toBe('hello');
    expect((await run({ op: 'look', path: ['a.txt'] })).answer.entry?.size).toBe(11);
    expect((await run({ op: 'list', path: [] })).answer.entries?.[0]?.size).toBe(11);
    await run({ op: 'write', path: ['a.txt'], offset: 0 }, 'J');
    expect(file.commits).toBe(0);
    await run({ op: 'commit', path: ['a.txt'] });
    expect([text(file.content), file.commits]).toEqual(['Jello world', 1]);
    await run({ op: 'commit', path: ['a.txt'] });
    expect(file.commits).toBe(1);
  });

  test('what was written is read back, and beyond the end there are zeros', async () => {
    root.put('a', '');
    await run({ op: 'write', path: ['a'], offset: 3 }, 'x');
    const { bytes, size } = await run({ op: 'read', path: ['a'], offset: 1, length: 10 });
    expect([[...(bytes ?? [])], size]).toEqual([[0, 0, 'x'.charCodeAt(0)], 4]);
    expect((await run({ op: 'read', path: ['a'], offset: 9, length: 10 })).bytes).toHaveLength(0);
  });

  test('a length that is set stays open for writing: a large copy must not be written twice', async () => {
    const file = root.put('a', 'hello');
    await run({ op: 'resize', path: ['a'], size: 2 });
    await run({ op: 'write', path: ['a'], offset: 2 }, 'y');
    await run({ op: 'commit', path: ['a'] });
    expect([text(file.content), file.commits]).toEqual(['hey', 1]);
  });

  test('files and directories are made and removed', async () => {
    await run({ op: 'create', path: ['d'], kind: 'directory' });
    await run({ op: 'create', path: ['d', 'f'], kind: 'file' });
    expect((await run({ op: 'remove', path: ['d'] })).answer).toEqual({ error: 'not-empty' });
    await run({ op: 'write', path: ['d', 'f'], offset: 0 }, 'lost');
    expect((await run({ op: 'remove', path: ['d', 'f'] })).answer).toEqual({});
    expect((await run({ op: 'remove', path: ['d'] })).answer).toEqual({});
    expect(root.inside.size).toBe(0);
    expect((await run({ op: 'create', path: ['x.lnk'], kind: 'file' })).answer).toEqual({ error: 'denied' });
    expect((await run({ op: 'remove', path: [] })).answer).toEqual({ error: 'denied' });
  });

  test('a file gets another name, with what was just written into it', async () => {
    root.put('a', 'one');
    root.put('b', 'two');
    const sub = await root.getDirectoryHandle('sub', { create: true });
    await run({ op: 'write', path: ['a'], offset: 3 }, '!');
    expect((await run({ op: 'rename', from: ['a'], to: ['b'], replace: false })).answer).toEqual({ error: 'exists' });
    expect((await run({ op: 'rename', from: ['a'], to: ['sub'], replace: true })).answer).toEqual({ error: 'exists' });
    expect((await run({ op: 'rename', from: ['a'], to: ['none', 'a'], replace: false })).answer).toEqual({ error: 'path-not-found' });
    expect((await run({ op: 'rename', from: ['a'], to: ['b'], replace: true })).answer).toEqual({});
    expect((await run({ op: 'rename', from: ['b'], to: ['sub', 'c'], replace: false })).answer).toEqual({});
    expect([...root.inside.keys()]).toEqual(['sub']);
    expect(text((sub.inside.get('c') as FakeFile).content)).toBe('one!');
  });

  test('a directory gets another name with all that is in it', async () => {
    const deep = await (await root.getDirectoryHandle('d', { create: true })).getDirectoryHandle('e', { create: true });
    deep.put('f', 'here');
    expect((await run({ op: 'rename', from: ['d'], to: ['g'], replace: false })).answer).toEqual({});
    expect((await run({ op: 'read', path: ['g', 'e', 'f'], offset: 0, length: 9 })).bytes).toEqual(bytesOf('here'));
    expect([...root.inside.keys()]).toEqual(['g']);
  });

  test('a folder that is only read is not changed, whatever comes', async () => {
    const file = root.put('a', 'one');
    folder = make(false);
    for (const request of [
      { op: 'create', path: ['b'], kind: 'file' },
      { op: 'write', path: ['a'], offset: 0 },
      { op: 'resize', path: ['a'], size: 0 },
      { op: 'remove', path: ['a'] },
      { op: 'rename', from: ['a'], to: ['b'], replace: true },
    ] as const) {
      expect((await run(request, 'x')).answer, request.op).toEqual({ error: 'denied' });
    }
    expect([[...root.inside.keys()], text(file.content)]).toEqual([['a'], 'one']);
    expect(text((await run({ op: 'read', path: ['a'], offset: 0, length: 3 })).bytes)).toBe('one');
  });

  test('errors of the browser have words that the host understands', async () => {
    for (const [name, error] of [
      ['QuotaExceededError', 'full'],
      ['NotAllowedError', 'denied'],
      ['NoModificationAllowedError', 'busy'],
      ['Anything', 'failed'],
    ] as const) {
      vi.spyOn(root, 'getFileHandle').mockRejectedValueOnce(new DOMException('', name));
      expect((await run({ op: 'read', path: ['a'], offset: 0, length: 1 })).answer, name).toEqual({ error });
    }
    expect((await run({ op: 'space' })).answer).toEqual({ total: 1000, free: 600 });
  });

  test('at the end what was written is kept', async () => {
    const file = root.put('a', '');
    await run({ op: 'write', path: ['a'], offset: 0 }, 'kept');
    await folder.end();
    expect(text(file.content)).toBe('kept');
  });
});

function fakeClient(): FilesClient & { calls: unknown[][] } {
  const calls: unknown[][] = [];
  const note = (name: string) => (...args: unknown[]) => void calls.push([name, ...args]);
  return {
    calls,
    fileEvent: () => '',
    fileBytes: () => new Uint8Array(),
    driveAdd: note('add'),
    driveRemove: note('remove'),
    driveAnswer: note('answer'),
    clipboardOfferFiles: note('offer'),
    clipboardFetchFiles: note('list'),
    clipboardFetchPart: note('fetch'),
    clipboardPart: note('part'),
  };
}

describe('the drive of a session', () => {
  beforeEach(() => vi.stubGlobal('self', globalThis));

  test('requests are answered in their order, and wait while answers do not leave', async () => {
    const root = new FakeDirectory();
    root.put('a', 'abc');
    const client = fakeClient();
    const news: FileNews[] = [];
    let unsent = Number.MAX_SAFE_INTEGER;
    const drive = new HostDrive(client, (one) => news.push(one), () => undefined, () => unsent);
    drive.add({ type: 'drive-add', root: root as unknown as FileSystemDirectoryHandle, name: 'Docs', mayWrite: false, isOurs: false });
    drive.requested({ id: 1, op: 'read', path: ['a'], offset: 1, length: 5 }, new Uint8Array());
    drive.requested({ id: 2, op: 'look', path: ['b'] }, new Uint8Array());
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(client.calls).toEqual([['add', 'Docs', false]]);
    unsent = 0;
    await vi.waitFor(() => expect(client.calls).toHaveLength(3));
    expect(client.calls.slice(1)).toEqual([
      ['answer', 1, '{}', bytesOf('bc')],
      ['answer', 2, '{"error":"not-found"}', undefined],
    ]);
    expect(news).toEqual([{ type: 'drive-activity', activity: { name: 'a', direction: 'to-host', done: 3, size: 3 } }]);
  });

  test('after the end nothing is answered', async () => {
    const client = fakeClient();
    const drive = new HostDrive(client, () => undefined, () => undefined, () => 0);
    drive.requested({ id: 1, op: 'space' }, new Uint8Array());
    drive.end();
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(client.calls).toEqual([]);
  });
});

describe('files of the clipboard', () => {
  beforeEach(() => vi.stubGlobal('self', globalThis));
  const make = () => {
    const client = fakeClient();
    const news: FileNews[] = [];
    return { client, news, files: new HostClipboardFiles(client, (one) => news.push(one), () => undefined) };
  };

  test('the host gets sizes and parts of what is offered, also of what a lock keeps', async () => {
    const { client, files } = make();
    files.offer([new File(['hello'], 'a.txt')]);
    expect(client.calls.pop()).toEqual(['offer', '[{"name":"a.txt","size":5}]']);
    const ask = { type: 'clipboard-file-request', index: 0, offset: 0, lock: null } as const;
    files.requested({ ...ask, id: 1, length: 0 });
    expect(client.calls.pop()).toEqual(['part', 1, new Uint8Array([5, 0, 0, 0, 0, 0, 0, 0])]);
    files.requested({ ...ask, id: 2, offset: 1, length: 3 });
    await vi.waitFor(() => expect(client.calls.pop()).toEqual(['part', 2, bytesOf('ell')]));
    files.locks(9);
    files.offer([new File(['other'], 'b.txt')]);
    files.requested({ ...ask, id: 3, length: 9, lock: 9 });
    await vi.waitFor(() => expect(client.calls.pop()).toEqual(['part', 3, bytesOf('hello')]));
    files.unlocks(9);
    files.requested({ ...ask, id: 4, length: 9, lock: 9 });
    await vi.waitFor(() => expect(client.calls.pop()).toEqual(['part', 4, bytesOf('other')]));
    files.requested({ ...ask, id: 5, index: 7, length: 9 });
    await vi.waitFor(() => expect(client.calls.pop()).toEqual(['part', 5, undefined]));
  });

  test('a file of the host comes in parts, one file after another', async () => {
    const { client, news, files } = make();
    const a = { name: 'a', size: 1024 * 1024 + 2, index: 3 };
    const b = { name: 'b', size: null, index: 4 };
    files.listed([a, b], 6);
    files.take(a);
    files.take(b);
    expect(client.calls.splice(0)).toEqual([['fetch', 1, 3, 0, 1024 * 1024, 6]]);
    files.came(1, new Uint8Array(1024 * 1024));
    expect(client.calls.splice(0)).toEqual([['fetch', 2, 3, 1024 * 1024, 2, 6]]);
    files.came(1, new Uint8Array(2));
    files.came(2, new Uint8Array(2));
    const taken = news.find((one) => one.type === 'clipboard-taken');
    expect(taken?.type === 'clipboard-taken' && taken.content?.size).toBe(1024 * 1024 + 2);
    expect(client.calls.splice(0)).toEqual([['fetch', 3, 4, 0, 0, 6]]);
    files.came(3, new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]));
    expect(client.calls.splice(0)).toEqual([['fetch', 4, 4, 0, 1, 6]]);
    files.came(4, undefined);
    expect(news.at(-1)).toEqual({ type: 'clipboard-taken', file: b, content: undefined });
  });

  test('a host that gives more than it said, nothing, or too much, is not believed', () => {
    for (const [size, came] of [[2, 3], [2, 0], [5 * 1024 ** 3, undefined]] as const) {
      const { client, news, files } = make();
      const file = { name: 'a', size, index: 0 };
      files.listed([file], null);
      files.take(file);
      if (came === undefined) expect(client.calls).toEqual([]);
      else files.came(1, new Uint8Array(came));
      expect(news.at(-1)).toEqual({ type: 'clipboard-taken', file, content: undefined });
    }
  });
});

describe('what people see and give', () => {
  test('sizes have a unit', () => {
    expect([0, 999, 1_500, 123_456_789].map((size) => sizeText(size, 'en'))).toEqual(['0 bytes', '999 bytes', '1.5 kB', '123 MB']);
    expect(sizeText(1_500, 'de')).toBe('1,5 kB');
  });

  test('names are good for hosts', () => {
    expect(['a.txt', 'a/b:c', '..', 'x. '].map(goodName)).toEqual(['a.txt', 'a_b_c', '_', 'x']);
  });

  test('a picture that was copied is no file', () => {
    const data = (files: File[]): DataTransfer => ({ files }) as unknown as DataTransfer;
    expect(filesOf(data([new File([], 'image.png', { type: 'image/png' })]))).toEqual([]);
    expect(filesOf(data([new File([], 'holiday.png', { type: 'image/png' })]))).toHaveLength(1);
    expect(filesOf(data([new File([], 'a'), new File([], 'b')]))).toHaveLength(2);
  });
});
