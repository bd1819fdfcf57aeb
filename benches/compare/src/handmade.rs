//! The opening handshake, by hand: of the load generator, and of the servers
//! that are measured without theirs.

use std::cell::Cell;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

pub const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// The answer to the key in [`REQUEST`] (RFC 6455, section 1.3).
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const HEAD: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: ";
const END: &[u8] = b"\r\n\r\n";

pub const REPLY_LEN: usize = HEAD.len() + ACCEPT.len() + END.len();

thread_local! {
    /// Where the last request had its key.
    static KEY_AT: Cell<usize> = const { Cell::new(0) };
}

/// The reply to a request that is whole. Allocates nothing.
///
/// # Panics
///
/// If there is no key.
pub fn reply(request: &[u8]) -> [u8; REPLY_LEN] {
    const NAME: &[u8] = b"sec-websocket-key: ";
    assert!(request.ends_with(b"\r\n\r\n"), "the request is cut");
    let is_here = |at: usize| {
        let name = request.get(at..at + NAME.len());
        name.is_some_and(|name| name.eq_ignore_ascii_case(NAME))
    };
    // To look for it takes the longer the farther behind it is, and who asks
    // again has it where it was.
    let mut at = KEY_AT.get();
    if !is_here(at) {
        at = (0..request.len()).find(|at| is_here(*at)).expect("a key");
        KEY_AT.set(at);
    }
    let key = &request[at + NAME.len()..][..24];
    let hash = Sha1::new().chain_update(key).chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let mut reply = [0; REPLY_LEN];
    let (head, rest) = reply.split_at_mut(HEAD.len());
    let (accept, end) = rest.split_at_mut(ACCEPT.len());
    head.copy_from_slice(HEAD);
    STANDARD.encode_slice(hash.finalize(), accept).expect("28 bytes");
    end.copy_from_slice(END);
    reply
}
