// What takes longer than `make test` allows: sixty people who launch at the same instant, on two real
// hosts that let a few sign in at once. Run by scripts/test-long through scripts/end-to-end, with a
// lab that has LAB_CROWD people more.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { signInByApi } from './api.mjs';
import { eventually, launchChromium, lit, newContext, readPixels, shoot, waitForDesktop } from './lib.mjs';
import { portico, residentKib } from './server.mjs';

const baseURL = process.env.PORTICO_URL;
const CROWD = Number(process.env.LAB_CROWD ?? 0);
const PASSWORD = 'portico-demo';
const HOSTS = ['sh1', 'sh2'];
/** One program without anything that moves: sixty animations would measure the animation. */
const RESOURCE = 'editor';
/** More than half of the crowd on each host, so that an uneven placement could happen and be seen. */
const SESSIONS_MAX = 40;
/** Sign-ins in progress on one host: what a pool has that says nothing about it. */
const SIGN_INS_MAX = 2;
/** Pages open at the same time; a browser with sixty of them would be the load. */
const PAGES = 6;
/** Sign-ins in the portal at the same time: not what is looked at here. */
const PORTAL_SIGN_INS = 4;
/** Longest wait of the unluckiest person for a place. */
const PLACE_MAX_MS = 600_000;
/** From "end all" until portal and hosts have nothing left. */
const EMPTY_MAX_MS = 60_000;

const lab = (...args) => execFileSync(process.env.PORTICO_LAB, args, { encoding: 'utf8' });
const json = (...args) => JSON.parse(portico(...args, '-o', 'json'));
const names = Array.from({ length: CROWD }, (_, at) => `crowd${String(at + 1).padStart(2, '0')}`);
const seconds = (ms) => (ms / 1000).toFixed(1);

/** Whose X servers run on that host: what is true there, whoever says what. */
function desktopsOn(host) {
  let lines;
  try {
    lines = lab('exec', host, '--', 'ps', '-C', 'Xorg', '-o', 'stat=,user=').split('\n');
  } catch {
    return []; // ps ends with 1 when there is none.
  }
  const found = lines.map((line) => line.trim().split(/\s+/)).filter(([stat, user]) => user && !stat.startsWith('Z'));
  return found.map(([, user]) => user).sort();
}

/** Memory of all processes of a host in MiB; what they share counts once. */
function memoryMib(host) {
  const rollups = lab('exec', host, '--', 'sh', '-c', 'cat /proc/[0-9]*/smaps_rollup 2>/dev/null; true');
  const kib = [...rollups.matchAll(/^Pss:\s+(\d+)/gm)].reduce((sum, [, one]) => sum + Number(one), 0);
  return Math.round(kib / 1024);
}

/** At most `most` at the same time; whoever comes first gets in first. */
function slots(most) {
  const waiting = [];
  let free = most;
  return async (act) => {
    if (free > 0) free -= 1;
    else await new Promise((resolve) => waiting.push(resolve));
    try {
      return await act();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    }
  };
}

/** The lab's estate with the crowd in it, and with `sessionsMax` on both hosts. */
function apply(sessionsMax) {
  const list = names.map((name) => `"${name}"`).join(', ');
  const users = names.map(
    (name) => `[[users]]\nid = "${name}"\ndisplay_name = "${name}"\npassword = "${PASSWORD}"\nrole = "user"\n`,
  );
  const estate = readFileSync(process.env.PORTICO_ESTATE, 'utf8')
    .replaceAll(/^sessions_max = \d+$/gm, `sessions_max = ${sessionsMax}`)
    // By load, the default, the noise of two busy hosts decides; by number it can be said what is right.
    .replace('id = "desktops"\n', `id = "desktops"\nplacement = "fewest-sessions"\nsign_ins_max = ${SIGN_INS_MAX}\n`)
    .concat(
      `\n[[groups]]\nid = "crowd"\nmembers = [${list}]\n`,
      `\n[[entitlements]]\nid = "crowd"\ngroups = ["crowd"]\nusers = []\nresources = ["${RESOURCE}"]\n\n`,
      users.join('\n'),
    );
  const file = join(process.env.PORTICO_WORK, 'crowd.toml');
  writeFileSync(file, estate);
  portico('apply', '-f', file);
  for (const host of json('get', 'hosts').filter((one) => HOSTS.includes(one.id))) {
    assert.equal(host.sessions_max, sessionsMax, host.id);
  }
}

/** Asks for a place until there is one, when the answer says so: as the page of the viewer does. */
async function launch(person) {
  const begun = Date.now();
  for (let refusals = 0; ; refusals += 1) {
    const answer = await person.call('POST', '/launches', { resource: RESOURCE });
    if (answer.status === 201) return { ...answer.json, refusals, waitedMs: Date.now() - begun };
    const { code, retry_after_s: afterS } = answer.json?.error ?? {};
    assert.equal(answer.status, 409, `${person.user}: ${answer.text}`);
    assert.equal(code, 'launch-refused', `${person.user}: ${answer.text}`);
    assert.ok(afterS > 0, `${person.user} is refused for good: ${answer.text}`);
    assert.ok(Date.now() - begun < PLACE_MAX_MS, `${person.user} has no place after ${refusals} refusals: ${answer.text}`);
    await pause(afterS * 1000 * (1 + Math.random()));
  }
}

let browser;
let operator;

/** The crowd's sessions in the directory. */
async function running() {
  const { status, text, json: sessions } = await operator.call('GET', '/sessions');
  assert.equal(status, 200, text);
  return sessions.filter((session) => session.user.startsWith('crowd') && session.state !== 'ended');
}

/** Shows the session in the real viewer until its picture is there, then leaves it. */
async function look(person, picture) {
  const context = await newContext(browser, { baseURL, readable: false });
  const lost = [];
  try {
    await context.addCookies([person.cookie]);
    const page = await context.newPage();
    page.setDefaultTimeout(120_000);
    page.on('requestfailed', (request) => lost.push(`${request.method()} ${request.url()}: ${request.failure()?.errorText}`));
    const begun = Date.now();
    await page.goto(`/launch/${RESOURCE}`);
    await waitForDesktop(page, 120_000);
    await page.locator('.launching').waitFor({ state: 'detached' });
    // The editor is bright and fills the screen; what is behind it is not.
    await eventually(`the editor of ${person.user}`, async () => lit(await readPixels(page), 200) > 0.7, { every: 300 });
    const tookMs = Date.now() - begun;
    if (picture) await shoot(page, picture);
    return tookMs;
  } catch (error) {
    throw new Error(`${person.user}: ${error.message}\nrequests that the browser lost: ${lost.join('; ') || 'none'}`);
  } finally {
    await context.close();
  }
}

/** How far apart the two hosts were at most, in the order in which the places were given. */
function widest(launches) {
  const count = Object.fromEntries(HOSTS.map((host) => [host, 0]));
  return Math.max(
    ...launches.map(({ host }) => {
      count[host] += 1;
      return Math.abs(count.sh1 - count.sh2);
    }),
  );
}

const people = [];
const placed = new Map();
const given = [];
const notes = [];
let residentFirst = 0;
let residentMax = 0;
let sampler;

before(async () => {
  assert.ok(CROWD >= 10, 'the lab needs a crowd: run scripts/test-long, or set LAB_CROWD for scripts/end-to-end');
  browser = await launchChromium(['--ignore-certificate-errors']);
  apply(SESSIONS_MAX);
  operator = await signInByApi('ben', PASSWORD);
  const portal = slots(PORTAL_SIGN_INS);
  people.push(...(await Promise.all(names.map((name) => portal(() => signInByApi(name, PASSWORD))))));
  for (const host of HOSTS) assert.deepEqual(desktopsOn(host), [], `${host} has desktops of an earlier run`);
  residentFirst = residentKib();
  sampler = setInterval(() => {
    residentMax = Math.max(residentMax, residentKib());
  }, 1_000);
});
after(async () => {
  clearInterval(sampler);
  await browser?.close();
  if (notes.length > 0) console.log(`largest resident memory of Portico ${residentMax} KiB, ${residentFirst} KiB before; ${notes.join('; ')}`);
});

describe(`${CROWD} people launch at the same instant`, () => {
  test('each gets a place and sees the program, and never do more sign in on a host than may', { timeout: 1_200_000 }, async () => {
    const begun = Date.now();
    const page = slots(PAGES);
    const looks = people.map(async (person) => {
      const launched = await launch(person);
      given.push(launched);
      placed.set(person.user, launched);
      assert.equal(launched.resumed, false, `${person.user} had nothing to come back to`);
      return page(() => look(person, person.user === names[0] ? 'crowd' : undefined));
    });
    let most = 0;
    const done = Promise.allSettled(looks);
    let going = true;
    const watch = (async () => {
      while (going) {
        const pending = (await running()).filter((one) => one.state === 'pending');
        for (const host of HOSTS) most = Math.max(most, pending.filter((one) => one.host === host).length);
        await pause(500);
      }
    })();
    try {
      const outcomes = await done;
      const failed = outcomes.filter((one) => one.status === 'rejected').map((one) => one.reason.message);
      assert.deepEqual(failed, [], `${failed.length} of ${CROWD} people did not see the program`);
      const sorted = outcomes.map((one) => one.value).sort((a, b) => a - b);
      const refusals = given.map((one) => one.refusals);
      notes.push(
        `${CROWD} people had their picture after ${seconds(Date.now() - begun)} s`,
        `the last place was given after ${seconds(Math.max(...given.map((one) => one.waitedMs)))} s`,
        `from a place to its picture ${seconds(sorted[Math.floor(sorted.length / 2)])} s in the middle, ${seconds(sorted.at(-1))} s at most`,
        `${refusals.reduce((sum, one) => sum + one, 0)} times somebody was told to try again, one person ${Math.max(...refusals)} times`,
        `${most} signed in on one host at once`,
        `the hosts were ${widest(given)} sessions apart at most`,
      );
    } finally {
      going = false;
      await watch;
    }
    assert.ok(most <= SIGN_INS_MAX, `${most} people signed in on one host at once`);
  });

  test('the directory has one session of each, within the limits, evenly, and the hosts say the same', { timeout: 120_000 }, async () => {
    const sessions = await running();
    assert.deepEqual(sessions.map((one) => one.user).sort(), names, 'one session of each');
    for (const session of sessions) {
      const launched = placed.get(session.user);
      assert.deepEqual([session.id, session.host], [launched.session, launched.host], session.user);
    }
    const [first, second] = HOSTS.map((host) => sessions.filter((one) => one.host === host).length);
    assert.ok(first <= SESSIONS_MAX && second <= SESSIONS_MAX, `${first} and ${second}, of ${SESSIONS_MAX} each`);
    assert.ok(Math.abs(first - second) <= 2, `${first} and ${second} sessions`);
    for (const host of HOSTS) {
      const known = sessions.filter((one) => one.host === host).map((one) => one.user);
      assert.deepEqual(desktopsOn(host), known.sort(), `what runs on ${host}`);
    }
    await eventually('the agents to have seen all', async () => (await running()).every((one) => one.on_host), { every: 500 });
    await eventually('all to be disconnected', async () => (await running()).every((one) => one.state === 'disconnected'), { every: 500 });
    notes.push(`the hosts then took ${HOSTS.map((host) => `${memoryMib(host)} MiB`).join(' and ')} for ${first} and ${second} sessions`);
  });

  test('who launches again comes back to the same session', { timeout: 180_000 }, async () => {
    const five = people.filter((_, at) => at % Math.floor(CROWD / 5) === 0).slice(0, 5);
    assert.equal(five.length, 5);
    const again = await Promise.all(five.map((person) => person.call('POST', '/launches', { resource: RESOURCE })));
    for (const [at, answer] of again.entries()) {
      const before = placed.get(five[at].user);
      assert.equal(answer.status, 201, answer.text);
      assert.deepEqual([answer.json.session, answer.json.host], [before.session, before.host], five[at].user);
      assert.equal(answer.json.resumed, true);
    }
    await look(five[0], 'crowd-resumed');
    assert.deepEqual((await running()).map((one) => one.id).sort(), given.map((one) => one.session).sort(), 'nobody has a second one');
  });

  test('hosts that are full refuse one more and say so; who has a session still comes back', { timeout: 120_000 }, async () => {
    apply(Math.ceil(CROWD / 2) - 1);
    try {
      const answer = await (await signInByApi('demo', PASSWORD)).call('POST', '/launches', { resource: RESOURCE });
      assert.equal(answer.status, 409, answer.text);
      for (const host of HOSTS) assert.match(answer.json.error.reason, new RegExp(`${host} is full`));
      const back = await people[1].call('POST', '/launches', { resource: RESOURCE });
      assert.equal(back.json?.session, placed.get(people[1].user).session, back.text);
    } finally {
      apply(SESSIONS_MAX);
    }
  });

  test('all end, and within a minute neither the directory nor the hosts have anything left', { timeout: 180_000 }, async () => {
    const begun = Date.now();
    const ended = await Promise.all(people.map((person) => person.call('DELETE', `/sessions/${placed.get(person.user).session}`)));
    for (const [at, answer] of ended.entries()) {
      assert.equal(answer.status, 200, `${people[at].user}: ${answer.text}`);
      assert.equal(answer.json.host_keeps_it, false, `${people[at].user}: ${answer.text}`);
    }
    await eventually(
      'both sides to be empty',
      async () => (await running()).length === 0 && HOSTS.every((host) => desktopsOn(host).length === 0),
      { timeout: EMPTY_MAX_MS, every: 500 },
    );
    notes.push(`all was empty ${seconds(Date.now() - begun)} s after the end`);
    await eventually('the hosts to be empty for the broker', () =>
      json('get', 'hosts').filter((one) => HOSTS.includes(one.id)).every((one) => one.sessions === 0 && one.unmanaged_sessions === 0));
  });
});
