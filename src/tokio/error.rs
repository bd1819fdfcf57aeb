//! A message that was not queued, and why.

use core::fmt;

use crate::error::SendError;
use crate::message::Message;
use crate::net::Error;

/// Why a message was not queued; it comes back.
#[derive(Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)] // there is room or not, and the engine takes it or not
pub enum QueueError<'m> {
    /// More is queued than [`Config::max_queued_len`] allows: wait for room, or
    /// let the peer go.
    ///
    /// [`Config::max_queued_len`]: crate::Config::max_queued_len
    Full(Message<'m>),
    /// The engine refuses it.
    Send(SendError, Message<'m>),
}

impl<'m> QueueError<'m> {
    /// The message.
    pub fn into_message(self) -> Message<'m> {
        match self {
            Self::Full(message) | Self::Send(_, message) => message,
        }
    }
}

impl fmt::Display for QueueError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => Error::QueueFull.fmt(f),
            Self::Send(error, _) => error.fmt(f),
        }
    }
}

impl core::error::Error for QueueError<'_> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Full(_) => None,
            Self::Send(error, _) => Some(error),
        }
    }
}

impl From<QueueError<'_>> for Error {
    fn from(error: QueueError<'_>) -> Self {
        match error {
            QueueError::Full(_) => Self::QueueFull,
            QueueError::Send(error, _) => Self::Send(error),
        }
    }
}
