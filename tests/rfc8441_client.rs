//! RFC 8441, the client's side: the extended CONNECT that is sent, and the
//! replies that are taken.

use std::sync::Arc;
use std::time::Duration;

use sockeye::handshake::extended::{
    Client, Outcome,
    ResponseError::{self, *},
    SectionError::*,
    Settings,
};
use sockeye::handshake::{BuildError, ClientRequest, ResponseError as Shared};
use sockeye::{Config, Connection, Instant, Seed};

fn client_with(request: ClientRequest, set: impl FnOnce(&mut Config)) -> Client {
    let mut config = Config::default();
    set(&mut config);
    Client::new(request, Seed::from_bytes([7; 32]), Arc::new(config)).unwrap()
}

fn request() -> ClientRequest {
    ClientRequest::new(true, "server.example.com", 443, "/chat")
}

fn client() -> Client {
    client_with(request().subprotocol("chat").subprotocol("superchat"), |_| {})
}

/// What this client sends.
fn sent(client: &Client) -> Vec<(String, String)> {
    client.fields(&Settings::enabled(true)).unwrap()
}

#[track_caller]
fn assert_sent(client: &Client, expected: &[(&str, &str)]) {
    let sent = sent(client);
    let pairs: Vec<_> = sent.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(pairs, expected);
}

type Fields<'a> = &'a [(&'a str, &'a [u8])];

/// The connection that this reply opens.
#[track_caller]
fn opened(status: u16, fields: Fields<'_>) -> Connection {
    match client().receive(status, fields).unwrap() {
        Some(Outcome::Accepted(response)) => {
            assert_eq!(response.status(), status);
            let chosen = response.subprotocol().map(str::to_owned);
            let ws = response.open();
            assert_eq!(ws.subprotocol(), chosen.as_deref());
            ws
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_fails(status: u16, fields: Fields<'_>, error: impl Into<ResponseError>) {
    let error = error.into();
    let failed = client().receive(status, fields).expect_err("it fails");
    assert_eq!(failed, error);
    let is_shared = matches!(failed, Handshake(_) | Section(TooLong | TooManyFields));
    assert_eq!(failed.is_malformed(), !is_shared, "{error:?}");
}

// ---- the request -----------------------------------------------------------------

#[test]
fn s5_1_the_request_is_that_of_the_rfc() {
    let request = request().subprotocol("chat").subprotocol("superchat");
    let client = client_with(request.header("Origin", "http://www.example.com"), |_| {});
    assert_sent(
        &client,
        &[
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", "https"),
            (":authority", "server.example.com"),
            (":path", "/chat"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-protocol", "chat, superchat"),
            ("origin", "http://www.example.com"),
        ],
    );
}

#[test]
fn s5_scheme_authority_and_path_are_those_of_the_uri() {
    for (secure, host, port, target, expected) in [
        (false, "h", 80, "", ["http", "h", "/"]),
        (true, "h", 80, "/?x", ["https", "h:80", "/?x"]),
        (false, "::1", 8080, "?a", ["http", "[::1]:8080", "/?a"]),
    ] {
        let client = client_with(ClientRequest::new(secure, host, port, target), |_| {});
        let values: Vec<_> = sent(&client)[2..5].iter().map(|(_, value)| value.clone()).collect();
        assert_eq!(values, expected);
    }
}

#[test]
fn rule_93_s5_neither_connection_nor_upgrade_nor_host_nor_a_key_is_sent() {
    let client = client_with(request().header("X-Y", "z"), |_| {});
    let names: Vec<_> = sent(&client).into_iter().map(|(name, _)| name).collect();
    for absent in ["connection", "upgrade", "host", "sec-websocket-key", "sec-websocket-accept"] {
        assert!(!names.iter().any(|name| name == absent), "{absent}");
    }
    assert!(names.iter().all(|name| !name.bytes().any(|b| b.is_ascii_uppercase())));
    for reserved in ["Host", "Upgrade", "TE", "Keep-Alive", "Proxy-Connection", "Content-Length"] {
        let request = request().header(reserved, "x");
        let refused = Client::new(request, Seed::from_bytes([7; 32]), Arc::default());
        assert_eq!(refused.err(), Some(BuildError::ReservedHeader), "{reserved}");
    }
    let wrong = ClientRequest::new(true, "h", 443, "/#x");
    let refused = Client::new(wrong, Seed::from_bytes([7; 32]), Arc::default());
    assert_eq!(refused.err(), Some(BuildError::InvalidTarget));
}

#[cfg(feature = "deflate")]
#[test]
fn s5_compression_is_offered_and_agreed_on_as_ever() {
    let offers = |config: &mut Config| config.deflate = Some(sockeye::DeflateConfig::default());
    let mut client = client_with(request(), offers);
    let offer = "permessage-deflate; client_max_window_bits";
    assert_eq!(sent(&client)[6], ("sec-websocket-extensions".into(), offer.into()));
    let reply: Fields<'_> =
        &[("sec-websocket-extensions", b"permessage-deflate; client_max_window_bits=10")];
    match client.receive(200, reply).unwrap() {
        Some(Outcome::Accepted(response)) => {
            let params = response.deflate_params().unwrap();
            assert_eq!(params.client_max_window_bits.get(), 10);
            assert_eq!(response.fields().first("sec-websocket-extensions"), Some(reply[0].1));
            assert_eq!(response.open().deflate_params(), Some(params));
        }
        other => panic!("{other:?}"),
    }
    let wrong: Fields<'_> = &[("sec-websocket-extensions", b"permessage-deflate; x")];
    let failed = client_with(request(), offers).receive(200, wrong).unwrap_err();
    assert_eq!(failed, Handshake(Shared::ExtensionParameters));
    // Nothing to offer.
    let empty = |config: &mut Config| {
        offers(config);
        config.deflate.as_mut().unwrap().params.clear();
    };
    assert_eq!(sent(&client_with(request(), empty)).len(), 6);
}

// ---- the reply -------------------------------------------------------------------

#[test]
fn rule_94_s5_any_2xx_opens_the_connection_and_needs_no_proof() {
    for status in [200, 201, 204, 299] {
        let ws = opened(status, &[]);
        assert!(ws.is_open() && !ws.is_server());
    }
    let ws = opened(200, &[(":status", b"200"), ("sec-websocket-protocol", b"superchat")]);
    assert_eq!(ws.subprotocol(), Some("superchat"));
    // "A client MUST ignore any Content-Length [...] in a successful response to
    // CONNECT" (RFC 9110, section 9.3.6).
    opened(200, &[("content-length", b"7"), ("sec-websocket-accept", b"nothing")]);
}

#[test]
fn rule_94_s5_what_was_not_offered_fails() {
    let protocol = Shared::SubprotocolNotOffered;
    assert_fails(200, &[("sec-websocket-protocol", b"other")], protocol);
    assert_fails(200, &[("sec-websocket-protocol", b"Chat")], protocol);
    assert_fails(200, &[("sec-websocket-protocol", b"chat, superchat")], protocol);
    let two: Fields<'_> =
        &[("sec-websocket-protocol", b"chat"), ("sec-websocket-protocol", b"chat")];
    assert_fails(200, two, protocol);
    let extension = Shared::ExtensionNotOffered;
    assert_fails(200, &[("sec-websocket-extensions", b"permessage-deflate")], extension);
    assert_fails(200, &[("sec-websocket-extensions", b"x-other")], extension);
}

#[test]
fn rfc9110_s15_interim_replies_are_passed_over_and_others_refuse() {
    let mut client = client();
    for status in [100, 103, 199] {
        assert!(client.receive(status, &[("link", b"</x>")]).unwrap().is_none());
    }
    for status in [300, 301, 401, 403, 404, 501, 599] {
        match client.receive(status, &[("location", b"/x")]).unwrap() {
            Some(Outcome::Refused(refusal)) => {
                assert_eq!(refusal.status(), status);
                assert_eq!(refusal.fields().first("location"), Some(&b"/x"[..]));
            }
            other => panic!("{other:?}"),
        }
    }
    // It can still be accepted, once: a connection is opened by one reply.
    assert!(matches!(client.receive(200, &[]), Ok(Some(Outcome::Accepted(_)))));
    assert_eq!(client.receive(200, &[]).unwrap_err(), Handshake(Shared::EndOfStream));
}

#[test]
fn rfc9113_s8_6_there_is_no_101_and_no_status_that_is_none() {
    for status in [0, 1, 20, 99, 101, 600, 999, 2000] {
        assert_fails(status, &[], StatusInvalid);
    }
    for written in [&b"201"[..], b"0200", b"200 ", b"", b"OK"] {
        let fields = [(":status", written)];
        let error = if written == b"200 " { FieldValue.into() } else { StatusInvalid };
        assert_fails(200, &fields, error);
    }
}

#[test]
fn rfc9113_s8_malformed_replies_are_not_accepted() {
    assert_fails(200, &[(":status", b"200"), (":status", b"200")], PseudoHeader);
    assert_fails(200, &[("x", b"y"), (":status", b"200")], PseudoHeader);
    assert_fails(200, &[(":path", b"/")], PseudoHeader);
    assert_fails(200, &[("X-Y", b"z")], FieldName);
    assert_fails(200, &[("x", b"a\nb")], FieldValue);
    for name in ["connection", "upgrade", "transfer-encoding", "keep-alive", "proxy-connection"] {
        assert_fails(200, &[(name, b"x")], ConnectionSpecific);
    }
    // Whatever the status is.
    assert_fails(403, &[("connection", b"close")], ConnectionSpecific);
    assert_fails(103, &[("X-Y", b"z")], FieldName);
}

#[test]
fn limits_are_those_of_http_1_1() {
    let long = vec![b'x'; 20_000];
    assert_fails(200, &[("x", &long)], TooLong);
    let many = [("x", &b"y"[..]); 101];
    assert_fails(200, &many, TooManyFields);
    opened(200, &many[1..]);
}

#[test]
fn a_reply_that_does_not_come_ends_the_handshake() {
    let mut client = client_with(request(), |c| c.handshake_timeout = Some(Duration::from_secs(2)));
    let at = |seconds| Instant::from_epoch(Duration::from_secs(seconds));
    assert_eq!(client.handle_timeout(at(5)), Ok(Some(at(7))));
    assert_eq!(client.handle_timeout(at(7)), Err(Handshake(Shared::Timeout)));
    let ended = client.receive_eof();
    assert_eq!((ended, ended.is_malformed()), (Handshake(Shared::EndOfStream), false));
}

#[test]
fn every_error_says_what_is_wrong_and_debugging_shows_no_secrets() {
    assert!(Section(FieldName).to_string().ends_with(&format!(": {FieldName}")));
    assert_eq!(Handshake(Shared::Timeout).to_string(), Shared::Timeout.to_string());
    assert!(StatusInvalid.to_string().contains("status"));
    let client = client_with(request().header("Cookie", "hidden"), |_| {});
    assert!(!format!("{client:?}").contains("hidden"));
}
