//! UTF-8 that arrives in pieces (RFC 6455, sections 5.6 and 8.1).
//!
//! Layer: the lowest. A message's text may be cut anywhere, by frames and by
//! reads, also inside a character. What a cut leaves over, at most three
//! bytes, is carried to the next piece; invalid text is found at the first
//! byte that cannot continue, not at the end of the piece.

use core::fmt;

/// The bytes as text, or `None` if they are not all of it UTF-8.
#[inline]
pub(crate) fn validate(bytes: &[u8]) -> Option<&str> {
    #[cfg(feature = "simdutf8")]
    return simdutf8::basic::from_utf8(bytes).ok();
    #[cfg(not(feature = "simdutf8"))]
    core::str::from_utf8(bytes).ok()
}

/// Bytes at the end, at most three, that begin a character and do not end it,
/// if they are UTF-8 at all.
#[inline]
fn cut_len(bytes: &[u8]) -> usize {
    match *bytes {
        [.., 0..0x80] | [] => 0,
        [.., 0xC0..=0xFF] => 1,
        [.., 0xE0..=0xFF, _] => 2,
        [.., 0xF0..=0xFF, _, _] => 3,
        _ => 0,
    }
}

/// Bytes that cannot be part of UTF-8 text where they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InvalidUtf8;

impl fmt::Display for InvalidUtf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text that is not UTF-8")
    }
}

impl core::error::Error for InvalidUtf8 {}

/// Decodes text that comes in pieces; carries the bytes of one unfinished
/// character. Five bytes of state, no allocation.
#[derive(Clone, Copy, Debug)]
pub struct Utf8Decoder {
    carry: imp::Carry,
}

/// What [`Utf8Decoder::decode`] found in a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Decoded<'a> {
    /// The piece up to where it stops being whole, valid characters.
    pub text: &'a str,
    /// False when the byte behind `text` (or a later one of the same
    /// character) cannot be UTF-8. True also when a character is unfinished.
    pub valid: bool,
}

impl Utf8Decoder {
    /// A decoder at the start of a text.
    pub const fn new() -> Self {
        Self { carry: imp::Carry::EMPTY }
    }

    /// True between two characters: the text could end here.
    #[inline]
    pub fn is_at_boundary(&self) -> bool {
        self.carry.is_empty()
    }

    /// Decodes a piece that starts between two characters; an unfinished one
    /// at its end is carried. One pass over `bytes`, nothing copied.
    ///
    /// While [`is_at_boundary`](Self::is_at_boundary) is false, call
    /// [`complete`](Self::complete) instead: here the carried bytes would be
    /// dropped.
    #[inline]
    pub fn decode<'a>(&mut self, bytes: &'a [u8]) -> Decoded<'a> {
        // All of it is valid, but for an unfinished character: anything else
        // is worth a second look, which says where it stops being so.
        let (whole, cut) = bytes.split_at(bytes.len() - cut_len(bytes));
        if let Some(text) = validate(whole) {
            let (rest, carry, valid) = imp::decode(cut);
            if cut.is_empty() || valid && rest.is_empty() {
                self.carry = carry;
                return Decoded { text, valid: true };
            }
        }
        self.decode_exactly(bytes)
    }

    #[inline(never)]
    fn decode_exactly<'a>(&mut self, bytes: &'a [u8]) -> Decoded<'a> {
        let (text, valid);
        (text, self.carry, valid) = imp::decode(bytes);
        Decoded { text, valid }
    }

    /// Adds one byte to the carried character; gives the character when this
    /// byte ends it.
    ///
    /// # Errors
    ///
    /// A byte that cannot continue the character.
    pub fn complete(&mut self, byte: u8) -> Result<Option<JoinedChar>, InvalidUtf8> {
        self.carry.push(byte)
    }

    /// The number of carried bytes, 0 to 3.
    pub(crate) fn carried(&self) -> usize {
        self.carry.as_bytes().len()
    }

    /// Puts the carried bytes at the front of `room`, so that what comes next
    /// can be decoded together with them; the decoder is between two characters
    /// then. Gives their number, 0 to 3.
    pub(crate) fn take_carry(&mut self, room: &mut [u8]) -> usize {
        let carry = core::mem::replace(&mut self.carry, imp::Carry::EMPTY);
        let bytes = carry.as_bytes();
        room[..bytes.len()].copy_from_slice(bytes);
        bytes.len()
    }

    /// Checks a whole piece, of any cut, for those who need no `&str`.
    ///
    /// # Errors
    ///
    /// A byte that cannot be UTF-8 where it stands.
    pub fn check(&mut self, mut bytes: &[u8]) -> Result<(), InvalidUtf8> {
        while !self.is_at_boundary() {
            let [byte, rest @ ..] = bytes else { return Ok(()) };
            self.complete(*byte)?;
            bytes = rest;
        }
        if self.decode(bytes).valid { Ok(()) } else { Err(InvalidUtf8) }
    }
}

impl Default for Utf8Decoder {
    fn default() -> Self {
        Self::new()
    }
}

/// One character, one to four bytes, held inline: its bytes came apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct JoinedChar {
    bytes: [u8; 4],
    len: u8,
}

impl JoinedChar {
    fn new(text: &str) -> Self {
        let mut bytes = [0; 4];
        let len = text.len().min(4);
        bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
        #[allow(clippy::cast_possible_truncation)] // at most 4
        Self { bytes, len: len as u8 }
    }

    /// The character.
    pub fn as_str(&self) -> &str {
        // Made from a `str`: never the fallback.
        validate(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

impl fmt::Debug for JoinedChar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// The seam to whatever decodes: `utf-8` where there is std, `core::str`
/// elsewhere. The tests below hold the two against each other.
#[cfg(not(feature = "std"))]
use over_core as imp;
#[cfg(feature = "std")]
use over_utf_8 as imp;

#[cfg(feature = "std")]
mod over_utf_8 {
    use super::{InvalidUtf8, JoinedChar};
    use utf8::{DecodeError, Incomplete};

    #[derive(Clone, Copy, Debug)]
    pub(super) struct Carry(Incomplete);

    impl Carry {
        pub(super) const EMPTY: Self = Self(Incomplete { buffer: [0; 4], buffer_len: 0 });

        #[inline]
        pub(super) fn is_empty(&self) -> bool {
            self.0.is_empty()
        }

        pub(super) fn as_bytes(&self) -> &[u8] {
            &self.0.buffer[..usize::from(self.0.buffer_len)]
        }

        pub(super) fn push(&mut self, byte: u8) -> Result<Option<JoinedChar>, InvalidUtf8> {
            match self.0.try_complete(&[byte]) {
                None => Ok(None),
                Some((Ok(text), _)) => Ok(Some(JoinedChar::new(text))),
                Some((Err(_), _)) => Err(InvalidUtf8),
            }
        }
    }

    #[inline]
    pub(super) fn decode(bytes: &[u8]) -> (&str, Carry, bool) {
        match utf8::decode(bytes) {
            Ok(text) => (text, Carry::EMPTY, true),
            Err(DecodeError::Incomplete { valid_prefix, incomplete_suffix }) => {
                (valid_prefix, Carry(incomplete_suffix), true)
            }
            Err(DecodeError::Invalid { valid_prefix, .. }) => (valid_prefix, Carry::EMPTY, false),
        }
    }
}

#[cfg(any(test, not(feature = "std")))]
mod over_core {
    use super::{InvalidUtf8, JoinedChar, validate};

    #[derive(Clone, Copy, Debug)]
    pub(super) struct Carry {
        bytes: [u8; 4],
        len: u8,
    }

    impl Carry {
        pub(super) const EMPTY: Self = Self { bytes: [0; 4], len: 0 };

        #[inline]
        pub(super) fn is_empty(&self) -> bool {
            self.len == 0
        }

        pub(super) fn as_bytes(&self) -> &[u8] {
            &self.bytes[..usize::from(self.len)]
        }

        pub(super) fn push(&mut self, byte: u8) -> Result<Option<JoinedChar>, InvalidUtf8> {
            let len = usize::from(self.len);
            // A carry is the beginning of one character: at most three bytes.
            *self.bytes.get_mut(len).ok_or(InvalidUtf8)? = byte;
            match core::str::from_utf8(&self.bytes[..=len]) {
                Ok(text) => {
                    self.len = 0;
                    Ok(Some(JoinedChar::new(text)))
                }
                Err(error) if error.error_len().is_none() => {
                    self.len += 1;
                    Ok(None)
                }
                Err(_) => {
                    self.len = 0;
                    Err(InvalidUtf8)
                }
            }
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> (&str, Carry, bool) {
        let error = match core::str::from_utf8(bytes) {
            Ok(text) => return (text, Carry::EMPTY, true),
            Err(error) => error,
        };
        let (valid, rest) = bytes.split_at(error.valid_up_to());
        // Validated a moment ago; safe code has to do it again.
        let text = validate(valid).unwrap_or_default();
        let mut carry = Carry::EMPTY;
        if error.error_len().is_none() {
            for (slot, byte) in carry.bytes.iter_mut().zip(rest) {
                *slot = *byte;
                carry.len += 1;
            }
        }
        (text, carry, error.error_len().is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec::Vec;

    /// Text so far, whether it is valid, whether it could end: by one of the
    /// two implementations, with the input in pieces of `step` bytes.
    macro_rules! run {
        ($imp:ident, $bytes:expr, $step:expr) => {{
            let mut text = String::new();
            let mut carry = $imp::Carry::EMPTY;
            let mut valid = true;
            'pieces: for piece in $bytes.chunks($step) {
                let mut piece = piece;
                while !carry.is_empty() {
                    let [byte, rest @ ..] = piece else { continue 'pieces };
                    piece = rest;
                    match carry.push(*byte) {
                        Ok(joined) => text.extend(joined.iter().map(JoinedChar::as_str)),
                        Err(_) => {
                            valid = false;
                            break 'pieces;
                        }
                    }
                }
                let (decoded, left, ok) = $imp::decode(piece);
                text.push_str(decoded);
                let rest = piece.strip_prefix(decoded.as_bytes());
                assert!(!ok || rest == Some(left.as_bytes()), "what is carried is the rest");
                carry = left;
                if !ok {
                    valid = false;
                    break;
                }
            }
            (text, valid, carry.is_empty())
        }};
    }

    /// All strings of up to four bytes over bytes that stand at the borders of
    /// the classes of the UTF-8 grammar (RFC 3629, section 4).
    fn strings() -> Vec<Vec<u8>> {
        const BORDERS: [u8; 26] = [
            0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0,
            0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xfe, 0xff,
        ];
        let mut all: Vec<Vec<u8>> = alloc::vec![Vec::new()];
        let mut from = 0;
        for _ in 0..4 {
            let to = all.len();
            for i in from..to {
                for byte in BORDERS {
                    let mut longer = all[i].clone();
                    longer.push(byte);
                    all.push(longer);
                }
            }
            from = to;
        }
        all
    }

    #[test]
    fn any_cut_decodes_as_the_whole_does() {
        for bytes in strings() {
            let expected = match core::str::from_utf8(&bytes) {
                Ok(text) => (text.into(), true, true),
                Err(e) => {
                    let text = String::from_utf8(bytes[..e.valid_up_to()].to_vec()).unwrap();
                    let valid = e.error_len().is_none();
                    (text, valid, !valid)
                }
            };
            for step in 1..=4 {
                assert_eq!(run!(over_core, bytes, step), expected, "{bytes:02x?} by {step}");
                #[cfg(feature = "std")]
                assert_eq!(run!(over_utf_8, bytes, step), expected, "{bytes:02x?} by {step}");
            }
        }
    }

    /// The short way of `decode` goes over whole blocks of vectors, and looks at
    /// the end by itself.
    #[test]
    fn long_text_decodes_as_the_seam_has_it() {
        for before in ["", "x", "\u{9c7c}"] {
            for len in [0, 62, 63, 64, 126, 128] {
                let before = before.repeat(len / before.len().max(1));
                for end in strings().iter().filter(|end| end.len() < 4) {
                    let bytes = [before.as_bytes(), end].concat();
                    let mut decoder = Utf8Decoder::new();
                    let Decoded { text, valid } = decoder.decode(&bytes);
                    let (expected, carry, is_valid) = over_core::decode(&bytes);
                    assert_eq!((text, valid), (expected, is_valid), "{bytes:02x?}");
                    assert_eq!(decoder.carry.as_bytes(), carry.as_bytes(), "{bytes:02x?}");
                }
            }
        }
    }

    /// So text that is cut anywhere goes the short way.
    #[test]
    fn what_a_cut_leaves_over_is_seen_at_the_end() {
        for bytes in strings() {
            let (_, carry, valid) = over_core::decode(&bytes);
            if valid {
                assert_eq!(cut_len(&bytes), carry.as_bytes().len(), "{bytes:02x?}");
            }
        }
    }

    #[test]
    fn check_finds_the_first_byte_that_cannot_continue() {
        for bytes in strings() {
            let first_bad = (1..=bytes.len()).find(|&n| {
                core::str::from_utf8(&bytes[..n]).is_err_and(|e| e.error_len().is_some())
            });
            let mut decoder = Utf8Decoder::new();
            let found = (1..=bytes.len()).find(|&n| decoder.check(&bytes[n - 1..n]).is_err());
            assert_eq!(found, first_bad, "{bytes:02x?}");
        }
    }
}
