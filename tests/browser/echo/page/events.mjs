// Events, handlers, and pings, of which there are none.

import { fail, hex, isTrue, same, throws } from '../../page/same.mjs';
import { Theme } from '../../page/theme.mjs';
import { frames, wireWhenOver } from './wire.mjs';

export const theme = new Theme('events');

const THE_LONGEST = `${'é'.repeat(62)}x`; // 125 bytes

for (const [name, payload] of [['a text', 'hello'], ['not ASCII', 'Grüße, 世界 🦦'], ['empty', ''], ['the longest', THE_LONGEST]]) {
  theme.check(`?ping=, ${name}: the page sees no ping, the server has its pong`, async (t) => {
    const ws = await t.open({ ping: payload }, { to: 'relay' });
    same(await ws.message(), `pong:${payload}`, 'what the server tells');
    await ws.echo('next');
    await ws.finish();
    const [link] = await wireWhenOver();
    same(frames(link, 'server', 'kind', 'hex', 'fin', 'rsv').filter(({ kind }) => kind === 'ping'),
      [{ kind: 'ping', hex: hex(payload), fin: true, rsv: 0 }], 'pings of the server');
    same(frames(link, 'client', 'kind', 'hex', 'masked').filter(({ kind }) => kind === 'pong'),
      [{ kind: 'pong', hex: hex(payload), masked: true }], 'pongs of the browser');
  });
}

theme.check('"open", "error" and "close": their types, and that they neither bubble nor can be cancelled', async (t) => {
  const seen = async (ws) => {
    const events = [];
    await new Promise((resolve) => {
      for (const type of ['open', 'error', 'close']) ws.addEventListener(type, (event) => events.push(event));
      ws.addEventListener('close', resolve);
    });
    return events.map(({ type, bubbles, cancelable, constructor: { name }, target }) => [type, name, bubbles, cancelable, target === ws]);
  };
  same(await seen(t.connect({ close: 1000 }).ws), [['open', 'Event', false, false, true], ['close', 'CloseEvent', false, false, true]], 'events');
  same(await seen(t.connect({ status: 403 }).ws), [['error', 'Event', false, false, true], ['close', 'CloseEvent', false, false, true]],
    'events of a failure');
});

theme.check('CloseEvent by itself', async () => {
  const { wasClean, code, reason } = new CloseEvent('close');
  same({ wasClean, code, reason }, { wasClean: false, code: 0, reason: '' }, 'a new one');
});

theme.check('handlers are called in the order in which they came; onmessage keeps its place when it is replaced', async (t) => {
  const connection = await t.open();
  const { ws } = connection;
  const calls = [];
  ws.onmessage = 5;
  same(ws.onmessage, null, 'onmessage after a number');
  ws.addEventListener('message', () => calls.push('first'));
  ws.onmessage = () => calls.push('never');
  ws.addEventListener('message', () => calls.push('third'));
  ws.onmessage = () => calls.push('second');
  await new Promise((resolve) => {
    ws.addEventListener('message', resolve);
    ws.send('x');
  });
  same(calls, ['first', 'second', 'third'], 'calls');
  same(await connection.message(), 'x', 'the echo');
});

theme.check('a handler that throws does not keep the others from being called', async (t) => {
  const connection = await t.open();
  const { ws } = connection;
  const reported = [];
  const report = (event) => {
    event.preventDefault();
    reported.push(event.error.message);
  };
  window.addEventListener('error', report);
  ws.onmessage = () => fail('on purpose');
  const called = await new Promise((resolve) => {
    ws.addEventListener('message', () => resolve(true));
    ws.send('x');
  });
  window.removeEventListener('error', report);
  isTrue(called, 'the second is called');
  same(reported, ['on purpose'], 'what is reported');
  same(await connection.message(), 'x', 'the echo');
});

theme.check('send() and close() from within handlers', async (t) => {
  const ws = t.connect({}, { to: 'relay' });
  ws.ws.onopen = () => ws.ws.send('from "open"');
  ws.ws.onmessage = () => {
    ws.ws.send('from "message"');
    ws.ws.close(3000, 'from "message"');
    ws.ws.close(3001, 'again');
  };
  ws.ws.onclose = () => {
    ws.ws.send('from "close"');
    ws.ws.close(3002, 'from "close"');
  };
  same(await ws.message(), 'from "open"', 'the echo');
  await ws.closesWith(3000, 'from "message"');
  const [link] = await wireWhenOver();
  const sent = frames(link, 'client', 'kind').map(({ kind }) => kind);
  same(sent, ['text', 'text', 'close'], 'frames of the browser');
});

theme.check('readyState through the life of a connection', async (t) => {
  const ws = t.connect();
  const seen = [ws.ws.readyState];
  await ws.opened();
  seen.push(ws.ws.readyState);
  await ws.echo('x');
  seen.push(ws.ws.readyState);
  ws.ws.close();
  seen.push(ws.ws.readyState);
  await ws.closed();
  seen.push(ws.ws.readyState);
  throws(() => { ws.ws.readyState = 1; }, 'TypeError', 'a change of it');
  same(seen, [0, 1, 1, 2, 3], 'readyState');
});

theme.check('nothing comes after "close"', async (t) => {
  const ws = await t.open({ push: 50, close: 1000 });
  same((await ws.messages(50)).length, 50, 'messages');
  await ws.closesWith(1000);
  const other = await t.open(); // by the time of whose end all that is to come has come
  await other.echo('x');
  same(ws.events, ['open', ...Array(50).fill('message'), 'close'], 'events');
});
