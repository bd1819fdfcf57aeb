//! The end of a server: every connection closes with 1001, and those that take
//! too long are dropped.

use alloc::sync::Arc;
use core::future::poll_fn;
use core::sync::atomic::{AtomicU8, Ordering};
use core::task::{Poll, Waker};
use core::time::Duration;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::socket::WebSocket;
use super::time::{Alarm, Timer, TokioTimer};
use super::wakers::Wakers;

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
///         let entry = for_connections.enter();
///         ::tokio::spawn(async move {
///             let mut ws = entry.watch(ws::accept(stream).await?);
///             while let Some(message) = ws.read().await? {
///                 // Once the server is going, clients may still say something.
///                 if ws.is_open() {
///                     ws.send(message).await?;
///                 }
///             }
///             Ok::<(), ws::Error>(())
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
    connections: Wakers,
    /// Those that wait for the beginning or the end.
    watchers: Wakers,
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
        let (connections, watchers) = {
            let members = self.lock();
            (members.connections.all(), members.watchers.all())
        };
        connections.into_iter().chain(watchers).for_each(Waker::wake);
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
    pub fn watch<S>(&self, ws: WebSocket<S>) -> WebSocket<S> {
        self.enter().watch(ws)
    }

    /// Counts a connection that is about to be opened: while its handshake
    /// lasts, the server is not done.
    pub fn enter(&self) -> Entry {
        let place = self.shared.lock().connections.enter();
        Entry { shared: self.shared.clone(), place, waker: None }
    }

    /// Connections that are part of the server, or about to be.
    pub fn connections(&self) -> usize {
        self.shared.lock().connections.len()
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
        let is_done = |_: &Shared, members: &Members| members.connections.len() == 0;
        let mut all_gone = core::pin::pin!(self.wait_until(is_done));
        poll_fn(|cx| match all_gone.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => alarm.poll(Some(until), cx),
        })
        .await;
        self.shared.enter(Phase::Dropping);
        self.connections()
    }

    async fn wait_until(&self, condition: impl Fn(&Shared, &Members) -> bool) {
        let watcher = Watcher::new(&self.shared);
        poll_fn(|cx| {
            let mut members = self.shared.lock();
            if condition(&self.shared, &members) {
                return Poll::Ready(());
            }
            members.watchers.set(watcher.place, cx.waker());
            Poll::Pending
        })
        .await;
    }
}

/// The place of one who waits for the beginning or the end.
struct Watcher<'a> {
    shared: &'a Shared,
    place: usize,
}

impl<'a> Watcher<'a> {
    fn new(shared: &'a Shared) -> Self {
        Self { shared, place: shared.lock().watchers.enter() }
    }
}

impl Drop for Watcher<'_> {
    fn drop(&mut self) {
        self.shared.lock().watchers.leave(self.place);
    }
}

/// The place of a connection in its server; see [`Shutdown::enter`]. Given back
/// when dropped.
#[derive(Debug)]
pub struct Entry {
    shared: Arc<Shared>,
    place: usize,
    /// Who was registered last.
    waker: Option<Waker>,
}

impl Entry {
    /// The connection is open: see [`Shutdown::watch`].
    pub fn watch<S>(self, mut ws: WebSocket<S>) -> WebSocket<S> {
        ws.set_entry(self);
        ws
    }

    /// The phase of the server. When it changes after this, the task is woken.
    pub(super) fn phase(&mut self, waker: &Waker) -> Phase {
        if !self.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            self.waker = Some(waker.clone());
            self.shared.lock().connections.set(self.place, waker);
        }
        self.shared.phase()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let watchers = {
            let mut members = self.shared.lock();
            members.connections.leave(self.place);
            if members.connections.len() > 0 {
                return;
            }
            members.watchers.all()
        };
        watchers.into_iter().for_each(Waker::wake);
    }
}
