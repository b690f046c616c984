import type { Plugin } from 'vite';

/** How the RDP package carries its WebAssembly module: as one data URL in a constant. */
const INLINED = /"data:application\/wasm;base64,([A-Za-z0-9+/=]+)"/;

/**
 * Moves the WebAssembly module out of the JavaScript of the RDP package into an asset of its own.
 *
 * Inlined, it costs a third more transfer, cannot be compiled while it streams in, shares its cache
 * entry with the script, and needs `connect-src data:` in the content security policy.
 */
export function splitWasm(): Plugin {
  return {
    name: 'portico:split-wasm',
    apply: 'build',
    transform: {
      filter: { id: /iron-remote-desktop-rdp\.js/ },
      handler(code) {
        const found = INLINED.exec(code);
        if (!found?.[1]) {
          this.error('the RDP package no longer inlines its wasm: look at plugins/split-wasm.ts');
        }
        const asset = this.emitFile({
          type: 'asset',
          name: 'rdp.wasm',
          source: Buffer.from(found[1], 'base64'),
        });
        // A function as replacement: the text of a string replacement gives `$` a meaning.
        return {
          code: code.replace(INLINED, () => `import.meta.ROLLUP_FILE_URL_${asset}`),
          map: null,
        };
      },
    },
  };
}
