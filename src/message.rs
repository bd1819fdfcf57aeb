//! Chunks to whole messages.
//!
//! Layer: above the connection, whose limits bound what is collected here, and
//! which is asked what comes next where it is to be read into a message.
//! For callers who can use the chunks as they come this module is needless.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::buf::{Input, Output};
use crate::close::CloseFrame;
use crate::connection::{BinaryChunk, Connection, Event, MessageKind, TextChunk};
use crate::control::ControlPayload;
use crate::error::ProtocolError;

/// A whole message, borrowed or owned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums)] // the RFC has two types of message
pub enum Message<'a> {
    /// Any bytes.
    Binary(Cow<'a, [u8]>),
    /// UTF-8.
    Text(Cow<'a, str>),
}

impl<'a> Message<'a> {
    /// Its type.
    pub fn kind(&self) -> MessageKind {
        match self {
            Self::Binary(_) => MessageKind::Binary,
            Self::Text(_) => MessageKind::Text,
        }
    }

    /// Its payload, of either type.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Binary(data) => data,
            Self::Text(text) => text.as_bytes(),
        }
    }

    /// The text, if it is text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Binary(_) => None,
            Self::Text(text) => Some(text),
        }
    }

    /// The same message, owned; copies it if it was borrowed.
    pub fn into_owned(self) -> Message<'static> {
        match self {
            Self::Binary(data) => Message::Binary(Cow::Owned(data.into_owned())),
            Self::Text(text) => Message::Text(Cow::Owned(text.into_owned())),
        }
    }

    /// The memory of an owned message, for [`Assembler::put_buffer`]; empty
    /// if it was borrowed.
    pub fn into_buffer(self) -> Vec<u8> {
        match self {
            Self::Binary(Cow::Owned(data)) => data,
            Self::Text(Cow::Owned(text)) => text.into_bytes(),
            _ => Vec::new(),
        }
    }
}

impl<'a> From<&'a str> for Message<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Message<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl<'a> From<&'a [u8]> for Message<'a> {
    fn from(data: &'a [u8]) -> Self {
        Self::Binary(Cow::Borrowed(data))
    }
}

impl<'a> From<&'a String> for Message<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl<'a> From<Cow<'a, str>> for Message<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self::Text(text)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Message<'a> {
    fn from(data: &'a [u8; N]) -> Self {
        Self::Binary(Cow::Borrowed(data))
    }
}

impl<'a> From<&'a Vec<u8>> for Message<'a> {
    fn from(data: &'a Vec<u8>) -> Self {
        Self::Binary(Cow::Borrowed(data))
    }
}

impl<'a> From<Cow<'a, [u8]>> for Message<'a> {
    fn from(data: Cow<'a, [u8]>) -> Self {
        Self::Binary(data)
    }
}

impl From<Vec<u8>> for Message<'_> {
    fn from(data: Vec<u8>) -> Self {
        Self::Binary(Cow::Owned(data))
    }
}

impl<'a> From<&'a Message<'_>> for Message<'a> {
    fn from(message: &'a Message<'_>) -> Self {
        match message {
            Message::Binary(data) => Self::Binary(Cow::Borrowed(data)),
            Message::Text(text) => Self::Text(Cow::Borrowed(text)),
        }
    }
}

/// Bytes of a frame still to come from which on they are worth a read of their
/// own.
const MIN_ROOM: usize = 4 << 10;

/// Bytes of room at a time: more would not be in a second-level cache any more
/// when they are unmasked. Who wants less of it reads less.
const MAX_ROOM: usize = 64 << 10;

/// With less room left than this, more is made. Never for a few bytes: each of
/// many short reads would have it made anew.
const WORTH_A_READ: usize = 1 << 10;

/// What an [`Assembler`] makes of events: whole messages, and everything else
/// as it was.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Incoming<'a> {
    /// A whole message.
    Message(Message<'a>),
    /// As [`Event::Ping`].
    Ping(ControlPayload<'a>),
    /// As [`Event::Pong`].
    Pong(ControlPayload<'a>),
    /// As [`Event::Close`].
    Close(Box<CloseFrame>),
    /// As [`Event::Failed`].
    Failed(ProtocolError),
}

/// Collects the chunks of a message.
///
/// A message that came in one chunk is borrowed and nothing is copied.
/// Otherwise its chunks are copied into memory that grows as they arrive,
/// never by what a frame announces, and leaves with the message: an idle
/// assembler owns nothing. Whoever wants that memory used again gives it back
/// with [`put_buffer`](Self::put_buffer).
///
/// There are no limits here: those of [`Config`](crate::Config) have refused
/// what is too large before its first byte came.
///
/// # Example: whole messages
///
/// ```
/// use std::sync::Arc;
/// use sockeye::{Assembler, Config, Connection, Incoming, Input, Message, Seed};
///
/// let mut ws = Connection::client(Seed::from_bytes([7; 32]), Arc::new(Config::default()));
/// let mut assembler = Assembler::new();
/// let mut received = *b"\x01\x03Hel\x80\x02lo";
/// let mut input = Input::new(&mut received);
/// let mut out = Vec::new();
/// let mut messages = Vec::new();
/// while let Some(event) = ws.receive(&mut input, &mut out) {
///     if let Some(Incoming::Message(message)) = assembler.push(event) {
///         messages.push(message.into_owned());
///     }
/// }
/// assert_eq!(messages, [Message::from("Hello")]);
/// ```
pub struct Assembler {
    /// The message in progress.
    begun: Option<MessageKind>,
    /// What has come of the message in progress, of one type or the other.
    text: String,
    /// The first `filled` bytes of it have come; the rest is room.
    binary: Vec<u8>,
    filled: usize,
    /// Bytes of the room that was lent last.
    lent: usize,
    /// Memory for the next message, lent by the caller.
    spare: Vec<u8>,
    /// The longest that a message can be.
    max_len: usize,
}

impl Default for Assembler {
    fn default() -> Self {
        Self::new()
    }
}

impl Assembler {
    /// An assembler that owns no memory.
    pub const fn new() -> Self {
        Self {
            begun: None,
            text: String::new(),
            binary: Vec::new(),
            filled: 0,
            lent: 0,
            spare: Vec::new(),
            max_len: usize::MAX,
        }
    }

    /// Tells it that no message is longer than this, as
    /// [`Config::max_message_len`](crate::Config::max_message_len) has it: its
    /// memory never grows beyond. Otherwise up to twice as much is asked for as
    /// has come.
    pub fn set_max_len(&mut self, len: u64) {
        self.max_len = usize::try_from(len).unwrap_or(usize::MAX);
    }

    /// Takes the next event of a connection. `None`: it was a chunk, and its
    /// message is not complete.
    pub fn push<'a>(&mut self, event: Event<'a>) -> Option<Incoming<'a>> {
        Some(match event {
            Event::Text(chunk) => Incoming::Message(Message::Text(self.push_text(chunk)?)),
            Event::Binary(chunk) => Incoming::Message(Message::Binary(self.push_binary(chunk)?)),
            Event::Ping(payload) => Incoming::Ping(payload),
            Event::Pong(payload) => Incoming::Pong(payload),
            Event::Close(frame) => {
                self.reset();
                Incoming::Close(frame)
            }
            Event::Failed(error) => {
                self.reset();
                Incoming::Failed(error)
            }
        })
    }

    /// Where to read the next bytes to, past the engine's input: room for what
    /// is to come of a large binary message, behind what has come. Then
    /// [`receive_room`](Self::receive_room). Empty when the next bytes are to be
    /// read and received as ever: between messages, of text, of what is
    /// compressed, and when little of the frame is left.
    ///
    /// Only while all bytes read so far have been received. There is none until
    /// something of the message has come; then it is as much as that, 1 to 64 KiB
    /// at a time, or what a [lent buffer](Self::put_buffer) has: what a frame
    /// announces is never allocated. It holds whatever it held before.
    ///
    /// # Example: a large message, read to where it belongs
    ///
    /// ```
    /// use sockeye::{Assembler, Connection, Incoming, Input, Message};
    /// use std::io::Read;
    ///
    /// fn read<'a>(
    ///     stream: &mut impl Read,
    ///     memory: &'a mut [u8],
    ///     ws: &mut Connection,
    ///     assembler: &'a mut Assembler,
    ///     out: &mut Vec<u8>,
    /// ) -> std::io::Result<Option<Incoming<'a>>> {
    ///     let room = assembler.room(ws);
    ///     if !room.is_empty() {
    ///         let len = stream.read(room)?;
    ///         return Ok(assembler.receive_room(len, ws, out).map(Incoming::Message));
    ///     }
    ///     let len = stream.read(memory)?;
    ///     let mut input = Input::new(&mut memory[..len]);
    ///     // ... and so on, until all of it is received
    /// #   let Some(event) = ws.receive(&mut input, out) else { return Ok(None) };
    /// #   Ok(assembler.push(event))
    /// }
    /// ```
    pub fn room(&mut self, ws: &Connection) -> &mut [u8] {
        self.lent = 0;
        let remaining = usize::try_from(ws.binary_remaining()).unwrap_or(usize::MAX);
        if remaining < MIN_ROOM || self.filled == 0 {
            return &mut [];
        }
        let most = remaining.min(self.max_len.saturating_sub(self.filled)).min(MAX_ROOM);
        if self.binary.len() - self.filled < WORTH_A_READ {
            let len = self.filled.max(MIN_ROOM).min(most);
            if self.binary.capacity() < self.filled + len {
                // Doubles with what has come, not with the room that was made for it.
                let come = (self.filled, self.filled, self.max_len);
                let more = growth(come, len, Some((remaining - len) as u64));
                self.binary.reserve_exact(self.filled + more - self.binary.len());
            }
            self.binary.resize(self.filled + len, 0);
        }
        let room = &mut self.binary[self.filled..];
        self.lent = most.min(room.len());
        &mut room[..self.lent]
    }

    /// Receives the first `len` bytes of the [room](Self::room), which were just
    /// read to there; not more than was lent. Gives the message if they complete
    /// it. No copy.
    ///
    /// `None`, and [`Connection::wants_room`]: flush the output, and call again
    /// with the same `len`.
    pub fn receive_room(
        &mut self,
        len: usize,
        ws: &mut Connection,
        out: &mut (impl Output + ?Sized),
    ) -> Option<Message<'static>> {
        let room = self.binary.get_mut(self.filled..)?;
        let mut input = Input::new(room.get_mut(..len.min(self.lent))?);
        // It is of one frame of a binary message, and so is one chunk.
        let event = ws.receive(&mut input, out)?;
        debug_assert!(input.is_empty(), "bytes were received in between");
        let Event::Binary(chunk) = event else { return None };
        let is_last = chunk.is_last();
        self.filled += chunk.as_bytes().len();
        is_last.then(|| Message::Binary(Cow::Owned(self.take_binary())))
    }

    /// Lends memory for a message that comes in several chunks, to spare the
    /// allocator. One buffer is kept, until a message leaves with it. Its
    /// contents do not matter, but that what it holds need not be cleared to
    /// read [into](Self::room).
    pub fn put_buffer(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() > self.spare.capacity() {
            self.spare = buffer;
        }
    }

    /// Takes a lent buffer back that no message has used, for a pool.
    pub fn take_buffer(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.spare)
    }

    /// Drops the message in progress: it will never be complete. Happens by
    /// itself when the connection closes or fails, or when another begins.
    pub fn reset(&mut self) {
        self.begun = None;
        self.text = String::new();
        self.binary = Vec::new();
        self.filled = 0;
    }

    /// Bytes of the message in progress collected so far.
    pub fn len(&self) -> usize {
        self.text.len() + self.filled
    }

    /// True if nothing has been collected.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn push_text<'a>(&mut self, chunk: TextChunk<'a>) -> Option<Cow<'a, str>> {
        if chunk.is_first() && chunk.is_last() {
            return Some(chunk.into_cow());
        }
        if !self.take_up(MessageKind::Text, chunk.is_first()) {
            return None;
        }
        if self.text.capacity() == 0 {
            // A lent buffer is empty, and empty bytes are text.
            let mut buffer = self.take_buffer();
            buffer.clear();
            self.text = String::from_utf8(buffer).unwrap_or_default();
        }
        let text = chunk.as_str();
        let room = (self.text.len(), self.text.capacity(), self.max_len);
        let more = growth(room, text.len(), chunk.remaining());
        self.text.reserve_exact(more);
        self.text.push_str(text);
        chunk.is_last().then(|| {
            self.begun = None;
            Cow::Owned(core::mem::take(&mut self.text))
        })
    }

    fn push_binary<'a>(&mut self, chunk: BinaryChunk<'a>) -> Option<Cow<'a, [u8]>> {
        if chunk.is_first() && chunk.is_last() {
            return Some(Cow::Borrowed(chunk.into_bytes()));
        }
        if !self.take_up(MessageKind::Binary, chunk.is_first()) {
            return None;
        }
        self.lend_binary();
        let bytes = chunk.as_bytes();
        match self.binary.get_mut(self.filled..self.filled + bytes.len()) {
            Some(room) => room.copy_from_slice(bytes),
            None => {
                let room = (self.filled, self.binary.capacity(), self.max_len);
                let more = growth(room, bytes.len(), chunk.remaining());
                self.binary.truncate(self.filled);
                self.binary.reserve_exact(more);
                self.binary.extend_from_slice(bytes);
            }
        }
        self.filled += bytes.len();
        chunk.is_last().then(|| Cow::Owned(self.take_binary()))
    }

    /// Memory for the message in progress, if it has none.
    fn lend_binary(&mut self) {
        if self.binary.capacity() == 0 {
            self.binary = self.take_buffer();
        }
    }

    /// The binary message, which is complete.
    fn take_binary(&mut self) -> Vec<u8> {
        self.begun = None;
        self.binary.truncate(self.filled);
        self.filled = 0;
        core::mem::take(&mut self.binary)
    }

    /// A first chunk begins a message, and ends one that was never completed:
    /// that of another connection. False for a later chunk of a message whose
    /// beginning went elsewhere.
    fn take_up(&mut self, kind: MessageKind, is_first: bool) -> bool {
        if is_first {
            self.reset();
            self.begun = Some(kind);
        }
        self.begun == Some(kind)
    }
}

/// How much was collected, and not what: nor what lent memory held before.
impl fmt::Debug for Assembler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Assembler")
            .field("begun", &self.begun)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// How much room to ask for behind `len` bytes so that `added` fit: memory
/// doubles with what has come, and grows no further than to what is announced
/// of the message's `rest`, or to the longest that a message can be.
fn growth(
    (len, capacity, max_len): (usize, usize, usize),
    added: usize,
    rest: Option<u64>,
) -> usize {
    let needed = len + added;
    if needed <= capacity {
        return added;
    }
    let rest = rest.and_then(|rest| usize::try_from(rest).ok()).unwrap_or(usize::MAX);
    // Text may be an unfinished character short of what was announced.
    let most = needed.saturating_add(rest).min(max_len.max(needed));
    capacity.saturating_mul(2).clamp(needed, most) - len
}
