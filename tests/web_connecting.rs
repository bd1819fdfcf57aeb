//! The browser's `WebSocket` object finds its server: both carriers, over real
//! sockets, one at a time.

#![cfg(all(feature = "tokio", feature = "web"))]

mod common;
mod reach;
mod sockets;
mod web_either;
mod web_sockets;

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};

use reach::*;
use sockets::*;
use sockeye::net::Endpoint;
use sockeye::web::{self, BlockedPorts, CloseEvent, ConnectionLimit, Diagnostic, Options};
use sockeye::{blocking, tokio as ws};
use web_either::*;
use web_sockets::*;

/// The options of a page that waits for nobody for long.
fn hasty() -> Options {
    page(|c| c.handshake_timeout = Some(20 * SOON))
}

// ---- who is not asked --------------------------------------------------------------

#[test]
fn c13_the_network_is_never_asked_for_a_blocked_port() {
    each_adapter(|adapter| {
        for port in [1, 22, 25, 6000, 6667, 10_080] {
            let socket = socket_to(port, &plain());
            let asked = AtomicUsize::new(0);
            let mut ws = start_through(adapter, socket, |endpoint| {
                asked.fetch_add(1, Ordering::Relaxed);
                endpoint
            });
            assert_failure(&ws.rest());
            assert_eq!(asked.into_inner(), 0);
            assert_eq!(ws.socket().diagnostic(), Some(&Diagnostic::BlockedPort(port)));
        }
        let mut options = plain();
        options.blocked_ports = BlockedPorts::Allow;
        let mut ws = start(adapter, socket_to(1, &options));
        assert_failure(&ws.rest());
        assert_shape!(ws.socket().diagnostic(), Some(Diagnostic::Connect(_)));
    });
}

#[test]
fn c13_nothing_is_said_over_a_stream_to_a_blocked_port() {
    bounded(|| {
        let (ours, theirs) = tcp_pair();
        let mut ws = blocking::web::WebSocket::carry(socket_to(6000, &plain()), ours);
        assert_failure(&ws.by_ref().map(|event| told(&event)).collect::<Vec<_>>());
        Peer::new(Role::Server, theirs).expect_eof();
        let (ours, theirs) = tcp_pair();
        let runtime = runtime();
        let _entered = runtime.enter();
        ours.set_nonblocking(true).unwrap();
        let ours = tokio::net::TcpStream::from_std(ours).unwrap();
        let ws = ws::web::WebSocket::carry(socket_to(6000, &plain()), ours);
        assert_eq!(runtime.block_on(ws.run()).code, 1006);
        Peer::new(Role::Server, theirs).expect_eof();
    });
}

#[test]
fn the_connection_after_those_that_are_allowed_fails() {
    each_adapter(|adapter| {
        let (listener, port) = listen();
        let mut options = plain();
        let limit = ConnectionLimit::new(200);
        options.connections = Some(limit.clone());
        // They connect when somebody asks for events, and count from now on.
        let mut waiting: Vec<_> = (0..200).map(|_| socket_to(port, &options)).collect();
        let mut one_more = start(adapter, socket_to(port, &options));
        assert_failure(&one_more.rest());
        assert_eq!(one_more.socket().diagnostic(), Some(&Diagnostic::TooManyConnections));
        assert_nobody_came(&listener);
        // A place becomes free, and is free again when its socket is closed.
        waiting.pop();
        let server = answers(listener, vec![String::new(), status(503, "")]);
        let mut open = start(adapter, socket_to(port, &options));
        open.opened().unwrap();
        assert_eq!(limit.count(), 200);
        waiting.pop();
        assert_failure(&start(adapter, socket_to(port, &options)).rest());
        server.join();
        assert_failure(&open.rest());
        assert_eq!(limit.count(), 198);
    });
}

// ---- one at a time -----------------------------------------------------------------

/// A client whose handshake is not over.
struct Held {
    peer: Peer,
    request: String,
}

impl Held {
    /// The next that comes, and waits for its reply.
    fn next(listener: &TcpListener) -> Self {
        let mut peer = Peer::new(Role::Server, listener.accept().unwrap().0);
        let request = peer.head();
        Self { peer, request }
    }

    fn accept(mut self) -> Peer {
        self.peer.send_bytes(reply(&self.request, ""));
        self.peer
    }
}

/// Opens in a thread of its own.
fn opening(adapter: Adapter, port: u16) -> Task<Result<(), CloseEvent>> {
    Task::start(move || start(adapter, socket_to(port, &plain())).opened())
}

#[test]
fn h11_a_second_socket_waits_until_the_first_is_open_or_has_failed() {
    type End = fn(Held);
    let ends: [(End, bool); 4] = [
        (|held| drop(held.accept()), true),
        (|mut held| held.peer.send_bytes(status(404, "")), false),
        (drop, false),
        (|mut held| held.peer.send_bytes("SSH-2.0-OpenSSH_9.6\r\n\r\n"), false),
    ];
    for (end, opens) in ends {
        each_adapter(move |adapter| {
            for other in ADAPTERS {
                let (listener, port) = listen();
                let first = opening(adapter, port);
                let held = Held::next(&listener);
                let options = plain();
                let second = Task::start(move || start(other, socket_to(port, &options)).opened());
                assert_nobody_came(&listener);
                end(held);
                assert_eq!(first.join().is_ok(), opens);
                let _peer = Held::next(&listener).accept();
                second.join().unwrap();
            }
        });
    }
}

#[test]
fn h11_an_open_socket_keeps_nobody_waiting_though_nobody_asks_it() {
    each_adapter(|adapter| {
        for other in ADAPTERS {
            let (listener, port) = listen();
            let server = answers(listener, vec![String::new(), String::new()]);
            let mut first = start(adapter, socket_to(port, &hasty()));
            first.opened().unwrap();
            let mut second = start(other, socket_to(port, &hasty()));
            second.opened().unwrap();
            server.join();
        }
    });
}

#[test]
fn h11_a_socket_that_is_dropped_while_connecting_keeps_nobody_waiting() {
    each_adapter(|other| {
        let (listener, port) = listen();
        let runtime = busy_runtime();
        let first = ws::web::WebSocket::start(socket_to(port, &plain()));
        let first = runtime.spawn(first.run());
        let held = Held::next(&listener);
        let second = opening(other, port);
        first.abort();
        assert!(runtime.block_on(first).unwrap_err().is_cancelled());
        let _peer = Held::next(&listener).accept();
        second.join().unwrap();
        // The server has seen it go.
        let mut peer = held.peer;
        peer.expect_eof();
    });
}

#[test]
fn h11_a_socket_that_is_closed_while_connecting_keeps_nobody_waiting() {
    each_adapter(|other| {
        let (listener, port) = listen();
        let runtime = runtime();
        let mut first = ws::web::WebSocket::start(socket_to(port, &plain()));
        let held = runtime.block_on(async {
            let coming = tokio::task::spawn_blocking(move || (Held::next(&listener), listener));
            tokio::select! {
                _ = first.next_event() => panic!("it has no answer"),
                coming = coming => coming.unwrap(),
            }
        });
        first.close(None, None).unwrap();
        let second = opening(other, port);
        assert_eq!(runtime.block_on(first.run()).code, 1006);
        let _peer = Held::next(&held.1).accept();
        second.join().unwrap();
    });
}

#[test]
fn h11_a_stream_that_is_closed_while_connecting_keeps_nobody_waiting() {
    // Nobody even awaits its end.
    each_adapter(|other| {
        let (listener, port) = listen();
        let runtime = runtime();
        let mut first = ws::web::WebSocketStream::connect(&url(port), ()).unwrap();
        let (_held, listener) = runtime.block_on(async {
            let coming = tokio::task::spawn_blocking(move || (Held::next(&listener), listener));
            tokio::select! {
                _ = first.opened() => panic!("it has no answer"),
                coming = coming => coming.unwrap(),
            }
        });
        first.close(&web::CloseInfo::default());
        let second = opening(other, port);
        let _peer = Held::next(&listener).accept();
        second.join().unwrap();
    });
}

#[test]
fn s10_closed_while_it_waits_for_its_turn_it_fails_at_once_and_waits_no_more() {
    bounded(|| {
        let (listener, port) = listen();
        let first = opening(Adapter::Blocking, port);
        let held = Held::next(&listener);
        let runtime = runtime();
        // It waits; then nobody asks it any more, but it still exists.
        let mut second = ws::web::WebSocketStream::connect(&url(port), ()).unwrap();
        let mut third = ws::web::WebSocket::start(socket_to(port, &plain()));
        runtime.block_on(async {
            assert!(poll_once(std::pin::pin!(second.opened())).is_pending());
            assert!(poll_once(std::pin::pin!(third.next_event())).is_pending());
        });
        second.close(&web::CloseInfo::default());
        third.close(None, None).unwrap();
        assert_eq!(runtime.block_on(third.run()).code, 1006);
        let fourth = opening(Adapter::Tokio, port);
        assert_nobody_came(&listener);
        let _first = held.accept();
        first.join().unwrap();
        let _fourth = Held::next(&listener).accept();
        fourth.join().unwrap();
        // Never asked for anything.
        each_adapter(move |adapter| {
            let mut ws = start(adapter, socket_to(port, &plain()));
            ws.socket().close(None, None).unwrap();
            assert_failure(&ws.rest());
        });
        assert_empty(&listener);
    });
}

#[test]
fn h11_whoever_does_not_want_to_wait_does_not() {
    each_adapter(|adapter| {
        let (listener, port) = listen();
        let first = opening(adapter, port);
        let held = Held::next(&listener);
        let second = Task::start(move || {
            let socket = socket_to(port, &plain());
            start_through(adapter, socket, Endpoint::without_waiting).opened()
        });
        let _second = Held::next(&listener).accept();
        second.join().unwrap();
        let _first = held.accept();
        first.join().unwrap();
    });
}

/// Many at once, of both carriers: the server never sees two handshakes.
#[test]
fn h11_no_two_handshakes_are_ever_under_way() {
    bounded(|| {
        let (listener, port) = listen();
        let clients: Vec<_> = (0..20).map(|n| opening(ADAPTERS[n % 2], port)).collect();
        for n in 0..20 {
            let mut held = Held::next(&listener);
            assert_nobody_came(&listener);
            match n % 3 {
                0 => held.peer.send_bytes(status(404, "")),
                _ => drop(held.accept()),
            }
        }
        let opened = clients.into_iter().filter_map(|client| client.join().ok()).count();
        assert_eq!(opened, 13);
        assert_empty(&listener);
    });
}
