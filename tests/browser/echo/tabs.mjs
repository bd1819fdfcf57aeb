// Pages, browsers and servers that go away. These checks run in Node, which has the tabs, and are given the bench.

import { join } from 'node:path';

import { Browser, within } from '../harness/browser.mjs';
import { Server, until } from '../harness/programs.mjs';
import { fail, same } from '../page/same.mjs';
import { Theme } from '../page/theme.mjs';

export const theme = new Theme('tabs');

const PAGE = '/echo/page/index.html';
const LOST = /^connection: connection lost without a closing handshake$/;
const GOING_AWAY = '03e9'; // 1001
const STEP_LIMIT = 20; // seconds

// Each of the many steps that a check is made of has this time.
function step(what, promise) {
  return within(STEP_LIMIT, promise, `${what}: not after ${STEP_LIMIT} s`);
}

// What runs in a page: a connection that has had an echo, and nothing more to do. Resolves with what it told.
function connectIn(tab, url) {
  return step('an echo', tab.call((to) => new Promise((resolve) => {
    const ws = new WebSocket(to);
    ws.onopen = () => ws.send('hello');
    ws.onmessage = ({ data }) => resolve(data);
    ws.onclose = ({ code }) => resolve(`"close" with ${code}`);
    window.ended = new Promise((tell) => ws.addEventListener('close', ({ code, reason, wasClean }) => tell({ code, reason, wasClean })));
  }), url));
}

// The same from a worker.
function connectInWorker(tab, url) {
  return step('an echo in a worker', tab.call((to) => new Promise((resolve) => {
    const source = `const ws = new WebSocket(${JSON.stringify(to)});
      ws.onopen = () => ws.send('hello');
      ws.onmessage = ({ data }) => postMessage(data);
      ws.onclose = ({ code }) => postMessage('"close" with ' + code);`;
    const worker = new Worker(URL.createObjectURL(new Blob([source], { type: 'text/javascript' })));
    worker.onmessage = ({ data }) => resolve(data);
    (window.workers ??= []).push(worker);
  }), url));
}

// The same from a frame. Chromium may fail, without a word, what scripts connect to while their frame is still being loaded.
function connectInFrame(tab, url) {
  return step('an echo in a frame', tab.call(async (to) => {
    const frame = document.createElement('iframe');
    frame.src = location.href;
    await new Promise((resolve) => {
      frame.onload = resolve;
      document.body.append(frame);
    });
    const ws = new frame.contentWindow.WebSocket(to);
    return new Promise((resolve) => {
      ws.onopen = () => ws.send('hello');
      ws.onmessage = ({ data }) => resolve(data);
      ws.onclose = ({ code }) => resolve(`"close" with ${code}`);
    });
  }, url));
}

const ENDS = [
  ['a page that goes to another', connectIn, (tab, origin) => tab.open(`${origin}${PAGE}?another`)],
  ['a page that goes to one of another origin', connectIn, (tab) => tab.page.goto('about:blank')],
  ['a page that is loaded again', connectIn, (tab) => tab.page.reload()],
  ['a tab that is closed', connectIn, (tab) => tab.page.close()],
  ['a frame that is removed', connectInFrame, (tab) => tab.call(() => document.querySelectorAll('iframe').forEach((frame) => frame.remove()))],
  ['a worker that is terminated', connectInWorker, (tab) => tab.call(() => window.workers.forEach((worker) => worker.terminate()))],
];

for (const [name, connect, end] of ENDS) {
  theme.check(`${name}: the server is told 1001, answers, and serves others`, async ({ window, relay, urls, origin }) => {
    const [tab, other] = [await window.tab(), await window.tab()];
    await Promise.all([tab.open(origin + PAGE), other.open(origin + PAGE)]);
    same(await connectIn(other, urls.server), 'hello', 'echo in another tab');
    same(await connect(tab, urls.relay), 'hello', 'echo through the relay');
    same(await connect(tab, urls.server), 'hello', 'echo without it');
    await step(name, end(tab, origin));
    await step('the end of the connection through the relay', relay.over());
    const [link] = relay.wire;
    for (const from of ['client', 'server']) {
      const [close, ...more] = link.frames.filter((frame) => frame.from === from).slice(1);
      same([close?.kind, close?.hex, more.length], ['close', GOING_AWAY, 0], `the ${from}'s frames behind the echo`);
    }
    same(await connectIn(other, urls.server), 'hello', 'echo in another tab, afterwards');
    await Promise.all([tab, other].map((one) => one.page.isClosed() || one.close()));
  });
}

// A server for one check, which may do to it what it likes. Gives the lines that it wrote.
async function withServer({ session }, name, run) {
  const server = await Server.start(name, [session.binary, '127.0.0.1:0'], session.folder);
  try {
    await run(server);
  } finally {
    await server.end();
  }
  return server.complaints;
}

theme.check('a page that goes amid 32 MiB both ways: the server lives on, and lets go', async (t) => {
  const tab = await t.window.tab();
  await tab.open(t.origin + PAGE);
  const complaints = await withServer(t, 'left', async (server) => {
    const first = await step('the first echo', tab.call((to) => new Promise((resolve) => {
      const ws = new WebSocket(`${to}/?nodeflate`);
      ws.binaryType = 'arraybuffer';
      ws.onopen = () => {
        for (let n = 0; n < 32; n++) ws.send(new Uint8Array(1 << 20));
      };
      ws.onmessage = ({ data }) => resolve(data.byteLength); // many more are on their way
      ws.onclose = ({ code }) => resolve(`"close" with ${code}`);
    }), server.url));
    same(first, 1 << 20, 'the first echo');
    await tab.open(`${t.origin}${PAGE}?another`);
    if (!await until(() => server.connections() === 0, STEP_LIMIT)) fail('the server does not let go of it');
    same(await connectIn(tab, server.url), 'hello', 'echo in the next page');
    same(server.ended, null, 'how the server ended');
  });
  // Whether it learnt of the end in good order or not.
  same(complaints.filter((line) => !line.startsWith('connection: ')), [], 'what the server wrote besides');
  if (complaints.length > 1) fail(`one line about one connection at most, came ${JSON.stringify(complaints)}`);
  await tab.close();
});

theme.check('a browser that is killed: the server complains in a line, and serves others', { logs: { server: [LOST] }, limit: 60 }, async ({ session, window, urls, origin }) => {
  const other = await window.tab();
  await other.open(origin + PAGE);
  const doomed = await Browser.launch(session.browser.command, session.browser.folder);
  try {
    const tab = await (await doomed.window(join(session.folder, 'console-killed'))).tab();
    await tab.open(origin + PAGE);
    same(await connectIn(tab, urls.server), 'hello', 'echo');
  } finally {
    await doomed.kill();
  }
  same(await connectIn(other, urls.server), 'hello', 'echo in another browser');
  await other.close();
});

// What Ctrl-C does to the servers, and what pages see of it.
const INTERRUPTED = {
  blocking: { end: { code: 1006, reason: '', wasClean: false }, ended: 'ended by SIGINT', complaints: [] },
  tokio: { end: { code: 1001, reason: '', wasClean: true }, ended: 'ended with status 0', complaints: ['going away; 0 clients did not answer'] },
};

theme.check('a server that is interrupted: pages see the end as it should be', async (t) => {
  const expected = INTERRUPTED[t.session.server] ?? fail(`nobody has said what ${t.session.server} should do`);
  const tabs = await Promise.all([1, 2, 3].map(() => t.window.tab()));
  const complaints = await withServer(t, 'interrupted', async (server) => {
    for (const tab of tabs) {
      await tab.open(t.origin + PAGE);
      same(await connectIn(tab, server.url), 'hello', 'echo');
    }
    same(server.connections(), 3, 'connections');
    await step('the end of the server', server.interrupt());
    for (const tab of tabs) same(await step('"close"', tab.call(() => window.ended)), expected.end, 'the end');
    same(server.ended, expected.ended, 'how the server ended');
  });
  same(complaints, expected.complaints, 'what the server wrote');
  await Promise.all(tabs.map((tab) => tab.close()));
});
