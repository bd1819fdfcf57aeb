//! Compressed messages that come in (RFC 7692, sections 6 and 7.2): what they
//! are made of, and what they share.

#![cfg(feature = "deflate")]

mod common;
mod flate;

use common::*;
use flate::Compressor;
use flate::by_hand::stored;
use sockeye::ProtocolError::*;

/// "Hello" in a block of fixed codes (section 7.2.3.1).
const HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
/// The same again: an "H", and a reference to the first (section 7.2.3.2).
const AGAIN: &[u8] = &[0xf2, 0x00, 0x11, 0x00, 0x00];
/// The same in a final block, and the octet behind it (section 7.2.3.4).
const FINAL: &[u8] = &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];

fn hello() -> Frame {
    text_of(HELLO)
}

/// A compressed text message with this payload.
fn text_of(payload: impl AsRef<[u8]>) -> Frame {
    frame(TEXT, payload).compressed()
}

fn pieces(payload: &[u8], cuts: &[usize]) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut at = 0;
    for (i, &cut) in cuts.iter().enumerate() {
        let opcode = if i == 0 { TEXT } else { CONTINUATION };
        frames.push(fragment(opcode, &payload[at..cut]));
        at = cut;
    }
    frames.push(frame(CONTINUATION, &payload[at..]));
    frames[0] = frames[0].clone().compressed();
    frames
}

// ---- the examples ------------------------------------------------------------------

#[test]
fn s7_2_3_the_bytes_of_the_rfc() {
    let client = client().compressing(Default::default());
    for bytes in [
        // 7.2.3.1: one block, in one frame and in two.
        &b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"[..],
        b"\x41\x03\xf2\x48\xcd\x80\x04\xc9\xc9\x07\x00",
        // 7.2.3.3: no compression.
        b"\xc1\x0b\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00",
        // 7.2.3.4: BFINAL set.
        b"\xc1\x08\xf3\x48\xcd\xc9\xc9\x07\x00\x00",
        // 7.2.3.5: two blocks.
        b"\xc1\x0d\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00",
    ] {
        client.receives_bytes(bytes).tells([told_text("Hello")]).sends([]);
    }
    // 7.2.3.2: two messages, without and with a shared window.
    let hello = &b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"[..];
    for again in [hello, b"\xc1\x05\xf2\x00\x11\x00\x00"] {
        let bytes = [hello, again].concat();
        client.receives_bytes(&bytes).tells([told_text("Hello"), told_text("Hello")]);
    }
    // 7.2.3.6: an empty message.
    client.receives_bytes(b"\xc1\x01\x00").tells([told_text("")]);
}

#[test]
fn s6_2_messages_of_both_types_are_inflated_in_both_roles() {
    for engine in both_compressing() {
        engine.receives([hello()]).tells([told_text("Hello")]).sends([]);
        let frames = [frame(BINARY, HELLO).compressed()];
        engine.receives(frames).tells([Told::Binary(b"Hello".to_vec())]);
    }
}

/// Our own Close frame is no reason to miss what the peer had to say.
#[test]
fn s5_5_1_messages_are_inflated_until_the_peer_closes() {
    for engine in both_compressing() {
        engine.closing().receives([hello(), text_of(AGAIN), close(1000, ""), hello()]).tells([
            told_text("Hello"),
            told_text("Hello"),
            told_close(1000, ""),
        ]);
    }
}

// ---- the bit -----------------------------------------------------------------------

#[test]
fn s6_the_bit_is_for_the_first_frame_of_a_message() {
    for engine in both_compressing() {
        for begun in [fragment(TEXT, "").compressed(), fragment(TEXT, "")] {
            for next in [frame(CONTINUATION, HELLO), fragment(CONTINUATION, "")] {
                engine
                    .receives([begun.clone(), next.compressed()])
                    .tells([Told::Failed(ReservedBits)])
                    .fails(ReservedBits);
            }
        }
        for control in [ping("x"), pong("x"), close(1000, ""), empty_close()] {
            engine.receives([control.clone().compressed()]).fails(ReservedBits);
            engine
                .receives([fragment(TEXT, HELLO).compressed(), control.compressed()])
                .tells([Told::PartOfText("Hello".into()), Told::Failed(ReservedBits)]);
        }
    }
}

#[test]
fn s6_the_bit_means_nothing_unless_it_was_agreed_on() {
    for engine in both() {
        for f in [hello(), frame(BINARY, "x").compressed(), fragment(TEXT, "").compressed()] {
            engine.receives([f]).tells([Told::Failed(ReservedBits)]).fails(ReservedBits);
        }
    }
}

#[test]
fn s6_the_other_bits_have_no_meaning() {
    for engine in both_compressing() {
        for bits in [1, 2, 3, 5, 6, 7] {
            for f in [text_of(HELLO), text("Hello"), frame(BINARY, ""), ping("")] {
                engine
                    .receives([f.rsv(bits)])
                    .tells([Told::Failed(ReservedBits)])
                    .fails(ReservedBits);
            }
            let frames = [fragment(TEXT, HELLO).compressed(), frame(CONTINUATION, HELLO).rsv(bits)];
            engine.receives(frames).fails(ReservedBits);
        }
    }
}

/// The first byte of a header says it all.
#[test]
fn s6_a_bit_without_meaning_is_not_waited_on() {
    for engine in both_compressing() {
        for first in [0xd1, 0xe1, 0xa1, 0x91, 0x51, 0xc9, 0xca, 0xc8] {
            engine.receives_bytes(&[first]).fails(ReservedBits);
        }
        assert_eq!(engine.receives_bytes(&[0xc1]).told, []);
    }
}

#[test]
fn s6_a_message_inside_another_is_one_also_if_it_is_compressed() {
    for engine in both_compressing() {
        for begun in [fragment(BINARY, stored(b"a")).compressed(), fragment(BINARY, b"a")] {
            engine
                .receives([begun, hello()])
                .tells([Told::PartOfBinary(b"a".to_vec()), Told::Failed(MessageInProgress)]);
        }
        engine.receives([hello(), frame(CONTINUATION, HELLO)]).fails(ContinuationWithoutStart);
    }
}

// ---- plain messages ----------------------------------------------------------------

#[test]
fn s6_plain_messages_enter_no_window() {
    for engine in both_compressing() {
        engine
            .receives([hello(), text("World"), text_of(AGAIN), binary("x"), text_of(AGAIN)])
            .tells([
                told_text("Hello"),
                told_text("World"),
                told_text("Hello"),
                Told::Binary(b"x".to_vec()),
                told_text("Hello"),
            ]);
        // In fragments, of which the later ones are not compressed either.
        let plain = [fragment(TEXT, "Wor"), ping(""), frame(CONTINUATION, &HELLO[1..2])];
        engine.receives([&[hello()], &plain[..], &[text_of(AGAIN)]].concat()).tells([
            told_text("Hello"),
            Told::Ping(vec![]),
            told_text("WorH"),
            told_text("Hello"),
        ]);
    }
}

// ---- fragments ---------------------------------------------------------------------

#[test]
fn s6_1_fragments_share_one_stream_wherever_they_are_cut() {
    let stored = b"\x00\x05\x00\xfa\xffHello\x00";
    let two_blocks = b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00";
    for engine in both_compressing() {
        for payload in [HELLO, FINAL, stored, two_blocks] {
            for i in 0..=payload.len() {
                for j in i..=payload.len() {
                    engine.receives(pieces(payload, &[i, j])).tells([told_text("Hello")]);
                }
            }
        }
    }
}

#[test]
fn s6_1_fragments_may_be_empty_wherever_they_stand() {
    for engine in both_compressing() {
        let n = HELLO.len();
        for cuts in [&[0, 0, 0][..], &[n, n, n], &[0, 3, 3, 3, n], &[0, n]] {
            engine
                .receives([pieces(HELLO, cuts), vec![text_of(AGAIN)]].concat())
                .tells([told_text("Hello"), told_text("Hello")]);
        }
    }
}

#[test]
fn s6_1_control_frames_stand_between_fragments_and_are_not_compressed() {
    for engine in both_compressing() {
        let mut frames = pieces(HELLO, &[3, 3]);
        frames.insert(1, ping(HELLO));
        frames.insert(3, pong("2"));
        engine
            .receives(frames)
            .tells([Told::Ping(HELLO.to_vec()), Told::Pong(b"2".to_vec()), told_text("Hello")])
            .sends([pong(HELLO)]);
        engine
            .receives([fragment(TEXT, HELLO).compressed(), close(1000, "x")])
            .tells([Told::PartOfText("Hello".into()), told_close(1000, "x")]);
    }
}

/// What a fragment brings is told before the next one comes.
#[test]
fn s6_1_a_flushed_fragment_is_told_at_once() {
    for engine in both_compressing() {
        let flushed = [HELLO, &[0x00, 0x00, 0xff, 0xff]].concat();
        engine
            .receives([fragment(TEXT, &flushed).compressed()])
            .tells([Told::PartOfText("Hello".into())]);
        // Nor is the end of a frame waited for.
        let bytes = engine.peer_sends([text_of([&flushed, HELLO].concat())]);
        engine
            .receives_bytes(&bytes[..bytes.len() - HELLO.len()])
            .tells([Told::PartOfText("Hello".into())]);
    }
}

// ---- empty messages ----------------------------------------------------------------

#[test]
fn s7_2_3_6_an_empty_message_has_an_empty_block() {
    for engine in both_compressing() {
        // The usual form; behind an empty block of fixed codes; behind other
        // empty blocks, stored, final, and final without an octet of its own.
        for payload in [
            &[0x00][..],
            &[0x02, 0x00],
            &[0x00, 0x00, 0x00, 0xff, 0xff, 0x00],
            &[0x01, 0x00, 0x00, 0xff, 0xff, 0x00],
            &[0x03, 0x00, 0x00],
            &[0x01],
            &[0x03, 0x00],
        ] {
            engine
                .receives([text_of(payload), hello(), frame(BINARY, payload).compressed()])
                .tells([told_text(""), told_text("Hello"), Told::Binary(vec![])])
                .sends([]);
            engine
                .receives([fragment(TEXT, "").compressed(), frame(CONTINUATION, payload)])
                .tells([told_text("")]);
        }
    }
}

/// Wrong, but some compressors make nothing of nothing, and it can mean only
/// one thing.
#[test]
fn s7_2_3_6_an_empty_message_without_payload_is_put_up_with() {
    for engine in both_compressing() {
        engine.receives([text_of("")]).tells([told_text("")]);
        engine
            .receives([hello(), text_of(""), text_of(AGAIN), text_of(""), text_of("")])
            .tells(["Hello", "", "Hello", "", ""].map(told_text));
        engine
            .receives([hello()].into_iter().chain(pieces(b"", &[0, 0])).chain([text_of(AGAIN)]))
            .tells(["Hello", "", "Hello"].map(told_text));
    }
}

#[test]
fn s7_2_3_6_the_window_survives_an_empty_message() {
    for engine in both_compressing() {
        for empty in [&[0x00][..], &[0x02, 0x00]] {
            engine
                .receives([hello(), text_of(empty), text_of(AGAIN)])
                .tells(["Hello", "", "Hello"].map(told_text));
        }
    }
}

// ---- blocks ------------------------------------------------------------------------

#[test]
fn s7_2_3_3_stored_blocks_of_any_length() {
    for engine in both_compressing() {
        for len in [1, 2, 255, 256, 1000, 4095, 4096, 4097, 16384, 16385, 65535] {
            let data = Random(len as u64).bytes(len);
            let payload = [stored(&data), vec![0x00]].concat();
            let frames = [frame(BINARY, payload).compressed()];
            let story = match len {
                0..=1000 => engine.receives(frames),
                _ => engine.receives_whole(frames),
            };
            assert!(story.told == [Told::Binary(data)], "{len}");
        }
    }
}

#[test]
fn s7_2_3_5_blocks_of_all_kinds_follow_each_other() {
    let payload = [
        stored(b"One "),
        b"\xf2\x48\xcd\xc9\xc9\x07\x00\x00\x00\xff\xff".to_vec(), // "Hello"
        stored(b""),
        stored(b" three "),
        flate::by_hand::run_of_a(10),
    ];
    for engine in both_compressing() {
        engine
            .receives([text_of(payload.concat()), text_of([0xf2, 0x00, 0x11, 0x00, 0x00])])
            .tells([told_text("One Hello three aaaaaaaaaa"), told_text("Haaaa")]);
    }
}

#[test]
fn s7_2_3_4_final_blocks_are_not_the_end() {
    let hello = &FINAL[..7];
    for engine in both_compressing() {
        for (payload, expected) in [
            (FINAL.to_vec(), "Hello"),
            ([hello, HELLO].concat(), "HelloHello"),
            ([hello, hello, hello, &[0x00]].concat(), "HelloHelloHello"),
            (b"\x01\x05\x00\xfa\xffHello\x00".to_vec(), "Hello"),
            ([hello, b"\x01\x01\x00\xfe\xff!", hello, b"\x02\x00"].concat(), "Hello!Hello"),
            // An empty one, whose end is the one that was removed.
            ([stored(b"Hello"), vec![0x01]].concat(), "Hello"),
            ([hello, &[0x01]].concat(), "Hello"),
        ] {
            engine.receives([text_of(&payload), text_of(&payload), text_of(HELLO)]).tells([
                told_text(expected),
                told_text(expected),
                told_text("Hello"),
            ]);
        }
    }
}

/// Without the octet behind it, which 7.2.3.4 has: it can mean only one thing.
#[test]
fn s7_2_3_4_a_final_block_at_the_very_end_is_put_up_with() {
    for engine in both_compressing() {
        for payload in [FINAL[..7].to_vec(), b"\x01\x05\x00\xfa\xffHello".to_vec()] {
            engine
                .receives([text_of(&payload), hello(), text_of(AGAIN), text_of(&payload)])
                .tells(["Hello"; 4].map(told_text));
            engine.receives(pieces(&payload, &[payload.len()])).tells([told_text("Hello")]);
        }
    }
}

#[test]
fn s7_2_3_4_nothing_refers_to_what_was_before_a_final_block() {
    for engine in both_compressing() {
        for last in [FINAL, &FINAL[..7], &[0x01], &[0x03, 0x00], &[0x03, 0x00, 0x00]] {
            let story = engine.receives([hello(), text_of(last), text_of(AGAIN)]);
            story.fails(CompressedDataInvalid);
        }
        engine
            .receives([text_of([&FINAL[..7], AGAIN].concat())])
            .tells([Told::PartOfText("HelloH".into()), Told::Failed(CompressedDataInvalid)]);
    }
}

// ---- contexts ----------------------------------------------------------------------

/// What is kept in the direction of what we receive; in the other direction it
/// is the other way round.
fn both_receiving(keeps: bool, bits: u8) -> [Engine; 2] {
    both().map(|engine| engine.streams((!keeps, 23 - bits), (keeps, bits)))
}

#[test]
fn s7_1_1_with_context_takeover_messages_refer_to_those_before() {
    for engine in both_receiving(true, 15) {
        engine
            .receives([hello(), text_of(AGAIN), text_of(AGAIN)])
            .tells(["Hello"; 3].map(told_text));
    }
}

#[test]
fn s7_1_1_without_context_takeover_there_is_nothing_to_refer_to() {
    for engine in both_receiving(false, 15) {
        engine.receives([hello(), hello()]).tells([told_text("Hello"), told_text("Hello")]);
        engine
            .receives([hello(), text_of(AGAIN)])
            .tells([
                told_text("Hello"),
                Told::PartOfText("H".into()),
                Told::Failed(CompressedDataInvalid),
            ])
            .fails(CompressedDataInvalid);
        // Within a message, and its fragments, there is.
        let flushed = [HELLO, &[0x00, 0x00, 0xff, 0xff]].concat();
        let frames = [fragment(TEXT, &flushed).compressed(), frame(CONTINUATION, AGAIN)];
        engine.receives(frames).tells([told_text("HelloHello")]);
        let mut frames = pieces(HELLO, &[3]);
        frames.push(text_of(AGAIN));
        engine.receives(frames).fails(CompressedDataInvalid);
    }
}

#[test]
fn s7_1_1_nothing_refers_to_what_was_before_the_first_message() {
    for engine in both_compressing() {
        engine
            .receives([text_of(AGAIN)])
            .tells([Told::PartOfText("H".into()), Told::Failed(CompressedDataInvalid)])
            .fails(CompressedDataInvalid);
        engine.receives([text("Hello"), text_of(AGAIN)]).fails(CompressedDataInvalid);
    }
}

#[test]
fn s7_1_2_a_peer_may_use_all_of_its_window() {
    for bits in 8..=15 {
        for keeps in [true, false] {
            let mut compressor = Compressor::new(bits, u64::from(bits));
            let mut random = Random(u64::from(bits));
            let mut expected = Vec::new();
            let mut frames = Vec::new();
            // Twice what fits the window; the second half repeats the first.
            let half = random.bytes((1 << bits) - 3);
            for data in [[&half[..], &half].concat(), half.clone(), half] {
                if !keeps {
                    compressor.reset();
                }
                frames.push(frame(BINARY, compressor.message(&data)).compressed());
                expected.push(Told::Binary(data));
            }
            for engine in both_receiving(keeps, bits) {
                let story = engine.receives_whole(frames.clone());
                assert!(story.told == expected, "{bits} bits");
            }
        }
    }
}
