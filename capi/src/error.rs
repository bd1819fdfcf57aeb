//! What a peer can do wrong: the engine's lists, with numbers.

use std::ffi::c_char;
use std::sync::OnceLock;

use sockeye::ProtocolError;
use sockeye::handshake::{HeadError, RequestError, ResponseError};

use self::sockeye_handshake_error::*;
use self::sockeye_protocol_error::*;
use crate::boundary::value;
use crate::texts::{Texts, said_of, text_of};

/// A rule of RFC 6455, or RFC 7692, that the peer broke in an open connection. The
/// Close frame that says so is in the output already (RFC 6455, section 7.1.7).
/// Numbers keep their meaning from version to version; new ones may come.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum sockeye_protocol_error {
    /// None.
    SOCKEYE_PROTOCOL_NONE = 0,
    /// A status code that may not be on the wire (section 7.4).
    SOCKEYE_PROTOCOL_CLOSE_CODE_INVALID = 1,
    /// A Close payload of one byte (section 5.5.1).
    SOCKEYE_PROTOCOL_CLOSE_PAYLOAD_TRUNCATED = 2,
    /// A close reason that is not UTF-8 (section 5.5.1).
    SOCKEYE_PROTOCOL_CLOSE_REASON_NOT_UTF8 = 3,
    /// A compressed message that is not DEFLATE, or stops in the middle of it (RFC 7692,
    /// section 7.2.2).
    SOCKEYE_PROTOCOL_COMPRESSED_DATA_INVALID = 4,
    /// A compressed message that grows by more than `deflate_max_ratio` (RFC 7692,
    /// section 8).
    SOCKEYE_PROTOCOL_COMPRESSION_RATIO_TOO_HIGH = 5,
    /// A continuation frame with no message to continue (section 5.4).
    SOCKEYE_PROTOCOL_CONTINUATION_WITHOUT_START = 6,
    /// A control frame without FIN (section 5.5).
    SOCKEYE_PROTOCOL_CONTROL_FRAME_FRAGMENTED = 7,
    /// A control frame that announces more than 125 bytes (section 5.5).
    SOCKEYE_PROTOCOL_CONTROL_FRAME_TOO_LONG = 8,
    /// A frame that announces more than `max_frame_len` bytes (section 10.4).
    SOCKEYE_PROTOCOL_FRAME_TOO_LONG = 9,
    /// A length not in its shortest form (section 5.2).
    SOCKEYE_PROTOCOL_LENGTH_NOT_MINIMAL = 10,
    /// A 64-bit length with its top bit set (section 5.2).
    SOCKEYE_PROTOCOL_LENGTH_TOP_BIT_SET = 11,
    /// A server's frame that is masked (section 5.1).
    SOCKEYE_PROTOCOL_MASKED_BY_SERVER = 12,
    /// A text or binary frame inside a fragmented message (section 5.4).
    SOCKEYE_PROTOCOL_MESSAGE_IN_PROGRESS = 13,
    /// A message that would pass `max_message_len` bytes (section 10.4).
    SOCKEYE_PROTOCOL_MESSAGE_TOO_LONG = 14,
    /// RSV bits that no negotiated extension gave a meaning (section 5.2).
    SOCKEYE_PROTOCOL_RESERVED_BITS = 15,
    /// An opcode that no negotiated extension gave a meaning (section 5.2).
    SOCKEYE_PROTOCOL_RESERVED_OPCODE = 16,
    /// A text message that is not UTF-8 (section 8.1).
    SOCKEYE_PROTOCOL_TEXT_NOT_UTF8 = 17,
    /// A message in more than `max_fragments` frames (section 10.4).
    SOCKEYE_PROTOCOL_TOO_MANY_FRAGMENTS = 18,
    /// A client's frame that is not masked (section 5.1).
    SOCKEYE_PROTOCOL_UNMASKED_BY_CLIENT = 19,
    /// One that is newer than this list.
    SOCKEYE_PROTOCOL_OTHER = 99,
}

/// What is wrong with the other end's part of the opening handshake (RFC 6455,
/// section 4). Numbers keep their meaning from version to version; new ones may come.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum sockeye_handshake_error {
    /// Nothing.
    SOCKEYE_HANDSHAKE_NONE = 0,

    /// A CR without LF, which some read as the end of a line and others do not (RFC 9112,
    /// section 2.2).
    SOCKEYE_HEAD_BARE_CARRIAGE_RETURN = 1,
    /// An LF without CR. RFC 9112 (section 2.2) lets a recipient take it for the end of a
    /// line; we refuse it, because peers that differ about where a line ends are how
    /// requests get smuggled.
    SOCKEYE_HEAD_BARE_LINE_FEED = 2,
    /// A byte that no part of a head may hold, such as NUL; or the beginning of something
    /// that is not HTTP.
    SOCKEYE_HEAD_CONTROL_BYTE = 3,
    /// A first line that is neither a request line nor a status line.
    SOCKEYE_HEAD_FIRST_LINE = 4,
    /// A header line that goes on in the next (obs-fold, RFC 9112, section 5.2).
    SOCKEYE_HEAD_FOLDED_LINE = 5,
    /// A line that is no header: no colon, white space before it, or a name that is not a
    /// token (RFC 9112, section 5.1).
    SOCKEYE_HEAD_HEADER_SYNTAX = 6,
    /// A target longer than `max_target_len`.
    SOCKEYE_HEAD_TARGET_TOO_LONG = 7,
    /// A head longer than `max_head_len`.
    SOCKEYE_HEAD_TOO_LONG = 8,
    /// More header lines than `max_headers`.
    SOCKEYE_HEAD_TOO_MANY_HEADERS = 9,

    /// `Content-Length` other than 0, or `Transfer-Encoding`: a body has no place before
    /// frames.
    SOCKEYE_REQUEST_BODY_NOT_ALLOWED = 21,
    /// No `Upgrade` in `Connection` (section 4.2.1, item 4).
    SOCKEYE_REQUEST_CONNECTION_MISSING = 22,
    /// `Sec-WebSocket-Extensions` does not follow its grammar (section 9.1).
    SOCKEYE_REQUEST_EXTENSION_INVALID = 23,
    /// Two `Host` lines, or not a host.
    SOCKEYE_REQUEST_HOST_INVALID = 24,
    /// No `Host` line (section 4.2.1, item 2).
    SOCKEYE_REQUEST_HOST_MISSING = 25,
    /// HTTP/1.0, which cannot upgrade (section 4.2.1, item 1).
    SOCKEYE_REQUEST_HTTP_VERSION_TOO_OLD = 26,
    /// A major version of HTTP other than 1.
    SOCKEYE_REQUEST_HTTP_VERSION_UNSUPPORTED = 27,
    /// Two keys, or one that is not 16 bytes in base64 (section 4.2.1, item 5).
    SOCKEYE_REQUEST_KEY_INVALID = 28,
    /// No `Sec-WebSocket-Key`.
    SOCKEYE_REQUEST_KEY_MISSING = 29,
    /// A method other than GET (section 4.2.1, item 1).
    SOCKEYE_REQUEST_METHOD_NOT_GET = 30,
    /// Two `Origin` lines, or bytes that no origin has.
    SOCKEYE_REQUEST_ORIGIN_INVALID = 31,
    /// The origin is not among those allowed (section 4.2.2, item 4).
    SOCKEYE_REQUEST_ORIGIN_NOT_ALLOWED = 32,
    /// `Sec-WebSocket-Protocol` with something that is not a token, or with nothing.
    SOCKEYE_REQUEST_SUBPROTOCOL_INVALID = 33,
    /// A target that is neither a path nor a URL of a scheme we serve.
    SOCKEYE_REQUEST_TARGET_INVALID = 34,
    /// The request did not come within `handshake_timeout_ns`.
    SOCKEYE_REQUEST_TIMEOUT = 35,
    /// No `websocket` in `Upgrade` (section 4.2.1, item 3): likely a plain HTTP request.
    SOCKEYE_REQUEST_UPGRADE_MISSING = 36,
    /// `Sec-WebSocket-Version` twice, or not one number.
    SOCKEYE_REQUEST_VERSION_INVALID = 37,
    /// A version other than 13, or none (section 4.4).
    SOCKEYE_REQUEST_VERSION_UNSUPPORTED = 38,

    /// `Sec-WebSocket-Accept` is absent, double, or proves nothing (section 4.1, item 4).
    SOCKEYE_REPLY_ACCEPT_INVALID = 61,
    /// No `Upgrade` in `Connection` (item 3).
    SOCKEYE_REPLY_CONNECTION_MISSING = 62,
    /// The stream ended before the reply was complete.
    SOCKEYE_REPLY_END_OF_STREAM = 63,
    /// An extension that was not offered (item 5), or no list of extensions.
    SOCKEYE_REPLY_EXTENSION_NOT_OFFERED = 64,
    /// Parameters of permessage-deflate that answer none of the offers (RFC 7692, section
    /// 7.1).
    SOCKEYE_REPLY_EXTENSION_PARAMETERS = 65,
    /// A status line of another version than HTTP/1.1.
    SOCKEYE_REPLY_HTTP_VERSION_UNSUPPORTED = 66,
    /// A subprotocol that was not offered, or several (item 6).
    SOCKEYE_REPLY_SUBPROTOCOL_NOT_OFFERED = 67,
    /// The reply did not come within `handshake_timeout_ns`.
    SOCKEYE_REPLY_TIMEOUT = 68,
    /// No `websocket` in `Upgrade` (item 2).
    SOCKEYE_REPLY_UPGRADE_MISSING = 69,

    /// One that is newer than this list.
    SOCKEYE_HANDSHAKE_OTHER = 99,
}

const PROTOCOL: [(sockeye_protocol_error, ProtocolError); 19] = [
    (SOCKEYE_PROTOCOL_CLOSE_CODE_INVALID, ProtocolError::CloseCodeInvalid),
    (SOCKEYE_PROTOCOL_CLOSE_PAYLOAD_TRUNCATED, ProtocolError::ClosePayloadTruncated),
    (SOCKEYE_PROTOCOL_CLOSE_REASON_NOT_UTF8, ProtocolError::CloseReasonNotUtf8),
    (SOCKEYE_PROTOCOL_COMPRESSED_DATA_INVALID, ProtocolError::CompressedDataInvalid),
    (SOCKEYE_PROTOCOL_COMPRESSION_RATIO_TOO_HIGH, ProtocolError::CompressionRatioTooHigh),
    (SOCKEYE_PROTOCOL_CONTINUATION_WITHOUT_START, ProtocolError::ContinuationWithoutStart),
    (SOCKEYE_PROTOCOL_CONTROL_FRAME_FRAGMENTED, ProtocolError::ControlFrameFragmented),
    (SOCKEYE_PROTOCOL_CONTROL_FRAME_TOO_LONG, ProtocolError::ControlFrameTooLong),
    (SOCKEYE_PROTOCOL_FRAME_TOO_LONG, ProtocolError::FrameTooLong),
    (SOCKEYE_PROTOCOL_LENGTH_NOT_MINIMAL, ProtocolError::LengthNotMinimal),
    (SOCKEYE_PROTOCOL_LENGTH_TOP_BIT_SET, ProtocolError::LengthTopBitSet),
    (SOCKEYE_PROTOCOL_MASKED_BY_SERVER, ProtocolError::MaskedByServer),
    (SOCKEYE_PROTOCOL_MESSAGE_IN_PROGRESS, ProtocolError::MessageInProgress),
    (SOCKEYE_PROTOCOL_MESSAGE_TOO_LONG, ProtocolError::MessageTooLong),
    (SOCKEYE_PROTOCOL_RESERVED_BITS, ProtocolError::ReservedBits),
    (SOCKEYE_PROTOCOL_RESERVED_OPCODE, ProtocolError::ReservedOpcode),
    (SOCKEYE_PROTOCOL_TEXT_NOT_UTF8, ProtocolError::TextNotUtf8),
    (SOCKEYE_PROTOCOL_TOO_MANY_FRAGMENTS, ProtocolError::TooManyFragments),
    (SOCKEYE_PROTOCOL_UNMASKED_BY_CLIENT, ProtocolError::UnmaskedByClient),
];

const HEAD: [(sockeye_handshake_error, HeadError); 9] = [
    (SOCKEYE_HEAD_BARE_CARRIAGE_RETURN, HeadError::BareCarriageReturn),
    (SOCKEYE_HEAD_BARE_LINE_FEED, HeadError::BareLineFeed),
    (SOCKEYE_HEAD_CONTROL_BYTE, HeadError::ControlByte),
    (SOCKEYE_HEAD_FIRST_LINE, HeadError::FirstLine),
    (SOCKEYE_HEAD_FOLDED_LINE, HeadError::FoldedLine),
    (SOCKEYE_HEAD_HEADER_SYNTAX, HeadError::HeaderSyntax),
    (SOCKEYE_HEAD_TARGET_TOO_LONG, HeadError::TargetTooLong),
    (SOCKEYE_HEAD_TOO_LONG, HeadError::TooLong),
    (SOCKEYE_HEAD_TOO_MANY_HEADERS, HeadError::TooManyHeaders),
];

const REQUEST: [(sockeye_handshake_error, RequestError); 18] = [
    (SOCKEYE_REQUEST_BODY_NOT_ALLOWED, RequestError::BodyNotAllowed),
    (SOCKEYE_REQUEST_CONNECTION_MISSING, RequestError::ConnectionMissing),
    (SOCKEYE_REQUEST_EXTENSION_INVALID, RequestError::ExtensionInvalid),
    (SOCKEYE_REQUEST_HOST_INVALID, RequestError::HostInvalid),
    (SOCKEYE_REQUEST_HOST_MISSING, RequestError::HostMissing),
    (SOCKEYE_REQUEST_HTTP_VERSION_TOO_OLD, RequestError::HttpVersionTooOld),
    (SOCKEYE_REQUEST_HTTP_VERSION_UNSUPPORTED, RequestError::HttpVersionUnsupported),
    (SOCKEYE_REQUEST_KEY_INVALID, RequestError::KeyInvalid),
    (SOCKEYE_REQUEST_KEY_MISSING, RequestError::KeyMissing),
    (SOCKEYE_REQUEST_METHOD_NOT_GET, RequestError::MethodNotGet),
    (SOCKEYE_REQUEST_ORIGIN_INVALID, RequestError::OriginInvalid),
    (SOCKEYE_REQUEST_ORIGIN_NOT_ALLOWED, RequestError::OriginNotAllowed),
    (SOCKEYE_REQUEST_SUBPROTOCOL_INVALID, RequestError::SubprotocolInvalid),
    (SOCKEYE_REQUEST_TARGET_INVALID, RequestError::TargetInvalid),
    (SOCKEYE_REQUEST_TIMEOUT, RequestError::Timeout),
    (SOCKEYE_REQUEST_UPGRADE_MISSING, RequestError::UpgradeMissing),
    (SOCKEYE_REQUEST_VERSION_INVALID, RequestError::VersionInvalid),
    (SOCKEYE_REQUEST_VERSION_UNSUPPORTED, RequestError::VersionUnsupported),
];

const REPLY: [(sockeye_handshake_error, ResponseError); 9] = [
    (SOCKEYE_REPLY_ACCEPT_INVALID, ResponseError::AcceptInvalid),
    (SOCKEYE_REPLY_CONNECTION_MISSING, ResponseError::ConnectionMissing),
    (SOCKEYE_REPLY_END_OF_STREAM, ResponseError::EndOfStream),
    (SOCKEYE_REPLY_EXTENSION_NOT_OFFERED, ResponseError::ExtensionNotOffered),
    (SOCKEYE_REPLY_EXTENSION_PARAMETERS, ResponseError::ExtensionParameters),
    (SOCKEYE_REPLY_HTTP_VERSION_UNSUPPORTED, ResponseError::HttpVersionUnsupported),
    (SOCKEYE_REPLY_SUBPROTOCOL_NOT_OFFERED, ResponseError::SubprotocolNotOffered),
    (SOCKEYE_REPLY_TIMEOUT, ResponseError::Timeout),
    (SOCKEYE_REPLY_UPGRADE_MISSING, ResponseError::UpgradeMissing),
];

/// The number of an error in a list.
fn number<N: Copy, E: PartialEq>(list: &[(N, E)], error: &E, other: N) -> N {
    list.iter().find(|(_, known)| known == error).map_or(other, |(number, _)| *number)
}

impl sockeye_protocol_error {
    pub(crate) fn of(error: ProtocolError) -> Self {
        number(&PROTOCOL, &error, SOCKEYE_PROTOCOL_OTHER)
    }
}

impl sockeye_handshake_error {
    pub(crate) fn of_request(error: RequestError) -> Self {
        match error {
            RequestError::Head(error) => number(&HEAD, &error, SOCKEYE_HANDSHAKE_OTHER),
            error => number(&REQUEST, &error, SOCKEYE_HANDSHAKE_OTHER),
        }
    }

    pub(crate) fn of_reply(error: ResponseError) -> Self {
        match error {
            ResponseError::Head(error) => number(&HEAD, &error, SOCKEYE_HANDSHAKE_OTHER),
            error => number(&REPLY, &error, SOCKEYE_HANDSHAKE_OTHER),
        }
    }
}

/// A broken rule in words, as `sockeye_result_text`.
#[unsafe(no_mangle)]
pub extern "C" fn sockeye_protocol_error_text(error: i32) -> *const c_char {
    static TEXTS: Texts = OnceLock::new();
    text_of(&TEXTS, error, c"unknown protocol error", || {
        PROTOCOL.iter().map(|(number, error)| (*number as i32, said_of(error))).collect()
    })
}

/// The status code of the Close frame that answers a broken rule: 1002, 1007 or 1009
/// (RFC 6455, section 7.4.1); 0 for a number that is no rule.
#[unsafe(no_mangle)]
pub extern "C" fn sockeye_protocol_error_close_code(error: i32) -> u16 {
    value(0, || {
        let known = PROTOCOL.iter().find(|(number, _)| *number as i32 == error);
        known.map_or(0, |(_, error)| error.close_code().get())
    })
}

/// What is wrong with a handshake in words, as `sockeye_result_text`.
#[unsafe(no_mangle)]
pub extern "C" fn sockeye_handshake_error_text(error: i32) -> *const c_char {
    static TEXTS: Texts = OnceLock::new();
    text_of(&TEXTS, error, c"unknown handshake error", || {
        let head = HEAD.iter().map(|(number, error)| (*number as i32, said_of(error)));
        let request = REQUEST.iter().map(|(number, error)| (*number as i32, said_of(error)));
        let reply = REPLY.iter().map(|(number, error)| (*number as i32, said_of(error)));
        head.chain(request).chain(reply).collect()
    })
}
