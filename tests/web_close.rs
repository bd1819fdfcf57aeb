//! `close(code, reason)`.

#![cfg(feature = "web")]

mod common;
mod web_common;

use std::time::Duration;

use common::{binary, close, empty_close, frame, ping, text};
use sockeye::web::{Diagnostic, Options, ReadyState, WebError};
use sockeye::{Cause, ProtocolError, SendError, Timeout};
use web_common::{
    Page, Peer, STATES, clean_close, configured, failure, frames_of, hears, hears_and_ends, second,
    then_failure, told_text,
};

fn names(result: Result<(), WebError>) -> Result<(), &'static str> {
    result.map_err(|error| error.name())
}

// ---- what may be said -----------------------------------------------------------------

#[test]
fn x1_the_code_is_1000_or_from_3000_to_4999() {
    let mut page = Page::open();
    let before = page.attributes();
    let mut allowed = Vec::new();
    for code in 0..=u16::MAX {
        if code == 1000 || (3000..5000).contains(&code) {
            allowed.push(code);
            continue;
        }
        for reason in [None, Some(""), Some("reason")] {
            let result = page.close(Some(code), reason);
            assert_eq!(names(result), Err("InvalidAccessError"), "{code}");
        }
        // With no other effect.
        assert_eq!(page.attributes(), before);
        assert!(page.output().is_empty() && !page.has_tasks());
    }
    assert_eq!(allowed.len(), 2001);
    page.send_text("open still").unwrap();
    page.sends([text("open still")]);
    for code in allowed {
        let mut page = Page::open();
        page.close(Some(code), None).unwrap();
        page.sends([close(code, "")]);
        assert_eq!(page.ready_state(), ReadyState::Closing);
    }
}

#[test]
fn x2_the_reason_has_123_bytes_at_most() {
    let letters = |letter: &str, count: usize| letter.repeat(count);
    let fits = [
        String::new(),
        letters("x", 122),
        letters("x", 123),
        letters("\u{e9}", 61),
        letters("\u{e9}", 61) + "x",
        letters("\u{20ac}", 41),
        letters("\u{1f600}", 30),
        letters("\u{1f600}", 30) + "\u{20ac}",
    ];
    let mut lens = Vec::new();
    for reason in &fits {
        lens.push(reason.len());
        let mut page = Page::open();
        page.close(Some(1000), Some(reason)).unwrap();
        page.sends([close(1000, reason)]);
    }
    assert_eq!(lens, [0, 122, 123, 122, 123, 123, 120, 123]);
    let mut page = Page::open();
    let before = page.attributes();
    let too_long = [
        letters("x", 124),
        letters("x", 123) + "\u{0}",
        letters("\u{e9}", 62),
        letters("\u{20ac}", 41) + "x",
        letters("\u{1f600}", 31),
        letters("\u{1f600}", 30) + "\u{1f600}",
        letters("x", 100_000),
    ];
    for reason in &too_long {
        for code in [None, Some(1000), Some(4999)] {
            assert_eq!(names(page.close(code, Some(reason))), Err("SyntaxError"));
        }
        assert_eq!(page.attributes(), before);
        assert!(page.output().is_empty() && !page.has_tasks());
    }
    // It can still be closed.
    page.close(None, None).unwrap();
    page.sends([empty_close()]);
}

#[test]
fn x3_the_code_is_looked_at_before_the_reason_and_both_before_the_state() {
    let long = "x".repeat(124);
    for state in STATES {
        let mut page = Page::in_state(state);
        page.flush();
        for (code, reason, error) in [
            (Some(999), None, "InvalidAccessError"),
            (Some(1001), Some(&*long), "InvalidAccessError"),
            (Some(0), Some("x"), "InvalidAccessError"),
            (Some(1000), Some(&*long), "SyntaxError"),
            (None, Some(&*long), "SyntaxError"),
        ] {
            assert_eq!(names(page.close(code, reason)), Err(error), "{state:?}");
            assert_eq!(page.ready_state(), state);
            assert!(page.output().is_empty() && !page.has_tasks());
        }
        page.close(Some(1000), Some(&long[1..])).unwrap();
    }
}

#[test]
fn x4_closing_twice_is_closing_once() {
    let mut page = Page::open();
    page.close(Some(3001), Some("first")).unwrap();
    page.close(Some(3002), Some("second")).unwrap();
    page.close(None, None).unwrap();
    page.go_away();
    page.sends([close(3001, "first")]);
    page.hears_frames([close(3001, "first")]);
    page.ends();
    page.close(Some(3003), None).unwrap();
    assert_eq!(page.turns(), [clean_close(3001, "first")]);
    page.close(Some(3004), None).unwrap();
    page.go_away();
    assert_eq!(page.ready_state(), ReadyState::Closed);
    assert!(page.output().is_empty() && !page.has_tasks());
}

#[test]
fn x5_closing_while_connecting_is_closing_at_once_and_a_failure_later() {
    for connected in [false, true] {
        let mut page = match connected {
            false => Page::new(web_common::URL, (), &Options::default()),
            true => Page::connecting(),
        };
        page.close(Some(1000), Some("changed my mind")).unwrap();
        assert_eq!(page.ready_state(), ReadyState::Closing);
        assert!(page.output().is_empty() && page.should_close_transport());
        page.fails(&Diagnostic::ClosedWhileConnecting);
    }
}

#[test]
fn x5_what_failed_before_is_the_reason_still() {
    let mut page = Page::new("ws://h:22/", (), &Options::default());
    page.close(None, None).unwrap();
    page.fails(&Diagnostic::BlockedPort(22));
}

#[test]
fn x6_without_code_and_reason_the_frame_is_empty() {
    let mut page = Page::open();
    page.close(None, None).unwrap();
    assert_eq!(page.ready_state(), ReadyState::Closing);
    assert_eq!(page.output().len(), 6, "a header with a masking key, and nothing else");
    page.sends([empty_close()]);
    // The server sees 1005, echoes it, and so do we.
    let (mut page, mut peer) = Peer::pair(false);
    page.close(None, None).unwrap();
    peer.hears(&mut page);
    assert_eq!(peer.told, [common::Told::Close(None, String::new())]);
    peer.speaks(&mut page);
    page.ends();
    assert_eq!(page.turns(), [clean_close(1005, "")]);
}

#[test]
fn x7_a_reason_without_a_code_goes_with_1000() {
    let mut page = Page::open();
    page.close(None, Some("why")).unwrap();
    page.sends([close(1000, "why")]);
    let mut page = Page::open();
    page.close(None, Some("")).unwrap();
    page.sends([empty_close()]);
    let mut page = Page::open();
    page.close(Some(4000), Some("")).unwrap();
    page.sends([close(4000, "")]);
}

#[test]
fn x8_what_was_sent_before_goes_out_before() {
    let mut page = Page::open();
    let big = vec![7; 300_000];
    page.send_text("one").unwrap();
    page.send_binary(&big).unwrap();
    page.hears_frames([ping("!")]);
    page.send_text("").unwrap();
    page.close(Some(3000), Some("done")).unwrap();
    page.send_text("too late").unwrap();
    page.hears_frames([ping("too late as well")]);
    assert_eq!(page.buffered_amount(), 300_011);
    page.sends([text("one"), binary(&big), common::pong("!"), text(""), close(3000, "done")]);

    let (mut page, mut peer) = Peer::pair(true);
    let texts: Vec<String> = (0..50).map(|n| format!("message {n} ").repeat(n)).collect();
    for text in &texts {
        page.send_text(text).unwrap();
    }
    page.close(Some(1000), None).unwrap();
    peer.hears(&mut page);
    let expected = texts.iter().map(|text| common::told_text(text));
    let expected: Vec<_> = expected.chain([common::told_close(1000, "")]).collect();
    assert_eq!(peer.told, expected);
}

#[test]
fn x9_the_event_has_the_code_and_the_reason_of_the_server() {
    let closing = || {
        let mut page = Page::open();
        page.close(Some(3000), Some("ours")).unwrap();
        page.flush();
        page
    };
    for (answer, told) in [
        (close(3000, "ours"), clean_close(3000, "ours")),
        (close(1000, ""), clean_close(1000, "")),
        (close(4567, "theirs"), clean_close(4567, "theirs")),
        (empty_close(), clean_close(1005, "")),
    ] {
        let heard = hears_and_ends(closing, &answer.unmasked());
        assert_eq!((heard.told, heard.sent.len()), (vec![told], 0));
    }
}

#[test]
fn x10_a_silent_server_is_waited_for_ten_seconds() {
    for (options, time) in [
        (Options::default(), second(10)),
        (configured(|config| config.close_timeout = Some(second(3))), second(3)),
    ] {
        let mut page = Page::open_as(&options);
        page.waits(second(1000));
        page.close(Some(1000), None).unwrap();
        page.waits(time - Duration::from_millis(1));
        assert!(!page.has_tasks() && !page.should_close_transport());
        // What comes meanwhile is not an answer.
        page.hears_frames([text("x"), ping("y")]);
        page.waits(Duration::from_millis(1));
        assert_eq!(page.ready_state(), ReadyState::Closing);
        assert!(page.should_close_transport());
        assert_eq!(page.turns(), failure());
        let Some(Diagnostic::Ended(closed)) = page.diagnostic() else { panic!("it ended") };
        assert_eq!(closed.cause(), Cause::Timeout(Timeout::Close));
        page.sends([close(1000, "")]);
    }
    let patient = configured(|config| config.close_timeout = None);
    let mut page = Page::open_as(&patient);
    page.close(None, None).unwrap();
    page.waits(second(1_000_000));
    page.hears_frames([empty_close()]);
    page.ends();
    assert_eq!(page.turns(), [clean_close(1005, "")]);
}

#[test]
fn x11_codes_that_may_not_be_on_the_wire_fail() {
    for code in 0..=u16::MAX {
        let mut page = Page::open();
        page.hears_frames([close(code, "r")]);
        let allowed = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        if allowed {
            page.ends();
            assert_eq!(page.turns(), [clean_close(code, "r")], "{code}");
            page.sends([close(code, "r")]);
        } else {
            assert_eq!(page.turns(), failure(), "{code}");
            page.sends([close(1002, "")]);
            assert!(page.should_close_transport());
        }
    }
}

#[test]
fn x11_a_close_frame_that_is_none_fails() {
    let body = |bytes: &[u8]| frame(common::CLOSE, bytes).unmasked();
    let long = [&[3, 232][..], &[b'x'; 124]].concat();
    for (bytes, code, error) in [
        (body(&[3]), 1002, ProtocolError::ClosePayloadTruncated),
        (body(&[3, 232, 0xff]), 1007, ProtocolError::CloseReasonNotUtf8),
        (body(&[3, 232, b'a', 0xc3]), 1007, ProtocolError::CloseReasonNotUtf8),
        (body(b"\x03\xe8\xed\xa0\x80"), 1007, ProtocolError::CloseReasonNotUtf8),
        (body(&long), 1002, ProtocolError::ControlFrameTooLong),
        (
            common::fragment(common::CLOSE, [3, 232]).unmasked(),
            1002,
            ProtocolError::ControlFrameFragmented,
        ),
    ] {
        let heard = hears(Page::open, &bytes);
        assert_eq!(heard.told, failure(), "{error:?}");
        assert_eq!(heard.sent, frames_of([close(code, "")]), "{error:?}");
        let Some(Diagnostic::Ended(closed)) = heard.why else { panic!("it ended") };
        assert_eq!(closed.cause(), Cause::Protocol(error));
    }
    // A reason is decoded without looking for a BOM.
    let reason = "\u{feff}\u{fffe}\u{0}";
    let heard = hears_and_ends(Page::open, &close(1000, reason).unmasked());
    assert_eq!(heard.told, [clean_close(1000, reason)]);
}

#[test]
fn x12_lone_surrogates_of_a_reason_are_replaced_and_then_measured() {
    let closed = |reason: &[u16]| {
        let mut page = Page::open();
        page.close_utf16(Some(1000), reason).map(|()| page.sent())
    };
    let says = |reason: &str| Ok(frames_of([close(1000, reason)]));
    assert_eq!(closed(&[]), says(""));
    assert_eq!(closed(&[0x61, 0xd83d, 0xde00]), says("a\u{1f600}"));
    assert_eq!(closed(&[0xd800]), says("\u{fffd}"));
    assert_eq!(closed(&[0xdc00, 0xd800, 0x62]), says("\u{fffd}\u{fffd}b"));
    assert_eq!(closed(&[0xfeff, 0xffff]), says("\u{feff}\u{ffff}"));
    // Three bytes each.
    assert_eq!(closed(&[0xdfff; 41]), says(&"\u{fffd}".repeat(41)));
    assert_eq!(closed(&[0xdfff; 42]).unwrap_err().name(), "SyntaxError");
    let mut page = Page::open();
    assert_eq!(names(page.close_utf16(Some(1001), &[0xd800; 99])), Err("InvalidAccessError"));
    page.close_utf16(None, &[0x78]).unwrap();
    page.sends([close(1000, "x")]);
    let mut page = Page::open();
    page.close_utf16(None, &[]).unwrap();
    page.sends([empty_close()]);
}

// ---- both at once -----------------------------------------------------------------------

#[test]
fn closes_that_cross_are_clean() {
    let (mut page, mut peer) = Peer::pair(false);
    page.close(Some(3000), Some("page")).unwrap();
    peer.ws.close(Some(sockeye::CloseCode::new(3001)), "peer", &mut peer.out).unwrap();
    let mut from_page = page.flush();
    peer.speaks(&mut page);
    peer.hears_bytes(&mut from_page);
    assert_eq!(peer.told, [common::told_close(3000, "page")]);
    assert!(peer.ws.should_close_transport() && peer.out.is_empty());
    assert_eq!(peer.ws.send_text("x", &mut Vec::new()), Err(SendError::Closed));
    page.ends();
    assert_eq!(page.turns(), [clean_close(3001, "peer")]);
}

#[test]
fn a_violation_after_close_was_called_is_a_failure() {
    let closing = || {
        let mut page = Page::open();
        page.close(Some(1000), None).unwrap();
        page.flush();
        page
    };
    let heard = hears(closing, &[0xff, 0xff]);
    assert_eq!((heard.told, heard.over), (failure().into(), true));
    assert_eq!(heard.sent, [], "one Close frame is all that can be sent");
    let heard = hears_and_ends(Page::open, &[text("x").unmasked(), vec![0x70]].concat());
    assert_eq!(heard.told, then_failure([told_text("x")]));
}
