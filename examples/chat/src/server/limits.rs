//! What is limited, and the rate at which one member may speak.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sockeye::deflate::Params;
use sockeye::{Config, DeflateConfig};

/// Every limit of the chat that is not one of HTTP's. The engine's own are
/// made of it, by [`config`](Self::config).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one message received; more closes with 1009.
    ///
    /// Default: 64 KiB. The longest text, however it is escaped, fits twice.
    pub max_message: u64,
    /// Characters of one text; a longer one is not passed on, and its sender
    /// is told.
    ///
    /// Default: 2000.
    pub max_text: usize,
    /// Members of all rooms together; whoever comes then is told 503.
    ///
    /// Default: 1000.
    pub max_members: usize,
    /// Members of one room; whoever comes then is told 503.
    ///
    /// Default: 200. What one says goes to all, and so does each list of them.
    pub max_room: usize,
    /// Bytes that wait for a member who is slow to take them; one more message
    /// and he is let go, with 1013. What the system's own buffers hold comes on
    /// top. At most so many bytes per member is what slow ones cost.
    ///
    /// Default: 128 KiB, which is some thousand messages compressed.
    pub max_queued: usize,
    /// Messages that a member may send at once.
    ///
    /// Default: 10.
    pub burst: u32,
    /// The time after which he may send one more.
    ///
    /// Default: half a second.
    pub refill: Duration,
    /// Messages over the rate, each of them dropped, after which he is closed
    /// with 1008. Being quiet until he could send `burst` messages again makes
    /// up for all of them.
    ///
    /// Default: 20.
    pub max_strikes: u32,
    /// The time within which a client has to say its name, or is closed with
    /// 1008.
    ///
    /// Default: 30 s. It has the name before it connects.
    pub sign_in: Duration,
    /// The time without a byte from a member after which it is asked for a sign
    /// of life, which may take as long again.
    ///
    /// Default: 20 s. Proxies give up on silence after a minute or so.
    pub ping: Duration,
    /// The time without a message in either direction after which a member is
    /// closed with 1001.
    ///
    /// Default: an hour.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message: 64 << 10,
            max_text: 2000,
            max_members: 1000,
            max_room: 200,
            max_queued: 128 << 10,
            burst: 10,
            refill: Duration::from_millis(500),
            max_strikes: 20,
            sign_in: Duration::from_secs(30),
            ping: Duration::from_secs(20),
            idle: Duration::from_secs(3600),
        }
    }
}

impl Limits {
    /// The same for the engine.
    ///
    /// Compression keeps no contexts between messages, so that a quiet member
    /// owns no memory for it; and a broadcast is compressed by itself anyway,
    /// once for everybody.
    pub fn config(&self) -> Arc<Config> {
        let mut deflate = DeflateConfig::default();
        deflate.params = vec![Params::NO_CONTEXT_TAKEOVER];
        deflate.min_len = 128;
        let mut config = Config::default();
        config.deflate = Some(deflate);
        config.max_message_len = self.max_message;
        config.max_fragments = 1024;
        config.max_queued_len = self.max_queued;
        config.ping_interval = Some(self.ping);
        config.pong_timeout = self.ping;
        config.idle_timeout = Some(self.idle);
        Arc::new(config)
    }
}

/// What is left of a member's right to speak: a bucket of `burst` tokens, one
/// more each `refill`.
#[derive(Debug)]
pub struct Rate {
    tokens: u32,
    /// When the last of the tokens came.
    filled: Instant,
    /// Messages dropped since the bucket was full.
    strikes: u32,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is passed on.
    Pass,
    /// It is dropped; the sender is told if it is the first since the bucket
    /// was full.
    Drop {
        /// It is the first.
        first: bool,
    },
    /// The sender is closed.
    Close,
}

impl Rate {
    /// A full bucket.
    pub fn new(limits: &Limits, now: Instant) -> Self {
        Self { tokens: limits.burst, filled: now, strikes: 0 }
    }

    /// Judges a message that came now.
    pub fn judge(&mut self, limits: &Limits, now: Instant) -> Verdict {
        self.fill(limits, now);
        if self.tokens >= limits.burst {
            self.strikes = 0;
        }
        if let Some(left) = self.tokens.checked_sub(1) {
            self.tokens = left;
            return Verdict::Pass;
        }
        self.strikes += 1;
        if self.strikes > limits.max_strikes {
            return Verdict::Close;
        }
        Verdict::Drop { first: self.strikes == 1 }
    }

    fn fill(&mut self, limits: &Limits, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_nanos();
        let refill = limits.refill.as_nanos().max(1);
        let missing = u128::from(limits.burst.saturating_sub(self.tokens));
        if passed / refill >= missing {
            self.tokens = limits.burst;
            self.filled = now;
        } else if let Ok(more) = u32::try_from(passed / refill) {
            self.tokens += more;
            self.filled += limits.refill * more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { burst: 3, refill: Duration::from_secs(1), max_strikes: 2, ..Limits::default() }
    }

    #[test]
    fn a_burst_and_then_one_by_one() {
        let (limits, start) = (limits(), Instant::now());
        let mut rate = Rate::new(&limits, start);
        let mut at = |millis| rate.judge(&limits, start + Duration::from_millis(millis));
        for millis in [0, 0, 10] {
            assert_eq!(at(millis), Verdict::Pass);
        }
        assert_eq!(at(500), Verdict::Drop { first: true });
        assert_eq!(at(1010), Verdict::Pass, "a token came");
        assert_eq!(at(1020), Verdict::Drop { first: false });
        assert_eq!(at(2010), Verdict::Pass);
        assert_eq!(at(2020), Verdict::Close, "the third since the bucket was full");
    }

    #[test]
    fn being_quiet_makes_up_for_it() {
        let (limits, start) = (limits(), Instant::now());
        let mut rate = Rate::new(&limits, start);
        for round in 0..10 {
            let now = start + Duration::from_secs(10 * round);
            for _ in 0..3 {
                assert_eq!(rate.judge(&limits, now), Verdict::Pass);
            }
            assert_eq!(rate.judge(&limits, now), Verdict::Drop { first: true });
            assert_eq!(rate.judge(&limits, now), Verdict::Drop { first: false });
        }
    }

    #[test]
    fn time_is_not_lost_between_tokens() {
        let (limits, start) = (limits(), Instant::now());
        let mut rate = Rate::new(&limits, start);
        let passed = (0..100)
            .filter(|n| {
                let now = start + Duration::from_millis(n * 300);
                rate.strikes = 0;
                rate.judge(&limits, now) == Verdict::Pass
            })
            .count();
        // 30 s, less what came while the bucket was full.
        assert!((30..=33).contains(&passed), "{passed}");
    }

    #[test]
    fn the_longest_text_fits_a_message() {
        let limits = Limits::default();
        // A character of four bytes, or one escaped with six; the rest is JSON.
        assert!(limits.max_text as u64 * 12 + 200 <= limits.max_message);
    }
}
