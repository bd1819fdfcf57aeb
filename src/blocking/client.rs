//! The client's side of the handshake over a blocking stream.

use alloc::string::String;
use alloc::sync::Arc;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};

use super::error::Error;
use super::socket::WebSocket;
use super::transport::Transport;
use super::wire::{Waited, Wire};
use crate::config::Config;
use crate::handshake::{Client, ClientRequest, Reply, ResponseError};
use crate::seed::Seed;

/// Connects to a `ws://` URL with the default limits and deadlines.
///
/// `wss://` needs TLS, which this version does not have: it is refused before
/// anything is sent. Hand a stream of a TLS library to
/// [`Connector::handshake`].
///
/// # Errors
///
/// [`Error::Url`], and as [`Connector::connect`].
#[cfg(feature = "url")]
pub fn connect(url: &str) -> Result<WebSocket<TcpStream>, Error> {
    Connector::from_url(url)?.connect()
}

/// What to connect to, and how.
///
/// # Example: subprotocols and a cookie
///
/// ```no_run
/// use sockeye::blocking::Connector;
///
/// let ws = Connector::new("example.com", 80, "/chat")
///     .subprotocol("chat.v2")
///     .subprotocol("chat.v1")
///     .header("Cookie", "session=1")
///     .connect()?;
/// println!("speaking {:?}", ws.connection().subprotocol());
/// # Ok::<(), sockeye::blocking::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Connector {
    host: String,
    port: u16,
    request: ClientRequest,
    config: Arc<Config>,
}

impl Connector {
    /// To a host (name or address), a port, and a path with its query.
    pub fn new(host: &str, port: u16, target: &str) -> Self {
        Self::build(false, host, port, target)
    }

    /// To a URL of the scheme `ws`.
    ///
    /// # Errors
    ///
    /// [`Error::Url`]: not a URL; another scheme, `wss` among them; a fragment
    /// (RFC 6455, section 3); a user name or password, which would not be sent.
    #[cfg(feature = "url")]
    pub fn from_url(url: &str) -> Result<Self, Error> {
        use url::{Position, Url};
        let url = Url::parse(url).map_err(|_| Error::Url("not a URL"))?;
        match url.scheme() {
            "ws" => {}
            "wss" => return Err(Error::Url("wss needs TLS, which is not built in")),
            _ => return Err(Error::Url("the scheme of a WebSocket URL is ws")),
        }
        if url.fragment().is_some() {
            return Err(Error::Url("a WebSocket URL has no fragment"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Error::Url("a user name in a WebSocket URL would not be sent"));
        }
        let host = url.host_str().ok_or(Error::Url("the URL has no host"))?;
        let port = url.port_or_known_default().ok_or(Error::Url("the URL has no port"))?;
        Ok(Self::build(false, host, port, &url[Position::BeforePath..Position::AfterQuery]))
    }

    fn build(secure: bool, host: &str, port: u16, target: &str) -> Self {
        Self {
            // The resolver wants IPv6 addresses bare, URLs bracket them.
            host: host.trim_start_matches('[').trim_end_matches(']').into(),
            port,
            request: ClientRequest::new(secure, host, port, target),
            config: Arc::new(Config::default()),
        }
    }

    /// Offers a subprotocol; those offered first are preferred.
    pub fn subprotocol(mut self, name: &str) -> Self {
        self.request = self.request.subprotocol(name);
        self
    }

    /// Adds a header line, such as `Origin`, `Cookie` or `Authorization`.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// Sets limits and deadlines.
    pub fn config(mut self, config: Arc<Config>) -> Self {
        self.config = config;
        self
    }

    /// Connects over TCP, trying the addresses of the host in turn, and shakes
    /// hands. [`Config::handshake_timeout`] bounds each address, and then the
    /// handshake. Sets `TCP_NODELAY`: messages are written whole.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], and as [`handshake`](Self::handshake).
    pub fn connect(self) -> Result<WebSocket<TcpStream>, Error> {
        let stream = self.open_stream()?;
        stream.set_nodelay(true)?;
        self.handshake(stream)
    }

    /// Shakes hands over a stream that leads to the host.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the server's HTTP reply if it is no 101;
    /// [`Error::Response`] if it is not a valid reply, or none came in time;
    /// [`Error::Build`]; [`Error::Io`].
    pub fn handshake<S: Transport>(self, stream: S) -> Result<WebSocket<S>, Error> {
        let mut wire = Wire::new(stream);
        let mut client = Client::new(self.request, Seed::from_os()?, &self.config)?;
        client.write_request(&mut wire.tx)?;
        let until = client.handle_timeout(wire.now())?;
        if wire.flush(until)? != Waited::Done {
            return Err(ResponseError::Timeout.into());
        }
        let mut eof = false;
        loop {
            let received = wire.inbox.unread();
            let reply =
                if eof { Some(client.receive_eof(received)?) } else { client.receive(received)? };
            match reply {
                Some(Reply::Accepted(response)) => {
                    let head_len = response.head_len();
                    let ws = response.open(self.config);
                    wire.inbox.consume(head_len);
                    return Ok(WebSocket::new(wire, ws));
                }
                Some(Reply::Refused(refusal)) => return Err(Error::Refused(refusal.into())),
                None => {}
            }
            // A refusal whose body does not end in time is told as far as it
            // has come; nothing at all is a time-out.
            match client.handle_timeout(wire.now()) {
                Ok(until) => eof = wire.read(until)? == Waited::Eof,
                Err(_) => match client.receive_eof(wire.inbox.unread()) {
                    Ok(Reply::Refused(refusal)) => return Err(Error::Refused(refusal.into())),
                    _ => return Err(ResponseError::Timeout.into()),
                },
            }
        }
    }

    fn open_stream(&self) -> io::Result<TcpStream> {
        let mut last_error = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            let result = match self.config.handshake_timeout {
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
}
