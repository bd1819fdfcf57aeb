//! Attacks on the opening handshake, from raw sockets on the echo servers as a
//! user runs them. Each prints what it cost; see `abuse.rs`.

#![cfg(all(target_os = "linux", feature = "deflate", feature = "url"))]

mod common;
mod processes;
mod sockets;
mod victim;

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use common::*;
use sockets::*;
use sockeye::Config;
use sockeye::blocking::{Error, accept_with};
use sockeye::handshake::{Accept, Rejection, RequestError};
use victim::*;

/// What a server answers: the status, and nothing else that is HTTP or a frame.
/// Then TCP has ended.
#[track_caller]
fn assert_refused(reply: &[u8], status: u16, why: &str) {
    let reply = String::from_utf8_lossy(reply);
    let start = format!("HTTP/1.1 {status} ");
    assert!(reply.starts_with(&start), "{why}: not {status}, but {reply:?}");
    let (head, body) = reply.split_once("\r\n\r\n").expect("a whole head");
    assert_eq!(header(head, "Connection").map(|v| v.ends_with("close")), Some(true), "{why}");
    let len = header(head, "Content-Length").expect("a body of a known length");
    assert_eq!(len.parse(), Ok(body.len()), "{why}: nothing comes behind it: {body:?}");
    assert_eq!(reply.matches("HTTP/1.1").count(), 1, "{why}: one request, one answer");
}

/// Sends these bytes at once, and gives what comes up to the end.
#[track_caller]
fn answer_to(victim: &Victim, bytes: &[u8]) -> Vec<u8> {
    let mut peer = victim.stranger();
    let mut reader = peer.another();
    let reader = Task::start(move || read_to_the_end(&mut reader.stream));
    // May be refused before all of it is sent.
    let _ = peer.stream.write_all(bytes);
    reader.join()
}

/// A good request with one line put for another, or more lines before the
/// blank one.
fn with(line: &str, put: &[u8]) -> Vec<u8> {
    let request = request("");
    let (before, behind) = request.split_once(line).unwrap_or_else(|| panic!("no {line:?}"));
    [before.as_bytes(), put, behind.as_bytes()].concat()
}

fn plus(lines: &[u8]) -> Vec<u8> {
    with("Sec-WebSocket-Version: 13\r\n", &[b"Sec-WebSocket-Version: 13\r\n", lines].concat())
}

// ---- floods and slowness ---------------------------------------------------------

#[test]
fn rule_28_floods_of_headers_are_refused_at_the_limit() {
    each_victim(&[], |victim| {
        let start = b"GET / HTTP/1.1\r\nHost: localhost\r\n";
        let attacks: [(&str, &[u8], &[u8], u16); 4] = [
            ("a header line without end", b"X: ", b"xxxxxxxxxxxxxxxx", 431),
            ("header lines without end", b"", b"X: y\r\n", 431),
            ("cookies without end", b"Cookie: ", b"a=b; ", 431),
            ("a header name without end", b"", b"x", 431),
        ];
        for (what, first, again, status) in attacks {
            victim.attacked(what, 512, || {
                let mut peer = victim.stranger();
                let mut reader = peer.another();
                let reader = Task::start(move || read_to_the_end(&mut reader.stream));
                peer.send_bytes([start, first].concat());
                let before = Instant::now();
                let sent = flood(&mut peer.stream, &again.repeat(4096), 1 << 20, PATIENCE);
                // Whoever is refused, and goes on, is heard until it is enough.
                peer.half_close();
                assert_refused(&reader.join(), status, what);
                assert!(before.elapsed() < PATIENCE / 2);
                format!("{status}, {} KiB sent", sent >> 10)
            });
        }
        victim.attacked("one header line more than there may be", 512, || {
            let more = Config::default().max_headers + 1 - request("").matches(": ").count();
            assert_refused(&answer_to(victim, &plus(&b"X: y\r\n".repeat(more))), 431, "lines");
            let mut peer = victim.stranger();
            peer.send_bytes(plus(&b"X: y\r\n".repeat(more - 1)));
            assert!(peer.head().starts_with("HTTP/1.1 101 "));
            "431; without it, open".into()
        });
        victim.attacked("a target without end", 512, || {
            let target = "/x".repeat(500_000);
            assert_refused(&answer_to(victim, format!("GET {target}").as_bytes()), 414, "target");
            assert_refused(&answer_to(victim, target.as_bytes()), 400, "method");
            "414; of a method, 400".into()
        });
    });
}

#[test]
fn s4_2_handshakes_that_are_slow_end_with_the_deadline() {
    const COUNT: usize = 100;
    each_victim(&[], |victim| {
        let limit = Config::default().max_head_len;
        // Each holds what it has sent, and not more; and a thread, if it has one.
        let budget = (COUNT * (limit + (32 << 10)) + (2 << 20)) as u64 >> 10;
        victim.attacked("100 heads of 16 KiB never ended, and drips", budget, || {
            let start = Instant::now();
            let head = [plus(b"Cookie: "), vec![b'x'; limit]].concat();
            let held: Vec<_> = (0..COUNT)
                .map(|_| {
                    let mut peer = victim.stranger();
                    peer.send_bytes(&head[..limit - 1]);
                    peer
                })
                .collect();
            let mute = victim.stranger();
            // A byte at a time, so that there is always something new.
            let drips = |bytes: Vec<u8>| {
                let peer = victim.stranger();
                let mut writer = peer.another();
                let writer = Task::start(move || {
                    let pause = Duration::from_millis(100);
                    bytes.iter().find(|&&byte| {
                        thread::sleep(pause);
                        writer.stream.write_all(&[byte]).is_err()
                    });
                });
                (peer, writer)
            };
            let (drip, writer) = drips(request("").into_bytes());
            for mut peer in held.into_iter().chain([mute, drip]) {
                let reply = read_to_the_end(&mut peer.stream);
                assert_refused(&reply, 408, "slow");
            }
            let took = start.elapsed();
            let deadline = Config::default().handshake_timeout.unwrap();
            assert!(took >= deadline, "408 came early, after {took:?}");
            assert!(took < deadline + Duration::from_secs(20), "408 came after {took:?}");
            drop(writer);
            format!("all 408 after {:.1} s", took.as_secs_f32())
        });
    });
}

// ---- bytes that have no place in a head ------------------------------------------

#[test]
fn rule_26_odd_bytes_in_a_head_are_refused_or_kept_out_of_what_is_read() {
    each_victim(&[], |victim| {
        victim.attacked("odd and non-ASCII bytes in a head", 512, || {
            let mut count = 0;
            // In the method, the target, a name, a value, and our own values.
            for byte in 0..=u8::MAX {
                let put = |line: &str, before: &[u8], behind: &[u8]| {
                    with(line, &[before, &[byte], behind].concat())
                };
                // Each with whether that byte may not be there.
                let version = "Sec-WebSocket-Version";
                let places = [
                    (put("GET ", b"G", b"ET "), !byte.is_ascii_graphic()),
                    (put("/chat ", b"/ch", b"at "), !byte.is_ascii_graphic() || byte == b'#'),
                    (
                        put(version, b"X-", b": y\r\nSec-WebSocket-Version"),
                        !is_token(byte) && byte != b':',
                    ),
                    (
                        put(version, b"X: a", b"b\r\nSec-WebSocket-Version"),
                        byte.is_ascii_control() && byte != b'\t',
                    ),
                    (put("dGhl", b"dGh", b"hl"), true),
                    (put(": 13", b": 1", b"3"), true),
                ];
                for (place, (bytes, refused)) in places.into_iter().enumerate() {
                    let why = format!("byte {byte:#04x} in place {place}");
                    if refused {
                        let reply = answer_to(victim, &bytes);
                        let status = [405, 426].into_iter().find(|status| {
                            reply.starts_with(format!("HTTP/1.1 {status} ").as_bytes())
                        });
                        assert_refused(&reply, status.unwrap_or(400), &why);
                        // A method or a version that is well-formed and another.
                        assert!(status.is_none() || place == 5 && byte.is_ascii_digit(), "{why}");
                    } else if place == 0 {
                        let status = if is_token(byte) { 405 } else { 400 };
                        assert_refused(&answer_to(victim, &bytes), status, &why);
                    } else {
                        let mut peer = victim.stranger();
                        peer.send_bytes(&bytes);
                        assert!(peer.head().starts_with("HTTP/1.1 101 "), "{why}");
                    }
                    count += 1;
                }
            }
            format!("{count} heads: 400, 405, 426, or open")
        });
    });
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

// ---- smuggling -------------------------------------------------------------------

/// A second request, whose answer would be seen.
const SECOND: &str = "GET /?status=418 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

#[test]
fn rule_29_requests_that_others_could_read_otherwise_are_refused() {
    // Each as the first of two: the second is never answered.
    let lines: &[(&[u8], u16)] = &[
        (b"Content-Length: 5\r\n", 400),
        (b"Content-Length: 00\r\n", 400),
        (b"Content-Length: +0\r\n", 400),
        (b"Content-Length: 0, 5\r\n", 400),
        (b"Content-Length: 0\r\nContent-Length: 5\r\n", 400),
        (b"content-length:\t5\r\n", 400),
        (b"Content-Length: 18446744073709551616\r\n", 400),
        (b"Content-Length: -1\r\n", 400),
        (b"Content-Length:\r\n", 400),
        (b"Transfer-Encoding: chunked\r\n", 400),
        (b"Transfer-Encoding: identity\r\n", 400),
        (b"Transfer-Encoding: xchunked\r\n", 400),
        (b"Transfer-Encoding:\r\n", 400),
        (b"TRANSFER-ENCODING:\tchunked\r\n", 400),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", 400),
        // Whose name is not what it seems.
        (b"Transfer-Encoding : chunked\r\n", 400),
        (b"Transfer-Encoding\t: chunked\r\n", 400),
        (b" Transfer-Encoding: chunked\r\n", 400),
        (b"\tTransfer-Encoding: chunked\r\n", 400),
        (b"X: y\r\n Transfer-Encoding: chunked\r\n", 400),
        (b"X: y\r\n\t\r\n", 400),
        (b"X: y\nTransfer-Encoding: chunked\r\n", 400),
        (b"X: y\rTransfer-Encoding: chunked\r\n", 400),
        (b"X: y\r\r\nContent-Length: 5\r\n", 400),
        (b"X: y\n", 400),
        (b"X: y\n\n", 400),
        (b"X: y\0\r\n", 400),
        (b"\0X: y\r\n", 400),
        (b": y\r\n", 400),
        (b"X\r\n", 400),
        (b"Content\xadLength: 5\r\n", 400),
        // One of each, or nobody knows which counts.
        (b"Host: localhost\r\n", 400),
        (b"Host: other\r\n", 400),
        (b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", 400),
        (b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n", 400),
        (b"Sec-WebSocket-Version: 13\r\n", 400),
        (b"Sec-WebSocket-Version: 8\r\n", 400),
    ];
    let others: &[(&str, &[u8], u16)] = &[
        ("/chat ", b"*", 400),
        ("/chat ", b"localhost:80 ", 400),
        ("/chat ", b"ftp://localhost/chat ", 400),
        ("/chat ", b"http://user@localhost/chat ", 400),
        ("/chat ", b"http:///chat ", 400),
        ("/chat ", b"/chat  ", 400),
        ("/chat ", b" /chat ", 400),
        ("/chat ", b"/chat\t", 400),
        ("GET ", b"CONNECT ", 405),
        ("GET ", b"POST ", 405),
        ("GET ", b"get ", 405),
        ("HTTP/1.1", b"HTTP/1.0", 400),
        ("HTTP/1.1", b"HTTP/2.0", 505),
        ("HTTP/1.1", b"HTTP/1.1 HTTP/1.1", 400),
        ("HTTP/1.1", b"http/1.1", 400),
        ("HTTP/1.1\r\n", b"HTTP/1.1\n", 400),
        ("HTTP/1.1\r\n", b"HTTP/1.1\r\n ", 400),
        ("Host: localhost\r\n", b"", 400),
        ("Upgrade: websocket\r\n", b"", 426),
        ("Upgrade: websocket\r\n", b"Upgrade: h2c\r\n", 426),
        ("Upgrade: websocket\r\n", b"Upgrade: websockets\r\n", 426),
        ("Connection: Upgrade\r\n", b"Connection: keep-alive\r\n", 400),
        ("Connection: Upgrade\r\n", b"Connection: xUpgrade\r\n", 400),
        ("Version: 13\r\n", b"Version: 14\r\n", 426),
        ("Version: 13\r\n", b"Version: 13, 8\r\n", 400),
    ];
    each_victim(&[], move |victim| {
        victim.attacked("smuggling: a second request behind a refused one", 512, || {
            let first = lines.iter().map(|&(put, status)| (plus(put), put, status));
            let all = others.iter().map(|&(line, put, status)| (with(line, put), put, status));
            let all: Vec<_> = first.chain(all).collect();
            for (first, put, status) in &all {
                let why = put.escape_ascii().to_string();
                for behind in [SECOND, "hello", "0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"] {
                    let both = [&first[..], behind.as_bytes(), SECOND.as_bytes()].concat();
                    assert_refused(&answer_to(victim, &both), *status, &why);
                }
            }
            format!("{} refused, the second never answered", all.len())
        });
    });
}

#[test]
fn rule_12_what_follows_an_upgrade_is_frames_and_nothing_else() {
    each_victim(&[], |victim| {
        victim.attacked("smuggling: a second request behind an upgrade", 512, || {
            // 'G' is 0x47: no FIN, RSV1, and a reserved opcode.
            for behind in [SECOND, "GET", "POST / HTTP/1.1\r\n\r\n", "\r\n\r\n", "0\r\n\r\n", "{}"]
            {
                let both = [request(""), behind.into()].concat();
                let reply = answer_to(victim, both.as_bytes());
                let end = reply.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
                assert!(reply.starts_with(b"HTTP/1.1 101 "));
                let frames = sent_frames(&reply[end..], false);
                let failed = [(0x80 | CLOSE, 1002_u16.to_be_bytes().to_vec())];
                assert_eq!(frames, failed, "behind {behind:?}");
            }
            "101, then 1002".into()
        });
        victim.attacked("frames sent before the 101 came", 512, || {
            let mut peer = victim.stranger();
            let frames = peer.encode([text("early"), ping("bird"), close(1000, "")]);
            peer.send_bytes([request("").into_bytes(), frames].concat());
            assert!(peer.head().starts_with("HTTP/1.1 101 "));
            peer.expect([text("early"), pong("bird"), close(1000, "")]);
            peer.expect_eof();
            "answered as frames".into()
        });
        victim.attacked("absolute targets, and lists on several lines", 512, || {
            for (line, put) in [
                ("/chat ", "http://other.example/chat "),
                ("/chat ", "ws://other.example:1234?x "),
                ("Upgrade: websocket\r\n", "Upgrade: h2c\r\nUpgrade: WebSocket\r\n"),
                ("Connection: Upgrade\r\n", "Connection: keep-alive,\t, UPGRADE\r\n"),
                ("Host: localhost\r\n", "Host: localhost\r\nContent-Length: 0\r\n"),
            ] {
                let mut peer = victim.stranger();
                peer.send_bytes(with(line, put.as_bytes()));
                assert!(peer.head().starts_with("HTTP/1.1 101 "), "{put:?}");
                peer.send([text("one")]);
                peer.expect([text("one")]);
            }
            "open: they can be read in one way".into()
        });
    });
}

// ---- origins ---------------------------------------------------------------------

/// A server of ours, for pages of one origin.
fn accept_from_our_pages(stream: TcpStream) -> Result<(), Error> {
    let accepted = accept_with(stream, defaults(), |request| {
        match request.check_origin(&["https://example.com"]) {
            Ok(()) => Accept::new().into(),
            Err(error) => Rejection::new(error.status()).into(),
        }
    })?;
    accepted.map_or(Ok(()), |mut ws| echo(&mut ws))
}

#[test]
fn s10_2_pages_of_a_wrong_origin_are_refused_and_what_they_send_is_not_heard() {
    let (good, other) = ("https://example.com", "a page");
    for (origin, status) in [
        (good, None),
        ("https://example.com.evil.example", Some(403)),
        ("http://example.com", Some(403)),
        ("https://example.com:444", Some(403)),
        ("https://EXAMPLE.COM", Some(403)),
        ("null", Some(403)),
        ("", Some(400)),
        ("https://example.com\r\nOrigin: https://evil.example", Some(400)),
        ("https://evil.example https://example.com", Some(400)),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        let server = Task::start(move || accept_from_our_pages(server));
        let mut peer = Peer::new(Role::Client, stream);
        let frames = peer.encode([text(other), close(1000, "")]);
        let request = request(&format!("Origin: {origin}\r\n")).into_bytes();
        peer.send_bytes([request, frames].concat());
        match status {
            None => {
                assert!(peer.head().starts_with("HTTP/1.1 101 "));
                peer.expect([text(other), close(1000, "")]);
            }
            Some(status) => {
                assert_refused(&read_to_the_end(&mut peer.stream), status, origin);
            }
        }
        drop(peer);
        match (status, server.join()) {
            (None | Some(403), Ok(()))
            | (Some(400), Err(Error::Request(RequestError::OriginInvalid))) => {}
            (_, outcome) => panic!("{origin}: {outcome:?}"),
        }
    }
    println!("abuse: a server for pages of one origin: 403 for others, 400 for two, nothing heard");
}
