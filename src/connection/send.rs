//! Commands to frames: what RFC 6455, sections 5.3 to 5.6, asks of a sender.

use alloc::boxed::Box;

use super::compression::Deflation;
use super::event::MessageKind;
use super::timer::Timers;
use super::{Connection, PreparedMessage};
use crate::buf::Output;
use crate::control::MAX_CONTROL_LEN;
use crate::error::SendError;
use crate::frame::{EncodedHeader, FrameHeader, Opcode, RSV1, encoded_len};
use crate::mask;
use crate::seed::KeyGenerator;
use crate::utf8::Utf8Decoder;

impl Connection {
    /// Sends a text message in one frame, compressed if that was agreed on and
    /// the message is long enough. One copy into `out`, masked on the way for a
    /// client.
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
        self.message(MessageKind::Text, text.as_bytes(), out)
    }

    /// Sends a binary message in one frame, as
    /// [`send_text`](Self::send_text) does.
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text).
    pub fn send_binary(
        &mut self,
        data: &[u8],
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        self.message(MessageKind::Binary, data, out)
    }

    #[inline]
    fn message(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        self.check_open()?;
        let deflation = self.compression.as_deref_mut().map(|c| &mut c.tx);
        self.tx.message(kind, payload, deflation, out)?;
        self.note_data();
        Ok(())
    }

    /// Sends a fragment of a text message (section 5.4). The first begins the
    /// message, the one with `fin` ends it; control frames may go in between.
    /// Fragments of a compressed message share one stream; each can be inflated
    /// by the peer when it comes.
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
        self.fragment(MessageKind::Text, text, fin, out)
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
        self.fragment(MessageKind::Binary, data, fin, out)
    }

    fn fragment(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        fin: bool,
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        self.check_open()?;
        let deflation = self.compression.as_deref_mut().map(|c| &mut c.tx);
        self.tx.fragment(kind, payload, fin, deflation, out)?;
        self.note_data();
        Ok(())
    }

    /// Decides whether the next message begun is compressed, whatever its
    /// length; those after it follow
    /// [`DeflateConfig::min_len`](crate::DeflateConfig::min_len) again. Without
    /// compression agreed on this does nothing.
    ///
    /// Through an adapter, decide and send in one `command`: of several senders
    /// another's message could be the next.
    ///
    /// # Example: a secret, whose length should say nothing else
    ///
    /// ```
    /// # use sockeye::{Connection, Config, SendError};
    /// use sockeye::deflate::{Compress, Params};
    ///
    /// # let config = std::sync::Arc::new(Config::default());
    /// let mut ws = Connection::server(config).with_deflate(Params::default());
    /// let mut out = Vec::new();
    /// ws.compress_next(Compress::No);
    /// ws.send_text("token: 0123456789", &mut out)?;
    /// assert!(out.ends_with(b"token: 0123456789"));
    /// # Ok::<(), SendError>(())
    /// ```
    #[cfg(feature = "deflate")]
    pub fn compress_next(&mut self, choice: crate::deflate::Compress) {
        if let Some(compression) = &mut self.compression {
            compression.tx.choose(choice);
        }
    }

    /// True if a message of `len` bytes sent now would be compressed. If not,
    /// it may as well be written from where it is, with
    /// [`begin_frame`](Self::begin_frame) and its like.
    pub fn would_compress(&self, len: usize) -> bool {
        self.compression.as_ref().is_some_and(|compression| compression.tx.applies(len, true))
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
    /// [`Config::auto_pong`](crate::Config::auto_pong) is off, or one that nobody
    /// asked for.
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
        self.check_prepared()?;
        let needed = self.prepared_form(message).0.len();
        if !out.has_room(needed) {
            return Err(SendError::OutputFull { needed });
        }
        out.append(self.commit_prepared(message));
        Ok(())
    }

    // ---- headers alone, for vectored writes --------------------------------

    /// The header of a frame whose payload the caller writes itself, right
    /// behind it: nothing else may go on the wire in between. The frame is a
    /// fragment as with [`send_text_fragment`](Self::send_text_fragment); one
    /// frame with `fin` is a whole message. A client's payload is masked in
    /// place, so it must be written as it then is. No copy.
    ///
    /// # Errors
    ///
    /// As [`send_text_fragment`](Self::send_text_fragment), but for room.
    /// Nothing has been masked.
    pub fn begin_frame(
        &mut self,
        kind: MessageKind,
        payload: &mut [u8],
        fin: bool,
    ) -> Result<EncodedHeader, SendError> {
        self.check_open()?;
        let begins = !self.tx.is_inside_message();
        let header = self.tx.begin(kind, payload, fin)?;
        self.note_plain(begins);
        Ok(header)
    }

    /// As [`begin_frame`](Self::begin_frame), for text that a server writes
    /// from where it is. It is known to be UTF-8 and not looked at.
    ///
    /// # Errors
    ///
    /// [`SendError::MaskRequired`] for a client, and as
    /// [`begin_frame`](Self::begin_frame).
    pub fn begin_text(&mut self, text: &str, fin: bool) -> Result<EncodedHeader, SendError> {
        self.begin_unmasked(Payload::Text(text), fin)
    }

    /// As [`begin_frame`](Self::begin_frame), for bytes that a server writes
    /// from where they are.
    ///
    /// # Errors
    ///
    /// As [`begin_text`](Self::begin_text).
    pub fn begin_binary(&mut self, data: &[u8], fin: bool) -> Result<EncodedHeader, SendError> {
        self.begin_unmasked(Payload::Bytes(MessageKind::Binary, data), fin)
    }

    fn begin_unmasked(
        &mut self,
        payload: Payload<'_>,
        fin: bool,
    ) -> Result<EncodedHeader, SendError> {
        self.check_open()?;
        let begins = !self.tx.is_inside_message();
        let header = self.tx.begin_unmasked(payload, fin)?;
        self.note_plain(begins);
        Ok(header)
    }

    /// As [`begin_frame`](Self::begin_frame), for a prepared message: gives the
    /// bytes that go on the wire next, all of them.
    ///
    /// # Errors
    ///
    /// As [`begin_text`](Self::begin_text).
    pub fn begin_prepared<'m>(
        &mut self,
        message: &'m PreparedMessage,
    ) -> Result<&'m [u8], SendError> {
        self.check_prepared()?;
        Ok(self.commit_prepared(message))
    }

    /// The bytes that this connection sends of a prepared message, and whether
    /// they are compressed.
    fn prepared_form<'m>(&self, message: &'m PreparedMessage) -> (&'m [u8], bool) {
        message.form_for(self.compression.as_deref().map(|compression| &compression.tx))
    }

    /// The same, sent.
    fn commit_prepared<'m>(&mut self, message: &'m PreparedMessage) -> &'m [u8] {
        let (bytes, is_compressed) = self.prepared_form(message);
        if let Some(compression) = &mut self.compression {
            if is_compressed {
                compression.tx.replaced();
            }
        }
        self.note_plain(true);
        bytes
    }

    /// A frame went out past the compressor; `begins`, the first of a message.
    fn note_plain(&mut self, begins: bool) {
        if let Some(compression) = self.compression.as_mut().filter(|_| begins) {
            compression.tx.begun();
        }
        self.note_data();
    }

    fn check_prepared(&self) -> Result<(), SendError> {
        self.check_open()?;
        self.tx.check_no_message()?;
        self.tx.check_unmasked()
    }

    // ---- the state that commands depend on -----------------------------------

    /// "The application MUST NOT send any more data frames after sending a
    /// Close frame" (section 5.5.1).
    pub(super) fn check_open(&self) -> Result<(), SendError> {
        if self.closing.may_send() { Ok(()) } else { Err(SendError::Closed) }
    }
}

/// What goes out. Knows whether to mask, and the message in progress.
#[derive(Debug)]
pub(super) struct Sender {
    /// A client's; a server masks nothing.
    keys: Option<Box<KeyGenerator>>,
    /// The fragmented message in progress.
    message: Option<MessageKind>,
    /// It is compressed.
    compressed: bool,
    /// Where its text was cut.
    text: Utf8Decoder,
}

impl Sender {
    pub(super) const fn new(keys: Option<Box<KeyGenerator>>) -> Self {
        Self { keys, message: None, compressed: false, text: Utf8Decoder::new() }
    }

    #[inline]
    pub(super) fn is_server(&self) -> bool {
        self.keys.is_none()
    }

    /// Bytes that a frame takes on the wire.
    #[inline]
    pub(super) fn frame_len(&self, payload_len: usize) -> usize {
        payload_len.saturating_add(encoded_len(payload_len as u64, !self.is_server()))
    }

    fn next_key(&mut self) -> Option<[u8; 4]> {
        self.keys.as_mut().map(|keys| keys.masking_key())
    }

    /// Appends one frame, whole, or fails with [`SendError::OutputFull`].
    #[inline]
    pub(super) fn frame(
        &mut self,
        fin: bool,
        opcode: Opcode,
        payload: &[u8],
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        let needed = self.frame_len(payload.len());
        if !out.has_room(needed) {
            return Err(SendError::OutputFull { needed });
        }
        self.write(FrameHeader::new(fin, opcode, None, payload.len() as u64), payload, out);
        Ok(())
    }

    /// Appends one frame that there is room for, masked by a client.
    #[inline]
    fn write(&mut self, mut header: FrameHeader, payload: &[u8], out: &mut (impl Output + ?Sized)) {
        header.mask = self.next_key();
        out.append(header.encode().as_bytes());
        match header.mask {
            Some(key) => out.append_masked(payload, key),
            None => {
                out.append(payload);
            }
        }
    }

    /// Appends a message of one frame.
    #[inline]
    fn message(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        deflation: Option<&mut Deflation>,
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        self.check_no_message()?;
        match deflation {
            None => self.frame(true, opcode_of(kind), payload, out),
            Some(deflation) => {
                self.data_frame(true, opcode_of(kind), payload, deflation, out).map(|_| ())
            }
        }
    }

    /// Appends one fragment of a message; the first begins it.
    fn fragment(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        fin: bool,
        deflation: Option<&mut Deflation>,
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        let mut next = self.next_fragment(Payload::Bytes(kind, payload), fin)?;
        match deflation {
            None => self.frame(fin, next.opcode, payload, out)?,
            Some(deflation) => {
                next.compressed = self.data_frame(fin, next.opcode, payload, deflation, out)?;
            }
        }
        self.commit(next);
        Ok(())
    }

    /// Appends a data frame where compression was agreed on. True: its message
    /// is compressed.
    fn data_frame(
        &mut self,
        fin: bool,
        opcode: Opcode,
        payload: &[u8],
        deflation: &mut Deflation,
        out: &mut (impl Output + ?Sized),
    ) -> Result<bool, SendError> {
        let begins = opcode != Opcode::CONTINUATION;
        let compressed =
            if begins { deflation.applies(payload.len(), fin) } else { self.compressed };
        if compressed {
            // Once it is compressed there is no way back.
            let needed = self.frame_len(deflation.bound(payload.len()));
            if !out.has_room(needed) {
                return Err(SendError::OutputFull { needed });
            }
            let made = deflation.deflate(payload, begins, fin);
            let bytes = made.unwrap_or(payload);
            let mut header = FrameHeader::new(fin, opcode, None, bytes.len() as u64);
            // RFC 7692, section 6: of the first frame only.
            header.rsv = if begins && made.is_some() { RSV1 } else { 0 };
            self.write(header, bytes, out);
            if fin {
                deflation.end_message();
            }
        } else {
            self.frame(fin, opcode, payload, out)?;
        }
        if begins {
            deflation.begun();
        }
        Ok(compressed)
    }

    /// Appends a Ping or Pong.
    pub(super) fn control(
        &mut self,
        opcode: Opcode,
        payload: &[u8],
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        if payload.len() > MAX_CONTROL_LEN {
            return Err(SendError::ControlTooLong);
        }
        self.frame(true, opcode, payload, out)
    }

    /// The header of a fragment whose payload follows by other means; a
    /// client's payload is masked in place.
    fn begin(
        &mut self,
        kind: MessageKind,
        payload: &mut [u8],
        fin: bool,
    ) -> Result<EncodedHeader, SendError> {
        let next = self.next_fragment(Payload::Bytes(kind, payload), fin)?;
        if next.compressed {
            return Err(SendError::MessageCompressed);
        }
        let key = self.next_key();
        if let Some(key) = key {
            mask::apply(payload, key);
        }
        let header = FrameHeader::new(fin, next.opcode, key, payload.len() as u64);
        self.commit(next);
        Ok(header.encode())
    }

    /// The header of a fragment whose payload follows by other means, as it is.
    fn begin_unmasked(
        &mut self,
        payload: Payload<'_>,
        fin: bool,
    ) -> Result<EncodedHeader, SendError> {
        self.check_unmasked()?;
        let next = self.next_fragment(payload, fin)?;
        if next.compressed {
            return Err(SendError::MessageCompressed);
        }
        let len = payload.as_bytes().len() as u64;
        let header = FrameHeader::new(fin, next.opcode, None, len);
        self.commit(next);
        Ok(header.encode())
    }

    /// What sending this fragment would lead to, if it may be sent.
    fn next_fragment(&self, payload: Payload<'_>, fin: bool) -> Result<Fragment, SendError> {
        let kind = payload.kind();
        let opcode = match self.message {
            None => opcode_of(kind),
            Some(begun) if begun == kind => Opcode::CONTINUATION,
            Some(_) => return Err(SendError::FragmentInProgress),
        };
        let mut text = self.text;
        if kind == MessageKind::Text {
            let is_known = matches!(payload, Payload::Text(_)) && text.is_at_boundary();
            if !is_known {
                text.check(payload.as_bytes()).map_err(|_| SendError::InvalidText)?;
            }
            if fin && !text.is_at_boundary() {
                return Err(SendError::InvalidText);
            }
        }
        let compressed = self.message.is_some() && self.compressed;
        Ok(Fragment { opcode, message: (!fin).then_some(kind), compressed, text })
    }

    pub(super) fn is_inside_message(&self) -> bool {
        self.message.is_some()
    }

    /// The fragment has been sent.
    fn commit(&mut self, sent: Fragment) {
        self.message = sent.message;
        self.compressed = sent.compressed;
        self.text = sent.text;
    }

    fn check_unmasked(&self) -> Result<(), SendError> {
        if self.is_server() { Ok(()) } else { Err(SendError::MaskRequired) }
    }

    fn check_no_message(&self) -> Result<(), SendError> {
        if self.message.is_some() { Err(SendError::FragmentInProgress) } else { Ok(()) }
    }
}

pub(super) const fn opcode_of(kind: MessageKind) -> Opcode {
    match kind {
        MessageKind::Binary => Opcode::BINARY,
        MessageKind::Text => Opcode::TEXT,
    }
}

/// What a data frame carries.
#[derive(Clone, Copy)]
enum Payload<'a> {
    Bytes(MessageKind, &'a [u8]),
    /// Known to be UTF-8.
    Text(&'a str),
}

impl<'a> Payload<'a> {
    fn kind(self) -> MessageKind {
        match self {
            Self::Bytes(kind, _) => kind,
            Self::Text(_) => MessageKind::Text,
        }
    }

    fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::Bytes(_, bytes) => bytes,
            Self::Text(text) => text.as_bytes(),
        }
    }
}

/// A fragment that may be sent: its opcode, and the state behind it.
struct Fragment {
    opcode: Opcode,
    message: Option<MessageKind>,
    compressed: bool,
    text: Utf8Decoder,
}
