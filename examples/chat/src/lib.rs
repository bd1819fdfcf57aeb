//! A chat: what is said in a room goes to everybody in it. The program that
//! shows sockeye.
//!
//! - [`protocol`]: the JSON on the wire. [`mod@line`]: how it reads as plain text.
//!   What clients and servers have in common.
//! - [`client`]: what a client keeps.
//! - [`server`]: pages, sockets, rooms, limits.
//! - [`bus`]: several servers that share their rooms.
//!
//! It has no WebSocket logic of its own: frames, closing, keep-alive and
//! compression are sockeye's.

#![cfg_attr(test, allow(clippy::expect_used, clippy::panic, clippy::unwrap_used))]

pub mod bus;
pub mod client;
pub mod line;
pub mod protocol;
pub mod server;
