//! Where a URL leads (RFC 6455, section 3; URL Standard).
//!
//! Layer: below the adapters and `web`; the only place that takes a URL apart.

use alloc::vec::Vec;

use percent_encoding::percent_decode_str;
#[cfg(feature = "web")]
use url::Host;
use url::{Position, Url};

/// A URL that can be connected to: of the scheme `ws` or `wss`, and without a
/// fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Location(Url);

impl Location {
    /// Takes `http` for `ws`, and `https` for `wss`.
    pub(crate) fn new(mut url: Url) -> Result<Self, &'static str> {
        let scheme = match url.scheme() {
            "ws" | "http" => "ws",
            "wss" | "https" => "wss",
            _ => return Err("the scheme of a WebSocket URL is ws or wss"),
        };
        // Between schemes of one kind it never fails.
        let _ = url.set_scheme(scheme);
        // Not even an empty one.
        if url.fragment().is_some() {
            return Err("a WebSocket URL has no fragment");
        }
        match url.host() {
            Some(_) => Ok(Self(url)),
            None => Err("the URL has no host"),
        }
    }

    /// The whole URL, as the parser writes it.
    #[cfg(feature = "web")]
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.0.scheme() == "wss"
    }

    /// Name or address, as the parser writes it; an IPv6 address without
    /// brackets.
    pub(crate) fn host(&self) -> &str {
        let host = self.0.host_str().unwrap_or_default();
        host.trim_start_matches('[').trim_end_matches(']')
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or_default()
    }

    /// Path and query, if that is not empty: *resource name*.
    pub(crate) fn target(&self) -> &str {
        let target = &self.0[Position::BeforePath..Position::AfterQuery];
        if self.0.query() == Some("") { target.trim_end_matches('?') } else { target }
    }

    /// The URL as HTTP has it, without user name and password.
    #[cfg(feature = "web")]
    pub(crate) fn as_http(&self) -> alloc::string::String {
        let scheme = if self.is_secure() { "https" } else { "http" };
        let place = &self.0[Position::BeforeHost..Position::AfterPort];
        alloc::format!("{scheme}://{place}{}", self.target())
    }

    /// User name and password, decoded.
    pub(crate) fn credentials(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let (user, password) = (self.0.username(), self.0.password());
        let decode = |part| percent_decode_str(part).collect();
        (!user.is_empty() || password.is_some())
            .then(|| (decode(user), decode(password.unwrap_or_default())))
    }

    /// Scheme, host and port, the port only where it is not that of the scheme.
    #[cfg(feature = "web")]
    pub(crate) fn origin(&self) -> alloc::string::String {
        self.0.origin().ascii_serialization()
    }

    /// True for an address of this machine, to which no network comes in
    /// between (Secure Contexts, section 3.1).
    #[cfg(feature = "web")]
    pub(crate) fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => {
                let name = name.strip_suffix('.').unwrap_or(name);
                name == "localhost" || name.ends_with(".localhost")
            }
            None => false,
        }
    }
}
