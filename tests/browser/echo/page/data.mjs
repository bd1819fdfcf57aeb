// Data to send.

export const MIB = 1 << 20;

// Bytes that do not compress; always the same for the same seed.
export function noise(length, seed = 1) {
  const bytes = new Uint8Array(length);
  let state = seed * 2654435761 >>> 0 || 1;
  for (let n = 0; n < length; n++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[n] = state >>> 11;
  }
  return bytes;
}

export function bytesOf(text) {
  return new TextEncoder().encode(text).length;
}

const SENTENCE = 'Grüße an die Welt 世界 🦦 € ';

// Text of characters of one to four bytes, of so many bytes in UTF-8.
export function prose(length) {
  const one = bytesOf(SENTENCE);
  return SENTENCE.repeat(Math.floor(length / one)) + 'x'.repeat(length % one);
}
