// Chromium, and tabs in it.

import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import { Trouble } from './programs.mjs';

const TAB_LIMIT = 30; // seconds for what is done to a tab as a whole

export class Late extends Error {}

// Gives what the promise does, or fails with this message.
export async function within(seconds, promise, message) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Late(message)), seconds * 1000);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

export class Browser {
  #chromium;
  #profile;

  constructor(command, folder) {
    Object.assign(this, { command, folder });
  }

  // puppeteer-core is in folder/node, and the log comes to folder/logs. The profile is there for as long as it runs.
  static async launch(command, folder) {
    const puppeteer = createRequire(join(folder, 'node', '/'))('puppeteer-core');
    const browser = new Browser(command, folder);
    const profiles = join(folder, 'profiles');
    await mkdir(profiles, { recursive: true });
    browser.#profile = await mkdtemp(join(profiles, 'of-'));
    const options = {
      executablePath: command, headless: true, pipe: true, userDataDir: browser.#profile, timeout: TAB_LIMIT * 1000,
      protocolTimeout: 0, // we have limits of our own
      handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false,
      // /dev/shm is small in containers.
      args: ['--disable-component-update', '--disable-dev-shm-usage', '--no-proxy-server', ...(process.getuid() === 0 ? ['--no-sandbox'] : [])],
    };
    try {
      browser.#chromium = await puppeteer.launch(options);
    } catch (error) {
      await rm(browser.#profile, { recursive: true, force: true });
      throw new Trouble(`${command} does not start: ${error.message}`);
    }
    const log = createWriteStream(join(folder, 'logs', 'chromium.err'), { flags: 'a' });
    browser.#chromium.process().stderr.pipe(log);
    return browser;
  }

  version() {
    return this.#chromium.version();
  }

  // A window of its own, with nothing in common with others. What its pages print goes to the file.
  async window(path) {
    return new Window(await this.#chromium.createBrowserContext(), createWriteStream(path, { flags: 'a' }));
  }

  async end() {
    await within(TAB_LIMIT, this.#chromium.close(), 'Chromium does not end').catch(() => this.kill());
    await this.#removeProfile();
  }

  // Without a word.
  async kill() {
    const chromium = this.#chromium.process();
    const exited = new Promise((resolve) => chromium.once('exit', resolve));
    process.kill(-chromium.pid, 'SIGKILL'); // puppeteer gives it a process group of its own
    await exited;
    await this.#removeProfile();
  }

  async #removeProfile() {
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 10 });
  }
}

class Window {
  #context;
  #console;

  constructor(context, console) {
    this.#context = context;
    this.#console = console;
  }

  async tab() {
    const page = await within(TAB_LIMIT, this.#context.newPage(), 'Chromium opens no tab');
    return new Tab(page, this.#console);
  }

  async end() {
    await within(TAB_LIMIT, this.#context.close(), 'Chromium closes no window').catch(() => {});
    this.#console.end();
  }
}

// `page` is puppeteer's, for all that is not here.
export class Tab {
  errors = []; // exceptions that nobody caught, since the last open()
  complaints = []; // of the browser, about what the page did

  constructor(page, console) {
    this.page = page;
    page.on('pageerror', (error) => this.errors.push(error.message));
    page.on('console', (message) => {
      console.write(`${message.type()}: ${message.text()}\n`);
      if (message.type() === 'error') this.complaints.push(message.text());
    });
    page.on('error', (error) => console.write(`crashed: ${error.message}\n`));
  }

  // Goes there; the page before is gone then, and with it all of its connections.
  async open(url) {
    this.errors = [];
    const response = await within(TAB_LIMIT, this.page.goto(url, { waitUntil: 'load', timeout: 0 }), `${url} does not load`);
    if (response && !response.ok()) throw new Error(`${url}: HTTP status ${response.status()}`);
    if (this.errors.length) throw new Error(`${url}: ${this.errors[0]}`);
  }

  // Calls a function there, with arguments as in JSON.
  call(run, ...args) {
    return this.page.evaluate(run, ...args);
  }

  // Even if its page hangs.
  async close() {
    await within(TAB_LIMIT, this.page.close(), 'Chromium closes no tab').catch(() => {});
  }
}
