//! `new WebSocket(url, protocols)`: what it takes, what it refuses, in which
//! order it looks, and what is there right after.

#![cfg(feature = "web")]

mod common;
mod web_common;

use sockeye::Seed;
use sockeye::web::{BinaryType, BlockedPorts, Network, Options, ReadyState, WebError, WebSocket};
use web_common::{Page, Told, URL, header, options};

fn made(url: &str, base: Option<&str>) -> Result<String, WebError> {
    let options = options(|options| options.base_url = base.map(Into::into));
    WebSocket::with_options(url, (), &options).map(|ws| ws.url().to_owned())
}

/// The URL as the object shows it; none is a `SyntaxError`.
#[track_caller]
fn becomes(cases: &[(&str, Option<&str>)]) {
    for (url, shown) in cases {
        match (made(url, None), shown) {
            (Ok(url), Some(shown)) => assert_eq!(&url, shown),
            (Err(error), None) => assert_eq!(error.name(), "SyntaxError", "{url:?}"),
            (result, _) => panic!("{url:?} should give {shown:?}, not {result:?}"),
        }
    }
}

// ---- the URL ----------------------------------------------------------------------

#[test]
fn c1_urls_are_parsed_as_the_url_standard_has_it() {
    becomes(&[
        // Schemes, slashes, white space around and within.
        ("WS://example.com/", Some("ws://example.com/")),
        ("wS:example.com", Some("ws://example.com/")),
        ("ws:h", Some("ws://h/")),
        ("ws:/h", Some("ws://h/")),
        ("ws:///h", Some("ws://h/")),
        ("ws:////h/x", Some("ws://h/x")),
        (r"ws:\\h\a\b", Some("ws://h/a/b")),
        (r"ws:/\h", Some("ws://h/")),
        (r"ws://h\@other", Some("ws://h/@other")),
        ("  \t\n ws://h/x \r\n ", Some("ws://h/x")),
        ("\u{0}ws://h/\u{1f}", Some("ws://h/")),
        ("w\ts://h\n/a\rb", Some("ws://h/ab")),
        // Paths and queries.
        ("ws://h/a b", Some("ws://h/a%20b")),
        ("ws://h/a?b c", Some("ws://h/a?b%20c")),
        ("ws://h/\u{e9}?\u{e9}", Some("ws://h/%C3%A9?%C3%A9")),
        ("ws://h/\u{1f600}", Some("ws://h/%F0%9F%98%80")),
        ("ws://h/%zz%41", Some("ws://h/%zz%41")),
        ("ws://h/'?'", Some("ws://h/'?%27")),
        ("ws://h/a/./b/../c/%2e%2E/d", Some("ws://h/a/d")),
        ("ws://h/../..", Some("ws://h/")),
        ("ws://h?", Some("ws://h/?")),
        ("ws://h?a?b", Some("ws://h/?a?b")),
        ("ws://h/\"<>`{}|", Some("ws://h/%22%3C%3E%60%7B%7D|")),
        // Hosts.
        ("ws://EXAMPLE.Com", Some("ws://example.com/")),
        ("ws://b\u{fc}cher.example", Some("ws://xn--bcher-kva.example/")),
        ("ws://B\u{dc}CHER.example", Some("ws://xn--bcher-kva.example/")),
        ("ws://fa\u{df}.example", Some("ws://xn--fa-hia.example/")),
        ("ws://\u{65e5}\u{672c}\u{3002}example", Some("ws://xn--wgv71a.example/")),
        ("ws://e%78ample.com", Some("ws://example.com/")),
        ("ws://\u{ff25}xample.com", Some("ws://example.com/")),
        ("ws://a_b.example/", Some("ws://a_b.example/")),
        ("ws://example.com./", Some("ws://example.com./")),
        ("ws://127.0.0.1/", Some("ws://127.0.0.1/")),
        ("ws://0x7f.1/", Some("ws://127.0.0.1/")),
        ("ws://2130706433/", Some("ws://127.0.0.1/")),
        ("ws://0177.0.0.1/", Some("ws://127.0.0.1/")),
        ("ws://[::1]/", Some("ws://[::1]/")),
        ("ws://[2001:DB8:0:0:0:0:0:1]:81", Some("ws://[2001:db8::1]:81/")),
        ("ws://[::ffff:1.2.3.4]/", Some("ws://[::ffff:102:304]/")),
        // None.
        ("", None),
        ("ws", None),
        ("ws:", None),
        ("ws:/", None),
        ("ws://", None),
        ("ws:///", None),
        ("ws://?x", None),
        ("ws://:80/", None),
        ("ws://@/", None),
        ("ws://user@/", None),
        ("ws://user:pw@:80/", None),
        ("ws://exa mple.com/", None),
        ("ws://h%20h/", None),
        ("ws://h%00h/", None),
        ("ws://a<b/", None),
        ("ws://a^b/", None),
        ("ws://a|b/", None),
        ("ws://a%b/", None),
        ("ws://\u{ad}/", None),
        ("ws://256.256.256.256/", None),
        ("ws://1.2.3.4.5/", None),
        ("ws://[::1", None),
        ("ws://[::1]x/", None),
        ("ws://[1:2]/", None),
        ("ws://[::g]/", None),
        ("ws://::1/", None),
        ("ws://h:65536/", None),
        ("ws://h:-1/", None),
        ("ws://h:1a/", None),
        ("ws://h: 80/", None),
    ]);
}

#[test]
fn c2_relative_urls_need_a_base() {
    let relative = ["test", "?", "", "null", "/", "//other", "../x", "about", "?a b", "\\x", "."];
    for url in relative {
        assert_eq!(made(url, None).unwrap_err().name(), "SyntaxError", "{url:?}");
    }
    let cases = [
        ("test", "wss://example.com:8443/a/test"),
        ("?", "wss://example.com:8443/a/b?"),
        ("", "wss://example.com:8443/a/b?c"),
        ("null", "wss://example.com:8443/a/null"),
        ("/", "wss://example.com:8443/"),
        ("//other", "wss://other/"),
        ("../x", "wss://example.com:8443/x"),
        ("about", "wss://example.com:8443/a/about"),
        ("?a b", "wss://example.com:8443/a/b?a%20b"),
        ("\\x", "wss://example.com:8443/x"),
        (".", "wss://example.com:8443/a/"),
        // The same scheme without slashes is relative, another is not.
        ("https:x", "wss://example.com:8443/a/x"),
        ("wss:x", "wss://x/"),
        ("ws:x", "ws://x/"),
        ("ws://h/", "ws://h/"),
    ];
    for (url, shown) in cases {
        let base = Some("https://example.com:8443/a/b?c");
        assert_eq!(made(url, base).as_deref(), Ok(shown), "{url:?}");
    }
    // The fragment of the base is not inherited.
    assert_eq!(made("", Some("http://h/a#f")).as_deref(), Ok("ws://h/a"));
    // Bases that lead nowhere.
    for base in ["about:blank", "data:,x", "file:///x", "x", "", "http://"] {
        assert_eq!(made("test", Some(base)).unwrap_err().name(), "SyntaxError", "{base:?}");
    }
    assert_eq!(made("#", Some("http://h/")).unwrap_err().name(), "SyntaxError");
}

#[test]
fn c2_an_absolute_url_needs_no_base_that_can_be_one() {
    for base in ["about:blank", "data:,x", "file:///x"] {
        assert_eq!(made(URL, Some(base)).as_deref(), Ok(URL), "{base:?}");
    }
}

#[test]
fn c3_http_becomes_ws_and_https_wss() {
    becomes(&[
        ("http://h/", Some("ws://h/")),
        ("HTTPS://h/x?y", Some("wss://h/x?y")),
        ("http:h", Some("ws://h/")),
        // The default port is that of the scheme which was written, and of the
        // one that it becomes: they are the same.
        ("http://h:80/", Some("ws://h/")),
        ("https://h:443/", Some("wss://h/")),
        ("http://h:443/", Some("ws://h:443/")),
        ("https://h:80/", Some("wss://h:80/")),
        ("http://u:p@h/", Some("ws://u:p@h/")),
    ]);
    let ws = Network::new(WebSocket::new("https://h/", ()).unwrap());
    let target = ws.target().unwrap();
    assert_eq!((target.host, target.port, target.secure), ("h", 443, true));
    let ws = Network::new(WebSocket::new("http://h/", ()).unwrap());
    let target = ws.target().unwrap();
    assert_eq!((target.host, target.port, target.secure), ("h", 80, false));
}

#[test]
fn c4_no_other_scheme_will_do() {
    let others = [
        "ftp://h/",
        "file:///h",
        "mailto:a@h",
        "about:blank",
        "data:,x",
        "blob:ws://h/x",
        "javascript:0",
        "wsx://h/",
        "w://h/",
        "wss+unix://h/",
        "httpss://h/",
        "//h/",
    ];
    becomes(&others.map(|url| (url, None)));
    assert_eq!(made("ftp://h/", Some("http://h/")).unwrap_err().name(), "SyntaxError");
}

#[test]
fn c5_not_even_an_empty_fragment() {
    for url in ["ws://h/#", "ws://h/#x", "ws://h#", "ws://h/?#", "http://h/#", "wss://h/a#b#c"] {
        becomes(&[(url, None)]);
    }
    becomes(&[("ws://h/%23", Some("ws://h/%23")), ("ws://h/?%23x", Some("ws://h/?%23x"))]);
}

#[test]
fn c11_the_url_is_what_the_parser_writes() {
    becomes(&[
        ("ws://example.com", Some("ws://example.com/")),
        ("ws://h:80/", Some("ws://h/")),
        ("wss://h:443/", Some("wss://h/")),
        ("ws://h:443/", Some("ws://h:443/")),
        ("wss://h:80/", Some("wss://h:80/")),
        ("ws://h:", Some("ws://h/")),
        ("ws://h:00080/", Some("ws://h/")),
        ("ws://h:08080/", Some("ws://h:8080/")),
        ("ws://h:65535/", Some("ws://h:65535/")),
        ("ws://user:pass@h/", Some("ws://user:pass@h/")),
        ("ws://user@h/", Some("ws://user@h/")),
        ("ws://:pass@h/", Some("ws://:pass@h/")),
        ("ws://@h/", Some("ws://h/")),
        ("ws://:@h/", Some("ws://h/")),
        ("ws://u@v:p:q@h/", Some("ws://u%40v:p%3Aq@h/")),
        ("ws://\u{e9}:\u{e9}@h/", Some("ws://%C3%A9:%C3%A9@h/")),
    ]);
}

// ---- protocols -----------------------------------------------------------------------

/// What is asked for, as the request says it.
fn asked(protocols: impl sockeye::web::Protocols) -> Vec<String> {
    let page = Page::asking(URL, protocols, &Options::default());
    header(&page.request, "Sec-WebSocket-Protocol").into_iter().map(Into::into).collect()
}

#[track_caller]
fn refuses(protocols: impl sockeye::web::Protocols) {
    let error = WebSocket::new(URL, protocols).expect_err("a SyntaxError");
    assert_eq!(error.name(), "SyntaxError");
}

#[test]
fn c6_protocols_are_none_or_one_or_a_list() {
    assert_eq!(asked(()), [""; 0]);
    assert_eq!(asked([""; 0]), [""; 0]);
    assert_eq!(asked(Vec::<String>::new()), [""; 0]);
    assert_eq!(asked("chat"), ["chat"]);
    assert_eq!(asked(String::from("chat")), ["chat"]);
    assert_eq!(asked(["chat"]), ["chat"]);
    assert_eq!(asked(["b", "a"]), ["b, a"]);
    assert_eq!(asked(&["b", "a"][..]), ["b, a"]);
    assert_eq!(asked(vec!["b".to_owned(), "a".to_owned()]), ["b, a"]);
    // A string is a list of one, whatever it says.
    refuses("");
    refuses(String::new());
    refuses([""]);
    refuses(["a", ""]);
    refuses("a, b");
    refuses("a,b");
}

#[test]
fn c7_a_protocol_is_a_token() {
    // RFC 2616, section 2.2, written another way than in the code.
    let separators = "()<>@,;:\\\"/[]?={} \t";
    for code in 0..=0xff {
        let letter = char::from(code);
        let is_token = ('\u{21}'..='\u{7e}').contains(&letter) && !separators.contains(letter);
        let words =
            [letter.to_string(), format!("a{letter}"), format!("{letter}a"), format!("a{letter}b")];
        for word in words {
            let made = WebSocket::new(URL, &*word);
            assert_eq!(made.is_ok(), is_token, "{word:?}");
            if let Err(error) = made {
                assert_eq!(error.name(), "SyntaxError", "{word:?}");
            }
        }
    }
    for word in ["\u{100}", "\u{21}\u{301}", "\u{2028}", "\u{ff41}", "\u{1f600}", "a\u{200b}"] {
        refuses(word);
        refuses(["good", word]);
        refuses([word, "good"]);
    }
    assert_eq!(asked("!#$%&'*+-.^_`|~09AZaz"), ["!#$%&'*+-.^_`|~09AZaz"]);
    let long = "x".repeat(1000);
    assert_eq!(asked(&*long), [&*long]);
}

#[test]
fn c8_no_protocol_twice_in_whatever_case() {
    for twice in [["echo", "echo"], ["echo", "eCho"], ["ECHO", "echo"], ["A", "a"], ["z-1", "Z-1"]]
    {
        refuses(twice);
        refuses([twice[0], "between", twice[1]]);
        refuses(["before", twice[0], twice[1]]);
    }
    // Only letters have a case: these differ in the same bit.
    assert_eq!(asked(["^", "~"]), ["^, ~"]);
    assert_eq!(asked(["echo", "echo2", "ech", "ochoe"]), ["echo, echo2, ech, ochoe"]);
}

// ---- order, and what is there at once ---------------------------------------------------

#[test]
fn c9_checks_come_in_the_order_of_the_standard() {
    // What is wrong from here on, in the order in which it is looked for.
    let secure = options(|options| {
        options.secure_context = true;
        options.blocked_ports = BlockedPorts::Throw;
    });
    let why = |url: &str, protocol: &str| {
        let error = WebSocket::with_options(url, protocol, &secure).unwrap_err();
        (error.name(), error.message().to_owned())
    };
    let bad = "not a token";
    let (name, url) = why("ftp:// h:25/#x", bad);
    assert_eq!(name, "SyntaxError");
    let (name, scheme) = why("ftp://h:25/#x", bad);
    assert_eq!(name, "SyntaxError");
    let (name, fragment) = why("ws://h:25/#x", bad);
    assert_eq!(name, "SyntaxError");
    let (name, mixed) = why("ws://h:25/", bad);
    assert_eq!(name, "SecurityError");
    let (name, port) = why("wss://h:25/", bad);
    assert_eq!(name, "SecurityError");
    let (name, protocol) = why("wss://h/", bad);
    assert_eq!(name, "SyntaxError");
    assert!(WebSocket::with_options("wss://h/", "token", &secure).is_ok());
    // Each was about something else.
    assert!(!url.is_empty() && ![&scheme, &fragment, &protocol].contains(&&url), "{url}");
    assert!(scheme.contains("scheme"), "{scheme}");
    assert!(fragment.contains("fragment"), "{fragment}");
    assert!(mixed.contains("TLS"), "{mixed}");
    assert!(port.contains("port"), "{port}");
    assert!(protocol.contains(bad), "{protocol}");
}

#[test]
fn c9_nobody_is_asked_before_all_checks_pass() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Debug, Default)]
    struct Jar(AtomicUsize);

    impl sockeye::web::CookieStore for Jar {
        fn cookies(&self, _: &str) -> Option<String> {
            self.0.fetch_add(1, Ordering::Relaxed);
            None
        }

        fn set_cookie(&self, _: &str, _: &str) {}
    }

    let jar = Arc::new(Jar::default());
    let limit = sockeye::web::ConnectionLimit::new(10);
    let options = options(|options| {
        options.cookies = Some(jar.clone());
        options.connections = Some(limit.clone());
    });
    for (url, protocol) in [("x", "a"), ("ftp://h/", "a"), ("ws://h/#", "a"), ("ws://h/", "")] {
        assert!(WebSocket::with_options(url, protocol, &options).is_err());
    }
    assert_eq!((jar.0.load(Ordering::Relaxed), limit.count()), (0, 0));
    let ws = WebSocket::with_options(URL, (), &options).unwrap();
    assert_eq!((jar.0.load(Ordering::Relaxed), limit.count()), (1, 1));
    drop(ws);
    assert_eq!(limit.count(), 0);
}

#[test]
fn c10_attributes_right_after_construction() {
    let check = |ws: &WebSocket| {
        assert_eq!(ws.ready_state(), ReadyState::Connecting);
        assert_eq!(ws.ready_state() as u16, 0);
        assert_eq!((ws.protocol(), ws.extensions(), ws.buffered_amount()), ("", "", 0));
        assert_eq!(ws.binary_type(), BinaryType::Blob);
        assert_eq!(ws.binary_type().to_string(), "blob");
        assert_eq!(ws.diagnostic(), None);
    };
    let protocols = ["protocolOne", "protocolTwo"];
    check(&WebSocket::new(URL, protocols).unwrap());
    check(&WebSocket::with_options(URL, protocols, &Options::default()).unwrap());
    check(&Page::new(URL, protocols, &Options::default()).ws);
    // Asking changes nothing.
    check(&Page::asking(URL, protocols, &Options::default()).ws);
}

#[test]
fn c12_nothing_happens_before_the_callers_loop_turns() {
    let mut page = Page::asking(URL, "a", &Options::default());
    let before = page.attributes();
    let frames = web_common::from_server([common::text("x"), common::close(1000, "bye")]);
    page.accepts("Sec-WebSocket-Protocol: a\r\n");
    assert_eq!(page.attributes(), before);
    page.hears(frames);
    page.ends();
    assert_eq!(page.attributes(), before);
    assert!(page.has_tasks());
    assert_eq!(
        page.turns(),
        [Told::Open, Told::Text("x".into()), Told::Close(true, 1000, "bye".into()),]
    );

    // Nor when the constructor knows already that nothing will come of it.
    let options = options(|options| options.connections = Some(limit(0)));
    let mut page = Page::new(URL, (), &options);
    assert_eq!(page.ready_state(), ReadyState::Connecting);
    assert!(page.target().is_none() && page.has_tasks());
    assert_eq!(page.turns(), web_common::failure());
}

fn limit(max: usize) -> sockeye::web::ConnectionLimit {
    sockeye::web::ConnectionLimit::new(max)
}

// ---- mixed content -----------------------------------------------------------------

#[test]
fn c14_a_page_that_came_over_tls_uses_no_ws() {
    let name = |url: &str, secure_context: bool| {
        let options = options(|options| options.secure_context = secure_context);
        WebSocket::with_options(url, (), &options).map_err(|error| error.name()).map(|_| ())
    };
    let mixed = [
        "ws://example.com/",
        "http://example.com/",
        "ws://10.0.0.1/",
        "ws://0.0.0.0/",
        "ws://128.0.0.1/",
        "ws://126.255.255.255/",
        "ws://[::]/",
        "ws://[::2]/",
        "ws://[::ffff:127.0.0.1]/",
        "ws://[fe80::1]/",
        "ws://localhost.example/",
        "ws://notlocalhost/",
        "ws://localhostx/",
        "ws://localhost:localhost@h/",
    ];
    for url in mixed {
        assert_eq!(name(url, true), Err("SecurityError"), "{url}");
        assert_eq!(name(url, false), Ok(()), "{url}");
    }
    let fine = [
        "wss://example.com/",
        "https://example.com/",
        "ws://localhost/",
        "ws://LOCALHOST:8080/x",
        "ws://localhost./",
        "ws://a.localhost/",
        "ws://a.b.localhost./",
        "ws://127.0.0.1/",
        "ws://127.255.255.255:81/",
        "ws://0x7f000001/",
        "ws://[::1]/",
        "ws://[0:0:0:0:0:0:0:1]:81/",
        "http://localhost/",
    ];
    for url in fine {
        assert_eq!(name(url, true), Ok(()), "{url}");
        // From a page that did not come over TLS anything will do.
        assert_eq!(name(url, false), Ok(()), "{url}");
    }
}

#[test]
fn c14_a_relative_url_on_a_page_over_tls_is_wss() {
    let options = options(|options| {
        options.secure_context = true;
        options.base_url = Some("https://example.com/".into());
    });
    let ws = WebSocket::with_options("x", (), &options).unwrap();
    assert_eq!(ws.url(), "wss://example.com/x");
}

#[test]
fn c15_options_leave_room_for_more() {
    // Whoever makes them starts from the default, and so compiles with what
    // comes later as well.
    let options = Options::default();
    assert_eq!(options.base_url, None);
    assert_eq!(options.origin, None);
    assert!(options.headers.is_empty() && options.cookies.is_none());
    assert!(!options.secure_context && options.require_protocol);
    assert_eq!(options.blocked_ports, BlockedPorts::Fail);
    assert_eq!(options.max_buffered, None);
    assert!(options.connections.is_none());
    let ws = WebSocket::with_seed(URL, (), &options, Seed::from_bytes([1; 32])).unwrap();
    assert_eq!(ws.config(), &options.config);
}
