//! RFC 6455, sections 5.5.1 and 7: closing and failing.

mod common;

use common::*;
use sockeye::ProtocolError::*;
use sockeye::{Cause, CloseCode, Event, FixedOutput, Input, SendError, Side};

const ALLOWED: &[u16] = &[
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999,
];
const FORBIDDEN: &[u16] = &[0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535];

// ---- what comes ------------------------------------------------------------------

#[test]
fn s5_5_1_close_is_answered_with_its_code_and_reason() {
    for engine in both() {
        for &code in ALLOWED {
            let story = engine.receives([close(code, "bye \u{1f41f}")]);
            story.tells([told_close(code, "bye \u{1f41f}")]).sends([close(code, "bye \u{1f41f}")]);
            let closed = story.closed.unwrap();
            assert!(closed.is_clean());
            assert_eq!((closed.code().get(), closed.reason()), (code, "bye \u{1f41f}"));
            assert_eq!((closed.by(), closed.cause()), (Side::Peer, Cause::ClosingHandshake));
        }
    }
}

#[test]
fn s7_1_5_a_close_without_a_body_reports_1005_and_is_answered_alike() {
    for engine in both() {
        let story = engine.receives([empty_close()]);
        story.tells([Told::Close(None, String::new())]).sends([empty_close()]);
        let closed = story.closed.unwrap();
        assert!(closed.is_clean());
        assert_eq!(closed.code(), CloseCode::NO_STATUS_RECEIVED);
        assert_eq!(closed.received().unwrap().code(), None);
    }
}

#[test]
fn s5_5_1_a_close_payload_of_one_byte_fails() {
    for engine in both() {
        engine
            .receives([frame(CLOSE, [3])])
            .tells([Told::Failed(ClosePayloadTruncated)])
            .fails(ClosePayloadTruncated);
    }
}

#[test]
fn s7_4_codes_that_may_not_be_on_the_wire_fail() {
    for engine in both() {
        for &code in FORBIDDEN {
            engine
                .receives([close(code, "")])
                .tells([Told::Failed(CloseCodeInvalid)])
                .fails(CloseCodeInvalid);
        }
    }
}

#[test]
fn s7_4_2_every_code_is_judged_as_the_registry_says() {
    for code in 0..=u16::MAX {
        let allowed =
            matches!(code, 1000..=1003 | 1007..=1011 | 1012..=1014 | 3000..=3999 | 4000..=4999);
        assert_eq!(CloseCode::new(code).is_allowed_on_wire(), allowed, "{code}");
    }
}

#[test]
fn s5_5_1_nothing_is_delivered_after_a_close() {
    for engine in both() {
        engine
            .receives([
                text("a"),
                close(1000, ""),
                text("b"),
                ping("c"),
                close(1001, ""),
                frame(0xF, "!"),
            ])
            .tells([told_text("a"), told_close(1000, "")])
            .sends([close(1000, "")]);
    }
}

#[test]
fn s7_1_5_the_first_close_counts() {
    for engine in both() {
        let story = engine.receives([close(1001, "first"), close(1002, "second")]);
        assert_eq!(story.closed.unwrap().reason(), "first");
    }
}

#[test]
fn s5_4_a_message_that_a_close_cuts_short_is_void() {
    for engine in both() {
        engine
            .receives([fragment(TEXT, "part"), close(1000, "")])
            .tells([Told::PartOfText("part".into()), told_close(1000, "")])
            .sends([close(1000, "")]);
        // Whole messages: nothing of it.
        let mut ws = engine.connection();
        let mut assembler = sockeye::Assembler::new();
        let mut bytes = engine.peer_sends([fragment(TEXT, "part"), close(1000, "")]);
        let mut input = Input::new(&mut bytes);
        let mut incoming = Vec::new();
        while let Some(event) = ws.receive(&mut input, &mut Vec::new()) {
            incoming.extend(assembler.push(event).map(|i| format!("{i:?}")));
        }
        assert_eq!(incoming.len(), 1, "{incoming:?}");
        assert!(incoming[0].starts_with("Close") && assembler.is_empty());
    }
}

// ---- what goes -------------------------------------------------------------------

#[test]
fn s7_4_codes_that_may_not_be_sent_are_refused() {
    for engine in both() {
        let mut ws = engine.connection();
        let mut out = Vec::new();
        for &code in FORBIDDEN {
            let code = Some(CloseCode::new(code));
            assert_eq!(ws.close(code, "", &mut out), Err(SendError::InvalidCloseCode));
        }
        assert_eq!(ws.close(None, "a reason alone", &mut out), Err(SendError::InvalidCloseCode));
        assert!(out.is_empty() && ws.is_open());
    }
}

#[test]
fn s7_1_2_either_side_may_send_any_allowed_code() {
    for engine in both() {
        for &code in ALLOWED {
            let mut ws = engine.connection();
            let mut out = Vec::new();
            ws.close(Some(CloseCode::new(code)), "why", &mut out).unwrap();
            let payload = [&code.to_be_bytes()[..], b"why"].concat();
            assert_eq!(sent_frames(&out, engine.is_client), [(0x88, payload)]);
        }
    }
}

#[test]
fn s5_5_1_nothing_is_sent_after_a_close() {
    for engine in both() {
        for by_peer in [false, true] {
            let mut ws = engine.connection();
            let mut out = Vec::new();
            if by_peer {
                let mut bytes = engine.peer_sends([close(1000, "")]);
                assert!(ws.receive(&mut Input::new(&mut bytes), &mut out).is_some());
            } else {
                ws.close(None, "", &mut out).unwrap();
            }
            let len = out.len();
            let closed = Err(SendError::Closed);
            assert_eq!(ws.send_text("x", &mut out), closed);
            assert_eq!(ws.send_binary(b"x", &mut out), closed);
            assert_eq!(ws.send_text_fragment(b"x", true, &mut out), closed);
            assert_eq!(ws.send_binary_fragment(b"x", false, &mut out), closed);
            assert_eq!(ws.send_ping(b"x", &mut out), closed);
            assert_eq!(ws.send_pong(b"x", &mut out), closed);
            assert_eq!(ws.close(Some(CloseCode::GOING_AWAY), "", &mut out), closed);
            let begun = ws.begin_frame(sockeye::MessageKind::Binary, &mut [1], true);
            assert_eq!(begun.map(|_| ()), closed);
            assert_eq!(out.len(), len);
        }
    }
}

#[test]
fn s6_1_a_message_being_sent_stops_when_the_connection_is_no_longer_open() {
    let ends: [fn(&Engine, &mut sockeye::Connection, &mut Vec<u8>); 4] = [
        |_, ws, out| ws.close(None, "", out).unwrap(),
        |engine, ws, out| {
            let mut bytes = engine.peer_sends([close(1000, "")]);
            assert!(ws.receive(&mut Input::new(&mut bytes), out).is_some());
        },
        |engine, ws, out| {
            let mut bytes = engine.peer_sends([frame(0x3, "")]);
            assert!(ws.receive(&mut Input::new(&mut bytes), out).is_some());
        },
        |_, ws, _| assert!(!ws.receive_eof().is_clean()),
    ];
    for engine in both() {
        for end in ends {
            let mut ws = engine.connection();
            let mut out = Vec::new();
            ws.send_text_fragment(b"a", false, &mut out).unwrap();
            end(&engine, &mut ws, &mut out);
            let len = out.len();
            for fin in [false, true] {
                let closed = Err(SendError::Closed);
                assert_eq!(ws.send_text_fragment(b"b", fin, &mut out), closed);
                let begun = ws.begin_frame(sockeye::MessageKind::Text, &mut [b'b'], fin);
                assert_eq!(begun.map(|_| ()), closed);
            }
            assert_eq!(out.len(), len);
        }
    }
}

#[test]
fn s5_5_1_data_is_still_delivered_after_our_close() {
    for engine in both() {
        let story =
            engine.closing().receives([text("late"), fragment(BINARY, "x"), close(1000, "")]);
        story
            .tells([told_text("late"), Told::PartOfBinary(b"x".into()), told_close(1000, "")])
            .sends([close(1000, "")]);
        let closed = story.closed.unwrap();
        assert!(closed.is_clean());
        assert_eq!(closed.by(), Side::Local);
    }
}

#[test]
fn s7_1_2_both_may_close_at_the_same_time_and_neither_answers() {
    for engine in both() {
        let story = engine.closing().receives([close(1001, "at the same time")]);
        story.tells([told_close(1001, "at the same time")]).sends([close(1000, "")]);
        let closed = story.closed.unwrap();
        assert!(closed.is_clean());
        assert_eq!(closed.code().get(), 1001);
        assert_eq!(closed.sent().unwrap().code(), Some(CloseCode::NORMAL_CLOSURE));
    }
}

// ---- the transport -----------------------------------------------------------------

#[test]
fn s7_1_1_the_server_closes_the_transport_first_and_the_client_waits() {
    assert!(server().receives([close(1000, "")]).should_close_transport);
    assert!(server().closing().receives([close(1000, "")]).should_close_transport);
    assert!(!client().receives([close(1000, "")]).should_close_transport);
    assert!(!client().closing().receives([close(1000, "")]).should_close_transport);
    // Until the stream ends, or `close_timeout` has passed (see timers.rs).
    let mut ws = client().connection();
    let mut bytes = client().peer_sends([close(1000, "")]);
    assert!(ws.receive(&mut Input::new(&mut bytes), &mut Vec::new()).is_some());
    assert!(ws.receive_eof().is_clean());
    assert!(ws.should_close_transport());
}

#[test]
fn s7_1_3_a_connection_is_open_until_either_side_has_said_close() {
    for engine in both() {
        for frame in [close(1000, ""), frame(3, "")] {
            let mut ws = engine.connection();
            assert!(ws.is_open());
            let mut bytes = engine.peer_sends([frame]);
            assert!(ws.receive(&mut Input::new(&mut bytes), &mut Vec::new()).is_some());
            assert!(!ws.is_open());
        }
        let mut ws = engine.connection();
        ws.close(None, "", &mut Vec::new()).unwrap();
        assert!(!ws.is_open());
        let mut ws = engine.connection();
        ws.receive_eof();
        assert!(!ws.is_open());
    }
}

#[test]
fn s7_1_1_nobody_closes_the_transport_of_an_open_connection() {
    for engine in both() {
        assert!(!engine.connection().should_close_transport());
        assert!(!engine.closing().receives([text("x")]).should_close_transport);
    }
}

#[test]
fn s7_1_7_a_failed_connection_sends_its_code_once_and_stops() {
    for engine in both() {
        let story = engine.receives([text("a"), frame(0x3, ""), text("b"), frame(0x3, "")]);
        story.tells([told_text("a"), Told::Failed(ReservedOpcode)]).sends([close(1002, "")]);
        assert!(story.should_close_transport);
        let closed = story.closed.unwrap();
        assert_eq!((closed.code(), closed.received()), (CloseCode::ABNORMAL_CLOSURE, None));
        assert_eq!(closed.sent().unwrap().code(), Some(CloseCode::PROTOCOL_ERROR));
    }
}

#[test]
fn s7_1_7_a_violation_after_our_close_sends_no_second_close() {
    for engine in both() {
        let story = engine.closing().receives([frame(0x3, "")]);
        story.tells([Told::Failed(ReservedOpcode)]).sends([close(1000, "")]);
        assert!(story.should_close_transport && !story.closed.unwrap().is_clean());
    }
}

#[test]
fn s7_1_7_commands_after_a_failure_are_refused() {
    for engine in both() {
        let mut ws = engine.connection();
        let mut out = Vec::new();
        let mut bytes = engine.peer_sends([frame(0x3, "")]);
        assert_eq!(
            ws.receive(&mut Input::new(&mut bytes), &mut out),
            Some(Event::Failed(ReservedOpcode))
        );
        assert_eq!(ws.send_text("x", &mut out), Err(SendError::Closed));
        assert_eq!(ws.close(None, "", &mut out), Err(SendError::Closed));
    }
}

#[test]
fn s7_4_1_each_violation_has_its_code() {
    for (error, code) in [
        (ReservedBits, 1002),
        (CloseReasonNotUtf8, 1007),
        (TextNotUtf8, 1007),
        (FrameTooLong, 1009),
        (MessageTooLong, 1009),
        (TooManyFragments, 1009),
    ] {
        assert_eq!(error.close_code().get(), code);
    }
}

// ---- the end of the stream -----------------------------------------------------------

#[test]
fn s7_1_5_an_end_inside_a_frame_differs_from_one_after_it_and_neither_is_clean() {
    for engine in both() {
        let bytes =
            engine.peer_sends([text("whole"), fragment(BINARY, "half of a message"), ping("p")]);
        let borders: Vec<usize> = {
            let frames =
                [vec![text("whole")], vec![fragment(BINARY, "half of a message")], vec![ping("p")]];
            frames
                .iter()
                .scan(0, |at, f| {
                    *at += engine.peer_sends(f.clone()).len();
                    Some(*at)
                })
                .collect()
        };
        for end in 0..=bytes.len() {
            let mut ws = engine.connection();
            let mut piece = bytes[..end].to_vec();
            let mut input = Input::new(&mut piece);
            while ws.receive(&mut input, &mut Vec::new()).is_some() {}
            let closed = ws.receive_eof();
            let inside_frame = end != 0 && !borders.contains(&end);
            let Cause::EndOfStream { inside_frame: told, .. } = closed.cause() else {
                panic!("{closed:?}")
            };
            assert_eq!(told, inside_frame, "end at {end}");
            assert_eq!(closed.code(), CloseCode::ABNORMAL_CLOSURE);
            assert!(!closed.is_clean() && ws.should_close_transport());
            assert_eq!(ws.receive_eof(), closed, "idempotent");
            assert_eq!(ws.send_text("x", &mut Vec::new()), Err(SendError::Closed));
        }
    }
}

#[test]
fn s7_1_5_an_end_without_an_answer_to_our_close_is_not_clean() {
    for engine in both() {
        let mut ws = engine.connection();
        ws.close(Some(CloseCode::NORMAL_CLOSURE), "", &mut Vec::new()).unwrap();
        assert_eq!(ws.closed(), None);
        let closed = ws.receive_eof();
        assert!(!closed.is_clean());
        assert_eq!((closed.code().get(), closed.by()), (1006, Side::Local));
    }
}

#[test]
fn s7_1_4_the_end_after_a_closing_handshake_is_clean() {
    for engine in both() {
        let mut ws = engine.connection();
        let mut bytes = engine.peer_sends([close(4000, "done")]);
        assert!(ws.receive(&mut Input::new(&mut bytes), &mut Vec::new()).is_some());
        let closed = ws.receive_eof();
        assert!(closed.is_clean());
        assert_eq!((closed.code().get(), closed.reason()), (4000, "done"));
    }
}

#[test]
fn s7_1_an_aborted_connection_says_so() {
    let mut ws = server().connection();
    let closed = ws.abort();
    assert_eq!((closed.cause(), closed.by()), (Cause::Aborted, Side::Local));
    assert!(!closed.is_clean() && ws.should_close_transport());
    // Unless it was over before.
    let mut ws = server().connection();
    let mut bytes = server().peer_sends([close(1000, "")]);
    assert!(ws.receive(&mut Input::new(&mut bytes), &mut Vec::new()).is_some());
    assert!(ws.abort().is_clean());
}

// ---- a full output ---------------------------------------------------------------

#[test]
fn s5_5_1_a_close_that_cannot_be_answered_waits_in_the_input() {
    for engine in both() {
        let mut ws = engine.connection();
        let mut bytes = engine.peer_sends([close(1000, "a reason that needs room")]);
        let mut input = Input::new(&mut bytes);
        let mut memory = [0; 16];
        assert_eq!(ws.receive(&mut input, &mut FixedOutput::new(&mut memory)), None);
        assert!(ws.wants_room() && !input.is_empty() && ws.closed().is_none());
        let mut out = Vec::new();
        assert!(matches!(ws.receive(&mut input, &mut out), Some(Event::Close(_))));
        assert_eq!(sent_frames(&out, engine.is_client).len(), 1);
    }
}

#[test]
fn s7_1_7_nothing_is_consumed_while_a_failure_could_not_be_told() {
    for engine in both() {
        let mut ws = engine.connection();
        let mut bytes = engine.peer_sends([frame(0x3, "")]);
        let len = bytes.len();
        let mut input = Input::new(&mut bytes);
        let mut memory = [0; 4];
        assert_eq!(ws.receive(&mut input, &mut FixedOutput::new(&mut memory)), None);
        assert!(ws.wants_room());
        assert_eq!(input.len(), len);
        assert_eq!(ws.receive(&mut input, &mut Vec::new()), Some(Event::Failed(ReservedOpcode)));
    }
}

#[test]
fn s7_1_7_invalid_text_behind_valid_text_waits_for_room() {
    for engine in both() {
        let mut ws = engine.connection();
        let mut bytes = engine.peer_sends([frame(TEXT, b"abc\xff")]);
        let mut input = Input::new(&mut bytes);
        let mut memory = [0; 8];
        let mut out = FixedOutput::new(&mut memory);
        let Some(Event::Text(chunk)) = ws.receive(&mut input, &mut out) else { panic!("no text") };
        // The connection is still open: what was valid can be answered.
        assert_eq!((chunk.as_str(), chunk.is_last()), ("abc", false));
        ws.send_text("!", &mut out).unwrap();
        assert_eq!(ws.receive(&mut input, &mut out), None);
        assert!(ws.wants_room() && input.is_empty());
        out.clear();
        assert_eq!(ws.receive(&mut input, &mut out), Some(Event::Failed(TextNotUtf8)));
        assert!(!ws.wants_room());
        assert_eq!(sent_frames(out.filled(), engine.is_client), [(0x88, vec![3, 239])]);
        assert_eq!(ws.receive(&mut input, &mut out), None);
    }
}

#[test]
fn what_needs_no_answer_needs_no_room() {
    for engine in both() {
        // A Pong never, a Ping not if the caller answers it, and nothing at
        // all once we have said Close.
        let none = &mut FixedOutput::new(&mut []);
        let mut ws = engine.connection();
        ws.close(None, "", &mut Vec::new()).unwrap();
        let mut bytes = engine.peer_sends([ping("x"), pong("y"), close(1000, "")]);
        let mut input = Input::new(&mut bytes);
        let mut events = 0;
        while ws.receive(&mut input, none).is_some() {
            events += 1;
        }
        assert_eq!((events, ws.wants_room()), (3, false));

        let mut memory = [0; 8];
        let out = &mut FixedOutput::new(&mut memory);
        let mut ws = engine.clone().with(|c| c.auto_pong = false).connection();
        let mut bytes = engine.peer_sends([ping([0; 125]), pong([0; 125])]);
        let mut input = Input::new(&mut bytes);
        assert!(ws.receive(&mut input, out).is_some() && ws.receive(&mut input, out).is_some());
    }
}
