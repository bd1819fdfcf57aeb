// What the cases of peer.mjs and deflate.mjs have in common, and what its server and its clients have. ws is looked for
// in $INTEROP_NODE, target/interop/node otherwise.

import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual, inspect } from 'node:util';

const folder = process.env.INTEROP_NODE ?? fileURLToPath(new URL('../../target/interop/node', import.meta.url));
export const { WebSocket, WebSocketServer } = createRequire(folder + '/')('ws');

export const MAX_SIZE = 80 << 20;
const CASE_LIMIT = 10_000; // milliseconds
const END_LIMIT = 3_000; // that the end of a connection may take: less than anybody's timeout

// Characters of one to four bytes.
export function text(size) {
  return 'aé世🦦'.repeat(size / 10) + 'a'.repeat(size % 10);
}

export function binary(size) {
  return Buffer.alloc(size, Uint8Array.from({ length: 251 }, (_, n) => n));
}

// Into so many pieces, of as equal a length as can be.
export function split(data, pieces) {
  const all = [];
  for (let left = pieces; left > 0; left--) {
    const cut = Math.floor(data.length / left);
    all.push(data.subarray(0, cut));
    data = data.subarray(cut);
  }
  return all;
}

export const hex = (string) => Buffer.from(string).toString('hex');

export function close(ws, code, reason) {
  if (code === null) ws.close();
  else ws.close(code, reason);
}

// ---------------------------------------------------------------------------- compression

export const NAME = 'permessage-deflate';

// "server_max_window_bits=10; client_no_context_takeover" as an object; true where there is no value.
export function parse(written) {
  const params = {};
  for (const part of written.split(';')) {
    const [name, value] = part.trim().split('=');
    if (name && name !== NAME) params[name] = value === undefined ? true : Number(value);
  }
  return params;
}

// The same as options of ws, which then compresses whatever is to be sent.
export function deflateOptions(written) {
  const options = { threshold: 0 };
  for (const [name, value] of Object.entries(parse(written))) {
    options[name.replace(/_(.)/g, (_, letter) => letter.toUpperCase())] = value;
  }
  return options;
}

// Parameters with all that is not the default.
export function write(params) {
  const flags = ['server_no_context_takeover', 'client_no_context_takeover'].filter((name) => params[name]);
  const windows = ['server_max_window_bits', 'client_max_window_bits'].filter((name) => (params[name] ?? 15) < 15);
  return [NAME, ...flags, ...windows.map((name) => `${name}=${params[name]}`)].join('; ');
}

// The parameters by which the library compresses; '' if it does not.
export function inUse(ws) {
  const extension = ws._extensions[NAME];
  same(ws.extensions, extension ? NAME : '', 'extensions');
  return extension ? write(extension.params) : '';
}

// --------------------------------------------------------------------------------- frames

// The frames that came on a connection, as "text*:3 cont:2 ping:6869 text~:17" (* is one with more to come, ~ one with
// RSV1; lengths of data as they were on the wire, payloads of control frames in hex). Reads the bytes beside the
// library, which does not tell.
export class Frames {
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
    this.all.push(`${Frames.NAMES[frame[0] & 15]}${frame[0] & 64 ? '~' : ''}${frame[0] >> 7 ? '' : '*'}:${shown}`);
    if (isControl) return start + length;
    this.#skip = length;
    return start;
  }
}

// ---------------------------------------------------------------------------------- client

export function same(got, wanted, what) {
  if (!isDeepStrictEqual(got, wanted)) throw new Error(`${what}: ${brief(got)}, expected ${brief(wanted)}`);
}

export function brief(value) {
  const shown = inspect(value, { breakLength: Infinity, maxArrayLength: 20, maxStringLength: 200 });
  return shown.length <= 300 ? shown : `${shown.slice(0, 300)}…`;
}

// What comes on a connection, in order: messages ({ data, isBinary }) and Pongs ({ pong }).
export class Connection {
  #came = [];
  #waiting = null;

  // offer: parameters of permessage-deflate, null to offer none.
  constructor(url, protocols = [], offer = null) {
    const perMessageDeflate = offer !== null && { clientMaxWindowBits: false, ...deflateOptions(offer) };
    this.ws = new WebSocket(url, protocols, { perMessageDeflate, maxPayload: MAX_SIZE, finishRequest: (request) => {
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

// Runs cases, which are in runCases() of those that extend it.
export class Client {
  cut = 0; // connections that the server is to find cut off
  #cases = 0;
  #failed = 0;
  #open = [];

  constructor(url) {
    this.url = url;
  }

  async run() {
    await this.runCases();
    console.log(`cut ${this.cut}`);
    console.log(`cases ${this.#cases}`);
    return this.#failed ? 1 : 0;
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

  connect(wishes = {}, { url = this.url, protocols = [], offer = null } = {}) {
    const connection = new Connection(`${url}/?${new URLSearchParams(wishes)}`, protocols, offer);
    this.#open.push(connection);
    return connection.opened;
  }

  // A connection that is closed in good order when the case is through with it.
  async with(run, wishes, how) {
    const connection = await this.connect(wishes, how);
    await run(connection);
    const start = performance.now();
    close(connection.ws, 1000, 'done');
    await connection.checkEnd(1000, 'done', start);
  }
}
