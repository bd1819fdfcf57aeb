//! States, tasks and the order of events.

#![cfg(feature = "web")]

mod common;
mod web_common;

use std::time::Duration;

use common::{close, empty_close, text};
use sockeye::web::{Diagnostic, Event, Options, ReadyState, WebSocket};
use sockeye::{Cause, Side};
use web_common::{
    Page, STATES, Told, URL, clean_close, failure, hears, hears_and_ends, second, then_failure,
    told_text,
};

#[test]
fn s1_states_are_numbers() {
    assert_eq!(STATES.map(|state| state as u16), [0, 1, 2, 3]);
    assert_eq!(
        [ReadyState::Connecting, ReadyState::Open, ReadyState::Closing, ReadyState::Closed],
        STATES
    );
    assert_eq!(size_of::<ReadyState>(), 2);
    // They can be compared as the numbers can.
    assert!(STATES.is_sorted());
}

#[test]
fn s2_the_network_changes_no_attribute() {
    let accepted = "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Extensions: permessage-deflate\r\n";
    let mut page = Page::asking(URL, "a", &Options::default());
    let none = (ReadyState::Connecting, 0, String::new(), String::new());
    page.accepts(accepted);
    assert_eq!(page.attributes(), none);
    page.turns();
    let open = (ReadyState::Open, 0, "permessage-deflate".to_owned(), "a".to_owned());
    assert_eq!(page.attributes(), open);

    page.send_text("12345").unwrap();
    let sent = (ReadyState::Open, 5, open.2.clone(), open.3.clone());
    assert_eq!(page.attributes(), sent);
    page.flush();
    page.hears_frames([text("x"), close(1000, "")]);
    page.waits(second(1));
    assert_eq!(page.attributes(), sent);
    page.ends();
    page.connect_failed("x");
    page.waits(second(1000));
    assert_eq!(page.attributes(), sent);
    page.turns();
    // What the server chose stays to be read.
    assert_eq!(page.attributes(), (ReadyState::Closed, 0, open.2, open.3));
}

#[test]
fn s2_one_turn_is_one_task() {
    let mut page = Page::asking(URL, (), &Options::default());
    page.accepts("");
    page.hears_frames([text("1"), text("2"), close(1000, "bye")]);
    page.ends();
    let mut steps = Vec::new();
    while let Some(fired) = page.ws.turn() {
        let events: Vec<Told> = fired.map(Told::from).collect();
        steps.push((page.ready_state(), events));
    }
    assert_eq!(
        steps,
        [
            (ReadyState::Open, vec![Told::Open]),
            (ReadyState::Open, vec![told_text("1")]),
            (ReadyState::Open, vec![told_text("2")]),
            (ReadyState::Closing, vec![]),
            (ReadyState::Closed, vec![clean_close(1000, "bye")]),
        ]
    );
    assert!(!page.has_tasks() && page.turn().is_none());
}

#[test]
fn s3_when_it_is_open_everything_can_be_read_before_the_event() {
    let mut page = Page::asking(URL, ["a", "b"], &Options::default());
    page.on_open(|ws: &mut WebSocket| {
        assert_eq!(ws.ready_state(), ReadyState::Open);
        let extensions = "permessage-deflate; server_no_context_takeover";
        assert_eq!((ws.extensions(), ws.protocol()), (extensions, "b"));
        ws.send_text("at once").unwrap();
    });
    page.accepts(
        "Sec-WebSocket-Protocol: b\r\n\
        Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n",
    );
    assert_eq!(page.dispatches(), [Told::Open]);
    page.sends([text("at once")]);
}

#[test]
fn s3_extensions_are_empty_if_there_are_none() {
    for added in ["", "Sec-WebSocket-Extensions:\r\n"] {
        let page = Page::open_with((), &Options::default(), added);
        assert_eq!((page.extensions(), page.protocol()), ("", ""), "{added:?}");
    }
    // In several lines they are one list.
    let lines = "Sec-WebSocket-Extensions:\r\n\
        Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let page = Page::open_with((), &Options::default(), lines);
    assert_eq!(page.extensions(), "permessage-deflate");
}

#[test]
fn s4_a_message_that_comes_after_close_was_called_is_dropped() {
    // It comes later.
    let mut page = Page::open();
    page.close(None, None).unwrap();
    page.hears_frames([text("late"), common::binary("late")]);
    assert_eq!(page.turns(), []);
    // It was there already, and its task had not run.
    let mut page = Page::open();
    page.hears_frames([text("1"), text("2")]);
    assert_eq!(page.turn().unwrap().map(Told::from).collect::<Vec<_>>(), [told_text("1")]);
    page.close(Some(1000), None).unwrap();
    assert_eq!(page.turns(), []);
    page.hears_frames([text("3"), close(1000, "")]);
    page.ends();
    assert_eq!(page.turns(), [clean_close(1000, "")]);
}

#[test]
fn s4_a_message_before_the_servers_close_is_not_dropped() {
    let mut page = Page::open();
    page.hears_frames([text("1"), close(1000, ""), text("behind it")]);
    page.ends();
    assert_eq!(page.turns(), [told_text("1"), clean_close(1000, "")]);
}

#[test]
fn s5_the_servers_close_makes_it_closing_and_its_end_closed() {
    let mut page = Page::open();
    page.hears_frames([close(3333, "over")]);
    assert_eq!(page.ready_state(), ReadyState::Open);
    let fired = page.turn().expect("a task").collect::<Vec<Event>>();
    assert_eq!((fired, page.ready_state()), (vec![], ReadyState::Closing));
    assert!(!page.has_tasks());
    page.sends([close(3333, "over")]);
    // The server closes the transport first (RFC 6455, section 7.1.1).
    assert!(!page.should_close_transport());
    page.ends();
    assert_eq!(page.ready_state(), ReadyState::Closing);
    assert_eq!(page.turns(), [clean_close(3333, "over")]);
    assert_eq!(page.ready_state(), ReadyState::Closed);
    assert!(page.should_close_transport());
    // In whatever pieces it comes.
    let heard = hears(Page::open, &close(3333, "over").unmasked());
    assert_eq!((heard.told, heard.state, heard.over), (vec![], ReadyState::Closing, false));
}

#[test]
fn s5_the_script_may_close_when_the_server_has() {
    for turned in [false, true] {
        let mut page = Page::open();
        page.hears_frames([close(3333, "theirs")]);
        if turned {
            page.turns();
        }
        page.close(Some(4444), Some("ours")).unwrap();
        assert_eq!(page.ready_state(), ReadyState::Closing);
        assert_eq!(page.turns(), []);
        assert_eq!(page.ready_state(), ReadyState::Closing);
        // Theirs came first, and was answered.
        page.sends([close(3333, "theirs")]);
        page.ends();
        assert_eq!(page.turns(), [clean_close(3333, "theirs")]);
    }
}

#[test]
fn s6_it_is_closed_before_the_events_and_nothing_comes_after() {
    type End = fn(&mut Page);
    let ends: [(&str, End, Vec<Told>); 3] = [
        ("clean", |page| page.hears_frames([empty_close()]), vec![clean_close(1005, "")]),
        ("cut", |_| {}, failure().into()),
        ("broken", |page| page.hears([0xff; 9]), failure().into()),
    ];
    for (name, end, told) in ends {
        let mut page = Page::open();
        page.on_error(|ws: &mut WebSocket| assert_eq!(ws.ready_state(), ReadyState::Closed));
        page.on_close(|ws: &mut WebSocket, _: &_| {
            assert_eq!(ws.ready_state(), ReadyState::Closed);
        });
        end(&mut page);
        page.ends();
        assert_eq!(page.dispatches(), told, "{name}");
        // Whatever comes now.
        page.hears_frames([text("x"), close(1000, "")]);
        page.ends();
        page.connect_failed("x");
        let now = page.instant();
        page.connected(now);
        page.waits(second(1000));
        page.close(Some(1000), None).unwrap();
        page.go_away();
        page.hears(Page::connecting().acceptance(""));
        assert_eq!(page.turns(), [], "{name}");
        assert_eq!(page.ready_state(), ReadyState::Closed);
    }
}

#[test]
fn s7_clean_is_a_close_frame_both_ways() {
    // The server's first.
    let heard = hears_and_ends(Page::open, &close(1000, "x").unmasked());
    assert_eq!(heard.told, [clean_close(1000, "x")]);
    assert_eq!((heard.state, heard.over, heard.why), (ReadyState::Closed, true, None));
    // Ours first.
    let closing = || {
        let mut page = Page::open();
        page.close(Some(1000), None).unwrap();
        page
    };
    let heard = hears_and_ends(closing, &close(1000, "x").unmasked());
    assert_eq!((heard.told, heard.why), (vec![clean_close(1000, "x")], None));
    // Ours without an answer.
    let heard = hears_and_ends(closing, &text("no answer").unmasked());
    assert_eq!(heard.told, failure());
    let Some(Diagnostic::Ended(closed)) = heard.why else { panic!("it ended") };
    assert!(closed.sent().is_some() && closed.received().is_none());
}

#[test]
fn s7_a_server_that_closes_and_keeps_the_transport_is_clean_too() {
    let mut page = Page::open();
    page.hears_frames([close(1000, "")]);
    page.turns();
    page.flush();
    page.waits(second(9));
    assert!(!page.has_tasks() && !page.should_close_transport());
    page.waits(second(1));
    assert!(page.should_close_transport());
    assert_eq!(page.turns(), [clean_close(1000, "")]);
}

#[test]
fn s7_a_stream_that_breaks_when_all_was_said_is_clean_too() {
    // A server may reset what it has no more use for.
    for ours_first in [false, true] {
        let mut page = Page::open();
        if ours_first {
            page.close(Some(1000), None).unwrap();
        }
        page.hears_frames([close(1000, "bye")]);
        page.flush();
        page.connect_failed("connection reset by peer");
        assert_eq!(page.turns(), [clean_close(1000, "bye")]);
        assert_eq!(page.diagnostic(), None);
    }
    // Before that it is as abrupt as any other end.
    let mut page = Page::open();
    page.close(Some(1000), None).unwrap();
    page.connect_failed("connection reset by peer");
    assert_eq!(page.turns(), failure());
    assert_eq!(page.diagnostic(), Some(&Diagnostic::Lost("connection reset by peer".into())));
}

#[test]
fn s7_a_close_that_was_never_sent_makes_no_clean_end() {
    for ours_first in [false, true] {
        let mut page = Page::open();
        page.send_text("never sent").unwrap();
        if ours_first {
            page.close(Some(1000), None).unwrap();
        }
        page.wrote(5);
        page.hears_frames([close(1000, "bye")]);
        page.receive_eof();
        assert_eq!(page.turns(), [Told::Error, Told::Close(false, 1000, "bye".into())]);
        assert_eq!(page.diagnostic(), Some(&Diagnostic::Unsent));
    }
}

#[test]
fn s8_an_abrupt_end_is_a_failure() {
    // Whatever was there of a frame: the diagnostic may tell, the events do not.
    let whole = [text("whole"), text("cut")].map(|frame| frame.unmasked()).concat();
    for len in 0..=whole.len() {
        let heard = hears_and_ends(Page::open, &whole[..len]);
        let before = [told_text("whole"), told_text("cut")];
        let count = usize::from(len >= 7) + usize::from(len == whole.len());
        assert_eq!(heard.told, then_failure(before[..count].to_vec()), "{len} bytes");
        assert_eq!((heard.state, heard.over), (ReadyState::Closed, true));
        let Some(Diagnostic::Ended(closed)) = heard.why else { panic!("it ended") };
        let inside = ![0, 7, whole.len()].contains(&len);
        assert!(
            matches!(closed.cause(), Cause::EndOfStream { inside_frame, .. } if inside_frame == inside)
        );
        assert_eq!(closed.by(), Side::Peer);
    }
    // A stream that breaks is no other.
    let mut page = Page::open();
    page.connect_failed("connection reset by peer");
    assert_eq!(page.turns(), failure());
}

#[test]
fn s9_no_trouble_with_tls_is_1015() {
    let mut page = Page::new("wss://h/", (), &Options::default());
    page.connect_failed("TLS: certificate expired");
    page.fails(&Diagnostic::Connect("TLS: certificate expired".into()));
    let mut page = Page::open();
    page.connect_failed("TLS: bad record MAC");
    assert_eq!(page.turns(), failure());
    // Who puts it into a frame breaks a rule (RFC 6455, section 7.4.1).
    let heard = hears(Page::open, &close(1015, "").unmasked());
    assert_eq!(heard.told, failure());
    assert_eq!(heard.sent, web_common::frames_of([close(1002, "")]));
}

#[test]
fn s10_closing_while_connecting_is_a_failure_and_never_open() {
    // However far the network has come meanwhile.
    type Network = fn(&mut Page);
    let networks: [(&str, Network); 8] = [
        ("nothing", |_| {}),
        ("half a reply", |page| page.hears("HTTP/1.1 101 Sw")),
        ("open", |page| page.accepts("")),
        ("a message", |page| {
            page.accepts("");
            page.hears_frames([text("x")]);
        }),
        ("the server's close", |page| {
            page.accepts("");
            page.hears_frames([close(1000, "theirs")]);
        }),
        ("a clean end", |page| {
            page.accepts("");
            page.hears_frames([text("x"), close(1000, "theirs")]);
            page.ends();
        }),
        ("a cut", |page| {
            page.accepts("");
            page.ends();
        }),
        ("a refusal", |page| page.hears("HTTP/1.1 404 X\r\n\r\n")),
    ];
    for (name, network) in networks {
        for away in [false, true] {
            let mut page = Page::connecting();
            network(&mut page);
            match away {
                false => page.close(Some(3000), Some("ours")).unwrap(),
                true => page.go_away(),
            }
            assert_eq!(page.ready_state(), ReadyState::Closing, "{name}");
            assert!(page.should_close_transport() && page.target().is_none(), "{name}");
            assert!(page.diagnostic().is_some(), "{name}");
            // What comes now comes too late.
            page.accepts("");
            page.hears_frames([text("x"), close(1000, "theirs")]);
            page.ends();
            page.close(None, None).unwrap();
            let mut told = Vec::new();
            while let Some(fired) = page.ws.turn() {
                let events: Vec<Told> = fired.map(Told::from).collect();
                assert_ne!(page.ready_state(), ReadyState::Open, "{name}");
                told.extend(events);
            }
            assert_eq!(told, failure(), "{name}");
            assert_eq!(page.ready_state(), ReadyState::Closed);
            assert_eq!((page.protocol(), page.extensions()), ("", ""));
        }
    }
}

#[test]
fn s10_before_there_is_a_connection_nobody_is_asked_any_more() {
    let mut page = Page::new(URL, (), &Options::default());
    assert!(page.target().is_some());
    page.close(None, None).unwrap();
    assert!(page.target().is_none() && !page.is_opening());
    let now = page.instant();
    page.connected(now);
    assert!(page.output().is_empty());
    page.fails(&Diagnostic::ClosedWhileConnecting);
}

#[test]
fn s10_a_server_that_thinks_it_is_open_is_told() {
    // The reply came, and the script gave up before it was told.
    let mut page = Page::connecting();
    page.accepts("");
    page.close(None, None).unwrap();
    page.sends([close(1001, "")]);
    // Of one that is not there yet nothing can be said.
    let mut page = Page::connecting();
    page.close(None, None).unwrap();
    page.sends([]);
}

#[test]
fn the_time_of_an_open_connection_is_kept() {
    // Keep-alives are the configuration's, and nothing a script sees.
    let options = web_common::configured(|config| {
        config.ping_interval = Some(second(20));
        config.pong_timeout = second(5);
    });
    let mut page = Page::open_as(&options);
    page.waits(second(20));
    let sent = page.sent();
    assert_eq!((sent.len(), sent[0].0), (1, 0x80 | common::PING));
    page.hears_frames([common::pong(&sent[0].1)]);
    page.waits(second(19));
    assert_eq!((page.turns(), page.sent()), (vec![], vec![]));
    page.waits(Duration::from_secs(1) + second(5));
    assert_eq!(page.turns(), failure());
    assert!(page.sent().last().unwrap().1.starts_with(&1011u16.to_be_bytes()));
}
