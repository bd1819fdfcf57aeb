// new WebSocket(url, protocols), before anything is sent.

import { awaited } from '../../page/connection.mjs';
import { isTrue, same, throws } from '../../page/same.mjs';
import { Theme } from '../../page/theme.mjs';

export const theme = new Theme('constructor');

// One that nobody is to wait for: what is looked at is there at once.
function url(...args) {
  const ws = new WebSocket(...args);
  ws.close();
  return ws.url;
}

theme.check('a URL that is none, or of another scheme, throws SyntaxError', async () => {
  for (const bad of ['ws://', 'http://[', 'ws://h:65536/', 'ftp://127.0.0.1/', 'mailto:a@b', 'about:blank', 'javascript:0']) {
    throws(() => new WebSocket(bad), 'SyntaxError', bad);
  }
  throws(() => new WebSocket(), 'TypeError', 'no URL at all');
});

theme.check('a fragment throws SyntaxError, even an empty one', async (t) => {
  for (const fragment of ['#', '#a', '?close=1000#']) throws(() => new WebSocket(`${t.urls.server}/${fragment}`), 'SyntaxError', fragment);
});

theme.check('http and https become ws and wss; a relative URL is one of this page', async () => {
  const { host } = location;
  same(url('/a'), `ws://${host}/a`, 'url of /a');
  same(url('?b'), `ws://${host}${location.pathname}?b`, 'url of ?b');
  same(url(null), `ws://${host}${location.pathname.replace(/[^/]*$/, 'null')}`, 'url of null');
  same(url(`http://${host}/c`), `ws://${host}/c`, 'url with http');
  same(url(`https://${host}/d`), `wss://${host}/d`, 'url with https');
  same(url(`//${host}/e`), `ws://${host}/e`, 'url without a scheme');
});

theme.check('url is what the parser makes of it', async (t) => {
  const { host, port } = new URL(t.urls.silent);
  same(url(`ws://${host}`), `ws://${host}/`, 'without a path');
  same(url(`WS://LocalHost:${port}/A b/../C?ü`), `ws://localhost:${port}/C?%C3%BC`, 'capitals, dots, and characters to escape');
  same(url(`ws://127.1:0${port}/`), `ws://${host}/`, 'an address written in another way');
  same(url(`ws://user:p%20w@${host}/`), `ws://user:p%20w@${host}/`, 'with a name and a password');
  same(url('ws://127.0.0.1:80/'), 'ws://127.0.0.1/', 'with the port that is understood');
});

theme.check('subprotocols must be tokens', async (t) => {
  const separators = '()<>@,;:\\"/[]?={} \t';
  let tokens = '';
  for (let code = 0; code < 0x200; code++) {
    const character = String.fromCharCode(code);
    if (code > 0x20 && code < 0x7f && !separators.includes(character)) tokens += character;
    else throws(() => new WebSocket(t.urls.server, `a${character}`), 'SyntaxError', `character ${code}`);
  }
  throws(() => new WebSocket(t.urls.server, ''), 'SyntaxError', 'no character');
  throws(() => new WebSocket(t.urls.server, ['a', '']), 'SyntaxError', 'no character, as the second');
  same(tokens.length, 77, 'characters of tokens');
  const ws = await t.open({}, { protocols: [...tokens].map((character) => `${character}x`) });
  same(ws.ws.protocol, '!x', 'the selected one');
});

theme.check('a subprotocol that is named twice throws SyntaxError', async (t) => {
  for (const list of [['a', 'a'], ['a', 'b', 'a']]) throws(() => new WebSocket(t.urls.server, list), 'SyntaxError', String(list));
});

theme.check('attributes at first', async (t) => {
  const ws = new WebSocket(t.urls.server, ['a']);
  const { readyState, protocol, extensions, bufferedAmount, binaryType, onopen, onmessage, onerror, onclose } = ws;
  same({ readyState, protocol, extensions, bufferedAmount, binaryType, onopen, onmessage, onerror, onclose }, {
    readyState: 0, protocol: '', extensions: '', bufferedAmount: 0, binaryType: 'blob', onopen: null, onmessage: null, onerror: null, onclose: null,
  }, 'the attributes');
  await awaited('"close"', new Promise((resolve) => {
    ws.onclose = resolve;
    ws.onopen = () => ws.close();
  }));
});

theme.check('constants are 0 to 3, of the class and of each object, and cannot be changed', async (t) => {
  const { ws } = await t.open();
  for (const [value, name] of ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'].entries()) {
    for (const one of [WebSocket, ws]) {
      throws(() => { one[name] = 9; }, 'TypeError', `a change of ${name}`);
      same(one[name], value, name);
    }
  }
});

theme.check('attributes that are read-only', async (t) => {
  const { ws } = await t.open();
  for (const name of ['url', 'readyState', 'protocol', 'extensions', 'bufferedAmount']) {
    const before = ws[name];
    throws(() => { ws[name] = 'x'; }, 'TypeError', `a change of ${name}`); // modules are strict
    same(ws[name], before, name);
  }
});

theme.check('nothing happens before the task that called it is over', async (t) => {
  const ws = t.connect({ push: 1, close: 1000 });
  const end = performance.now() + 100; // in which the server is through with it
  while (performance.now() < end) isTrue(ws.ws.readyState === 0 && ws.events.length === 0, 'still CONNECTING, without an event');
  await Promise.resolve();
  same([ws.ws.readyState, ws.events.length], [0, 0], 'readyState and events behind a microtask');
  same(await ws.message(), '0', 'the message');
  await ws.closesWith(1000);
});
