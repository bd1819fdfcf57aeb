//! Who offers what, and what the other end may make of it (RFC 7692, sections
//! 5 and 7.1).

use core::fmt;
use core::str::FromStr;

use super::params::{Params, WindowBits};
use crate::extension::{self, Extension};

/// The name of the extension.
const NAME: &str = "permessage-deflate";

/// One element of what a client offers, as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_structs)] // the RFC has four
pub struct Offer {
    /// The client asks that the server keep no context: a server that accepts
    /// has to.
    pub server_no_context_takeover: bool,
    /// The client hints that it will keep none, whatever the server says.
    pub client_no_context_takeover: bool,
    /// The client asks for a window no larger than this: a server that accepts
    /// has to confirm it, or a smaller one.
    pub server_max_window_bits: Option<WindowBits>,
    /// The server may limit the client's window. With a value the client hints
    /// that it will not use a larger one.
    pub client_max_window_bits: Option<Option<WindowBits>>,
}

impl Offer {
    /// What a client writes that is ready for `params`, and for anything that
    /// asks less of either end: it always lets the server limit its window.
    pub fn new(params: &Params) -> Self {
        let reply = Self::reply(params);
        Self { client_max_window_bits: Some(reply.client_max_window_bits.flatten()), ..reply }
    }

    /// The same as an element of a reply, which says all that is not the
    /// default.
    fn reply(params: &Params) -> Self {
        let limit = |bits: WindowBits| Some(bits).filter(|&bits| bits != WindowBits::MAX);
        Self {
            server_no_context_takeover: params.server_no_context_takeover,
            client_no_context_takeover: params.client_no_context_takeover,
            server_max_window_bits: limit(params.server_max_window_bits),
            client_max_window_bits: limit(params.client_max_window_bits).map(Some),
        }
    }

    /// Reads an element. `None` if it is of another extension, or one that a
    /// server has to decline: a parameter is unknown, there twice, or has no
    /// value that it may have (section 7.1).
    pub fn parse(element: &Extension<'_>) -> Option<Self> {
        if element.name() != NAME {
            return None;
        }
        let mut offer = Self::default();
        for (name, value) in element.params() {
            let bits = match &value {
                Some(value) => Some(WindowBits::parse(value)?),
                None => None,
            };
            let is_new = match (name, bits) {
                ("server_no_context_takeover", None) => {
                    !core::mem::replace(&mut offer.server_no_context_takeover, true)
                }
                ("client_no_context_takeover", None) => {
                    !core::mem::replace(&mut offer.client_no_context_takeover, true)
                }
                ("server_max_window_bits", Some(bits)) => {
                    offer.server_max_window_bits.replace(bits).is_none()
                }
                ("client_max_window_bits", bits) => {
                    offer.client_max_window_bits.replace(bits).is_none()
                }
                _ => false,
            };
            if !is_new {
                return None;
            }
        }
        Some(offer)
    }

    /// What a server agrees to that goes no further than `limits`. `None` if
    /// the offer leaves it no way to keep within them: the client's window is
    /// not to be limited.
    pub fn accept(&self, limits: &Params) -> Option<Agreement> {
        let client_max_window_bits = match self.client_max_window_bits {
            Some(bits) => bits.unwrap_or_default().min(limits.client_max_window_bits),
            // "The server MUST NOT include" it in the reply then (7.1.2.2).
            None if limits.client_max_window_bits == WindowBits::MAX => WindowBits::MAX,
            None => return None,
        };
        let server_window = self.server_max_window_bits.unwrap_or_default();
        let params = Params {
            server_no_context_takeover: self.server_no_context_takeover
                || limits.server_no_context_takeover,
            client_no_context_takeover: self.client_no_context_takeover
                || limits.client_no_context_takeover,
            server_max_window_bits: server_window.min(limits.server_max_window_bits),
            client_max_window_bits,
        };
        Some(Agreement { params, confirms_server_window: self.server_max_window_bits.is_some() })
    }

    /// What this offer has come to, if `reply` is an answer to it.
    fn confirm(&self, reply: &Self) -> Option<Params> {
        let server_window = reply.server_max_window_bits;
        let client_window = match (self.client_max_window_bits, reply.client_max_window_bits) {
            (None, Some(_)) | (Some(_), Some(None)) => return None,
            (offered, reply) => {
                let offered = offered.flatten().unwrap_or_default();
                let agreed = reply.flatten();
                if agreed.is_some_and(|bits| bits > offered) {
                    return None;
                }
                agreed.unwrap_or(offered)
            }
        };
        if self.server_no_context_takeover && !reply.server_no_context_takeover {
            return None;
        }
        if let Some(asked) = self.server_max_window_bits {
            if server_window.is_none_or(|bits| bits > asked) {
                return None;
            }
        }
        Some(Params {
            server_no_context_takeover: reply.server_no_context_takeover,
            client_no_context_takeover: self.client_no_context_takeover
                || reply.client_no_context_takeover,
            server_max_window_bits: server_window.unwrap_or_default(),
            client_max_window_bits: client_window,
        })
    }
}

/// As an element of `Sec-WebSocket-Extensions`.
impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NAME)?;
        if self.server_no_context_takeover {
            f.write_str("; server_no_context_takeover")?;
        }
        if self.client_no_context_takeover {
            f.write_str("; client_no_context_takeover")?;
        }
        if let Some(bits) = self.server_max_window_bits {
            write!(f, "; server_max_window_bits={bits}")?;
        }
        match self.client_max_window_bits {
            Some(Some(bits)) => write!(f, "; client_max_window_bits={bits}"),
            Some(None) => f.write_str("; client_max_window_bits"),
            None => Ok(()),
        }
    }
}

/// As an element of a reply, which says all that is not the default.
impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Offer::reply(self).fmt(f)
    }
}

/// Reads one element, the inverse of `Display`.
impl FromStr for Offer {
    type Err = InvalidReply;

    fn from_str(element: &str) -> Result<Self, InvalidReply> {
        let mut elements = extension::parse(element.as_bytes());
        let (Some(Ok(element)), None) = (elements.next(), elements.next()) else {
            return Err(InvalidReply::Syntax);
        };
        Self::parse(&element).ok_or(InvalidReply::Parameters)
    }
}

/// Reads one element as it could be in a reply: the inverse of `Display`.
impl FromStr for Params {
    type Err = InvalidReply;

    fn from_str(element: &str) -> Result<Self, InvalidReply> {
        let written: Offer = element.parse()?;
        let client_max_window_bits = match written.client_max_window_bits {
            Some(None) => return Err(InvalidReply::Parameters),
            bits => bits.flatten().unwrap_or_default(),
        };
        Ok(Self {
            server_no_context_takeover: written.server_no_context_takeover,
            client_no_context_takeover: written.client_no_context_takeover,
            server_max_window_bits: written.server_max_window_bits.unwrap_or_default(),
            client_max_window_bits,
        })
    }
}

/// What a server agrees to. Its `Display` is the element of the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    params: Params,
    /// Accepting `server_max_window_bits` means to repeat it, also when it
    /// limits nothing.
    confirms_server_window: bool,
}

impl Agreement {
    /// What holds from now on.
    pub fn params(&self) -> Params {
        self.params
    }
}

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut reply = Offer::reply(&self.params);
        if self.confirms_server_window {
            reply.server_max_window_bits = Some(self.params.server_max_window_bits);
        }
        reply.fmt(f)
    }
}

/// The offers of a client in order of preference, as the value of
/// `Sec-WebSocket-Extensions`.
#[derive(Clone, Copy, Debug)]
pub struct Offers<'a>(pub(super) &'a [Params]);

impl fmt::Display for Offers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, params) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            write!(f, "{separator}{}", Offer::new(params))?;
        }
        Ok(())
    }
}

/// The first of the `offered` elements, in the client's order, that agrees
/// with one of the `acceptable` parameters, in the server's.
pub(super) fn accept<'a>(
    offered: impl IntoIterator<Item = &'a [u8]>,
    acceptable: &[Params],
) -> Option<Agreement> {
    offered
        .into_iter()
        .flat_map(extension::parse)
        .filter_map(|element| Offer::parse(&element.ok()?))
        .find_map(|offer| acceptable.iter().find_map(|limits| offer.accept(limits)))
}

/// What the reply to these offers says; `None` if it agrees to nothing.
pub(super) fn confirm<'a>(
    reply: impl IntoIterator<Item = &'a [u8]>,
    offered: &[Params],
) -> Result<Option<Params>, InvalidReply> {
    let mut elements = reply.into_iter().flat_map(extension::parse);
    let Some(first) = elements.next() else { return Ok(None) };
    let first = first.map_err(|_| InvalidReply::Syntax)?;
    if first.name() != NAME || elements.next().is_some() || offered.is_empty() {
        return Err(InvalidReply::NotOffered);
    }
    // A reply looks like an offer, and is as strict about parameters.
    let reply = Offer::parse(&first).ok_or(InvalidReply::Parameters)?;
    let mut fitting = offered.iter().filter_map(|params| Offer::new(params).confirm(&reply));
    let first = fitting.next().ok_or(InvalidReply::Parameters)?;
    // Which of them it answers is not said. So what hints have promised of the
    // client's own messages is kept, whichever they were in.
    Ok(Some(fitting.fold(first, |agreed, other| Params {
        client_no_context_takeover: agreed.client_no_context_takeover
            || other.client_no_context_takeover,
        client_max_window_bits: agreed.client_max_window_bits.min(other.client_max_window_bits),
        ..agreed
    })))
}

/// A server's reply that a client cannot take: it has to fail the connection
/// (section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InvalidReply {
    /// An extension that was not offered, or one more than once.
    NotOffered,
    /// Parameters that do not answer any offer (section 7.1).
    Parameters,
    /// No list of extensions (RFC 6455, section 9.1).
    Syntax,
}

impl fmt::Display for InvalidReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOffered => "server chose an extension that was not offered",
            Self::Parameters => {
                "server chose parameters of permessage-deflate that answer no offer"
            }
            Self::Syntax => "malformed list of extensions",
        })
    }
}

impl core::error::Error for InvalidReply {}
