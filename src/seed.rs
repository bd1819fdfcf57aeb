//! Unpredictable bytes: masking keys and the handshake nonce (RFC 6455,
//! sections 4.1, 5.3 and 10.3).
//!
//! Layer: the lowest. The only module that knows `rand`.

use core::fmt;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// 32 bytes of entropy for one client connection.
///
/// "The masking key needs to be unpredictable; thus, the masking key MUST be
/// derived from a strong source of entropy" (section 5.3). A seed is used
/// once: two connections with the same seed mask alike.
pub struct Seed([u8; 32]);

impl Seed {
    /// A seed from bytes of the caller's: a hardware generator, or a constant
    /// in a test that must run the same way again.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A seed from the operating system.
    ///
    /// # Errors
    ///
    /// What the operating system says when it has none to give.
    #[cfg(feature = "std")]
    pub fn from_os() -> std::io::Result<Self> {
        use rand::TryRng;
        let mut bytes = [0; 32];
        rand::rngs::SysRng.try_fill_bytes(&mut bytes).map_err(std::io::Error::other)?;
        Ok(Self(bytes))
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

/// What a seed grows into: a cryptographically secure generator. It makes 256
/// bytes at a time; the first of them are the next seed, so that what was made
/// cannot be made again, and nothing but keys has to be kept.
pub(crate) struct KeyGenerator {
    seed: [u8; 32],
    keys: [u32; AHEAD],
    /// The first key that was not used; all before are spent.
    next: u8,
}

/// What 256 bytes have room for beside a seed.
const AHEAD: usize = (256 - 32) / 4;

/// Where the next key would be when all are spent.
#[allow(clippy::cast_possible_truncation)] // 56
const NONE_LEFT: u8 = AHEAD as u8;

impl KeyGenerator {
    pub(crate) fn new(seed: Seed) -> Self {
        // The first keys are made where they stay.
        Self { seed: seed.0, keys: [0; AHEAD], next: NONE_LEFT }
    }

    /// "A masking key [is] a 32-bit value chosen at random", fresh for each
    /// frame (section 5.3).
    #[inline]
    pub(crate) fn masking_key(&mut self) -> [u8; 4] {
        let key = match self.keys.get(usize::from(self.next)) {
            Some(&key) => key,
            None => self.make_keys(),
        };
        self.next += 1;
        key.to_le_bytes()
    }

    /// Makes the next keys, and gives the first.
    #[cold]
    fn make_keys(&mut self) -> u32 {
        let mut made = [0; 256];
        StdRng::from_seed(self.seed).fill_bytes(&mut made);
        let (seed, keys) = made.split_at(self.seed.len());
        self.seed.copy_from_slice(seed);
        for (key, bytes) in self.keys.iter_mut().zip(keys.chunks_exact(4)) {
            *key = bytes.try_into().map(u32::from_le_bytes).unwrap_or_default();
        }
        self.next = 0;
        self.keys[0]
    }

    /// "A nonce consisting of a randomly selected 16-byte value" (section 4.1).
    pub(crate) fn nonce(&mut self) -> [u8; 16] {
        let mut nonce = [0; 16];
        for part in nonce.chunks_exact_mut(4) {
            part.copy_from_slice(&self.masking_key());
        }
        nonce
    }
}

impl fmt::Debug for KeyGenerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyGenerator(..)")
    }
}
