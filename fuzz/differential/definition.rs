//! Frames read by the figure of RFC 6455, section 5.2, with no rule but the
//! layout: what is wrong with them is for the engines to say.

/// Where a frame is in a series of bytes, and what its header says.
#[derive(Clone, Debug, Default)]
pub struct Frame {
    pub start: usize,
    /// Where it ends, or the bytes do.
    pub end: usize,
    /// Bytes that it lacks, as far as is known: one, of a header; and the least
    /// that the next of them can be by the book.
    pub missing: u64,
    pub next: u8,
    pub rsv: u8,
    pub opcode: u8,
    /// As announced, however it is written.
    pub len: u64,
    /// It is written in the fewest bytes.
    pub is_minimal: bool,
    /// Unmasked, as far as it is there.
    pub payload: Vec<u8>,
}

/// More than any limit that is tried.
const LONGEST: usize = 2 << 20;

/// All frames, the last of which may be cut.
pub fn frames(bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut start = 0;
    while start < bytes.len() {
        let frame = frame(bytes, start);
        start = frame.end;
        frames.push(frame);
    }
    frames
}

fn frame(bytes: &[u8], start: usize) -> Frame {
    let rest = &bytes[start..];
    let first = rest[0];
    let cut = Frame {
        start,
        end: bytes.len(),
        missing: 1,
        rsv: first & 0x70,
        opcode: first & 0x0f,
        is_minimal: true,
        ..Frame::default()
    };
    let Some(&second) = rest.get(1) else { return cut };
    let (extended, least) = match second & 0x7f {
        126 => (2, 126_u64),
        127 => (8, 1 << 16),
        _ => (0, 0),
    };
    let Some(number) = rest.get(2..2 + extended) else {
        let next = least.to_be_bytes()[8 - extended + rest.len() - 2];
        return Frame { next, ..cut };
    };
    let len = match extended {
        0 => u64::from(second & 0x7f),
        _ => number.iter().fold(0, |len, &byte| len << 8 | u64::from(byte)),
    };
    let masked = second & 0x80 != 0;
    let header_len = 2 + extended + if masked { 4 } else { 0 };
    let cut = Frame { len, is_minimal: len >= least, ..cut };
    let Some(payload) = rest.get(header_len..) else { return cut };
    let there = usize::try_from(len).unwrap_or(usize::MAX).min(payload.len());
    let mut payload = payload[..there].to_vec();
    if masked {
        let key = [0, 1, 2, 3].map(|at| rest[header_len - 4 + at]);
        sockeye::mask::apply_by_definition(&mut payload, key);
    }
    let end = start + header_len + there;
    Frame { end, missing: len - there as u64, payload, ..cut }
}

/// The same bytes, and for what the last frame lacks the least that is right: a
/// length as short as its form allows, and zeros.
pub fn completed(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    while let Some(frame) = frames(&bytes).pop() {
        match usize::try_from(frame.missing) {
            Ok(missing @ 1..=LONGEST) => bytes.resize(bytes.len() + missing, frame.next),
            _ => break,
        }
    }
    bytes
}
