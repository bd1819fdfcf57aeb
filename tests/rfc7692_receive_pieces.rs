//! Compressed messages in pieces: scratch room, chunks and their places, text
//! cut anywhere (RFC 7692, section 6.2; RFC 6455, section 8.1).

#![cfg(feature = "deflate")]

mod common;
mod flate;

use common::*;
use flate::Compressor;
use flate::by_hand::{run_of_a, stored};
use sockeye::ProtocolError::*;
use sockeye::{Cause, Connection, Event, FixedOutput, Input};

const HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
const AGAIN: &[u8] = &[0xf2, 0x00, 0x11, 0x00, 0x00];
/// The end of a fragment that brings all that it has.
const FLUSHED: &[u8] = &[0x00, 0x00, 0x00, 0xff, 0xff];

fn text_of(payload: impl AsRef<[u8]>) -> Frame {
    frame(TEXT, payload).compressed()
}

fn binary_of(payload: impl AsRef<[u8]>) -> Frame {
    frame(BINARY, payload).compressed()
}

fn told_by(ws: &mut Connection, bytes: &mut [u8], scratch: &mut [u8]) -> (Vec<Told>, usize) {
    let mut told = Vec::new();
    let mut input = Input::with_scratch(bytes, scratch);
    drain(ws, &mut input, &mut Vec::new(), &mut told);
    (told, input.len())
}

// ---- scratch room --------------------------------------------------------------------

#[test]
fn without_scratch_room_all_but_compressed_messages_come() {
    for engine in both_compressing() {
        let mut ws = engine.connection();
        let mut bytes = engine.peer_sends([ping("a"), text("b"), text_of(HELLO), text("c")]);
        let mut input = Input::new(&mut bytes);
        let mut told = Vec::new();
        drain(&mut ws, &mut input, &mut Vec::new(), &mut told);
        assert_eq!(told, [Told::Ping(b"a".to_vec()), told_text("b")]);
        assert!(ws.wants_scratch() && ws.is_inflating() && !ws.wants_room());
        assert_eq!(ws.frame_remaining(), HELLO.len() as u64);

        // Asking again changes nothing; nor does too little.
        let mut rest = input.into_rest().to_vec();
        let len = rest.len();
        for scratch_len in [0, 1, Input::MIN_SCRATCH - 1] {
            let told = told_by(&mut ws, &mut rest, &mut vec![0; scratch_len]);
            assert_eq!(told, (vec![], len));
            assert!(ws.wants_scratch() && ws.is_inflating());
        }
        let told = told_by(&mut ws, &mut rest, &mut [0; Input::MIN_SCRATCH]);
        assert_eq!(told, (vec![told_text("Hello"), told_text("c")], 0));
        assert!(!ws.wants_scratch() && !ws.is_inflating());
    }
}

/// Or who lost them would wait for what cannot come, in a loop without an end.
#[test]
fn scratch_room_is_not_wanted_for_bytes_that_were_lost() {
    for engine in both_compressing() {
        let mut ws = engine.connection();
        let mut bytes = engine.peer_sends([text_of(HELLO)]);
        assert_eq!(told_by(&mut ws, &mut bytes, &mut []).0, []);
        assert!(ws.wants_scratch());
        assert_eq!(told_by(&mut ws, &mut [], &mut [0; Input::MIN_SCRATCH]), (vec![], 0));
        assert!(!ws.wants_scratch() && !ws.is_inflating());
    }
}

#[test]
fn without_compression_no_scratch_room_is_wanted() {
    for engine in both() {
        let mut ws = engine.connection();
        let mut bytes = engine.peer_sends([text("b"), fragment(TEXT, "c")]);
        let mut input = Input::new(&mut bytes);
        drain(&mut ws, &mut input, &mut Vec::new(), &mut Vec::new());
        assert!(!ws.wants_scratch() && !ws.is_inflating());
    }
}

#[test]
fn input_is_left_as_it_came_when_scratch_room_runs_out() {
    let data = Random(5).bytes(9000);
    let payload = Compressor::new(15, 3).message(&data);
    for engine in both_compressing() {
        let original = engine.peer_sends([binary_of(&payload), ping("behind")]);
        for scratch_len in [16, 17, 100, 1000, 4095, 4096, 8999, 9000, 20_000] {
            let mut ws = engine.connection();
            let mut bytes = original.clone();
            let mut start = 0;
            let mut told = Vec::new();
            loop {
                let mut scratch = vec![0; scratch_len];
                let mut input = Input::with_scratch(&mut bytes[start..], &mut scratch);
                drain(&mut ws, &mut input, &mut Vec::new(), &mut told);
                let rest = input.into_rest();
                assert!(rest == &original[original.len() - rest.len()..], "of {scratch_len}");
                let left = rest.len();
                start = bytes.len() - left;
                if !ws.wants_scratch() {
                    break;
                }
            }
            assert_eq!(start, original.len());
            assert!(told == [Told::Binary(data.clone()), Told::Ping(b"behind".to_vec())]);
        }
    }
}

/// What was consumed may have more in it than there was room for.
#[test]
fn there_may_be_more_without_any_more_input() {
    let len = 1 + 258;
    let payload = run_of_a(len);
    for engine in both_compressing() {
        let mut ws = engine.connection();
        let mut bytes = engine.peer_sends([binary_of(&payload)]);
        // The literal and the reference are 24 bits with their header. Behind
        // them are the end of the block, and of the message.
        let end = bytes.len() - payload.len() + 3;
        let told = told_by(&mut ws, &mut bytes[..end], &mut [0; 100]);
        assert_eq!(told, (vec![Told::PartOfBinary(vec![b'a'; 100])], 0));
        assert!(ws.wants_scratch() && ws.is_inflating());
        let mut seen = 100;
        while ws.is_inflating() {
            let mut scratch = [0; 100];
            let mut input = Input::with_scratch(&mut [], &mut scratch);
            while let Some(event) = ws.receive(&mut input, &mut Vec::new()) {
                let Event::Binary(chunk) = event else { panic!("{event:?}") };
                assert!(!chunk.is_first() && !chunk.is_last());
                seen += chunk.as_bytes().len();
            }
        }
        assert_eq!(seen, len);
        let (mut out, mut scratch) = (Vec::new(), [0; 100]);
        let mut input = Input::with_scratch(&mut bytes[end..], &mut scratch);
        let Some(Event::Binary(chunk)) = ws.receive(&mut input, &mut out) else { panic!() };
        assert!(chunk.is_last() && chunk.as_bytes().is_empty());
        assert_eq!(ws.receive(&mut input, &mut out), None);
    }
}

/// An output that has no room for a failure stops everything. The end of the
/// message must not be forgotten over it, though no input is left.
#[test]
fn what_wants_scratch_room_is_not_forgotten_over_a_full_output() {
    for engine in both_compressing() {
        for frames in [
            vec![binary_of("")],
            vec![fragment(BINARY, HELLO).compressed(), frame(CONTINUATION, "")],
        ] {
            let mut ws = engine.connection();
            let mut bytes = engine.peer_sends(frames);
            let before = bytes.len() - if engine.is_client { 2 } else { 6 };
            told_by(&mut ws, &mut bytes[..before], &mut [0; 100]);
            let (told, left) = told_by(&mut ws, &mut bytes[before..], &mut []);
            assert_eq!((told, left), (vec![], 0));
            assert!(ws.wants_scratch() && ws.is_inflating());

            let mut scratch = [0; 100];
            let mut input = Input::with_scratch(&mut [], &mut scratch);
            assert_eq!(ws.receive(&mut input, &mut FixedOutput::new(&mut [])), None);
            assert!(ws.wants_room() && ws.is_inflating(), "both are wanted");
            let event = ws.receive(&mut input, &mut Vec::new());
            assert!(matches!(&event, Some(Event::Binary(chunk)) if chunk.is_last()), "{event:?}");
        }
    }
}

/// A pending answer stops compressed messages as it does others, and loses
/// nothing.
#[test]
fn a_full_output_loses_nothing() {
    for engine in both_compressing() {
        let mut frames: Vec<Frame> = (0..40).map(|i| ping([i; 60])).collect();
        let run = run_of_a(500);
        for at in [5, 11, 17, 30] {
            frames.insert(at, binary_of(&run));
        }
        let story = engine.receives(frames);
        let runs = story.told.iter().filter(|told| **told == Told::Binary(vec![b'a'; 500]));
        assert_eq!(runs.count(), 4);
        assert_eq!(story.told.len(), 44);
    }
}

// ---- after the end -------------------------------------------------------------------

#[test]
fn after_the_end_nothing_is_wanted() {
    type End = fn(&mut Connection);
    let end: [(&str, End); 2] = [
        ("dropped", |ws| assert_eq!(ws.abort().cause(), Cause::Aborted)),
        ("cut", |ws| {
            let Cause::EndOfStream { inside_frame, .. } = ws.receive_eof().cause() else {
                panic!()
            };
            assert!(inside_frame);
        }),
    ];
    for engine in both_compressing() {
        for (how, end) in end {
            let mut ws = engine.connection();
            let mut bytes = engine.peer_sends([text_of(HELLO)]);
            let (told, left) = told_by(&mut ws, &mut bytes, &mut []);
            assert!(told.is_empty() && left > 0 && ws.wants_scratch());
            end(&mut ws);
            assert!(!ws.is_inflating(), "{how}");
            assert_eq!(told_by(&mut ws, &mut bytes, &mut []), (vec![], 0), "input is discarded");
            assert!(!ws.wants_scratch(), "{how}: whoever lends until it is satisfied never stops");
        }
    }
}

#[test]
fn after_a_failure_and_after_a_close_input_is_discarded() {
    for engine in both_compressing() {
        for last in [text_of([0b110]), close(1000, ""), frame(CONTINUATION, "")] {
            let mut ws = engine.connection();
            let mut bytes = engine.peer_sends([text_of(HELLO), last, text_of(HELLO)]);
            let (told, left) = told_by(&mut ws, &mut bytes, &mut [0; 1000]);
            assert_eq!((told.len(), left), (2, 0));
            assert!(!ws.is_inflating() && !ws.wants_scratch());
            let mut bytes = engine.peer_sends([text_of(HELLO)]);
            assert_eq!(told_by(&mut ws, &mut bytes, &mut []), (vec![], 0));
        }
    }
}

#[test]
fn s7_1_4_the_end_of_the_stream_is_judged_by_frames() {
    for engine in both_compressing() {
        let bytes = engine.peer_sends([text_of(HELLO)]);
        for (len, is_inside) in [(bytes.len(), false), (bytes.len() - 1, true)] {
            let mut ws = engine.connection();
            told_by(&mut ws, &mut bytes.clone()[..len], &mut [0; 100]);
            let Cause::EndOfStream { inside_frame, .. } = ws.receive_eof().cause() else {
                panic!()
            };
            assert_eq!(inside_frame, is_inside);
        }
    }
}

// ---- chunks --------------------------------------------------------------------------

/// First, last, remaining, and length of each chunk.
type Place = (bool, bool, Option<u64>, usize);

fn places(engine: &Engine, frames: &[Frame], read: usize, scratch_len: usize) -> Vec<Place> {
    let mut ws = engine.connection();
    let mut places = Vec::new();
    for piece in engine.peer_sends(frames.to_vec()).chunks_mut(read) {
        let mut start = 0;
        loop {
            let mut scratch = vec![0; scratch_len];
            let mut input = Input::with_scratch(&mut piece[start..], &mut scratch);
            while let Some(event) = ws.receive(&mut input, &mut Vec::new()) {
                places.push(match event {
                    Event::Binary(c) => {
                        (c.is_first(), c.is_last(), c.remaining(), c.as_bytes().len())
                    }
                    Event::Text(c) => (c.is_first(), c.is_last(), c.remaining(), c.as_str().len()),
                    other => panic!("{other:?}"),
                });
            }
            let left = input.len();
            start = piece.len() - left;
            if !ws.wants_scratch() {
                break;
            }
        }
    }
    places
}

#[test]
fn s6_2_chunks_say_whether_they_are_first_and_last() {
    let middle = |len| (false, false, None, len);
    for engine in both_compressing() {
        let whole = [binary_of(HELLO), binary_of(AGAIN), text_of(AGAIN), text_of([0x00])];
        let all = |len| (true, true, Some(0), len);
        assert_eq!(places(&engine, &whole, 1000, 1000), [all(5), all(5), all(5), all(0)]);

        // In fragments: how much is to come is known only when all has come.
        let fragments = [
            fragment(TEXT, [HELLO, &FLUSHED[1..]].concat()).compressed(),
            fragment(CONTINUATION, ""),
            fragment(CONTINUATION, [stored(b"ab"), FLUSHED.to_vec()].concat()),
            frame(CONTINUATION, [0x00]),
        ];
        let expected = [(true, false, None, 5), middle(2), (false, true, Some(0), 0)];
        assert_eq!(places(&engine, &fragments, 1000, 1000), expected);

        // In little room.
        let run = [binary_of(run_of_a(50))];
        let expected = [(true, false, None, 20), middle(20), (false, true, Some(0), 10)];
        assert_eq!(places(&engine, &run, 1000, 20), expected);
        let expected = [(true, false, None, 25), middle(25), (false, true, Some(0), 0)];
        assert_eq!(places(&engine, &run, 1000, 25), expected);
    }
}

/// Exactly one is the first and one the last, whatever the cuts.
#[test]
fn s6_2_every_message_has_one_first_and_one_last_chunk() {
    let payload = Compressor::new(15, 9).message(&b"some text, and more of it ".repeat(40));
    for engine in both_compressing() {
        let frames = [text_of(&payload), binary_of(&payload), text_of([0x00]), text_of("")];
        for read in [1, 2, 3, 7, 50, 10_000] {
            for scratch_len in [16, 17, 64, 100_000] {
                let places = places(&engine, &frames, read, scratch_len);
                let mut messages = places.split_inclusive(|place| place.1);
                for len in [1040, 1040, 0, 0] {
                    let chunks = messages.next().unwrap();
                    assert_eq!(chunks.iter().map(|chunk| chunk.3).sum::<usize>(), len);
                    for (i, &(first, last, remaining, len)) in chunks.iter().enumerate() {
                        assert_eq!(first, i == 0);
                        assert_eq!(remaining, last.then_some(0));
                        assert!(len <= scratch_len && (len > 0 || last));
                    }
                }
                assert!(messages.next().is_none());
            }
        }
    }
}

/// However much is lent.
#[test]
fn chunks_are_of_128_kib_at_most() {
    for engine in both_compressing() {
        let frames = [binary_of(run_of_a(300_000)), text_of(run_of_a(300_000))];
        let chunks = places(&engine, &frames, usize::MAX, 1 << 20);
        assert_eq!(chunks.iter().map(|chunk| chunk.3).max(), Some(128 << 10));
    }
}

/// Then there is nothing for an `Assembler` to copy.
#[test]
fn a_message_that_leaves_scratch_room_is_one_chunk() {
    for engine in both_compressing() {
        for len in [1, 60_000, (64 << 10) - 1] {
            for frame in [binary_of(run_of_a(len)), text_of(run_of_a(len))] {
                let chunks = places(&engine, &[frame], usize::MAX, 64 << 10);
                assert_eq!(chunks, [(true, true, Some(0), len)]);
            }
        }
        // As long on the wire as it is.
        let stored = [stored(&vec![b'x'; 20_000]), vec![0x00]].concat();
        let chunks = places(&engine, &[binary_of(stored)], usize::MAX, 64 << 10);
        assert_eq!(chunks, [(true, true, Some(0), 20_000)]);
    }
}

/// Each is a stream of its own. However many there are in the input, all are inflated
/// at once: the rest of a payload is masked again for each call, and a peer could
/// make that many times what it sends.
#[test]
fn s7_2_3_4_final_blocks_that_are_there_come_in_one_chunk() {
    for engine in both_compressing() {
        let payload = [b"\x01\x01\x00\xfe\xffa".repeat(1000), vec![0x00]].concat();
        let mut bytes = engine.peer_sends([binary_of(payload)]);
        let mut scratch = vec![0; 16 << 10];
        let mut input = Input::with_scratch(&mut bytes, &mut scratch);
        let mut ws = engine.connection();
        let Some(Event::Binary(chunk)) = ws.receive(&mut input, &mut Vec::new()) else {
            panic!("no chunk")
        };
        assert_eq!((chunk.as_bytes(), chunk.is_last()), (&[b'a'; 1000][..], true));
    }
}

// ---- text ----------------------------------------------------------------------------

/// Each character is as long as they can be.
const TEXTS: [&str; 3] = ["a\u{e9}\u{20ac}\u{1f41f}z", "\u{1f41f}\u{1f41f}", "\u{feff}\u{10ffff}"];

#[test]
fn s8_1_characters_may_be_cut_by_blocks_and_frames() {
    for expected in TEXTS {
        let bytes = expected.as_bytes();
        for engine in both_compressing() {
            for i in 0..=bytes.len() {
                for j in i..=bytes.len() {
                    let parts = [&bytes[..i], &bytes[i..j], &bytes[j..]].map(stored);
                    let whole = [parts.concat(), vec![0x00]].concat();
                    engine.receives([text_of(whole)]).tells([told_text(expected)]);
                    let [one, two, three] = parts;
                    let frames = [
                        fragment(TEXT, one).compressed(),
                        fragment(CONTINUATION, two),
                        ping(""),
                        fragment(CONTINUATION, three),
                        frame(CONTINUATION, [0x00]),
                    ];
                    engine.receives(frames).tells([Told::Ping(vec![]), told_text(expected)]);
                }
            }
        }
    }
}

/// In rooms of all lengths, so that each character is cut everywhere.
#[test]
fn s8_1_characters_may_be_cut_by_chunks() {
    let text = "a\u{e9}\u{20ac}\u{1f41f}".repeat(100);
    let payload = Compressor::new(15, 4).message(text.as_bytes());
    for engine in both_compressing() {
        for scratch_len in 16..40 {
            let mut ws = engine.connection();
            let mut bytes = engine.peer_sends([text_of(&payload)]);
            let (mut start, mut told) = (0, Vec::new());
            loop {
                let mut scratch = vec![0xff; scratch_len];
                let mut input = Input::with_scratch(&mut bytes[start..], &mut scratch);
                drain(&mut ws, &mut input, &mut Vec::new(), &mut told);
                let left = input.len();
                start = bytes.len() - left;
                if !ws.wants_scratch() {
                    break;
                }
            }
            assert!(told == [told_text(&text)], "{scratch_len}");
        }
    }
}

const INVALID: [(&[u8], &str); 8] = [
    (b"ok\xff", "ok"),
    (b"\x80", ""),
    (b"ok\xc0\xaf", "ok"),
    (b"ok\xe0\x80", "ok"),
    (b"\xed\xa0", ""),
    (b"a\xf4\x90", "a"),
    (b"a\xe2\x82\xacb\xe2\x82b", "a\u{20ac}b"),
    (
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90",
        "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}",
    ),
];

/// As soon as it is there: neither the frame nor the message has ended.
#[test]
fn s8_1_text_that_is_none_fails_at_once() {
    for (bytes, valid) in INVALID {
        let part = (!valid.is_empty()).then(|| Told::PartOfText(valid.into()));
        let told: Vec<_> = part.into_iter().chain([Told::Failed(TextNotUtf8)]).collect();
        for engine in both_compressing() {
            let flushed = [stored(bytes), FLUSHED.to_vec()].concat();
            let story = engine.receives([fragment(TEXT, &flushed).compressed()]);
            story.tells(told.clone()).fails(TextNotUtf8);
            let wire = engine.peer_sends([text_of([stored(bytes), vec![0; 1000]].concat())]);
            engine.receives_bytes(&wire[..wire.len() - 1000]).tells(told.clone());
            // In fragments of one byte; whole; with something behind it.
            let mut frames = vec![fragment(TEXT, "").compressed()];
            frames.extend(flushed.chunks(1).map(|byte| fragment(CONTINUATION, byte)));
            engine.receives(frames).tells(told.clone());
            engine.receives([text_of([stored(bytes), vec![0x00]].concat())]).tells(told.clone());
            engine.receives([text_of([stored(bytes), vec![0b110]].concat())]).tells(told.clone());
            // It is no rule for other data.
            let message = [binary_of([stored(bytes), vec![0x00]].concat())];
            engine.receives(message).tells([Told::Binary(bytes.to_vec())]);
        }
    }
}

#[test]
fn s8_1_text_ends_between_two_characters() {
    for (bytes, valid) in [(&b"ok\xe2\x82"[..], "ok"), (b"\xf0", ""), (b"\xc3\xa9\xc3", "\u{e9}")] {
        let part = (!valid.is_empty()).then(|| Told::PartOfText(valid.into()));
        let told: Vec<_> = part.into_iter().chain([Told::Failed(TextNotUtf8)]).collect();
        for engine in both_compressing() {
            let payload = [stored(bytes), vec![0x00]].concat();
            engine.receives([text_of(&payload)]).tells(told.clone()).fails(TextNotUtf8);
            for cut in 0..=payload.len() {
                let frames = [
                    fragment(TEXT, &payload[..cut]).compressed(),
                    frame(CONTINUATION, &payload[cut..]),
                ];
                engine.receives(frames).tells(told.clone());
            }
            // Nor does it go on in the next message.
            engine.receives([text_of(&payload), text_of(stored(b"\xac"))]).tells(told.clone());
        }
    }
}

/// What is on the wire is no text, and is not looked at as such.
#[test]
fn s6_2_text_is_judged_when_it_is_inflated() {
    for engine in both_compressing() {
        // f2 48 is no character.
        engine.receives([text_of(HELLO)]).tells([told_text("Hello")]);
        engine.receives([text_of([stored(b"\xff"), vec![0x00]].concat())]).fails(TextNotUtf8);
    }
}
