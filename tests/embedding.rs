//! The examples that embed the engine, as a user runs them.

#![cfg(feature = "url")]

mod common;
mod processes;
mod sockets;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use common::*;
use processes::*;
use sockets::*;
use sockeye::blocking::{self, Stream, WebSocket};
use sockeye::net::Endpoint;
use sockeye::{CloseCode, Config};

/// Servers that send every message back.
const SERVERS: &[&str] = &["embed_mio"];

#[track_caller]
fn each_server(test: impl Fn(u16) + Copy + Send + 'static) {
    for name in SERVERS {
        let server = Server::start(name, &[]);
        let port = server.port;
        bounded(move || test(port));
    }
}

fn connect_with(port: u16, set: impl FnOnce(&mut Config)) -> WebSocket<Stream> {
    let endpoint = Endpoint::from_url(&format!("ws://127.0.0.1:{port}/")).unwrap();
    blocking::connect(endpoint.config(config(set))).unwrap()
}

fn connect(port: u16) -> WebSocket<Stream> {
    connect_with(port, |_| {})
}

fn peer(port: u16) -> Peer {
    Peer::new(Role::Client, TcpStream::connect(("127.0.0.1", port)).unwrap())
}

#[track_caller]
fn assert_serves(port: u16) {
    assert_echoes(connect(port), [100]);
}

#[test]
fn messages_of_any_length_come_back() {
    each_server(|port| {
        let lens = [0, 1, 125, 126, 4095, 65_535, 65_536, 3_000_000, 16 << 20];
        assert_echoes(connect(port), lens);
    });
}

#[cfg(feature = "deflate")]
#[test]
fn compressed_messages_come_back() {
    each_server(|port| {
        let ws = connect_with(port, |c| c.deflate = Some(sockeye::DeflateConfig::default()));
        assert!(ws.connection().deflate_params().is_some());
        assert_echoes(ws, [0, 1, 1000, 3_000_000]);
    });
}

#[test]
fn many_messages_in_one_segment_are_answered_in_their_order() {
    each_server(|port| {
        let mut peer = peer(port);
        // They need not wait for the reply, either.
        let messages: Vec<Frame> = (0..1000).map(|n| text(&n.to_string())).collect();
        let frames: Vec<u8> = messages.iter().flat_map(Frame::masked).collect();
        peer.send_bytes([request("").as_bytes(), &frames].concat());
        assert!(peer.head().starts_with("HTTP/1.1 101 "));
        peer.expect(messages);
        peer.send([close(1000, "")]);
        peer.expect([close(1000, "")]);
        peer.expect_eof();
    });
}

#[test]
fn one_byte_a_segment_is_enough() {
    each_server(|port| {
        let mut peer = peer(port);
        let session = [
            request("").into_bytes(),
            text("h\u{e9}").masked(),
            ping("p").masked(),
            fragment(BINARY, [1; 200]).masked(),
            frame(CONTINUATION, [2; 200]).masked(),
        ];
        for byte in session.concat() {
            peer.send_bytes([byte]);
        }
        assert!(peer.head().starts_with("HTTP/1.1 101 "));
        let joined = [[1; 200], [2; 200]].concat();
        peer.expect([text("h\u{e9}"), pong("p"), binary(joined)]);
    });
}

#[test]
fn a_request_that_is_no_good_is_told_why_and_a_violation_is_too() {
    each_server(|port| {
        let mut other = peer(port);
        other.send_bytes("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert!(other.head().starts_with("HTTP/1.1 426 "));
        let mut other = peer(port);
        other.send_bytes(request(""));
        assert!(other.head().starts_with("HTTP/1.1 101 "));
        other.send_bytes([0x83, 0x80, 0, 0, 0, 0]);
        other.expect([close(1002, "")]);
        other.expect_eof();
        assert_serves(port);
    });
}

/// An open connection of which the server's end is spoken to by hand.
fn open(port: u16) -> Peer {
    let mut peer = peer(port);
    peer.send_bytes(request(""));
    assert!(peer.head().starts_with("HTTP/1.1 101 "));
    peer
}

#[test]
fn a_client_that_takes_nothing_is_held_back_and_then_let_go() {
    each_server(|port| {
        let mut stuck = open(port);
        stuck.stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        let message = binary([7; 60_000]).masked();
        let mut send = || stuck.stream.write_all(&message).map_err(|error| error.kind());
        let is_stuck = |kind| matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut);
        let end = (0..10_000).find_map(|_| send().err());
        assert!(end.is_some_and(is_stuck), "600 MB were taken, and where are they? {end:?}");
        assert_serves(port);
        while send().is_err_and(is_stuck) {}
    });
}

#[test]
fn a_client_that_never_stops_talking_leaves_others_their_turn() {
    each_server(|port| {
        let (mut talker, mut again) = (open(port), open(port));
        let pongs = pong([7; 125]).masked().repeat(1000);
        for peer in [&mut talker, &mut again] {
            let (mut stream, pongs) = (peer.stream.try_clone().unwrap(), pongs.clone());
            thread::spawn(move || while stream.write_all(&pongs).is_ok() {});
        }
        for _ in 0..10 {
            assert_serves(port);
        }
        talker.half_close();
        again.half_close();
    });
}

#[test]
fn s7_1_7_a_client_that_breaks_a_rule_is_hung_up_on_whatever_else_it_sends() {
    each_server(|port| {
        let mut peer = open(port);
        peer.send_bytes([0x83, 0x80, 0, 0, 0, 0]);
        peer.expect([close(1002, "")]);
        peer.expect_eof();
        // It goes on and on, but the server does not listen for ever.
        let frames = binary([7; 60_000]).masked();
        while peer.stream.write_all(&frames).is_ok() {}
    });
}

#[test]
fn a_client_that_has_no_more_to_say_hears_the_last_answers() {
    each_server(|port| {
        let mut peer = open(port);
        let messages: Vec<Frame> = (0..20).map(|n| binary([n; 60_000])).collect();
        peer.send(messages.clone());
        peer.half_close();
        peer.expect(messages);
        peer.expect_eof();
    });
}

#[test]
fn s4_2_a_request_that_never_ends_is_ended_by_the_deadline() {
    each_server(|port| {
        let mut slow = peer(port);
        slow.send_bytes("GET / HTTP/1.1\r\n");
        assert!(slow.head().starts_with("HTTP/1.1 408 "));
        let mut body = String::new();
        slow.stream.read_to_string(&mut body).unwrap();
        assert_eq!(body, "request too slow");
    });
}

#[test]
fn clients_may_come_and_go_and_break_off() {
    each_server(|port| {
        for round in 0..200 {
            let mut peer = peer(port);
            let bytes = [request("").as_bytes(), &binary([7; 1000]).masked()].concat();
            let len = bytes.len() * round / 200;
            match peer.stream.write_all(&bytes[..len]) {
                Err(error) if error.kind() != ErrorKind::BrokenPipe => panic!("{error}"),
                _ => {}
            }
        }
        assert_serves(port);
    });
}

// ---- a room -----------------------------------------------------------------------

#[test]
fn embed_threads_tells_all_what_one_says_and_waits_for_nobody() {
    let server = Server::start("embed_threads", &[]);
    let port = server.port;
    bounded(move || {
        // Whoever hears himself is in the room.
        let enter = || {
            let mut ws = connect(port);
            ws.send("here").unwrap();
            assert_eq!(ws.read().unwrap(), Some("here".into()));
            ws
        };
        let (mut first, mut second) = (enter(), enter());
        assert_eq!(first.read().unwrap(), Some("here".into()));
        let mut third = enter();
        assert_eq!(first.read().unwrap(), Some("here".into()));
        assert_eq!(second.read().unwrap(), Some("here".into()));
        // The third reads nothing from now on.
        let long = bytes_of(200_000);
        for round in 0..200 {
            first.send(&long).unwrap();
            assert!(first.read().unwrap().unwrap().as_bytes() == long, "round {round}");
            assert!(second.read().unwrap().unwrap().as_bytes() == long, "round {round}");
        }
        assert!(second.close(CloseCode::NORMAL_CLOSURE, "").unwrap().is_clean());
        // What had gone out is still there, and then the reason.
        let mut count = 0;
        while third.read().unwrap().is_some() {
            count += 1;
        }
        assert!((1..200).contains(&count), "{count} of 200");
        assert_eq!(third.closed().unwrap().code(), CloseCode::new(1013));
    });
}
