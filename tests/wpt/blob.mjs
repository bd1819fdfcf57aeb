// A Blob whose bytes are there without waiting: `send` puts it in its place among
// other messages, and counts it, before it returns.

import { Blob as NodeBlob } from "node:buffer";

/** The bytes of a Blob; null if it is none. */
export let bytesOf;

export class Blob extends NodeBlob {
  #bytes;

  static {
    bytesOf = (value) => (typeof value === "object" && value !== null && #bytes in value ? value.#bytes : null);
  }

  constructor(parts = [], options = {}) {
    const bytes = Buffer.concat(Array.from(parts, toBytes));
    super([bytes], options);
    this.#bytes = bytes;
  }

  slice(start = 0, end = this.size, type = "") {
    return new Blob([this.#bytes.subarray(start, end)], { type });
  }
}

function toBytes(part) {
  if (part instanceof ArrayBuffer) return Buffer.from(part);
  if (ArrayBuffer.isView(part)) return Buffer.from(part.buffer, part.byteOffset, part.byteLength);
  return bytesOf(part) ?? Buffer.from(`${part}`.toWellFormed());
}
