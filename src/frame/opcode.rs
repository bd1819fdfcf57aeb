//! Opcodes (RFC 6455, sections 5.2 and 11.8).

use core::fmt;

/// What a frame's payload is: the low four bits of its first byte.
///
/// An open newtype: reserved opcodes are kept as they came, so that a log can
/// name them. RFC 6455, section 11.8.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Opcode(u8);

impl Opcode {
    /// A further fragment of the message in progress.
    pub const CONTINUATION: Self = Self(0x0);
    /// The first frame of a text message.
    pub const TEXT: Self = Self(0x1);
    /// The first frame of a binary message.
    pub const BINARY: Self = Self(0x2);
    /// Starts or answers the closing handshake (section 5.5.1).
    pub const CLOSE: Self = Self(0x8);
    /// Asks for a Pong (section 5.5.2).
    pub const PING: Self = Self(0x9);
    /// Answers a Ping, or comes unasked (section 5.5.3).
    pub const PONG: Self = Self(0xA);

    /// The opcode in the low four bits of `byte`; the high bits are ignored.
    #[inline]
    pub const fn from_bits(byte: u8) -> Self {
        Self(byte & 0x0F)
    }

    /// The four bits as they stand on the wire, `0x0..=0xF`.
    #[inline]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// True for Close, Ping, Pong and the reserved control opcodes `0xB..=0xF`
    /// (section 5.5: the most significant bit of the opcode is set).
    #[inline]
    pub const fn is_control(self) -> bool {
        self.0 & 0x8 != 0
    }

    /// True for the opcodes that RFC 6455 gives no meaning: `0x3..=0x7` and
    /// `0xB..=0xF`.
    #[inline]
    pub const fn is_reserved(self) -> bool {
        matches!(self.0, 0x3..=0x7 | 0xB..)
    }
}

impl fmt::Debug for Opcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::CONTINUATION => f.write_str("CONTINUATION"),
            Self::TEXT => f.write_str("TEXT"),
            Self::BINARY => f.write_str("BINARY"),
            Self::CLOSE => f.write_str("CLOSE"),
            Self::PING => f.write_str("PING"),
            Self::PONG => f.write_str("PONG"),
            Self(bits) => write!(f, "Opcode({bits:#X})"),
        }
    }
}
