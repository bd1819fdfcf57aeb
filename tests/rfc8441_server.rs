//! RFC 8441, the server's side: extended CONNECT requests as HPACK decodes
//! them, and the replies to them.

mod counted;

use std::collections::BTreeSet;
use std::sync::Arc;

use counted::count;
use sockeye::Config;
use sockeye::handshake::extended::{
    Reply, Request,
    RequestError::{self, *},
    SectionError::*,
};
use sockeye::handshake::{Accept, BuildError, Rejection, RequestError as Shared};

type Field = (&'static str, &'static [u8]);

/// The request of RFC 8441, section 5.1.
const REQUEST: [Field; 9] = [
    (":method", b"CONNECT"),
    (":protocol", b"websocket"),
    (":scheme", b"https"),
    (":path", b"/chat"),
    (":authority", b"server.example.com"),
    ("sec-websocket-protocol", b"chat, superchat"),
    ("sec-websocket-extensions", b"permessage-deflate"),
    ("sec-websocket-version", b"13"),
    ("origin", b"http://www.example.com"),
];

/// It without the fields of this name.
fn without(name: &str) -> Vec<Field> {
    REQUEST.into_iter().filter(|field| field.0 != name).collect()
}

/// It with another value of this field.
fn but(name: &'static str, value: &'static [u8]) -> Vec<Field> {
    REQUEST.into_iter().map(|field| if field.0 == name { (name, value) } else { field }).collect()
}

/// It with this field behind the others.
fn and(name: &'static str, value: &'static [u8]) -> Vec<Field> {
    REQUEST.into_iter().chain([(name, value)]).collect()
}

fn parse_with<'a>(
    section: &'a [(&'a str, &'a [u8])],
    set: impl FnOnce(&mut Config),
) -> Result<Request<'a>, RequestError> {
    let mut config = Config::default();
    set(&mut config);
    Request::parse(section, Arc::new(config))
}

fn parse<'a>(section: &'a [(&'a str, &'a [u8])]) -> Result<Request<'a>, RequestError> {
    parse_with(section, |_| {})
}

/// It opens a connection.
#[track_caller]
fn assert_opens(section: &[Field]) {
    let (reply, ws) = parse(section).unwrap().accept(&Accept::new()).unwrap();
    assert_eq!((reply.status(), ws.is_open(), ws.is_server()), (200, true, true));
}

/// It is refused with this status, and this is why.
#[track_caller]
fn assert_refused(section: &[Field], error: RequestError, status: u16) -> Reply {
    let refused = parse(section).expect_err("it is refused");
    assert_eq!(refused, error);
    let reply = refused.reply();
    assert_eq!(reply.status(), status, "{error:?}");
    assert_fields(&reply);
    reply
}

/// It is malformed, and this is why.
#[track_caller]
fn assert_malformed(section: &[Field], error: impl Into<RequestError>) {
    let error = error.into();
    assert!(error.is_malformed(), "{error:?}");
    assert_refused(section, error, 400);
}

/// What every reply must be to go on a stream of HTTP/2.
#[track_caller]
fn assert_fields(reply: &Reply) {
    for (name, value) in reply.fields() {
        assert!(!name.is_empty() && !name.bytes().any(|b| b.is_ascii_uppercase() || b == b':'));
        assert_eq!(value.trim(), value);
    }
    let length = reply.fields().find(|(name, _)| *name == "content-length");
    let length = length.map_or(0, |(_, length)| length.parse().unwrap());
    assert_eq!(reply.body().len(), length);
}

// ---- the request -----------------------------------------------------------------

#[test]
fn s5_1_the_request_of_the_rfc_is_accepted_with_a_200() {
    let request = parse(&REQUEST).unwrap();
    assert_eq!((request.scheme(), request.authority()), ("https", "server.example.com"));
    assert_eq!((request.path(), request.query()), ("/chat", None));
    assert_eq!(request.origin(), Some("http://www.example.com"));
    assert!(request.subprotocols().eq(["chat", "superchat"]));
    assert!(request.extensions().map(|e| e.name()).eq(["permessage-deflate"]));
    assert!(request.fields().iter().eq(REQUEST.into_iter().skip(5)));
    assert_eq!(request.fields().first("origin"), Some(&b"http://www.example.com"[..]));
    let (reply, ws) = request.accept(&Accept::new().subprotocol(Some("superchat"))).unwrap();
    assert_eq!((reply.status(), reply.body()), (200, ""));
    assert!(reply.fields().eq([("sec-websocket-protocol", "superchat")]));
    assert_eq!(ws.subprotocol(), Some("superchat"));
    assert!(ws.is_server() && ws.is_open());
}

#[test]
fn rule_93_s4_every_pseudo_header_is_there_once_and_before_the_rest() {
    for name in [":method", ":scheme", ":path", ":authority"] {
        let error = match name {
            ":method" => PseudoHeader.into(),
            ":scheme" => SchemeInvalid,
            ":path" => PathInvalid,
            _ => AuthorityInvalid,
        };
        assert_malformed(&without(name), error);
    }
    for (at, field) in REQUEST[..5].iter().enumerate() {
        let mut twice = REQUEST.to_vec();
        twice.insert(5, *field);
        assert_malformed(&twice, PseudoHeader);
        let mut late = REQUEST.to_vec();
        let field = late.remove(at);
        late.push(field);
        assert_malformed(&late, PseudoHeader);
    }
    // Their own order is anybody's.
    let mut turned = REQUEST;
    turned[..5].reverse();
    assert_opens(&turned);
}

#[test]
fn rfc9113_s8_3_unknown_pseudo_headers_are_malformed() {
    for name in [":status", ":host", ":", ":Method", ":method "] {
        let mut section = REQUEST.to_vec();
        section.insert(0, (name, b"200"));
        assert_malformed(&section, PseudoHeader);
    }
}

#[test]
fn s5_the_protocol_is_websocket_to_the_letter() {
    for other in ["webtransport", "WebSocket", "websocket,x", "websocket13", "", "h2c"] {
        let reply = assert_refused(&but(":protocol", other.as_bytes()), ProtocolUnsupported, 501);
        assert!(reply.body().contains(":protocol"));
    }
}

#[test]
fn s4_a_connect_without_a_protocol_makes_no_tunnel() {
    let tunnel: [Field; 2] = [(":method", b"CONNECT"), (":authority", b"example.com:25")];
    let error = parse(&tunnel).unwrap_err();
    assert_eq!((error, error.is_malformed(), error.status()), (ProtocolMissing, false, 501));
    // Such a one has neither a scheme nor a path (RFC 9113, section 8.5), nor half of that.
    let whole = without(":protocol");
    assert_malformed(&whole, PseudoHeader);
    for half in [":scheme", ":path"] {
        let section: Vec<_> = whole.iter().copied().filter(|(name, _)| *name != half).collect();
        assert_malformed(&section, PseudoHeader);
    }
}

#[test]
fn s4_methods_other_than_connect_are_ordinary_requests() {
    for method in ["GET", "HEAD", "POST", "connect"] {
        let mut section = without(":protocol");
        section[0].1 = method.as_bytes();
        let reply = assert_refused(&section, MethodNotConnect, 405);
        assert!(reply.fields().eq([("allow", "CONNECT")]));
        assert!(!MethodNotConnect.is_malformed());
    }
    assert_malformed(&but(":method", b"GET"), PseudoHeader);
}

#[test]
fn s5_the_scheme_is_http_or_https() {
    for scheme in ["http", "https", "HTTPS"] {
        assert_opens(&but(":scheme", scheme.as_bytes()));
    }
    for scheme in ["ws", "wss", "ftp", "", "https:", "\u{17f}"] {
        assert_malformed(&but(":scheme", scheme.as_bytes()), SchemeInvalid);
    }
}

#[test]
fn s5_the_path_is_that_of_the_target_with_its_query() {
    for (path, parts) in [
        ("/", ("/", None)),
        ("/?", ("/", Some(""))),
        ("/chat?room=1?2", ("/chat", Some("room=1?2"))),
        ("//x", ("//x", None)),
    ] {
        let section = but(":path", path.as_bytes());
        let request = parse(&section).unwrap();
        assert_eq!((request.path(), request.query()), parts);
    }
    for path in ["", "*", "chat", "?x", "http://server.example.com/", "/#x", "/a b", "/\u{e9}"] {
        assert_malformed(&but(":path", path.as_bytes()), PathInvalid);
    }
}

#[test]
fn s5_the_authority_is_a_host_with_or_without_a_port() {
    for authority in ["h", "h:8443", "[::1]", "[::1]:80", "127.0.0.1:0"] {
        assert_opens(&but(":authority", authority.as_bytes()));
    }
    // "MUST NOT include the deprecated userinfo subcomponent" (RFC 9113, 8.3.1).
    for authority in ["", "user@h", "h/x", "h?x", "a,b", "\u{e9}"] {
        assert_malformed(&but(":authority", authority.as_bytes()), AuthorityInvalid);
    }
}

#[test]
fn rfc9113_s8_3_1_host_says_the_same_as_the_authority_or_nothing() {
    for (authority, host) in [
        ("h", "h"),
        ("h", "H"),
        ("h", "h:443"),
        ("h:443", "h"),
        ("h", "h:"),
        ("h:8443", "h:8443"),
        ("[::1]", "[::1]:443"),
    ] {
        let mut section = but(":authority", authority.as_bytes());
        section.push(("host", host.as_bytes()));
        assert_opens(&section);
    }
    for (authority, host) in
        [("h", "i"), ("h", ""), ("h", "h:80"), ("h:8443", "h"), ("[::1]", "[::]"), ("h", "h,h")]
    {
        let mut section = but(":authority", authority.as_bytes());
        section.push(("host", host.as_bytes()));
        assert_malformed(&section, HostDiffers);
    }
    let mut twice = and("host", b"server.example.com");
    twice.push(("host", b"server.example.com"));
    assert_refused(&twice, Handshake(Shared::HostInvalid), 400);
}

#[test]
fn rule_93_s5_connection_specific_fields_are_malformed() {
    for (name, value) in [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("te", "trailers, deflate"),
        ("te", "gzip"),
        ("te", ""),
    ] {
        assert_malformed(&and(name, value.as_bytes()), ConnectionSpecific);
    }
    assert_opens(&and("te", b"trailers"));
}

#[test]
fn rule_93_s5_keys_and_proofs_are_not_processed() {
    for key in ["dGhlIHNhbXBsZSBub25jZQ==", "short", ""] {
        let mut section = and("sec-websocket-key", key.as_bytes());
        section.push(("sec-websocket-key", b"another"));
        section.push(("sec-websocket-accept", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        assert_opens(&section);
        let (reply, _) = parse(&section).unwrap().accept(&Accept::new()).unwrap();
        assert_eq!(reply.fields().count(), 0, "no proof is given");
    }
}

#[test]
fn rule_94_s5_the_version_is_13_or_ours_is_told() {
    let unsupported = Handshake(Shared::VersionUnsupported);
    for section in [
        without("sec-websocket-version"),
        but("sec-websocket-version", b"8"),
        but("sec-websocket-version", b"013"),
        but("sec-websocket-version", b""),
    ] {
        let reply = assert_refused(&section, unsupported, 400);
        assert_eq!(reply.fields().next(), Some(("sec-websocket-version", "13")));
        assert!(!unsupported.is_malformed());
    }
    let invalid = Handshake(Shared::VersionInvalid);
    assert_refused(&but("sec-websocket-version", b"13, 8"), invalid, 400);
    assert_refused(&and("sec-websocket-version", b"13"), invalid, 400);
}

#[test]
fn s5_fields_of_rfc6455_follow_its_rules() {
    for (name, value, error, status) in [
        ("sec-websocket-protocol", "a b", Shared::SubprotocolInvalid, 400),
        ("sec-websocket-extensions", "a; =", Shared::ExtensionInvalid, 400),
        ("origin", "", Shared::OriginInvalid, 400),
        ("origin", "http://a http://b", Shared::OriginInvalid, 400),
    ] {
        let refused = assert_refused(&but(name, value.as_bytes()), Handshake(error), status);
        assert!(!refused.body().is_empty());
    }
    // Several fields are one list (section 11.3.4).
    let lists = and("sec-websocket-protocol", b"third");
    assert!(parse(&lists).unwrap().subprotocols().eq(["chat", "superchat", "third"]));
}

#[test]
fn rfc6455_s10_2_origins_are_checked_as_ever() {
    let request = parse(&REQUEST).unwrap();
    request.check_origin(&["http://www.example.com"]).unwrap();
    let error = request.check_origin(&["https://www.example.com"]).unwrap_err();
    assert_eq!((error, error.status()), (Handshake(Shared::OriginNotAllowed), 403));
    parse(&without("origin")).unwrap().check_origin(&[] as &[&str]).unwrap();
}

#[test]
fn rfc9110_s9_3_6_a_request_has_no_body() {
    assert_opens(&and("content-length", b"0"));
    for length in ["1", "00", "", "0, 0", "-0"] {
        let error = Handshake(Shared::BodyNotAllowed);
        assert_refused(&and("content-length", length.as_bytes()), error, 400);
    }
}

#[test]
fn rfc9113_s8_2_1_names_are_tokens_in_lower_case() {
    for name in ["Origin", "x-A", "", "a b", "a:b", "x\u{e9}", "x\0", "x\r\ny"] {
        assert_malformed(&and(name, b"x"), FieldName);
    }
    assert_opens(&and("x-!#$%&'*+-.^_`|~09", b"x"));
}

#[test]
fn rfc9113_s8_2_1_values_have_no_control_bytes_and_no_white_space_around() {
    for value in ["a\0", "a\rb", "a\nb", "a\x7fb", "a\x01", " a", "a ", "\ta", "a\t"] {
        assert_malformed(&and("x", value.as_bytes()), FieldValue);
    }
    assert_malformed(&but(":path", b"/\n"), FieldValue);
    for value in ["", "a\tb", "a  b", "\u{e9}"] {
        assert_opens(&and("x", value.as_bytes()));
    }
    assert_opens(&and("x", b"\x80\xff"));
}

#[test]
fn rule_98_rfc8470_s5_1_a_request_in_early_data_is_told_to_come_later() {
    // "Multiple or invalid instances [...] MUST be treated as equivalent to a
    // single instance with a value of 1."
    for value in ["1", "0", ""] {
        let mut section = and("early-data", value.as_bytes());
        assert_refused(&section, TooEarly, 425);
        section.push(("early-data", b"1"));
        assert_refused(&section, TooEarly, 425);
    }
}

// ---- limits ----------------------------------------------------------------------

#[test]
fn limits_are_those_of_http_1_1_and_inclusive() {
    // As SETTINGS_MAX_HEADER_LIST_SIZE counts (RFC 9113, section 6.5.2).
    let len: usize = REQUEST.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
    for (max, opens) in [(len, true), (len - 1, false)] {
        let outcome = parse_with(&REQUEST, |config| config.max_head_len = max);
        assert_eq!(outcome.map(|_| ()), if opens { Ok(()) } else { Err(Section(TooLong)) });
    }
    for (max, opens) in [(4, true), (3, false)] {
        let outcome = parse_with(&REQUEST, |config| config.max_headers = max);
        assert_eq!(outcome.map(|_| ()), if opens { Ok(()) } else { Err(Section(TooManyFields)) });
    }
    for (max, opens) in [(5, true), (4, false)] {
        let outcome = parse_with(&REQUEST, |config| config.max_target_len = max);
        assert_eq!(outcome.map(|_| ()), if opens { Ok(()) } else { Err(PathTooLong) });
    }
    assert_eq!((Section(TooLong).status(), Section(TooLong).is_malformed()), (431, false));
    assert_eq!((Section(TooManyFields).status(), PathTooLong.status()), (431, 414));
    assert!(!Section(TooManyFields).is_malformed() && !PathTooLong.is_malformed());
}

#[test]
fn rfc9113_s8_2_3_crumbs_of_a_cookie_are_one_field() {
    let mut section = REQUEST.to_vec();
    section.extend([("cookie", &b"a=b"[..]); 150]);
    assert_opens(&section);
    let outcome = parse_with(&section, |config| config.max_headers = 5);
    assert!(outcome.is_ok());
    let outcome = parse_with(&section, |config| config.max_headers = 4);
    assert_eq!(outcome.err(), Some(Section(TooManyFields)));
}

// ---- the reply -------------------------------------------------------------------

#[test]
fn s5_the_reply_names_only_a_subprotocol_that_was_offered() {
    let request = parse(&REQUEST).unwrap();
    for (chosen, error) in [
        ("other", BuildError::SubprotocolNotOffered),
        ("Chat", BuildError::SubprotocolNotOffered),
        ("a b", BuildError::InvalidSubprotocol),
    ] {
        let accept = Accept::new().subprotocol(Some(chosen));
        assert_eq!(request.accept(&accept).err(), Some(error));
    }
}

#[cfg(feature = "deflate")]
#[test]
fn s5_compression_is_agreed_on_as_ever() {
    let mut config = Config::default();
    config.deflate = Some(sockeye::DeflateConfig::default());
    let config = Arc::new(config);
    let request = Request::parse(&REQUEST, config.clone()).unwrap();
    let (reply, ws) = request.accept(&Accept::new()).unwrap();
    assert!(reply.fields().eq([("sec-websocket-extensions", "permessage-deflate")]));
    assert_eq!(ws.deflate_params(), Some(sockeye::deflate::Params::default()));
    let (reply, ws) = request.accept(&Accept::new().without_deflate()).unwrap();
    assert_eq!((reply.fields().count(), ws.deflate_params()), (0, None));
    let plain = without("sec-websocket-extensions");
    let (reply, ws) =
        Request::parse(&plain, config.clone()).unwrap().accept(&Accept::new()).unwrap();
    assert_eq!((reply.fields().count(), ws.deflate_params()), (0, None));
    // Those of the reply win over those of the request.
    let request = parse(&REQUEST).unwrap();
    let (_, ws) = request.accept(&Accept::new().config(config)).unwrap();
    assert!(ws.deflate_params().is_some());
}

#[test]
fn rfc9113_s8_2_headers_of_the_caller_are_made_lower_case_or_refused() {
    let request = parse(&REQUEST).unwrap();
    let accept = Accept::new().header("Set-Cookie", " a=b ").header("X-Y", "z");
    let (reply, _) = request.accept(&accept).unwrap();
    assert!(reply.fields().eq([("set-cookie", "a=b"), ("x-y", "z")]));
    for (name, value, error) in [
        ("Connection", "close", BuildError::ReservedHeader),
        ("keep-alive", "x", BuildError::ReservedHeader),
        ("Proxy-Connection", "x", BuildError::ReservedHeader),
        ("Content-Length", "0", BuildError::ReservedHeader),
        (":status", "200", BuildError::InvalidHeaderName),
        ("x", "a\r\nb: c", BuildError::InvalidHeaderValue),
    ] {
        assert_eq!(request.accept(&Accept::new().header(name, value)).err(), Some(error));
        let rejection = Rejection::new(403).header(name, value);
        assert_eq!(request.reject(&rejection).err(), Some(error));
    }
}

#[test]
fn rfc9110_s9_3_6_a_rejection_is_no_2xx_which_would_accept() {
    let request = parse(&REQUEST).unwrap();
    for status in [0, 101, 199, 200, 204, 299, 600] {
        let rejected = request.reject(&Rejection::new(status));
        assert_eq!(rejected.err(), Some(BuildError::InvalidStatus));
    }
    let reply = request.reject(&Rejection::new(300)).unwrap();
    assert_eq!((reply.status(), reply.body()), (300, ""));
    let reply = request.reject(&Rejection::new(403).header("X-Why", "so").body("no")).unwrap();
    assert_fields(&reply);
    assert_eq!((reply.status(), reply.body()), (403, "no"));
    assert!(reply.fields().eq([
        ("x-why", "so"),
        ("content-type", "text/plain; charset=utf-8"),
        ("content-length", "2"),
    ]));
    let html = Rejection::new(403).header("Content-Type", "text/html").body("no");
    assert_eq!(request.reject(&html).unwrap().fields().count(), 2);
    let bodiless = request.reject(&Rejection::new(304).body("lost")).unwrap();
    assert_eq!((bodiless.body(), bodiless.fields().count()), ("", 0));
}

#[test]
fn a_request_is_checked_without_an_allocation() {
    let section = and("host", b"SERVER.example.com:443");
    let config = Arc::new(Config::default());
    let (allocations, ..) = count(|| {
        let request = Request::parse(&section, config.clone()).unwrap();
        request.check_origin(&["http://www.example.com"]).unwrap();
        request.subprotocols().count() + request.extensions().count()
    });
    assert_eq!(allocations, 0);
}

// ---- saying ------------------------------------------------------------------------

#[test]
fn every_error_says_what_is_wrong_in_words_of_its_own() {
    let sections =
        [ConnectionSpecific, FieldName, FieldValue, PseudoHeader, TooLong, TooManyFields];
    let of_sections = sections.map(|error| error.to_string());
    assert_eq!(sections.map(|error| Section(error).to_string()), of_sections);
    let others = [
        AuthorityInvalid,
        Handshake(Shared::VersionUnsupported),
        HostDiffers,
        MethodNotConnect,
        PathInvalid,
        PathTooLong,
        ProtocolMissing,
        ProtocolUnsupported,
        SchemeInvalid,
        TooEarly,
    ];
    let others = others.map(|error| error.to_string());
    let all: BTreeSet<&String> = of_sections.iter().chain(&others).collect();
    assert_eq!(all.len(), sections.len() + others.len());
    assert!(all.iter().all(|line| line.len() > 10));
}

#[test]
fn debugging_shows_fields() {
    let shown = format!("{:?}", parse(&and("x", b"\xff")).unwrap().fields());
    assert!(shown.starts_with("{\"sec-websocket-protocol\": \"chat, superchat\""), "{shown}");
    assert!(shown.ends_with("\"x\": \"\\\\xff\"}"), "{shown}");
}
