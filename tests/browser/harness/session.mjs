// One suite of checks against one of our servers.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { within } from './browser.mjs';
import { Server } from './programs.mjs';

export class Session {
  passed = []; // names
  failed = []; // names, each with why
  seconds = 0;
  trouble = null; // why it came to no end
  couldRun = true;
  over = false; // nothing counts any more
  #servers = []; // that run

  // `binary` is the server; `origin` that of our files; `checks` the names of those to run.
  constructor({ suite, server, binary, browser, origin, checks, folder }) {
    Object.assign(this, { suite, server, binary, browser, origin, checks });
    this.name = `${suite}-${server}`;
    this.folder = join(folder, 'logs', this.name);
    mkdirSync(this.folder, { recursive: true });
  }

  // Starts the server; it ends with the session.
  async start(name, ...args) {
    const server = await Server.start(name, [this.binary, ...args], this.folder);
    this.#servers.push(server);
    if (this.over) {
      await this.endServers();
      throw new Error('the session is over');
    }
    return server;
  }

  async endServers() {
    await Promise.all(this.#servers.splice(0).map((server) => server.end()));
  }

  // Whatever still runs of it does not matter any more.
  async end() {
    this.over = true;
    await this.endServers();
  }

  window() {
    return this.browser.window(join(this.folder, 'console'));
  }

  // Does what a check is, and judges what the servers wrote meanwhile, by `logs` (see Theme). `run` gives what is wrong, or nothing, or throws; `limit` is in seconds. Tells whether the check passed.
  async try({ name, limit, logs = {} }, run) {
    const start = performance.now();
    let why;
    try {
      why = await within(limit, run(), `not finished after ${limit} s`);
    } catch (error) {
      why = error.message;
    }
    const judged = await Promise.all(this.#servers.map(async (server) => {
      const wrong = await (why ? server.explain() : server.judge(logs[server.name]));
      return wrong.length ? `the ${server.name}: ${wrong.join('; ')}` : null;
    }));
    if (this.over) return false;
    why = [why, ...judged].filter(Boolean).join(' | ').replace(/\s*\n\s*/g, ' ');
    if (why) this.failed.push({ name, why });
    else this.passed.push(name);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(why ? `not ok ${this.name}: ${name}: ${why}` : `ok ${this.name}: ${name} (${seconds} s)`);
    return !why;
  }

  get missing() {
    const done = new Set([...this.passed, ...this.failed.map(({ name }) => name)]);
    return this.checks.filter((name) => !done.has(name));
  }

  get passedCount() {
    return this.passed.length;
  }

  // Trouble without a bad check must show in the sum.
  get failures() {
    return this.failed.length + this.missing.length || (this.trouble || !this.passed.length ? 1 : 0);
  }
}
