//! What is made of the server's reply: it opens the connection, or it fails, and
//! a script cannot tell why.

#![cfg(feature = "web")]

mod common;
mod web_common;

use std::collections::BTreeSet;

use common::{close, empty_close, ping, text};
use sockeye::handshake::ResponseError::*;
use sockeye::handshake::{Accept, HeadError, accept_key};
use sockeye::web::{ConnectionLimit, Diagnostic, Options, ReadyState};
use sockeye::{Config, DeflateConfig};
use web_common::{
    Heard, Page, Peer, Told, URL, clean_close, configured, failure, from_server, header, hears,
    hears_and_ends, options, second, then_failure, told_text,
};

const DEFLATE: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";

#[test]
fn h6_another_status_fails_and_no_redirect_is_followed() {
    let moved = "Location: ws://example.com/there\r\n";
    let asks = "WWW-Authenticate: Basic realm=\"x\"\r\n";
    for status in (200..=999).filter(|status| status % 100 < 20) {
        for (added, body) in [("", ""), (moved, ""), (asks, "x"), (moved, "body\r\n")] {
            let len = body.len();
            let reply =
                format!("HTTP/1.1 {status} X\r\nContent-Length: {len}\r\n{added}\r\n{body}");
            let mut page = Page::connecting();
            page.hears(&reply);
            assert_eq!(page.ready_state(), ReadyState::Connecting);
            page.fails(&Diagnostic::Refused(status));
            // Neither there nor once more here.
            assert!(page.target().is_none() && page.output().is_empty());
            assert_eq!(page.url(), URL);
        }
    }
    let reply = format!("HTTP/1.1 301 X\r\n{moved}Content-Length: 4\r\n\r\nbody");
    let heard = hears(Page::connecting, reply.as_bytes());
    assert_eq!(heard.told, failure());
    assert_eq!((heard.sent.len(), heard.over), (0, true));
    assert_eq!(heard.why, Some(Diagnostic::Refused(301)));
}

#[test]
fn h6_a_refusal_is_one_before_its_body_has_come() {
    for added in ["Content-Length: 100\r\n", "", "Transfer-Encoding: chunked\r\n"] {
        let mut page = Page::connecting();
        page.hears(format!("HTTP/1.1 403 Forbidden\r\n{added}\r\n"));
        page.fails(&Diagnostic::Refused(403));
    }
}

#[test]
fn h6_interim_replies_are_not_the_reply() {
    let reply = Page::connecting().acceptance("");
    let reply = format!("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100\r\n\r\n{reply}");
    assert_eq!(hears(Page::connecting, reply.as_bytes()).told, [Told::Open]);
}

/// What a reply with these lines comes to.
#[track_caller]
fn replied(status: &str, lines: &[(&str, &str)]) -> Heard {
    let lines: String = lines.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    hears(Page::connecting, format!("{status}\r\n{lines}\r\n").as_bytes())
}

const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols";

#[test]
fn h7_upgrade_connection_and_accept_are_verified() {
    let key = header(&Page::connecting().request, "Sec-WebSocket-Key")[0].to_owned();
    let accept = String::from_utf8(accept_key(key.as_bytes()).to_vec()).unwrap();
    let good =
        [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", &*accept)];
    assert_eq!(replied(SWITCHING, &good).told, [Told::Open]);
    let spelled = [
        ("upgrade", "WebSocket"),
        ("CONNECTION", "keep-alive, UPGRADE"),
        ("sec-websocket-accept", &*accept),
    ];
    assert_eq!(replied(SWITCHING, &spelled).told, [Told::Open]);

    let wrong = |at: usize, value: Option<&str>| {
        let mut lines = good.to_vec();
        match value {
            Some(value) => lines[at].1 = value,
            None => {
                lines.remove(at);
            }
        }
        let heard = replied(SWITCHING, &lines);
        assert_eq!((&heard.told[..], heard.sent.len()), (&failure()[..], 0));
        heard.why
    };
    let other_case = accept.to_lowercase();
    let cut = &accept[..accept.len() - 1];
    let cases = [
        (0, None, UpgradeMissing),
        (0, Some(""), UpgradeMissing),
        (0, Some("websockets"), UpgradeMissing),
        (0, Some("h2c"), UpgradeMissing),
        (1, None, ConnectionMissing),
        (1, Some("keep-alive"), ConnectionMissing),
        (1, Some("Upgrades"), ConnectionMissing),
        (2, None, AcceptInvalid),
        (2, Some(""), AcceptInvalid),
        (2, Some(&*key), AcceptInvalid),
        (2, Some(&*other_case), AcceptInvalid),
        (2, Some(cut), AcceptInvalid),
        (2, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), AcceptInvalid),
    ];
    for (at, value, error) in cases {
        assert_eq!(wrong(at, value), Some(Diagnostic::Response(error)), "{:?}", good[at]);
    }
    for status in ["HTTP/1.0 101 X", "HTTP/2 101 X", "HTTP/1.1 1O1 X", "ICY 101 X", "HTTP/1.1"] {
        let heard = replied(status, &good);
        assert_eq!(heard.told, failure(), "{status}");
    }
}

/// What a page that has asked for `protocols` makes of a reply.
fn answered(protocols: &[&str], added: &str) -> (Vec<Told>, Option<Diagnostic>, String) {
    let heard = {
        let reply = Page::asking(URL, protocols, &Options::default()).acceptance(added);
        hears(|| Page::asking(URL, protocols, &Options::default()), reply.as_bytes())
    };
    let mut page = Page::asking(URL, protocols, &Options::default());
    page.accepts(added);
    page.turns();
    (heard.told, heard.why, page.protocol().into())
}

#[test]
fn h8_protocols_were_asked_for_and_none_is_selected() {
    let missing = Some(Diagnostic::SubprotocolMissing);
    for protocols in [&["a"][..], &["a", "b"]] {
        assert_eq!(answered(protocols, ""), (failure().into(), missing.clone(), String::new()));
    }
    assert_eq!(answered(&[], ""), (vec![Told::Open], None, String::new()));
    // The RFC leaves it to the application.
    let lax = options(|options| options.require_protocol = false);
    let page = Page::open_with(["a", "b"], &lax, "");
    assert_eq!(page.protocol(), "");
}

#[test]
fn h9_a_protocol_that_was_not_asked_for_fails() {
    let not_offered = Some(Diagnostic::Response(SubprotocolNotOffered));
    let line = |value: &str| format!("Sec-WebSocket-Protocol: {value}\r\n");
    for chosen in ["a", "b"] {
        let expected = (vec![Told::Open], None, chosen.to_owned());
        assert_eq!(answered(&["a", "b"], &line(chosen)), expected);
    }
    for chosen in ["c", "A", "a, b", "a,", "", "aa", "\u{e9}"] {
        let expected = (failure().into(), not_offered.clone(), String::new());
        assert_eq!(answered(&["a", "b"], &line(chosen)), expected, "{chosen:?}");
    }
    for chosen in ["a", ""] {
        let expected = (failure().into(), not_offered.clone(), String::new());
        assert_eq!(answered(&[], &line(chosen)), expected, "{chosen:?}");
    }
    let twice = line("a") + &line("a");
    assert_eq!(answered(&["a"], &twice).0, failure());
}

#[test]
fn h10_an_extension_that_was_not_offered_or_a_bad_parameter_fails() {
    let line = |value: &str| format!("Sec-WebSocket-Extensions: {value}\r\n");
    let fine = [
        "permessage-deflate",
        "permessage-deflate; server_no_context_takeover",
        "permessage-deflate; client_no_context_takeover",
        "permessage-deflate; client_max_window_bits=10",
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; client_max_window_bits=\"15\"",
    ];
    for value in fine {
        let (told, why, _) = answered(&[], &line(value));
        assert_eq!((told, why), (vec![Told::Open], None), "{value}");
        // `extensions` says it as the server did.
        assert_eq!(Page::open_with((), &Options::default(), &line(value)).extensions(), value);
    }
    let unoffered = [
        "x-webkit-deflate-frame",
        "deflate-stream",
        "mux",
        "permessage-bzip2",
        "Permessage-Deflate-x",
        "permessage-deflate, mux",
        ";",
        "permessage-deflate;",
        "\u{e9}",
    ];
    let bad = [
        "permessage-deflate; x",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=015",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_max_window_bits=9; client_max_window_bits=9",
    ];
    for value in unoffered.into_iter().chain(bad) {
        let (told, why, _) = answered(&[], &line(value));
        assert_eq!(told, failure(), "{value}");
        let expected = if bad.contains(&value) { ExtensionParameters } else { ExtensionNotOffered };
        assert_eq!(why, Some(Diagnostic::Response(expected)), "{value}");
    }
    // Twice is as good as not offered.
    assert_eq!(
        answered(&[], &(line("permessage-deflate") + &line("permessage-deflate"))).0,
        failure()
    );
    let none = configured(|config| config.deflate = None);
    let mut page = Page::asking(URL, (), &none);
    page.accepts(DEFLATE);
    page.fails(&Diagnostic::Response(ExtensionNotOffered));
}

#[test]
fn h10_deflate_stream_is_neither_offered_nor_accepted() {
    assert!(!Page::connecting().request.contains("deflate-stream"));
    let mut page = Page::connecting();
    page.accepts("Sec-WebSocket-Extensions: deflate-stream\r\n");
    page.fails(&Diagnostic::Response(ExtensionNotOffered));
    // Nor is it by our server, which answers what it knows.
    let offer = "deflate-stream, permessage-deflate";
    let request = Page::connecting().request.replace("permessage-deflate", offer);
    let mut page = Page { request, ..Page::connecting() };
    let mut config = Config::default();
    config.deflate = Some(DeflateConfig::default());
    let peer = Peer::accept(&mut page, config, &Accept::new());
    let reply = String::from_utf8(peer.out).unwrap();
    assert!(!reply.contains("deflate-stream") && reply.contains("permessage-deflate"), "{reply}");
}

#[test]
fn h12_every_cause_gives_the_same_events_and_a_diagnostic_of_its_own() {
    let short = configured(|config| config.max_head_len = 400);
    let chatting = || Page::asking(URL, "chat", &Options::default());
    let heard = |mut page: Page, bytes: &str| {
        page.hears(bytes);
        page
    };
    let accepted = |mut page: Page, added: &str| {
        page.accepts(added);
        page
    };
    let broken = |edit: &dyn Fn(String) -> String| {
        let mut page = Page::connecting();
        let reply = edit(page.acceptance(""));
        page.hears(reply);
        page
    };
    let failed = |why: &str| {
        let mut page = Page::new(URL, (), &Options::default());
        page.connect_failed(why);
        page
    };
    let ended = |begun: &str| {
        let mut page = heard(Page::connecting(), begun);
        page.ends();
        page
    };
    let after_open = |bytes: &[u8]| {
        let mut page = Page::open();
        page.hears(bytes);
        page.ends();
        page
    };
    let pages = [
        ("name resolution", failed("no such host")),
        ("refused", failed("connection refused")),
        ("TLS", failed("certificate is not trusted")),
        ("blocked port", Page::new("ws://h:6000/", (), &Options::default())),
        ("a request that cannot be", {
            let options = options(|options| options.origin = Some("a\r\nb".into()));
            Page::new(URL, (), &options)
        }),
        ("a header of the handshake's own", {
            let options = options(|options| options.headers = vec![("Host".into(), "x".into())]);
            Page::new(URL, (), &options)
        }),
        ("too many", {
            let none = ConnectionLimit::new(0);
            Page::new(URL, (), &options(|options| options.connections = Some(none)))
        }),
        ("status 403", heard(Page::connecting(), "HTTP/1.1 403 X\r\nContent-Length: 0\r\n\r\n")),
        ("status 401", heard(Page::connecting(), "HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n")),
        ("end at once", ended("")),
        ("not HTTP", heard(Page::connecting(), "220 mail ESMTP\r\n\r\n")),
        ("long head", {
            let mut page = Page::asking(URL, (), &short);
            page.hears(format!("HTTP/1.1 101 X\r\nX: {}\r\n\r\n", "x".repeat(400)));
            page
        }),
        ("HTTP/1.0", broken(&|reply| reply.replace("HTTP/1.1", "HTTP/1.0"))),
        ("no Upgrade", broken(&|reply| reply.replace("Upgrade: websocket\r\n", ""))),
        ("no Connection", broken(&|reply| reply.replace("Connection: Upgrade\r\n", ""))),
        ("wrong Accept", broken(&|reply| reply.replace("Accept: ", "Accept: x"))),
        ("no protocol", accepted(chatting(), "")),
        ("another protocol", accepted(chatting(), "Sec-WebSocket-Protocol: x\r\n")),
        ("an extension", accepted(Page::connecting(), "Sec-WebSocket-Extensions: x\r\n")),
        ("a parameter", {
            accepted(Page::connecting(), "Sec-WebSocket-Extensions: permessage-deflate; x\r\n")
        }),
        ("silence", {
            let mut page = Page::connecting();
            page.waits(second(11));
            page
        }),
        ("close()", {
            let mut page = Page::connecting();
            page.close(Some(3000), Some("never mind")).unwrap();
            page
        }),
        ("end after open", after_open(b"")),
        ("end in a frame", after_open(&[0x81, 5, b'x'])),
        ("garbage", after_open(&[0xff; 100])),
        ("a masked frame", after_open(&text("x").masked())),
        ("not UTF-8", after_open(&common::frame(common::TEXT, [0xff]).unmasked())),
        ("a huge message", after_open(&common::announce(0x82, 1 << 40, false))),
    ];
    let mut diagnostics = BTreeSet::new();
    let count = pages.len();
    for (cause, mut page) in pages {
        let mut told = page.turns();
        told.retain(|event| *event != Told::Open);
        assert_eq!(told, failure(), "{cause}");
        assert_eq!(page.ready_state(), ReadyState::Closed, "{cause}");
        assert!(page.should_close_transport() && !page.is_opening(), "{cause}");
        let why = page.diagnostic().unwrap_or_else(|| panic!("{cause} has a reason")).to_string();
        assert!(diagnostics.insert(why.clone()), "{cause}: {why} was another's");
    }
    assert_eq!(diagnostics.len(), count);
    assert!(diagnostics.iter().any(|why| why.contains("certificate is not trusted")));
}

#[test]
fn h12_what_an_end_leaves_of_a_reply_does_not_matter() {
    let whole = Page::connecting().acceptance("");
    for len in 0..whole.len() {
        let heard = hears_and_ends(Page::connecting, &whole.as_bytes()[..len]);
        assert_eq!(heard.told, failure(), "after {len} bytes");
        assert!(matches!(heard.why, Some(Diagnostic::Response(EndOfStream | Head(_)))));
    }
    // Of a refusal its head is enough.
    let heard = hears_and_ends(Page::connecting, b"HTTP/1.1 500 X\r\nContent-Length: 9\r\n\r\n1");
    assert_eq!((heard.told, heard.why), (failure().into(), Some(Diagnostic::Refused(500))));
    let heard = hears(Page::connecting, b"\x16\x03\x01");
    assert_eq!(heard.told, failure(), "TLS where there should be none");
    assert!(matches!(heard.why, Some(Diagnostic::Response(Head(HeadError::ControlByte)))));
}

#[test]
fn h12_the_handshake_has_its_time() {
    let mut page = Page::connecting();
    page.waits(second(10) - std::time::Duration::from_millis(1));
    assert!(!page.has_tasks());
    page.waits(std::time::Duration::from_millis(1));
    page.fails(&Diagnostic::Response(Timeout));
    // Not from its beginning, but from the connection's; and none if it is off.
    let mut page = Page::new(URL, (), &Options::default());
    page.waits(second(1000));
    assert!(!page.has_tasks() && page.target().is_some());
    let patient = configured(|config| config.handshake_timeout = None);
    let mut page = Page::asking(URL, (), &patient);
    page.waits(second(100_000));
    page.accepts("");
    page.waits(second(100_000));
    assert_eq!(page.turns(), [Told::Open]);
}

#[test]
fn early_frames_behind_the_reply_are_not_lost() {
    let mut bytes = Page::connecting().acceptance("").into_bytes();
    bytes.extend(from_server([text("one"), ping("p"), text("two"), close(4000, "bye")]));
    let heard = hears_and_ends(Page::connecting, &bytes);
    assert_eq!(
        heard.told,
        [Told::Open, told_text("one"), told_text("two"), clean_close(4000, "bye"),]
    );
    assert_eq!(heard.sent, web_common::frames_of([common::pong("p"), close(4000, "bye")]));

    let mut bytes = Page::connecting().acceptance("").into_bytes();
    bytes.extend(from_server([empty_close()]));
    let heard = hears_and_ends(Page::connecting, &bytes);
    assert_eq!(heard.told, [Told::Open, clean_close(1005, "")]);

    let mut bytes = Page::connecting().acceptance("").into_bytes();
    bytes.extend([0xff, 0xff]);
    let heard = hears(Page::connecting, &bytes);
    assert_eq!(heard.told, then_failure([Told::Open]));
    assert_eq!(heard.sent, web_common::frames_of([close(1002, "")]));
}

#[test]
fn early_frames_may_be_compressed() {
    let mut config = Config::default();
    config.deflate = Some(DeflateConfig::default());
    let long = "an early bird ".repeat(5000);
    let mut bytes = {
        let mut page = Page::connecting();
        let mut peer = Peer::accept(&mut page, config, &Accept::new());
        peer.ws.send_text(&long, &mut peer.out).unwrap();
        peer.out
    };
    assert!(bytes.len() < 2000, "it was compressed");
    bytes.extend(from_server([text("plain")]));
    let heard = hears(Page::connecting, &bytes);
    assert_eq!(heard.told, [Told::Open, told_text(&long), told_text("plain")]);
}

#[test]
fn the_limit_of_connections_is_one_for_all_that_share_it() {
    let limit = ConnectionLimit::new(200);
    let options = options(|options| options.connections = Some(limit.clone()));
    let mut pages: Vec<Page> = (0..200).map(|_| Page::asking(URL, (), &options)).collect();
    for page in &mut pages[..100] {
        page.accepts("");
        assert_eq!(page.turns(), [Told::Open]);
    }
    assert_eq!(limit.count(), 200);
    let mut one_more = Page::new(URL, (), &options);
    assert!(one_more.target().is_none());
    one_more.fails(&Diagnostic::TooManyConnections);
    assert_eq!(limit.count(), 200);
    // A place is free when a connection is over, however it ends, and whether
    // the script has heard of it or not.
    pages[0].ends();
    assert_eq!(limit.count(), 199);
    pages[150].close(None, None).unwrap();
    assert_eq!(limit.count(), 198);
    pages[1].close(None, None).unwrap();
    assert_eq!(limit.count(), 198, "closing is not closed");
    pages[1].hears_frames([empty_close()]);
    pages[1].ends();
    assert_eq!(limit.count(), 197);
    drop(pages.pop());
    assert_eq!(limit.count(), 196);
    assert!(Page::new(URL, (), &options).target().is_some());
    drop(pages);
    assert_eq!(limit.count(), 0);
}
