// The script's WebSocket: what Web IDL and the DOM make of calls and events. No
// rule of WebSockets is here; each call and each attribute asks the object.

import { Blob, bytesOf } from "./blob.mjs";
import { call } from "./bridge.mjs";

// Those that can still get events are not collected before they have them.
const sockets = new Map();
let lastId = 0;

export class WebSocket extends EventTarget {
  #id;
  #handlers = {};

  constructor(url, protocols = []) {
    if (arguments.length === 0) throw new TypeError("WebSocket: 1 argument required");
    super();
    const id = ++lastId;
    call({
      call: "new",
      id,
      url: `${url}`.toWellFormed(),
      protocols: toStrings(protocols),
      base: location.href,
      origin: location.origin,
      secure: location.protocol === "https:",
    });
    this.#id = id;
    sockets.set(id, this);
  }

  get url() { return this.#attribute("url"); }
  get readyState() { return this.#attribute("readyState"); }
  get bufferedAmount() { return this.#attribute("bufferedAmount"); }
  get extensions() { return this.#attribute("extensions"); }
  get protocol() { return this.#attribute("protocol"); }
  get binaryType() { return this.#attribute("binaryType"); }
  set binaryType(value) {
    call({ call: "binaryType", id: this.#id, value: `${value}` });
  }

  get onopen() { return this.#handler("open"); }
  set onopen(value) { this.#setHandler("open", value); }
  get onerror() { return this.#handler("error"); }
  set onerror(value) { this.#setHandler("error", value); }
  get onclose() { return this.#handler("close"); }
  set onclose(value) { this.#setHandler("close", value); }
  get onmessage() { return this.#handler("message"); }
  set onmessage(value) { this.#setHandler("message", value); }

  close(code = undefined, reason = undefined) {
    call({
      call: "close",
      id: this.#id,
      code: code === undefined ? undefined : toClampedShort(code),
      reason: reason === undefined ? undefined : codeUnits(`${reason}`),
    });
  }

  send(data) {
    const id = this.#id;
    if (arguments.length === 0) throw new TypeError("send: 1 argument required");
    const bytes = toBytes(data);
    call(bytes === null
      ? { call: "send", id, text: codeUnits(`${data}`) }
      : { call: "send", id, binary: bytes.toString("base64") });
  }

  #attribute(name) {
    return call({ call: "get", id: this.#id }).attributes[name];
  }

  // HTML, "event handlers": one that is replaced keeps its place among the
  // listeners; one that is null has none.

  #handler(type) {
    return this.#handlers[type]?.value ?? null;
  }

  #setHandler(type, value) {
    const callback = typeof value === "function" || (typeof value === "object" && value !== null);
    const handler = this.#handlers[type];
    if (!callback) {
      if (handler) this.removeEventListener(type, handler.listener);
      delete this.#handlers[type];
    } else if (handler) {
      handler.value = value;
    } else {
      const added = { value, listener: (event) => runHandler(this, added.value, event) };
      this.#handlers[type] = added;
      this.addEventListener(type, added.listener);
    }
  }
}

function runHandler(target, value, event) {
  if (typeof value === "function" && value.call(target, event) === false) event.preventDefault();
}

/** Runs a task that was announced. */
export function runTask(id) {
  const socket = sockets.get(id);
  for (const event of call({ call: "turn", id }).events) {
    if (event.type === "close") sockets.delete(id);
    socket.dispatchEvent(toEvent(event));
  }
}

function toEvent({ type, origin, text, binary, isBlob, ...rest }) {
  if (type === "close") return new CloseEvent(type, rest);
  if (type !== "message") return new Event(type);
  return new MessageEvent(type, { origin, data: text ?? toBinary(Buffer.from(binary, "base64"), isBlob) });
}

function toBinary(bytes, isBlob) {
  return isBlob ? new Blob([bytes]) : new Uint8Array(bytes).buffer;
}

// ---- Web IDL conversions -----------------------------------------------------

/** `(DOMString or sequence<DOMString>)`, as a list. */
function toStrings(value) {
  const isObject = (typeof value === "object" && value !== null) || typeof value === "function";
  const list = isObject && value[Symbol.iterator] != null ? [...value] : [value];
  return list.map((one) => `${one}`.toWellFormed());
}

/** `[Clamp] unsigned short`: the nearest, and of two as near the even one. */
function toClampedShort(value) {
  const number = Math.min(Math.max(+value, 0), 65535);
  if (Number.isNaN(number)) return 0;
  const below = Math.floor(number);
  const isUp = number - below > 0.5 || (number - below === 0.5 && below % 2 === 1);
  return isUp ? below + 1 : below;
}

/** `(BufferSource or Blob or USVString)`: null if it is the last. */
function toBytes(value) {
  if (value instanceof ArrayBuffer) return Buffer.from(value);
  if (ArrayBuffer.isView(value)) {
    if (!(value.buffer instanceof ArrayBuffer)) throw new TypeError("send: shared memory");
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  }
  return bytesOf(value);
}

/** As they are, so that what becomes of half a pair is the object's matter. */
function codeUnits(string) {
  return Buffer.from(string, "utf16le").toString("base64");
}

// ---- what classes cannot say -------------------------------------------------

["CONNECTING", "OPEN", "CLOSING", "CLOSED"].forEach((name, value) => {
  for (const holder of [WebSocket, WebSocket.prototype]) {
    Object.defineProperty(holder, name, { value, enumerable: true });
  }
});
for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(WebSocket.prototype))) {
  if (name !== "constructor") Object.defineProperty(WebSocket.prototype, name, { ...property, enumerable: true });
}
Object.defineProperty(WebSocket.prototype, Symbol.toStringTag, { value: "WebSocket", configurable: true });
