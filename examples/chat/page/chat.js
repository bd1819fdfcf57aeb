// The page of the chat. Names and texts come from anybody: they are only ever
// put into the page as text.

const FIRST_DELAY = 1000; // ms, before the first attempt to connect again
const LONGEST_DELAY = 30_000;
const STABLE = 10_000; // ms a connection lasts for the next delay to be short again
const RECENT = 15_000; // ms in which a message comes back, if it does
const MOST_LINES = 500; // kept in the page
const TOGETHER = 60_000; // ms between two messages that are shown as one group
const AT_BOTTOM = 40; // px from the end that still count as the end

// Codes that say that it is of no use to come again: what was sent broke a
// rule, of the protocol or of the server.
const FOR_GOOD = new Set([1002, 1003, 1007, 1008, 1009, 1010]);

const $ = (id) => document.getElementById(id);
const { log, scroller, composer, join, text, send, hint, newer, users, people } = Object.fromEntries(
  ["log", "scroller", "composer", "join", "text", "send", "hint", "newer", "users", "people"].map((id) => [id, $(id)]),
);

const room = /^\/room\/([^/]+)/.exec(location.pathname)?.[1] ?? "lobby";
const address = new URL(`/socket/${room}`, location.href);
address.protocol = address.protocol === "https:" ? "wss:" : "ws:";

// ---- the connection ---------------------------------------------------------

let socket = null;
let clientId = null;
let wanted = null; // the name that was asked for, each time anew
let name = null; // the name that the server gave
let attempts = 0;
let retryTimer = null;
let retryAt = 0;
let unanswered = []; // what was sent and has not come back: {text, at}
let signInAt = 0;

function connect() {
  clearInterval(retryTimer);
  show("connecting", "Connecting …");
  clientId = null;
  let openedAt = 0;
  const ws = new WebSocket(address, "json");
  socket = ws;
  ws.onopen = () => {
    openedAt = performance.now();
  };
  ws.onmessage = (event) => {
    let message;
    try {
      message = JSON.parse(event.data);
    } catch {
      return; // not from a server of ours
    }
    receive(message);
  };
  ws.onclose = ({ code, reason }) => {
    if (openedAt && performance.now() - openedAt > STABLE) attempts = 0;
    lost();
    if (FOR_GOOD.has(code)) {
      show("closed", reason ? `Closed: ${reason} (${code})` : `Closed (${code})`, "Connect again");
    } else {
      retry(reason || (code === 1001 ? "The server went away" : null));
    }
  };
}

/** Tries again, later each time, and not when everybody else does. */
function retry(why) {
  const longest = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** attempts);
  attempts += 1;
  retryAt = performance.now() + longest * (0.5 + Math.random() / 2);
  const tick = () => {
    const seconds = Math.ceil((retryAt - performance.now()) / 1000);
    if (seconds <= 0) return connect();
    show("waiting", `${why ? `${why}. ` : ""}Reconnecting in ${seconds} s`, "Try now");
  };
  clearInterval(retryTimer);
  retryTimer = setInterval(tick, 250);
  tick();
}

/**
 * What was sent a moment ago and did not come back may not have arrived: it is
 * there to be sent again. What is older was not passed on, which was told.
 */
function lost() {
  const since = performance.now() - RECENT;
  const unsent = unanswered.filter((message) => message.at > since).map((message) => message.text);
  unanswered = [];
  clientId = null;
  if (unsent.length > 0) {
    text.value = [...unsent, text.value].filter((part) => part !== "").join("\n");
    fit();
  }
  list([]);
}

function transmit(message) {
  socket.send(JSON.stringify(message));
  watchBuffer();
}

function signIn() {
  signInAt = performance.now();
  transmit({ type: "username", name: wanted, id: clientId, date: Date.now() });
}

function receive(message) {
  switch (message.type) {
    case "id":
      clientId = message.id;
      signIn();
      break;
    case "username":
      if (message.id === clientId) {
        name = message.name;
        $("me").textContent = name;
        took(performance.now() - signInAt);
        show("open", "Connected");
      }
      addEvent("User ", message.name, ` signed in at ${timeOf(message.date)}`);
      break;
    case "rejectusername":
      name = message.name;
      addEvent("Your username has been set to ", name, " because the name you chose is in use.");
      break;
    case "message":
      if (message.id === clientId) answered(message.text);
      addMessage(message);
      break;
    case "userlist":
      list(message.users);
      break;
  }
}

/** One's own message came back; those before it were not passed on. */
function answered(said) {
  const at = unanswered.findIndex((message) => message.text.trim() === said);
  if (at < 0) return;
  took(performance.now() - unanswered[at].at);
  unanswered = unanswered.slice(at + 1);
}

// ---- what is shown ------------------------------------------------------------

function show(state, words, action = null) {
  // Read aloud when it is another state, not with every second.
  if ($("connection").dataset.state !== state) $("announced").textContent = words;
  $("connection").dataset.state = state;
  $("state").textContent = words;
  $("retry").hidden = action === null;
  if (action) $("retry").textContent = action;
  const isOpen = state === "open";
  send.disabled = !isOpen;
  scrollKeeping(() => {
    hint.classList.remove("count");
    const why = state === "closed" ? "The connection is closed" : "There is no connection";
    const words = isOpen ? "" : `${why}: nothing can be sent. What you write is kept here.`;
    if (hint.textContent !== words) hint.textContent = words;
  });
}

function took(ms) {
  $("trip").textContent = ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}

let isWatchingBuffer = false;

function watchBuffer() {
  const amount = socket?.bufferedAmount ?? 0;
  $("buffered").textContent = bytes(amount);
  const goesOn = amount > 0 && socket.readyState === WebSocket.OPEN;
  if (goesOn && !isWatchingBuffer) setTimeout(() => { isWatchingBuffer = false; watchBuffer(); }, 50);
  isWatchingBuffer = goesOn;
}

function bytes(amount) {
  return amount < 1000 ? `${amount} B` : `${(amount / 1000).toFixed(1)} kB`;
}

const timeOf = (date) => new Date(date).toLocaleTimeString();

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children); // strings become text
  return made;
}

/** A colour for each name, of one lightness for all. */
function hueOf(name) {
  let hash = 7;
  for (const c of name) hash = (hash * 31 + c.codePointAt(0)) % 100_003;
  return (hash * 47) % 360;
}

function avatar(name) {
  const made = element("span", "avatar");
  made.setAttribute("aria-hidden", "true");
  const [first] = globalThis.Intl?.Segmenter
    ? Array.from(new Intl.Segmenter().segment(name), (part) => part.segment)
    : Array.from(name);
  made.dataset.initial = (first ?? "?").toUpperCase();
  made.style.setProperty("--hue", hueOf(name));
  return made;
}

function addEvent(before, name, after) {
  const line = element("p", "line", before, element("em", "", element("bdi", "", name)), after);
  add(element("li", "entry event", line));
}

/** The message before, if the next may be shown together with it. */
let previous = null;

function addMessage({ id, name: who, text: said, date }) {
  const isNote = id === 0;
  const isOwn = id === clientId;
  const follows = !isNote && previous?.id === id && previous.who === who && date - previous.date < TOGETHER;
  const strong = element("strong", "", element("bdi", "", who));
  strong.style.setProperty("--hue", hueOf(who));
  const when = element("time", "", timeOf(date));
  const meta = element("span", "meta", "(", when, ") ", strong, ": ");
  const words = element("span", "text", said);
  words.dir = "auto";
  const entry = element("li", "entry", element("p", "line", meta, words));
  entry.classList.toggle("note", isNote);
  entry.classList.toggle("own", isOwn);
  entry.classList.toggle("follow", follows);
  if (!isNote && !isOwn) entry.prepend(avatar(who));
  add(entry, { isOwn });
  previous = isNote ? null : { id, who, date };
  if (!isOwn && !isNote) noteUnread();
}

function add(entry, { isOwn = false } = {}) {
  previous = null;
  entry.classList.add("fresh");
  const wasAtBottom = isAtBottom();
  log.append(entry);
  while (log.childElementCount > MOST_LINES) log.firstElementChild.remove();
  if (wasAtBottom || isOwn) toBottom();
  else noteBelow();
}

// ---- scrolling, and what was not seen -------------------------------------------

let below = 0;
let unread = 0;

const isAtBottom = () => scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < AT_BOTTOM;

function toBottom() {
  scroller.scrollTop = scroller.scrollHeight;
  below = 0;
  newer.hidden = true;
}

/** Does something that changes how much is seen, and stays at the end if there. */
function scrollKeeping(change) {
  const wasAtBottom = isAtBottom();
  change();
  if (wasAtBottom) scroller.scrollTop = scroller.scrollHeight;
}

function noteBelow() {
  below += 1;
  newer.textContent = below === 1 ? "1 new message ↓" : `${below} new messages ↓`;
  newer.hidden = false;
}

function title() {
  document.title = `${unread > 0 ? `(${unread}) ` : ""}#${room} · sockeye chat`;
}

function noteUnread() {
  if (!document.hidden) return;
  unread += 1;
  title();
}

scroller.addEventListener("scroll", () => {
  if (isAtBottom()) {
    below = 0;
    newer.hidden = true;
  }
});
newer.addEventListener("click", () => {
  toBottom();
  text.focus();
});
new ResizeObserver(() => {
  if (newer.hidden) scroller.scrollTop = scroller.scrollHeight;
}).observe(scroller);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  unread = 0;
  title();
});

// ---- who is here ------------------------------------------------------------------

function list(names) {
  users.replaceChildren(...names.map((user) => {
    const item = element("li", user === name ? "you" : "", avatar(user), element("bdi", "", user));
    item.title = user;
    return item;
  }));
  $("count").textContent = names.length;
  $("nobody").hidden = names.length > 0;
  $("nobody").textContent = "Nobody can be seen without a connection.";
}

function showPeople(isShown) {
  people.classList.toggle("shown", isShown);
  $("show-people").setAttribute("aria-expanded", isShown);
}

$("show-people").addEventListener("click", () => showPeople(!people.classList.contains("shown")));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && people.classList.contains("shown")) {
    showPeople(false);
    $("show-people").focus();
  }
});
document.querySelector("main").addEventListener("pointerdown", () => showPeople(false));

$("go").addEventListener("submit", (event) => {
  event.preventDefault();
  location.href = `/room/${encodeURIComponent($("other").value.toLowerCase())}`;
});

// ---- what the user does -------------------------------------------------------------

/** Remembers the name where that is allowed. */
const memory = {
  get name() {
    try {
      return localStorage.getItem("name") ?? "";
    } catch {
      return "";
    }
  },
  set name(name) {
    try {
      localStorage.setItem("name", name);
    } catch {
      // a name to be typed again
    }
  },
};

join.addEventListener("submit", (event) => {
  event.preventDefault();
  wanted = $("name").value.trim();
  if (wanted === "") return;
  memory.name = wanted;
  join.hidden = true;
  log.hidden = false;
  composer.hidden = false;
  text.focus();
  connect();
});

composer.addEventListener("submit", (event) => {
  event.preventDefault();
  const said = text.value;
  if (said.trim() === "" || send.disabled) return;
  unanswered.push({ text: said, at: performance.now() });
  transmit({ type: "message", text: said, id: clientId, date: Date.now() });
  text.value = "";
  fit();
  text.focus();
});

text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    composer.requestSubmit();
  }
});

text.addEventListener("input", fit);

/** As high as its text, and says how much may still come. */
function fit() {
  scrollKeeping(() => {
    if (!CSS.supports("field-sizing", "content")) {
      text.style.height = "auto";
      text.style.height = `${text.scrollHeight + 2}px`;
    }
    if (send.disabled) return;
    const isLong = text.value.length > text.maxLength * 0.8;
    hint.classList.toggle("count", isLong);
    hint.textContent = isLong ? `${text.value.length} of ${text.maxLength} characters` : "";
  });
}

$("retry").addEventListener("click", () => {
  attempts = 0;
  connect();
  text.focus();
});

addEventListener("online", () => {
  if ($("connection").dataset.state === "waiting") connect();
});

$("room").textContent = room;
$("join-room").textContent = `#${room}`;
$("name").value = memory.name;
$("name").focus();
title();
