// Pictures of every state for looking at: node e2e/shots.mjs FOLDER [state…]
// Without states, all of them at three widths; light and dark, both languages, spread over them.
import { fileURLToPath } from 'node:url';
import { startMock } from '../dev/mock.mjs';
import { launchChromium, newContext, shoot } from './lib.mjs';
import { STATES } from './states.mjs';

const [folder = 'test-results/shots', ...wanted] = process.argv.slice(2);
const dist = fileURLToPath(new URL('../test-results/mock-dist', import.meta.url));
const looks = [
  { width: 360, theme: 'light', locale: 'de-DE' },
  { width: 1280, theme: 'light', locale: 'en-GB' },
  { width: 1280, theme: 'dark', locale: 'de-DE' },
  { width: 2560, theme: 'dark', locale: 'en-GB' },
];

const mock = await startMock({ dist });
const browser = await launchChromium();
for (const state of STATES) {
  if (wanted.length > 0 && !wanted.includes(state.name)) continue;
  for (const look of looks) {
    const id = `${state.name}-${look.width}-${look.theme}`;
    mock.reset(id);
    mock.set(id, state.mock ?? {});
    const context = await newContext(browser, { ...look, baseURL: mock.url });
    await context.addCookies([{ name: 'mock', value: id, url: mock.url }]);
    const page = await context.newPage();
    try {
      await page.goto(state.path);
      if (state.act) await state.act(page, (code, reason) => mock.drop(id, code, reason), (order) => mock.say(id, order));
      await page.locator(state.ready).first().waitFor({ timeout: 15_000 });
      await page.waitForTimeout(150);
    } catch (error) {
      console.error(`${id}: ${error.message.split('\n')[0]}`);
    }
    await shoot(page, id, folder);
    await context.close();
  }
  console.log(state.name);
}
await browser.close();
await mock.close();
