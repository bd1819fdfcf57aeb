//! One connection, several tasks: a reader, and senders.
//!
//! All of them poll the same driver, under a lock that is never held across an
//! await. A stream knows one task to wake for each direction, and some wake the
//! wrong one (TLS may have to write in order to read); so it is always polled
//! with one waker of our own, which wakes everybody who waits.

use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncWrite};

use super::driver::Driver;
use super::error::QueueError;
use super::intake::Intake;
use super::socket::WebSocket;
use crate::buf::Output;
use crate::close::CloseCode;
use crate::connection::{Closed, Connection, Event, PreparedMessage};
use crate::error::SendError;
use crate::message::{Incoming, Message};
use crate::net::Error;

pub(super) fn split<S>(ws: WebSocket<S>) -> (Reader<S>, Sender<S>) {
    let waiting = Arc::new(Waiting::default());
    let waker = Waker::from(waiting.clone());
    let shared = Arc::new(Shared { driver: Mutex::new(ws.driver), waiting, waker });
    (Reader { shared: shared.clone(), intake: ws.intake }, Sender { shared })
}

struct Shared<S> {
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
    senders: Vec<Waker>,
}

/// Who waits.
#[derive(Clone, Copy, Debug)]
enum Half {
    Reader,
    Sender,
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Tasks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn register(&self, half: Half, waker: &Waker) {
        let mut tasks = self.lock();
        match half {
            Half::Reader => tasks.reader = Some(waker.clone()),
            Half::Sender if tasks.senders.iter().any(|known| known.will_wake(waker)) => {}
            Half::Sender => tasks.senders.push(waker.clone()),
        }
    }

    fn wake_reader(&self) {
        let reader = self.lock().reader.take();
        reader.into_iter().for_each(Waker::wake);
    }

    fn wake_senders(&self) {
        let senders = core::mem::take(&mut self.lock().senders);
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
    fn lock(&self) -> MutexGuard<'_, Driver<S>> {
        // No call of ours panics while it holds the lock; if a caller's
        // command did, the engine is as consistent as after an error.
        self.driver.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the driver, and wakes whom that concerns.
    fn with<T>(&self, work: impl FnOnce(&mut Driver<S>, &mut Context<'_>) -> T) -> T {
        let mut driver = self.lock();
        let (written, end) = driver.progress();
        let result = work(&mut driver, &mut Context::from_waker(&self.waker));
        let (now_written, now_end) = driver.progress();
        drop(driver);
        if now_end != end {
            self.waker.wake_by_ref();
        } else if now_written != written {
            self.waiting.wake_senders();
        }
        result
    }

    /// Waits for something from the driver.
    fn poll<T>(
        &self,
        half: Half,
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

/// The half that receives; see [`WebSocket::split`].
///
/// What it receives is answered (Pong, Close), and what senders have
/// [queued](Sender::queue) goes out, while it waits; deadlines are its to keep.
/// So somebody has to [`read`](Self::read). Its futures are cancel safe, as
/// those of [`WebSocket`] are.
#[derive(Debug)]
pub struct Reader<S> {
    shared: Arc<Shared<S>>,
    pub(super) intake: Intake,
}

impl<S> Reader<S> {
    /// As [`WebSocket::next_event`].
    pub fn next_event(&mut self) -> Option<Event<'_>> {
        let Self { shared, intake } = self;
        shared.with(|driver, _| intake.next_event(&mut driver.ws, driver.wire.tx()))
    }

    /// As [`WebSocket::next_incoming`].
    pub fn next_incoming(&mut self) -> Option<Incoming<'_>> {
        let Self { shared, intake } = self;
        shared.with(|driver, _| intake.next_incoming(&mut driver.ws, driver.wire.tx()))
    }

    /// How the connection ended; `None` while data can still come or go.
    pub fn closed(&self) -> Option<Closed> {
        self.shared.lock().ws.closed()
    }

    /// The time that the latest Ping and its Pong took.
    pub fn round_trip_time(&self) -> Option<Duration> {
        self.shared.lock().ws.round_trip_time()
    }

    /// Gives memory back that a message came in, to be used for the next that
    /// comes in several pieces.
    pub fn recycle(&mut self, message: Message<'_>) {
        self.intake.assembler.put_buffer(message.into_buffer());
    }

    /// A sender of the same connection.
    pub fn sender(&self) -> Sender<S> {
        Sender { shared: self.shared.clone() }
    }

    /// Puts the halves back together.
    ///
    /// # Errors
    ///
    /// Gives them back if they are not of one connection, or if there are
    /// other senders.
    #[allow(clippy::result_large_err)] // what went in comes out
    pub fn reunite(self, sender: Sender<S>) -> Result<WebSocket<S>, (Self, Sender<S>)> {
        if !Arc::ptr_eq(&self.shared, &sender.shared) {
            return Err((self, sender));
        }
        drop(self.shared);
        match Arc::try_unwrap(sender.shared) {
            Ok(shared) => {
                let driver = shared.driver.into_inner().unwrap_or_else(PoisonError::into_inner);
                Ok(WebSocket { driver, intake: self.intake })
            }
            Err(shared) => {
                Err((Self { shared: shared.clone(), intake: self.intake }, Sender { shared }))
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Reader<S> {
    /// As [`WebSocket::read`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::read`].
    pub async fn read(&mut self) -> Result<Option<Message<'static>>, Error> {
        poll_fn(|cx| self.poll_read(cx)).await
    }

    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Message<'static>>, Error>> {
        let Self { shared, intake } = self;
        shared.poll(Half::Reader, cx, |driver, cx| driver.poll_message(intake, cx))
    }

    /// As [`WebSocket::ready`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::read`].
    pub async fn ready(&mut self) -> Result<bool, Error> {
        let Self { shared, intake } = self;
        poll_fn(|cx| {
            shared.poll(Half::Reader, cx, |driver, cx| driver.poll_ready(&mut intake.inbox, cx))
        })
        .await
    }
}

/// The half that sends; see [`WebSocket::split`]. Clones send over the same
/// connection. Its futures are cancel safe, as those of [`WebSocket`] are.
#[derive(Debug)]
pub struct Sender<S> {
    shared: Arc<Shared<S>>,
}

impl<S> Clone for Sender<S> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<S> Sender<S> {
    /// Queues a message for the [`Reader`] to send, or for the next sender that
    /// waits: no wait, and one write for all that was queued before it comes to
    /// that. For a broadcast, and for code that is not asynchronous.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::queue`].
    pub fn queue<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), QueueError<'m>> {
        let message = message.into();
        let result = self.with_driver(|driver| match driver.has_room() {
            true => driver.queue(&message).map_err(Some),
            false => Err(None),
        });
        result.map_err(|error| match error {
            Some(error) => QueueError::Send(error, message),
            None => QueueError::Full(message),
        })
    }

    /// As [`queue`](Self::queue), for a message that was encoded beforehand.
    /// Servers only.
    ///
    /// # Errors
    ///
    /// [`Error::QueueFull`], [`Error::Send`].
    pub fn queue_prepared(&self, message: &PreparedMessage) -> Result<(), Error> {
        self.with_driver(|driver| driver.queue_prepared(message))
    }

    /// Does something with the driver that whoever polls it should know of.
    pub(super) fn with_driver<T>(&self, work: impl FnOnce(&mut Driver<S>) -> T) -> T {
        let result = self.shared.with(|driver, _| {
            let result = work(driver);
            driver.note_time();
            result
        });
        self.shared.waiting.wake_reader();
        result
    }

    /// Bytes of output that the stream has not taken.
    pub fn queued_len(&self) -> usize {
        self.shared.lock().wire.queued_len()
    }

    /// True while messages can be sent.
    pub fn is_open(&self) -> bool {
        self.shared.lock().ws.is_open()
    }

    /// Ends the connection here and now, with no closing handshake: the reader
    /// is told.
    pub fn abort(&self) -> Closed {
        self.shared.with(|driver, _| {
            driver.abort();
            driver.ws.abort()
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sender<S> {
    /// Sends a message, and waits until the stream has taken it.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`].
    pub async fn send<'m>(&self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        let message = message.into();
        self.put(|driver| driver.encode(&message)).await
    }

    /// As [`send`](Self::send), for a message that was encoded beforehand.
    /// Servers only.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`].
    pub async fn send_prepared(&self, message: &PreparedMessage) -> Result<(), Error> {
        self.put(|driver| driver.encode_prepared(message)).await
    }

    /// Gives the engine any other command, and sends what comes of it.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`].
    pub async fn command<T>(
        &self,
        command: impl FnOnce(&mut Connection, &mut dyn Output) -> Result<T, SendError>,
    ) -> Result<T, Error> {
        let value = self.shared.with(|driver, _| command(&mut driver.ws, driver.wire.tx()))?;
        self.flush().await?;
        Ok(value)
    }

    /// Sends a Ping of at most 125 bytes.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`].
    pub async fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        self.command(|ws, out| ws.send_ping(payload, out)).await
    }

    /// Starts the closing handshake. The [`Reader`] sees how it ends.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`].
    pub async fn start_close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.command(|ws, out| ws.close(Some(code), reason, out)).await
    }

    /// Waits until the stream has taken all that is queued now.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`].
    pub async fn flush(&self) -> Result<(), Error> {
        let mark = self.mark();
        poll_fn(|cx| self.poll_flush_to(mark, cx)).await
    }

    /// Waits until no more is queued than [`Config::max_queued_len`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`].
    ///
    /// [`Config::max_queued_len`]: crate::Config::max_queued_len
    pub async fn room(&self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_room(cx)).await
    }

    pub(super) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.shared.poll(Half::Sender, cx, Driver::poll_room)
    }

    /// Encodes a message once there is room, and waits until it has gone.
    async fn put<'m>(
        &self,
        encode: impl FnOnce(&mut Driver<S>) -> Result<&'m [u8], SendError>,
    ) -> Result<(), Error> {
        self.room().await?;
        let mark = self.shared.with(|driver, cx| {
            let mut payload = encode(driver)?;
            // Now or never: other senders may not come between a header and
            // its payload, so what the stream does not take is copied.
            let result = driver.poll_flush(&mut payload, cx);
            if !payload.is_empty() {
                driver.wire.tx().extend_from_slice(payload);
            }
            match result {
                Poll::Ready(result) => result.map(|()| None),
                Poll::Pending => Ok(Some(driver.wire.mark())),
            }
        })?;
        match mark {
            None => Ok(()),
            Some(mark) => poll_fn(|cx| self.poll_flush_to(mark, cx)).await,
        }
    }

    pub(super) fn mark(&self) -> u64 {
        self.shared.lock().wire.mark()
    }

    /// Ready when so much of the output has been written.
    pub(super) fn poll_flush_to(&self, mark: u64, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.shared.poll(Half::Sender, cx, |driver, cx| {
            let result = driver.poll_flush(&mut &[][..], cx);
            let is_written = driver.wire.written() >= mark;
            match result {
                Poll::Pending if is_written => Poll::Ready(Ok(())),
                // It was discarded, when somebody else found out.
                Poll::Ready(Ok(())) if !is_written => {
                    Poll::Ready(Err(io::Error::from(io::ErrorKind::BrokenPipe).into()))
                }
                result => result,
            }
        })
    }
}
