//! What connections come to, told to `tracing` if the feature is on: once when
//! a handshake ends and once when a connection does, never for a message.

use super::error::Error;
use crate::connection::{Closed, Connection};

/// A handshake ended.
#[cfg(feature = "tracing")]
pub(super) fn opened(side: &'static str, result: Result<&Connection, Option<&Error>>) {
    match result {
        Ok(ws) => tracing::debug!(side, subprotocol = ws.subprotocol(), "connection open"),
        Err(None) => tracing::debug!(side, "handshake rejected by the application"),
        Err(Some(error)) => tracing::debug!(side, %error, "no connection"),
    }
}

/// A connection ended: a peer that breaks rules or does not answer is worth a
/// warning.
#[cfg(feature = "tracing")]
pub(super) fn ended(closed: &Closed) {
    use crate::connection::Cause;
    match closed.cause() {
        Cause::Protocol(_) | Cause::Timeout(_) => tracing::warn!(%closed, "connection failed"),
        _ => tracing::debug!(%closed, clean = closed.is_clean(), "connection ended"),
    }
}

#[cfg(not(feature = "tracing"))]
pub(super) fn opened(_side: &'static str, _result: Result<&Connection, Option<&Error>>) {}

#[cfg(not(feature = "tracing"))]
pub(super) fn ended(_closed: &Closed) {}
