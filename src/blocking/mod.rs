//! Blocking sockets: a thin adapter that moves bytes, reads the clock and
//! waits. Every rule of the protocol is in the engine.
//!
//! [`connect`] or [`handshake`] on one side, [`accept`] or [`accept_with`] on
//! the other give a [`WebSocket`]; over TCP it can be
//! [split](WebSocket::split) into a reader and senders for several threads.
//!
//! # Example: an echo server and its client
//!
//! ```
//! use std::net::{TcpListener, TcpStream};
//! use std::thread;
//! use sockeye::net::Endpoint;
//! use sockeye::{CloseCode, Message, blocking};
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let port = listener.local_addr()?.port();
//! let server = thread::spawn(move || -> Result<(), blocking::Error> {
//!     let (stream, _) = listener.accept()?;
//!     let mut ws = blocking::accept(stream)?;
//!     while let Some(message) = ws.read()? {
//!         ws.send(message)?;
//!     }
//!     Ok(())
//! });
//!
//! let mut ws = blocking::connect(Endpoint::new("127.0.0.1", port, "/"))?;
//! ws.send("hello")?;
//! assert_eq!(ws.read()?, Some(Message::from("hello")));
//! let closed = ws.close(CloseCode::NORMAL_CLOSURE, "")?;
//! assert!(closed.is_clean());
//! server.join().unwrap()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod client;
mod layer;
mod server;
mod shared;
mod socket;
mod split;
mod stream;
#[cfg(feature = "rustls")]
mod tls;
mod transport;
#[cfg(feature = "web")]
pub mod web;
mod wire;

pub use crate::net::{Error, Refused};
pub use client::{connect, handshake, reconnect};
pub use layer::OverTcp;
pub use server::{accept, accept_with};
pub use socket::WebSocket;
pub use split::{Reader, Sender};
pub use stream::Stream;
#[cfg(feature = "rustls")]
pub use tls::Tls;
pub use transport::{Transport, Untimed};
