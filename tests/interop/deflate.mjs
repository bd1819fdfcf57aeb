// The cases with compression of peer.mjs (see README.md). deflate.py is its twin.
//
// ws can be set to, and takes, all that there is. With 8 bits it has zlib compress in a window of 9, which does not
// refer back further than 250 bytes; that is within 256.

import { createHash } from 'node:crypto';

import { Client, NAME, inUse, parse, same, split, write } from './common.mjs';

const MIN_LEN = 64; // of DeflateConfig: the shortest message that the server compresses
const LOOKAHEAD = 262; // how much less than the window zlib refers back to

const raw = (hex) => Buffer.from(hex, 'hex');
const HELLO = raw('f248cdc9c90700'); // RFC 7692, section 7.2.3.1
const HELLO_AGAIN = raw('f200110000'); // section 7.2.3.2: refers to the one before
const HELLOS = [['without compression', raw('000500faff48656c6c6f00')], ['with BFINAL', raw('f348cdc9c9070000')],
  ['in two blocks', raw('f24805000000ffffcac9c90700')]];
const VIOLATIONS = [ // frames of first byte and payload, and the code that they are answered with
  ['no DEFLATE', [[0xc1, raw('070707')]], 1007],
  ['a reference to before the beginning', [[0xc1, HELLO_AGAIN]], 1007],
  ['cut short', [[0xc1, HELLO.subarray(0, -3)]], 1007],
  ['cut short in fragments', [[0x41, HELLO.subarray(0, 2)], [0x80, HELLO.subarray(2, -3)]], 1007],
  ['no UTF-8', [[0xc1, raw('000100feffff00')]], 1007],
  ['RSV1 in a continuation', [[0x41, HELLO.subarray(0, 2)], [0xc0, HELLO.subarray(2)]], 1002],
  ['RSV1 in a Ping', [[0xc9, raw('')]], 1002],
  ['RSV2', [[0xa1, HELLO]], 1002]];

// Bytes that cannot be compressed, others for every size.
function noise(size) {
  return createHash('shake256', { outputLength: Math.floor(size) }).update(String(size)).digest();
}

const made = new Map();

// Text of so many bytes that is compressed to less than half, with references over any distance.
function words(size) {
  if (!made.has(size)) {
    const all = Buffer.from(Array.from(noise(size / 4), (byte) => `aé${(byte * byte).toString(16)} `).join(''));
    let cut = size;
    while ((all[cut] & 0xc0) === 0x80) cut--;
    made.set(size, all.toString('utf8', 0, cut) + ' '.repeat(size - cut));
  }
  return made.get(size);
}

// Bytes that are compressed to very few.
function lines(size) {
  const all = Array.from({ length: size / 30 + 1 }, (_, n) => `${n} bottles of milk on the wall\n`);
  return Buffer.from(all.join('').slice(0, size));
}

// What the server makes of the offer, and how it writes it; null if it declines.
function agreement(offered, demanded) {
  const [offer, limits] = [parse(offered), parse(demanded)];
  const { server_max_window_bits: server, client_max_window_bits: client } = offer;
  if (client === undefined && (limits.client_max_window_bits ?? 15) < 15) return null;
  const agreed = {
    server_no_context_takeover: Boolean(offer.server_no_context_takeover || limits.server_no_context_takeover),
    client_no_context_takeover: Boolean(offer.client_no_context_takeover || limits.client_no_context_takeover),
    server_max_window_bits: Math.min(server ?? 15, limits.server_max_window_bits ?? 15),
    client_max_window_bits: Math.min(client >= 8 ? client : 15, limits.client_max_window_bits ?? 15),
  };
  const isRepeated = server === 15 && agreed.server_max_window_bits === 15;
  return { ...agreed, reply: write(agreed) + (isRepeated ? '; server_max_window_bits=15' : '') };
}

const kindAndSize = (message) => [typeof message === 'string' ? 'text' : 'binary', Buffer.byteLength(message)];

function within(length, bounds, what) {
  if (length < bounds[0] || length > bounds[1]) throw new Error(`${what}, expected ${bounds[0]} to ${bounds[1]}`);
}

// A connection on which echoes are exchanged, and each is looked at on the wire.
class Talk {
  #seen = 0; // frames

  constructor(connection, agreed) {
    this.c = connection;
    this.agreed = agreed;
    this.bits = agreed.server_max_window_bits;
    this.alone = agreed.server_no_context_takeover;
  }

  take(count) {
    const frames = this.c.frames.all.slice(this.#seen);
    this.#seen += count;
    same(frames.length, count, `number of frames of ${frames}`);
    return frames;
  }

  send(message, { pieces = 1, plain = false } = {}) {
    const [data, binary, compress] = [Buffer.from(message), typeof message !== 'string', !plain];
    for (const piece of split(data, pieces)) this.c.ws.send(piece, { binary, compress, fin: pieces === 1 });
    if (pieces > 1) this.c.ws.send(Buffer.alloc(0), { binary, compress, fin: true });
  }

  // kept, alone: the least and the most bytes that the server compresses this to, with its context and without; null
  // if that would gain nothing, so that it goes as it is. Gives the length on the wire.
  async echo(message, kept, alone, how) {
    this.send(message, how);
    await this.c.expect(message, 'echo');
    const [frame] = this.take(1);
    return this.check(frame, message, this.alone ? alone : kept);
  }

  check(frame, message, bounds) {
    const [kind, size] = kindAndSize(message);
    if (this.bits === 8 || size < MIN_LEN || bounds === null) {
      same(frame, `${kind}:${size}`, 'frame');
      return size;
    }
    const [head, length] = frame.split(':');
    same(head, `${kind}~`, `head of ${frame}`);
    within(Number(length), bounds, `${frame} of ${size} bytes`);
    return Number(length);
  }

  // Messages in one frame.
  async whole() {
    for (const message of ['', Buffer.from(''), 'x', Buffer.from('x')]) await this.echo(message, null, null);
    await this.echo('hello, '.repeat(17) + 'hello!', [1, 60], [1, 60]);
    await this.echo(noise(125), [125, 140], null);
    const sent = this.c.ws._socket.bytesWritten;
    await this.echo(words(65536), [1, 32768], [1, 32768]);
    within(this.c.ws._socket.bytesWritten - sent, [0, 32768], 'it was not sent compressed');
    await this.echo(noise(65536), [65536, 66000], null);
    await this.echo(lines(1 << 20), [1, 1 << 18], [1, 1 << 18]);
    await this.repeated();
    for (const bits of new Set([this.bits, this.agreed.client_max_window_bits])) await this.farApart(1 << bits);
    await this.echo(words(3000), [1, 1500], [1, 1500], { pieces: 7 });
    await this.echo(words(3000), [1, 1500], [1, 1500], { pieces: 7, plain: true });
    await this.many();
  }

  // The same again and again, with messages in between that are sent plain: by the peer, and short ones by us.
  async repeated() {
    const again = noise(90).toString('hex'); // which four bits for each of its characters are enough for
    const first = await this.echo(again, [90, 179], [90, 179]);
    const lengths = [];
    for (let n = 0; n < 2; n++) lengths.push(await this.echo(again, [1, 20], [90, 179]));
    await this.echo(noise(40), null, null, { plain: true });
    lengths.push(await this.echo(again, [1, 20], [90, 179]));
    await this.echo(noise(300), [300, 320], null, { plain: true });
    lengths.push(await this.echo(again, [1, 179], [90, 179]));
    await this.echo(again, [1, 20], [90, 179], { plain: true });
    await this.echo(again, [1, 20], [90, 179]);
    if (this.alone) same(lengths, [first, first, first, first], 'lengths without context takeover');
  }

  // A message that is repeated from just inside a window, and from outside of it.
  async farApart(window) {
    const mark = noise(120);
    await this.echo(mark, [1, 140], null);
    for (const between of [Math.max(10, window - 400), window]) {
      await this.echo(noise(between), [between, between + 100], null);
      const isFound = mark.length + between <= (1 << this.bits) - LOOKAHEAD;
      await this.echo(mark, isFound ? [1, 30] : [120, 140], null);
    }
  }

  // Without waiting for echoes.
  async many() {
    const sent = Array.from({ length: 300 }, (_, n) => `message ${n}, `.repeat(n % 40).slice(0, (n * 37) % 400));
    for (const message of sent) this.send(message);
    for (const message of sent) await this.c.expect(message, 'echo');
    const frames = this.take(sent.length);
    sent.forEach((message, n) => this.check(frames[n], message, [1, message.length]));
  }

  // The server sends each echo in so many frames.
  async inFragments(pieces) {
    const [again, mixed, half] = [noise(90).toString('hex'), words(65536), [1, 32768]];
    const lengths = [];
    for (const [message, kept, alone] of [
      [again, [90, 215], [90, 215]], [again, [1, 60], [90, 215]], ['', [1, 10], [1, 10]], ['x', [1, 20], [1, 20]],
      [again, [1, 60], [90, 215]], [noise(5000), [5000, 5200], [5000, 5200]], [mixed, half, half],
      [Buffer.from(mixed), half, half]]) {
      this.send(message, { pieces: 2 });
      await this.c.expect(message, 'echo');
      lengths.push(this.checkFragments(this.take(pieces), message, this.alone ? alone : kept));
    }
    if (this.alone) same([lengths[1], lengths[4]], [lengths[0], lengths[0]], 'lengths without context takeover');
  }

  checkFragments(frames, message, bounds) {
    const [kind, size] = kindAndSize(message);
    const heads = [`${kind}*`, ...Array(frames.length - 2).fill('cont*'), 'cont'];
    if (this.bits === 8) {
      const all = split(Buffer.from(message), frames.length);
      same(frames, all.map((piece, n) => `${heads[n]}:${piece.length}`), 'frames');
      return size;
    }
    heads[0] = `${kind}~*`;
    same(frames.map((frame) => frame.split(':')[0]), heads, 'heads of frames');
    const length = frames.reduce((sum, frame) => sum + Number(frame.split(':')[1]), 0);
    within(length, bounds, `${frames} of ${size} bytes`);
    return length;
  }
}

export class DeflateClient extends Client {
  #given;

  constructor(given) {
    super(given.open);
    this.#given = given;
  }

  async runCases() {
    const { offers, demanding, limit, limited } = this.#given;
    for (const offer of offers) {
      const name = `offered by the peer, ${offer || 'nothing'}`;
      await this.case(name, () => this.whole(this.url, offer, ''));
      await this.case(`${name}, in fragments`, () => this.inFragments(this.url, offer, ''));
    }
    const narrow = 'server_max_window_bits=12; client_max_window_bits=12';
    for (const [limits, url] of demanding) {
      const name = `demanded by us, ${limits || 'nothing'}`;
      await this.case(name, () => this.whole(url, 'client_max_window_bits', limits));
      await this.case(`${name}, in fragments and of a window of 12 bits`, () => this.inFragments(url, narrow, limits));
    }
    for (const [limits, url] of demanding) {
      if ((parse(limits).client_max_window_bits ?? 15) === 15) continue; // agreed on, since it asks for nothing
      const name = `not agreed on, ${limits} demanded of a client that has not offered it`;
      await this.case(name, () => this.notAgreed(url, limits));
    }

    for (const [name, payload] of HELLOS) await this.case(`message ${name}`, () => this.hello(payload));
    for (const [name, frames, code] of VIOLATIONS) {
      await this.case(`violation, ${name}`, () => this.violation('', frames, code));
    }
    const twice = [[0xc1, HELLO], [0xc1, HELLO_AGAIN]];
    await this.case('message that refers to the one before', () => this.hello(HELLO, HELLO_AGAIN));
    await this.case('violation, a message that refers to the one before, without context takeover',
      () => this.violation('client_no_context_takeover', twice, 1007));
    await this.case('violation, RSV1 without compression', () => this.violation(null, [[0xc1, HELLO]], 1002));
    await this.case('message as long as may be', () => this.longest(limited, limit));
    await this.case('violation, 64 MiB of zeros', () => this.bomb(limited, 64 << 20));
    await this.case('violation, a byte more than may be', () => this.bomb(limited, limit + 1));
  }

  whole(url, offer, limits) {
    return this.agree((talk) => talk.whole(), url, offer, limits);
  }

  inFragments(url, offer, limits) {
    return this.agree((talk) => talk.inFragments(3), url, offer, limits, { fragment: 3 });
  }

  agree(run, url, offer, limits, wishes) {
    const agreed = agreement(offer, limits);
    return this.with(async (c) => {
      const offered = [NAME, offer].filter(Boolean).join('; ');
      same(c.request.getHeader('Sec-WebSocket-Extensions'), offered, 'offer');
      same(c.response.headers['sec-websocket-extensions'], agreed.reply, 'reply');
      same(inUse(c.ws), write(agreed), 'in use');
      await run(new Talk(c, agreed));
    }, wishes, { url, offer });
  }

  notAgreed(url, limits) {
    same(agreement('', limits), null, 'agreement');
    return this.with(async (c) => {
      same(c.response.headers['sec-websocket-extensions'], undefined, 'reply');
      c.ws.send(lines(2000));
      await c.expect(lines(2000), 'echo');
      same(c.frames.all, ['binary:2000'], 'frames');
    }, {}, { url, offer: '' });
  }

  hello(...payloads) {
    return this.with(async (c) => {
      for (const payload of payloads) {
        sendRaw(c, 0xc1, payload);
        await c.expect('Hello', 'echo');
      }
    }, {}, { offer: '' });
  }

  async violation(offer, frames, code) {
    this.cut++;
    const c = await this.connect({}, { offer });
    for (const [first, payload] of frames) sendRaw(c, first, payload);
    const before = Array(frames.length - 1).fill('Hello');
    const came = [];
    c.ws.on('message', (data) => {
      came.push(String(data));
      if (came.length > before.length) c.ws.terminate();
    });
    const end = await c.closed;
    same(came, before.slice(0, came.length), 'messages');
    same(end.code, code, 'code');
  }

  longest(url, limit) {
    return this.with(async (c) => {
      for (const message of [lines(limit), noise(limit - 1024)]) {
        c.ws.send(Buffer.from(message));
        await c.expect(message, 'echo');
      }
    }, {}, { url, offer: '' });
  }

  async bomb(url, size) {
    this.cut++;
    const c = await this.connect({}, { url, offer: '' });
    const before = c.ws._socket.bytesWritten;
    const socket = c.ws._socket;
    c.ws.send(Buffer.alloc(size));
    same((await c.closed).code, 1009, 'code');
    within(socket.bytesWritten - before, [0, size / 100], 'it was not sent compressed');
  }
}

function sendRaw(c, first, payload) {
  c.ws._socket.write(Buffer.concat([Buffer.from([first, 0x80 | payload.length, 0, 0, 0, 0]), payload]));
}
