//! When to connect again (RFC 6455, section 7.2.3).

use core::time::Duration;
use std::io;

use crate::seed::{KeyGenerator, Seed};

/// Delays between attempts to connect again: the first at random, so that the
/// clients of a server that has gone down do not all come back at once; then
/// longer ones, up to a limit.
///
/// "The first reconnect attempt SHOULD be delayed by a random amount of time
/// [...] between 0 and 5 seconds [...] subsequent reconnect attempts SHOULD be
/// delayed by increasingly longer amounts of time, using a method such as
/// truncated binary exponential backoff" (RFC 6455, section 7.2.3).
///
/// # Example: the range of each delay
///
/// ```
/// use core::time::Duration;
/// use sockeye::{Seed, net::Backoff};
///
/// let mut backoff = Backoff::new(Seed::from_bytes([7; 32]));
/// assert!(backoff.next_delay() <= Duration::from_secs(5));
/// let second = backoff.next_delay();
/// assert!(second >= Duration::from_secs(5) && second <= Duration::from_secs(10));
/// backoff.reset(); // connected
/// ```
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    /// Attempts since the last success.
    attempts: u32,
    random: KeyGenerator,
}

impl Backoff {
    /// The delays of the RFC, at most a minute each. Equal seeds give equal
    /// delays.
    pub fn new(seed: Seed) -> Self {
        Self {
            first: Duration::from_secs(5),
            longest: Duration::from_secs(60),
            attempts: 0,
            random: KeyGenerator::new(seed),
        }
    }

    /// As [`new`](Self::new), seeded by the operating system.
    ///
    /// # Errors
    ///
    /// What the operating system says when it has no seed to give.
    pub fn from_os() -> io::Result<Self> {
        Ok(Self::new(Seed::from_os()?))
    }

    /// Sets the most that the first delay can be, 5 s otherwise. Each later
    /// one is at random between this, doubled for each attempt but the second,
    /// and twice that.
    pub fn first(mut self, first: Duration) -> Self {
        self.first = first;
        self
    }

    /// Sets the longest delay, a minute otherwise.
    pub fn longest(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// How long to wait before the next attempt. Call it once for each.
    pub fn next_delay(&mut self) -> Duration {
        let doubled =
            |times: u32| self.first.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX));
        let (least, most) = match self.attempts {
            0 => (Duration::ZERO, self.first),
            n => (doubled(n - 1), doubled(n)),
        };
        self.attempts = self.attempts.saturating_add(1);
        // Truncated, the delays still differ: by up to a half.
        let most = most.min(self.longest);
        let least = least.min(most / 2);
        let fraction =
            f64::from(u32::from_ne_bytes(self.random.masking_key())) / f64::from(u32::MAX);
        least + (most - least).mul_f64(fraction)
    }

    /// The connection was opened: the next delay is the first again.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}
