//! The server's side of the opening handshake (RFC 6455, section 4.2).

use alloc::sync::Arc;
use core::fmt;

use super::accept_key::{accept_key, is_key};
use super::build::{
    BuildError, append_all, check_header, check_subprotocol, emit_header, emit_headers,
};
use super::deadline::Deadline;
use super::head::{self, HeadError, HeadLimits, HeadScanner, Headers};
use super::reject::Rejection;
use crate::buf::Output;
use crate::config::Config;
use crate::connection::Connection;
use crate::extension::{self, Extension, is_token};
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
/// let mut server = Server::new(&config);
/// let received = b"GET /chat HTTP/1.1\r\nHost: example.com\r\n\
///     Upgrade: websocket\r\nConnection: Upgrade\r\n\
///     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
///     Sec-WebSocket-Version: 13\r\n\r\n";
/// let mut out = Vec::new();
/// let request = server.receive(received)?.expect("the request is complete");
/// assert_eq!(request.path(), "/chat");
/// let frames = &received[request.head_len()..]; // early bytes, for the connection
/// let ws = request.accept(&Accept::new(), config, &mut out)?;
/// assert!(out.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
/// # assert!(frames.is_empty() && ws.is_open());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Server {
    scanner: HeadScanner,
    limits: HeadLimits,
    deadline: Deadline,
}

impl Server {
    /// A server's side with the limits of `config` on heads. Allocates
    /// nothing.
    pub fn new(config: &Config) -> Self {
        Self {
            scanner: HeadScanner::new(0),
            limits: HeadLimits::of_request(config),
            deadline: Deadline::new(config.handshake_timeout),
        }
    }

    /// Looks for a complete request in `received`: all bytes that have come
    /// so far, those of earlier calls included. Each byte is looked at once,
    /// however many calls it takes, and once more when the request is
    /// complete. `None`: more bytes are needed. No allocation, no copy.
    ///
    /// # Errors
    ///
    /// The first rule that the request breaks. The handshake is over: answer
    /// with [`RequestError::write_response`].
    pub fn receive<'a>(&mut self, received: &'a [u8]) -> Result<Option<Request<'a>>, RequestError> {
        match self.scanner.scan(received, &self.limits)? {
            Some(head) => Request::parse(&received[head]).map(Some),
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

/// A request that fulfils every rule of section 4.2.1. Borrows the bytes it
/// was read from.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    head_len: usize,
    path: &'a str,
    query: Option<&'a str>,
    host: &'a str,
    origin: Option<&'a str>,
    key: &'a [u8],
    headers: Headers<'a>,
}

impl<'a> Request<'a> {
    /// Bytes of the head. What follows in the same buffer is frames that came
    /// early, and belongs to the connection.
    pub fn head_len(&self) -> usize {
        self.head_len
    }

    /// The path of the target, as sent: percent-encoded, never empty.
    pub fn path(&self) -> &'a str {
        self.path
    }

    /// What follows the first `?` of the target, as sent.
    pub fn query(&self) -> Option<&'a str> {
        self.query
    }

    /// The host that was asked for, with the port if it was named.
    pub fn host(&self) -> &'a str {
        self.host
    }

    /// The origin of the page that asks. Browsers always send one; its
    /// absence means another kind of client (section 10.2).
    pub fn origin(&self) -> Option<&'a str> {
        self.origin
    }

    /// The subprotocols that the client offers, in order of preference.
    pub fn subprotocols(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.headers
            .all("Sec-WebSocket-Protocol")
            .flat_map(head::elements)
            .filter_map(|name| core::str::from_utf8(name).ok())
    }

    /// The extensions that the client offers, in order of preference.
    pub fn extensions(&self) -> impl Iterator<Item = Extension<'a>> + use<'a> {
        self.headers.all("Sec-WebSocket-Extensions").flat_map(extension::parse).flatten()
    }

    /// All header lines.
    pub fn headers(&self) -> Headers<'a> {
        self.headers
    }

    /// Checks the origin against a list of those allowed, such as
    /// `https://example.com`: exact match, as a browser writes it (scheme,
    /// host, and port if it is not the scheme's own). A request without an
    /// origin passes: it is not from a browser, whose user would have to be
    /// protected from foreign pages (section 10.2).
    ///
    /// # Errors
    ///
    /// [`RequestError::OriginNotAllowed`], which answers 403.
    pub fn check_origin(&self, allowed: &[&str]) -> Result<(), RequestError> {
        match self.origin {
            Some(origin) if !allowed.contains(&origin) => Err(RequestError::OriginNotAllowed),
            _ => Ok(()),
        }
    }

    /// Accepts: appends the reply (section 4.2.2) to `out` and gives the open
    /// connection. Copies no header; allocates only for a subprotocol.
    ///
    /// # Errors
    ///
    /// [`BuildError::SubprotocolNotOffered`],
    /// [`BuildError::InvalidSubprotocol`], [`BuildError::InvalidHeaderName`],
    /// [`BuildError::InvalidHeaderValue`], [`BuildError::ReservedHeader`],
    /// [`BuildError::OutputFull`]. The request can still be answered.
    pub fn accept(
        &self,
        accept: &Accept<'_>,
        config: Arc<Config>,
        out: &mut (impl Output + ?Sized),
    ) -> Result<Connection, BuildError> {
        if let Some(chosen) = accept.subprotocol {
            check_subprotocol(chosen)?;
            if !self.subprotocols().any(|offered| offered == chosen) {
                return Err(BuildError::SubprotocolNotOffered);
            }
        }
        for (name, value) in accept.headers {
            check_header(name, value)?;
        }
        let key = accept_key(self.key);
        append_all(out, |emit| {
            emit(
                b"HTTP/1.1 101 Switching Protocols\r\n\
                Upgrade: websocket\r\n\
                Connection: Upgrade\r\n\
                Sec-WebSocket-Accept: ",
            );
            emit(&key);
            emit(b"\r\n");
            if let Some(chosen) = accept.subprotocol {
                emit_header("Sec-WebSocket-Protocol", chosen, emit);
            }
            emit_headers(accept.headers, emit);
            emit(b"\r\n");
        })?;
        let ws = Connection::server(config);
        Ok(match accept.subprotocol {
            Some(chosen) => ws.with_subprotocol(chosen),
            None => ws,
        })
    }

    /// Refuses: appends an HTTP reply to `out`. Flush it and close the
    /// transport.
    ///
    /// # Errors
    ///
    /// As [`Rejection::write`].
    pub fn reject(
        &self,
        rejection: &Rejection<'_>,
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), BuildError> {
        rejection.write(out)
    }

    /// Checks a complete head, in the order of section 4.2.1.
    fn parse(head: &'a [u8]) -> Result<Self, RequestError> {
        let (line, headers) = head::parse(head)?;
        let target = parse_request_line(line)?;
        let fields = Fields::collect(headers)?;
        let (authority, path, query) = split_target(target)?;
        // "The server [...] MUST respond with a 400 status code to any HTTP/1.1
        // request message that lacks a Host header field" (RFC 9112, 3.2).
        let host = fields.host.ok_or(RequestError::HostMissing)?;
        let host = head::host(host).ok_or(RequestError::HostInvalid)?;
        let origin = match fields.origin {
            Some(origin) => Some(head::visible(origin).ok_or(RequestError::OriginInvalid)?),
            None => None,
        };
        if !fields.upgrades {
            return Err(RequestError::UpgradeMissing);
        }
        if !fields.connection_upgrades {
            return Err(RequestError::ConnectionMissing);
        }
        if fields.version != Some(b"13") {
            return Err(RequestError::VersionUnsupported);
        }
        let key = fields.key.ok_or(RequestError::KeyMissing)?;
        if !is_key(key) {
            return Err(RequestError::KeyInvalid);
        }
        Ok(Self {
            head_len: head.len(),
            path,
            query,
            // "the origin server MUST ignore the received Host header field
            // (if any) and instead replace it with the host information of
            // the request-target" (RFC 9112, section 3.2.2).
            host: authority.unwrap_or(host),
            origin,
            key,
            headers,
        })
    }
}

/// The headers that the handshake looks at, collected in one pass.
#[derive(Default)]
struct Fields<'a> {
    host: Option<&'a [u8]>,
    origin: Option<&'a [u8]>,
    key: Option<&'a [u8]>,
    version: Option<&'a [u8]>,
    upgrades: bool,
    connection_upgrades: bool,
}

impl<'a> Fields<'a> {
    fn collect(headers: Headers<'a>) -> Result<Self, RequestError> {
        let mut fields = Self::default();
        for (name, value) in headers.iter() {
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            // By length first: most headers are none of ours.
            match name.len() {
                4 if is("Host") => {
                    head::set_once(&mut fields.host, value)
                        .map_err(|_| RequestError::HostInvalid)?;
                }
                6 if is("Origin") => {
                    head::set_once(&mut fields.origin, value)
                        .map_err(|_| RequestError::OriginInvalid)?;
                }
                7 if is("Upgrade") => fields.upgrades |= head::has_element(value, "websocket"),
                10 if is("Connection") => {
                    fields.connection_upgrades |= head::has_element(value, "upgrade");
                }
                // RFC 9110, section 7.8, and our own caution: bytes that one
                // server takes for a body are frames, or a request, to another.
                14 if is("Content-Length") && value != b"0" => {
                    return Err(RequestError::BodyNotAllowed);
                }
                17 if is("Transfer-Encoding") => return Err(RequestError::BodyNotAllowed),
                17 if is("Sec-WebSocket-Key") => {
                    head::set_once(&mut fields.key, value).map_err(|_| RequestError::KeyInvalid)?;
                }
                21 if is("Sec-WebSocket-Version") => {
                    head::set_once(&mut fields.version, value)
                        .map_err(|_| RequestError::VersionInvalid)?;
                    // 11.3.5: one value in a request; lists are for replies.
                    if !value.iter().all(u8::is_ascii_digit) {
                        return Err(RequestError::VersionInvalid);
                    }
                }
                22 if is("Sec-WebSocket-Protocol") && !head::elements(value).all(is_token) => {
                    return Err(RequestError::SubprotocolInvalid);
                }
                24 if is("Sec-WebSocket-Extensions")
                    && extension::parse(value).any(|e| e.is_err()) =>
                {
                    return Err(RequestError::ExtensionInvalid);
                }
                _ => {}
            }
        }
        Ok(fields)
    }
}

/// Method and version of `GET target HTTP/1.1`; gives the target.
fn parse_request_line(line: &[u8]) -> Result<&str, RequestError> {
    let mut words = line.split(|&b| b == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(HeadError::FirstLine.into());
    };
    if !is_token(method) {
        return Err(HeadError::FirstLine.into());
    }
    match version {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9'] => {}
        b"HTTP/1.0" => return Err(RequestError::HttpVersionTooOld),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => {
            return Err(RequestError::HttpVersionUnsupported);
        }
        _ => return Err(HeadError::FirstLine.into()),
    }
    // Methods are case-sensitive (RFC 9110, section 9.1).
    if method != b"GET" {
        return Err(RequestError::MethodNotGet);
    }
    head::visible(target).ok_or(RequestError::TargetInvalid)
}

/// Authority (of the absolute form), path and query of a target (RFC 9112,
/// section 3.2).
fn split_target(target: &str) -> Result<(Option<&str>, &str, Option<&str>), RequestError> {
    let invalid = RequestError::TargetInvalid;
    // A fragment is never sent (RFC 6455, section 3).
    if target.contains('#') {
        return Err(invalid);
    }
    let (authority, rest) = if target.starts_with('/') {
        (None, target)
    } else {
        let (scheme, rest) = target.split_once("://").ok_or(invalid)?;
        if !["http", "https", "ws", "wss"].iter().any(|s| s.eq_ignore_ascii_case(scheme)) {
            return Err(invalid);
        }
        let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        (Some(head::host(authority.as_bytes()).ok_or(invalid)?), rest)
    };
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    Ok((authority, if path.is_empty() { "/" } else { path }, query))
}

/// What a server adds to its reply.
#[derive(Clone, Copy, Debug, Default)]
pub struct Accept<'a> {
    subprotocol: Option<&'a str>,
    headers: &'a [(&'a str, &'a str)],
}

impl<'a> Accept<'a> {
    /// Nothing added: no subprotocol.
    pub const fn new() -> Self {
        Self { subprotocol: None, headers: &[] }
    }

    /// Selects one of the subprotocols that the client offered; `None`: none
    /// of them, which the client may take for a failure of its own.
    pub const fn subprotocol(self, chosen: Option<&'a str>) -> Self {
        Self { subprotocol: chosen, ..self }
    }

    /// Headers to send with the reply, names and values, such as a cookie.
    pub const fn headers(self, headers: &'a [(&'a str, &'a str)]) -> Self {
        Self { headers, ..self }
    }
}

/// A request that cannot open a connection. [`status`](Self::status) is the
/// HTTP status it deserves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestError {
    /// `Content-Length` other than 0, or `Transfer-Encoding`: a body has no
    /// place before frames.
    BodyNotAllowed,
    /// No `Upgrade` in `Connection` (section 4.2.1, item 4).
    ConnectionMissing,
    /// `Sec-WebSocket-Extensions` does not follow its grammar (section 9.1).
    ExtensionInvalid,
    /// The head as such is malformed or over a limit.
    Head(HeadError),
    /// Two `Host` lines, or not a host.
    HostInvalid,
    /// No `Host` line (section 4.2.1, item 2).
    HostMissing,
    /// HTTP/1.0, which cannot upgrade (section 4.2.1, item 1).
    HttpVersionTooOld,
    /// A major version of HTTP other than 1.
    HttpVersionUnsupported,
    /// Two keys, or one that is not 16 bytes in base64 (section 4.2.1, item
    /// 5).
    KeyInvalid,
    /// No `Sec-WebSocket-Key`.
    KeyMissing,
    /// A method other than GET (section 4.2.1, item 1).
    MethodNotGet,
    /// Two `Origin` lines, or bytes that no origin has.
    OriginInvalid,
    /// The origin is not among those allowed (section 4.2.2, item 4).
    OriginNotAllowed,
    /// `Sec-WebSocket-Protocol` with something that is not a token.
    SubprotocolInvalid,
    /// A target that is neither a path nor a URL of a scheme we serve.
    TargetInvalid,
    /// The request did not come within `Config::handshake_timeout`.
    Timeout,
    /// No `websocket` in `Upgrade` (section 4.2.1, item 3): likely a plain
    /// HTTP request.
    UpgradeMissing,
    /// `Sec-WebSocket-Version` twice, or not one number.
    VersionInvalid,
    /// A version other than 13, or none (section 4.4).
    VersionUnsupported,
}

impl RequestError {
    /// The HTTP status that answers this fault.
    pub const fn status(self) -> u16 {
        match self {
            Self::Head(HeadError::TargetTooLong) => 414,
            Self::Head(HeadError::TooLong | HeadError::TooManyHeaders) => 431,
            Self::HttpVersionUnsupported => 505,
            Self::MethodNotGet => 405,
            Self::OriginNotAllowed => 403,
            Self::Timeout => 408,
            Self::UpgradeMissing | Self::VersionUnsupported => 426,
            Self::BodyNotAllowed
            | Self::ConnectionMissing
            | Self::ExtensionInvalid
            | Self::Head(_)
            | Self::HostInvalid
            | Self::HostMissing
            | Self::HttpVersionTooOld
            | Self::KeyInvalid
            | Self::KeyMissing
            | Self::OriginInvalid
            | Self::SubprotocolInvalid
            | Self::TargetInvalid
            | Self::VersionInvalid => 400,
        }
    }

    /// Appends the HTTP reply that this fault deserves, with the headers that
    /// belong to it: `Allow` to 405, `Sec-WebSocket-Version` and `Upgrade` to
    /// 426 (section 4.4; RFC 9110, sections 15.5.6 and 15.5.22). Flush it and
    /// close the transport.
    ///
    /// # Errors
    ///
    /// [`BuildError::OutputFull`].
    pub fn write_response(&self, out: &mut (impl Output + ?Sized)) -> Result<(), BuildError> {
        let own_headers: &[(&str, &str)] = match self.status() {
            405 => &[("Allow", "GET")],
            426 => &[
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade, close"),
                ("Sec-WebSocket-Version", "13"),
            ],
            _ => &[],
        };
        // The method may be HEAD, whose replies have no body.
        let body = if *self == Self::MethodNotGet { "" } else { self.message() };
        Rejection::new(self.status()).own_headers(own_headers).body(body).write(out)
    }

    const fn message(self) -> &'static str {
        match self {
            Self::BodyNotAllowed => "request with a body",
            Self::ConnectionMissing => "no Upgrade in Connection",
            Self::ExtensionInvalid => "malformed Sec-WebSocket-Extensions",
            Self::Head(error) => error.message(),
            Self::HostInvalid => "malformed Host",
            Self::HostMissing => "no Host",
            Self::HttpVersionTooOld => "HTTP/1.0 cannot upgrade",
            Self::HttpVersionUnsupported => "HTTP version other than 1.1",
            Self::KeyInvalid => "malformed Sec-WebSocket-Key",
            Self::KeyMissing => "no Sec-WebSocket-Key",
            Self::MethodNotGet => "method other than GET",
            Self::OriginInvalid => "malformed Origin",
            Self::OriginNotAllowed => "origin not allowed",
            Self::SubprotocolInvalid => "malformed Sec-WebSocket-Protocol",
            Self::TargetInvalid => "malformed target",
            Self::Timeout => "request too slow",
            Self::UpgradeMissing => "this is a WebSocket server: no websocket in Upgrade",
            Self::VersionInvalid => "malformed Sec-WebSocket-Version",
            Self::VersionUnsupported => "WebSocket version other than 13",
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for RequestError {}

impl From<HeadError> for RequestError {
    fn from(error: HeadError) -> Self {
        Self::Head(error)
    }
}
