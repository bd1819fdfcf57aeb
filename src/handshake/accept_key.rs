//! The key of a request and the proof in its reply (RFC 6455, sections 1.3,
//! 4.1 and 4.2.2).

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use sha1::{Digest, Sha1};

/// "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" (section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Bytes of a `Sec-WebSocket-Key`: 16 bytes in base64.
pub(super) const KEY_LEN: usize = 24;

/// Bytes of a `Sec-WebSocket-Accept`: 20 bytes in base64.
pub(super) const ACCEPT_LEN: usize = 28;

const BASE64: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new());

/// The value of `Sec-WebSocket-Accept` that proves this
/// `Sec-WebSocket-Key` was read (section 4.2.2, item 5.4). 28 characters; no
/// allocation.
///
/// # Example: the one in the RFC
///
/// ```
/// let accept = sockeye::handshake::accept_key(b"dGhlIHNhbXBsZSBub25jZQ==");
/// assert_eq!(&accept, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
pub fn accept_key(key: &[u8]) -> [u8; ACCEPT_LEN] {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let mut accept = [0; ACCEPT_LEN];
    let written = BASE64.encode_slice(digest, &mut accept);
    debug_assert_eq!(written, Ok(ACCEPT_LEN));
    accept
}

/// The key that carries this nonce (section 4.1, item 7).
pub(super) fn encode_key(nonce: &[u8; 16]) -> [u8; KEY_LEN] {
    let mut key = [0; KEY_LEN];
    let written = BASE64.encode_slice(nonce, &mut key);
    debug_assert_eq!(written, Ok(KEY_LEN));
    key
}

/// True for "a base64-encoded value that, when decoded, is 16 bytes in
/// length" (section 4.2.1, item 5): 22 characters and two of padding. The RFC's
/// own example of a key (section 4.1) ends in bits that base64 leaves unused and
/// that are not zero, so that they are not looked at.
pub(super) fn is_key(value: &[u8]) -> bool {
    let is_digit = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    match <&[u8; KEY_LEN]>::try_from(value) {
        // All of them, in any case: quicker than to stop at the first.
        Ok([digits @ .., b'=', b'=']) => digits.iter().fold(true, |all, b| all & is_digit(b)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Any byte in the place of any of a key's, and any length.
    #[test]
    fn a_key_is_what_decodes_to_16_bytes() {
        let engine = GeneralPurpose::new(
            &alphabet::STANDARD,
            GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
        );
        let check = |value: &[u8]| {
            let mut nonce = [0; 30];
            let expected = engine.decode_slice(value, &mut nonce) == Ok(16);
            assert_eq!(is_key(value), expected, "{}", value.escape_ascii());
        };
        for at in 0..KEY_LEN {
            for byte in 0..=u8::MAX {
                let mut value = *b"dGhlIHNhbXBsZSBub25jZQ==";
                value[at] = byte;
                check(&value);
            }
        }
        for len in 0..40 {
            for padding in 0..4 {
                let value: Vec<u8> = [alloc::vec![b'A'; len], alloc::vec![b'='; padding]].concat();
                check(&value);
            }
        }
    }
}
