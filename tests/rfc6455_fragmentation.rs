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

/// Where both are in one input, and the header that goes before it has room.
#[test]
fn s5_4_a_character_that_fragments_cut_comes_with_what_completes_it() {
    let chunks = |engine: &Engine, frames: Vec<Frame>, first_read: usize| {
        let mut bytes = engine.peer_sends(frames);
        let mut ws = engine.connection();
        let mut chunks = Vec::new();
        let (first, rest) = bytes.split_at_mut(first_read);
        for piece in [first, rest] {
            let mut input = Input::new(piece);
            while let Some(event) = ws.receive(&mut input, &mut Vec::new()) {
                let Event::Text(chunk) = event else { panic!("{event:?}") };
                chunks.push(chunk.as_str().to_owned());
            }
        }
        chunks
    };
    for engine in both() {
        let euro = vec![fragment(TEXT, b"a\xe2\x82"), frame(CONTINUATION, b"\xac!")];
        assert_eq!(chunks(&engine, euro, 0), ["a", "\u{20ac}!"]);
        // With a control frame and an empty fragment in between.
        let split = vec![
            fragment(TEXT, b"a\xe2"),
            fragment(CONTINUATION, b""),
            fragment(CONTINUATION, b"\x82"),
            frame(CONTINUATION, b"\xac!"),
        ];
        assert_eq!(chunks(&engine, split, 0), ["a", "\u{20ac}!"]);
        let fish = vec![fragment(TEXT, b"a\xf0\x9f\x90"), frame(CONTINUATION, b"\x9f!")];
        // A server's header has two bytes, which is one less than are carried.
        let expected: &[&str] =
            if engine.is_client { &["a", "\u{1f41f}", "!"] } else { &["a", "\u{1f41f}!"] };
        assert_eq!(chunks(&engine, fish.clone(), 0), expected);
        // Of a header that came in two reads, only what came in the second counts.
        let header_end =
            engine.peer_sends(fish[..1].to_vec()).len() + if engine.is_client { 2 } else { 6 };
        assert_eq!(chunks(&engine, fish, header_end - 1), ["a", "\u{1f41f}", "!"]);
    }
}

#[test]
fn s5_4_chunks_say_how_much_of_the_message_is_to_come_once_that_is_known() {
    let engine = client();
    let remaining = |frames: Vec<Frame>, step: usize| {
        let bytes = engine.peer_sends(frames);
        let mut ws = engine.connection();
        let mut seen = Vec::new();
        for piece in bytes.chunks(step) {
            let mut piece = piece.to_vec();
            let mut input = Input::new(&mut piece);
            while let Some(event) = ws.receive(&mut input, &mut Vec::new()) {
                seen.extend(match event {
                    Event::Binary(chunk) => Some((chunk.as_bytes().len(), chunk.remaining())),
                    Event::Text(chunk) => Some((chunk.as_str().len(), chunk.remaining())),
                    _ => None,
                });
            }
        }
        seen
    };
    let fragments = || vec![fragment(BINARY, "ab"), frame(CONTINUATION, "cdef")];
    assert_eq!(remaining(fragments(), 100), [(2, None), (4, Some(0))]);
    assert_eq!(remaining(fragments(), 3), [(1, None), (1, None), (3, Some(1)), (1, Some(0))]);
    // What is not text is not less to come than it was.
    let invalid = || vec![frame(TEXT, b"ok\xffno")];
    assert_eq!(remaining(invalid(), 100), [(2, Some(3))]);
    assert_eq!(remaining(invalid(), 1), [(1, Some(4)), (1, Some(3))]);
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
            let begun = ws.begin_frame(sockeye::MessageKind::Binary, &mut [0; 4], true);
            assert_eq!(begun.map(|_| ()), refused);
            ws.send_text_fragment(b"c", true, out).unwrap();
            ws.send_text("d", out).unwrap();
        });
        assert_eq!(frames.iter().map(|f| f.0).collect::<Vec<_>>(), [0x01, 0x80, 0x81]);
    }
}

#[test]
fn s5_4_headers_alone_make_fragments_too() {
    use sockeye::MessageKind::{Binary, Text};
    for engine in both() {
        let mut ws = engine.connection();
        let mut wire = Vec::new();
        for (piece, fin) in [(&b"\xe2"[..], false), (b"\x82\xac", false), (b"!", true)] {
            let mut payload = piece.to_vec();
            let header = ws.begin_frame(Text, &mut payload, fin).unwrap();
            wire.extend_from_slice(header.as_bytes());
            wire.extend(payload);
            // Mixed with the other way.
            if !fin {
                assert_eq!(ws.send_binary(b"x", &mut wire), Err(SendError::FragmentInProgress));
            }
        }
        let mut last = *b"b";
        let header = ws.begin_frame(Binary, &mut last, true).unwrap();
        wire.extend_from_slice(header.as_bytes());
        wire.extend(last);
        let firsts: Vec<u8> = sent_frames(&wire, engine.is_client).iter().map(|f| f.0).collect();
        assert_eq!(firsts, [0x01, 0x00, 0x80, 0x82]);
    }
    let mut ws = server().connection();
    assert_eq!(ws.begin_text("a", false).unwrap().as_bytes(), b"\x01\x01");
    assert_eq!(ws.begin_binary(b"b", true).map(|_| ()), Err(SendError::FragmentInProgress));
    assert_eq!(ws.begin_text("", true).unwrap().as_bytes(), b"\x80\x00");
}
