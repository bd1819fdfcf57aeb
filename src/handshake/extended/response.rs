//! A server's reply to an extended CONNECT, checked (RFC 8441, section 5).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

use super::super::head;
use super::super::response::{ResponseError as HandshakeError, Settled};
use super::section::{Fields, SectionError};
use crate::config::Config;
use crate::connection::Connection;
#[cfg(feature = "deflate")]
use crate::deflate::Params;
use crate::seed::KeyGenerator;

/// What a server says to an extended CONNECT.
#[derive(Debug)]
#[allow(clippy::exhaustive_enums)] // yes or no
pub enum Outcome<'a> {
    /// It accepts.
    Accepted(Response<'a>),
    /// It answers as to any request: a redirect, a demand to authenticate, an
    /// error page.
    Refused(Refusal<'a>),
}

/// A reply that accepts, and chooses nothing that was not offered. Borrows the
/// section it was made of.
#[derive(Debug)]
pub struct Response<'a> {
    pub(super) status: u16,
    pub(super) fields: Fields<'a>,
    pub(super) settled: Settled<'a>,
    pub(super) keys: Box<KeyGenerator>,
    pub(super) config: Arc<Config>,
}

impl<'a> Response<'a> {
    /// The status, `200..=299`.
    pub fn status(&self) -> u16 {
        self.status
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

    /// All header fields but `:status`.
    pub fn fields(&self) -> Fields<'a> {
        self.fields
    }

    /// The open connection. It masks what it sends, as any client does: the
    /// rules of frames are those of RFC 6455.
    pub fn open(self) -> Connection {
        self.settled.open(self.keys, self.config)
    }
}

/// A reply that does not open the connection. Its body, if it has one, comes in
/// DATA frames: nothing of it is for an engine.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    pub(super) status: u16,
    pub(super) fields: Fields<'a>,
}

impl<'a> Refusal<'a> {
    /// The HTTP status, `300..=599`.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// All header fields but `:status`, such as `location` or
    /// `www-authenticate`.
    pub fn fields(&self) -> Fields<'a> {
        self.fields
    }
}

/// What a reply that accepts has chosen, if all of that was offered.
pub(super) fn settle<'a>(
    fields: Fields<'a>,
    offered: &[String],
    config: &Config,
) -> Result<Settled<'a>, ResponseError> {
    let mut subprotocol = None;
    for value in fields.all("sec-websocket-protocol") {
        head::set_once(&mut subprotocol, value)
            .map_err(|_| HandshakeError::SubprotocolNotOffered)?;
    }
    let extensions = fields.all("sec-websocket-extensions");
    Ok(Settled::check(subprotocol, extensions, offered, config)?)
}

/// A reply that opens no connection and is no refusal either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResponseError {
    /// What it has in common with a reply of HTTP/1.1 breaks a rule: a
    /// subprotocol or an extension that was not offered; or there was no reply,
    /// or not in time.
    Handshake(HandshakeError),
    /// The header section as such is malformed or over a limit.
    Section(SectionError),
    /// A `:status` that is none: 101, which HTTP/2 does not have, or something
    /// other than `100..=599`, or than what was said beside it.
    StatusInvalid,
}

impl ResponseError {
    /// True if the reply is *malformed*: "Clients MUST NOT accept a malformed
    /// response" (RFC 9113, section 8.1.1).
    pub const fn is_malformed(self) -> bool {
        match self {
            Self::Handshake(_) => false,
            Self::Section(error) => error.is_malformed(),
            Self::StatusInvalid => true,
        }
    }
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Handshake(error) => error.fmt(f),
            Self::Section(error) => write!(f, "malformed reply: {error}"),
            Self::StatusInvalid => f.write_str("reply with a status that is none"),
        }
    }
}

impl core::error::Error for ResponseError {}

impl From<HandshakeError> for ResponseError {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(error)
    }
}

impl From<SectionError> for ResponseError {
    fn from(error: SectionError) -> Self {
        Self::Section(error)
    }
}
