//! The state machine of an open connection (RFC 6455, sections 5 to 8).
//!
//! Layer: above frames, masks and text; knows no HTTP, no sockets, no clock,
//! and no message as a whole. Bytes come in through [`Input`], events come
//! out borrowing them, and every byte to send is appended to an [`Output`].

mod closing;
mod event;
mod prepared;
mod receive;
mod send;
mod timer;

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::time::Duration;

use self::closing::{Closing, Phase};
use self::receive::{Context, Piece, Receiver};
use self::send::Sender;
use self::timer::{Due, Happened, Timers};
use crate::buf::{Input, Output};
use crate::close::{CloseCode, CloseFrame};
use crate::config::Config;
use crate::control::{ControlPayload, MAX_CONTROL_LEN};
use crate::error::{ProtocolError, SendError};
use crate::frame::{EncodedHeader, Opcode};
use crate::seed::{KeyGenerator, Seed};
use crate::time::Instant;

pub use closing::{Cause, Closed, Side, Timeout};
pub use event::{BinaryChunk, Event, MessageKind, TextChunk};
pub use prepared::PreparedMessage;

/// An open connection: bytes in, events and bytes out. No I/O, no clock, and
/// no allocation per message.
///
/// # Order of calls
///
/// - Bytes came from the transport: [`receive`](Self::receive) until it gives
///   `None`, then flush the output.
/// - The transport ended: [`receive_eof`](Self::receive_eof).
/// - After either, and after a command, if [`wants_time`](Self::wants_time):
///   [`handle_timeout`](Self::handle_timeout); call it again when it says.
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
    happened: Happened,
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
            happened: Happened::default(),
        }
    }

    /// The same connection with this subprotocol in use, for a handshake made
    /// elsewhere.
    pub fn with_subprotocol(mut self, name: &str) -> Self {
        self.negotiated = Some(Box::new(Negotiated { subprotocol: name.into() }));
        self
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
    /// `None` with input left means that `out` is full: flush it and call
    /// again. Answers that the RFC demands (Pong, Close) are in `out` when
    /// the event for them comes. A Pong takes no more room than its Ping took
    /// plus four bytes, so the output of one call loop is bounded by the
    /// input that it was given.
    ///
    /// Never fails: a violation is [`Event::Failed`], once; after that, and
    /// after [`Event::Close`], input is discarded ("an endpoint MUST NOT
    /// continue to attempt to process data", RFC 6455, section 7.1.7).
    ///
    /// Works in place and allocates only for a Close frame and for a control
    /// frame that a read boundary cut.
    pub fn receive<'b>(
        &mut self,
        input: &mut Input<'b>,
        out: &mut (impl Output + ?Sized),
    ) -> Option<Event<'b>> {
        if !self.closing.may_receive() {
            input.discard();
            return self.closing.take_unreported().map(Event::Failed);
        }
        // Whatever the next byte brings, its answer finds room.
        if input.is_empty() || !out.has_room(FAILURE_LEN) {
            return None;
        }
        self.happened.received |= self.config.ping_interval.is_some();
        let context = Context { config: &self.config, masked: self.tx.is_server() };
        let tx = &self.tx;
        let piece = self.rx.next(input, context, |len| out.has_room(tx.frame_len(len)))?;
        match piece {
            Piece::Text(chunk) => {
                self.note_data();
                Some(Event::Text(chunk))
            }
            Piece::Binary(chunk) => {
                self.note_data();
                Some(Event::Binary(chunk))
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
            Piece::TextThenInvalid(chunk) => {
                self.fail(ProtocolError::TextNotUtf8, input, out);
                Some(Event::Text(chunk))
            }
            Piece::Violation(error) => {
                self.fail(error, input, out);
                self.closing.take_unreported().map(Event::Failed)
            }
        }
    }

    /// The transport will deliver no more bytes. Says how the connection
    /// ended; calling it again says the same.
    pub fn receive_eof(&mut self) -> Closed {
        self.end(Cause::EndOfStream { inside_frame: self.rx.is_inside_frame() })
    }

    /// Payload bytes of the data frame being received that have not arrived,
    /// as its header announced them: `0..=2^63-1`, 0 between frames. A hint
    /// for how much to read; a promise of a peer, so never a size to allocate.
    pub fn frame_remaining(&self) -> u64 {
        self.rx.data_remaining()
    }

    fn note_data(&mut self) {
        self.happened.data |= self.config.idle_timeout.is_some();
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

    /// "If an endpoint receives a Close frame and did not previously send a
    /// Close frame, the endpoint MUST send a Close frame in response"
    /// (section 5.5.1), with the same code and reason.
    fn receive_close<'b>(
        &mut self,
        payload: &ControlPayload<'_>,
        input: &mut Input<'b>,
        out: &mut (impl Output + ?Sized),
    ) -> Event<'b> {
        let frame = match CloseFrame::parse(payload) {
            Ok(frame) => frame,
            Err(error) => {
                let error = error.into();
                self.fail(error, input, out);
                self.closing.take_unreported();
                return Event::Failed(error);
            }
        };
        if self.closing.may_send() {
            // Room was made sure of before the Close was consumed.
            let sent = self.tx.control(Opcode::CLOSE, payload, out);
            debug_assert_eq!(sent, Ok(()));
        }
        self.closing.close_received(frame, self.tx.is_server());
        self.happened.closing = true;
        input.discard();
        Event::Close(Box::new(frame))
    }

    /// *Fails the WebSocket connection* (section 7.1.7).
    fn fail(
        &mut self,
        error: ProtocolError,
        input: &mut Input<'_>,
        out: &mut (impl Output + ?Sized),
    ) {
        let sent = self.send_close(CloseFrame::new(error.close_code(), ""), out).ok();
        self.closing.fail(Cause::Protocol(error), sent);
        input.discard();
    }

    // ---- sending ---------------------------------------------------------

    /// Sends a text message in one frame. One copy into `out`, masked on the
    /// way for a client.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`], [`SendError::FragmentInProgress`],
    /// [`SendError::OutputFull`].
    pub fn send_text(
        &mut self,
        text: &str,
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        self.start_data()?;
        self.tx.message(MessageKind::Text, text.as_bytes(), out)
    }

    /// Sends a binary message in one frame. One copy into `out`, masked on
    /// the way for a client.
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text).
    pub fn send_binary(
        &mut self,
        data: &[u8],
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        self.start_data()?;
        self.tx.message(MessageKind::Binary, data, out)
    }

    /// Sends a fragment of a text message (section 5.4). The first begins the
    /// message, the one with `fin` ends it; control frames may go in between.
    ///
    /// A fragment may end inside a character: the text is validated over all
    /// of them.
    ///
    /// # Errors
    ///
    /// [`SendError::InvalidText`], and as [`send_text`](Self::send_text);
    /// `FragmentInProgress` only if the message in progress is binary.
    pub fn send_text_fragment(
        &mut self,
        text: &[u8],
        fin: bool,
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        self.start_data()?;
        self.tx.fragment(MessageKind::Text, text, fin, out)
    }

    /// Sends a fragment of a binary message (section 5.4). The first begins
    /// the message, the one with `fin` ends it; control frames may go in
    /// between.
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text); `FragmentInProgress` only if the
    /// message in progress is text.
    pub fn send_binary_fragment(
        &mut self,
        data: &[u8],
        fin: bool,
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        self.start_data()?;
        self.tx.fragment(MessageKind::Binary, data, fin, out)
    }

    /// Sends a Ping (section 5.5.2), also between fragments. When its Pong
    /// comes, [`round_trip_time`](Self::round_trip_time) is known.
    ///
    /// # Errors
    ///
    /// [`SendError::ControlTooLong`] over 125 bytes, [`SendError::Closed`],
    /// [`SendError::OutputFull`].
    pub fn send_ping(
        &mut self,
        payload: &[u8],
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        self.check_open()?;
        self.tx.control(Opcode::PING, payload, out)?;
        Timers::get(&mut self.timers).ping_sent(payload);
        self.happened.ping = true;
        Ok(())
    }

    /// Sends a Pong (section 5.5.3): the answer to a Ping when
    /// [`Config::auto_pong`] is off, or one that nobody asked for.
    ///
    /// # Errors
    ///
    /// As [`send_ping`](Self::send_ping).
    pub fn send_pong(
        &mut self,
        payload: &[u8],
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        self.check_open()?;
        self.tx.control(Opcode::PONG, payload, out)
    }

    /// Sends a message that was encoded beforehand. Servers only.
    ///
    /// # Errors
    ///
    /// [`SendError::MaskRequired`] for a client, and as
    /// [`send_text`](Self::send_text).
    pub fn send_prepared(
        &mut self,
        message: &PreparedMessage,
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        let bytes = message.as_bytes();
        if !out.has_room(bytes.len()) {
            return Err(SendError::OutputFull { needed: bytes.len() });
        }
        self.begin_prepared(message)?;
        out.append(bytes);
        Ok(())
    }

    // ---- headers alone, for vectored writes --------------------------------

    /// The header of a message whose payload the caller writes itself, right
    /// behind it: nothing else may go on the wire in between. A client's
    /// payload is masked in place, so it must be written as it then is. No
    /// copy.
    ///
    /// # Errors
    ///
    /// [`SendError::InvalidText`] for text that is not UTF-8, and as
    /// [`send_text`](Self::send_text).
    pub fn begin_frame(
        &mut self,
        kind: MessageKind,
        payload: &mut [u8],
    ) -> Result<EncodedHeader, SendError> {
        self.start_data()?;
        self.tx.begin(kind, payload)
    }

    /// As [`begin_frame`](Self::begin_frame), for text that a server writes
    /// from where it is.
    ///
    /// # Errors
    ///
    /// [`SendError::MaskRequired`] for a client, and as
    /// [`send_text`](Self::send_text).
    pub fn begin_text(&mut self, text: &str) -> Result<EncodedHeader, SendError> {
        self.start_data()?;
        self.tx.begin_unmasked(MessageKind::Text, text.len())
    }

    /// As [`begin_frame`](Self::begin_frame), for bytes that a server writes
    /// from where they are.
    ///
    /// # Errors
    ///
    /// As [`begin_text`](Self::begin_text).
    pub fn begin_binary(&mut self, data: &[u8]) -> Result<EncodedHeader, SendError> {
        self.start_data()?;
        self.tx.begin_unmasked(MessageKind::Binary, data.len())
    }

    /// As [`begin_frame`](Self::begin_frame), for a prepared message: all of
    /// [`PreparedMessage::as_bytes`] goes on the wire next.
    ///
    /// # Errors
    ///
    /// As [`begin_text`](Self::begin_text).
    pub fn begin_prepared(&mut self, _message: &PreparedMessage) -> Result<(), SendError> {
        self.start_data()?;
        self.tx.begin_unmasked(MessageKind::Binary, 0).map(|_| ())
    }

    // ---- closing ---------------------------------------------------------

    /// Starts the closing handshake (section 7.1.2); `None` sends a Close
    /// without a body. Data may still arrive until the peer answers. A
    /// message being sent in fragments is cut short, and void.
    ///
    /// A reason of more than 123 bytes is cut before the first character that
    /// does not fit (section 5.5 leaves no more room).
    ///
    /// # Errors
    ///
    /// [`SendError::InvalidCloseCode`] for a code that
    /// [may not be on the wire](CloseCode::is_allowed_on_wire) or a reason
    /// without a code, [`SendError::Closed`], [`SendError::OutputFull`].
    pub fn close(
        &mut self,
        code: Option<CloseCode>,
        reason: &str,
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        let frame = match code {
            Some(code) if code.is_allowed_on_wire() => CloseFrame::new(code, reason),
            None if reason.is_empty() => CloseFrame::EMPTY,
            _ => return Err(SendError::InvalidCloseCode),
        };
        self.start_closing(frame, None, out)
    }

    /// Ends the connection here and now, with no closing handshake: the
    /// caller drops the transport. Says how the connection ended.
    pub fn abort(&mut self) -> Closed {
        self.end(Cause::Aborted)
    }

    /// True when the transport should be closed, once the output is flushed:
    /// the closing handshake is done (a server goes first, a client waits
    /// until [`Config::close_timeout`]), or the connection has failed.
    pub fn should_close_transport(&self) -> bool {
        self.closing.may_close_transport()
    }

    /// How the connection ended; `None` while data can still come or go.
    pub fn closed(&self) -> Option<Closed> {
        self.closing.closed()
    }

    /// True while data can be sent: no Close frame has been sent or received.
    pub fn is_open(&self) -> bool {
        self.closing.may_send()
    }

    /// The connection ends without (further) frames.
    fn end(&mut self, cause: Cause) -> Closed {
        if self.closing.phase() != Phase::Gone {
            self.closing.transport_gone(cause);
        }
        // A record was made by the transition to `Gone` at the latest.
        self.closing.closed().unwrap_or(Closed {
            cause,
            by: Side::Peer,
            sent: None,
            received: None,
        })
    }

    fn start_closing(
        &mut self,
        frame: CloseFrame,
        cause: Option<Cause>,
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        let frame = self.send_close(frame, out)?;
        self.closing.close_sent(frame, cause);
        self.happened.closing = true;
        Ok(())
    }

    /// Appends a Close frame, if none was sent before. Changes no state.
    fn send_close(
        &mut self,
        frame: CloseFrame,
        out: &mut (impl Output + ?Sized),
    ) -> Result<CloseFrame, SendError> {
        self.check_open()?;
        let mut payload = [0; MAX_CONTROL_LEN];
        let len = frame.write_payload(&mut payload);
        self.tx.control(Opcode::CLOSE, &payload[..len], out)?;
        Ok(frame)
    }

    /// "The application MUST NOT send any more data frames after sending a
    /// Close frame" (section 5.5.1).
    fn check_open(&self) -> Result<(), SendError> {
        if self.closing.may_send() { Ok(()) } else { Err(SendError::Closed) }
    }

    fn start_data(&mut self) -> Result<(), SendError> {
        self.check_open()?;
        self.note_data();
        Ok(())
    }

    // ---- time ------------------------------------------------------------

    /// True if [`handle_timeout`](Self::handle_timeout) should be called now,
    /// since something has happened that a deadline depends on. False on the
    /// hot path while the deadlines are off, so that no clock need be read.
    pub fn wants_time(&self) -> bool {
        self.happened.anything()
    }

    /// Does what is due at `now` (a keep-alive Ping, closing an idle
    /// connection, giving up) and says when to call next; `None`: not before
    /// something happens. Call it once when the connection opens, so that
    /// silence from the start is noticed. Early and repeated calls are
    /// harmless.
    pub fn handle_timeout(
        &mut self,
        now: Instant,
        out: &mut (impl Output + ?Sized),
    ) -> Option<Instant> {
        let happened = core::mem::take(&mut self.happened);
        let deadlines_on =
            self.config.ping_interval.is_some() || self.config.idle_timeout.is_some();
        if self.closing.phase() == Phase::Gone
            || !(deadlines_on || happened.anything() || self.timers.is_some())
        {
            return None;
        }
        let timers = Timers::get(&mut self.timers);
        timers.arm(happened, self.rx.is_inside_frame(), &self.config, now);
        while let Some(due) = timers.due(&self.config, self.closing.may_send(), now) {
            match due {
                Due::Close => {
                    timers.close_deadline_passed();
                    if self.closing.may_receive() {
                        self.closing.fail(Cause::Timeout(Timeout::Close), None);
                    } else {
                        self.closing.give_up_waiting();
                    }
                }
                Due::Pong => return self.give_up_on_silent_peer(out),
                Due::Idle => return self.close_idle(now, out),
                Due::Ping(number) => {
                    let payload = number.to_be_bytes();
                    match self.tx.control(Opcode::PING, &payload, out) {
                        Ok(()) => timers.keep_alive_sent(&payload, &self.config, now),
                        Err(_) => {
                            timers.keep_alive_skipped(now);
                            break;
                        }
                    }
                }
            }
        }
        timers.next(&self.config, self.closing.may_send())
    }

    /// The time between the latest Ping that was answered and its Pong, be
    /// the Ping the engine's or the application's. As exact as the times that
    /// [`handle_timeout`](Self::handle_timeout) was told.
    pub fn round_trip_time(&self) -> Option<Duration> {
        self.timers.as_ref()?.round_trip()
    }

    /// Nobody there: say so in case we are wrong, and stop.
    fn give_up_on_silent_peer(&mut self, out: &mut (impl Output + ?Sized)) -> Option<Instant> {
        let frame = CloseFrame::new(CloseCode::INTERNAL_ERROR, "no answer to a Ping");
        let sent = self.send_close(frame, out).ok();
        self.closing.fail(Cause::Timeout(Timeout::Pong), sent);
        None
    }

    fn close_idle(&mut self, now: Instant, out: &mut (impl Output + ?Sized)) -> Option<Instant> {
        let frame = CloseFrame::new(CloseCode::GOING_AWAY, "idle for too long");
        let cause = Cause::Timeout(Timeout::Idle);
        match self.start_closing(frame, Some(cause), out) {
            Ok(()) => self.handle_timeout(now, out),
            // No room for the Close frame: the transport has been stuck.
            Err(_) => {
                self.closing.fail(cause, None);
                None
            }
        }
    }
}
