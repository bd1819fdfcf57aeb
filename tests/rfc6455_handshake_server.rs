//! RFC 6455, section 4.2: the server's side of the opening handshake.

mod common;

use std::sync::Arc;

use common::any_cut;
use sockeye::Config;
use sockeye::handshake::RequestError::*;
use sockeye::handshake::{Accept, BuildError, HeadError, Rejection, Request, RequestError, Server};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The headers of a good request.
const GOOD: [(&str, &str); 5] = [
    ("Host", "example.com"),
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", KEY),
    ("Sec-WebSocket-Version", "13"),
];

fn build(line: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let lines: String = headers.iter().map(|(n, v)| format!("{n}: {v}\r\n")).collect();
    format!("{line}\r\n{lines}\r\n").into_bytes()
}

fn good() -> Vec<u8> {
    build("GET / HTTP/1.1", &GOOD)
}

/// A good request with this header instead of the one of the same name, or
/// added; an empty value takes it away.
fn with(name: &str, value: &str) -> Vec<u8> {
    let kept = GOOD.iter().copied().filter(|(n, _)| *n != name);
    let added = (!value.is_empty()).then_some((name, value));
    build("GET / HTTP/1.1", &kept.chain(added).collect::<Vec<_>>())
}

/// A good request with these lines added.
fn plus(added: &[(&str, &str)]) -> Vec<u8> {
    build("GET / HTTP/1.1", &[&GOOD[..], added].concat())
}

fn line(line: &str) -> Vec<u8> {
    build(line, &GOOD)
}

/// Reads a request whole, byte by byte and cut at random, and gives what
/// `look` saw of it; the error if there is one.
fn read<T: PartialEq + std::fmt::Debug>(
    config: &Config,
    bytes: &[u8],
    look: impl Fn(Request<'_>) -> T,
) -> Result<T, RequestError> {
    let run = |cut: &mut dyn FnMut() -> usize| {
        let mut server = Server::new(Arc::new(config.clone()));
        let mut end = 0;
        loop {
            end = (end + cut()).min(bytes.len());
            match server.receive(&bytes[..end]) {
                Ok(Some(request)) => return Ok(look(request)),
                Ok(None) => assert!(end < bytes.len(), "the request is not complete"),
                Err(error) => return Err(error),
            }
        }
    };
    any_cut(bytes.len(), run)
}

#[track_caller]
fn accepts(bytes: &[u8]) {
    assert_eq!(read(&Config::default(), bytes, |_| ()), Ok(()), "{}", bytes.escape_ascii());
}

#[track_caller]
fn refuses(bytes: &[u8], error: RequestError) {
    assert_eq!(read(&Config::default(), bytes, |_| ()), Err(error), "{}", bytes.escape_ascii());
}

fn response(error: RequestError) -> String {
    let mut out = Vec::new();
    error.write_response(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn accepted(request: &[u8], accept: &Accept<'_>) -> Result<String, BuildError> {
    let config = Arc::new(Config::default());
    let mut out = Vec::new();
    Server::new(config).receive(request).unwrap().unwrap().accept(accept, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

// ---- headers ---------------------------------------------------------------------

#[test]
fn s4_2_1_a_header_is_known_by_its_name_and_not_by_its_length() {
    for name in (1..=30).map(|len| "x".repeat(len)) {
        for value in ["?", "websocket", "Upgrade"] {
            accepts(&plus(&[(&name, value)]));
        }
    }
    for (missing, _) in GOOD {
        let other = "x".repeat(missing.len());
        let headers =
            GOOD.map(|(name, value)| (if name == missing { &other } else { name }, value));
        let result = read(&Config::default(), &build("GET / HTTP/1.1", &headers), |_| ());
        assert!(result.is_err(), "without {missing}");
    }
}

// ---- accepting -------------------------------------------------------------------

#[test]
fn s4_2_2_the_example_of_the_rfc() {
    let request =
        plus(&[("Origin", "http://example.com"), ("Sec-WebSocket-Protocol", "chat, superchat")]);
    assert_eq!(
        accepted(&request, &Accept::new().subprotocol(Some("chat"))).unwrap(),
        "HTTP/1.1 101 Switching Protocols\r\n\
         Upgrade: websocket\r\n\
         Connection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
         Sec-WebSocket-Protocol: chat\r\n\r\n"
    );
}

#[test]
fn s4_2_1_a_browser_is_understood() {
    let request = b"GET /chat?room=1&x=%20 HTTP/1.1\r\n\
        Host: server.example.com:8080\r\n\
        User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0\r\n\
        Accept: */*\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
        Sec-WebSocket-Version: 13\r\nOrigin: https://example.com\r\n\
        Sec-WebSocket-Extensions: permessage-deflate\r\n\
        Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEC==\r\n\
        Sec-WebSocket-Protocol: v2.chat, v1.chat\r\n\
        Connection: keep-alive, Upgrade\r\nCookie: a=b; c=\xe9\r\nSec-Fetch-Dest: empty\r\n\
        Pragma: no-cache\r\nCache-Control: no-cache\r\nUpgrade: websocket\r\n\r\n\x81";
    read(&Config::default(), request, |r| {
        assert_eq!((r.path(), r.query()), ("/chat", Some("room=1&x=%20")));
        assert_eq!(
            (r.host(), r.origin()),
            ("server.example.com:8080", Some("https://example.com"))
        );
        assert_eq!(r.subprotocols().collect::<Vec<_>>(), ["v2.chat", "v1.chat"]);
        assert_eq!(r.extensions().map(|e| e.name()).collect::<Vec<_>>(), ["permessage-deflate"]);
        assert_eq!(r.headers().first("cookie"), Some(&b"a=b; c=\xe9"[..]));
        assert_eq!(r.headers().iter().count(), 16);
        assert_eq!(r.head_len(), request.len() - 1);
    })
    .unwrap();
}

#[test]
fn s4_2_2_the_reply_names_only_a_subprotocol_that_was_offered() {
    let request = plus(&[("Sec-WebSocket-Protocol", "chat")]);
    for name in ["Chat", "other", ""] {
        let error = accepted(&request, &Accept::new().subprotocol(Some(name))).unwrap_err();
        let expected = if name.is_empty() {
            BuildError::InvalidSubprotocol
        } else {
            BuildError::SubprotocolNotOffered
        };
        assert_eq!(error, expected);
    }
    assert!(!accepted(&request, &Accept::new()).unwrap().contains("Sec-WebSocket-Protocol"));
    assert!(!accepted(&request, &Accept::new()).unwrap().contains("Sec-WebSocket-Extensions"));
}

#[test]
fn s4_2_2_the_subprotocol_in_use_is_the_connections() {
    let config = Arc::new(Config::default());
    let request = plus(&[("Sec-WebSocket-Protocol", "chat")]);
    let mut server = Server::new(config.clone());
    let request = server.receive(&request).unwrap().unwrap();
    let accept = Accept::new().subprotocol(request.subprotocols().next());
    let ws = request.accept(&accept, &mut Vec::new()).unwrap();
    assert_eq!(ws.subprotocol(), Some("chat"));
}

#[test]
fn s4_2_2_extra_headers_go_with_the_reply_and_cannot_break_it() {
    let accept = Accept::new().header("Set-Cookie", "a=b; c=\u{e9}").header("X-Empty", "");
    let reply = accepted(&good(), &accept).unwrap();
    assert!(reply.contains("\r\nSet-Cookie: a=b; c=\u{e9}\r\nX-Empty: \r\n"));
    for (name, value, error) in [
        ("X\r\nY", "", BuildError::InvalidHeaderName),
        ("", "", BuildError::InvalidHeaderName),
        ("a b", "", BuildError::InvalidHeaderName),
        ("a:", "", BuildError::InvalidHeaderName),
        ("\u{e9}", "", BuildError::InvalidHeaderName),
        ("X", "a\r\nSet-Cookie: b", BuildError::InvalidHeaderValue),
        ("X", "a\nb", BuildError::InvalidHeaderValue),
        ("X", "a\rb", BuildError::InvalidHeaderValue),
        ("X", "a\0b", BuildError::InvalidHeaderValue),
        ("X", "a\u{7f}b", BuildError::InvalidHeaderValue),
        ("upgrade", "h2c", BuildError::ReservedHeader),
        ("Connection", "close", BuildError::ReservedHeader),
        ("sec-websocket-accept", "x", BuildError::ReservedHeader),
        ("Sec-WebSocket-Protocol", "x", BuildError::ReservedHeader),
        ("Sec-WebSocket-Extensions", "x", BuildError::ReservedHeader),
        ("Content-Length", "5", BuildError::ReservedHeader),
        ("Transfer-Encoding", "chunked", BuildError::ReservedHeader),
    ] {
        assert_eq!(accepted(&good(), &Accept::new().header(name, value)), Err(error), "{name:?}");
        let rejection = Rejection::new(403).header(name, value);
        assert_eq!(rejection.write(&mut Vec::new()), Err(error), "{name:?}");
    }
}

#[test]
fn s4_2_2_a_reply_without_room_is_not_begun_and_can_be_repeated() {
    let config = Arc::new(Config::default());
    let bytes = good();
    let mut server = Server::new(config.clone());
    let request = server.receive(&bytes).unwrap().unwrap();
    let mut memory = [0; 100];
    let mut out = sockeye::FixedOutput::new(&mut memory);
    let full = request.accept(&Accept::new(), &mut out).unwrap_err();
    assert!(matches!(full, BuildError::OutputFull { needed: 129, .. }), "{full:?}");
    assert!(out.filled().is_empty());
    assert!(request.accept(&Accept::new(), &mut Vec::new()).is_ok());
}

// ---- the request line ----------------------------------------------------------------

#[test]
fn s4_2_1_methods_other_than_get_are_answered_405_with_allow() {
    for method in ["POST", "HEAD", "get", "OPTIONS", "CONNECT"] {
        refuses(&line(&format!("{method} / HTTP/1.1")), MethodNotGet);
    }
    let reply = response(MethodNotGet);
    assert!(reply.starts_with("HTTP/1.1 405 Method Not Allowed\r\nAllow: GET\r\n"), "{reply}");
    assert!(reply.ends_with("Content-Length: 0\r\n\r\n"), "{reply}");
}

#[test]
fn s4_2_1_http_1_0_is_answered_400_and_other_major_versions_505() {
    refuses(&line("GET / HTTP/1.0"), HttpVersionTooOld);
    for version in ["HTTP/2.0", "HTTP/0.9", "HTTP/3.0"] {
        refuses(&line(&format!("GET / {version}")), HttpVersionUnsupported);
    }
    accepts(&line("GET / HTTP/1.2"));
    // The preface of HTTP/2.
    refuses(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", HttpVersionUnsupported);
    assert_eq!((HttpVersionTooOld.status(), HttpVersionUnsupported.status()), (400, 505));
}

#[test]
fn s4_2_1_malformed_request_lines_are_refused() {
    for l in [
        "GET /",
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "GET / HTTP/1.1 x",
        "GET / http/1.1",
        "GET / HTTP/11",
        "GET / HTTP/1.10",
        "GET\t/\tHTTP/1.1",
        "G@T / HTTP/1.1",
        "/ HTTP/1.1",
        "AMETHODOFMORETHANTHIRTYTWOCHARACTERS / HTTP/1.1",
    ] {
        refuses(&line(l), Head(HeadError::FirstLine));
    }
}

#[test]
fn rfc9112_s3_2_2_targets_in_origin_and_absolute_form_are_legal() {
    for (target, host, path, query) in [
        ("/", "example.com", "/", None),
        ("/?", "example.com", "/", Some("")),
        ("/a/b?c?d", "example.com", "/a/b", Some("c?d")),
        ("http://other.org/x?y", "other.org", "/x", Some("y")),
        ("WS://other.org:8080", "other.org:8080", "/", None),
        ("wss://[::1]:1?y", "[::1]:1", "/", Some("y")),
    ] {
        let seen = read(&Config::default(), &line(&format!("GET {target} HTTP/1.1")), |r| {
            (r.host().to_owned(), r.path().to_owned(), r.query().map(str::to_owned))
        });
        assert_eq!(seen.unwrap(), (host.into(), path.into(), query.map(str::to_owned)), "{target}");
    }
}

#[test]
fn rfc9112_s3_2_other_forms_of_targets_are_refused() {
    for target in [
        "*",
        "example.com:80",
        "example.com",
        "ftp://a/",
        "http:///x",
        "/a#b",
        "http://u@h/",
        "\u{e9}",
        "/\u{e9}",
    ] {
        refuses(&line(&format!("GET {target} HTTP/1.1")), TargetInvalid);
    }
}

// ---- headers ---------------------------------------------------------------------------

#[test]
fn rfc9112_s3_2_host_is_required_exactly_once() {
    refuses(&with("Host", ""), HostMissing);
    refuses(&plus(&[("Host", "example.com")]), HostInvalid);
    refuses(&plus(&[("host", "other.org")]), HostInvalid);
    for host in ["a b", "a/b", "u@a", "\u{e9}.com", " "] {
        let expected = HostInvalid;
        refuses(&with("Host", host), expected);
    }
    accepts(&with("Host", "[2001:db8::1]:8080"));
    assert_eq!(HostMissing.status(), 400);
}

#[test]
fn s4_2_1_upgrade_is_a_list_in_any_case_and_position() {
    for value in ["WebSocket", "h2c, websocket", "WEBSOCKET,foo/1", ",\twebsocket ,"] {
        accepts(&with("Upgrade", value));
    }
    for value in ["", "websockets", "web socket", "xwebsocket", "h2c", "websocket/13"] {
        refuses(&with("Upgrade", value), UpgradeMissing);
    }
    accepts(&build("GET / HTTP/1.1", &[&[("Upgrade", "h2c")], &GOOD[..]].concat()));
}

#[test]
fn s4_2_1_connection_is_a_list_over_lines_and_not_a_substring() {
    for value in ["upgrade", "keep-alive, Upgrade", "UPGRADE,x", "keep-alive,\tUpgrade"] {
        accepts(&with("Connection", value));
    }
    for value in ["", "close", "Upgrades", "xUpgrade", "keep-alive; Upgrade", "no-upgrade"] {
        refuses(&with("Connection", value), ConnectionMissing);
    }
    accepts(&build("GET / HTTP/1.1", &[&[("Connection", "keep-alive")], &GOOD[..]].concat()));
}

#[test]
fn s4_2_1_the_key_is_16_bytes_in_base64_exactly_once() {
    refuses(&with("Sec-WebSocket-Key", ""), KeyMissing);
    refuses(&plus(&[("Sec-WebSocket-Key", KEY)]), KeyInvalid);
    for key in [
        "x",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ===",
        "dGhlIHNhbXBsZSBub25jZXh4",
        "dGhlIHNhbXBsZSBub25j-_==",
        "dGhlIHNhbXBsZSBub25j!Q==",
        "========================",
    ] {
        refuses(&with("Sec-WebSocket-Key", key), KeyInvalid);
    }
    // The RFC's own example leaves unused bits that are not zero.
    accepts(&with("Sec-WebSocket-Key", "AQIDBAUGBwgJCgsMDQ4PEC=="));
}

#[test]
fn s4_4_another_version_is_answered_426_and_told_ours() {
    for version in ["", "0", "7", "8", "14", "130", "013"] {
        refuses(&with("Sec-WebSocket-Version", version), VersionUnsupported);
    }
    let reply = response(VersionUnsupported);
    assert!(reply.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{reply}");
    assert!(
        reply.contains("\r\nSec-WebSocket-Version: 13\r\n")
            && reply.contains("\r\nUpgrade: websocket\r\n")
    );
}

#[test]
fn s4_4_the_version_of_a_request_is_one_value() {
    for version in ["13, 8", "8, 13", "x13", "13;"] {
        refuses(&with("Sec-WebSocket-Version", version), VersionInvalid);
    }
    refuses(&plus(&[("Sec-WebSocket-Version", "13")]), VersionInvalid);
    assert_eq!(VersionInvalid.status(), 400);
}

#[test]
fn s11_3_4_several_lines_of_subprotocols_are_one_list() {
    let request = plus(&[("Sec-WebSocket-Protocol", "a, b"), ("sec-websocket-protocol", "c")]);
    let seen = read(&Config::default(), &request, |r| {
        r.subprotocols().map(str::to_owned).collect::<Vec<_>>()
    });
    assert_eq!(seen.unwrap(), ["a", "b", "c"]);
    for value in ["a b", "a, b/c", "a;b", "\"a\"", "\u{e9}"] {
        refuses(&plus(&[("Sec-WebSocket-Protocol", value)]), SubprotocolInvalid);
    }
}

#[test]
fn s9_1_extensions_over_lines_are_one_list_in_order_with_their_parameters() {
    let request = plus(&[
        ("Sec-WebSocket-Extensions", "foo, bar; baz=2 ;x"),
        ("Sec-WebSocket-Extensions", " permessage-deflate; a=\"12\"; b=\"\\1\\5\" , , foo"),
    ]);
    let seen = read(&Config::default(), &request, |r| {
        r.extensions()
            .map(|e| {
                let params = e.params().map(|(n, v)| (n.to_owned(), v.map(String::from)));
                (e.name().to_owned(), params.collect::<Vec<_>>())
            })
            .collect::<Vec<_>>()
    })
    .unwrap();
    let param = |n: &str, v: Option<&str>| (n.to_owned(), v.map(str::to_owned));
    assert_eq!(
        seen,
        [
            ("foo".to_owned(), vec![]),
            ("bar".into(), vec![param("baz", Some("2")), param("x", None)]),
            ("permessage-deflate".into(), vec![param("a", Some("12")), param("b", Some("15"))]),
            ("foo".into(), vec![]),
        ]
    );
}

#[test]
fn s9_1_extensions_against_the_grammar_are_refused() {
    for value in [
        ";",
        "foo;",
        "foo;;a",
        "foo;=1",
        "foo; a=",
        "foo; a=\"",
        "foo; a=\"1",
        "foo; a=\"\"",
        "foo; a=\"1 2\"",
        "foo; a=\"1,2\"",
        "foo; a=\"\\\"\"",
        "foo bar",
        "foo; a=1 2",
        "foo; a=1=2",
        "\"foo\"",
        "f\u{e9}",
    ] {
        refuses(&plus(&[("Sec-WebSocket-Extensions", value)]), ExtensionInvalid);
    }
}

#[test]
fn s4_3_a_list_of_nothing_is_refused() {
    // `1#token` and `1#extension`: one at least.
    for value in ["", ",", " ,\t, "] {
        refuses(&plus(&[("Sec-WebSocket-Protocol", value)]), SubprotocolInvalid);
        refuses(&plus(&[("Sec-WebSocket-Extensions", value)]), ExtensionInvalid);
        // Of several lines, which are one list, all but one may be empty.
        for name in ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"] {
            accepts(&plus(&[(name, value), (name, "a")]));
            accepts(&plus(&[(name, "a"), (name, value)]));
        }
    }
}

#[test]
fn s8_1_what_is_read_as_text_in_a_request_is_utf8() {
    let not_utf8 = |bytes: Vec<u8>| -> Vec<u8> {
        bytes.into_iter().map(|b| if b == b'~' { 0xff } else { b }).collect()
    };
    refuses(&not_utf8(line("GET /~ HTTP/1.1")), TargetInvalid);
    refuses(&not_utf8(line("GET ws://h~/ HTTP/1.1")), TargetInvalid);
    for (name, error) in [
        ("Host", HostInvalid),
        ("Origin", OriginInvalid),
        ("Sec-WebSocket-Extensions", ExtensionInvalid),
        ("Sec-WebSocket-Protocol", SubprotocolInvalid),
        ("X~", Head(HeadError::HeaderSyntax)),
    ] {
        refuses(&not_utf8(with(name, "a~")), error);
    }
    // What is handed on as bytes is not looked at.
    accepts(&not_utf8(plus(&[("Cookie", "a=~")])));
}

#[test]
fn s10_2_origins_are_matched_exactly_and_their_absence_is_no_browser() {
    let check = |origin: &[(&str, &str)]| {
        read(&Config::default(), &plus(origin), |r| {
            r.check_origin(&["https://example.com", "null"])
        })
        .unwrap()
    };
    assert_eq!(check(&[]), Ok(()));
    assert_eq!(check(&[("Origin", "https://example.com")]), Ok(()));
    assert_eq!(check(&[("Origin", "null")]), Ok(()));
    for origin in [
        "http://example.com",
        "https://example.com:8443",
        "https://example.com.evil.org",
        "https://evil.org/https://example.com",
        "https://EXAMPLE.com",
        "https://example.com/",
    ] {
        assert_eq!(check(&[("Origin", origin)]), Err(OriginNotAllowed), "{origin}");
    }
    assert_eq!(OriginNotAllowed.status(), 403);
    // What could be read in two ways is not read at all.
    refuses(
        &plus(&[("Origin", "https://example.com"), ("Origin", "https://evil.org")]),
        OriginInvalid,
    );
    refuses(&plus(&[("Origin", "https://ex\u{e4}mple.com")]), OriginInvalid);
}

#[test]
fn rfc9112_s6_a_body_is_refused() {
    accepts(&plus(&[("Content-Length", "0")]));
    for (name, value) in [
        ("Content-Length", "5"),
        ("Content-Length", "0, 5"),
        ("Content-Length", "-1"),
        ("Content-Length", "00x"),
        ("Transfer-Encoding", "chunked"),
        ("transfer-encoding", "identity"),
    ] {
        refuses(&plus(&[(name, value)]), BodyNotAllowed);
    }
    refuses(&plus(&[("Content-Length", "0"), ("Content-Length", "7")]), BodyNotAllowed);
}

#[test]
fn rfc9112_s5_lines_that_others_read_differently_are_refused() {
    let raw = |lines: &str| {
        let mut bytes = good();
        bytes.truncate(bytes.len() - 2);
        bytes.extend(lines.as_bytes());
        bytes.extend(b"\r\n");
        bytes
    };
    for (lines, error) in [
        ("X: a\r\n b\r\n", HeadError::FoldedLine),
        ("X: a\r\n\tb\r\n", HeadError::FoldedLine),
        ("X : a\r\n", HeadError::HeaderSyntax),
        (": a\r\n", HeadError::HeaderSyntax),
        ("no colon\r\n", HeadError::HeaderSyntax),
        ("X\u{e9}: a\r\n", HeadError::HeaderSyntax),
        ("X: a\rb\r\n", HeadError::BareCarriageReturn),
        ("X: a\r\r\n", HeadError::BareCarriageReturn),
        ("X: a\n", HeadError::BareLineFeed),
        ("X: a\0b\r\n", HeadError::ControlByte),
        ("X: a\x07b\r\n", HeadError::ControlByte),
        ("X: a\x7fb\r\n", HeadError::ControlByte),
    ] {
        refuses(&raw(lines), Head(error));
    }
    accepts(&raw("X: \t a\tb \u{e9}\u{1f41f} \t\r\n"));
    accepts(&raw("X:\r\n"));
}

#[test]
fn rfc9112_s2_2_a_request_with_bare_line_feeds_is_refused() {
    let text = String::from_utf8(good()).unwrap();
    refuses(text.replace("\r\n", "\n").as_bytes(), Head(HeadError::BareLineFeed));
    refuses(b"GET / HTTP/1.1\n", Head(HeadError::BareLineFeed));
}

#[test]
fn rfc9112_s2_2_one_empty_line_before_the_request_is_ignored() {
    let bytes = [b"\r\n", &good()[..]].concat();
    let seen = read(&Config::default(), &bytes, |r| (r.head_len(), r.path().to_owned()));
    assert_eq!(seen, Ok((bytes.len(), "/".into())));
    refuses(&[b"\r\n\r\n", &good()[..]].concat(), Head(HeadError::FirstLine));
}

#[test]
fn s4_2_1_what_is_not_http_is_refused_at_its_first_bytes() {
    let mut server = Server::new(Arc::default());
    // The beginning of a TLS handshake.
    assert_eq!(server.receive(b"\x16\x03\x01").unwrap_err(), Head(HeadError::ControlByte));
    refuses(&good().iter().map(|b| b ^ 0x80).collect::<Vec<_>>(), Head(HeadError::FirstLine));
}

// ---- bytes behind the head ---------------------------------------------------------------

#[test]
fn s4_1_bytes_behind_the_head_stay_the_callers() {
    for early in [&b"\x81\x80\0\0\0\0"[..], b"\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"] {
        let bytes = [&good()[..], early].concat();
        let len = read(&Config::default(), &bytes, |r| r.head_len()).unwrap();
        assert_eq!(&bytes[len..], early);
    }
}

// ---- limits and deadlines -------------------------------------------------------------------

#[test]
fn rfc6585_s5_a_head_over_the_limit_is_answered_431() {
    let mut config = Config::default();
    config.max_head_len = good().len();
    assert!(read(&config, &good(), |_| ()).is_ok(), "the limit is inclusive");
    config.max_head_len -= 1;
    assert_eq!(read(&config, &good(), |_| ()), Err(Head(HeadError::TooLong)));
    // Without waiting for the end of the head.
    let endless = [b"GET / HTTP/1.1\r\nX: ", &[b'x'; 20_000][..]].concat();
    refuses(&endless, Head(HeadError::TooLong));
    assert!(response(Head(HeadError::TooLong)).starts_with("HTTP/1.1 431 "));
}

#[test]
fn rfc6585_s5_too_many_headers_are_answered_431() {
    let mut config = Config::default();
    config.max_headers = 5;
    assert!(read(&config, &good(), |_| ()).is_ok(), "the limit is inclusive");
    config.max_headers = 4;
    assert_eq!(read(&config, &good(), |_| ()), Err(Head(HeadError::TooManyHeaders)));
    // The limit has a limit.
    config.max_headers = usize::MAX;
    config.max_head_len = usize::MAX;
    let many = vec![("X", "y"); Config::MAX_HEADERS - 5];
    assert!(read(&config, &plus(&many), |_| ()).is_ok());
    let too_many = vec![("X", "y"); Config::MAX_HEADERS - 4];
    assert_eq!(read(&config, &plus(&too_many), |_| ()), Err(Head(HeadError::TooManyHeaders)));
    assert_eq!(Head(HeadError::TooManyHeaders).status(), 431);
}

#[test]
fn rfc9112_s3_a_target_over_the_limit_is_answered_414() {
    let mut config = Config::default();
    config.max_target_len = 10;
    assert!(
        read(&config, &line("GET /123456789 HTTP/1.1"), |_| ()).is_ok(),
        "the limit is inclusive"
    );
    let error = Err(Head(HeadError::TargetTooLong));
    assert_eq!(read(&config, &line("GET /1234567890 HTTP/1.1"), |_| ()), error);
    // Without waiting for its end.
    assert_eq!(read(&config, b"GET /1234567890", |_| ()), error);
    assert!(response(Head(HeadError::TargetTooLong)).starts_with("HTTP/1.1 414 "));
}

#[test]
fn s4_2_a_request_is_scanned_in_time_linear_in_its_bytes() {
    // CVE-2023-43669: a head that comes in small pieces. Were each piece to
    // scan from the beginning, this would take 2^34 steps, hours in a debug
    // build; it takes 2^18.
    let mut config = Config::default();
    config.max_head_len = 1 << 18;
    let bytes = [b"GET / HTTP/1.1\r\nX: ", &vec![b'x'; 1 << 18][..]].concat();
    let mut server = Server::new(Arc::new(config));
    let refused = (1..bytes.len()).find_map(|end| server.receive(&bytes[..end]).err());
    assert_eq!(refused, Some(Head(HeadError::TooLong)));
}

#[test]
fn s4_2_a_request_that_is_too_slow_is_answered_408() {
    use core::time::Duration;
    use sockeye::Instant;
    let at = |s| Instant::from_epoch(Duration::from_secs(s));
    let mut server = Server::new(Arc::default());
    assert_eq!(server.handle_timeout(at(100)), Ok(Some(at(110))));
    assert_eq!(server.handle_timeout(at(109)), Ok(Some(at(110))));
    assert_eq!(server.handle_timeout(at(110)), Err(Timeout));
    assert!(response(Timeout).starts_with("HTTP/1.1 408 Request Timeout\r\n"));
    let mut config = Config::default();
    config.handshake_timeout = None;
    assert_eq!(Server::new(Arc::new(config)).handle_timeout(at(100)), Ok(None));
}

// ---- refusing --------------------------------------------------------------------------------

#[test]
fn s4_2_2_any_status_can_refuse() {
    for status in [200, 301, 401, 403, 404, 418, 429, 500, 503, 599] {
        let mut out = Vec::new();
        Rejection::new(status).write(&mut out).unwrap();
        let reply = String::from_utf8(out).unwrap();
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{reply}");
        assert!(reply.ends_with("Connection: close\r\nContent-Length: 0\r\n\r\n"), "{reply}");
    }
    // The phrases of RFC 9110, section 15.
    let phrases = "200 OK/204 No Content/301 Moved Permanently/302 Found/303 See Other/\
        307 Temporary Redirect/308 Permanent Redirect/400 Bad Request/401 Unauthorized/\
        403 Forbidden/404 Not Found/405 Method Not Allowed/408 Request Timeout/410 Gone/\
        414 URI Too Long/426 Upgrade Required/429 Too Many Requests/\
        431 Request Header Fields Too Large/500 Internal Server Error/501 Not Implemented/\
        502 Bad Gateway/503 Service Unavailable/505 HTTP Version Not Supported/599 ";
    for phrase in phrases.split('/') {
        let mut out = Vec::new();
        Rejection::new(phrase[..3].parse().unwrap()).write(&mut out).unwrap();
        assert!(out.starts_with(format!("HTTP/1.1 {phrase}\r\n").as_bytes()), "{phrase}");
    }
    for status in [0, 100, 101, 199, 600, 1000] {
        assert_eq!(Rejection::new(status).write(&mut Vec::new()), Err(BuildError::InvalidStatus));
    }
}

#[test]
fn s4_2_2_a_refusal_has_headers_and_a_body() {
    let bytes = good();
    let mut server = Server::new(Arc::default());
    let request = server.receive(&bytes).unwrap().unwrap();
    let mut out = Vec::new();
    request
        .reject(
            &Rejection::new(404).header("Content-Type", "text/html").body("<p>\u{e9}"),
            &mut out,
        )
        .unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\nConnection: close\r\n\
         Content-Length: 5\r\n\r\n<p>\u{e9}"
    );
}

#[test]
fn rfc9110_s8_6_statuses_without_a_body_have_none() {
    for status in [204, 304] {
        let mut out = Vec::new();
        Rejection::new(status).body("not sent").write(&mut out).unwrap();
        let reply = String::from_utf8(out).unwrap();
        assert!(reply.ends_with("Connection: close\r\n\r\n"), "{reply}");
        assert!(!reply.contains("Content-Length"), "{reply}");
    }
}

#[test]
fn a_connection_can_have_a_config_of_its_own() {
    let mut config = Config::default();
    config.max_message_len = 1;
    let bytes = good();
    let mut server = Server::new(Arc::default());
    let request = server.receive(&bytes).unwrap().unwrap();
    let plain = request.accept(&Accept::new(), &mut Vec::new()).unwrap();
    let accept = Accept::new().config(Arc::new(config));
    let special = request.accept(&accept, &mut Vec::new()).unwrap();
    assert_eq!(plain.config().max_message_len, 16 << 20);
    assert_eq!(special.config().max_message_len, 1);
}

#[test]
fn s4_2_1_every_fault_has_an_answer_that_is_http() {
    for error in [
        BodyNotAllowed,
        ConnectionMissing,
        ExtensionInvalid,
        Head(HeadError::FirstLine),
        HostInvalid,
        HostMissing,
        HttpVersionTooOld,
        HttpVersionUnsupported,
        KeyInvalid,
        KeyMissing,
        MethodNotGet,
        OriginInvalid,
        OriginNotAllowed,
        SubprotocolInvalid,
        TargetInvalid,
        Timeout,
        UpgradeMissing,
        VersionInvalid,
        VersionUnsupported,
    ] {
        let reply = response(error);
        let mut headers = [httparse::EMPTY_HEADER; 16];
        let mut parsed = httparse::Response::new(&mut headers);
        let head = parsed.parse(reply.as_bytes()).unwrap().unwrap();
        assert_eq!(parsed.code, Some(error.status()));
        assert!(!parsed.reason.unwrap().is_empty());
        let header =
            |name| parsed.headers.iter().find(|h| h.name == name).map(|h| h.value.to_vec());
        assert_eq!(header("Content-Length"), Some((reply.len() - head).to_string().into_bytes()));
        assert!(header("Connection").unwrap().ends_with(b"close"));
    }
}
