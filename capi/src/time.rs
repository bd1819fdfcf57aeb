//! Time, which is the caller's.

use std::time::Duration;

use sockeye::Instant;

/// A time that does not come; as the length of a deadline, that there is none.
pub const SOCKEYE_NEVER: u64 = u64::MAX;

pub(crate) fn instant(ns: u64) -> Instant {
    Instant::from_epoch(Duration::from_nanos(ns))
}

pub(crate) fn of_instant(instant: Option<Instant>) -> u64 {
    of_duration(instant.map(Instant::since_epoch))
}

/// What is too long to be told is as good as never.
pub(crate) fn of_duration(duration: Option<Duration>) -> u64 {
    duration.and_then(|d| u64::try_from(d.as_nanos()).ok()).unwrap_or(SOCKEYE_NEVER)
}

pub(crate) fn duration(ns: u64) -> Option<Duration> {
    (ns != SOCKEYE_NEVER).then(|| Duration::from_nanos(ns))
}
