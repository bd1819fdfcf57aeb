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
    // Blocks of 32 bytes by value: LLVM makes vector code of them without any
    // knowledge of the machine.
    let wide = repeat::<32>(key);
    let next = turned(key, data.len());
    let mut blocks = data.chunks_exact_mut(32);
    for block in &mut blocks {
        for (byte, k) in block.iter_mut().zip(wide) {
            *byte ^= k;
        }
    }
    let rest = blocks.into_remainder();
    match rest.len() {
        0 => {}
        1..4 => {
            for (byte, k) in rest.iter_mut().zip(key) {
                *byte ^= k;
            }
        }
        4..8 => u32::mask_ends(rest, key),
        8..16 => u64::mask_ends(rest, key),
        _ => u128::mask_ends(rest, key),
    }
    next
}

/// Copies `from` to `to`, which is as long, masked on the way: one pass where
/// a copy and [`apply`] are two.
#[inline]
pub(crate) fn copy(from: &[u8], to: &mut [u8], key: [u8; 4]) {
    let wide = repeat::<32>(key);
    let (mut from, mut to) = (from.chunks_exact(32), to.chunks_exact_mut(32));
    for (from, to) in (&mut from).zip(&mut to) {
        let mut block = [0; 32];
        block.copy_from_slice(from);
        for (byte, k) in block.iter_mut().zip(wide) {
            *byte ^= k;
        }
        to.copy_from_slice(&block);
    }
    let (from, to) = (from.remainder(), to.into_remainder());
    to.copy_from_slice(from);
    apply(to, key);
}

/// A short payload without a loop: two words that overlap in the middle. What
/// both hold comes out alike.
trait Word {
    /// Masks a word at the start and one at the end of `data`, which holds at
    /// least one and at most two.
    fn mask_ends(data: &mut [u8], key: [u8; 4]);
}

macro_rules! words {
    ($($word:ty),*) => {$(
        impl Word for $word {
            #[inline]
            fn mask_ends(data: &mut [u8], key: [u8; 4]) {
                const LEN: usize = size_of::<$word>();
                let Some(at) = data.len().checked_sub(LEN) else { return };
                let masked = |bytes: &[u8; LEN], key: [u8; 4]| {
                    // The key as often as the word holds it.
                    let times = <$word>::MAX / <$word>::from(u32::MAX);
                    let key = <$word>::from(u32::from_ne_bytes(key)) * times;
                    (<$word>::from_ne_bytes(*bytes) ^ key).to_ne_bytes()
                };
                if let (Some(start), Some(end)) = (data.first_chunk(), data.last_chunk()) {
                    let (start, end) = (masked(start, key), masked(end, turned(key, at)));
                    data[..LEN].copy_from_slice(&start);
                    data[at..].copy_from_slice(&end);
                }
            }
        }
    )*};
}

words!(u32, u64, u128);

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
