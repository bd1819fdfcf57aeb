#![no_std]
#![forbid(unsafe_code)]
#![warn(
    unreachable_pub,
    clippy::alloc_instead_of_core,
    clippy::cast_possible_truncation,
    clippy::exhaustive_enums,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core
)]
// No bytes of a peer's may bring the process down.
#![cfg_attr(not(test), warn(clippy::expect_used, clippy::panic, clippy::unwrap_used))]
// With the features that its examples need.
#![cfg_attr(
    all(feature = "tokio", feature = "web"),
    doc = include_str!("../README.md")
)]
#![cfg_attr(
    not(all(feature = "tokio", feature = "web")),
    doc = "RFC 6455 as a state machine without I/O, and thin adapters."
)]
//!
//! # The parts
//!
//! - [`Connection`]: an open connection; [`Event`] what it tells, [`Closed`] how
//!   it ended, [`Config`] its limits and deadlines.
//! - [`handshake`]: how it is opened, on both sides.
//! - `deflate`: messages compressed (RFC 7692).
//! - [`Assembler`]: whole messages from chunks.
//! - [`Input`], [`Output`]: whose memory the bytes are in.
//! - [`frame`], [`mask`], [`utf8`]: the layers below, usable alone.
//! - `web`: the `WebSocket` object of the browsers.
//! - `blocking`, `tokio`: adapters for sockets; `net`: what they have in common.
//! - [`embedding`]: the engine in a runtime of one's own; [`manual`]: why it is
//!   built as it is; [`requirements`]: what the RFCs demand, where it is done, and
//!   which tests hold it.

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "std")]
pub mod blocking;
mod buf;
mod close;
mod config;
mod connection;
mod control;
#[cfg(feature = "deflate")]
pub mod deflate;
pub mod embedding;
mod error;
mod extension;
pub mod frame;
pub mod handshake;
#[cfg(feature = "url")]
mod location;
pub mod manual;
pub mod mask;
mod message;
#[cfg(feature = "std")]
pub mod net;
pub mod requirements;
mod seed;
mod time;
#[cfg(feature = "tokio")]
pub mod tokio;
pub mod utf8;
#[cfg(feature = "web")]
pub mod web;

pub use buf::{FixedOutput, Input, Output};
pub use close::{CloseCode, CloseError, CloseFrame, MAX_REASON_LEN};
pub use config::Config;
pub use connection::{
    BinaryChunk, Cause, Closed, Connection, Event, MessageKind, PreparedMessage, Side, TextChunk,
    Timeout,
};
pub use control::{ControlPayload, MAX_CONTROL_LEN};
#[cfg(feature = "deflate")]
pub use deflate::DeflateConfig;
pub use error::{ProtocolError, SendError};
pub use message::{Assembler, Incoming, Message};
pub use seed::Seed;
#[cfg(feature = "std")]
pub use time::Clock;
pub use time::Instant;
