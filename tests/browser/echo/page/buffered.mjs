// bufferedAmount: payload that send() took, and the network not yet.

import { awaited } from '../../page/connection.mjs';
import { isTrue, same } from '../../page/same.mjs';
import { Theme } from '../../page/theme.mjs';
import { bytesOf, MIB, noise, prose } from './data.mjs';

export const theme = new Theme('bufferedAmount');

// A turn of the event loop, later than all tasks that are there by now.
function turn() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = resolve;
    port2.postMessage(null);
  });
}

async function untilNothingIsLeft(ws) {
  await awaited('bufferedAmount to become 0', (async () => {
    while (ws.bufferedAmount) await turn();
  })());
}

theme.check('it grows by the bytes of each message within one task, and goes back to 0', async (t) => {
  const ws = await t.open();
  const sent = ['abc', '', prose(1000), '\ud800', noise(10), noise(100_000).buffer, noise(1000).subarray(10, 20), new Blob([noise(777)]), prose(MIB)];
  let expected = 0;
  same(ws.ws.bufferedAmount, 0, 'at first');
  for (const data of sent) {
    ws.ws.send(data);
    expected += typeof data === 'string' ? bytesOf(data) : data.size ?? data.byteLength;
    same(ws.ws.bufferedAmount, expected, `after a message of ${data.constructor.name}`);
  }
  await Promise.resolve();
  same(ws.ws.bufferedAmount, expected, 'behind a microtask');
  for (const data of sent) await ws.comesBack(data === '\ud800' ? '\ufffd' : data);
  await untilNothingIsLeft(ws.ws);
});

theme.check('it is back at 0 before all that was sent is closed', async (t) => {
  const ws = await t.open({ count: `${t.key}/buffered` });
  const chunk = noise(MIB);
  for (let n = 0; n < 8; n++) ws.ws.send(chunk);
  same(ws.ws.bufferedAmount, 8 * MIB, 'after 8 MiB');
  await untilNothingIsLeft(ws.ws);
  same(ws.ws.readyState, 1, 'readyState then');
  ws.ws.send('x');
  same(ws.ws.bufferedAmount, 1, 'after one more');
  ws.ws.close(1000);
  await ws.closesWith(1000);
  same(ws.ws.bufferedAmount, 0, 'when all is over');
});

theme.check('what is sent after close() is dropped, but counted, for ever', async (t) => {
  const ws = await t.open({ count: `${t.key}/late` });
  ws.ws.close(1000);
  ws.ws.send('é');
  same(ws.ws.bufferedAmount, 2, 'while CLOSING');
  ws.ws.send(new Uint8Array(100).subarray(10));
  same(ws.ws.bufferedAmount, 92, 'after a view');
  await ws.closesWith(1000);
  same(ws.ws.bufferedAmount, 92, 'when CLOSED');
  ws.ws.send(new Blob(['12345']));
  same(ws.ws.bufferedAmount, 97, 'after a Blob');
  for (let n = 0; n < 10; n++) await turn();
  same(ws.ws.bufferedAmount, 97, 'later');
  const asked = await t.open({ counted: `${t.key}/late` });
  same(await asked.message(), '0', 'messages that the server has counted');
});

theme.check('what is left when the connection ends stays', { limit: 60 }, async (t) => {
  const ws = await t.open({ abort: true, nodeflate: true });
  const chunk = noise(MIB);
  for (let n = 0; n < 64; n++) ws.ws.send(chunk); // more than lies in the buffers of any system; the server reads none
  await ws.closesWith(1006, '', false);
  const left = ws.ws.bufferedAmount;
  isTrue(left > 0 && left <= 64 * MIB, `some of 64 MiB is left: ${left}`);
  for (let n = 0; n < 10; n++) await turn();
  same(ws.ws.bufferedAmount, left, 'later');
});
