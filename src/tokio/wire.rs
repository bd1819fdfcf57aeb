//! A stream with its output and its clock: what the handshake and the open
//! connection have in common. Everything is polled, and loses nothing when
//! nobody polls on.

use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io::{self, IoSlice};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::driver::READS_IN_TURN;
use super::time::{Alarm, Timer};
use crate::net::{Inbox, VECTORED_LEN, Waited};
use crate::time::Instant;

/// Output memory at first: it is lent so often that it should not have to grow
/// from nothing.
const FIRST_LEN: usize = 4 << 10;

/// Output memory that a thread keeps for its connections; more goes back.
const KEEP_LEN: usize = 64 << 10;

/// Bytes asked of the system at most in one read: the memory is the thread's,
/// and shared by its connections.
const MAX_READ: usize = 64 << 10;

std::thread_local! {
    /// Lent to connections that have something to send.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

pub(super) struct Wire<S> {
    pub(super) stream: S,
    /// Bytes to send, from `sent` on. Empty, it owns no memory.
    tx: Vec<u8>,
    sent: usize,
    /// Bytes of all output that the stream has taken.
    written: u64,
    /// The stream has taken bytes and was not asked to pass them on.
    unflushed: bool,
    /// Since when the stream has taken nothing of what there is to send.
    stalled_since: Option<Instant>,
    pub(super) alarm: Alarm,
    hang_up: HangUp,
}

/// How far the end of the stream has come.
#[derive(Clone, Copy, Debug)]
enum HangUp {
    /// What there is to send goes out.
    Flush,
    /// Our direction ends.
    Shutdown,
    /// The peer ends its own.
    Drain,
    Done,
}

impl<S> Wire<S> {
    pub(super) fn new(stream: S, timer: &'static dyn Timer) -> Self {
        Self {
            stream,
            tx: Vec::new(),
            sent: 0,
            written: 0,
            unflushed: false,
            stalled_since: None,
            alarm: Alarm::new(timer),
            hang_up: HangUp::Flush,
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.alarm.now()
    }

    /// Where to append what is to be sent.
    pub(super) fn tx(&mut self) -> &mut Vec<u8> {
        if self.tx.capacity() == 0 {
            self.tx = SPARE.try_with(Cell::take).unwrap_or_default();
            self.tx.reserve(FIRST_LEN);
        }
        &mut self.tx
    }

    /// Gives back memory in which nothing was put.
    pub(super) fn release_unused(&mut self) {
        if self.tx.is_empty() && self.tx.capacity() > 0 {
            self.discard_output();
        }
    }

    /// Bytes that wait to be sent.
    pub(super) fn queued_len(&self) -> usize {
        self.tx.len() - self.sent
    }

    /// Bytes of all output that the stream has taken, without payloads that
    /// were written from where they are.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// What `written` will be when all that is queued now has gone out.
    pub(super) fn mark(&self) -> u64 {
        self.written + self.queued_len() as u64
    }

    /// True if the stream has taken bytes and was not asked to pass them on, or
    /// has not done so yet.
    #[cfg(feature = "web")]
    pub(super) fn is_unflushed(&self) -> bool {
        self.unflushed
    }

    /// Since when the stream has taken nothing of what there is to send.
    pub(super) fn stalled_since(&self) -> Option<Instant> {
        self.stalled_since
    }

    /// Forgets what there is to send, and gives its memory to the thread.
    pub(super) fn discard_output(&mut self) {
        self.sent = 0;
        self.stalled_since = None;
        let mut memory = core::mem::take(&mut self.tx);
        if memory.capacity() > 0 && memory.capacity() <= KEEP_LEN {
            memory.clear();
            let _ = SPARE.try_with(|spare| spare.set(memory));
        }
    }

    /// Makes room at the front, when it is worth it.
    fn forget_sent(&mut self) {
        if self.sent >= KEEP_LEN && self.sent >= self.tx.len() / 2 {
            self.tx.drain(..self.sent);
            self.sent = 0;
        }
    }
}

/// How much is queued, and not what.
impl<S: fmt::Debug> fmt::Debug for Wire<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("stream", &self.stream)
            .field("queued_len", &self.queued_len())
            .finish_non_exhaustive()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// True if a payload of this length is better written from where it is
    /// than copied into the output.
    pub(super) fn is_worth_a_slice(&self, payload_len: usize) -> bool {
        payload_len >= VECTORED_LEN && self.stream.is_write_vectored()
    }

    /// Reads once, behind what is unread. 0: the stream has ended.
    pub(super) fn poll_read(
        &mut self,
        inbox: &mut Inbox,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut stream = Pin::new(&mut self.stream);
        let read = |memory: &mut [u8]| {
            let mut buf = ReadBuf::new(memory);
            loop {
                match ready!(stream.as_mut().poll_read(cx, &mut buf)) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    result => return Poll::Ready(result.map(|()| buf.filled().len())),
                }
            }
        };
        let came = |read: &Poll<io::Result<usize>>| match read {
            Poll::Ready(Ok(len)) => *len,
            _ => 0,
        };
        match inbox.read_with(MAX_READ, read, came) {
            // TLS without its close_notify: an end that anybody could have
            // made, which for us is one without a Close frame.
            Poll::Ready(Err(e)) if e.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(0)),
            read => read,
        }
    }

    /// Writes what there is to send, then what is left of `payload`.
    pub(super) fn poll_flush(
        &mut self,
        payload: &mut &[u8],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let result = self.poll_write_all(payload, cx);
        if result.is_ready() {
            self.discard_output();
        } else {
            let now = || self.alarm.now();
            self.stalled_since = Some(self.stalled_since.unwrap_or_else(now));
            self.forget_sent();
        }
        result
    }

    fn poll_write_all(
        &mut self,
        payload: &mut &[u8],
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.queued_len() > 0 || !payload.is_empty() {
            match ready!(self.poll_write(payload, cx)) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(written) => {
                    let of_tx = written.min(self.queued_len());
                    self.sent += of_tx;
                    self.written += of_tx as u64;
                    *payload = &payload[written - of_tx..];
                    self.unflushed = true;
                    self.stalled_since = None;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        if self.unflushed {
            // Streams with a buffer of their own may have to wait here.
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, payload: &[u8], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.stream);
        let queued = &self.tx[self.sent..];
        match (queued.is_empty(), payload.is_empty()) {
            (false, false) => {
                let parts = [IoSlice::new(queued), IoSlice::new(payload)];
                stream.poll_write_vectored(cx, &parts)
            }
            (true, _) => stream.poll_write(cx, payload),
            (false, true) => stream.poll_write(cx, queued),
        }
    }

    /// Sends what there is to send, ends our direction, then reads what the
    /// peer still has to say until it ends its own, or until `until`: closing
    /// a socket with bytes unread would send a reset, and that destroys what
    /// the peer has not yet read, our Close frame included (RFC 6455, section
    /// 7.1.1). Whatever goes wrong here, the outcome is settled.
    pub(super) fn poll_hang_up(
        &mut self,
        inbox: &mut Inbox,
        until: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        loop {
            let (step, next) = match self.hang_up {
                HangUp::Flush => (self.poll_flush(&mut &[][..], cx), HangUp::Shutdown),
                HangUp::Shutdown => (Pin::new(&mut self.stream).poll_shutdown(cx), HangUp::Drain),
                HangUp::Drain => (self.poll_drain(inbox, until, cx), HangUp::Done),
                HangUp::Done => return Poll::Ready(()),
            };
            self.hang_up = match step {
                Poll::Ready(Ok(())) => next,
                Poll::Ready(Err(_)) => HangUp::Done,
                Poll::Pending => {
                    ready!(self.alarm.poll(Some(until), cx));
                    HangUp::Done
                }
            };
        }
    }

    fn poll_drain(
        &mut self,
        inbox: &mut Inbox,
        until: Instant,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        for _ in 0..READS_IN_TURN {
            inbox.consume(usize::MAX);
            // Whoever goes on sending is not listened to for longer either.
            if ready!(self.poll_read(inbox, cx))? == 0 || self.now() >= until {
                return Poll::Ready(Ok(()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    // ---- for the handshake -------------------------------------------------

    /// Reads once, behind what is unread. Looks at least once, also when it is
    /// too late: what has come by then has come in time.
    pub(super) async fn read(
        &mut self,
        inbox: &mut Inbox,
        until: Option<Instant>,
    ) -> io::Result<Waited> {
        poll_fn(|cx| match self.poll_read(inbox, cx) {
            Poll::Ready(Ok(0)) => Poll::Ready(Ok(Waited::Eof)),
            Poll::Ready(Ok(_)) => Poll::Ready(Ok(Waited::Done)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.alarm.poll(until, cx).map(|()| Ok(Waited::TimedOut)),
        })
        .await
    }

    /// Writes what there is to send.
    pub(super) async fn flush(&mut self, until: Option<Instant>) -> io::Result<Waited> {
        poll_fn(|cx| match self.poll_flush(&mut &[][..], cx) {
            Poll::Ready(result) => Poll::Ready(result.map(|()| Waited::Done)),
            Poll::Pending => self.alarm.poll(until, cx).map(|()| Ok(Waited::TimedOut)),
        })
        .await
    }
}
