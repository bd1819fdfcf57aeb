//! What a connection tells its user.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;

use crate::close::CloseFrame;
use crate::control::ControlPayload;
use crate::error::ProtocolError;
use crate::utf8::JoinedChar;

/// Text or binary: the type of a message (RFC 6455, section 5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums)] // the RFC has two types of message
pub enum MessageKind {
    /// Any bytes.
    Binary,
    /// UTF-8.
    Text,
}

/// Something the peer did. Borrows the caller's input, or its scratch room, for
/// `'b`.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'b> {
    /// A piece of a text message.
    Text(TextChunk<'b>),
    /// A piece of a binary message.
    Binary(BinaryChunk<'b>),
    /// A Ping; its Pong is in the output already, unless
    /// [`Config::auto_pong`](crate::Config::auto_pong) is off or we have sent a
    /// Close.
    Ping(ControlPayload<'b>),
    /// A Pong, asked for or not.
    Pong(ControlPayload<'b>),
    /// The peer's Close frame; the answer is in the output already, if this is
    /// not the answer to ours. A message that it cut short is void (section 5.4
    /// lets no other end it). Nothing comes after this. (Boxed because it comes
    /// once, and every other event is small.)
    Close(Box<CloseFrame>),
    /// The peer broke a rule; the Close frame that says so is in the output
    /// already, unless we had sent one before (section 7.1.7). Nothing comes
    /// after this.
    Failed(ProtocolError),
}

/// A piece of a text message as it arrived: whole characters, at most 128 KiB
/// of them in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextChunk<'b> {
    pub(super) text: Text<'b>,
    pub(super) place: Place,
}

/// Where the text of a chunk is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Text<'b> {
    Input(&'b str),
    /// A character that a boundary cut in two.
    Joined(JoinedChar),
}

impl<'b> TextChunk<'b> {
    /// The text; empty only at the end of a message, of which nothing was left
    /// to tell but that.
    #[inline]
    pub fn as_str(&self) -> &str {
        match &self.text {
            Text::Input(text) => text,
            Text::Joined(char) => char.as_str(),
        }
    }

    /// The text, borrowed from the input where it can be: all but a single
    /// character that a boundary cut in two.
    pub fn into_cow(self) -> Cow<'b, str> {
        match self.text {
            Text::Input(text) => Cow::Borrowed(text),
            Text::Joined(char) => Cow::Owned(String::from(char.as_str())),
        }
    }

    /// True for the first piece of a message.
    #[inline]
    pub fn is_first(&self) -> bool {
        self.place.is_first()
    }

    /// True for the last piece of a message: it is complete and valid.
    #[inline]
    pub fn is_last(&self) -> bool {
        self.place.is_last()
    }

    /// Bytes of the message that are still to come, as announced; `None`
    /// while its last frame has not begun, or it is compressed and more may
    /// come.
    #[inline]
    pub fn remaining(&self) -> Option<u64> {
        self.place.remaining()
    }
}

/// A piece of a binary message as it arrived.
#[derive(Debug, PartialEq, Eq)]
pub struct BinaryChunk<'b> {
    pub(super) bytes: &'b mut [u8],
    pub(super) place: Place,
}

impl<'b> BinaryChunk<'b> {
    /// The bytes; empty only at the end of a message, of which nothing was left
    /// to tell but that.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes
    }

    /// The bytes in the caller's own buffer, to work on in place.
    #[inline]
    pub fn into_bytes(self) -> &'b mut [u8] {
        self.bytes
    }

    /// True for the first piece of a message.
    #[inline]
    pub fn is_first(&self) -> bool {
        self.place.is_first()
    }

    /// True for the last piece of a message: it is complete.
    #[inline]
    pub fn is_last(&self) -> bool {
        self.place.is_last()
    }

    /// Bytes of the message that are still to come, as announced; `None`
    /// while its last frame has not begun, or it is compressed and more may
    /// come.
    #[inline]
    pub fn remaining(&self) -> Option<u64> {
        self.place.remaining()
    }
}

/// A chunk's place in its message, in one word: whether it is the first, in
/// the bit that no length uses, and the bytes of the message still to come.
/// (Two fields of different widths are stored apart and loaded together, and
/// the load waits for the stores.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u64);

impl Place {
    const FIRST: u64 = 1 << 63;
    /// The rest of a message whose last frame has not begun. No frame that a
    /// limit lets pass leaves as much behind a byte of it.
    const UNKNOWN: u64 = (1 << 63) - 1;

    /// `rest` is `None` while the last frame has not begun.
    #[inline]
    pub(super) fn new(first: bool, rest: Option<u64>) -> Self {
        let rest = rest.map_or(Self::UNKNOWN, |rest| rest & Self::UNKNOWN);
        Self(if first { rest | Self::FIRST } else { rest })
    }

    #[inline]
    fn is_first(self) -> bool {
        self.0 & Self::FIRST != 0
    }

    #[inline]
    pub(super) fn is_last(self) -> bool {
        self.0 & !Self::FIRST == 0
    }

    #[inline]
    fn remaining(self) -> Option<u64> {
        let rest = self.0 & !Self::FIRST;
        (rest != Self::UNKNOWN).then_some(rest)
    }
}
