//! The network's side: what an adapter tells, and what it is asked to do. Only
//! queues tasks; no attribute changes here.
//!
//! A type of its own, so that no script reaches it: handlers, and users of the
//! adapters, have the [`WebSocket`] alone.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;
use core::ops::{Deref, DerefMut};

use super::WebSocket;
use super::diagnostic::Diagnostic;
use super::event::CloseEvent;
use super::opening::Opening;
use super::outbox::Outbox;
use super::task::Task;
use crate::buf::Input;
use crate::close::CloseCode;
use crate::connection::{Closed, Connection};
use crate::handshake::{Client, ResponseError};
use crate::message::{Assembler, Incoming};
use crate::time::Instant;

/// How far the network has come, whatever the script has been told.
#[derive(Debug)]
pub(super) enum Phase {
    /// Somebody has to connect.
    Waiting(Box<Client>),
    /// The request is on its way.
    Opening(Box<Opening>),
    Open(Box<Open>),
    /// The script will be told, or has been: flush, and close the transport.
    Over,
}

#[derive(Debug)]
pub(super) struct Open {
    pub(super) ws: Connection,
    pub(super) assembler: Assembler,
    /// The deadline in force is still that of the handshake.
    pub(super) is_new: bool,
}

/// Bytes that compressed messages are inflated into at a time.
const SCRATCH_LEN: usize = 16 << 10;

/// Where to connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Target<'a> {
    /// Name or address; an IPv6 address has no brackets.
    pub host: &'a str,
    /// The TCP port.
    pub port: u16,
    /// With TLS, its server name being the host's.
    pub secure: bool,
}

/// A socket as its adapter has it: all that a script has, to which it derefs, and
/// what the network tells it.
///
/// [`target`](Self::target), then [`connected`](Self::connected), or
/// [`connect_failed`](Self::connect_failed). From then on what is read goes to
/// [`receive`](Self::receive), the end of it to
/// [`receive_eof`](Self::receive_eof); what there is of
/// [`output`](Self::output) is written. After each, and after a script was let
/// at the socket, [`note_time`](Self::note_time) if
/// [`wants_time`](Self::wants_time), and
/// [`handle_timeout`](Self::handle_timeout) when it is due and nothing was there
/// to be read. When
/// [`should_close_transport`](Self::should_close_transport), flush and close.
///
/// To bound memory, read only when it [wants](Self::wants_read) that. Of all
/// sockets of a process at most one for each host and port should be between
/// `target` and the end of [`is_opening`](Self::is_opening) (RFC 6455, section
/// 4.1, item 2).
#[derive(Debug)]
pub struct Network {
    socket: WebSocket,
}

impl Network {
    /// Takes a socket to its network.
    pub fn new(socket: WebSocket) -> Self {
        Self { socket }
    }

    /// Where to connect to. `None`: nowhere, not yet or not any more.
    pub fn target(&self) -> Option<Target<'_>> {
        let location = &self.socket.location;
        matches!(self.socket.phase, Phase::Waiting(_)).then(|| Target {
            host: location.host(),
            port: location.port(),
            secure: location.is_secure(),
        })
    }

    /// True while the connection is being established.
    pub fn is_opening(&self) -> bool {
        matches!(self.socket.phase, Phase::Waiting(_) | Phase::Opening(_))
    }

    /// A stream to the [`target`](Self::target) is there: the request goes into
    /// the output, and its time begins.
    pub fn connected(&mut self, now: Instant) {
        let Phase::Waiting(client) = &mut self.socket.phase else { return };
        // A `Vec` has room for any request.
        let _ = client.write_request(self.socket.outbox.bytes());
        match client.handle_timeout(now) {
            Ok(until) => self.socket.start_opening(until),
            Err(error) => self.socket.fail(Diagnostic::Response(error)),
        }
    }

    /// Nobody could be reached, or not securely, or the stream broke.
    pub fn connect_failed(&mut self, why: impl fmt::Display) {
        match &mut self.socket.phase {
            Phase::Open(_) => {
                self.receive_eof();
                // After a closing handshake it is no news.
                if self.socket.diagnostic.is_some() {
                    self.socket.diagnostic = Some(Diagnostic::Lost(why.to_string()));
                }
            }
            _ => self.socket.fail(Diagnostic::Connect(why.to_string())),
        }
    }

    /// Bytes were read. They are unmasked in place, and messages copied out of
    /// them.
    pub fn receive(&mut self, bytes: &mut [u8]) {
        match &mut self.socket.phase {
            Phase::Opening(opening) => {
                opening.push(bytes);
                self.socket.receive_reply(false);
            }
            Phase::Open(_) => self.socket.receive_frames(bytes),
            Phase::Waiting(_) | Phase::Over => {}
        }
    }

    /// False while there are [tasks](WebSocket::has_tasks) to run, or the peer has
    /// asked for more bytes of answers than
    /// [`Config::max_queued_len`](crate::Config::max_queued_len) since it last had
    /// taken all of them: what it sends is better left with it.
    pub fn wants_read(&self) -> bool {
        !self.has_tasks() && !self.is_flooded()
    }

    /// True if the peer does not take the answers that it asks for.
    pub(crate) fn is_flooded(&self) -> bool {
        self.socket.outbox.replies() > self.socket.config.max_queued_len as u64
    }

    /// No more bytes will come.
    pub fn receive_eof(&mut self) {
        match &mut self.socket.phase {
            Phase::Waiting(_) => self.socket.fail(Diagnostic::Response(ResponseError::EndOfStream)),
            Phase::Opening(_) => self.socket.receive_reply(true),
            Phase::Open(open) => {
                let closed = open.ws.receive_eof();
                self.socket.finish(&closed);
            }
            Phase::Over => {}
        }
    }

    /// Bytes to write, oldest first.
    pub fn output(&self) -> &[u8] {
        self.socket.outbox.unsent()
    }

    /// The network has taken the next `len` bytes of the output.
    pub fn wrote(&mut self, len: usize) {
        self.socket.outbox.wrote(len);
    }

    /// Hands over all output, to be written by other means; those report to
    /// [`wrote`](Self::wrote) how much of it was.
    pub(crate) fn take_output(&mut self) -> Vec<u8> {
        self.socket.outbox.take()
    }

    /// True when the transport is to be closed, once the output is flushed.
    pub fn should_close_transport(&self) -> bool {
        matches!(self.socket.phase, Phase::Over)
    }

    /// True if [`note_time`](Self::note_time) should be called now.
    pub fn wants_time(&self) -> bool {
        match &self.socket.phase {
            Phase::Open(open) => open.is_new || open.ws.wants_time(),
            _ => false,
        }
    }

    /// Notes that what has happened since the last call happened at `now`, and
    /// says when [`handle_timeout`](Self::handle_timeout) is due. Fails nothing.
    pub fn note_time(&mut self, now: Instant) -> Option<Instant> {
        match &mut self.socket.phase {
            Phase::Opening(opening) => opening.until(),
            Phase::Open(open) => {
                open.is_new = false;
                open.ws.note_time(now)
            }
            Phase::Waiting(_) | Phase::Over => None,
        }
    }

    /// Does what is due at `now`, and says when to call next. Call it when a
    /// deadline has passed *and nothing is there to be read*.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Instant> {
        match &mut self.socket.phase {
            Phase::Opening(opening) => match opening.handle_timeout(now) {
                Ok(until) => until,
                Err(error) => {
                    self.socket.fail(Diagnostic::Response(error));
                    None
                }
            },
            Phase::Open(open) => {
                let next = open.ws.handle_timeout(now, self.socket.outbox.bytes());
                self.socket.settle();
                next
            }
            Phase::Waiting(_) | Phase::Over => None,
        }
    }
}

/// The script's side.
impl Deref for Network {
    type Target = WebSocket;

    fn deref(&self) -> &WebSocket {
        &self.socket
    }
}

impl DerefMut for Network {
    fn deref_mut(&mut self) -> &mut WebSocket {
        &mut self.socket
    }
}

impl WebSocket {
    // ---- frames ------------------------------------------------------------

    pub(super) fn receive_frames(&mut self, bytes: &mut [u8]) {
        let Phase::Open(open) = &mut self.phase else { return };
        let start = self.outbox.end();
        let Open { ws, assembler, .. } = open.as_mut();
        let (outbox, tasks) = (&mut self.outbox, &mut self.tasks);
        let mut left = receive(ws, assembler, Input::new(bytes), outbox, tasks);
        if ws.wants_scratch() {
            let mut scratch = [0; SCRATCH_LEN];
            while ws.wants_scratch() {
                let start = bytes.len() - left;
                let input = Input::with_scratch(&mut bytes[start..], &mut scratch);
                left = receive(ws, assembler, input, outbox, tasks);
            }
        }
        self.outbox.note_replies(start);
        self.settle();
    }

    /// Ends the connection if the engine has.
    fn settle(&mut self) {
        if let Phase::Open(open) = &mut self.phase {
            if open.ws.should_close_transport() {
                let closed = open.ws.receive_eof();
                self.finish(&closed);
            }
        }
    }

    // ---- the end -----------------------------------------------------------

    /// *The WebSocket connection is closed.* An end that is not clean counts as a
    /// failure, whoever made it: "if at any point the underlying transport layer
    /// connection is unexpectedly lost, the client MUST fail the WebSocket
    /// connection" (RFC 6455, section 7.2.1).
    fn finish(&mut self, closed: &Closed) {
        let event = CloseEvent {
            was_clean: closed.is_clean(),
            code: closed.code().into(),
            reason: closed.reason().into(),
        };
        let why = (!event.was_clean).then(|| Diagnostic::Ended(Box::new(*closed)));
        self.end(why, event);
    }

    /// *Fails the WebSocket connection* (section 7.1.7), for a reason that is not
    /// in the frames.
    pub(super) fn fail(&mut self, why: Diagnostic) {
        let code = CloseCode::ABNORMAL_CLOSURE.into();
        self.end(Some(why), CloseEvent { code, ..CloseEvent::default() });
    }

    fn end(&mut self, why: Option<Diagnostic>, event: CloseEvent) {
        self.phase = Phase::Over;
        self.counted = None;
        if !self.has_ended {
            self.has_ended = true;
            self.tasks.push_back(Task::Closed { event });
            self.diagnostic = why;
        }
    }
}

/// Has the engine receive, and queues what comes of it. Gives how many bytes
/// are left.
fn receive(
    ws: &mut Connection,
    assembler: &mut Assembler,
    mut input: Input<'_>,
    outbox: &mut Outbox,
    tasks: &mut VecDeque<Task>,
) -> usize {
    while let Some(event) = ws.receive(&mut input, outbox.bytes()) {
        match assembler.push(event) {
            Some(Incoming::Message(message)) => {
                tasks.push_back(Task::Message(message.into_owned()));
            }
            Some(Incoming::Close(_)) => tasks.push_back(Task::ClosingStarted),
            // Answered by the engine, which also knows of failures.
            _ => {}
        }
    }
    input.len()
}
