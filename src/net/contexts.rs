//! Compression contexts that are kept for connections: those that keep none of
//! their own borrow one for each message.

use alloc::boxed::Box;
use alloc::vec::Vec;
#[cfg(feature = "tokio")]
use core::cell::RefCell;
use std::sync::{Mutex, PoisonError};

use crate::deflate::{Deflater, Inflater, Lender, Strength};

/// For connections that are run by tasks: each thread has what it used last.
#[cfg(feature = "tokio")]
pub(crate) static OF_THREAD: OfThread = OfThread;

/// For connections that have a thread each, which waits most of the time.
pub(crate) static OF_PROCESS: OfProcess = OfProcess(Mutex::new(Spare::new()));

#[cfg(feature = "tokio")]
#[derive(Debug)]
pub(crate) struct OfThread;

#[derive(Debug)]
pub(crate) struct OfProcess(Mutex<Spare>);

#[derive(Debug)]
#[allow(clippy::vec_box)] // lent in the boxes that they live in
pub(crate) struct Spare {
    inflaters: Vec<Box<Inflater>>,
    deflaters: Vec<Box<Deflater>>,
}

#[cfg(feature = "tokio")]
std::thread_local! {
    static SPARE: RefCell<Spare> = const { RefCell::new(Spare::new()) };
}

impl Spare {
    const fn new() -> Self {
        Self { inflaters: Vec::new(), deflaters: Vec::new() }
    }

    fn take_deflater(&mut self, strength: Strength) -> Option<Box<Deflater>> {
        let at = self.deflaters.iter().rposition(|deflater| deflater.strength() == strength)?;
        Some(self.deflaters.remove(at))
    }
}

/// Keeps a context. The one that was not used for longest goes: a peer chooses
/// the window, and must not fill the pool with what nobody else can use.
fn put<T>(contexts: &mut Vec<Box<T>>, context: Box<T>, max: usize) {
    if contexts.len() >= max {
        contexts.remove(0);
    }
    contexts.push(context);
}

/// A pool, wherever it is.
trait Pool {
    /// Contexts of either kind that are kept.
    const MAX: usize;

    /// `None` if it is gone: a connection can be dropped by another
    /// thread-local.
    fn with<R>(&self, work: impl FnOnce(&mut Spare) -> R) -> Option<R>;
}

#[cfg(feature = "tokio")]
impl Pool for OfThread {
    /// More than one are only needed for messages that come or go in
    /// fragments, or for several strengths.
    const MAX: usize = 4;

    fn with<R>(&self, work: impl FnOnce(&mut Spare) -> R) -> Option<R> {
        SPARE.try_with(|spare| work(&mut spare.borrow_mut())).ok()
    }
}

impl Pool for OfProcess {
    /// As many as threads may need at the same moment.
    const MAX: usize = 16;

    fn with<R>(&self, work: impl FnOnce(&mut Spare) -> R) -> Option<R> {
        Some(work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl<P: Pool + core::fmt::Debug + Send + Sync> Lender for P {
    fn take_inflater(&self) -> Option<Box<Inflater>> {
        self.with(|spare| spare.inflaters.pop()).flatten()
    }

    fn put_inflater(&self, inflater: Box<Inflater>) {
        self.with(|spare| put(&mut spare.inflaters, inflater, P::MAX));
    }

    fn take_deflater(&self, strength: Strength) -> Option<Box<Deflater>> {
        self.with(|spare| spare.take_deflater(strength)).flatten()
    }

    fn put_deflater(&self, deflater: Box<Deflater>) {
        self.with(|spare| put(&mut spare.deflaters, deflater, P::MAX));
    }
}
