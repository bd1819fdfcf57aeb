//! The header of a frame (RFC 6455, section 5.2):
//!
//! ```text
//!   0                   1                   2                   3
//!   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//!  +-+-+-+-+-------+-+-------------+-------------------------------+
//!  |F|R|R|R| opcode|M| Payload len |    Extended payload length    |
//!  |I|S|S|S|  (4)  |A|     (7)     |             (16/64)           |
//!  |N|V|V|V|       |S|             |   (if payload len==126/127)   |
//!  | |1|2|3|       |K|             |                               |
//!  +-+-+-+-+-------+-+-------------+ - - - - - - - - - - - - - - - +
//!  |     Extended payload length continued, if payload len == 127  |
//!  + - - - - - - - - - - - - - - - +-------------------------------+
//!  |                               |Masking-key, if MASK set to 1  |
//!  +-------------------------------+-------------------------------+
//!  | Masking-key (continued)       |          Payload Data         |
//!  +-------------------------------- - - - - - - - - - - - - - - - +
//! ```

use core::fmt;

use super::Opcode;

/// Bytes of the longest header: two, eight of length, four of masking key.
pub const MAX_HEADER_LEN: usize = 14;

/// Bytes of a masking key.
pub(crate) const KEY_LEN: usize = 4;

/// First byte: the last frame of a message.
const FIN: u8 = 0b1000_0000;
/// First byte: the three bits reserved for extensions.
const RSV: u8 = 0b0111_0000;
/// First byte: the first of them, which says that a message is compressed
/// (RFC 7692, section 6).
pub(crate) const RSV1: u8 = 0b0100_0000;
/// Second byte: a masking key follows the length.
pub(crate) const MASK: u8 = 0b1000_0000;
/// Second byte: the length, or one of the two values below.
const LEN_7: u8 = 0b0111_1111;
/// The length follows in two bytes.
const LEN_16: u8 = 126;
/// The length follows in eight bytes.
const LEN_64: u8 = 127;

/// A frame header as a value. Every value can be encoded; `decode` returns
/// only what the wire format of section 5.2 allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrameHeader {
    /// FIN: this is the last frame of its message.
    pub fin: bool,
    /// RSV1, RSV2, RSV3 in the places they have in the first byte: bits
    /// `0b0100_0000`, `0b0010_0000`, `0b0001_0000`.
    pub rsv: u8,
    /// What the payload is.
    pub opcode: Opcode,
    /// The masking key, when the MASK bit is set (section 5.3).
    pub mask: Option<[u8; 4]>,
    /// Bytes of payload that follow, `0..=2^63-1`.
    pub len: u64,
}

impl FrameHeader {
    /// A header with the reserved bits clear.
    #[inline]
    pub const fn new(fin: bool, opcode: Opcode, mask: Option<[u8; 4]>, len: u64) -> Self {
        Self { fin, rsv: 0, opcode, mask, len }
    }

    /// The header as it is without a masking key, if its length takes no bytes
    /// more. With one, [`MASK`] is to be set.
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // of what fits
    pub(crate) fn short(&self) -> Option<[u8; 2]> {
        (self.len < u64::from(LEN_16)).then(|| [self.first_byte(), self.len as u8])
    }

    /// The same if its length takes two bytes more.
    #[inline]
    pub(crate) fn medium(&self) -> Option<[u8; 4]> {
        let [.., high, low] = self.len.to_be_bytes();
        let fits = (u64::from(LEN_16)..=0xFFFF).contains(&self.len);
        fits.then(|| [self.first_byte(), LEN_16, high, low])
    }

    #[inline]
    fn first_byte(&self) -> u8 {
        let fin = if self.fin { FIN } else { 0 };
        fin | self.rsv & RSV | self.opcode.bits()
    }

    /// The bytes of this header, the length in its shortest form.
    ///
    /// Copies at most [`MAX_HEADER_LEN`] bytes; never allocates.
    #[inline]
    pub fn encode(&self) -> EncodedHeader {
        let (short_len, more) = split_len(self.len);
        let (mask, key) = match self.mask {
            Some(key) => (MASK, u32::from_be_bytes(key)),
            None => (0, 0),
        };
        // One number, from its top: what is written in parts is slow to be read
        // right after.
        let start = u16::from_be_bytes([self.first_byte(), mask + short_len]);
        let len = if more == 0 { 0 } else { self.len };
        let bits = 8 * more;
        let all = (u128::from(start) << 112)
            + (u128::from(len) << (112 - bits))
            + (u128::from(key) << (80 - bits));
        let [bytes @ .., _, _] = all.to_be_bytes();
        #[allow(clippy::cast_possible_truncation)] // at most 14
        let len = encoded_len(self.len, self.mask.is_some()) as u8;
        EncodedHeader { bytes, len }
    }
}

/// Bytes that the header of a frame with this much payload takes: 2, 4 or 10,
/// and 4 more with a masking key.
#[inline]
pub const fn encoded_len(payload_len: u64, masked: bool) -> usize {
    let (_, more) = split_len(payload_len);
    if masked { 2 + more + KEY_LEN } else { 2 + more }
}

/// A length as the second byte of a header has it, in its 7 bits, and in how
/// many bytes behind that: 0, 2 or 8.
#[inline]
#[allow(clippy::cast_possible_truncation)] // of what fits
const fn split_len(len: u64) -> (u8, usize) {
    match len {
        0..=125 => (len as u8, 0),
        126..=0xFFFF => (LEN_16, 2),
        _ => (LEN_64, 8),
    }
}

/// The bytes of one header, held inline.
#[derive(Clone, Copy)]
pub struct EncodedHeader {
    bytes: [u8; MAX_HEADER_LEN],
    len: u8,
}

impl EncodedHeader {
    /// The bytes to put on the wire, 2 to [`MAX_HEADER_LEN`] of them.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl AsRef<[u8]> for EncodedHeader {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Debug for EncodedHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncodedHeader({:02x?})", self.as_bytes())
    }
}

/// A length that section 5.2 forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderError {
    /// The length could have been written in fewer bytes ("the minimal number
    /// of bytes MUST be used to encode the length").
    LengthNotMinimal,
    /// The top bit of the 64-bit length is set ("the most significant bit
    /// MUST be 0").
    LengthTopBit,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LengthNotMinimal => "frame length not in its shortest form",
            Self::LengthTopBit => "top bit of a 64-bit frame length set",
        })
    }
}

impl core::error::Error for HeaderError {}

/// FIN, the reserved bits and the opcode of a header's first byte.
#[inline]
pub(crate) const fn split_first(first: u8) -> (bool, u8, Opcode) {
    (first & FIN != 0, first & RSV, Opcode::from_bits(first))
}

/// MASK and the 7-bit length of a header's second byte.
#[inline]
pub(crate) const fn split_second(second: u8) -> (bool, u8) {
    (second & MASK != 0, second & LEN_7)
}

/// Reads the header at the front of `bytes`.
///
/// Gives the header and its length in bytes, 2 to [`MAX_HEADER_LEN`], or
/// `None` when more bytes are needed. Looks at no payload; never allocates.
///
/// # Errors
///
/// A length that is not in its shortest form or has its top bit set, as soon
/// as the bytes of the length are there.
#[inline]
pub fn decode(bytes: &[u8]) -> Result<Option<(FrameHeader, usize)>, HeaderError> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    let (fin, rsv, opcode) = split_first(*first);
    let (masked, len) = split_second(*second);
    let (len, rest) = match (len, rest) {
        (LEN_16, [a, b, rest @ ..]) => {
            let len = u16::from_be_bytes([*a, *b]);
            if len < u16::from(LEN_16) {
                return Err(HeaderError::LengthNotMinimal);
            }
            (u64::from(len), rest)
        }
        (LEN_64, rest) => {
            let Some((len, rest)) = rest.split_first_chunk::<8>() else {
                return Ok(None);
            };
            let len = u64::from_be_bytes(*len);
            if len > u64::MAX >> 1 {
                return Err(HeaderError::LengthTopBit);
            }
            if len <= 0xFFFF {
                return Err(HeaderError::LengthNotMinimal);
            }
            (len, rest)
        }
        (LEN_16, _) => return Ok(None),
        (len, rest) => (u64::from(len), rest),
    };
    let (mask, rest) = if masked {
        let Some((key, rest)) = rest.split_first_chunk::<4>() else {
            return Ok(None);
        };
        (Some(*key), rest)
    } else {
        (None, rest)
    };
    Ok(Some((FrameHeader { fin, rsv, opcode, mask, len }, bytes.len() - rest.len())))
}

/// Where the payload of a whole, unmasked or masked, data frame is.
pub(crate) struct WholeFrame {
    /// Text or Binary.
    pub(crate) opcode: Opcode,
    /// Zeros if there is none.
    pub(crate) key: [u8; 4],
    /// Bytes of the header.
    pub(crate) start: usize,
    /// Bytes of payload, which are there.
    pub(crate) len: usize,
}

/// The short way for the most usual frame of all: an unfragmented message with
/// no reserved bits, `masked` or not as it has to be, of less than 64 KiB, that
/// is whole in `bytes`. `None` if it is not, and for [`decode`] to judge.
#[inline]
pub(crate) fn decode_whole(bytes: &[u8], masked: bool) -> Option<WholeFrame> {
    const TEXT: u8 = FIN | Opcode::TEXT.bits();
    const BINARY: u8 = FIN | Opcode::BINARY.bits();
    let &[first, second, ref rest @ ..] = bytes else { return None };
    let (is_masked, len) = split_second(second);
    if !matches!(first, TEXT | BINARY) || is_masked != masked {
        return None;
    }
    let (len, rest) = match (len, rest) {
        (LEN_16, &[a, b, ref rest @ ..]) => match u16::from_be_bytes([a, b]) {
            0..126 => return None,
            len => (usize::from(len), rest),
        },
        (LEN_16 | LEN_64, _) => return None,
        (len, rest) => (usize::from(len), rest),
    };
    let (key, rest) = match rest {
        &[a, b, c, d, ref rest @ ..] if masked => ([a, b, c, d], rest),
        _ if masked => return None,
        rest => ([0; 4], rest),
    };
    let start = bytes.len() - rest.len();
    (len <= rest.len()).then_some(WholeFrame { opcode: Opcode::from_bits(first), key, start, len })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The short way gives what `decode` gives, for the frames that it is for,
    /// and for those only: all starts, and lengths about each border.
    #[test]
    fn a_whole_frame_is_what_decode_says() {
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                for more in [[0, 0], [0, 125], [0, 126], [1, 0], [0xFF, 0xFF]] {
                    let mut bytes = alloc::vec![7; 150];
                    bytes[..4].copy_from_slice(&[first, second, more[0], more[1]]);
                    for len in [0, 1, 2, 5, 6, 7, 60, 133, 134, 135, 150] {
                        for masked in [false, true] {
                            check(&bytes[..len], masked);
                        }
                    }
                }
            }
        }
    }

    /// The arrays are there where they are enough, and are what `encode` gives
    /// without a masking key.
    #[test]
    fn short_and_medium_headers_are_what_encode_says() {
        for len in [0, 1, 124, 125, 126, 127, 0xFFFE, 0xFFFF, 0x1_0000, u64::MAX >> 1] {
            for (fin, opcode) in [(true, Opcode::TEXT), (false, Opcode::CONTINUATION)] {
                let mut header = FrameHeader::new(fin, opcode, None, len);
                header.rsv = RSV1;
                let encoded = header.encode();
                let bytes = encoded.as_bytes();
                assert_eq!(header.short().is_some(), len < 126);
                assert_eq!(header.medium().is_some(), (126..0x1_0000).contains(&len));
                assert!(header.short().is_none_or(|short| short == bytes), "{header:?}");
                assert!(header.medium().is_none_or(|medium| medium == bytes), "{header:?}");
            }
        }
    }

    fn check(bytes: &[u8], masked: bool) {
        let expected = decode(bytes).ok().flatten().filter(|(header, used)| {
            header.fin
                && header.rsv == 0
                && matches!(header.opcode, Opcode::TEXT | Opcode::BINARY)
                && header.mask.is_some() == masked
                && header.len <= 0xFFFF
                && *used as u64 + header.len <= bytes.len() as u64
        });
        let found = decode_whole(bytes, masked)
            .map(|whole| (whole.opcode, whole.key, whole.start, whole.len as u64));
        let expected = expected.map(|(header, used)| {
            (header.opcode, header.mask.unwrap_or_default(), used, header.len)
        });
        assert_eq!(found, expected, "{bytes:02x?}");
    }
}
