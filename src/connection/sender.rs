//! Payloads to frames: masks, fragments, and whether a message is compressed
//! (RFC 6455, sections 5.2 to 5.4; RFC 7692, section 6.1).

use alloc::boxed::Box;

use super::compression::Deflation;
use super::event::MessageKind;
use crate::buf::Output;
use crate::control::MAX_CONTROL_LEN;
use crate::error::SendError;
use crate::frame::{FrameHeader, KEY_LEN, MASK, Opcode, RSV1, encoded_len};
use crate::seed::KeyGenerator;
use crate::utf8::Utf8Decoder;

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

    #[inline]
    fn next_key(&mut self) -> Option<[u8; 4]> {
        self.keys.as_mut().map(|keys| keys.masking_key())
    }

    /// Appends one frame, whole, or fails with [`SendError::OutputFull`].
    #[inline(always)] // of a whole message with the opcode known
    pub(super) fn frame(
        &mut self,
        fin: bool,
        opcode: Opcode,
        payload: &[u8],
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        // Most frames are short, and worth a way that is, where it is called.
        let header = FrameHeader::new(fin, opcode, None, payload.len() as u64);
        let Some(start @ [a, b]) = header.short() else {
            return self.long_frame(fin, opcode, payload, out);
        };
        match &mut self.keys {
            None => {
                check_room(start.len() + payload.len(), out)?;
                out.append_frame(&start, payload, None);
            }
            Some(keys) => {
                check_room(start.len() + KEY_LEN + payload.len(), out)?;
                let key @ [k, l, m, n] = keys.masking_key();
                out.append_frame(&[a, b | MASK, k, l, m, n], payload, Some(key));
            }
        }
        Ok(())
    }

    /// Appends a frame with any header.
    #[inline(never)]
    fn long_frame(
        &mut self,
        fin: bool,
        opcode: Opcode,
        payload: &[u8],
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        check_room(self.frame_len(payload.len()), out)?;
        let header = FrameHeader::new(fin, opcode, self.next_key(), payload.len() as u64);
        // To copy what is of known length takes no call.
        match (header.medium(), header.mask) {
            (Some(start), None) => out.append_frame(&start, payload, None),
            (Some([a, b, c, d]), Some(key @ [k, l, m, n])) => {
                out.append_frame(&[a, b | MASK, c, d, k, l, m, n], payload, Some(key));
            }
            (None, key) => out.append_frame(header.encode().as_bytes(), payload, key),
        }
        Ok(())
    }

    /// Appends a message of one frame.
    #[inline]
    pub(super) fn message(
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
    pub(super) fn fragment(
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
            check_room(self.frame_len(deflation.bound(payload.len())), out)?;
            let made = deflation.deflate(payload, begins, fin);
            let bytes = made.unwrap_or(payload);
            let mut header = FrameHeader::new(fin, opcode, None, bytes.len() as u64);
            // RFC 7692, section 6: of the first frame only.
            header.rsv = if begins && made.is_some() { RSV1 } else { 0 };
            header.mask = self.next_key();
            out.append_frame(header.encode().as_bytes(), bytes, header.mask);
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

    /// The header of a fragment whose payload follows by other means; masked
    /// with its key, if it has one.
    #[inline]
    pub(super) fn begin(
        &mut self,
        payload: Payload<'_>,
        fin: bool,
    ) -> Result<FrameHeader, SendError> {
        let next = self.next_fragment(payload, fin)?;
        if next.compressed {
            return Err(SendError::MessageCompressed);
        }
        let (opcode, len) = (next.opcode, payload.as_bytes().len());
        self.commit(next);
        Ok(FrameHeader::new(fin, opcode, self.next_key(), len as u64))
    }

    /// What sending this fragment would lead to, if it may be sent.
    #[inline(always)] // what is given back in memory, in parts, is slow to be read
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

    pub(super) fn check_unmasked(&self) -> Result<(), SendError> {
        if self.is_server() { Ok(()) } else { Err(SendError::MaskRequired) }
    }

    pub(super) fn check_no_message(&self) -> Result<(), SendError> {
        if self.message.is_some() { Err(SendError::FragmentInProgress) } else { Ok(()) }
    }
}

#[inline]
fn check_room(needed: usize, out: &(impl Output + ?Sized)) -> Result<(), SendError> {
    if out.has_room(needed) { Ok(()) } else { Err(SendError::OutputFull { needed }) }
}

pub(super) const fn opcode_of(kind: MessageKind) -> Opcode {
    match kind {
        MessageKind::Binary => Opcode::BINARY,
        MessageKind::Text => Opcode::TEXT,
    }
}

/// What a data frame carries.
#[derive(Clone, Copy)]
pub(super) enum Payload<'a> {
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
