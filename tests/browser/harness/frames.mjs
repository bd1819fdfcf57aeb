// Reads the frames that pass in one direction (RFC 6455, section 5.2), whatever pieces they come in.

const KEPT = 4096; // longer payloads are counted, not kept
const NAMES = { 0: 'more', 1: 'text', 2: 'binary', 8: 'close', 9: 'ping', 10: 'pong' };

export class FrameReader {
  #take;
  #pending = Buffer.alloc(0); // an unfinished header, or a payload that is kept
  #skip = 0; // bytes of a payload that is not kept

  // Each frame is given to `take` when all of its header is there, and of its payload if that is kept.
  constructor(take) {
    this.#take = take;
  }

  push(bytes) {
    const skipped = Math.min(this.#skip, bytes.length);
    this.#skip -= skipped;
    let rest = bytes.subarray(skipped);
    if (this.#pending.length) rest = Buffer.concat([this.#pending, rest]);
    for (let used; (used = this.#frame(rest)) > 0;) rest = rest.subarray(used);
    this.#pending = Buffer.from(rest);
  }

  // Bytes of the frame at the front, as far as they are there; 0 if there is no whole one.
  #frame(bytes) {
    if (bytes.length < 2) return 0;
    const masked = bytes[1] >= 0x80;
    let length = bytes[1] & 0x7f;
    const extended = { 126: 2, 127: 8 }[length] ?? 0;
    const header = 2 + extended + (masked ? 4 : 0);
    if (bytes.length < header) return 0;
    if (extended === 2) length = bytes.readUInt16BE(2);
    if (extended === 8) length = Number(bytes.readBigUInt64BE(2));
    const frame = {
      kind: NAMES[bytes[0] & 0x0f] ?? `opcode ${bytes[0] & 0x0f}`, fin: bytes[0] >= 0x80, rsv: (bytes[0] >> 4) & 7, masked, length,
    };
    if (length > KEPT) {
      const there = Math.min(length, bytes.length - header);
      this.#skip = length - there;
      this.#take(frame);
      return header + there;
    }
    if (bytes.length < header + length) return 0;
    const payload = Buffer.from(bytes.subarray(header, header + length));
    if (masked) for (let i = 0; i < length; i++) payload[i] ^= bytes[header - 4 + (i & 3)];
    this.#take({ ...frame, hex: payload.toString('hex') });
    return header + length;
  }
}
