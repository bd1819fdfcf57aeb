//! The browser's `WebSocket` object over the network, a thousand times: nothing
//! is left behind, no memory, no descriptor, no place in a queue.

#![cfg(all(feature = "tokio", feature = "web"))]

mod common;
mod counted;
mod reach;
mod sockets;
mod web_sockets;

use std::net::TcpListener;

use common::*;
use counted::count;
use reach::{Adapter, each_adapter, listen, runtime, status};
use sockets::*;
use sockeye::{blocking, tokio as ws};
use tokio::runtime::Runtime;
use web_sockets::*;

/// In turn: opens and closes, refuses, breaks off, and does not end well.
fn serve(listener: &TcpListener, count: usize) {
    for n in 0..count {
        let mut peer = Peer::new(Role::Server, listener.accept().unwrap().0);
        let request = peer.head();
        match n % 4 {
            0 => {
                peer.send_bytes(reply(&request, ""));
                peer.send([text("a"), close(1000, "")]);
                peer.expect([close(1000, "")]);
            }
            1 => peer.send_bytes(status(403, "")),
            2 => {}
            _ => {
                peer.send_bytes(reply(&request, ""));
                peer.send_bytes([0x83, 0]);
            }
        }
    }
}

/// Carries so many, one after the other.
fn carry(adapter: Adapter, runtime: &Runtime, port: u16, count: usize) {
    for _ in 0..count {
        let socket = socket_to(port, &plain());
        match adapter {
            Adapter::Blocking => {
                blocking::web::WebSocket::start(socket).run();
            }
            Adapter::Tokio => {
                runtime.block_on(ws::web::WebSocket::start(socket).run());
            }
        }
    }
}

/// Descriptors that are open, where that can be known.
fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// One test in this file, so that no other opens anything meanwhile.
#[test]
fn a_thousand_connections_leave_nothing_behind() {
    each_adapter(|adapter| {
        let (listener, port) = listen();
        let server = Task::start(move || serve(&listener, 1100));
        let runtime = runtime();
        // What is made once, and what grows to its size.
        carry(adapter, &runtime, port, 100);
        let before = descriptors();
        let (_, live, _) = count(|| carry(adapter, &runtime, port, 1000));
        assert!(live < 10_000, "{live} bytes of a thousand connections");
        server.join();
        let after = descriptors();
        assert!(after <= before, "{before} descriptors, and then {after}");
    });
}
