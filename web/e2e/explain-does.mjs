// What the explanation of a flow does, for operators and for who launches: registered by pages.test.mjs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually, shoot } from './lib.mjs';

const dialog = (page) => page.getByRole('dialog');
const focused = (page) => page.evaluate(() => document.activeElement?.textContent?.trim() ?? '');
const gone = (page) => dialog(page).waitFor({ state: 'detached' });

export function explainTests(open, mock) {
  test('a row is explained by keyboard: cause, what to do, who needs it, who saw what, and the command; Escape leads back', async () => {
    const { context, page, errors } = await open('explain-row', { role: 'auditor' });
    await page.goto('/console/ports?verdict=fails&to=files');
    const row = page.locator('section summary').filter({ hasText: 'sh03' });
    await row.focus();
    await page.keyboard.press('Enter');
    const button = page.getByRole('button', { name: 'Explain this flow' });
    await button.focus();
    await page.keyboard.press('Enter');
    await page.waitForURL('**/console/ports?verdict=fails&to=files&explain=sh03+files+445+tcp');
    const panel = page.getByRole('dialog', { name: 'sh03 to files, port 445/tcp' });
    await panel.getByRole('heading', { name: 'Most likely cause: a firewall drops it' }).waitFor();
    await panel.getByText('files answers sh03 on other ports, and nothing comes back from 445/tcp.').waitFor();
    await panel.getByText('Let sh03 through to files: portico ports rules --host files says how.').waitFor();
    await panel.getByRole('heading', { name: 'Also possible: the host is down, or there is no way to it' }).waitFor();
    assert.equal(await panel.locator('.cause .certainty').first().textContent(), 'Certainty: likely');
    assert.equal(await panel.getByRole('status').first().textContent(), 'Most likely cause: a firewall drops it', 'what a screen reader says');
    await panel.getByText(/^sh03 as \S+, of files as \S+$/).waitFor();
    const seen = panel.getByRole('region', { name: 'Seen from' }).locator('li');
    assert.match(await seen.first().innerText(), /no answer[^]*sh03 opens this flow[^]*\d+ min ago[^]*no answer within 3 s/);
    assert.match(await seen.last().innerText(), /proven/);
    await eventually('the history', async () => (await panel.getByRole('region', { name: 'History' }).locator('li').count()) === 4);
    await panel.getByText('portico explain flow --from sh03 --to files --port 445/tcp').waitFor();
    assert.equal(await panel.getByRole('button', { name: /^Check/ }).count(), 0, 'an auditor has nothing checked');
    for (let tabs = 0; tabs < 12; tabs += 1) await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement === document.body || document.activeElement?.closest('dialog') !== null), true, 'Tab stays inside');
    await page.keyboard.press('Escape');
    await gone(page);
    assert.equal(await focused(page), 'Explain this flow');
    await page.waitForURL('**/console/ports?verdict=fails&to=files');
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('a link to an explanation opens it, a link within leads on, and a bad one opens nothing', async () => {
    const { context, page, errors } = await open('explain-link', { role: 'auditor' });
    await page.goto('/console/ports?explain=sg01+cb02+20002+tcp');
    await dialog(page).getByRole('heading', { name: 'Cause: nothing listens there' }).waitFor();
    await dialog(page).getByRole('button', { name: 'Close' }).click();
    await gone(page);
    await eventually('the focus at the list', async () => (await focused(page)) === 'Flows');
    await page.goto('/console/ports?explain=+cb02+20002');
    await page.getByRole('dialog', { name: 'sg01 to cb02, port 20002' }).getByRole('heading', { name: 'Cause: nothing listens there' }).waitFor();
    await dialog(page).getByRole('link', { name: /^ras-/ }).click();
    await page.waitForURL('**/console/ports?tab=catalogue&q=ras-*');
    await gone(page);
    await page.goto('/console/ports?explain=sg01;reboot+cb02+20002');
    await page.locator('.headline').waitFor();
    assert.equal(await dialog(page).count(), 0);
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('a line of the map with one flow behind it is explained at once, and the worst of many by a button', async () => {
    const { context, page, errors } = await open('explain-line', { role: 'auditor' });
    await page.goto('/console/ports?from=sg01&to=cb02');
    const line = page.getByRole('button', { name: /^sg01 … sg02 to cb01 … cb02: 1 of 1 flows fail/ });
    await line.focus();
    await page.keyboard.press('Enter');
    await dialog(page).getByRole('heading', { name: 'Cause: nothing listens there' }).waitFor();
    await page.keyboard.press('Escape');
    await gone(page);
    assert.equal(await page.evaluate(() => document.activeElement?.classList.contains('bundle')), true, 'the focus is on the line');
    await page.goto('/console/ports?view=matrix&from=sh07&to=dc02');
    await page.getByRole('button', { name: 'Explain the worst' }).click();
    await dialog(page).getByRole('heading', { name: /^Cause: / }).waitFor();
    await page.keyboard.press('Escape');
    await gone(page);
    assert.equal(await focused(page), 'Explain the worst');
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('what cannot be explained is said: an error with a second try, no plan, never checked, and all well', async () => {
    const { context, page, errors } = await open('explain-states', { role: 'operator', explain: 'error' });
    await page.goto('/console/ports?explain=sh03+files+445+tcp');
    await dialog(page).locator('.notice').waitFor();
    mock().set('explain-states', { explain: 'ok' });
    await dialog(page).getByRole('button', { name: 'Try again' }).click();
    await dialog(page).getByRole('heading', { name: /^Most likely cause/ }).waitFor();
    await page.goto('/console/ports?explain=sh03+files+22+tcp');
    await dialog(page).getByText('Nothing that the two hosts do by their roles and features needs it.').waitFor();
    assert.equal(await dialog(page).getByRole('button', { name: /^Check/ }).count(), 0, 'there is nothing to check');
    await page.goto('/console/ports?explain=sg01+cb01+20002+tcp');
    await dialog(page).getByText('This flow works').last().waitFor();
    mock().set('explain-states', { checks: 'never' });
    await page.goto('/console/ports?explain=sg01+cb01+20002+tcp');
    await dialog(page).getByText('Nobody has checked this flow yet').last().waitFor();
    await dialog(page).getByText(/^Run `portico explain flow` on sg01/).waitFor();
    assert.equal(await dialog(page).getByRole('region', { name: 'History' }).count(), 0);
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('a check from the panel explains the flow anew, with what came in', async () => {
    const { context, page, errors } = await open('explain-now', { role: 'operator' });
    let asked = 0;
    page.on('request', (request) => (asked += request.url().includes('/ports/explain?') ? 1 : 0));
    await page.goto('/console/ports?explain=sh03+files+445+tcp');
    const seen = dialog(page).getByRole('region', { name: 'Seen from' }).locator('li').first();
    await seen.getByText(/min ago/).waitFor();
    assert.equal(asked, 1);
    await dialog(page).getByRole('button', { name: 'Check from sh03 now' }).click();
    await dialog(page).getByText(/^Checked anew: \d+$/).waitFor();
    await seen.getByText(/^\d+ s ago$/).waitFor({ timeout: 8_000 });
    assert.ok(asked > 1);
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('a launch that failed tells why the flow to its host does not work now, and leads to all of it', async () => {
    const { context, page, errors } = await open('explain-launch', { role: 'auditor' });
    await page.goto('/console/launches?outcome=bad');
    await page.locator('summary').filter({ hasText: 'acc2' }).first().click();
    const trouble = page.locator('details[open] .trouble');
    await trouble.getByText('Now, from sg01 over 20002–20003/tcp: nothing listens there (certain).', { exact: false }).or(trouble.getByText('Now, from sg01 over 20002/tcp: nothing listens there (certain).', { exact: false })).waitFor();
    await trouble.getByText('Start the service on acc2', { exact: false }).waitFor();
    await shoot(page, 'launch-cause');
    await trouble.getByRole('link', { name: 'Explain the flow' }).click();
    await page.waitForURL('**/console/ports?from=sg01&to=acc2&explain=sg01+acc2+20002+tcp');
    await page.getByRole('dialog', { name: 'sg01 to acc2, port 20002/tcp' }).getByRole('heading', { name: 'Cause: nothing listens there' }).waitFor();
    assert.deepEqual(errors, []);
    await context.close();
  });

  test('who launches is told the cause in words of their own: no host, no address, in both languages', async () => {
    const told = [
      ['nothing-listens', 'The service on the host does not run', 'Der Dienst auf dem Host läuft nicht'],
      ['name-unknown', 'The address of the host is not known', 'Die Adresse des Hosts ist nicht bekannt'],
      ['firewall-drops', 'The network does not let the connection through', 'Das Netz lässt die Verbindung nicht durch'],
      ['certificate-expired', 'The certificate of the host is not accepted', 'Das Zertifikat des Hosts wird nicht akzeptiert'],
      ['clock-skew', 'A clock is wrong', 'Eine Uhr geht falsch'],
    ];
    for (const [at, locale] of ['en-GB', 'de-DE'].entries()) {
      const { context, page, errors } = await open(`user-cause-${locale}`, {}, { locale });
      for (const [cause, ...titles] of told) {
        mock().set(`user-cause-${locale}`, { launch: 'cause', cause });
        await page.goto('/launch/desktop');
        await page.locator('.notice').getByText(titles[at]).waitFor();
        await page.locator('.notice').getByText(cause).waitFor();
        // So do the viewers, when the host that was chosen cannot be reached after all.
        mock().set(`user-cause-${locale}`, { launch: 'ok', desktop: 'refused' });
        for (const resource of ['desktop', 'terminal']) {
          await page.goto(`/launch/${resource}`);
          await page.locator('.notice').getByText(titles[at]).waitFor();
          assert.doesNotMatch(await page.locator('main').innerText(), /ss?h1|10061/);
        }
      }
      assert.deepEqual(errors, []);
      await context.close();
    }
  });
}
