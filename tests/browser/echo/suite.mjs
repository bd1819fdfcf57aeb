// A page's WebSocket against our echo servers.

import { connect, createServer } from 'node:net';

import { Relay } from '../harness/relay.mjs';
import { join } from '../page/theme.mjs';
import { themes } from './page/themes.mjs';
import { theme as tabs } from './tabs.mjs';

const PAGE = '/echo/page/index.html';
const ANYWHERE = '127.0.0.1:0';
const LIMITED = ['--max-message', String(1 << 20), '--deflate',
  'permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; client_max_window_bits=10'];
const SHOWN = 3; // complaints of the browser
const LATE = 5; // seconds that a page has beyond its limit, to say itself what it waits for

export const checks = join([...themes, tabs]);

export async function play(session) {
  const bench = await Bench.start(session);
  try {
    for (const check of checks.filter(({ name }) => session.checks.includes(name))) {
      const passed = await session.try({ ...check, limit: check.limit + LATE }, () => bench.run(check));
      if (!passed) await bench.renew();
    }
  } finally {
    await bench.end();
  }
}

// Two servers, a relay to the first, and a tab with the page.
class Bench {
  static async start(session) {
    const bench = new Bench();
    bench.session = session;
    [bench.nobody, bench.silent] = await Promise.all([holdPort(), swallow()]);
    bench.window = await session.window();
    await bench.#startServers();
    bench.relay = await Relay.start(bench.server.url);
    bench.tab = await bench.#openTab();
    return bench;
  }

  get origin() {
    return this.session.origin;
  }

  get urls() {
    return { server: this.server.url, relay: this.relay.url, limited: this.limited.url, nobody: this.nobody.url, silent: this.silent.url };
  }

  async #startServers() {
    [this.server, this.limited] = await Promise.all([
      this.session.start('server', ANYWHERE), this.session.start('limited', ANYWHERE, ...LIMITED),
    ]);
  }

  async #openTab() {
    const tab = await this.window.tab();
    await tab.page.exposeFunction('wireWhenOver', async () => {
      await this.relay.over();
      return this.relay.wire;
    });
    await tab.open(this.origin + PAGE);
    return tab;
  }

  // Gives what is wrong, or null.
  async run(check) {
    this.relay.forget();
    if (tabs.checks.includes(check)) return check.run(this);
    const context = { urls: this.urls, key: check.name };
    this.tab.complaints = [];
    const why = await this.tab.call((name, given) => window.runCheck(name, given), check.name, context);
    const [error] = this.tab.errors.splice(0);
    if (!why) return error ? `an exception that nobody caught: ${error}` : null;
    return [why, ...this.tab.complaints.slice(0, SHOWN)].join(' | the browser: ');
  }

  // After a check that failed nothing is left that may be in disorder.
  async renew() {
    await this.window.end();
    await this.session.endServers();
    await this.#startServers();
    this.relay.aim(this.server.url);
    this.window = await this.session.window();
    this.tab = await this.#openTab();
  }

  async end() {
    await this.window.end();
    await this.relay.end();
    this.nobody.end();
    this.silent.end();
  }
}

// A port where nobody listens, and nobody will: a connection has it.
async function holdPort() {
  const server = createServer();
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const socket = connect(server.address().port, '127.0.0.1');
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  return {
    url: `ws://127.0.0.1:${socket.localPort}`,
    end() {
      socket.destroy();
      server.close();
    },
  };
}

// A server that takes everything and says nothing.
async function swallow() {
  const server = createServer((socket) => socket.on('error', () => {}).resume());
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  return { url: `ws://127.0.0.1:${server.address().port}`, end: () => server.close() };
}
