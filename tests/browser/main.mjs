// Runs suites of checks in Chromium, as `run` tells it to (see README.md).
//
//     main.mjs JSON           `folder`, `chromium` (the command), `limit` (seconds), `wanted` (parts of names of checks), and
//                             `suites`: for each suite its servers, by name, each with the path of the program
//     main.mjs --list SUITE…  prints the names of their checks
//
// Exit status: 0 every check passed; 1 not so; 2 it could not be run; 130 interrupted.

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Browser, Late, within } from './harness/browser.mjs';
import { serveFiles } from './harness/files.mjs';
import { Trouble } from './harness/programs.mjs';
import { Session } from './harness/session.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const SHOWN = 5; // checks of a session that did not run

// A suite is a folder whose suite.mjs has `checks`, each with a name, and `play`, which runs those that a session wants.
async function load(name) {
  const { checks, play } = await import(`./${name}/suite.mjs`);
  return { name, checks: checks.map((check) => check.name), play };
}

// Runs it as far as it goes.
async function play(session, suite, limit) {
  const start = performance.now();
  try {
    await within(limit, suite.play(session), `not finished after ${limit} s`);
  } catch (error) {
    session.trouble = error instanceof Trouble || error instanceof Late ? error.message : error.stack;
    session.couldRun = !(error instanceof Trouble);
  }
  await session.end();
  session.seconds = (performance.now() - start) / 1000;
}

// Tells what to end on every way out by `onExit`.
async function test({ folder, chromium, limit, wanted, suites }, onExit) {
  for (const name of ['logs', 'profiles']) rmSync(join(folder, name), { recursive: true, force: true });
  mkdirSync(join(folder, 'logs'), { recursive: true });
  const files = await serveFiles(HERE);
  onExit(() => files.end());
  const browser = await Browser.launch(chromium, folder);
  onExit(() => browser.end());
  console.log(`${await browser.version()}, ${chromium}\n`);

  const sessions = [];
  for (const [name, servers] of Object.entries(suites)) {
    const suite = await load(name);
    const checks = suite.checks.filter((check) => !wanted.length || wanted.some((part) => check.includes(part)));
    if (!checks.length) continue;
    const side = Object.entries(servers).map(([server, binary]) => new Session({
      suite: name, server, binary, browser, origin: files.origin, checks, folder,
    }));
    sessions.push(...side);
    onExit(() => Promise.all(side.map((session) => session.end())));
    await Promise.all(side.map((session) => play(session, suite, limit)));
  }
  if (!sessions.length) throw new Trouble(`no check has a name with ${wanted.join(', or ')}`);
  return sessions;
}

// Prints it; gives the exit status.
function sumUp(sessions) {
  const rows = sessions.map((session) => [session.suite, session.server, String(session.checks.length), String(session.passed.length),
    `${session.seconds.toFixed(1)} s`, session.failures ? 'FAILED' : '']);
  const table = [['suite', 'server', 'checks', 'ok', 'time', ''], ...rows];
  const widths = table[0].map((_, n) => Math.max(...table.map((row) => row[n].length)));
  console.log();
  for (const row of table) {
    console.log(row.map((cell, n) => (n > 1 && n < 5 ? cell.padStart(widths[n]) : cell.padEnd(widths[n]))).join('  ').trimEnd());
  }
  for (const session of sessions.filter(({ failures }) => failures)) {
    const { missing } = session;
    for (const { name, why } of session.failed) console.log(`not ok ${session.name}: ${name}: ${why}`);
    if (missing.length) {
      const more = missing.length > SHOWN ? `; and ${missing.length - SHOWN} more` : '';
      console.log(`not ok ${session.name}: ${missing.length} did not run: ${missing.slice(0, SHOWN).join('; ')}${more}`);
    }
    if (session.trouble) console.log(`${session.name}: ${session.trouble}`);
    console.log(`    logs: ${session.folder}`);
  }
  const sum = (key) => sessions.reduce((total, session) => total + session[key], 0);
  const [passed, failed] = [sum('passedCount'), sum('failures')];
  console.log(`\nbrowser: ${passed} passed, ${failed} failed`);
  if (sessions.some(({ couldRun }) => !couldRun)) return 2;
  return failed ? 1 : 0;
}

async function main([first, ...rest]) {
  if (first === '--list') {
    for (const name of rest) for (const check of (await load(name)).checks) console.log(`${name}: ${check}`);
    return 0;
  }
  const ends = [];
  let ending = false;
  const onExit = (end) => {
    if (ending) throw new Error('it is too late to begin');
    ends.push(end);
  };
  const interrupted = new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => resolve(null));
  });
  try {
    const sessions = await Promise.race([test(JSON.parse(first), onExit), interrupted]);
    if (sessions) return sumUp(sessions);
    console.error('browser: interrupted');
    return 130;
  } catch (error) {
    console.log(`browser: ${error instanceof Trouble ? error.message : error.stack}\n\nbrowser: 0 passed, 1 failed`); // not run is not passed
    return 2;
  } finally {
    ending = true;
    for (const end of ends.reverse()) await end().catch((error) => console.error(`browser: ${error.message}`));
  }
}

process.exit(await main(process.argv.slice(2)));
