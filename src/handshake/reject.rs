//! The server's answer to a request that it does not accept: plain HTTP
//! (RFC 6455, sections 4.2.2 and 4.4; RFC 9110, section 15).

use super::build::{BuildError, append_all, check_header, emit_header, emit_headers};
use crate::buf::Output;

/// An HTTP reply that refuses the handshake. `Connection: close` and
/// `Content-Length` come by themselves: close the transport after it.
///
/// # Example: a login page
///
/// ```
/// use sockeye::handshake::Rejection;
///
/// let headers = [("WWW-Authenticate", "Basic realm=\"chat\"")];
/// let mut out = Vec::new();
/// Rejection::new(401).headers(&headers).body("who are you?").write(&mut out)?;
/// assert!(out.starts_with(b"HTTP/1.1 401 Unauthorized\r\n"));
/// # Ok::<(), sockeye::handshake::BuildError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Rejection<'a> {
    status: u16,
    headers: &'a [(&'a str, &'a str)],
    /// Headers of ours that callers cannot set.
    own_headers: &'a [(&'a str, &'a str)],
    body: &'a str,
}

impl<'a> Rejection<'a> {
    /// A reply with this status, `200..=599`, and no body.
    pub const fn new(status: u16) -> Self {
        Self { status, headers: &[], own_headers: &[], body: "" }
    }

    /// Headers to send with it, names and values.
    pub const fn headers(self, headers: &'a [(&'a str, &'a str)]) -> Self {
        Self { headers, ..self }
    }

    /// A body of UTF-8 text. `text/plain`, unless the headers say otherwise.
    pub const fn body(self, body: &'a str) -> Self {
        Self { body, ..self }
    }

    pub(super) const fn own_headers(self, own_headers: &'a [(&'a str, &'a str)]) -> Self {
        Self { own_headers, ..self }
    }

    /// Appends the reply to `out`.
    ///
    /// # Errors
    ///
    /// [`BuildError::InvalidStatus`], [`BuildError::InvalidHeaderName`],
    /// [`BuildError::InvalidHeaderValue`], [`BuildError::ReservedHeader`],
    /// [`BuildError::OutputFull`].
    pub fn write(&self, out: &mut (impl Output + ?Sized)) -> Result<(), BuildError> {
        if !(200..=599).contains(&self.status) {
            return Err(BuildError::InvalidStatus);
        }
        for (name, value) in self.headers {
            check_header(name, value)?;
        }
        let has_type = self.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("Content-Type"));
        let status = decimal(self.status.into());
        let body_len = decimal(self.body.len() as u64);
        append_all(out, |emit| {
            emit(b"HTTP/1.1 ");
            emit(status.as_bytes());
            emit(b" ");
            emit(phrase(self.status).as_bytes());
            emit(b"\r\n");
            emit_headers(self.own_headers, emit);
            emit_headers(self.headers, emit);
            if !self.own_headers.iter().any(|(n, _)| *n == "Connection") {
                emit_header("Connection", "close", emit);
            }
            if !self.body.is_empty() && !has_type {
                emit_header("Content-Type", "text/plain; charset=utf-8", emit);
            }
            emit_header("Content-Length", body_len.as_str(), emit);
            emit(b"\r\n");
            emit(self.body.as_bytes());
        })
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
