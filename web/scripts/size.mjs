// What a first visit of each page transfers, in brotli bytes, against its budget.
import { readdir, readFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');
const manifest = JSON.parse(
  await readFile(join(root, 'node_modules/.cache/portico/manifest.json'), 'utf8'),
);

const KB = 1000;
const BUDGETS = [
  // The first load of the webtop must stay under 150 kB; the target is 60.
  { name: 'webtop', entries: ['index.html'], max: 60 * KB },
  { name: 'terminal viewer', entries: ['src/viewer/View.svelte', 'src/viewer/terminal/Terminal.svelte'], max: 180 * KB },
  // With the worker, the RDP client and the audio worklet, which no chunk imports.
  { name: 'desktop viewer', entries: ['src/viewer/View.svelte', 'src/viewer/desktop/Desktop.svelte'], assets: /^(main|worklet)-.*\.js$|\.wasm$/, max: 650 * KB },
  // Every page of the console but Ports together; a visit of one loads less.
  { name: 'console', entries: ['src/console/Console.svelte', ...['Overview', 'Hosts', 'HostPage', 'Sessions', 'Launches', 'Agents', 'MaintenancePage', 'Audit'].map((page) => `src/console/${page}.svelte`)], max: 80 * KB },
  { name: 'ports page of the console', entries: ['src/console/Console.svelte', 'src/console/ports/Ports.svelte'], max: 60 * KB },
  { name: 'drawings of the console', entries: ['src/console/LoadChart.svelte'], max: 30 * KB },
];
/** A name of uPlot that stays in the build: only the console may load it. */
const UPLOT_MARK = 'u-legend';

function graph(entries) {
  const found = new Set();
  const visit = (key) => {
    const chunk = manifest[key];
    if (!chunk) throw new Error(`the build has no ${key}: adjust scripts/size.mjs`);
    if (found.has(chunk.file)) return;
    found.add(chunk.file);
    for (const css of chunk.css ?? []) found.add(css);
    for (const next of chunk.imports ?? []) visit(next);
  };
  entries.forEach(visit);
  return found;
}

async function transfer(file) {
  const path = join(dist, file);
  return (await readFile(existsSync(`${path}.br`) ? `${path}.br` : path)).length;
}

const first = new Set([...graph(['index.html']), 'index.html', 'theme.js', 'favicon.svg', 'manifest.webmanifest']);
let failed = false;
const assets = await readdir(join(dist, 'assets'));
for (const { name, entries, max, assets: more } of BUDGETS) {
  const files = name === 'webtop' ? first : new Set([...graph(entries)].filter((file) => !first.has(file)));
  for (const file of assets) if (more?.test(file)) files.add(`assets/${file}`);
  let total = 0;
  for (const file of files) total += await transfer(file);
  const verdict = total <= max ? 'ok' : 'TOO LARGE';
  failed ||= total > max;
  console.log(`${name.padEnd(30)} ${(total / KB).toFixed(1).padStart(7)} kB of ${(max / KB).toFixed(0).padStart(4)} kB  ${verdict}`);
}
for (const file of first) {
  if (!file.endsWith('.js') || !(await readFile(join(dist, file), 'utf8')).includes(UPLOT_MARK)) continue;
  console.log(`uPlot is in the first load: ${file}`);
  failed = true;
}
process.exitCode = failed ? 1 : 0;
