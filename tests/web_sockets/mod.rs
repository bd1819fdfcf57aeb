//! Sockets of the browser's kind for tests, and events in a few words.

#![allow(dead_code)] // each test file uses some of it

use std::sync::Arc;

use sockeye::web::{Event, Options, WebSocket};
use sockeye::{Config, Message};

use crate::sockets::PATIENCE;

/// A host that is never looked up: the stream is there.
pub const URL: &str = "ws://example.com/chat";

/// The options of a page, with deadlines that no good run waits for and without
/// compression, but for what `set` changes.
pub fn page(set: impl FnOnce(&mut Config)) -> Options {
    let mut options = Options::default();
    let mut config = (*options.config).clone();
    config.handshake_timeout = Some(PATIENCE);
    config.close_timeout = Some(PATIENCE);
    config.deflate = None;
    set(&mut config);
    options.config = Arc::new(config);
    options
}

/// The same, with nothing changed.
pub fn plain() -> Options {
    page(|_| {})
}

/// Where a port of the loopback is.
pub fn url(port: u16) -> String {
    format!("ws://127.0.0.1:{port}/")
}

/// A socket that leads to a port of the loopback.
pub fn socket_to(port: u16, options: &Options) -> WebSocket {
    WebSocket::with_options(&url(port), (), options).unwrap()
}

/// A socket that leads nowhere: somebody brings the stream.
pub fn socket(options: &Options) -> WebSocket {
    WebSocket::with_options(URL, (), options).unwrap()
}

/// True if these are so many bytes of one value, masked. For many megabytes.
pub fn is_run_of(value: u8, mask: [u8; 4], payload: &[u8]) -> bool {
    let block = mask.map(|key| key ^ value).repeat(1024);
    payload.chunks(block.len()).all(|chunk| *chunk == block[..chunk.len()])
}

/// An event in a few words.
pub fn told(event: &Event) -> String {
    match event {
        Event::Open => "open".into(),
        Event::Message(message) => brief(&message.data),
        Event::Error => "error".into(),
        Event::Close(close) => {
            let clean = if close.was_clean { "clean" } else { "not clean" };
            format!("close {} {:?} {clean}", close.code, close.reason)
        }
    }
}

/// A message in a few words, however long it is.
pub fn brief(message: &Message<'_>) -> String {
    let bytes = message.as_bytes();
    match message {
        Message::Text(text) if bytes.len() < 50 => format!("text {text}"),
        Message::Text(_) => format!("text of {} bytes", bytes.len()),
        Message::Binary(_) => format!("binary of {} bytes", bytes.len()),
    }
}

/// What a failure looks like to a script, whatever its cause.
pub const FAILURE: [&str; 2] = ["error", "close 1006 \"\" not clean"];

/// The whole life of a socket that was never open.
pub fn assert_failure(came: &[String]) {
    assert_eq!(came, FAILURE);
}
