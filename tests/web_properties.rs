//! What holds whatever happens: random scripts, networks and event loops,
//! against a model of what a script may see.

#![cfg(feature = "web")]

mod common;
mod web_common;

use std::cell::Cell;
use std::sync::{Arc, Mutex};

use common::{Frame, Random, close, empty_close, for_seeds, fragment, frame, ping, pong, text};
use sockeye::web::{Event, EventKind, Options, ReadyState, TrySendError, WebSocket};
use web_common::{Page, Told, URL, configured, from_server, header, options};

// ---- the grammar of events ------------------------------------------------------------

/// `open? message* (error? close)`, and nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Heard {
    #[default]
    Nothing,
    Open,
    Error,
    Close,
}

impl Heard {
    fn hears(&mut self, event: &Told) {
        *self = match (*self, event) {
            (Self::Nothing, Told::Open) => Self::Open,
            (Self::Open, Told::Text(_) | Told::Binary(_)) => Self::Open,
            (Self::Nothing | Self::Open, Told::Error) => Self::Error,
            // With the peer's code if it has closed, and not all was sent.
            (Self::Error, Told::Close(false, ..)) => Self::Close,
            (Self::Nothing | Self::Open, Told::Close(true, ..)) => Self::Close,
            (heard, event) => panic!("{event:?} after {heard:?}"),
        };
    }
}

// ---- the model --------------------------------------------------------------------------

/// What a script may see, from what it did and what the network took.
#[derive(Debug)]
struct Model {
    page: Page,
    heard: Heard,
    state: ReadyState,
    /// Bytes that were sent, ever, and those taken of which the script was told.
    accepted: u64,
    taken: u64,
    /// Output that the network has not taken: where messages are in it, and how
    /// long they are.
    written: u64,
    appended: u64,
    messages: Vec<(u64, u64)>,
    /// `close` or `go_away` was called.
    closed_by_script: bool,
    was_open: bool,
    calls: Arc<Mutex<Vec<EventKind>>>,
    wire: Vec<u8>,
}

impl Model {
    fn new(options: &Options, protocols: &[&str]) -> Self {
        let mut page = Page::new(URL, protocols, options);
        let calls = Arc::new(Mutex::new(Vec::new()));
        for kind in [EventKind::Open, EventKind::Message, EventKind::Error, EventKind::Close] {
            let calls = calls.clone();
            page.add_listener(kind, move |ws: &mut WebSocket, event: &Event| {
                assert_eq!(event.kind(), kind);
                calls.lock().unwrap().push(kind);
                let state = match kind {
                    EventKind::Error | EventKind::Close => ReadyState::Closed,
                    _ => ReadyState::Open,
                };
                assert_eq!(ws.ready_state(), state, "during {kind}");
            });
        }
        Self {
            page,
            heard: Heard::default(),
            state: ReadyState::Connecting,
            accepted: 0,
            taken: 0,
            written: 0,
            appended: 0,
            messages: Vec::new(),
            closed_by_script: false,
            was_open: false,
            calls,
            wire: Vec::new(),
        }
    }

    /// Bytes of messages that the network has taken, as there is nothing but
    /// masked frames that are not compressed: the payload is what ends them.
    fn taken_now(&self) -> u64 {
        let part = |&(end, len): &(u64, u64)| len - len.min(end.saturating_sub(self.written));
        self.messages.iter().map(part).sum()
    }

    /// Nothing that a script can see has changed.
    fn check(&self) {
        assert_eq!(self.page.ready_state(), self.state);
        assert_eq!(self.page.buffered_amount(), self.accepted - self.taken);
        if !self.was_open {
            assert_eq!((self.page.protocol(), self.page.extensions()), ("", ""));
        }
    }

    /// Output was appended by something that is no message.
    fn note_output(&mut self) {
        self.appended = self.written + self.page.output().len() as u64;
    }

    fn sends(&mut self, random: &mut Random) {
        let len = [0, 1, 5, 125, 126, 1000, 70_000][random.below(7)];
        let data = random.bytes(len);
        let before = self.page.output().len();
        let is_text = random.below(2) == 0;
        let text = "x".repeat(len);
        let result = match is_text {
            true => self.page.send_text(&text),
            false => self.page.send_binary(&data),
        };
        if self.state == ReadyState::Connecting {
            assert_eq!(result.unwrap_err().name(), "InvalidStateError");
            return;
        }
        result.unwrap();
        self.accepted += len as u64;
        let is_sent = self.page.output().len() != before;
        assert!(!is_sent || self.state == ReadyState::Open);
        self.note_output();
        if is_sent {
            self.messages.push((self.appended, len as u64));
        }
    }

    fn tries_to_send(&mut self) {
        let before = self.page.output().len();
        match self.page.try_send("tried") {
            Ok(()) => {
                assert_eq!(self.state, ReadyState::Open);
                assert!(self.page.output().len() > before);
                self.accepted += 5;
                self.note_output();
                self.messages.push((self.appended, 5));
            }
            Err(error) => {
                assert_eq!(error, TrySendError::NotOpen);
                assert_eq!(self.page.output().len(), before);
            }
        }
    }

    fn closes(&mut self, random: &mut Random) {
        match random.below(5) {
            0 => self.page.go_away(),
            1 => self.page.close(None, None).unwrap(),
            2 => self.page.close(Some(3210), Some("because")).unwrap(),
            n => {
                let code = [999, 1001][n - 3];
                self.page.close(Some(code), Some("x")).unwrap_err();
                return;
            }
        }
        self.closed_by_script = true;
        self.state = self.state.max(ReadyState::Closing);
        self.note_output();
    }

    /// The network takes some of what there is.
    fn writes(&mut self, random: &mut Random) {
        let there = self.page.output().len();
        let len = match random.below(3) {
            0 => there,
            1 => there.min(1),
            _ => random.below(there + 1),
        };
        self.wire.extend_from_slice(&self.page.output()[..len]);
        self.page.ws.wrote(len);
        self.written += len as u64;
        assert_eq!(self.page.output().len(), there - len);
    }

    fn turns(&mut self, dispatches: bool) {
        self.taken = self.taken_now();
        let had_tasks = self.page.has_tasks();
        let fired = match dispatches {
            true => self.page.dispatch(),
            false => self.page.turn(),
        };
        assert_eq!(fired.is_some(), had_tasks);
        let Some(fired) = fired else { return };
        assert!(fired.len() <= 2);
        let events: Vec<Told> = fired.map(Told::from).collect();
        let now = self.page.ready_state();
        assert!(now >= self.state, "{now:?} after {:?}", self.state);
        let calls = std::mem::take(&mut *self.calls.lock().unwrap());
        assert_eq!(calls.len(), if dispatches { events.len() } else { 0 });
        for event in &events {
            self.heard.hears(event);
            match event {
                Told::Open => {
                    assert!(!self.closed_by_script, "closed, and open after all");
                    assert_eq!((self.state, now), (ReadyState::Connecting, ReadyState::Open));
                    self.was_open = true;
                }
                Told::Text(_) | Told::Binary(_) => {
                    assert!(!self.closed_by_script, "a message after close()");
                    assert_eq!((self.state, now), (ReadyState::Open, ReadyState::Open));
                }
                Told::Error | Told::Close(..) => assert_eq!(now, ReadyState::Closed),
            }
        }
        if events.is_empty() {
            assert!(matches!(now, ReadyState::Closing | ReadyState::Closed));
        }
        assert_eq!(now == ReadyState::Closed, self.heard == Heard::Close);
        self.state = now;
    }

    /// The network does something; nothing that the script sees changes.
    fn hears(&mut self, bytes: &[u8]) {
        self.page.hears(bytes);
        self.note_output();
    }

    /// Everything that was written is a request and well-formed frames, and
    /// nothing behind a Close frame.
    fn check_wire(&self) {
        let head = self.wire.windows(4).position(|four| four == b"\r\n\r\n");
        let Some(head) = head.map(|at| at + 4) else { return };
        let text = std::str::from_utf8(&self.wire[..head]).expect("a request");
        assert_eq!(header(text, "Upgrade"), ["websocket"]);
        let mut frames = &self.wire[head..];
        let mut closed = false;
        let mut count = 0;
        while let Ok(Some((header, len))) = sockeye::frame::decode(frames) {
            assert!(!closed, "a frame behind a Close frame");
            assert!(header.mask.is_some());
            let end = len + usize::try_from(header.len).unwrap();
            closed = frames[0] == 0x80 | common::CLOSE;
            count += usize::from(matches!(frames[0] & 0xf, common::TEXT | common::BINARY));
            match frames.get(end..) {
                Some(rest) => frames = rest,
                None => break,
            }
        }
        assert!(count <= self.messages.len());
    }
}

/// A frame that a server may send, or may not.
fn some_frame(random: &mut Random) -> Frame {
    match random.below(24) {
        0 => close(1000, "over"),
        1 => empty_close(),
        2 => close(1005, ""),
        3 => frame(common::TEXT, [0xff]),
        4 => frame(3, "reserved"),
        5 => text("compressed, or not").rsv(4),
        6 => frame(common::CONTINUATION, "?"),
        7 => ping("ping"),
        8 => pong("pong"),
        9 => fragment(common::BINARY, "begun"),
        10..=16 => text("hello"),
        _ => common::binary(random.bytes(20)),
    }
}

/// A reply that a server may send, or may not.
fn some_reply(page: &Page, random: &mut Random) -> String {
    match random.below(12) {
        0 => "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno".into(),
        1 => "HTTP/1.1 302 There\r\nLocation: /\r\n\r\n".into(),
        2 => "nonsense\r\n\r\n".into(),
        3 => page.acceptance("Sec-WebSocket-Protocol: other\r\n"),
        4 => page.acceptance("").replace("Accept: ", "Accept: x"),
        5 => page.acceptance(""),
        _ if page.request.contains("Protocol") => page.acceptance("Sec-WebSocket-Protocol: a\r\n"),
        _ => page.acceptance(""),
    }
}

fn story(seed: u64) -> Model {
    let random = &mut Random(seed);
    let plain = configured(|config| config.deflate = None);
    let blocked = options(|options| {
        options.connections = Some(sockeye::web::ConnectionLimit::new(random.below(20)));
        options.config = plain.config.clone();
    });
    let protocols = if random.below(4) == 0 { &["a"][..] } else { &[] };
    let mut model = Model::new(&blocked, protocols);
    let mut asked = false;
    let mut incoming: Vec<u8> = Vec::new();
    for _ in 0..random.below(60) + 5 {
        match random.below(20) {
            0 | 1 => model.sends(random),
            2 => model.tries_to_send(),
            3 if random.below(4) == 0 => model.closes(random),
            4..=6 => model.turns(false),
            7 | 8 => model.turns(true),
            9 | 10 => model.writes(random),
            11 if random.below(10) == 0 => model.page.receive_eof(),
            12 if random.below(10) == 0 => model.page.connect_failed("broken"),
            13 if random.below(4) == 0 => {
                let seconds = random.below(15) as u64;
                model.page.waits(web_common::second(seconds));
            }
            14 if random.below(12) == 0 => {
                let garbage = random.bytes(9);
                model.hears(&garbage);
            }
            _ if !asked => {
                asked = true;
                let now = model.page.instant();
                model.page.connected(now);
                let request = String::from_utf8(model.page.output().to_vec()).unwrap();
                if !request.is_empty() {
                    model.page.request = request;
                    incoming.extend(some_reply(&model.page, random).bytes());
                }
            }
            _ => {
                incoming.extend(from_server([some_frame(random)]));
                let len = match random.below(2) {
                    0 => random.below(incoming.len() + 1),
                    _ => incoming.len(),
                };
                let piece: Vec<u8> = incoming.drain(..len).collect();
                model.hears(&piece);
            }
        }
        model.note_output();
        model.check();
    }
    // All tasks run, and all is written: then it is exact.
    while model.page.has_tasks() {
        model.turns(random.below(2) == 0);
        model.check();
    }
    model.wire.extend_from_slice(model.page.output());
    let left = model.page.output().len();
    model.page.ws.wrote(left);
    model.written += left as u64;
    model.turns(false);
    model.check();
    model.check_wire();
    // It ends, however far it came.
    model.page.receive_eof();
    while model.page.has_tasks() {
        model.turns(true);
    }
    assert_eq!((model.heard, model.state), (Heard::Close, ReadyState::Closed));
    model.check();
    model
}

#[test]
fn s6_events_follow_the_grammar_whatever_happens() {
    let (opened, clean) = (Cell::new(0), Cell::new(0));
    for_seeds("web_properties", 6_000, |seed| {
        let model = story(seed);
        opened.set(opened.get() + usize::from(model.was_open));
        clean.set(clean.get() + usize::from(model.page.diagnostic().is_none()));
    });
    // Not all of them fail early.
    let (opened, clean) = (opened.get(), clean.get());
    let replayed = std::env::var_os("SOCKEYE_SEED").is_some();
    assert!(replayed || opened > 2000 && clean > 100, "{opened} opened, {clean} were clean");
}

// ---- handlers that do anything --------------------------------------------------------

/// A handler that does what it is told by a random number, the event loop
/// included.
fn does_anything(
    random: &Arc<Mutex<Random>>,
    log: &Arc<Mutex<Vec<Told>>>,
) -> impl FnMut(&mut WebSocket, &Event) + Send + 'static {
    let (random, log) = (random.clone(), log.clone());
    move |ws, event| {
        if !matches!(event, Event::Message(_)) || random.lock().unwrap().below(2) == 0 {
            log.lock().unwrap().push(event.clone().into());
        }
        let choice = random.lock().unwrap().below(9);
        match choice {
            0 => ws.close(Some(1000), None).unwrap(),
            1 | 2 => ws.send_text("from a handler").unwrap(),
            3 => ws.go_away(),
            4 => {
                ws.remove_handler(event.kind());
            }
            5 => ws.set_handler(event.kind(), Box::new(does_anything(&random, &log))),
            6 => {
                ws.add_listener(event.kind(), does_anything(&random, &log));
            }
            _ => {}
        }
    }
}

#[test]
fn s6_handlers_may_do_anything_and_the_grammar_holds() {
    for_seeds("web_properties", 2_000, |seed| {
        let random = Arc::new(Mutex::new(Random(seed)));
        let below = |bound| random.lock().unwrap().below(bound);
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut page = Page::connecting();
        for kind in [EventKind::Open, EventKind::Message, EventKind::Error, EventKind::Close] {
            page.set_handler(kind, Box::new(does_anything(&random, &log)));
            page.add_listener(kind, does_anything(&random, &log));
        }
        page.accepts("");
        let mut heard = Heard::default();
        let mut told = Vec::new();
        for _ in 0..12 {
            page.hears_frames([some_frame(&mut random.lock().unwrap())]);
            if below(3) > 0 {
                told.extend(page.dispatches());
            }
        }
        page.receive_eof();
        told.extend(page.dispatches());
        for event in &told {
            heard.hears(event);
        }
        assert_eq!(heard, Heard::Close);
        assert!(page.dispatch().is_none());
    });
}
