//! The compressor: whatever the RFCs let a sender do, chosen at random.

use std::collections::HashMap;

use super::encode::{BitWriter, END_OF_BLOCK, Symbol, Token, codes, huffman_code};
use crate::common::Random;

/// The sender of one direction of one connection.
pub struct Compressor {
    window: usize,
    random: Random,
    final_blocks: bool,
    /// All since the history was last dropped.
    history: Vec<u8>,
    /// Where in it three bytes begin.
    places: HashMap<[u8; 3], Vec<usize>>,
}

impl Compressor {
    /// With a window of 2^`window_bits` bytes. The same seed makes the same
    /// choices.
    pub fn new(window_bits: u8, seed: u64) -> Self {
        assert!((8..=15).contains(&window_bits), "section 7.1.2");
        Self {
            window: 1 << window_bits,
            random: Random(seed),
            final_blocks: false,
            history: Vec::new(),
            places: HashMap::new(),
        }
    }

    /// Sets BFINAL in some blocks. What follows such a block does not refer to
    /// what was before it; if it was the last, the payload ends in an octet of
    /// its own, 00 (section 7.2.3.4).
    pub fn with_final_blocks(mut self) -> Self {
        self.final_blocks = true;
        self
    }

    /// Forgets earlier messages, as without context takeover.
    pub fn reset(&mut self) {
        self.history.clear();
        self.places.clear();
    }

    /// One of the payloads that stand for this message (section 7.2.1).
    pub fn message(&mut self, mut data: &[u8]) -> Vec<u8> {
        let mut out = BitWriter::default();
        while !data.is_empty() || self.one_in(4) {
            let bound = [1, 10, 300, 5000, 100_000][self.random.below(5)];
            let (piece, rest) = data.split_at(self.random.below(bound).min(data.len()));
            self.block(piece, &mut out);
            data = rest;
        }
        // The header of an empty stored block. Its LEN and NLEN are the four
        // octets to be removed.
        out.put(0, 3);
        out.pad(0);
        out.octets
    }

    fn block(&mut self, data: &[u8], out: &mut BitWriter) {
        let is_final = self.final_blocks && self.one_in(4);
        out.put(usize::from(is_final), 1);
        // A stored block has only 16 bits for its length.
        let kinds = if data.len() > 0xffff { 1..3 } else { 0..3 };
        let kind = kinds.start + self.random.below(kinds.len());
        out.put(kind, 2);
        match kind {
            0 => {
                // Receivers are to ignore the padding (RFC 1951, section 3.2.4).
                out.pad(if self.one_in(2) { 0 } else { self.random.below(256) });
                out.put(data.len(), 16);
                out.put(data.len() ^ 0xffff, 16);
                for &byte in data {
                    out.put(usize::from(byte), 8);
                    self.history.push(byte);
                    self.remember();
                }
            }
            1 => {
                let tokens = self.tokens(data);
                let mut literals = [8; 288];
                literals[144..256].fill(9);
                literals[256..280].fill(7);
                out.tokens(&tokens, &codes(&literals), &codes(&[5; 30]));
            }
            _ => {
                let tokens = self.tokens(data);
                self.dynamic(&tokens, out);
            }
        }
        if is_final {
            out.pad(0); // "minimal padding bits of 0 MUST be added" (section 7.2.1)
            self.reset();
        }
    }

    // ---- back-references -------------------------------------------------------

    /// Adds the data to the history, and says how to write it.
    fn tokens(&mut self, data: &[u8]) -> Vec<Token> {
        // From literals only to whatever is found.
        let eagerness = self.random.below(5);
        let mut tokens = Vec::new();
        let mut rest = data;
        while let &[next, ..] = rest {
            let copy = if self.random.below(4) < eagerness { self.find(rest) } else { None };
            let (token, length) = match copy {
                Some((length, distance)) => (Token::Copy { length, distance }, length),
                None => (Token::Literal(next), 1),
            };
            tokens.push(token);
            for &byte in &rest[..length] {
                self.history.push(byte);
                self.remember();
            }
            rest = &rest[length..];
        }
        tokens
    }

    /// Some place in the history where what comes next is found: length and
    /// distance.
    fn find(&mut self, rest: &[u8]) -> Option<(usize, usize)> {
        let next = rest.first_chunk::<3>()?;
        let here = self.history.len();
        // The edges: as far as the window reaches, as far as the history does,
        // and those that overlap most.
        let mut distances = vec![self.window, here, 1, 2];
        if let Some(places) = self.places.get(next) {
            let near = places.partition_point(|place| here - place > self.window);
            if near < places.len() {
                let place = places[near + self.random.below(places.len() - near)];
                distances.push(here - place);
            }
        }
        let reach = self.window.min(here);
        distances.retain(|&d| 0 < d && d <= reach && self.common(rest, d) >= 3);
        if distances.is_empty() {
            return None;
        }
        let distance = distances[self.random.below(distances.len())];
        let longest = self.common(rest, distance);
        let length = if self.one_in(4) { 3 + self.random.below(longest - 2) } else { longest };
        Some((length, distance))
    }

    /// How many bytes, 258 at most, are as those at this distance before them.
    fn common(&self, rest: &[u8], distance: usize) -> usize {
        let start = self.history.len() - distance;
        // Beyond the history, the bytes of the match itself.
        let byte = |i: usize| match self.history.get(start + i) {
            Some(&byte) => byte,
            None => rest[i - distance],
        };
        (0..rest.len().min(258)).take_while(|&i| rest[i] == byte(i)).count()
    }

    /// Notes the place of the last three bytes.
    fn remember(&mut self) {
        if let Some(&last) = self.history.last_chunk::<3>() {
            self.places.entry(last).or_default().push(self.history.len() - 3);
        }
    }

    // ---- dynamic blocks --------------------------------------------------------

    fn dynamic(&mut self, tokens: &[Token], out: &mut BitWriter) {
        let (mut literals, mut distances) = ([0; 286], [0; 30]);
        literals[END_OF_BLOCK.0] = 1;
        for token in tokens {
            let (literal, distance) = token.symbols();
            literals[literal.0] += 1;
            if let Some(distance) = distance {
                distances[distance.0] += 1;
            }
        }
        let literals = self.lengths(&literals, 15);
        let distances = self.distance_lengths(&distances);
        let literals = self.without_end(&literals, 257);
        let distances = self.without_end(&distances, 1);

        let header = self.shorten(&[literals, distances].concat());
        let mut frequencies = [0; 19];
        for symbol in &header {
            frequencies[symbol.0] += 1;
        }
        let lengths = self.lengths(&frequencies, 7);
        let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
        let ordered = order.map(|symbol| lengths[symbol]);
        let ordered = self.without_end(&ordered, 4);

        out.put(literals.len() - 257, 5);
        out.put(distances.len() - 1, 5);
        out.put(ordered.len() - 4, 4);
        for &length in ordered {
            out.put(length, 3);
        }
        let header_codes = codes(&lengths);
        for symbol in header {
            out.symbol(symbol, &header_codes);
        }
        out.tokens(tokens, &codes(literals), &codes(distances));
    }

    /// Code lengths for distances, which do not need to be a complete code if
    /// there are less than two.
    fn distance_lengths(&mut self, frequencies: &[usize; 30]) -> Vec<usize> {
        let mut lengths = vec![0; 30];
        let used = frequencies.iter().filter(|&&f| f > 0).count();
        match (used, self.random.below(3)) {
            (0, 0) => {}
            (0, 1) => lengths[self.random.below(30)] = 1,
            (1, 0 | 1) => lengths[frequencies.iter().position(|&f| f > 0).unwrap()] = 1,
            _ => return self.lengths(frequencies, 15),
        }
        lengths
    }

    /// Code lengths of some complete code that has all symbols that are used, at
    /// times others too.
    fn lengths(&mut self, frequencies: &[usize], limit: usize) -> Vec<usize> {
        let mut weights = frequencies.to_vec();
        if self.one_in(3) {
            for _ in 0..self.random.below(weights.len()) {
                let symbol = self.random.below(weights.len());
                weights[symbol] = weights[symbol].max(1);
            }
        }
        while weights.iter().filter(|&&w| w > 0).count() < 2 {
            let symbol = self.random.below(weights.len());
            weights[symbol] = weights[symbol].max(1);
        }
        if self.one_in(2) { self.any_code(&weights, limit) } else { huffman_code(weights, limit) }
    }

    /// Code lengths without regard to how often a symbol is used.
    fn any_code(&mut self, weights: &[usize], limit: usize) -> Vec<usize> {
        let used: Vec<_> = (0..weights.len()).filter(|&s| weights[s] > 0).collect();
        let prefer_deep = self.one_in(2);
        // The leaves of a tree: one, and then others by forks.
        let mut leaves = vec![0];
        while leaves.len() < used.len() {
            let i = match leaves.iter().rposition(|&depth| depth < limit) {
                Some(newest) if prefer_deep && !self.one_in(4) => newest,
                _ => self.random.below(leaves.len()),
            };
            if leaves[i] < limit {
                leaves[i] += 1;
                leaves.push(leaves[i]);
            }
        }
        let mut lengths = vec![0; weights.len()];
        for symbol in used {
            lengths[symbol] = leaves.swap_remove(self.random.below(leaves.len()));
        }
        lengths
    }

    /// Less some of the zeros at the end, but no shorter than `least`.
    fn without_end<'a>(&mut self, lengths: &'a [usize], least: usize) -> &'a [usize] {
        let needed = lengths.iter().rposition(|&length| length > 0).map_or(0, |last| last + 1);
        let needed = needed.max(least);
        let spare = if self.one_in(3) { self.random.below(lengths.len() - needed + 1) } else { 0 };
        &lengths[..needed + spare]
    }

    /// Code lengths as the symbols of a header: runs may be repeats.
    fn shorten(&mut self, lengths: &[usize]) -> Vec<Symbol> {
        let mut symbols = Vec::new();
        let mut at = 0;
        while at < lengths.len() {
            let length = lengths[at];
            let run = lengths[at..].iter().take_while(|&&l| l == length).count();
            let again = at > 0 && lengths[at - 1] == length;
            let (symbol, times) = match self.random.below(4) {
                0 if run >= 3 && again => {
                    let times = 3 + self.random.below(run.min(6) - 2);
                    ((16, times - 3, 2), times)
                }
                0 | 1 if run >= 3 && length == 0 => {
                    let times = 3 + self.random.below(run.min(10) - 2);
                    ((17, times - 3, 3), times)
                }
                0..=2 if run >= 11 && length == 0 => {
                    let times = 11 + self.random.below(run.min(138) - 10);
                    ((18, times - 11, 7), times)
                }
                _ => ((length, 0, 0), 1),
            };
            symbols.push(symbol);
            at += times;
        }
        symbols
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.random.below(count) == 0
    }
}
