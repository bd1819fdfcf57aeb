//! The inflater: a bit at a time, and codes as trees.

use std::iter::repeat_n;
use std::ops::Range;

/// What 7.2.1 removes from the end of a message, and 7.2.2 appends.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// The receiver of one direction of one connection.
#[derive(Clone)]
pub struct Inflater {
    window: usize,
    /// What back-references reach: all since the history was last dropped, but
    /// between messages, no more than the window.
    history: Vec<u8>,
    blocks: Vec<Block>,
}

/// How a block was made, for tests that want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    pub kind: Kind,
    /// BFINAL.
    pub is_final: bool,
    /// Where it is in the payload with the four octets appended, in bits, from
    /// its header on; without the padding behind it.
    pub bits: Range<usize>,
    /// Where what it stands for is in the message.
    pub data: Range<usize>,
    pub references: Vec<Reference>,
    /// How often its header has the code length symbols 16, 17 and 18.
    pub repeats: [usize; 3],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Stored,
    Fixed,
    Dynamic,
}

/// A back-reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Where in the message it puts its bytes.
    pub at: usize,
    pub length: usize,
    pub distance: usize,
}

impl Inflater {
    /// With a window of 2^`window_bits` bytes.
    pub fn new(window_bits: u8) -> Self {
        assert!((8..=15).contains(&window_bits), "section 7.1.2");
        Self { window: 1 << window_bits, history: Vec::new(), blocks: Vec::new() }
    }

    /// Forgets earlier messages, as without context takeover.
    pub fn reset(&mut self) {
        self.history.clear();
    }

    /// The message that this payload stands for (section 7.2.2). An error is one
    /// of the peer; nothing can be received after it.
    pub fn message(&mut self, payload: &[u8]) -> Result<Vec<u8>, String> {
        let octets = [payload, &TAIL].concat();
        let mut bits = Bits { octets: &octets, at: 0 };
        let mut out = Vec::new();
        self.blocks.clear();
        // The end has to be one of a block, to the bit: if a block ends within
        // the last octet, the rest of that is ones, and they begin no block.
        while bits.at < 8 * octets.len() {
            self.block(&mut bits, &mut out)?;
        }
        let beyond = self.history.len().saturating_sub(self.window);
        self.history.drain(..beyond);
        Ok(out)
    }

    /// The same by a receiver that is not as strict, and stricter. It puts up
    /// with no payload at all, and with a final block at the very end; but where
    /// data comes out of the four octets appended, it takes the message for what
    /// it is: cut.
    pub fn received(&mut self, payload: &[u8]) -> Result<Vec<u8>, String> {
        if payload.is_empty() {
            return Ok(Vec::new());
        }
        let history = self.history.clone();
        let result = self.message(payload);
        let last = self.blocks.last();
        if result.is_ok() {
            let is_empty = last.is_some_and(|b| b.kind == Kind::Stored && b.data.is_empty());
            return if is_empty { result } else { Err("cut within a block".into()) };
        }
        let end = 8 * payload.len();
        if last.is_some_and(|b| b.is_final && b.bits.end.next_multiple_of(8) == end) {
            self.history = history;
            return self.message(&[payload, &[0x00]].concat());
        }
        result
    }

    /// The blocks of the last message; the last of them is the one whose end was
    /// appended. After an error, those before it.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// RFC 1951, section 3.2.3.
    fn block(&mut self, bits: &mut Bits<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        let (first_bit, first_byte) = (bits.at, out.len());
        let is_final = bits.take(1)? == 1;
        let mut references = Vec::new();
        let mut repeats = [0; 3];
        let kind = match bits.take(2)? {
            0 => {
                self.stored(bits, out)?;
                Kind::Stored
            }
            1 => {
                self.compressed(&Codes::fixed()?, bits, out, &mut references)?;
                Kind::Fixed
            }
            2 => {
                let codes = Codes::read(bits, &mut repeats)?;
                self.compressed(&codes, bits, out, &mut references)?;
                Kind::Dynamic
            }
            _ => return Err("block type 3".into()),
        };
        let (bits_of_it, data) = (first_bit..bits.at, first_byte..out.len());
        self.blocks.push(Block { kind, is_final, bits: bits_of_it, data, references, repeats });
        if is_final {
            // RFC 7692, sections 7.2.1 and 7.2.3.4: what follows begins at the
            // next octet. It is a stream of its own to every inflater.
            bits.skip_to_octet();
            self.history.clear();
        }
        Ok(())
    }

    /// RFC 1951, section 3.2.4.
    fn stored(&mut self, bits: &mut Bits<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        bits.skip_to_octet();
        let len = bits.take(16)?;
        let complement = bits.take(16)?;
        if len != complement ^ 0xffff {
            return Err(format!("LEN is {len:04x}, NLEN is {complement:04x}"));
        }
        for _ in 0..len {
            let byte = bits.take(8)? as u8;
            self.put(byte, out);
        }
        Ok(())
    }

    /// What follows the codes of a block (RFC 1951, section 3.2.5).
    fn compressed(
        &mut self,
        codes: &Codes,
        bits: &mut Bits<'_>,
        out: &mut Vec<u8>,
        references: &mut Vec<Reference>,
    ) -> Result<(), String> {
        loop {
            let symbol = codes.literals.decode(bits)?;
            let (base, extra) = match symbol {
                0..=255 => {
                    self.put(symbol as u8, out);
                    continue;
                }
                256 => return Ok(()),
                _ => *LENGTHS.get(symbol - 257).ok_or(format!("length symbol {symbol}"))?,
            };
            // Symbol 284 with all ones is a second way to say 258. The table has
            // 257 as its end, but no receiver minds.
            let length = base + bits.take(extra)?;
            let symbol = codes.distances.decode(bits)?;
            let (base, extra) =
                *DISTANCES.get(symbol).ok_or(format!("distance symbol {symbol}"))?;
            let distance = base + bits.take(extra)?;
            references.push(Reference { at: out.len(), length, distance });
            self.copy(length, distance, out)?;
        }
    }

    fn copy(&mut self, length: usize, distance: usize, out: &mut Vec<u8>) -> Result<(), String> {
        if distance > self.window {
            return Err(format!("distance {distance} is beyond the window"));
        }
        if distance > self.history.len() {
            return Err(format!("distance {distance} is beyond the history"));
        }
        for _ in 0..length {
            // One by one: some of them may be copies of copies.
            self.put(self.history[self.history.len() - distance], out);
        }
        Ok(())
    }

    fn put(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.history.push(byte);
        out.push(byte);
    }
}

/// RFC 1951, section 3.2.5: the smallest length, and how many bits are added,
/// for the symbols from 257 on.
#[rustfmt::skip]
const LENGTHS: [(usize, usize); 29] = [
    (3, 0), (4, 0), (5, 0), (6, 0), (7, 0), (8, 0), (9, 0), (10, 0),
    (11, 1), (13, 1), (15, 1), (17, 1), (19, 2), (23, 2), (27, 2), (31, 2),
    (35, 3), (43, 3), (51, 3), (59, 3), (67, 4), (83, 4), (99, 4), (115, 4),
    (131, 5), (163, 5), (195, 5), (227, 5), (258, 0),
];

/// The same for distances, from symbol 0 on.
#[rustfmt::skip]
const DISTANCES: [(usize, usize); 30] = [
    (1, 0), (2, 0), (3, 0), (4, 0), (5, 1), (7, 1), (9, 2), (13, 2),
    (17, 3), (25, 3), (33, 4), (49, 4), (65, 5), (97, 5), (129, 6), (193, 6),
    (257, 7), (385, 7), (513, 8), (769, 8), (1025, 9), (1537, 9),
    (2049, 10), (3073, 10), (4097, 11), (6145, 11), (8193, 12), (12289, 12),
    (16385, 13), (24577, 13),
];

/// In which order the lengths of the codes for code lengths are sent.
const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The two codes of a block.
struct Codes {
    literals: Tree,
    distances: Tree,
}

impl Codes {
    /// RFC 1951, section 3.2.6. Symbols 286, 287 and distances 30, 31 have codes
    /// that may not be used.
    fn fixed() -> Result<Self, String> {
        let mut literals = [8; 288];
        literals[144..256].fill(9);
        literals[256..280].fill(7);
        Ok(Self { literals: Tree::new(&literals)?, distances: Tree::new(&[5; 32])? })
    }

    /// RFC 1951, section 3.2.7. Counts the repeats of each kind.
    fn read(bits: &mut Bits<'_>, repeats: &mut [usize; 3]) -> Result<Self, String> {
        let literals = bits.take(5)? + 257;
        let distances = bits.take(5)? + 1;
        let sent = bits.take(4)? + 4;
        if literals > 286 {
            return Err(format!("{literals} literal and length codes"));
        }
        if distances > 30 {
            return Err(format!("{distances} distance codes"));
        }

        let mut lengths = [0; 19];
        for &symbol in &ORDER[..sent] {
            lengths[symbol] = bits.take(3)? as u8;
        }
        let tree = Tree::new(&lengths)?;
        if !tree.is_complete {
            return Err("incomplete code for code lengths".into());
        }

        // Literals and distances are one list: a repeat may go on from the ones
        // to the others.
        let mut lengths = Vec::new();
        while lengths.len() < literals + distances {
            let symbol = tree.decode(bits)?;
            let (length, times) = match symbol {
                16 => {
                    let last = *lengths.last().ok_or("nothing to repeat")?;
                    (last, 3 + bits.take(2)?)
                }
                17 => (0, 3 + bits.take(3)?),
                18 => (0, 11 + bits.take(7)?),
                _ => (symbol as u8, 1),
            };
            if symbol >= 16 {
                repeats[symbol - 16] += 1;
            }
            lengths.extend(repeat_n(length, times));
        }
        if lengths.len() > literals + distances {
            return Err("repeat beyond the last code length".into());
        }

        let (literals, distances) = lengths.split_at(literals);
        if literals[256] == 0 {
            return Err("no code for the end of the block".into());
        }
        let codes = Self { literals: Tree::new(literals)?, distances: Tree::new(distances)? };
        if !codes.literals.is_complete {
            // Even if it is a single code of one bit. zlib lets that pass, but the
            // RFC has the exception for distances alone.
            return Err("incomplete code for literals".into());
        }
        // No code at all, or a single one of one bit.
        let at_most_one_bit = distances.iter().map(|&length| u32::from(length)).sum::<u32>() <= 1;
        if !codes.distances.is_complete && !at_most_one_bit {
            return Err("incomplete code for distances".into());
        }
        Ok(codes)
    }
}

/// A prefix code: from each fork, a bit leads to the next fork or to a symbol.
struct Tree {
    forks: Vec<[Branch; 2]>,
    is_complete: bool,
}

#[derive(Clone, Copy)]
enum Branch {
    Open,
    Symbol(usize),
    Fork(usize),
}

impl Tree {
    /// RFC 1951, section 3.2.2, put another way: symbols in the order of the
    /// lengths of their codes, then of their values, take the codes of their
    /// length one after the other.
    fn new(lengths: &[u8]) -> Result<Self, String> {
        let mut symbols: Vec<_> = (0..lengths.len()).filter(|&s| lengths[s] > 0).collect();
        symbols.sort_by_key(|&symbol| (lengths[symbol], symbol));
        let mut tree = Self { forks: vec![[Branch::Open; 2]], is_complete: false };
        let (mut code, mut length) = (0_usize, 0);
        for symbol in symbols {
            code <<= lengths[symbol] - length;
            length = lengths[symbol];
            if code >= 1 << length {
                return Err("over-subscribed code".into());
            }
            tree.insert(code, length, symbol);
            code += 1;
        }
        tree.is_complete = code == 1 << length;
        Ok(tree)
    }

    fn insert(&mut self, code: usize, length: u8, symbol: usize) {
        let mut fork = 0;
        for shift in (1..length).rev() {
            let new = self.forks.len();
            let branch = &mut self.forks[fork][(code >> shift) & 1];
            fork = match *branch {
                Branch::Fork(fork) => fork,
                Branch::Open => {
                    *branch = Branch::Fork(new);
                    self.forks.push([Branch::Open; 2]);
                    new
                }
                Branch::Symbol(_) => unreachable!("codes grow"),
            };
        }
        self.forks[fork][code & 1] = Branch::Symbol(symbol);
    }

    fn decode(&self, bits: &mut Bits<'_>) -> Result<usize, String> {
        let mut fork = 0;
        loop {
            match self.forks[fork][bits.take(1)?] {
                Branch::Fork(next) => fork = next,
                Branch::Symbol(symbol) => return Ok(symbol),
                Branch::Open => return Err("bits that are no code".into()),
            }
        }
    }
}

/// RFC 1951, section 3.1.1: octets as bits, the least significant first.
struct Bits<'a> {
    octets: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// A number of so many bits, the least significant first.
    fn take(&mut self, count: usize) -> Result<usize, String> {
        let mut number = 0;
        for i in 0..count {
            let octet = self.octets.get(self.at / 8).ok_or("ends within a block")?;
            let bit = octet >> (self.at % 8) & 1;
            number |= usize::from(bit) << i;
            self.at += 1;
        }
        Ok(number)
    }

    fn skip_to_octet(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }
}
