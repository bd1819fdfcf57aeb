//! What is asked of a stream beyond `Read` and `Write`.

use alloc::boxed::Box;
use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

/// A stream that can wait for a limited time, and be closed in one direction.
///
/// Without these, deadlines pass unnoticed while a call waits, and the end of
/// a connection can be lost with a reset. A stream that has neither is wrapped
/// in [`Untimed`].
pub trait Transport: Read + Write {
    /// Bounds the time that `read` waits; then it fails with `WouldBlock` or
    /// `TimedOut`. `None`: any time. Never called with zero.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// The same for `write`.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// Ends our direction of the stream, so that the peer reads all that was
    /// written and then the end.
    ///
    /// # Errors
    ///
    /// What the system says. `Interrupted`: call it again. `Unsupported`: then the peer is not waited for
    /// to end its own, since dropping the stream is what ends ours.
    fn shutdown_write(&mut self) -> io::Result<()>;
}

macro_rules! socket_transport {
    ($stream:ty) => {
        impl Transport for $stream {
            fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
                <$stream>::set_read_timeout(self, timeout)
            }

            fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
                <$stream>::set_write_timeout(self, timeout)
            }

            fn shutdown_write(&mut self) -> io::Result<()> {
                self.shutdown(Shutdown::Write)
            }
        }
    };
}

socket_transport!(TcpStream);
#[cfg(unix)]
socket_transport!(std::os::unix::net::UnixStream);

macro_rules! pointer_transport {
    ($pointer:ty) => {
        impl<T: Transport + ?Sized> Transport for $pointer {
            fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
                (**self).set_read_timeout(timeout)
            }

            fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
                (**self).set_write_timeout(timeout)
            }

            fn shutdown_write(&mut self) -> io::Result<()> {
                (**self).shutdown_write()
            }
        }
    };
}

pointer_transport!(&mut T);
pointer_transport!(Box<T>);

/// Makes a [`Transport`] of any stream. No deadline holds while a call waits
/// for the stream; its owner has to see to that. Our direction ends when the
/// stream is dropped.
#[derive(Debug)]
pub struct Untimed<S>(S);

impl<S: Read + Write> Untimed<S> {
    /// Wraps a stream.
    pub const fn new(stream: S) -> Self {
        Self(stream)
    }

    /// The stream.
    pub fn into_inner(self) -> S {
        self.0
    }
}

impl<S: Read> Read for Untimed<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl<S: Write> Write for Untimed<S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }

    fn write_vectored(&mut self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl<S: Read + Write> Transport for Untimed<S> {
    fn set_read_timeout(&mut self, _timeout: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn set_write_timeout(&mut self, _timeout: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.flush()?;
        Err(io::ErrorKind::Unsupported.into())
    }
}
