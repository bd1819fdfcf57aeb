//! The examples as a user runs them: processes, sockets, exit status.

#![cfg(all(feature = "deflate", feature = "url"))]

mod common;
mod processes;
mod sockets;

use std::io::Read;
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use common::*;
use processes::*;
use sockets::*;
use sockeye::blocking::{self, Error, Stream, WebSocket};
use sockeye::net::Endpoint;
use sockeye::{CloseCode, Event, Message, Side};
use url::form_urlencoded::byte_serialize;

/// The echo servers, which all keep the same contract.
const SERVERS: &[&str] = &[
    "echo_server",
    #[cfg(feature = "tokio")]
    "tokio_echo_server",
];

/// The echo clients.
const CLIENTS: &[&str] = &[
    "echo_client",
    #[cfg(feature = "tokio")]
    "tokio_echo_client",
];

/// Where an echo server listens.
#[derive(Clone, Copy)]
struct Here(u16);

impl Here {
    fn url(self, target: &str) -> String {
        format!("ws://127.0.0.1:{}{target}", self.0)
    }

    /// An endpoint with the limits of the server.
    fn endpoint(self, target: &str) -> Endpoint {
        let config = config(|c| {
            c.max_message_len = 32 << 20;
            c.max_frame_len = 32 << 20;
        });
        Endpoint::from_url(&self.url(target)).unwrap().config(config)
    }

    #[track_caller]
    fn connect(self, target: &str) -> WebSocket<Stream> {
        blocking::connect(self.endpoint(target)).unwrap()
    }

    /// A raw client with its connection open.
    #[track_caller]
    fn peer(self, target: &str) -> Peer {
        let stream = TcpStream::connect(("127.0.0.1", self.0)).unwrap();
        let mut peer = Peer::new(Role::Client, stream);
        peer.send_bytes(request("").replace("/chat", target));
        assert!(peer.head().starts_with("HTTP/1.1 101 "));
        peer
    }
}

/// Runs a test against an echo server of each kind.
#[track_caller]
fn with_server(args: &[&str], test: impl Fn(Here) + Copy + Send + 'static) {
    for name in SERVERS {
        let server = Server::start(name, args);
        let here = Here(server.port);
        bounded(move || test(here));
    }
}

// ---- the contract of the echo server ---------------------------------------------

#[test]
fn echo_server_sends_messages_back_on_any_path() {
    with_server(&[], |here| {
        for target in ["", "/", "/a/b%20c", "/chat?unknown=1&other", "/?"] {
            assert_echoes(here.connect(target), [100]);
        }
        let mut ws = here.connect("/");
        for message in [0, 1, 125, 126, 4095, 4096, 65_535, 65_536, 3_000_000]
            .into_iter()
            .flat_map(messages_of)
            .chain([bytes_of(32 << 20).into()])
        {
            ws.send(&message).unwrap();
            assert!(ws.read().unwrap().unwrap() == message);
        }
        assert!(ws.close(CloseCode::NORMAL_CLOSURE, "").unwrap().is_clean());
    });
}

#[test]
fn echo_server_takes_messages_of_32_mib_and_no_more() {
    with_server(&[], |here| {
        let mut peer = here.peer("/");
        peer.send_bytes(announce(0x80 | BINARY, (32 << 20) + 1, true));
        peer.expect([close(1009, "")]);
    });
}

#[test]
fn echo_server_takes_another_limit() {
    with_server(&["--max-message", "1000"], |here| {
        let mut ws = here.connect("/");
        for message in messages_of(1000) {
            ws.send(&message).unwrap();
            assert_eq!(ws.read().unwrap(), Some(message));
        }
        ws.send(text_of(1001)).unwrap();
        assert_shape!(ws.read(), Ok(None));
        assert_eq!(ws.closed().unwrap().code(), CloseCode::MESSAGE_TOO_BIG);

        let mut peer = here.peer("/");
        peer.send([fragment(BINARY, [0; 600]), frame(CONTINUATION, [0; 401])]);
        peer.expect([close(1009, "")]);
    });
}

#[test]
fn echo_server_selects_the_first_subprotocol() {
    with_server(&[], |here| {
        for (target, expected) in [("/", Some("b")), ("/?noproto", None)] {
            let endpoint = here.endpoint(target).subprotocol("b").subprotocol("a");
            let ws = blocking::connect(endpoint).unwrap();
            assert_eq!(ws.connection().subprotocol(), expected);
            assert_echoes(ws, [100]);
        }
        assert_eq!(here.connect("/").connection().subprotocol(), None);
    });
}

#[test]
fn echo_server_answers_a_close_with_the_same() {
    with_server(&[], |here| {
        let closes = CODES.map(|code| close(code, "tsch\u{fc}\u{df}"));
        for frame in closes.into_iter().chain([empty_close()]) {
            let mut peer = here.peer("/");
            peer.send([text("last words"), frame.clone()]);
            peer.expect([text("last words"), frame]);
            peer.finish();
        }
    });
}

#[test]
fn echo_server_close_closes_right_after_open() {
    with_server(&[], |here| {
        let reason = "\u{3bb}\u{3cc}\u{3b3}\u{3bf}\u{3c2} + 100 % & \u{1f41f}";
        let encoded: String = byte_serialize(reason.as_bytes()).collect();
        for code in CODES {
            let mut ws = here.connect(&format!("/?close={code}&reason={encoded}"));
            assert_shape!(ws.read(), Ok(None));
            let closed = ws.closed().unwrap();
            assert!(closed.is_clean());
            assert_eq!((closed.by(), closed.code().get()), (Side::Peer, code));
            assert_eq!(closed.reason(), reason);
        }
        let mut peer = here.peer("/?close=4000");
        peer.expect([close(4000, "")]);
        let mut peer = here.peer("/?close=");
        peer.expect([empty_close()]);
    });
}

#[test]
fn echo_server_push_sends_messages_first() {
    with_server(&[], |here| {
        let numbers = |count: u32| (0..count).map(|n| text(&n.to_string()));
        let mut peer = here.peer("/?push=1000");
        peer.expect(numbers(1000));
        peer.send([text("and then")]);
        peer.expect([text("and then")]);
        let mut peer = here.peer("/?push=3&close=3000&reason=done");
        peer.expect(numbers(3).chain([close(3000, "done")]));
        let mut peer = here.peer("/?push=0&close=1000");
        peer.expect([close(1000, "")]);
    });
}

#[test]
fn echo_server_abort_ends_tcp_without_a_close() {
    with_server(&[], |here| {
        let mut ws = here.connect("/?abort");
        assert_shape!(ws.read(), Err(Error::Lost { inside_frame: false, .. }));
        here.peer("/?abort").expect_eof();
    });
}

#[test]
fn echo_server_status_answers_the_handshake() {
    with_server(&[], |here| {
        for status in [200, 302, 400, 401, 403, 404, 429, 500, 503, 599] {
            match blocking::connect(here.endpoint(&format!("/?status={status}"))) {
                Err(Error::Refused(refused)) => assert_eq!(refused.status(), status),
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn echo_server_ping_sends_one_and_tells_of_its_pong() {
    with_server(&[], |here| {
        let mut peer = here.peer("/?ping=caf%C3%A9");
        peer.expect([ping("caf\u{e9}")]);
        peer.send([text("first")]);
        peer.expect([text("first")]);
        peer.send([pong("caf\u{e9}")]);
        peer.expect([text("pong:caf\u{e9}")]);

        let mut ws = here.connect("/?ping=p");
        assert!(ws.ready().unwrap());
        assert_shape!(ws.next_event(), Some(Event::Ping(payload)) if *payload == *b"p");
        assert_eq!(ws.read().unwrap(), Some(Message::from("pong:p")));
        assert_echoes(ws, [100]);
    });
}

#[test]
fn echo_server_fragment_sends_each_echo_in_so_many_frames() {
    with_server(&[], |here| {
        let long = text_of(10_000);
        for count in [1, 2, 3, 7, 100] {
            let mut peer = here.peer(&format!("/?fragment={count}"));
            for (opcode, payload) in [
                (TEXT, "h\u{e9} \u{1f41f}".as_bytes()), // fewer bytes than some counts
                (BINARY, &bytes_of(70_000)),
                (TEXT, b""),
                (TEXT, long.as_bytes()),
            ] {
                peer.send([frame(opcode, payload)]);
                let frames: Vec<_> = (0..count).map(|_| peer.frame()).collect();
                for (n, (first, _)) in frames.iter().enumerate() {
                    let opcode = if n == 0 { opcode } else { CONTINUATION };
                    let fin = if n == count - 1 { 0x80 } else { 0 };
                    assert_eq!(*first, fin | opcode, "frame {n} of {count}");
                }
                let together: Vec<u8> = frames.into_iter().flat_map(|(_, part)| part).collect();
                assert!(together == payload);
            }
        }
        // Inside a character.
        let mut peer = here.peer("/?fragment=2");
        peer.send([text("\u{e9}")]);
        peer.expect([fragment(TEXT, [0xc3]), frame(CONTINUATION, [0xa9])]);
    });
}

#[test]
fn echo_server_count_counts_and_counted_tells() {
    with_server(&[], |here| {
        let counted = |key: &str| {
            let mut ws = here.connect(&format!("/?counted={key}"));
            ws.read().unwrap().unwrap().as_text().unwrap().to_owned()
        };
        assert_eq!(counted("a"), "0");
        for _ in 0..2 {
            let mut peer = here.peer("/?count=a");
            peer.send([text("x"), binary([1]), fragment(TEXT, "y"), frame(CONTINUATION, "")]);
            peer.send([ping("not a message"), close(1000, "")]);
            peer.expect([pong("not a message"), close(1000, "")]);
            peer.finish();
        }
        assert_eq!(counted("a"), "6");
        assert_eq!(counted("b"), "0");
    });
}

#[test]
fn echo_server_parameters_can_be_combined() {
    with_server(&[], |here| {
        let mut peer = here.peer("/x?counted=k&push=2&ping=p&fragment=2&noproto");
        peer.expect([text("0"), text("0"), text("1"), ping("p")]);
        peer.send([text("ab"), pong("p")]);
        peer.expect([fragment(TEXT, "a"), frame(CONTINUATION, "b")]);
        peer.expect([fragment(TEXT, "pon"), frame(CONTINUATION, "g:p")]);
    });
}

#[test]
fn echo_server_serves_200_connections_at_once() {
    with_server(&[], |here| {
        let mut all: Vec<_> = (0..200).map(|_| here.connect("/")).collect();
        for (n, ws) in all.iter_mut().enumerate() {
            ws.send(n.to_string()).unwrap();
        }
        for (n, ws) in all.iter_mut().enumerate() {
            assert_eq!(ws.read().unwrap(), Some(Message::from(n.to_string())));
        }
        all.into_iter().for_each(|ws| assert_echoes(ws, [100]));
    });
}

#[cfg(unix)]
#[test]
fn echo_server_tells_the_1001st_connection_to_come_again() {
    // Our own ends need as many descriptors.
    let limit = Ended::of(Command::new("sh").args(["-c", "ulimit -n"])).stdout;
    assert!(
        !limit.trim().parse().is_ok_and(|limit: u32| limit < 2000),
        "this test needs 2,000 descriptors: ulimit -n 2000"
    );
    let server = Server::start("echo_server", &[]);
    let here = Here(server.port);
    bounded(move || {
        let mut all: Vec<_> = (0..1000).map(|_| here.connect("/")).collect();
        match blocking::connect(here.endpoint("/")) {
            Err(Error::Refused(refused)) => assert_eq!(refused.status(), 503),
            other => panic!("{other:?}"),
        }
        assert_echoes(all.remove(0), [100]);
        // The thread that served it may still be on its way out.
        let mut again = std::iter::repeat_with(|| blocking::connect(here.endpoint("/")));
        assert_echoes(again.find_map(Result::ok).unwrap(), [100]);
    });
}

#[test]
fn echo_server_outlives_clients_that_misbehave() {
    with_server(&[], |here| {
        let stream = || Peer::new(Role::Client, TcpStream::connect(("127.0.0.1", here.0)).unwrap());
        drop(stream());
        stream().send_bytes("GET / HT");
        stream().send_bytes([0; 100]);
        here.peer("/").send_bytes([0x81]);
        let mut peer = here.peer("/");
        peer.send([frame(TEXT, b"\xff")]);
        peer.expect([close(1007, "")]);
        let mut peer = stream();
        peer.send_bytes("GET /plain HTTP/1.1\r\nHost: h\r\n\r\n");
        assert!(peer.head().starts_with("HTTP/1.1 426 "));
        assert_echoes(here.connect("/"), [100]);
    });
}

#[cfg(unix)]
#[test]
fn echo_server_survives_running_out_of_descriptors() {
    for name in SERVERS {
        let mut limited = Command::new("sh");
        limited.args(["-c", "ulimit -n 32 && exec \"$0\" 127.0.0.1:0"]).arg(example(name));
        let server = Server::of(&mut limited);
        let (here, complaints) = (Here(server.port), server.complaints);
        bounded(move || {
            let mut early = here.connect("/");
            // All get through: the system accepts them on the server's behalf.
            let crowd: Vec<_> =
                (0..60).map(|_| TcpStream::connect(("127.0.0.1", here.0)).unwrap()).collect();
            while !complaints.recv_timeout(PATIENCE).unwrap().starts_with("accept: ") {}
            early.send("still here?").unwrap();
            assert_eq!(early.read().unwrap(), Some(Message::from("still here?")));
            drop(crowd);
            assert_echoes(here.connect("/"), [100]);
            assert_echoes(early, [100]);
        });
    }
}

#[test]
fn echo_server_says_what_is_wrong_with_its_arguments() {
    let failed = |args: &[&str], word| {
        for name in SERVERS {
            Ended::of(Command::new(example(name)).args(args)).assert_failed(1, word);
        }
    };
    failed(&["--nonsense"], "usage: ");
    failed(&["127.0.0.1:0", "127.0.0.1:0"], "usage: ");
    failed(&["--max-message"], "--max-message");
    failed(&["--max-message", "a lot"], "--max-message");
    failed(&["--max-message", "-1"], "--max-message");
    failed(&["nowhere"], "nowhere");
    let (port, _taken) = refusing_port();
    failed(&[&format!("127.0.0.1:{port}")], "in use");
}

// ---- the echo client -------------------------------------------------------------

/// One of the clients.
#[derive(Clone, Copy)]
struct Client(&'static str);

impl Client {
    /// Runs it to its end.
    #[track_caller]
    fn run(self, args: &[&str]) -> Ended {
        Ended::of(Command::new(example(self.0)).args(args))
    }

    /// Runs it against this server of one connection.
    #[track_caller]
    fn run_against<T: Send + 'static>(
        self,
        serves: impl FnOnce(Peer) -> T + Send + 'static,
    ) -> (Ended, T) {
        let (port, server) = server_that(serves);
        let ended = self.run(&[&format!("ws://127.0.0.1:{port}/"), "hello"]);
        (ended, server.join())
    }
}

/// Runs a test of each client.
#[track_caller]
fn each_client(test: impl Fn(Client)) {
    CLIENTS.iter().for_each(|name| test(Client(name)));
}

#[test]
fn echo_client_prints_the_echo() {
    each_client(|client| {
        let server = Server::start("echo_server", &[]);
        for (target, text) in
            [("/", "hello"), ("", "h\u{e9} \u{1f41f}"), ("/?push=3", "2"), ("/", "")]
        {
            let ended = client.run(&[&Here(server.port).url(target), text]);
            assert_eq!(ended.status, Some(0), "{ended:?}");
            assert_eq!((ended.stdout, ended.stderr), (format!("{text}\n"), String::new()));
        }
    });
}

#[test]
fn echo_client_closes_in_good_order() {
    each_client(|client| {
        let (ended, ()) = client.run_against(|peer| {
            let mut peer = Peer::accept(peer.stream, "");
            peer.expect([text("hello")]);
            peer.send([binary("hello"), ping("p"), text("hello")]);
            peer.expect([pong("p"), close(1000, "")]);
            peer.send([text("too late"), close(1000, "")]);
        });
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(0), "hello\n"), "{ended:?}");
    });
}

#[test]
fn echo_client_says_what_is_wrong_with_its_arguments() {
    each_client(|client| {
        for args in [&[][..], &["ws://127.0.0.1/"], &["ws://127.0.0.1/", "a", "b"]] {
            client.run(args).assert_failed(2, "usage: ");
        }
        for (url, word) in [
            #[cfg(not(feature = "rustls"))]
            ("wss://127.0.0.1:1/", "TLS"),
            ("http://127.0.0.1:1/", "scheme"),
            ("ws://127.0.0.1:1/#part", "fragment"),
            ("127.0.0.1:1", "URL"),
        ] {
            client.run(&[url, "hello"]).assert_failed(1, word);
        }
    });
}

#[test]
fn echo_client_fails_in_one_line_when_there_is_no_connection() {
    each_client(|client| {
        let (port, _taken) = refusing_port();
        client.run(&[&format!("ws://127.0.0.1:{port}/"), "hello"]).assert_failed(1, "refused");

        let (ended, ()) = client.run_against(drop);
        ended.assert_failed(1, "echo_client: ");
        let (ended, ()) = client.run_against(|mut peer| {
            peer.head();
            peer.send_bytes("HTTP/1.1 101 Switching");
        });
        ended.assert_failed(1, "ended before the reply");
        let (ended, ()) = client.run_against(|mut peer| {
            let request = peer.head();
            peer.send_bytes(reply(&request, "Sec-WebSocket-Accept: again\r\n"));
        });
        ended.assert_failed(1, "key");
        let (ended, _) = client.run_against(|mut peer| {
            peer.send_bytes("SSH-2.0-OpenSSH_9.6\r\n\r\n");
            peer.head()
        });
        ended.assert_failed(1, "malformed reply");
    });
}

#[test]
fn echo_client_fails_in_one_line_when_the_server_does_not_echo() {
    each_client(|client| {
        let server = Server::start("echo_server", &[]);
        for (target, word) in [
            ("/?status=403", "403"),
            ("/?close=1001&reason=bye", "1001"),
            ("/?close=", "1005"),
            ("/?abort", "echo_client: "),
        ] {
            client.run(&[&Here(server.port).url(target), "hello"]).assert_failed(1, word);
        }
        // No closing handshake.
        let (ended, ()) = client.run_against(|peer| {
            let mut peer = Peer::accept(peer.stream, "");
            peer.expect([text("hello")]);
            peer.send([text("hello")]);
            peer.expect([close(1000, "")]);
        });
        ended.assert_failed(1, "without a closing handshake");
        let (ended, ()) = client.run_against(|peer| {
            let mut peer = Peer::accept(peer.stream, "");
            peer.send([text("x").rsv(7)]);
            peer.expect([text("hello"), close(1002, "")]);
        });
        ended.assert_failed(1, "reserved bits");
    });
}

#[test]
fn echo_client_gives_up_within_20_seconds_on_a_server_that_says_nothing() {
    each_client(|client| {
        let start = Instant::now();
        let (ended, came) = client.run_against(|peer| {
            let mut peer = Peer::accept(peer.stream, "");
            peer.expect([text("hello")]);
            peer.stream.read(&mut [0; 100])
        });
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
        ended.assert_failed(1, "deadline");
        assert!(came.is_ok(), "the client has gone");
    });
}
