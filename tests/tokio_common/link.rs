//! A stream whose every call does as it is told.

use std::fmt;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Role, reply};
use crate::common::{Random, sent_frames};

/// The calls of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Read,
    Write,
    Flush,
    Shutdown,
}

pub const CALLS: [Call; 4] = [Call::Read, Call::Write, Call::Flush, Call::Shutdown];

/// What a call does instead of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It transfers nothing, and so does every later one.
    End,
    Interrupted,
    /// It fails, and so does every later one.
    Reset,
    /// It fails, but the next would work again.
    ResetOnce,
    /// It never comes to an end, nor does any later one.
    Stall,
}

/// What a [`Link`] has to do, and what it has done.
pub struct Net {
    /// What the peer says, and how much of it was read.
    pub to_read: Vec<u8>,
    pub read: usize,
    /// The peer says nothing more, after all that.
    pub has_ended: bool,
    /// The stream ends when so many bytes have been read.
    pub ends_at: usize,
    /// What the peer says behind its reply to a request, if it is a server.
    pub behind_reply: Option<Vec<u8>>,
    /// The head among `to_read`.
    pub head_len: usize,
    pub written: Vec<u8>,
    pub is_shut: bool,
    /// Bytes that calls transfer at most, in turn; empty: any number.
    pub sizes: Vec<usize>,
    /// So many of four calls have to wait, at random.
    pub waits: usize,
    pub random: Random,
    /// Bytes that writes may take, if there is a limit.
    pub window: Option<usize>,
    pub is_vectored: bool,
    /// What happens to the call with this number, of its kind.
    pub fault: Option<(Call, usize, Fault)>,
    /// Calls of each kind, without those that had to wait.
    pub calls: [usize; 4],
    polls: usize,
    transfers: usize,
    /// How many bytes had been read and written when the fault struck.
    pub struck: Option<(usize, usize)>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// One end of a connection in memory. Clones are handles of the same.
#[derive(Clone)]
pub struct Link(Arc<Mutex<Net>>);

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

impl Link {
    /// Its peer says this, and then waits.
    pub fn new(to_read: impl Into<Vec<u8>>) -> Self {
        Self(Arc::new(Mutex::new(Net {
            to_read: to_read.into(),
            read: 0,
            has_ended: false,
            ends_at: usize::MAX,
            behind_reply: None,
            head_len: 0,
            written: Vec::new(),
            is_shut: false,
            sizes: Vec::new(),
            waits: 0,
            random: Random(1),
            window: None,
            is_vectored: true,
            fault: None,
            calls: [0; 4],
            polls: 0,
            transfers: 0,
            struck: None,
            reader: None,
            writer: None,
        })))
    }

    /// One with the same manners, whose peer says this.
    pub fn afresh(&self, to_read: impl Into<Vec<u8>>) -> Self {
        let fresh = Self::new(to_read);
        {
            let (old, mut new) = (self.net(), fresh.net());
            new.sizes.clone_from(&old.sizes);
            new.waits = old.waits;
            new.is_vectored = old.is_vectored;
        }
        fresh
    }

    /// The same once more, from the start.
    pub fn again(&self) -> Self {
        let to_read = self.net().to_read.clone();
        self.afresh(to_read)
    }

    pub fn net(&self) -> MutexGuard<'_, Net> {
        self.0.lock().unwrap()
    }

    /// The peer says more.
    pub fn say(&self, bytes: &[u8]) {
        let mut net = self.net();
        net.to_read.extend_from_slice(bytes);
        net.reader.take().into_iter().for_each(Waker::wake);
    }

    /// The peer says nothing more.
    pub fn end(&self) {
        let mut net = self.net();
        net.has_ended = true;
        net.reader.take().into_iter().for_each(Waker::wake);
    }

    /// Writes may take so many bytes more.
    pub fn widen(&self, more: usize) {
        let mut net = self.net();
        net.window = Some(net.window.unwrap_or(0) + more);
        net.writer.take().into_iter().for_each(Waker::wake);
    }

    /// The frames that were written.
    #[track_caller]
    pub fn frames(&self, role: Role) -> Vec<(u8, Vec<u8>)> {
        sent_frames(&self.net().written, role == Role::Client)
    }
}

impl Net {
    /// Counts a call; gives what becomes of it if that is not its work.
    fn begin(&mut self, call: Call, cx: &Context<'_>) -> Option<Poll<io::Result<usize>>> {
        self.polls += 1;
        assert!(self.polls < 10_000_000, "it spins");
        if self.random.below(4) < self.waits {
            cx.waker().wake_by_ref();
            return Some(Poll::Pending);
        }
        let count = &mut self.calls[call as usize];
        let number = *count;
        *count += 1;
        let (on, at, fault) = self.fault?;
        let lasts = !matches!(fault, Fault::Interrupted | Fault::ResetOnce);
        if on != call || number < at || (number > at && !lasts) {
            return None;
        }
        self.struck.get_or_insert((self.read, self.written.len()));
        Some(match fault {
            Fault::End => Poll::Ready(Ok(0)),
            Fault::Interrupted => Poll::Ready(Err(ErrorKind::Interrupted.into())),
            Fault::Reset | Fault::ResetOnce => Poll::Ready(Err(ErrorKind::ConnectionReset.into())),
            Fault::Stall => Poll::Pending,
        })
    }

    fn next_size(&mut self) -> usize {
        let transfers = self.transfers;
        self.transfers += 1;
        match self.sizes.as_slice() {
            [] => usize::MAX,
            sizes => sizes[transfers % sizes.len()],
        }
    }

    /// Answers the request that was written, if that has to be done.
    fn answer(&mut self) {
        // Some read before they have written all of it.
        let is_whole = self.written.ends_with(b"\r\n\r\n");
        if let Some(frames) = self.behind_reply.take_if(|_| is_whole) {
            let request = String::from_utf8(self.written.clone()).unwrap();
            let reply = reply(&request, "");
            self.head_len = reply.len();
            self.to_read = [reply.as_bytes(), &frames].concat();
        }
    }

    fn write(&mut self, bufs: &[IoSlice<'_>], cx: &Context<'_>) -> Poll<io::Result<usize>> {
        if let Some(outcome) = self.begin(Call::Write, cx) {
            return outcome;
        }
        assert!(!self.is_shut, "nothing is written behind the end");
        if self.window == Some(0) {
            self.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let most = self.next_size().min(self.window.unwrap_or(usize::MAX));
        let mut left = most;
        for buf in bufs {
            let taken = &buf[..buf.len().min(left)];
            self.written.extend_from_slice(taken);
            left -= taken.len();
        }
        if let Some(window) = &mut self.window {
            *window -= most - left;
        }
        Poll::Ready(Ok(most - left))
    }
}

impl AsyncRead for Link {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut net = self.net();
        net.answer();
        if let Some(outcome) = net.begin(Call::Read, cx) {
            return outcome.map_ok(drop);
        }
        let left = net.to_read.len().min(net.ends_at) - net.read;
        let most = net.next_size().min(buf.remaining()).min(left);
        if most == 0 && (!net.has_ended || net.behind_reply.is_some()) {
            net.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        buf.put_slice(&net.to_read[net.read..net.read + most]);
        net.read += most;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.net().write(&[IoSlice::new(buf)], cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.net().write(bufs, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.net().is_vectored
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = self.net().begin(Call::Flush, cx);
        outcome.map_or(Poll::Ready(Ok(())), |outcome| outcome.map_ok(drop))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut net = self.net();
        if let Some(outcome) = net.begin(Call::Shutdown, cx) {
            return outcome.map_ok(drop);
        }
        net.is_shut = true;
        Poll::Ready(Ok(()))
    }
}

// ---- one waker for both directions -----------------------------------------------

/// A stream that wakes only whom it was given last, whatever for: TLS streams
/// do so when they have to read in order to write.
#[derive(Debug)]
pub struct LastWaker<S> {
    stream: S,
    slot: Arc<Slot>,
    waker: Waker,
}

#[derive(Debug, Default)]
struct Slot(Mutex<Option<Waker>>);

impl Wake for Slot {
    fn wake(self: Arc<Self>) {
        let waker = self.0.lock().unwrap().take();
        waker.into_iter().for_each(Waker::wake);
    }
}

impl<S> LastWaker<S> {
    pub fn new(stream: S) -> Self {
        let slot = Arc::new(Slot::default());
        Self { stream, waker: slot.clone().into(), slot }
    }

    fn poll<T>(
        &mut self,
        cx: &Context<'_>,
        call: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T>
    where
        S: Unpin,
    {
        *self.slot.0.lock().unwrap() = Some(cx.waker().clone());
        call(Pin::new(&mut self.stream), &mut Context::from_waker(&self.waker))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for LastWaker<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll(cx, |stream, cx| stream.poll_read(cx, buf))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for LastWaker<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll(cx, |stream, cx| stream.poll_write(cx, buf))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(cx, |stream, cx| stream.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(cx, |stream, cx| stream.poll_shutdown(cx))
    }
}
