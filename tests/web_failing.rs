//! The browser's `WebSocket` object, over real sockets: each way to fail looks the
//! same, whoever carries it; and much in both directions at once.

#![cfg(all(feature = "tokio", feature = "web"))]

mod common;
mod reach;
mod sockets;
mod web_either;
mod web_sockets;

use std::io::Read;

use common::*;
use reach::{Adapter, answers, each_adapter, in_good_time, listen, status};
use sockets::*;
use sockeye::web::{Diagnostic, Options, WebSocket};
use web_either::*;
use web_sockets::*;

// ---- each way to fail --------------------------------------------------------------

/// It fails as all do, and in time; and says why to those who may know.
#[track_caller]
fn assert_fails(adapter: Adapter, url: &str, options: &Options, why: &'static str) {
    let socket = WebSocket::with_options(url, (), options).unwrap();
    let shown = in_good_time(move || {
        let mut ws = start(adapter, socket);
        assert_failure(&ws.rest());
        assert_eq!(ws.next_event(), None);
        ws.socket().diagnostic().unwrap().to_string()
    });
    assert!(shown.contains(why), "{shown} is not: {why}");
}

#[test]
fn h12_nobody_there_is_a_failure() {
    each_adapter(|adapter| {
        assert_fails(adapter, "ws://nobody.invalid/", &plain(), "not connected: ");
        let (port, _taken) = refusing_port();
        assert_fails(adapter, &url(port), &plain(), "onnection refused");
    });
}

#[test]
fn h12_a_reply_that_opens_nothing_is_a_failure() {
    each_adapter(|adapter| {
        let bad_key = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n";
        let replies = [
            (status(403, ""), "status 403"),
            (status(301, "Location: /elsewhere\r\n"), "status 301"),
            (status(401, "WWW-Authenticate: Basic\r\n"), "status 401"),
            ("SSH-2.0-OpenSSH_9.6\r\n\r\n".into(), ""),
            (bad_key.into(), "read the key"),
            // The end comes behind each of them: here it is too early.
            ("HTTP/1.1 101 Switching Pro".into(), "end"),
        ];
        for (reply, why) in replies {
            let (listener, port) = listen();
            let server = answers(listener, vec![reply]);
            assert_fails(adapter, &url(port), &plain(), why);
            server.join();
        }
    });
}

#[test]
fn h12_a_failure_is_told_though_the_server_stays() {
    each_adapter(|adapter| {
        let (listener, port) = listen();
        let ours = Task::start(move || {
            let mut ws = start(adapter, socket_to(port, &plain()));
            ws.rest()
        });
        let mut peer = Peer::new(Role::Server, listener.accept().unwrap().0);
        peer.head();
        peer.send_bytes(status(403, ""));
        // Without waiting for the server to go: it would wait for us.
        peer.expect_eof();
        assert_failure(&ours.join());
    });
}

#[test]
fn h12_silence_is_a_failure_after_the_time_for_the_handshake() {
    each_adapter(|adapter| {
        let (_listener, port) = listen();
        let options = page(|c| c.handshake_timeout = Some(SOON));
        assert_fails(adapter, &url(port), &options, "time");
    });
}

#[test]
fn h8_no_protocol_of_those_asked_for_is_a_failure() {
    each_adapter(|adapter| {
        let (listener, port) = listen();
        let server = answers(listener, vec![String::new()]);
        let socket = WebSocket::with_options(&url(port), "chat", &plain()).unwrap();
        let mut ws = start(adapter, socket);
        assert_failure(&ws.rest());
        assert_eq!(ws.socket().diagnostic(), Some(&Diagnostic::SubprotocolMissing));
        server.join();
    });
}

#[test]
fn s8_a_reset_is_an_abrupt_end() {
    each_adapter(|adapter| {
        let (port, server) = server_that(|mut peer| {
            let request = peer.head();
            peer.send_bytes(reply(&request, ""));
            // What is unread when a socket is closed makes the end a reset.
            peer.stream.peek(&mut [0]).unwrap();
        });
        let mut ws = start(adapter, socket_to(port, &plain()));
        ws.opened().unwrap();
        ws.socket().send_text("not read").unwrap();
        assert_failure(&ws.rest());
        server.join();
    });
}

// ---- both directions at once -------------------------------------------------------

const LARGE: usize = 32 << 20;

#[test]
fn simultaneous_large_messages_do_not_wait_for_each_other() {
    each_adapter(|adapter| {
        let (port, server) = server_that(|mut peer| {
            let request = peer.head();
            peer.send_bytes(reply(&request, ""));
            // All of it, before anything is read.
            peer.send_bytes(announce(0x82, LARGE as u64, false));
            peer.send_bytes(vec![7; LARGE]);
            let mut header = [0; 14];
            peer.stream.read_exact(&mut header).unwrap();
            assert_eq!(header[..10], announce(0x82, LARGE as u64, true)[..10]);
            let mut payload = vec![0; LARGE];
            peer.stream.read_exact(&mut payload).unwrap();
            assert!(is_run_of(9, header[10..].try_into().unwrap(), &payload));
            peer.send([close(1000, "")]);
            peer.expect([close(1000, "")]);
        });
        let mut ws = start(adapter, socket_to(port, &plain()));
        ws.opened().unwrap();
        ws.socket().send_binary(&vec![9; LARGE]).unwrap();
        assert_eq!(ws.socket().buffered_amount(), LARGE as u64);
        let came = ws.rest();
        assert_eq!(came, [format!("binary of {LARGE} bytes"), "close 1000 \"\" clean".into()]);
        assert_eq!(ws.socket().buffered_amount(), 0);
        server.join();
    });
}

#[cfg(feature = "rustls")]
mod with_tls {
    use std::io::Write;
    use std::net::TcpStream;
    use std::sync::Arc;

    use reach::{
        Script, assert_nobody_came, server_config, server_named, tls_peer, tls_server, trusting,
    };
    use rustls::{RootCertStore, ServerConnection, StreamOwned};
    use sockeye::net::{Endpoint, tls};

    use super::*;

    fn secure_socket(port: u16, options: &Options) -> WebSocket {
        WebSocket::with_options(&format!("wss://localhost:{port}/"), (), options).unwrap()
    }

    fn trust(endpoint: Endpoint) -> Endpoint {
        endpoint.tls(trusting())
    }

    #[test]
    fn wss_goes_through_with_roots_of_ones_own() {
        each_adapter(|adapter| {
            let (listener, port) = listen();
            let server = Task::start(move || {
                let mut peer = tls_peer(Role::Server, listener.accept().unwrap().0);
                let request = peer.accept();
                peer.expect(text("hello"));
                peer.send(text("hello"));
                peer.expect(close(1000, ""));
                peer.send(close(1000, ""));
                peer.close_notify();
                peer.expect_close_notify();
                request
            });
            let mut ws = start_through(adapter, secure_socket(port, &plain()), trust);
            ws.opened().unwrap();
            ws.socket().send_text("hello").unwrap();
            assert_eq!(told(&ws.next_event().unwrap()), "text hello");
            ws.socket().close(Some(1000), None).unwrap();
            assert_eq!(ws.rest(), ["close 1000 \"\" clean"]);
            let request = server.join();
            assert_eq!(header(&request, "Host"), Some(format!("localhost:{port}").as_str()));
        });
    }

    #[test]
    fn e5_dropped_while_open_it_says_close_notify() {
        each_adapter(|adapter| {
            let (listener, port) = listen();
            let server = Task::start(move || {
                let mut peer = tls_peer(Role::Server, listener.accept().unwrap().0);
                peer.accept();
                peer.expect(empty_close());
                peer.expect_close_notify();
            });
            let mut ws = start_through(adapter, secure_socket(port, &plain()), trust);
            ws.opened().unwrap();
            drop(ws);
            server.join();
        });
    }

    #[test]
    fn h12_a_server_that_is_not_trusted_is_a_failure_and_never_1015() {
        each_adapter(|adapter| {
            let of_others = || {
                let config = tls::client_config_with(RootCertStore::empty()).unwrap();
                Arc::new(config)
            };
            let named = server_named(&["another.example"]);
            for (server, trusted) in [(server_config(), of_others()), (named, trusting())] {
                let (listener, port) = listen();
                let task = Task::start(move || {
                    let stream = listener.accept().unwrap().0;
                    let connection = ServerConnection::new(server).unwrap();
                    let _ = StreamOwned::new(connection, stream).read(&mut [0]);
                });
                let socket = secure_socket(port, &plain());
                let mut ws = start_through(adapter, socket, |endpoint| endpoint.tls(trusted));
                assert_failure(&in_good_time(move || {
                    let came = ws.rest();
                    let why = ws.socket().diagnostic().unwrap().to_string();
                    assert!(why.contains("certificate"), "{why}");
                    came
                }));
                task.join();
            }
        });
    }

    #[test]
    fn h12_a_server_that_speaks_no_tls_or_nothing_is_a_failure() {
        each_adapter(|adapter| {
            for says in ["HTTP/1.1 400 Bad Request\r\n\r\n", ""] {
                let (listener, port) = listen();
                let server = Task::start(move || {
                    let mut stream: TcpStream = listener.accept().unwrap().0;
                    stream.write_all(says.as_bytes()).unwrap();
                    let _ = stream.read_to_end(&mut Vec::new());
                });
                let options = page(|c| c.handshake_timeout = Some(4 * SOON));
                let mut ws = start_through(adapter, secure_socket(port, &options), trust);
                assert_failure(&in_good_time(move || ws.rest()));
                server.join();
            }
        });
    }

    #[test]
    fn h11_tls_is_part_of_connecting() {
        each_adapter(|adapter| {
            let (listener, port) = listen();
            let opening = move || {
                let socket = secure_socket(port, &plain());
                Task::start(move || start_through(adapter, socket, trust).opened())
            };
            let first = opening();
            // The hello of TLS has come, and gets no answer.
            let (stream, _) = listener.accept().unwrap();
            stream.peek(&mut [0]).unwrap();
            let second = opening();
            assert_nobody_came(&listener);
            drop(stream);
            first.join().unwrap_err();
            let mut peer = tls_peer(Role::Server, listener.accept().unwrap().0);
            peer.accept();
            second.join().unwrap();
        });
    }

    #[test]
    fn simultaneous_large_messages_do_not_wait_for_each_other_over_tls() {
        // More than the network holds.
        const LEN: usize = STUCK;
        each_adapter(|adapter| {
            let (listener, port) = listen();
            let server = Task::start(move || {
                let stream = listener.accept().unwrap().0;
                stream.set_read_timeout(Some(PATIENCE / 2)).unwrap();
                let mut peer = Script::over(Role::Server, tls_server(stream));
                peer.accept();
                // All of it, before anything is read.
                peer.send(binary(vec![7; LEN]));
                let mut all = vec![0; LEN + 14];
                peer.stream.read_exact(&mut all).unwrap();
                assert!(is_run_of(9, all[10..14].try_into().unwrap(), &all[14..]));
                peer.send(close(1000, ""));
                peer.expect(close(1000, ""));
                peer.close_notify();
            });
            let mut ws = start_through(adapter, secure_socket(port, &plain()), trust);
            ws.opened().unwrap();
            ws.socket().send_binary(&vec![9; LEN]).unwrap();
            let came = ws.rest();
            assert_eq!(came, [format!("binary of {LEN} bytes"), "close 1000 \"\" clean".into()]);
            server.join();
        });
    }
}
