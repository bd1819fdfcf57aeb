// Programs that run while the checks do: started, awaited, listened to, and ended on every way out.

import { spawn } from 'node:child_process';
import { createWriteStream, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const START_LIMIT = 30; // seconds until a server must be ready
const QUIET_LIMIT = 5; // seconds until it must be as it was before a check
const LAST_WORDS = 0.3; // seconds that its last words may take
const END_LIMIT = 3; // seconds that a program has to end by itself

// The tests could not be run.
export class Trouble extends Error {}

// Waits until it is so, and tells whether it is.
export async function until(isSo, seconds) {
  const deadline = performance.now() + seconds * 1000;
  while (!isSo()) {
    if (performance.now() > deadline) return false;
    await pause(5);
  }
  return true;
}

// One of our servers. It begins with a line that says where it listens, and then writes what it complains of on its
// standard error, a line for each.
export class Server {
  complaints = []; // lines that nobody has taken yet
  url = null;
  ended = null; // how, when it has
  #process;
  #closed;

  // Files for what it prints are NAME.out and NAME.err.
  static async start(name, argv, folder) {
    const server = new Server();
    server.name = name;
    const [command, ...rest] = argv;
    const child = spawn(command, rest, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    server.#process = child;
    server.#closed = new Promise((resolve) => child.once('close', resolve));
    child.once('error', (error) => { server.ended ??= `cannot be run: ${error.message}`; });
    child.once('exit', (code, signal) => { server.ended ??= signal ? `ended by ${signal}` : `ended with status ${code}`; });
    let first = null;
    lines(child.stdout, join(folder, `${name}.out`), (line) => { first ??= line; });
    lines(child.stderr, join(folder, `${name}.err`), (line) => server.complaints.push(line));
    await until(() => first !== null || server.ended, START_LIMIT);
    const url = first?.match(/ (?:ws|http):\/\/(127\.0\.0\.1:\d+)\/?$/);
    if (!url) {
      await server.end();
      throw new Trouble(`the ${name} did not say where it listens: ${first ?? [server.ended, ...server.complaints].join('; ')}`);
    }
    server.url = `ws://${url[1]}`;
    return server;
  }

  // TCP connections that it has not let go of: its sockets, but for the one that listens, and those within the process.
  connections() {
    const folder = `/proc/${this.#process.pid}`;
    try {
      const links = readdirSync(`${folder}/fd`).map((fd) => linkOf(`${folder}/fd/${fd}`));
      const sockets = links.map((link) => link.match(/^socket:\[(\d+)\]$/)?.[1]).filter(Boolean);
      const local = new Set(readFileSync(`${folder}/net/unix`, 'utf8').split('\n').map((row) => row.split(/\s+/)[6]));
      return sockets.filter((inode) => !local.has(inode)).length - 1;
    } catch {
      return 0; // it has ended
    }
  }

  // Waits until nobody is connected, and it has complained as the patterns say, a line for each; tells what is wrong.
  async judge(patterns = []) {
    const released = await until(() => this.ended || this.connections() === 0, QUIET_LIMIT);
    await until(() => this.ended || this.complaints.length >= patterns.length, QUIET_LIMIT);
    const wrong = released ? [] : [`it has not let go of ${this.connections()} connections`];
    const missing = [...patterns];
    const besides = this.complaints.filter((line) => {
      const at = missing.findIndex((pattern) => pattern.test(line));
      if (at >= 0) missing.splice(at, 1);
      return at < 0;
    });
    this.complaints = besides;
    for (const pattern of missing) wrong.push(`it did not write ${pattern}`);
    return [...wrong, ...this.#misfortunes()];
  }

  // What there is to say of it when a check has failed anyhow. It may need a moment to say it.
  async explain() {
    await until(() => this.ended, LAST_WORDS);
    return this.#misfortunes();
  }

  #misfortunes() {
    const wrote = this.complaints.splice(0).map((line) => `it wrote ${JSON.stringify(line.slice(0, 300))}`);
    return this.ended ? [`it ${this.ended}`, ...wrote] : wrote;
  }

  // As Ctrl-C does; resolves when it has ended.
  async interrupt() {
    this.signal('SIGINT');
    await this.#closed;
  }

  signal(name) {
    if (this.ended) return;
    try {
      process.kill(-this.#process.pid, name);
    } catch (error) {
      if (error.code !== 'ESRCH') throw error;
    }
  }

  async end() {
    this.signal('SIGTERM');
    if (!await until(() => this.ended, END_LIMIT)) this.signal('SIGKILL');
    await this.#closed;
  }
}

function linkOf(path) {
  try {
    return readlinkSync(path);
  } catch {
    return ''; // closed since
  }
}

// Gives each line of a stream, and copies it to a file.
function lines(stream, path, take) {
  const file = createWriteStream(path, { flags: 'a' });
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (text) => {
    file.write(text);
    const whole = (rest + text).split('\n');
    rest = whole.pop();
    whole.forEach(take);
  });
  stream.on('end', () => {
    file.end();
    if (rest) take(rest);
  });
}
