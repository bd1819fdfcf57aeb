//! A socket that calls pass through, but for one that is struck by a fault.

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use sockeye::blocking::Transport;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Read,
    Write,
    Flush,
    Shutdown,
    SetTimeout,
}

/// What a call does instead of its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    /// It transfers nothing, and so does every later one.
    End,
    Interrupted,
    /// It fails in this way, and so does every later one.
    Fails(ErrorKind),
    /// It fails, but the next would work again.
    FailsOnce,
    /// It is not done yet, and will be if it is repeated.
    Waits,
}

/// What was called, and what becomes of it.
#[derive(Debug, Default)]
pub struct Tally {
    /// What happens to the call with this number, of its kind.
    pub strike: Option<(Call, usize, Strike)>,
    pub calls: [usize; 5],
    pub read: usize,
    pub written: usize,
    /// How many bytes had been read and written when it happened.
    pub struck: Option<(usize, usize)>,
}

impl Tally {
    fn begin(&mut self, call: Call) -> Option<Strike> {
        let count = &mut self.calls[call as usize];
        let number = *count;
        *count += 1;
        assert!(number < 100_000, "it spins");
        let (on, at, strike) = self.strike?;
        let lasts = matches!(strike, Strike::End | Strike::Fails(_));
        if on != call || number < at || (number > at && !lasts) {
            return None;
        }
        self.struck.get_or_insert((self.read, self.written));
        Some(strike)
    }
}

impl Strike {
    fn outcome(self) -> io::Result<usize> {
        match self {
            Self::End => Ok(0),
            Self::Interrupted => Err(ErrorKind::Interrupted.into()),
            Self::Fails(kind) => Err(kind.into()),
            Self::FailsOnce => Err(ErrorKind::ConnectionReset.into()),
            Self::Waits => Err(ErrorKind::WouldBlock.into()),
        }
    }
}

/// A socket that calls pass through, but for those that are struck.
#[derive(Debug)]
pub struct Struck<S> {
    pub socket: S,
    /// Bytes that one call transfers at most.
    pub max: usize,
    pub tally: Arc<Mutex<Tally>>,
}

impl<S> Struck<S> {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap()
    }

    /// What a blocking call comes to, if it is struck.
    fn begin(&self, call: Call) -> Option<io::Result<usize>> {
        self.tally().begin(call).map(Strike::outcome)
    }

    /// The same for one that is polled.
    fn poll_begin(&self, call: Call, cx: &Context<'_>) -> Option<Poll<io::Result<usize>>> {
        Some(match self.tally().begin(call)? {
            Strike::Waits => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            strike => Poll::Ready(strike.outcome()),
        })
    }
}

impl Read for Struck<TcpStream> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if let Some(outcome) = self.begin(Call::Read) {
            return outcome;
        }
        let most = buf.len().min(self.max);
        let len = self.socket.read(&mut buf[..most])?;
        self.tally().read += len;
        Ok(len)
    }
}

impl Write for Struck<TcpStream> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        if let Some(outcome) = self.begin(Call::Write) {
            return outcome;
        }
        let len = match self.max {
            usize::MAX => self.socket.write_vectored(bufs)?,
            max => self.socket.write(first(bufs, max))?,
        };
        self.tally().written += len;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.begin(Call::Flush).map_or(Ok(()), |outcome| outcome.map(drop))
    }
}

/// Some bytes to begin with.
fn first<'a>(bufs: &'a [IoSlice<'_>], max: usize) -> &'a [u8] {
    let buf = bufs.iter().find(|buf| !buf.is_empty()).expect("something to write");
    &buf[..buf.len().min(max)]
}

impl Transport for Struck<TcpStream> {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.begin(Call::SetTimeout).map_or(Ok(()), |outcome| outcome.map(drop))?;
        self.socket.set_read_timeout(timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.begin(Call::SetTimeout).map_or(Ok(()), |outcome| outcome.map(drop))?;
        self.socket.set_write_timeout(timeout)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.begin(Call::Shutdown).map_or(Ok(()), |outcome| outcome.map(drop))?;
        self.socket.shutdown_write()
    }
}

impl AsyncRead for Struck<tokio::net::TcpStream> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(outcome) = self.poll_begin(Call::Read, cx) {
            return outcome.map_ok(drop);
        }
        let most = buf.remaining().min(self.max);
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(most));
        let read = Pin::new(&mut self.socket).poll_read(cx, &mut part);
        let len = part.filled().len();
        ready!(read)?;
        buf.advance(len);
        self.tally().read += len;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Struck<tokio::net::TcpStream> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(outcome) = self.poll_begin(Call::Write, cx) {
            return outcome;
        }
        let max = self.max;
        let socket = Pin::new(&mut self.socket);
        let len = ready!(match max {
            usize::MAX => socket.poll_write_vectored(cx, bufs),
            max => socket.poll_write(cx, first(bufs, max)),
        })?;
        self.tally().written += len;
        Poll::Ready(Ok(len))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_begin(Call::Flush, cx).map_or(Poll::Ready(Ok(())), |outcome| outcome.map_ok(drop))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(outcome) = self.poll_begin(Call::Shutdown, cx) {
            return outcome.map_ok(drop);
        }
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
