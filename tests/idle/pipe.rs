//! Streams in memory: two ends, and one allocation that is their socket. What
//! passes through owns memory only while it is there.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that fit into one direction, so that what is long has to wait.
const ROOM: usize = 20_000;

#[derive(Default)]
struct Direction {
    bytes: Vec<u8>,
    has_ended: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Direction {
    fn end(&mut self) {
        self.has_ended = true;
        [self.reader.take(), self.writer.take()].into_iter().flatten().for_each(Waker::wake);
    }
}

type Socket = Arc<[Mutex<Direction>; 2]>;

/// One end. Reads from the direction of its number, writes into the other.
pub struct End {
    socket: Socket,
    number: usize,
}

/// Two ends of a stream.
pub fn pipe() -> (End, End) {
    let socket = Socket::default();
    (End { socket: socket.clone(), number: 0 }, End { socket, number: 1 })
}

impl End {
    /// The memory of the stream stays with whoever holds this.
    pub fn socket(&self) -> impl Sized + use<> {
        self.socket.clone()
    }

    fn lock(&self, number: usize) -> std::sync::MutexGuard<'_, Direction> {
        self.socket[number].lock().unwrap()
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.lock(0).end();
        self.lock(1).end();
    }
}

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut direction = self.lock(self.number);
        if direction.bytes.is_empty() && !direction.has_ended {
            direction.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let len = direction.bytes.len().min(buf.remaining());
        buf.put_slice(&direction.bytes[..len]);
        direction.bytes.drain(..len);
        if direction.bytes.is_empty() {
            direction.bytes = Vec::new();
        }
        direction.writer.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut direction = self.lock(1 - self.number);
        if direction.has_ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let len = bytes.len().min(ROOM - direction.bytes.len());
        if len == 0 {
            direction.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        direction.bytes.extend_from_slice(&bytes[..len]);
        direction.reader.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.lock(1 - self.number).end();
        Poll::Ready(Ok(()))
    }
}
