// The script's end of the bridge (README.md has the protocol): a call waits for
// its answer, as a script expects of `new WebSocket` and of `send`. That is why
// the pipes are read and written by hand; the third is read by Node's loop.

import { readSync, writeSync } from "node:fs";
import { Socket } from "node:net";

const chunk = Buffer.alloc(1 << 16);
let pipes;
let unread = Buffer.alloc(0);
let isBusy = false;

/** `fds`: where requests go, answers come, and tasks are announced; `onTask` is
 * called with a socket's id, once for each of its tasks, in a task of its own. */
export function connect(fds, onTask) {
  pipes = fds;
  let text = "";
  new Socket({ fd: pipes.announcements, readable: true, writable: false })
    .setEncoding("utf8")
    .on("data", (data) => {
      const lines = (text + data).split("\n");
      text = lines.pop();
      for (const line of lines) setImmediate(onTask, Number(line));
    });
}

/** Waits for the answer, and throws the exception in it. */
export function call(request) {
  write(request);
  if (!isBusy) {
    // When the script has returned to its event loop, the sockets may go on.
    isBusy = true;
    setImmediate(() => {
      isBusy = false;
      write({ call: "idle" });
    });
  }
  const answer = JSON.parse(readLine());
  if (answer.exception) {
    throw new DOMException(answer.exception.message, answer.exception.name);
  }
  return answer;
}

function write(request) {
  let rest = Buffer.from(`${JSON.stringify(request)}\n`);
  while (rest.length > 0) rest = rest.subarray(writeSync(pipes.requests, rest));
}

function readLine() {
  const parts = [unread];
  let end = unread.indexOf(10);
  while (end < 0) {
    const length = readSync(pipes.answers, chunk);
    if (length === 0) throw new Error("the bridge has ended");
    parts.push(Buffer.from(chunk.subarray(0, length)));
    end = parts.at(-1).indexOf(10);
  }
  const last = parts.pop();
  const line = Buffer.concat([...parts, last.subarray(0, end)]);
  unread = last.subarray(end + 1);
  return line.toString();
}
