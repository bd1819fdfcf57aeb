// What checks say, and how they fail.

export class Failure extends Error {}

export function fail(message) {
  throw new Failure(message);
}

export function same(actual, expected, what) {
  const [came, wanted] = [show(actual), show(expected)];
  if (came !== wanted) fail(`${what}: expected ${brief(wanted)}, came ${brief(came)}`);
}

export function isTrue(value, what) {
  if (value !== true) fail(`${what}: it is not so`);
}

// Calls it, which must throw a DOMException of this name, or another error if that has the name.
export function throws(run, name, what) {
  let thrown = 'nothing';
  try {
    run();
  } catch (error) {
    thrown = error.name;
  }
  same(thrown, name, `${what}: what is thrown`);
}

export async function rejects(promise, name, what) {
  let error = { name: 'nothing' };
  await promise.catch((reason) => { error = reason; });
  same(error.name, name, `${what}: what it is rejected with`);
  return error;
}

// Bytes of two ArrayBuffers or views, which may be long.
export function sameBytes(actual, expected, what) {
  const [came, wanted] = [bytes(actual), bytes(expected)];
  if (came.length !== wanted.length) fail(`${what}: expected ${wanted.length} bytes, came ${came.length}`);
  for (let at = 0; at < wanted.length; at++) {
    if (came[at] !== wanted[at]) fail(`${what}: byte ${at} of ${wanted.length}: expected ${wanted[at]}, came ${came[at]}`);
  }
}

// Texts that may be long.
export function sameText(actual, expected, what) {
  same(typeof actual, 'string', `${what}: type`);
  if (actual === expected) return;
  let at = 0;
  while (actual[at] === expected[at]) at++;
  const from = Math.max(at - 10, 0);
  fail(`${what}: at ${at} of ${expected.length}: expected ${show(expected.slice(from, at + 20))}, came ${show(actual.slice(from, at + 20))}`);
}

export function bytes(data) {
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return fail(`expected bytes, came ${show(data)}`);
}

export function hex(text) {
  return [...new TextEncoder().encode(text)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

// As JSON, with what JSON has no words for, and without characters that cannot be seen.
function show(value) {
  const text = JSON.stringify(value, (_, v) => {
    if (v === undefined || typeof v === 'bigint' || Number.isNaN(v)) return `(${v})`;
    if (v instanceof ArrayBuffer || ArrayBuffer.isView(v)) return `${v.constructor.name}(${[...bytes(v).subarray(0, 64)]}), ${v.byteLength} bytes`;
    return typeof Blob === 'function' && v instanceof Blob ? `Blob of ${v.size} bytes` : v;
  });
  return text.replace(/[^ -~\u00a1-\u024f\u4e00-\u9fff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function brief(text) {
  return text.length > 600 ? `${text.slice(0, 600)}… (${text.length} characters)` : text;
}
