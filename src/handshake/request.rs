//! A client's request, checked, and the reply that accepts it (RFC 6455,
//! sections 4.2.1 and 4.2.2).

use alloc::borrow::Cow;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::accept_key::{ACCEPT_LEN, accept_key, is_key};
#[cfg(feature = "deflate")]
use super::build::emit_display;
use super::build::{
    BuildError, Lines, append_all, check_headers, check_subprotocol, emit_header, emit_headers,
};
use super::head::{self, HeadError, Headers, Upgrade};
use super::reject::Rejection;
use super::request_error::RequestError;
use crate::buf::Output;
use crate::config::Config;
use crate::connection::Connection;
#[cfg(feature = "deflate")]
use crate::deflate::Agreement;
use crate::extension::{self, Extension, is_token};

/// A request that fulfils every rule of section 4.2.1. Borrows the bytes it
/// was read from.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    config: Arc<Config>,
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
    /// protected from foreign pages (section 10.2). `&[] as &[&str]` allows no page.
    ///
    /// # Errors
    ///
    /// [`RequestError::OriginNotAllowed`], which answers 403.
    pub fn check_origin(&self, allowed: &[impl AsRef<str>]) -> Result<(), RequestError> {
        check_origin(self.origin, allowed)
    }

    /// Accepts: appends the reply (section 4.2.2) to `out` and gives the open
    /// connection. Copies no header; allocates only for a subprotocol, and for
    /// compression.
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
        out: &mut (impl Output + ?Sized),
    ) -> Result<Connection, BuildError> {
        accept.check(self.subprotocols())?;
        let config = accept.config.as_ref().unwrap_or(&self.config);
        #[cfg(feature = "deflate")]
        let agreement = accept.agree(config, self.headers.all("Sec-WebSocket-Extensions"));
        let start = reply_start(&accept_key(self.key));
        append_all(out, |emit| {
            emit(&start);
            if let Some(chosen) = accept.subprotocol {
                emit_header("Sec-WebSocket-Protocol", chosen, emit);
            }
            #[cfg(feature = "deflate")]
            if let Some(agreement) = &agreement {
                emit(b"Sec-WebSocket-Extensions: ");
                emit_display(agreement, emit);
                emit(b"\r\n");
            }
            emit_headers(&accept.headers, emit);
            emit(b"\r\n");
        })?;
        Ok(accept.open(
            config,
            #[cfg(feature = "deflate")]
            agreement,
        ))
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
    pub(super) fn parse(head: &'a [u8], config: Arc<Config>) -> Result<Self, RequestError> {
        let (line, headers, fields) = head::parse_with(head, |lines| {
            Fields::collect(lines.iter().map(|line| (line.name, line.value)))
        })?;
        let target = parse_request_line(line)?;
        let fields = fields?;
        let (authority, path, query) = split_target(target)?;
        // "The server [...] MUST respond with a 400 status code to any HTTP/1.1
        // request message that lacks a Host header field" (RFC 9112, 3.2).
        let host = fields.host.ok_or(RequestError::HostMissing)?;
        let host = head::host(host).ok_or(RequestError::HostInvalid)?;
        let origin = fields.origin()?;
        if !fields.upgrade.websocket {
            return Err(RequestError::UpgradeMissing);
        }
        if !fields.upgrade.connection {
            return Err(RequestError::ConnectionMissing);
        }
        fields.check_version()?;
        let key = fields.key.ok_or(RequestError::KeyMissing)?;
        if !is_key(key) {
            return Err(RequestError::KeyInvalid);
        }
        Ok(Self {
            config,
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

/// What every reply begins with: the status line, and the headers that are the
/// same but for the proof.
fn reply_start(accept: &[u8; ACCEPT_LEN]) -> [u8; REPLY_START.len()] {
    let mut start = *REPLY_START;
    let end = start.len() - 2;
    start[end - ACCEPT_LEN..end].copy_from_slice(accept);
    start
}

const REPLY_START: &[u8; 127] = b"HTTP/1.1 101 Switching Protocols\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";

/// See [`Request::check_origin`].
pub(super) fn check_origin(
    origin: Option<&str>,
    allowed: &[impl AsRef<str>],
) -> Result<(), RequestError> {
    let is_allowed = |origin| allowed.iter().any(|allowed| allowed.as_ref() == origin);
    match origin {
        Some(origin) if !is_allowed(origin) => Err(RequestError::OriginNotAllowed),
        _ => Ok(()),
    }
}

/// The headers that the handshake looks at, collected in one pass.
#[derive(Default)]
pub(super) struct Fields<'a> {
    pub(super) host: Option<&'a [u8]>,
    origin: Option<&'a [u8]>,
    key: Option<&'a [u8]>,
    version: Option<&'a [u8]>,
    upgrade: Upgrade,
    subprotocols: List,
    extensions: List,
}

/// A list that has to name something if it is there at all: `1#element`. Its
/// lines are one list (RFC 9110, section 5.3), so that one of them may be empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum List {
    #[default]
    Absent,
    Empty,
    Named,
}

impl List {
    fn note(&mut self, names_something: bool) {
        if names_something {
            *self = Self::Named;
        } else if *self == Self::Absent {
            *self = Self::Empty;
        }
    }
}

impl<'a> Fields<'a> {
    pub(super) fn collect(
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, RequestError> {
        let mut fields = Self::default();
        for (name, value) in headers {
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
                22 if is("Sec-WebSocket-Protocol") => {
                    let mut names_something = false;
                    for name in head::elements(value) {
                        names_something = true;
                        if !is_token(name) {
                            return Err(RequestError::SubprotocolInvalid);
                        }
                    }
                    fields.subprotocols.note(names_something);
                }
                24 if is("Sec-WebSocket-Extensions") => {
                    let mut names_something = false;
                    for element in extension::parse(value) {
                        names_something = true;
                        element.map_err(|_| RequestError::ExtensionInvalid)?;
                    }
                    fields.extensions.note(names_something);
                }
                _ => fields.upgrade.note(name, value),
            }
        }
        if fields.subprotocols == List::Empty {
            return Err(RequestError::SubprotocolInvalid);
        }
        if fields.extensions == List::Empty {
            return Err(RequestError::ExtensionInvalid);
        }
        Ok(fields)
    }

    pub(super) fn origin(&self) -> Result<Option<&'a str>, RequestError> {
        match self.origin {
            Some(origin) => head::visible(origin).ok_or(RequestError::OriginInvalid).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn check_version(&self) -> Result<(), RequestError> {
        if self.version == Some(b"13") { Ok(()) } else { Err(RequestError::VersionUnsupported) }
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
pub(super) fn split_target(
    target: &str,
) -> Result<(Option<&str>, &str, Option<&str>), RequestError> {
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
#[derive(Clone, Debug, Default)]
pub struct Accept<'a> {
    pub(super) subprotocol: Option<&'a str>,
    pub(super) headers: Lines<'a>,
    pub(super) config: Option<Arc<Config>>,
    #[cfg(feature = "deflate")]
    without_deflate: bool,
}

impl<'a> Accept<'a> {
    /// Nothing added: no subprotocol.
    pub const fn new() -> Self {
        Self {
            subprotocol: None,
            headers: Vec::new(),
            config: None,
            #[cfg(feature = "deflate")]
            without_deflate: false,
        }
    }

    /// Selects one of the subprotocols that the client offered; `None`: none
    /// of them, which the client may take for a failure of its own.
    pub fn subprotocol(mut self, chosen: Option<&'a str>) -> Self {
        self.subprotocol = chosen;
        self
    }

    /// Adds a header line, such as a cookie.
    pub fn header(mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Limits and deadlines for this connection, other than those of the
    /// [`Server`](super::Server).
    pub fn config(mut self, config: Arc<Config>) -> Self {
        self.config = Some(config);
        self
    }

    /// Declines compression, whatever [`Config::deflate`] says.
    #[cfg(feature = "deflate")]
    pub fn without_deflate(mut self) -> Self {
        self.without_deflate = true;
        self
    }

    /// Checks what a caller has chosen.
    pub(super) fn check<'o>(
        &self,
        mut offered: impl Iterator<Item = &'o str>,
    ) -> Result<(), BuildError> {
        if let Some(chosen) = self.subprotocol {
            check_subprotocol(chosen)?;
            if !offered.any(|offered| offered == chosen) {
                return Err(BuildError::SubprotocolNotOffered);
            }
        }
        check_headers(&self.headers)
    }

    /// What is agreed on about compression.
    #[cfg(feature = "deflate")]
    pub(super) fn agree<'o>(
        &self,
        config: &Config,
        offered: impl Iterator<Item = &'o [u8]>,
    ) -> Option<Agreement> {
        config.deflate.as_ref().filter(|_| !self.without_deflate)?.accept(offered)
    }

    /// The connection behind a reply that says the same.
    pub(super) fn open(
        &self,
        config: &Arc<Config>,
        #[cfg(feature = "deflate")] agreement: Option<Agreement>,
    ) -> Connection {
        let ws = Connection::server(config.clone());
        #[cfg(feature = "deflate")]
        let ws = match agreement {
            Some(agreement) => ws.with_deflate(agreement.params()),
            None => ws,
        };
        match self.subprotocol {
            Some(chosen) => ws.with_subprotocol(chosen),
            None => ws,
        }
    }
}

/// What a server says to a request: yes or no.
#[derive(Clone, Debug)]
#[allow(clippy::exhaustive_enums)] // yes or no
pub enum Answer<'a> {
    /// Open the connection.
    Accept(Accept<'a>),
    /// Answer with ordinary HTTP.
    Reject(Rejection<'a>),
}

impl<'a> From<Accept<'a>> for Answer<'a> {
    fn from(accept: Accept<'a>) -> Self {
        Self::Accept(accept)
    }
}

impl<'a> From<Rejection<'a>> for Answer<'a> {
    fn from(rejection: Rejection<'a>) -> Self {
        Self::Reject(rejection)
    }
}
