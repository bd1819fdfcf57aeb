//! The tests' own DEFLATE, tested: its two halves against each other, against
//! the examples of RFC 7692, and against each way of breaking RFC 1951.

mod common;
mod flate;

use std::collections::{HashMap, HashSet};

use common::Random;
use flate::by_hand::{Length, Length::*, dynamic, fixed, plain};
use flate::{Compressor, Inflater, Kind};

const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
const HELLO_FINAL: [u8; 8] = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
const HELLO_AGAIN: [u8; 5] = [0xf2, 0x00, 0x11, 0x00, 0x00];

#[track_caller]
fn gives(inflater: &mut Inflater, payload: &[u8], expected: impl AsRef<[u8]>) {
    assert_eq!(inflater.message(payload).as_deref(), Ok(expected.as_ref()), "{payload:02x?}");
}

/// The payload breaks a rule, and it is this one.
#[track_caller]
fn fails(inflater: &mut Inflater, payload: &[u8], why: &str) {
    let error = inflater.message(payload).expect_err(why);
    assert!(error.contains(why), "{error:?} rather than {why:?}");
}

fn inflater() -> Inflater {
    Inflater::new(15)
}

// ---- RFC 7692, section 7.2.3 -------------------------------------------------

#[test]
fn s7_2_3_examples() {
    let stored = b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00";
    let two_blocks = b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00";
    for payload in [&HELLO[..], stored, &HELLO_FINAL, two_blocks] {
        gives(&mut inflater(), payload, "Hello");
    }
    gives(&mut inflater(), &[0x00], ""); // 7.2.3.6

    let mut inflater = inflater();
    gives(&mut inflater, &HELLO, "Hello");
    gives(&mut inflater, &HELLO_AGAIN, "Hello"); // 7.2.3.2
    gives(&mut inflater, &HELLO, "Hello");
}

#[test]
fn history_ends_with_a_reset_and_a_final_block() {
    let mut inflater = inflater();
    gives(&mut inflater, &HELLO, "Hello");
    inflater.reset();
    fails(&mut inflater, &HELLO_AGAIN, "beyond the history");

    inflater.reset();
    gives(&mut inflater, &HELLO_FINAL, "Hello");
    fails(&mut inflater, &HELLO_AGAIN, "beyond the history");

    // The same when the block whose end is appended is the final one.
    inflater.reset();
    gives(&mut inflater, b"\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x01", "Hello");
    fails(&mut inflater, &HELLO_AGAIN, "beyond the history");
}

// ---- the two halves ------------------------------------------------------------

/// Data of some kind; `sent` is what was before it.
fn some_data(random: &mut Random, window: usize, sent: &[u8]) -> Vec<u8> {
    let bound = [1, 10, 300, 3000][random.below(4)];
    let len = random.below(bound);
    match random.below(5) {
        0 => random.bytes(len),
        1 => {
            let words = ["Hello", " ", "websocket", ", ", "\"id\": ", "\u{20ac}", "0"];
            (0..len / 4).flat_map(|_| words[random.below(7)].bytes()).collect()
        }
        2 => (0..len / 100).flat_map(|_| vec![random.next() as u8; random.below(400)]).collect(),
        // What was sent exactly a window ago, or a byte before that.
        3 if sent.len() > window => {
            let back = &sent[sent.len() - window - random.below(2)..];
            back[..len.min(back.len())].to_vec()
        }
        _ => (0..len).map(|_| b"ab"[random.below(2)]).collect(),
    }
}

/// Random messages and their payloads, in order, for each window and for each
/// way of using the context; `fresh` if a receiver may forget what was before.
fn connections(count: usize, mut each: impl FnMut(u8, bool, &[Message])) {
    for bits in 8..=15 {
        for (way, seed) in (0..4).zip(1_u64..) {
            let mut random = Random(seed << 8 | u64::from(bits));
            let mut compressor = Compressor::new(bits, random.next());
            let has_final_blocks = way == 3;
            if has_final_blocks {
                compressor = compressor.with_final_blocks();
            }
            let (mut sent, mut messages) = (Vec::new(), Vec::new());
            for _ in 0..count {
                // Takeover, none, and some: senders may reset when they like.
                let fresh = way == 1 || way == 2 && random.below(4) == 0;
                if fresh {
                    compressor.reset();
                }
                let data = some_data(&mut random, 1 << bits, &sent);
                sent.extend_from_slice(&data);
                messages.push(Message { fresh, payload: compressor.message(&data), data });
            }
            each(bits, has_final_blocks, &messages);
        }
    }
}

struct Message {
    fresh: bool,
    data: Vec<u8>,
    payload: Vec<u8>,
}

/// Together with it, that the compressor does all that it is said to do.
#[test]
fn what_is_compressed_is_inflated() {
    let mut seen = HashSet::new();
    let mut lengths = HashSet::new();
    let mut empty_payloads = HashSet::new();
    connections(100, |bits, has_final_blocks, messages| {
        let (mut keeping, mut forgetting) = (Inflater::new(bits), Inflater::new(bits));
        for Message { fresh, data, payload } in messages {
            gives(&mut keeping, payload, data);
            if *fresh {
                forgetting.reset();
            }
            gives(&mut forgetting, payload, data);

            let (tail, blocks) = keeping.blocks().split_last().unwrap();
            assert_eq!((tail.kind, tail.is_final), (Kind::Stored, false));
            assert_eq!(tail.bits.end, 8 * (payload.len() + 4));
            if blocks.last().is_some_and(|block| block.is_final) {
                assert_eq!(payload.last(), Some(&0), "7.2.3.4");
            }
            if data.is_empty() {
                empty_payloads.insert(payload.clone());
            }
            for block in blocks {
                assert!(has_final_blocks || !block.is_final);
                seen.insert(format!("{:?}, final: {}", block.kind, block.is_final));
                if block.data.is_empty() {
                    seen.insert(format!("{:?}, empty", block.kind));
                }
                for i in (0..3).filter(|&i| block.repeats[i] > 0) {
                    seen.insert(format!("code length symbol {}", 16 + i));
                }
                for reference in &block.references {
                    lengths.insert(reference.length);
                    let (at, distance) = (reference.at, reference.distance);
                    assert!(!fresh || distance <= at);
                    for (what, is_so) in [
                        ("overlapping", distance < reference.length),
                        ("into an earlier block", at - block.data.start < distance),
                        ("into an earlier message", at < distance),
                        (&format!("a window of {bits} bits back"), distance == 1 << bits),
                    ] {
                        if is_so {
                            seen.insert(what.to_string());
                        }
                    }
                }
            }
        }
    });
    let mut seen: Vec<_> = seen.into_iter().collect();
    seen.sort();
    let kinds = ["final: false", "final: true", "empty"];
    assert_eq!(seen.len(), 3 * kinds.len() + 3 + 3 + 8, "{seen:#?}");
    assert_eq!(lengths, (3..=258).collect());
    assert!(empty_payloads.contains(&[0x00][..]), "the usual form");
    assert!(empty_payloads.contains(&[0x02, 0x00][..]), "after an empty fixed block");
}

/// A receiver with half the window fails at the first reference beyond it, and
/// not before.
#[test]
fn windows_are_kept_to() {
    connections(50, |bits, _, messages| {
        if bits == 8 {
            return;
        }
        let (mut inflater, mut smaller) = (Inflater::new(bits), Inflater::new(bits - 1));
        for Message { data, payload, .. } in messages {
            gives(&mut inflater, payload, data);
            let references = inflater.blocks().iter().flat_map(|block| &block.references);
            if references.max_by_key(|r| r.distance).is_some_and(|r| r.distance > 1 << (bits - 1)) {
                return fails(&mut smaller, payload, "beyond the window");
            }
            gives(&mut smaller, payload, data);
        }
    });
}

/// A cut at any byte is an error, or one of those that `flate` tells of.
#[test]
fn cut_messages_are_noticed_or_complete() {
    connections(20, |bits, _, messages| {
        let mut inflater = Inflater::new(bits);
        for Message { data, payload, .. } in messages {
            let before = inflater.clone();
            gives(&mut inflater, payload, data);
            if payload.len() > 300 {
                continue;
            }
            let mut legal = HashMap::new();
            for block in inflater.blocks().iter().filter(|block| block.kind == Kind::Stored) {
                let header_end = (block.bits.start + 3).div_ceil(8);
                legal.insert(header_end, data[..block.data.start].to_vec());
                if block.data.len() >= 4 {
                    let all_but_four = &data[..block.data.end - 4];
                    legal.insert(block.bits.end / 8 - 4, [all_but_four, b"\0\0\xff\xff"].concat());
                }
            }
            for cut in 0..payload.len() {
                // The third kind is too rare to be met here.
                let result = before.clone().message(&payload[..cut]).ok();
                assert_eq!(result.as_ref(), legal.get(&cut), "cut at {cut}: {payload:02x?}");
            }
        }
    });
}

/// The third kind: references of three bits, and an end of block with 11 ones.
/// The appended bits are five references, the beginning of a sixth, which has
/// another distance (one bit, and 4 added), and that end.
#[test]
fn a_cut_dynamic_block_can_be_complete() {
    let literals = [&[Zeros(97)], &(2..=11).map(Of).collect::<Vec<_>>()[..]].concat();
    let end_and_3 = [Zeros(138), Zeros(11), Of(11), Of(1)];
    let distances = [Zeros(4), Of(1), Zeros(5), Of(1)];
    let lengths = [&literals[..], &end_and_3, &distances].concat();
    let payload = dynamic(1, 10, &lengths, &[(0, 8 * 3), (0x7ff, 11)]);
    let mut before = inflater();
    gives(
        &mut before,
        &[&b"\x00\x64\x00\x9b\xff"[..], &[b'a'; 100], b"\x00"].concat(),
        [b'a'; 100],
    );
    gives(&mut before.clone(), &payload, [b'a'; 8 * 3]);
    // Of the places between two references, only that after six is one between
    // two octets. What comes out is longer than what was sent.
    let cuts = (0..payload.len()).filter_map(|cut| before.clone().message(&payload[..cut]).ok());
    assert_eq!(cuts.collect::<Vec<_>>(), [[b'a'; (6 + 5 + 1) * 3]]);
}

/// A message without stored blocks, but for that at its end, cannot be cut.
#[test]
fn every_cut_of_hello_is_noticed() {
    for payload in [&HELLO[..], &HELLO_FINAL] {
        for cut in 0..payload.len() {
            fails(&mut inflater(), &payload[..cut], "");
        }
    }
}

/// Neither changed bits nor noise make it panic, or run on without end.
#[test]
fn noise_is_survived() {
    let mut random = Random(7);
    connections(10, |bits, _, messages| {
        let mut inflater = Inflater::new(bits);
        for Message { payload, .. } in messages.iter().filter(|m| m.payload.len() < 1000) {
            let mut payload = payload.clone();
            let at = random.below(payload.len());
            payload[at] ^= 1 << random.below(8);
            let _ = inflater.message(&payload);
            let _ = inflater.message(&random.bytes(30));
        }
    });
}

// ---- RFC 1951, rule by rule ------------------------------------------------------

#[test]
fn blocks_have_a_type_and_stored_ones_their_length_twice() {
    fails(&mut inflater(), &plain(&[(0, 1), (3, 2)]), "block type 3");
    fails(&mut inflater(), b"\x00\x05\x00\xfa\xfe\x48\x65\x6c\x6c\x6f\x00", "NLEN");
    fails(&mut inflater(), b"\x00\x05\x00\xfa\xff\x48\x65", "block type 3"); // and ff behind it
    gives(&mut inflater(), b"\xf8\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00", "Hello"); // padding
}

#[test]
fn the_end_is_that_of_a_block() {
    fails(&mut inflater(), &[], "ends within a block");
    // A final block alone: the appended four are no block.
    fails(&mut inflater(), &HELLO_FINAL[..7], "ends within a block");
    // After the empty stored block, there is another header, and no more.
    fails(&mut inflater(), b"\x00\x00\x00\xff\xff", "ends within a block");
    // A whole message is followed by its own last four octets.
    fails(&mut inflater(), &[&HELLO[..], b"\0\0\xff\xff"].concat(), "ends within a block");
    // The four as the end of stored data: nobody sends that, but it is a block.
    gives(&mut inflater(), b"\x00\x05\x00\xfa\xffx", b"x\0\0\xff\xff");
}

#[test]
fn fixed_codes_have_symbols_that_are_none() {
    gives(&mut inflater(), &fixed(&[(1, 7), (0, 5)]), "aaaa");
    fails(&mut inflater(), &fixed(&[(0xc6, 8), (0, 5)]), "length symbol 286");
    fails(&mut inflater(), &fixed(&[(0xc7, 8), (0, 5)]), "length symbol 287");
    fails(&mut inflater(), &fixed(&[(1, 7), (30, 5)]), "distance symbol 30");
    fails(&mut inflater(), &fixed(&[(1, 7), (31, 5)]), "distance symbol 31");
    // 258 as 227 + 31, as every receiver takes it, and by its own symbol.
    gives(&mut inflater(), &fixed(&[(0xc4, 8), (31, 5), (0, 5)]), [b'a'; 259]);
    gives(&mut inflater(), &fixed(&[(0xc5, 8), (0, 5)]), [b'a'; 259]);
}

#[test]
fn references_reach_to_the_first_byte_and_no_farther() {
    gives(&mut inflater(), &fixed(&[(1, 7), (0, 5)]), "aaaa");
    fails(&mut inflater(), &fixed(&[(1, 7), (1, 5)]), "beyond the history");
    // 256 and 257 back, with a window of 256 and more than enough history.
    let mut inflater = Inflater::new(8);
    let long = [&b"\x00\x2c\x01\xd3\xfe"[..], &[b'a'; 300], b"\x00"].concat();
    gives(&mut inflater, &long, [b'a'; 300]);
    gives(&mut inflater, &fixed(&[(1, 7), (15, 5), (0x3f, 6)]), "aaaa");
    fails(&mut inflater, &fixed(&[(1, 7), (16, 5), (0, 7)]), "beyond the window");
}

/// Code lengths for "a" (code 0), the end of block (10) and length 3 (11).
const A: [Length; 6] = [Zeros(97), Of(1), Zeros(138), Zeros(20), Of(2), Of(2)];
const A_AND_END: [(usize, usize); 2] = [(0b0, 1), (0b10, 2)];
/// With distance code 0, or whatever it begins with.
const A_AND_3: [(usize, usize); 4] = [(0b0, 1), (0b11, 2), (0b0, 1), (0b10, 2)];

#[test]
fn distance_codes_are_complete_or_at_most_one() {
    let with = |distances: &[Length], data: &[_]| {
        dynamic(1, distances.len() - 1, &[&A, distances].concat(), data)
    };
    gives(&mut inflater(), &with(&[Of(0)], &A_AND_END), "a");
    fails(&mut inflater(), &with(&[Of(0)], &A_AND_3), "bits that are no code");
    gives(&mut inflater(), &with(&[Of(1)], &A_AND_3), "aaaa");
    let other_bit = [(0b0, 1), (0b11, 2), (0b1, 1), (0b10, 2)];
    fails(&mut inflater(), &with(&[Of(1)], &other_bit), "bits that are no code");
    gives(&mut inflater(), &with(&[Of(1), Of(1)], &A_AND_3), "aaaa");
    fails(&mut inflater(), &with(&[Of(2)], &A_AND_END), "incomplete code for distances");
    fails(&mut inflater(), &with(&[Of(2), Of(2)], &A_AND_END), "incomplete code for distances");
    fails(&mut inflater(), &with(&[Of(1), Of(1), Of(1)], &A_AND_END), "over-subscribed");
    fails(&mut inflater(), &with(&[Of(1), Of(1), Of(15)], &A_AND_END), "over-subscribed");
}

#[test]
fn literal_codes_are_complete_and_have_an_end() {
    let with = |literals: &[Length]| dynamic(1, 0, &[literals, &[Of(1)]].concat(), &A_AND_END);
    let a_end_3 = |a, end, three| with(&[Zeros(97), Of(a), Zeros(138), Zeros(20), end, three]);
    gives(&mut inflater(), &a_end_3(1, Of(2), Of(2)), "a");
    fails(&mut inflater(), &a_end_3(2, Of(2), Of(2)), "incomplete code for literals");
    fails(&mut inflater(), &a_end_3(1, Of(1), Of(2)), "over-subscribed");
    fails(&mut inflater(), &a_end_3(1, Of(0), Of(1)), "no code for the end");
    // A single code, which would be enough for an empty block.
    let end_only = [Zeros(138), Zeros(118), Of(1), Of(0), Of(1)];
    fails(&mut inflater(), &dynamic(1, 0, &end_only, &[(0, 1)]), "incomplete code for literals");
}

#[test]
fn codes_for_code_lengths_are_complete() {
    for (lengths, why) in [
        ([1, 1, 1, 0], "over-subscribed"),
        ([2, 2, 0, 0], "incomplete code for code lengths"),
        ([1, 0, 0, 0], "incomplete code for code lengths"),
        ([0, 0, 0, 0], "incomplete code for code lengths"),
    ] {
        let header = [(0b100, 3), (0, 5), (0, 5), (0, 4)];
        let payload = plain(&[&header[..], &lengths.map(|length| (length, 3))].concat());
        fails(&mut inflater(), &payload, why);
    }
}

#[test]
fn there_are_286_literals_and_30_distances_at_most() {
    let with = |hlit, hdist| {
        let zeros = [Zeros(hlit - 1), Of(1), Zeros(hdist)];
        dynamic(hlit, hdist, &[&A[..], &zeros].concat(), &A_AND_3)
    };
    gives(&mut inflater(), &with(29, 29), "aaaa");
    fails(&mut inflater(), &with(30, 29), "287 literal");
    fails(&mut inflater(), &with(31, 29), "288 literal");
    fails(&mut inflater(), &with(29, 30), "31 distance");
    fails(&mut inflater(), &with(29, 31), "32 distance");
}

#[test]
fn repeats_have_something_to_repeat_and_room() {
    fails(&mut inflater(), &dynamic(0, 0, &[Last(3)], &[]), "nothing to repeat");
    let with = |end: &[Length]| dynamic(1, 3, &[&A[..5], end].concat(), &A_AND_END);
    // From the last literal to four distances, all of two bits.
    gives(&mut inflater(), &with(&[Last(5)]), "a");
    fails(&mut inflater(), &with(&[Last(6)]), "repeat beyond");
    gives(&mut inflater(), &with(&[Of(2), Zeros(4)]), "a");
    fails(&mut inflater(), &with(&[Of(2), Zeros(5)]), "repeat beyond");
    fails(&mut inflater(), &with(&[Of(2), Zeros(11)]), "repeat beyond");
}
