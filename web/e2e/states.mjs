// Every page and every state that ui.md and the issue name, and how to get there with the stand-in.
import { CONSOLE_STATES } from './console-states.mjs';
import { waitForTerminal, typeInTerminal, readTerminal, eventually } from './lib.mjs';

const card = (page) => page.locator('.card h1, .notice').first();
const openMenu = async (page) => {
  await page.locator('.toolbar .tab').click();
  await page.locator('.panel').waitFor();
};
const desktop = async (page) => {
  await page.waitForURL(/\/view\//);
  await page.locator('.stage canvas').waitFor();
  await page.locator('.launching').waitFor({ state: 'detached' });
};

/** A host that shows nothing: the clock is turned to when the page gives the first connection up. */
async function noPicture(page) {
  await page.clock.install();
  await page.reload();
  await page.locator('.launching .steps .done').nth(1).waitFor();
  await page.waitForTimeout(300);
  await page.clock.runFor(10_500);
  await page.locator('.launching [role=status].soft').waitFor();
}

/** name, path, mock (change of the stand-in's state), act (after loading), ready (what must show), once (one language will do), small (as will two widths). */
export const STATES = [
  { name: 'sign-in', path: '/sign-in', mock: { signedIn: false }, ready: 'form' },
  {
    name: 'sign-in-missing',
    path: '/sign-in',
    mock: { signedIn: false },
    act: (page) => page.locator('button[type=submit]').click(),
    ready: '[aria-invalid=true]',
  },
  {
    name: 'sign-in-wrong',
    path: '/sign-in?next=%2Flaunch%2Fterminal',
    mock: { signedIn: false, signIn: 'wrong' },
    act: signInBadly,
    ready: '.notice',
  },
  {
    name: 'sign-in-locked',
    path: '/sign-in',
    mock: { signedIn: false, signIn: 'locked' },
    act: signInBadly,
    ready: '.notice',
  },
  { name: 'sign-in-away', path: '/sign-in', mock: { away: true }, ready: '.notice' },
  {
    name: 'sign-in-setup-needed',
    path: '/sign-in',
    mock: { signedIn: false, site: { name: 'Portico', setup_needed: true } },
    ready: '.notice',
  },
  { name: 'setup', path: '/setup#token=abc', mock: { signedIn: false }, ready: 'form' },
  {
    name: 'setup-missing',
    path: '/setup#token=abc',
    mock: { signedIn: false },
    act: (page) => page.locator('button[type=submit]').click(),
    ready: '[aria-invalid=true]',
  },
  { name: 'setup-weak', path: '/setup#token=abc', mock: { signedIn: false, setup: 'weak' }, act: fillSetup, ready: '.notice' },
  { name: 'setup-used-up', path: '/setup#token=abc', mock: { signedIn: false, setup: 'token' }, act: fillSetup, ready: '.notice' },
  { name: 'setup-done', path: '/setup#token=abc', mock: { signedIn: false }, act: fillSetup, ready: '.notice.good' },
  { name: 'setup-no-token', path: '/setup', mock: { signedIn: false }, ready: '.notice' },
  { name: 'webtop', path: '/', ready: '[data-tile]' },
  {
    name: 'webtop-menu',
    path: '/',
    mock: { role: 'operator' },
    act: (page) => page.locator('button.user').click(),
    ready: '.menu',
  },
  { name: 'webtop-search', path: '/', act: (page) => page.locator('input[type=search]').fill('te'), ready: '[data-results] [data-tile]' },
  { name: 'webtop-no-results', path: '/', act: (page) => page.locator('input[type=search]').fill('qqq'), ready: '.empty' },
  { name: 'webtop-shortcuts', path: '/', act: async (page) => {
      await page.locator('[data-tile]').first().waitFor();
      await page.keyboard.press('?');
    }, ready: 'dialog[open]' },
  {
    name: 'webtop-end',
    path: '/',
    act: (page) => page.locator('.sessions button').first().click(),
    ready: 'dialog[open]',
  },
  {
    name: 'webtop-ended',
    path: '/',
    act: async (page) => {
      await page.locator('.sessions button').first().click();
      await page.locator('dialog .danger').click();
    },
    ready: '.notice',
  },
  { name: 'webtop-empty', path: '/', mock: { workspace: 'empty' }, ready: '.empty' },
  { name: 'webtop-loading', path: '/', mock: { workspace: 'slow' }, ready: '.skeleton' },
  { name: 'webtop-error', path: '/', mock: { workspace: 'error' }, ready: '.notice' },
  { name: 'webtop-hostile', path: '/', mock: { workspace: 'hostile' }, ready: '[data-tile]' },
  { name: 'away', path: '/', mock: { away: true }, ready: '.notice' },
  { name: 'not-found', path: '/no/such/page', ready: 'main h1' },
  { name: 'console-refused', path: '/console', mock: { role: 'user' }, ready: '.notice' },
  ...CONSOLE_STATES,
  { name: 'launching', path: '/launch/desktop', mock: { launch: 'slow' }, ready: '.steps .now' },
  { name: 'launch-no-host', path: '/launch/desktop', mock: { launch: 'no-host' }, ready: '.notice' },
  { name: 'launch-cause', path: '/launch/desktop', mock: { launch: 'cause', cause: 'nothing-listens' }, ready: '.notice', small: true },
  { name: 'launch-in-line', path: '/launch/desktop', mock: { launch: 'in-line' }, ready: '.launching [role=status].soft' },
  { name: 'launch-not-now', path: '/launch/desktop', mock: { launch: 'not-now' }, ready: '.notice' },
  { name: 'launch-store-away', path: '/launch/desktop', mock: { launch: 'store-away' }, ready: '.notice' },
  { name: 'launch-unknown', path: '/launch/nothing', ready: '.notice' },
  { name: 'launch-host-refused', path: '/launch/desktop', mock: { desktop: 'refused' }, ready: '.notice' },
  { name: 'launch-no-picture', path: '/launch/desktop', mock: { desktop: 'none' }, act: noPicture, ready: '.launching [role=status].soft', small: true },
  { name: 'launch-host-cause', path: '/launch/desktop', mock: { desktop: 'refused', cause: 'firewall-drops' }, ready: '.notice', once: true, small: true },
  { name: 'launch-untrusted', path: '/launch/desktop', mock: { desktop: 'untrusted' }, ready: '.notice' },
  { name: 'launch-logon', path: '/launch/desktop', mock: { desktop: 'logon' }, ready: '.notice' },
  { name: 'desktop', path: '/launch/desktop', act: desktop, ready: '.stage canvas' },
  {
    name: 'desktop-menu',
    path: '/launch/desktop',
    act: async (page) => {
      await desktop(page);
      await openMenu(page);
    },
    ready: '.panel',
  },
  {
    name: 'desktop-statistics',
    path: '/launch/desktop',
    act: async (page) => {
      await desktop(page);
      await openMenu(page);
      await page.getByLabel(/Show statistics|Statistik zeigen/).check();
      await page.keyboard.press('Escape');
    },
    ready: '.statistics',
    small: true,
  },
  {
    name: 'desktop-menu-files',
    path: '/launch/desktop',
    act: async (page, drop, say) => {
      await desktop(page);
      say({ file: { type: 'clipboard-files-able', able: true } });
      say({ file: { type: 'print-job', complete: true }, bytes: [37, 33, 80, 83] });
      say({ event: { type: 'clipboard-offer', formats: [{ id: 49_400, name: 'FileGroupDescriptorW' }] } });
      await openMenu(page);
      await page.getByRole('button', { name: /Show the files|Kopierte Dateien/ }).click();
      say({ file: { type: 'clipboard-files', lock: null, files: [{ name: 'Quarterly figures of the whole company.xlsx', size: 48_213, index: 0 }] } });
      await page.getByRole('button', { name: /Transfer single files|Einzelne Dateien/ }).click();
      await page.locator('.drop').locator('xpath=preceding-sibling::input').setInputFiles([
        { name: 'A rather long name of a letter that nobody wanted to shorten.pdf', mimeType: 'application/pdf', buffer: Buffer.alloc(1_234_567) },
        { name: 'note.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') },
      ]);
      await page.locator('.list', { hasText: 'note.txt' }).waitFor();
      say({ file: { type: 'drive-request', id: 1, op: 'read', path: ['note.txt'], offset: 0, length: 3 } });
      await page.locator('progress').waitFor();
    },
    ready: 'progress',
  },
  {
    name: 'desktop-menu-files-refused',
    path: '/launch/desktop',
    mock: { drive: 'read' },
    act: async (page, drop, say) => {
      await desktop(page);
      say({ drives: 'refused' });
      await openMenu(page);
      await page.getByRole('button', { name: /Transfer single files|Einzelne Dateien/ }).click();
      await page.locator('[role=alert]').waitFor();
    },
    ready: '[role=alert]',
    small: true,
  },
  {
    name: 'desktop-menu-files-off',
    path: '/launch/desktop',
    mock: { drive: 'off', printer: 'off' },
    act: async (page) => {
      await desktop(page);
      await openMenu(page);
    },
    ready: '.panel',
    small: true,
  },
  {
    name: 'desktop-menu-no-clipboard',
    path: '/launch/desktop',
    mock: { clipboard: 'none' },
    act: async (page) => {
      await desktop(page);
      await openMenu(page);
    },
    ready: '.panel',
  },
  {
    name: 'desktop-lost',
    path: '/launch/desktop',
    mock: { reconnect: 'away' },
    act: async (page, drop) => {
      await desktop(page);
      drop();
      await page.locator('.card').waitFor();
      await page.waitForTimeout(1200);
    },
    ready: '.card',
  },
  {
    name: 'desktop-session-gone',
    path: '/launch/desktop',
    mock: { reconnect: 'gone' },
    act: async (page, drop) => {
      await desktop(page);
      drop();
      await page.getByRole('button', { name: /Start again|Neu starten/ }).waitFor();
    },
    ready: '.card',
  },
  ...[
    ['taken-over', 4003, 'taken-over by=198.51.100.23'],
    ['maintenance', 4019],
    ['idle-timeout', 4007],
    ['operator-ended', 4006],
    ['signed-out', 4009],
    ['host-closed', 4000],
  ].map(([reason, code, text = reason]) => ({
    name: `desktop-${reason}`,
    path: '/launch/desktop',
    act: async (page, drop) => {
      await desktop(page);
      drop(code, text);
    },
    ready: '.card',
  })),
  {
    name: 'terminal',
    path: '/launch/terminal',
    act: terminalWithOutput,
    ready: '.xterm-screen',
  },
  {
    name: 'terminal-menu',
    path: '/launch/terminal',
    act: async (page) => {
      await terminalWithOutput(page);
      await openMenu(page);
    },
    ready: '.panel',
  },
  {
    name: 'terminal-search',
    path: '/launch/terminal',
    act: async (page) => {
      await terminalWithOutput(page);
      await page.keyboard.press('Control+Shift+F');
      await page.locator('.bar input').fill('77');
    },
    ready: '.bar',
  },
  {
    name: 'terminal-exited',
    path: '/launch/terminal',
    act: async (page) => {
      await terminalWithOutput(page);
      await typeInTerminal(page, 'exit 3\n');
    },
    ready: '.card',
  },
];

async function signInBadly(page) {
  await page.locator('input[name=username]').fill('demo');
  await page.locator('input[name=password]').fill('not this one');
  await page.locator('button[type=submit]').click();
  await card(page).waitFor();
}

async function fillSetup(page) {
  await page.locator('input[name=site]').fill('Example site');
  await page.locator('input[name=name]').fill('Olga Owner');
  await page.locator('input[name=username]').fill('olga');
  await page.locator('input[name=password]').fill('a sentence of some length');
  await page.locator('button[type=submit]').click();
}

async function terminalWithOutput(page) {
  await waitForTerminal(page);
  await typeInTerminal(page, 'seq 100\n');
  await eventually('the last number', async () => (await readTerminal(page)).includes('100'));
}
