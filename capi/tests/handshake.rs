//! The opening handshake through the functions of the header (RFC 6455, section 4).

#![cfg(feature = "deflate")]

mod api;

use std::ptr;

use api::sockeye_handshake_error::*;
use api::*;

const REQUEST: &str = "GET /chat?room=1 HTTP/1.1\r\nHost: example.com:8080\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Origin: https://example.org\r\nCookie: a=1\r\ncookie:  b=2 \r\n\
    Sec-WebSocket-Protocol: chat.v2, chat.v1\r\nSec-WebSocket-Protocol: json\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

fn defaults() -> Settings {
    Settings::new(|_| {})
}

/// The request, received whole.
#[track_caller]
fn asked(server: &Server, head: &str) -> sockeye_request {
    let mut request = empty();
    assert_eq!(server.receive(head.as_bytes(), &mut request), SOCKEYE_OK);
    request
}

fn find(headers: sockeye_bytes, name: &str, index: usize) -> Option<String> {
    let mut value = empty();
    // SAFETY: all are there.
    match unsafe { sockeye_header_find(headers, bytes(name), index, &mut value) } {
        SOCKEYE_OK => Some(said(value)),
        SOCKEYE_NONE => None,
        other => panic!("{other:?}"),
    }
}

// ---- the server's side ------------------------------------------------------------------

#[test]
fn a_request_is_taken_apart_wherever_it_was_cut() {
    let settings = defaults();
    let received = format!("{REQUEST}early").into_bytes();
    for cut in 0..REQUEST.len() {
        let server = Server::new(&settings);
        let mut request = empty();
        assert_eq!(server.receive(&received[..cut], &mut request), SOCKEYE_NEED_MORE);
        // The bytes may have moved since.
        let moved = received.clone();
        assert_eq!(server.receive(&moved, &mut request), SOCKEYE_OK);
        assert_eq!(said(request.head), REQUEST);
        assert_eq!(said(request.path), "/chat");
        assert_eq!(said(request.query), "room=1");
        assert_eq!(said(request.host), "example.com:8080");
        assert_eq!(said(request.origin), "https://example.org");
        assert!(moved.as_ptr_range().contains(&request.path.data), "it was copied");
    }
}

#[test]
fn what_a_request_lacks_is_absent_and_not_empty() {
    let server = Server::new(&defaults());
    let head = REQUEST.replace("?room=1", "").replace("Origin", "X-Origin");
    let request = asked(&server, &head);
    assert!(request.query.data.is_null() && request.origin.data.is_null());
    let server = Server::new(&defaults());
    let head = REQUEST.replace("?room=1", "?");
    assert_eq!(said(asked(&server, &head).query), "");
}

#[test]
fn header_lines_are_found_by_name_and_in_order() {
    let server = Server::new(&defaults());
    let request = asked(&server, REQUEST);
    let cookies: Vec<_> = (0..4).map(|index| find(request.headers, "COOKIE", index)).collect();
    assert_eq!(cookies, [Some("a=1".into()), Some("b=2".into()), None, None]);
    assert_eq!(find(request.headers, "host", 0).as_deref(), Some("example.com:8080"));
    assert_eq!(find(request.headers, "sec-websocket-version", 0).as_deref(), Some("13"));
    for absent in ["", "cooki", "cookies", "get /chat?room=1 http/1.1\r\nhost"] {
        assert_eq!(find(request.headers, absent, 0), None, "{absent:?}");
    }
    // Bytes that are no header lines have none.
    for nonsense in ["", "\n", ":", "\r\n\r\n", "cookie"] {
        assert_eq!(find(bytes(nonsense), "cookie", 0), None);
    }
    assert_eq!(find(ABSENT, "cookie", 0), None);
}

#[test]
fn subprotocols_are_those_that_the_client_offers() {
    let server = Server::new(&defaults());
    let request = asked(&server, REQUEST);
    for (index, name) in ["chat.v2", "chat.v1", "json"].into_iter().enumerate() {
        let mut found = empty();
        // SAFETY: all are there.
        let result = unsafe { sockeye_server_subprotocol(server.0, &request, index, &mut found) };
        assert_eq!((result, said(found)), (SOCKEYE_OK, name.into()));
    }
    let mut found = empty();
    // SAFETY: all are there.
    let result = unsafe { sockeye_server_subprotocol(server.0, &request, 3, &mut found) };
    assert_eq!(result, SOCKEYE_NONE);

    let mut out = Out::new(1000);
    let refused = server.accept(&request, bytes("xml"), &mut out).err();
    assert_eq!(refused, Some(SOCKEYE_SUBPROTOCOL_NOT_OFFERED));
    let refused = server.accept(&request, bytes("a b"), &mut out).err();
    assert_eq!(refused, Some(SOCKEYE_INVALID_SUBPROTOCOL));
    let ws = server.accept(&request, bytes("chat.v1"), &mut out).unwrap();
    let reply = String::from_utf8(out.take()).unwrap();
    assert!(reply.contains("\r\nSec-WebSocket-Protocol: chat.v1\r\n"), "{reply}");
    // The example of section 1.3.
    assert!(reply.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    // It outlasts the server and the bytes of the request.
    drop(server);
    // SAFETY: it is there.
    assert_eq!(said(unsafe { sockeye_connection_subprotocol(ws.0) }), "chat.v1");
    // SAFETY: it is there.
    assert!(unsafe { sockeye_connection_is_server(ws.0) && sockeye_connection_is_open(ws.0) });
}

fn line<'a>(name: &'a str, value: &'a str) -> sockeye_header {
    sockeye_header { name: bytes(name), value: bytes(value) }
}

#[test]
fn header_lines_are_added_to_replies_and_checked() {
    let server = Server::new(&defaults());
    let request = asked(&server, REQUEST);
    let mut out = Out::new(1000);
    let mut ws = ptr::null_mut();
    let accept = |lines: &[sockeye_header], out: &mut Out, ws: &mut _| {
        let (first, count) = (lines.as_ptr(), lines.len());
        // SAFETY: all are there.
        unsafe { sockeye_server_accept(server.0, &request, ABSENT, first, count, &mut out.raw, ws) }
    };
    for (name, value, result) in [
        ("a b", "c", SOCKEYE_INVALID_HEADER_NAME),
        ("Set-Cookie", "a\r\nb: c", SOCKEYE_INVALID_HEADER_VALUE),
        ("upgrade", "h2c", SOCKEYE_RESERVED_HEADER),
    ] {
        assert_eq!(accept(&[line("Fine", "1"), line(name, value)], &mut out, &mut ws), result);
        assert_eq!((out.raw.len, ws.is_null()), (0, true));
    }
    let not_text = sockeye_header { name: bytes("a"), value: bytes(b"\xff") };
    assert_eq!(accept(&[not_text], &mut out, &mut ws), SOCKEYE_INVALID_TEXT);
    let mut small = Out::new(100);
    assert_eq!(accept(&[line("Set-Cookie", "a=1")], &mut small, &mut ws), SOCKEYE_OUTPUT_FULL);
    let mut exact = Out::new(small.raw.needed);
    assert_eq!(accept(&[line("Set-Cookie", "a=1")], &mut exact, &mut ws), SOCKEYE_OK);
    assert!(String::from_utf8(exact.take()).unwrap().contains("\r\nSet-Cookie: a=1\r\n"));
    drop(Ws(ws));
    // Once is all.
    assert_eq!(accept(&[], &mut out, &mut ws), SOCKEYE_WRONG_STATE);
}

#[test]
fn requests_are_refused_with_any_status_and_a_body() {
    let reject = |server: &Server, status, lines: &[sockeye_header], body: &str, out: &mut Out| {
        let (first, count) = (lines.as_ptr(), lines.len());
        // SAFETY: all are there.
        unsafe { sockeye_server_reject(server.0, status, first, count, bytes(body), &mut out.raw) }
    };
    let mut out = Out::new(1000);
    for when in ["before a request", "after one", "after a fault"] {
        let server = Server::new(&defaults());
        match when {
            "after one" => drop(asked(&server, REQUEST)),
            "after a fault" => {
                let result = server.receive(b"nonsense\r\n\r\n", &mut empty());
                assert_eq!(result, SOCKEYE_HANDSHAKE_FAILED);
            }
            _ => {}
        }
        assert_eq!(reject(&server, 101, &[], "", &mut out), SOCKEYE_INVALID_STATUS);
        let lines = [line("WWW-Authenticate", "Basic realm=\"x\"")];
        assert_eq!(reject(&server, 401, &lines, "who?", &mut out), SOCKEYE_OK, "{when}");
        let reply = String::from_utf8(out.take()).unwrap();
        assert!(reply.starts_with("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic"));
        assert!(reply.ends_with("Content-Length: 4\r\n\r\nwho?"), "{reply}");
        assert_eq!(reject(&server, 401, &[], "", &mut out), SOCKEYE_WRONG_STATE);
    }
}

#[test]
fn faults_have_a_number_words_and_a_reply() {
    for (head, error, word, status) in [
        (REQUEST.replace("GET", "POST"), SOCKEYE_REQUEST_METHOD_NOT_GET, "GET", 405),
        (REQUEST.replace("n: 13", "n: 8"), SOCKEYE_REQUEST_VERSION_UNSUPPORTED, "13", 426),
        (REQUEST.replace("Key", "Kex"), SOCKEYE_REQUEST_KEY_MISSING, "Key", 400),
        (REQUEST.replace(": a", "\n a"), SOCKEYE_HEAD_BARE_LINE_FEED, "line feed", 400),
        ("x".repeat(20_000), SOCKEYE_HEAD_FIRST_LINE, "first line", 400),
    ] {
        let server = Server::new(&defaults());
        assert_eq!(server.error(), SOCKEYE_HANDSHAKE_NONE);
        for _ in 0..2 {
            let result = server.receive(head.as_bytes(), &mut empty());
            assert_eq!(result, SOCKEYE_HANDSHAKE_FAILED, "{head:.60}");
        }
        assert_eq!(server.error(), error);
        assert!(words(sockeye_handshake_error_text(error as i32)).contains(word));
        let (mut small, mut out) = (Out::new(10), Out::new(1000));
        // SAFETY: both are there.
        let write = |out: &mut Out| unsafe { sockeye_server_write_error(server.0, &mut out.raw) };
        assert_eq!(write(&mut small), SOCKEYE_OUTPUT_FULL);
        assert_eq!(write(&mut out), SOCKEYE_OK);
        let reply = String::from_utf8(out.take()).unwrap();
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{reply}");
        assert_eq!(write(&mut out), SOCKEYE_WRONG_STATE);
    }
}

#[test]
fn a_request_that_does_not_come_has_its_time() {
    let settings = Settings::new(|config| config.handshake_timeout_ns = 3);
    let server = Server::new(&settings);
    let tick = |now, next: &mut u64| {
        // SAFETY: both are there.
        unsafe { sockeye_server_handle_timeout(server.0, now, next) }
    };
    let mut next = 0;
    assert_eq!((tick(10, &mut next), next), (SOCKEYE_OK, 13));
    assert_eq!((tick(12, &mut next), next), (SOCKEYE_OK, 13));
    assert_eq!(tick(13, &mut next), SOCKEYE_HANDSHAKE_FAILED);
    assert_eq!(tick(12, &mut next), SOCKEYE_HANDSHAKE_FAILED);
    assert_eq!(server.error(), SOCKEYE_REQUEST_TIMEOUT);

    let settings = Settings::new(|config| config.handshake_timeout_ns = SOCKEYE_NEVER);
    let server = Server::new(&settings);
    // SAFETY: both are there.
    assert_eq!(unsafe { sockeye_server_handle_timeout(server.0, 10, &mut next) }, SOCKEYE_OK);
    assert_eq!(next, SOCKEYE_NEVER);
}

/// What the caller has changed in between is read anew, and found out.
#[test]
fn a_request_that_is_none_any_more_is_not_accepted() {
    let server = Server::new(&defaults());
    let mut head = REQUEST.as_bytes().to_vec();
    let mut request = empty();
    assert_eq!(server.receive(&head, &mut request), SOCKEYE_OK);
    head.fill(b'x');
    request.head = bytes(&head);
    let mut out = Out::new(1000);
    let refused = server.accept(&request, ABSENT, &mut out).err();
    assert_eq!((refused, out.raw.len), (Some(SOCKEYE_INVALID_ARGUMENT), 0));
    request.head = bytes(&REQUEST.as_bytes()[..100]);
    assert_eq!(server.accept(&request, ABSENT, &mut out).err(), Some(SOCKEYE_INVALID_ARGUMENT));
    request.head = bytes(REQUEST);
    assert!(server.accept(&request, ABSENT, &mut out).is_ok());
}

// ---- the client's side ------------------------------------------------------------------

/// A client that has asked, and its request.
fn asking(settings: &Settings) -> (Client, String) {
    let client = Client::new(settings);
    let mut out = Out::new(2000);
    assert_eq!(client.request(&mut out), SOCKEYE_OK);
    (client, String::from_utf8(out.take()).unwrap())
}

fn accepting(request: &str, more: &str) -> String {
    let key = request.split("Sec-WebSocket-Key: ").nth(1).unwrap().split("\r\n").next().unwrap();
    let accept = sockeye::handshake::accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: {}\r\n{more}\r\n",
        std::str::from_utf8(&accept).unwrap()
    )
}

#[test]
fn a_request_says_what_was_added_to_it() {
    let client = Client::new(&defaults());
    let subprotocol = |name: &str| {
        // SAFETY: both are there.
        unsafe { sockeye_client_add_subprotocol(client.0, bytes(name)) }
    };
    let header = |name: &str, value: &str| {
        // SAFETY: all are there.
        unsafe { sockeye_client_add_header(client.0, bytes(name), bytes(value)) }
    };
    assert_eq!(subprotocol("a b"), SOCKEYE_INVALID_SUBPROTOCOL);
    assert_eq!(subprotocol("a"), SOCKEYE_OK);
    assert_eq!(subprotocol("a"), SOCKEYE_DUPLICATE_SUBPROTOCOL);
    assert_eq!(subprotocol("b"), SOCKEYE_OK);
    assert_eq!(header("", "x"), SOCKEYE_INVALID_HEADER_NAME);
    assert_eq!(header("Cookie", "a\nb"), SOCKEYE_INVALID_HEADER_VALUE);
    assert_eq!(header("Host", "elsewhere"), SOCKEYE_RESERVED_HEADER);
    assert_eq!(header("Origin", "https://example.org"), SOCKEYE_OK);
    // What was refused has left nothing behind.
    let mut small = Out::new(20);
    assert_eq!(client.request(&mut small), SOCKEYE_OUTPUT_FULL);
    let mut out = Out::new(small.raw.needed);
    assert_eq!(client.request(&mut out), SOCKEYE_OK);
    let request = String::from_utf8(out.take()).unwrap();
    assert!(request.starts_with("GET /chat HTTP/1.1\r\nHost: example.com\r\n"), "{request}");
    assert!(request.contains("\r\nSec-WebSocket-Protocol: a, b\r\n"), "{request}");
    assert!(request.ends_with("\r\nOrigin: https://example.org\r\n\r\n"), "{request}");
    assert_eq!(request.lines().count(), 9);
    assert_eq!(subprotocol("c"), SOCKEYE_WRONG_STATE);
    assert_eq!(header("A", "b"), SOCKEYE_WRONG_STATE);
    assert_eq!(client.request(&mut out), SOCKEYE_WRONG_STATE);
}

#[test]
fn hosts_ports_and_targets_are_checked_at_once() {
    let settings = defaults();
    let new = |secure, host: &[u8], port, target: &str| {
        let mut client = ptr::null_mut();
        let (host, target) = (bytes(host), bytes(target));
        // SAFETY: all are there.
        let result = unsafe {
            sockeye_client_new(settings.0, ptr::null(), secure, host, port, target, &mut client)
        };
        if result != SOCKEYE_OK {
            assert!(client.is_null());
            return Err(result);
        }
        let client = Client(client);
        let mut out = Out::new(1000);
        assert_eq!(client.request(&mut out), SOCKEYE_OK);
        let request = String::from_utf8(out.take()).unwrap();
        Ok(request.split("Host: ").nth(1).unwrap().lines().next().unwrap().to_owned())
    };
    assert_eq!(new(false, b"a", 80, ""), Ok("a".into()));
    assert_eq!(new(true, b"a", 443, "/x?y"), Ok("a".into()));
    assert_eq!(new(true, b"a", 80, "?y"), Ok("a:80".into()));
    assert_eq!(new(false, b"::1", 1, "/"), Ok("[::1]:1".into()));
    assert_eq!(new(false, b"a b", 80, "/"), Err(SOCKEYE_INVALID_HOST));
    assert_eq!(new(false, b"", 80, "/"), Err(SOCKEYE_INVALID_HOST));
    assert_eq!(new(false, b"a", 80, "/#x"), Err(SOCKEYE_INVALID_TARGET));
    assert_eq!(new(false, b"\xff", 80, "/"), Err(SOCKEYE_INVALID_TEXT));
}

#[test]
fn a_reply_that_accepts_gives_the_connection_wherever_it_was_cut() {
    let settings = defaults();
    for cut in (0..120).step_by(7) {
        let (client, request) = asking(&settings);
        let interim = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
        let head = format!("{interim}{}", accepting(&request, "Server: s\r\n"));
        let received = format!("{head}\u{81}early").into_bytes();
        let mut reply = empty();
        assert_eq!(client.receive(&received[..cut], &mut reply).err(), Some(SOCKEYE_NEED_MORE));
        let ws = client.receive(&received, &mut reply).unwrap().expect("a connection");
        assert_eq!((reply.status, reply.is_accepted, reply.is_complete), (101, true, true));
        assert_eq!(reply.head_len, head.len());
        assert_eq!(find(reply.headers, "server", 0).as_deref(), Some("s"));
        assert_eq!(find(reply.headers, "link", 0), None, "that was another reply");
        assert!(reply.subprotocol.data.is_null() && reply.body.data.is_null());
        assert_eq!(client.receive(&received, &mut reply).err(), Some(SOCKEYE_WRONG_STATE));
        drop(client);
        // SAFETY: it is there.
        assert!(unsafe { !sockeye_connection_is_server(ws.0) && sockeye_connection_is_open(ws.0) });
    }
}

#[test]
fn a_refusal_has_its_status_its_headers_and_its_body() {
    let settings = defaults();
    let (client, _) = asking(&settings);
    let received = "HTTP/1.1 302 Found\r\nLocation: /there\r\nTransfer-Encoding: chunked\r\n\r\n\
        2\r\nno\r\n3\r\npe!\r\n0\r\n\r\n";
    let mut reply = empty();
    // The last chunk ends it; its blank line need not be waited for.
    for end in 1..received.len() - 2 {
        let early = client.receive(&received.as_bytes()[..end], &mut reply);
        assert_eq!(early.err(), Some(SOCKEYE_NEED_MORE), "{end}");
    }
    assert!(client.receive(received.as_bytes(), &mut reply).unwrap().is_none());
    assert_eq!((reply.status, reply.is_accepted, reply.is_complete), (302, false, true));
    assert_eq!((said(reply.body), reply.head_len), ("nope!".into(), 0));
    assert_eq!(find(reply.headers, "location", 0).as_deref(), Some("/there"));

    // One that the end of the stream cuts, and one that it ends.
    for (received, is_complete) in [
        ("HTTP/1.1 500 Oops\r\nContent-Length: 10\r\n\r\nsorry", false),
        ("HTTP/1.1 500 Oops\r\n\r\nsorry", true),
    ] {
        let (client, _) = asking(&settings);
        assert_eq!(client.receive(received.as_bytes(), &mut reply).err(), Some(SOCKEYE_NEED_MORE));
        assert_eq!(client.receive_eof(received.as_bytes(), &mut reply), SOCKEYE_OK);
        assert_eq!((reply.status, reply.is_complete), (500, is_complete));
        assert_eq!(said(reply.body), "sorry");
    }
}

#[test]
fn replies_that_break_rules_have_a_number_and_words() {
    let settings = defaults();
    for (edit, error, word) in [
        (("s3", "s3"), SOCKEYE_HANDSHAKE_NONE, ""),
        (("Accept", "Accepx"), SOCKEYE_REPLY_ACCEPT_INVALID, "key"),
        (("Upgrade: websocket", "Upgrade: h2c"), SOCKEYE_REPLY_UPGRADE_MISSING, "Upgrade"),
        (("HTTP/1.1", "HTTP/1.0"), SOCKEYE_REPLY_HTTP_VERSION_UNSUPPORTED, "1.1"),
        (
            ("Connection: ", "Sec-WebSocket-Protocol: x\r\nConnection: "),
            SOCKEYE_REPLY_SUBPROTOCOL_NOT_OFFERED,
            "subprotocol",
        ),
    ] {
        let (client, request) = asking(&settings);
        let head = accepting(&request, "").replace(edit.0, edit.1);
        let mut reply = empty();
        let failed = client.receive(head.as_bytes(), &mut reply).err();
        assert_eq!(client.error(), error);
        if error == SOCKEYE_HANDSHAKE_NONE {
            assert_eq!(failed, None);
            continue;
        }
        assert_eq!(failed, Some(SOCKEYE_HANDSHAKE_FAILED));
        assert!(words(sockeye_handshake_error_text(error as i32)).contains(word));
        assert_eq!(client.receive(b"", &mut reply).err(), Some(SOCKEYE_HANDSHAKE_FAILED));
    }
    let (client, _) = asking(&settings);
    assert_eq!(client.receive_eof(b"HTTP/1.1 101", &mut empty()), SOCKEYE_HANDSHAKE_FAILED);
    assert_eq!(client.error(), SOCKEYE_REPLY_END_OF_STREAM);
}

#[test]
fn a_reply_that_does_not_come_has_its_time() {
    let settings = Settings::new(|config| config.handshake_timeout_ns = 3);
    let client = Client::new(&settings);
    let mut next = 0;
    let tick = |now, next: &mut u64| {
        // SAFETY: both are there.
        unsafe { sockeye_client_handle_timeout(client.0, now, next) }
    };
    assert_eq!((tick(1, &mut next), next), (SOCKEYE_OK, SOCKEYE_NEVER));
    assert_eq!(client.request(&mut Out::new(1000)), SOCKEYE_OK);
    assert_eq!((tick(10, &mut next), next), (SOCKEYE_OK, 13));
    assert_eq!(tick(13, &mut next), SOCKEYE_HANDSHAKE_FAILED);
    assert_eq!(client.error(), SOCKEYE_REPLY_TIMEOUT);
}

#[test]
fn seeds_of_the_caller_repeat_and_those_of_the_system_do_not() {
    let settings = defaults();
    let request = |seed: *const u8| {
        let mut client = ptr::null_mut();
        let (host, target) = (bytes("a"), bytes("/"));
        // SAFETY: all are there.
        let result =
            unsafe { sockeye_client_new(settings.0, seed, false, host, 80, target, &mut client) };
        assert_eq!(result, SOCKEYE_OK);
        let mut out = Out::new(1000);
        assert_eq!(Client(client).request(&mut out), SOCKEYE_OK);
        out.take()
    };
    let (one, other) = ([1; SOCKEYE_SEED_LEN], [2; SOCKEYE_SEED_LEN]);
    assert_eq!(request(one.as_ptr()), request(one.as_ptr()));
    assert_ne!(request(one.as_ptr()), request(other.as_ptr()));
    assert_ne!(request(ptr::null()), request(ptr::null()));
    let masked = |seed: *const u8| {
        let mut ws = ptr::null_mut();
        // SAFETY: all are there.
        let result = unsafe { sockeye_connection_new_client(settings.0, seed, ABSENT, &mut ws) };
        assert_eq!(result, SOCKEYE_OK);
        let mut out = Out::new(1000);
        assert_eq!(Ws(ws).text("masked", &mut out), SOCKEYE_OK);
        out.take()
    };
    assert_eq!(masked(one.as_ptr()), masked(one.as_ptr()));
    assert_ne!(masked(one.as_ptr()), masked(other.as_ptr()));
    assert_ne!(masked(ptr::null()), masked(ptr::null()));
}
