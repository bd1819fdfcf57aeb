// A page without a document: runs the scripts of one test in Node, with our
// WebSocket, and prints what testharness.js has found, as JSON. Its argument is
// what `run` writes.

import { spawnSync } from "node:child_process";
import { writeSync } from "node:fs";
import { runInThisContext } from "node:vm";

import { Blob } from "./blob.mjs";
import { connect } from "./bridge.mjs";
import { runTask, WebSocket } from "./websocket.mjs";

const job = JSON.parse(process.argv[2]);
const page = new URL(job.url);
const nodeFetch = fetch;

connect(job.pipes, runTask);

// ---- the global object ---------------------------------------------------------

/** The suite's hosts are this machine. */
function local(url) {
  const there = new URL(url, page);
  if (there.hostname === page.hostname) there.hostname = job.address;
  return there;
}

/** Blocks, as only a process of its own can. */
function fetchNow(url) {
  const program = "fetch(process.argv[1]).then((reply) => reply.text()).then((text) => process.stdout.write(text))";
  const done = spawnSync(process.execPath, ["-e", program, local(url)], { stdio: ["ignore", "pipe", "inherit"] });
  if (done.status !== 0) throw new Error(`no ${url}`);
  return done.stdout.toString();
}

/** As much of it as a test needs to stop a script for a while. */
class XMLHttpRequest {
  #url;

  open(method, url, isAsync = true) {
    if (method !== "GET" || isAsync) throw new Error("only GET, and not later");
    this.#url = url;
  }

  send() {
    this.responseText = fetchNow(this.#url);
  }
}

const events = new EventTarget();
const globals = {
  self: globalThis,
  location: page,
  WebSocket,
  Blob,
  XMLHttpRequest,
  fetch: (url, options) => nodeFetch(local(url), options),
  addEventListener: events.addEventListener.bind(events),
  removeEventListener: events.removeEventListener.bind(events),
  dispatchEvent: events.dispatchEvent.bind(events),
  GLOBAL: { isWindow: () => !job.isWorker, isWorker: () => job.isWorker, isShadowRealm: () => false },
  META_TITLE: job.title,
};
if (job.isWorker) {
  globals.importScripts = (...urls) => urls.forEach((url) => {
    runInThisContext(fetchNow(url), { filename: url });
    if (url.endsWith("/testharness.js")) report();
  });
} else {
  globals.window = globalThis;
  // Says to idlharness.js which interfaces there are.
  globals.Window = class Window {};
}
for (const [name, value] of Object.entries(globals)) {
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
}

// An error that nobody catches ends the test, by testharness.js if it is there.
function reportError(type, fields) {
  if (typeof globalThis.add_completion_callback !== "function") finish([], 1, fields.message);
  events.dispatchEvent(Object.assign(new Event(type), fields));
}
const messageOf = (error) => String(error?.message ?? error);
process.on("uncaughtException", (error) => reportError("error", { error, message: messageOf(error) }));
process.on("unhandledRejection", (reason) => reportError("unhandledrejection", { reason, message: messageOf(reason) }));

// ---- results ---------------------------------------------------------------------

/** `harness`: 0 is good. */
function finish(subtests, harness, message) {
  let rest = Buffer.from(`${JSON.stringify({ subtests, harness, message })}\n`);
  while (rest.length > 0) rest = rest.subarray(writeSync(1, rest));
  process.exit(0);
}

/** Once testharness.js is there. */
function report() {
  globalThis.add_completion_callback((tests, { status, message }) => {
    finish(tests.map((test) => ({ name: test.name, status: test.status, message: test.message })), status, message);
  });
  setTimeout(() => globalThis.timeout(), job.seconds * 1000);
}

// ---- the scripts -------------------------------------------------------------------

// All are there before the first runs: then they run together, as testharness.js
// wants it outside of a browser.
const scripts = await Promise.all(job.scripts.map(async ({ src, text, line }) => {
  if (text !== undefined) return { text, options: { filename: page.pathname, lineOffset: line } };
  const reply = await nodeFetch(local(src));
  if (!reply.ok) throw new Error(`${src}: HTTP status ${reply.status}`);
  return { text: await reply.text(), options: { filename: src } };
}));
for (const { text, options } of scripts) {
  runInThisContext(text, options);
  if (options.filename === "/resources/testharness.js") report();
}
