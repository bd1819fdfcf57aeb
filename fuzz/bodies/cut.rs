//! Ways of cutting bytes: what a parser says must not depend on where the
//! network cut what it reads.

/// How a stream of bytes comes.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    Whole,
    ByteByByte,
    /// Pieces of 1 to 17 bytes, by what the bytes are: the fuzzer chooses.
    ByData,
}

impl Cut {
    pub const ALL: [Self; 3] = [Self::Whole, Self::ByteByByte, Self::ByData];

    /// The ends of the pieces, the last of them the end of `data`. No bytes
    /// are no pieces.
    pub fn ends(self, data: &[u8]) -> impl Iterator<Item = usize> {
        let mut at = 0;
        core::iter::from_fn(move || {
            let byte = data.get(at)?;
            let len = match self {
                Self::Whole => data.len(),
                Self::ByteByByte => 1,
                Self::ByData => usize::from(byte % 17) + 1,
            };
            at = data.len().min(at + len);
            Some(at)
        })
    }

    /// The pieces themselves.
    pub fn pieces(self, data: &[u8]) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends(data).map(move |end| &data[core::mem::replace(&mut start, end)..end])
    }
}

/// Some of many ways to run on `data`: all of them if it is short, and of those
/// for long inputs, which take the time, the first and one more, by what the
/// bytes are. So the fuzzer tries each of them on inputs of each kind.
pub fn ways<'w, T>(ways: &'w [T], data: &[u8]) -> impl Iterator<Item = &'w T> {
    const SHORT: usize = 48;
    let is_short = data.len() <= SHORT;
    let others = ways.len().max(2) - 1;
    let chosen = if is_short { 0 } else { 1 + hash(data) % others };
    ways.iter().enumerate().filter(move |&(at, _)| is_short || at == 0 || at == chosen).map(|w| w.1)
}

fn hash(data: &[u8]) -> usize {
    let mixed = data.chunks_exact(8).fold(data.len() as u64, |hash, word| {
        let word = word.try_into().map_or(0, u64::from_le_bytes);
        (hash ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    });
    (mixed >> 40) as usize
}
