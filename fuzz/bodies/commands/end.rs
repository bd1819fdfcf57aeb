//! One end: an engine, what it is asked to do, and what it should do.

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::wire::{Frame, frames};
use super::script::Script;
use sockeye::frame::{Opcode, encoded_len};
use sockeye::{
    Assembler, Cause, CloseCode, CloseFrame, Closed, Config, Connection, FixedOutput, Incoming,
    Input, Instant, Message, MessageKind, Output, PreparedMessage, Seed, SendError,
};

/// What an engine appended and nobody has flushed.
pub struct Unflushed {
    bytes: Vec<u8>,
    room: usize,
}

impl Output for Unflushed {
    fn has_room(&self, len: usize) -> bool {
        len <= self.room - self.bytes.len()
    }

    fn append(&mut self, bytes: &[u8]) -> &mut [u8] {
        assert!(self.has_room(bytes.len()), "an engine asks before it appends");
        Output::append(&mut self.bytes, bytes)
    }
}

/// An engine, its side of the transport, and what it should have done.
pub struct End {
    pub ws: Connection,
    is_client: bool,
    auto_pong: bool,
    pub out: Unflushed,
    /// Under way to the peer.
    pub wire: VecDeque<u8>,
    /// All that was ever flushed.
    flushed: Vec<u8>,
    /// This end has not closed the transport, nor seen its end.
    pub is_up: bool,
    pub deadline: Option<Instant>,
    pub outcome: Option<Closed>,

    // What was asked of it, and done.
    sent: Vec<Message<'static>>,
    /// The message being sent in fragments.
    partial: Option<(MessageKind, Vec<u8>)>,
    /// Pongs it sent or had to send.
    pongs: Vec<Vec<u8>>,

    // What it has told.
    assembler: Assembler,
    messages: Vec<Message<'static>>,
    heard_pings: Vec<Vec<u8>>,
    heard_pongs: Vec<Vec<u8>>,
    heard_close: bool,
}

/// Why a command may be refused.
#[derive(Debug, Default)]
struct Faults {
    closed: bool,
    control_too_long: bool,
    fragment_in_progress: bool,
    invalid_close_code: bool,
    invalid_text: bool,
    mask_required: bool,
    full: bool,
}

impl Faults {
    /// A command succeeds if nothing is wrong, and else fails with something
    /// that is.
    fn allow(&self, result: Result<(), SendError>) -> bool {
        let allowed = match result {
            Ok(()) => !self.any(),
            Err(SendError::Closed) => self.closed,
            Err(SendError::ControlTooLong) => self.control_too_long,
            Err(SendError::FragmentInProgress) => self.fragment_in_progress,
            Err(SendError::InvalidCloseCode) => self.invalid_close_code,
            Err(SendError::InvalidText) => self.invalid_text,
            Err(SendError::MaskRequired) => self.mask_required,
            Err(SendError::OutputFull { .. }) => self.full,
            Err(_) => false,
        };
        assert!(allowed, "{result:?} with {self:?}");
        result.is_ok()
    }

    fn any(&self) -> bool {
        self.closed
            || self.control_too_long
            || self.fragment_in_progress
            || self.invalid_close_code
            || self.invalid_text
            || self.mask_required
            || self.full
    }
}

impl End {
    pub fn new(is_client: bool, config: Config, room: usize) -> Self {
        let auto_pong = config.auto_pong;
        let config = Arc::new(config);
        let ws = if is_client {
            Connection::client(Seed::from_bytes([7; 32]), config)
        } else {
            Connection::server(config)
        };
        Self {
            ws,
            is_client,
            auto_pong,
            out: Unflushed { bytes: Vec::new(), room },
            wire: VecDeque::new(),
            flushed: Vec::new(),
            is_up: true,
            deadline: None,
            outcome: None,
            sent: Vec::new(),
            partial: None,
            pongs: Vec::new(),
            assembler: Assembler::new(),
            messages: Vec::new(),
            heard_pings: Vec::new(),
            heard_pongs: Vec::new(),
            heard_close: false,
        }
    }

    // ---- commands ----------------------------------------------------------

    pub fn command(&mut self, byte: u8, script: &mut Script<'_>) {
        let before = self.out.bytes.len();
        let done = match byte {
            0 => self.send_text(&String::from_utf8_lossy(&script.payload())),
            1 => self.send_binary(script.payload()),
            2 => self.send_fragment(MessageKind::Text, script.bytes(), script.byte(), false),
            3 => self.send_fragment(MessageKind::Binary, script.bytes(), script.byte(), false),
            4 => self.send_control(Opcode::PING, script.bytes()),
            5 => self.send_control(Opcode::PONG, script.bytes()),
            6 => self.close(script),
            7 => self.send_fragment(MessageKind::Text, script.bytes(), script.byte(), true),
            8 => self.send_fragment(MessageKind::Binary, script.bytes(), script.byte(), true),
            _ => self.send_prepared(&String::from_utf8_lossy(&script.payload())),
        };
        assert_eq!(done, before < self.out.bytes.len(), "a frame is appended, or nothing is");
        self.observe();
    }

    fn send_text(&mut self, text: &str) -> bool {
        let faults = self.faults_of_message(text.len());
        let done = faults.allow(self.ws.send_text(text, &mut self.out));
        if done {
            self.sent.push(Message::from(text).into_owned());
        }
        done
    }

    fn send_binary(&mut self, data: Vec<u8>) -> bool {
        let faults = self.faults_of_message(data.len());
        let done = faults.allow(self.ws.send_binary(&data, &mut self.out));
        if done {
            self.sent.push(data.into());
        }
        done
    }

    /// `by_hand`: the header alone is the engine's.
    fn send_fragment(&mut self, kind: MessageKind, piece: &[u8], flags: u8, by_hand: bool) -> bool {
        if by_hand && self.faults_of_frame(piece.len()).full {
            return false;
        }
        let fin = flags & 1 == 1;
        let (begun, mut so_far) = self.partial.clone().unwrap_or((kind, Vec::new()));
        so_far.extend_from_slice(piece);
        let text_error = core::str::from_utf8(&so_far).err();
        let faults = Faults {
            fragment_in_progress: begun != kind,
            invalid_text: kind == MessageKind::Text
                && text_error.is_some_and(|e| fin || e.error_len().is_some()),
            ..self.faults_of_frame(piece.len())
        };
        let done = faults.allow(match kind {
            _ if by_hand => self.begin_frame(kind, piece, fin),
            MessageKind::Text => self.ws.send_text_fragment(piece, fin, &mut self.out),
            MessageKind::Binary => self.ws.send_binary_fragment(piece, fin, &mut self.out),
        });
        if done {
            self.partial = None;
            match (fin, kind) {
                (false, _) => self.partial = Some((kind, so_far)),
                (true, MessageKind::Binary) => self.sent.push(so_far.into()),
                (true, MessageKind::Text) => {
                    let text = String::from_utf8(so_far).expect("it was sent as text");
                    self.sent.push(text.into());
                }
            }
        }
        done
    }

    fn send_control(&mut self, opcode: Opcode, payload: &[u8]) -> bool {
        let faults =
            Faults { control_too_long: payload.len() > 125, ..self.faults_of_frame(payload.len()) };
        if opcode == Opcode::PING {
            return faults.allow(self.ws.send_ping(payload, &mut self.out));
        }
        let done = faults.allow(self.ws.send_pong(payload, &mut self.out));
        if done {
            self.pongs.push(payload.to_vec());
        }
        done
    }

    fn close(&mut self, script: &mut Script<'_>) -> bool {
        let code = match script.byte() {
            0 => None,
            1 => Some(1000),
            2 => Some(1005), // never on the wire
            byte => Some(u16::from_be_bytes([byte, script.byte()])),
        };
        let code = code.map(CloseCode::new);
        let reason = String::from_utf8_lossy(script.bytes());
        let payload_len = code.map_or(0, |_| 2 + cut_reason(&reason).len());
        let faults = Faults {
            invalid_close_code: code.map_or(!reason.is_empty(), |c| !c.is_allowed_on_wire()),
            ..self.faults_of_frame(payload_len)
        };
        faults.allow(self.ws.close(code, &reason, &mut self.out))
    }

    /// A fragment as a header, and its payload written by hand.
    fn begin_frame(&mut self, kind: MessageKind, piece: &[u8], fin: bool) -> Result<(), SendError> {
        let mut masked = piece.to_vec();
        let header = self.ws.begin_frame(kind, &mut masked, fin);
        if let Ok(header) = &header {
            self.out.append(header.as_bytes());
            self.out.append(&masked);
        } else {
            assert_eq!(masked, piece, "nothing has changed");
        }
        header.map(drop)
    }

    fn send_prepared(&mut self, text: &str) -> bool {
        let message = PreparedMessage::text(text);
        let faults = Faults {
            mask_required: self.is_client,
            // Encoded without a key, whoever sends it.
            full: !self.out.has_room(message.as_bytes().len()),
            ..self.faults_of_message(text.len())
        };
        let done = faults.allow(self.ws.send_prepared(&message, &mut self.out));
        if done {
            self.sent.push(Message::from(text).into_owned());
        }
        done
    }

    pub fn abort(&mut self) {
        let closed = self.ws.abort();
        assert_eq!(self.ws.closed(), Some(closed));
        assert!(self.ws.should_close_transport());
        self.observe();
    }

    fn faults_of_frame(&self, payload_len: usize) -> Faults {
        let needed = payload_len + encoded_len(payload_len as u64, self.is_client);
        let full = !self.out.has_room(needed);
        Faults { closed: !self.ws.is_open(), full, ..Faults::default() }
    }

    fn faults_of_message(&self, payload_len: usize) -> Faults {
        let fragment_in_progress = self.partial.is_some();
        Faults { fragment_in_progress, ..self.faults_of_frame(payload_len) }
    }

    // ---- bytes, time, and the end ----------------------------------------------

    /// Puts bytes on the wire; true if there were any.
    pub fn flush(&mut self, len: usize) -> bool {
        let len = len.min(self.out.bytes.len());
        let bytes: Vec<u8> = self.out.bytes.drain(..len).collect();
        self.flushed.extend_from_slice(&bytes);
        if self.is_up {
            self.wire.extend(&bytes);
        }
        len > 0
    }

    /// Takes bytes off the peer's wire, in one piece; true if any were
    /// consumed.
    pub fn receive(&mut self, wire: &mut VecDeque<u8>, len: usize) -> bool {
        if !self.is_up {
            wire.clear();
            return false;
        }
        let len = len.min(wire.len());
        let mut piece: Vec<u8> = wire.drain(..len).collect();
        let mut input = Input::new(&mut piece);
        loop {
            let was_open = self.ws.is_open();
            let Some(event) = self.ws.receive(&mut input, &mut self.out) else { break };
            assert!(!self.heard_close, "nothing is told after the Close, but {event:?}");
            match self.assembler.push(event) {
                None => {}
                Some(Incoming::Message(message)) => self.messages.push(message.into_owned()),
                Some(Incoming::Ping(payload)) => {
                    self.heard_pings.push(payload.to_vec());
                    if self.auto_pong && was_open {
                        self.pongs.push(payload.to_vec());
                    }
                }
                Some(Incoming::Pong(payload)) => self.heard_pongs.push(payload.to_vec()),
                Some(Incoming::Close(_)) => {
                    self.heard_close = true;
                    assert!(self.assembler.is_empty(), "a message cut short is void");
                }
                Some(other) => panic!("{other:?} from a peer that keeps the rules"),
            }
        }
        let rest = input.into_rest();
        if !rest.is_empty() {
            assert!(!self.out.has_room(FixedOutput::MIN_LEN), "input left, and room for an answer");
        }
        let consumed = len - rest.len();
        for &mut byte in rest.iter_mut().rev() {
            wire.push_front(byte);
        }
        self.observe();
        consumed > 0
    }

    pub fn tell_time(&mut self, now: Instant) {
        self.deadline = self.ws.handle_timeout(now, &mut self.out);
        assert!(!self.ws.wants_time(), "it has just been told");
        assert!(self.deadline.is_none_or(|at| at > now), "what is due has been done");
        assert!(self.ws.round_trip_time().is_none_or(|time| time <= now.since_epoch()));
        self.observe();
    }

    /// What an adapter does when the engine says so.
    pub fn close_transport_if_due(&mut self) {
        if self.is_up && self.ws.should_close_transport() {
            self.flush(usize::MAX);
            self.receive_eof();
        }
    }

    pub fn receive_eof(&mut self) {
        let closed = self.ws.receive_eof();
        assert_eq!(self.ws.closed(), Some(closed));
        self.is_up = false;
        self.observe();
    }

    /// An outcome is told once and for all, and nothing is sent after it.
    fn observe(&mut self) {
        let closed = self.ws.closed();
        if self.outcome.is_some() {
            assert_eq!(closed, self.outcome);
        }
        if self.ws.should_close_transport() {
            assert!(closed.is_some());
        }
        assert!(closed.is_none() || !self.ws.is_open());
        self.outcome = closed;
    }

    // ---- what must be true when all is over ---------------------------------------

    pub fn check_against(&self, peer: &Self) {
        let sent = frames(&[&*self.flushed, &*self.out.bytes].concat(), self.is_client);
        let of = |opcode| {
            let frames = sent.iter().filter(move |f| f.opcode == opcode);
            frames.map(|f| f.payload.clone()).collect::<Vec<_>>()
        };
        let outcome = self.outcome.expect("it is over");
        let peers = peer.outcome.expect("it is over");

        assert_eq!(messages(&sent), self.sent, "what was asked for was sent");
        assert!(self.sent.starts_with(&peer.messages), "what came had been sent");
        assert_eq!(of(Opcode::PONG), self.pongs, "section 5.5.2: a Pong for each Ping");
        assert!(of(Opcode::PING).starts_with(&peer.heard_pings));
        assert!(of(Opcode::PONG).starts_with(&peer.heard_pongs));

        // The outcome names the Close frame that was sent, the last of all.
        let close = |frame: &CloseFrame| {
            let mut payload = frame.code().map_or(Vec::new(), |c| c.get().to_be_bytes().to_vec());
            payload.extend_from_slice(frame.reason().as_bytes());
            Frame::new(Opcode::CLOSE, payload)
        };
        let last = sent.iter().position(|f| f.opcode == Opcode::CLOSE).map(|at| &sent[at..]);
        assert_eq!(last.map(<[_]>::to_vec), outcome.sent().map(|f| vec![close(f)]));
        assert_eq!(peers.received().is_some(), peer.heard_close);
        if peers.received().is_some() {
            assert_eq!(peers.received(), outcome.sent(), "the codes agree");
            assert_eq!(self.sent, peer.messages, "all that was sent before the Close came");
        }
        assert!(!matches!(outcome.cause(), Cause::Protocol(_)), "{outcome:?}");
    }
}

/// The messages in a series of frames, which must be one that section 5.4
/// allows. One that was not finished is left out.
fn messages(frames: &[Frame]) -> Vec<Message<'static>> {
    let mut messages = Vec::new();
    let mut partial: Option<(Opcode, Vec<u8>)> = None;
    for frame in frames {
        assert!(frame.fin || !frame.opcode.is_control(), "section 5.5: {frame:?}");
        let (kind, so_far) = match frame.opcode {
            Opcode::CONTINUATION => {
                let (kind, so_far) = partial.take().expect("a message to continue");
                (kind, [so_far, frame.payload.clone()].concat())
            }
            opcode if opcode.is_control() => continue,
            opcode => {
                assert_eq!(partial, None, "section 5.4: one message at a time");
                (opcode, frame.payload.clone())
            }
        };
        match (frame.fin, kind) {
            (false, _) => partial = Some((kind, so_far)),
            (true, Opcode::BINARY) => messages.push(so_far.into()),
            (true, _) => messages.push(String::from_utf8(so_far).expect("section 5.6").into()),
        }
    }
    messages
}

/// The reason, by the definition of `Connection::close`: whole characters, in
/// at most 123 bytes.
fn cut_reason(reason: &str) -> &str {
    let end = reason.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|&end| end <= 123);
    &reason[..end.last().unwrap_or(0)]
}
