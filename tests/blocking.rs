//! The blocking adapter over real sockets, against a peer scripted by hand
//! and against itself.

#![cfg(feature = "url")]

mod common;
mod sockets;

use std::io::{self, Cursor, ErrorKind, Read, Write};
use std::iter;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use common::*;
use sockets::*;
use sockeye::blocking::{
    self, Connector, Error, Reader, Transport, Untimed, WebSocket, Writer, accept_with,
};
use sockeye::handshake::{Accept, BuildError, Rejection, RequestError, ResponseError};
use sockeye::{
    Cause, CloseCode, Config, Connection, Event, Message, ProtocolError, SendError, Side, Timeout,
};

/// Short enough to be waited for, where a test is about a time that passes.
const SOON: Duration = Duration::from_millis(50);

/// More than the network holds while nobody reads.
const STUCK: usize = 24 << 20;

const REASON: &str = "au revoir, \u{9c7c} \u{1f41f}";

fn soon() -> Option<Instant> {
    Some(Instant::now() + SOON)
}

// ---- opening handshake, client ---------------------------------------------------

/// The head of the request that this connector sends.
fn request_of(connector: Connector) -> String {
    let mut tape = Tape::default();
    let outcome = connector.handshake(&mut tape);
    assert_shape!(outcome, Err(Error::Response(ResponseError::EndOfStream)));
    String::from_utf8(tape.written).unwrap()
}

#[test]
fn s4_1_host_has_the_port_unless_it_is_that_of_the_scheme() {
    let parts = [
        ("example.com", 80, "example.com"),
        ("example.com", 443, "example.com:443"),
        ("192.0.2.1", 8080, "192.0.2.1:8080"),
        ("::1", 80, "[::1]"),
        ("[::1]", 80, "[::1]"),
        ("2001:db8::7", 9001, "[2001:db8::7]:9001"),
    ];
    for (host, port, expected) in parts {
        let request = request_of(Connector::new(host, port, "/"));
        assert_eq!(header(&request, "Host"), Some(expected));
    }
    let urls = [
        ("ws://example.com", "example.com"),
        ("ws://example.com:80/", "example.com"),
        ("ws://EXAMPLE.com:443/", "example.com:443"),
        ("ws://[::1]/", "[::1]"),
        ("ws://[2001:DB8::7]:81/", "[2001:db8::7]:81"),
    ];
    for (url, expected) in urls {
        let request = request_of(Connector::from_url(url).unwrap());
        assert_eq!(header(&request, "Host"), Some(expected), "{url}");
    }
}

#[test]
fn s4_1_target_is_path_and_query_and_never_empty() {
    let urls = [
        ("ws://h", "/"),
        ("ws://h?x=1", "/?x=1"),
        ("ws://h/?", "/?"),
        ("ws://h/a/b;c?d=e&f=/?g", "/a/b;c?d=e&f=/?g"),
        ("ws://h/b c/\u{e9}?q=\u{1f41f} x", "/b%20c/%C3%A9?q=%F0%9F%90%9F%20x"),
    ];
    for (url, target) in urls {
        let request = request_of(Connector::from_url(url).unwrap());
        assert!(request.starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{url}: {request}");
    }
}

#[test]
fn s4_1_mandatory_headers_come_once_and_extra_ones_as_given() {
    let connector = Connector::new("h", 80, "/")
        .header("Cookie", "a=b")
        .header("Origin", "http://h")
        .subprotocol("v2")
        .subprotocol("v1");
    let request = request_of(connector);
    for (name, value) in [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Protocol", "v2, v1"),
        ("Cookie", "a=b"),
        ("Origin", "http://h"),
    ] {
        assert_eq!(header(&request, name), Some(value), "{name}");
    }
    assert_eq!(header(&request, "Sec-WebSocket-Key").unwrap().len(), 24);
}

/// Asserts that nobody has connected. On the loopback whoever has is here.
#[track_caller]
fn assert_nobody_came(listener: &TcpListener) {
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn s3_bad_urls_are_refused_before_anybody_is_called() {
    bounded(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let here = listener.local_addr().unwrap();
        let urls = [
            (format!("wss://{here}/"), "TLS"), // never in plain text instead
            (format!("WSS://{here}/"), "TLS"),
            (format!("http://{here}/"), "scheme"),
            (format!("wsx://{here}/"), "scheme"),
            (format!("ws://{here}/#part"), "fragment"),
            (format!("ws://{here}/#"), "fragment"),
            (format!("ws://user@{here}/"), "user"),
            (format!("ws://:secret@{here}/"), "user"),
            (here.to_string(), "URL"),
            ("ws://".into(), "URL"),
            ("ws://:80/".into(), "URL"),
            ("ws://127.0.0.1:99999/".into(), "URL"),
            ("ws://[::1/".into(), "URL"),
            ("ws://a b/".into(), "URL"),
            (String::new(), "URL"),
        ];
        for (url, word) in urls {
            let error = blocking::connect(&url).unwrap_err();
            assert_shape!(error, Error::Url(why) if why.contains(word));
        }
        assert_nobody_came(&listener);
    });
}

#[test]
fn s4_1_what_cannot_be_asked_for_is_told_before_anybody_is_called() {
    bounded(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let to = |target| Connector::new("127.0.0.1", port, target);
        let connectors = [
            (to("/#part"), BuildError::InvalidTarget),
            (to("/a b"), BuildError::InvalidTarget),
            (to("/").subprotocol("a,b"), BuildError::InvalidSubprotocol),
            (to("/").subprotocol("a").subprotocol("a"), BuildError::DuplicateSubprotocol),
            (to("/").header("X", "a\r\nY: b"), BuildError::InvalidHeaderValue),
            (to("/").header("Host", "other"), BuildError::ReservedHeader),
        ];
        for (connector, expected) in connectors {
            let error = connector.connect().unwrap_err();
            assert_shape!(error, Error::Build(e) if e == expected);
        }
        assert_nobody_came(&listener);
    });
}

#[test]
fn s4_1_a_refused_port_is_an_io_error() {
    bounded(|| {
        let (port, _taken) = refusing_port();
        let outcome = blocking::connect(&format!("ws://127.0.0.1:{port}/"));
        assert_shape!(outcome, Err(Error::Io(e)) if e.kind() == ErrorKind::ConnectionRefused);
    });
}

#[test]
fn s4_1_a_name_is_looked_up_and_its_addresses_tried() {
    bounded(|| {
        let (port, server) = server_that(|peer| Peer::accept(peer.stream, "").finish());
        // ::1 may be among them, and nobody listens there.
        let ws = blocking::connect(&format!("ws://localhost:{port}/")).unwrap();
        assert!(!ws.connection().is_server());
        server.join();
    });
}

#[test]
fn s3_an_ipv6_address_is_bracketed_in_the_url_and_bare_to_the_system() {
    bounded(|| {
        // Where there is no IPv6, the Host header is tested above.
        let Ok(listener) = TcpListener::bind("[::1]:0") else { return };
        let here = listener.local_addr().unwrap();
        let server =
            Task::start(move || Peer::new(Role::Server, listener.accept().unwrap().0).head());
        assert_shape!(blocking::connect(&format!("ws://{here}/")), Err(Error::Response(_)));
        assert_eq!(header(&server.join(), "Host"), Some(here.to_string().as_str()));
    });
}

/// What a client that offers `v2` and `v1` makes of this reply to its request.
fn answered(
    config: &Arc<Config>,
    reply: impl FnOnce(&str) -> String + Send + 'static,
) -> Result<WebSocket<TcpStream>, Error> {
    let (port, server) = server_that(|mut peer| {
        let request = peer.head();
        peer.send_bytes(reply(&request));
        peer.half_close();
    });
    let url = format!("ws://127.0.0.1:{port}/");
    let connector = Connector::from_url(&url).unwrap().config(config.clone());
    let outcome = connector.subprotocol("v2").subprotocol("v1").connect();
    server.join();
    outcome
}

#[test]
fn s4_1_the_subprotocol_is_one_of_those_offered_or_none() {
    bounded(|| {
        for (line, expected) in
            [("", None), ("v1", Some("v1")), ("v2", Some("v2"))].map(|(name, expected)| {
                let line = format!("Sec-WebSocket-Protocol: {name}\r\n");
                (if name.is_empty() { String::new() } else { line }, expected)
            })
        {
            let ws = answered(&defaults(), move |request| reply(request, &line)).unwrap();
            assert_eq!(ws.connection().subprotocol(), expected);
        }
        for name in ["V1", "v3", "v1, v2"] {
            let line = format!("Sec-WebSocket-Protocol: {name}\r\n");
            let outcome = answered(&defaults(), move |request| reply(request, &line));
            assert_shape!(outcome, Err(Error::Response(ResponseError::SubprotocolNotOffered)));
        }
    });
}

#[test]
fn s4_1_a_server_of_ours_agrees_on_a_subprotocol() {
    bounded(|| {
        let (client, server) = tcp_pair();
        let server = Task::start(move || accept(server, &defaults()).unwrap());
        let connector = Connector::new("h", 80, "/").subprotocol("b").subprotocol("a");
        let client = connector.handshake(client).unwrap();
        assert_eq!(client.connection().subprotocol(), Some("b"));
        assert_eq!(server.join().connection().subprotocol(), Some("b"));
    });
}

#[test]
fn s4_1_a_refusal_can_be_read() {
    bounded(|| {
        let bodies = [
            ("Content-Length: 6\r\n", "log in"),
            ("Transfer-Encoding: chunked\r\n", "4\r\nlog \r\n2\r\nin\r\n0\r\n\r\n"),
            ("Connection: close\r\n", "log in"), // ends with the stream
        ];
        for status in [200, 302, 401, 403, 404, 503] {
            for (line, body) in bodies {
                let reply = format!("HTTP/1.1 {status} No\r\nlocation: /in\r\n{line}\r\n{body}");
                match answered(&defaults(), move |_| reply) {
                    Err(Error::Refused(refused)) => {
                        assert_eq!(refused.status(), status);
                        assert_eq!(refused.header("Location"), Some(&b"/in"[..]));
                        assert_eq!(refused.headers().count(), 2);
                        assert_eq!(refused.body(), b"log in", "{line}");
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    });
}

#[test]
fn s4_1_the_body_of_a_refusal_is_bounded() {
    bounded(|| {
        let config = config(|c| c.max_refusal_len = 1000);
        let outcome = answered(&config, |_| {
            format!("HTTP/1.1 404 No\r\nContent-Length: 100000\r\n\r\n{}", text_of(2000))
        });
        assert_shape!(outcome, Err(Error::Refused(r)) if r.body() == &text_of(2000).as_bytes()[..1000]);
    });
}

#[test]
fn s4_1_a_refusal_whose_body_never_ends_is_told_as_far_as_it_came() {
    bounded(|| {
        let (port, server) = server_that(|mut peer| {
            peer.head();
            peer.send_bytes("HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\nhalf");
            peer.expect_eof();
        });
        let config = config(|c| c.handshake_timeout = Some(SOON));
        let outcome = Connector::new("127.0.0.1", port, "/").config(config).connect();
        assert_shape!(outcome, Err(Error::Refused(r)) if r.status() == 403 && r.body() == b"half");
        server.join();
    });
}

#[test]
fn rule_11_interim_replies_are_skipped() {
    bounded(|| {
        let interim = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Go on\r\n\r\n";
        answered(&defaults(), move |request| interim.to_owned() + &reply(request, "")).unwrap();
        let refused = answered(&defaults(), move |_| {
            interim.to_owned() + "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"
        });
        assert_shape!(refused, Err(Error::Refused(r)) if r.status() == 404);
    });
}

#[test]
fn s4_1_invalid_replies_open_nothing() {
    use ResponseError::*;
    bounded(|| {
        let without =
            |what: &'static str| move |request: &str| reply(request, "").replace(what, "");
        let with = |what: &'static str| move |request: &str| reply(request, what);
        let outcomes = [
            (answered(&defaults(), without("Upgrade: websocket\r\n")), UpgradeMissing),
            (answered(&defaults(), without("Connection: Upgrade\r\n")), ConnectionMissing),
            (answered(&defaults(), without("=")), AcceptInvalid),
            (answered(&defaults(), with("Sec-WebSocket-Accept: x\r\n")), AcceptInvalid),
            (answered(&defaults(), with("Sec-WebSocket-Extensions: x\r\n")), ExtensionNotOffered),
            (
                answered(&defaults(), |r| reply(r, "").replace("/1.1", "/1.0")),
                HttpVersionUnsupported,
            ),
        ];
        for (outcome, expected) in outcomes {
            assert_shape!(outcome, Err(Error::Response(e)) if e == expected);
        }
        assert_shape!(
            answered(&defaults(), |_| "SSH-2.0-OpenSSH_9.6\r\n\r\n".into()),
            Err(Error::Response(Head(_)))
        );
    });
}

#[test]
fn rule_12_bytes_behind_the_101_are_frames() {
    bounded(|| {
        let (port, server) = server_that(|mut peer| {
            let head = reply(&peer.head(), "").into_bytes();
            let frames = [text("early"), ping("p"), binary([7; 70_000]), close(1001, "gone")];
            peer.send_bytes([head, peer.encode(frames)].concat());
            peer.expect([pong("p"), close(1001, "gone")]);
        });
        let mut ws = Connector::new("127.0.0.1", port, "/").connect().unwrap();
        assert_eq!(ws.read().unwrap(), Some(Message::from("early")));
        assert_eq!(ws.read().unwrap(), Some(Message::from(vec![7; 70_000])));
        assert_eq!(ws.read().unwrap(), None);
        assert_eq!(ws.closed().unwrap().code(), CloseCode::GOING_AWAY);
        server.join();
    });
}

#[test]
fn s4_1_a_silent_server_is_not_waited_for_any_longer_than_the_handshake_may_take() {
    bounded(|| {
        for said in ["", "HTTP/1.1 101 Switching Protocols\r\nUpg"] {
            let (client, server) = tcp_pair();
            let mut peer = Peer::new(Role::Server, server);
            peer.send_bytes(said);
            let outcome = connect(client, &config(|c| c.handshake_timeout = Some(SOON)));
            assert_shape!(outcome, Err(Error::Response(ResponseError::Timeout)));
            peer.head();
            peer.expect_eof();
        }
    });
}

// ---- opening handshake, server ---------------------------------------------------

#[test]
fn rule_30_early_frames_behind_the_request_are_kept() {
    bounded(|| {
        let (client, server) = tcp_pair();
        let mut peer = Peer::new(Role::Client, client);
        let frames = peer.encode([text("early"), ping("p"), text("bird")]);
        peer.send_bytes([request("").into_bytes(), frames].concat());
        let mut ws = accept(server, &defaults()).unwrap();
        for word in ["early", "bird"] {
            assert_eq!(ws.read().unwrap(), Some(Message::from(word)));
        }
        ws.send("worm").unwrap();
        peer.head();
        peer.expect([pong("p"), text("worm")]);
    });
}

#[test]
fn rule_31_a_request_may_come_in_any_pieces() {
    bounded(|| {
        let (client, server) = tcp_pair();
        let server = Task::start(move || accept(server, &defaults()).unwrap());
        let mut peer = Peer::new(Role::Client, client);
        for byte in request("").bytes() {
            peer.send_bytes([byte]);
        }
        assert!(peer.head().starts_with("HTTP/1.1 101 "));
        assert!(server.join().connection().is_server());
    });
}

#[test]
fn s4_2_2_a_server_may_refuse_with_any_status() {
    bounded(|| {
        for (status, phrase) in
            [(403, "Forbidden"), (404, "Not Found"), (503, "Service Unavailable")]
        {
            let (client, server) = tcp_pair();
            let server = Task::start(move || {
                accept_with(server, defaults(), |request| {
                    let rejection = Rejection::new(status).header("X-Path", request.path());
                    rejection.body("not here").into()
                })
            });
            let mut peer = Peer::new(Role::Client, client);
            // Frames that came early are of no use, and do no harm.
            peer.send_bytes([request("").into_bytes(), peer.encode([text("early")])].concat());
            let head = peer.head();
            assert!(head.starts_with(&format!("HTTP/1.1 {status} {phrase}\r\n")), "{head}");
            assert_eq!(header(&head, "X-Path"), Some("/chat"));
            assert_eq!(rest_of(peer), "not here");
            assert_shape!(server.join(), Ok(None));
        }
    });
}

/// All that comes up to the end of the stream.
#[track_caller]
fn rest_of(mut peer: Peer) -> String {
    let mut rest = String::new();
    peer.stream.read_to_string(&mut rest).unwrap();
    rest
}

#[test]
fn s4_2_2_a_client_of_ours_hears_the_refusal() {
    bounded(|| {
        let (client, server) = tcp_pair();
        let server = Task::start(move || {
            accept_with(server, defaults(), |_| Rejection::new(403).body("no").into())
        });
        let outcome = connect(client, &defaults());
        assert_shape!(outcome, Err(Error::Refused(r)) if r.status() == 403 && r.body() == b"no");
        assert_shape!(server.join(), Ok(None));
    });
}

#[test]
fn rule_69_a_client_is_answered_however_long_the_application_takes_to_decide() {
    bounded(|| {
        let (client, server) = tcp_pair();
        let mut peer = Peer::new(Role::Client, client);
        peer.send_bytes(request(""));
        let config = config(|c| c.handshake_timeout = Some(SOON));
        let server = Task::start(move || {
            accept_with(server, config, |_| {
                thread::sleep(2 * SOON); // the work of the application
                Accept::new().into()
            })
        });
        assert!(peer.head().starts_with("HTTP/1.1 "));
        drop(peer);
        server.join().ok();
    });
}

/// What a server says to this request before it hangs up: status and head.
fn refused(request: impl AsRef<[u8]>) -> (u16, String) {
    let (client, server) = tcp_pair();
    let server = Task::start(move || accept(server, &defaults()));
    let mut peer = Peer::new(Role::Client, client);
    peer.send_bytes(request);
    let head = peer.head();
    let len = header(&head, "Content-Length").unwrap().parse().unwrap();
    assert_eq!(header(&head, "Connection").map(|c| c.contains("close")), Some(true));
    assert_eq!(rest_of(peer).len(), len);
    match server.join() {
        Err(Error::Request(error)) => {
            assert!(head.starts_with(&format!("HTTP/1.1 {} ", error.status())), "{head}");
            (error.status(), head)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn s4_2_1_bad_requests_are_answered_with_the_status_they_deserve() {
    bounded(|| {
        let changed = |from: &str, to: &str| request("").replace(from, to);
        let many_lines = "X: y\r\n".repeat(101);
        let requests = [
            (400, changed("Host: localhost\r\n", "")),
            (400, request("Host: other\r\n")),
            (400, changed("HTTP/1.1", "HTTP/1.0")),
            (400, changed("Connection: Upgrade", "Connection: keep-alive")),
            (400, changed("Key: dGhl", "Key: ")),
            (400, request("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")),
            (400, request("Content-Length: 5\r\n") + "hello"),
            (400, request("Transfer-Encoding: chunked\r\n")),
            (400, request("X: y\r\n folded\r\n")),
            (400, request("X : y\r\n")),
            (400, request("X: y\n")),
            (400, "\u{16}\u{3}\u{1} a client of TLS".into()),
            (405, changed("GET", "POST")),
            (414, changed("/chat", &format!("/{}", "x".repeat(8000)))),
            (426, changed("Version: 13", "Version: 8")),
            (426, changed("Upgrade: websocket\r\n", "")),
            (431, request(&many_lines)),
            (431, request(&format!("X: {}\r\n", "y".repeat(16 << 10)))),
            (505, changed("HTTP/1.1", "HTTP/2.0")),
        ];
        for (expected, request) in requests {
            let (status, head) = refused(&request);
            assert_eq!(status, expected, "{request}");
            match status {
                405 => assert_eq!(header(&head, "Allow"), Some("GET")),
                426 => assert_eq!(header(&head, "Sec-WebSocket-Version"), Some("13")),
                _ => {}
            }
        }
    });
}

#[test]
fn rule_28_no_reset_eats_the_answer_to_a_client_that_is_still_sending() {
    bounded(|| {
        let endless = format!("GET /{} HTTP/1.1\r\n", "x".repeat(8 << 20));
        assert_eq!(refused(endless).0, 414);
    });
}

#[test]
fn s4_2_1_a_client_that_does_not_ask_in_time_is_told_408() {
    bounded(|| {
        for said in ["", "GET /chat HTT", request("").trim_end()] {
            let (client, server) = tcp_pair();
            let mut peer = Peer::new(Role::Client, client);
            peer.send_bytes(said);
            let config = config(|c| c.handshake_timeout = Some(SOON));
            let server = Task::start(move || accept(server, &config));
            assert!(peer.head().starts_with("HTTP/1.1 408 "));
            rest_of(peer);
            assert_shape!(server.join(), Err(Error::Request(RequestError::Timeout)));
        }
    });
}

// ---- messages --------------------------------------------------------------------

/// Sends back all that comes, up to the closing of the connection.
fn echo<S: Transport>(ws: &mut WebSocket<S>) -> Result<(), Error> {
    while let Some(message) = ws.read()? {
        ws.send(&message)?;
        ws.recycle(message);
    }
    Ok(())
}

#[test]
fn s5_6_messages_of_every_length_go_both_ways() {
    bounded(|| {
        const LENGTHS: [usize; 14] = [
            0,
            1,
            125,
            126,
            4095,
            4096,
            16_384,
            65_535,
            65_536,
            65_537,
            1 << 20,
            3_000_001,
            (16 << 20) - 1,
            16 << 20,
        ];
        let (mut client, mut server) = pair(&defaults());
        let server = Task::start(move || echo(&mut server));
        for message in LENGTHS.into_iter().flat_map(messages_of) {
            client.send(&message).unwrap();
            let back = client.read().unwrap().unwrap();
            assert!(back == message, "{:?} of {} bytes", message.kind(), message.as_bytes().len());
        }
        assert!(client.close(CloseCode::NORMAL_CLOSURE, "").unwrap().is_clean());
        server.join().unwrap();
    });
}

/// A server's end over a tape, with these bytes to read.
fn server_on_tape(config: &Arc<Config>, to_read: Vec<u8>) -> WebSocket<Tape> {
    let tape = Tape { to_read: Cursor::new(to_read), ..Tape::default() };
    WebSocket::from_parts(tape, Connection::server(config.clone()), b"")
}

#[test]
fn a_large_message_of_a_servers_is_written_from_where_it_is() {
    for message in messages_of(1 << 20) {
        let mut ws = server_on_tape(&defaults(), Vec::new());
        ws.send(&message).unwrap();
        let bytes = message.as_bytes();
        match ws.stream().writes.as_slice() {
            [parts] => {
                assert_eq!(parts.len(), 2, "header and payload");
                assert_eq!(parts[1], (bytes.as_ptr().addr(), bytes.len()));
            }
            writes => panic!("{} writes", writes.len()),
        }
    }
}

#[test]
fn a_stream_may_take_a_message_in_pieces_of_any_length() {
    for message in [0, 100, 5000, 70_000].into_iter().flat_map(messages_of) {
        for max_write in [1, 2, 3, 10, 4096] {
            let (mut whole, mut pieces) = (Tape::default(), Tape { max_write, ..Tape::default() });
            for tape in [&mut whole, &mut pieces] {
                let ws = Connection::server(defaults());
                let mut ws = WebSocket::from_parts(tape, ws, b"");
                ws.queue("before").unwrap();
                ws.send(&message).unwrap();
                ws.send("behind").unwrap();
            }
            assert!(whole.written == pieces.written, "{max_write} bytes at a time");
        }
    }
}

#[test]
fn s5_4_nothing_comes_between_the_header_and_the_payload_of_a_large_message() {
    // A Ping is due whenever the time is told.
    let config = config(|c| {
        c.ping_interval = Some(Duration::from_nanos(1));
        c.idle_timeout = Some(Duration::from_secs(3600));
    });
    for message in messages_of(5000) {
        let mut ws = server_on_tape(&config, Vec::new());
        ws.send(&message).unwrap();
        let frames = sent_frames(&ws.stream().written, false);
        let mut data = frames.iter().filter(|(first, _)| first & 0x0f != PING);
        assert_eq!(data.next().map(|(_, payload)| payload.as_slice()), Some(message.as_bytes()));
        assert_eq!(data.next(), None);
    }
}

#[test]
fn many_messages_and_answers_go_out_in_one_write() {
    let mut ws = server_on_tape(&defaults(), frames_from_client([ping("p"), ping("q"), ping("r")]));
    for n in 0..100 {
        ws.queue(n.to_string()).unwrap();
    }
    assert!(ws.stream().writes.is_empty(), "queued is not sent");
    ws.flush().unwrap();
    assert_eq!(ws.stream().writes.len(), 1);
    assert_shape!(ws.read(), Err(Error::Lost { .. }));
    assert_eq!(ws.stream().writes.len(), 2);
    let texts = (0..100).map(|n| (0x80 | TEXT, n.to_string().into_bytes()));
    let pongs = ["p", "q", "r"].map(|p| (0x80 | PONG, p.into()));
    assert_eq!(
        sent_frames(&ws.stream().written, false),
        texts.chain(pongs).collect::<Vec<_>>(),
        "in order"
    );
}

fn frames_from_client(frames: impl IntoIterator<Item = Frame>) -> Vec<u8> {
    frames.into_iter().flat_map(|f| f.masked()).collect()
}

#[test]
fn what_is_queued_goes_out_before_read_waits() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &defaults());
        ws.queue("a").unwrap();
        ws.queue(vec![1, 2]).unwrap();
        let reader = Task::start(move || ws.read().unwrap());
        peer.expect([text("a"), binary([1, 2])]);
        peer.send([text("c")]);
        assert_eq!(reader.join(), Some(Message::from("c")));
    });
}

#[test]
fn s5_4_fragments_of_both_sides_make_one_message() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &defaults());
        // The cut goes through a character.
        ws.command(|ws, out| ws.send_text_fragment(b"fl\xc3", false, out)).unwrap();
        ws.ping(b"between").unwrap();
        ws.command(|ws, out| ws.send_text_fragment(b"\xbc", false, out)).unwrap();
        ws.command(|ws, out| ws.send_text_fragment(b"ssig", true, out)).unwrap();
        let fragments = [
            fragment(TEXT, b"fl\xc3"),
            ping("between"),
            fragment(CONTINUATION, b"\xbc"),
            frame(CONTINUATION, "ssig"),
        ];
        peer.expect(fragments.clone());
        peer.send(fragments);
        peer.send([fragment(BINARY, ""), fragment(CONTINUATION, [1]), frame(CONTINUATION, "")]);
        assert_eq!(ws.read().unwrap(), Some(Message::from("fl\u{fc}ssig")));
        assert_eq!(ws.read().unwrap(), Some(Message::from(vec![1])));
    });
}

#[test]
fn s5_4_events_are_read_without_waiting_for_the_end_of_a_message() {
    bounded(|| {
        const LEN: u64 = 4 << 20;
        let config = config(|c| {
            c.max_message_len = u64::MAX;
            c.max_frame_len = u64::MAX;
        });
        for role in ROLES {
            let (mut ws, mut peer) = open(role, &config);
            let masked = role == Role::Server;
            // A frame that will never end.
            peer.send_bytes(announce(0x80 | BINARY, (1 << 63) - 1, masked));
            let sender = Task::start(move || {
                // Masked with the key of `announce`, so what arrives repeats every 4 bytes.
                peer.send_bytes(vec![0; LEN as usize]);
                peer
            });
            let (mut came, mut chunks) = (0, 0);
            while came < LEN {
                assert!(ws.ready().unwrap());
                while let Some(event) = ws.next_event() {
                    match event {
                        Event::Binary(chunk) => {
                            assert_eq!(chunk.is_first(), chunks == 0);
                            assert!(!chunk.is_last());
                            came += chunk.as_bytes().len() as u64;
                            chunks += 1;
                        }
                        other => panic!("{other:?}"),
                    }
                }
            }
            assert!(chunks > 1);
            assert_eq!(ws.connection().frame_remaining(), (1 << 63) - 1 - LEN);
            drop(sender.join());
            assert_shape!(ws.ready(), Err(Error::Lost { inside_frame: true, .. }));
        }
    });
}

#[test]
fn s5_5_2_pings_are_answered_while_read_waits() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &defaults());
        let reader = Task::start(move || ws.read().unwrap());
        peer.send([ping("one")]);
        peer.expect([pong("one")]);
        peer.send([fragment(TEXT, "a"), ping([0; 125])]);
        peer.expect([pong([0; 125])]);
        peer.send([pong("unasked for"), frame(CONTINUATION, "b")]);
        assert_eq!(reader.join(), Some(Message::from("ab")));
    });
}

#[test]
fn s5_5_3_the_pong_to_a_ping_of_ours_tells_the_round_trip_time() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &defaults());
        ws.ping(b"there?").unwrap();
        assert_shape!(ws.ping(&[0; 126]), Err(Error::Send(SendError::ControlTooLong)));
        peer.expect([ping("there?")]);
        assert_eq!(ws.connection().round_trip_time(), None);
        peer.send([pong("there?"), text("x")]);
        assert!(ws.read().unwrap().is_some());
        assert!(ws.connection().round_trip_time().is_some());
    });
}

#[test]
fn memory_of_a_message_can_be_used_again() {
    bounded(|| {
        let (mut client, mut server) = pair(&defaults());
        let sender = Task::start(move || {
            for _ in 0..2 {
                client.send(bytes_of(1 << 20)).unwrap();
            }
            client
        });
        let first = server.read().unwrap().unwrap();
        let address = first.as_bytes().as_ptr().addr();
        server.recycle(first);
        let second = server.read().unwrap().unwrap();
        assert_eq!(second.as_bytes().as_ptr().addr(), address);
        sender.join();
    });
}

#[test]
fn a_connection_made_elsewhere_brings_the_bytes_behind_its_handshake() {
    bounded(|| {
        let (client, server) = tcp_pair();
        let early = frames_from_client([text("early"), text("late")]);
        let (early, late) = early.split_at(8);
        let ws = Connection::server(defaults());
        let mut ws = WebSocket::from_parts(server, ws, early);
        let mut peer = Peer::new(Role::Client, client);
        peer.send_bytes(late);
        for word in ["early", "late"] {
            assert_eq!(ws.read().unwrap(), Some(Message::from(word)));
        }
    });
}

// ---- closing ---------------------------------------------------------------------

#[test]
fn s7_1_2_we_close_with_every_legal_code() {
    bounded(|| {
        for (role, code) in ROLES.into_iter().flat_map(|r| CODES.map(|c| (r, c))) {
            let (mut ws, mut peer) = open(role, &defaults());
            let ours = Task::start(move || (ws.close(CloseCode::new(code), REASON), ws));
            peer.expect([close(code, REASON)]);
            peer.send([close(code, REASON)]);
            peer.finish();
            let (closed, mut ws) = ours.join();
            let closed = closed.unwrap();
            assert!(closed.is_clean());
            assert_eq!((closed.by(), closed.cause()), (Side::Local, Cause::ClosingHandshake));
            assert_eq!((closed.code().get(), closed.reason()), (code, REASON));
            assert_eq!(ws.closed(), Some(closed));
            assert_shape!(ws.send("more"), Err(Error::Send(SendError::Closed)));
            assert_shape!(ws.read(), Ok(None));
        }
    });
}

#[test]
fn s5_5_1_the_peers_close_is_answered_with_its_code_and_reason() {
    bounded(|| {
        for (role, code) in ROLES.into_iter().flat_map(|r| CODES.map(|c| (r, c))) {
            let (mut ws, mut peer) = open(role, &defaults());
            let ours = Task::start(move || (ws.read(), ws));
            peer.send([close(code, REASON)]);
            peer.expect([close(code, REASON)]);
            peer.finish();
            let (outcome, mut ws) = ours.join();
            assert_shape!(outcome, Ok(None));
            let closed = ws.closed().unwrap();
            assert!(closed.is_clean());
            assert_eq!(closed.by(), Side::Peer);
            assert_eq!((closed.code().get(), closed.reason()), (code, REASON));
            assert_shape!(ws.send("more"), Err(Error::Send(SendError::Closed)));
            assert_eq!(ws.close(CloseCode::NORMAL_CLOSURE, "").unwrap(), closed);
        }
    });
}

#[test]
fn s7_1_5_a_close_without_a_body_reports_1005_on_both_sides() {
    each_role(|role| {
        for by_us in [true, false] {
            let (mut ws, mut peer) = open(role, &defaults());
            if by_us {
                ws.command(|ws, out| ws.close(None, "", out)).unwrap();
                peer.expect([empty_close()]);
                peer.send([empty_close()]);
            } else {
                peer.send([empty_close()]);
            }
            let ours = Task::start(move || (ws.read(), ws.closed().unwrap()));
            if !by_us {
                peer.expect([empty_close()]);
            }
            peer.finish();
            let (outcome, closed) = ours.join();
            assert_shape!(outcome, Ok(None));
            assert!(closed.is_clean());
            assert_eq!(closed.code(), CloseCode::NO_STATUS_RECEIVED);
        }
    });
}

#[test]
fn s7_4_codes_that_may_not_be_sent_are_refused_and_change_nothing() {
    bounded(|| {
        let (mut ws, mut peer) = open(Role::Server, &defaults());
        for forbidden in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
            let code = CloseCode::new(forbidden);
            assert_shape!(ws.close(code, ""), Err(Error::Send(SendError::InvalidCloseCode)));
            assert_shape!(ws.start_close(code, ""), Err(Error::Send(SendError::InvalidCloseCode)));
        }
        ws.send("still open").unwrap();
        peer.expect([text("still open")]);
    });
}

#[test]
fn rule_52_a_reason_is_cut_at_123_bytes_before_a_character_that_does_not_fit() {
    bounded(|| {
        for (reason, kept) in [("x".repeat(200), 123), ("\u{e9}".repeat(100), 122)] {
            let (mut ws, mut peer) = open(Role::Client, &defaults());
            ws.start_close(CloseCode::NORMAL_CLOSURE, &reason).unwrap();
            peer.expect([close(1000, &reason[..kept])]);
        }
    });
}

#[test]
fn two_ends_of_ours_close_in_good_order() {
    bounded(|| {
        for by_client in [true, false] {
            let (client, server) = pair(&defaults());
            let (mut first, mut second) =
                if by_client { (client, server) } else { (server, client) };
            let second = Task::start(move || (second.read(), second.closed().unwrap()));
            let closed = first.close(CloseCode::GOING_AWAY, REASON).unwrap();
            let (outcome, seen) = second.join();
            assert_shape!(outcome, Ok(None));
            assert!(closed.is_clean() && seen.is_clean());
            assert_eq!((closed.by(), seen.by()), (Side::Local, Side::Peer));
            assert_eq!((seen.code(), seen.reason()), (CloseCode::GOING_AWAY, REASON));
        }
    });
}

#[test]
fn rule_65_both_may_close_at_the_same_time() {
    bounded(|| {
        for role in ROLES {
            let (mut ws, mut peer) = open(role, &defaults());
            peer.send([close(4001, "theirs")]);
            ws.start_close(CloseCode::new(4000), "ours").unwrap();
            peer.expect([close(4000, "ours")]);
            let ours = Task::start(move || (ws.read(), ws.closed().unwrap()));
            peer.finish(); // nothing comes but the end
            let (outcome, closed) = ours.join();
            assert_shape!(outcome, Ok(None));
            assert!(closed.is_clean());
            assert_eq!((closed.code().get(), closed.reason()), (4001, "theirs"));
        }
        let (mut client, mut server) = pair(&defaults());
        client.start_close(CloseCode::new(4001), "").unwrap();
        server.start_close(CloseCode::new(4002), "").unwrap();
        let server = Task::start(move || (server.read(), server.closed().unwrap()));
        assert_shape!(client.read(), Ok(None));
        let (outcome, closed) = server.join();
        assert_shape!(outcome, Ok(None));
        assert_eq!(closed.code().get(), 4001);
        assert_eq!(client.closed().unwrap().code().get(), 4002);
    });
}

#[test]
fn s5_5_1_messages_before_the_peers_close_are_read_after_ours() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &defaults());
        ws.start_close(CloseCode::NORMAL_CLOSURE, "").unwrap();
        peer.expect([close(1000, "")]);
        peer.send([text("a"), ping("unanswered"), binary([2]), close(1000, "")]);
        let ours = Task::start(move || [ws.read(), ws.read(), ws.read()].map(Result::unwrap));
        peer.finish(); // nothing comes but the end
        let read = [Some(Message::from("a")), Some(Message::from(vec![2])), None];
        assert_eq!(ours.join(), read);
    });
}

#[test]
fn s5_5_1_close_reads_and_drops_what_the_peer_still_sends() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &defaults());
        let ours = Task::start(move || ws.close(CloseCode::NORMAL_CLOSURE, ""));
        // More than the network holds: it would get stuck.
        peer.send(iter::repeat_n(binary(vec![0; 1 << 20]), 12));
        peer.send([fragment(TEXT, "cut short"), close(1000, "")]);
        peer.expect([close(1000, "")]);
        peer.finish();
        assert!(ours.join().unwrap().is_clean());
    });
}

#[test]
fn rule_73_a_message_that_a_close_cuts_short_is_void() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &defaults());
        peer.send([fragment(TEXT, "half a mess"), close(1000, "")]);
        let ours = Task::start(move || ws.read());
        peer.expect([close(1000, "")]);
        peer.finish();
        assert_shape!(ours.join(), Ok(None));
    });
}

#[test]
fn s7_1_1_server_closes_the_transport_first() {
    bounded(|| {
        let (mut ws, mut peer) = open(Role::Server, &defaults());
        let ours = Task::start(move || ws.read());
        peer.send([close(1000, "")]);
        peer.expect([close(1000, "")]);
        peer.expect_eof(); // though our side is open
        // It reads on until we end, or a reset could eat its Close.
        peer.send_bytes([0; 1 << 16]);
        drop(peer);
        assert_shape!(ours.join(), Ok(None));
    });
}

#[test]
fn s7_1_1_client_waits_for_the_server_to_close_the_transport() {
    bounded(|| {
        let (mut ws, mut peer) = open(Role::Client, &defaults());
        let ours = Task::start(move || ws.read());
        peer.send([close(1000, "")]);
        peer.expect([close(1000, "")]);
        peer.stream.set_read_timeout(Some(SOON)).unwrap();
        let outcome = peer.stream.read(&mut [0]);
        assert_shape!(outcome, Err(e) if e.kind() == ErrorKind::WouldBlock);
        drop(peer);
        assert_shape!(ours.join(), Ok(None));
    });
}

#[test]
fn s7_1_1_a_peer_that_never_closes_the_transport_is_not_waited_for_for_ever() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &config(|c| c.close_timeout = Some(SOON)));
        peer.send([close(1000, "")]);
        assert_shape!(ws.read(), Ok(None));
        assert!(ws.closed().unwrap().is_clean());
        peer.expect([close(1000, "")]);
    });
}

#[test]
fn s7_1_4_a_reset_after_the_closing_handshake_is_no_error() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &defaults());
        ws.send("not read, so that its end is a reset").unwrap();
        peer.send([text("last words"), close(1000, "")]);
        drop(peer);
        assert_eq!(ws.read().unwrap(), Some(Message::from("last words")));
        assert_shape!(ws.read(), Ok(None));
        assert!(ws.closed().unwrap().is_clean());
    });
}

// ---- failing ---------------------------------------------------------------------

#[test]
fn s7_1_7_a_violation_is_an_error_and_the_peer_is_told() {
    use ProtocolError::*;
    bounded(|| {
        let small = config(|c| {
            c.max_message_len = 1000;
            c.max_frame_len = 800;
        });
        for role in ROLES {
            let masked = role == Role::Server;
            let encode = |frames: &[Frame]| -> Vec<u8> {
                frames.iter().flat_map(|f| if masked { f.masked() } else { f.unmasked() }).collect()
            };
            let half = vec![0; 600];
            let violations = [
                (encode(&[text("x").rsv(4)]), ReservedBits),
                (encode(&[frame(3, "")]), ReservedOpcode),
                (encode(&[fragment(PING, "")]), ControlFrameFragmented),
                (encode(&[ping([0; 126])]), ControlFrameTooLong),
                (encode(&[frame(CONTINUATION, "")]), ContinuationWithoutStart),
                (encode(&[fragment(TEXT, ""), text("")]), MessageInProgress),
                (encode(&[frame(TEXT, b"\xff")]), TextNotUtf8),
                (encode(&[frame(CLOSE, [3])]), ClosePayloadTruncated),
                (encode(&[close(1005, "")]), CloseCodeInvalid),
                (encode(&[close(1000, b"\xff")]), CloseReasonNotUtf8),
                (encode(&[binary([0; 801])]), FrameTooLong),
                (encode(&[fragment(BINARY, &half), frame(CONTINUATION, &half)]), MessageTooLong),
                (announce(0x80 | BINARY, 5, masked), LengthNotMinimal),
                (announce(0x80 | BINARY, 1 << 63, masked), LengthTopBitSet),
                if masked {
                    (text("x").unmasked(), UnmaskedByClient)
                } else {
                    (text("x").masked(), MaskedByServer)
                },
            ];
            for (bytes, expected) in violations {
                let (mut ws, mut peer) = open(role, &small);
                let ours = Task::start(move || (ws.read(), ws));
                peer.send([text("fine")]);
                peer.send_bytes(bytes);
                let (outcome, mut ws) = ours.join();
                assert_eq!(outcome.unwrap(), Some(Message::from("fine")));
                let ours = Task::start(move || (ws.read(), ws));
                peer.expect([close(expected.close_code().get(), "")]);
                peer.expect_eof();
                drop(peer);
                let (outcome, mut ws) = ours.join();
                assert_shape!(outcome, Err(Error::Protocol(e)) if e == expected);
                assert_eq!(ws.closed().unwrap().cause(), Cause::Protocol(expected));
                assert_shape!(ws.read(), Err(Error::Protocol(e)) if e == expected);
                assert_shape!(ws.send("x"), Err(Error::Send(SendError::Closed)));
                assert_shape!(ws.close(code(1000), ""), Err(Error::Protocol(e)) if e == expected);
            }
        }
    });
}

#[test]
fn rule_67_no_reset_eats_the_close_of_a_failing_connection() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &defaults());
        let ours = Task::start(move || ws.read());
        peer.send([text("x").rsv(1)]);
        // Still sending, more than the network holds.
        peer.send_bytes(vec![0; STUCK]);
        peer.expect([close(1002, "")]);
        peer.expect_eof();
        drop(peer);
        assert_shape!(ours.join(), Err(Error::Protocol(ProtocolError::ReservedBits)));
    });
}

#[test]
fn rule_72_an_end_inside_a_frame_is_told_from_one_between_frames() {
    each_role(|role| {
        let masked = role == Role::Server;
        let encode = |f: Frame| if masked { f.masked() } else { f.unmasked() };
        let whole = encode(text("whole"));
        let ends = [
            (Vec::new(), false),
            (whole.clone(), false),
            (encode(fragment(TEXT, "one of several")), false),
            (encode(ping("p")), false),
            (whole[..1].to_vec(), true),
            (whole[..whole.len() - 5].to_vec(), true),
            (whole[..whole.len() - 1].to_vec(), true),
            (encode(ping("p"))[..2].to_vec(), true),
            (announce(0x80 | BINARY, 1 << 20, masked), true),
        ];
        for (bytes, expected) in ends {
            let (mut ws, mut peer) = open(role, &defaults());
            peer.send_bytes(&bytes);
            peer.half_close();
            let outcome = loop {
                match ws.read() {
                    Ok(Some(message)) => assert_eq!(message, Message::from("whole")),
                    outcome => break outcome,
                }
            };
            assert_shape!(
                outcome,
                Err(Error::Lost { inside_frame, .. }) if inside_frame == expected
            );
            let closed = ws.closed().unwrap();
            assert_eq!(closed.code(), CloseCode::ABNORMAL_CLOSURE);
            assert_eq!((closed.is_clean(), closed.by()), (false, Side::Peer));
        }
    });
}

#[test]
fn s7_1_5_an_end_after_our_close_alone_is_not_clean() {
    each_role(|role| {
        let (mut ws, peer) = open(role, &defaults());
        peer.half_close();
        let outcome = ws.close(CloseCode::NORMAL_CLOSURE, "");
        assert_shape!(outcome, Err(Error::Lost { inside_frame: false, .. }));
        assert_eq!(ws.closed().unwrap().by(), Side::Local);
    });
}

#[test]
fn a_reset_is_an_io_error_after_all_that_was_said_before_it() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &defaults());
        ws.send("not read, so that its end is a reset").unwrap();
        peer.send([text("last words"), ping("p")]);
        drop(peer);
        assert_eq!(ws.read().unwrap(), Some(Message::from("last words")));
        match ws.read() {
            // The answer to the Ping may have met the reset before us.
            Err(Error::Lost { .. }) => {}
            Err(Error::Io(error)) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
            other => panic!("{other:?}"),
        }
        assert!(!ws.closed().unwrap().is_clean());
    });
}

// ---- deadlines of the caller -----------------------------------------------------

#[test]
fn a_read_that_its_deadline_ends_loses_nothing() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &defaults());
        let bytes =
            peer.encode([ping("p"), fragment(TEXT, "\u{e9}"), frame(CONTINUATION, "t\u{e9}")]);
        for cut in 0..bytes.len() {
            peer.send_bytes(&bytes[..cut]);
            ws.set_deadline(Some(Instant::now() + Duration::from_millis(5)));
            assert_shape!(ws.read(), Err(Error::DeadlineExceeded));
            assert_shape!(ws.read(), Err(Error::DeadlineExceeded));
            peer.send_bytes(&bytes[cut..]);
            ws.set_deadline(None);
            assert_eq!(ws.read().unwrap(), Some(Message::from("\u{e9}t\u{e9}")));
            ws.flush().unwrap();
            peer.expect([pong("p")]);
        }
    });
}

#[test]
fn a_send_that_its_deadline_ends_goes_on_with_flush() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &defaults());
        let message = Message::from(bytes_of(STUCK));
        ws.set_deadline(soon());
        assert_shape!(ws.send(&message), Err(Error::DeadlineExceeded));
        ws.queue("behind it").unwrap();
        assert_shape!(ws.flush(), Err(Error::DeadlineExceeded));
        ws.set_deadline(None);
        let ours = Task::start(move || ws.flush());
        let (first, payload) = peer.frame();
        assert!(first == 0x80 | BINARY && payload == message.as_bytes());
        peer.expect([text("behind it")]);
        ours.join().unwrap();
    });
}

#[test]
fn a_deadline_ends_waiting_for_the_peers_close_too() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &defaults());
        ws.set_deadline(soon());
        assert_shape!(ws.close(code(1000), ""), Err(Error::DeadlineExceeded));
        ws.set_deadline(None);
        peer.expect([close(1000, "")]);
        peer.send([close(1000, "")]);
        let ours = Task::start(move || ws.close(code(1000), ""));
        peer.finish();
        assert!(ours.join().unwrap().is_clean());
    });
}

// ---- deadlines of the engine -----------------------------------------------------

#[test]
fn a_peer_that_answers_no_ping_is_given_up() {
    bounded(|| {
        let config = config(|c| {
            c.ping_interval = Some(SOON);
            c.pong_timeout = SOON;
        });
        for role in ROLES {
            let (mut ws, mut peer) = open(role, &config);
            let ours = Task::start(move || (ws.read(), ws.closed().unwrap()));
            assert_eq!(peer.frame().0, 0x80 | PING);
            peer.expect([close(1011, "no answer to a Ping")]);
            peer.expect_eof();
            drop(peer);
            let (outcome, closed) = ours.join();
            assert_shape!(outcome, Err(Error::Timeout(Timeout::Pong)));
            assert_eq!(closed.cause(), Cause::Timeout(Timeout::Pong));
        }
    });
}

#[test]
fn a_peer_that_answers_pings_is_kept() {
    bounded(|| {
        let config = config(|c| c.ping_interval = Some(Duration::from_millis(5)));
        for role in ROLES {
            let (mut ws, mut peer) = open(role, &config);
            let ours = Task::start(move || (ws.read().unwrap(), ws));
            for _ in 0..5 {
                let (first, payload) = peer.frame();
                assert_eq!(first, 0x80 | PING);
                peer.send([pong(payload)]);
            }
            peer.send([text("here")]);
            let (message, ws) = ours.join();
            assert_eq!(message, Some(Message::from("here")));
            assert!(ws.connection().round_trip_time().is_some());
        }
    });
}

#[test]
fn a_peer_that_takes_nothing_is_given_up_while_we_send() {
    bounded(|| {
        let config = config(|c| {
            c.ping_interval = Some(SOON);
            c.pong_timeout = SOON;
            c.close_timeout = Some(SOON);
        });
        for role in ROLES {
            let (mut ws, peer) = open(role, &config);
            let outcome = ws.send(vec![0; STUCK]);
            assert_shape!(outcome, Err(Error::Timeout(Timeout::Pong)));
            assert_shape!(ws.send("more"), Err(Error::Send(SendError::Closed)));
            drop(peer);
        }
    });
}

#[test]
fn an_idle_connection_is_closed_with_1001() {
    bounded(|| {
        let config = config(|c| {
            c.idle_timeout = Some(SOON);
            c.close_timeout = Some(SOON);
        });
        for role in ROLES {
            for answers in [true, false] {
                let (mut ws, mut peer) = open(role, &config);
                // Not data: it does not count.
                peer.send([ping("")]);
                let ours = Task::start(move || (ws.read(), ws.closed().unwrap()));
                peer.expect([pong(""), close(1001, "idle for too long")]);
                if answers {
                    peer.send([close(1001, "")]);
                }
                let (outcome, closed) = ours.join();
                assert_eq!(closed.cause(), Cause::Timeout(Timeout::Idle));
                assert_eq!((closed.is_clean(), closed.by()), (answers, Side::Local));
                if answers {
                    assert_shape!(outcome, Ok(None));
                } else {
                    assert_shape!(outcome, Err(Error::Timeout(Timeout::Idle)));
                }
            }
        }
    });
}

#[test]
fn a_peer_that_does_not_answer_our_close_is_given_up() {
    bounded(|| {
        let config = config(|c| c.close_timeout = Some(SOON));
        for role in ROLES {
            let (mut ws, mut peer) = open(role, &config);
            assert_shape!(ws.close(code(1000), ""), Err(Error::Timeout(Timeout::Close)));
            assert_eq!(ws.closed().unwrap().cause(), Cause::Timeout(Timeout::Close));
            peer.expect([close(1000, "")]);

            // Nor does one that goes on talking get more time.
            let (mut ws, mut peer) = open(role, &config);
            let chatter = peer.encode(iter::repeat_n(text("chatter"), 100));
            let talker = Task::start(move || while peer.stream.write_all(&chatter).is_ok() {});
            assert_shape!(ws.close(code(1000), ""), Err(Error::Timeout(Timeout::Close)));
            drop(ws);
            talker.join();
        }
    });
}

#[test]
fn deadlines_may_be_off_or_as_long_as_a_duration_can_be() {
    bounded(|| {
        for long in [None, Some(Duration::MAX)] {
            let config = config(|c| {
                c.handshake_timeout = long;
                c.ping_interval = long;
                c.pong_timeout = Duration::MAX;
                c.idle_timeout = long;
                c.close_timeout = long;
            });
            let (mut client, mut server) = pair(&config);
            let server = Task::start(move || echo(&mut server));
            client.send("hello").unwrap();
            assert_eq!(client.read().unwrap(), Some(Message::from("hello")));
            let (mut reader, mut writer) = client.split().unwrap();
            writer.close(code(1000), "").unwrap();
            assert_shape!(reader.read(), Ok(None));
            server.join().unwrap();
        }
    });
}

// ---- other streams ---------------------------------------------------------------

/// One end of a pair of queues; its reads wait, and know no time.
struct Pipe {
    from: mpsc::Receiver<Vec<u8>>,
    to: mpsc::Sender<Vec<u8>>,
    came: Cursor<Vec<u8>>,
}

fn pipes() -> (Untimed<Pipe>, Untimed<Pipe>) {
    let (to_a, from_b) = mpsc::channel();
    let (to_b, from_a) = mpsc::channel();
    let pipe = |from, to| Untimed::new(Pipe { from, to, came: Cursor::default() });
    (pipe(from_a, to_a), pipe(from_b, to_b))
}

impl Read for Pipe {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.came.read(buf)? {
                0 => match self.from.recv() {
                    Ok(bytes) => self.came = Cursor::new(bytes),
                    Err(_) => return Ok(0), // the other end was dropped
                },
                len => return Ok(len),
            }
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.to.send(buf.to_vec()).map_err(|_| ErrorKind::BrokenPipe)?;
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Messages there and back over any pair of streams.
fn exchange<S: Transport + Send + 'static>(streams: (S, S)) -> (WebSocket<S>, WebSocket<S>) {
    let (mut client, mut server) = pair_over(streams, &defaults());
    let echo = Task::start(move || {
        for _ in 0..10 {
            let message = server.read().unwrap().unwrap();
            server.send(&message).unwrap();
        }
        server
    });
    for message in [0, 1, 126, 5000, 300_000].into_iter().flat_map(messages_of) {
        client.send(&message).unwrap();
        assert!(client.read().unwrap().unwrap() == message);
    }
    (client, echo.join())
}

#[test]
fn a_stream_without_timeouts_carries_messages() {
    bounded(|| {
        let (client, mut server) = exchange(pipes());
        drop(client);
        assert_shape!(server.read(), Err(Error::Lost { inside_frame: false, .. }));
    });
}

#[test]
fn s7_1_1_two_ends_without_timeouts_or_half_close_do_not_wait_for_each_other() {
    bounded(|| {
        for by_client in [true, false] {
            let (client, server) = exchange(pipes());
            let (mut first, mut second) =
                if by_client { (client, server) } else { (server, client) };
            let second = Task::start(move || second.read().map(|_| second.closed()));
            // Dropping the stream is what ends it.
            let closed = Task::start(move || first.close(code(1000), "")).join().unwrap();
            assert!(closed.is_clean());
            assert!(second.join().unwrap().unwrap().is_clean());
        }
    });
}

#[cfg(unix)]
#[test]
fn a_unix_socket_is_as_good_as_any() {
    bounded(|| {
        for by_client in [true, false] {
            let (client, server) = exchange(std::os::unix::net::UnixStream::pair().unwrap());
            let (mut first, mut second) =
                if by_client { (client, server) } else { (server, client) };
            let second = Task::start(move || second.read());
            assert!(first.close(code(1000), "").unwrap().is_clean());
            assert_shape!(second.join(), Ok(None));
        }
    });
}

// ---- two threads -----------------------------------------------------------------

/// Our end in this role, split; and the peer.
fn open_split(ours: Role, config: &Arc<Config>) -> (Reader, Writer, Peer) {
    let (ws, peer) = open(ours, config);
    let (reader, writer) = ws.split().unwrap();
    (reader, writer, peer)
}

/// Reads to the end.
fn read_all(mut reader: Reader) -> Result<Vec<Message<'static>>, Error> {
    iter::from_fn(|| reader.read().transpose()).collect()
}

/// Sends a message that nobody reads.
fn get_stuck(mut writer: Writer, peer: &Peer) -> Task<Result<(), Error>> {
    let writer = Task::start(move || writer.send(vec![7; STUCK]));
    peer.stream.peek(&mut [0]).unwrap(); // it has begun, and cannot end
    writer
}

#[test]
fn split_ten_thousand_messages_go_each_way_at_once() {
    bounded(|| {
        const COUNT: u32 = 10_000;
        let (client, server) = pair(&defaults());
        let tasks = [client, server].map(|ws| {
            let (mut reader, mut writer) = ws.split().unwrap();
            let writer = Task::start(move || {
                for n in 0..COUNT {
                    writer.send(n.to_string()).unwrap();
                }
                writer
            });
            let reader = Task::start(move || {
                for n in 0..COUNT {
                    assert_eq!(reader.read().unwrap(), Some(Message::from(n.to_string())));
                }
                reader
            });
            (reader, writer)
        });
        let [(client, mut closer), (server, _)] = tasks.map(|(r, w)| (r.join(), w.join()));
        closer.close(code(1000), "enough").unwrap();
        let server = Task::start(move || read_all(server).unwrap());
        assert_eq!(read_all(client).unwrap(), []);
        assert_eq!(server.join(), []);
    });
}

#[test]
fn split_large_messages_cross_each_other() {
    bounded(|| {
        let (client, server) = pair(&defaults());
        let tasks = [client, server].map(|ws| {
            let (mut reader, mut writer) = ws.split().unwrap();
            let message = bytes_of(8 << 20);
            let expected = Message::from(message.clone());
            let writer = Task::start(move || {
                for _ in 0..3 {
                    writer.send(message.as_slice()).unwrap();
                }
                writer
            });
            let reader = Task::start(move || {
                for _ in 0..3 {
                    assert!(reader.read().unwrap().unwrap() == expected);
                }
                reader
            });
            (reader, writer)
        });
        for (reader, writer) in tasks {
            reader.join();
            writer.join();
        }
    });
}

#[test]
fn rule_58_split_answers_pings_at_the_next_border_while_the_writer_is_stuck() {
    each_role(|role| {
        let (mut reader, writer, mut peer) = open_split(role, &defaults());
        let writer = get_stuck(writer, &peer);
        for n in 0..3 {
            peer.send([ping(format!("p{n}")), text(&n.to_string())]);
            assert_eq!(reader.read().unwrap(), Some(Message::from(n.to_string())));
        }
        let reader = Task::start(move || reader.read());
        let (first, payload) = peer.frame();
        assert!(first == 0x80 | BINARY && payload == vec![7; STUCK]);
        // Without another word from either of us.
        peer.expect([pong("p0"), pong("p1"), pong("p2")]);
        writer.join().unwrap();
        peer.send([text("bye")]);
        assert_eq!(reader.join().unwrap(), Some(Message::from("bye")));
    });
}

#[test]
fn split_takes_over_what_was_read_and_what_was_not_sent() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &defaults());
        peer.send([text("first"), text("second"), ping("p"), text("third")]);
        assert_eq!(ws.read().unwrap(), Some(Message::from("first")));
        // Part of it is on the wire.
        ws.set_deadline(soon());
        assert_shape!(ws.send(vec![7; STUCK]), Err(Error::DeadlineExceeded));
        ws.queue("queued").unwrap();
        let (mut reader, mut writer) = ws.split().unwrap();
        let ours = Task::start(move || {
            writer.send("by the writer").unwrap();
            [reader.read(), reader.read()].map(Result::unwrap)
        });
        let (first, payload) = peer.frame();
        assert!(first == 0x80 | BINARY && payload == vec![7; STUCK]);
        peer.expect([text("queued"), text("by the writer"), pong("p")]);
        assert_eq!(ours.join(), ["second", "third"].map(|t| Some(Message::from(t))));
    });
}

#[test]
fn split_the_reader_sees_the_writers_close_to_its_end() {
    each_role(|role| {
        let (reader, mut writer, mut peer) = open_split(role, &defaults());
        let reader = Task::start(move || read_all(reader));
        writer.close(code(4000), REASON).unwrap();
        assert_shape!(writer.send("more"), Err(Error::Send(SendError::Closed)));
        peer.expect([close(4000, REASON)]);
        peer.send([text("not yet"), close(4000, "")]);
        peer.finish();
        assert_eq!(reader.join().unwrap(), [Message::from("not yet")]);
        let closed = writer.closed().unwrap();
        assert!(closed.is_clean());
        assert_eq!((closed.by(), closed.code().get()), (Side::Local, 4000));
    });
}

#[test]
fn split_the_peers_close_is_answered_and_ends_both_halves() {
    each_role(|role| {
        let (reader, mut writer, mut peer) = open_split(role, &defaults());
        let reader = Task::start(move || read_all(reader));
        peer.send([text("bye"), close(1001, REASON)]);
        peer.expect([close(1001, REASON)]);
        peer.finish();
        assert_eq!(reader.join().unwrap(), [Message::from("bye")]);
        assert_shape!(writer.send("more"), Err(Error::Send(SendError::Closed)));
        assert_shape!(writer.ping(b""), Err(Error::Send(SendError::Closed)));
        assert!(writer.closed().unwrap().is_clean());
    });
}

#[test]
fn split_a_violation_is_told_to_a_peer_that_is_still_sending() {
    each_role(|role| {
        let (reader, mut writer, mut peer) = open_split(role, &defaults());
        let reader = Task::start(move || read_all(reader));
        peer.send([frame(TEXT, b"\xc0")]);
        peer.send_bytes(vec![0; STUCK]);
        peer.expect([close(1007, "")]);
        peer.expect_eof();
        drop(peer);
        assert_shape!(reader.join(), Err(Error::Protocol(ProtocolError::TextNotUtf8)));
        assert_shape!(writer.send("more"), Err(Error::Send(SendError::Closed)));
    });
}

#[test]
fn split_the_close_deadline_is_noticed_though_the_reader_waits() {
    each_role(|role| {
        let config = config(|c| c.close_timeout = Some(SOON));
        let (reader, mut writer, mut peer) = open_split(role, &config);
        let reader = Task::start(move || read_all(reader));
        // Read by the reader: it waits now, or soon.
        peer.send([ping("")]);
        peer.expect([pong("")]);
        writer.close(code(1000), "").unwrap();
        assert_shape!(reader.join(), Err(Error::Timeout(Timeout::Close)));
        peer.expect([close(1000, "")]);
    });
}

#[test]
fn split_the_other_deadlines_are_the_readers_to_keep() {
    bounded(|| {
        let pong = config(|c| {
            c.ping_interval = Some(SOON);
            c.pong_timeout = SOON;
            c.close_timeout = Some(SOON);
        });
        let idle = config(|c| {
            c.idle_timeout = Some(SOON);
            c.close_timeout = Some(SOON);
        });
        for role in ROLES {
            for (config, expected) in [(&pong, Timeout::Pong), (&idle, Timeout::Idle)] {
                let (reader, mut writer, _peer) = open_split(role, config);
                assert_shape!(read_all(reader), Err(Error::Timeout(t)) if t == expected);
                assert_shape!(writer.send("more"), Err(Error::Send(SendError::Closed)));
            }
        }
    });
}

#[test]
fn split_a_stuck_writer_gets_an_error_when_the_connection_ends() {
    bounded(|| {
        let config = config(|c| c.close_timeout = Some(SOON));
        let ends: [fn(&mut Peer); 4] = [
            |peer| peer.send([text("x").rsv(1)]),
            |peer| peer.send([close(1000, "")]),
            |peer| peer.half_close(),
            |peer| peer.send_bytes([0x81]),
        ];
        for role in ROLES {
            for (n, end) in ends.into_iter().enumerate() {
                let (reader, writer, mut peer) = open_split(role, &config);
                let writer = get_stuck(writer, &peer);
                let reader = Task::start(move || read_all(reader));
                end(&mut peer);
                if n == 3 {
                    peer.half_close();
                }
                let outcome = reader.join();
                assert_shape!(writer.join(), Err(Error::Io(_)));
                match n {
                    0 => assert_shape!(outcome, Err(Error::Protocol(_))),
                    1 => assert_shape!(outcome, Ok(_)),
                    _ => assert_shape!(
                        outcome,
                        Err(Error::Lost { inside_frame, .. }) if inside_frame == (n == 3)
                    ),
                }
            }
        }
    });
}

#[test]
fn split_a_reset_ends_both_halves() {
    each_role(|role| {
        let (reader, writer, peer) = open_split(role, &defaults());
        let writer = get_stuck(writer, &peer);
        let reader = Task::start(move || read_all(reader));
        drop(peer); // with bytes unread: a reset
        assert_shape!(reader.join(), Err(Error::Io(_) | Error::Lost { .. }));
        assert_shape!(writer.join(), Err(Error::Io(_)));
    });
}

// ---- floods ----------------------------------------------------------------------

/// More than all buffers of the system hold, in both directions.
const FLOOD: usize = 64 << 20;

/// Sends Pings until they are not taken any more, which they must not be for
/// ever by who cannot send the answers. Gives what is missing of the last.
fn flood(peer: &mut Peer) -> Vec<u8> {
    let pings = peer.encode(iter::repeat_n(ping([0; 125]), 500));
    // What is not taken for so long will not be.
    peer.stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut sent = 0;
    while sent < FLOOD {
        match peer.stream.write(&pings[sent % pings.len()..]) {
            Ok(len) => sent += len,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                peer.stream.set_write_timeout(None).unwrap();
                let frame_len = pings.len() / 500;
                return pings[sent % frame_len..frame_len].to_vec();
            }
        }
    }
    panic!("{sent} bytes of Pings were taken, and none of the answers");
}

/// After a flood: the peer reads, and nothing was lost.
fn goes_on<T: Send + 'static>(
    mut peer: Peer,
    rest: Vec<u8>,
    reader: Task<Result<(Option<Message<'static>>, T), Error>>,
    says_bye: impl FnOnce(&mut T),
) {
    let all = peer.another();
    let all = Task::start(move || all.frames_to_the_end());
    peer.send_bytes(rest);
    peer.send([text("hello")]);
    let (message, mut ours) = reader.join().unwrap();
    assert_eq!(message, Some(Message::from("hello")));
    says_bye(&mut ours);
    drop(ours);
    assert_eq!(all.join().last(), Some(&(0x80 | TEXT, b"bye".to_vec())));
}

#[test]
fn rule_59_pings_of_a_peer_that_never_reads_are_not_hoarded() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &defaults());
        let reader = Task::start(move || ws.read().map(|message| (message, ws)));
        let rest = flood(&mut peer);
        goes_on(peer, rest, reader, |ws| ws.send("bye").unwrap());
    });
}

#[test]
fn rule_59_split_pings_of_a_peer_that_never_reads_are_not_hoarded() {
    each_role(|role| {
        for messages in [0, 20] {
            let (mut reader, mut writer, mut peer) = open_split(role, &defaults());
            let writer = Task::start(move || {
                // The right to write is the writer's, which is stuck.
                for _ in 0..messages {
                    writer.send(vec![0; 1 << 20]).unwrap();
                }
                writer
            });
            if messages > 0 {
                assert_eq!(peer.frame().0, 0x80 | BINARY);
            }
            let reader = Task::start(move || reader.read().map(|message| (message, reader)));
            let rest = flood(&mut peer);
            goes_on(peer, rest, reader, |_| writer.join().send("bye").unwrap());
        }
    });
}

#[test]
fn rule_59_split_a_flood_of_pings_does_not_hold_the_writer() {
    each_role(|role| {
        let (reader, mut writer, mut peer) = open_split(role, &defaults());
        let reader = Task::start(move || read_all(reader));
        // A peer that takes whatever comes, until the end.
        let mut answers = peer.another();
        let (begins, began) = mpsc::channel();
        let sink = Task::start(move || {
            let mut memory = vec![0; 1 << 16];
            while matches!(answers.stream.read(&mut memory), Ok(1..)) {
                let _ = begins.send(());
            }
        });
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let flood = Task::start(move || {
            let pings = peer.encode(iter::repeat_n(ping(""), 10_000));
            while !stopped.load(Ordering::Relaxed) {
                peer.send_bytes(&pings);
            }
            peer.half_close();
            peer
        });
        began.recv().unwrap();
        for _ in 0..100 {
            writer.send("x").unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        flood.join();
        assert_shape!(reader.join(), Err(Error::Lost { inside_frame: false, .. }));
        drop(writer);
        sink.join();
    });
}

#[test]
fn split_a_peer_that_takes_nothing_cannot_keep_us_from_closing() {
    each_role(|role| {
        let config = config(|c| c.close_timeout = Some(SOON));
        let (reader, mut writer, mut peer) = open_split(role, &config);
        let reader = Task::start(move || read_all(reader));
        flood(&mut peer); // the reader is stuck with its answers
        let writer = Task::start(move || writer.close(code(1000), ""));
        assert_shape!(reader.join(), Err(_));
        // The Close frame found room or not.
        let _ = writer.join();
    });
}
