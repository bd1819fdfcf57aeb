// WebSocketStream, which Chromium has.

import { awaited } from '../../page/connection.mjs';
import { isTrue, rejects, same, sameBytes, throws } from '../../page/same.mjs';
import { Theme } from '../../page/theme.mjs';
import { MIB, noise, prose } from './data.mjs';
import { frames, wireWhenOver } from './wire.mjs';

export const theme = new Theme('WebSocketStream');

theme.check('echo, protocol and extensions, and a close from the page', async (t) => {
  const stream = new WebSocketStream(t.url(), { protocols: ['a', 'b'] });
  same(stream.url, t.url(), 'url');
  const { readable, writable, protocol, extensions } = await stream.opened;
  same([protocol, extensions], ['a', 'permessage-deflate'], 'protocol, extensions');
  const [reader, writer] = [readable.getReader(), writable.getWriter()];
  await writer.write(prose(1000));
  same((await reader.read()).value, prose(1000), 'the text');
  await writer.write(noise(1000));
  sameBytes((await reader.read()).value, noise(1000), 'the bytes');
  stream.close({ closeCode: 3000, reason: 'Grüße' });
  same(await stream.closed, { closeCode: 3000, reason: 'Grüße' }, 'closed');
  same((await reader.read()).done, true, 'the readable has ended');
  await rejects(writer.write('x'), 'InvalidStateError', 'write()');
});

theme.check('close(): without a code, with a reason only, and with what is not allowed', async (t) => {
  for (const [info, expected] of [[undefined, { closeCode: 1005, reason: '' }], [{}, { closeCode: 1005, reason: '' }],
    [{ reason: 'why' }, { closeCode: 1000, reason: 'why' }], [{ closeCode: 4999 }, { closeCode: 4999, reason: '' }]]) {
    const stream = new WebSocketStream(t.url());
    await stream.opened;
    throws(() => stream.close({ closeCode: 1001 }), 'InvalidAccessError', 'close() with 1001');
    throws(() => stream.close({ closeCode: 1000, reason: 'é'.repeat(62) }), 'SyntaxError', 'close() with a long reason');
    stream.close(info);
    same(await stream.closed, expected, `closed, after ${JSON.stringify(info)}`);
  }
});

theme.check('closing the writable is a Close without a body, behind all that was written', async (t) => {
  const stream = new WebSocketStream(t.url({}, 'relay'));
  const { writable } = await stream.opened;
  const writer = writable.getWriter();
  writer.write('x');
  await writer.close();
  same(await stream.closed, { closeCode: 1005, reason: '' }, 'closed');
  const [link] = await wireWhenOver();
  same(frames(link, 'client', 'kind').map(({ kind }) => kind), ['text', 'close'], 'frames of the browser');
});

theme.check('abort() and cancel() send the code and reason of a WebSocketError, and nothing of other errors', async (t) => {
  const reason = new WebSocketError('', { closeCode: 3001, reason: 'Grüße' });
  for (const [error, expected] of [[reason, { closeCode: 3001, reason: 'Grüße' }], [new Error('3001'), { closeCode: 1005, reason: '' }]]) {
    for (const end of [({ writable }) => writable.abort(error), ({ readable }) => readable.cancel(error)]) {
      const stream = new WebSocketStream(t.url());
      end(await stream.opened);
      same(await stream.closed, expected, 'closed');
    }
  }
});

theme.check('a signal ends the handshake, and does nothing later', async (t) => {
  const early = new AbortController();
  const stream = new WebSocketStream(t.url({}, 'silent'), { signal: early.signal });
  early.abort();
  await rejects(stream.opened, 'AbortError', 'opened');
  await rejects(stream.closed, 'AbortError', 'closed');

  const late = new AbortController();
  const other = new WebSocketStream(t.url(), { signal: late.signal });
  const { readable, writable } = await other.opened;
  late.abort();
  await writable.getWriter().write('still here');
  same((await readable.getReader().read()).value, 'still here', 'the echo');
  other.close();
  same(await other.closed, { closeCode: 1005, reason: '' }, 'closed');
});

theme.check('the end that the server makes: its code and reason; abrupt, WebSocketError', async (t) => {
  const clean = new WebSocketStream(t.url({ push: 1, close: 4000, reason: 'server' }));
  const reader = (await clean.opened).readable.getReader();
  same((await reader.read()).value, '0', 'the message');
  same((await reader.read()).done, true, 'the readable has ended');
  same(await clean.closed, { closeCode: 4000, reason: 'server' }, 'closed');

  const cut = new WebSocketStream(t.url({ abort: true }));
  const { readable } = await cut.opened;
  const errors = [await rejects(cut.closed, 'WebSocketError', 'closed'), await rejects(readable.getReader().read(), 'WebSocketError', 'read()')];
  same(errors.map(({ closeCode, reason }) => [closeCode, reason]), [[1006, ''], [1006, '']], 'codes and reasons');
});

theme.check('a handshake that fails rejects both promises with WebSocketError', async (t) => {
  const stream = new WebSocketStream(t.url({ status: 403 }));
  await rejects(stream.opened, 'WebSocketError', 'opened');
  await rejects(stream.closed, 'WebSocketError', 'closed');
});

theme.check('back-pressure: a page that does not read is not sent more than buffers hold, and loses nothing', { limit: 60 }, async (t) => {
  const [size, least, most] = [65_536, 512, 8192]; // 32 MiB at least; 512 MiB are in no buffers
  const stream = new WebSocketStream(t.url({ nodeflate: true }));
  const { readable, writable } = await stream.opened;
  const base = noise(size);
  const chunk = (n) => {
    const bytes = base.slice();
    new DataView(bytes.buffer).setUint32(0, n);
    return bytes;
  };
  let [sent, halted] = [0, false];
  const writing = (async () => {
    const writer = writable.getWriter();
    while (sent < most && (!halted || sent < least)) await writer.write(chunk(sent++));
  })();

  // Others are served meanwhile. When nothing was taken in the time of 200 of their echoes, nothing moves any more.
  const other = await t.open();
  await awaited('writes to come to a halt', (async () => {
    for (let before = -1; before !== sent;) {
      before = sent;
      for (let n = 0; n < 200; n++) await other.echo(`echo ${n}`);
    }
  })());
  isTrue(sent < most, `not all of ${most} writes are through: ${sent}`);
  halted = true;

  const reader = readable.getReader();
  await awaited('all of it to come back', (async () => {
    for (let n = 0; n < Math.max(sent, least); n++) sameBytes((await reader.read()).value, chunk(n), `chunk ${n}`);
    await writing;
  })());
  stream.close({ closeCode: 1000, reason: 'read' });
  same(await stream.closed, { closeCode: 1000, reason: 'read' }, 'closed');
});
