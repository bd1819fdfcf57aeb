// What passed between this page and the server, where the two spoke through the relay.

// For each connection: the heads, the frames of both directions, and who ended TCP, in which order (see Relay). Resolves when
// all of them are over.
export function wireWhenOver() {
  return window.wireWhenOver();
}

// The frames of one side, without what is not asked for.
export function frames(link, side, ...keys) {
  return link.frames.filter(({ from }) => from === side).map((frame) => Object.fromEntries(keys.map((key) => [key, frame[key]])));
}

// The lines of a head, but for the first, as [name in small letters, value].
export function headers(head) {
  return head.trimEnd().split('\r\n').slice(1).map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
}

// All values of a header.
export function values(head, name) {
  return headers(head).filter(([key]) => key === name).map(([, value]) => value);
}
