//! A message encoded once and sent to many.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
#[cfg(feature = "deflate")]
use std::sync::OnceLock;

use super::compression::Deflation;
use super::event::MessageKind;
use super::sender::opcode_of;
#[cfg(feature = "deflate")]
use crate::deflate::WindowBits;
use crate::frame::FrameHeader;
#[cfg(feature = "deflate")]
use crate::frame::{self, RSV1};

/// A message as a server puts it on the wire, encoded once: sending it to a
/// client costs no encoding, and a clone costs a count.
///
/// To connections that compress it goes compressed, if it is as long as
/// `DeflateConfig::min_len` and becomes
/// shorter. That is done once for each size of window, by the first connection
/// that needs it, and by itself: no context has a part in it. A connection that
/// keeps a context forgets it then, since the peer's no longer agrees with it.
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
#[derive(Clone)]
pub struct PreparedMessage {
    forms: Arc<Forms>,
}

/// The frame in all its forms.
struct Forms {
    plain: Vec<u8>,
    /// For windows of 9 to 15 bits. Empty: it does not become shorter.
    #[cfg(feature = "deflate")]
    compressed: [OnceLock<Vec<u8>>; 7],
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
        let header = FrameHeader::new(true, opcode_of(kind), None, payload.len() as u64);
        let forms = Forms {
            plain: encode(&header, payload),
            #[cfg(feature = "deflate")]
            compressed: Default::default(),
        };
        Self { forms: Arc::new(forms) }
    }

    /// The plain frame, as it is on the wire of a connection without
    /// compression.
    pub fn as_bytes(&self) -> &[u8] {
        &self.forms.plain
    }

    /// The frame that a connection sends, and whether it is compressed.
    pub(super) fn form_for(&self, deflation: Option<&Deflation>) -> (&[u8], bool) {
        let form = deflation.and_then(|deflation| self.compressed_for(deflation));
        form.map_or((self.as_bytes(), false), |form| (form, true))
    }

    #[cfg(feature = "deflate")]
    fn compressed_for(&self, deflation: &Deflation) -> Option<&[u8]> {
        // It was made by `new`, and is well-formed.
        let (mut header, header_len) = frame::decode(self.as_bytes()).ok()??;
        let payload = &self.as_bytes()[header_len..];
        let window_bits = deflation.applies_in(payload.len())?;
        let at = usize::from(window_bits.get() - WindowBits::MIN.get() - 1);
        let form = self.forms.compressed.get(at)?.get_or_init(|| {
            let Some(made) = deflation.deflate_alone(payload) else { return Vec::new() };
            header.rsv = RSV1;
            header.len = made.len() as u64;
            encode(&header, &made)
        });
        Some(form.as_slice()).filter(|form| !form.is_empty())
    }

    #[cfg(not(feature = "deflate"))]
    fn compressed_for(&self, _: &Deflation) -> Option<&[u8]> {
        None
    }
}

fn encode(header: &FrameHeader, payload: &[u8]) -> Vec<u8> {
    [header.encode().as_bytes(), payload].concat()
}

/// The same message, whatever forms of it have been made.
impl PartialEq for PreparedMessage {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for PreparedMessage {}

impl fmt::Debug for PreparedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedMessage").field("len", &self.as_bytes().len()).finish()
    }
}
