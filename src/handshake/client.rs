//! The client's side of the opening handshake (RFC 6455, section 4.1).

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};
use core::net::Ipv6Addr;
use core::ops::Range;

use super::accept_key::{accept_key, encode_key};
#[cfg(feature = "deflate")]
use super::build::emit_display;
use super::build::{BuildError, append_all, check_header, check_subprotocol, emit_header};
use super::deadline::Deadline;
use super::head::{self, HeadError, HeadLimits, HeadScanner, Headers};
use super::refusal::{Body, Refusal};
use super::response::{ReplyFields, Response, ResponseError, check_reply, parse_status_line};
use crate::buf::Output;
use crate::config::Config;
#[cfg(feature = "deflate")]
use crate::deflate::{DeflateConfig, Offers};
use crate::seed::{KeyGenerator, Seed};
use crate::time::Instant;

/// What a client asks for. The headers that make it a handshake are always
/// there, each once; what is added cannot replace them.
///
/// # Example: a chat, with a cookie
///
/// ```
/// use sockeye::handshake::ClientRequest;
///
/// let request = ClientRequest::new(false, "example.com", 80, "/chat?room=1")
///     .subprotocol("chat.v2")
///     .subprotocol("chat.v1")
///     .header("Cookie", "session=1");
/// ```
#[derive(Clone)]
pub struct ClientRequest {
    pub(super) secure: bool,
    pub(super) host: String,
    pub(super) target: String,
    pub(super) subprotocols: Vec<String>,
    pub(super) headers: Vec<(String, String)>,
    /// The first mistake, told when the request is used.
    pub(super) error: Option<BuildError>,
}

impl ClientRequest {
    /// Asks `host` for `target`: a path and query, percent-encoded and without
    /// a fragment; the empty path is sent as `/` (section 4.1, item 1).
    ///
    /// `host` is a name, an IPv4 address, or an IPv6 address with or without
    /// its brackets. `port` is sent unless it is that of the scheme: 443 if
    /// `secure` (`wss`), 80 if not (section 4.1, item 4).
    ///
    /// A mistake in these, or in what is added, is reported by
    /// [`Client::new`].
    pub fn new(secure: bool, host: &str, port: u16, target: &str) -> Self {
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let is_ipv6 = bare.contains(':') && bare.parse::<Ipv6Addr>().is_ok();
        // Without `format!`: the `alloc` that comes with a system's target has it
        // compiled to unwind, and does not link where there is no std to do that.
        let mut written = if is_ipv6 { ["[", bare, "]"].concat() } else { host.into() };
        if port != if secure { 443 } else { 80 } {
            // A `String` takes everything.
            let _ = write!(written, ":{port}");
        }
        let slash = if target.starts_with('/') { "" } else { "/" };
        let target_ok = target.bytes().all(|b| b.is_ascii_graphic() && b != b'#')
            && (target.is_empty() || target.starts_with(['/', '?']));
        let host_ok = is_ipv6
            || head::host(host.as_bytes()).is_some_and(|h| !h.bytes().any(|b| b":[]".contains(&b)));
        let error = match (host_ok, target_ok) {
            (false, _) => Some(BuildError::InvalidHost),
            (_, false) => Some(BuildError::InvalidTarget),
            _ => None,
        };
        Self {
            secure,
            host: written,
            target: [slash, target].concat(),
            subprotocols: Vec::new(),
            headers: Vec::new(),
            error,
        }
    }

    /// Offers a subprotocol; those offered first are preferred (section 4.1,
    /// item 10).
    pub fn subprotocol(mut self, name: &str) -> Self {
        if self.subprotocols.iter().any(|offered| offered == name) {
            self.error.get_or_insert(BuildError::DuplicateSubprotocol);
        } else if let Err(error) = check_subprotocol(name) {
            self.error.get_or_insert(error);
        } else {
            self.subprotocols.push(name.into());
        }
        self
    }

    /// Adds a header line, such as `Origin`, `Cookie` or `Authorization`.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match check_header(name, value) {
            Ok(()) => self.headers.push((name.into(), value.into())),
            Err(error) => {
                self.error.get_or_insert(error);
            }
        }
        self
    }

    fn write(
        &self,
        key: &[u8],
        config: &Config,
        out: &mut (impl Output + ?Sized),
    ) -> Result<(), BuildError> {
        append_all(out, |emit| {
            emit(b"GET ");
            emit(self.target.as_bytes());
            emit(b" HTTP/1.1\r\nHost: ");
            emit(self.host.as_bytes());
            emit(
                b"\r\n\
                Upgrade: websocket\r\n\
                Connection: Upgrade\r\n\
                Sec-WebSocket-Version: 13\r\n\
                Sec-WebSocket-Key: ",
            );
            emit(key);
            emit(b"\r\n");
            if let [first, rest @ ..] = self.subprotocols.as_slice() {
                emit(b"Sec-WebSocket-Protocol: ");
                emit(first.as_bytes());
                for name in rest {
                    emit(b", ");
                    emit(name.as_bytes());
                }
                emit(b"\r\n");
            }
            emit_offers(config, emit);
            for (name, value) in &self.headers {
                emit_header(name, value, emit);
            }
            emit(b"\r\n");
        })
    }
}

/// Emits the extensions that a client offers.
fn emit_offers(config: &Config, emit: &mut dyn FnMut(&[u8])) {
    #[cfg(feature = "deflate")]
    if let Some(offers) = offers(config) {
        emit(b"Sec-WebSocket-Extensions: ");
        emit_display(&offers, emit);
        emit(b"\r\n");
    }
    let _ = (config, emit);
}

/// The compression that a client offers.
#[cfg(feature = "deflate")]
pub(super) fn offers(config: &Config) -> Option<Offers<'_>> {
    let deflate = config.deflate.as_ref().filter(|deflate| !deflate.params.is_empty());
    deflate.map(DeflateConfig::offers)
}

/// Without header lines: they may be secrets.
impl fmt::Debug for ClientRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientRequest")
            .field("host", &self.host)
            .field("target", &self.target)
            .field("subprotocols", &self.subprotocols)
            .finish_non_exhaustive()
    }
}

/// Asks for a connection and checks the reply.
///
/// # Order of calls
///
/// [`write_request`](Self::write_request), then [`receive`](Self::receive)
/// with all bytes so far, each time more have come, until it gives a
/// [`Reply`]; [`receive_eof`](Self::receive_eof) if they end before. "The
/// client MUST wait for a response before sending any further data."
///
/// Where many clients of one host and port are started at once, at most one
/// connection should be in this state at a time (section 4.1, item 2); that
/// is for whoever holds them all to see to, as the adapters do.
///
/// # Example: connect
///
/// ```
/// use std::sync::Arc;
/// use sockeye::handshake::{Client, ClientRequest, Reply};
/// use sockeye::{Config, Seed};
///
/// let config = Arc::new(Config::default());
/// let request = ClientRequest::new(false, "example.com", 80, "/chat");
/// let seed = Seed::from_bytes([7; 32]); // in earnest: Seed::from_os()?
/// let mut client = Client::new(request, seed, config)?;
/// let mut out = Vec::new();
/// client.write_request(&mut out)?;
/// assert!(out.starts_with(b"GET /chat HTTP/1.1\r\nHost: example.com\r\n"));
///
/// let received = b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno\n";
/// match client.receive(received)?.expect("the reply is complete") {
///     Reply::Accepted(response) => {
///         let frames = &received[response.head_len()..]; // early bytes
///         let ws = response.open();
/// #       unreachable!("{frames:?} {ws:?}");
///     }
///     Reply::Refused(refusal) => assert_eq!(refusal.status(), 404),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Client {
    request: ClientRequest,
    key: [u8; super::accept_key::KEY_LEN],
    /// Until the connection takes it.
    keys: Option<Box<KeyGenerator>>,
    limits: HeadLimits,
    scanner: HeadScanner,
    deadline: Deadline,
    config: Arc<Config>,
    /// The body of a refusal, once its head is complete: that begins and ends
    /// at these bytes.
    refusal: Option<(usize, usize, Body)>,
}

impl Client {
    /// A client's side with a fresh key, 16 bytes of `seed`'s (section 4.1,
    /// item 7), and the limits and deadlines of `config` on the handshake and
    /// on the connection.
    ///
    /// # Errors
    ///
    /// The first mistake in `request`.
    pub fn new(
        request: ClientRequest,
        seed: Seed,
        config: Arc<Config>,
    ) -> Result<Self, BuildError> {
        if let Some(error) = request.error {
            return Err(error);
        }
        let mut keys = Box::new(KeyGenerator::new(seed));
        Ok(Self {
            request,
            key: encode_key(&keys.nonce()),
            keys: Some(keys),
            limits: HeadLimits::of_reply(&config),
            scanner: HeadScanner::new(0),
            deadline: Deadline::new(config.handshake_timeout),
            config,
            refusal: None,
        })
    }

    /// Appends the request to `out`.
    ///
    /// # Errors
    ///
    /// [`BuildError::OutputFull`].
    pub fn write_request(&self, out: &mut (impl Output + ?Sized)) -> Result<(), BuildError> {
        self.request.write(&self.key, &self.config, out)
    }

    /// Looks for a complete reply in `received`: all bytes that have come so
    /// far, those of earlier calls included. Each byte is looked at twice at most,
    /// however many calls it takes, and once more when the reply is complete.
    /// `None`: more bytes are needed. Not to be called again once it gave a
    /// reply that accepts: what follows are frames.
    ///
    /// Interim replies (1xx but 101) are skipped. A refusal is complete when
    /// its body is, or as much of it as
    /// [`Config::max_refusal_len`] allows.
    ///
    /// # Errors
    ///
    /// The first rule of section 4.1 that the reply breaks: *fail the
    /// connection*, which before it is open means to close the transport.
    pub fn receive<'a>(&mut self, received: &'a [u8]) -> Result<Option<Reply<'a>>, ResponseError> {
        while self.refusal.is_none() {
            let Some(head) = self.scanner.scan(received, &self.limits)? else { return Ok(None) };
            let (start, end) = (head.start, head.end);
            let (line, headers, fields) = head::parse_with(&received[head], |lines| {
                ReplyFields::collect(lines.iter().map(|line| (line.name, line.value)))
            })?;
            let status = parse_status_line(line)?;
            match status {
                101 => {
                    let response = self.accepted(end, headers, fields?)?;
                    return Ok(Some(Reply::Accepted(response)));
                }
                // "A client MUST be able to parse one or more 1xx responses
                // received prior to a final response" (RFC 9110, 15.2).
                100..=199 if end < self.limits.len => self.scanner = HeadScanner::new(end),
                100..=199 => return Err(HeadError::TooLong.into()),
                _ => {
                    let body = Body::new(status, headers, end, self.config.max_refusal_len);
                    self.refusal = Some((start, end, body));
                }
            }
        }
        self.refused(received, false)
    }

    /// As [`receive`](Self::receive), but waits for no body: a refusal is given
    /// when its head is complete; without its body, unless that is there.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    pub fn receive_head<'a>(
        &mut self,
        received: &'a [u8],
    ) -> Result<Option<Reply<'a>>, ResponseError> {
        if let Some(reply) = self.receive(received)? {
            return Ok(Some(reply));
        }
        let Some((start, end, _)) = self.refusal else { return Ok(None) };
        refusal(received, start..end, Cow::default(), false).map(Some)
    }

    /// The transport will deliver no more bytes. Gives the refusal if there
    /// is one, with what there is of its body.
    ///
    /// # Errors
    ///
    /// [`ResponseError::EndOfStream`], and as [`receive`](Self::receive).
    pub fn receive_eof<'a>(&mut self, received: &'a [u8]) -> Result<Reply<'a>, ResponseError> {
        match self.receive(received)? {
            Some(reply) => Ok(reply),
            None => self.refused(received, true)?.ok_or(ResponseError::EndOfStream),
        }
    }

    /// Says when to call next; `None`: never.
    ///
    /// # Errors
    ///
    /// [`ResponseError::Timeout`] when [`Config::handshake_timeout`] has
    /// passed since the first call.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<Option<Instant>, ResponseError> {
        self.deadline.check(now).map_err(|_| ResponseError::Timeout)
    }

    fn accepted<'a>(
        &mut self,
        head_len: usize,
        headers: Headers<'a>,
        fields: ReplyFields<'a>,
    ) -> Result<Response<'a>, ResponseError> {
        let expected = accept_key(&self.key);
        let offered = &self.request.subprotocols;
        let reply = check_reply(&fields, headers, &expected, offered, &self.config)?;
        // Taken by the one reply that opens the connection.
        let keys = self.keys.take().ok_or(ResponseError::EndOfStream)?;
        Ok(Response::new(head_len, headers, reply, keys, self.config.clone()))
    }

    fn refused<'a>(
        &mut self,
        received: &'a [u8],
        eof: bool,
    ) -> Result<Option<Reply<'a>>, ResponseError> {
        let Some((start, end, body)) = &mut self.refusal else { return Ok(None) };
        let Some((body, is_complete)) = body.read(received, eof) else { return Ok(None) };
        refusal(received, *start..*end, body, is_complete).map(Some)
    }
}

/// A refusal whose head is at `head`.
fn refusal<'a>(
    received: &'a [u8],
    head: Range<usize>,
    body: Cow<'a, [u8]>,
    is_complete: bool,
) -> Result<Reply<'a>, ResponseError> {
    let (line, headers) = head::parse(received.get(head).unwrap_or_default())?;
    let status = parse_status_line(line)?;
    Ok(Reply::Refused(Refusal { status, headers, body, is_complete }))
}

/// What a server says to a handshake.
#[derive(Debug)]
#[allow(clippy::exhaustive_enums)] // yes or no
pub enum Reply<'a> {
    /// It accepts.
    Accepted(Response<'a>),
    /// It answers with ordinary HTTP: a redirect, a demand to authenticate,
    /// an error page (section 4.1, item 1 of the checks).
    Refused(Refusal<'a>),
}
