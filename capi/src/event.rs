//! What a connection tells C.

use std::ops::Range;

use sockeye::Event;

use self::sockeye_event_type::*;
use crate::error::sockeye_protocol_error;
use crate::memory::sockeye_bytes;

/// What happened. New ones may come: pass over what is not known.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum sockeye_event_type {
    /// Nothing: there is no event.
    SOCKEYE_EVENT_NONE = 0,
    /// A piece of a text message: whole characters of UTF-8 (RFC 6455, section 5.6).
    SOCKEYE_EVENT_TEXT = 1,
    /// A piece of a binary message.
    SOCKEYE_EVENT_BINARY = 2,
    /// A Ping with this payload; its Pong is in the output already, unless `auto_pong`
    /// is 0 (section 5.5.2).
    SOCKEYE_EVENT_PING = 3,
    /// A Pong with this payload, asked for or not (section 5.5.3).
    SOCKEYE_EVENT_PONG = 4,
    /// The peer's Close frame; the answer is in the output already (section 5.5.1). A
    /// message that it cut short is void. The last event.
    SOCKEYE_EVENT_CLOSE = 5,
    /// The peer broke a rule; the Close frame that says so is in the output already
    /// (section 7.1.7). The last event.
    SOCKEYE_EVENT_FAILED = 6,
}

/// An event. Its size is the same in all versions of the library.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sockeye_event {
    /// What happened, and so which of the fields say something.
    pub r#type: sockeye_event_type,
    /// TEXT, BINARY: the first piece of a message.
    pub is_first: bool,
    /// TEXT, BINARY: the last piece of a message, which is complete and valid.
    pub is_last: bool,
    /// CLOSE: the status code, 0 if there is none (section 7.1.5). FAILED: the one that
    /// was sent.
    pub close_code: u16,
    /// FAILED: the rule that was broken.
    pub error: sockeye_protocol_error,
    /// 0.
    pub reserved: u32,
    /// TEXT, BINARY: the piece, which is empty only at the end of a message. PING, PONG:
    /// the payload, up to 125 bytes. CLOSE: the reason, UTF-8 of up to 123 bytes.
    ///
    /// It is in the input, the scratch room, or the connection: it lasts until one of
    /// them is used for another call of `sockeye_connection_receive`, or is gone.
    pub data: sockeye_bytes,
    /// TEXT, BINARY: bytes of the message still to come, as announced by the peer;
    /// UINT64_MAX as long as it is not known.
    pub remaining: u64,
}

/// What an event holds that is in no memory of the caller's: a character or a control
/// frame that a read boundary cut, or the reason of a Close. Made on first use.
#[derive(Debug, Default)]
pub(crate) struct Kept(Option<Box<[u8; sockeye::MAX_CONTROL_LEN]>>);

impl Kept {
    /// Where the bytes of an event are to be found after the call.
    fn place(&mut self, bytes: &[u8], lent: &[Range<usize>; 2]) -> sockeye_bytes {
        let at = bytes.as_ptr() as usize;
        if bytes.is_empty() || lent.iter().any(|memory| memory.contains(&at)) {
            return sockeye_bytes::of(bytes);
        }
        let memory = self.0.get_or_insert_with(|| Box::new([0; sockeye::MAX_CONTROL_LEN]));
        // Nothing that the engine holds by itself is longer.
        let copy = &mut memory[..bytes.len()];
        copy.copy_from_slice(bytes);
        sockeye_bytes::of(copy)
    }
}

impl sockeye_event {
    pub(crate) const NONE: Self = Self {
        r#type: SOCKEYE_EVENT_NONE,
        is_first: false,
        is_last: false,
        close_code: 0,
        error: sockeye_protocol_error::SOCKEYE_PROTOCOL_NONE,
        reserved: 0,
        data: sockeye_bytes::ABSENT,
        remaining: 0,
    };

    /// `lent` is where input and scratch room are.
    #[inline]
    pub(crate) fn of(event: &Event<'_>, kept: &mut Kept, lent: &[Range<usize>; 2]) -> Self {
        match event {
            Event::Text(chunk) => Self {
                r#type: SOCKEYE_EVENT_TEXT,
                is_first: chunk.is_first(),
                is_last: chunk.is_last(),
                data: kept.place(chunk.as_str().as_bytes(), lent),
                remaining: chunk.remaining().unwrap_or(u64::MAX),
                ..Self::NONE
            },
            Event::Binary(chunk) => Self {
                r#type: SOCKEYE_EVENT_BINARY,
                is_first: chunk.is_first(),
                is_last: chunk.is_last(),
                data: kept.place(chunk.as_bytes(), lent),
                remaining: chunk.remaining().unwrap_or(u64::MAX),
                ..Self::NONE
            },
            Event::Ping(payload) => {
                Self { r#type: SOCKEYE_EVENT_PING, data: kept.place(payload, lent), ..Self::NONE }
            }
            Event::Pong(payload) => {
                Self { r#type: SOCKEYE_EVENT_PONG, data: kept.place(payload, lent), ..Self::NONE }
            }
            Event::Close(frame) => Self {
                r#type: SOCKEYE_EVENT_CLOSE,
                close_code: frame.code().map_or(0, |code| code.get()),
                data: kept.place(frame.reason().as_bytes(), lent),
                ..Self::NONE
            },
            Event::Failed(error) => Self {
                r#type: SOCKEYE_EVENT_FAILED,
                close_code: error.close_code().get(),
                error: sockeye_protocol_error::of(*error),
                ..Self::NONE
            },
            _ => Self::NONE,
        }
    }
}
