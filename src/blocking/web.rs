//! The browser's `WebSocket` object over the network, carried by a thread.
//!
//! Everything that an object does is in [`web`]; here it is connected to, and its
//! bytes are moved.
//!
//! # Example: handlers
//!
//! ```no_run
//! use sockeye::blocking::web::WebSocket;
//!
//! let mut ws = WebSocket::connect("wss://example.com/chat", "chat")?;
//! ws.on_open(|ws| ws.send_text("hello").expect("it is open"));
//! ws.on_message(|_, event| println!("{:?}", event.data));
//! let close = ws.run();
//! println!("closed: {}", close.code);
//! # Ok::<(), sockeye::web::WebError>(())
//! ```

use alloc::boxed::Box;
use core::fmt;
use core::ops::{Deref, DerefMut};
use core::time::Duration;
use std::io;

use super::client::open_stream;
use super::stream::Stream;
use super::transport::Transport;
use super::wire::{Patience, Wire};
use crate::net::{Endpoint, Error, Turn, Waited, Watch};
use crate::time::Instant;
use crate::web::{self, CloseEvent, Event, Fired, Network, Protocols, ReadyState, WebError};

/// How long the peer may take to end its direction of the transport once a
/// connection is over: events wait for that.
const FAREWELL: Duration = Duration::from_secs(1);

/// A stream that takes nothing is asked to give something, and the other way
/// round, after so long: two ends that both send much must not wait for each
/// other.
const SLICE: Duration = Duration::from_millis(5);

/// Reads that follow each other while the stream takes nothing: with a slice for
/// each of them, much would take long to come.
const READS: u32 = 64;

/// A [`web::WebSocket`], which it derefs to, with its network.
///
/// It is the event loop: the network moves, tasks run and handlers are called
/// only inside of [`next_event`](Self::next_event) and its like. Nothing is read
/// while there are events to take, so that the network holds back a peer that
/// sends too much.
///
/// Dropped while open, it sends an empty Close frame if that can be done at
/// once. To leave in good order, `close` and take the events that are left.
pub struct WebSocket<S: Transport = Stream> {
    socket: Network,
    link: Link<S>,
    /// Events of the last task.
    fired: Fired,
}

enum Link<S> {
    Dialing(Dialing<S>),
    Up(Box<Line<S>>),
    Down,
}

/// Connects: gives the stream, and the right to be the one that connects.
type Dialing<S> = Box<dyn FnOnce() -> Result<(Option<Turn>, S), Error> + Send>;

impl WebSocket {
    /// A socket to a URL, as [`web::WebSocket::new`] makes it. Returns at once,
    /// while it is connecting.
    ///
    /// # Errors
    ///
    /// As [`web::WebSocket::new`].
    pub fn connect(url: &str, protocols: impl Protocols) -> Result<Self, WebError> {
        Ok(Self::start(web::WebSocket::new(url, protocols)?))
    }

    /// Carries a socket, with options and handlers of its own, to where it
    /// leads, from when it is first waited for. One at a time connects to a host
    /// and port (RFC 6455, section 4.1, item 2); the others wait for it as long
    /// as that takes.
    pub fn start(socket: web::WebSocket) -> Self {
        Self::start_through(socket, |endpoint| endpoint)
    }

    /// As [`start`](Self::start), on a way that is not the usual: `change` may set
    /// TLS, or not to wait for others. What is said to the server is the
    /// socket's.
    pub fn start_through(
        socket: web::WebSocket,
        change: impl FnOnce(Endpoint) -> Endpoint,
    ) -> Self {
        let socket = Network::new(socket);
        let link = match Endpoint::of_socket(&socket).map(change) {
            Some(endpoint) => Link::Dialing(Box::new(move || open_stream(&endpoint, None))),
            // It has failed already, and will say so.
            None => Link::Down,
        };
        Self { socket, link, fired: Fired::default() }
    }
}

impl<S: Transport> WebSocket<S> {
    /// Carries a socket over a stream that leads to where it wants to be
    /// connected.
    pub fn carry(socket: web::WebSocket, stream: S) -> Self {
        let mut socket = Network::new(socket);
        let link = Link::Up(Box::new(Line::new(&mut socket, stream, None)));
        Self { socket, link, fired: Fired::default() }
    }

    /// Waits for the next event, whose handlers have been called when it comes.
    /// `None` after `Close`.
    pub fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.fired.next() {
                return Some(event);
            }
            if !self.ready() {
                return None;
            }
            self.fired = self.socket.dispatch().unwrap_or_default();
        }
    }

    /// Waits until there is a task to run, which is for
    /// [`turn`](web::WebSocket::turn) or [`dispatch`](web::WebSocket::dispatch)
    /// to do. False: there will be none. For those who run tasks in a loop of
    /// their own, and not by [`next_event`](Self::next_event).
    pub fn ready(&mut self) -> bool {
        // Without an end to the wait it is known.
        self.ready_within(None).unwrap_or(false)
    }

    /// As [`ready`](Self::ready), but waits no longer than this (connecting takes
    /// what it takes). `None`: nothing is known yet. Zero looks at what is there.
    pub fn ready_for(&mut self, timeout: Duration) -> Option<bool> {
        self.ready_within(Some(timeout))
    }

    /// Waits until the connection is open, and takes that event.
    ///
    /// # Errors
    ///
    /// How it was closed instead; [`diagnostic`](web::WebSocket::diagnostic)
    /// tells why.
    pub fn opened(&mut self) -> Result<(), CloseEvent> {
        while self.socket.ready_state() != ReadyState::Open {
            match self.next_event() {
                Some(Event::Close(close)) => return Err(close),
                Some(_) => {}
                None => return Err(self.end()),
            }
        }
        Ok(())
    }

    /// Takes events, and has handlers called, until the end.
    pub fn run(mut self) -> CloseEvent {
        loop {
            match self.next_event() {
                Some(Event::Close(close)) => return close,
                Some(_) => {}
                None => return self.end(),
            }
        }
    }

    /// It has been told before, if there is no event left.
    fn end(&self) -> CloseEvent {
        self.socket.close_event().cloned().unwrap_or_default()
    }

    fn ready_within(&mut self, timeout: Option<Duration>) -> Option<bool> {
        let start = std::time::Instant::now();
        let mut has_looked = false;
        loop {
            // The last event is told when the transport is closed.
            let is_down = matches!(self.link, Link::Down);
            if self.socket.has_tasks() && (is_down || !self.socket.is_about_to_end()) {
                return Some(true);
            }
            if is_down {
                self.socket.count_written();
                return Some(false);
            }
            let left = timeout.map(|timeout| timeout.saturating_sub(start.elapsed()));
            if has_looked && left.is_some_and(|left| left.is_zero()) {
                return None;
            }
            self.advance(left);
            has_looked = true;
            self.socket.count_written();
        }
    }

    /// Does something about the network, for so long at most.
    fn advance(&mut self, most: Option<Duration>) {
        let socket = &mut self.socket;
        match core::mem::replace(&mut self.link, Link::Down) {
            Link::Dialing(_) if socket.should_close_transport() => {}
            Link::Dialing(dial) => match dial() {
                Ok((turn, stream)) => {
                    self.link = Link::Up(Box::new(Line::new(socket, stream, turn)));
                }
                Err(error) => socket.connect_failed(error),
            },
            Link::Up(mut line) if socket.should_close_transport() => line.hang_up(socket),
            Link::Up(mut line) => {
                line.advance(socket, most);
                self.link = Link::Up(line);
            }
            Link::Down => {}
        }
    }
}

/// A stream to the server of a socket: moves bytes between the two.
struct Line<S> {
    wire: Wire<S>,
    watch: Watch,
    /// Others wait until the handshake is over.
    turn: Option<Turn>,
    /// The request has gone out.
    has_asked: bool,
    was_open: bool,
    cannot_write: bool,
    /// Since when the stream has taken nothing of what there is to send.
    stalled_since: Option<Instant>,
}

impl<S: Transport> Line<S> {
    /// The socket is connected, and says so.
    fn new(socket: &mut Network, stream: S, turn: Option<Turn>) -> Self {
        let wire = Wire::new(stream);
        let mut watch = Watch::default();
        let now = wire.now();
        socket.connected(now);
        watch.start(socket, now);
        Self {
            wire,
            watch,
            turn,
            has_asked: false,
            was_open: false,
            cannot_write: false,
            stalled_since: None,
        }
    }

    /// Writes, reads, and watches the deadlines.
    fn advance(&mut self, socket: &mut Network, most: Option<Duration>) {
        self.was_open |= !socket.is_opening();
        self.watch.note_time(socket, || self.wire.now());
        let slice = most.map_or(SLICE, |most| most.min(SLICE));
        let is_flushed = self.write(socket, self.wire.now() + slice);
        let is_flooded = socket.is_flooded();
        if is_flooded && self.cannot_write {
            // It could go on for ever.
            return socket.receive_eof();
        }
        let due = self.watch.socket_due(socket, !is_flooded, self.stalled_since);
        let patience = if is_flushed { most } else { Some(slice) };
        let until = patience.map(|patience| self.wire.now() + patience);
        let until = match (until, due) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let reads = if is_flushed { 1 } else { READS };
        for _ in 0..reads {
            let is_flooded = socket.is_flooded();
            let read = if is_flooded { Ok(Waited::TimedOut) } else { self.wire.read(until) };
            if !self.came(socket, read, due) || socket.has_tasks() {
                break;
            }
        }
        // Others may connect as soon as it is known what has become of us, also
        // if nobody asks us anything for a while.
        if !socket.is_opening() {
            self.turn = None;
        }
    }

    /// Something was read, or nothing ever will be, or not in time. True if there
    /// may be more.
    fn came(
        &mut self,
        socket: &mut Network,
        read: io::Result<Waited>,
        due: Option<Instant>,
    ) -> bool {
        match read {
            Ok(Waited::Done) => {
                self.receive(socket);
                if self.watch.is_too_late(|| self.wire.now(), false) {
                    self.watch.judge_socket(socket, self.wire.now());
                }
                return !socket.should_close_transport();
            }
            Ok(Waited::Eof) => socket.receive_eof(),
            Ok(Waited::TimedOut) => {
                if due.is_some_and(|due| due <= self.wire.now()) {
                    self.watch.judge_socket(socket, self.wire.now());
                }
            }
            Err(error) => socket.connect_failed(error),
        }
        false
    }

    fn receive(&mut self, socket: &mut Network) {
        let inbox = &mut self.wire.intake.inbox;
        let (input, unread) = inbox.open(&mut []);
        socket.receive(input.into_rest());
        unread.leave(0);
        inbox.release();
    }

    /// Writes what there is to write, if that is still possible, until `until`.
    /// True if nothing is left.
    fn write(&mut self, socket: &mut Network, until: Instant) -> bool {
        // What was sent while the stream was busy follows.
        while !self.cannot_write {
            if self.wire.queued_len() == 0 {
                // Written, but it may not have been flushed.
                self.wire.discard_output();
                self.wire.tx = socket.take_output();
            }
            let queued = self.wire.queued_len();
            let result: io::Result<Waited> = self.wire.flush(Patience::Until(Some(until)));
            let written = queued - self.wire.queued_len();
            socket.wrote(written);
            // The stream may have taken it all, and not passed it on.
            let is_flushed = matches!(result, Ok(Waited::Done));
            if is_flushed || written > 0 {
                self.stalled_since = None;
            }
            if !is_flushed {
                // If the peer has closed its end, what it said before that can
                // still be read.
                self.cannot_write = result.is_err();
                self.stalled_since.get_or_insert(self.wire.now());
                return self.cannot_write;
            }
            if socket.output().is_empty() {
                break;
            }
        }
        self.has_asked = true;
        true
    }

    /// The socket is done with the transport: it is flushed and closed.
    fn hang_up(&mut self, socket: &mut Network) {
        let until = self.wire.now() + FAREWELL;
        if self.has_last_words(socket) && self.write(socket, until) && !self.cannot_write {
            let _ = self.wire.hang_up(until);
        }
    }

    /// True if the peer is owed something: to a request that is not answered as
    /// it should be, there is nothing more to say.
    fn has_last_words(&self, socket: &Network) -> bool {
        self.has_asked && (self.was_open || !socket.output().is_empty())
    }
}

/// The object.
impl<S: Transport> Deref for WebSocket<S> {
    type Target = web::WebSocket;

    fn deref(&self) -> &web::WebSocket {
        &self.socket
    }
}

/// The object. What is sent goes out while events are waited for.
impl<S: Transport> DerefMut for WebSocket<S> {
    fn deref_mut(&mut self) -> &mut web::WebSocket {
        &mut self.socket
    }
}

/// As [`next_event`](WebSocket::next_event).
impl<S: Transport> Iterator for WebSocket<S> {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.next_event()
    }
}

/// As when a script's object is collected: nobody is left to wait.
impl<S: Transport> Drop for WebSocket<S> {
    fn drop(&mut self) {
        if let Link::Up(line) = &mut self.link {
            // Without code and reason it never fails.
            let _ = self.socket.close(None, None);
            let until = line.wire.now() + SLICE;
            let has_told =
                !line.has_last_words(&self.socket) || line.write(&mut self.socket, until);
            if has_told && !line.cannot_write {
                let _ = line.wire.stream.shutdown_write();
            }
        }
    }
}

impl<S: Transport> fmt::Debug for WebSocket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").field("socket", &self.socket).finish_non_exhaustive()
    }
}
