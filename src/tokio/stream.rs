//! TCP, with TLS or without.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io::{self, IoSlice};

#[cfg(feature = "rustls")]
use alloc::boxed::Box;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(feature = "rustls")]
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::net::{Endpoint, Error};

/// What [`connect`](super::connect) gives a connection over.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stream {
    /// `ws`: as it is.
    Plain(TcpStream),
    /// `wss`; inside of it TCP, or TLS once more if the proxy speaks that.
    #[cfg(feature = "rustls")]
    Tls(Box<TlsStream<Self>>),
}

impl Stream {
    /// The TCP stream below.
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            #[cfg(feature = "rustls")]
            Self::Tls(tls) => tls.get_ref().0.tcp(),
        }
    }

    /// Wraps a stream that leads to the endpoint; shakes hands if that uses
    /// TLS.
    #[cfg_attr(not(feature = "rustls"), allow(unused_variables, clippy::unused_async))]
    pub(super) async fn open(endpoint: &Endpoint, stream: Self) -> Result<Self, Error> {
        #[cfg(feature = "rustls")]
        if endpoint.is_secure() {
            let (config, name) = endpoint.tls_parameters()?;
            let stream = TlsConnector::from(config).connect(name, stream).await?;
            return Ok(Self::Tls(Box::new(stream)));
        }
        Ok(stream)
    }
}

/// The same call for whichever it is.
macro_rules! either {
    ($self:expr, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Plain($stream) => {
                let $stream = Pin::new($stream);
                $call
            }
            #[cfg(feature = "rustls")]
            Stream::Tls($stream) => {
                let $stream = Pin::new(&mut **$stream);
                $call
            }
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, stream => stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            #[cfg(feature = "rustls")]
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, stream => stream.poll_shutdown(cx))
    }
}
