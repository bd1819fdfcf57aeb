//! The true cause of a failure.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use crate::connection::Closed;
use crate::handshake::ResponseError;

/// Why a connection failed. For logs: a page may not know, or it could find out
/// what there is in the network of its reader, and so no event tells.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Diagnostic {
    /// The port is blocked; nobody was asked.
    BlockedPort(u16),
    /// `close` was called before the connection was open.
    ClosedWhileConnecting,
    /// Nobody could be reached, or not over TLS.
    Connect(String),
    /// The connection was open, and did not end with a Close frame from both
    /// sides. Says who broke which rule.
    Ended(Box<Closed>),
    /// The transport broke while the connection was open.
    Lost(String),
    /// More was sent than [`Options::max_buffered`](super::Options::max_buffered)
    /// allows.
    Full,
    /// The server refused with this HTTP status.
    Refused(u16),
    /// What is to be said to the server cannot be said.
    Request(String),
    /// The server's reply opens no connection.
    Response(ResponseError),
    /// The server selected none of the protocols.
    SubprotocolMissing,
    /// There are as many connections as
    /// [`Options::connections`](super::Options::connections) allows.
    TooManyConnections,
    /// The server closed, and the transport ended, before all was sent; our Close
    /// frame was not.
    Unsent,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BlockedPort(port) => write!(f, "port {port} is blocked"),
            Self::ClosedWhileConnecting => f.write_str("closed before the connection was open"),
            Self::Connect(why) => write!(f, "not connected: {why}"),
            Self::Ended(closed) => closed.fmt(f),
            Self::Lost(why) => write!(f, "connection lost: {why}"),
            Self::Full => f.write_str("the buffer is full"),
            Self::Refused(status) => write!(f, "server answered with HTTP status {status}"),
            Self::Request(why) => write!(f, "request impossible: {why}"),
            Self::Response(error) => error.fmt(f),
            Self::SubprotocolMissing => f.write_str("server selected none of the protocols"),
            Self::TooManyConnections => f.write_str("too many connections"),
            Self::Unsent => f.write_str("server closed before all was sent"),
        }
    }
}
