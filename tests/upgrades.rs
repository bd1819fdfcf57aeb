//! Requests that an HTTP library has read: hyper and axum, as a user runs the
//! examples, and the rules on requests of the `http` crate.

#![cfg(all(feature = "http", feature = "tokio", feature = "url"))]

mod common;
mod processes;
mod sockets;

use std::sync::Arc;

use common::*;
use processes::*;
use sockets::*;
use sockeye::Config;
use sockeye::blocking::{self, Error};
use sockeye::handshake::{Accept, Rejection, upgrade};
use sockeye::net::Endpoint;

const SERVERS: [&str; 2] = ["hyper_server", "axum_server"];

// ---- the examples ------------------------------------------------------------------

/// Runs a test against the example of each library; gives it the port.
#[track_caller]
fn each_server(test: impl Fn(u16) + Copy + Send + 'static) {
    for name in SERVERS {
        let server = Server::start(name, &[]);
        let port = server.port;
        bounded(move || test(port));
    }
}

#[test]
fn upgraded_connections_carry_messages_and_close_in_good_order() {
    each_server(|port| {
        let endpoint = Endpoint::new("127.0.0.1", port, "/echo").subprotocol("b").subprotocol("a");
        let ws = blocking::connect(endpoint).unwrap();
        assert_eq!(ws.connection().subprotocol(), Some("b"));
        assert_echoes(ws, [0, 1, 126, 70_000, 3_000_000]);
    });
}

#[test]
fn upgraded_connections_get_frames_that_came_with_the_request() {
    each_server(|port| {
        let stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut peer = Peer::new(Role::Client, stream);
        let frames = peer.encode([ping("early"), text("bird")]);
        peer.send_bytes([request("").replace("/chat", "/echo").into_bytes(), frames].concat());
        assert!(peer.head().starts_with("HTTP/1.1 101 "));
        peer.expect([pong("early"), text("bird")]);
        peer.send([close(1001, "")]);
        peer.expect([close(1001, "")]);
        peer.finish();
    });
}

#[test]
fn upgraded_connections_are_told_what_they_do_wrong() {
    each_server(|port| {
        let stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut peer = Peer::new(Role::Client, stream);
        peer.send_bytes(request("").replace("/chat", "/echo"));
        assert!(peer.head().starts_with("HTTP/1.1 101 "));
        peer.send([frame(TEXT, b"\xff")]);
        peer.expect([close(1007, "")]);
        peer.finish();
    });
}

#[test]
fn s4_2_2_other_requests_get_the_status_they_deserve_and_can_be_followed_by_more() {
    each_server(|port| {
        let stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut peer = Peer::new(Role::Client, stream);
        let mut ask = |request: String| {
            peer.send_bytes(request);
            let head = peer.head();
            let len = header(&head, "Content-Length").unwrap().parse().unwrap();
            let mut body = vec![0; len];
            std::io::Read::read_exact(&mut peer.stream, &mut body).unwrap();
            head
        };
        let plain = ask("GET /echo HTTP/1.1\r\nHost: h\r\n\r\n".into());
        assert!(plain.starts_with("HTTP/1.1 426 "), "{plain}");
        assert_eq!(header(&plain, "Sec-WebSocket-Version"), Some("13"));
        let old = ask(request("").replace("/chat", "/echo").replace("Version: 13", "Version: 8"));
        assert!(old.starts_with("HTTP/1.1 426 "), "{old}");
        let short = ask(request("").replace("/chat", "/echo").replace("dGhl", ""));
        assert!(short.starts_with("HTTP/1.1 400 "), "{short}");
        let page = ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n".into());
        assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
    });
}

// ---- values of the http crate --------------------------------------------------------

fn handshake() -> http::request::Builder {
    http::Request::get("/chat?room=1")
        .header("Host", "example.com")
        .header("Upgrade", "websocket")
        .header("Connection", "keep-alive, Upgrade")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("Sec-WebSocket-Version", "13")
}

fn config() -> Arc<Config> {
    Arc::default()
}

#[test]
fn s4_2_2_a_request_value_is_accepted_as_its_bytes_would_be() {
    let request = handshake()
        .header("Sec-WebSocket-Protocol", "v2")
        .header("Sec-WebSocket-Protocol", "v1")
        .body(())
        .unwrap();
    let (reply, connection) = upgrade(&request, config(), |request| {
        assert_eq!((request.path(), request.query()), ("/chat", Some("room=1")));
        assert_eq!(request.host(), "example.com");
        assert!(request.subprotocols().eq(["v2", "v1"]));
        let same = request.to_http().unwrap();
        assert_eq!(same.uri(), "/chat?room=1");
        assert_eq!(same.headers()["sec-websocket-version"], "13");
        Accept::new().subprotocol(Some("v1")).header("Set-Cookie", "a=b").into()
    });
    assert_eq!(reply.status(), 101);
    assert_eq!(reply.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(reply.headers()["sec-websocket-protocol"], "v1");
    assert_eq!(reply.headers()["set-cookie"], "a=b");
    assert!(reply.body().is_empty());
    let connection = connection.unwrap();
    assert!(connection.is_server() && connection.is_open());
    assert_eq!(connection.subprotocol(), Some("v1"));
}

#[test]
fn s4_2_1_a_request_value_is_refused_as_its_bytes_would_be() {
    let refused = |request: http::request::Builder| {
        let request = request.body("body").unwrap();
        let (reply, connection) =
            upgrade(&request, config(), |_| unreachable!("not to be decided"));
        assert!(connection.is_none());
        assert!(!reply.headers().contains_key("content-length"));
        reply
    };
    let post = refused(handshake().method("POST"));
    assert_eq!((post.status().as_u16(), &post.headers()["allow"]), (405, &"GET".parse().unwrap()));
    assert_eq!(refused(handshake().version(http::Version::HTTP_10)).status(), 400);
    assert_eq!(refused(handshake().version(http::Version::HTTP_2)).status(), 505);
    assert_eq!(refused(handshake().header("Host", "other")).status(), 400);
    assert_eq!(refused(handshake().header("Content-Length", "4")).status(), 400);
    let plain = refused(http::Request::get("/").header("Host", "h"));
    assert_eq!(
        (plain.status().as_u16(), &plain.headers()["connection"]),
        (426, &"Upgrade".parse().unwrap())
    );
    let long = refused(handshake().uri(format!("/{}", "x".repeat(9000))));
    assert_eq!(long.status(), 414);
}

#[test]
fn s4_2_2_a_rejection_becomes_a_reply_value() {
    let request = handshake().body(()).unwrap();
    let (reply, connection) = upgrade(&request, config(), |_| {
        Rejection::new(403).header("X-Why", "because").body("no\n").into()
    });
    assert!(connection.is_none());
    assert_eq!((reply.status().as_u16(), reply.body().as_slice()), (403, &b"no\n"[..]));
    assert_eq!(reply.headers()["x-why"], "because");
    assert!(!reply.headers().contains_key("connection"), "that is for the library to say");
    // A mistake of ours is told as such.
    let (reply, connection) =
        upgrade(&request, config(), |_| Accept::new().subprotocol(Some("unasked")).into());
    assert_eq!((reply.status().as_u16(), connection.is_none()), (500, true));
}

/// What is sent to an endpoint.
fn request_to(endpoint: Endpoint) -> String {
    let mut tape = Tape::default();
    assert!(blocking::handshake(endpoint, &mut tape).is_err());
    String::from_utf8(tape.written).unwrap()
}

#[test]
fn s4_1_a_request_value_is_sent_with_a_key_of_our_own() {
    let request = handshake()
        .uri("wss://example.com:444/chat?room=1")
        .header("Cookie", "a=b")
        .header("Sec-WebSocket-Protocol", "v2, v1")
        .body(())
        .unwrap();
    let endpoint = Endpoint::try_from(request).unwrap();
    assert!(endpoint.is_secure());
    let sent = request_to(endpoint);
    assert!(sent.starts_with("GET /chat?room=1 HTTP/1.1\r\n"));
    assert_eq!(header(&sent, "Host"), Some("example.com:444"));
    assert_eq!(header(&sent, "Cookie"), Some("a=b"));
    assert_eq!(header(&sent, "Sec-WebSocket-Protocol"), Some("v2, v1"));
    assert_eq!(header(&sent, "Connection"), Some("Upgrade"));
    assert_ne!(header(&sent, "Sec-WebSocket-Key"), Some("dGhlIHNhbXBsZSBub25jZQ=="));
}

#[test]
fn s3_uris_become_endpoints_or_errors() {
    let endpoint = |uri: &'static str| Endpoint::try_from(http::Uri::from_static(uri));
    let sent = request_to(endpoint("ws://[::1]/x?y").unwrap());
    assert!(sent.starts_with("GET /x?y HTTP/1.1\r\n") && sent.contains("\r\nHost: [::1]\r\n"));
    assert_eq!(endpoint("wss://h").unwrap().port(), 443);
    for wrong in ["ftp://h/", "/path", "h:80"] {
        assert_shape!(endpoint(wrong), Err(Error::Url(_)));
    }
}

#[test]
fn s4_1_a_refusal_becomes_a_response_value_and_a_reply_can_be_looked_at() {
    each_server(|port| {
        let to = |target| Endpoint::new("127.0.0.1", port, target);
        match blocking::connect(to("/")) {
            Err(Error::Refused(refused)) => {
                let response = http::Response::from(refused);
                assert_eq!(response.status(), 200);
                assert_eq!(response.body(), b"The WebSocket is at /echo.\n");
                assert_eq!(response.headers()["content-length"], "27");
            }
            other => panic!("{other:?}"),
        }
        let (say, said) = std::sync::mpsc::channel();
        let look = move |response: &sockeye::handshake::Response<'_>| {
            say.send(response.to_http()).unwrap();
        };
        blocking::connect(to("/echo").on_response(look)).unwrap();
        let response = said.recv().unwrap();
        assert_eq!(response.status(), 101);
        assert!(response.headers().contains_key("date"), "hyper says when");
    });
}
