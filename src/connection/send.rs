//! Commands to frames: what RFC 6455, sections 5.3 to 5.6, asks of a sender.

use alloc::boxed::Box;

use super::event::MessageKind;
use crate::buf::Output;
use crate::control::MAX_CONTROL_LEN;
use crate::error::SendError;
use crate::frame::{EncodedHeader, FrameHeader, Opcode, encoded_len};
use crate::mask;
use crate::seed::KeyGenerator;
use crate::utf8::Utf8Decoder;

/// What goes out. Knows whether to mask, and the message in progress.
#[derive(Debug)]
pub(super) struct Sender {
    /// A client's; a server masks nothing.
    keys: Option<Box<KeyGenerator>>,
    /// The fragmented message in progress.
    message: Option<MessageKind>,
    /// Where its text was cut.
    text: Utf8Decoder,
}

impl Sender {
    pub(super) const fn new(keys: Option<Box<KeyGenerator>>) -> Self {
        Self { keys, message: None, text: Utf8Decoder::new() }
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
        let header = FrameHeader::new(fin, opcode, self.next_key(), payload.len() as u64);
        out.append(header.encode().as_bytes());
        match header.mask {
            Some(key) => out.append_masked(payload, key),
            None => {
                out.append(payload);
            }
        }
        Ok(())
    }

    /// Appends a message of one frame.
    #[inline]
    pub(super) fn message(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        self.check_no_message()?;
        self.frame(true, opcode_of(kind), payload, out)
    }

    /// Appends one fragment of a message; the first begins it.
    pub(super) fn fragment(
        &mut self,
        kind: MessageKind,
        payload: &[u8],
        fin: bool,
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), SendError> {
        let opcode = match self.message {
            None => opcode_of(kind),
            Some(begun) if begun == kind => Opcode::CONTINUATION,
            Some(_) => return Err(SendError::FragmentInProgress),
        };
        let mut text = self.text;
        if kind == MessageKind::Text {
            text.check(payload).map_err(|_| SendError::InvalidText)?;
            if fin && !text.is_at_boundary() {
                return Err(SendError::InvalidText);
            }
        }
        self.frame(fin, opcode, payload, out)?;
        self.text = text;
        self.message = if fin { None } else { Some(kind) };
        Ok(())
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

    /// The header of a message whose payload follows by other means; a
    /// client's payload is masked in place.
    pub(super) fn begin(
        &mut self,
        kind: MessageKind,
        payload: &mut [u8],
    ) -> Result<EncodedHeader, SendError> {
        self.check_no_message()?;
        if kind == MessageKind::Text && crate::utf8::validate(payload).is_none() {
            return Err(SendError::InvalidText);
        }
        let key = self.next_key();
        if let Some(key) = key {
            mask::apply(payload, key);
        }
        Ok(FrameHeader::new(true, opcode_of(kind), key, payload.len() as u64).encode())
    }

    /// The header of a message whose payload follows by other means, as it is.
    pub(super) fn begin_unmasked(
        &self,
        kind: MessageKind,
        payload_len: usize,
    ) -> Result<EncodedHeader, SendError> {
        self.check_no_message()?;
        if !self.is_server() {
            return Err(SendError::MaskRequired);
        }
        Ok(FrameHeader::new(true, opcode_of(kind), None, payload_len as u64).encode())
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
