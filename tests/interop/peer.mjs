#!/usr/bin/env node
// The peer that speaks through the Node library ws (see README.md).
//
//     peer.mjs server        an echo server on a free port, with the query parameters of README.md
//     peer.mjs client URL    the cases without compression against sockeye's echo server; exit status 1 if one failed
//     peer.mjs deflate JSON  those with compression (see deflate.mjs)
//
// peer.py is its twin: the same parameters, the same cases by the same names.

import { createServer } from 'node:http';

import {
  Client, Connection, Frames, MAX_SIZE, WebSocketServer, binary, close, deflateOptions, hex, inUse, same, split, text,
} from './common.mjs';
import { DeflateClient } from './deflate.mjs';

const SIZES = [['0 B', 0], ['1 B', 1], ['125 B', 125], ['126 B', 126], ['65535 B', 65535], ['65536 B', 65536],
  ['1 MiB', 1 << 20], ['16 MiB', 16 << 20]];
const CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999];
const REASON = 'Grüße, 世界 🦦';
const CLOSES = [...CODES.map((code) => [String(code), code, REASON]),
  ['without a body', null, ''], ['without a reason', 1000, ''], ['with the longest reason', 1000, 'é'.repeat(61) + 'x']];
const STATUSES = [301, 400, 401, 403, 404, 426, 503];
const PINGS = [['empty', ''], ['short', 'hello'], ['not ASCII', 'Grüße 🦦'], ['125 bytes', 'é'.repeat(62) + 'x']];

// ---------------------------------------------------------------------------------- server

const records = new Map(); // what was seen of the connections with record=KEY

function record(key) {
  if (!records.has(key)) {
    const entry = {};
    entry.promise = new Promise((resolve) => { entry.resolve = resolve; });
    records.set(key, entry);
  }
  return records.get(key);
}

function query(request) {
  return new URL(request.url, 'ws://localhost').searchParams;
}

function verifyClient({ req }, answer) {
  const wishes = query(req);
  if (!wishes.has('status')) return answer(true);
  const status = Number(wishes.get('status'));
  const location = wishes.has('location') ? { Location: wishes.get('location') } : {};
  answer(false, status, `you asked for ${status} – bitte schön\n`, location);
}

function handleProtocols(offered, request) {
  const wanted = query(request).get('protocol');
  return offered.has(wanted) ? wanted : false;
}

function handle(ws, request) {
  const wishes = query(request);
  const socket = ws._socket;
  const frames = new Frames(socket);
  const agreed = inUse(ws);
  ws.on('error', () => {}); // "close" comes too
  if (wishes.has('record')) {
    ws.addEventListener('close', ({ code, reason, wasClean }) => record(wishes.get('record')).resolve([
      `protocol ${ws.protocol}`, `code ${code}`, `reason ${reason}`, `clean ${wasClean}`,
      `offered ${request.headers['sec-websocket-extensions'] ?? ''}`, `deflate ${agreed}`, 'window ',
      `sent ${socket.bytesWritten}`, `frames ${frames.all.join(' ')}`].join('\n')));
  }
  ws.on('message', (data, isBinary) => {
    if (wishes.has('fragment')) sendFragmented(ws, data, isBinary, Number(wishes.get('fragment')));
    else ws.send(data, { binary: isBinary, compress: !(wishes.has('plain') && data.length % 2) });
  });
  if (wishes.has('raw')) socket.write(Buffer.from(wishes.get('raw'), 'hex'));
  if (wishes.has('zeros')) ws.send(Buffer.alloc(Number(wishes.get('zeros'))));
  if (wishes.has('report')) record(wishes.get('report')).promise.then((seen) => ws.send(seen));
  for (let n = 0; n < Number(wishes.get('push') ?? 0); n++) ws.send(String(n));
  if (wishes.has('ping')) {
    ws.on('pong', (payload) => ws.send(`pong:${payload}`));
    ws.ping(wishes.get('ping'));
  }
  if (wishes.has('deaf')) {
    ws.pause();
    ws.send('deaf');
  }
  if (wishes.has('abort')) setTimeout(() => ws.terminate(), 50);
  if (wishes.has('close')) {
    const code = wishes.get('close');
    close(ws, code === '' ? null : Number(code), wishes.get('reason') ?? '');
  }
}

// In so many frames and an empty last one, with Pings in between.
function sendFragmented(ws, data, isBinary, pieces) {
  split(data, pieces).forEach((piece, n) => {
    if (n) ws.ping(`between ${n}`);
    ws.send(piece, { binary: isBinary, fin: false });
  });
  ws.send(Buffer.alloc(0), { binary: isBinary, fin: true });
}

// Every connection has a server of its own, since ws knows one configuration for all.
function upgrade(request, socket, head) {
  const wishes = query(request);
  const perMessageDeflate = !wishes.has('extensions') && deflateOptions(wishes.get('deflate') ?? '');
  const server = new WebSocketServer({
    noServer: true, perMessageDeflate, maxPayload: MAX_SIZE, verifyClient, handleProtocols });
  if (wishes.has('extensions')) {
    server.on('headers', (headers) => headers.push(`Sec-WebSocket-Extensions: ${wishes.get('extensions')}`));
  }
  server.handleUpgrade(request, socket, head, handle);
}

function server() {
  const listener = createServer();
  listener.on('upgrade', upgrade);
  listener.listen(0, '127.0.0.1', () => console.log(`listening on ws://127.0.0.1:${listener.address().port}`));
}

// ---------------------------------------------------------------------------------- client

// The cases without compression.
class PlainClient extends Client {
  async runCases() {
    for (const [name, size] of SIZES) await this.case(`echo text ${name}`, () => this.echo(text(size)));
    for (const [name, size] of SIZES) await this.case(`echo binary ${name}`, () => this.echo(binary(size)));
    await this.case('compression is not offered', () => this.noCompression());
    await this.case('compression is declined', () => this.compression());

    await this.case('fragments from the peer, text cut inside characters', () => this.sendFragments(text(100), 100));
    await this.case('fragments from the peer, binary', () => this.sendFragments(binary(1 << 20), 3));
    await this.case('fragments from the peer, with Pings in between', () => this.sendFragments(text(100), 33, true));
    await this.case('fragments from the peer, empty ones', () => this.sendFragments('', 20));
    for (const pieces of [2, 3, 7, 100]) {
      await this.case(`fragments from us, text in ${pieces}`, () => this.receiveFragments(text(100), pieces));
    }
    await this.case('fragments from us, binary in 7', () => this.receiveFragments(binary(1 << 20), 7));

    for (const [name, payload] of PINGS) await this.case(`Ping from the peer, ${name}`, () => this.ping(payload));
    await this.case('Ping from the peer, several at once', () => this.pingOften());
    await this.case('Pong from the peer that nobody asked for', () => this.unsolicitedPong());
    for (const [name, payload] of PINGS) await this.case(`Ping from us, ${name}`, () => this.pinged(payload));

    for (const [name, code, reason] of CLOSES) {
      await this.case(`closed by the peer, ${name}`, () => this.close(code, reason));
    }
    for (const [name, code, reason] of CLOSES) {
      await this.case(`closed by us, ${name}`, () => this.closed(code, reason));
    }

    await this.case('subprotocol, agreed', () => this.subprotocol(['chat.v2', 'chat.v1'], 'chat.v2'));
    await this.case('subprotocol, none in common', () => this.noSubprotocol(['chat.v2', 'chat.v1']));
    await this.case('subprotocol, none offered', () => this.subprotocol([], undefined));

    for (const status of STATUSES) await this.case(`refused with ${status}`, () => this.refused(status));

    await this.case('1,000 messages at once, echoed', () => this.burst());
    await this.case('1,000 messages at once, pushed', () => this.pushed());

    await this.case('cut off by us', () => this.cutByUs());
    await this.case('cut off by the peer', () => this.cutByPeer());
  }

  echo(message) {
    return this.with(async (c) => {
      c.ws.send(typeof message === 'string' ? message : Buffer.from(message)); // which it masks in place
      await c.expect(message, 'echo');
    });
  }

  compression() {
    return this.with(async (c) => {
      const offered = 'permessage-deflate; client_max_window_bits';
      same(c.request.getHeader('Sec-WebSocket-Extensions'), offered, 'offer');
      await this.uncompressed(c);
    }, { nodeflate: '' }, { offer: 'client_max_window_bits' });
  }

  noCompression() {
    return this.with(async (c) => {
      same(c.request.getHeader('Sec-WebSocket-Extensions'), undefined, 'offer');
      await this.uncompressed(c);
    });
  }

  async uncompressed(c) {
    same(c.response.headers['sec-websocket-extensions'], undefined, 'extensions');
    same(c.ws.extensions, '', 'extensions in use');
    c.ws.send('a'.repeat(2000));
    await c.expect('a'.repeat(2000), 'echo');
    same(c.frames.all, ['text:2000'], 'frames');
  }

  sendFragments(message, pieces, withPings = false) {
    return this.with(async (c) => {
      const isBinary = typeof message !== 'string';
      split(Buffer.from(message), pieces).forEach((piece, n) => {
        if (withPings && n) c.ws.ping(`between ${n}`);
        c.ws.send(piece, { binary: isBinary, fin: false });
      });
      c.ws.send(Buffer.alloc(0), { binary: isBinary, fin: true });
      for (let n = 1; withPings && n < pieces; n++) {
        const { pong } = await c.next();
        same(String(pong), `between ${n}`, 'Pong');
      }
      await c.expect(message, 'echo');
    });
  }

  receiveFragments(message, pieces) {
    return this.with(async (c) => {
      const kind = typeof message === 'string' ? 'text' : 'binary';
      c.ws.send(kind === 'text' ? message : Buffer.from(message));
      await c.expect(message, 'echo');
      const wanted = split(Buffer.from(message), pieces).map((piece, n) => (
        `${n ? 'cont' : kind}${n < pieces - 1 ? '*' : ''}:${piece.length}`));
      same(c.frames.all, wanted, 'frames');
    }, { fragment: pieces });
  }

  ping(payload) {
    return this.with(async (c) => {
      c.ws.ping(payload);
      same(await c.next(), { pong: Buffer.from(payload) }, 'Pong');
      same(c.frames.all, [`pong:${hex(payload)}`], 'frames');
    });
  }

  pingOften() {
    return this.with(async (c) => {
      for (let n = 0; n < 20; n++) c.ws.ping(`number ${n}`);
      c.ws.send('and a text');
      for (let n = 0; n < 20; n++) same(await c.next(), { pong: Buffer.from(`number ${n}`) }, 'Pong');
      await c.expect('and a text', 'echo');
    });
  }

  unsolicitedPong() {
    return this.with(async (c) => {
      c.ws.pong('unasked');
      c.ws.send('hello');
      await c.expect('hello', 'echo');
    });
  }

  pinged(payload) {
    return this.with(async (c) => {
      await c.expect(`pong:${payload}`, 'what the server got back');
      same(c.frames.all[0], `ping:${hex(payload)}`, 'the first frame');
    }, { ping: payload });
  }

  async close(code, reason) {
    const c = await this.connect();
    const start = performance.now();
    close(c.ws, code, reason);
    await c.checkEnd(code, reason, start);
  }

  async closed(code, reason) {
    const start = performance.now();
    const c = await this.connect({ close: code ?? '', ...(reason ? { reason } : {}) });
    await c.checkEnd(code, reason, start);
  }

  subprotocol(offered, wanted) {
    return this.with(async (c) => {
      same(c.ws.protocol, wanted ?? '', 'subprotocol');
      same(c.response.headers['sec-websocket-protocol'], wanted, 'header line');
      c.ws.send('hello');
      await c.expect('hello', 'echo');
    }, {}, { protocols: offered });
  }

  // Like a browser, ws puts up with no server that selects none of those offered: it cuts the connection off.
  async noSubprotocol(offered) {
    this.cut++;
    const c = new Connection(`${this.url}/?noproto`, offered);
    const error = await c.opened.then(() => null, (e) => e);
    same(error?.message, 'Server sent no subprotocol', 'error');
    same(c.response.statusCode, 101, 'status');
    same(c.response.headers['sec-websocket-protocol'], undefined, 'header line');
  }

  async refused(status) {
    const error = await this.connect({ status }).then(() => null, (e) => e);
    same({ status: error?.status, body: error?.body }, { status, body: `you asked for ${status}\n` }, 'refusal');
  }

  burst() {
    return this.with(async (c) => {
      for (let n = 0; n < 1000; n++) c.ws.send(`message ${n}`);
      for (let n = 0; n < 1000; n++) await c.expect(`message ${n}`, 'echo');
    });
  }

  pushed() {
    return this.with(async (c) => {
      for (let n = 0; n < 1000; n++) await c.expect(String(n), 'message');
    }, { push: 1000 });
  }

  async cutByUs() {
    const c = await this.connect({ abort: '' });
    same(await c.closed, { code: 1006, reason: '', wasClean: false }, 'the end');
    same(c.frames.all, [], 'frames');
  }

  async cutByPeer() {
    const c = await this.connect();
    c.ws.send('hello');
    await c.expect('hello', 'echo');
    this.cut++;
    c.ws.terminate();
    await c.closed;
  }
}

// ------------------------------------------------------------------------------------ main

const [mode, url] = process.argv.slice(2);
if (mode === 'server' && url === undefined) {
  server();
} else if (mode === 'client' && url !== undefined) {
  process.exitCode = await new PlainClient(url).run();
} else if (mode === 'deflate' && url !== undefined) {
  process.exitCode = await new DeflateClient(JSON.parse(url)).run();
} else {
  console.error('usage: peer.mjs server | client URL | deflate JSON');
  process.exitCode = 2;
}
