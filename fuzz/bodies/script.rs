//! Bytes read as what they stand for, by the bodies that have a language.

pub struct Script<'a> {
    rest: &'a [u8],
    /// Bytes that messages may still have beyond those of the script: many
    /// long ones would only take time.
    spare: usize,
}

impl<'a> Script<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Self { rest: data, spare: 70_000 }
    }

    pub fn is_over(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next, or zero.
    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// So many bytes, or what there is.
    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// A length byte and so many bytes.
    pub fn bytes(&mut self) -> &'a [u8] {
        let len = self.byte();
        self.take(len.into())
    }

    /// A length byte and few bytes.
    pub fn some_bytes(&mut self) -> &'a [u8] {
        let len = self.byte();
        self.take((len % 32).into())
    }

    /// A message: short ones mostly, and all forms of the length.
    pub fn payload(&mut self) -> Vec<u8> {
        let byte = self.byte();
        if byte < 250 {
            return self.take(usize::from(byte % 32)).to_vec();
        }
        let fill = self.byte();
        let around_65_536 = 65_535 + usize::from(fill % 2);
        let len = [125, 126, 127, 300, 1_000, around_65_536][usize::from(byte - 250)];
        if len > self.spare {
            return Vec::new();
        }
        self.spare -= len;
        vec![fill & 0x7f; len]
    }
}
