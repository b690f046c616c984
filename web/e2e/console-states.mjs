// The pages and states of the console.

const operator = { role: 'operator' };
const heading = (page) => page.locator('main h1').first().waitFor();
const button = (page, en, de) => page.getByRole('button', { name: new RegExp(`^(${en}|${de})$`) }).first();

export const CONSOLE_STATES = [
  { name: 'console', path: '/console', mock: { role: 'auditor' }, ready: '.times' },
  { name: 'console-well', path: '/console', mock: { ...operator, world_kind: 'well' }, ready: '.well', once: true, small: true },
  { name: 'console-hosts', path: '/console/hosts', mock: operator, ready: '[role=row][data-at]' },
  { name: 'console-hosts-nothing', path: '/console/hosts?q=qqq', mock: operator, ready: '.empty', once: true, small: true },
  { name: 'console-hosts-empty', path: '/console/hosts', mock: { ...operator, world_kind: 'empty' }, ready: '.empty', once: true, small: true },
  { name: 'console-hosts-error', path: '/console/hosts', mock: { ...operator, console: 'error' }, ready: '.notice', once: true, small: true },
  { name: 'console-hosts-loading', path: '/console/hosts', mock: { ...operator, console: 'slow' }, ready: '.ghost', once: true, small: true },
  {
    name: 'console-host',
    path: '/console/hosts/sh1',
    mock: operator,
    act: async (page) => {
      await page.locator('.chart canvas').first().waitFor();
      await page.locator('summary').click();
    },
    ready: 'details table', once: true,
  },
  { name: 'console-host-silent', path: '/console/hosts/sh3', mock: { role: 'auditor' }, ready: '.reasons', once: true, small: true },
  {
    name: 'console-host-drain',
    path: '/console/hosts/sh1',
    mock: operator,
    act: (page) => page.getByRole('switch').click(),
    ready: 'dialog[open]', once: true, small: true,
  },
  { name: 'console-host-drained', path: '/console/hosts/sh2', mock: operator, ready: '[role=switch][aria-checked=true]', once: true, small: true },
  {
    name: 'console-host-restart',
    path: '/console/hosts/sh1',
    mock: operator,
    act: (page) => button(page, 'Restart…', 'Neu starten…').click(),
    ready: 'dialog[open]',
    once: true, small: true,
  },
  {
    name: 'console-host-probe',
    path: '/console/hosts/sh1',
    mock: operator,
    act: async (page) => {
      await button(page, 'Probe from here…', 'Von hier prüfen…').click();
      await page.locator('dialog select').selectOption('acc2');
      await page.locator('dialog button[type=submit]').click();
    },
    ready: 'dialog .notice',
    once: true, small: true,
  },
  { name: 'console-host-identity', path: '/console/hosts/ssh2', mock: operator, ready: '.sides', once: true },
  { name: 'console-host-unmanaged', path: '/console/hosts/acc1', mock: operator, ready: '.columns', once: true, small: true },
  { name: 'console-host-gone', path: '/console/hosts/nothing', mock: operator, ready: '.empty', once: true, small: true },
  { name: 'console-sessions', path: '/console/sessions', mock: { role: 'help-desk' }, ready: '[role=row][data-at]', once: true },
  {
    name: 'console-session',
    path: '/console/sessions?state=unknown',
    mock: { role: 'help-desk' },
    act: async (page) => {
      await page.locator('[role=row][data-at]').first().click();
      await button(page, 'Log off…', 'Abmelden…').click();
    },
    ready: 'dialog form',
  },
  {
    name: 'console-launches',
    path: '/console/launches?outcome=bad',
    mock: operator,
    act: async (page) => {
      await page.locator('summary').first().click();
      await page.locator('details[open] .trouble a').waitFor();
    },
    ready: '.others', once: true,
  },
  { name: 'console-agents', path: '/console/agents', mock: operator, ready: '.cards', once: true },
  { name: 'console-agents-none', path: '/console/agents', mock: { ...operator, world_kind: 'well' }, ready: '.empty', once: true, small: true },
  { name: 'console-token', path: '/console/agents?host=sh6', mock: operator, ready: 'dialog form', once: true, small: true },
  {
    name: 'console-token-ready',
    path: '/console/agents?host=sh6',
    mock: operator,
    act: (page) => page.locator('dialog button[type=submit]').click(),
    ready: 'dialog pre', once: true, small: true,
  },
  { name: 'console-maintenance', path: '/console/maintenance', mock: operator, ready: '.cards', once: true },
  {
    name: 'console-maintenance-plan',
    path: '/console/maintenance',
    mock: operator,
    act: async (page) => {
      await page.locator('.actions .primary').click();
      await page.locator('.hosts input').first().check();
    },
    ready: 'dialog form', once: true, small: true,
  },
  { name: 'console-live', path: '/console/ports', mock: operator, ready: '.map .badge' },
  {
    name: 'console-live-line',
    path: '/console/ports?verdict=fails',
    mock: operator,
    act: async (page) => {
      await page.locator('.bundle.bad').first().click({ force: true });
      await page.locator('section summary').first().click();
    },
    ready: 'details[open] ol .mark',
  },
  { name: 'console-live-matrix', path: '/console/ports?view=matrix', mock: { role: 'auditor' }, ready: '[role=region] td button' },
  {
    name: 'console-live-cell',
    path: '/console/ports?view=matrix&from=sh07&to=dc02&verdict=wrong-service',
    mock: operator,
    act: (page) => page.locator('section summary').first().click(),
    ready: 'details[open] ol li', once: true,
  },
  {
    name: 'console-live-now',
    path: '/console/ports?view=matrix',
    mock: operator,
    act: (page) => page.locator('.headline .button').click(),
    ready: 'progress', once: true, small: true,
  },
  { name: 'console-live-well', path: '/console/ports', mock: { ...operator, world_kind: 'well' }, ready: '.map .badge', once: true },
  { name: 'console-live-never', path: '/console/ports', mock: { ...operator, checks: 'never' }, ready: '.map .badge', once: true, small: true },
  { name: 'console-live-nothing', path: '/console/ports?q=qqq', mock: operator, ready: '.empty', once: true, small: true },
  { name: 'console-live-error', path: '/console/ports', mock: { ...operator, checks: 'error' }, ready: '.notice', once: true, small: true },
  { name: 'console-explain', path: '/console/ports?explain=sh03+files+445+tcp', mock: operator, ready: 'dialog ol .mark' },
  { name: 'console-explain-works', path: '/console/ports?explain=sg01+cb01+20002+tcp', mock: { role: 'auditor' }, ready: 'dialog .notice.good', once: true, small: true },
  { name: 'console-explain-never', path: '/console/ports?explain=sg01+cb01+20002+tcp', mock: { ...operator, checks: 'never' }, ready: 'dialog .empty', once: true, small: true },
  { name: 'console-explain-not-planned', path: '/console/ports?explain=sh03+files+22+tcp', mock: operator, ready: 'dialog .notice.warn', once: true, small: true },
  { name: 'console-explain-error', path: '/console/ports?explain=sh03+files+445+tcp', mock: { ...operator, explain: 'error' }, ready: 'dialog .notice.danger', once: true, small: true },
  { name: 'console-explain-loading', path: '/console/ports?explain=sh03+files+445+tcp', mock: { ...operator, explain: 'slow' }, ready: 'dialog .ghost', once: true, small: true },
  {
    name: 'console-ports',
    path: '/console/ports?tab=map',
    mock: operator,
    act: (page) => page.locator('.bundle.display').first().click({ force: true }),
    ready: 'details[open]',
  },
  {
    name: 'console-ports-host',
    path: '/console/ports?tab=map&role=windows.dc',
    mock: operator,
    act: (page) => page.getByRole('button', { name: /^dc01/ }).click(),
    ready: 'section dl', once: true,
  },
  { name: 'console-ports-nothing', path: '/console/ports?tab=map&q=qqq', mock: operator, ready: '.empty', once: true, small: true },
  { name: 'console-ports-empty', path: '/console/ports', mock: { ...operator, world_kind: 'empty' }, ready: '.empty', once: true, small: true },
  { name: 'console-ports-error', path: '/console/ports', mock: { ...operator, console: 'error' }, ready: '.notice', once: true, small: true },
  { name: 'console-ports-loading', path: '/console/ports', mock: { ...operator, console: 'slow' }, ready: '.ghost', once: true, small: true },
  { name: 'console-ports-plan', path: '/console/ports?tab=plan', mock: { role: 'auditor' }, ready: '[role=row][data-at]', once: true },
  { name: 'console-ports-catalogue', path: '/console/ports?tab=catalogue', mock: operator, ready: '[role=row][data-at]', once: true },
  {
    name: 'console-ports-flow',
    path: '/console/ports?tab=catalogue&q=636',
    mock: operator,
    act: (page) => page.locator('[role=row][data-at]').first().click(),
    ready: 'dialog q', once: true, small: true,
  },
  { name: 'console-ports-rules', path: '/console/ports?tab=rules&host=cb01', mock: operator, ready: '.preview pre', once: true },
  { name: 'console-ports-unsayable', path: '/console/ports?tab=rules&format=kubernetes', mock: operator, ready: '.notice', once: true, small: true },
  { name: 'console-audit', path: '/console/audit', mock: operator, ready: 'table', once: true },
  {
    name: 'console-shortcuts',
    path: '/console/hosts',
    mock: operator,
    act: async (page) => {
      await heading(page);
      await page.keyboard.press('?');
    },
    ready: 'dialog[open]',
    once: true, small: true,
  },
];
