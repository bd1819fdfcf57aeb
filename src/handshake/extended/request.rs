//! A client's extended CONNECT request, checked, and the replies to it
//! (RFC 8441, sections 4 and 5).

#[cfg(feature = "deflate")]
use alloc::string::ToString;
use alloc::sync::Arc;
use core::str;

use super::super::build::BuildError;
use super::super::head::{self, HeadLimits};
use super::super::reject::Rejection;
use super::super::request::{Accept, Fields as Collected, check_origin, split_target};
use super::super::request_error::RequestError as HandshakeError;
use super::reply::Reply;
use super::request_error::RequestError;
use super::section::{self, Fields, SectionError};
use crate::config::Config;
use crate::connection::Connection;
use crate::extension::{self, Extension};

/// A request that fulfils every rule of RFC 8441, sections 4 and 5, and what
/// they leave of RFC 6455, section 4.2.1. Borrows the section it was made of.
///
/// # Example: accept whoever comes
///
/// ```
/// use std::sync::Arc;
/// use sockeye::Config;
/// use sockeye::handshake::Accept;
/// use sockeye::handshake::extended::Request;
///
/// let section: [(&str, &[u8]); 7] = [
///     (":method", b"CONNECT"),
///     (":protocol", b"websocket"),
///     (":scheme", b"https"),
///     (":path", b"/chat"),
///     (":authority", b"server.example.com"),
///     ("sec-websocket-protocol", b"chat, superchat"),
///     ("sec-websocket-version", b"13"),
/// ];
/// let request = Request::parse(&section, Arc::new(Config::default()))?;
/// assert_eq!((request.path(), request.authority()), ("/chat", "server.example.com"));
/// let (reply, ws) = request.accept(&Accept::new().subprotocol(Some("chat")))?;
/// assert_eq!(reply.status(), 200);
/// assert!(reply.fields().eq([("sec-websocket-protocol", "chat")]));
/// # assert!(ws.is_open());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Request<'a> {
    config: Arc<Config>,
    scheme: &'a str,
    authority: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    origin: Option<&'a str>,
    fields: Fields<'a>,
}

impl<'a> Request<'a> {
    /// Checks the header section of a request, with the limits of `config`, which
    /// is then the connection's. Allocates nothing.
    ///
    /// `sec-websocket-key` is ignored, whatever its value: "implementations
    /// using this extended CONNECT to bootstrap WebSockets do not do the
    /// processing" of it (RFC 8441, section 5). `host` may be there, as what an
    /// intermediary made of HTTP/1.1 has it, if it says the same as `:authority`
    /// (RFC 9113, section 8.3.1).
    ///
    /// # Errors
    ///
    /// The first rule that the request breaks: see [`RequestError::reply`] and
    /// [`RequestError::is_malformed`].
    pub fn parse(
        section: &'a [(&'a str, &'a [u8])],
        config: Arc<Config>,
    ) -> Result<Self, RequestError> {
        const KNOWN: [&str; 5] = [":method", ":protocol", ":scheme", ":authority", ":path"];
        let limits = HeadLimits::of_request(&config);
        let ([method, protocol, scheme, authority, path], fields) =
            section::parse(section, KNOWN, &limits)?;
        match (method, protocol) {
            (Some(b"CONNECT"), Some(b"websocket")) => {}
            (Some(b"CONNECT"), Some(_)) => return Err(RequestError::ProtocolUnsupported),
            // "The ':scheme' and ':path' pseudo-header fields MUST be omitted"
            // (RFC 9113, section 8.5).
            (Some(b"CONNECT"), None) if scheme.is_none() && path.is_none() => {
                return Err(RequestError::ProtocolMissing);
            }
            (Some(method), None) if method != b"CONNECT" => {
                return Err(RequestError::MethodNotConnect);
            }
            _ => return Err(SectionError::PseudoHeader.into()),
        }
        // "The scheme of the target URI MUST be 'https' for 'wss'-schemed
        // WebSockets and 'http' for 'ws'-schemed WebSockets" (section 5).
        let scheme = scheme.and_then(|scheme| str::from_utf8(scheme).ok());
        let scheme = scheme.filter(|scheme| default_port(scheme).is_some());
        let scheme = scheme.ok_or(RequestError::SchemeInvalid)?;
        let authority = authority.and_then(head::host).ok_or(RequestError::AuthorityInvalid)?;
        let path = path.ok_or(RequestError::PathInvalid)?;
        if path.len() > limits.target {
            return Err(RequestError::PathTooLong);
        }
        let path = head::visible(path).filter(|path| path.starts_with('/'));
        let (_, path, query) =
            path.and_then(|path| split_target(path).ok()).ok_or(RequestError::PathInvalid)?;
        let processed = fields.iter().filter(|(name, _)| *name != "sec-websocket-key");
        let collected = Collected::collect(processed)?;
        // "A server SHOULD treat a request as malformed if it contains a Host
        // header field that identifies an entity that differs from the entity
        // in the ':authority' pseudo-header field."
        if collected.host.is_some_and(|host| !is_same_host(host, authority, scheme)) {
            return Err(RequestError::HostDiffers);
        }
        let origin = collected.origin()?;
        collected.check_version()?;
        // RFC 8470, section 5.1: whatever its value.
        if fields.first("early-data").is_some() {
            return Err(RequestError::TooEarly);
        }
        Ok(Self { config, scheme, authority, path, query, origin, fields })
    }

    /// `http` or `https`, as sent: the latter stands for `wss`. What an
    /// intermediary says of its client's connection is not known to be true.
    pub fn scheme(&self) -> &'a str {
        self.scheme
    }

    /// The host that was asked for, with the port if it was named.
    pub fn authority(&self) -> &'a str {
        self.authority
    }

    /// The path of the target, as sent: percent-encoded, never empty.
    pub fn path(&self) -> &'a str {
        self.path
    }

    /// What follows the first `?` of the target, as sent.
    pub fn query(&self) -> Option<&'a str> {
        self.query
    }

    /// The origin of the page that asks, see
    /// [`handshake::Request::origin`](super::super::Request::origin).
    pub fn origin(&self) -> Option<&'a str> {
        self.origin
    }

    /// The subprotocols that the client offers, in order of preference.
    pub fn subprotocols(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let values = self.fields.all("sec-websocket-protocol");
        values.flat_map(head::elements).filter_map(|name| str::from_utf8(name).ok())
    }

    /// The extensions that the client offers, in order of preference.
    pub fn extensions(&self) -> impl Iterator<Item = Extension<'a>> + use<'a> {
        self.fields.all("sec-websocket-extensions").flat_map(extension::parse).flatten()
    }

    /// All header fields but the pseudo-header fields.
    pub fn fields(&self) -> Fields<'a> {
        self.fields
    }

    /// Checks the origin against a list of those allowed, as
    /// [`handshake::Request::check_origin`](super::super::Request::check_origin)
    /// does.
    ///
    /// # Errors
    ///
    /// [`OriginNotAllowed`](super::super::RequestError::OriginNotAllowed), which
    /// answers 403.
    pub fn check_origin(&self, allowed: &[impl AsRef<str>]) -> Result<(), RequestError> {
        Ok(check_origin(self.origin, allowed)?)
    }

    /// Accepts: gives the reply, and the connection that is open behind it. Send
    /// the reply without END_STREAM.
    ///
    /// # Errors
    ///
    /// As [`handshake::Request::accept`](super::super::Request::accept), but for
    /// want of room. The request can still be answered.
    pub fn accept(&self, accept: &Accept<'_>) -> Result<(Reply, Connection), BuildError> {
        accept.check(self.subprotocols())?;
        let config = accept.config.as_ref().unwrap_or(&self.config);
        let mut reply = Reply::new(200);
        if let Some(chosen) = accept.subprotocol {
            reply.push("sec-websocket-protocol", chosen);
        }
        #[cfg(feature = "deflate")]
        let agreement = accept.agree(config, self.fields.all("sec-websocket-extensions"));
        #[cfg(feature = "deflate")]
        if let Some(agreement) = &agreement {
            reply.push("sec-websocket-extensions", &agreement.to_string());
        }
        reply.push_headers(&accept.headers)?;
        let ws = accept.open(
            config,
            #[cfg(feature = "deflate")]
            agreement,
        );
        Ok((reply, ws))
    }

    /// Refuses: gives the reply. Send it, and its body, with END_STREAM.
    ///
    /// # Errors
    ///
    /// As [`handshake::Request::reject`](super::super::Request::reject), but for
    /// want of room; and [`BuildError::InvalidStatus`] for `200..=299`, which
    /// would accept.
    pub fn reject(&self, rejection: &Rejection<'_>) -> Result<Reply, BuildError> {
        Reply::of_rejection(rejection)
    }
}

/// The port that is meant where none is named; `None` for schemes that are not
/// ours.
fn default_port(scheme: &str) -> Option<&'static str> {
    // "Although schemes are case-insensitive [...]" (RFC 3986, section 3.1).
    [("http", "80"), ("https", "443")]
        .into_iter()
        .find_map(|(known, port)| known.eq_ignore_ascii_case(scheme).then_some(port))
}

/// "The values of fields need to be normalized to compare them" (RFC 9113,
/// section 8.3.1; RFC 3986, section 6.2.3).
fn is_same_host(host: &[u8], authority: &str, scheme: &str) -> bool {
    fn without_default_port<'h>(host: &'h str, scheme: &str) -> &'h str {
        match host.rsplit_once(':') {
            Some((bare, port)) if port.is_empty() || Some(port) == default_port(scheme) => bare,
            _ => host,
        }
    }
    let authority = without_default_port(authority, scheme);
    str::from_utf8(host)
        .is_ok_and(|host| without_default_port(host, scheme).eq_ignore_ascii_case(authority))
}

impl From<HandshakeError> for RequestError {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(error)
    }
}
