//! The input of `commands`, read as what it stands for.

use core::time::Duration;

use sockeye::{Config, FixedOutput};

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

    pub fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// So many bytes, or what there is.
    fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(len.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// A length byte and so many bytes.
    pub fn bytes(&mut self) -> &'a [u8] {
        let len = self.byte();
        self.take(len.into())
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

    pub fn config(&mut self) -> Config {
        let byte = self.byte();
        let on = |bit: u8, seconds| (byte >> bit & 1 == 1).then(|| Duration::from_secs(seconds));
        let mut config = Config::default();
        config.ping_interval = on(0, 2);
        config.idle_timeout = on(1, 7);
        config.close_timeout = on(2, 5);
        config.pong_timeout = on(3, 1).unwrap_or(config.pong_timeout);
        config.auto_pong = on(4, 0).is_none();
        config
    }

    /// Room in an output that nobody flushes; now and then just what is
    /// promised to be enough.
    pub fn room(&mut self) -> usize {
        match self.byte() {
            0..128 => usize::MAX,
            byte => FixedOutput::MIN_LEN + 4 * usize::from(byte - 128),
        }
    }
}
