//! RFC 6455, sections 5.6 and 8.1: text is UTF-8, to the byte.

mod common;

use common::*;
use sockeye::ProtocolError::*;
use sockeye::{Event, Input, SendError};

/// Bytes that are not UTF-8, and the length of what could still become text.
const INVALID: &[(&[u8], usize)] = &[
    (b"\x80", 0), // continuation without a start
    (b"\xbf", 0),
    (b"\xc0\x80", 0), // overlong, 2 bytes
    (b"\xc1\xbf", 0),
    (b"\xc3\x28", 1),     // a start without continuation
    (b"\xe0\x80\x80", 1), // overlong, 3 bytes
    (b"\xe0\x9f\xbf", 1),
    (b"\xed\xa0\x80", 1), // surrogates
    (b"\xed\xbf\xbf", 1),
    (b"\xe2\x82\x28", 2),
    (b"\xf0\x80\x80\x80", 1), // overlong, 4 bytes
    (b"\xf0\x8f\xbf\xbf", 1),
    (b"\xf4\x90\x80\x80", 1), // above U+10FFFF
    (b"\xf5\x80\x80\x80", 0),
    (b"\xf0\x9f\x90\x28", 3),
    (b"\xfe", 0),
    (b"\xff", 0),
];

#[test]
fn s8_1_invalid_text_fails_wherever_it_stands() {
    for engine in both() {
        for (bytes, _) in INVALID {
            for before in ["", "abc", "\u{20ac}"] {
                let payload = [before.as_bytes(), bytes, b"after"].concat();
                let story = engine.receives([frame(TEXT, &payload)]);
                story.fails(TextNotUtf8);
                let mut expected = vec![Told::PartOfText(before.into()), Told::Failed(TextNotUtf8)];
                if before.is_empty() {
                    expected.remove(0);
                }
                story.tells(expected);
            }
        }
    }
}

#[test]
fn s8_1_text_fails_at_the_first_byte_that_cannot_continue() {
    // Only the bytes up to the bad one come; the frame announces more.
    for (bytes, possible) in INVALID {
        let engine = server();
        let whole =
            engine.peer_sends([frame(TEXT, [bytes, &b"the rest of the frame"[..]].concat())]);
        let header = 6;
        engine.receives_bytes(&whole[..header + possible]).tells([]);
        engine.receives_bytes(&whole[..=header + possible]).fails(TextNotUtf8);
    }
}

/// What was left of a character stands in front of the next fragment, over its
/// header: of which any part may have come before.
#[test]
fn s8_1_a_cut_character_is_whole_again_whatever_has_come_of_the_next_header() {
    for engine in both() {
        for cut in 0..=4 {
            for rest in ["", "and more", &"long ".repeat(30)] {
                let text = format!("\u{1f41f}{rest}");
                let (before, behind) = text.as_bytes().split_at(cut);
                let frames = [fragment(TEXT, before), frame(CONTINUATION, behind)];
                let bytes = engine.peer_sends(frames);
                for at in 0..bytes.len() {
                    assert_eq!(heard_in_two(&engine, &bytes, at), text, "{cut}, read to {at}");
                }
            }
        }
    }
}

/// The text that comes in two reads, the second from this byte on.
fn heard_in_two(engine: &Engine, bytes: &[u8], at: usize) -> String {
    let (mut ws, mut heard) = (engine.connection(), String::new());
    for mut read in [bytes[..at].to_vec(), bytes[at..].to_vec()] {
        let mut input = Input::new(&mut read);
        while let Some(event) = ws.receive(&mut input, &mut Vec::new()) {
            match event {
                Event::Text(chunk) => heard.push_str(chunk.as_str()),
                other => panic!("{other:?}"),
            }
        }
    }
    heard
}

#[test]
fn s8_1_text_is_validated_across_fragments() {
    for engine in both() {
        for (bytes, _) in INVALID.iter().filter(|(bytes, _)| bytes.len() > 1) {
            for cut in 1..bytes.len() {
                let frames =
                    [fragment(TEXT, &bytes[..cut]), ping(""), frame(CONTINUATION, &bytes[cut..])];
                engine.receives(frames).fails(TextNotUtf8);
            }
        }
    }
}

#[test]
fn s8_1_a_message_that_ends_inside_a_character_fails() {
    for engine in both() {
        for unfinished in [&b"\xc3"[..], b"\xe2\x82", b"\xf0\x9f\x90", b"ok \xf0"] {
            engine.receives([frame(TEXT, unfinished)]).fails(TextNotUtf8);
            // Also when the last frame is empty.
            engine
                .receives([fragment(TEXT, unfinished), frame(CONTINUATION, "")])
                .fails(TextNotUtf8);
            // The next message does not complete it.
            engine.receives([frame(TEXT, unfinished), frame(TEXT, b"\xa9")]).fails(TextNotUtf8);
        }
    }
}

#[test]
fn s8_1_every_valid_character_passes_in_any_cut() {
    let text =
        "\0\u{7f}\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{fffe}\u{ffff}\u{10000}\u{10ffff}\u{1f41f}";
    for engine in both() {
        engine.receives([frame(TEXT, text)]).tells([told_text(text)]);
        for cut in 0..=text.len() {
            let (a, b) = text.as_bytes().split_at(cut);
            engine.receives([fragment(TEXT, a), frame(CONTINUATION, b)]).tells([told_text(text)]);
        }
    }
}

/// The only text that cannot be borrowed.
#[test]
fn s8_1_a_character_that_was_cut_can_be_kept() {
    for engine in both() {
        let mut ws = engine.connection();
        let bytes = engine.peer_sends([text("\u{20ac}")]);
        let mut chunks = Vec::new();
        for byte in bytes {
            let mut byte = [byte];
            if let Some(event) = ws.receive(&mut Input::new(&mut byte), &mut Vec::new()) {
                let Event::Text(chunk) = event else { panic!("{event:?}") };
                chunks.push(chunk.into_cow().into_owned());
            }
        }
        assert_eq!(chunks, ["\u{20ac}"]);
    }
}

#[test]
fn s8_1_a_byte_order_mark_is_part_of_the_text() {
    for engine in both() {
        engine.receives([frame(TEXT, "\u{feff}x")]).tells([told_text("\u{feff}x")]);
        // Also cut in two, and alone.
        engine
            .receives([fragment(TEXT, b"\xef\xbb"), frame(CONTINUATION, b"\xbf")])
            .tells([told_text("\u{feff}")]);
    }
}

#[test]
fn s8_1_long_text_passes_and_fails_at_every_place() {
    // Longer than the blocks that text is validated in, with a character at
    // each border of them in turn.
    for shift in 0..4 {
        let text = format!("{}{}", "x".repeat(shift), "\u{1f41f}".repeat(9000));
        server().receives([frame(TEXT, &text)]).tells([told_text(&text)]);
        let mut bytes = text.into_bytes();
        bytes[34_000] = 0xff;
        server().receives([frame(TEXT, &bytes)]).fails(TextNotUtf8);
    }
}

#[test]
fn s8_1_validation_comes_after_unmasking() {
    // These bytes are valid as they stand on the wire, and not unmasked.
    server().receives_bytes(b"\x81\x81\x80\0\0\0a").fails(TextNotUtf8);
    // And the reverse.
    server().receives_bytes(b"\x81\x81\x80\0\0\0\xe1").tells([told_text("a")]);
}

#[test]
fn s5_6_binary_is_not_validated() {
    for (bytes, _) in INVALID {
        server().receives([binary(bytes)]).tells([Told::Binary(bytes.to_vec())]);
    }
}

#[test]
fn s5_5_1_a_close_reason_is_utf8() {
    for engine in both() {
        for (bytes, _) in INVALID {
            engine
                .receives([close(1000, bytes)])
                .tells([Told::Failed(CloseReasonNotUtf8)])
                .fails(CloseReasonNotUtf8);
        }
        // Ends inside a character.
        engine.receives([close(1000, b"\xe2\x82")]).fails(CloseReasonNotUtf8);
        assert_eq!(CloseReasonNotUtf8.close_code().get(), 1007);
    }
}

// ---- sending -------------------------------------------------------------------

#[test]
fn s8_1_text_fragments_may_cut_characters_and_are_validated_across_them() {
    for engine in both() {
        let mut ws = engine.connection();
        let mut out = Vec::new();
        ws.send_text_fragment(b"\xe2", false, &mut out).unwrap();
        ws.send_text_fragment(b"\x82", false, &mut out).unwrap();
        // What cannot continue is refused, and the message can still be ended.
        let len = out.len();
        assert_eq!(ws.send_text_fragment(b"x", false, &mut out), Err(SendError::InvalidText));
        assert_eq!(ws.send_text_fragment(b"", true, &mut out), Err(SendError::InvalidText));
        assert_eq!(out.len(), len);
        ws.send_text_fragment(b"\xac", true, &mut out).unwrap();
        let payload: Vec<u8> =
            sent_frames(&out, engine.is_client).into_iter().flat_map(|f| f.1).collect();
        assert_eq!(payload, "\u{20ac}".as_bytes());
    }
}

#[test]
fn s8_1_begin_frame_refuses_text_that_is_not_utf8() {
    use sockeye::MessageKind::{Binary, Text};
    for engine in both() {
        let mut ws = engine.connection();
        let mut bytes = *b"\xff";
        assert_eq!(ws.begin_frame(Text, &mut bytes, true).map(|_| ()), Err(SendError::InvalidText));
        assert_eq!(bytes, *b"\xff", "a refused payload is not masked");
        assert!(ws.begin_frame(Binary, &mut bytes, true).is_ok());
    }
}
