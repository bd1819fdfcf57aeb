//! One end: drives its engine as an adapter would, and holds each call against
//! the model.

use std::sync::Arc;

use sockeye::frame::Opcode;
use sockeye::{
    Assembler, CloseCode, CloseFrame, Config, Connection, Event, Incoming, Input, Instant, Message,
    MessageKind, Output, PreparedMessage, SendError, Timeout,
};

use super::command::{self, Command, Intruder};
use super::invariants;
use super::log::{DataFrame, Log, Sent};
use super::model::{Due, Ending, Model};
use super::outgoing::{Appended, Outgoing};

/// Bytes that any call may allocate: a record of the end, deadlines, a Ping.
pub const CALL_BUDGET: usize = 1 << 10;

/// The longest that a frame becomes when it carries so many bytes.
fn longest_frame(len: usize) -> usize {
    len + len / 4 + 64 + 14
}

/// Bytes that calls may allocate for contexts of compression: nothing where
/// they are lent.
#[derive(Clone, Copy, Debug, Default)]
pub struct ContextBudget {
    pub inflater: usize,
    pub deflater: usize,
    /// Compressed bytes are made in memory of its own.
    pub is_compressing: bool,
}

impl ContextBudget {
    /// All of it, and the room that compressed bytes are made in.
    pub fn total(&self) -> usize {
        let made_in = if self.is_compressing { 128 << 10 } else { 0 };
        self.inflater + self.deflater + made_in
    }
}

pub struct End {
    pub ws: Connection,
    pub model: Model,
    pub out: Outgoing,
    is_client: bool,
    /// What the peer receives.
    peer_limits: Arc<Config>,
    contexts: ContextBudget,

    pub assembler: Assembler,
    /// Arrived, and not consumed.
    unread: Vec<u8>,
    scratch: Vec<u8>,
    consumed: u64,
    is_inside_frame: bool,
    is_inside_peers_message: bool,

    /// The message being sent in fragments, and the rest of a character that
    /// the last of them was cut in.
    partial: Option<(MessageKind, Vec<u8>)>,
    rest_of_char: Vec<u8>,

    pub deadline: Option<Instant>,
    /// The transport is there.
    pub is_up: bool,
    /// Takes nothing from the transport for now.
    pub is_paused: bool,
}

impl End {
    pub fn new(ws: Connection, peer_limits: Arc<Config>, room: usize, scratch: usize) -> Self {
        let is_client = !ws.is_server();
        let mut assembler = Assembler::new();
        assembler.set_max_len(ws.config().max_message_len);
        Self {
            model: Model::new(Arc::new(ws.config().clone()), !is_client),
            ws,
            out: Outgoing::new(is_client, room),
            is_client,
            peer_limits,
            contexts: ContextBudget::default(),
            assembler,
            unread: Vec::new(),
            scratch: vec![0; scratch],
            consumed: 0,
            is_inside_frame: false,
            is_inside_peers_message: false,
            partial: None,
            rest_of_char: Vec::new(),
            deadline: None,
            is_up: true,
            is_paused: false,
        }
    }

    pub fn with_contexts(mut self, contexts: ContextBudget) -> Self {
        self.contexts = contexts;
        self
    }

    pub fn contexts(&self) -> ContextBudget {
        self.contexts
    }

    /// A message is being sent in fragments, or was when a Close cut it short.
    pub fn is_inside_message(&self) -> bool {
        self.partial.is_some()
    }

    /// A message of the peer's is under way, for all that is known here.
    pub fn is_receiving(&self) -> bool {
        self.is_inside_frame || self.is_inside_peers_message
    }

    // ---- commands ----------------------------------------------------------------

    pub fn execute(&mut self, command: &Command) {
        match command {
            Command::Abort => self.abort(),
            Command::Binary(data) => {
                let message = Message::from(data);
                self.send_message(&message, |ws, out| ws.send_binary(data, out));
            }
            Command::Close(code, reason) => self.close(command::code(*code), reason),
            #[cfg(feature = "deflate")]
            Command::CompressNext(choice) => self.ws.compress_next(*choice),
            Command::Fragment { kind, payload, fin, by_hand } => {
                self.send_fragment(*kind, payload, *fin, *by_hand);
            }
            Command::Intrude(intruder) => self.intrude(*intruder),
            Command::Ping(payload) => {
                if self.send(payload.len(), false, |ws, out| ws.send_ping(payload, out)).is_some() {
                    self.model.ping_sent(payload);
                    self.out.log.push(Sent::Ping(payload.clone()));
                }
            }
            Command::Pong(payload) => {
                if self.send(payload.len(), false, |ws, out| ws.send_pong(payload, out)).is_some() {
                    self.out.log.push(Sent::Pong(payload.clone()));
                }
            }
            Command::Prepared(text) if self.is_client => {
                let message = PreparedMessage::text(text);
                let result = self.ws.send_prepared(&message, &mut self.out);
                assert!(result.is_err(), "section 5.1: a client masks each frame anew");
            }
            Command::Prepared(text) => {
                let prepared = PreparedMessage::text(text);
                let message = Message::from(text);
                self.send_message(&message, |ws, out| ws.send_prepared(&prepared, out));
            }
            Command::Text(text) => {
                let message = Message::from(text);
                self.send_message(&message, |ws, out| ws.send_text(text, out));
            }
        }
        self.check();
    }

    /// Makes a call that appends one frame, or changes nothing.
    fn send(
        &mut self,
        len: usize,
        is_in_between: bool,
        call: impl FnOnce(&mut Connection, &mut Outgoing) -> Result<(), SendError>,
    ) -> Option<Appended> {
        let before = self.out.len();
        self.out.begin(longest_frame(len));
        let made_in =
            if self.contexts.is_compressing { 4 * longest_frame(len) + (16 << 10) } else { 0 };
        let budget = CALL_BUDGET + self.contexts.deflater + made_in;
        let Self { ws, out, .. } = self;
        let result = invariants::memory_is_within(budget, || call(ws, out));
        let appended = self.out.appended();
        match result {
            Ok(()) => assert!(self.model.is_open() && !is_in_between, "it was sent after all"),
            Err(SendError::Closed) => assert!(!self.model.is_open()),
            Err(SendError::FragmentInProgress) => assert!(is_in_between),
            Err(SendError::MessageCompressed) => assert!(self.partial.is_some()),
            Err(SendError::OutputFull { needed, .. }) => {
                assert!(needed <= longest_frame(len) && !self.out.has_room(needed));
            }
            Err(error) => panic!("{error:?}"),
        }
        assert_eq!(result.is_ok(), before < self.out.len(), "a frame, or nothing");
        appended
    }

    fn send_message(
        &mut self,
        message: &Message<'_>,
        call: impl FnOnce(&mut Connection, &mut Outgoing) -> Result<(), SendError>,
    ) {
        let bytes = message.as_bytes();
        let is_in_between = self.partial.is_some();
        if let Some(appended) = self.send(bytes.len(), is_in_between, call) {
            self.data_sent(message.kind(), bytes, &appended);
        }
    }

    fn send_fragment(&mut self, kind: MessageKind, payload: &[u8], fin: bool, by_hand: bool) {
        let begun = self.partial.as_ref().map_or(kind, |(begun, _)| *begun);
        if begun != kind {
            // Section 5.4: not between the fragments of another.
            let appended = self.send(1, true, |ws, out| match kind {
                MessageKind::Binary => ws.send_binary_fragment(b"x", fin, out),
                MessageKind::Text => ws.send_text_fragment(b"x", fin, out),
            });
            assert!(appended.is_none());
        }
        let kind = begun;
        let mut bytes = std::mem::take(&mut self.rest_of_char);
        let kept = bytes.clone();
        // What is behind a character that was cut is text or not, as it comes.
        match core::str::from_utf8(payload) {
            Err(_) if kind == MessageKind::Text => bytes.extend(b"text"),
            _ => bytes.extend_from_slice(payload),
        }
        if kind == MessageKind::Text && !fin && bytes.last().is_some_and(|last| *last >= 0x80) {
            self.rest_of_char.extend(bytes.pop());
        }
        // Whoever writes a payload himself makes sure of the room for it.
        let by_hand = by_hand && self.out.has_room(bytes.len() + 14);
        let mut masked = if by_hand { bytes.clone() } else { Vec::new() };
        let appended = self.send(bytes.len(), false, |ws, out| {
            if by_hand {
                let header = ws.begin_frame(kind, &mut masked, fin)?;
                out.append(header.as_bytes());
                out.append(&masked);
                return Ok(());
            }
            match kind {
                MessageKind::Binary => ws.send_binary_fragment(&bytes, fin, out),
                MessageKind::Text => ws.send_text_fragment(&bytes, fin, out),
            }
        });
        match appended {
            Some(appended) => self.data_sent(kind, &bytes, &appended),
            None => self.rest_of_char = kept,
        }
    }

    /// A data frame was appended that carries `bytes`.
    fn data_sent(&mut self, kind: MessageKind, bytes: &[u8], appended: &Appended) {
        self.model.data();
        let header = &appended.header;
        let begins = self.partial.is_none();
        let opcode = match kind {
            _ if !begins => Opcode::CONTINUATION,
            MessageKind::Binary => Opcode::BINARY,
            MessageKind::Text => Opcode::TEXT,
        };
        assert_eq!(header.opcode, opcode, "section 5.4");
        let rsv1 = header.rsv != 0;
        assert!(!rsv1 || begins && self.contexts.is_compressing, "RFC 7692, section 6");
        let wire_len = header.len as usize;
        assert!(self.contexts.is_compressing || wire_len == bytes.len());
        let frame = DataFrame { begins, wire_len, len: bytes.len(), rsv1 };
        self.out.log.data_frame(frame, &self.peer_limits);
        let (_, so_far) = self.partial.get_or_insert_with(|| (kind, Vec::new()));
        so_far.extend_from_slice(bytes);
        if !header.fin {
            return;
        }
        let (_, whole) = self.partial.take().unwrap_or((kind, Vec::new()));
        self.out.log.push(Sent::Message(match kind {
            MessageKind::Binary => whole.into(),
            MessageKind::Text => String::from_utf8(whole).expect("text was sent").into(),
        }));
    }

    fn close(&mut self, code: Option<CloseCode>, reason: &str) {
        let appended = self.send(125, false, |ws, out| ws.close(code, reason, out));
        if let Some(appended) = appended {
            let frame = close_frame(Opcode::CLOSE, &appended.payload);
            assert_eq!(frame.code(), code);
            assert!(
                reason.starts_with(frame.reason())
                    && frame.reason().len() + 3 >= reason.len().min(123)
            );
            self.model.close_sent(frame, None);
            self.out.log.push(Sent::Close(appended.payload));
        }
    }

    fn intrude(&mut self, intruder: Intruder) {
        if self.out.log.is_closed || !self.is_up {
            return;
        }
        let (frame, mut error) = intruder.frame();
        let is_masked = self.is_client != matches!(intruder, Intruder::Mask);
        match intruder {
            Intruder::Mask if self.is_client => error = sockeye::ProtocolError::UnmaskedByClient,
            Intruder::Utf8 if self.partial.is_some() => {
                error = sockeye::ProtocolError::MessageInProgress;
            }
            _ => {}
        }
        let bytes = if is_masked { frame.masked() } else { frame.unmasked() };
        let noticed_after = intruder.noticed_after(&error, bytes.len());
        self.out.intrude(&bytes, Sent::Violation(error), noticed_after);
    }

    fn abort(&mut self) {
        let closed = self.ws.abort();
        if !self.model.is_gone() {
            self.model.transport_gone(Ending::Aborted);
        }
        invariants::outcome_is(Some(closed), self.model.outcome());
        self.is_up = false;
    }

    // ---- bytes -----------------------------------------------------------------

    /// Bytes have arrived, and with them those that there was no room to answer.
    pub fn receive(&mut self, bytes: &[u8], log: &mut Log) {
        self.unread.extend_from_slice(bytes);
        let mut at = 0;
        loop {
            let left = self.receive_from(at, log);
            at = self.unread.len() - left;
            if !self.ws.wants_scratch() {
                break;
            }
        }
        self.unread.drain(..at);
        self.is_inside_frame = log.is_inside_frame(self.consumed) || self.ws.is_inflating();
        self.is_inside_peers_message = log.is_inside_message();
        let progress = self.unread.is_empty() && !self.ws.is_inflating();
        assert!(progress || self.ws.wants_room(), "input left, and nothing is wanted");
        assert!(progress || !self.out.has_room(131), "input left, and room for any answer");
        self.check();
    }

    /// Arrived, and waits for room to answer.
    pub fn is_stuck(&self) -> bool {
        !self.unread.is_empty() || self.ws.is_inflating()
    }

    /// Gives how much of `unread` is left.
    fn receive_from(&mut self, at: usize, log: &mut Log) -> usize {
        let Self { ws, model, out, assembler, unread, scratch, .. } = self;
        let budget = CALL_BUDGET + self.contexts.inflater;
        let mut input = Input::with_scratch(&mut unread[at..], scratch);
        loop {
            out.begin(131);
            let before = input.len();
            let event = invariants::memory_is_within(budget, || ws.receive(&mut input, out));
            self.consumed += (before - input.len()) as u64;
            if input.len() < before && model.may_receive() {
                model.bytes();
            }
            let Some(event) = event else {
                invariants::replies_due_are_sent(None, out.appended_control());
                return input.len();
            };
            assert!(model.may_receive(), "{event:?} after the end");
            let answers = model.is_open();
            if let Event::Text(_) | Event::Binary(_) = event {
                model.data();
            }
            let due = match assembler.push(event) {
                None => None,
                Some(Incoming::Message(message)) => {
                    log.told(&Sent::Message(message.into_owned()));
                    None
                }
                Some(Incoming::Ping(payload)) => {
                    log.told(&Sent::Ping(payload.to_vec()));
                    let is_due = answers && model.config().auto_pong;
                    is_due.then(|| (Opcode::PONG, payload.to_vec()))
                }
                Some(Incoming::Pong(payload)) => {
                    model.pong(&payload);
                    log.told(&Sent::Pong(payload.to_vec()));
                    None
                }
                Some(Incoming::Close(frame)) => {
                    let mut payload = Vec::new();
                    payload.extend(frame.code().iter().flat_map(|code| code.get().to_be_bytes()));
                    payload.extend_from_slice(frame.reason().as_bytes());
                    model.close_received(*frame, answers.then_some(*frame));
                    log.told(&Sent::Close(payload.clone()));
                    answers.then_some((Opcode::CLOSE, payload))
                }
                Some(Incoming::Failed(error)) => {
                    let frame = CloseFrame::new(error.close_code(), "");
                    model.violated(error, answers.then_some(frame));
                    log.told(&Sent::Violation(error));
                    let payload = error.close_code().get().to_be_bytes().to_vec();
                    answers.then_some((Opcode::CLOSE, payload))
                }
                Some(other) => panic!("{other:?}"),
            };
            invariants::replies_due_are_sent(due, out.appended_control());
            assert!(
                assembler.len() as u64 <= model.config().max_message_len,
                "memory of a message"
            );
            assert!(model.may_receive() || assembler.is_empty(), "a message cut short is void");
        }
    }

    pub fn receive_eof(&mut self) {
        let closed = self.ws.receive_eof();
        if !self.model.is_gone() {
            self.model.transport_gone(Ending::EndOfStream { inside_frame: self.is_inside_frame });
        }
        invariants::outcome_is(Some(closed), self.model.outcome());
        self.is_up = false;
        self.check();
    }

    // ---- time --------------------------------------------------------------------

    pub fn note_time(&mut self, now: Instant) {
        self.model.note_time(now, self.is_inside_frame);
        self.deadline = self.ws.note_time(now);
        invariants::deadline_is(self.deadline, self.model.next(), self.is_releasing());
        self.check();
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        // After our Close there is nothing that the release of a compressor could
        // be put off for.
        let was_due = self.deadline.is_some_and(|at| at <= now) && !self.ws.wants_time();
        let is_release = self.deadline != self.model.next();
        let is_released = was_due && is_release && !self.model.is_open();
        self.model.note_time(now, self.is_inside_frame);
        self.out.begin(131);
        let Self { ws, out, model, .. } = self;
        let next = invariants::memory_is_within(CALL_BUDGET, || ws.handle_timeout(now, out));
        let mut appended = out.appended_control();
        let take = |appended: &mut Option<(Opcode, Vec<u8>)>, code| {
            let (opcode, payload) = appended.take()?;
            let frame = close_frame(opcode, &payload);
            assert_eq!(frame.code(), code, "the reason that is due");
            Some(frame)
        };
        while let Some(due) = model.due(now).filter(|_| !model.is_gone()) {
            match due {
                Due::Close => model.close_timed_out(),
                Due::Pong => {
                    let sent = take(&mut appended, Some(CloseCode::INTERNAL_ERROR));
                    assert!(sent.is_some() || !out.has_room(131), "nobody was told why");
                    model.failed(Ending::Timeout(Timeout::Pong), sent);
                }
                Due::Idle => {
                    let cause = Ending::Timeout(Timeout::Idle);
                    match take(&mut appended, Some(CloseCode::GOING_AWAY)) {
                        Some(frame) => model.close_sent(frame, Some(cause)),
                        None => {
                            assert!(!out.has_room(131), "nobody was told why");
                            model.failed(cause, None);
                        }
                    }
                }
                Due::Ping => {
                    match appended.take() {
                        Some((opcode, payload)) => {
                            assert_eq!(opcode, Opcode::PING);
                            model.keep_alive_sent(payload, now);
                        }
                        None => {
                            assert!(!out.has_room(131), "section 5.5.2: no keep-alive");
                            model.keep_alive_skipped(now);
                        }
                    }
                    break;
                }
            }
            model.note_time(now, self.is_inside_frame);
        }
        assert_eq!(appended, None, "what was not due");
        self.deadline = next;
        let may_be_earlier = self.is_releasing() && !is_released;
        invariants::deadline_is(next, self.model.next(), may_be_earlier);
        invariants::deadline_is_ahead(next, now);
        self.check();
    }

    /// The engine has a deadline of its own for the release of a compressor.
    fn is_releasing(&self) -> bool {
        #[cfg(feature = "deflate")]
        return self.contexts.is_compressing
            && self.model.config().deflate.as_ref().is_some_and(|d| d.release_after.is_some());
        #[cfg(not(feature = "deflate"))]
        return false;
    }

    /// When something may happen by itself. That a compressor is released does
    /// not while a message is in the way, nor is a Ping sent without room.
    pub fn waits_until(&self) -> Option<Instant> {
        let is_put_off = self.model.is_open() && self.partial.is_some();
        let deadline = match self.out.has_room(if self.is_client { 14 } else { 10 }) {
            true if is_put_off => self.model.next(),
            true => self.deadline,
            false => self.model.next_but_ping(),
        };
        deadline.filter(|_| self.is_up)
    }

    // ---- what holds after every call --------------------------------------------------

    fn check(&self) {
        let Self { ws, model, .. } = self;
        assert_eq!(ws.is_open(), model.is_open());
        let wants_time = model.wants_time() || self.is_releasing() && ws.wants_time();
        assert_eq!(ws.wants_time(), wants_time, "something happened that a deadline depends on");
        assert_eq!(ws.should_close_transport(), model.should_close_transport(), "section 7.1.1");
        assert_eq!(ws.close_deadline(), model.close_deadline());
        invariants::outcome_is(ws.closed(), model.outcome());
    }
}

fn close_frame(opcode: Opcode, payload: &[u8]) -> CloseFrame {
    assert_eq!(opcode, Opcode::CLOSE);
    CloseFrame::parse(payload).expect("a Close frame that is valid")
}
