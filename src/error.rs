//! What can be wrong: with the peer ([`ProtocolError`]), with the caller
//! ([`SendError`]).
//!
//! Layer: above `close`. Knows nothing of I/O and its errors.

use core::fmt;

use crate::close::{CloseCode, CloseError};
use crate::frame::HeaderError;

/// A rule that the peer broke. It ends the connection (RFC 6455, section
/// 7.1.7); the Close frame that says so is already in the output, unless we had
/// sent one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A status code that may not be on the wire (section 7.4).
    CloseCodeInvalid,
    /// A Close payload of one byte (section 5.5.1).
    ClosePayloadTruncated,
    /// A close reason that is not UTF-8 (section 5.5.1).
    CloseReasonNotUtf8,
    /// A compressed message that is not DEFLATE, or stops in the middle of it
    /// (RFC 7692, section 7.2.2).
    CompressedDataInvalid,
    /// A compressed message that grows by more than
    /// `DeflateConfig::max_ratio` (RFC 7692, section 8).
    CompressionRatioTooHigh,
    /// A continuation frame with no message to continue (section 5.4).
    ContinuationWithoutStart,
    /// A control frame without FIN (section 5.5).
    ControlFrameFragmented,
    /// A control frame that announces more than 125 bytes (section 5.5).
    ControlFrameTooLong,
    /// A frame that announces more than `Config::max_frame_len` bytes
    /// (section 10.4).
    FrameTooLong,
    /// A length not in its shortest form (section 5.2).
    LengthNotMinimal,
    /// A 64-bit length with its top bit set (section 5.2).
    LengthTopBitSet,
    /// A server's frame that is masked (section 5.1).
    MaskedByServer,
    /// A text or binary frame inside a fragmented message (section 5.4).
    MessageInProgress,
    /// A message that would pass `Config::max_message_len` bytes
    /// (section 10.4).
    MessageTooLong,
    /// RSV bits that no negotiated extension gave a meaning (section 5.2).
    ReservedBits,
    /// An opcode that no negotiated extension gave a meaning (section 5.2).
    ReservedOpcode,
    /// A text message that is not UTF-8 (section 8.1).
    TextNotUtf8,
    /// A message in more than `Config::max_fragments` frames (section 10.4).
    TooManyFragments,
    /// A client's frame that is not masked (section 5.1).
    UnmaskedByClient,
}

impl ProtocolError {
    /// The status code that the Close frame carries: 1002, 1007 or 1009
    /// (section 7.4.1).
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::CloseReasonNotUtf8 | Self::CompressedDataInvalid | Self::TextNotUtf8 => {
                CloseCode::INVALID_PAYLOAD_DATA
            }
            Self::CompressionRatioTooHigh
            | Self::FrameTooLong
            | Self::MessageTooLong
            | Self::TooManyFragments => CloseCode::MESSAGE_TOO_BIG,
            Self::CloseCodeInvalid
            | Self::ClosePayloadTruncated
            | Self::ContinuationWithoutStart
            | Self::ControlFrameFragmented
            | Self::ControlFrameTooLong
            | Self::LengthNotMinimal
            | Self::LengthTopBitSet
            | Self::MaskedByServer
            | Self::MessageInProgress
            | Self::ReservedBits
            | Self::ReservedOpcode
            | Self::UnmaskedByClient => CloseCode::PROTOCOL_ERROR,
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CloseCodeInvalid => "peer closed with a status code that may not be sent",
            Self::ClosePayloadTruncated => "peer sent a Close frame with one byte of payload",
            Self::CloseReasonNotUtf8 => "peer sent a close reason that is not UTF-8",
            Self::CompressedDataInvalid => "peer sent compressed data that cannot be inflated",
            Self::CompressionRatioTooHigh => "peer sent a compressed message that grows too much",
            Self::ContinuationWithoutStart => "peer continued a message that it had not begun",
            Self::ControlFrameFragmented => "peer fragmented a control frame",
            Self::ControlFrameTooLong => "peer sent a control frame of more than 125 bytes",
            Self::FrameTooLong => "peer sent a frame over the configured limit",
            Self::LengthNotMinimal => "peer sent a frame length not in its shortest form",
            Self::LengthTopBitSet => "peer sent a frame length with its top bit set",
            Self::MaskedByServer => "server sent a masked frame",
            Self::MessageInProgress => "peer began a message inside another",
            Self::MessageTooLong => "peer sent a message over the configured limit",
            Self::ReservedBits => "peer set reserved bits of a frame",
            Self::ReservedOpcode => "peer sent a frame with a reserved opcode",
            Self::TextNotUtf8 => "peer sent text that is not UTF-8",
            Self::TooManyFragments => "peer sent a message in too many fragments",
            Self::UnmaskedByClient => "client sent an unmasked frame",
        })
    }
}

impl core::error::Error for ProtocolError {}

impl From<HeaderError> for ProtocolError {
    fn from(error: HeaderError) -> Self {
        match error {
            HeaderError::LengthNotMinimal => Self::LengthNotMinimal,
            HeaderError::LengthTopBit => Self::LengthTopBitSet,
        }
    }
}

impl From<CloseError> for ProtocolError {
    fn from(error: CloseError) -> Self {
        match error {
            CloseError::InvalidCode => Self::CloseCodeInvalid,
            CloseError::InvalidReason => Self::CloseReasonNotUtf8,
            CloseError::Truncated => Self::ClosePayloadTruncated,
        }
    }
}

/// A command that cannot be carried out. Nothing was appended to the output
/// and nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendError {
    /// A Close frame was sent, or the connection is over: "the application
    /// MUST NOT send any more data frames" (section 5.5.1).
    Closed,
    /// More than 125 bytes for a control frame (section 5.5).
    ControlTooLong,
    /// A fragmented message is being sent: end it first (section 5.4).
    FragmentInProgress,
    /// A status code that may not be sent (section 7.4), or a reason without
    /// a status code.
    InvalidCloseCode,
    /// Text that is not UTF-8, or ends inside a character (section 8.1).
    InvalidText,
    /// A client must mask what it sends (section 5.3), and this form of the
    /// message is not masked.
    MaskRequired,
    /// A compressed message is being sent in fragments, and a fragment that is
    /// written from where it is would not be compressed (RFC 7692, section 6.1).
    MessageCompressed,
    /// The output has no room for the frame. Flush it and repeat the command.
    #[non_exhaustive]
    OutputFull {
        /// Bytes that the frame takes; if it is to be compressed, the most that
        /// it could take.
        needed: usize,
    },
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "nothing can be sent: the connection is closing or closed",
            Self::ControlTooLong => "a control frame holds at most 125 bytes",
            Self::FragmentInProgress => "another message is being sent in fragments: end it first",
            Self::InvalidCloseCode => "this status code or reason may not be sent",
            Self::InvalidText => "text to send is not UTF-8",
            Self::MaskRequired => "a client's frame has to be masked",
            Self::MessageCompressed => {
                "a compressed message is being sent: its fragments need sending"
            }
            Self::OutputFull { needed } => {
                return write!(f, "the output has no room for {needed} bytes: flush it first");
            }
        })
    }
}

impl core::error::Error for SendError {}
