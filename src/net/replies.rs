//! Answers that a peer has asked for, and has not taken: one that never reads
//! must not make them grow.

use crate::config::Config;

/// The answers among the output of a connection.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    len: usize,
    /// Bytes of output up to the end of the last.
    ahead: usize,
}

impl Replies {
    /// Receiving has made the output longer, or not.
    pub(crate) fn came(&mut self, before: usize, after: usize) {
        if after > before {
            self.len += after - before;
            self.ahead = after;
        }
    }

    /// The network has taken the next `len` bytes of the output.
    pub(crate) fn wrote(&mut self, len: usize) {
        self.ahead = self.ahead.saturating_sub(len);
        if self.ahead == 0 {
            self.len = 0;
        }
    }

    /// True if the peer has asked for more than it may without taking them. What
    /// the application sends is its own affair: two ends that stopped reading for
    /// that would wait for each other.
    pub(crate) fn are_too_many(&self, config: &Config) -> bool {
        self.len > config.max_queued_len
    }
}
