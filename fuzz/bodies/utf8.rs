//! The incremental UTF-8 decoder (RFC 6455, section 8.1) against
//! `core::str::from_utf8`.
//!
//! Input: text, or what claims to be.

use super::cut::Cut;
use core::str::from_utf8;
use sockeye::utf8::Utf8Decoder;

/// What can be said of a text.
#[derive(Debug, PartialEq)]
struct Verdict<'a> {
    /// As far as it is whole, valid characters.
    text: &'a [u8],
    /// Nothing in it is wrong; its last character may be unfinished.
    valid: bool,
    /// It can end here.
    at_boundary: bool,
}

pub fn utf8(data: &[u8]) {
    let expected = match from_utf8(data) {
        Ok(text) => Verdict { text: text.as_bytes(), valid: true, at_boundary: true },
        Err(error) => {
            let valid = error.error_len().is_none();
            Verdict { text: &data[..error.valid_up_to()], valid, at_boundary: false }
        }
    };
    for cut in Cut::ALL {
        decodes(data, cut, &expected);
    }
    assert_eq!(first_bad_byte(data), first_bad_byte_by_definition(data));
}

/// Decodes piece by piece, in the way a connection does.
fn decodes(data: &[u8], cut: Cut, expected: &Verdict<'_>) {
    let mut decoder = Utf8Decoder::new();
    let mut text = Vec::new();
    let mut valid = true;
    'pieces: for piece in cut.pieces(data) {
        let mut piece = piece;
        while !decoder.is_at_boundary() {
            let [byte, rest @ ..] = piece else { continue 'pieces };
            piece = rest;
            match decoder.complete(*byte) {
                Ok(None) => {}
                Ok(Some(char)) => {
                    assert_eq!(char.as_str().chars().count(), 1);
                    text.extend_from_slice(char.as_str().as_bytes());
                }
                Err(_) => {
                    valid = false;
                    break 'pieces;
                }
            }
        }
        let decoded = decoder.decode(piece);
        text.extend_from_slice(decoded.text.as_bytes());
        if !decoded.valid {
            valid = false;
            break;
        }
    }
    // After an error the decoder's state means nothing.
    let at_boundary = valid && decoder.is_at_boundary();
    assert_eq!(&Verdict { text: &text, valid, at_boundary }, expected, "{cut:?}");

    let mut decoder = Utf8Decoder::new();
    let checked = cut.pieces(data).try_for_each(|piece| decoder.check(piece));
    assert_eq!(checked.is_ok(), expected.valid, "{cut:?}");
}

/// Bytes up to and with the one at which the decoder says no.
fn first_bad_byte(data: &[u8]) -> Option<usize> {
    let mut decoder = Utf8Decoder::new();
    (1..=data.len()).find(|&len| decoder.check(&data[len - 1..len]).is_err())
}

/// Bytes of the shortest prefix that nothing could make valid.
fn first_bad_byte_by_definition(data: &[u8]) -> Option<usize> {
    let valid = from_utf8(data).err()?.valid_up_to();
    // It is one of the bytes of the character behind the valid ones.
    (valid + 1..=data.len().min(valid + 4))
        .find(|&len| from_utf8(&data[..len]).is_err_and(|e| e.error_len().is_some()))
}
