// `npm run mock`: serves the mock build and the stand-in server until Ctrl-C.
import { fileURLToPath } from 'node:url';
import { startMock } from './mock.mjs';

const dist = fileURLToPath(new URL('../test-results/mock-dist', import.meta.url));
const mock = await startMock({ dist, port: Number(process.env.PORT ?? 4810) });
console.log(`Stand-in portal at ${mock.url}; sign in as demo with portico-demo`);
