//! What a script may say when it closes (WebSockets Standard, *validate close
//! code and reason*).

use alloc::format;
use alloc::string::String;
use core::fmt;

use super::error::WebError;
#[cfg(feature = "tokio")]
use super::event::CloseEvent;
use crate::close::{CloseCode, MAX_REASON_LEN};

/// A code and a reason that a script may close with. The default is neither: an
/// empty Close frame. What a peer has closed with is a
/// [`CloseEvent`](super::CloseEvent), and may not be passed on as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CloseInfo {
    code: Option<u16>,
    reason: String,
}

impl CloseInfo {
    /// A reason without a code goes with 1000.
    ///
    /// # Errors
    ///
    /// In this order: [`WebError::InvalidAccess`] for a code that is neither 1000
    /// nor in `3000..=4999`; [`WebError::Syntax`] for a reason of more than 123
    /// bytes.
    pub fn new(code: Option<u16>, reason: &str) -> Result<Self, WebError> {
        if code.is_some_and(|code| code != 1000 && !(3000..=4999).contains(&code)) {
            return Err(WebError::InvalidAccess(
                "a close code is 1000, or from 3000 to 4999".into(),
            ));
        }
        if reason.len() > MAX_REASON_LEN {
            let len = reason.len();
            let what = format!("a reason of {len} bytes; it can have {MAX_REASON_LEN}");
            return Err(WebError::Syntax(what.into()));
        }
        let implied = (!reason.is_empty()).then_some(1000);
        Ok(Self { code: code.or(implied), reason: reason.into() })
    }

    /// The status code.
    pub fn code(&self) -> Option<u16> {
        self.code
    }

    /// The reason, or nothing.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    pub(super) fn close_code(&self) -> Option<CloseCode> {
        self.code.map(CloseCode::from)
    }
}

/// A connection that did not end well; what a `WebSocketStream` fails with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct WebSocketError {
    /// The peer's status code; 1006 if it sent no Close frame.
    pub close_code: u16,
    /// The peer's reason, or nothing.
    pub reason: String,
}

#[cfg(feature = "tokio")]
impl WebSocketError {
    /// The end of a connection that the peer did not close.
    pub(crate) fn abnormal() -> Self {
        Self { close_code: CloseCode::ABNORMAL_CLOSURE.into(), reason: String::new() }
    }

    pub(crate) fn of_event(event: &CloseEvent) -> Self {
        Self { close_code: event.code, reason: event.reason.clone() }
    }
}

impl fmt::Display for WebSocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebSocketError: closed with {}", self.close_code)?;
        if self.reason.is_empty() { Ok(()) } else { write!(f, " {:?}", self.reason) }
    }
}

impl core::error::Error for WebSocketError {}
