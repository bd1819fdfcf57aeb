//! TCP, with TLS or without.

use core::time::Duration;
use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;

#[cfg(feature = "rustls")]
use alloc::boxed::Box;
#[cfg(feature = "rustls")]
use rustls::{ClientConnection, StreamOwned};

use super::transport::Transport;
use crate::net::{Endpoint, Error};

/// What [`connect`](super::connect) gives a connection over.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stream {
    /// `ws`: as it is.
    Plain(TcpStream),
    /// `wss`.
    #[cfg(feature = "rustls")]
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// Wraps a stream that leads to the endpoint. TLS shakes hands when it is
    /// first written to.
    #[cfg_attr(not(feature = "rustls"), allow(unused_variables, clippy::unnecessary_wraps))]
    pub(super) fn open(endpoint: &Endpoint, stream: TcpStream) -> Result<Self, Error> {
        #[cfg(feature = "rustls")]
        if endpoint.is_secure() {
            let (config, name) = endpoint.tls_parameters()?;
            let tls = ClientConnection::new(config, name).map_err(io::Error::other)?;
            return Ok(Self::Tls(Box::new(StreamOwned::new(tls, stream))));
        }
        Ok(Self::Plain(stream))
    }
}

/// The same call for whichever it is.
macro_rules! either {
    ($self:expr, $stream:ident => $call:expr) => {
        match $self {
            Stream::Plain($stream) => $call,
            #[cfg(feature = "rustls")]
            Stream::Tls($stream) => $call,
        }
    };
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        either!(self, stream => stream.read(buf))
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        either!(self, stream => stream.write(buf))
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        either!(self, stream => stream.write_vectored(bufs))
    }

    fn flush(&mut self) -> io::Result<()> {
        either!(self, stream => stream.flush())
    }
}

impl Transport for Stream {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        either!(self, stream => Transport::set_read_timeout(stream, timeout))
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        either!(self, stream => Transport::set_write_timeout(stream, timeout))
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        either!(self, stream => stream.shutdown_write())
    }
}

#[cfg(feature = "rustls")]
impl<C, D, T> Transport for StreamOwned<C, T>
where
    C: core::ops::DerefMut<Target = rustls::ConnectionCommon<D>>,
    D: rustls::SideData,
    T: Transport,
{
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.sock.set_read_timeout(timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.sock.set_write_timeout(timeout)
    }

    /// Says close_notify first: the end is then known to be ours.
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.conn.send_close_notify();
        while self.conn.wants_write() {
            self.conn.write_tls(&mut self.sock)?;
        }
        self.sock.shutdown_write()
    }
}
