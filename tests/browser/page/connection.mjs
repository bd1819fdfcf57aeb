// A WebSocket whose events are awaited one after the other, and kept.

import { fail, same, sameBytes, sameText } from './same.mjs';

// What is being waited for, for whoever has to say that it took too long.
export const waiting = new Set();

export async function awaited(what, promise) {
  waiting.add(what);
  try {
    return await promise;
  } finally {
    waiting.delete(what);
  }
}

export class Connection {
  events = []; // types of all of them
  states = []; // readyState when each was fired
  #messages = [];
  #end = null;
  #wake = []; // whoever waits for the next event

  constructor(url, protocols) {
    this.ws = new WebSocket(url, protocols);
    this.ws.binaryType = 'arraybuffer';
    for (const type of ['open', 'message', 'error', 'close']) this.ws.addEventListener(type, (event) => this.#take(event));
  }

  #take(event) {
    this.events.push(event.type);
    this.states.push(this.ws.readyState);
    if (event.type === 'message') this.#messages.push(event.data);
    if (event.type === 'close') this.#end = { code: event.code, reason: event.reason, wasClean: event.wasClean };
    this.#wake.splice(0).forEach((wake) => wake());
  }

  async #until(what, isSo) {
    await awaited(what, (async () => {
      while (!isSo()) await new Promise((resolve) => this.#wake.push(resolve));
    })());
  }

  async opened() {
    await this.#until('"open"', () => this.events.includes('open') || this.#end);
    if (!this.events.includes('open')) fail(`expected "open", came the end: ${JSON.stringify(this.#end)}`);
    return this;
  }

  // The next message.
  async message() {
    await this.#until(`a message, after ${this.count('message') - this.#messages.length}`, () => this.#messages.length || this.#end);
    if (!this.#messages.length) fail(`expected a message, after ${this.count('message')}, came the end: ${JSON.stringify(this.#end)}`);
    return this.#messages.shift();
  }

  async messages(count) {
    const all = [];
    while (all.length < count) all.push(await this.message());
    return all;
  }

  // How it ended: code, reason, wasClean. There must be no message that nobody asked for.
  async closed() {
    await this.#until('"close"', () => this.#end || this.#messages.length);
    same(this.#messages.length, 0, 'messages that were not expected');
    return this.#end;
  }

  async closesWith(code, reason = '', wasClean = true) {
    same(await this.closed(), { code, reason, wasClean }, 'the end');
  }

  count(type) {
    return this.events.filter((one) => one === type).length;
  }

  // Sends it; the same must be the next message.
  async echo(data, what = 'the echo') {
    this.ws.send(data);
    await this.comesBack(data, what);
  }

  async comesBack(data, what = 'the echo') {
    const answer = await this.message();
    if (typeof data === 'string') return sameText(answer, data, what);
    if (!(answer instanceof ArrayBuffer)) fail(`${what}: expected an ArrayBuffer, came ${typeof answer}`);
    sameBytes(answer, data instanceof Blob ? await data.arrayBuffer() : data, what);
  }

  // Closes it if nobody has; then no rule of its events may have been broken.
  async finish() {
    if (this.ws.readyState === WebSocket.OPEN) {
      this.ws.close(1000, 'done');
      await this.closesWith(1000, 'done');
    }
    await this.closed();
    const grammar = /^(open (message )*)?(error )?close $/;
    const types = this.events.map((type) => `${type} `).join('');
    if (!grammar.test(types)) fail(`the events came in a wrong order: ${types.slice(-200)}`);
    const expected = this.events.map((type) => ({ open: 1, message: 1, error: 3, close: 3 })[type]);
    same(this.states, expected, 'readyState at each event');
  }
}
