//! TCP, with TLS or without.

use core::time::Duration;
use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;

#[cfg(feature = "rustls")]
use super::tls::Tls;
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
    Tls(Tls<TcpStream>),
}

impl Stream {
    /// The TCP stream below.
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            #[cfg(feature = "rustls")]
            Self::Tls(tls) => tls.stream(),
        }
    }

    /// Wraps a stream that leads to the endpoint. TLS shakes hands when it is
    /// first written to.
    #[cfg_attr(not(feature = "rustls"), allow(unused_variables, clippy::unnecessary_wraps))]
    pub(super) fn open(endpoint: &Endpoint, stream: TcpStream) -> Result<Self, Error> {
        #[cfg(feature = "rustls")]
        if endpoint.is_secure() {
            let (config, name) = endpoint.tls_parameters()?;
            return Ok(Self::Tls(Tls::client(config, name, stream)?));
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
