import { defineConfig } from 'vitest/config';

// Without the plugins of the build: what is tested is plain TypeScript, and the messages are
// compiled by the npm script before.
export default defineConfig({
  test: { include: ['tests/**/*.test.ts'], environment: 'node' },
});
