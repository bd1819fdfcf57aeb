//! The client's side of the handshake over a blocking stream.

use core::time::Duration;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};

use super::socket::WebSocket;
use super::stream::Stream;
use super::transport::Transport;
use super::wire::{Patience, Wire};
use crate::net::{Backoff, ClientOpening, Endpoint, Error, Turn, Waited};

/// Connects to a URL (with the feature `url`) or an [`Endpoint`] over TCP, with
/// TLS if it is a secure one, and shakes hands. Follows redirects.
///
/// Tries the addresses of the host in turn. [`Config::handshake_timeout`]
/// bounds waiting for the turn to connect, each address, and then TLS and
/// handshake; looking up a name takes as long as the system takes. Sets
/// `TCP_NODELAY`: messages are written whole.
///
/// # Errors
///
/// [`Error::Url`], [`Error::Io`], and as [`handshake`].
///
/// [`Config::handshake_timeout`]: crate::Config::handshake_timeout
pub fn connect<E>(endpoint: E) -> Result<WebSocket<Stream>, Error>
where
    E: TryInto<Endpoint>,
    Error: From<E::Error>,
{
    let mut endpoint = endpoint.try_into()?;
    loop {
        let result = connect_once(&endpoint);
        match endpoint.redirected(&result) {
            Some(next) => endpoint = next,
            None => return result,
        }
    }
}

/// Waits as `backoff` says, then connects; again and again, for as long as
/// what goes wrong [may pass](Error::is_temporary). For a connection that was
/// lost; the first is for [`connect`].
///
/// # Errors
///
/// As [`connect`], but for what may pass.
pub fn reconnect(endpoint: &Endpoint, backoff: &mut Backoff) -> Result<WebSocket<Stream>, Error> {
    loop {
        std::thread::sleep(backoff.next_delay());
        match connect(endpoint.clone()) {
            Ok(ws) => {
                backoff.reset();
                return Ok(ws);
            }
            Err(error) if error.is_temporary() => {}
            Err(error) => return Err(error),
        }
    }
}

/// Shakes hands as a client over a stream that leads to the endpoint. Follows
/// no redirects.
///
/// # Errors
///
/// [`Error::Refused`] with the server's HTTP reply if it is no 101;
/// [`Error::Response`] if it is not a valid reply, or none came in time;
/// [`Error::Build`]; [`Error::Url`]; [`Error::Io`].
pub fn handshake<S: Transport, E>(endpoint: E, stream: S) -> Result<WebSocket<S>, Error>
where
    E: TryInto<Endpoint>,
    Error: From<E::Error>,
{
    shake_hands(ClientOpening::new(&endpoint.try_into()?)?, stream)
}

fn connect_once(endpoint: &Endpoint) -> Result<WebSocket<Stream>, Error> {
    // A mistake in the request is told before anybody is called.
    let opening = ClientOpening::new(endpoint)?;
    let (_turn, stream) = open_stream(endpoint, endpoint.limits().handshake_timeout)?;
    shake_hands(opening, stream)
}

/// Connects to an endpoint when its turn has come, for which it waits as long as
/// `patience` allows; with TLS if it uses that. The turn lasts until the handshake
/// has ended.
pub(super) fn open_stream(
    endpoint: &Endpoint,
    patience: Option<Duration>,
) -> Result<(Option<Turn>, Stream), Error> {
    endpoint.check_secure()?;
    let turn = match endpoint.waits_its_turn() {
        true => Some(wait_for_turn(endpoint, patience)?),
        false => None,
    };
    let stream = open_tcp(endpoint)?;
    stream.set_nodelay(true)?;
    Ok((turn, Stream::open(endpoint, stream)?))
}

fn wait_for_turn(endpoint: &Endpoint, patience: Option<Duration>) -> io::Result<Turn> {
    let deadline = patience.and_then(|patience| std::time::Instant::now().checked_add(patience));
    let turn = Turn::wait_blocking(endpoint.host(), endpoint.port(), deadline);
    turn.ok_or_else(|| io::ErrorKind::TimedOut.into())
}

fn open_tcp(endpoint: &Endpoint) -> io::Result<TcpStream> {
    let mut last_error = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in (endpoint.host(), endpoint.port()).to_socket_addrs()? {
        let result = match endpoint.limits().handshake_timeout {
            Some(timeout) => TcpStream::connect_timeout(&address, timeout),
            None => TcpStream::connect(address),
        };
        match result {
            Ok(stream) => return Ok(stream),
            Err(error) => last_error = error,
        }
    }
    Err(last_error)
}

/// The handshake, from the request to the open connection.
fn shake_hands<S: Transport>(mut opening: ClientOpening, stream: S) -> Result<WebSocket<S>, Error> {
    let mut wire = Wire::new(stream);
    opening.start(wire.now(), &mut wire.tx)?;
    if wire.flush(Patience::Until(opening.until()))? != Waited::Done {
        return Err(opening.not_sent());
    }
    loop {
        let read = wire.read(opening.until());
        let now = wire.now();
        if let Some(ws) = opening.receive(read, &mut wire.intake.inbox, now)? {
            return Ok(WebSocket::new(wire, ws));
        }
    }
}
