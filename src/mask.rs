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
    let next = turned(key, data.len());
    if data.len() < LONG {
        apply_short(data, key);
    } else {
        long::apply(data, key);
    }
    next
}

/// Copies `from` to `to`, which is as long, masked on the way: one pass where
/// a copy and [`apply`] are two.
#[inline]
pub(crate) fn copy(from: &[u8], to: &mut [u8], key: [u8; 4]) {
    if from.len() < LONG {
        copy_short(from, to, key);
    } else {
        long::copy(from, to, key);
    }
}

#[inline]
fn apply_short(data: &mut [u8], key: [u8; 4]) {
    let (blocks, rest) = data.split_at_mut(data.len() / BLOCK * BLOCK);
    apply_blocks(blocks, key);
    match rest.len() {
        0 => {}
        1..4 => {
            for (byte, k) in rest.iter_mut().zip(key) {
                *byte ^= k;
            }
        }
        4..8 => u32::apply(rest, key),
        8..16 => u64::apply(rest, key),
        _ => u128::apply(rest, key),
    }
}

#[inline(never)] // where it is called there is other work for the registers
fn copy_short(from: &[u8], to: &mut [u8], key: [u8; 4]) {
    let blocks = from.len() / BLOCK * BLOCK;
    let (from, from_rest) = from.split_at(blocks);
    let (to, to_rest) = to.split_at_mut(blocks);
    copy_blocks(from, to, key);
    match from_rest.len() {
        0 => {}
        1..4 => {
            for ((from, to), k) in from_rest.iter().zip(to_rest).zip(key) {
                *to = from ^ k;
            }
        }
        4..8 => u32::copy(from_rest, to_rest, key),
        8..16 => u64::copy(from_rest, to_rest, key),
        _ => u128::copy(from_rest, to_rest, key),
    }
}

/// Bytes masked by value at a time: LLVM makes vector code of such a block
/// without any knowledge of the machine.
const BLOCK: usize = 32;

/// Masks whole blocks.
#[inline(always)]
fn apply_blocks(data: &mut [u8], key: [u8; 4]) {
    let key = repeat::<BLOCK>(key);
    for block in data.chunks_exact_mut(BLOCK) {
        for (byte, k) in block.iter_mut().zip(key) {
            *byte ^= k;
        }
    }
}

/// Copies whole blocks, masked on the way.
#[inline(always)]
fn copy_blocks(from: &[u8], to: &mut [u8], key: [u8; 4]) {
    let key = repeat::<BLOCK>(key);
    for (from, to) in from.chunks_exact(BLOCK).zip(to.chunks_exact_mut(BLOCK)) {
        let mut block = [0; BLOCK];
        block.copy_from_slice(from);
        for (byte, k) in block.iter_mut().zip(key) {
            *byte ^= k;
        }
        to.copy_from_slice(&block);
    }
}

/// Bytes of a payload from which on it is worth a call.
const LONG: usize = 256;

/// The seam to what masks long payloads. The tests below hold either against
/// the definition.
#[cfg(not(feature = "simd"))]
use plain as long;
#[cfg(feature = "simd")]
use vectors as long;

#[cfg(any(test, not(feature = "simd")))]
mod plain {
    #[inline(never)]
    pub(super) fn apply(data: &mut [u8], key: [u8; 4]) {
        super::apply_short(data, key);
    }

    #[inline(never)]
    pub(super) fn copy(from: &[u8], to: &mut [u8], key: [u8; 4]) {
        super::copy_short(from, to, key);
    }
}

/// Long payloads, with the widest vectors that the processor has. Four at a
/// time: a loop of few instructions can happen to lie where the processor is
/// slow to fetch them.
#[cfg(feature = "simd")]
mod vectors {
    use fearless_simd::{Level, Simd, SimdBase, dispatch};
    use std::sync::LazyLock;

    /// Bytes from which on vectors that do not cross lines of the cache are
    /// worth a beginning by other means.
    const ALIGNED: usize = 4 << 10;
    const LINE: usize = 64;

    /// Finding out takes long.
    static LEVEL: LazyLock<Level> = LazyLock::new(Level::new);

    #[inline(never)]
    pub(super) fn apply(data: &mut [u8], key: [u8; 4]) {
        let start = match data.len() {
            ALIGNED.. => data.as_ptr().align_offset(LINE).min(LINE),
            _ => 0,
        };
        let (start, data) = data.split_at_mut(start);
        let key = super::apply(start, key);
        dispatch!(*LEVEL, simd => apply_with(simd, data, key));
    }

    #[inline(never)]
    pub(super) fn copy(from: &[u8], to: &mut [u8], key: [u8; 4]) {
        dispatch!(*LEVEL, simd => copy_with(simd, from, to, key));
    }

    #[inline(always)]
    fn apply_with<S: Simd>(simd: S, data: &mut [u8], key: [u8; 4]) {
        let wide = super::repeat::<LINE>(key);
        let len = S::u8s::LEN;
        let vector = S::u8s::from_slice(simd, &wide[..len]);
        let mut fours = data.chunks_exact_mut(4 * len);
        for four in &mut fours {
            let (ab, cd) = four.split_at_mut(2 * len);
            let ((a, b), (c, d)) = (ab.split_at_mut(len), cd.split_at_mut(len));
            (S::u8s::from_slice(simd, a) ^ vector).store_slice(a);
            (S::u8s::from_slice(simd, b) ^ vector).store_slice(b);
            (S::u8s::from_slice(simd, c) ^ vector).store_slice(c);
            (S::u8s::from_slice(simd, d) ^ vector).store_slice(d);
        }
        super::apply_short(fours.into_remainder(), key);
    }

    #[inline(always)]
    fn copy_with<S: Simd>(simd: S, from: &[u8], to: &mut [u8], key: [u8; 4]) {
        let wide = super::repeat::<LINE>(key);
        let len = S::u8s::LEN;
        let vector = S::u8s::from_slice(simd, &wide[..len]);
        let (mut from, mut to) = (from.chunks_exact(4 * len), to.chunks_exact_mut(4 * len));
        for (from, to) in (&mut from).zip(&mut to) {
            for (from, to) in from.chunks_exact(len).zip(to.chunks_exact_mut(len)) {
                (S::u8s::from_slice(simd, from) ^ vector).store_slice(to);
            }
        }
        super::copy_short(from.remainder(), to.into_remainder(), key);
    }
}

/// What is less than a block, without a loop: two words that overlap in the
/// middle. What both hold comes out alike.
trait Word {
    /// Masks `data`, which is one to two words long.
    fn apply(data: &mut [u8], key: [u8; 4]);

    /// Copies one to two words, masked on the way.
    fn copy(from: &[u8], to: &mut [u8], key: [u8; 4]);
}

macro_rules! words {
    ($($word:ident),*) => {$(
        impl Word for $word {
            #[inline]
            fn apply(data: &mut [u8], key: [u8; 4]) {
                if let Some(ends) = $word::ends(data, key) {
                    $word::put(ends, data);
                }
            }

            #[inline]
            fn copy(from: &[u8], to: &mut [u8], key: [u8; 4]) {
                if let Some(ends) = $word::ends(from, key) {
                    $word::put(ends, to);
                }
            }
        }

        mod $word {
            use super::turned;

            const LEN: usize = size_of::<$word>();

            /// The first word and the last, masked.
            #[inline]
            pub(super) fn ends(data: &[u8], key: [u8; 4]) -> Option<[[u8; LEN]; 2]> {
                let (start, end) = (data.first_chunk()?, data.last_chunk()?);
                let end_key = turned(key, data.len() - LEN);
                Some([masked(*start, key), masked(*end, end_key)])
            }

            #[inline]
            fn masked(bytes: [u8; LEN], key: [u8; 4]) -> [u8; LEN] {
                // The key as often as the word holds it.
                let times = $word::MAX / $word::from(u32::MAX);
                let key = $word::from(u32::from_ne_bytes(key)) * times;
                ($word::from_ne_bytes(bytes) ^ key).to_ne_bytes()
            }

            #[inline]
            pub(super) fn put([start, end]: [[u8; LEN]; 2], data: &mut [u8]) {
                if let Some(place) = data.first_chunk_mut() {
                    *place = start;
                }
                if let Some(place) = data.last_chunk_mut() {
                    *place = end;
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
#[doc(hidden)] // for tests and benchmarks
pub fn apply_by_definition(data: &mut [u8], key: [u8; 4]) {
    for (i, octet) in data.iter_mut().enumerate() {
        *octet ^= key[i % 4];
    }
}

#[inline]
fn repeat<const N: usize>(key: [u8; 4]) -> [u8; N] {
    core::array::from_fn(|i| key[i & 3])
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Lengths about every border of the code above, at all places relative to
    /// a line of the cache.
    #[test]
    fn both_ways_mask_as_the_definition_does() {
        let lens = (0..600).chain(4090..4110).chain([16_390, 70_001]);
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for len in lens {
            let plain: Vec<u8> = (0..len + 64).map(|i| usize::to_le_bytes(i * 31)[0]).collect();
            for at in [0, 1, 6, 8, 14, 33, 63] {
                let plain = &plain[at..at + len];
                let mut expected = plain.to_vec();
                apply_by_definition(&mut expected, key);
                let mut masked = alloc::vec![0; len + at];
                copy(plain, &mut masked[at..], key);
                assert_eq!(masked[at..], expected, "copied: {len} bytes from {at}");
                masked[at..].copy_from_slice(plain);
                let next = apply(&mut masked[at..], key);
                assert_eq!(masked[at..], expected, "in place: {len} bytes from {at}");
                assert_eq!(next, core::array::from_fn(|i| key[(len + i) % 4]));
            }
        }
    }

    /// Without vectors, whatever this was built for.
    #[test]
    fn long_payloads_are_masked_alike_without_vectors() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        for len in (0..70).chain(LONG - 2..LONG + 34).chain([4097]) {
            let sent: Vec<u8> = (0..len).map(|i| usize::to_le_bytes(i * 31)[0]).collect();
            let mut expected = sent.clone();
            apply_by_definition(&mut expected, key);
            let mut masked = alloc::vec![0; len];
            plain::copy(&sent, &mut masked, key);
            assert_eq!(masked, expected, "copied: {len} bytes");
            masked.copy_from_slice(&sent);
            plain::apply(&mut masked, key);
            assert_eq!(masked, expected, "in place: {len} bytes");
        }
    }
}
