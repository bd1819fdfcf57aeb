//! The server's side of the opening handshake (RFC 6455, section 4.2).

use alloc::sync::Arc;

use super::deadline::Deadline;
use super::head::{HeadLimits, HeadScanner};
use super::request::Request;
use super::request_error::RequestError;
use crate::config::Config;
use crate::time::Instant;

/// Waits for a request that opens a connection.
///
/// # Order of calls
///
/// [`receive`](Self::receive) with all bytes so far, each time more have come,
/// until it gives a [`Request`]; then [`Request::accept`] or
/// [`Request::reject`]. On an error, [`RequestError::write_response`], and
/// close the transport.
///
/// # Example: accept whoever comes
///
/// ```
/// use std::sync::Arc;
/// use sockeye::Config;
/// use sockeye::handshake::{Accept, Server};
///
/// let config = Arc::new(Config::default());
/// let mut server = Server::new(config);
/// let received = b"GET /chat HTTP/1.1\r\nHost: example.com\r\n\
///     Upgrade: websocket\r\nConnection: Upgrade\r\n\
///     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
///     Sec-WebSocket-Version: 13\r\n\r\n";
/// let mut out = Vec::new();
/// let request = server.receive(received)?.expect("the request is complete");
/// assert_eq!(request.path(), "/chat");
/// let frames = &received[request.head_len()..]; // early bytes, for the connection
/// let ws = request.accept(&Accept::new(), &mut out)?;
/// assert!(out.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
/// # assert!(frames.is_empty() && ws.is_open());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Server {
    config: Arc<Config>,
    scanner: HeadScanner,
    limits: HeadLimits,
    deadline: Deadline,
}

impl Server {
    /// A server's side with the limits and deadlines of `config`, on the
    /// handshake and on the connection. Allocates nothing.
    pub fn new(config: Arc<Config>) -> Self {
        Self {
            scanner: HeadScanner::new(0),
            limits: HeadLimits::of_request(&config),
            deadline: Deadline::new(config.handshake_timeout),
            config,
        }
    }

    /// Looks for a complete request in `received`: all bytes that have come
    /// so far, those of earlier calls included. Each byte is looked at twice at most,
    /// however many calls it takes, and once more when the request is
    /// complete. `None`: more bytes are needed. No allocation, no copy. Not to
    /// be called again once it gave a request: what follows are frames.
    ///
    /// # Errors
    ///
    /// The first rule that the request breaks. The handshake is over: answer
    /// with [`RequestError::write_response`].
    pub fn receive<'a>(&mut self, received: &'a [u8]) -> Result<Option<Request<'a>>, RequestError> {
        match self.scanner.scan(received, &self.limits)? {
            Some(head) => Request::parse(&received[head], self.config.clone()).map(Some),
            None => Ok(None),
        }
    }

    /// Says when to call next; `None`: never.
    ///
    /// # Errors
    ///
    /// [`RequestError::Timeout`] when [`Config::handshake_timeout`] has
    /// passed since the first call.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<Option<Instant>, RequestError> {
        self.deadline.check(now).map_err(|_| RequestError::Timeout)
    }
}
