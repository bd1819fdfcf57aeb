//! The opening handshake as a browser makes it: the request to the byte, and
//! the cookies and passwords that go with it.

#![cfg(feature = "web")]

mod common;
mod web_common;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use common::text;
use sockeye::web::{CookieStore, Diagnostic, Network, Options, WebSocket};
use web_common::{Page, Told, URL, configured, header, options, second};

fn request(url: &str, options: &Options) -> String {
    Page::asking(url, (), options).request
}

// ---- the request --------------------------------------------------------------------

#[test]
fn h1_the_request_is_this_to_the_byte() {
    let options = options(|options| {
        options.origin = Some("https://example.com".into());
        options.headers = vec![("X-One".into(), "1".into()), ("X-Two".into(), "2".into())];
    });
    let page = Page::asking("ws://user:pw@example.com:8080/a?b", ["v2", "v1"], &options);
    let key = header(&page.request, "Sec-WebSocket-Key")[0];
    assert_eq!(
        page.request,
        format!(
            "GET /a?b HTTP/1.1\r\nHost: example.com:8080\r\nUpgrade: websocket\r\n\
            Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\
            Sec-WebSocket-Protocol: v2, v1\r\n\
            Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\
            Origin: https://example.com\r\nX-One: 1\r\nX-Two: 2\r\n\
            Authorization: Basic dXNlcjpwdw==\r\n\r\n"
        )
    );
}

#[test]
fn h1_resource_name_and_host() {
    let cases = [
        ("ws://example.com", "/", "example.com"),
        ("ws://example.com:80/", "/", "example.com"),
        ("ws://example.com:443/", "/", "example.com:443"),
        ("wss://example.com:443/", "/", "example.com"),
        ("wss://example.com:80/", "/", "example.com:80"),
        ("ws://h:8080?q", "/?q", "h:8080"),
        // "?" only before a query that is not empty (RFC 6455, section 3).
        ("ws://h/?", "/", "h"),
        ("ws://h/a???", "/a???", "h"),
        ("ws://h/a b?c d", "/a%20b?c%20d", "h"),
        ("ws://h/\u{e9}?\u{e9}&x=?", "/%C3%A9?%C3%A9&x=?", "h"),
        ("ws://b\u{fc}cher.example/", "/", "xn--bcher-kva.example"),
        ("ws://[::1]:81/x", "/x", "[::1]:81"),
        ("ws://user:pw@h/", "/", "h"),
    ];
    for (url, target, host) in cases {
        let request = request(url, &Options::default());
        assert!(request.starts_with(&format!("GET {target} HTTP/1.1\r\n")), "{url}: {request}");
        assert_eq!(header(&request, "Host"), [host], "{url}");
    }
}

#[test]
fn h2_the_headers_of_the_handshake_are_there_once() {
    let request = request(URL, &Options::default());
    assert!(request.ends_with("\r\n\r\n"));
    assert_eq!(header(&request, "Upgrade"), ["websocket"]);
    assert_eq!(header(&request, "Connection"), ["Upgrade"]);
    assert_eq!(header(&request, "Sec-WebSocket-Version"), ["13"]);
    // 16 bytes in base64.
    let keys = header(&request, "Sec-WebSocket-Key");
    assert!(keys.len() == 1 && keys[0].len() == 24 && keys[0].ends_with("=="));
    assert_eq!(request.lines().count(), 8, "{request}");
}

#[test]
fn h2_the_key_is_fresh() {
    let mut keys = BTreeSet::new();
    for _ in 0..50 {
        let mut ws = Network::new(WebSocket::new(URL, ()).unwrap());
        ws.connected(sockeye::Instant::from_epoch(second(0)));
        let request = String::from_utf8(ws.output().to_vec()).unwrap();
        keys.insert(header(&request, "Sec-WebSocket-Key")[0].to_owned());
    }
    assert_eq!(keys.len(), 50);
}

#[test]
fn h2_the_request_is_made_once_and_when_connected() {
    let mut page = Page::new(URL, (), &Options::default());
    assert!(page.output().is_empty());
    let now = page.instant();
    page.connected(now);
    let request = page.output().to_vec();
    page.connected(now);
    assert_eq!(page.output(), request);
}

/// The deadline of the handshake is over with it: whoever watches the time is
/// told so, once.
#[test]
fn the_deadline_of_the_handshake_ends_with_it() {
    let mut page = Page::connecting();
    assert!(page.due.is_some());
    page.accepts("");
    assert_eq!(page.due, None);
    page.hears_frames([text("hello")]);
    assert!(!page.ws.wants_time());
}

#[test]
fn h3_protocols_are_in_one_header() {
    let page = Page::asking(URL, ["c", "a", "b"], &Options::default());
    assert_eq!(header(&page.request, "Sec-WebSocket-Protocol"), ["c, a, b"]);
    // The documents have it that none is as good as an empty one; the standard
    // does not.
    assert!(!request(URL, &Options::default()).contains("Protocol"));
}

#[test]
fn h4_compression_is_offered_as_browsers_do() {
    let offered = header(&request(URL, &Options::default()), "Sec-WebSocket-Extensions").join("|");
    assert_eq!(offered, "permessage-deflate; client_max_window_bits");
    let none = configured(|config| config.deflate = None);
    assert!(!request(URL, &none).contains("Extensions"));
}

#[test]
fn h5_origin_is_that_of_the_page_and_referer_is_never_sent() {
    for origin in ["https://example.com", "http://localhost:8000", "null"] {
        let options = options(|options| options.origin = Some(origin.into()));
        assert_eq!(header(&request(URL, &options), "Origin"), [origin]);
    }
    let request = request(URL, &Options::default());
    for name in ["Origin", "Referer", "Cookie", "Authorization", "User-Agent"] {
        assert!(!request.contains(&format!("{name}:")), "{request}");
    }
}

#[test]
fn h5_a_user_and_a_password_become_basic_authorization() {
    let cases = [
        ("ws://Aladdin:open%20sesame@h/", Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")),
        ("ws://user@h/", Some("Basic dXNlcjo=")),
        ("ws://:pw@h/", Some("Basic OnB3")),
        ("ws://a:b:c@h/", Some("Basic YTpiOmM=")),
        ("ws://\u{e9}:%00@h/", Some("Basic w6k6AA==")),
        ("ws://@h/", None),
        ("ws://:@h/", None),
        ("ws://h/", None),
    ];
    for (url, value) in cases {
        let request = request(url, &Options::default());
        assert_eq!(header(&request, "Authorization"), value.as_slice(), "{url}");
        assert!(!request.contains('@'), "{request}");
    }
    // What the page says itself is what counts.
    let options = options(|options| {
        options.headers = vec![("authorization".into(), "Bearer x".into())];
    });
    let request = request("ws://user:pw@h/", &options);
    assert!(request.contains("authorization: Bearer x\r\n") && !request.contains("Basic"));
}

/// A jar with one cookie, which notes what it is asked and given.
#[derive(Debug, Default)]
struct Jar {
    cookie: Option<String>,
    asked: Mutex<Vec<String>>,
    given: Mutex<Vec<(String, String)>>,
}

impl CookieStore for Jar {
    fn cookies(&self, url: &str) -> Option<String> {
        self.asked.lock().unwrap().push(url.into());
        self.cookie.clone()
    }

    fn set_cookie(&self, url: &str, value: &str) {
        self.given.lock().unwrap().push((url.into(), value.into()));
    }
}

/// The same place, as stores of cookies know it.
const HTTP_URL: &str = "http://example.com/chat";

fn jar_with(cookie: Option<&str>) -> (Arc<Jar>, Options) {
    let jar = Arc::new(Jar { cookie: cookie.map(Into::into), ..Jar::default() });
    let options = options(|options| options.cookies = Some(jar.clone()));
    (jar, options)
}

#[test]
fn h5_cookies_are_asked_for_and_sent() {
    let (jar, options) = jar_with(Some("a=1; b=2"));
    let request = request("wss://example.com:444/x?y", &options);
    assert_eq!(header(&request, "Cookie"), ["a=1; b=2"]);
    assert_eq!(*jar.asked.lock().unwrap(), ["https://example.com:444/x?y"]);
    let (jar, options) = jar_with(None);
    assert!(!self::request(URL, &options).contains("Cookie"));
    assert_eq!(*jar.asked.lock().unwrap(), [HTTP_URL]);
    assert!(jar.given.lock().unwrap().is_empty());
}

#[test]
fn h5_set_cookie_is_honoured_whether_the_reply_accepts_or_not() {
    let lines = "Set-Cookie: a=1; Path=/\r\nset-cookie: b=2\r\nX: y\r\n";
    let given = [(HTTP_URL.into(), "a=1; Path=/".into()), (HTTP_URL.into(), "b=2".into())];
    let (jar, options) = jar_with(None);
    let mut page = Page::asking(URL, (), &options);
    page.accepts(lines);
    assert_eq!(page.turns(), [Told::Open]);
    assert_eq!(*jar.given.lock().unwrap(), given);

    // Byte by byte as well each is given once.
    let (jar, options) = jar_with(None);
    let mut page = Page::asking(URL, (), &options);
    for byte in page.acceptance(lines).bytes() {
        page.hears([byte]);
    }
    assert_eq!(*jar.given.lock().unwrap(), given);

    for status in [200, 301, 401, 403, 503] {
        let (jar, options) = jar_with(None);
        let mut page = Page::asking(URL, (), &options);
        let reply = format!("HTTP/1.1 {status} No\r\nContent-Length: 1\r\n{lines}\r\nx");
        for byte in reply.bytes() {
            page.hears([byte]);
        }
        page.fails(&Diagnostic::Refused(status));
        assert_eq!(*jar.given.lock().unwrap(), given, "{status}");
    }

    // Also if the server speaks none of the protocols: that it accepted.
    let (jar, options) = jar_with(None);
    let mut page = Page::asking(URL, "chat", &options);
    page.accepts(lines);
    page.fails(&Diagnostic::SubprotocolMissing);
    assert_eq!(*jar.given.lock().unwrap(), given);
}
