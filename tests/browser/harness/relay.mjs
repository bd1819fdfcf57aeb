// Stands between a browser and a server, hands on what comes, and notes what passed.

import { connect, createServer } from 'node:net';

import { FrameReader } from './frames.mjs';

export class Relay {
  url = null;
  #server;
  #target;
  #links = []; // since the last forget()
  #turns = 0; // heads that passed, of all links: tells their order

  static async start(target) {
    const relay = new Relay();
    relay.aim(target);
    relay.#server = createServer({ allowHalfOpen: true }, (socket) => relay.#link(socket));
    await new Promise((resolve, reject) => relay.#server.once('error', reject).listen(0, '127.0.0.1', resolve));
    relay.url = `ws://127.0.0.1:${relay.#server.address().port}`;
    return relay;
  }

  // The URL of the server.
  aim(target) {
    this.#target = Number(new URL(target).port);
  }

  // What passed on each connection that was made since the last forget(): `request` and `response` are the heads, with
  // `turns`, their places in the order of all; `frames` has those of both directions; `ends` tells who ended TCP, in the
  // order in which they did, and `resets` who did so without good manners.
  get wire() {
    return this.#links.map((link) => link.seen);
  }

  // Resolves when both sides of all connections have ended.
  async over() {
    await Promise.all(this.#links.map((link) => link.over));
  }

  forget() {
    this.#links = [];
    this.#turns = 0;
  }

  async end() {
    for (const link of this.#links) link.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #link(client) {
    const server = connect({ port: this.#target, host: '127.0.0.1', allowHalfOpen: true });
    const seen = { request: null, response: null, turns: [], frames: [], ends: [], resets: [] };
    const cut = () => [client, server].forEach((socket) => socket.destroy());
    const closed = [client, server].map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    this.#links.push({ seen, cut, over: Promise.all(closed) });
    const note = (key) => (head) => {
      seen[key] = head;
      seen.turns.push(++this.#turns);
    };
    pass(client, server, 'client', seen, note('request'));
    pass(server, client, 'server', seen, note('response'));
  }
}

// Hands on what comes from one side: bytes, the end, or a reset.
function pass(from, to, side, seen, head) {
  from.setNoDelay(true);
  let start = Buffer.alloc(0); // of the HTTP head
  let frames = null;
  const read = (bytes) => {
    if (frames) return frames.push(bytes);
    start = Buffer.concat([start, bytes]);
    const end = start.indexOf('\r\n\r\n') + 4;
    if (end < 4) return;
    head(start.toString('latin1', 0, end));
    const refused = side === 'server' && !seen.response.startsWith('HTTP/1.1 101 '); // no frames follow, but a text
    frames = refused ? { push() {} } : new FrameReader((frame) => seen.frames.push({ from: side, ...frame }));
    frames.push(start.subarray(end));
  };
  from.on('data', (bytes) => {
    read(bytes);
    if (!to.write(bytes)) from.pause();
  });
  to.on('drain', () => from.resume());
  from.on('end', () => {
    seen.ends.push(side);
    to.end();
  });
  from.on('error', () => {
    seen.ends.push(side);
    seen.resets.push(side);
    to.resetAndDestroy();
  });
}
