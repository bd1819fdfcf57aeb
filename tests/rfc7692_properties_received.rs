//! What a peer may send, and what it may not, at random from a seed: payloads of
//! a compressor that does whatever the RFCs let it, those with bits changed, and
//! noise. What comes out is what a strict inflater says, whatever the cuts. A
//! failing seed is replayed with
//! `SOCKEYE_SEED=N cargo test --all-features --test rfc7692_properties_received`.

#![cfg(feature = "deflate")]

mod common;
mod flate;

use common::*;
use flate::{Compressor, Inflater};
use sockeye::ProtocolError::{CompressedDataInvalid, TextNotUtf8};
use sockeye::{Connection, FixedOutput, Input};

/// Receives bytes cut at random, into scratch room of random lengths and an
/// output that is nearly full.
fn receive(engine: &Engine, bytes: &[u8], random: &mut Random) -> Vec<Told> {
    let mut ws = engine.connection();
    let mut told = Vec::new();
    let (cuts, rooms) = ([1, 10, 300, 100_000][random.below(4)], [1, 100, 20_000][random.below(3)]);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at((1 + random.below(cuts)).min(rest.len()));
        rest = behind;
        receive_piece(&mut ws, &mut piece.to_vec(), rooms, random, &mut told);
    }
    let is_over = matches!(told.last(), Some(Told::Failed(_)));
    assert_eq!((ws.closed().is_some(), ws.is_open()), (is_over, !is_over));
    told
}

fn receive_piece(
    ws: &mut Connection,
    piece: &mut [u8],
    rooms: usize,
    random: &mut Random,
    told: &mut Vec<Told>,
) {
    let original = piece.to_vec();
    let mut start = 0;
    loop {
        let mut scratch = vec![0xaa; Input::MIN_SCRATCH + random.below(rooms)];
        let mut memory = [0; FixedOutput::MIN_LEN];
        let mut room = FixedOutput::new(&mut memory);
        let mut input = Input::with_scratch(&mut piece[start..], &mut scratch);
        drain(ws, &mut input, &mut room, told);
        let rest = input.into_rest();
        assert!(original.ends_with(rest), "what is left is as it came");
        start = original.len() - rest.len();
        if !ws.wants_scratch() && !ws.wants_room() {
            assert!(start == original.len() && !ws.is_inflating());
            return;
        }
    }
}

/// A message in fragments, some of them empty, with control frames in between.
fn some_frames(
    random: &mut Random,
    opcode: u8,
    payload: &[u8],
    is_compressed: bool,
    told: &mut Vec<Told>,
) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut rest = payload;
    let most = [0, 0, 2, 10][random.below(4)];
    for i in 0..=most {
        let is_last = i == most;
        let len = if is_last { rest.len() } else { random.below(rest.len() + 1) };
        let (piece, behind) = rest.split_at(len);
        rest = behind;
        let opcode = if i == 0 { opcode } else { CONTINUATION };
        let next = if is_last { frame(opcode, piece) } else { fragment(opcode, piece) };
        frames.push(if i == 0 && is_compressed { next.compressed() } else { next });
        if !is_last && random.below(4) == 0 {
            frames.push(ping("ping"));
            told.push(Told::Ping(b"ping".to_vec()));
        }
    }
    frames
}

/// Text or data; at times some of what was before.
fn some_data(random: &mut Random, before: &[u8], is_text: bool) -> Vec<u8> {
    let bound = [1, 10, 300, 3000][random.below(4)];
    let len = random.below(bound);
    let words = ["Hello", " ", "websocket", ", ", "\"id\": ", "\u{20ac}", "0", "\u{1f41f}"];
    match random.below(4) {
        _ if is_text => (0..len / 3).flat_map(|_| words[random.below(8)].bytes()).collect(),
        0 => random.bytes(len),
        1 => vec![random.next() as u8; len * 5],
        2 if before.len() > len => before[before.len() - len..].to_vec(),
        _ => (0..len).map(|_| b"ab"[random.below(2)]).collect(),
    }
}

/// An engine, and a compressor such as its peer may have.
fn some_peer(random: &mut Random) -> (Engine, Compressor, bool) {
    let (keeps, bits) = (random.below(2) == 0, 8 + random.below(8) as u8);
    let sends = (random.below(2) == 0, 8 + random.below(8) as u8);
    let engine = both()[random.below(2)].clone().streams(sends, (keeps, bits));
    let mut compressor = Compressor::new(bits, random.next());
    if random.below(3) == 0 {
        compressor = compressor.with_final_blocks();
    }
    (engine, compressor, keeps)
}

#[test]
fn whatever_a_peer_may_send_is_received() {
    for_seeds("rfc7692_properties_received", 200, |seed| {
        let mut random = Random(seed);
        let (engine, mut compressor, keeps) = some_peer(&mut random);
        let (mut frames, mut expected) = (Vec::new(), Vec::new());
        let mut before = Vec::new();
        for _ in 0..random.below(12) {
            let is_text = random.below(2) == 0;
            let data = some_data(&mut random, &before, is_text);
            let opcode = if is_text { TEXT } else { BINARY };
            let is_compressed = random.below(4) > 0;
            let payload = if is_compressed {
                // Whoever keeps a context may drop it, too.
                if !keeps || random.below(8) == 0 {
                    compressor.reset();
                }
                compressor.message(&data)
            } else {
                data.clone()
            };
            frames.extend(some_frames(&mut random, opcode, &payload, is_compressed, &mut expected));
            before.extend_from_slice(&data);
            expected.push(match is_text {
                true => Told::Text(String::from_utf8(data).unwrap()),
                false => Told::Binary(data),
            });
        }
        let bytes = engine.peer_sends(frames);
        for _ in 0..3 {
            assert!(receive(&engine, &bytes, &mut random) == expected);
        }
    });
}

/// What a payload comes to. `None`: zlib and the strict inflater may differ.
fn verdict(inflater: &mut Inflater, payload: &[u8]) -> Option<Result<Vec<u8>, ()>> {
    match inflater.received(payload) {
        Ok(data) => Some(Ok(data)),
        // A single code of one bit, which zlib lets pass.
        Err(why) if why == "incomplete code for literals" => None,
        Err(_) => Some(Err(())),
    }
}

/// What a message comes to is what was expected; false: it is the end.
#[track_caller]
fn judge(
    told: &mut impl Iterator<Item = Told>,
    is_text: bool,
    expected: &Result<Vec<u8>, ()>,
) -> bool {
    let next = told.next();
    match (expected, &next) {
        (Ok(data), Some(Told::Binary(came))) if !is_text => assert!(came == data),
        (Ok(data), Some(Told::Text(came))) if is_text => assert!(came.as_bytes() == data),
        (Ok(data), _) => {
            let error = std::str::from_utf8(data).expect_err("a message");
            assert!(is_text);
            let valid = String::from_utf8(data[..error.valid_up_to()].to_vec()).unwrap();
            let failure = match next {
                Some(Told::PartOfText(part)) if !valid.is_empty() => {
                    assert_eq!(part, valid);
                    told.next()
                }
                failure => {
                    assert!(valid.is_empty());
                    failure
                }
            };
            assert_eq!(failure, Some(Told::Failed(TextNotUtf8)));
            return false;
        }
        (Err(()), _) => {
            let failure = match next {
                Some(Told::PartOfText(part)) if is_text && !part.is_empty() => told.next(),
                Some(Told::PartOfBinary(part)) if !is_text && !part.is_empty() => told.next(),
                failure => failure,
            };
            match failure {
                Some(Told::Failed(CompressedDataInvalid)) => {}
                Some(Told::Failed(TextNotUtf8)) if is_text => {}
                other => panic!("{other:?}"),
            }
            return false;
        }
    }
    true
}

/// Receives these payloads in several ways, which all must come to the same, and
/// to what the strict inflater says.
fn receive_and_judge(seed: u64, payloads: impl Fn(&mut Random) -> Vec<Vec<u8>>) -> [usize; 2] {
    let mut random = Random(seed);
    let payloads = payloads(&mut random);
    let is_text = random.below(3) == 0;
    let opcode = if is_text { TEXT } else { BINARY };
    let keeps = random.below(2) == 0;
    let engine = both()[random.below(2)].clone().streams((!keeps, 9), (keeps, 15));
    let frames = payloads.iter().flat_map(|payload| {
        // Pings are no matter here.
        some_frames(&mut random, opcode, payload, true, &mut Vec::new())
    });
    let bytes = engine.peer_sends(frames.collect::<Vec<_>>());
    let whole = receive(&engine, &bytes, &mut random);
    for _ in 0..3 {
        assert!(receive(&engine, &bytes, &mut random) == whole);
    }

    let mut told = whole.into_iter().filter(|told| !matches!(told, Told::Ping(_)));
    let mut inflater = Inflater::new(15);
    let mut counts = [0; 2];
    for payload in &payloads {
        if !keeps {
            inflater.reset();
        }
        let Some(expected) = verdict(&mut inflater, payload) else { return counts };
        counts[usize::from(expected.is_err())] += 1;
        if !judge(&mut told, is_text, &expected) {
            break;
        }
    }
    assert_eq!(told.next(), None, "nothing more is told");
    counts
}

fn receive_and_judge_all(count: u64, payloads: impl Fn(&mut Random) -> Vec<Vec<u8>>) {
    let seen = std::cell::Cell::new([0; 2]);
    for_seeds("rfc7692_properties_received", count, |seed| {
        let [valid, invalid] = receive_and_judge(seed, &payloads);
        seen.set([seen.get()[0] + valid, seen.get()[1] + invalid]);
    });
    let [valid, invalid] = seen.get();
    assert!(valid > 50 && invalid > 50 || std::env::var("SOCKEYE_SEED").is_ok(), "{seen:?}");
}

#[test]
fn changed_bits_come_to_what_they_mean() {
    receive_and_judge_all(600, |random| {
        let mut compressor = Compressor::new(15, random.next());
        if random.below(3) == 0 {
            compressor = compressor.with_final_blocks();
        }
        let mut before = Vec::new();
        let mut payloads = Vec::new();
        for _ in 0..4 {
            let is_text = random.below(2) == 0;
            let mut data = some_data(random, &before, is_text);
            data.truncate(1000);
            payloads.push(compressor.message(&data));
            before.extend(data);
        }
        for _ in 0..1 + random.below(2) {
            let which = random.below(payloads.len());
            let payload = &mut payloads[which];
            let at = random.below(payload.len());
            match random.below(4) {
                0 => payload.truncate(at),
                1 => payload.insert(at, random.next() as u8),
                _ => payload[at] ^= 1 << random.below(8),
            }
            if payload.is_empty() {
                payload.push(0x00);
            }
        }
        payloads
    });
}

#[test]
fn noise_comes_to_what_it_means() {
    receive_and_judge_all(3000, |random| {
        let payloads = 1 + random.below(3);
        let mut some_noise = || {
            let bound = [3, 8, 40, 400][random.below(4)];
            let len = random.below(bound);
            let mut noise = random.bytes(len);
            // A kind of block that is one.
            if let Some(first) = noise.first_mut() {
                *first = *first & !0b110 | [0b000, 0b010, 0b010, 0b100][random.below(4)];
            }
            // And an end.
            if random.below(2) == 0 {
                noise.push(0x00);
            }
            noise
        };
        (0..payloads).map(|_| some_noise()).collect()
    });
}
