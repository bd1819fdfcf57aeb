//! The blocking adapter over real sockets: the opening handshake, against a peer
//! scripted by hand.

#![cfg(feature = "url")]

mod common;
mod sockets;

use std::io::{ErrorKind, Read};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use common::*;
use sockets::*;
use sockeye::blocking::{self, Error, Stream, WebSocket, accept_with};
use sockeye::handshake::{Accept, BuildError, Rejection, RequestError, ResponseError};
use sockeye::net::Endpoint;
use sockeye::{CloseCode, Config, Message};

// ---- opening handshake, client ---------------------------------------------------

/// The head of the request that is sent to this endpoint.
fn request_of(endpoint: Endpoint) -> String {
    let mut tape = Tape::default();
    let outcome = blocking::handshake(endpoint, &mut tape);
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
        let request = request_of(Endpoint::new(host, port, "/"));
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
        let request = request_of(Endpoint::from_url(url).unwrap());
        assert_eq!(header(&request, "Host"), Some(expected), "{url}");
    }
}

#[test]
fn s4_1_target_is_path_and_query_and_never_empty() {
    let urls = [
        ("ws://h", "/"),
        ("ws://h?x=1", "/?x=1"),
        // "?" only before a query that is not empty (section 3).
        ("ws://h/?", "/"),
        ("ws://h/a/b;c?d=e&f=/?g", "/a/b;c?d=e&f=/?g"),
        ("ws://h/a%23b?c=%23", "/a%23b?c=%23"),
        ("ws://h/b c/\u{e9}?q=\u{1f41f} x", "/b%20c/%C3%A9?q=%F0%9F%90%9F%20x"),
    ];
    for (url, target) in urls {
        let request = request_of(Endpoint::from_url(url).unwrap());
        assert!(request.starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{url}: {request}");
    }
}

#[test]
fn s11_1_a_host_beyond_ascii_is_converted() {
    for scheme in ["ws", "wss"] {
        for (host, expected) in [
            ("B\u{fc}cher.example", "xn--bcher-kva.example"),
            ("\u{4f8b}\u{3048}.test:8000", "xn--r8jz45g.test:8000"),
            ("\u{ff11}27.0.0.1", "127.0.0.1"),
        ] {
            let endpoint = Endpoint::from_url(&format!("{scheme}://{host}/\u{e9}")).unwrap();
            let request = request_of(endpoint);
            assert_eq!(header(&request, "Host"), Some(expected), "{scheme}://{host}");
            assert!(request.starts_with("GET /%C3%A9 HTTP/1.1\r\n"), "{request}");
        }
    }
}

#[test]
fn s4_1_mandatory_headers_come_once_and_extra_ones_as_given() {
    let endpoint = Endpoint::new("h", 80, "/")
        .header("Cookie", "a=b")
        .header("Origin", "http://h")
        .subprotocol("v2")
        .subprotocol("v1");
    let request = request_of(endpoint);
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
            (format!("http://{here}/"), "scheme"),
            (format!("wsx://{here}/"), "scheme"),
            (format!("ws://{here}/#part"), "fragment"),
            (format!("ws://{here}/#"), "fragment"),
            (format!("ws://a%3Ab:secret@{here}/"), "colon"),
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
        #[cfg(not(feature = "rustls"))] // never in plain text instead
        for scheme in ["wss", "WSS"] {
            let error = blocking::connect(format!("{scheme}://{here}/")).unwrap_err();
            assert_shape!(error, Error::Url(why) if why.contains("rustls"));
        }
        assert_nobody_came(&listener);
    });
}

#[test]
fn rfc7617_the_name_and_password_of_a_url_are_sent() {
    let value = |url| {
        let request = request_of(Endpoint::from_url(url).unwrap());
        header(&request, "Authorization").map(str::to_owned)
    };
    assert_eq!(value("ws://h/"), None);
    // The examples of RFC 7617, sections 2 and 2.1.
    let aladdin = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";
    assert_eq!(value("ws://Aladdin:open%20sesame@h/").as_deref(), Some(aladdin));
    assert_eq!(value("ws://test:123\u{a3}@h/").as_deref(), Some("Basic dGVzdDoxMjPCow=="));
    assert_eq!(value("ws://user@h/").as_deref(), Some("Basic dXNlcjo="));
    assert_eq!(value("ws://:pass@h/").as_deref(), Some("Basic OnBhc3M="));
    // What is said expressly counts.
    let endpoint = Endpoint::from_url("ws://u:p@h/").unwrap().header("authorization", "Bearer x");
    assert_eq!(header(&request_of(endpoint), "Authorization"), Some("Bearer x"));
}

#[test]
fn s4_1_what_cannot_be_asked_for_is_told_before_anybody_is_called() {
    bounded(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let to = |target| Endpoint::new("127.0.0.1", port, target);
        let endpoints = [
            (to("/#part"), BuildError::InvalidTarget),
            (to("/a b"), BuildError::InvalidTarget),
            (to("/").subprotocol("a,b"), BuildError::InvalidSubprotocol),
            (to("/").subprotocol("a").subprotocol("a"), BuildError::DuplicateSubprotocol),
            (to("/").header("X", "a\r\nY: b"), BuildError::InvalidHeaderValue),
            (to("/").header("Host", "other"), BuildError::ReservedHeader),
        ];
        for (endpoint, expected) in endpoints {
            let error = blocking::connect(endpoint).unwrap_err();
            assert_shape!(error, Error::Build(e) if e == expected);
        }
        assert_nobody_came(&listener);
    });
}

#[test]
fn s4_1_a_refused_port_is_an_io_error() {
    bounded(|| {
        let (port, _taken) = refusing_port();
        let outcome = blocking::connect(format!("ws://127.0.0.1:{port}/"));
        assert_shape!(outcome, Err(Error::Io(e)) if e.kind() == ErrorKind::ConnectionRefused);
    });
}

#[test]
fn s4_1_a_name_is_looked_up_and_its_addresses_tried() {
    bounded(|| {
        let (port, server) = server_that(|peer| Peer::accept(peer.stream, "").finish());
        // ::1 may be among them, and nobody listens there.
        let ws = blocking::connect(format!("ws://localhost:{port}/")).unwrap();
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
        assert_shape!(blocking::connect(format!("ws://{here}/")), Err(Error::Response(_)));
        assert_eq!(header(&server.join(), "Host"), Some(here.to_string().as_str()));
    });
}

/// What a client that offers `v2` and `v1` makes of this reply to its request.
fn answered(
    config: &Arc<Config>,
    reply: impl FnOnce(&str) -> String + Send + 'static,
) -> Result<WebSocket<Stream>, Error> {
    let (port, server) = server_that(|mut peer| {
        let request = peer.head();
        peer.send_bytes(reply(&request));
        peer.half_close();
    });
    let url = format!("ws://127.0.0.1:{port}/");
    let endpoint = Endpoint::from_url(&url).unwrap().config(config.clone());
    let outcome = blocking::connect(endpoint.subprotocol("v2").subprotocol("v1").max_redirects(0));
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
        let endpoint = Endpoint::new("h", 80, "/").subprotocol("b").subprotocol("a");
        let client = blocking::handshake(endpoint, client).unwrap();
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
        let outcome = blocking::connect(Endpoint::new("127.0.0.1", port, "/").config(config));
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
        let mut ws = blocking::connect(Endpoint::new("127.0.0.1", port, "/")).unwrap();
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
