//! The end of a server: every connection closes with 1001, and those that take
//! too long are dropped.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::poll_fn;
use core::sync::atomic::{AtomicU8, Ordering};
use core::task::{Poll, Waker};
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::socket::WebSocket;
use super::time::{Alarm, Timer, TokioTimer};

/// Shuts a server down in good order: stop accepting, say 1001 (*going away*)
/// to every client, wait for the closing handshakes, and drop whoever takes
/// too long. Clones are handles of the same server.
///
/// # Example: until somebody presses Ctrl-C
///
/// ```
/// # use sockeye::tokio::{self as ws, Shutdown};
/// # use std::time::Duration;
/// # async fn ctrl_c() {}
/// # ::tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let listener = ::tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let shutdown = Shutdown::new();
/// let for_connections = shutdown.clone();
/// let accepting = async {
///     loop {
///         let (stream, _) = listener.accept().await?;
///         let shutdown = for_connections.clone();
///         ::tokio::spawn(async move {
///             let mut ws = shutdown.watch(ws::accept(stream).await?);
///             while let Some(message) = ws.read().await? {
///                 ws.send(message).await?;
///             }
///             Ok::<(), ws::Error>(()) // the client has gone, or the server is going
///         });
///     }
/// };
/// ::tokio::select! {
///     result = accepting => return result,
///     () = ctrl_c() => {}
/// }
/// let dropped = shutdown.shut_down(Duration::from_secs(10)).await;
/// assert_eq!(dropped, 0);
/// # Ok::<(), std::io::Error>(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// A `Phase`, to be looked at without the lock.
    phase: AtomicU8,
    members: Mutex<Members>,
}

/// Who is connected, and whom to tell.
#[derive(Debug, Default)]
struct Members {
    count: usize,
    /// One of each member that waits; the place is its own.
    wakers: Vec<Option<Waker>>,
    free: Vec<usize>,
    /// Those that wait for the beginning or the end.
    watchers: Vec<Waker>,
}

impl Members {
    fn wake_watchers(&mut self) {
        self.watchers.drain(..).for_each(Waker::wake);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Phase {
    Running,
    /// Connections close.
    Closing,
    /// Connections that are still there are dropped.
    Dropping,
}

impl Shared {
    fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Running,
            1 => Phase::Closing,
            _ => Phase::Dropping,
        }
    }

    fn enter(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::AcqRel);
        let mut members = self.lock();
        let wakers: Vec<Waker> = members.wakers.iter_mut().filter_map(Option::take).collect();
        members.wake_watchers();
        drop(members);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shutdown {
    /// A server that is running.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a connection part of the server: when that is shut down, whoever
    /// [reads](WebSocket::read) from it sends a Close with 1001, gets what the
    /// client still has to say, and then the end.
    pub fn watch<S>(&self, mut ws: WebSocket<S>) -> WebSocket<S> {
        let mut members = self.shared.lock();
        members.count += 1;
        let slot = members.free.pop().unwrap_or(members.wakers.len());
        if slot == members.wakers.len() {
            members.wakers.push(None);
        }
        drop(members);
        ws.set_member(Member { shared: self.shared.clone(), slot, waker: None });
        ws
    }

    /// Connections that are part of the server.
    pub fn connections(&self) -> usize {
        self.shared.lock().count
    }

    /// True once the server is being shut down.
    pub fn has_begun(&self) -> bool {
        self.shared.phase() > Phase::Running
    }

    /// Waits until the server is being shut down, to stop accepting for
    /// example. Cancel safe.
    pub async fn begun(&self) {
        self.wait_until(|shared, _| shared.phase() > Phase::Running).await;
    }

    /// Shuts the server down: all connections close, now. Waits until they
    /// have, at most for `drain`; then those that are left are dropped. Says
    /// how many those are.
    ///
    /// Cancel safe: what has begun goes on, but nobody is dropped.
    pub async fn shut_down(&self, drain: Duration) -> usize {
        self.shut_down_on(&TokioTimer, drain).await
    }

    /// As [`shut_down`](Self::shut_down), with the clock of another runtime
    /// than tokio's.
    pub async fn shut_down_on(&self, timer: &'static dyn Timer, drain: Duration) -> usize {
        self.shared.enter(Phase::Closing);
        let mut alarm = Alarm::new(timer);
        let until = alarm.now() + drain;
        let mut all_gone = core::pin::pin!(self.wait_until(|_, members| members.count == 0));
        poll_fn(|cx| match all_gone.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => alarm.poll(Some(until), cx),
        })
        .await;
        self.shared.enter(Phase::Dropping);
        self.connections()
    }

    async fn wait_until(&self, condition: impl Fn(&Shared, &Members) -> bool) {
        poll_fn(|cx| {
            let mut members = self.shared.lock();
            if condition(&self.shared, &members) {
                return Poll::Ready(());
            }
            if !members.watchers.iter().any(|waker| waker.will_wake(cx.waker())) {
                members.watchers.push(cx.waker().clone());
            }
            Poll::Pending
        })
        .await;
    }
}

/// The place of a connection in its server.
#[derive(Debug)]
pub(super) struct Member {
    shared: Arc<Shared>,
    slot: usize,
    /// Who was registered last.
    waker: Option<Waker>,
}

impl Member {
    pub(super) fn phase(&self) -> Phase {
        self.shared.phase()
    }

    /// Sees to it that a change of phase after this wakes the task.
    pub(super) fn register(&mut self, waker: &Waker) {
        if self.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            return;
        }
        self.waker = Some(waker.clone());
        if let Some(slot) = self.shared.lock().wakers.get_mut(self.slot) {
            *slot = Some(waker.clone());
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let mut members = self.shared.lock();
        members.count -= 1;
        members.free.push(self.slot);
        if let Some(slot) = members.wakers.get_mut(self.slot) {
            *slot = None;
        }
        if members.count == 0 {
            members.wake_watchers();
        }
    }
}
