//! What a function comes to.

use std::ffi::{CStr, c_char};

use sockeye::SendError;
use sockeye::handshake::BuildError;

use self::sockeye_result::*;
use crate::boundary::value;

/// What a call came to. Numbers keep their meaning from version to version; new ones
/// may come. Of those below zero, nothing was done and nothing has changed, unless
/// the function says otherwise.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum sockeye_result {
    /// It was done. A command was carried out only if this is the result.
    SOCKEYE_OK = 0,
    /// Not an error: more bytes have to be received first.
    SOCKEYE_NEED_MORE = 1,
    /// Not an error: there is none of what was asked for.
    SOCKEYE_NONE = 2,

    /// A pointer is NULL that must not be.
    SOCKEYE_NULL_POINTER = -1,
    /// Lengths that cannot be, memory that overlaps, a value out of its range.
    SOCKEYE_INVALID_ARGUMENT = -2,
    /// Not now: the functions of this object come in another order.
    SOCKEYE_WRONG_STATE = -3,
    /// A call panicked, which is a bug of the library. The object is in no state to be
    /// used: free it, and drop its transport. It says so from then on.
    SOCKEYE_PANICKED = -4,
    /// The operating system has no random bytes to give.
    SOCKEYE_NO_ENTROPY = -5,
    /// Asked for what this version, or this build, cannot do.
    SOCKEYE_UNSUPPORTED = -6,
    /// The output has no room. Make some (see `sockeye_output`), and call again.
    SOCKEYE_OUTPUT_FULL = -7,
    /// The input has less scratch room than `SOCKEYE_SCRATCH_MIN`. Lend more, and call
    /// again.
    SOCKEYE_SCRATCH_FULL = -8,

    /// A Close frame was sent, or the connection is over: nothing more can be sent
    /// (RFC 6455, section 5.5.1).
    SOCKEYE_CLOSED = -20,
    /// More than 125 bytes for a control frame (section 5.5).
    SOCKEYE_CONTROL_TOO_LONG = -21,
    /// Another message is being sent in fragments: end it first (section 5.4).
    SOCKEYE_FRAGMENT_IN_PROGRESS = -22,
    /// A status code that may not be sent, or a reason without one (section 7.4).
    SOCKEYE_INVALID_CLOSE_CODE = -23,
    /// Text that is not UTF-8 (section 8.1).
    SOCKEYE_INVALID_TEXT = -24,

    /// The opening handshake has failed: by the peer's fault, or since it took too
    /// long. Ask the object which it was.
    SOCKEYE_HANDSHAKE_FAILED = -40,
    /// The same subprotocol twice (section 4.1, item 10).
    SOCKEYE_DUPLICATE_SUBPROTOCOL = -41,
    /// A header name that is not a token (RFC 9110, section 5.6.2).
    SOCKEYE_INVALID_HEADER_NAME = -42,
    /// A header value with a control byte (RFC 9110, section 5.5).
    SOCKEYE_INVALID_HEADER_VALUE = -43,
    /// A host that cannot stand in a Host header.
    SOCKEYE_INVALID_HOST = -44,
    /// A status outside of 200 to 599.
    SOCKEYE_INVALID_STATUS = -45,
    /// A subprotocol that is not a token.
    SOCKEYE_INVALID_SUBPROTOCOL = -46,
    /// A target that is no path with a query: not ASCII, white space, or a fragment
    /// (section 3).
    SOCKEYE_INVALID_TARGET = -47,
    /// A header that the handshake sets itself.
    SOCKEYE_RESERVED_HEADER = -48,
    /// A subprotocol that the client did not offer (section 4.2.2).
    SOCKEYE_SUBPROTOCOL_NOT_OFFERED = -49,

    /// A mistake that is newer than this list.
    SOCKEYE_OTHER_ERROR = -99,
}

/// All of them, in words.
const ALL: [(sockeye_result, &CStr); 27] = [
    (SOCKEYE_OK, c"done"),
    (SOCKEYE_NEED_MORE, c"more bytes have to be received first"),
    (SOCKEYE_NONE, c"there is none"),
    (SOCKEYE_NULL_POINTER, c"a pointer is NULL that must not be"),
    (SOCKEYE_INVALID_ARGUMENT, c"an argument is out of its range, or overlaps another"),
    (SOCKEYE_WRONG_STATE, c"called in the wrong order"),
    (SOCKEYE_PANICKED, c"panicked: a bug of the library"),
    (SOCKEYE_NO_ENTROPY, c"the operating system has no random bytes"),
    (SOCKEYE_UNSUPPORTED, c"not supported by this version or build"),
    (SOCKEYE_OUTPUT_FULL, c"the output has no room"),
    (SOCKEYE_SCRATCH_FULL, c"the input has too little scratch room"),
    (SOCKEYE_CLOSED, c"nothing can be sent: the connection is closing or closed"),
    (SOCKEYE_CONTROL_TOO_LONG, c"a control frame holds at most 125 bytes"),
    (SOCKEYE_FRAGMENT_IN_PROGRESS, c"another message is being sent in fragments"),
    (SOCKEYE_INVALID_CLOSE_CODE, c"this status code or reason may not be sent"),
    (SOCKEYE_INVALID_TEXT, c"text is not UTF-8"),
    (SOCKEYE_HANDSHAKE_FAILED, c"the opening handshake has failed"),
    (SOCKEYE_DUPLICATE_SUBPROTOCOL, c"the same subprotocol twice"),
    (SOCKEYE_INVALID_HEADER_NAME, c"header name that is not a token"),
    (SOCKEYE_INVALID_HEADER_VALUE, c"header value with a control byte"),
    (SOCKEYE_INVALID_HOST, c"host that cannot stand in a Host header"),
    (SOCKEYE_INVALID_STATUS, c"status that cannot refuse a handshake"),
    (SOCKEYE_INVALID_SUBPROTOCOL, c"subprotocol that is not a token"),
    (SOCKEYE_INVALID_TARGET, c"target that is no path with a query"),
    (SOCKEYE_RESERVED_HEADER, c"header that the handshake sets itself"),
    (SOCKEYE_SUBPROTOCOL_NOT_OFFERED, c"subprotocol that the client did not offer"),
    (SOCKEYE_OTHER_ERROR, c"another mistake"),
];

/// A result in words: a line of English, for logs. It lasts as long as the program,
/// and is never NULL; of a number that is no result, it says so. Any thread may call
/// this at any time.
#[unsafe(no_mangle)]
pub extern "C" fn sockeye_result_text(result: i32) -> *const c_char {
    value(c"".as_ptr(), || {
        let known = ALL.iter().find(|(known, _)| *known as i32 == result);
        known.map_or(c"unknown result", |(_, text)| *text).as_ptr()
    })
}

/// The result for a command that was refused; and the room that it wanted.
pub(crate) fn of_send(error: SendError, needed: &mut usize) -> sockeye_result {
    match error {
        SendError::Closed => SOCKEYE_CLOSED,
        SendError::ControlTooLong => SOCKEYE_CONTROL_TOO_LONG,
        SendError::FragmentInProgress => SOCKEYE_FRAGMENT_IN_PROGRESS,
        SendError::InvalidCloseCode => SOCKEYE_INVALID_CLOSE_CODE,
        SendError::InvalidText => SOCKEYE_INVALID_TEXT,
        SendError::OutputFull { needed: room, .. } => {
            *needed = room;
            SOCKEYE_OUTPUT_FULL
        }
        _ => SOCKEYE_OTHER_ERROR,
    }
}

/// The result for a head that cannot be sent as asked; and the room that it wanted.
pub(crate) fn of_build(error: BuildError, needed: &mut usize) -> sockeye_result {
    match error {
        BuildError::DuplicateSubprotocol => SOCKEYE_DUPLICATE_SUBPROTOCOL,
        BuildError::InvalidHeaderName => SOCKEYE_INVALID_HEADER_NAME,
        BuildError::InvalidHeaderValue => SOCKEYE_INVALID_HEADER_VALUE,
        BuildError::InvalidHost => SOCKEYE_INVALID_HOST,
        BuildError::InvalidStatus => SOCKEYE_INVALID_STATUS,
        BuildError::InvalidSubprotocol => SOCKEYE_INVALID_SUBPROTOCOL,
        BuildError::InvalidTarget => SOCKEYE_INVALID_TARGET,
        BuildError::OutputFull { needed: room, .. } => {
            *needed = room;
            SOCKEYE_OUTPUT_FULL
        }
        BuildError::ReservedHeader => SOCKEYE_RESERVED_HEADER,
        BuildError::SubprotocolNotOffered => SOCKEYE_SUBPROTOCOL_NOT_OFFERED,
        _ => SOCKEYE_OTHER_ERROR,
    }
}
