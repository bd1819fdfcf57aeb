// Messages there and back.

import { isTrue, same, sameBytes, throws } from '../../page/same.mjs';
import { Theme } from '../../page/theme.mjs';
import { MIB, noise, prose } from './data.mjs';
import { frames, wireWhenOver } from './wire.mjs';

export const theme = new Theme('messages');

// Where the length in a frame's header grows.
const LENGTHS = [0, 1, 2, 124, 125, 126, 127, 128, 1000, 4095, 4096, 65534, 65535, 65536, 65537, 100_000];

theme.check('text of many lengths', async (t) => {
  const ws = await t.open();
  for (const length of LENGTHS) await ws.echo(prose(length), `text of ${length} bytes`);
});

theme.check('binary of many lengths, from ArrayBuffer', async (t) => {
  const ws = await t.open();
  for (const length of LENGTHS) await ws.echo(noise(length).buffer, `${length} bytes`);
});

theme.check('binary from Blob and from a slice of one', async (t) => {
  const ws = await t.open();
  const blob = new Blob([noise(70_000), 'Grüße'], { type: 'image/png' });
  for (const [start, end] of [[0, blob.size], [69_990, blob.size], [1, 65_537], [5, 5]]) await ws.echo(blob.slice(start, end), `bytes ${start} to ${end}`);
  await ws.echo(blob, 'the Blob itself');
});

theme.check('a view sends its part only', async (t) => {
  const ws = await t.open();
  const { buffer } = noise(4096);
  const kinds = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array,
    BigInt64Array, BigUint64Array];
  for (const Kind of kinds) {
    await ws.echo(new Kind(buffer, 16, 24), `${Kind.name} in the middle`);
    await ws.echo(new Kind(buffer).subarray(3, 7), `${Kind.name}.subarray`);
    await ws.echo(new Kind(buffer, 8, 0), `empty ${Kind.name}`);
  }
  await ws.echo(new DataView(buffer, 3, 1001), 'DataView');
});

theme.check('binary comes as what binaryType says when the event is fired', async (t) => {
  const ws = await t.open();
  ws.ws.addEventListener('message', () => { ws.ws.binaryType = 'blob'; }, { once: true }); // for the second, which may be here
  ws.ws.send(new Uint8Array([1, 2, 3]));
  ws.ws.send(new Uint8Array([4, 5]));
  const [first, second] = await ws.messages(2);
  sameBytes(first, new Uint8Array([1, 2, 3]), 'the first');
  isTrue(second instanceof Blob && second.type === '', 'the second is a Blob without a type');
  sameBytes(await second.arrayBuffer(), new Uint8Array([4, 5]), 'the second');
});

theme.check('binaryType takes no other value', async (t) => {
  const { ws } = await t.open();
  for (const value of ['Blob', 'text', '', 'bytes', null, undefined, 0]) {
    ws.binaryType = value;
    same(ws.binaryType, 'arraybuffer', `after ${value}`);
  }
  ws.binaryType = 'blob';
  same(ws.binaryType, 'blob', 'after "blob"');
});

theme.check('empty messages of both kinds', async (t) => {
  const ws = await t.open();
  for (const empty of ['', new ArrayBuffer(0), new Uint8Array(0), new Blob(), '']) await ws.echo(empty);
});

theme.check('U+FFFE, U+FFFF, U+0000 and other characters that trouble some', async (t) => {
  const ws = await t.open();
  const characters = ['\ufffe', '\uffff', '\u0000', '\ufdd0', '\u{1fffe}', '\u{10ffff}', '\ufffd', '\u007f', '\u0080', '\u07ff', '\u0800', '\ud7ff', '\ue000',
    '\u{10000}', '\r\n', '\u2028', 'e\u0301', '\u202e'];
  for (const character of characters) {
    for (const text of [character, `a${character}b`, character.repeat(1000)]) await ws.echo(text);
  }
});

theme.check('every character of Unicode', async (t) => {
  const ws = await t.open();
  for (let from = 0; from < 0x110000; from += 0x8000) {
    const codes = Array.from({ length: 0x8000 }, (_, n) => from + n).filter((code) => code < 0xd800 || code > 0xdfff);
    await ws.echo(codes.map((code) => String.fromCodePoint(code)).join(''), `from U+${from.toString(16)}`);
  }
});

theme.check('a byte order mark stays where it is', async (t) => {
  const ws = await t.open();
  for (const text of ['\ufeff', '\ufeffa', '\ufeff\ufeffa', 'a\ufeff', '\ufffea']) await ws.echo(text);
});

theme.check('lone surrogates become U+FFFD; pairs stay', async (t) => {
  const ws = await t.open();
  const texts = [['\ud800', '\ufffd'], ['\udfff', '\ufffd'], ['a\udc00b', 'a\ufffdb'], ['\udc00\ud800', '\ufffd\ufffd'], ['\ud83e\ud83e\udda6', '\ufffd🦦'],
    ['\ud83e\udda6\udda6', '🦦\ufffd'], ['\ud83e\udda6', '🦦']];
  for (const [sent, expected] of texts) {
    ws.ws.send(sent);
    await ws.comesBack(expected);
  }
});

theme.check('what is neither text nor binary is sent as text; send() gives nothing', async (t) => {
  const ws = await t.open();
  const things = [[null, 'null'], [undefined, 'undefined'], [0, '0'], [1.5, '1.5'], [true, 'true'], [[1, 2], '1,2'], [{}, '[object Object]'],
    [{ toString: () => 'ü' }, 'ü'], [10n, '10']];
  for (const [thing, expected] of things) {
    same(ws.ws.send(thing), undefined, 'what send() gives');
    await ws.comesBack(expected);
  }
  throws(() => ws.ws.send(), 'TypeError', 'send() without anything');
  throws(() => ws.ws.send(Symbol('s')), 'TypeError', 'send() of a symbol');
  await ws.echo('still here');
});

theme.check('send() while CONNECTING throws InvalidStateError, and sends nothing', async (t) => {
  const ws = t.connect();
  for (const data of ['x', new ArrayBuffer(1), new Blob(['x'])]) throws(() => ws.ws.send(data), 'InvalidStateError', 'send()');
  same(ws.ws.bufferedAmount, 0, 'bufferedAmount');
  await ws.opened();
  await ws.echo('the first');
});

theme.check('16 MiB of binary that does not compress', { limit: 60 }, async (t) => {
  const ws = await t.open();
  await ws.echo(noise(16 * MIB));
});

theme.check('16 MiB of binary without compression', { limit: 60 }, async (t) => {
  const ws = await t.open({ nodeflate: true });
  await ws.echo(noise(16 * MIB));
});

theme.check('16 MiB of text', { limit: 60 }, async (t) => {
  const ws = await t.open();
  await ws.echo(prose(16 * MIB));
});

theme.check('16 MiB from a Blob, and into one', { limit: 60 }, async (t) => {
  const ws = await t.open();
  const bytes = noise(16 * MIB, 7);
  ws.ws.binaryType = 'blob';
  ws.ws.send(new Blob([bytes]));
  const blob = await ws.message();
  isTrue(blob instanceof Blob, 'a Blob comes');
  sameBytes(await blob.arrayBuffer(), bytes, 'the Blob');
});

theme.check('1,000 messages at once, of both kinds, come back in order', async (t) => {
  const ws = await t.open();
  const sent = Array.from({ length: 1000 }, (_, n) => (n % 3 ? `${n} ${prose(n % 700)}` : noise(n % 700, n + 1)));
  sent.forEach((data) => ws.ws.send(data));
  for (const [n, data] of sent.entries()) await ws.comesBack(data, `message ${n}`);
});

theme.check('1,000 messages, each when the one before has come back', async (t) => {
  const ws = await t.open();
  for (let n = 0; n < 1000; n++) await ws.echo(`message ${n}`);
});

theme.check('8 connections with 100 messages each, at once', async (t) => {
  await Promise.all(Array.from({ length: 8 }, async (_, k) => {
    const ws = await t.open();
    const sent = Array.from({ length: 100 }, (_, n) => (n % 2 ? `${k}/${n} ${prose(n * 20)}` : noise(n * 20, k * 100 + n + 1)));
    sent.forEach((data) => ws.ws.send(data));
    for (const [n, data] of sent.entries()) await ws.comesBack(data, `connection ${k}, message ${n}`);
  }));
});

theme.check('200 connections open at once, each with its own messages', { limit: 60 }, async (t) => {
  const all = Array.from({ length: 200 }, () => t.connect());
  await Promise.all(all.map((ws) => ws.opened()));
  same(all.map(({ ws }) => ws.readyState), Array(200).fill(1), 'readyState of all');
  await Promise.all(all.map(async (ws, n) => {
    await ws.echo(`of connection ${n}`);
    await ws.echo(noise(1000, n + 1));
  }));
  same(all.map(({ ws }) => ws.readyState), Array(200).fill(1), 'readyState of all, afterwards');
});

theme.check('both directions at once: 8 MiB pushed as 8 MiB are sent', { limit: 60 }, async (t) => {
  const ws = await t.open({ push: 1000 });
  const chunks = Array.from({ length: 128 }, (_, n) => noise(65_536, n + 1));
  chunks.forEach((chunk) => ws.ws.send(chunk));
  for (let n = 0; n < 1000; n++) await ws.comesBack(String(n), `pushed message ${n}`);
  for (const [n, chunk] of chunks.entries()) await ws.comesBack(chunk, `chunk ${n}`);
});

theme.check('?push=N: N texts in order, before anything is asked; then the echo', async (t) => {
  for (const push of [0, 1, 3, 5000]) {
    const ws = await t.open({ push });
    const came = await ws.messages(push);
    same(came, Array.from({ length: push }, (_, n) => String(n)), `push=${push}`);
    await ws.echo('next');
  }
});

theme.check('the event of a message: its origin is that of the server', async (t) => {
  const ws = t.connect({ push: 1 });
  const event = await new Promise((resolve) => ws.ws.addEventListener('message', resolve));
  const { type, data, origin, lastEventId, source, ports, bubbles, cancelable } = event;
  same({ type, data, origin, lastEventId, source, ports, bubbles, cancelable }, {
    type: 'message', data: '0', origin: t.urls.server, lastEventId: '', source: null, ports: [], bubbles: false, cancelable: false,
  }, 'the event');
  same(await ws.message(), '0', 'the message');
});

// The pieces are as in the frames, that is, cut anywhere: half of these characters are cut in two.
for (const [name, wishes] of [['', {}], [', without compression', { nodeflate: true }]]) {
  theme.check(`?fragment=N: text cut inside characters, and binary, come whole${name}`, async (t) => {
    for (const fragment of [1, 2, 3, 7, 100]) {
      const ws = await t.open({ fragment, ...wishes }, { to: 'relay' });
      for (const data of ['é'.repeat(501), '🦦'.repeat(333), prose(70_000), noise(5000), '', 'é']) await ws.echo(data, `the echo in ${fragment}`);
      await ws.finish();
    }
    for (const [n, link] of (await wireWhenOver()).entries()) {
      const count = [1, 2, 3, 7, 100][n];
      const data = frames(link, 'server', 'kind', 'fin').filter(({ kind }) => kind !== 'close');
      const kinds = ['text', 'text', 'text', 'binary', 'text', 'text'];
      const expected = kinds.flatMap((kind) => Array.from({ length: count }, (_, k) => ({ kind: k ? 'more' : kind, fin: k === count - 1 })));
      same(data, expected, `frames of the echoes in ${count}`);
    }
  });
}

theme.check('?fragment=N: the pieces are cut inside characters indeed', async (t) => {
  const ws = await t.open({ fragment: 2, nodeflate: true }, { to: 'relay' });
  await ws.echo('é'.repeat(3));
  await ws.finish();
  const [link] = await wireWhenOver();
  same(frames(link, 'server', 'hex').slice(0, 2), [{ hex: 'c3a9c3' }, { hex: 'a9c3a9' }], 'payloads');
});
