//! RFC 6455, section 4.1: the client's side of the opening handshake.

mod common;

use std::sync::Arc;

use common::any_cut;
use sockeye::handshake::ResponseError::*;
use sockeye::handshake::{
    Accept, BuildError, Client, ClientRequest, HeadError, Reply, ResponseError, Server, accept_key,
};
use sockeye::{Config, Event, Input, Instant, Seed};

fn request() -> ClientRequest {
    ClientRequest::new(false, "example.com", 80, "/chat")
}

fn client_of(request: ClientRequest, config: &Config) -> Client {
    Client::new(request, Seed::from_bytes([7; 32]), Arc::new(config.clone())).unwrap()
}

fn written(request: ClientRequest) -> String {
    let mut out = Vec::new();
    client_of(request, &Config::default()).write_request(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn header<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    let prefix = format!("{name}: ");
    head.lines().filter_map(|line| line.strip_prefix(&prefix)).collect()
}

/// The accept value that the clients of these tests expect: same seed, same key.
fn accept_value() -> String {
    let head = written(request());
    let key = header(&head, "Sec-WebSocket-Key")[0].to_owned();
    String::from_utf8(accept_key(key.as_bytes()).to_vec()).unwrap()
}

/// A reply with status 101 and these headers behind the usual ones.
fn reply(added: &str) -> String {
    reply_of("HTTP/1.1 101 Switching Protocols", added)
}

fn reply_of(line: &str, added: &str) -> String {
    let accept = accept_value();
    format!(
        "{line}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n{added}\r\n"
    )
}

/// What came of a reply.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Accepted { subprotocol: Option<String>, head_len: usize },
    Refused { status: u16, body: Vec<u8>, complete: bool },
}

/// Reads a reply whole, byte by byte and cut at random, then the end of the
/// stream.
fn read_as(request: ClientRequest, config: &Config, bytes: &[u8]) -> Result<Seen, ResponseError> {
    let see = |reply: Reply<'_>| match reply {
        Reply::Accepted(response) => Seen::Accepted {
            subprotocol: response.subprotocol().map(str::to_owned),
            head_len: response.head_len(),
        },
        Reply::Refused(refusal) => Seen::Refused {
            status: refusal.status(),
            body: refusal.body().to_vec(),
            complete: refusal.is_complete(),
        },
    };
    let run = |cut: &mut dyn FnMut() -> usize| {
        let mut client = client_of(request.clone(), config);
        let mut end = 0;
        while end < bytes.len() {
            end = (end + cut()).min(bytes.len());
            if let Some(reply) = client.receive(&bytes[..end])? {
                return Ok(see(reply));
            }
        }
        client.receive_eof(bytes).map(see)
    };
    let seen = any_cut(bytes.len(), run);
    let at_the_end = client_of(request.clone(), config).receive_eof(bytes).map(see);
    assert_eq!(at_the_end, seen, "all at once, with the end");
    seen
}

fn read(bytes: &str) -> Result<Seen, ResponseError> {
    read_as(request(), &Config::default(), bytes.as_bytes())
}

fn accepted(bytes: &str) -> Result<Seen, ResponseError> {
    Ok(Seen::Accepted { subprotocol: None, head_len: bytes.len() })
}

fn refused(status: u16, body: &str, complete: bool) -> Result<Seen, ResponseError> {
    Ok(Seen::Refused { status, body: body.into(), complete })
}

// ---- the request ---------------------------------------------------------------------

#[test]
fn s4_1_the_request_has_every_mandatory_header_once() {
    let head = written(request());
    assert!(head.starts_with("GET /chat HTTP/1.1\r\n") && head.ends_with("\r\n\r\n"));
    assert_eq!(header(&head, "Host"), ["example.com"]);
    assert_eq!(header(&head, "Upgrade"), ["websocket"]);
    assert_eq!(header(&head, "Connection"), ["Upgrade"]);
    assert_eq!(header(&head, "Sec-WebSocket-Version"), ["13"]);
    assert_eq!(header(&head, "Sec-WebSocket-Key").len(), 1);
    assert_eq!(head.lines().count(), 7);
}

#[test]
fn s4_1_the_key_is_16_fresh_bytes_in_base64() {
    let key = |seed| {
        let client = Client::new(request(), Seed::from_bytes([seed; 32]), Arc::default()).unwrap();
        let mut out = Vec::new();
        client.write_request(&mut out).unwrap();
        header(&String::from_utf8(out).unwrap(), "Sec-WebSocket-Key")[0].to_owned()
    };
    assert_eq!(key(1).len(), 24);
    assert!(key(1).ends_with("==") && key(1) != key(2));
    // Our own server agrees that it is one.
    let bytes = written(request());
    assert!(Server::new(Arc::default()).receive(bytes.as_bytes()).unwrap().is_some());
}

#[test]
fn s3_the_resource_name_is_never_empty_and_keeps_its_query() {
    for (target, sent) in
        [("", "/"), ("/", "/"), ("?a=b", "/?a=b"), ("/a/b?c=%20?d", "/a/b?c=%20?d")]
    {
        let head = written(ClientRequest::new(false, "h", 80, target));
        assert!(head.starts_with(&format!("GET {sent} HTTP/1.1\r\n")), "{head}");
    }
}

#[test]
fn s3_a_fragment_or_anything_else_that_is_no_target_is_refused() {
    for target in ["/#", "/a#b", "a", "/a b", "/\r\nX: y", "/\0", "/\u{e9}", "http://h/"] {
        let request = ClientRequest::new(false, "h", 80, target);
        let error = Client::new(request, Seed::from_bytes([0; 32]), Arc::default()).unwrap_err();
        assert_eq!(error, BuildError::InvalidTarget, "{target:?}");
    }
}

#[test]
fn s4_1_host_carries_the_port_only_if_it_is_not_the_schemes() {
    for (secure, host, port, sent) in [
        (false, "example.com", 80, "example.com"),
        (false, "example.com", 443, "example.com:443"),
        (false, "example.com", 8080, "example.com:8080"),
        (true, "example.com", 443, "example.com"),
        (true, "example.com", 80, "example.com:80"),
        (false, "::1", 80, "[::1]"),
        (false, "[::1]", 9001, "[::1]:9001"),
        (true, "2001:db8::1", 443, "[2001:db8::1]"),
        (false, "127.0.0.1", 9001, "127.0.0.1:9001"),
    ] {
        let head = written(ClientRequest::new(secure, host, port, "/"));
        assert_eq!(header(&head, "Host"), [sent]);
    }
    for host in [
        "",
        "a b",
        "a/b",
        "a\r\nX: y",
        "user@h",
        "h?",
        "\u{e9}",
        "a.com:8080",
        "[::1",
        "::1]",
        "[a.com]",
        "fe80::1%eth0",
        "[::1]:80",
    ] {
        let request = ClientRequest::new(false, host, 80, "/");
        let error = Client::new(request, Seed::from_bytes([0; 32]), Arc::default()).unwrap_err();
        assert_eq!(error, BuildError::InvalidHost, "{host:?}");
    }
}

#[test]
fn s4_1_subprotocols_are_unique_tokens_in_order_of_preference() {
    let head = written(request().subprotocol("v2.chat").subprotocol("v1.chat"));
    assert_eq!(header(&head, "Sec-WebSocket-Protocol"), ["v2.chat, v1.chat"]);
    let error = |names: &[&str]| {
        let request = names.iter().fold(request(), |r, name| r.subprotocol(name));
        Client::new(request, Seed::from_bytes([0; 32]), Arc::default()).unwrap_err()
    };
    assert_eq!(error(&["a", "a"]), BuildError::DuplicateSubprotocol);
    for name in ["", "a b", "a,b", "a/b", "\u{e9}", "a\r\n"] {
        assert_eq!(error(&[name]), BuildError::InvalidSubprotocol, "{name:?}");
    }
    // Names that differ in case are two.
    assert_eq!(
        header(&written(request().subprotocol("a").subprotocol("A")), "Sec-WebSocket-Protocol"),
        ["a, A"]
    );
}

#[test]
fn s4_1_mandatory_headers_cannot_be_lost_or_overridden() {
    for name in [
        "Host",
        "UPGRADE",
        "connection",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Version",
        "Sec-WebSocket-Protocol",
        "Sec-WebSocket-Extensions",
        "Sec-WebSocket-Accept",
        "Content-Length",
        "Transfer-Encoding",
        "Expect",
    ] {
        let request = request().header(name, "x");
        let error = Client::new(request, Seed::from_bytes([0; 32]), Arc::default()).unwrap_err();
        assert_eq!(error, BuildError::ReservedHeader, "{name}");
    }
    for (name, value, expected) in [
        ("X", "a\r\nHost: evil", BuildError::InvalidHeaderValue),
        ("X", "a\0", BuildError::InvalidHeaderValue),
        ("X: y\r\nZ", "a", BuildError::InvalidHeaderName),
        ("", "a", BuildError::InvalidHeaderName),
    ] {
        let request = request().header(name, value);
        let error = Client::new(request, Seed::from_bytes([0; 32]), Arc::default()).unwrap_err();
        assert_eq!(error, expected);
    }
    let head = written(request().header("Origin", "https://a").header("Cookie", "\u{e9}"));
    assert_eq!(
        (header(&head, "Origin"), header(&head, "Cookie")),
        (vec!["https://a"], vec!["\u{e9}"])
    );
}

// ---- replies that accept -------------------------------------------------------------

#[test]
fn s4_1_a_good_reply_opens_the_connection() {
    for added in ["", "X: y\r\n", "Set-Cookie: \u{e9}\r\n"] {
        let bytes = reply(added);
        assert_eq!(read(&bytes), accepted(&bytes));
    }
    // The phrase means nothing.
    for line in ["HTTP/1.1 101", "HTTP/1.1 101 ", "HTTP/1.1 101 \u{e9}"] {
        let bytes = reply_of(line, "");
        assert_eq!(read(&bytes), accepted(&bytes), "{line}");
    }
}

#[test]
fn s4_1_upgrade_and_connection_are_lists_without_regard_to_case() {
    let accept = accept_value();
    for (upgrade, connection) in [
        ("WebSocket", "upgrade"),
        ("WEBSOCKET", "keep-alive, UPGRADE"),
        ("h2c, websocket", "Upgrade,"),
    ] {
        let bytes = format!(
            "HTTP/1.1 101 x\r\nupgrade: {upgrade}\r\nCONNECTION: {connection}\r\nsec-websocket-accept:{accept} \r\n\r\n"
        );
        assert_eq!(read(&bytes), accepted(&bytes));
    }
    // Over several lines.
    let bytes = reply("Connection: keep-alive\r\nUpgrade: x\r\n");
    assert_eq!(read(&bytes), accepted(&bytes));
    let without = |name: &str| {
        let bytes = reply("");
        let lines = bytes.split_inclusive("\r\n").filter(|l| !l.starts_with(name));
        read(&lines.collect::<String>())
    };
    assert_eq!(without("Upgrade"), Err(UpgradeMissing));
    assert_eq!(without("Connection"), Err(ConnectionMissing));
    for (value, error) in
        [("Upgrade: websockets", UpgradeMissing), ("Connection: Upgraded", ConnectionMissing)]
    {
        let name = value.split(':').next().unwrap();
        let bytes = reply("");
        let lines = bytes.split("\r\n").map(|l| if l.starts_with(name) { value } else { l });
        assert_eq!(read(&lines.collect::<Vec<_>>().join("\r\n")), Err(error));
    }
}

#[test]
fn s4_1_the_accept_value_is_compared_to_the_byte() {
    let accept = accept_value();
    let swapped: String = accept
        .chars()
        .map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect();
    for wrong in [
        &swapped,
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        "",
        &accept[1..],
        &format!("{accept}="),
        &format!("\"{accept}\""),
    ] {
        assert_eq!(read(&reply("").replace(&accept, wrong)), Err(AcceptInvalid), "{wrong}");
    }
    let line = format!("Sec-WebSocket-Accept: {accept}\r\n");
    assert_eq!(read(&reply("").replace(&line, "")), Err(AcceptInvalid), "absent");
    assert_eq!(read(&reply(&line)), Err(AcceptInvalid), "twice");
    let spaced = reply("").replace(&accept, &format!(" \t{accept}\t "));
    assert_eq!(read(&spaced), accepted(&spaced));
}

#[test]
fn s4_1_an_extension_that_was_not_offered_fails() {
    for value in ["permessage-deflate", "x", "permessage-deflate; a=1, y", "x="] {
        let bytes = reply(&format!("Sec-WebSocket-Extensions: {value}\r\n"));
        assert_eq!(read(&bytes), Err(ExtensionNotOffered));
    }
    let bytes = reply("Sec-WebSocket-Extensions: \r\n");
    assert_eq!(read(&bytes), accepted(&bytes), "an empty list chooses none");
}

#[test]
fn s4_1_a_subprotocol_must_be_one_of_those_offered_and_may_be_missing() {
    let config = Config::default();
    let offer = || request().subprotocol("chat").subprotocol("superchat");
    let with = |added: &str| read_as(offer(), &config, reply(added).as_bytes());
    let subprotocol = |seen| match seen {
        Ok(Seen::Accepted { subprotocol, .. }) => subprotocol,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        subprotocol(with("Sec-WebSocket-Protocol: superchat\r\n")),
        Some("superchat".into())
    );
    assert_eq!(subprotocol(with("")), None);
    for value in ["Chat", "other", "chat, superchat", "", "chat\u{e9}"] {
        assert_eq!(
            with(&format!("Sec-WebSocket-Protocol: {value}\r\n")),
            Err(SubprotocolNotOffered),
            "{value}"
        );
    }
    let twice = "Sec-WebSocket-Protocol: chat\r\n".repeat(2);
    assert_eq!(with(&twice), Err(SubprotocolNotOffered));
    assert_eq!(
        read(&reply("Sec-WebSocket-Protocol: chat\r\n")),
        Err(SubprotocolNotOffered),
        "none was offered"
    );
}

#[test]
fn s8_1_what_is_read_as_text_in_a_reply_is_utf8() {
    let config = Config::default();
    for (header, error) in [
        ("Sec-WebSocket-Protocol: chat~", SubprotocolNotOffered),
        ("Sec-WebSocket-Extensions: x~", ExtensionNotOffered),
        ("X~: y", Head(HeadError::HeaderSyntax)),
    ] {
        let bytes = reply(&format!("{header}\r\n")).into_bytes();
        let bytes: Vec<u8> = bytes.into_iter().map(|b| if b == b'~' { 0xff } else { b }).collect();
        assert_eq!(read_as(request().subprotocol("chat"), &config, &bytes), Err(error), "{header}");
    }
}

#[test]
fn rfc9110_s15_2_2_body_headers_of_a_101_mean_nothing() {
    let bytes = reply("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n");
    assert_eq!(read(&bytes), accepted(&bytes));
}

#[test]
fn s4_1_bytes_behind_the_101_are_frames() {
    let config = Arc::new(Config::default());
    let mut client = client_of(request(), &config);
    let mut bytes = [reply("").as_bytes(), b"\x81\x05early"].concat();
    let (head_len, mut ws) = match client.receive(&bytes).unwrap().unwrap() {
        Reply::Accepted(response) => (response.head_len(), response.open()),
        other => panic!("{other:?}"),
    };
    let mut input = Input::new(&mut bytes[head_len..]);
    let Some(Event::Text(chunk)) = ws.receive(&mut input, &mut Vec::new()) else {
        panic!("no text")
    };
    assert_eq!(chunk.as_str(), "early");
}

#[test]
fn rfc9110_s15_2_interim_replies_are_skipped() {
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let bytes = format!("HTTP/1.1 100 Continue\r\n\r\n{early}{early}{}", reply(""));
    assert_eq!(read(&bytes), accepted(&bytes));
    assert_eq!(
        read(&format!("{early}HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")),
        refused(403, "no", true)
    );
    // The limit is that of each head.
    let bytes = format!("{early}{}", reply(""));
    for (limit, seen) in
        [(reply("").len(), accepted(&bytes)), (reply("").len() - 1, Err(Head(HeadError::TooLong)))]
    {
        let mut config = Config::default();
        config.max_head_len = limit;
        assert_eq!(read_as(request(), &config, bytes.as_bytes()), seen);
    }
    // But not for ever: there are fewer bytes of them than a head may have.
    assert_eq!(read(&early.repeat(1000)), Err(Head(HeadError::TooLong)));
    let early = early.repeat(10);
    let bytes = format!("{early}{}", reply(""));
    for (limit, seen) in
        [(early.len() + 1, accepted(&bytes)), (early.len(), Err(Head(HeadError::TooLong)))]
    {
        let mut config = Config::default();
        config.max_head_len = limit;
        assert_eq!(read_as(request(), &config, bytes.as_bytes()), seen);
    }
}

#[test]
fn s4_1_a_header_of_a_reply_is_known_by_its_name_and_not_by_its_length() {
    for name in (1..=30).map(|len| "x".repeat(len)) {
        for value in ["?", "websocket", "Upgrade"] {
            let bytes = reply(&format!("{name}: {value}\r\n"));
            assert_eq!(read(&bytes), accepted(&bytes), "{name}: {value}");
        }
    }
    for missing in ["Upgrade", "Connection", "Sec-WebSocket-Accept"] {
        let other = "x".repeat(missing.len());
        let bytes = reply("").replacen(&format!("\n{missing}:"), &format!("\n{other}:"), 1);
        assert!(bytes.contains(&other) && read(&bytes).is_err(), "without {missing}");
    }
}

// ---- replies that refuse ----------------------------------------------------------------

#[test]
fn s4_1_anything_but_101_is_http_and_its_body_can_be_read() {
    for (head, body, complete) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more", "hello", true),
        ("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", "", true),
        ("HTTP/1.1 426 No\r\nContent-Length: 0\r\n\r\n", "", true),
        ("HTTP/1.1 404 No\r\nContent-Length: 50\r\n\r\ncut", "cut", false),
        ("HTTP/1.1 500 No\r\n\r\nuntil the end", "until the end", true),
        ("HTTP/1.1 500 No\r\nContent-Length: +1\r\n\r\nabc", "abc", true),
        ("HTTP/1.1 500 No\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nabc", "abc", true),
        ("HTTP/1.1 500 No\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nabc", "a", true),
        ("HTTP/1.1 204 No\r\n\r\nnot a body", "", true),
        ("HTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\nhello", "", true),
        (
            "HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n",
            "hello world",
            true,
        ),
        ("HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "hel", false),
        (
            "HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nwhat?",
            "hello",
            false,
        ),
        (
            "HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n1\r\nx\r\n0\r\n\r\n",
            "x",
            true,
        ),
    ] {
        let status = head[9..12].parse().unwrap();
        assert_eq!(read(head), refused(status, body, complete), "{head}");
    }
}

#[test]
fn s4_1_headers_of_a_refusal_can_be_read() {
    let bytes = b"HTTP/1.1 302 Found\r\nLocation: ws://other.org/\r\nContent-Length: 0\r\n\r\n";
    let mut client = client_of(request(), &Config::default());
    let Reply::Refused(refusal) = client.receive(bytes).unwrap().unwrap() else { panic!() };
    assert_eq!(refusal.headers().first("location"), Some(&b"ws://other.org/"[..]));
}

#[test]
fn s4_1_nobody_has_to_wait_for_the_body_of_a_refusal() {
    let head = "HTTP/1.1 403 No\r\nContent-Length: 5\r\n\r\n";
    let bytes = format!("{head}hello");
    for end in 0..=bytes.len() {
        let mut client = client_of(request(), &Config::default());
        let Some(reply) = client.receive_head(&bytes.as_bytes()[..end]).unwrap() else {
            assert!(end < head.len());
            continue;
        };
        let Reply::Refused(refusal) = reply else { panic!() };
        assert!(end >= head.len());
        let body = if end == bytes.len() { "hello" } else { "" };
        assert_eq!((refusal.status(), refusal.body()), (403, body.as_bytes()));
        assert_eq!(refusal.is_complete(), end == bytes.len());
    }
    // One that accepts has none.
    let mut client = client_of(request(), &Config::default());
    assert!(client.receive_head(b"HTTP/1.1 101 S").unwrap().is_none());
    assert!(client.receive_head(b"HTTP/1.1 101 S\r\n\r\n").is_err());
}

#[test]
fn s4_1_the_body_of_a_refusal_is_bounded() {
    let mut config = Config::default();
    config.max_refusal_len = 10;
    let read = |bytes: &str| read_as(request(), &config, bytes.as_bytes());
    let long = "x".repeat(100);
    for framing in ["Content-Length: 100", "X: y"] {
        let bytes = format!("HTTP/1.1 403 No\r\n{framing}\r\n\r\n{long}");
        assert_eq!(read(&bytes), refused(403, &long[..10], false));
    }
    let chunked =
        format!("HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n{long}\r\n0\r\n\r\n");
    assert_eq!(read(&chunked), refused(403, &long[..10], false));
    // A chunk that announces more than there is memory for.
    let huge = "HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx";
    assert_eq!(read(huge), refused(403, "x", false));
    // The limit is inclusive.
    let exactly = "y".repeat(10);
    for bytes in [
        format!("HTTP/1.1 403 No\r\nContent-Length: 10\r\n\r\n{exactly}"),
        format!("HTTP/1.1 403 No\r\n\r\n{exactly}"),
        format!("HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\na\r\n{exactly}\r\n0\r\n\r\n"),
    ] {
        assert_eq!(read(&bytes), refused(403, &exactly, true));
    }
    // Framing is bounded as well: a size line, and how many there are.
    let ext = "x".repeat(1000);
    let line = format!(
        "HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n5;{ext}\r\nhello\r\n0\r\n\r\n"
    );
    assert_eq!(read(&line), refused(403, "", false));
    // That is known when its 64 bytes have come, and not when the stream ends.
    for (len, is_known) in [(63, false), (64, true)] {
        let bytes = format!(
            "HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n5;{}",
            "x".repeat(len - 2)
        );
        let mut client = client_of(request(), &Config::default());
        assert_eq!(client.receive(bytes.as_bytes()).unwrap().is_some(), is_known, "{len}");
    }
    let mut config = Config::default();
    config.max_refusal_len = 1 << 20;
    let chunks = "1\r\nx\r\n".repeat(2000);
    let many = format!("HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
    assert_eq!(
        read_as(request(), &config, many.as_bytes()),
        refused(403, &"x".repeat(1024), false)
    );
    // A chunk that does not end where it says.
    let wrong = "HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabXX0\r\n\r\n";
    assert_eq!(read(wrong), refused(403, "ab", false));
    // A size line without an end.
    let endless =
        format!("HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n1;{long}{long}{long}");
    assert_eq!(read(&endless), refused(403, "", false));
}

#[test]
fn s4_1_a_body_is_never_taken_for_frames() {
    // A chunk and a close-delimited body that would be good frames.
    for bytes in [
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n\u{1}\0\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n\u{1}\0",
    ] {
        assert_eq!(read(bytes), refused(200, "\u{1}\0", true));
    }
}

// ---- what is no reply ---------------------------------------------------------------------

#[test]
fn s4_1_a_reply_is_http_1_1() {
    for line in ["HTTP/1.0 101 x", "HTTP/2 101 x", "HTTP/1.2 101 x"] {
        assert_eq!(read(&reply_of(line, "")), Err(HttpVersionUnsupported), "{line}");
    }
    for line in [
        "ICY 200 OK",
        "HTTP/1.1 1O1 x",
        "HTTP/1.1 10 x",
        "HTTP/1.1 1010 x",
        "HTTP/1.1  101",
        "http/1.1 101 x",
        "HTTP/1.1 099 x",
    ] {
        assert_eq!(read(&reply_of(line, "")), Err(Head(HeadError::FirstLine)), "{line}");
    }
}

/// It opens nothing: neither a reply that refuses, nor one before the last.
#[test]
fn s4_1_what_other_replies_say_about_websockets_is_not_judged() {
    let twice = "Sec-WebSocket-Accept: a\r\nSec-WebSocket-Accept: b\r\n\
        Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b\r\n";
    let refused = format!("HTTP/1.1 401 No\r\nContent-Length: 0\r\n{twice}\r\n");
    let seen = Seen::Refused { status: 401, body: Vec::new(), complete: true };
    assert_eq!(read(&refused), Ok(seen));
    let interim = format!("HTTP/1.1 103 Early Hints\r\n{twice}\r\n");
    let head = interim + &reply("");
    assert_eq!(read(&head), Ok(Seen::Accepted { subprotocol: None, head_len: head.len() }));
}

#[test]
fn rfc9112_malformed_heads_fail() {
    for (added, error) in [
        ("X: a\r\n b\r\n", HeadError::FoldedLine),
        ("X : a\r\n", HeadError::HeaderSyntax),
        ("X: a\rb\r\n", HeadError::BareCarriageReturn),
        ("X: a\nb\r\n", HeadError::BareLineFeed),
        ("X: \0\r\n", HeadError::ControlByte),
    ] {
        assert_eq!(read(&reply(added)), Err(Head(error)));
    }
    let many = "X: y\r\n".repeat(101);
    assert_eq!(read(&reply(&many)), Err(Head(HeadError::TooManyHeaders)));
    let long = format!("X: {}\r\n", "y".repeat(20_000));
    assert_eq!(read(&reply(&long)), Err(Head(HeadError::TooLong)));
}

#[test]
fn s7_1_7_the_end_of_the_stream_before_a_reply_is_an_error() {
    let bytes = reply("");
    for end in 0..bytes.len() {
        assert_eq!(read(&bytes[..end]), Err(EndOfStream));
    }
}

#[test]
fn s4_1_a_reply_that_is_too_slow_is_an_error() {
    use core::time::Duration;
    let at = |s| Instant::from_epoch(Duration::from_secs(s));
    let mut client = client_of(request(), &Config::default());
    assert_eq!(client.handle_timeout(at(5)), Ok(Some(at(15))));
    assert_eq!(client.handle_timeout(at(15)), Err(Timeout));
}

#[test]
fn s4_our_client_and_our_server_agree() {
    let config = Arc::new(Config::default());
    let mut client = client_of(request().subprotocol("a").subprotocol("b"), &config);
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    client.write_request(&mut asked).unwrap();
    let mut server = Server::new(config.clone());
    let request = server.receive(&asked).unwrap().unwrap();
    let accept = Accept::new().subprotocol(Some("b")).header("X", "y");
    let at_server = request.accept(&accept, &mut answered).unwrap();
    let Reply::Accepted(response) = client.receive(&answered).unwrap().unwrap() else { panic!() };
    assert_eq!(response.headers().first("x"), Some(&b"y"[..]));
    let at_client = response.open();
    assert_eq!((at_client.subprotocol(), at_server.subprotocol()), (Some("b"), Some("b")));
}
