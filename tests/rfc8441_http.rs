//! RFC 8441 with the values of the `http` crate, which h2, hyper and others
//! have for what came on a stream.

#![cfg(feature = "http")]

use std::sync::Arc;

use http::{Request, Response};
use sockeye::handshake::extended::{Client, ResponseError, SectionError, Settings, accept};
use sockeye::handshake::{Accept, BuildError, ClientRequest, Rejection};
use sockeye::{Config, Seed};

fn config() -> Arc<Config> {
    Arc::default()
}

fn client(request: ClientRequest) -> Client {
    Client::new(request, Seed::from_bytes([7; 32]), config()).unwrap()
}

fn asked() -> http::request::Builder {
    Request::connect("https://example.com/chat?room=1").header("sec-websocket-version", "13")
}

#[test]
fn s5_a_request_value_is_accepted_as_its_section_would_be() {
    let request = asked()
        .header("sec-websocket-protocol", "v2")
        .header("sec-websocket-protocol", "v1")
        .header("host", "example.com")
        .body("body")
        .unwrap();
    let (reply, connection) = accept(&request, Some("websocket"), config(), |request| {
        assert_eq!((request.scheme(), request.authority()), ("https", "example.com"));
        assert_eq!((request.path(), request.query()), ("/chat", Some("room=1")));
        assert!(request.subprotocols().eq(["v2", "v1"]));
        Accept::new().subprotocol(Some("v1")).header("Set-Cookie", "a=b").into()
    });
    assert_eq!(reply.status(), 200);
    assert_eq!(reply.headers().len(), 2);
    assert_eq!(reply.headers()["sec-websocket-protocol"], "v1");
    assert_eq!(reply.headers()["set-cookie"], "a=b");
    assert!(reply.body().is_empty());
    let connection = connection.unwrap();
    assert!(connection.is_server() && connection.is_open());
    assert_eq!(connection.subprotocol(), Some("v1"));
}

#[test]
fn s5_a_request_value_is_refused_as_its_section_would_be() {
    let refused = |request: http::request::Builder, protocol: Option<&str>| {
        let request = request.body(()).unwrap();
        let (reply, connection) =
            accept(&request, protocol, config(), |_| unreachable!("not to be decided"));
        assert!(connection.is_none());
        reply.status().as_u16()
    };
    let websocket = Some("websocket");
    assert_eq!(refused(asked(), Some("webtransport")), 501);
    assert_eq!(refused(Request::connect("example.com:443"), None), 501);
    assert_eq!(refused(Request::get("https://example.com/"), None), 405);
    assert_eq!(refused(asked().header("upgrade", "websocket"), websocket), 400);
    assert_eq!(refused(asked().header("host", "other"), websocket), 400);
    assert_eq!(refused(Request::connect("https://example.com/"), websocket), 400);
    let long = Request::connect(format!("https://h/{}", "x".repeat(8000)));
    assert_eq!(refused(long, websocket), 414);
}

#[test]
fn s5_a_rejection_becomes_a_reply_value_and_a_mistake_a_500() {
    let request = asked().body(()).unwrap();
    let answered = |answer: sockeye::handshake::Answer<'static>| {
        let (reply, connection) = accept(&request, Some("websocket"), config(), |_| answer);
        assert!(connection.is_none());
        reply
    };
    let reply = answered(Rejection::new(403).header("X-Why", "because").body("no\n").into());
    assert_eq!((reply.status().as_u16(), reply.body().as_slice()), (403, &b"no\n"[..]));
    assert_eq!(reply.headers()["x-why"], "because");
    assert_eq!(reply.headers()["content-length"], "3");
    assert_eq!(answered(Accept::new().subprotocol(Some("unasked")).into()).status(), 500);
    assert_eq!(answered(Rejection::new(204).into()).status(), 500);
}

#[test]
fn s5_a_client_has_its_request_as_a_value() {
    let request = ClientRequest::new(true, "::1", 8443, "/chat?x").header("Cookie", "a=\u{e9}");
    let client = client(request.subprotocol("b").subprotocol("a"));
    let request = client.request(&Settings::enabled(true)).unwrap();
    assert_eq!(
        (request.method().as_str(), request.uri()),
        ("CONNECT", &uri("https://[::1]:8443/chat?x"))
    );
    assert_eq!(request.headers().len(), 3);
    assert_eq!(request.headers()["sec-websocket-version"], "13");
    assert_eq!(request.headers()["sec-websocket-protocol"], "b, a");
    assert_eq!(request.headers()["cookie"].as_bytes(), "a=\u{e9}".as_bytes());
    let disabled = client.request(&Settings::new());
    assert_eq!(disabled.err(), Some(BuildError::ExtendedConnectDisabled));
    // What one end asks, the other takes.
    let (reply, server) = accept(&request, Some("websocket"), config(), |_| Accept::new().into());
    assert!(server.is_some() && reply.status() == 200);
}

fn uri(uri: &'static str) -> http::Uri {
    http::Uri::from_static(uri)
}

#[test]
fn s5_a_client_takes_response_values() {
    let mut client = client(ClientRequest::new(true, "example.com", 443, "/").subprotocol("chat"));
    let reply = |status: u16, name: &str, value: &str| {
        Response::builder().status(status).header(name, value).body(()).unwrap()
    };
    for status in [103, 302, 404] {
        assert!(client.open(&reply(status, "x", "y")).unwrap().is_none());
    }
    let malformed = client.open(&reply(200, "upgrade", "websocket"));
    let error = ResponseError::Section(SectionError::ConnectionSpecific);
    assert_eq!(malformed.err(), Some(error));
    let connection = client.open(&reply(200, "sec-websocket-protocol", "chat")).unwrap().unwrap();
    assert_eq!((connection.is_server(), connection.subprotocol()), (false, Some("chat")));
}
