//! The object, carried by a task over streams in memory.

#![allow(dead_code)] // each test file uses some of it

use sockeye::tokio::web::WebSocket;
use sockeye::web::Options;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, duplex};

use crate::tokio_common::{Link, Peer, Role, poll_times, reply};
use crate::web_sockets::{socket, told};

pub type Ours = WebSocket<DuplexStream>;

/// A socket that is connecting, and the server at the other end; each direction
/// holds so many bytes.
pub fn connecting_with(options: &Options, buffer: usize) -> (Ours, Peer) {
    let (ours, theirs) = duplex(buffer);
    (WebSocket::carry(socket(options), ours), Peer::new(Role::Server, theirs))
}

pub fn connecting(options: &Options) -> (Ours, Peer) {
    connecting_with(options, 64 << 10)
}

/// Plays the server's part of the opening handshake.
pub async fn answer(peer: &mut Peer) {
    let request = peer.head().await;
    peer.send_bytes(reply(&request, "")).await;
}

/// A socket that is open, and has said so.
pub async fn open_with(options: &Options, buffer: usize) -> (Ours, Peer) {
    let (mut ws, mut peer) = connecting_with(options, buffer);
    let (opened, ()) = tokio::join!(ws.opened(), answer(&mut peer));
    opened.unwrap();
    (ws, peer)
}

pub async fn open(options: &Options) -> (Ours, Peer) {
    open_with(options, 64 << 10).await
}

/// All events that are left, in few words.
pub async fn rest<S: AsyncRead + AsyncWrite + Unpin>(ws: &mut WebSocket<S>) -> Vec<String> {
    let mut came = Vec::new();
    while let Some(event) = ws.next_event().await {
        came.push(told(&event));
    }
    came
}

/// Over a stream that does as it is told; its peer says this behind its reply.
/// Open, and what was written until then is forgotten.
#[track_caller]
pub fn open_on(link: &Link, options: &Options, behind: Vec<u8>) -> WebSocket<Link> {
    link.net().behind_reply = Some(behind);
    let mut ws = WebSocket::carry(socket(options), link.clone());
    poll_times(ws.opened(), 10_000).expect("an answer").unwrap();
    link.net().written.clear();
    ws
}
