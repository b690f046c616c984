// Starts, kills and stops the Portico under test. Used by scripts/end-to-end on the command line
// (start, stop) and by tests that need to see it die.
import { spawn, execFileSync } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

const { PORTICO_BIN, PORTICO_SETTINGS, PORTICO_WORK } = process.env;
const pidFile = () => join(PORTICO_WORK, "portico.pid");

/** Runs a command of `portico` and returns what it printed. */
export function portico(...args) {
  return execFileSync(PORTICO_BIN, ["--settings", PORTICO_SETTINGS, ...args], { encoding: "utf8" });
}

/** Process id of the running server. */
export function pid() {
  return Number(readFileSync(pidFile(), "utf8"));
}

/** Resident memory in KiB of the server or of one of its children, its engines: whichever has most. */
export function residentKib() {
  const server = pid();
  const family = readdirSync("/proc").filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    if (Number(name) === server) return true;
    try {
      // The parent is the second field behind the name, which may hold anything.
      return Number(readFileSync(`/proc/${name}/stat`, "utf8").split(") ").at(-1).split(" ")[1]) === server;
    } catch {
      return false;
    }
  });
  const resident = family.map((id) => {
    try {
      return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${id}/status`, "utf8"))?.[1] ?? 0);
    } catch {
      return 0;
    }
  });
  return Math.max(0, ...resident);
}

/** Starts the server and returns when it answers. */
export async function start() {
  const log = openSync(join(PORTICO_WORK, "portico.log"), "a");
  const child = spawn(PORTICO_BIN, ["--settings", PORTICO_SETTINGS, "serve"], {
    stdio: ["ignore", log, log],
    detached: true,
  });
  closeSync(log);
  child.unref();
  writeFileSync(pidFile(), String(child.pid));
  for (let left = 600; left > 0; left--) {
    if (child.exitCode !== null) break;
    try {
      execFileSync(PORTICO_BIN, ["--settings", PORTICO_SETTINGS, "status"], { stdio: "ignore" });
      return;
    } catch {
      await pause(100);
    }
  }
  const tail = readFileSync(join(PORTICO_WORK, "portico.log"), "utf8").split("\n").slice(-20).join("\n");
  throw new Error(`Portico did not start; the end of its log:\n${tail}`);
}

/** Sends a signal to the server and returns when the process is gone. */
export async function end(signal) {
  if (!existsSync(pidFile())) return;
  const id = pid();
  const alive = () => {
    try {
      process.kill(id, 0);
      // A killed child of ours that nobody waited for is a zombie, which answers signal 0.
      return !/^State:\s+Z/m.test(readFileSync(`/proc/${id}/status`, "utf8"));
    } catch {
      return false;
    }
  };
  if (alive()) process.kill(id, signal);
  for (let left = 200; left > 0 && alive(); left--) await pause(50);
  if (alive()) throw new Error(`process ${id} is still there after ${signal}`);
  // The sockets of a killed process close with its last thread, which may be later than its end.
  for (let left = 200; left > 0 && (await answers()); left--) await pause(50);
  rmSync(pidFile(), { force: true });
}

/** Whether something still listens at the address of the server. */
function answers() {
  const { hostname, port } = new URL(process.env.PORTICO_URL);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port), family: 4 });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
    socket.once("close", () => resolve(false));
  });
}

if (process.argv[1] === import.meta.filename) {
  const [, , verb] = process.argv;
  if (verb === "start") await start();
  else if (verb === "stop") await end("SIGTERM");
  else {
    console.error("usage: server.mjs start|stop");
    process.exit(2);
  }
}
