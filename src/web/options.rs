//! What the page around a script settles for it.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;

use crate::config::Config;
use crate::deflate::DeflateConfig;

/// What a script cannot say: where its page is from, what belongs to the
/// request, and each departure from the standard.
///
/// # Example: a page of a site
///
/// ```
/// use sockeye::web::{Options, WebSocket};
///
/// let mut options = Options::default();
/// options.base_url = Some("https://example.com/app/".into());
/// options.origin = Some("https://example.com".into());
/// options.secure_context = true;
/// let ws = WebSocket::with_options("chat", (), &options)?;
/// assert_eq!(ws.url(), "wss://example.com/app/chat");
/// # Ok::<(), sockeye::web::WebError>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// The URL that relative ones are resolved against.
    ///
    /// Default: `None`. Relative URLs are a [`Syntax`](super::WebError::Syntax)
    /// error.
    pub base_url: Option<String>,
    /// What is sent as `Origin` (RFC 6455, section 4.1, item 8).
    ///
    /// Default: `None`. That is for browsers, which speak for a page.
    pub origin: Option<String>,
    /// More header lines for the request. An `Authorization` here counts instead
    /// of a user name and a password in the URL, an `Origin` instead of
    /// [`origin`](Self::origin).
    ///
    /// Default: none.
    pub headers: Vec<(String, String)>,
    /// Where cookies are kept.
    ///
    /// Default: `None`. None are sent, none are kept.
    pub cookies: Option<Arc<dyn CookieStore>>,
    /// The page came over TLS: `ws` URLs are refused with a
    /// [`Security`](super::WebError::Security) error (mixed content), but for
    /// those of this machine.
    ///
    /// Default: false.
    pub secure_context: bool,
    /// What becomes of URLs with a port that the Fetch Standard blocks.
    ///
    /// Default: [`BlockedPorts::Fail`], as the standard has it.
    pub blocked_ports: BlockedPorts,
    /// Fails the connection if protocols were asked for and the server selects
    /// none. RFC 6455 leaves that to the application; the standard does not.
    ///
    /// Default: true.
    pub require_protocol: bool,
    /// Bytes of messages that may be buffered. What would be more fails the
    /// connection: *the buffer is full*. `None`: any number.
    ///
    /// Default: `None`, as in browsers.
    pub max_buffered: Option<u64>,
    /// Shared by the sockets that are to be limited together.
    ///
    /// Default: `None`.
    pub connections: Option<ConnectionLimit>,
    /// Limits and deadlines of handshake and connection, and what compression is
    /// offered.
    ///
    /// Default: [`Config::default`] with these differences. Messages may be
    /// 64 MiB long: scripts expect no limit at all. The closing may take 10 s.
    /// `permessage-deflate; client_max_window_bits` is offered.
    pub config: Arc<Config>,
}

impl Default for Options {
    fn default() -> Self {
        let config = Config {
            max_message_len: 64 << 20,
            max_frame_len: 64 << 20,
            close_timeout: Some(Duration::from_secs(10)),
            deflate: Some(DeflateConfig::default()),
            ..Config::default()
        };
        Self {
            base_url: None,
            origin: None,
            headers: Vec::new(),
            cookies: None,
            secure_context: false,
            blocked_ports: BlockedPorts::default(),
            require_protocol: true,
            max_buffered: None,
            connections: None,
            config: Arc::new(config),
        }
    }
}

/// Without header lines: they may be secrets.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("base_url", &self.base_url)
            .field("origin", &self.origin)
            .field("secure_context", &self.secure_context)
            .field("blocked_ports", &self.blocked_ports)
            .field("require_protocol", &self.require_protocol)
            .field("max_buffered", &self.max_buffered)
            .field("connections", &self.connections)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// What becomes of a URL whose port belongs to another protocol: a page could
/// make its server say something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BlockedPorts {
    /// It is connected to like any other.
    Allow,
    /// The connection fails, as if nobody were there; nobody is asked.
    #[default]
    Fail,
    /// The constructor fails with a [`Security`](super::WebError::Security)
    /// error, as it did until 2015.
    Throw,
}

/// Where cookies are kept: the jar of an HTTP client.
pub trait CookieStore: fmt::Debug + Send + Sync {
    /// The value of `Cookie` for a request to this URL, if there is one. Its
    /// scheme is `http` or `https`, as stores of cookies know it, and there is no
    /// password in it.
    fn cookies(&self, url: &str) -> Option<String>;

    /// Takes the value of a `Set-Cookie` of the reply from this URL, whether it
    /// accepts or not.
    fn set_cookie(&self, url: &str, value: &str);
}

/// How many sockets may be connecting or connected at a time. One more fails,
/// as if nobody were there. Clones count together.
///
/// # Example: no more than Firefox
///
/// ```
/// use sockeye::web::{ConnectionLimit, Options};
///
/// let mut options = Options::default();
/// options.connections = Some(ConnectionLimit::new(200));
/// ```
#[derive(Clone, Debug)]
pub struct ConnectionLimit {
    max: usize,
    count: Arc<AtomicUsize>,
}

impl ConnectionLimit {
    /// At most `max` at a time.
    pub fn new(max: usize) -> Self {
        Self { max, count: Arc::default() }
    }

    /// Connections that count now.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Counts one more, if that is not too many.
    pub(super) fn enter(&self) -> Option<Counted> {
        let more = |count: usize| count.checked_add(1).filter(|count| *count <= self.max);
        let entered = self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        entered.ok().map(|_| Counted(self.count.clone()))
    }
}

/// Counts until it is dropped.
#[derive(Debug)]
pub(super) struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
