//! The server's answer to a request that it does not accept: plain HTTP
//! (RFC 6455, sections 4.2.2 and 4.4; RFC 9110, section 15).

use alloc::borrow::Cow;
use alloc::vec::Vec;

use super::build::{BuildError, Lines, append_all, check_headers, emit_header, emit_headers};
use crate::buf::Output;

/// An HTTP reply that refuses the handshake. `Connection: close` and
/// `Content-Length` come by themselves: close the transport after it.
///
/// # Example: a login page
///
/// ```
/// use sockeye::handshake::Rejection;
///
/// let mut out = Vec::new();
/// Rejection::new(401)
///     .header("WWW-Authenticate", "Basic realm=\"chat\"")
///     .body("who are you?")
///     .write(&mut out)?;
/// assert!(out.starts_with(b"HTTP/1.1 401 Unauthorized\r\n"));
/// # Ok::<(), sockeye::handshake::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Rejection<'a> {
    pub(super) status: u16,
    pub(super) headers: Lines<'a>,
    /// Headers of ours that callers cannot set.
    own_headers: &'a [(&'a str, &'a str)],
    pub(super) body: Cow<'a, str>,
}

impl<'a> Rejection<'a> {
    /// A reply with this status, `200..=599`, and no body.
    pub const fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), own_headers: &[], body: Cow::Borrowed("") }
    }

    /// Adds a header line.
    pub fn header(mut self, name: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// A body of UTF-8 text. `text/plain`, unless the headers say otherwise.
    /// Not sent with statuses that have none, 204 and 304.
    pub fn body(mut self, body: impl Into<Cow<'a, str>>) -> Self {
        self.body = body.into();
        self
    }

    pub(super) fn own_headers(mut self, own_headers: &'a [(&'a str, &'a str)]) -> Self {
        self.own_headers = own_headers;
        self
    }

    /// Appends the reply to `out`.
    ///
    /// # Errors
    ///
    /// [`BuildError::InvalidStatus`], [`BuildError::InvalidHeaderName`],
    /// [`BuildError::InvalidHeaderValue`], [`BuildError::ReservedHeader`],
    /// [`BuildError::OutputFull`].
    pub fn write(&self, out: &mut (impl Output + ?Sized)) -> Result<(), BuildError> {
        self.check()?;
        let status = decimal(self.status.into());
        let body_len = decimal(self.body.len() as u64);
        append_all(out, |emit| {
            emit(b"HTTP/1.1 ");
            emit(status.as_bytes());
            emit(b" ");
            emit(phrase(self.status).as_bytes());
            emit(b"\r\n");
            for (name, value) in self.own_headers {
                emit_header(name, value, emit);
            }
            emit_headers(&self.headers, emit);
            if !self.own_headers.iter().any(|(n, _)| *n == "Connection") {
                emit_header("Connection", "close", emit);
            }
            if !self.may_have_body() {
                return emit(b"\r\n");
            }
            if let Some(content_type) = self.own_content_type() {
                emit_header("Content-Type", content_type, emit);
            }
            emit_header("Content-Length", body_len.as_str(), emit);
            emit(b"\r\n");
            emit(self.body.as_bytes());
        })
    }

    /// Checks what a caller has set.
    pub(super) fn check(&self) -> Result<(), BuildError> {
        if !(200..=599).contains(&self.status) {
            return Err(BuildError::InvalidStatus);
        }
        check_headers(&self.headers)
    }

    pub(super) fn may_have_body(&self) -> bool {
        !matches!(self.status, 204 | 304)
    }

    /// The type of the body, if there is one and the caller has not said.
    pub(super) fn own_content_type(&self) -> Option<&'static str> {
        let has_type = self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("Content-Type"));
        (!self.body.is_empty() && !has_type).then_some("text/plain; charset=utf-8")
    }
}

/// The reason phrase (RFC 9110, section 15); empty for what we do not know,
/// which is allowed.
const fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        410 => "Gone",
        414 => "URI Too Long",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

/// A number in decimal, without an allocation.
struct Decimal {
    digits: [u8; 20],
    start: usize,
}

fn decimal(mut number: u64) -> Decimal {
    let mut text = Decimal { digits: [b'0'; 20], start: 20 };
    loop {
        text.start -= 1;
        // A digit: below 10.
        #[allow(clippy::cast_possible_truncation)]
        {
            text.digits[text.start] = b'0' + (number % 10) as u8;
        }
        number /= 10;
        if number == 0 {
            return text;
        }
    }
}

impl Decimal {
    fn as_bytes(&self) -> &[u8] {
        &self.digits[self.start..]
    }

    fn as_str(&self) -> &str {
        // Digits only: never the fallback.
        core::str::from_utf8(self.as_bytes()).unwrap_or("0")
    }
}
