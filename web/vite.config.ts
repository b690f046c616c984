import { paraglideVitePlugin } from '@inlang/paraglide-js';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';
import { rdpClient } from './plugins/rdp-client.ts';

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
    rdpClient(mode),
  ],
  // Workers are bundled on their own, with these plugins only.
  worker: { format: 'es', plugins: () => [rdpClient(mode)] },
  build: {
    target: 'es2022',
    outDir: mode === 'mock' ? 'test-results/mock-dist' : 'dist',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    manifest: true,
  },
  server: {
    port: 4811,
    proxy: {
      '/api': { target: BEHIND, changeOrigin: true, secure: false },
      '/session': { target: BEHIND, changeOrigin: true, secure: false, ws: true },
    },
  },
}));
