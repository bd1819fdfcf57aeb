//! The deadline of an opening handshake.

use core::time::Duration;

use crate::time::Instant;

/// Starts when the time is first told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    timeout: Option<Duration>,
    at: Option<Instant>,
}

/// It has passed.
pub(super) struct Passed;

impl Deadline {
    pub(super) const fn new(timeout: Option<Duration>) -> Self {
        Self { timeout, at: None }
    }

    /// Says when it will pass; `None`: never.
    pub(super) fn check(&mut self, now: Instant) -> Result<Option<Instant>, Passed> {
        let Some(timeout) = self.timeout else { return Ok(None) };
        let at = *self.at.get_or_insert(now + timeout);
        if now < at { Ok(Some(at)) } else { Err(Passed) }
    }
}
