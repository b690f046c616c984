import { fileURLToPath } from 'node:url';
import { paraglideVitePlugin } from '@inlang/paraglide-js';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';
import { splitWasm } from './plugins/split-wasm.ts';

/** The server that `npm run dev` hands the API to: a real one, or `npm run mock`. */
const BEHIND = process.env['PORTICO_DEV_API'] ?? 'http://127.0.0.1:4810';

export default defineConfig(({ mode }) => ({
  plugins: [
    paraglideVitePlugin({
      project: './project.inlang',
      outdir: './src/paraglide',
      strategy: ['localStorage', 'preferredLanguage', 'baseLocale'],
    }),
    svelte(),
    ...(mode === 'mock' ? [] : [splitWasm()]),
  ],
  resolve: {
    // `--mode mock` is for looking at pages and for the page tests: there the RDP backend is a
    // stand-in that paints a test picture. It is built into another folder and never shipped.
    alias:
      mode === 'mock'
        ? {
            '@devolutions/iron-remote-desktop-rdp': fileURLToPath(
              new URL('./dev/stand-in-rdp.ts', import.meta.url),
            ),
          }
        : {},
  },
  build: {
    target: 'es2022',
    outDir: mode === 'mock' ? 'test-results/mock-dist' : 'dist',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    manifest: true,
    // The RDP component alone is above the default limit; it is loaded lazily.
    chunkSizeWarningLimit: 700,
  },
  server: {
    port: 4811,
    proxy: {
      '/api': { target: BEHIND, changeOrigin: true, secure: false },
      '/session': { target: BEHIND, changeOrigin: true, secure: false, ws: true },
    },
  },
}));
