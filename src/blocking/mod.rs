//! Blocking sockets: a thin adapter that moves bytes, reads the clock and
//! waits. Every rule of the protocol is in the engine.
//!
//! `connect` (with the feature `url`) or [`Connector`] on one side, [`accept`]
//! or [`accept_with`] on the other give a [`WebSocket`]; over TCP it can be
//! [split](WebSocket::split) into a reader and a writer for two threads.
//!
//! # Example: an echo server and its client
//!
//! ```
//! use std::net::{TcpListener, TcpStream};
//! use std::thread;
//! use sockeye::blocking::{self, Connector};
//! use sockeye::{CloseCode, Message};
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
//! let mut ws = Connector::new("127.0.0.1", port, "/").connect()?;
//! ws.send("hello")?;
//! assert_eq!(ws.read()?, Some(Message::from("hello")));
//! let closed = ws.close(CloseCode::NORMAL_CLOSURE, "")?;
//! assert!(closed.is_clean());
//! server.join().unwrap()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod client;
mod error;
mod inbox;
mod server;
mod socket;
mod split;
mod transport;
mod wire;

pub use client::Connector;
#[cfg(feature = "url")]
pub use client::connect;
pub use error::{Error, Refused};
pub use server::{accept, accept_with};
pub use socket::WebSocket;
pub use split::{Reader, Writer};
pub use transport::{Transport, Untimed};
