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

/// A stored block, without the one that ends a message.
pub fn stored(data: &[u8]) -> Vec<u8> {
    let len = u16::try_from(data.len()).expect("16 bits");
    [&[0][..], &len.to_le_bytes(), &(!len).to_le_bytes(), data].concat()
}

/// So many times "a", one at least: a fixed block of references, and then the
/// empty stored block that ends a message.
pub fn run_of_a(len: usize) -> Vec<u8> {
    let (full, rest) = ((len - 1) / 258, (len - 1) % 258);
    let reference = [(0xc5, 8), (0, 5)];
    let literal = [(0x30 + 0x61, 8)];
    fixed(&[reference.repeat(full), literal.repeat(rest)].concat())
}

/// Payloads that each break a rule of RFC 1951, what comes out of them before
/// that, and words of what [`Inflater`](super::Inflater) says.
pub fn broken() -> Vec<(Vec<u8>, &'static str, &'static str)> {
    use Length::{Last, Of, Zeros};
    // Code lengths for "a" (code 0), the end of block (10) and length 3 (11).
    let a = [Zeros(97), Of(1), Zeros(138), Zeros(20), Of(2), Of(2)];
    let a_and_end = [(0b0, 1), (0b10, 2)];
    // With distance code 0, or whatever it begins with.
    let a_and_3 = [(0b0, 1), (0b11, 2), (0b0, 1), (0b10, 2)];
    let other_bit = [(0b0, 1), (0b11, 2), (0b1, 1), (0b10, 2)];
    let distances = |lengths: &[Length], data: &[_]| {
        dynamic(1, lengths.len() - 1, &[&a, lengths].concat(), data)
    };
    let a_end_3 = |a, end, three| {
        let lengths = [Zeros(97), Of(a), Zeros(138), Zeros(20), Of(end), Of(three), Of(1)];
        dynamic(1, 0, &lengths, &a_and_end)
    };
    let code_lengths = |lengths: [usize; 4]| {
        let header = [(0b100, 3), (0, 5), (0, 5), (0, 4)];
        plain(&[&header[..], &lengths.map(|length| (length, 3))].concat())
    };
    let counts = |hlit, hdist| {
        let zeros = [Zeros(hlit - 1), Of(1), Zeros(hdist)];
        dynamic(hlit, hdist, &[&a[..], &zeros].concat(), &a_and_3)
    };
    let repeats = |end: &[Length]| dynamic(1, 3, &[&a[..5], end].concat(), &a_and_end);
    vec![
        (plain(&[(0b110, 3)]), "", "block type 3"),
        (b"\x00\x05\x00\xfa\xfeHello\x00".to_vec(), "", "NLEN"),
        (b"\x00\x05\x00\xfb\xffHello\x00".to_vec(), "", "NLEN"),
        (fixed(&[(0xc6, 8), (0, 5)]), "a", "length symbol 286"),
        (fixed(&[(0xc7, 8), (0, 5)]), "a", "length symbol 287"),
        (fixed(&[(1, 7), (30, 5)]), "a", "distance symbol 30"),
        (fixed(&[(1, 7), (31, 5)]), "a", "distance symbol 31"),
        (fixed(&[(1, 7), (29, 5), (0x1fff, 13)]), "a", "beyond the history"),
        (distances(&[Of(0)], &a_and_3), "a", "bits that are no code"),
        (distances(&[Of(1)], &other_bit), "a", "bits that are no code"),
        (distances(&[Of(2)], &a_and_end), "", "incomplete code for distances"),
        (distances(&[Of(2), Of(2)], &a_and_end), "", "incomplete code for distances"),
        (distances(&[Of(1), Of(1), Of(1)], &a_and_end), "", "over-subscribed"),
        (distances(&[Of(1), Of(1), Of(15)], &a_and_end), "", "over-subscribed"),
        (a_end_3(2, 2, 2), "", "incomplete code for literals"),
        (a_end_3(1, 1, 2), "", "over-subscribed"),
        (a_end_3(1, 0, 1), "", "no code for the end"),
        (code_lengths([1, 1, 1, 0]), "", "over-subscribed"),
        (code_lengths([2, 2, 0, 0]), "", "incomplete code for code lengths"),
        (code_lengths([1, 0, 0, 0]), "", "incomplete code for code lengths"),
        (code_lengths([0, 0, 0, 0]), "", "incomplete code for code lengths"),
        (counts(30, 29), "", "287 literal"),
        (counts(31, 29), "", "288 literal"),
        (counts(29, 30), "", "31 distance"),
        (counts(29, 31), "", "32 distance"),
        (dynamic(0, 0, &[Last(3)], &[]), "", "nothing to repeat"),
        (repeats(&[Last(6)]), "", "repeat beyond"),
        (repeats(&[Of(2), Zeros(5)]), "", "repeat beyond"),
        (repeats(&[Of(2), Zeros(11)]), "", "repeat beyond"),
    ]
}
