//! The browser's `WebSocket` object over the network, and the `WebSocketStream`
//! shape of it.
//!
//! Everything that an object does is in [`web`](crate::web); here it is connected
//! to, and its bytes are moved. What a script does with events,
//! [`WebSocketStream`] does with a reader and a writer that wait for each other:
//! back-pressure, which events cannot have.
//!
//! # Example: events
//!
//! ```no_run
//! use sockeye::tokio::web::WebSocket;
//! use sockeye::web::Event;
//!
//! # async fn f() -> Result<(), sockeye::web::WebError> {
//! let mut ws = WebSocket::connect("wss://example.com/chat", "chat")?;
//! while let Some(event) = ws.next_event().await {
//!     match event {
//!         Event::Open => ws.send_text("hello")?,
//!         Event::Message(message) => println!("{:?}", message.data),
//!         Event::Error => eprintln!("{:?}", ws.diagnostic()),
//!         Event::Close(close) => println!("closed: {}", close.code),
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod half;
mod line;
mod socket;
mod stream;

pub use half::{Readable, Writable, WriteError};
pub use socket::WebSocket;
pub use stream::{Opened, WebSocketStream};
