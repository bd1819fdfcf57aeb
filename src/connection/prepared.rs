//! A message encoded once and sent to many.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::event::MessageKind;
use super::send::opcode_of;
use crate::frame::FrameHeader;

/// A message as a server puts it on the wire, encoded once: sending it to a
/// client costs no encoding, and a clone costs a count.
///
/// Servers only: a client masks each frame with a key of its own.
///
/// # Example: one message to every client
///
/// ```
/// use std::sync::Arc;
/// use sockeye::{Config, Connection, PreparedMessage};
///
/// let config = Arc::new(Config::default());
/// let mut clients = [Connection::server(config.clone()), Connection::server(config)];
///
/// let news = PreparedMessage::text("news");
/// for client in &mut clients {
///     let mut out = Vec::new();
///     client.send_prepared(&news, &mut out)?;
///     assert_eq!(out, b"\x81\x04news");
/// }
/// # Ok::<(), sockeye::SendError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct PreparedMessage {
    bytes: Arc<[u8]>,
}

impl PreparedMessage {
    /// Encodes a text message. Copies the text once.
    pub fn text(text: &str) -> Self {
        Self::new(MessageKind::Text, text.as_bytes())
    }

    /// Encodes a binary message. Copies the bytes once.
    pub fn binary(bytes: &[u8]) -> Self {
        Self::new(MessageKind::Binary, bytes)
    }

    fn new(kind: MessageKind, payload: &[u8]) -> Self {
        let header = FrameHeader::new(true, opcode_of(kind), None, payload.len() as u64).encode();
        let mut bytes = Vec::with_capacity(header.as_bytes().len() + payload.len());
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(payload);
        Self { bytes: bytes.into() }
    }

    /// The frame, for those who write it to the wire themselves after
    /// [`Connection::begin_prepared`](super::Connection::begin_prepared).
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for PreparedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedMessage").field("len", &self.bytes.len()).finish()
    }
}
