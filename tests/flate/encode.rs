//! How the compressor writes what it has chosen: symbols, codes and bits.

#[derive(Clone, Copy)]
pub enum Token {
    Literal(u8),
    Copy { length: usize, distance: usize },
}

/// A symbol, and the bits added to it: their value, and how many they are.
pub type Symbol = (usize, usize, usize);

pub const END_OF_BLOCK: Symbol = (256, 0, 0);

impl Token {
    /// The symbol of a literal or length, and that of a distance (RFC 1951,
    /// section 3.2.5). Computed rather than looked up, since the inflater does
    /// the latter: above the first few, each further bit has as many symbols.
    pub fn symbols(self) -> (Symbol, Option<Symbol>) {
        let (length, distance) = match self {
            Token::Literal(byte) => return ((usize::from(byte), 0, 0), None),
            Token::Copy { length, distance } => (length - 3, distance - 1),
        };
        let extra = length.max(4).ilog2() as usize - 2;
        let length = match length {
            255 => (285, 0, 0),
            _ => (257 + 4 * extra + (length >> extra), length % (1 << extra), extra),
        };
        let extra = distance.max(2).ilog2() as usize - 1;
        let distance = (2 * extra + (distance >> extra), distance % (1 << extra), extra);
        (length, Some(distance))
    }
}

/// Huffman's code lengths. Where one is beyond the limit, weights are made more
/// alike until none is.
pub fn huffman_code(mut weights: Vec<usize>, limit: usize) -> Vec<usize> {
    loop {
        let mut lengths = vec![0; weights.len()];
        let used = (0..weights.len()).filter(|&s| weights[s] > 0);
        let mut trees: Vec<_> = used.map(|symbol| (weights[symbol], vec![symbol])).collect();
        while trees.len() > 1 {
            trees.sort_by_key(|tree| std::cmp::Reverse(tree.0));
            let (one, other) = (trees.pop().unwrap(), trees.pop().unwrap());
            let symbols = [one.1, other.1].concat();
            for &symbol in &symbols {
                lengths[symbol] += 1;
            }
            trees.push((one.0 + other.0, symbols));
        }
        if lengths.iter().all(|&length| length <= limit) {
            return lengths;
        }
        for weight in &mut weights {
            *weight = weight.div_ceil(2);
        }
    }
}

/// The code and its length for each symbol, by the steps of RFC 1951, section
/// 3.2.2.
pub fn codes(lengths: &[usize]) -> Vec<(usize, usize)> {
    let mut counts = [0; 16];
    for &length in lengths.iter().filter(|&&length| length > 0) {
        counts[length] += 1;
    }
    let mut next = [0; 16];
    for length in 1..16 {
        next[length] = (next[length - 1] + counts[length - 1]) << 1;
    }
    let mut code = |&length: &usize| {
        next[length] += 1;
        (next[length] - 1, length)
    };
    lengths.iter().map(&mut code).collect()
}

/// Bits as RFC 1951, section 3.1.1, packs them.
#[derive(Default)]
pub struct BitWriter {
    pub octets: Vec<u8>,
    /// How many bits of the last octet are not yet taken.
    free: usize,
}

impl BitWriter {
    /// A number of so many bits, the least significant first.
    pub fn put(&mut self, number: usize, count: usize) {
        for i in 0..count {
            if self.free == 0 {
                self.octets.push(0);
                self.free = 8;
            }
            let bit = (number >> i & 1) as u8;
            *self.octets.last_mut().unwrap() |= bit << (8 - self.free);
            self.free -= 1;
        }
    }

    /// A code, the most significant bit first.
    pub fn code(&mut self, (code, length): (usize, usize)) {
        for i in (0..length).rev() {
            self.put(code >> i, 1);
        }
    }

    /// Up to the next octet, with these bits.
    pub fn pad(&mut self, bits: usize) {
        self.put(bits, self.free);
    }

    pub fn symbol(&mut self, (symbol, extra, count): Symbol, codes: &[(usize, usize)]) {
        assert_ne!(codes[symbol].1, 0, "a symbol without code");
        self.code(codes[symbol]);
        self.put(extra, count);
    }

    /// The tokens of a block and its end.
    pub fn tokens(
        &mut self,
        tokens: &[Token],
        literals: &[(usize, usize)],
        dist: &[(usize, usize)],
    ) {
        for token in tokens {
            let (literal, distance) = token.symbols();
            self.symbol(literal, literals);
            if let Some(distance) = distance {
                self.symbol(distance, dist);
            }
        }
        self.symbol(END_OF_BLOCK, literals);
    }
}
