//! Compressed messages that are none, or not all of one (RFC 7692, section
//! 7.2.2, on RFC 1951): 1007, and what was right before is told.

#![cfg(feature = "deflate")]

mod common;
mod flate;

use common::*;
use flate::by_hand::{Length, broken, dynamic, fixed, run_of_a, stored};
use flate::{Compressor, Inflater};
use sockeye::ProtocolError::*;

const HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
const FINAL: &[u8] = &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
/// Ends what may be cut anywhere.
const FLUSHED: &[u8] = &[0x00, 0x00, 0x00, 0xff, 0xff];

fn text_of(payload: impl AsRef<[u8]>) -> Frame {
    frame(TEXT, payload).compressed()
}

/// The frames come to this text, which does not end, and then fail.
#[track_caller]
fn fail_after(engine: &Engine, frames: Vec<Frame>, told: &[&str], part: &str) {
    let told = told.iter().copied().map(told_text);
    let part = (!part.is_empty()).then(|| Told::PartOfText(part.into()));
    engine
        .receives(frames)
        .tells(told.chain(part).chain([Told::Failed(CompressedDataInvalid)]))
        .fails(CompressedDataInvalid);
}

#[test]
fn s7_2_2_what_is_not_deflate_fails_wherever_it_stands() {
    for (payload, part, why) in broken() {
        let strict = Inflater::new(15).message(&payload).unwrap_err();
        assert!(strict.contains(why), "{strict:?} rather than {why:?}");
        for engine in both_compressing() {
            fail_after(&engine, vec![text_of(&payload)], &[], part);
            // Behind a stored block, and in a message of its own.
            let behind = [stored(b"ok "), payload.clone()].concat();
            let told = format!("ok {part}");
            fail_after(&engine, vec![text_of(&behind)], &[], &told);
            fail_after(&engine, vec![text_of(FINAL), text_of(&behind)], &["Hello"], &told);
            // Behind a final block.
            let behind = [&FINAL[..7], &payload].concat();
            fail_after(&engine, vec![text_of(&behind)], &[], &format!("Hello{part}"));
            // In a later fragment, and in fragments of one byte.
            let begun = [stored(b"ok "), FLUSHED.to_vec()].concat();
            let frames = vec![
                fragment(TEXT, begun).compressed(),
                fragment(CONTINUATION, ""),
                frame(CONTINUATION, &payload),
            ];
            fail_after(&engine, frames, &[], &told);
            let mut frames = vec![fragment(TEXT, "").compressed()];
            frames.extend(payload.chunks(1).map(|byte| fragment(CONTINUATION, byte)));
            frames.push(frame(CONTINUATION, ""));
            fail_after(&engine, frames, &[], part);
        }
    }
}

/// The end of the message is not waited for.
#[test]
fn s7_2_2_what_is_not_deflate_fails_at_once() {
    for engine in both_compressing() {
        let begun = [stored(b"ok"), vec![0b110]].concat();
        let frames = vec![fragment(TEXT, &begun).compressed()];
        fail_after(&engine, frames, &[], "ok");
        let bytes = engine.peer_sends([text_of([&begun[..], &[0; 1000]].concat())]);
        let story = engine.receives_bytes(&bytes[..bytes.len() - 1000]);
        story.tells([Told::PartOfText("ok".into()), Told::Failed(CompressedDataInvalid)]);
    }
}

#[test]
fn s7_2_2_binary_messages_and_those_without_context_fail_as_well() {
    for engine in both() {
        let engine = engine.streams((false, 15), (false, 15));
        for (payload, part, _) in broken() {
            let part = (!part.is_empty()).then(|| Told::PartOfBinary(part.into()));
            engine
                .receives([frame(BINARY, payload).compressed()])
                .tells(part.into_iter().chain([Told::Failed(CompressedDataInvalid)]));
        }
    }
}

#[test]
fn s7_2_2_references_reach_to_the_first_byte_and_no_farther() {
    for engine in both_compressing() {
        // Four bytes, and a reference so many back.
        let reference = |distance: &[_]| {
            let codes = [&[(0x91, 8), (0x91, 8), (0x91, 8), (1, 7)], distance].concat();
            text_of(fixed(&codes))
        };
        let four = reference(&[(3, 5)]);
        engine.receives([four]).tells([told_text("aaaaaaa")]);
        let five = reference(&[(4, 5), (0, 1)]);
        fail_after(&engine, vec![five.clone()], &[], "aaaa");
        // What was before in other messages counts.
        engine.receives([text_of(HELLO), five]).tells([told_text("Hello"), told_text("aaaaoaa")]);
    }
}

/// The single exception: zlib, and with it every browser, takes a single code
/// of one bit for literals too. RFC 1951, section 3.2.7, has that for distances
/// alone. It can only be an empty block.
#[test]
fn s7_2_2_a_single_code_for_literals_is_put_up_with() {
    use Length::{Of, Zeros};
    let payload = dynamic(1, 0, &[Zeros(138), Zeros(118), Of(1), Of(0), Of(1)], &[(0, 1)]);
    assert!(Inflater::new(15).message(&payload).is_err());
    for engine in both_compressing() {
        engine.receives([text_of(&payload), text_of(HELLO)]).tells(["", "Hello"].map(told_text));
        // The other bit is no code.
        let payload = dynamic(1, 0, &[Zeros(138), Zeros(118), Of(1), Of(0), Of(1)], &[(1, 1)]);
        fail_after(&engine, vec![text_of(payload)], &[], "");
    }
}

// ---- messages that were cut ----------------------------------------------------------

/// Payloads of some kinds, short enough to be cut anywhere.
fn payloads() -> Vec<Vec<u8>> {
    let mut payloads = vec![
        HELLO.to_vec(),
        FINAL.to_vec(),
        [stored(b"Hello"), vec![0x00]].concat(),
        [&FINAL[..7], FINAL].concat(),
        [stored(b"ab"), run_of_a(300)].concat(),
        b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00".to_vec(),
    ];
    let mut random = Random(1);
    while payloads.len() < 40 {
        let seed = random.next();
        let mut compressor = Compressor::new(15, seed);
        if payloads.len() % 2 == 0 {
            compressor = compressor.with_final_blocks();
        }
        let text = "abcaabbccabc".repeat(random.below(8));
        payloads.extend(Some(compressor.message(text.as_bytes())).filter(|p| p.len() < 80));
    }
    payloads
}

/// A receiver that appends four octets to whatever it got, and looks no further,
/// delivers half a message and spoils the next one. What is legal is told of in
/// `flate`; of that we take only what has no data in the four octets.
#[test]
fn s7_2_2_a_message_that_was_cut_is_not_one() {
    let (mut failed, mut legal) = (0, 0);
    for payload in payloads() {
        for cut in 0..payload.len() {
            let payload = &payload[..cut];
            let expected = Inflater::new(15).received(payload);
            for engine in both_compressing() {
                let frames = [frame(BINARY, payload).compressed()];
                let told = if cut < 12 {
                    engine.receives(frames).told
                } else {
                    engine.receives_whole(frames).told
                };
                match &expected {
                    Ok(data) => {
                        legal += 1;
                        assert_eq!(told, [Told::Binary(data.clone())], "{payload:02x?}");
                    }
                    Err(_) => {
                        failed += 1;
                        let failure = Told::Failed(CompressedDataInvalid);
                        assert_eq!(told.last(), Some(&failure), "{payload:02x?}");
                    }
                }
            }
        }
    }
    assert!(failed > 1000 && legal > 50, "{failed} failed, {legal} did not");
}

/// What came of it is told, and nothing that it does not hold.
#[test]
fn s7_2_2_what_was_before_the_cut_is_told() {
    for engine in both_compressing() {
        for (cut, part) in [(1, ""), (2, "H"), (3, "He"), (4, "Hel"), (5, "Hell"), (6, "Hello")] {
            fail_after(&engine, vec![text_of(&HELLO[..cut])], &[], part);
            let frames =
                vec![fragment(TEXT, &HELLO[..cut]).compressed(), ping(""), frame(CONTINUATION, "")];
            let part = (!part.is_empty()).then(|| Told::PartOfText(part.into()));
            let ping = Told::Ping(vec![]);
            let told = part.into_iter().chain([ping, Told::Failed(CompressedDataInvalid)]);
            engine.receives(frames).tells(told);
        }
        let payload = [stored(b"Hello"), vec![0x00]].concat();
        for cut in 5..10 {
            let part = std::str::from_utf8(&payload[5..cut]).unwrap();
            fail_after(&engine, vec![text_of(&payload[..cut])], &[], part);
        }
    }
}

/// Which rule is broken depends on no border of frames.
#[test]
fn s7_2_2_a_cut_inside_a_character_is_still_a_cut() {
    let payload = stored(b"ok\xe2\x82");
    for engine in both_compressing() {
        fail_after(&engine, vec![text_of(&payload)], &[], "ok");
        for cut in 0..=payload.len() {
            let (begin, end) = payload.split_at(cut);
            let frames = vec![fragment(TEXT, begin).compressed(), frame(CONTINUATION, end)];
            fail_after(&engine, frames, &[], "ok");
        }
    }
}

/// The first of the places: the four octets are what they are meant to be.
#[test]
fn s7_2_2_a_stored_block_without_its_length_ends_a_message() {
    for engine in both_compressing() {
        // The header alone, of which five bits are padding, and may be anything.
        for header in [0x00, 0xf8, 0x18] {
            let payload = [stored(b"abc"), vec![header]].concat();
            engine
                .receives([text_of(&payload), text_of(HELLO)])
                .tells([told_text("abc"), told_text("Hello")]);
        }
    }
}

/// The second: the four are taken for data. Nobody sends that, since what 7.2.1
/// removes is the end of an empty block.
#[test]
fn s7_2_2_what_is_appended_is_no_data() {
    for engine in both_compressing() {
        let payload = [&[0x00, 0x05, 0x00, 0xfa, 0xff][..], b"x"].concat();
        assert_eq!(Inflater::new(15).message(&payload).unwrap(), b"x\x00\x00\xff\xff");
        engine
            .receives([frame(BINARY, &payload).compressed()])
            .tells([Told::PartOfBinary(b"x".to_vec()), Told::Failed(CompressedDataInvalid)]);
        let payload = [0x00, 0x04, 0x00, 0xfb, 0xff];
        engine
            .receives([frame(BINARY, payload).compressed()])
            .tells([Told::Failed(CompressedDataInvalid)]);
    }
}

/// The third: a dynamic block whose end of ones is in the four.
#[test]
fn s7_2_2_what_is_appended_ends_no_block_but_its_own() {
    use Length::{Of, Zeros};
    let literals = [&[Zeros(97)], &(2..=11).map(Of).collect::<Vec<_>>()[..]].concat();
    let end_and_3 = [Zeros(138), Zeros(11), Of(11), Of(1)];
    let distances = [Zeros(4), Of(1), Zeros(5), Of(1)];
    let lengths = [&literals[..], &end_and_3, &distances].concat();
    let block = dynamic(1, 10, &lengths, &[(0, 8 * 3), (0x7ff, 11)]);
    let start = [stored(&[b'a'; 100]), vec![0x00]].concat();
    let mut strict = Inflater::new(15);
    strict.message(&start).unwrap();
    let mut legal = (0..block.len()).filter(|&cut| strict.clone().message(&block[..cut]).is_ok());
    let cut = legal.next_back().unwrap();
    for engine in both_compressing() {
        let whole = [frame(BINARY, &start).compressed(), frame(BINARY, &block).compressed()];
        engine.receives(whole).tells([Told::Binary(vec![b'a'; 100]), Told::Binary(vec![b'a'; 24])]);
        let cut = [frame(BINARY, &start).compressed(), frame(BINARY, &block[..cut]).compressed()];
        engine.receives(cut).tells([
            Told::Binary(vec![b'a'; 100]),
            Told::PartOfBinary(vec![b'a'; 18]),
            Told::Failed(CompressedDataInvalid),
        ]);
    }
}

#[test]
fn s7_2_2_the_tail_that_was_to_be_removed_is_one_too_many() {
    for engine in both_compressing() {
        let payload = [HELLO, &FLUSHED[1..]].concat();
        fail_after(&engine, vec![text_of(payload)], &[], "Hello");
        // Behind a whole message, an octet of nothing is another block.
        let payload = [HELLO, &FLUSHED[1..], &[0x00]].concat();
        engine.receives([text_of(payload)]).tells([told_text("Hello")]);
    }
}

/// One message is over, and its connection.
#[test]
fn s7_2_2_nothing_is_told_behind_corrupt_data() {
    for engine in both_compressing() {
        let frames = vec![text_of(HELLO), text_of([0b110]), text_of(HELLO), text("x"), ping("")];
        fail_after(&engine, frames, &["Hello"], "");
    }
}
