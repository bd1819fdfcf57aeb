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

/// What a seed grows into: a cryptographically secure generator.
pub(crate) struct KeyGenerator {
    rng: StdRng,
    /// Made ahead, so that most keys cost a load.
    keys: [u32; AHEAD],
    /// The first key that was not used; all before are spent.
    next: usize,
}

const AHEAD: usize = 16;

impl KeyGenerator {
    pub(crate) fn new(seed: Seed) -> Self {
        Self { rng: StdRng::from_seed(seed.0), keys: [0; AHEAD], next: AHEAD }
    }

    /// "A masking key [is] a 32-bit value chosen at random", fresh for each
    /// frame (section 5.3).
    #[inline]
    pub(crate) fn masking_key(&mut self) -> [u8; 4] {
        if let Some(key) = self.keys.get(self.next) {
            self.next += 1;
            return key.to_le_bytes();
        }
        self.make_keys()
    }

    /// Makes the next keys, and gives the first of them.
    #[cold]
    fn make_keys(&mut self) -> [u8; 4] {
        self.keys.fill_with(|| self.rng.next_u32());
        self.next = 1;
        self.keys[0].to_le_bytes()
    }

    /// "A nonce consisting of a randomly selected 16-byte value" (section 4.1).
    pub(crate) fn nonce(&mut self) -> [u8; 16] {
        let mut nonce = [0; 16];
        self.rng.fill_bytes(&mut nonce);
        nonce
    }
}

impl fmt::Debug for KeyGenerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyGenerator(..)")
    }
}
