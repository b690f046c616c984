// Drives Firefox through WebDriver BiDi, which stock builds speak: what a test of the pages needs, no more.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import WebSocket from 'ws';

/** Where Debian puts Firefox; another one can be named. */
export const FIREFOX = process.env.FIREFOX ?? '/usr/bin/firefox-esr';
const START_MS = 60_000;
const COMMAND_MS = 60_000;

/** Fails early, in words, when Firefox is missing. */
export function requireFirefox() {
  try {
    execFileSync(FIREFOX, ['--version'], { stdio: 'ignore' });
  } catch {
    throw new Error(`${FIREFOX} does not run: install Debian's firefox-esr, or name another one in FIREFOX`);
  }
}

/** A browser with one page; certificates that nobody signed are taken. */
export async function openFirefox({ width = 1280, height = 800, locale = 'en-GB' } = {}) {
  const profile = mkdtempSync(join(tmpdir(), 'portico-firefox-'));
  writeFileSync(join(profile, 'user.js'), [
    ['intl.accept_languages', locale],
    ['browser.shell.checkDefaultBrowser', false],
    ['datareporting.policy.dataSubmissionEnabled', false],
    ['app.update.enabled', false],
    ['network.captive-portal-service.enabled', false],
    ['network.connectivity-service.enabled', false],
  ].map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`).join(''));
  const port = await freePort();
  const child = spawn(FIREFOX, ['--headless', '--no-remote', '--profile', profile, '--width', String(width), '--height', String(height), `--remote-debugging-port=${port}`], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, MOZ_HEADLESS_WIDTH: String(width), MOZ_HEADLESS_HEIGHT: String(height) },
  });
  let said = '';
  child.stderr.on('data', (data) => (said = `${said}${data}`.slice(-4_000)));
  const end = async () => {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    if (child.exitCode === null) child.kill('SIGKILL');
    else return;
    await gone;
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const socket = await connect(`ws://127.0.0.1:${port}/session`, child, () => said);
    const bidi = new Bidi(socket);
    await bidi.send('session.new', { capabilities: { alwaysMatch: { acceptInsecureCerts: true } } });
    const { contexts } = await bidi.send('browsingContext.getTree', {});
    const page = new FirefoxPage(bidi, contexts[0].context);
    await bidi.send('browsingContext.setViewport', { context: page.context, viewport: { width, height } });
    return { page, close: end, version: execFileSync(FIREFOX, ['--version']).toString().trim() };
  } catch (error) {
    await end();
    throw error;
  }
}

class Bidi {
  #next = 1;
  #waiting = new Map();
  /** Errors of pages and of their console. */
  errors = [];

  constructor(socket) {
    this.socket = socket;
    socket.on('message', (data) => {
      const message = JSON.parse(String(data));
      if (message.type === 'event') {
        if (message.method === 'log.entryAdded' && message.params.level === 'error') this.errors.push(message.params.text);
        return;
      }
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (message.type === 'error') waiting?.reject(new Error(`${waiting.method}: ${message.error}: ${message.message}`));
      else waiting?.resolve(message.result);
    });
  }

  send(method, params) {
    const id = this.#next;
    this.#next += 1;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error(`${method} was not answered`));
      }, COMMAND_MS);
      const done = (act) => (value) => {
        clearTimeout(timer);
        act(value);
      };
      this.#waiting.set(id, { method, resolve: done(resolve), reject: done(reject) });
      this.socket.send(JSON.stringify({ id, method, params }));
    });
  }
}

export class FirefoxPage {
  constructor(bidi, context) {
    this.bidi = bidi;
    this.context = context;
  }

  get errors() {
    return this.bidi.errors;
  }

  async watchErrors() {
    await this.bidi.send('session.subscribe', { events: ['log.entryAdded'] });
  }

  async goto(url) {
    await this.bidi.send('browsingContext.navigate', { context: this.context, url, wait: 'interactive' });
  }

  /** Runs a function in the page; arguments and the result are JSON. */
  async evaluate(act, ...args) {
    const result = await this.bidi.send('script.callFunction', {
      functionDeclaration: `async (text) => JSON.stringify((await (${act})(...JSON.parse(text))) ?? null)`,
      arguments: [{ type: 'string', value: JSON.stringify(args) }],
      target: { context: this.context },
      awaitPromise: true,
      userActivation: true,
    });
    if (result.type === 'exception') throw new Error(result.exceptionDetails.text);
    return JSON.parse(result.result.value);
  }

  /** Presses the left button where an element is, or at a place in it. */
  async click(selector, at) {
    const place = await this.evaluate((wanted, offset) => {
      const box = document.querySelector(wanted)?.getBoundingClientRect();
      return box && { x: Math.round(box.left + (offset?.x ?? box.width / 2)), y: Math.round(box.top + (offset?.y ?? box.height / 2)) };
    }, selector, at);
    if (!place) throw new Error(`there is no ${selector}`);
    await this.#perform({ type: 'pointer', id: 'mouse', parameters: { pointerType: 'mouse' }, actions: [
      { type: 'pointerMove', ...place }, { type: 'pointerDown', button: 0 }, { type: 'pointerUp', button: 0 },
    ] });
  }

  /** Types characters; `\n` is Enter. */
  async type(text) {
    const actions = [...text].flatMap((character) => {
      const value = character === '\n' ? '\uE007' : character;
      return [{ type: 'keyDown', value }, { type: 'keyUp', value }];
    });
    await this.#perform({ type: 'key', id: 'keyboard', actions });
  }

  async screenshot(path) {
    const { data } = await this.bidi.send('browsingContext.captureScreenshot', { context: this.context });
    writeFileSync(path, Buffer.from(data, 'base64'));
  }

  async #perform(source) {
    await this.bidi.send('input.performActions', { context: this.context, actions: [source] });
  }
}

function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Firefox listens some time after it was started. */
async function connect(url, child, said) {
  const until = Date.now() + START_MS;
  for (;;) {
    const socket = new WebSocket(url);
    const opened = await new Promise((resolve) => {
      socket.once('open', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    if (opened) return socket;
    if (child.exitCode !== null || Date.now() > until) throw new Error(`Firefox did not start: ${said()}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
