// The opening handshake.

import { isTrue, same } from '../../page/same.mjs';
import { Theme } from '../../page/theme.mjs';
import { headers, values, wireWhenOver } from './wire.mjs';

export const theme = new Theme('opening');

const LOST = /^connection: connection lost without a closing handshake$/;

theme.check('no subprotocol asked for: none', async (t) => {
  const { ws } = await t.open();
  same(ws.protocol, '', 'protocol');
});

theme.check('one subprotocol, as a text and in a list', async (t) => {
  for (const protocols of ['protocolOne', ['protocolOne']]) {
    const { ws } = await t.open({}, { protocols });
    same(ws.protocol, 'protocolOne', 'protocol');
  }
});

theme.check('two subprotocols: the first, as the server selects', async (t) => {
  for (const protocols of [['protocolOne', 'protocolTwo'], ['protocolTwo', 'protocolOne']]) {
    const { ws } = await t.open({}, { protocols });
    same(ws.protocol, protocols[0], 'protocol');
  }
});

theme.check('?noproto: asked for some and given none, the browser fails the connection', { logs: { server: [LOST] } }, async (t) => {
  const ws = t.connect({ noproto: true }, { protocols: ['a', 'b'] });
  await ws.closesWith(1006, '', false);
  same(ws.events, ['error', 'close'], 'events');
});

theme.check('?noproto: asked for none and given none', async (t) => {
  const ws = await t.open({ noproto: true });
  same(ws.ws.protocol, '', 'protocol');
  await ws.echo('still here');
});

for (const status of [200, 204, 301, 400, 401, 403, 404, 407, 426, 429, 500, 503]) {
  theme.check(`?status=${status}: "error", then "close" with 1006, not clean`, async (t) => {
    const ws = t.connect({ status }, { to: 'relay' });
    await ws.closesWith(1006, '', false);
    same(ws.events, ['error', 'close'], 'events');
    const [link, ...more] = await wireWhenOver();
    same(more.length, 0, 'further connections');
    isTrue(link.response.startsWith(`HTTP/1.1 ${status} `), `the reply begins with the status: ${link.response.split('\r\n')[0]}`);
  });
}

theme.check('a port where nobody listens: "error", then "close" with 1006, not clean', async (t) => {
  const ws = t.connect({}, { to: 'nobody' });
  await ws.closesWith(1006, '', false);
  same(ws.events, ['error', 'close'], 'events');
});

theme.check('what the browser asks for, and what the server replies, line by line', async (t) => {
  const ws = await t.open({ push: 0 }, { to: 'relay', protocols: ['protocolOne', 'protocolTwo'] });
  await ws.finish();
  const [link] = await wireWhenOver();
  same(link.request.split('\r\n')[0], 'GET /?push=0 HTTP/1.1', 'the request');
  const expected = {
    host: [new URL(t.urls.relay).host], upgrade: ['websocket'], connection: ['Upgrade'], origin: [location.origin], referer: [],
    'sec-websocket-version': ['13'], 'sec-websocket-protocol': ['protocolOne, protocolTwo'],
    'sec-websocket-extensions': ['permessage-deflate; client_max_window_bits'],
  };
  for (const [name, value] of Object.entries(expected)) same(values(link.request, name), value, name);
  const [key] = values(link.request, 'sec-websocket-key');
  same(atob(key).length, 16, 'bytes of the key');

  const accept = await crypto.subtle.digest('SHA-1', new TextEncoder().encode(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`));
  same(link.response.split('\r\n')[0], 'HTTP/1.1 101 Switching Protocols', 'the reply');
  same(headers(link.response).sort(), [
    ['connection', 'Upgrade'], ['sec-websocket-accept', btoa(String.fromCharCode(...new Uint8Array(accept)))],
    ['sec-websocket-extensions', 'permessage-deflate'], ['sec-websocket-protocol', 'protocolOne'], ['upgrade', 'websocket'],
  ], 'the headers of the reply');
});

theme.check('eight at once shake hands one after the other, each with a key of its own', async (t) => {
  await Promise.all(Array.from({ length: 8 }, async () => (await t.open({}, { to: 'relay' })).finish()));
  const links = await wireWhenOver();
  same(new Set(links.map(({ request }) => values(request, 'sec-websocket-key')[0])).size, 8, 'keys');
  same(links.map(({ turns }) => turns).sort(([a], [b]) => a - b).flat(), Array.from({ length: 16 }, (_, n) => n + 1), 'order of requests and replies');
});

theme.check('"open": by then the state is OPEN, and protocol and extensions are known', async (t) => {
  const ws = new WebSocket(t.urls.server, 'a');
  const seen = await new Promise((resolve) => {
    ws.onopen = () => resolve([ws.readyState, ws.protocol, ws.extensions]);
    ws.onclose = () => resolve('"close"');
  });
  same(seen, [1, 'a', 'permessage-deflate'], 'readyState, protocol, extensions');
  ws.close();
  await new Promise((resolve) => { ws.onclose = resolve; });
});

theme.check('close() while CONNECTING: "error" and 1006, but no "open", and nothing before the caller is through', async (t) => {
  const ws = t.connect({}, { to: 'silent' });
  ws.ws.close(3000, 'too early');
  same([ws.ws.readyState, ws.events.length], [2, 0], 'readyState and events at once');
  await Promise.resolve();
  same(ws.events.length, 0, 'events behind a microtask');
  await ws.closesWith(1006, '', false);
  same(ws.events, ['error', 'close'], 'events');
});

theme.check('from a worker', async (t) => {
  const script = `onmessage = ({ data }) => {
    const ws = new WebSocket(data);
    ws.onopen = () => ws.send('from a worker');
    ws.onmessage = ({ data }) => { postMessage(data); ws.close(3001, 'done'); };
    ws.onclose = ({ code, reason, wasClean }) => postMessage({ code, reason, wasClean });
  };`;
  const worker = new Worker(URL.createObjectURL(new Blob([script], { type: 'text/javascript' })));
  const came = [];
  await new Promise((resolve, reject) => {
    worker.onerror = ({ message }) => reject(new Error(message));
    worker.onmessage = ({ data }) => came.push(data) === 2 && resolve();
    worker.postMessage(t.urls.server);
  });
  worker.terminate();
  same(came, ['from a worker', { code: 3001, reason: 'done', wasClean: true }], 'what the worker saw');
});
