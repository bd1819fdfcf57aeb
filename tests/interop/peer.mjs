#!/usr/bin/env node
// The peer that speaks through the Node library ws (see README.md).
//
//     peer.mjs server        an echo server on a free port, with the query parameters of README.md
//     peer.mjs client URL    all cases against sockeye's echo server; exit status 1 if one failed
//
// peer.py is its twin: the same parameters, the same cases by the same names. ws is looked for in
// $INTEROP_NODE, target/interop/node otherwise.

import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual, inspect } from 'node:util';

const folder = process.env.INTEROP_NODE ?? fileURLToPath(new URL('../../target/interop/node', import.meta.url));
const { WebSocket, WebSocketServer } = createRequire(folder + '/')('ws');

const CASE_LIMIT = 10_000; // milliseconds
const END_LIMIT = 3_000; // that the end of a connection may take: less than anybody's timeout

const SIZES = [['0 B', 0], ['1 B', 1], ['125 B', 125], ['126 B', 126], ['65535 B', 65535], ['65536 B', 65536],
  ['1 MiB', 1 << 20], ['16 MiB', 16 << 20]];
const CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999];
const REASON = 'Grüße, 世界 🦦';
const CLOSES = [...CODES.map((code) => [String(code), code, REASON]),
  ['without a body', null, ''], ['without a reason', 1000, ''], ['with the longest reason', 1000, 'é'.repeat(61) + 'x']];
const STATUSES = [301, 400, 401, 403, 404, 426, 503];
const PINGS = [['empty', ''], ['short', 'hello'], ['not ASCII', 'Grüße 🦦'], ['125 bytes', 'é'.repeat(62) + 'x']];

// Characters of one to four bytes.
function text(size) {
  return 'aé世🦦'.repeat(size / 10) + 'a'.repeat(size % 10);
}

function binary(size) {
  return Buffer.alloc(size, Uint8Array.from({ length: 251 }, (_, n) => n));
}

// Into so many pieces, of as equal a length as can be.
function split(data, pieces) {
  const all = [];
  for (let left = pieces; left > 0; left--) {
    const cut = Math.floor(data.length / left);
    all.push(data.subarray(0, cut));
    data = data.subarray(cut);
  }
  return all;
}

const hex = (string) => Buffer.from(string).toString('hex');

function close(ws, code, reason) {
  if (code === null) ws.close();
  else ws.close(code, reason);
}

// The frames that came on a connection, as "text*:3 cont:2 ping:6869" (* is one with more to come; lengths of data,
// payloads of control frames in hex). Reads the bytes beside the library, which does not tell.
class Frames {
  static NAMES = { 0: 'cont', 1: 'text', 2: 'binary', 8: 'close', 9: 'ping', 10: 'pong' };
  all = [];
  #head = Buffer.alloc(0);
  #skip = 0;

  constructor(socket) {
    socket.prependListener('data', (chunk) => this.#take(chunk));
  }

  #take(chunk) {
    while (chunk.length) {
      const skipped = Math.min(this.#skip, chunk.length);
      this.#skip -= skipped;
      chunk = chunk.subarray(skipped);
      const frame = Buffer.concat([this.#head, chunk.subarray(0, 139)]); // the longest control frame and then some
      const used = this.#parse(frame);
      if (!used) {
        this.#head = frame;
        return;
      }
      chunk = chunk.subarray(used - this.#head.length);
      this.#head = Buffer.alloc(0);
    }
  }

  // The header, and of a control frame the payload; gives their length, 0 if they are not there.
  #parse(frame) {
    if (frame.length < 2) return 0;
    const isControl = (frame[0] & 8) !== 0;
    const short = frame[1] & 127;
    const extra = short === 126 ? 2 : short === 127 ? 8 : 0;
    const masked = frame[1] >> 7 ? 4 : 0;
    const start = 2 + extra + masked;
    if (frame.length < start) return 0;
    const length = extra === 2 ? frame.readUInt16BE(2) : extra === 8 ? Number(frame.readBigUInt64BE(2)) : short;
    if (isControl && frame.length < start + length) return 0;
    let shown = length;
    if (isControl) {
      const payload = Buffer.from(frame.subarray(start, start + length));
      if (masked) payload.forEach((byte, n) => { payload[n] = byte ^ frame[2 + extra + (n & 3)]; });
      shown = payload.toString('hex');
    }
    this.all.push(`${Frames.NAMES[frame[0] & 15]}${frame[0] >> 7 ? '' : '*'}:${shown}`);
    if (isControl) return start + length;
    this.#skip = length;
    return start;
  }
}

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
  const frames = new Frames(ws._socket);
  ws.on('error', () => {}); // "close" comes too
  if (wishes.has('record')) {
    ws.addEventListener('close', ({ code, reason, wasClean }) => record(wishes.get('record')).resolve([
      `protocol ${ws.protocol}`, `code ${code}`, `reason ${reason}`, `clean ${wasClean}`,
      `frames ${frames.all.join(' ')}`].join('\n')));
  }
  ws.on('message', (data, isBinary) => {
    if (wishes.has('fragment')) sendFragmented(ws, data, isBinary, Number(wishes.get('fragment')));
    else ws.send(data, { binary: isBinary });
  });
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

function server() {
  const listener = new WebSocketServer({
    host: '127.0.0.1', port: 0, perMessageDeflate: true, verifyClient, handleProtocols });
  listener.on('connection', handle);
  listener.on('listening', () => console.log(`listening on ws://127.0.0.1:${listener.address().port}`));
}

// ---------------------------------------------------------------------------------- client

function same(got, wanted, what) {
  if (!isDeepStrictEqual(got, wanted)) throw new Error(`${what}: ${brief(got)}, expected ${brief(wanted)}`);
}

function brief(value) {
  const shown = inspect(value, { breakLength: Infinity, maxArrayLength: 20, maxStringLength: 200 });
  return shown.length <= 300 ? shown : `${shown.slice(0, 300)}…`;
}

// What comes on a connection, in order: messages ({ data, isBinary }) and Pongs ({ pong }).
class Connection {
  #came = [];
  #waiting = null;

  constructor(url, protocols = []) {
    this.ws = new WebSocket(url, protocols, { finishRequest: (request) => {
      this.request = request;
      request.end();
    } });
    this.opened = new Promise((resolve, reject) => {
      this.ws.on('upgrade', (response) => { this.response = response; });
      this.ws.on('open', () => {
        this.frames = new Frames(this.ws._socket);
        resolve(this);
      });
      this.ws.on('unexpected-response', async (request, response) => {
        const chunks = [];
        for await (const chunk of response) chunks.push(chunk);
        reject(Object.assign(new Error(`refused with ${response.statusCode}`), {
          status: response.statusCode, body: Buffer.concat(chunks).toString() }));
      });
      this.ws.on('error', (error) => {
        this.error = error;
        reject(error);
      });
    });
    this.opened.catch(() => {});
    this.closed = new Promise((resolve) => {
      this.ws.addEventListener('close', ({ code, reason, wasClean }) => {
        resolve({ code, reason, wasClean });
        this.#put(null);
      });
    });
    this.ws.on('message', (data, isBinary) => this.#put({ data, isBinary }));
    this.ws.on('pong', (pong) => this.#put({ pong }));
  }

  #put(one) {
    this.#came.push(one);
    this.#waiting?.();
  }

  async next() {
    while (!this.#came.length) await new Promise((resolve) => { this.#waiting = resolve; });
    const one = this.#came.shift();
    if (!one) throw new Error(`closed: ${inspect(await this.closed)}`);
    return one;
  }

  async expect(message, what) {
    const { data, isBinary } = await this.next();
    same(isBinary, typeof message !== 'string', `${what} is binary`);
    const wanted = Buffer.from(message);
    if (!data.equals(wanted)) same(data.toString('latin1'), wanted.toString('latin1'), what);
  }

  // Both sides have said the same, and TCP ended in time and by itself.
  async checkEnd(code, reason, start) {
    same(await this.closed, { code: code ?? 1005, reason, wasClean: true }, 'the end');
    const body = code === null ? '' : code.toString(16).padStart(4, '0') + hex(reason);
    same(this.frames.all.at(-1), `close:${body}`, 'the last frame');
    same(this.error, undefined, 'error');
    const took = performance.now() - start;
    if (took > END_LIMIT) throw new Error(`the end took ${Math.round(took)} ms`);
  }
}

class Client {
  #cases = 0;
  #failed = 0;
  #cut = 0; // connections that the server is to find cut off
  #open = [];

  constructor(url) {
    this.url = url;
  }

  async case(name, run) {
    this.#cases++;
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error('not finished in time')), CASE_LIMIT);
    });
    try {
      await Promise.race([run(), late]);
      console.log(`ok ${name}`);
    } catch (error) {
      this.#failed++;
      console.log(`not ok ${name}: ${String(error.message).replace(/\s+/g, ' ')}`);
    }
    clearTimeout(timer);
    for (const connection of this.#open.splice(0)) connection.ws.terminate();
  }

  connect(wishes = {}, protocols = []) {
    const connection = new Connection(`${this.url}/?${new URLSearchParams(wishes)}`, protocols);
    this.#open.push(connection);
    return connection.opened;
  }

  // A connection that is closed in good order when the case is through with it.
  async with(run, wishes, protocols) {
    const connection = await this.connect(wishes, protocols);
    await run(connection);
    const start = performance.now();
    close(connection.ws, 1000, 'done');
    await connection.checkEnd(1000, 'done', start);
  }

  async run() {
    for (const [name, size] of SIZES) await this.case(`echo text ${name}`, () => this.echo(text(size)));
    for (const [name, size] of SIZES) await this.case(`echo binary ${name}`, () => this.echo(binary(size)));
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
    console.log(`cut ${this.#cut}`);
    console.log(`cases ${this.#cases}`);
    return this.#failed ? 1 : 0;
  }

  echo(message) {
    return this.with(async (c) => {
      c.ws.send(typeof message === 'string' ? message : Buffer.from(message)); // which it masks in place
      await c.expect(message, 'echo');
    });
  }

  compression() {
    return this.with(async (c) => {
      const offered = c.request.getHeader('Sec-WebSocket-Extensions');
      if (!offered?.includes('permessage-deflate')) throw new Error('it was not offered');
      same(c.response.headers['sec-websocket-extensions'], undefined, 'extensions');
      same(c.ws.extensions, '', 'extensions in use');
      c.ws.send('a'.repeat(2000)); // long enough to be compressed
      await c.expect('a'.repeat(2000), 'echo');
    });
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
    }, {}, offered);
  }

  // Like a browser, ws puts up with no server that selects none of those offered: it cuts the connection off.
  async noSubprotocol(offered) {
    this.#cut++;
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
    this.#cut++;
    c.ws.terminate();
    await c.closed;
  }
}

// ------------------------------------------------------------------------------------ main

const [mode, url] = process.argv.slice(2);
if (mode === 'server' && url === undefined) {
  server();
} else if (mode === 'client' && url !== undefined) {
  process.exitCode = await new Client(url).run();
} else {
  console.error('usage: peer.mjs server | client URL');
  process.exitCode = 2;
}
