//! What the adapters have in common: where to connect to and how
//! ([`Endpoint`]), what can go wrong ([`Error`]), when to try again
//! ([`Backoff`]).
//!
//! Layer: above the engine, below the adapters. Moves no bytes itself.

mod backoff;
#[cfg(feature = "deflate")]
mod contexts;
mod endpoint;
mod error;
#[cfg(feature = "http")]
mod http;
mod inbox;
mod intake;
mod opening;
#[cfg(feature = "url")]
mod redirect;
#[cfg(feature = "rustls")]
pub mod tls;
mod trace;
mod turn;
#[cfg(any(feature = "http", feature = "proxy"))]
mod uri;
mod watch;

use alloc::sync::Arc;
use alloc::vec::Vec;
use std::io;
use std::sync::OnceLock;

use crate::config::Config;
use crate::connection::Connection;
use crate::error::SendError;
use crate::message::Message;

pub use backoff::Backoff;
pub use endpoint::Endpoint;
pub use error::{Error, Refused};

#[cfg(feature = "proxy")]
pub(crate) use endpoint::Proxy;
pub(crate) use inbox::Inbox;
pub(crate) use intake::Intake;
pub(crate) use opening::{ClientOpening, Opened, ServerOpening, Waited};
pub(crate) use turn::Turn;
#[cfg(feature = "proxy")]
pub(crate) use uri::host_and_port;
pub(crate) use watch::{LINGER, Watch, linger_until, write_patience};

/// Has a connection borrow what it needs from a pool, unless it has a lender.
#[cfg(feature = "deflate")]
fn lend(ws: &mut Connection, pool: &'static dyn crate::deflate::Lender) {
    if !ws.has_lender() {
        ws.set_lender(pool);
    }
}

/// The connection will be run by a task.
#[cfg(feature = "tokio")]
pub(crate) fn lend_by_thread(ws: &mut Connection) {
    #[cfg(feature = "deflate")]
    lend(ws, &contexts::OF_THREAD);
    let _ = ws;
}

/// The connection has a thread of its own.
pub(crate) fn lend_by_process(ws: &mut Connection) {
    #[cfg(feature = "deflate")]
    lend(ws, &contexts::OF_PROCESS);
    let _ = ws;
}

/// The default limits and deadlines, which most connections share.
pub(crate) fn default_config() -> Arc<Config> {
    static DEFAULT: OnceLock<Arc<Config>> = OnceLock::new();
    DEFAULT.get_or_init(Arc::default).clone()
}

/// Payloads from here on are written from where they are, behind their
/// header; shorter ones are copied, which costs less than a second slice.
pub(crate) const VECTORED_LEN: usize = 4 << 10;

/// The peer has closed its end.
pub(crate) fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected)
}

/// Encodes a message into `out`. One copy.
pub(crate) fn send_message(
    ws: &mut Connection,
    message: &Message<'_>,
    out: &mut Vec<u8>,
) -> Result<(), SendError> {
    match message {
        Message::Binary(data) => ws.send_binary(data, out),
        Message::Text(text) => ws.send_text(text, out),
    }
}
