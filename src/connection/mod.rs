//! The state machine of an open connection (RFC 6455, sections 5 to 8).
//!
//! Layer: above frames, masks and text; knows no HTTP, no sockets, no clock,
//! and no message as a whole. Bytes come in through [`Input`], events come
//! out borrowing them, and every byte to send is appended to an [`Output`].

mod closing;
#[cfg(feature = "deflate")]
mod compression;
#[cfg(not(feature = "deflate"))]
#[path = "no_compression.rs"]
mod compression;
mod event;
mod prepared;
mod receive;
mod send;
mod sender;
mod timer;

use alloc::boxed::Box;
use alloc::sync::Arc;

use self::closing::Closing;
use self::compression::Compression;
use self::receive::{Context, Piece, Receiver};
use self::sender::Sender;
use self::timer::{Happened, Timers};
use crate::buf::{Input, Output};
use crate::config::Config;
#[cfg(feature = "deflate")]
use crate::deflate::{Lender, Params};
use crate::frame::Opcode;
use crate::seed::{KeyGenerator, Seed};

pub use closing::{Cause, Closed, Side, Timeout};
pub use event::{BinaryChunk, Event, MessageKind, TextChunk};
pub use prepared::PreparedMessage;

/// An open connection: bytes in, events and bytes out. No I/O, no clock, and
/// no allocation per message.
///
/// # Order of calls
///
/// - Bytes came from the transport: [`receive`](Self::receive) until it gives
///   `None`, then flush the output. ([`wants_room`](Self::wants_room) and
///   [`wants_scratch`](Self::wants_scratch) tell of a `None` for want of memory.)
/// - The transport ended: [`receive_eof`](Self::receive_eof).
/// - After either, and after a command, if [`wants_time`](Self::wants_time):
///   [`note_time`](Self::note_time). It says when a deadline passes; if nothing
///   has come by then, [`handle_timeout`](Self::handle_timeout).
/// - At any time: commands (`send_*`, [`close`](Self::close)), then flush.
/// - When [`should_close_transport`](Self::should_close_transport): flush, and
///   close the transport.
///
/// One output serves all calls; what is appended must reach the wire in order.
///
/// # Example: an echo server, without the server
///
/// ```
/// use std::sync::Arc;
/// use sockeye::{Config, Connection, Event, Input};
///
/// let mut ws = Connection::server(Arc::new(Config::default()));
/// let mut received = *b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
/// let mut input = Input::new(&mut received);
/// let mut out = Vec::new();
/// while let Some(event) = ws.receive(&mut input, &mut out) {
///     match event {
///         Event::Text(t) => {
///             ws.send_text_fragment(t.as_str().as_bytes(), t.is_last(), &mut out)?;
///         }
///         Event::Binary(b) => ws.send_binary_fragment(b.as_bytes(), b.is_last(), &mut out)?,
///         _ => {} // Ping, Close and violations are answered already
///     }
/// }
/// assert_eq!(out, b"\x81\x05Hello");
/// # Ok::<(), sockeye::SendError>(())
/// ```
#[derive(Debug)]
pub struct Connection {
    config: Arc<Config>,
    rx: Receiver,
    tx: Sender,
    closing: Closing,
    timers: Option<Box<Timers>>,
    /// Boxed, since most connections negotiate nothing.
    negotiated: Option<Box<Negotiated>>,
    compression: Option<Box<Compression>>,
    happened: Happened,
    wants_room: bool,
}

/// What the opening handshake settled (section 4.1: *Subprotocol In Use*).
#[derive(Debug)]
struct Negotiated {
    subprotocol: Box<str>,
}

/// A million idle connections are a million of these, and for a server with
/// its deadlines off nothing else.
const _: () = assert!(size_of::<Connection>() <= 128);

/// Bytes of the longest Close frame for a violation: header, key, code.
const FAILURE_LEN: usize = 2 + 4 + 2;

impl Connection {
    /// The server's end of a connection whose opening handshake was done
    /// elsewhere; otherwise [`handshake::Request::accept`] makes one.
    ///
    /// Allocates nothing.
    ///
    /// [`handshake::Request::accept`]: crate::handshake::Request::accept
    pub fn server(config: Arc<Config>) -> Self {
        Self::new(None, config)
    }

    /// The client's end of a connection whose opening handshake was done
    /// elsewhere; otherwise [`handshake::Response::open`] makes one.
    ///
    /// Allocates the generator of masking keys.
    ///
    /// [`handshake::Response::open`]: crate::handshake::Response::open
    pub fn client(seed: Seed, config: Arc<Config>) -> Self {
        Self::new(Some(Box::new(KeyGenerator::new(seed))), config)
    }

    /// A client's end if there are masking keys, else a server's.
    pub(crate) fn new(keys: Option<Box<KeyGenerator>>, config: Arc<Config>) -> Self {
        Self {
            config,
            rx: Receiver::new(),
            tx: Sender::new(keys),
            closing: Closing::new(),
            timers: None,
            negotiated: None,
            compression: None,
            happened: Happened::OPENED,
            wants_room: false,
        }
    }

    /// The same connection with this subprotocol in use, for a handshake made
    /// elsewhere.
    pub fn with_subprotocol(mut self, name: &str) -> Self {
        self.negotiated = Some(Box::new(Negotiated { subprotocol: name.into() }));
        self
    }

    /// The same connection with messages compressed as agreed (RFC 7692), for
    /// a handshake made elsewhere. How well is for
    /// [`Config::deflate`](crate::Config::deflate) to say, or else the default.
    ///
    /// What is received needs scratch room: see [`Input::with_scratch`].
    #[cfg(feature = "deflate")]
    pub fn with_deflate(mut self, params: Params) -> Self {
        let compression = Compression::new(params, self.is_server(), &self.config);
        self.compression = Some(Box::new(compression));
        self
    }

    /// Has contexts lent by `lender` for the time of a message, where none is
    /// kept between messages; without one they are made for each message.
    /// Contexts that the connection leaves go there as well. The adapters lend
    /// from pools of their own if nobody else does. Without compression agreed on
    /// this does nothing.
    #[cfg(feature = "deflate")]
    pub fn set_lender(&mut self, lender: &'static dyn Lender) {
        if let Some(compression) = &mut self.compression {
            compression.set_lender(lender);
        }
    }

    /// True if somebody lends contexts.
    #[cfg(feature = "deflate")]
    pub(crate) fn has_lender(&self) -> bool {
        self.compression.as_ref().is_some_and(|compression| compression.has_lender())
    }

    /// What was agreed on about compression, if anything.
    #[cfg(feature = "deflate")]
    pub fn deflate_params(&self) -> Option<Params> {
        self.compression.as_ref().map(|compression| compression.params)
    }

    /// True for the server's end.
    pub fn is_server(&self) -> bool {
        self.tx.is_server()
    }

    /// The limits and deadlines in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The subprotocol in use (section 4.1), if the opening handshake settled
    /// on one.
    pub fn subprotocol(&self) -> Option<&str> {
        self.negotiated.as_ref().map(|n| &*n.subprotocol)
    }

    // ---- receiving -------------------------------------------------------

    /// Processes input up to the next event. Call until it gives `None`.
    ///
    /// Answers that the RFC demands (Pong, Close) are in `out` when the event
    /// for them comes. If there is no room for one, `None` comes first and
    /// [`wants_room`](Self::wants_room) is true: flush, and call again with
    /// what is left of the input. A Pong takes no more room than its Ping took
    /// plus four bytes, so the output of one call loop is bounded by the input
    /// that it was given.
    ///
    /// Compressed messages take scratch room as well: `None` and
    /// [`wants_scratch`](Self::wants_scratch) say that there is none left; call
    /// again with more, also when all input is consumed. See
    /// [`Input::with_scratch`].
    ///
    /// Never fails: a violation is [`Event::Failed`], once; after that, and
    /// after [`Event::Close`], input is discarded ("an endpoint MUST NOT
    /// continue to attempt to process data", RFC 6455, section 7.1.7).
    ///
    /// Works in place and allocates only for how the connection ended, for a
    /// control frame that a read boundary cut, and for a context of compression.
    #[inline]
    pub fn receive<'b>(
        &mut self,
        input: &mut Input<'b>,
        out: &mut (impl Output + ?Sized),
    ) -> Option<Event<'b>> {
        // What most reads hold comes by the short way. Whatever the next byte
        // brings, it can be told that it is wrong.
        let may_send = self.closing.may_send();
        if may_send && self.rx.is_between_messages() && out.has_room(FAILURE_LEN) {
            if input.is_empty() {
                self.wants_room = false;
                return None;
            }
            if let Some(event) = self.rx.whole_message(input, &self.config, self.tx.is_server()) {
                self.wants_room = false;
                self.happened.received = true;
                self.happened.data = true;
                return Some(event);
            }
        }
        self.receive_piece(input, out)
    }

    /// Any input, in any state, the long way.
    #[inline(never)]
    fn receive_piece<'b>(
        &mut self,
        input: &mut Input<'b>,
        out: &mut (impl Output + ?Sized),
    ) -> Option<Event<'b>> {
        if !self.closing.may_receive() {
            self.wants_room = false;
            self.end_compression();
            input.discard();
            return None;
        }
        // After our own Close nothing is owed any more.
        let owes = self.closing.may_send();
        let has_work = !input.is_empty() || self.rx.is_invalid() || self.is_inflating();
        // Whatever the next byte brings, it can be told that it is wrong.
        self.wants_room = has_work && owes && !out.has_room(FAILURE_LEN);
        if !has_work || self.wants_room {
            return None;
        }
        let offered = input.len();
        let Self { config, rx, tx, compression, wants_room, .. } = self;
        let inflation = compression.as_deref_mut().map(|compression| &mut compression.rx);
        let context = Context { config, masked: tx.is_server(), inflation };
        let piece = rx.next(input, context, |opcode, len| {
            let is_answered = opcode == Opcode::CLOSE || opcode == Opcode::PING && config.auto_pong;
            *wants_room = owes && is_answered && !out.has_room(tx.frame_len(len));
            !*wants_room
        });
        // What waits for room is offered again, and has come only once.
        let has_come = input.len() < offered;
        self.happened.received |= has_come;
        match piece? {
            Piece::Data(event) => {
                self.happened.data = true;
                Some(event)
            }
            Piece::Control(Opcode::PING, payload) => {
                self.answer_ping(&payload, out);
                Some(Event::Ping(payload))
            }
            Piece::Control(Opcode::PONG, payload) => {
                let timers = self.timers.as_deref_mut();
                self.happened.ping |= timers.is_some_and(|t| t.pong_received(&payload));
                Some(Event::Pong(payload))
            }
            Piece::Control(_, payload) => Some(self.receive_close(&payload, input, out)),
            Piece::Violation(error) => Some(self.fail(error, input, out)),
        }
    }

    /// True if the last call of [`receive`](Self::receive) gave `None` because
    /// `out` had no room for an answer.
    pub fn wants_room(&self) -> bool {
        self.wants_room
    }

    /// True if [`receive`](Self::receive) gave `None` because the input had no
    /// scratch room to inflate into.
    pub fn wants_scratch(&self) -> bool {
        let rx = self.compression.as_ref().map(|compression| &compression.rx);
        self.closing.may_receive() && rx.is_some_and(|rx| rx.wants_scratch())
    }

    /// True if [`receive`](Self::receive) may have more to give without more
    /// input: what was consumed is not all inflated yet.
    pub fn is_inflating(&self) -> bool {
        let rx = self.compression.as_ref().map(|compression| &compression.rx);
        self.closing.may_receive() && rx.is_some_and(|rx| rx.is_pending() || rx.wants_scratch())
    }

    /// True if compression was agreed on.
    #[cfg(feature = "std")] // for the adapters
    pub(crate) fn may_inflate(&self) -> bool {
        self.compression.is_some()
    }

    /// Payload bytes of the data frame being received that have not arrived,
    /// as its header announced them: `0..=2^63-1`, 0 between frames and once
    /// nothing more is received. A hint for how much to read; a promise of a
    /// peer, so never a size to allocate.
    pub fn frame_remaining(&self) -> u64 {
        if self.closing.may_receive() { self.rx.data_remaining() } else { 0 }
    }

    /// Of these, those of a binary message that has begun and is not compressed,
    /// which can be read to where they belong.
    pub(crate) fn binary_remaining(&self) -> u64 {
        if self.closing.may_receive() { self.rx.binary_remaining() } else { 0 }
    }

    /// Nothing more will be sent or received: memory goes back.
    fn end_compression(&mut self) {
        if let Some(compression) = &mut self.compression {
            compression.end();
        }
    }

    /// "Upon receipt of a Ping frame, an endpoint MUST send a Pong frame in
    /// response, unless it already received a Close frame" (section 5.5.2).
    /// After our own Close there is nobody to tell.
    fn answer_ping(&mut self, payload: &[u8], out: &mut (impl Output + ?Sized)) {
        if self.config.auto_pong && self.closing.may_send() {
            // Room was made sure of before the Ping was consumed.
            let sent = self.tx.control(Opcode::PONG, payload, out);
            debug_assert_eq!(sent, Ok(()));
        }
    }
}

#[cfg(all(test, feature = "deflate"))]
mod tests {
    use super::*;
    use crate::deflate::{Deflater, Inflater, Strength};

    /// It has nothing to lend.
    #[derive(Debug)]
    struct Empty;

    impl Lender for Empty {
        fn take_inflater(&self) -> Option<Box<Inflater>> {
            None
        }
        fn put_inflater(&self, _: Box<Inflater>) {}
        fn take_deflater(&self, _: Strength) -> Option<Box<Deflater>> {
            None
        }
        fn put_deflater(&self, _: Box<Deflater>) {}
    }

    #[test]
    fn an_adapter_can_tell_whether_there_is_compression_and_a_lender() {
        let told = |ws: &Connection| (ws.may_inflate(), ws.has_lender());
        let mut ws = Connection::server(Arc::default());
        ws.set_lender(&Empty);
        assert_eq!(told(&ws), (false, false));
        let mut ws = Connection::server(Arc::default()).with_deflate(Params::default());
        assert_eq!(told(&ws), (true, false));
        ws.set_lender(&Empty);
        assert_eq!(told(&ws), (true, true));
    }
}
