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
