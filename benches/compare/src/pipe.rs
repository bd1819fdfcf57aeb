//! A stream in memory, which always has something to be read and takes
//! everything. As with a socket, what is read and what is written is copied.

use std::cell::RefCell;
use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wtx::stream::{StreamReader, StreamWriter};

use crate::frames::Traffic;

/// What is to be read: the same again and again.
#[derive(Clone, Debug)]
pub struct Source {
    wire: Rc<[u8]>,
    read_len: usize,
    at: usize,
    ends: bool,
}

impl Source {
    pub fn new(traffic: &Traffic) -> Self {
        Self { wire: traffic.wire.clone(), read_len: traffic.read_len, at: 0, ends: false }
    }

    /// These bytes, and then the end of the stream.
    pub fn once(bytes: &[u8]) -> Self {
        Self { wire: bytes.into(), read_len: usize::MAX, at: 0, ends: true }
    }

    /// The next read, of at most so many bytes.
    #[inline]
    fn next(&mut self, room: usize) -> &[u8] {
        if self.at == self.wire.len() && !self.ends {
            self.at = 0;
        }
        let until_boundary = self.read_len - self.at % self.read_len;
        let len = room.min(until_boundary).min(self.wire.len() - self.at);
        let bytes = &self.wire[self.at..][..len];
        self.at += len;
        bytes
    }
}

/// Where writes go: memory as large as a socket's, around and around.
#[derive(Debug)]
pub struct Sink {
    ring: Box<[u8]>,
    at: usize,
    /// Bytes and calls so far.
    pub written: u64,
    pub writes: u64,
    /// All of it, where it is to be looked at.
    pub record: Option<Vec<u8>>,
}

const SINK_LEN: usize = 64 << 10;

impl Sink {
    pub fn new() -> Rc<RefCell<Self>> {
        let ring = vec![0; SINK_LEN].into();
        Rc::new(RefCell::new(Self { ring, at: 0, written: 0, writes: 0, record: None }))
    }

    #[inline]
    fn take(&mut self, mut bytes: &[u8]) {
        self.written += bytes.len() as u64;
        if let Some(record) = &mut self.record {
            record.extend_from_slice(bytes);
            return;
        }
        while !bytes.is_empty() {
            let room = &mut self.ring[self.at..];
            let len = bytes.len().min(room.len());
            room[..len].copy_from_slice(&bytes[..len]);
            self.at = (self.at + len) % SINK_LEN;
            bytes = &bytes[len..];
        }
    }
}

#[derive(Clone, Debug)]
pub struct Pipe {
    pub source: Source,
    pub sink: Rc<RefCell<Sink>>,
}

impl Pipe {
    pub fn new(traffic: &Traffic, sink: &Rc<RefCell<Sink>>) -> Self {
        Self { source: Source::new(traffic), sink: sink.clone() }
    }
}

impl Read for Pipe {
    #[inline]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let bytes = self.source.next(buf.len());
        buf[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }
}

impl Write for Pipe {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut sink = self.sink.borrow_mut();
        sink.writes += 1;
        sink.take(bytes);
        Ok(bytes.len())
    }

    #[inline]
    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut sink = self.sink.borrow_mut();
        sink.writes += 1;
        let mut len = 0;
        for part in parts {
            sink.take(part);
            len += part.len();
        }
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Pipe {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        buf.put_slice(self.source.next(buf.remaining()));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    #[inline]
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write(bytes))
    }

    #[inline]
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write_vectored(parts))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The traits of wtx.
impl StreamReader for Pipe {
    #[inline]
    async fn read(&mut self, bytes: &mut [u8]) -> wtx::Result<usize> {
        Ok(Read::read(self, bytes)?)
    }
}

impl StreamWriter for Pipe {
    #[inline]
    async fn write_all(&mut self, bytes: &[u8]) -> wtx::Result<()> {
        Ok(Write::write_all(self, bytes)?)
    }

    #[inline]
    async fn write_all_vectored(&mut self, parts: &[&[u8]]) -> wtx::Result<()> {
        let mut sink = self.sink.borrow_mut();
        sink.writes += 1;
        parts.iter().for_each(|part| sink.take(part));
        Ok(())
    }
}
