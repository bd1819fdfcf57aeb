//! The server's side of the handshake over a blocking stream.

use alloc::sync::Arc;
use std::io;

use super::socket::WebSocket;
use super::transport::Transport;
use super::wire::{Patience, Wire};
use crate::config::Config;
use crate::handshake::{Accept, Answer, Request};
use crate::net::{Error, LINGER, Opened, ServerOpening, Waited, default_config};

/// Waits for a request and accepts it, with the default limits and deadlines
/// and no subprotocol.
///
/// # Errors
///
/// As [`accept_with`].
pub fn accept<S: Transport>(stream: S) -> Result<WebSocket<S>, Error> {
    let accepted = accept_with(stream, default_config(), |_| Accept::new().into())?;
    // `None` only after a rejection; there was none.
    accepted.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof).into())
}

/// Waits for a request and lets `answer` decide. Gives `None` if it rejects.
///
/// Whoever is refused is told so, and given time to read it: that takes at
/// most five seconds on the calling thread.
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
/// let ws = blocking::accept_with(stream, config, |request| match request.path() {
///     "/chat" => Accept::new().subprotocol(request.subprotocols().next()).into(),
///     path => Rejection::new(404).body(format!("no {path} here\n")).into(),
/// })?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`Error::Request`] for a request that cannot open a connection or is too
/// slow in coming: it was answered with the HTTP status that it deserves.
/// [`Error::Build`] for an answer that cannot be sent: the client was told 500.
/// [`Error::Io`].
pub fn accept_with<S: Transport>(
    stream: S,
    config: Arc<Config>,
    answer: impl for<'r> FnOnce(&Request<'r>) -> Answer<'r>,
) -> Result<Option<WebSocket<S>>, Error> {
    let mut wire = Wire::new(stream);
    let mut opening = ServerOpening::new(config, answer, wire.now())?;
    loop {
        let read = wire.read(opening.until());
        let now = wire.now();
        match opening.receive(read, &mut wire.intake.inbox, now, &mut wire.tx)? {
            None => {}
            Some(Opened::Accepted(ws)) => {
                return match wire.flush(Patience::Until(opening.until()))? {
                    Waited::Done => Ok(Some(WebSocket::new(wire, ws))),
                    _ => Err(opening.not_sent()),
                };
            }
            Some(Opened::Refused(error)) => {
                // Whether the client hears it changes nothing for our caller.
                let _ = wire.hang_up(wire.now() + LINGER);
                return error.map_or(Ok(None), Err);
            }
        }
    }
}
