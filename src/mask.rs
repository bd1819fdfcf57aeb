//! Masking: XOR with a four-byte key that repeats (RFC 6455, section 5.3).
//!
//! Layer: the lowest. Masking and unmasking are the same operation.

/// XORs `data` in place with `key`, starting at the key's first byte.
///
/// Returns the key turned so that its first byte is the one that comes next:
/// pass it on with the next piece of the same payload.
///
/// # Example: a payload in two pieces
///
/// ```
/// use sockeye::mask;
///
/// let mut payload = *b"Hello";
/// let (first, second) = payload.split_at_mut(2);
/// let next = mask::apply(first, [0x37, 0xfa, 0x21, 0x3d]);
/// mask::apply(second, next);
/// assert_eq!(payload, [0x7f, 0x9f, 0x4d, 0x51, 0x58]);
/// ```
#[inline]
pub fn apply(data: &mut [u8], key: [u8; 4]) -> [u8; 4] {
    let len = data.len();
    if len < 32 {
        short(data, key);
        return turned(key, len);
    }
    // Blocks of 32 bytes by value: LLVM makes vector code of them without any
    // knowledge of the machine.
    let wide = repeat::<32>(key);
    let mut blocks = data.chunks_exact_mut(32);
    for block in &mut blocks {
        for (byte, k) in block.iter_mut().zip(wide) {
            *byte ^= k;
        }
    }
    short(blocks.into_remainder(), key);
    turned(key, len)
}

/// Masks less than 32 bytes without a loop, as two words that overlap in the
/// middle: what both hold comes out alike.
#[inline]
fn short(data: &mut [u8], key: [u8; 4]) {
    macro_rules! both_ends {
        ($word:ty) => {{
            const LEN: usize = size_of::<$word>();
            let end_key = turned(key, data.len() - LEN);
            let [key, end_key] = [key, end_key].map(|key| {
                // The key as often as the word holds it.
                <$word>::from(u32::from_ne_bytes(key)) * (<$word>::MAX / <$word>::from(u32::MAX))
            });
            if let (Some(start), Some(end)) = (data.first_chunk(), data.last_chunk()) {
                let start = (<$word>::from_ne_bytes(*start) ^ key).to_ne_bytes();
                let end = (<$word>::from_ne_bytes(*end) ^ end_key).to_ne_bytes();
                data[..LEN].copy_from_slice(&start);
                let at = data.len() - LEN;
                data[at..].copy_from_slice(&end);
            }
        }};
    }
    match data.len() {
        0..4 => {
            for (byte, k) in data.iter_mut().zip(key) {
                *byte ^= k;
            }
        }
        4..8 => both_ends!(u32),
        8..16 => both_ends!(u64),
        _ => both_ends!(u128),
    }
}

/// The key that masks the byte `len` bytes further on first.
#[inline]
#[allow(clippy::cast_possible_truncation)] // of its low two bits
pub(crate) fn turned(key: [u8; 4], len: usize) -> [u8; 4] {
    // As a word: turning the array is a call.
    u32::from_le_bytes(key).rotate_right(8 * (len as u32 & 3)).to_le_bytes()
}

/// The definition of section 5.3, byte by byte: what [`apply`] is tested
/// against.
///
/// ```text
/// j                   = i MOD 4
/// transformed-octet-i = original-octet-i XOR masking-key-octet-j
/// ```
pub fn apply_by_definition(data: &mut [u8], key: [u8; 4]) {
    for (i, octet) in data.iter_mut().enumerate() {
        *octet ^= key[i % 4];
    }
}

#[inline]
fn repeat<const N: usize>(key: [u8; 4]) -> [u8; N] {
    core::array::from_fn(|i| key[i & 3])
}
