//! What a socket tells: states and events of the standard, as values.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::str::FromStr;

use crate::message::Message;

/// *Ready state*: how far a socket has come. `as u16` it is the number that
/// scripts see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
#[allow(clippy::exhaustive_enums)] // the standard has four
pub enum ReadyState {
    /// The connection is being established.
    Connecting = 0,
    /// Messages go both ways.
    Open = 1,
    /// The closing handshake has begun, or `close` was called.
    Closing = 2,
    /// It is over, or could not be opened.
    Closed = 3,
}

/// How a script wants binary data. Here they are bytes either way; each message
/// says what was asked for, for bindings to a language that has both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums)] // the standard has two
pub enum BinaryType {
    /// `"arraybuffer"`.
    ArrayBuffer,
    /// `"blob"`, as it is at first.
    #[default]
    Blob,
}

impl fmt::Display for BinaryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ArrayBuffer => "arraybuffer",
            Self::Blob => "blob",
        })
    }
}

impl FromStr for BinaryType {
    type Err = UnknownBinaryType;

    fn from_str(word: &str) -> Result<Self, UnknownBinaryType> {
        match word {
            "arraybuffer" => Ok(Self::ArrayBuffer),
            "blob" => Ok(Self::Blob),
            _ => Err(UnknownBinaryType),
        }
    }
}

/// A word that is no [`BinaryType`]. A script that assigns one changes nothing,
/// and is told nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct UnknownBinaryType;

impl fmt::Display for UnknownBinaryType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("binary data come as \"arraybuffer\" or as \"blob\"")
    }
}

impl core::error::Error for UnknownBinaryType {}

/// What happened. In this order, whatever the network does: `Open` at most once,
/// any number of `Message`, `Error` at most once, and `Close`, exactly once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)] // the standard has four
pub enum Event {
    /// The connection is open.
    Open,
    /// A message came.
    Message(MessageEvent),
    /// The connection has failed; `Close` is next. What went wrong no event
    /// tells, but [`diagnostic`](super::WebSocket::diagnostic) does.
    Error,
    /// The connection is over. Nothing comes after this.
    Close(CloseEvent),
}

impl Event {
    /// Its type.
    pub fn kind(&self) -> EventKind {
        match self {
            Self::Open => EventKind::Open,
            Self::Message(_) => EventKind::Message,
            Self::Error => EventKind::Error,
            Self::Close(_) => EventKind::Close,
        }
    }
}

/// The type of an event, as `addEventListener` takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums)] // the standard has four
pub enum EventKind {
    /// `"open"`.
    Open,
    /// `"message"`.
    Message,
    /// `"error"`.
    Error,
    /// `"close"`.
    Close,
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Message => "message",
            Self::Error => "error",
            Self::Close => "close",
        })
    }
}

/// A message, and where it is from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageEvent {
    /// What it says.
    pub data: Message<'static>,
    /// The origin of the socket's URL, such as `ws://example.com`.
    pub origin: Arc<str>,
    /// How binary data were wanted when the event fired.
    pub binary_type: BinaryType,
}

/// How a connection ended. The default is that of the script's constructor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseEvent {
    /// A Close frame went both ways before the transport ended (RFC 6455,
    /// section 7.1.4).
    pub was_clean: bool,
    /// The peer's status code; 1005 if its Close frame had none, 1006 if it sent
    /// no Close frame (section 7.1.5).
    pub code: u16,
    /// The peer's reason, or nothing (section 7.1.6).
    pub reason: String,
}
