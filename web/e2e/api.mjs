// The HTTP API as a browser uses it, without the browser: one signed-in person.
import { Agent, request } from 'node:https';

const CALL_TIMEOUT_MS = 60_000;
// Connections stay open as those of browsers do. The certificate is one that Portico made for itself.
const agent = new Agent({ keepAlive: true, maxSockets: 100, rejectUnauthorized: false });

/** One call: `{ status, headers, text }`, whatever the answer is. */
function send(method, path, headers, body) {
  const url = new URL(path, process.env.PORTICO_URL);
  return new Promise((resolve, reject) => {
    const call = request(url, { method, headers, agent, family: 4, timeout: CALL_TIMEOUT_MS }, (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('error', reject);
      answer.on('end', () => {
        resolve({ status: answer.statusCode, headers: answer.headers, text: Buffer.concat(parts).toString('utf8') });
      });
    });
    call.on('timeout', () => call.destroy(new Error(`${method} ${path}: no answer within ${CALL_TIMEOUT_MS} ms`)));
    call.on('error', (error) => {
      // The server may close a connection that was idle just as it is used again: a browser, too,
      // then asks on a new one.
      if (call.reusedSocket && error.code === 'ECONNRESET') send(method, path, headers, body).then(resolve, reject);
      else reject(error);
    });
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/**
 * Signs in as a browser does. `call(method, path, body)` answers `{ status, text, json }` and never
 * fails for a status; `cookie` is what a browser context takes to be signed in as well.
 */
export async function signInByApi(user, password) {
  const json = { 'content-type': 'application/json' };
  const answer = await send('POST', '/api/v1/sign-in', json, { user, password });
  if (answer.status !== 200) throw new Error(`${user} cannot sign in: ${answer.status} ${answer.text}`);
  const [name, value] = answer.headers['set-cookie'][0].split(';')[0].split(/=(.*)/s);
  const headers = { ...json, cookie: `${name}=${value}`, 'x-portico-csrf': JSON.parse(answer.text).csrf_token };
  return {
    user,
    csrf: headers['x-portico-csrf'],
    cookie: { name, value, url: new URL('/', process.env.PORTICO_URL).href, secure: true, httpOnly: true },
    async call(method, path, body) {
      const { status, text, headers: said } = await send(method, `/api/v1${path}`, headers, body);
      const isJson = (said['content-type'] ?? '').startsWith('application/json');
      return { status, text, json: isJson && text !== '' ? JSON.parse(text) : undefined };
    },
  };
}
