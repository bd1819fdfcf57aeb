//! Time as a value that the caller passes in.
//!
//! Layer: the lowest. Nothing here reads a clock but [`Clock`], for adapters.

use core::ops::Add;
use core::time::Duration;

/// A point in time: the time since an epoch that the caller chooses, such as
/// the start of the program. All instants given to one connection must share
/// it, and must not go backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Duration);

impl Instant {
    /// The point `since_epoch` after the caller's epoch.
    #[inline]
    pub const fn from_epoch(since_epoch: Duration) -> Self {
        Self(since_epoch)
    }

    /// The time since the caller's epoch.
    #[inline]
    pub const fn since_epoch(self) -> Duration {
        self.0
    }

    /// The time from `earlier` to this; zero if `earlier` is the later one.
    #[inline]
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates: a deadline beyond the end of time is the end of time.
    #[inline]
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }
}

/// The monotonic clock of the operating system, counted from its creation.
#[cfg(feature = "std")]
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    epoch: std::time::Instant,
}

#[cfg(feature = "std")]
impl Clock {
    /// A clock whose epoch is now.
    #[allow(clippy::new_without_default)] // two clocks are never equal
    pub fn new() -> Self {
        Self { epoch: std::time::Instant::now() }
    }

    /// What time it is.
    pub fn now(&self) -> Instant {
        Instant(self.epoch.elapsed())
    }

    /// The instant that the system's clock calls `time`; the epoch if that is
    /// before it.
    pub fn at(&self, time: std::time::Instant) -> Instant {
        Instant(time.saturating_duration_since(self.epoch))
    }
}
