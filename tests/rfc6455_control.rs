//! RFC 6455, section 5.5: control frames.

mod common;

use common::*;
use sockeye::ProtocolError::*;
use sockeye::{CloseCode, Event, FixedOutput, Input, SendError};

#[test]
fn s5_5_a_control_frame_of_125_bytes_passes_and_of_126_fails() {
    for engine in both() {
        let payload = [b'p'; 125];
        engine
            .receives([ping(payload)])
            .tells([Told::Ping(payload.to_vec())])
            .sends([pong(payload)]);
        for opcode in [PING, PONG, CLOSE] {
            let bytes = engine.peer_sends([frame(opcode, [3, 232].repeat(63))]);
            // Known from the second byte; nothing more is waited for.
            engine
                .receives_bytes(&bytes[..2])
                .tells([Told::Failed(ControlFrameTooLong)])
                .fails(ControlFrameTooLong);
        }
    }
}

#[test]
fn s5_5_a_fragmented_control_frame_fails_at_its_first_byte() {
    for opcode in [PING, PONG, CLOSE] {
        server().receives_bytes(&[opcode]).fails(ControlFrameFragmented);
    }
}

#[test]
fn s5_5_2_pong_carries_the_payload_of_the_ping_exactly() {
    for engine in both() {
        for payload in [&b""[..], b"hello", &[0, 255, 0x80], &[7; 125]] {
            engine.receives([ping(payload)]).sends([pong(payload)]);
        }
    }
}

#[test]
fn s5_5_2_every_ping_is_answered_in_order() {
    let pings = |n: u8| (0..n).map(|i| ping([i]));
    server().receives(pings(10)).sends((0..10).map(|i| pong([i])));
}

#[test]
fn s5_5_3_an_unsolicited_pong_gets_no_answer() {
    for engine in both() {
        engine
            .receives([pong(""), pong("x")])
            .tells([Told::Pong(vec![]), Told::Pong(b"x".into())])
            .sends([]);
    }
}

#[test]
fn s5_5_2_no_pong_after_a_close_was_received() {
    for engine in both() {
        engine
            .receives([close(1000, ""), ping("late")])
            .tells([told_close(1000, "")])
            .sends([close(1000, "")]);
    }
}

#[test]
fn s5_5_2_no_pong_after_a_close_was_sent() {
    for engine in both() {
        let engine = engine.closing();
        engine
            .receives([ping("late")])
            .tells([Told::Ping(b"late".into())])
            .sends([close(1000, "")]);
    }
}

#[test]
fn s5_5_2_manual_pongs_are_the_callers() {
    for engine in both() {
        let engine = engine.with(|c| c.auto_pong = false);
        engine.receives([ping("x")]).tells([Told::Ping(b"x".into())]).sends([]);
        let mut ws = engine.connection();
        let mut bytes = engine.peer_sends([ping("x")]);
        let mut out = Vec::new();
        let Some(Event::Ping(payload)) = ws.receive(&mut Input::new(&mut bytes), &mut out) else {
            panic!("no ping");
        };
        // The event is alive, and the connection can be used.
        ws.send_pong(&payload, &mut out).unwrap();
        assert_eq!(sent_frames(&out, engine.is_client), [(0x8A, b"x".to_vec())]);
    }
}

#[test]
fn s5_5_2_a_flood_of_pings_makes_the_engine_owe_no_more_than_it_was_given() {
    for engine in both() {
        for payload in [0, 1, 125] {
            let flood = engine.peer_sends((0..1000).map(|_| ping(vec![0; payload])));
            let story = engine.receives_bytes(&flood);
            assert!(
                story.out.len() <= flood.len() + 4 * 1000,
                "four bytes of key for each at most"
            );
        }
        // With an output of fixed size: one answer at a time, and the rest of
        // the input waits for the caller to flush.
        let mut memory = [0; FixedOutput::MIN_LEN];
        let mut out = FixedOutput::new(&mut memory);
        let mut flood = engine.peer_sends((0..100).map(|_| ping([0; 125])));
        let mut ws = engine.connection();
        let mut input = Input::new(&mut flood);
        assert!(matches!(ws.receive(&mut input, &mut out), Some(Event::Ping(_))));
        assert_eq!(ws.receive(&mut input, &mut out), None);
        assert!(!input.is_empty());
    }
}

#[test]
fn s5_4_a_pong_goes_between_fragments_and_never_inside_a_frame() {
    // Everything that is appended is whole frames, so whatever is queued, a
    // control frame stands at a border.
    let engine = client();
    let mut ws = engine.connection();
    let mut out = Vec::new();
    ws.send_binary_fragment(&[1; 1000], false, &mut out).unwrap();
    let mut bytes = engine.peer_sends([ping("now")]);
    assert!(ws.receive(&mut Input::new(&mut bytes), &mut out).is_some());
    ws.send_binary_fragment(&[2; 1000], true, &mut out).unwrap();
    let frames = sent_frames(&out, true);
    assert_eq!(frames.iter().map(|f| f.0).collect::<Vec<_>>(), [0x02, 0x8A, 0x80]);
}

#[test]
fn s5_5_sending_more_than_125_bytes_is_refused() {
    for engine in both() {
        let mut ws = engine.connection();
        let mut out = Vec::new();
        assert_eq!(ws.send_ping(&[0; 126], &mut out), Err(SendError::ControlTooLong));
        assert_eq!(ws.send_pong(&[0; 126], &mut out), Err(SendError::ControlTooLong));
        assert!(out.is_empty());
        ws.send_ping(&[0; 125], &mut out).unwrap();
        ws.send_pong(&[0; 125], &mut out).unwrap();
        assert_eq!(sent_frames(&out, engine.is_client).len(), 2);
    }
}

#[test]
fn s5_5_1_a_reason_is_cut_between_characters_at_123_bytes() {
    // 41 characters of three bytes are 123; of four bytes only 30 fit.
    for (reason, kept) in [
        ("\u{20ac}".repeat(41), 123),
        ("\u{20ac}".repeat(42), 123),
        ("\u{1f41f}".repeat(31), 120),
        (format!("x{}", "\u{e9}".repeat(62)), 123),
        (format!("xx{}", "\u{e9}".repeat(62)), 122),
    ] {
        let mut ws = server().connection();
        let mut out = Vec::new();
        ws.close(Some(CloseCode::NORMAL_CLOSURE), &reason, &mut out).unwrap();
        let frames = sent_frames(&out, false);
        assert_eq!(frames[0].1[2..], reason.as_bytes()[..kept], "{reason}");
    }
}
