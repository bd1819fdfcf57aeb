//! A driver that several tasks poll, under a lock that is never held across an
//! await.
//!
//! A stream knows one task to wake for each direction, and some wake the wrong
//! one (TLS may have to write in order to read); so it is always polled with
//! one waker of our own, which wakes everybody who waits.

use alloc::sync::Arc;
use alloc::task::Wake;
use core::fmt;
use core::task::{Context, Poll, Waker};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::driver::Driver;
use super::wakers::Wakers;

pub(super) struct Shared<S> {
    driver: Mutex<Driver<S>>,
    waiting: Arc<Waiting>,
    /// Wakes all that wait.
    waker: Waker,
}

/// The tasks that wait for the stream, or for each other.
#[derive(Debug, Default)]
struct Waiting(Mutex<Tasks>);

#[derive(Debug, Default)]
struct Tasks {
    reader: Option<Waker>,
    senders: Wakers,
}

/// Who waits; a sender in a place of its own, once it has one.
#[derive(Debug)]
pub(super) enum Half<'a> {
    Reader,
    Sender(&'a mut Option<usize>),
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Tasks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn register(&self, half: Half<'_>, waker: &Waker) {
        let mut tasks = self.lock();
        match half {
            Half::Reader => tasks.reader = Some(waker.clone()),
            Half::Sender(place) => {
                let place = *place.get_or_insert_with(|| tasks.senders.enter());
                tasks.senders.set(place, waker);
            }
        }
    }

    /// A sender waits no longer.
    fn leave(&self, place: Option<usize>) {
        if let Some(place) = place {
            self.lock().senders.leave(place);
        }
    }

    fn wake_reader(&self) {
        let reader = self.lock().reader.take();
        reader.into_iter().for_each(Waker::wake);
    }

    fn wake_senders(&self) {
        let senders = self.lock().senders.all();
        senders.into_iter().for_each(Waker::wake);
    }
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.wake_reader();
        self.wake_senders();
    }
}

impl<S> Shared<S> {
    pub(super) fn new(driver: Driver<S>) -> Arc<Self> {
        let waiting = Arc::new(Waiting::default());
        let waker = Waker::from(waiting.clone());
        Arc::new(Self { driver: Mutex::new(driver), waiting, waker })
    }

    pub(super) fn into_driver(self) -> Driver<S> {
        self.driver.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wake_reader(&self) {
        self.waiting.wake_reader();
    }

    /// A sender waits no longer.
    pub(super) fn leave(&self, place: Option<usize>) {
        self.waiting.leave(place);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Driver<S>> {
        // No call of ours panics while it holds the lock; if a caller's
        // command did, the engine is as consistent as after an error.
        self.driver.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the driver, and wakes whom that concerns.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Driver<S>, &mut Context<'_>) -> T) -> T {
        let mut driver = self.lock();
        let (written, end) = driver.progress();
        let deadline = driver.deadline();
        let result = work(&mut driver, &mut Context::from_waker(&self.waker));
        let (now_written, now_end) = driver.progress();
        // Most deadlines are put off by what happens; then the alarm rings early.
        let is_sooner =
            driver.deadline().is_some_and(|now| deadline.is_none_or(|deadline| now < deadline));
        drop(driver);
        if now_end != end {
            self.waker.wake_by_ref();
        } else {
            if now_written != written {
                self.waiting.wake_senders();
            }
            if is_sooner {
                self.waiting.wake_reader();
            }
        }
        result
    }

    /// Waits for something from the driver.
    pub(super) fn poll<T>(
        &self,
        half: Half<'_>,
        cx: &mut Context<'_>,
        mut work: impl FnMut(&mut Driver<S>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        if let Poll::Ready(value) = self.with(&mut work) {
            return Poll::Ready(value);
        }
        // Once more after registering: what happened in between woke nobody.
        self.waiting.register(half, cx.waker());
        self.with(work)
    }
}

impl<S> fmt::Debug for Shared<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// A future of a sender's: it leaves its place when it is done or dropped.
pub(super) struct Wait<'a, S> {
    shared: &'a Shared<S>,
    place: Option<usize>,
}

impl<'a, S> Wait<'a, S> {
    pub(super) fn new(shared: &'a Shared<S>) -> Self {
        Self { shared, place: None }
    }

    pub(super) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        work: impl FnMut(&mut Driver<S>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.shared.poll(Half::Sender(&mut self.place), cx, work)
    }
}

impl<S> Drop for Wait<'_, S> {
    fn drop(&mut self) {
        self.shared.leave(self.place);
    }
}
