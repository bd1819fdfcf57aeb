//! The client's side of the handshake over an asynchronous stream.

use alloc::boxed::Box;
#[cfg(not(feature = "proxy"))]
use alloc::vec::Vec;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
#[cfg(not(feature = "proxy"))]
use tokio::net::TcpStream;

#[cfg(feature = "proxy")]
use super::dial::dial;
use super::socket::WebSocket;
use super::stream::Stream;
use super::time::{Alarm, Timer, TokioTimer};
use super::wire::Wire;
use crate::net::{Backoff, ClientOpening, Endpoint, Error, Inbox, Turn, Waited};

/// Connects to a URL (with the feature `url`) or an [`Endpoint`] over TCP, with
/// TLS if it is a secure one, and shakes hands. Follows redirects.
///
/// Tries the addresses of the host in turn, each for its share of the time; with
/// the feature `proxy` it does so
/// side by side (*Happy Eyeballs*, RFC 8305), and takes the proxy that the
/// endpoint or the environment names. [`Config::handshake_timeout`] bounds
/// waiting for the turn to connect; then connecting and TLS; then the handshake.
/// Sets `TCP_NODELAY`: messages are written whole. Dropped, it stops at once.
///
/// # Errors
///
/// [`Error::Url`], [`Error::Io`], and as [`handshake`].
///
/// [`Config::handshake_timeout`]: crate::Config::handshake_timeout
pub async fn connect<E>(endpoint: E) -> Result<WebSocket<Stream>, Error>
where
    E: TryInto<Endpoint>,
    Error: From<E::Error>,
{
    let mut endpoint = endpoint.try_into()?;
    loop {
        // Boxed: a task keeps the room of what it awaits for its whole life,
        // and connecting takes more of it than the connection.
        let result = Box::pin(connect_once(&endpoint)).await;
        match endpoint.redirected(&result) {
            Some(next) => endpoint = next,
            None => return result,
        }
    }
}

/// Waits as `backoff` says, then connects; again and again, for as long as
/// what goes wrong [may pass](Error::is_temporary). For a connection that was
/// lost; the first is for [`connect`]. Dropped, it stops at once.
///
/// # Errors
///
/// As [`connect`], but for what may pass.
pub async fn reconnect(
    endpoint: &Endpoint,
    backoff: &mut Backoff,
) -> Result<WebSocket<Stream>, Error> {
    loop {
        TokioTimer.sleep(backoff.next_delay()).await;
        match connect(endpoint.clone()).await {
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
/// no redirects. Dropped, it takes the stream with it.
///
/// # Errors
///
/// [`Error::Refused`] with the server's HTTP reply if it is no 101;
/// [`Error::Response`] if it is not a valid reply, or none came in time;
/// [`Error::Build`]; [`Error::Url`]; [`Error::Io`].
pub async fn handshake<S, E>(endpoint: E, stream: S) -> Result<WebSocket<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    E: TryInto<Endpoint>,
    Error: From<E::Error>,
{
    handshake_on(&TokioTimer, endpoint, stream).await
}

/// As [`handshake`], with the clock of another runtime than tokio's, here and
/// in the connection.
///
/// # Errors
///
/// As [`handshake`].
pub async fn handshake_on<S, E>(
    timer: &'static dyn Timer,
    endpoint: E,
    stream: S,
) -> Result<WebSocket<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    E: TryInto<Endpoint>,
    Error: From<E::Error>,
{
    let opening = ClientOpening::new(&endpoint.try_into()?)?;
    Box::pin(shake_hands(opening, Wire::new(stream, timer))).await
}

async fn connect_once(endpoint: &Endpoint) -> Result<WebSocket<Stream>, Error> {
    // A mistake in the request is told before anybody is called.
    let opening = ClientOpening::new(endpoint)?;
    let (_turn, stream) = open_stream(endpoint, endpoint.limits().handshake_timeout).await?;
    shake_hands(opening, Wire::new(stream, &TokioTimer)).await
}

/// Connects to an endpoint when its turn has come, for which it waits as long as
/// `patience` allows; with TLS if it uses that. The turn lasts until the handshake
/// has ended.
pub(super) async fn open_stream(
    endpoint: &Endpoint,
    patience: Option<Duration>,
) -> Result<(Option<Turn>, Stream), Error> {
    endpoint.check_secure()?;
    let timeout = endpoint.limits().handshake_timeout;
    let turn = match endpoint.waits_its_turn() {
        true => {
            let turn = async { Ok(Turn::wait(endpoint.host(), endpoint.port()).await) };
            Some(in_time(patience, turn).await?)
        }
        false => None,
    };
    let stream = in_time(timeout, async {
        let stream = dial(endpoint).await?;
        Stream::open(endpoint, stream).await
    });
    Ok((turn, stream.await?))
}

/// Gives up after a time.
async fn in_time<T>(
    timeout: Option<Duration>,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let mut work = pin!(work);
    let mut alarm = Alarm::new(&TokioTimer);
    let until = timeout.map(|timeout| alarm.now() + timeout);
    poll_fn(|cx| match work.as_mut().poll(cx) {
        Poll::Ready(result) => Poll::Ready(result),
        Poll::Pending => {
            alarm.poll(until, cx).map(|()| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
        }
    })
    .await
}

/// Connects to an endpoint, without TLS on top. One address that does not
/// answer leaves the others their share of the time.
#[cfg(not(feature = "proxy"))]
async fn dial(endpoint: &Endpoint) -> Result<Stream, Error> {
    let addresses: Vec<_> =
        tokio::net::lookup_host((endpoint.host(), endpoint.port())).await?.collect();
    let share = |timeout: Duration| timeout / u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    let timeout = endpoint.limits().handshake_timeout.map(share);
    let mut last_error = Error::Io(io::ErrorKind::AddrNotAvailable.into());
    for address in &addresses {
        match in_time(timeout, async { Ok(TcpStream::connect(address).await?) }).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(Stream::Plain(stream));
            }
            Err(error) => last_error = error,
        }
    }
    Err(last_error)
}

/// The handshake, from the request to the open connection.
async fn shake_hands<S>(
    mut opening: ClientOpening,
    mut wire: Wire<S>,
) -> Result<WebSocket<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut inbox = Inbox::default();
    opening.start(wire.now(), wire.tx())?;
    if wire.flush(opening.until()).await? != Waited::Done {
        return Err(opening.not_sent());
    }
    loop {
        let read = wire.read(&mut inbox, opening.until()).await;
        if let Some(ws) = opening.receive(read, &mut inbox, wire.now())? {
            return Ok(WebSocket::new(wire, inbox, ws));
        }
    }
}
