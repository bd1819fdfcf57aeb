//! TLS over a blocking stream, of either side.
//!
//! Each call reads or writes the stream once and then lets the caller look at
//! the clock: a peer that sends a byte at a time must not outlast a deadline.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::time::Duration;
use std::io::{self, Read, Write};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};

use super::transport::Transport;
use super::wire::is_timeout;
use crate::net::is_gone;

/// A stream with TLS on top: a [`Transport`] whose deadlines hold in the
/// handshake of TLS as well.
///
/// # Example: a server with TLS
///
/// ```no_run
/// # use std::net::TcpStream;
/// # use std::sync::Arc;
/// # use sockeye::blocking::{self, Error};
/// use sockeye::blocking::Tls;
///
/// # fn f(stream: TcpStream, config: Arc<rustls::ServerConfig>) -> Result<(), Error> {
/// let ws = blocking::accept(Tls::server(config, stream)?)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Tls<T> {
    connection: Box<Connection>,
    stream: T,
}

impl<T> Tls<T> {
    /// The client's side, for a server of this name. Shakes hands when it is
    /// first used.
    ///
    /// # Errors
    ///
    /// What rustls says.
    pub fn client(
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
        stream: T,
    ) -> io::Result<Self> {
        let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
        Ok(Self { connection: Box::new(connection.into()), stream })
    }

    /// The server's side. Shakes hands when it is first used.
    ///
    /// # Errors
    ///
    /// What rustls says.
    pub fn server(config: Arc<ServerConfig>, stream: T) -> io::Result<Self> {
        let connection = ServerConnection::new(config).map_err(io::Error::other)?;
        Ok(Self { connection: Box::new(connection.into()), stream })
    }

    /// The state of TLS: protocols agreed on, certificates, names.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The stream below.
    pub fn stream(&self) -> &T {
        &self.stream
    }

    pub(super) fn into_parts(self) -> (Box<Connection>, T) {
        (self.connection, self.stream)
    }
}

impl<T: Read + Write> Tls<T> {
    /// Reads the stream once. 0: it has ended.
    fn receive(&mut self) -> io::Result<usize> {
        let len = self.connection.read_tls(&mut self.stream)?;
        match self.connection.process_new_packets() {
            Ok(_) => Ok(len),
            Err(error) => {
                // The peer is told why, if it listens.
                let _ = self.connection.write_tls(&mut self.stream);
                Err(io::Error::new(io::ErrorKind::InvalidData, error))
            }
        }
    }

    /// Writes what there is, once. `Interrupted` if there is more.
    fn write_pending(&mut self) -> io::Result<()> {
        if !self.connection.wants_write() {
            return Ok(());
        }
        match self.connection.write_tls(&mut self.stream)? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            _ if self.connection.wants_write() => Err(io::ErrorKind::Interrupted.into()),
            _ => Ok(()),
        }
    }

    /// Writes what there is, and has the hands shaken.
    fn advance(&mut self) -> io::Result<()> {
        self.write_pending()?;
        if !self.connection.is_handshaking() {
            return Ok(());
        }
        match self.receive()? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Err(io::ErrorKind::Interrupted.into()),
        }
    }
}

impl<T: Read + Write> Read for Tls<T> {
    /// Fails with `Interrupted` if what was read is not yet a plain byte: call
    /// it again, if there is time.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.connection.reader().read(buf) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return result,
        }
        match self.advance() {
            // What the peer said before it left can still be read; and if it takes
            // nothing, it may be waiting for us to read.
            Err(error)
                if (is_gone(&error) || is_timeout(&error)) && !self.connection.is_handshaking() => {
            }
            result => result?,
        }
        self.receive()?;
        match self.connection.reader().read(buf) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(io::ErrorKind::Interrupted.into())
            }
            result => result,
        }
    }
}

impl<T: Read + Write> Write for Tls<T> {
    /// Fails with `Interrupted` while hands are being shaken: call it again, if
    /// there is time.
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.advance()?;
        let len = self.connection.writer().write(buf)?;
        // What the stream does not take now goes first the next time.
        let _ = self.write_pending();
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.advance()?;
        self.stream.flush()
    }
}

impl<T: Transport> Transport for Tls<T> {
    /// For both directions: TLS may have to write in order to read.
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_read_timeout(timeout)?;
        self.stream.set_write_timeout(timeout)
    }

    /// As [`set_read_timeout`](Self::set_read_timeout).
    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_read_timeout(timeout)
    }

    /// Says close_notify first: the end is then known to be ours. Fails with
    /// `Interrupted` if there is more to say: call it again, if there is time.
    fn shutdown_write(&mut self) -> io::Result<()> {
        self.connection.send_close_notify();
        self.write_pending()?;
        self.stream.shutdown_write()
    }
}
