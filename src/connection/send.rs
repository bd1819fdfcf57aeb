//! The commands of an open connection that send something: what RFC 6455,
//! sections 5.3 to 5.6, lets an application ask for.

use super::event::MessageKind;
use super::sender::Payload;
use super::timer::Timers;
use super::{Connection, PreparedMessage};
use crate::buf::Output;
use crate::error::SendError;
use crate::frame::{EncodedHeader, FrameHeader, Opcode};
use crate::mask;

impl Connection {
    /// Sends a text message in one frame, compressed if that was agreed on and
    /// the message is long enough. One copy into `out`, masked on the way for a
    /// client.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`], [`SendError::FragmentInProgress`],
    /// [`SendError::OutputFull`].
    #[inline]
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
    #[inline]
    pub fn send_binary(
        &mut self,
        data: &[u8],
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        self.message(MessageKind::Binary, data, out)
    }

    #[inline(always)] // with the kind known
    fn message(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        self.check_open()?;
        let deflation = self.compression.as_deref_mut().map(|c| &mut c.tx);
        self.tx.message(kind, payload, deflation, out)?;
        self.happened.data = true;
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
        self.happened.data = true;
        Ok(())
    }

    /// Decides whether the next message begun is compressed, whatever its
    /// length; those after it follow
    /// [`DeflateConfig::min_len`](crate::DeflateConfig::min_len) again. Without
    /// compression agreed on this does nothing.
    ///
    /// Of several senders of one connection another's message could be the next:
    /// let nobody come in between.
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
    #[inline]
    pub fn begin_frame(
        &mut self,
        kind: MessageKind,
        payload: &mut [u8],
        fin: bool,
    ) -> Result<EncodedHeader, SendError> {
        let header = self.begin(Payload::Bytes(kind, payload), fin)?;
        if let Some(key) = header.mask {
            mask::apply(payload, key);
        }
        Ok(header.encode())
    }

    /// As [`begin_frame`](Self::begin_frame), for text that a server writes
    /// from where it is. It is known to be UTF-8 and not looked at.
    ///
    /// # Errors
    ///
    /// [`SendError::MaskRequired`] for a client, and as
    /// [`begin_frame`](Self::begin_frame).
    #[inline]
    pub fn begin_text(&mut self, text: &str, fin: bool) -> Result<EncodedHeader, SendError> {
        self.tx.check_unmasked()?;
        Ok(self.begin(Payload::Text(text), fin)?.encode())
    }

    /// As [`begin_frame`](Self::begin_frame), for bytes that a server writes
    /// from where they are.
    ///
    /// # Errors
    ///
    /// As [`begin_text`](Self::begin_text).
    #[inline]
    pub fn begin_binary(&mut self, data: &[u8], fin: bool) -> Result<EncodedHeader, SendError> {
        self.tx.check_unmasked()?;
        Ok(self.begin(Payload::Bytes(MessageKind::Binary, data), fin)?.encode())
    }

    #[inline]
    fn begin(&mut self, payload: Payload<'_>, fin: bool) -> Result<FrameHeader, SendError> {
        self.check_open()?;
        let begins = !self.tx.is_inside_message();
        let header = self.tx.begin(payload, fin)?;
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
        self.happened.data = true;
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
