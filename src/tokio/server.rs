//! The server's side of the handshake over an asynchronous stream.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::future::poll_fn;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use super::socket::WebSocket;
use super::time::{Timer, TokioTimer};
use super::wire::Wire;
use crate::config::Config;
use crate::handshake::{Accept, Answer, Request};
use crate::net::{Error, Inbox, LINGER, Opened, ServerOpening, Waited, default_config};

/// Waits for a request and accepts it, with the default limits and deadlines
/// and no subprotocol. Not cancel safe: dropped, it takes the stream with it.
///
/// # Errors
///
/// As [`accept_with`].
pub async fn accept<S>(stream: S) -> Result<WebSocket<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let accepted = accept_with(stream, default_config(), |_| Accept::new().into()).await?;
    // `None` only after a rejection; there was none.
    accepted.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof).into())
}

/// Waits for a request and lets `answer` decide. Gives `None` if it rejects.
///
/// Whoever is refused is told so, and given time to read it: that takes at
/// most five seconds. Not cancel safe: dropped, it takes the stream with it.
///
/// # Example: one path, and the first subprotocol offered
///
/// ```no_run
/// # use std::sync::Arc;
/// # use sockeye::Config;
/// # use sockeye::tokio::{self as ws, Error};
/// use sockeye::handshake::{Accept, Rejection};
/// # async fn f(stream: tokio::net::TcpStream, config: Arc<Config>) -> Result<(), Error> {
/// let ws = ws::accept_with(stream, config, |request| match request.path() {
///     "/chat" => Accept::new().subprotocol(request.subprotocols().next()).into(),
///     path => Rejection::new(404).body(format!("no {path} here\n")).into(),
/// })
/// .await?;
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
pub async fn accept_with<S>(
    stream: S,
    config: Arc<Config>,
    answer: impl for<'r> FnOnce(&Request<'r>) -> Answer<'r>,
) -> Result<Option<WebSocket<S>>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    accept_on(&TokioTimer, stream, config, answer).await
}

/// As [`accept_with`], with the clock of another runtime than tokio's, here and
/// in the connection.
///
/// # Errors
///
/// As [`accept_with`].
pub async fn accept_on<S>(
    timer: &'static dyn Timer,
    stream: S,
    config: Arc<Config>,
    answer: impl for<'r> FnOnce(&Request<'r>) -> Answer<'r>,
) -> Result<Option<WebSocket<S>>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // Boxed: a task keeps the room of what it awaits for its whole life, and
    // the handshake takes more of it than the connection.
    Box::pin(open(Wire::new(stream, timer), config, answer)).await
}

async fn open<S>(
    mut wire: Wire<S>,
    config: Arc<Config>,
    answer: impl for<'r> FnOnce(&Request<'r>) -> Answer<'r>,
) -> Result<Option<WebSocket<S>>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut inbox = Inbox::default();
    let mut opening = ServerOpening::new(config, answer, wire.now())?;
    loop {
        let read = wire.read(&mut inbox, opening.until()).await;
        let now = wire.now();
        match opening.receive(read, &mut inbox, now, wire.tx())? {
            None => {}
            Some(Opened::Accepted(ws)) => {
                return match wire.flush(opening.until()).await? {
                    Waited::Done => Ok(Some(WebSocket::new(wire, inbox, ws))),
                    _ => Err(opening.not_sent()),
                };
            }
            Some(Opened::Refused(error)) => {
                // Whether the client hears it changes nothing for our caller.
                let until = wire.now() + LINGER;
                poll_fn(|cx| wire.poll_hang_up(&mut inbox, until, cx)).await;
                return error.map_or(Ok(None), Err);
            }
        }
    }
}
