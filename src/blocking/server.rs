//! The server's side of the handshake over a blocking stream.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::error::Error;
use super::socket::{LINGER, WebSocket};
use super::transport::Transport;
use super::wire::{Waited, Wire};
use crate::config::Config;
use crate::connection::Connection;
use crate::handshake::{Accept, BuildError, Request, RequestError, ResponseError, Server};

/// Waits for a request and accepts it, with the default limits and deadlines
/// and no subprotocol.
///
/// # Errors
///
/// As [`accept_with`].
pub fn accept<S: Transport>(stream: S) -> Result<WebSocket<S>, Error> {
    let config = Arc::new(Config::default());
    let accepted = accept_with(stream, &config.clone(), |request, out| {
        request.accept(&Accept::new(), config, out).map(Some)
    })?;
    // The answer was not `None`, so the connection is there.
    accepted.ok_or(Error::Response(ResponseError::EndOfStream))
}

/// Waits for a request and lets `answer` decide: it calls
/// [`Request::accept`] and gives the connection, or [`Request::reject`] and
/// gives `None`; the reply is then sent.
///
/// # Example: one path, and the first subprotocol offered
///
/// ```no_run
/// # use std::net::TcpStream;
/// # use std::sync::Arc;
/// # use sockeye::Config;
/// # use sockeye::blocking::{self, Error};
/// use sockeye::handshake::{Accept, Rejection};
/// # fn f(stream: TcpStream, config: Arc<Config>) -> Result<(), Error> {
/// let ws = blocking::accept_with(stream, &config, |request, out| {
///     if request.path() != "/chat" {
///         request.reject(&Rejection::new(404), out)?;
///         return Ok(None);
///     }
///     let accept = Accept::new().subprotocol(request.subprotocols().next());
///     request.accept(&accept, config.clone(), out).map(Some)
/// })?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`Error::Request`] for a request that cannot open a connection or is too
/// slow in coming: it was answered with the HTTP status that it deserves.
/// [`Error::Build`] of `answer`'s. [`Error::Io`].
pub fn accept_with<S: Transport>(
    stream: S,
    config: &Config,
    answer: impl FnOnce(Request<'_>, &mut Vec<u8>) -> Result<Option<Connection>, BuildError>,
) -> Result<Option<WebSocket<S>>, Error> {
    let mut wire = Wire::new(stream);
    let mut server = Server::new(config);
    loop {
        let now = wire.now();
        let request = match server.receive(wire.inbox.unread()) {
            Ok(Some(request)) => request,
            Ok(None) => match server.handle_timeout(now) {
                Ok(until) => match wire.read(until)? {
                    Waited::Eof => return Err(ended_early()),
                    Waited::Done | Waited::TimedOut => continue,
                },
                Err(error) => return Err(refuse(wire, error)),
            },
            Err(error) => return Err(refuse(wire, error)),
        };
        let head_len = request.head_len();
        let Some(ws) = answer(request, &mut wire.tx)? else {
            let _ = wire.hang_up(wire.now() + LINGER);
            return Ok(None);
        };
        wire.inbox.consume(head_len);
        let until = server.handle_timeout(wire.now())?;
        if wire.flush(until)? != Waited::Done {
            return Err(RequestError::Timeout.into());
        }
        return Ok(Some(WebSocket::new(wire, ws)));
    }
}

/// Tells the client what is wrong with its request; whether it hears it
/// changes nothing for our caller.
fn refuse<S: Transport>(mut wire: Wire<S>, error: RequestError) -> Error {
    if error.write_response(&mut wire.tx).is_ok() {
        let _ = wire.hang_up(wire.now() + LINGER);
    }
    error.into()
}

fn ended_early() -> Error {
    std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()
}
