//! One end: an engine, what it is asked to do, and what it should do.

use std::collections::VecDeque;
use std::sync::Arc;

use super::super::script::Script;
use super::model::{Compressing, Faults, Full};
use sockeye::frame::{Opcode, encoded_len};
use sockeye::{
    Assembler, CloseCode, Closed, Config, Connection, FixedOutput, Incoming, Input, Instant,
    Message, MessageKind, Output, PreparedMessage, Seed, SendError,
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
    pub is_client: bool,
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
    pub sent: Vec<Sent>,
    /// The message being sent in fragments.
    partial: Option<(MessageKind, Vec<u8>)>,
    /// Pongs it sent or had to send.
    pub pongs: Vec<Vec<u8>>,
    /// If compression was agreed on.
    pub compressing: Option<Compressing>,

    // What it has told.
    assembler: Assembler,
    pub messages: Vec<Message<'static>>,
    pub heard_pings: Vec<Vec<u8>>,
    pub heard_pongs: Vec<Vec<u8>>,
    pub heard_close: bool,
}

/// A message that was sent.
#[derive(Debug)]
pub struct Sent {
    pub message: Message<'static>,
    pub form: Form,
}

/// How a message goes out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Form {
    Plain,
    Compressed,
    /// Compressed if it becomes shorter by that.
    Either,
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
            compressing: None,
            assembler: Assembler::new(),
            messages: Vec::new(),
            heard_pings: Vec::new(),
            heard_pongs: Vec::new(),
            heard_close: false,
        }
    }

    /// The same end, with compression agreed on.
    #[cfg(feature = "deflate")]
    pub fn compressing(
        mut self,
        params: sockeye::deflate::Params,
        lender: Option<&'static dyn sockeye::deflate::Lender>,
        compressing: Compressing,
    ) -> Self {
        self.ws = self.ws.with_deflate(params);
        if let Some(lender) = lender {
            self.ws.set_lender(lender);
        }
        self.compressing = Some(compressing);
        self
    }

    // ---- commands ----------------------------------------------------------

    /// `variant`, of 0 to 7: what is peculiar about it.
    pub fn command(&mut self, byte: u8, variant: u8, script: &mut Script<'_>) {
        if byte <= 3 {
            self.choose(variant & 3);
        }
        let before = self.out.bytes.len();
        let done = match byte {
            0 => self.send_text(&String::from_utf8_lossy(&script.payload())),
            1 => self.send_binary(script.payload()),
            2 => self.send_fragment(MessageKind::Text, script.bytes(), script.byte(), None),
            3 => self.send_fragment(MessageKind::Binary, script.bytes(), script.byte(), None),
            4 => self.send_control(Opcode::PING, script.bytes()),
            5 => self.send_control(Opcode::PONG, script.bytes()),
            6 => self.close(script),
            7 => {
                self.send_fragment(MessageKind::Text, script.bytes(), script.byte(), Some(variant))
            }
            8 => self.send_fragment(
                MessageKind::Binary,
                script.bytes(),
                script.byte(),
                Some(variant),
            ),
            _ => self.send_prepared(script.payload(), variant),
        };
        assert_eq!(done, before < self.out.bytes.len(), "a frame is appended, or nothing is");
        self.observe();
    }

    /// Whether the next message is compressed.
    fn choose(&mut self, choice: u8) {
        #[cfg(feature = "deflate")]
        {
            use sockeye::deflate::Compress;
            let (asked, modelled) = match choice {
                0 => return,
                1 => (Compress::Yes, Some(true)),
                2 => (Compress::No, Some(false)),
                _ => (Compress::Auto, None),
            };
            self.ws.compress_next(asked);
            if let Some(compressing) = &mut self.compressing {
                compressing.choice = modelled;
            }
        }
        #[cfg(not(feature = "deflate"))]
        let _ = choice;
    }

    fn send_text(&mut self, text: &str) -> bool {
        let (form, faults) = self.faults_of_message(text.len());
        let done = faults.allow(self.ws.send_text(text, &mut self.out));
        if done {
            self.has_sent(text.to_owned().into(), form);
        }
        done
    }

    fn send_binary(&mut self, data: Vec<u8>) -> bool {
        let (form, faults) = self.faults_of_message(data.len());
        let done = faults.allow(self.ws.send_binary(&data, &mut self.out));
        if done {
            self.has_sent(data.into(), form);
        }
        done
    }

    fn has_sent(&mut self, message: Message<'static>, form: Form) {
        self.has_begun();
        self.sent.push(Sent { message, form });
    }

    /// The choice was for the message begun.
    fn has_begun(&mut self) {
        if let Some(compressing) = &mut self.compressing {
            compressing.choice = None;
        }
    }

    /// `by_hand`: the header alone is the engine's. In an odd variant, of a
    /// payload that cannot be masked.
    fn send_fragment(
        &mut self,
        kind: MessageKind,
        piece: &[u8],
        flags: u8,
        by_hand: Option<u8>,
    ) -> bool {
        let is_text = kind == MessageKind::Text;
        let unmasked = by_hand.is_some_and(|variant| variant & 1 == 1)
            && (!is_text || core::str::from_utf8(piece).is_ok());
        if by_hand.is_some() && self.faults_of_frame(piece.len()).full == Full::Yes {
            return false;
        }
        let fin = flags & 1 == 1;
        let begins = self.partial.is_none();
        let compressed = self.compressing.as_ref().is_some_and(|compressing| match begins {
            true => by_hand.is_none() && compressing.applies(piece.len(), fin),
            false => compressing.in_progress,
        });
        let (begun, mut so_far) = self.partial.clone().unwrap_or((kind, Vec::new()));
        so_far.extend_from_slice(piece);
        let text_error = core::str::from_utf8(&so_far).err();
        let by_length = match compressed && by_hand.is_none() {
            true => self.faults_of_compressed(piece.len()),
            false => self.faults_of_frame(piece.len()),
        };
        let faults = Faults {
            fragment_in_progress: begun != kind,
            invalid_text: is_text && text_error.is_some_and(|e| fin || e.error_len().is_some()),
            mask_required: unmasked && self.is_client,
            message_compressed: compressed && by_hand.is_some(),
            ..by_length
        };
        let done = faults.allow(match by_hand {
            Some(_) => self.begin_frame(kind, piece, fin, unmasked),
            None if is_text => self.ws.send_text_fragment(piece, fin, &mut self.out),
            None => self.ws.send_binary_fragment(piece, fin, &mut self.out),
        });
        if done {
            if begins {
                self.has_begun();
            }
            if let Some(compressing) = &mut self.compressing {
                compressing.in_progress = compressed && !fin;
            }
            self.partial = (!fin).then(|| (kind, so_far.clone()));
            if fin {
                let form = match (compressed, begins) {
                    (false, _) => Form::Plain,
                    // A message of one frame.
                    (true, true) => self.form_of_whole(),
                    (true, false) => Form::Compressed,
                };
                let message = match is_text {
                    true => String::from_utf8(so_far).expect("it was sent as text").into(),
                    false => so_far.into(),
                };
                self.sent.push(Sent { message, form });
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
    fn begin_frame(
        &mut self,
        kind: MessageKind,
        piece: &[u8],
        fin: bool,
        unmasked: bool,
    ) -> Result<(), SendError> {
        let mut masked = piece.to_vec();
        let header = match (unmasked, kind) {
            (false, _) => self.ws.begin_frame(kind, &mut masked, fin),
            (true, MessageKind::Binary) => self.ws.begin_binary(piece, fin),
            (true, MessageKind::Text) => {
                let text = core::str::from_utf8(piece).expect("it was looked at");
                self.ws.begin_text(text, fin)
            }
        };
        if let Ok(header) = &header {
            self.out.append(header.as_bytes());
            self.out.append(&masked);
        } else {
            assert_eq!(masked, piece, "nothing has changed");
        }
        header.map(drop)
    }

    /// Text or binary; in a variant of 2 or more, its bytes written by hand.
    fn send_prepared(&mut self, data: Vec<u8>, variant: u8) -> bool {
        let message: Message<'static> = match variant & 1 {
            0 => String::from_utf8_lossy(&data).into_owned().into(),
            _ => data.into(),
        };
        let (len, prepared) = match &message {
            Message::Text(text) => (text.len(), PreparedMessage::text(text)),
            Message::Binary(data) => (data.len(), PreparedMessage::binary(data)),
        };
        let by_hand = variant & 2 != 0;
        let plain_fits = self.out.has_room(prepared.as_bytes().len());
        if by_hand && !plain_fits {
            return false;
        }
        let may_compress = self.compressing.as_ref().is_some_and(|c| c.applies(len, true));
        let full = match (plain_fits, may_compress) {
            (true, _) => Full::No,
            (false, true) => Full::Perhaps,
            (false, false) => Full::Yes,
        };
        let (_, by_length) = self.faults_of_message(len);
        // Encoded without a key, whoever sends it.
        let faults = Faults { mask_required: self.is_client, full, ..by_length };
        let done = faults.allow(match by_hand {
            false => self.ws.send_prepared(&prepared, &mut self.out),
            true => self.ws.begin_prepared(&prepared).map(|bytes| {
                self.out.append(bytes);
            }),
        });
        if done {
            self.has_sent(message, if may_compress { Form::Either } else { Form::Plain });
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
        let full = if self.out.has_room(needed) { Full::No } else { Full::Yes };
        Faults { closed: !self.ws.is_open(), full, ..Faults::default() }
    }

    fn faults_of_compressed(&self, payload_len: usize) -> Faults {
        let most = self.faults_of_frame(Compressing::most(payload_len));
        let full = match (most.full, self.faults_of_frame(payload_len).full) {
            (Full::Yes, Full::No) => Full::Perhaps,
            (full, _) => full,
        };
        Faults { full, ..most }
    }

    /// The same for a message of one frame, and the form that it has.
    fn faults_of_message(&self, payload_len: usize) -> (Form, Faults) {
        let compressed = self.compressing.as_ref().is_some_and(|c| c.applies(payload_len, true));
        assert_eq!(self.ws.would_compress(payload_len), compressed);
        let (form, by_length) = match compressed {
            true => (self.form_of_whole(), self.faults_of_compressed(payload_len)),
            false => (Form::Plain, self.faults_of_frame(payload_len)),
        };
        (form, Faults { fragment_in_progress: self.partial.is_some(), ..by_length })
    }

    /// What becomes no shorter goes plain, if nothing has to be remembered of it.
    fn form_of_whole(&self) -> Form {
        let keeps_context = self.compressing.as_ref().is_some_and(|c| c.keeps_context);
        if keeps_context { Form::Compressed } else { Form::Either }
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

    /// All that it has put out, flushed or not.
    pub fn all_sent(&self) -> Vec<u8> {
        [&*self.flushed, &*self.out.bytes].concat()
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
        // Now and then no more than a compressed message needs.
        let mut scratch = vec![0; if len < 256 { 2 * Input::MIN_SCRATCH } else { 4 << 10 }];
        let mut left = len;
        loop {
            let mut input = Input::with_scratch(&mut piece[len - left..], &mut scratch);
            self.hear(&mut input);
            left = input.len();
            if !self.ws.wants_scratch() {
                break;
            }
        }
        let rest = &piece[len - left..];
        if !rest.is_empty() {
            assert!(!self.out.has_room(FixedOutput::MIN_LEN), "input left, and room for an answer");
        }
        let consumed = len - rest.len();
        for &byte in rest.iter().rev() {
            wire.push_front(byte);
        }
        self.observe();
        consumed > 0
    }

    /// Takes all events that there are.
    fn hear(&mut self, input: &mut Input<'_>) {
        loop {
            let was_open = self.ws.is_open();
            let Some(event) = self.ws.receive(input, &mut self.out) else { return };
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
    }

    /// What came and went has its time; nothing is done about it yet.
    pub fn note_time(&mut self, now: Instant) {
        let unchanged = self.out.bytes.len();
        self.deadline = self.ws.note_time(now);
        assert!(!self.ws.wants_time(), "it has just been told");
        assert_eq!(self.out.bytes.len(), unchanged, "nothing is sent for that");
        self.observe();
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
}

/// The reason, by the definition of `Connection::close`: whole characters, in
/// at most 123 bytes.
fn cut_reason(reason: &str) -> &str {
    let end = reason.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|&end| end <= 123);
    &reason[..end.last().unwrap_or(0)]
}
