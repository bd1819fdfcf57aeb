//! What the tests of idle connections share: counted memory, streams that own
//! next to none, and connections that are known to wait.

pub mod heap;
pub mod pipe;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use sockeye::tokio::{Error, Reader, Sender, WebSocket};
use sockeye::{Config, Message};
use tokio::io::{AsyncRead, AsyncWrite};

/// Far more than any test needs, on however busy a machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The most heap that an idle connection may own beyond socket and task.
pub const LIMIT: usize = 1024;

/// The default limits, and deadlines that no good run waits for; Pings and an
/// idle timeout only if asked for.
pub fn config(deadlines: bool) -> Arc<Config> {
    let mut config = Config::default();
    config.handshake_timeout = Some(PATIENCE);
    config.close_timeout = Some(PATIENCE);
    if deadlines {
        config.ping_interval = Some(Duration::from_secs(3600));
        config.idle_timeout = Some(Duration::from_secs(7200));
    }
    Arc::new(config)
}

/// A runtime whose tasks all allocate in this thread.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A connection, or its halves.
#[allow(clippy::large_enum_variant)] // a box would be heap of ours
pub enum Held<S> {
    Whole(WebSocket<S>),
    Halves(Reader<S>, Sender<S>),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Held<S> {
    pub fn new(ws: WebSocket<S>, split: bool) -> Self {
        if !split {
            return Self::Whole(ws);
        }
        let (reader, sender) = ws.split();
        Self::Halves(reader, sender)
    }

    pub async fn read(&mut self) -> Result<Option<Message<'static>>, Error> {
        match self {
            Self::Whole(ws) => ws.read().await,
            Self::Halves(reader, _) => reader.read().await,
        }
    }

    pub async fn send(&mut self, message: impl Into<Message<'_>>) -> Result<(), Error> {
        match self {
            Self::Whole(ws) => ws.send(message).await,
            Self::Halves(_, sender) => sender.send(message).await,
        }
    }

    /// A message in two frames.
    pub async fn send_in_two(&mut self, one: &[u8], two: &[u8]) -> Result<(), Error> {
        match self {
            Self::Whole(ws) => {
                ws.command(|ws, out| ws.send_binary_fragment(one, false, out)).await?;
                ws.command(|ws, out| ws.send_binary_fragment(two, true, out)).await
            }
            Self::Halves(_, sender) => {
                sender.command(|ws, out| ws.send_binary_fragment(one, false, out)).await?;
                sender.command(|ws, out| ws.send_binary_fragment(two, true, out)).await
            }
        }
    }

    /// Begins to read, and fails unless there is nothing to be read.
    pub async fn must_wait(&mut self) {
        must_wait(self.read()).await;
    }
}

/// Polls once, and fails if that is all it takes.
pub async fn must_wait(work: impl Future) {
    let mut work = pin!(work);
    // Unconstrained: not told to wait because this task has done so much.
    tokio::task::unconstrained(poll_fn(|cx| {
        assert!(work.as_mut().poll(cx).is_pending(), "there was something to be done");
        Poll::Ready(())
    }))
    .await;
}

/// How many connections there are of some kind right now.
#[derive(Debug)]
pub struct Count(AtomicUsize);

impl Count {
    pub const fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    pub fn add(&self, change: isize) {
        self.0.fetch_add(change as usize, Ordering::SeqCst); // wraps, as it should
    }

    /// Counts this work from the first time that it has to wait until it is
    /// done.
    pub async fn while_waiting<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let mut waits = false;
        poll_fn(|cx| {
            let result = work.as_mut().poll(cx);
            match (waits, result.is_pending()) {
                (false, true) => self.add(1),
                (true, false) => self.add(-1),
                _ => {}
            }
            waits = result.is_pending();
            result
        })
        .await
    }

    /// Waits until there are so many.
    pub async fn until(&self, count: usize) {
        let there = async {
            while self.0.load(Ordering::SeqCst) != count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, there).await;
        assert!(in_time.is_ok(), "{self:?}, and not {count}");
    }
}
