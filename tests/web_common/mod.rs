//! A page in which the test is everything: the script, the event loop, the
//! network with its clock, and the server.

#![allow(dead_code)] // each test file uses some of it

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use sockeye::handshake::{Accept, Server, accept_key};
use sockeye::web::{Diagnostic, Event, Network, Options, Protocols, ReadyState, WebSocket};
use sockeye::{Config, Connection, DeflateConfig, Input, Instant, Message, Seed};

use crate::common::{self, Frame, any_cut, drain, sent_frames};

pub const URL: &str = "ws://example.com/chat";

pub const STATES: [ReadyState; 4] =
    [ReadyState::Connecting, ReadyState::Open, ReadyState::Closing, ReadyState::Closed];

pub fn second(count: u64) -> Duration {
    Duration::from_secs(count)
}

// ---- what a script is told ---------------------------------------------------------

/// An event, without the origin that all messages have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Open,
    Text(String),
    Binary(Vec<u8>),
    Error,
    /// `wasClean`, `code`, `reason`.
    Close(bool, u16, String),
}

impl From<Event> for Told {
    fn from(event: Event) -> Self {
        match event {
            Event::Open => Self::Open,
            Event::Message(message) => match message.data {
                Message::Text(text) => Self::Text(text.into()),
                Message::Binary(data) => Self::Binary(data.into()),
            },
            Event::Error => Self::Error,
            Event::Close(close) => Self::Close(close.was_clean, close.code, close.reason),
        }
    }
}

pub fn told_text(text: &str) -> Told {
    Told::Text(text.into())
}

pub fn clean_close(code: u16, reason: &str) -> Told {
    Told::Close(true, code, reason.into())
}

/// What every failure looks like.
pub fn failure() -> [Told; 2] {
    [Told::Error, Told::Close(false, 1006, String::new())]
}

/// What a connection that fails after these looks like.
pub fn then_failure(before: impl IntoIterator<Item = Told>) -> Vec<Told> {
    before.into_iter().chain(failure()).collect()
}

// ---- the page ------------------------------------------------------------------------

pub fn options(set: impl FnOnce(&mut Options)) -> Options {
    let mut options = Options::default();
    set(&mut options);
    options
}

pub fn configured(set: impl FnOnce(&mut Config)) -> Options {
    options(|options| set(Arc::make_mut(&mut options.config)))
}

/// A socket, its virtual clock, and what it has asked the server.
#[derive(Debug)]
pub struct Page {
    pub ws: Network,
    pub now: Duration,
    pub due: Option<Instant>,
    pub request: String,
    /// What the network took, and no test has looked at.
    pub said: Vec<u8>,
}

impl Deref for Page {
    type Target = Network;

    fn deref(&self) -> &Network {
        &self.ws
    }
}

impl DerefMut for Page {
    fn deref_mut(&mut self) -> &mut Network {
        &mut self.ws
    }
}

impl Page {
    /// The constructor was called; the network has not begun.
    #[track_caller]
    pub fn new(url: &str, protocols: impl Protocols, options: &Options) -> Self {
        let seed = Seed::from_bytes([7; 32]);
        let ws = WebSocket::with_seed(url, protocols, options, seed).expect("constructed");
        let ws = Network::new(ws);
        Self { ws, now: second(100), due: None, request: String::new(), said: Vec::new() }
    }

    /// The server has the request.
    #[track_caller]
    pub fn asking(url: &str, protocols: impl Protocols, options: &Options) -> Self {
        let mut page = Self::new(url, protocols, options);
        let now = page.instant();
        page.ws.connected(now);
        page.note_time();
        page.request = String::from_utf8(page.output().to_vec()).expect("a request is text");
        page.flush();
        page
    }

    /// A page that asks for no protocol.
    pub fn connecting() -> Self {
        Self::asking(URL, (), &Options::default())
    }

    /// The server has accepted, with these header lines, and the script has been
    /// told.
    #[track_caller]
    pub fn open_with(protocols: impl Protocols, options: &Options, added: &str) -> Self {
        let mut page = Self::asking(URL, protocols, options);
        page.accepts(added);
        assert_eq!(page.turns(), [Told::Open]);
        page
    }

    #[track_caller]
    pub fn open_as(options: &Options) -> Self {
        Self::open_with((), options, "")
    }

    #[track_caller]
    pub fn open() -> Self {
        Self::open_as(&Options::default())
    }

    /// A page in this state; `Closed` after a failure.
    pub fn in_state(state: ReadyState) -> Self {
        let mut page = match state {
            ReadyState::Connecting => Self::connecting(),
            _ => Self::open(),
        };
        match state {
            ReadyState::Connecting | ReadyState::Open => {}
            ReadyState::Closing => page.close(None, None).unwrap(),
            ReadyState::Closed => {
                page.ends();
                page.turns();
            }
        }
        assert_eq!(page.ready_state(), state);
        page
    }

    // ---- the server's doing ----------------------------------------------------

    /// The reply that accepts, with these header lines behind the usual ones.
    pub fn acceptance(&self, added: &str) -> String {
        let key = header(&self.request, "Sec-WebSocket-Key")[0];
        let accept = accept_key(key.as_bytes());
        let accept = std::str::from_utf8(&accept).unwrap();
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Accept: {accept}\r\n{added}\r\n"
        )
    }

    pub fn accepts(&mut self, added: &str) {
        let reply = self.acceptance(added);
        self.hears(reply);
    }

    pub fn hears(&mut self, bytes: impl AsRef<[u8]>) {
        let mut bytes = bytes.as_ref().to_vec();
        self.ws.receive(&mut bytes);
        self.note_time();
    }

    pub fn hears_frames(&mut self, frames: impl IntoIterator<Item = Frame>) {
        self.hears(from_server(frames));
    }

    /// The transport ends, after all was sent.
    pub fn ends(&mut self) {
        self.says_all();
        self.ws.receive_eof();
    }

    /// The network takes all that there is to send, for `flush` to give.
    fn says_all(&mut self) {
        self.said.extend_from_slice(self.ws.output());
        self.ws.wrote(self.ws.output().len());
    }

    // ---- the event loop ----------------------------------------------------------

    /// Runs all tasks, and gives their events.
    pub fn turns(&mut self) -> Vec<Told> {
        let mut told = Vec::new();
        while let Some(fired) = self.ws.turn() {
            told.extend(fired.map(Told::from));
        }
        assert!(!self.has_tasks());
        told
    }

    /// As [`turns`](Self::turns), with handlers and listeners.
    pub fn dispatches(&mut self) -> Vec<Told> {
        let mut told = Vec::new();
        while let Some(fired) = self.ws.dispatch() {
            told.extend(fired.map(Told::from));
        }
        told
    }

    // ---- the network ----------------------------------------------------------------

    pub fn instant(&self) -> Instant {
        Instant::from_epoch(self.now)
    }

    pub fn note_time(&mut self) {
        let now = self.instant();
        if self.ws.wants_time() || self.ws.is_opening() {
            self.due = self.ws.note_time(now);
        }
    }

    /// Time goes by; deadlines are told when they have come.
    pub fn waits(&mut self, time: Duration) {
        self.note_time();
        let end = self.now + time;
        while let Some(due) = self.due.filter(|due| due.since_epoch() <= end) {
            self.now = self.now.max(due.since_epoch());
            self.due = self.ws.handle_timeout(due);
        }
        self.now = end;
    }

    /// The network takes everything; gives what it took since the last time.
    pub fn flush(&mut self) -> Vec<u8> {
        self.says_all();
        assert!(self.output().is_empty());
        std::mem::take(&mut self.said)
    }

    /// The frames that were sent since they were last asked for: first byte, and
    /// payload unmasked.
    pub fn sent(&mut self) -> Vec<(u8, Vec<u8>)> {
        sent_frames(&self.flush(), true)
    }

    /// Exactly these frames were sent since they were last asked for.
    #[track_caller]
    pub fn sends(&mut self, frames: impl IntoIterator<Item = Frame>) {
        assert_eq!(self.sent(), frames_of(frames));
    }

    /// What a script can read, without what is the same for ever.
    pub fn attributes(&self) -> (ReadyState, u64, String, String) {
        let (extensions, protocol) = (self.extensions().into(), self.protocol().into());
        (self.ready_state(), self.buffered_amount(), extensions, protocol)
    }

    /// The events of everything that is due make up a failure, for this reason.
    #[track_caller]
    pub fn fails(&mut self, why: &Diagnostic) {
        assert_eq!(self.turns(), failure());
        assert_eq!(self.diagnostic(), Some(why));
        assert_eq!(self.ready_state(), ReadyState::Closed);
        assert!(self.should_close_transport());
    }
}

/// The values of a header.
pub fn header<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let prefix = format!("{name}: ");
    head.lines().filter_map(|line| line.strip_prefix(&prefix)).collect()
}

pub fn from_server(frames: impl IntoIterator<Item = Frame>) -> Vec<u8> {
    frames.into_iter().flat_map(|frame| frame.unmasked()).collect()
}

/// First bytes and payloads.
pub fn frames_of(frames: impl IntoIterator<Item = Frame>) -> Vec<(u8, Vec<u8>)> {
    sent_frames(&from_server(frames), false)
}

// ---- every way of cutting -----------------------------------------------------------

/// What comes of bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    pub told: Vec<Told>,
    pub sent: Vec<(u8, Vec<u8>)>,
    pub why: Option<Diagnostic>,
    pub state: ReadyState,
    pub over: bool,
}

/// What a page hears, whole, byte by byte and cut at random, with tasks run at
/// the end or whenever there is one: it must always be the same.
#[track_caller]
pub fn hears(page: impl Fn() -> Page, bytes: &[u8]) -> Heard {
    hears_as(page, bytes, false)
}

/// As [`hears`], and then the end of the stream.
#[track_caller]
pub fn hears_and_ends(page: impl Fn() -> Page, bytes: &[u8]) -> Heard {
    hears_as(page, bytes, true)
}

#[track_caller]
fn hears_as(page: impl Fn() -> Page, bytes: &[u8], eof: bool) -> Heard {
    let run = |at_once: bool| {
        any_cut(bytes.len(), |cut| {
            let mut page = page();
            let mut told = Vec::new();
            let mut at = 0;
            while at < bytes.len() {
                let end = (at + cut()).min(bytes.len());
                page.hears(&bytes[at..end]);
                at = end;
                if at_once {
                    told.extend(page.turns());
                }
            }
            if eof {
                page.ends();
            }
            told.extend(page.turns());
            Heard {
                told,
                sent: page.sent(),
                why: page.diagnostic().cloned(),
                state: page.ready_state(),
                over: page.should_close_transport(),
            }
        })
    };
    let late = run(false);
    assert_eq!(run(true), late, "whenever tasks are run");
    late
}

// ---- a server that is an engine --------------------------------------------------------

/// The other end of a page's connection.
#[derive(Debug)]
pub struct Peer {
    pub ws: Connection,
    pub told: Vec<common::Told>,
    pub out: Vec<u8>,
}

impl Peer {
    /// Answers the page's request.
    pub fn accept(page: &mut Page, config: Config, accept: &Accept<'_>) -> Self {
        let mut server = Server::new(Arc::new(config));
        let request = server.receive(page.request.as_bytes()).unwrap().expect("a request");
        let mut out = Vec::new();
        let ws = request.accept(accept, &mut out).unwrap();
        Self { ws, told: Vec::new(), out }
    }

    /// A page and its server, which compress if they are to.
    pub fn pair(compressing: bool) -> (Page, Self) {
        let mut config = Config::default();
        config.deflate = compressing.then(DeflateConfig::default);
        let mut page = Page::connecting();
        let mut peer = Self::accept(&mut page, config, &Accept::new());
        peer.speaks(&mut page);
        assert_eq!(page.turns(), [Told::Open]);
        (page, peer)
    }

    /// What the server has sent comes to the page.
    pub fn speaks(&mut self, page: &mut Page) {
        page.hears(std::mem::take(&mut self.out));
    }

    /// What the page has sent comes to the server.
    pub fn hears(&mut self, page: &mut Page) {
        let mut bytes = page.flush();
        self.hears_bytes(&mut bytes);
    }

    pub fn hears_bytes(&mut self, bytes: &mut [u8]) {
        let mut at = 0;
        loop {
            let mut scratch = [0; 4096];
            let mut input = Input::with_scratch(&mut bytes[at..], &mut scratch);
            drain(&mut self.ws, &mut input, &mut self.out, &mut self.told);
            let left = input.len();
            at = bytes.len() - left;
            if !self.ws.wants_scratch() {
                return;
            }
        }
    }
}
