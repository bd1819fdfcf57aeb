//! Compressed messages into outputs that have little room: what is said to be
//! enough is, and what fails has changed nothing.

#![cfg(feature = "deflate")]

mod common;
mod flate;

use common::*;
use flate::Sending;
use sockeye::deflate::Compress;
use sockeye::{Connection, DeflateConfig, FixedOutput, Output, SendError};

type Command = fn(&mut Connection, &[u8], &mut FixedOutput<'_>) -> Result<(), SendError>;

const COMMANDS: [Command; 4] = [
    |ws, data, out| ws.send_binary(data, out),
    |ws, data, out| ws.send_binary_fragment(data, true, out),
    |ws, data, out| ws.send_binary_fragment(data, false, out),
    |ws, data, out| ws.send_text(std::str::from_utf8(data).unwrap_or_default(), out),
];

/// A message by itself is the same bytes, whatever room the one before it has left.
#[test]
fn s7_2_1_what_was_sent_before_does_not_show_without_a_context() {
    let send = |ws: &mut Connection, data: &[u8]| {
        let mut out = Vec::new();
        ws.compress_next(Compress::Yes);
        ws.send_binary(data, &mut out).unwrap();
        out
    };
    let engine = server().streams((false, 15), (false, 15));
    for before in [1, 100] {
        for len in (1..300).chain([5_000, 13_000, 20_000]) {
            let data = Random(len as u64).bytes(len);
            let mut ws = engine.connection();
            send(&mut ws, &vec![b'a'; before]);
            assert!(send(&mut ws, &data) == send(&mut engine.connection(), &data), "{len}");
        }
    }
}

/// The room that is asked for by an output which has none.
#[track_caller]
fn needed(ws: &mut Connection, data: &[u8], command: Command) -> usize {
    let mut none = FixedOutput::new(&mut []);
    match command(ws, data, &mut none) {
        Err(SendError::OutputFull { needed, .. }) => needed,
        other => panic!("{other:?}"),
    }
}

/// Sends with just the room that is asked for, and not with a byte less. An
/// output that is written beyond its end panics.
#[track_caller]
fn send_tightly(sending: &mut Sending, data: &[u8], command: Command) {
    let needed = needed(&mut sending.ws, data, command);
    let mut memory = vec![0; needed];
    let mut less = FixedOutput::new(&mut memory[1..]);
    let result = command(&mut sending.ws, data, &mut less);
    assert!(matches!(result, Err(SendError::OutputFull { needed: n, .. }) if n == needed));
    assert!(less.filled().is_empty());
    let mut room = FixedOutput::new(&mut memory);
    command(&mut sending.ws, data, &mut room).unwrap();
    sending.out.extend_from_slice(room.filled());
}

/// Either role; keeping a context, and not.
fn all(config: &DeflateConfig) -> impl Iterator<Item = Sending> {
    let ways = [(0, true), (0, false), (1, true), (1, false)];
    ways.into_iter().map(|(role, keeps)| {
        let engine = both()[role].clone().with(|c| c.deflate = Some(config.clone()));
        Sending::new(engine, keeps, 15)
    })
}

#[test]
fn a_message_goes_out_with_the_room_that_was_asked_for() {
    for mut sending in all(&DeflateConfig::default()) {
        for len in (0..100).chain([1000, 16384, 40_000]) {
            for command in &COMMANDS[..2] {
                let noise = Random(len as u64).bytes(len);
                for data in [vec![b'a'; len], noise] {
                    sending.ws.compress_next(Compress::Yes);
                    send_tightly(&mut sending, &data, *command);
                    assert!(sending.message().data == data);
                }
            }
        }
    }
}

#[test]
fn a_fragment_goes_out_with_the_room_that_was_asked_for() {
    for mut sending in all(&DeflateConfig::default()) {
        let mut sent = Vec::new();
        for len in [0, 1, 2, 3, 1, 0, 100, 1000, 1, 20_000, 1] {
            let piece = Random(len as u64).bytes(len);
            send_tightly(&mut sending, &piece, COMMANDS[2]);
            sent.extend(piece);
        }
        send_tightly(&mut sending, b"", COMMANDS[1]);
        assert!(sending.message().data == sent);
    }
}

/// Nothing is appended, and nothing enters the window: what comes next can be
/// inflated by a peer that has seen nothing of it.
#[test]
fn what_found_no_room_has_changed_nothing() {
    for mut sending in all(&DeflateConfig::default()) {
        let mut random = Random(1);
        let mut memory = [0; 60];
        for round in 0..4 {
            let data: Vec<u8> = (0..200).map(|_| b'a' + random.below(26) as u8).collect();
            for command in COMMANDS {
                let mut out = FixedOutput::new(&mut memory);
                out.append(b"before");
                let result = command(&mut sending.ws, &data, &mut out);
                assert!(matches!(result, Err(SendError::OutputFull { .. })));
                assert_eq!(out.filled(), b"before");
            }
            // Neither begun, nor in the window.
            if round % 2 == 0 {
                let message = sending.sends(&data);
                assert!(message.is_compressed && message.payload.len() > 100);
            } else {
                let (begin, end) = data.split_at(100);
                sending.ws.send_binary_fragment(begin, false, &mut sending.out).unwrap();
                for command in &COMMANDS[1..3] {
                    needed(&mut sending.ws, &data, *command);
                }
                sending.ws.send_binary_fragment(end, true, &mut sending.out).unwrap();
                let message = sending.message();
                assert!(message.data == data && message.payload.len() > 100);
            }
        }
    }
}

/// A plain message asks for what it takes, whatever is agreed on.
#[test]
fn what_goes_plain_asks_for_no_more_than_it_takes() {
    for mut sending in all(&DeflateConfig::default()) {
        let header = if sending.ws.is_server() { 2 } else { 6 };
        assert_eq!(needed(&mut sending.ws, &[1; 63], COMMANDS[0]), header + 63);
        sending.ws.compress_next(Compress::No);
        assert_eq!(needed(&mut sending.ws, &[1; 100], COMMANDS[0]), header + 100);
        assert!(needed(&mut sending.ws, &[1; 100], COMMANDS[2]) == header + 100);
    }
}

/// What is asked for is more than it could be, and not without measure.
#[test]
fn the_bound_is_of_the_order_of_the_message() {
    for mut sending in all(&DeflateConfig::default()) {
        for len in [100, 1000, 100_000] {
            let needed = needed(&mut sending.ws, &vec![0; len], COMMANDS[0]);
            assert!(len < needed && needed < 2 * len + 100, "{needed} for {len}");
        }
        sending.ws.compress_next(Compress::Yes);
        assert!(needed(&mut sending.ws, &[], COMMANDS[0]) > 0);
    }
}

// ---- whatever the data, whatever the strength ----------------------------------------------

/// Data that compressors make more of than there was.
fn pathological(random: &mut Random, kind: usize, len: usize) -> Vec<u8> {
    match kind {
        // Noise; and bytes that fixed codes have nine bits for.
        0 => random.bytes(len),
        1 => (0..len).map(|_| 144 + random.below(112) as u8).collect(),
        // Three bytes that were there before, far apart, among others: references
        // that are as long as what they stand for.
        2 => {
            let triples: Vec<_> = (0..50).map(|_| random.bytes(3)).collect();
            let mut data = Vec::new();
            while data.len() < len {
                data.extend(&triples[random.below(triples.len())]);
                let noise = random.below(8);
                data.extend(random.bytes(noise));
            }
            data.truncate(len);
            data
        }
        // Each byte half as frequent as the one before it: long codes.
        3 => (0..len).map(|_| random.next().trailing_zeros() as u8).collect(),
        // Blocks of a kind, one after the other.
        4 => {
            let mut data = Vec::new();
            while data.len() < len {
                let piece = [0, 1, 3][random.below(3)];
                let piece_len = 1 + random.below(700);
                data.extend(pathological(random, piece, piece_len));
            }
            data.truncate(len);
            data
        }
        _ => (0..len).map(|i| (i % 256) as u8).collect(),
    }
}

#[test]
fn the_bound_holds_for_any_data_at_any_strength() {
    let mut random = Random(1);
    for level in 1..=9 {
        for mem_level in 1..=9 {
            let mut config = DeflateConfig::default();
            (config.level, config.mem_level) = (level, mem_level);
            let engine = server().with(|c| c.deflate = Some(config));
            let bits = 9 + random.below(7) as u8;
            let mut ws = Sending::new(engine, true, bits).ws;
            for kind in 0..6 {
                for len in [1, 100, 1 + random.below(5000)] {
                    let data = pathological(&mut random, kind, len);
                    ws.compress_next(Compress::Yes);
                    let room = needed(&mut ws, &data, COMMANDS[0]);
                    let mut memory = vec![0; room];
                    let mut out = FixedOutput::new(&mut memory);
                    ws.send_binary(&data, &mut out).unwrap();
                }
            }
        }
    }
}

#[test]
fn the_bound_holds_for_long_messages_and_fragments() {
    let mut random = Random(2);
    for (level, mem_level) in [(1, 1), (1, 9), (2, 1), (3, 1), (6, 1), (6, 8), (9, 1)] {
        let mut config = DeflateConfig::default();
        (config.level, config.mem_level) = (level, mem_level);
        let engine = server().with(|c| c.deflate = Some(config));
        // Without a context, so that the peer need not see all.
        let mut sending = Sending::new(engine, false, 9);
        for kind in 0..6 {
            let len = 20_000 + random.below(30_000);
            let data = pathological(&mut random, kind, len);
            let mut sent = 0;
            for len in [1, 30, 200, 2000, len] {
                let end = data.len().min(sent + len);
                send_tightly(&mut sending, &data[sent..end], COMMANDS[2]);
                sent = end;
            }
            send_tightly(&mut sending, b"", COMMANDS[1]);
            if kind == 2 && level == 6 {
                assert!(sending.message().data == data[..sent]);
            }
            sending.out.clear();
        }
    }
}

/// At any strength, it is what was sent.
#[test]
fn any_strength_can_be_inflated() {
    let mut random = Random(3);
    for level in 0..=10 {
        for mem_level in [0, 1, 2, 5, 8, 9, 10] {
            let mut config = DeflateConfig::default();
            (config.level, config.mem_level) = (level, mem_level);
            let bits = 9 + random.below(7) as u8;
            let engine = client().with(|c| c.deflate = Some(config));
            let mut sending = Sending::new(engine, random.below(2) == 0, bits);
            for kind in 0..6 {
                let len = random.below(1200);
                let data = pathological(&mut random, kind, len);
                sending.ws.compress_next(Compress::Yes);
                sending.sends(&data);
            }
        }
    }
}
