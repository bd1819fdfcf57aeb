//! The opening handshake: from a request to the reply, and from the request of
//! a client to the end of its reply.

use std::cell::RefCell;
use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wtx::stream::{StreamReader, StreamWriter};

use super::{Per, Session};
use crate::handmade::{ACCEPT, REPLY_LEN, REQUEST, reply};
use crate::measure::Work;
use crate::pipe::Sink;

const BROWSER: &[u8] = b"GET /chat?room=1 HTTP/1.1\r\nHost: server.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0\r\n\
    Accept: */*\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
    Sec-WebSocket-Version: 13\r\nOrigin: https://example.com\r\n\
    Sec-WebSocket-Extensions: permessage-deflate\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nConnection: keep-alive, Upgrade\r\n\
    Cookie: session=0123456789abcdef; theme=dark\r\nSec-Fetch-Dest: empty\r\n\
    Sec-Fetch-Mode: websocket\r\nSec-Fetch-Site: same-site\r\nPragma: no-cache\r\n\
    Cache-Control: no-cache\r\nUpgrade: websocket\r\n\r\n";

pub(super) fn run(session: &Session<'_>) {
    let group = "Opening handshake";
    for (row, request) in [("server, minimal request", REQUEST), ("server, browser's", BROWSER)] {
        session.row((group, row, Per::Message), |engine| {
            let (accept, sink) = (engine.accept?, Sink::new());
            sink.borrow_mut().record = Some(Vec::new());
            accept(request, 1, &sink);
            let reply = sink.borrow_mut().record.take().expect("recorded");
            let reply = String::from_utf8(reply).expect("ASCII");
            assert!(reply.starts_with("HTTP/1.1 101 ") && reply.ends_with("\r\n\r\n"), "{reply}");
            let line = format!("sec-websocket-accept: {ACCEPT}").to_lowercase();
            assert!(reply.to_lowercase().contains(&line), "{reply}");
            Some(Box::new(move |times| {
                accept(request, times, &sink);
                times
            }) as Work)
        });
    }
    session.row((group, "client", Per::Message), |engine| {
        let (connect, sink) = (engine.connect?, Sink::new());
        Some(Box::new(move |times| {
            connect(b"", times, &sink);
            times
        }) as Work)
    });
}

/// A server in memory, which answers the request that is written to it: the
/// same for all. It costs a SHA-1.
#[derive(Debug)]
pub(crate) struct Responder {
    sink: Rc<RefCell<Sink>>,
    reply: [u8; REPLY_LEN],
    at: usize,
}

impl Responder {
    pub(crate) fn new(sink: &Rc<RefCell<Sink>>) -> Self {
        Self { sink: sink.clone(), reply: [0; REPLY_LEN], at: REPLY_LEN }
    }
}

impl Read for Responder {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let len = (&self.reply[self.at..]).read(buf)?;
        self.at += len;
        Ok(len)
    }
}

impl Write for Responder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.reply = reply(bytes);
        self.at = 0;
        self.sink.borrow_mut().written += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Responder {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let len = buf.remaining().min(REPLY_LEN - self.at);
        buf.put_slice(&self.reply[self.at..][..len]);
        self.at += len;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Responder {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        Poll::Ready(self.write(&bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl StreamReader for Responder {
    async fn read(&mut self, bytes: &mut [u8]) -> wtx::Result<usize> {
        Ok(Read::read(self, bytes)?)
    }
}

impl StreamWriter for Responder {
    async fn write_all(&mut self, bytes: &[u8]) -> wtx::Result<()> {
        Ok(Write::write_all(self, bytes)?)
    }

    async fn write_all_vectored(&mut self, parts: &[&[u8]]) -> wtx::Result<()> {
        Ok(Write::write_all(self, &parts.concat())?)
    }
}
