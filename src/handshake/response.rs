//! A server's reply that accepts, checked (RFC 6455, section 4.1).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

use super::accept_key::ACCEPT_LEN;
use super::head::{self, HeadError, Headers, Upgrade};
use crate::config::Config;
use crate::connection::Connection;
#[cfg(feature = "deflate")]
use crate::deflate::{InvalidReply, Params};
use crate::extension;
use crate::seed::KeyGenerator;

/// A reply that fulfils every rule of section 4.1. Borrows the bytes it was
/// read from.
#[derive(Debug)]
pub struct Response<'a> {
    head_len: usize,
    settled: Settled<'a>,
    headers: Headers<'a>,
    keys: Box<KeyGenerator>,
    config: Arc<Config>,
}

/// What the two ends have agreed on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settled<'a> {
    pub(super) subprotocol: Option<&'a str>,
    #[cfg(feature = "deflate")]
    pub(super) deflate: Option<Params>,
}

impl<'a> Response<'a> {
    pub(super) fn new(
        head_len: usize,
        headers: Headers<'a>,
        settled: Settled<'a>,
        keys: Box<KeyGenerator>,
        config: Arc<Config>,
    ) -> Self {
        Self { head_len, settled, headers, keys, config }
    }

    /// Bytes up to the end of the head. What follows in the same buffer is
    /// frames, and belongs to the connection.
    pub fn head_len(&self) -> usize {
        self.head_len
    }

    /// The subprotocol that the server chose, one of those offered.
    pub fn subprotocol(&self) -> Option<&'a str> {
        self.settled.subprotocol
    }

    /// What was agreed on about compression: one of the offers of
    /// [`Config::deflate`], narrowed by the server.
    #[cfg(feature = "deflate")]
    pub fn deflate_params(&self) -> Option<Params> {
        self.settled.deflate
    }

    /// All header lines.
    pub fn headers(&self) -> Headers<'a> {
        self.headers
    }

    /// The open connection.
    pub fn open(self) -> Connection {
        self.settled.open(self.keys, self.config)
    }
}

impl<'a> Settled<'a> {
    /// Items 5 and 6 of section 4.1: what the reply has chosen was offered.
    pub(super) fn check<'v>(
        subprotocol: Option<&'a [u8]>,
        extensions: impl Iterator<Item = &'v [u8]>,
        offered: &[String],
        config: &Config,
    ) -> Result<Self, ResponseError> {
        // Item 6: one of those offered, to the letter; or none.
        let subprotocol = match subprotocol.map(core::str::from_utf8) {
            None => None,
            Some(Ok(chosen)) if offered.iter().any(|o| o == chosen) => Some(chosen),
            Some(_) => return Err(ResponseError::SubprotocolNotOffered),
        };
        #[cfg(not(feature = "deflate"))]
        let _ = (config, no_extensions(extensions)?);
        Ok(Self {
            subprotocol,
            #[cfg(feature = "deflate")]
            deflate: check_extensions(extensions, config)?,
        })
    }

    /// The client's end of what was agreed on.
    pub(super) fn open(self, keys: Box<KeyGenerator>, config: Arc<Config>) -> Connection {
        let ws = Connection::new(Some(keys), config);
        #[cfg(feature = "deflate")]
        let ws = match self.deflate {
            Some(params) => ws.with_deflate(params),
            None => ws,
        };
        match self.subprotocol {
            Some(chosen) => ws.with_subprotocol(chosen),
            None => ws,
        }
    }
}

const EXTENSIONS: &str = "Sec-WebSocket-Extensions";

/// The status of `HTTP/1.1 101 Switching Protocols`; the phrase, and the
/// space before it, may be missing.
pub(super) fn parse_status_line(line: &[u8]) -> Result<u16, ResponseError> {
    let Some(rest) = line.strip_prefix(b"HTTP/1.1 ") else {
        let is_http = line.starts_with(b"HTTP/");
        return Err(if is_http {
            ResponseError::HttpVersionUnsupported
        } else {
            HeadError::FirstLine.into()
        });
    };
    match rest {
        [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9']
        | [a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', b' ', ..] => {
            Ok(100 * u16::from(a - b'0') + 10 * u16::from(b - b'0') + u16::from(c - b'0'))
        }
        _ => Err(HeadError::FirstLine.into()),
    }
}

/// The headers of a reply that a client looks at, collected in one pass.
#[derive(Default)]
pub(super) struct ReplyFields<'a> {
    upgrade: Upgrade,
    accept: Option<&'a [u8]>,
    subprotocol: Option<&'a [u8]>,
    /// Some extension.
    has_extensions: bool,
}

impl<'a> ReplyFields<'a> {
    pub(super) fn collect(
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, ResponseError> {
        let mut fields = Self::default();
        for (name, value) in headers {
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            match name.len() {
                20 if is("Sec-WebSocket-Accept") => {
                    head::set_once(&mut fields.accept, value)
                        .map_err(|_| ResponseError::AcceptInvalid)?;
                }
                22 if is("Sec-WebSocket-Protocol") => {
                    head::set_once(&mut fields.subprotocol, value)
                        .map_err(|_| ResponseError::SubprotocolNotOffered)?;
                }
                24 if is(EXTENSIONS) => fields.has_extensions = true,
                _ => fields.upgrade.note(name, value),
            }
        }
        Ok(fields)
    }
}

/// Checks the headers of a 101, items 2 to 6 of section 4.1.
/// `Content-Length` and `Transfer-Encoding` mean nothing in a 101 and are
/// ignored (RFC 9110, section 15.2.2; RFC 9112, section 6.3).
pub(super) fn check_reply<'a>(
    fields: &ReplyFields<'a>,
    headers: Headers<'a>,
    expected: &[u8; ACCEPT_LEN],
    offered: &[String],
    config: &Config,
) -> Result<Settled<'a>, ResponseError> {
    if !fields.upgrade.websocket {
        return Err(ResponseError::UpgradeMissing);
    }
    if !fields.upgrade.connection {
        return Err(ResponseError::ConnectionMissing);
    }
    if fields.accept != Some(expected) {
        return Err(ResponseError::AcceptInvalid);
    }
    // Most replies choose none, and need not be read again.
    let extensions = fields.has_extensions.then(|| headers.all(EXTENSIONS));
    Settled::check(fields.subprotocol, extensions.into_iter().flatten(), offered, config)
}

/// Item 5: no extension but one that was offered.
#[cfg(feature = "deflate")]
fn check_extensions<'v>(
    values: impl Iterator<Item = &'v [u8]>,
    config: &Config,
) -> Result<Option<Params>, ResponseError> {
    let Some(deflate) = &config.deflate else { return no_extensions(values).map(|()| None) };
    deflate.confirm(values).map_err(|error| match error {
        InvalidReply::Parameters => ResponseError::ExtensionParameters,
        _ => ResponseError::ExtensionNotOffered,
    })
}

/// Item 5: none was offered.
fn no_extensions<'v>(values: impl Iterator<Item = &'v [u8]>) -> Result<(), ResponseError> {
    match values.flat_map(extension::parse).next() {
        None => Ok(()),
        Some(_) => Err(ResponseError::ExtensionNotOffered),
    }
}

/// A reply that opens no connection and is no refusal either: the server does
/// not speak the protocol, or not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResponseError {
    /// `Sec-WebSocket-Accept` is absent, double, or proves nothing (section
    /// 4.1, item 4).
    AcceptInvalid,
    /// No `Upgrade` in `Connection` (item 3).
    ConnectionMissing,
    /// The stream ended before the reply was complete.
    EndOfStream,
    /// An extension that was not offered (item 5), or no list of extensions.
    ExtensionNotOffered,
    /// Parameters of permessage-deflate that answer none of the offers
    /// (RFC 7692, section 7.1).
    ExtensionParameters,
    /// The head as such is malformed or over a limit.
    Head(HeadError),
    /// A status line of another version than HTTP/1.1.
    HttpVersionUnsupported,
    /// A subprotocol that was not offered, or several (item 6).
    SubprotocolNotOffered,
    /// The reply did not come within `Config::handshake_timeout`.
    Timeout,
    /// No `websocket` in `Upgrade` (item 2).
    UpgradeMissing,
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AcceptInvalid => "server did not prove that it read the key",
            Self::ConnectionMissing => "no Upgrade in Connection of the reply",
            Self::EndOfStream => "stream ended before the reply was complete",
            Self::ExtensionNotOffered => "server chose an extension that was not offered",
            Self::ExtensionParameters => "server chose compression parameters that answer no offer",
            Self::Head(error) => return write!(f, "malformed reply: {error}"),
            Self::HttpVersionUnsupported => "reply of an HTTP version other than 1.1",
            Self::SubprotocolNotOffered => "server chose a subprotocol that was not offered",
            Self::Timeout => "server did not answer the handshake in time",
            Self::UpgradeMissing => "no websocket in Upgrade of the reply",
        })
    }
}

impl core::error::Error for ResponseError {}

impl From<HeadError> for ResponseError {
    fn from(error: HeadError) -> Self {
        Self::Head(error)
    }
}
