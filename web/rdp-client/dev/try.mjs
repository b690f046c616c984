// Runs the built client against a Portico, without a browser, and prints what it says.
//
//   node web/rdp-client/dev/try.mjs [--record FILE] [--png FILE] [--seconds N] [--frames N] [--sound] [--bytes N]
//        [--h264] [--user U] [--resource ID] [--width N] [--height N] [--do JS]
//
// PORTICO_URL and PORTICO_PASSWORD say where. --record keeps what the gateway sent, as the tests
// of web/rdp-client/core replay it: a line of JSON with the settings, then the bytes.
// With --h264 the host may send video, of which each picture is grey here: it is not decoded.
// --bytes cuts the recording, --frames ends after so many pictures.
// --do is run with the client once the desktop is open, such as "c.text('ls\\n')".
import { createRequire } from 'node:module';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { deflateSync } from 'node:zlib';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const option = (name, otherwise) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : process.argv[at + 1];
};

process.env.PORTICO_URL ??= 'https://127.0.0.1:8443';
const { signInByApi } = await import(here('../../e2e/api.mjs'));
const dist = option('dist', here('../dist'));
const { initSync, RdpClient, lastPanic } = await import(pathToFileURL(`${dist}/rdp_client.js`).href);
const memory = initSync({ module: readFileSync(`${dist}/rdp_client_bg.wasm`) }).memory;
const WebSocket = createRequire(here('../../package.json'))('ws');

const person = await signInByApi(option('user', 'demo'), process.env.PORTICO_PASSWORD ?? 'portico-demo');
const wanted = option('resource', '');
const workspace = (await person.call('GET', '/workspace')).json;
const resource = workspace.resources.find((one) => (wanted ? one.id === wanted : one.kind === 'desktop'));
if (!resource) throw new Error(`no such resource; there are ${workspace.resources.map((one) => one.id).join(' ')}`);
const launch = (await person.call('POST', '/launches', { resource: resource.id })).json;
if (!launch.ticket) throw new Error(JSON.stringify(launch));

const settings = {
  ticket: launch.ticket,
  width: Number(option('width', 1024)),
  height: Number(option('height', 768)),
  scalePercent: 100,
  keyboardLayout: 0x407,
  timeZone: { name: 'W. Europe Standard Time', biasMin: -60 },
  clientName: 'try',
  sound: process.argv.includes('--sound'),
  clipboard: !process.argv.includes('--no-clipboard'),
  h264: process.argv.includes('--h264'),
};
const c = new RdpClient(JSON.stringify(settings));
const record = [];
// In the order in which the host is asked for them: it differs from build to build.
let channels = [];
let open = false;
const begin = performance.now();
const url = new URL(launch.gateway.path, process.env.PORTICO_URL);
url.protocol = 'wss:';
const socket = new WebSocket(url, {
  rejectUnauthorized: false,
  origin: process.env.PORTICO_URL,
  headers: { cookie: `${person.cookie.name}=${person.cookie.value}` },
});
socket.binaryType = 'arraybuffer';

/** Answers each picture of video, so that the host sends the next. */
function answerVideo() {
  for (let job = c.videoJob(); job; job = c.videoJob()) {
    const { type, id, codec, key } = JSON.parse(job);
    if (type !== 'decode') continue;
    if (codec) console.log(`video ${codec}, key ${key}, ${c.videoBytes().length} bytes`);
    const [width, height] = [c.width(), c.height()];
    const planes = new Uint8Array(width * height + 2 * Math.ceil(width / 2) * Math.ceil(height / 2)).fill(128);
    c.videoPicture(id, width, height, false, planes);
  }
}

function pump() {
  answerVideo();
  const bytes = c.output();
  if (bytes.length && socket.readyState === 1) socket.send(bytes);
  const text = Buffer.from(bytes).toString('latin1');
  if (channels.length === 0 && text.includes('Duca')) {
    channels = ['drdynvc', 'rdpsnd', 'cliprdr'].filter((name) => text.includes(name));
    channels.sort((one, other) => text.indexOf(one) - text.indexOf(other));
  }
  const events = c.events();
  for (const event of events ? JSON.parse(events) : []) {
    console.log(`${Math.round(performance.now() - begin)} ms`, JSON.stringify(event));
    if (event.type === 'progress' && event.step === 'open') open = true;
    if (event.type === 'end') finish();
    globalThis.onEvent?.(event, c);
  }
}
socket.on('open', pump);
socket.on('message', (data) => {
  if (option('record')) record.push(Buffer.from(data));
  c.tick(performance.now());
  try {
    c.feed(new Uint8Array(data));
  } catch (error) {
    console.log('threw', error, lastPanic());
    process.exit(1);
  }
  pump();
  if (option('frames') && JSON.parse(c.stats()).framesReceived >= Number(option('frames'))) finish();
});
socket.on('close', (code, reason) => console.log('closed', code, String(reason)));
socket.on('error', (error) => console.log('error', error.message));
const timer = setInterval(() => {
  c.tick(performance.now());
  pump();
}, 200);
setTimeout(async () => {
  if (open && option('do')) {
    await new Function('c', 'pump', `return (async () => { ${option('do')} })()`)(c, pump);
    pump();
  }
}, 2500);
setTimeout(finish, 1000 * Number(option('seconds', 6)));

let finished = false;
function finish() {
  if (finished) return;
  finished = true;
  clearInterval(timer);
  console.log(c.stats());
  const sound = c.sound();
  if (sound.length) console.log('sound', sound.length, 'bytes, peak', peak(sound));
  console.log('damage', c.damage().length / 4, 'rectangles');
  if (option('png') && c.width() > 0) {
    const pixels = new Uint8Array(memory.buffer, c.framePointer(), c.width() * c.height() * 4);
    let transparent = 0;
    for (let at = 3; at < pixels.length; at += 4) if (pixels[at] !== 255) transparent += 1;
    console.log('pixels that are not opaque:', transparent);
    writeFileSync(option('png'), png(c.width(), c.height(), pixels));
  }
  if (option('record')) {
    const head = { ...settings, ticket: 'recorded', channels };
    const bytes = Buffer.concat(record).subarray(0, Number(option('bytes', Infinity)));
    writeFileSync(option('record'), Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), bytes]));
  }
  c.shutdown();
  pump();
  setTimeout(() => process.exit(0), 200);
}

function peak(bytes) {
  const samples = new Int16Array(bytes.buffer, bytes.byteOffset, bytes.length >> 1);
  return samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
}

function png(width, height, rgba) {
  const rows = Buffer.alloc((width * 4 + 1) * height);
  for (let y = 0; y < height; y += 1) {
    Buffer.from(rgba.buffer, rgba.byteOffset + y * width * 4, width * 4).copy(rows, y * (width * 4 + 1) + 1);
  }
  const table = Uint32Array.from({ length: 256 }, (_, n) => {
    let sum = n;
    for (let bit = 0; bit < 8; bit += 1) sum = sum & 1 ? 0xedb88320 ^ (sum >>> 1) : sum >>> 1;
    return sum >>> 0;
  });
  const chunk = (type, body) => {
    const data = Buffer.concat([Buffer.from(type), body]);
    let sum = 0xffffffff;
    for (const byte of data) sum = table[(sum ^ byte) & 0xff] ^ (sum >>> 8);
    const out = Buffer.alloc(data.length + 8);
    out.writeUInt32BE(body.length, 0);
    data.copy(out, 4);
    out.writeUInt32BE((sum ^ 0xffffffff) >>> 0, data.length + 4);
    return out;
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 6, 0, 0, 0], 8);
  return Buffer.concat([
    Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]),
    chunk('IHDR', head),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}
