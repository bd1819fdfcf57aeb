//! The examples that embed the engine, as a user runs them.

#![cfg(feature = "url")]

mod common;
#[cfg(feature = "deflate")]
mod flate;
mod processes;
mod sockets;
#[cfg(target_os = "linux")]
mod victim;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::Command;
use std::thread;
use std::time::Duration;

use common::*;
use processes::*;
use sockets::*;
use sockeye::blocking::{self, Stream, WebSocket};
use sockeye::net::Endpoint;
use sockeye::{CloseCode, Config};

/// Servers that send every message back.
const SERVERS: &[&str] = &["embed_io_uring", "embed_mio", "embed_smol"];

/// Runs a test of each server, at the same time.
#[track_caller]
fn each_server(test: impl Fn(u16) + Copy + Send + 'static) {
    each_with(&[], move |server| test(server.port));
}

/// With these arguments behind its address.
#[track_caller]
fn each_with(args: &'static [&'static str], test: impl Fn(Server) + Copy + Send + 'static) {
    let start = |name: &str| {
        let mut command = Command::new(example(name));
        Server::or_end(command.arg("127.0.0.1:0").args(args))
    };
    let all: Vec<_> = SERVERS
        .iter()
        .filter_map(|name| match start(name) {
            Ok(server) => Some((name, Task::start(move || test(server)))),
            Err(ended) => {
                ended.assert_without_io_uring(name);
                None
            }
        })
        .collect();
    // All of them, whatever becomes of the first: a server that nobody waits for
    // would outlive its test.
    let outcomes: Vec<_> = all
        .into_iter()
        .map(|(name, test)| (name, catch_unwind(AssertUnwindSafe(|| test.join()))))
        .collect();
    for (name, outcome) in outcomes {
        outcome.unwrap_or_else(|panic| {
            eprintln!("of {name}:");
            resume_unwind(panic)
        });
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

/// To close a socket with something left to be read makes the kernel send a reset.
#[test]
fn a_client_that_talks_on_after_its_violation_still_hears_what_was_wrong() {
    each_server(|port| {
        let mut peer = open(port);
        let frames = binary([7; 60_000]).masked().repeat(20);
        peer.send_bytes([&[0x83, 0x80, 0, 0, 0, 0], &frames[..]].concat());
        peer.expect([close(1002, "")]);
        peer.expect_eof();
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

/// However much is sent to a client that reads nothing, and by how many, what
/// waits for it is bounded.
#[cfg(target_os = "linux")]
#[test]
fn what_waits_for_clients_that_read_nothing_takes_bounded_memory() {
    each_with(&[], |server| {
        let port = server.port;
        assert_serves(port);
        let memory = victim::Memory::of(server.id());
        let stuck: Vec<_> = (0..20).map(|_| open(port)).collect();
        let floods: Vec<_> = stuck.iter().map(Peer::another).collect();
        let floods: Vec<_> = floods
            .into_iter()
            .map(|mut peer| {
                let frame = binary([7; 30_000]).masked();
                let (max, stalled) = (STUCK, victim::STALLED);
                Task::start(move || victim::flood(&mut peer.stream, &frame, max, stalled))
            })
            .collect();
        let taken: usize = floods.into_iter().map(Task::join).sum();
        assert!(taken < 20 * STUCK, "all of it was taken");
        assert_serves(port);
        // A megabyte each: what one turn has read, and as much again in the room
        // for it; far less than what is held back.
        let growth = memory.growth();
        println!("{growth} KiB for {taken} bytes that were taken");
        assert!(growth <= 20 * 1024, "grew by {growth} KiB for {taken} bytes");
    });
}

/// A client can have it that what it sends is compressed and what it gets is not
/// (RFC 7692, section 7.1.2.1: a window that nobody compresses with).
#[cfg(all(feature = "deflate", target_os = "linux"))]
#[test]
fn rfc7692_answers_to_what_was_compressed_are_made_as_they_are_taken() {
    const MESSAGES: usize = 1000;
    const LEN: usize = 60_000;
    each_with(&[], |server| {
        assert_serves(server.port);
        let mut peer = peer(server.port);
        peer.send_bytes(request(
            "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8\r\n",
        ));
        assert!(peer.head().contains("server_max_window_bits=8"));
        let memory = victim::Memory::of(server.id());
        let bomb = frame(BINARY, flate::by_hand::run_of_a(LEN)).compressed();
        let mut other = peer.another();
        let sending = Task::start(move || {
            other.send(vec![bomb; MESSAGES]);
            other.half_close();
        });
        for _ in 0..MESSAGES {
            let (first, payload) = peer.frame();
            assert_eq!(first, 0x80 | BINARY);
            assert!(payload.len() == LEN && payload.iter().all(|&byte| byte == b'a'));
        }
        sending.join();
        peer.expect_eof();
        // Of sixty megabytes, the memory of the thread and of two connections.
        let growth = memory.growth();
        println!("{growth} KiB for {} that were answered", MESSAGES * LEN / 1024);
        assert!(growth <= 4 * 1024, "grew by {growth} KiB");
    });
}

#[test]
fn a_client_that_is_silent_is_asked_if_it_is_there_and_then_given_up() {
    each_with(&["1"], |server| {
        let mut silent = open(server.port);
        let (first, payload) = silent.frame();
        assert_eq!(first, 0x80 | PING);
        silent.send([pong(payload)]);
        assert_eq!(silent.frame().0, 0x80 | PING);
        // It answers nothing to that, and is told so.
        let (first, payload) = silent.frame();
        assert_eq!((first, &payload[..2]), (0x80 | CLOSE, &1011_u16.to_be_bytes()[..]));
        silent.expect_eof();
    });
}

#[cfg(unix)]
#[test]
fn who_is_there_when_the_server_ends_is_told_so_and_may_answer() {
    each_with(&[], |server| {
        let port = server.port;
        let (mut idle, mut busy, mut rude) = (open(port), open(port), open(port));
        let mut opening = peer(port);
        opening.send_bytes("GET / HTTP/1.1\r\n");
        busy.send([text("before")]);
        busy.expect([text("before")]);
        busy.send_bytes(&binary([7; 100]).masked()[..50]);
        // What has come before is known to have: each of them has its turn.
        idle.send([ping("?")]);
        idle.expect([pong("?")]);
        server.signal("TERM");
        for peer in [&mut idle, &mut busy, &mut rude] {
            peer.expect([close(1001, "")]);
        }
        assert!(opening.head().starts_with("HTTP/1.1 503 "));
        // It goes nowhere, but is no error either.
        busy.send_bytes(&binary([7; 100]).masked()[50..]);
        for peer in [&mut idle, &mut busy] {
            peer.send([close(1001, "")]);
            peer.expect_eof();
        }
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "it still listens");
        // Who does not answer is waited for, but not for ever.
        let ended = server.ended();
        assert_eq!(ended.status, Some(0), "{ended:?}");
        assert!(!ended.stderr.contains("panicked"), "{ended:?}");
        drop(rude);
    });
}

#[test]
fn arguments_that_are_no_good_are_said_to_be() {
    for name in SERVERS {
        for args in [&["127.0.0.1:0", "x"][..], &["127.0.0.1:0", "1", "2"]] {
            let ended = Ended::of(Command::new(example(name)).args(args));
            let is_linux = cfg!(target_os = "linux") || *name != "embed_io_uring";
            ended.assert_failed(if is_linux { 1 } else { 2 }, name);
        }
    }
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
