// Files between the browser and a real host: the shared folder and the clipboard.
// Needs the lab (PORTICO_LAB), as it looks at the files from inside the host.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { endAll, eventually, launchChromium, newContext, openDesktop, requireChromium, shoot, signIn, watchErrors } from './lib.mjs';
import { portico } from './server.mjs';

const USER = 'demo';
const PASSWORD = 'portico-demo';
const URL_OF_PORTICO = process.env.PORTICO_URL;
const DRIVES = `/home/${USER}/thinclient_drives`;

let browser;
before(async () => {
  requireChromium();
  browser = await launchChromium(['--ignore-certificate-errors']);
});
after(() => browser?.close());

async function desktop() {
  const context = await newContext(browser, { baseURL: URL_OF_PORTICO });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const errors = watchErrors(page);
  await signIn(page, USER, PASSWORD);
  await endAll(page);
  await openDesktop(page);
  return { context, page, errors };
}

/** Runs a shell line on the host as the user, who alone sees the drives; gives its output. */
function onHost(line, input) {
  const { host } = JSON.parse(portico('get', 'sessions', '-o', 'json')).find((one) => one.user === USER && one.resource === 'desktop');
  const script = `cd ~${USER} && display=$(pgrep -a -u ${USER} Xorg | grep -o ':[0-9]*' | head -1) && exec runuser -u ${USER} -- env DISPLAY=$display XAUTHORITY=$PWD/.Xauthority sh -c "$0"`;
  return execFileSync(process.env.PORTICO_LAB, ['exec', host, '--', 'sh', '-c', script, line], { input, stdio: ['pipe', 'pipe', 'pipe'], timeout: 60_000, maxBuffer: 64 * 1024 * 1024 });
}

/** The same, for lines that may fail: undefined then. */
function perhapsOnHost(line) {
  try {
    return onHost(line).toString();
  } catch {
    return undefined;
  }
}

async function openMenu(page) {
  if ((await page.locator('.panel').count()) === 0) await page.locator('.toolbar .tab').click();
  await page.getByRole('heading', { name: 'Files', exact: true }).waitFor();
}

/** Name of the one drive on the host. */
async function drive(name) {
  await eventually(`the drive ${name} on the host`, () => perhapsOnHost(`ls '${DRIVES}'`)?.split('\n').includes(name));
  return `${DRIVES}/${name}`;
}

const hash = (bytes) => createHash('sha256').update(bytes).digest('hex');

describe('the shared folder', () => {
  test('files that were put in are on the host, and what the host writes is saved', async () => {
    const { context, page, errors } = await desktop();
    await openMenu(page);
    await page.getByRole('button', { name: 'Transfer single files…' }).click();
    await page.getByText('The session has it as the drive “Portico”, and may change files in it.').waitFor();
    const place = await drive('Portico');

    // To the host: more than one request's worth of bytes, and a name that is not ASCII.
    const content = randomBytes(700_001);
    const input = page.locator('.drop').locator('xpath=preceding-sibling::input[@type="file"]');
    await input.setInputFiles([
      { name: 'Übung 1.bin', mimeType: 'application/octet-stream', buffer: content },
      { name: 'empty.txt', mimeType: 'text/plain', buffer: Buffer.alloc(0) },
    ]);
    await page.locator('.list', { hasText: 'Übung 1.bin' }).waitFor();
    const sum = await eventually('the file on the host', () => perhapsOnHost(`sha256sum '${place}/Übung 1.bin'`)?.split(' ')[0]);
    assert.equal(sum, hash(content));
    assert.equal(onHost(`stat -c %s '${place}/empty.txt'`).toString().trim(), '0');

    // From the host: written, given another name, in a directory.
    const written = randomBytes(300_007);
    onHost(`cat > '${place}/first name.bin'`, written);
    onHost(`mv '${place}/first name.bin' '${place}/result.bin' && mkdir '${place}/sub' && printf deep > '${place}/sub/x.txt' && rm '${place}/empty.txt'`);
    const list = page.locator('.list');
    await eventually('the list of the page', async () => {
      const names = await list.locator('.name').allInnerTexts();
      return names.join('|') === 'result.bin|sub/x.txt|Übung 1.bin';
    });
    await shoot(page, 'desktop-files');
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save result.bin' }).click()]);
    assert.equal(download.suggestedFilename(), 'result.bin');
    assert.equal(hash(readFileSync(await download.path())), hash(written));

    // Taken back: the host is refused, and does not hang.
    await page.getByRole('button', { name: 'Stop sharing' }).click();
    await page.getByRole('button', { name: 'Transfer single files…' }).waitFor();
    assert.equal(perhapsOnHost(`timeout 20 cat '${place}/result.bin'`), undefined);
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('a folder of the person is read, and not written when they say so', async () => {
    const { context, page, errors } = await desktop();
    // No headless browser shows the dialog. Everything behind the choice is real: a handle of the
    // browser's own store is one as any other.
    await page.evaluate(async () => {
      const store = await navigator.storage.getDirectory();
      const folder = await store.getDirectoryHandle('Letters', { create: true });
      const stream = await (await folder.getFileHandle('note.txt', { create: true })).createWritable();
      await stream.write('written at home');
      await stream.close();
      window.showDirectoryPicker = async () => folder;
    });
    await openMenu(page);
    await page.getByLabel('The session may change files in it').uncheck();
    await page.getByRole('button', { name: 'Share a folder…' }).click();
    await page.getByText('The session has it as the drive “Letters”, and can only read.').waitFor();
    const place = await drive('Letters');
    const seen = await eventually('the note on the host', () => perhapsOnHost(`cat '${place}/note.txt'`));
    assert.equal(seen, 'written at home');
    for (const line of [`printf x > '${place}/new.txt'`, `printf x >> '${place}/note.txt'`, `rm '${place}/note.txt'`, `mv '${place}/note.txt' '${place}/n'`, `mkdir '${place}/d'`]) {
      perhapsOnHost(line);
    }
    const left = await page.evaluate(async () => {
      const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('Letters');
      const names = [];
      for await (const name of folder.keys()) names.push(name);
      return [names, await (await (await folder.getFileHandle('note.txt')).getFile()).text()];
    });
    assert.deepEqual(left, [['note.txt'], 'written at home']);
    assert.deepEqual(errors, []);
    await context.close();
  });
});

describe('files of the clipboard', () => {
  test('files that were chosen can be pasted on the host', async () => {
    const { context, page, errors } = await desktop();
    await openMenu(page);
    const send = page.getByRole('button', { name: 'Send files…' });
    await send.waitFor();
    const content = randomBytes(150_003);
    await send.locator('xpath=preceding-sibling::input[@type="file"]').setInputFiles({ name: 'pasted.bin', mimeType: 'application/octet-stream', buffer: content });
    await page.getByText('Ready to be pasted in the session. Files: 1.').waitFor();
    // What a file manager does when somebody pastes.
    const list = await eventually('the list of files on the host', () => {
      const text = perhapsOnHost('timeout 10 xclip -selection clipboard -t text/uri-list -o');
      return text?.includes('pasted.bin') && text;
    });
    const path = decodeURIComponent(/file:\/\/(\S+)/.exec(list)[1]);
    const pasted = onHost(`cat '${path}'`);
    assert.equal(hash(pasted), hash(content));
    await shoot(page, 'desktop-clipboard-files');
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('files that were copied on the host can be saved on the device', async () => {
    const { context, page, errors } = await desktop();
    const content = randomBytes(120_007);
    onHost("cat > ~/'Ergebnis Ä.bin'", content);
    // What a file manager does when somebody copies.
    onHost("printf 'copy\nfile://%s/Ergebnis%%20%%C3%%84.bin' ~ | xclip -selection clipboard -t x-special/gnome-copied-files >/dev/null 2>&1");
    await openMenu(page);
    await page.getByRole('button', { name: 'Show the files it has copied' }).click();
    const save = page.getByRole('button', { name: 'Save Ergebnis Ä.bin' });
    await save.waitFor();
    const [download] = await Promise.all([page.waitForEvent('download'), save.click()]);
    assert.equal(download.suggestedFilename(), 'Ergebnis Ä.bin');
    assert.equal(hash(readFileSync(await download.path())), hash(content));
    await page.getByText('saved', { exact: true }).waitFor();
    await shoot(page, 'desktop-host-files');
    onHost("rm ~/'Ergebnis Ä.bin'");
    assert.deepEqual(errors, []);
    await context.close();
  });
});
