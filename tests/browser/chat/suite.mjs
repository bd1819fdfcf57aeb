// The chat: its page in several tabs, against its server.

import { join } from 'node:path';

import { within } from '../harness/browser.mjs';
import { fail, isTrue, same } from '../page/same.mjs';
import { Theme, join as joined } from '../page/theme.mjs';

const STEP_LIMIT = 20; // seconds until a page must show something
const PHONE = { width: 360, height: 740 };
const DESKTOP = { width: 1280, height: 800 };

const theme = new Theme('chat');

export async function play(session) {
  for (const check of checks.filter(({ name }) => session.checks.includes(name))) {
    const server = await session.start('server', '--listen', '127.0.0.1:0');
    await session.try(check, async () => {
      const window = await session.window();
      try {
        await check.run(new Bench(session, server, window));
      } finally {
        await window.end();
      }
    });
    await session.endServers();
  }
}

// A server, and what is needed to open pages of it.
class Bench {
  constructor(session, server, window) {
    Object.assign(this, { session, server, window, folder: session.folder, origin: session.origin });
  }

  async open(path = '/', size = DESKTOP) {
    const tab = await this.window.tab();
    await tab.page.setViewport(size);
    await tab.page.emulateMediaFeatures([{ name: 'prefers-reduced-motion', value: 'reduce' }]);
    await tab.open(this.server.url.replace('ws:', 'http:') + path);
    return new Page(tab);
  }

  async join(name, path, size) {
    const page = await this.open(path, size);
    await page.join(name);
    await page.is('Connected');
    return page;
  }
}

// What a member sees, and does.
class Page {
  constructor(tab) {
    Object.assign(this, { tab, page: tab.page });
  }

  async join(name) {
    await this.page.$eval('#name', (input) => { input.value = ''; });
    await this.page.type('#name', name);
    await this.page.keyboard.press('Enter');
  }

  async say(text) {
    await this.page.type('#text', text);
    await this.page.keyboard.press('Enter');
  }

  // Waits until it is so: `probe` runs in the page, with arguments as in JSON.
  async until(what, probe, ...args) {
    const shown = this.page.waitForFunction(probe, { polling: 'mutation', timeout: 0 }, ...args);
    await within(STEP_LIMIT, shown, `${what}: not after ${STEP_LIMIT} s`).catch(async (error) => {
      shown.catch(() => {});
      const body = await this.tab.call(() => document.body.innerText);
      throw new Error(`${error.message}, but ${JSON.stringify(body.slice(0, 600))}`);
    });
  }

  is(words) {
    return this.until(`the state "${words}"`, (text) => document.getElementById('state').textContent.includes(text), words);
  }

  // Waits for a line of the conversation, whole, with T for times.
  shows(line) {
    return this.until(`the line "${line}"`, (wanted) => [...document.querySelectorAll('#log .line')].some(
      ({ textContent }) => textContent.replace(/\d{1,2}:\d\d:\d\d( [AP]M)?/g, 'T') === wanted,
    ), line);
  }

  lists(...names) {
    return this.until(`the list ${names}`, (wanted) => JSON.stringify(
      [...document.querySelectorAll('#users bdi')].map(({ textContent }) => textContent).sort(),
    ) === JSON.stringify(wanted), names.sort());
  }

  lines() {
    return this.tab.call(() => [...document.querySelectorAll('#log .line')].map(({ textContent }) => textContent));
  }

  text(selector) {
    return this.page.$eval(selector, ({ textContent }) => textContent);
  }

  // Nothing went wrong in it that its author would have to know of.
  fine() {
    same(this.tab.errors, [], 'exceptions that nobody caught');
  }
}

theme.check('who joins is listed, and told that it is connected', async (bench) => {
  const ana = await bench.join('Ana');
  await ana.shows('User Ana signed in at T');
  await ana.lists('Ana');
  same(await ana.text('#me'), 'Ana', 'the name');
  ana.fine();
});

theme.check('two pages hear each other, in order', async (bench) => {
  const ana = await bench.join('Ana');
  const ben = await bench.join('Ben');
  for (const page of [ana, ben]) await page.lists('Ana', 'Ben');
  await ana.shows('User Ben signed in at T');
  await ana.say('Hello!');
  await ben.shows('(T) Ana: Hello!');
  await ben.say('Hello yourself: äöü 你好');
  for (const page of [ana, ben]) {
    await page.shows('(T) Ben: Hello yourself: äöü 你好');
    const said = (await page.lines()).filter((line) => line.startsWith('('));
    same(said.map((line) => line.replace(/^\(.*?\) /, '')), ['Ana: Hello!', 'Ben: Hello yourself: äöü 你好'], 'the conversation');
    page.fine();
  }
});

theme.check('a name that is in use becomes another', async (bench) => {
  const first = await bench.join('Ana');
  const second = await bench.join('ana');
  await second.until('a notice', () => /^Your username has been set to .+ because the name you chose is in use\.$/.test(
    document.querySelector('#log .line')?.textContent,
  ));
  const name = await second.text('#me');
  isTrue(name.toLowerCase() !== 'ana', `"${name}" is another name`);
  await first.lists('Ana', name);
  await second.say('Who am I?');
  await first.shows(`(T) ${name}: Who am I?`);
});

theme.check('who leaves is off the list', async (bench) => {
  const ana = await bench.join('Ana');
  const ben = await bench.join('Ben');
  await ana.lists('Ana', 'Ben');
  await ben.tab.close();
  await ana.lists('Ana');
  await ana.say('Alone again.');
  await ana.shows('(T) Ana: Alone again.');
});

theme.check('text stays text', async (bench) => {
  const ana = await bench.join('<i>Ana</i>');
  const ben = await bench.join('Ben');
  const evil = '<b>bold</b><img src=x onerror="window.hurt=1"><script>window.hurt=1</script>&amp;';
  await ana.say(evil);
  await ben.shows(`(T) <i>Ana</i>: ${evil}`);
  for (const page of [ana, ben]) {
    const made = await page.tab.call(() => document.querySelectorAll('#log b, #log img, #log script, #log i, #users i').length + (window.hurt ?? 0));
    same(made, 0, 'elements made of text');
    page.fine();
  }
});

theme.check('lines of their own stay lines', async (bench) => {
  const ana = await bench.join('Ana');
  const ben = await bench.join('Ben');
  await ana.page.type('#text', 'one');
  await ana.page.keyboard.down('Shift');
  await ana.page.keyboard.press('Enter');
  await ana.page.keyboard.up('Shift');
  await ana.say('two');
  await ben.shows('(T) Ana: one\ntwo');
});

theme.check('round trip and bufferedAmount are shown', async (bench) => {
  const ana = await bench.join('Ana');
  await ana.say('Are you there?');
  await ana.shows('(T) Ana: Are you there?');
  await ana.until('a round trip', () => /^\d+(\.\d)? ms$/.test(document.getElementById('trip').textContent));
  await ana.until('nothing unsent', () => document.getElementById('buffered').textContent === '0 B');
});

theme.check('rooms hear nothing of each other', async (bench) => {
  const ana = await bench.join('Ana');
  const ben = await bench.join('Ben', '/room/tea');
  const eve = await bench.join('Eve', '/room/tea');
  await ben.lists('Ben', 'Eve');
  await ben.say('Only for tea.');
  await eve.shows('(T) Ben: Only for tea.');
  await ana.say('Only for the lobby.');
  await ana.shows('(T) Ana: Only for the lobby.');
  await ana.lists('Ana');
  isTrue(!(await ana.lines()).some((line) => line.includes('tea')), 'nothing of tea in the lobby');
});

theme.check('who says too much at once is told', async (bench) => {
  const ana = await bench.join('Ana');
  for (let n = 0; n < 16; n++) {
    await ana.tab.call((text) => {
      document.getElementById('text').value = text;
      document.getElementById('composer').requestSubmit();
    }, `message ${n}`);
  }
  await ana.until('a notice of the server', () => [...document.querySelectorAll('#log .note .line')].some(
    ({ textContent }) => /\) Server: /.test(textContent),
  ));
  await ana.shows('(T) Ana: message 0');
});

theme.check('a server that goes away is said, waited for and found again', async (bench) => {
  const { server, session } = bench;
  const ana = await bench.join('Ana');
  const listen = server.url.replace('ws://', '');
  await server.interrupt();
  await ana.is('Reconnecting in');
  await ana.page.type('#text', 'kept');
  await ana.page.keyboard.press('Enter');
  isTrue((await ana.text('#hint')).includes('nothing can be sent'), 'it says why nothing is sent');
  await session.endServers();
  await session.start('server-again', '--listen', listen);
  await ana.is('Connected');
  same(await ana.page.$eval('#text', ({ value }) => value), 'kept', 'what was written meanwhile');
  await ana.page.focus('#text');
  await ana.page.keyboard.press('Enter');
  await ana.shows('(T) Ana: kept');
  await ana.lists('Ana');
});

theme.check('a page of another origin is refused', async (bench) => {
  const tab = await bench.window.tab();
  await tab.open(`${bench.origin}/echo/page/index.html`);
  const told = await tab.call((url) => new Promise((resolve) => {
    const ws = new WebSocket(url, 'json');
    const events = [];
    for (const type of ['open', 'message', 'error', 'close']) {
      ws.addEventListener(type, ({ code }) => {
        events.push(code ? `${type} ${code}` : type);
        if (type === 'close') resolve(events);
      });
    }
  }), `${bench.server.url}/socket/lobby`);
  same(told, ['error', 'close 1006'], 'events');
});

theme.check('it can be used without a mouse, and by a screen reader', async (bench) => {
  const ana = await bench.open();
  same(await ana.tab.call(() => document.activeElement.id), 'name', 'what has the focus first');
  await ana.page.keyboard.type('Ana');
  await ana.page.keyboard.press('Enter');
  await ana.is('Connected');
  same(await ana.tab.call(() => document.activeElement.id), 'text', 'what has the focus then');
  await ana.page.keyboard.type('No mouse here.');
  await ana.page.keyboard.press('Enter');
  await ana.shows('(T) Ana: No mouse here.');
  const found = [];
  const visit = ({ role, name, children = [] }) => {
    found.push(`${role} ${name ?? ''}`);
    children.forEach(visit);
  };
  visit(await ana.page.accessibility.snapshot({ interestingOnly: false }));
  for (const wanted of ['textbox Message', 'button Send', 'log Messages', 'heading sockeye chat # lobby', 'complementary In this room']) {
    if (!found.includes(wanted)) fail(`there is no ${wanted} among ${found.filter((entry) => /^(textbox|button|log|heading|complementary|main|banner)/.test(entry)).join(', ')}`);
  }
  const nameless = found.filter((entry) => /^(button|textbox|link|image) $/.test(entry));
  same(nameless, [], 'controls without a name');
});

theme.check('it fits a phone, and a desktop', async (bench) => {
  const ana = await bench.join('Ana', '/', PHONE);
  const ben = await bench.join('Benedikt-Maximilian', '/', DESKTOP);
  await ana.say('Has anybody seen the salmon?');
  await ben.say(`They are late this year. ${'Donaudampfschifffahrtsgesellschaft'.repeat(4)}`);
  await ana.say('مرحبا بالجميع');
  await ben.shows('(T) Ana: مرحبا بالجميع');
  for (const [name, page, { width }] of [['phone', ana, PHONE], ['desktop', ben, DESKTOP]]) {
    const scroll = await page.tab.call(() => document.documentElement.scrollWidth);
    isTrue(scroll <= width, `${name}: ${scroll} pixels of width in ${width}`);
    await page.page.bringToFront(); // others are not drawn
    await page.page.screenshot({ path: join(bench.folder, `${name}.png`) });
  }
  const widthOfList = () => ana.tab.call(() => document.getElementById('users').getBoundingClientRect().width);
  await ana.page.bringToFront();
  same(await widthOfList(), 0, 'pixels of the list on the phone');
  await ana.page.click('#show-people');
  isTrue(await widthOfList() > 200, 'the list is there when it is asked for');
  await ana.page.keyboard.press('Escape');
  same(await widthOfList(), 0, 'pixels of the list, put away again');
});

export const checks = joined([theme]);
