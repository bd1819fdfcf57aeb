//! The client's side of the handshake over a blocking stream.

use alloc::string::String;
use alloc::sync::Arc;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};

use super::error::Error;
use super::socket::WebSocket;
use super::transport::Transport;
use super::wire::{Patience, Waited, Wire};
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
    /// handshake; looking up a name takes as long as the system takes. Sets `TCP_NODELAY`: messages are written whole.
    ///
    /// # Errors
    ///
    /// [`Error::Io`], and as [`handshake`](Self::handshake).
    pub fn connect(self) -> Result<WebSocket<TcpStream>, Error> {
        // A mistake in the request is told before anybody is called.
        let client = self.client()?;
        let stream = self.open_stream()?;
        stream.set_nodelay(true)?;
        shake_hands(client, stream)
    }

    /// Shakes hands over a stream that leads to the host.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] with the server's HTTP reply if it is no 101;
    /// [`Error::Response`] if it is not a valid reply, or none came in time;
    /// [`Error::Build`]; [`Error::Io`].
    pub fn handshake<S: Transport>(self, stream: S) -> Result<WebSocket<S>, Error> {
        shake_hands(self.client()?, stream)
    }

    fn client(&self) -> Result<Client, Error> {
        Ok(Client::new(self.request.clone(), Seed::from_os()?, self.config.clone())?)
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

/// The handshake, from the request to the open connection.
fn shake_hands<S: Transport>(mut client: Client, stream: S) -> Result<WebSocket<S>, Error> {
    let mut wire = Wire::new(stream);
    client.write_request(&mut wire.tx)?;
    let mut until = client.handle_timeout(wire.now())?;
    if wire.flush(Patience::Until(until))? != Waited::Done {
        return Err(ResponseError::Timeout.into());
    }
    let mut is_late = false;
    loop {
        let reply = match client.receive(wire.inbox.unread())? {
            Some(reply) => reply,
            None => match wire.read(until) {
                Ok(Waited::Done) if !is_late => {
                    // It may be complete now; if not, it has had its time.
                    is_late = until.is_some_and(|until| wire.now() >= until);
                    continue;
                }
                Ok(Waited::Eof) => client.receive_eof(wire.inbox.unread())?,
                // A refusal whose body was cut short, by time or by an
                // error, is told as far as it has come.
                Ok(Waited::TimedOut | Waited::Done) => match client.handle_timeout(wire.now()) {
                    Ok(next) => {
                        until = next;
                        continue;
                    }
                    Err(error) => {
                        let reply = client.receive_eof(wire.inbox.unread());
                        reply.map_err(|_| error)?
                    }
                },
                Err(error) => match client.receive_eof(wire.inbox.unread()) {
                    Ok(reply) => reply,
                    Err(_) => return Err(error.into()),
                },
            },
        };
        match reply {
            Reply::Accepted(response) => {
                let head_len = response.head_len();
                let ws = response.open();
                wire.inbox.consume(head_len);
                return Ok(WebSocket::new(wire, ws));
            }
            Reply::Refused(refusal) => return Err(Error::Refused(refusal.into())),
        }
    }
}
