// Checks, by the name of what they are about. Pages load them to run them, and Node to know their names: no file with
// checks may touch a page before one of its checks runs.

const LIMIT = 30; // seconds for a check

export class Theme {
  checks = [];

  constructor(name) {
    this.name = name;
  }

  // `run` is given what it needs to know, and throws if the rule that the name states does not hold. Options: `limit`
  // in seconds; `logs`, what servers write on their standard error because of it: by the name of the server, a pattern for
  // each line.
  check(name, ...rest) {
    const [options, run] = rest.length > 1 ? rest : [{}, ...rest];
    this.checks.push({ name: `${this.name}: ${name}`, limit: LIMIT, ...options, run });
  }
}

// All checks of these themes.
export function join(themes) {
  const all = themes.flatMap((theme) => theme.checks);
  const names = all.map(({ name }) => name);
  const twice = names.find((name, n) => names.indexOf(name) !== n);
  if (twice) throw new Error(`two checks of one name: ${twice}`);
  return all;
}
