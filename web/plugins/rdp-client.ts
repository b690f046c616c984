import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vite';

const NAME = 'virtual:rdp-client';
const RESOLVED = `\0${NAME}`;

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const GLUE = path('../rdp-client/dist/rdp_client.js');
const WASM = path('../rdp-client/dist/rdp_client_bg.wasm');

/**
 * Gives the desktop viewer's worker its RDP client: the build of `web/rdp-client`, whose module is an
 * asset with a hash in its name, fetched and compiled while it streams in.
 *
 * `--mode mock` is for looking at pages and for the page tests: there the client is a stand-in that
 * paints a test picture. It is built into another folder and never shipped.
 */
export function rdpClient(mode: string): Plugin {
  return {
    name: 'portico:rdp-client',
    resolveId: (id) => (id === NAME ? RESOLVED : undefined),
    load(id) {
      if (id !== RESOLVED) return undefined;
      if (mode === 'mock') return `export { RdpClient, lastPanic, start } from ${JSON.stringify(path('../dev/stand-in-rdp.ts'))};`;
      for (const file of [GLUE, WASM]) {
        if (!existsSync(file)) this.error(`${file} is missing: run "cargo xtask rdp-client"`);
      }
      return `
        import init, { lastPanic, RdpClient } from ${JSON.stringify(GLUE)};
        import url from ${JSON.stringify(`${WASM}?url`)};
        export { lastPanic, RdpClient };
        export const start = () => init({ module_or_path: new URL(url, self.location.href) });
      `;
    },
  };
}
