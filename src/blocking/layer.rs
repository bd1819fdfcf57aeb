//! What is between the engine's bytes and those of a socket that two threads
//! share: nothing, or TLS. Like the engine it does no I/O, so that it can be
//! used under a lock that nobody holds while the network is waited for.

use alloc::vec::Vec;
use std::io;
use std::net::TcpStream;

#[cfg(feature = "rustls")]
use alloc::boxed::Box;
#[cfg(feature = "rustls")]
use std::io::{Read, Write};

use super::stream::Stream;
#[cfg(feature = "rustls")]
use super::tls::Tls;
#[cfg(feature = "rustls")]
use super::wire::MAX_READ;
use crate::net::Inbox;

/// A stream over TCP that can be [split](super::WebSocket::split): TCP itself,
/// [`Stream`], and `Tls` over TCP. Not for others to implement.
pub trait OverTcp: Sealed {
    /// The socket, and what is above it.
    #[doc(hidden)]
    fn divide(self) -> (TcpStream, Layer);
}

/// Keeps the set of streams ours.
pub trait Sealed {}
impl Sealed for TcpStream {}
impl Sealed for Stream {}
#[cfg(feature = "rustls")]
impl Sealed for Tls<TcpStream> {}

/// Nothing, or TLS.
#[derive(Debug)]
pub struct Layer {
    #[cfg(feature = "rustls")]
    tls: Option<Box<rustls::Connection>>,
}

impl Layer {
    const NONE: Self = Self {
        #[cfg(feature = "rustls")]
        tls: None,
    };
}

#[cfg(not(feature = "rustls"))]
impl Layer {
    pub(super) fn is_none(&self) -> bool {
        true
    }

    pub(super) fn wants_write(&self) -> bool {
        false
    }

    #[allow(clippy::unnecessary_wraps)]
    pub(super) fn seal(&mut self, plain: Vec<u8>) -> io::Result<Vec<u8>> {
        Ok(plain)
    }

    #[allow(clippy::unnecessary_wraps)]
    pub(super) fn open(&mut self, _: &mut Inbox, _: &mut Inbox) -> io::Result<Option<usize>> {
        Ok(None)
    }

    pub(super) fn receive_eof(&mut self) {}

    pub(super) fn close(&mut self) {}
}

#[cfg(feature = "rustls")]
impl Layer {
    pub(super) fn is_none(&self) -> bool {
        self.tls.is_none()
    }

    /// True if there are bytes of its own to send.
    pub(super) fn wants_write(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// The engine's bytes as they go over the socket, behind those of its own.
    pub(super) fn seal(&mut self, plain: Vec<u8>) -> io::Result<Vec<u8>> {
        let Some(tls) = &mut self.tls else { return Ok(plain) };
        tls.set_buffer_limit(None); // what is put in is taken out at once
        tls.writer().write_all(&plain)?;
        let mut sealed = plain;
        sealed.clear();
        while tls.wants_write() {
            tls.write_tls(&mut sealed)?;
        }
        Ok(sealed)
    }

    /// Makes plain bytes, which go into `inbox`, of received ones; says how
    /// many, 0 at the end. `None`: more have to be received first.
    pub(super) fn open(
        &mut self,
        received: &mut Inbox,
        inbox: &mut Inbox,
    ) -> io::Result<Option<usize>> {
        let Some(tls) = &mut self.tls else { return Ok(None) };
        loop {
            let read = |memory: &mut [u8]| tls.reader().read(memory);
            match inbox.read_with(MAX_READ, read, |read| *read.as_ref().unwrap_or(&0)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // No close_notify: see `Wire::read`.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Some(0)),
                read => return read.map(Some),
            }
            if received.is_empty() {
                return Ok(None);
            }
            let len = tls.read_tls(&mut received.unread())?;
            received.consume(len);
            let processed = tls.process_new_packets();
            processed.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
    }

    /// The socket will deliver no more bytes.
    pub(super) fn receive_eof(&mut self) {
        if let Some(tls) = &mut self.tls {
            // Reading nothing is how it is told.
            let _ = tls.read_tls(&mut io::empty());
        }
    }

    /// Says that our direction ends here.
    pub(super) fn close(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
    }
}

impl OverTcp for TcpStream {
    fn divide(self) -> (TcpStream, Layer) {
        (self, Layer::NONE)
    }
}

impl OverTcp for Stream {
    fn divide(self) -> (TcpStream, Layer) {
        match self {
            Self::Plain(stream) => stream.divide(),
            #[cfg(feature = "rustls")]
            Self::Tls(stream) => stream.divide(),
        }
    }
}

#[cfg(feature = "rustls")]
impl OverTcp for Tls<TcpStream> {
    fn divide(self) -> (TcpStream, Layer) {
        let (connection, stream) = self.into_parts();
        (stream, Layer { tls: Some(connection) })
    }
}
