//! Payloads written bit by bit, for rules that are broken in one place.

use super::encode::BitWriter;

/// Code lengths in the header of a dynamic block.
#[derive(Clone, Copy)]
pub enum Length {
    /// The length of one code.
    Of(usize),
    /// The last one again, so many times: 3 to 6.
    Last(usize),
    /// So many codes that there are not: 3 to 138.
    Zeros(usize),
}

/// A payload made of numbers and how many bits they have, and then zeros up to
/// the next octet.
pub fn plain(fields: &[(usize, usize)]) -> Vec<u8> {
    let mut bits = BitWriter::default();
    fields.iter().for_each(|&(number, count)| bits.put(number, count));
    bits.pad(0);
    bits.octets
}

/// A fixed block with an "a" for a start, these codes, and its end; behind it,
/// the empty stored block that ends a message.
pub fn fixed(codes: &[(usize, usize)]) -> Vec<u8> {
    let mut bits = BitWriter::default();
    bits.put(0b010, 3);
    bits.code((0x30 + 0x61, 8)); // "a"
    codes.iter().for_each(|&code| bits.code(code));
    bits.code((0, 7));
    bits.put(0, 3);
    bits.pad(0);
    bits.octets
}

/// A dynamic block with these values of HLIT and HDIST, these code lengths, and
/// then these codes; behind it, the empty stored block that ends a message.
///
/// Of the code for code lengths itself, one is as good as another: 0 to 12 have
/// 4 bits each, 13 to 18 have 5.
pub fn dynamic(hlit: usize, hdist: usize, lengths: &[Length], data: &[(usize, usize)]) -> Vec<u8> {
    let mut bits = BitWriter::default();
    bits.put(0b100, 3);
    bits.put(hlit, 5);
    bits.put(hdist, 5);
    bits.put(15, 4);
    for symbol in [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15] {
        bits.put(if symbol < 13 { 4 } else { 5 }, 3);
    }
    for &length in lengths {
        let (symbol, extra, count) = match length {
            Length::Of(length) => (length, 0, 0),
            Length::Last(times) => (16, times - 3, 2),
            Length::Zeros(times @ ..=10) => (17, times - 3, 3),
            Length::Zeros(times) => (18, times - 11, 7),
        };
        bits.code(if symbol < 13 { (symbol, 4) } else { (symbol + 13, 5) });
        bits.put(extra, count);
    }
    data.iter().for_each(|&code| bits.code(code));
    bits.put(0, 3);
    bits.pad(0);
    bits.octets
}
