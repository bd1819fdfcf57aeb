#!/usr/bin/env node
// examples/embed_h2 against Node's HTTP/2 with the frames of the library ws, in both roles.
//
//     h2.mjs PROGRAM    PROGRAM is the example, built; exit status 1 if a case failed
//
// Node has extended CONNECT (RFC 8441), and ws has frames, masks and compression; that they are put together here is all
// that is not somebody else's. Everything stays on 127.0.0.1, on free ports.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http2 from 'node:http2';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { MAX_SIZE, NAME, WebSocket, binary, same, split, text } from './common.mjs';

const folder = process.env.INTEROP_NODE ?? fileURLToPath(new URL('../../target/interop/node', import.meta.url));
const require = createRequire(import.meta.url);
const PerMessageDeflate = require(`${folder}/node_modules/ws/lib/permessage-deflate.js`);
const extension = require(`${folder}/node_modules/ws/lib/extension.js`);

const SIZES = [0, 1, 125, 126, 65_535, 65_536, 1 << 20, 16 << 20];
const CODES = [1000, 1001, 1003, 1008, 1011, 3000, 4999];
const CASE_LIMIT = 20_000; // milliseconds
const program = process.argv[2];
const { NGHTTP2_CANCEL, NGHTTP2_NO_ERROR } = http2.constants;

// ------------------------------------------------------------------------------ one stream

// A WebSocket of ws on a stream; agreed is the value of sec-websocket-extensions in the reply.
function overStream(stream, isServer, agreed) {
  const ws = new WebSocket(null, undefined, { autoPong: true, maxPendingAutoPongs: 1000, closeTimeout: 3000 });
  ws._isServer = isServer;
  if (agreed) {
    const deflate = new PerMessageDeflate({ isServer, maxPayload: MAX_SIZE, threshold: 0 });
    deflate.accept(extension.parse(agreed)[NAME]);
    ws._extensions[NAME] = deflate;
  }
  ws.came = [];
  ws.wake = () => {};
  ws.on('error', (error) => { ws.error = error; });
  ws.on('message', (data, isBinary) => { ws.came.push({ data, isBinary }); ws.wake(); });
  ws.ended = new Promise((resolve) => {
    ws.on('close', (code, reason) => { resolve({ code, reason: reason.toString() }); ws.wake(); });
  });
  ws.gone = new Promise((resolve) => { stream.on('close', () => resolve(stream.rstCode)); });
  ws.stream = stream;
  ws.setSocket(stream, Buffer.alloc(0), { maxPayload: MAX_SIZE, maxFragments: 0, maxBufferedChunks: 0 });
  return ws;
}

async function next(ws) {
  while (!ws.came.length) {
    if (ws.readyState === WebSocket.CLOSED) throw new Error(`closed: ${ws.error ?? (await ws.ended).code}`);
    await new Promise((resolve) => { ws.wake = resolve; });
  }
  return ws.came.shift();
}

async function expect(ws, message) {
  const { data, isBinary } = await next(ws);
  same(isBinary, typeof message !== 'string', 'it is binary');
  same(data.length, Buffer.byteLength(message), 'the length');
  same(data.equals(Buffer.from(message)), true, 'the message');
}

async function echo(ws, message) {
  ws.send(message);
  await expect(ws, message);
}

// Closed by us; the peer says the same, and the stream ends without an error.
async function closes(ws, code, reason) {
  ws.close(code, reason);
  same(await ws.ended, { code, reason }, 'the Close');
  same(await ws.gone, NGHTTP2_NO_ERROR, 'the end of the stream');
}

// ------------------------------------------------------------------------------- the cases

let failed = 0;
let count = 0;

async function check(name, run) {
  count++;
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error('not finished in time')), CASE_LIMIT);
  });
  try {
    await Promise.race([run(), late]);
    console.log(`ok ${name}`);
  } catch (error) {
    failed++;
    console.log(`not ok ${name}: ${String(error.stack).replace(/\s+/g, ' ')}`);
  }
  clearTimeout(timer);
}

// A WebSocket on a new stream, or the refusal.
async function ask(session, fields = {}) {
  const stream = session.request({
    ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':path': '/chat', ':authority': 'localhost',
    'sec-websocket-version': '13', ...fields,
  });
  stream.on('error', () => {}); // "close" comes too
  const [reply] = await once(stream, 'response');
  if (reply[':status'] === 200) return { reply, ws: overStream(stream, false, reply['sec-websocket-extensions']) };
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return { reply, body: Buffer.concat(chunks).toString() };
}

async function againstOurServer() {
  const server = spawn(program, ['server', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(createInterface(server.stdout), 'line');
  const session = http2.connect(line.replace('listening on ', ''), { settings: { initialWindowSize: 1 << 20 } });
  const [settings] = await once(session, 'remoteSettings');

  await check('server: SETTINGS enable extended CONNECT', async () => {
    same(settings.enableConnectProtocol, true, 'enableConnectProtocol');
  });
  for (const offer of [undefined, NAME, `${NAME}; server_no_context_takeover; client_no_context_takeover`]) {
    const how = offer ? `offering ${offer}` : 'offering no compression';
    const fields = offer ? { 'sec-websocket-extensions': offer } : {};
    await check(`server: echoes of 0 B to 16 MiB, ${how}`, async () => {
      const { reply, ws } = await ask(session, fields);
      same(reply['sec-websocket-extensions'], offer, 'what was agreed on');
      same(reply['sec-websocket-accept'], undefined, 'a proof');
      for (const size of SIZES) {
        await echo(ws, text(size));
        await echo(ws, binary(size));
      }
      await closes(ws, 1000, 'done');
    });
    await check(`server: fragments with Pings in between, ${how}`, async () => {
      const { ws } = await ask(session, fields);
      const whole = Buffer.from(text(100_000));
      const pongs = [];
      ws.on('pong', (payload) => pongs.push(payload.toString()));
      const pieces = [...split(whole, 7), Buffer.alloc(0)];
      pieces.forEach((piece, n) => {
        ws.send(piece, { binary: false, fin: n === pieces.length - 1 });
        ws.ping(String(n));
      });
      await expect(ws, whole.toString());
      await echo(ws, 'behind the Pongs');
      same(pongs, pieces.map((_, n) => String(n)), 'the Pongs');
      await closes(ws, 1000, '');
    });
  }
  await check('server: closing, with every kind of code', async () => {
    for (const code of CODES) {
      const { ws } = await ask(session);
      await closes(ws, code, 'Grüße, 世界 🦦');
    }
  });
  await check('server: a subprotocol', async () => {
    const { reply, ws } = await ask(session, { 'sec-websocket-protocol': 'b, a' });
    same(reply['sec-websocket-protocol'], 'b', 'the subprotocol');
    await closes(ws, 1000, '');
  });
  await check('server: 50 streams at once', async () => {
    const all = await Promise.all(Array.from({ length: 50 }, () => ask(session)));
    await Promise.all(all.map(async ({ ws }, n) => {
      for (let m = 0; m < 20; m++) await echo(ws, `${n} ${m} `.repeat(1000));
      await closes(ws, 1000, '');
    }));
  });
  await check('server: refusals', async () => {
    for (const [fields, status] of [
      [{ ':protocol': 'webtransport' }, 501], [{ 'sec-websocket-version': '8' }, 400],
      [{ origin: 'http://evil.example' }, 403], [{ 'early-data': '1' }, 425],
    ]) {
      const { reply, body } = await ask(session, fields);
      same(reply[':status'], status, 'the status');
      same(body.length > 0, true, 'there is a body');
    }
  });
  await check('server: resets and ends on one stream leave the others alone', async () => {
    const { ws: other } = await ask(session);
    for (const end of [(stream) => stream.close(NGHTTP2_CANCEL), (stream) => stream.end()]) {
      const { ws } = await ask(session);
      ws.send('x'.repeat(1000));
      end(ws.stream);
      await ws.gone;
      await echo(other, 'untouched');
    }
    await closes(other, 1000, '');
  });
  await check('server: a violation is told', async () => {
    const { ws } = await ask(session);
    ws.stream.write(Buffer.from('8100', 'hex'));
    same((await ws.ended).code, 1002, 'the code');
  });
  session.close();
  server.kill();
  await once(server, 'exit');
}

async function againstOurClient() {
  let behaviour;
  const server = http2.createServer({ settings: { enableConnectProtocol: true } });
  server.on('stream', (stream, fields) => behaviour(stream, fields));
  server.on('sessionError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const run = async (streams, act) => {
    behaviour = (stream, fields) => {
      stream.on('error', () => {});
      act(stream, fields);
    };
    const client = spawn(program, ['client', `127.0.0.1:${server.address().port}`, String(streams)]);
    let stderr = '';
    client.stderr.on('data', (data) => { stderr += data; });
    const [status] = await once(client, 'close');
    return { status, stderr };
  };
  const accept = (stream, fields, agreed) => {
    stream.respond({ ':status': 200, ...(agreed && { 'sec-websocket-extensions': agreed }) });
    return overStream(stream, true, agreed);
  };
  for (const agreed of [undefined, NAME, `${NAME}; server_no_context_takeover; client_no_context_takeover`]) {
    await check(`client: echoes on 20 streams, agreed on ${agreed ?? 'no compression'}`, async () => {
      const closed = [];
      const asked = [];
      const { status, stderr } = await run(20, (stream, fields) => {
        asked.push(fields);
        const ws = accept(stream, fields, agreed);
        ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
        closed.push(Promise.all([ws.ended, ws.gone]));
      });
      same([status, stderr], [0, ''], 'the client');
      for (const [end, rstCode] of await Promise.all(closed)) {
        same([end, rstCode], [{ code: 1000, reason: '' }, NGHTTP2_NO_ERROR], 'the end');
      }
      same(closed.length, 20, 'streams');
      for (const fields of asked) {
        same(fields[':protocol'], 'websocket', ':protocol');
        same([fields[':method'], fields[':scheme'], fields[':path']], ['CONNECT', 'http', '/echo'], 'what is asked');
        same(fields['sec-websocket-version'], '13', 'the version');
        for (const name of ['sec-websocket-key', 'upgrade', 'connection', 'host']) same(fields[name], undefined, name);
      }
    });
  }
  await check('client: a refusal', async () => {
    const { status, stderr } = await run(1, (stream) => stream.respond({ ':status': 403 }, { endStream: true }));
    same([status, stderr], [1, 'embed_h2: refused: 403 Forbidden\n'], 'the client');
  });
  await check('client: closed by the server', async () => {
    let ended;
    const { status, stderr } = await run(1, (stream, fields) => {
      const ws = accept(stream, fields);
      ended = Promise.all([ws.ended, ws.gone]);
      ws.on('message', () => ws.close(1013, 'later'));
    });
    same(await ended, [{ code: 1013, reason: 'later' }, NGHTTP2_NO_ERROR], 'the end');
    same([status, stderr.includes('closed by the peer: 1013 "later"')], [1, true], 'the client');
  });
  await check('client: reset by the server', async () => {
    const { status, stderr } = await run(1, (stream, fields) => {
      accept(stream, fields).on('message', () => stream.close(NGHTTP2_CANCEL));
    });
    same([status, stderr.includes('without a closing handshake')], [1, true], 'the client');
  });
  server.close();
}

if (!program) {
  console.error('usage: h2.mjs PROGRAM');
  process.exit(2);
}
await againstOurServer();
await againstOurClient();
console.log(`interop over HTTP/2: ${count - failed} passed, ${failed} failed`);
process.exit(failed ? 1 : 0);
