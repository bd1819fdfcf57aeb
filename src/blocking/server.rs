//! The server's side of the handshake over a blocking stream.

use alloc::sync::Arc;

use super::socket::WebSocket;
use super::transport::Transport;
use super::wire::{Patience, Waited, Wire};
use crate::config::Config;
use crate::handshake::{Accept, Answer, BuildError, Rejection, Request, RequestError, Server};
use crate::net::{Error, LINGER};

/// Waits for a request and accepts it, with the default limits and deadlines
/// and no subprotocol.
///
/// # Errors
///
/// As [`accept_with`].
pub fn accept<S: Transport>(stream: S) -> Result<WebSocket<S>, Error> {
    let accepted = accept_with(stream, Arc::default(), |_| Accept::new().into())?;
    // `None` only after a rejection; there was none.
    accepted.ok_or_else(ended_early)
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
    let mut server = Server::new(config);
    let mut until = server.handle_timeout(wire.now())?;
    let mut is_late = false;
    loop {
        let request = match server.receive(wire.inbox.unread()) {
            Ok(Some(request)) => request,
            Ok(None) if is_late => return Err(refuse(wire, RequestError::Timeout)),
            Ok(None) => {
                match wire.read(until)? {
                    // It may be complete now; if not, it has had its time.
                    Waited::Done => is_late = until.is_some_and(|until| wire.now() >= until),
                    Waited::Eof => return Err(ended_early()),
                    Waited::TimedOut => match server.handle_timeout(wire.now()) {
                        Ok(next) => until = next,
                        Err(error) => return Err(refuse(wire, error)),
                    },
                }
                continue;
            }
            Err(error) => return Err(refuse(wire, error)),
        };
        let head_len = request.head_len();
        let opened = match answer(&request) {
            Answer::Accept(accept) => request.accept(&accept, &mut wire.tx).map(Some),
            Answer::Reject(rejection) => request.reject(&rejection, &mut wire.tx).map(|()| None),
        };
        let ws = match opened {
            Ok(Some(ws)) => ws,
            Ok(None) => {
                tell_and_hang_up(wire);
                return Ok(None);
            }
            Err(error) => return Err(fail(wire, error)),
        };
        wire.inbox.consume(head_len);
        if wire.flush(Patience::Until(until))? != Waited::Done {
            return Err(RequestError::Timeout.into());
        }
        return Ok(Some(WebSocket::new(wire, ws)));
    }
}

/// Tells the client what is wrong with its request.
fn refuse<S: Transport>(mut wire: Wire<S>, error: RequestError) -> Error {
    if error.write_response(&mut wire.tx).is_ok() {
        tell_and_hang_up(wire);
    }
    error.into()
}

/// Tells the client that what is wrong is on our side.
fn fail<S: Transport>(mut wire: Wire<S>, error: BuildError) -> Error {
    if Rejection::new(500).write(&mut wire.tx).is_ok() {
        tell_and_hang_up(wire);
    }
    error.into()
}

/// Whether the client hears it changes nothing for our caller.
fn tell_and_hang_up<S: Transport>(mut wire: Wire<S>) {
    let _ = wire.hang_up(wire.now() + LINGER);
}

fn ended_early() -> Error {
    std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()
}
