//! The client in C, as a process: against the server in C, and against servers that do
//! what servers should not.

#![cfg(all(target_os = "linux", feature = "deflate"))]

mod c;
#[path = "../../tests/common/mod.rs"]
mod common;
#[path = "../../tests/processes/mod.rs"]
mod processes;
#[path = "../../tests/sockets/mod.rs"]
mod sockets;

use std::process::Command;

use c::*;
use common::*;
use processes::{Ended, Server};
use sockets::*;

#[track_caller]
fn client(link: Link, args: &[&str]) -> Ended {
    Ended::of(Command::new(program("examples/client.c", link)).args(args))
}

/// Runs it against this server of one connection.
#[track_caller]
fn client_against<T: Send + 'static>(
    link: Link,
    serves: impl FnOnce(Peer) -> T + Send + 'static,
) -> (Ended, T) {
    let (port, server) = server_that(serves);
    let ended = client(link, &[&format!("ws://127.0.0.1:{port}/"), "hello"]);
    (ended, server.join())
}

#[test]
fn the_client_prints_the_echo_of_the_server() {
    for link in LINKS {
        let server =
            Server::of(Command::new(program("examples/echo_server.c", link)).arg("127.0.0.1:0"));
        let long = numbered_lines(60_000);
        for (target, text) in
            [("/", "hello"), ("", "h\u{e9} \u{1f41f}"), ("/a?b=c", &long), ("/", "")]
        {
            let ended = client(link, &[&format!("ws://127.0.0.1:{}{target}", server.port), text]);
            assert_eq!(ended.status, Some(0), "{link:?}: {ended:?}");
            assert_eq!((ended.stdout, ended.stderr), (format!("{text}\n"), String::new()));
        }
    }
}

#[test]
fn the_client_closes_in_good_order() {
    for link in LINKS {
        let (ended, ()) = client_against(link, |peer| {
            let mut peer = Peer::accept(peer.stream, "");
            peer.expect([text("hello")]);
            peer.send([
                binary("hello"),
                ping("p"),
                fragment(TEXT, "hel"),
                frame(CONTINUATION, "lo"),
            ]);
            peer.expect([pong("p"), close(1000, "")]);
            peer.send([text("too late"), close(1000, "")]);
        });
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(0), "hello\n"), "{ended:?}");
    }
}

#[test]
fn the_client_takes_replies_and_frames_byte_by_byte() {
    for link in LINKS {
        let (ended, ()) = client_against(link, |mut peer| {
            peer.stream.set_nodelay(true).unwrap();
            let request = peer.head();
            let frames = peer.encode([text("h\u{e9}"), ping("p"), text("hello")]);
            for byte in reply(&request, "").into_bytes().into_iter().chain(frames) {
                peer.send_bytes([byte]);
            }
            peer.expect([text("hello"), pong("p"), close(1000, "")]);
            peer.send([close(1000, "")]);
        });
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(0), "hello\n"), "{ended:?}");
    }
}

#[test]
fn the_client_says_what_is_wrong_with_its_arguments() {
    for link in LINKS {
        for args in [
            &[][..],
            &["ws://127.0.0.1/"],
            &["wss://127.0.0.1/", "a"],
            &["ws://127.0.0.1/", "a", "b"],
        ] {
            client(link, args).assert_failed(2, "usage: ");
        }
        client(link, &["ws://127.0.0.1:1/#part", "hello"]).assert_failed(1, "client: ");
        let (port, _taken) = refusing_port();
        client(link, &[&format!("ws://127.0.0.1:{port}/"), "hello"]).assert_failed(1, "refused");
    }
}

#[test]
fn the_client_fails_in_one_line_when_there_is_no_connection() {
    for link in LINKS {
        let (ended, ()) = client_against(link, |mut peer| {
            peer.head();
            peer.send_bytes("HTTP/1.1 101 Switching");
        });
        ended.assert_failed(1, "ended before the reply");
        let (ended, ()) = client_against(link, |mut peer| {
            let request = peer.head();
            peer.send_bytes(reply(&request, "Sec-WebSocket-Accept: again\r\n"));
        });
        ended.assert_failed(1, "key");
        let (ended, _) = client_against(link, |mut peer| {
            peer.send_bytes("SSH-2.0-OpenSSH_9.6\r\n\r\n");
            peer.head()
        });
        ended.assert_failed(1, "malformed first line");
        let (ended, _) = client_against(link, |mut peer| {
            peer.head();
            peer.send_bytes("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
        });
        ended.assert_failed(1, "403");
    }
}

#[test]
fn the_client_fails_in_one_line_when_the_server_does_not_echo() {
    for link in LINKS {
        let (ended, ()) = client_against(link, |peer| {
            let mut peer = Peer::accept(peer.stream, "");
            peer.expect([text("hello")]);
            peer.send([close(1001, "bye")]);
            peer.expect([close(1001, "bye")]);
        });
        ended.assert_failed(1, "1001");
        let (ended, ()) = client_against(link, |peer| {
            let mut peer = Peer::accept(peer.stream, "");
            peer.expect([text("hello")]);
            peer.send([text("hello")]);
            peer.expect([close(1000, "")]);
        });
        ended.assert_failed(1, "without a closing handshake");
        let (ended, ()) = client_against(link, |peer| {
            let mut peer = Peer::accept(peer.stream, "");
            peer.send([text("x").rsv(7)]);
            peer.expect([text("hello"), close(1002, "")]);
        });
        ended.assert_failed(1, "reserved bits");
    }
}
