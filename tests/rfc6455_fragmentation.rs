//! RFC 6455, section 5.4: messages in several frames.

mod common;

use common::*;
use sockeye::ProtocolError::*;
use sockeye::{Connection, Event, Input, SendError};

#[test]
fn s5_4_fragments_make_one_message() {
    for engine in both() {
        engine
            .receives([
                fragment(TEXT, "one "),
                fragment(CONTINUATION, "two "),
                frame(CONTINUATION, "three"),
            ])
            .tells([told_text("one two three")])
            .sends([]);
    }
}

#[test]
fn s5_4_control_frames_between_fragments_are_answered_at_once() {
    for engine in both() {
        engine
            .receives([
                fragment(BINARY, "a"),
                ping("1"),
                fragment(CONTINUATION, "b"),
                pong("2"),
                ping("3"),
                frame(CONTINUATION, "c"),
            ])
            .tells([
                Told::Ping(b"1".into()),
                Told::Pong(b"2".into()),
                Told::Ping(b"3".into()),
                Told::Binary(b"abc".into()),
            ])
            .sends([pong("1"), pong("3")]);
    }
}

#[test]
fn s5_4_the_pong_is_out_before_the_message_ends() {
    let engine = server();
    engine.receives([fragment(TEXT, "a"), ping("now")]).sends([pong("now")]);
}

#[test]
fn s5_4_continuation_without_a_start_fails() {
    for engine in both() {
        for f in [frame(CONTINUATION, "x"), fragment(CONTINUATION, "")] {
            engine
                .receives([f])
                .tells([Told::Failed(ContinuationWithoutStart)])
                .fails(ContinuationWithoutStart);
        }
        // Also after a message that is complete.
        engine
            .receives([text("a"), frame(CONTINUATION, "b")])
            .tells([told_text("a"), Told::Failed(ContinuationWithoutStart)]);
    }
}

#[test]
fn s5_4_a_new_message_inside_another_fails_and_overwrites_nothing() {
    for engine in both() {
        for f in [text("b"), binary("b"), fragment(TEXT, "b")] {
            engine
                .receives([fragment(TEXT, "a"), f])
                .tells([Told::PartOfText("a".into()), Told::Failed(MessageInProgress)])
                .fails(MessageInProgress);
        }
    }
}

#[test]
fn s5_4_empty_fragments_are_legal_wherever_they_stand() {
    for engine in both() {
        let empty = || fragment(CONTINUATION, "");
        engine
            .receives([
                fragment(TEXT, ""),
                empty(),
                fragment(CONTINUATION, "a"),
                empty(),
                frame(CONTINUATION, ""),
            ])
            .tells([told_text("a")]);
        engine
            .receives([fragment(BINARY, ""), frame(CONTINUATION, "")])
            .tells([Told::Binary(vec![])]);
        engine.receives([text(""), binary("")]).tells([told_text(""), Told::Binary(vec![])]);
    }
}

#[test]
fn s5_4_fragment_borders_carry_no_meaning() {
    // The same text in every way of cutting it into two or three frames.
    let message = "a\u{e9}\u{20ac}\u{1f41f}z".as_bytes();
    let engine = server();
    for i in 0..=message.len() {
        for j in i..=message.len() {
            let frames = [
                fragment(TEXT, &message[..i]),
                fragment(CONTINUATION, &message[i..j]),
                frame(CONTINUATION, &message[j..]),
            ];
            engine.receives(frames).tells([told_text("a\u{e9}\u{20ac}\u{1f41f}z")]);
        }
    }
}

#[test]
fn s5_4_chunks_say_whether_they_are_first_and_last() {
    let engine = client();
    let mut bytes = engine.peer_sends([
        fragment(BINARY, "ab"),
        fragment(CONTINUATION, "cd"),
        frame(CONTINUATION, ""),
    ]);
    let mut input = Input::new(&mut bytes);
    let mut ws = engine.connection();
    let mut places = Vec::new();
    while let Some(Event::Binary(chunk)) = ws.receive(&mut input, &mut Vec::new()) {
        places.push((chunk.is_first(), chunk.is_last(), chunk.as_bytes().to_vec()));
    }
    assert_eq!(
        places,
        [(true, false, b"ab".to_vec()), (false, false, b"cd".to_vec()), (false, true, vec![])]
    );
}

// ---- sending -------------------------------------------------------------------

fn sent(
    engine: Engine,
    commands: impl FnOnce(&mut Connection, &mut Vec<u8>),
) -> Vec<(u8, Vec<u8>)> {
    let mut ws = engine.connection();
    let mut out = Vec::new();
    commands(&mut ws, &mut out);
    sent_frames(&out, engine.is_client)
}

#[test]
fn s5_4_fragments_are_sent_with_the_opcode_first_and_fin_last() {
    for engine in both() {
        let frames = sent(engine, |ws, out| {
            ws.send_text_fragment(b"a", false, out).unwrap();
            ws.send_ping(b"p", out).unwrap();
            ws.send_text_fragment(b"", false, out).unwrap();
            ws.send_text_fragment(b"b", true, out).unwrap();
            ws.send_binary_fragment(b"c", true, out).unwrap();
        });
        let expected: [(u8, &[u8]); 5] =
            [(0x01, b"a"), (0x89, b"p"), (0x00, b""), (0x80, b"b"), (0x82, b"c")];
        assert_eq!(frames, expected.map(|(first, payload)| (first, payload.to_vec())));
    }
}

#[test]
fn s5_4_a_message_inside_another_is_refused_and_changes_nothing() {
    for engine in both() {
        let frames = sent(engine, |ws, out| {
            ws.send_text_fragment(b"a", false, out).unwrap();
            let refused = Err(SendError::FragmentInProgress);
            assert_eq!(ws.send_text("b", out), refused);
            assert_eq!(ws.send_binary(b"b", out), refused);
            assert_eq!(ws.send_binary_fragment(b"b", true, out), refused);
            let begun = ws.begin_frame(sockeye::MessageKind::Binary, &mut [0; 4]);
            assert_eq!(begun.map(|_| ()), refused);
            ws.send_text_fragment(b"c", true, out).unwrap();
            ws.send_text("d", out).unwrap();
        });
        assert_eq!(frames.iter().map(|f| f.0).collect::<Vec<_>>(), [0x01, 0x80, 0x81]);
    }
}
