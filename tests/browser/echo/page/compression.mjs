// permessage-deflate (RFC 7692), and the limit on messages.

import { isTrue, same } from '../../page/same.mjs';
import { Theme } from '../../page/theme.mjs';
import { MIB, noise, prose } from './data.mjs';
import { frames, values, wireWhenOver } from './wire.mjs';

export const theme = new Theme('compression');

const TOO_LONG = /^connection: peer sent a message over the configured limit$/;
const COMPRESSED = 4; // RSV1
const LIMIT = MIB; // of the server "limited", which demands these parameters too
const DEMANDS = 'permessage-deflate; client_no_context_takeover; server_no_context_takeover; client_max_window_bits=10; server_max_window_bits=9';

// The messages of one side: reserved bits of the first frame, and the length of all, since browsers send long ones in many.
function messages(link, side) {
  const all = [];
  for (const { rsv, length, kind } of frames(link, side, 'rsv', 'length', 'kind')) {
    if (kind === 'text' || kind === 'binary') all.push({ rsv, length, kind });
    if (kind === 'more') all.at(-1).length += length;
  }
  return all;
}

theme.check('agreed on without being asked for; both sides compress', async (t) => {
  const ws = await t.open({}, { to: 'relay' });
  same(ws.ws.extensions, 'permessage-deflate', 'extensions');
  await ws.echo('a'.repeat(100_000));
  await ws.echo(new Uint8Array(100_000));
  await ws.finish();
  const [link] = await wireWhenOver();
  for (const side of ['client', 'server']) {
    for (const { rsv, length } of messages(link, side)) {
      same(rsv, COMPRESSED, `reserved bits of the ${side}`);
      isTrue(length < 1000, `100,000 equal bytes of the ${side} are fewer than 1,000 on the wire: ${length}`);
    }
    same(messages(link, side).length, 2, `messages of the ${side}`);
  }
});

theme.check('?nodeflate: not agreed on, and not used', async (t) => {
  const ws = await t.open({ nodeflate: true }, { to: 'relay' });
  same(ws.ws.extensions, '', 'extensions');
  await ws.echo('a'.repeat(100_000));
  await ws.echo(noise(100_000));
  await ws.finish();
  const [link] = await wireWhenOver();
  same(values(link.response, 'sec-websocket-extensions'), [], 'what the server agrees to');
  for (const side of ['client', 'server']) {
    same(messages(link, side), [{ rsv: 0, length: 100_000, kind: 'text' }, { rsv: 0, length: 100_000, kind: 'binary' }], `messages of the ${side}`);
  }
});

theme.check('the context is kept: what came before costs next to nothing', async (t) => {
  const ws = await t.open({}, { to: 'relay' });
  const data = noise(20_000);
  for (let n = 0; n < 3; n++) await ws.echo(data);
  await ws.finish();
  const [link] = await wireWhenOver();
  const [first, ...more] = messages(link, 'server').map(({ length }) => length);
  isTrue(first >= 20_000, `the first does not compress: ${first}`);
  same(more.length, 2, 'more messages');
  for (const length of more) isTrue(length < 500, `the same again is fewer than 500 bytes: ${length}`);
});

theme.check('what cannot be compressed, and what can, in turn', async (t) => {
  const ws = await t.open();
  for (let n = 0; n < 50; n++) {
    await ws.echo(noise(n * 997, n + 1), `noise ${n}`);
    await ws.echo(prose(n * 1009), `prose ${n}`);
  }
});

theme.check('16 MiB that become very few', { limit: 60 }, async (t) => {
  const ws = await t.open({}, { to: 'relay' });
  await ws.echo('a'.repeat(16 * MIB));
  await ws.finish();
  const [link] = await wireWhenOver();
  const [{ length }, ...more] = messages(link, 'server');
  same(more.length, 0, 'more messages');
  isTrue(length < 100_000, `fewer than 100,000 bytes: ${length}`);
});

theme.check('?fragment=N: a compressed message in frames has RSV1 in the first only', async (t) => {
  const ws = await t.open({ fragment: 4 }, { to: 'relay' });
  await ws.echo('a'.repeat(10_000));
  await ws.finish();
  const [link] = await wireWhenOver();
  const echo = frames(link, 'server', 'rsv', 'kind', 'fin').filter(({ kind }) => kind !== 'close');
  same(echo, [{ rsv: 4, kind: 'text', fin: false }, { rsv: 0, kind: 'more', fin: false }, { rsv: 0, kind: 'more', fin: false },
    { rsv: 0, kind: 'more', fin: true }], 'frames of the echo');
});

theme.check('a server that demands smaller windows and no contexts gets them', async (t) => {
  const ws = await t.open({}, { to: 'limited' });
  const sorted = (extensions) => extensions.split('; ').sort().join('; ');
  same(sorted(ws.ws.extensions), sorted(DEMANDS), 'extensions');
  for (const data of [prose(100_000), noise(100_000), 'a'.repeat(LIMIT), noise(5000), noise(5000), '']) await ws.echo(data);
});

theme.check('a message as long as the server takes, and one that is longer: 1009', { logs: { limited: [TOO_LONG, TOO_LONG] } }, async (t) => {
  for (const wishes of [{}, { nodeflate: true }]) {
    const ws = await t.open(wishes, { to: 'limited' });
    await ws.echo(noise(LIMIT));
    ws.ws.send(noise(LIMIT + 1));
    same((await ws.closed()).code, 1009, 'code');
    isTrue((await ws.closed()).wasClean, 'it is clean');
  }
});

theme.check('a message much longer than the server takes: 1009 all the same', { logs: { limited: [TOO_LONG, TOO_LONG] } }, async (t) => {
  for (const [wishes, factor] of [[{}, 4], [{ nodeflate: true }, 16]]) {
    const ws = await t.open(wishes, { to: 'limited' });
    ws.ws.send(noise(factor * LIMIT));
    same((await ws.closed()).code, 1009, 'code');
  }
});

theme.check('a few bytes that become 8 MiB: 1009', { logs: { limited: [TOO_LONG] } }, async (t) => {
  const ws = await t.open({}, { to: 'limited' });
  ws.ws.send(new Uint8Array(8 * LIMIT));
  same((await ws.closed()).code, 1009, 'code');
});
