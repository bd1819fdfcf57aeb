//! The time, of tokio or of another runtime.

use alloc::boxed::Box;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::sync::OnceLock;

use crate::time::Instant;

/// What the adapter asks of a runtime beside its streams. tokio's is what is
/// used if no other is named; [`accept_on`](super::accept_on),
/// [`handshake_on`](super::handshake_on) and
/// [`WebSocket::from_parts_on`](super::WebSocket::from_parts_on) take others.
pub trait Timer: fmt::Debug + Send + Sync {
    /// The time since any moment that stays the same.
    fn now(&self) -> Duration;

    /// A future that is ready after this time, and not earlier. Called when a
    /// deadline has to be waited for, which is seldom: not for each message.
    fn sleep(&self, duration: Duration) -> Sleep;
}

/// What a [`Timer`] gives: ready when the time is up.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Of the tokio runtime that polls it, which must have its time driver enabled
/// (`enable_time`, as in `#[tokio::main]`).
#[derive(Clone, Copy, Debug)]
pub(super) struct TokioTimer;

impl Timer for TokioTimer {
    fn now(&self) -> Duration {
        // The system's time, and not that of a runtime whose clock may have
        // been turned forward: others would be behind it.
        static EPOCH: OnceLock<std::time::Instant> = OnceLock::new();
        let epoch = *EPOCH.get_or_init(std::time::Instant::now);
        tokio::time::Instant::now().into_std().saturating_duration_since(epoch)
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Waits for one deadline at a time, which may change. Owns memory only while
/// it waits.
pub(super) struct Alarm {
    timer: &'static dyn Timer,
    /// Ends at this time, which may be earlier than what is waited for: setting
    /// a timer costs more than looking at it once more.
    sleep: Option<(Instant, Sleep)>,
}

impl Alarm {
    pub(super) fn new(timer: &'static dyn Timer) -> Self {
        Self { timer, sleep: None }
    }

    /// Forgets what was waited for, and gives its memory back.
    pub(super) fn reset(&mut self) {
        self.sleep = None;
    }

    pub(super) fn now(&self) -> Instant {
        Instant::from_epoch(self.timer.now())
    }

    /// Ready once `at` has passed; never if there is no deadline. Several may
    /// poll for deadlines of their own, if they share the waker: what wakes one
    /// too early makes the others ask again.
    pub(super) fn poll(&mut self, at: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = at else { return Poll::Pending };
        loop {
            match &mut self.sleep {
                Some((end, sleep)) if *end <= at => {
                    ready!(sleep.as_mut().poll(cx));
                    let end = *end;
                    self.sleep = None;
                    if end == at {
                        return Poll::Ready(());
                    }
                }
                _ => {
                    let wait = at.saturating_duration_since(self.now());
                    self.sleep = Some((at, self.timer.sleep(wait)));
                }
            }
        }
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alarm").field("timer", &self.timer).finish_non_exhaustive()
    }
}
