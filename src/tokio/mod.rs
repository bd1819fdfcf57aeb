//! tokio: a thin adapter that moves bytes, reads the clock and waits. Every
//! rule of the protocol is in the engine.
//!
//! [`connect`] or [`handshake`] on one side, [`accept`] or [`accept_with`] on
//! the other give a [`WebSocket`]; it can be [split](WebSocket::split) for
//! several tasks, and is a `Stream` and a `Sink` for those who want
//! combinators. [`Shutdown`] ends a server in good order.
//!
//! Any stream with tokio's traits will do. Deadlines take the time of the tokio
//! runtime, which needs its time driver (`enable_time`, as in `#[tokio::main]`);
//! for other runtimes there is [`Timer`].
//!
//! # Memory
//!
//! A connection that waits owns no buffer: it reads into memory of the thread's
//! and gives it back when there is nothing to read. What it owns is its state,
//! of some hundred bytes, in the task (where a function that takes it by value
//! stores it once more); in the heap, what is queued, 300 bytes or so once
//! deadlines are on, and 400 for being split.
//!
//! # Example: an echo server and its client
//!
//! ```
//! use sockeye::net::Endpoint;
//! use sockeye::{CloseCode, Message, tokio as ws};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let port = listener.local_addr()?.port();
//! let server = tokio::spawn(async move {
//!     let (stream, _) = listener.accept().await?;
//!     let mut ws = ws::accept(stream).await?;
//!     while let Some(message) = ws.read().await? {
//!         ws.send(message).await?;
//!     }
//!     Ok::<(), ws::Error>(())
//! });
//!
//! let mut ws = ws::connect(Endpoint::new("127.0.0.1", port, "/")).await?;
//! ws.send("hello").await?;
//! assert_eq!(ws.read().await?, Some(Message::from("hello")));
//! let closed = ws.close(CloseCode::NORMAL_CLOSURE, "").await?;
//! assert!(closed.is_clean());
//! server.await??;
//! # Ok(())
//! # }
//! ```

mod client;
mod combinators;
#[cfg(feature = "proxy")]
mod dial;
mod driver;
mod error;
mod server;
mod shared;
mod shutdown;
mod socket;
mod split;
mod stream;
mod time;
mod wakers;
#[cfg(feature = "web")]
pub mod web;
mod wire;

pub use crate::net::{Error, Refused};
pub use client::{connect, handshake, handshake_on, reconnect};
pub use error::QueueError;
pub use server::{accept, accept_on, accept_with};
pub use shutdown::{Entry, Shutdown};
pub use socket::WebSocket;
pub use split::{Reader, Sender};
pub use stream::Stream;
pub use time::{Sleep, Timer};
