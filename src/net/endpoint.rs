//! Where to connect to, and what to say there.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::error::Error;
use crate::config::Config;
use crate::handshake::{Client, ClientRequest, Response, basic_authorization};
#[cfg(feature = "url")]
use crate::location::Location;
use crate::seed::Seed;

/// A server, and what a client says to it: host, port and target (or a URL),
/// subprotocols, header lines, limits and deadlines.
///
/// # Example: subprotocols and a cookie
///
/// ```no_run
/// use sockeye::blocking;
/// use sockeye::net::Endpoint;
///
/// let endpoint = Endpoint::new("example.com", 80, "/chat")
///     .subprotocol("chat.v2")
///     .subprotocol("chat.v1")
///     .header("Cookie", "session=1");
/// let ws = blocking::connect(endpoint)?;
/// println!("speaking {:?}", ws.connection().subprotocol());
/// # Ok::<(), sockeye::net::Error>(())
/// ```
#[derive(Clone)]
pub struct Endpoint {
    pub(super) secure: bool,
    /// Without brackets, should it be an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) target: String,
    subprotocols: Vec<String>,
    pub(super) headers: Vec<(String, String)>,
    /// What is sent as `Authorization`.
    pub(super) authorization: Authorization,
    config: Arc<Config>,
    #[cfg_attr(not(feature = "url"), allow(dead_code))]
    pub(super) max_redirects: u32,
    waits_its_turn: bool,
    on_response: Option<OnResponse>,
    #[cfg(feature = "rustls")]
    pub(super) tls: Option<Arc<rustls::ClientConfig>>,
    #[cfg(feature = "proxy")]
    proxy: Proxy,
}

/// From a URL, or from a name and a password.
#[derive(Clone)]
pub(super) enum Authorization {
    None,
    /// A name that cannot be sent.
    Invalid,
    Value(String),
}

/// Looks at the reply that opens a connection.
type OnResponse = Arc<dyn Fn(&Response<'_>) + Send + Sync>;

/// How to get to an endpoint.
#[cfg(feature = "proxy")]
#[derive(Clone)]
pub(crate) enum Proxy {
    /// As the environment says.
    Environment,
    None,
    Url(String),
}

impl Endpoint {
    /// A host (name or address), a port, and a path with its query; `ws`, so
    /// without TLS, unless made [`secure`](Self::secure).
    pub fn new(host: &str, port: u16, target: &str) -> Self {
        Self {
            secure: false,
            // The resolver wants IPv6 addresses bare, URLs bracket them.
            host: host.trim_start_matches('[').trim_end_matches(']').into(),
            port,
            target: target.into(),
            subprotocols: Vec::new(),
            headers: Vec::new(),
            authorization: Authorization::None,
            config: super::default_config(),
            max_redirects: 5,
            waits_its_turn: true,
            on_response: None,
            #[cfg(feature = "rustls")]
            tls: None,
            #[cfg(feature = "proxy")]
            proxy: Proxy::Environment,
        }
    }

    /// A URL of the scheme `ws` or `wss`. A user name and a password in it are
    /// sent as they are for HTTP (Basic authorization, RFC 7617).
    ///
    /// # Errors
    ///
    /// [`Error::Url`]: not a URL; another scheme; a fragment (RFC 6455, section
    /// 3).
    #[cfg(feature = "url")]
    pub fn from_url(url: &str) -> Result<Self, Error> {
        let url = url::Url::parse(url).map_err(|_| Error::Url("not a URL"))?;
        if !matches!(url.scheme(), "ws" | "wss") {
            return Err(Error::Url("the scheme of a WebSocket URL is ws or wss"));
        }
        let location = Location::new(url).map_err(Error::Url)?;
        let mut endpoint = Self::new(location.host(), location.port(), location.target());
        endpoint.secure = location.is_secure();
        if let Some((user, password)) = location.credentials() {
            endpoint.authorization = basic(&user, &password);
            endpoint.check_authorization()?;
        }
        Ok(endpoint)
    }

    /// Where a socket wants to be connected to, if it does.
    #[cfg(feature = "web")]
    pub(crate) fn of_socket(socket: &crate::web::Network) -> Option<Self> {
        let target = socket.target()?;
        let mut endpoint = Self::new(target.host, target.port, "/");
        endpoint.secure = target.secure;
        Some(endpoint.config(socket.config().clone()))
    }

    /// Uses TLS, as for `wss`.
    pub fn secure(mut self) -> Self {
        self.secure = true;
        self
    }

    /// Offers a subprotocol; those offered first are preferred.
    pub fn subprotocol(mut self, name: &str) -> Self {
        self.subprotocols.push(name.into());
        self
    }

    /// Adds a header line, such as `Origin`, `Cookie` or `Authorization`. The
    /// last two are not sent to another host, port or scheme that a server
    /// redirects to.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Looks at the reply that opens the connection: its header lines, cookies
    /// for example. A reply that refuses is [`Error::Refused`].
    pub fn on_response(mut self, look: impl Fn(&Response<'_>) + Send + Sync + 'static) -> Self {
        self.on_response = Some(Arc::new(look));
        self
    }

    /// Sends a user name and a password (Basic authorization, RFC 7617), as a
    /// URL with them does. A colon in the name is reported by those who connect.
    pub fn basic_auth(mut self, user: &str, password: &str) -> Self {
        self.authorization = basic(user.as_bytes(), password.as_bytes());
        self
    }

    /// Sets limits and deadlines.
    pub fn config(mut self, config: Arc<Config>) -> Self {
        self.config = config;
        self
    }

    /// Sets how many redirects in a row are followed, 5 otherwise; what comes
    /// after them is [`Error::Refused`]. Following them takes the feature
    /// `url`. Never from `wss` to `ws`.
    pub fn max_redirects(mut self, max: u32) -> Self {
        self.max_redirects = max;
        self
    }

    /// Connects at once, also while this process is connecting to the same
    /// host (by name) and port. Otherwise one attempt waits for the other, as RFC 6455
    /// demands (section 4.1, item 2): that keeps a server that is down from
    /// being flooded.
    pub fn without_waiting(mut self) -> Self {
        self.waits_its_turn = false;
        self
    }

    /// Sets the proxy for `tokio::connect`: the URL of an HTTP proxy (`http` or
    /// `https`, asked to CONNECT, for `ws` as well) or a SOCKS 5 proxy
    /// (`socks5`; with `socks5h` the proxy looks up the host's name). A user
    /// name and a password in it are for the proxy.
    ///
    /// Otherwise it is what the environment names in `HTTP_PROXY` (for `ws`),
    /// `HTTPS_PROXY` (for `wss`), `ALL_PROXY` and `NO_PROXY`, in capitals or
    /// not, read as curl reads them. `blocking::connect` knows no proxies: make
    /// the tunnel, and hand it to `blocking::handshake`.
    #[cfg(feature = "proxy")]
    pub fn proxy(mut self, url: &str) -> Self {
        self.proxy = Proxy::Url(url.into());
        self
    }

    /// Connects straight to the host, whatever the environment names.
    #[cfg(feature = "proxy")]
    pub fn without_proxy(mut self) -> Self {
        self.proxy = Proxy::None;
        self
    }

    /// True if a connection has to use TLS.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host's name or address; an IPv6 address has no brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }

    #[cfg(feature = "proxy")]
    pub(crate) fn proxy_choice(&self) -> &Proxy {
        &self.proxy
    }

    /// The same way of using TLS, for another host.
    #[cfg(feature = "proxy")]
    pub(crate) fn secure_to(&self, host: &str) -> Self {
        let host = host.trim_start_matches('[').trim_end_matches(']').into();
        Self { host, secure: true, ..self.clone() }
    }

    /// Where to go instead, if an attempt to connect was answered with a
    /// redirect that may be followed.
    pub(crate) fn redirected<T>(&self, attempt: &Result<T, Error>) -> Option<Self> {
        match attempt {
            #[cfg(feature = "url")]
            Err(Error::Refused(refused)) => self.redirected_by(refused),
            _ => None,
        }
    }

    /// Fails if a connection would need TLS, and there is none.
    pub(crate) fn check_secure(&self) -> Result<(), Error> {
        #[cfg(not(feature = "rustls"))]
        if self.secure {
            return Err(Error::Url(
                "wss needs the feature rustls, or a stream of another TLS library",
            ));
        }
        Ok(())
    }

    pub(crate) fn limits(&self) -> &Config {
        &self.config
    }

    pub(super) fn response_came(&self, response: &Response<'_>) {
        if let Some(look) = &self.on_response {
            look(response);
        }
    }

    pub(crate) fn waits_its_turn(&self) -> bool {
        self.waits_its_turn
    }

    fn check_authorization(&self) -> Result<(), Error> {
        match self.authorization {
            Authorization::Invalid => Err(Error::Url("a user name with a colon cannot be sent")),
            _ => Ok(()),
        }
    }

    /// A handshake with a key of its own.
    pub(crate) fn client(&self) -> Result<Client, Error> {
        let mut request = ClientRequest::new(self.secure, &self.host, self.port, &self.target);
        for name in &self.subprotocols {
            request = request.subprotocol(name);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        self.check_authorization()?;
        // What is said expressly counts.
        let is_said = self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("Authorization"));
        if let (Authorization::Value(value), false) = (&self.authorization, is_said) {
            request = request.header("Authorization", value);
        }
        Ok(Client::new(request, Seed::from_os()?, self.config.clone())?)
    }
}

/// Without header lines: they may be secrets.
impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("secure", &self.secure)
            .field("host", &self.host)
            .field("port", &self.port)
            .field("target", &self.target)
            .field("subprotocols", &self.subprotocols)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "url")]
impl TryFrom<&str> for Endpoint {
    type Error = Error;

    fn try_from(url: &str) -> Result<Self, Error> {
        Self::from_url(url)
    }
}

#[cfg(feature = "url")]
impl TryFrom<String> for Endpoint {
    type Error = Error;

    fn try_from(url: String) -> Result<Self, Error> {
        Self::from_url(&url)
    }
}

#[cfg(feature = "url")]
impl TryFrom<&String> for Endpoint {
    type Error = Error;

    fn try_from(url: &String) -> Result<Self, Error> {
        Self::from_url(url)
    }
}

fn basic(user: &[u8], password: &[u8]) -> Authorization {
    basic_authorization(user, password).map_or(Authorization::Invalid, Authorization::Value)
}
