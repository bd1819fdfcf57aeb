//! The opening handshake on a stream of HTTP/2 (RFC 8441) or HTTP/3 (RFC 9220),
//! both sides: functions over header sections.
//!
//! Layer: beside the rest of the handshake, whose checks it shares. Knows no
//! HTTP library: a header section is a slice of names and values, exactly as
//! HPACK or QPACK decode it, pseudo-header fields first.
//!
//! A client asks with an *extended CONNECT*, `:protocol` being `websocket`, and
//! a server accepts with a 200. From then on the stream is what the TCP
//! connection is to RFC 6455: "the peers should proceed with the WebSocket
//! Protocol using the HTTP/2 stream from the CONNECT transaction as if it were
//! the TCP connection" (RFC 8441, section 5). So masking stays in force, and
//! where one DATA frame ends and the next begins means nothing: give a
//! [`Connection`](crate::Connection) what they hold, as it comes.
//!
//! # Server
//!
//! 1. Send the setting [`ENABLE_CONNECT_PROTOCOL`] with the value 1.
//! 2. [`Request::parse`] what comes with the method CONNECT;
//!    [`Request::accept`] or [`Request::reject`] it.
//! 3. On an error: [`RequestError::reply`], or, if it
//!    [is malformed](RequestError::is_malformed), a reset of the stream.
//!
//! # Client
//!
//! 1. Wait for the server's SETTINGS, and give them to [`Settings::receive`].
//! 2. Send [`Client::fields`], and no more until the reply is there.
//! 3. Give the reply to [`Client::receive`].
//!
//! With the feature `http`, `accept`, `Client::request` and `Client::open` are the
//! same with the types of the `http` crate, for h2, hyper, axum and so on;
//! `examples/embed_h2.rs` is a server and a client.
//!
//! # How a stream ends
//!
//! | RFC 6455 | HTTP/2 (RFC 8441, section 5) | HTTP/3 (RFC 9220, section 3) | the engine |
//! |---|---|---|---|
//! | the peer ends TCP (FIN) | END_STREAM comes | the peer's FIN comes | [`receive_eof`] |
//! | we end TCP (FIN) | END_STREAM on our last DATA frame | our FIN | when [`should_close_transport`] |
//! | TCP is reset by the peer (RST) | RST_STREAM comes, whatever its code | RESET_STREAM or STOP_SENDING comes | [`receive_eof`] |
//! | we reset TCP (RST) | RST_STREAM with [`CANCEL`] | both, with [`H3_REQUEST_CANCELLED`] | [`abort`], or the [`close_deadline`] has passed |
//!
//! Whoever has sent END_STREAM and waits for the peer's reads on and throws
//! away what still comes; it uses up the window of the whole connection unless
//! it is released.
//!
//! # Early data
//!
//! What is sent in 0-RTT can be replayed by somebody else (RFC 9114, section
//! 10.9). A client "MUST NOT send unsafe methods (or methods whose safety is
//! not known) in early data" (RFC 8470, section 4), and CONNECT is not a safe one
//! (RFC 9110, section 9.2.1): send [`Client::fields`] when the TLS handshake is
//! over, although the setting is known from the session before. A server that
//! gets such a request all the same, from its own TLS or from an intermediary
//! which says so in `early-data`, answers 425: [`Request::parse`] sees to the
//! latter.
//!
//! [`abort`]: crate::Connection::abort
//! [`close_deadline`]: crate::Connection::close_deadline
//! [`receive_eof`]: crate::Connection::receive_eof
//! [`should_close_transport`]: crate::Connection::should_close_transport

mod client;
#[cfg(feature = "http")]
mod http;
mod reply;
mod request;
mod request_error;
mod response;
mod section;
mod settings;

#[cfg(feature = "http")]
pub use self::http::accept;
pub use client::Client;
pub use reply::Reply;
pub use request::Request;
pub use request_error::RequestError;
pub use response::{Outcome, Refusal, Response, ResponseError};
pub use section::{Fields, SectionError};
pub use settings::{ENABLE_CONNECT_PROTOCOL, Settings, SettingsError};

/// The code of a RST_STREAM frame that stands for a TCP connection reset
/// (RFC 8441, section 5).
pub const CANCEL: u32 = 0x8;

/// The code of a stream error in HTTP/3 that stands for a TCP connection reset
/// (RFC 9220, section 3).
pub const H3_REQUEST_CANCELLED: u64 = 0x10c;

/// The code of a RST_STREAM frame that answers what is malformed, and of a
/// GOAWAY frame that answers a [`SettingsError`] (RFC 9113, sections 8.1.1 and
/// 5.4.1).
pub const PROTOCOL_ERROR: u32 = 0x1;

/// The code of a stream error in HTTP/3 that answers what is malformed
/// (RFC 9114, section 4.1.2).
pub const H3_MESSAGE_ERROR: u64 = 0x10e;

/// The code of a connection error in HTTP/3 that answers a [`SettingsError`]
/// (RFC 9114, section 7.2.4).
pub const H3_SETTINGS_ERROR: u64 = 0x109;
