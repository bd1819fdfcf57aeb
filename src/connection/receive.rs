//! Bytes to pieces of messages and control frames: what RFC 6455, sections 5
//! and 8.1, asks of a receiver. Answers nothing; that is the connection's job.

mod compressed;
mod text;

use alloc::boxed::Box;

use super::compression::Inflation;
use super::event::{BinaryChunk, Event, MessageKind, Place};
use crate::buf::{BLOCK, Input};
use crate::config::Config;
use crate::control::{ControlPayload, Gathered, MAX_CONTROL_LEN};
use crate::error::ProtocolError;
use crate::frame::{self, FrameHeader, MAX_HEADER_LEN, Opcode, RSV1};
use crate::mask;
use crate::utf8::Utf8Decoder;
use text::Joined;

/// What was read. The connection turns it into an event and an answer.
pub(super) enum Piece<'b> {
    /// A chunk of a message, as the event that it is.
    Data(Event<'b>),
    Control(Opcode, ControlPayload<'b>),
    Violation(ProtocolError),
}

/// Where in the stream of frames the next byte stands. Holds no payload but
/// that of a control frame which a read boundary cut.
#[derive(Debug)]
pub(super) struct Receiver {
    /// Payload bytes of the current frame still to come.
    remaining: u64,
    /// Payload bytes that the frames of the message so far have announced; of
    /// a compressed message, those that have come out of it.
    message_len: u64,
    /// Frames of the message so far.
    fragments: u32,
    /// The masking key, turned so that the next byte takes its first.
    key: [u8; 4],
    /// A header that is not complete yet.
    header: [u8; MAX_HEADER_LEN],
    header_len: u8,
    frame: Frame,
    /// The message in progress: begun, and its last frame not finished.
    message: Option<MessageKind>,
    /// No chunk of the message has been handed out.
    first: bool,
    text: Utf8Decoder,
    /// Boxed on first use: most control frames come whole.
    control: Option<Box<Gathered>>,
}

/// What the next byte of input belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    Header,
    Data {
        kind: MessageKind,
        fin: bool,
    },
    /// A data frame of a compressed message, whose kind is that of the message.
    /// Stays when all of its payload was read, until all of it has come out.
    Compressed {
        fin: bool,
    },
    Control(Opcode),
    /// What comes next breaks this rule. What came before it was handed out, so
    /// that what a user sees does not depend on where the network cut the
    /// bytes.
    Invalid(ProtocolError),
}

/// What came of looking for a header.
enum Header {
    /// There is less than one.
    Incomplete,
    /// Its payload is next.
    Read,
    /// The same, behind the beginning of a character that its payload goes on
    /// with.
    Joined(Joined),
}

/// What a receiver has to be told by the connection.
pub(super) struct Context<'c> {
    pub(super) config: &'c Config,
    /// The peer has to mask: it is a client.
    pub(super) masked: bool,
    /// Compression was agreed on.
    pub(super) inflation: Option<&'c mut Inflation>,
}

impl Receiver {
    pub(super) const fn new() -> Self {
        Self {
            remaining: 0,
            message_len: 0,
            fragments: 0,
            key: [0; 4],
            header: [0; MAX_HEADER_LEN],
            header_len: 0,
            frame: Frame::Header,
            message: None,
            first: true,
            text: Utf8Decoder::new(),
            control: None,
        }
    }

    /// True when the stream could not end here without cutting a frame.
    pub(super) fn is_inside_frame(&self) -> bool {
        self.frame != Frame::Header || self.header_len > 0
    }

    /// True if there is a violation to tell, whether more input comes or not.
    pub(super) fn is_invalid(&self) -> bool {
        matches!(self.frame, Frame::Invalid(_))
    }

    /// Payload bytes of the current data frame still to come.
    pub(super) fn data_remaining(&self) -> u64 {
        match self.frame {
            Frame::Data { .. } | Frame::Compressed { .. } => self.remaining,
            _ => 0,
        }
    }

    /// True if the next byte begins a header, and a message.
    #[inline]
    pub(super) fn is_between_messages(&self) -> bool {
        self.frame == Frame::Header && self.header_len == 0 && self.message.is_none()
    }

    /// The short way for a message that is in the input whole and in one frame:
    /// gives its only chunk, and leaves the state as it is. `None`: it is anything
    /// else, and nothing was consumed; or it is text that is invalid from its
    /// start, all was, and the state says so. Only [between
    /// messages](Self::is_between_messages); what is compressed is anything else.
    /// `next` is the long way to the same.
    #[inline]
    pub(super) fn whole_message<'b>(
        &mut self,
        input: &mut Input<'b>,
        config: &Config,
        masked: bool,
    ) -> Option<Event<'b>> {
        let frame = frame::decode_whole(input.peek(), masked)?;
        let is_text = frame.opcode == Opcode::TEXT;
        let len = frame.len as u64;
        let within_limits = len <= config.max_frame_len && len <= config.max_message_len;
        if !within_limits || config.max_fragments == 0 {
            return None;
        }
        let bytes = input.take_behind(frame.start, frame.len);
        if masked {
            mask::apply(bytes, frame.key);
        }
        if is_text { self.read_text(bytes, true) } else { self.read_binary(bytes, true) }
    }

    /// Payload bytes still to come of a frame of a binary message that is not
    /// compressed, and of which a chunk has been handed out.
    pub(super) fn binary_remaining(&self) -> u64 {
        match self.frame {
            Frame::Data { kind: MessageKind::Binary, .. } if !self.first => self.remaining,
            _ => 0,
        }
    }

    /// Reads the next piece. `None`: more input is needed, or there is no
    /// `room_to_answer` a control frame of so many payload bytes, whose last
    /// byte then stays in the input. (For one without payload there is always
    /// room: no answer is longer than the Close of a failure.) Or the inflation
    /// wants scratch room.
    #[inline]
    pub(super) fn next<'b>(
        &mut self,
        input: &mut Input<'b>,
        mut context: Context<'_>,
        mut room_to_answer: impl FnMut(Opcode, usize) -> bool,
    ) -> Option<Piece<'b>> {
        loop {
            match self.frame {
                Frame::Header => match self.read_header(input, &mut context) {
                    Ok(Header::Read) => {}
                    Ok(Header::Joined(joined)) => {
                        if let Some(piece) = self.read_joined_text(input, joined) {
                            return Some(piece);
                        }
                    }
                    Ok(Header::Incomplete) => return None,
                    Err(violation) => return Some(Piece::Violation(violation)),
                },
                Frame::Invalid(error) => return Some(Piece::Violation(error)),
                Frame::Control(opcode) => {
                    let payload = self.read_control(input, |len| room_to_answer(opcode, len))?;
                    self.frame = Frame::Header;
                    return Some(Piece::Control(opcode, payload));
                }
                Frame::Data { kind, fin } => {
                    let len = self.available(input);
                    if len == 0 && self.remaining > 0 {
                        return None;
                    }
                    let piece = match kind {
                        MessageKind::Binary => {
                            let bytes = self.take_payload(input, len);
                            self.read_binary(bytes, fin).map(Piece::Data)
                        }
                        MessageKind::Text if self.text.is_at_boundary() => {
                            let bytes = self.take_payload(input, len.min(BLOCK));
                            self.read_text(bytes, fin).map(Piece::Data)
                        }
                        MessageKind::Text => self.read_cut_char(input, len, fin),
                    };
                    self.behind_payload(fin, piece.is_some());
                    if piece.is_some() {
                        return piece;
                    }
                }
                Frame::Compressed { fin } => {
                    if let Some(piece) = self.read_compressed(input, fin, &mut context)? {
                        self.first = fin && self.frame == Frame::Header;
                        return Some(piece);
                    }
                }
            }
        }
    }

    /// Payload bytes of the current frame that are in the input.
    #[inline]
    fn available(&self, input: &Input<'_>) -> usize {
        // Compared in u64: on 32-bit targets the length does not fit a usize.
        narrow(self.remaining.min(input.len() as u64))
    }

    /// Consumes payload bytes and unmasks them in place.
    #[inline]
    fn take_payload<'b>(&mut self, input: &mut Input<'b>, len: usize) -> &'b mut [u8] {
        let payload = input.take(len);
        self.unmask(payload);
        payload
    }

    #[inline]
    fn unmask(&mut self, payload: &mut [u8]) {
        if self.key != [0; 4] {
            self.key = mask::apply(payload, self.key);
        }
        self.remaining -= payload.len() as u64;
    }

    // ---- headers ---------------------------------------------------------

    #[inline]
    fn read_header(
        &mut self,
        input: &mut Input<'_>,
        context: &mut Context<'_>,
    ) -> Result<Header, ProtocolError> {
        let kept = usize::from(self.header_len);
        let mut joined = [0; MAX_HEADER_LEN];
        let bytes = if kept == 0 {
            input.peek()
        } else {
            let more = input.len().min(MAX_HEADER_LEN - kept);
            joined[..kept].copy_from_slice(&self.header[..kept]);
            joined[kept..kept + more].copy_from_slice(&input.peek()[..more]);
            &joined[..kept + more]
        };
        self.check_start(bytes, context)?;
        let Some((header, used)) = frame::decode(bytes)? else {
            self.keep_header(input);
            return Ok(Header::Incomplete);
        };
        if header.opcode.is_control() {
            self.frame = Frame::Control(header.opcode);
        } else {
            self.start_data_frame(&header, context)?;
        }
        self.key = header.mask.unwrap_or_default();
        self.remaining = header.len;
        self.header_len = 0;
        if !self.text.is_at_boundary() {
            if let Some(joined) = self.join(input, used - kept) {
                return Ok(Header::Joined(joined));
            }
        }
        input.take(used - kept);
        Ok(Header::Read)
    }

    /// Moves the input, which ends inside a header, into the state: all of it
    /// together is less than a header can be.
    fn keep_header(&mut self, input: &mut Input<'_>) {
        let kept = usize::from(self.header_len);
        let bytes = input.take(input.len());
        self.header[kept..kept + bytes.len()].copy_from_slice(bytes);
        #[allow(clippy::cast_possible_truncation)] // at most 14
        {
            self.header_len += bytes.len() as u8;
        }
    }

    /// Checks what the first two bytes of a header say, as soon as each is
    /// there: the rest may be long in coming.
    #[inline]
    fn check_start(&self, bytes: &[u8], context: &Context<'_>) -> Result<(), ProtocolError> {
        let Some(&first) = bytes.first() else { return Ok(()) };
        let (fin, rsv, opcode) = frame::split_first(first);
        // 5.2: "MUST be 0 unless an extension is negotiated that defines
        // meanings for non-zero values."
        if rsv != 0 {
            // RFC 7692, section 6: RSV1 is "Per-Message Compressed", and set
            // "only on the first fragment of a message".
            let may_be_compressed =
                context.inflation.is_some() && matches!(opcode, Opcode::TEXT | Opcode::BINARY);
            if rsv != RSV1 || !may_be_compressed {
                return Err(ProtocolError::ReservedBits);
            }
        }
        // 5.2: "If an unknown opcode is received, the receiving endpoint MUST
        // _Fail the WebSocket Connection_."
        if opcode.is_reserved() {
            return Err(ProtocolError::ReservedOpcode);
        }
        if opcode.is_control() {
            // 5.5: "All control frames [...] MUST NOT be fragmented."
            if !fin {
                return Err(ProtocolError::ControlFrameFragmented);
            }
        } else {
            // 5.4: "The fragments of one message MUST NOT be interleaved
            // between the fragments of another message".
            match (opcode == Opcode::CONTINUATION, self.message) {
                (true, None) => return Err(ProtocolError::ContinuationWithoutStart),
                (false, Some(_)) => return Err(ProtocolError::MessageInProgress),
                _ => {}
            }
        }
        let Some(&second) = bytes.get(1) else { return Ok(()) };
        let (masked, len) = frame::split_second(second);
        // 5.1: "The server MUST close the connection upon receiving a frame
        // that is not masked. [...] A client MUST close a connection if it
        // detects a masked frame."
        match (masked, context.masked) {
            (false, true) => return Err(ProtocolError::UnmaskedByClient),
            (true, false) => return Err(ProtocolError::MaskedByServer),
            _ => {}
        }
        // 5.5: "All control frames MUST have a payload length of 125 bytes or
        // less".
        if opcode.is_control() && usize::from(len) > MAX_CONTROL_LEN {
            return Err(ProtocolError::ControlFrameTooLong);
        }
        Ok(())
    }

    /// Counts a data frame against the limits, before any of its payload.
    #[inline]
    fn start_data_frame(
        &mut self,
        header: &FrameHeader,
        context: &mut Context<'_>,
    ) -> Result<(), ProtocolError> {
        let config = context.config;
        if header.len > config.max_frame_len {
            return Err(ProtocolError::FrameTooLong);
        }
        let compressed = match context.inflation.as_deref_mut() {
            Some(inflation) => inflation.start_frame(self.message.is_none(), header),
            None => false,
        };
        // What is compressed counts as it comes out.
        let announced = if compressed { 0 } else { header.len };
        let message_len = self.message_len.saturating_add(announced);
        if message_len > config.max_message_len {
            return Err(ProtocolError::MessageTooLong);
        }
        if self.fragments >= config.max_fragments && config.max_fragments != u32::MAX {
            return Err(ProtocolError::TooManyFragments);
        }
        let kind = match self.message {
            Some(kind) => kind,
            None if header.opcode == Opcode::TEXT => MessageKind::Text,
            None => MessageKind::Binary,
        };
        // An empty last frame ends the text where it stands.
        if header.fin && header.len == 0 && !compressed && !self.text.is_at_boundary() {
            return Err(ProtocolError::TextNotUtf8);
        }
        self.message = Some(kind);
        self.message_len = message_len;
        self.fragments = self.fragments.saturating_add(1);
        let fin = header.fin;
        self.frame = if compressed { Frame::Compressed { fin } } else { Frame::Data { kind, fin } };
        Ok(())
    }

    /// Some of a data frame's payload was read, and a chunk made of it if it is
    /// `told`.
    #[inline]
    fn behind_payload(&mut self, fin: bool, told: bool) {
        if self.remaining == 0 && !self.is_invalid() {
            self.end_data_frame(fin);
        }
        if told {
            self.first = fin && self.frame == Frame::Header;
        }
    }

    /// All of a data frame's payload was read.
    #[inline]
    fn end_data_frame(&mut self, fin: bool) {
        self.frame = Frame::Header;
        if fin {
            self.message = None;
            self.message_len = 0;
            self.fragments = 0;
        }
    }

    // ---- payloads --------------------------------------------------------

    /// Bytes of a binary message as a chunk.
    #[inline]
    fn read_binary<'b>(&self, bytes: &'b mut [u8], fin: bool) -> Option<Event<'b>> {
        let place = self.place(fin);
        // A fragment that brings nothing is no news.
        (place.is_last() || !bytes.is_empty())
            .then_some(Event::Binary(BinaryChunk { bytes, place }))
    }

    /// Reads a control frame's payload; hands it out when it is whole.
    fn read_control<'b>(
        &mut self,
        input: &mut Input<'b>,
        room_to_answer: impl FnOnce(usize) -> bool,
    ) -> Option<ControlPayload<'b>> {
        let len = self.available(input);
        let kept = self.control.as_ref().map_or(0, |c| c.as_bytes().len());
        let completes = len as u64 == self.remaining;
        if completes && !room_to_answer(kept + len) {
            return None;
        }
        if completes && kept == 0 {
            return Some(ControlPayload::borrowed(self.take_payload(input, len)));
        }
        if len > 0 {
            let bytes = self.take_payload(input, len);
            self.control.get_or_insert_with(|| Box::new(Gathered::new())).extend(bytes);
        }
        if completes { self.control.take().map(ControlPayload::gathered) } else { None }
    }

    #[inline]
    fn place(&self, fin: bool) -> Place {
        Place::new(self.first, fin.then_some(self.remaining))
    }
}

/// `len` is at most that of a slice in memory wherever this is called.
#[allow(clippy::cast_possible_truncation)]
#[inline]
fn narrow(len: u64) -> usize {
    len as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rx: &mut Receiver, bytes: &mut [u8]) {
        let (config, mut input) = (Config::default(), Input::new(bytes));
        loop {
            let context = Context { config: &config, masked: false, inflation: None };
            if rx.next(&mut input, context, |_, _| true).is_none() {
                return assert!(input.is_empty());
            }
        }
    }

    #[test]
    fn the_short_way_is_open_between_messages_only() {
        let mut rx = Receiver::new();
        let mut is_open_behind = |bytes: &[u8]| {
            read(&mut rx, &mut bytes.to_vec());
            rx.is_between_messages()
        };
        assert!(is_open_behind(b""));
        assert!(!is_open_behind(b"\x02"), "inside a header");
        assert!(!is_open_behind(b"\x02"), "inside a frame");
        assert!(!is_open_behind(b"ab"), "inside a message");
        assert!(!is_open_behind(b"\x80\x01"));
        assert!(is_open_behind(b"c"));
    }

    #[test]
    fn a_message_that_is_there_whole_goes_the_short_way() {
        let mut rx = Receiver::new();
        let mut goes = |bytes: &[u8], set: fn(&mut Config)| {
            let mut config = Config::default();
            set(&mut config);
            let mut bytes = bytes.to_vec();
            let mut input = Input::new(&mut bytes);
            let goes = rx.whole_message(&mut input, &config, false).is_some();
            assert_eq!(input.is_empty(), goes, "all of it or nothing");
            goes
        };
        for whole in [&b"\x82\x03abc"[..], b"\x81\x03abc", b"\x82\x00"] {
            assert!(goes(whole, |_| ()));
        }
        assert!(!goes(b"\x82\x03ab", |_| ()));
        assert!(goes(b"\x82\x03abc", |config| config.max_frame_len = 3));
        assert!(!goes(b"\x82\x03abc", |config| config.max_frame_len = 2));
        assert!(goes(b"\x82\x03abc", |config| config.max_message_len = 3));
        assert!(!goes(b"\x82\x03abc", |config| config.max_message_len = 2));
        assert!(!goes(b"\x82\x03abc", |config| config.max_fragments = 0));
    }

    #[test]
    fn nothing_of_a_message_is_read_elsewhere_before_it_has_begun() {
        let mut rx = Receiver::new();
        read(&mut rx, &mut b"\x82\x05".to_vec());
        assert_eq!((rx.data_remaining(), rx.binary_remaining()), (5, 0));
        read(&mut rx, &mut b"a".to_vec());
        assert_eq!((rx.data_remaining(), rx.binary_remaining()), (4, 4));
    }
}
