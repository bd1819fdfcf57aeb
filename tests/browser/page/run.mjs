// Runs checks in this page, when it is told to.

import { Connection, waiting } from './connection.mjs';
import { Failure } from './same.mjs';
import { join } from './theme.mjs';

// What a check is given: `urls` of the servers by their names, and whatever else the suite knows.
class Check {
  #connections = [];

  constructor(context) {
    Object.assign(this, context);
  }

  // A connection that is closed in good order after the check, unless the check does. `wishes` are parameters of the query;
  // `to` is the server's name.
  connect(wishes = {}, { to = 'server', protocols } = {}) {
    const connection = new Connection(this.url(wishes, to), protocols);
    this.#connections.push(connection);
    return connection;
  }

  open(wishes, how) {
    return this.connect(wishes, how).opened();
  }

  url(wishes = {}, to = 'server') {
    const query = Object.entries(wishes).map(([key, value]) => (value === true ? key : `${key}=${encodeURIComponent(value)}`)).join('&');
    return `${this.urls[to]}/${query && `?${query}`}`;
  }

  async finish() {
    await Promise.all(this.#connections.map((connection) => connection.finish()));
  }
}

// Resolves with what is wrong, or null.
async function run({ name, limit, run: body }, context) {
  const check = new Check(context);
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => {
      const list = [...waiting].slice(0, 3).join(', ');
      reject(new Failure(`not finished after ${limit} s; waiting for ${list || 'what is not known'}`));
    }, limit * 1000);
  });
  try {
    await Promise.race([body(check).then(() => check.finish()), late]);
    return null;
  } catch (error) {
    return error instanceof Failure ? error.message : `${error.name}: ${error.message} (${String(error.stack).split('\n')[1]?.trim()})`;
  } finally {
    clearTimeout(timer);
  }
}

export function offer(themes) {
  const checks = new Map(join(themes).map((check) => [check.name, check]));
  window.runCheck = (name, context) => run(checks.get(name), context);
}
