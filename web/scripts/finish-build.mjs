// After vite: takes the manifest out of what is served (the size check wants it, browsers do not),
// and puts a .br and a .gz beside every file that shrinks, for the server to hand out as they are.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');
const cache = join(root, 'node_modules/.cache/portico');
const COMPRESSIBLE = /\.(html|js|css|svg|wasm|json|webmanifest|txt)$/;

const compressors = {
  br: (data) =>
    promisify(brotliCompress)(data, {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: 11,
        [constants.BROTLI_PARAM_SIZE_HINT]: data.length,
      },
    }),
  gz: (data) => promisify(gzip)(data, { level: 9 }),
};

async function* files(folder) {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* files(path);
    else yield path;
  }
}

// The wasm module takes ten seconds at the best level, and rarely changes.
async function compressed(data, coding) {
  const hash = createHash('sha256').update(data).digest('hex');
  const kept = join(cache, `${hash}.${coding}`);
  if (!existsSync(kept)) {
    await mkdir(cache, { recursive: true });
    await writeFile(`${kept}.part`, await compressors[coding](data));
    await rename(`${kept}.part`, kept);
  }
  return kept;
}

await mkdir(cache, { recursive: true });
await copyFile(join(dist, '.vite/manifest.json'), join(cache, 'manifest.json'));
await rm(join(dist, '.vite'), { recursive: true });

for await (const path of files(dist)) {
  if (!COMPRESSIBLE.test(path)) continue;
  const data = await readFile(path);
  for (const coding of Object.keys(compressors)) {
    const kept = await compressed(data, coding);
    const packed = await readFile(kept);
    if (packed.length < data.length) await writeFile(`${path}.${coding}`, packed);
  }
}
