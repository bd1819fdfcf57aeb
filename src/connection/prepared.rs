//! A message encoded once and sent to many.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

#[cfg(feature = "deflate")]
use alloc::boxed::Box;

use super::compression::Deflation;
use super::event::MessageKind;
use super::send::opcode_of;
#[cfg(feature = "deflate")]
use crate::deflate::{DeflateConfig, Deflater, Strength};
use crate::frame::FrameHeader;
#[cfg(feature = "deflate")]
use crate::frame::{self, RSV1};

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
    plain: Arc<[u8]>,
    #[cfg(feature = "deflate")]
    compressed: Arc<[Form]>,
}

/// A frame compressed by itself.
#[cfg(feature = "deflate")]
#[derive(PartialEq, Eq)]
struct Form {
    strength: Strength,
    frame: Box<[u8]>,
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
        Self {
            plain: encode(header, payload).into(),
            #[cfg(feature = "deflate")]
            compressed: Arc::default(),
        }
    }

    /// The same message with compressed forms as well, for connections that
    /// have agreed on compression: one for each window of
    /// [`DeflateConfig::params`], made here and now. A connection sends the one
    /// that fits its window, whether it keeps a context or not. If it does, its
    /// own is forgotten, since the peer's no longer agrees with it.
    ///
    /// Costs a compressor for the time of the call. A form that is not shorter
    /// than the plain one is not kept.
    ///
    /// # Example: compressed once, for whoever takes it
    ///
    /// ```
    /// use std::sync::Arc;
    /// use sockeye::deflate::Params;
    /// use sockeye::{Config, Connection, DeflateConfig, PreparedMessage};
    ///
    /// let mut config = Config::default();
    /// config.deflate = Some(DeflateConfig::default());
    /// let news = "news ".repeat(100);
    /// let news = PreparedMessage::text(&news).with_compression(&DeflateConfig::default());
    ///
    /// let mut client = Connection::server(Arc::new(config)).with_deflate(Params::default());
    /// let mut out = Vec::new();
    /// client.send_prepared(&news, &mut out)?;
    /// assert!(out.len() < 30);
    /// # Ok::<(), sockeye::SendError>(())
    /// ```
    #[cfg(feature = "deflate")]
    pub fn with_compression(mut self, config: &DeflateConfig) -> Self {
        // Made by `new`: the header is well-formed.
        let Ok(Some((plain, header_len))) = frame::decode(&self.plain) else { return self };
        let payload = &self.plain[header_len..];
        let mut forms: Vec<Form> = Vec::new();
        for params in &config.params {
            let Some(strength) = Strength::new(params.server_max_window_bits, config) else {
                continue;
            };
            if forms.iter().any(|form| form.strength == strength) {
                continue;
            }
            let mut deflater = Deflater::new(strength);
            let made = deflater.deflate(payload, true);
            if made.len() < payload.len() {
                let mut header = FrameHeader::new(true, plain.opcode, None, made.len() as u64);
                header.rsv = RSV1;
                forms.push(Form { strength, frame: encode(header, made).into() });
            }
        }
        self.compressed = forms.into();
        self
    }

    /// The plain frame, as it is on the wire of a connection without
    /// compression.
    pub fn as_bytes(&self) -> &[u8] {
        &self.plain
    }

    /// The shortest frame that a connection may send, and whether it is
    /// compressed.
    pub(super) fn form_for(&self, deflation: Option<&Deflation>) -> (&[u8], bool) {
        #[cfg(feature = "deflate")]
        if let Some(deflation) = deflation {
            let fitting = self.compressed.iter().filter(|form| deflation.takes(form.strength));
            if let Some(form) = fitting.min_by_key(|form| form.frame.len()) {
                return (&form.frame, true);
            }
        }
        let _ = deflation;
        (&self.plain, false)
    }
}

fn encode(header: FrameHeader, payload: &[u8]) -> Vec<u8> {
    let header = header.encode();
    [header.as_bytes(), payload].concat()
}

impl fmt::Debug for PreparedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedMessage").field("len", &self.plain.len()).finish()
    }
}
