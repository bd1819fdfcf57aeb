// Closing, by either side.

import { hex, same, throws } from '../../page/same.mjs';
import { Theme } from '../../page/theme.mjs';
import { noise } from './data.mjs';
import { frames, wireWhenOver } from './wire.mjs';

export const theme = new Theme('closing');

const CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999];
const REASONS = ['', 'bye', 'Grüße, 世界 🦦', `${'é'.repeat(61)}x`]; // the last has the 123 bytes that a reason may have

// The payload of a Close frame.
function body(code, reason = '') {
  return code === undefined ? '' : code.toString(16).padStart(4, '0') + hex(reason);
}

// Both sides have sent one Close frame with this payload, and nothing else behind it; the server has ended TCP first, as
// it should (RFC 6455, section 7.1.1), and nobody with a reset.
function sameOnTheWire(link, payload, what) {
  for (const side of ['client', 'server']) {
    const all = frames(link, side, 'kind', 'hex', 'fin', 'rsv');
    const first = all.findIndex(({ kind }) => kind === 'close');
    same(all.slice(first), [{ kind: 'close', hex: payload, fin: true, rsv: 0 }], `${what}: the ${side}'s frames, from its Close on`);
  }
  same([link.ends, link.resets], [['server', 'client'], []], `${what}: who ended TCP, and who reset it`);
}

for (const code of CODES) {
  theme.check(`?close=${code}: the page has the code and the reason, and finds it clean`, async (t) => {
    for (const reason of REASONS) {
      const ws = t.connect({ close: code, reason }, { to: 'relay' });
      await ws.closesWith(code, reason);
      same(ws.events, ['open', 'close'], 'events');
    }
    const links = await wireWhenOver();
    links.forEach((link, n) => sameOnTheWire(link, body(code, REASONS[n]), `with ${JSON.stringify(REASONS[n])}`));
  });
}

theme.check('?close=CODE without a reason', async (t) => {
  for (const code of CODES) await t.connect({ close: code }).closesWith(code, '');
});

theme.check('?close=: a Close without a body is 1005, and clean', async (t) => {
  const ws = t.connect({ close: '' }, { to: 'relay' });
  await ws.closesWith(1005, '');
  const [link] = await wireWhenOver();
  sameOnTheWire(link, body(), 'an empty Close');
});

theme.check('?push=N&close=CODE: all messages come before "close"', async (t) => {
  for (const push of [1, 2, 3000]) {
    const ws = await t.open({ push, close: 4000, reason: 'after all' });
    same(await ws.messages(push), Array.from({ length: push }, (_, n) => String(n)), 'messages');
    await ws.closesWith(4000, 'after all');
  }
});

const CALLS = [
  ['close()', [], undefined], ['close(undefined, undefined)', [undefined, undefined], undefined], ['close(1000)', [1000], 1000],
  ["close(1000, '')", [1000, ''], 1000], ['close(3000, "…")', [3000, 'Grüße, 世界 🦦'], 3000], ['close(3999)', [3999], 3999],
  ['close(4000)', [4000], 4000], ['close(4999, "bye")', [4999, 'bye'], 4999], ['close(1000, 123 bytes)', [1000, `${'é'.repeat(61)}x`], 1000],
  ['close(4001, 123 characters)', [4001, 'r'.repeat(123)], 4001], ['close(4001, U+FEFF first)', [4001, '\ufeffr\u0000'], 4001],
];

for (const [name, args, code] of CALLS) {
  theme.check(`${name}: the server answers with the same, and ends TCP`, async (t) => {
    const reason = args[1] ?? '';
    const ws = await t.open({}, { to: 'relay' });
    await ws.echo('before');
    same(ws.ws.close(...args), undefined, 'what close() gives');
    same(ws.ws.readyState, 2, 'readyState at once');
    await ws.closesWith(code ?? 1005, reason);
    same(ws.events, ['open', 'message', 'close'], 'events');
    const [link] = await wireWhenOver();
    sameOnTheWire(link, body(code, reason), name);
  });
}

theme.check('close() with the longest reason, of lone surrogates, which become U+FFFD', async (t) => {
  const ws = await t.open();
  throws(() => ws.ws.close(1000, '\ud800'.repeat(42)), 'SyntaxError', 'a reason of 42, which become 126 bytes');
  same(ws.ws.readyState, 1, 'readyState');
  ws.ws.close(1000, '\ud800'.repeat(41));
  await ws.closesWith(1000, '\ufffd'.repeat(41));
});

theme.check('close() with a code that pages may not use throws InvalidAccessError, and does nothing', async (t) => {
  const ws = await t.open();
  for (const code of [0, 1, 999, 1001, 1002, 1005, 1006, 1015, 2999, 5000, 65_535, 66_536, -1, NaN, null, 'x', {}]) {
    throws(() => ws.ws.close(code), 'InvalidAccessError', `close(${code})`);
  }
  throws(() => ws.ws.close('reason'), 'InvalidAccessError', 'close("reason")');
  same(ws.ws.readyState, 1, 'readyState');
  await ws.echo('still here');
});

theme.check('close() with a reason of 124 bytes throws SyntaxError, and does nothing', async (t) => {
  const ws = await t.open();
  for (const reason of ['r'.repeat(124), 'é'.repeat(62), '🦦'.repeat(31)]) throws(() => ws.ws.close(1000, reason), 'SyntaxError', reason);
  throws(() => ws.ws.close(1001, 'r'.repeat(124)), 'InvalidAccessError', 'with a bad code too');
  same(ws.ws.readyState, 1, 'readyState');
  await ws.echo('still here');
});

theme.check('close(undefined, "reason") throws InvalidAccessError in this browser, and does nothing', async (t) => {
  const ws = await t.open();
  throws(() => ws.ws.close(undefined, 'reason'), 'InvalidAccessError', 'close()');
  await ws.echo('still here');
});

theme.check('each of the 65,536 codes is judged in the same way when all is over', async (t) => {
  const ws = await t.open({ close: 1000 });
  await ws.closed();
  const taken = [];
  for (let code = 0; code < 65_536; code++) {
    try {
      ws.ws.close(code);
      taken.push(code);
    } catch (error) {
      same(error.name, 'InvalidAccessError', `code ${code}`);
    }
  }
  same(taken, [1000, ...Array.from({ length: 2000 }, (_, n) => 3000 + n)], 'codes that are taken');
  throws(() => ws.ws.close(1000, 'r'.repeat(124)), 'SyntaxError', 'a long reason');
  same(ws.ws.readyState, 3, 'readyState');
});

theme.check('close() again does nothing', async (t) => {
  const ws = await t.open({}, { to: 'relay' });
  ws.ws.close(3000, 'first');
  ws.ws.close(4000, 'second');
  ws.ws.close();
  await ws.closesWith(3000, 'first');
  ws.ws.close(4000, 'third');
  same(ws.ws.readyState, 3, 'readyState');
  const [link] = await wireWhenOver();
  sameOnTheWire(link, body(3000, 'first'), 'the first');
});

theme.check('messages sent just before close() arrive', async (t) => {
  for (const [key, count, data] of [['small', 500, 'x'], ['large', 10, noise(1 << 20)], ['of one', 1, '']]) {
    const ws = await t.open({ count: `${t.key}/${key}` });
    for (let n = 0; n < count; n++) ws.ws.send(data);
    ws.ws.close(1000, 'counted?');
    await ws.closesWith(1000, 'counted?');
    const asked = await t.open({ counted: `${t.key}/${key}` });
    same(await asked.message(), String(count), `messages that the server has counted, ${key}`);
  }
});

theme.check('messages that come after close() are dropped, and the end is clean', async (t) => {
  const ws = t.connect({ push: 3000 }, { to: 'relay' });
  ws.ws.onopen = () => ws.ws.close(3000, 'no more');
  await ws.closesWith(3000, 'no more');
  same(ws.events, ['open', 'close'], 'events');
  const [link] = await wireWhenOver();
  same(frames(link, 'server', 'kind').filter(({ kind }) => kind === 'text').length, 3000, 'messages that came all the same');
});

theme.check('both sides close at once', async (t) => {
  const ws = t.connect({ close: 4000, reason: 'server' }, { to: 'relay' });
  ws.ws.onopen = () => ws.ws.close(3000, 'page');
  const end = await ws.closed();
  // Whichever came first: the server's own, or its answer to the page's.
  same(end, { code: 4000, reason: 'server', wasClean: true }, 'the end');
  const [link] = await wireWhenOver();
  const closes = (side) => frames(link, side, 'kind').filter(({ kind }) => kind === 'close').length;
  same([closes('client'), closes('server')], [1, 1], 'Close frames of both');
});

theme.check('?abort: 1006, not clean, whether there is an "error" or not', async (t) => {
  const ws = t.connect({ abort: true, push: 2 }, { to: 'relay' });
  same(await ws.messages(2), ['0', '1'], 'messages');
  await ws.closesWith(1006, '', false);
  const [link] = await wireWhenOver();
  same(frames(link, 'server', 'kind'), [{ kind: 'text' }, { kind: 'text' }], 'frames of the server');
  same(link.ends[0], 'server', 'who ended TCP first');
});
