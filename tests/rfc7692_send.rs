//! Compressed messages that go out (RFC 7692, sections 6.1 and 7.2.1): which
//! are, and what they may refer to. Judged by an inflater that is strict about
//! the window agreed on.

#![cfg(feature = "deflate")]

mod common;
mod flate;

use common::*;
use flate::{Inflater, Sending};
use sockeye::deflate::{Compress, Params};
use sockeye::{DeflateConfig, MessageKind, PreparedMessage, SendError};

/// Long enough, and made of words that repeat.
const SOME: &str = "some text, more text, and some more text: all of it is text, and there is more";

fn with(engine: Engine, set: impl FnOnce(&mut DeflateConfig)) -> Engine {
    engine.with(|config| set(config.deflate.get_or_insert_default()))
}

/// Either role; keeping a context, and not.
fn all() -> impl Iterator<Item = (Engine, bool)> {
    both().into_iter().flat_map(|engine| [(engine.clone(), true), (engine, false)])
}

fn random_text(random: &mut Random, len: usize) -> String {
    (0..len).map(|_| char::from(b'a' + random.below(26) as u8)).collect()
}

// ---- what it looks like ----------------------------------------------------------------

#[test]
fn s7_2_3_the_bytes_are_those_of_the_rfc() {
    let mut ws = server().compressing(Params::default()).connection();
    let mut out = Vec::new();
    for expected in [
        &b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"[..], // 7.2.3.1
        b"\xc1\x05\xf2\x00\x11\x00\x00",              // 7.2.3.2
    ] {
        ws.compress_next(Compress::Yes);
        ws.send_text("Hello", &mut out).unwrap();
        assert_eq!(std::mem::take(&mut out), expected);
    }
    ws.compress_next(Compress::Yes);
    ws.send_text("", &mut out).unwrap();
    assert_eq!(out, b"\xc1\x01\x00"); // 7.2.3.6
}

#[test]
fn s6_1_messages_go_out_in_one_frame_with_the_bit_set() {
    for (engine, keeps) in all() {
        let mut sending = Sending::new(engine, keeps, 15);
        sending.ws.send_text(SOME, &mut sending.out).unwrap();
        sending.ws.send_ping(SOME.as_bytes(), &mut sending.out).unwrap();
        sending.ws.send_binary(SOME.as_bytes(), &mut sending.out).unwrap();
        let frames = sending.frames();
        assert_eq!(frames.iter().map(|f| f.0).collect::<Vec<_>>(), [0xc1, 0x89, 0xc2]);
        let messages = sending.peer.receives(frames);
        let seen = messages.iter().map(|m| (m.opcode, &m.data[..])).collect::<Vec<_>>();
        assert_eq!(seen, [(TEXT, SOME.as_bytes()), (BINARY, SOME.as_bytes())]);
        assert!(messages.iter().all(|m| m.payload.len() < SOME.len()));
    }
}

#[test]
fn s7_2_1_the_tail_is_stripped_at_every_length() {
    for (engine, keeps) in all() {
        let mut random = Random(1);
        let mut sending = Sending::new(engine, keeps, 15);
        // What an inflater is fed in one piece, and in many; more than there is
        // room for at first.
        for len in (0..300).chain([4000, 16383, 16384, 16385, 40_000, 100_000]) {
            for data in [random.bytes(len), vec![7; len]] {
                sending.ws.compress_next(Compress::Yes);
                sending.sends(&data);
            }
        }
    }
}

#[test]
fn s7_2_3_6_an_empty_message_is_one_octet() {
    for (engine, keeps) in all() {
        let mut sending = Sending::new(engine, keeps, 15);
        for _ in 0..3 {
            sending.ws.compress_next(Compress::Yes);
            let message = sending.sends("");
            assert_eq!((message.is_compressed, &message.payload[..]), (true, &[0x00][..]));
            assert!(sending.sends(SOME).is_compressed);
        }
        assert!(!sending.sends("").is_compressed);
    }
}

#[test]
fn without_compression_nothing_is_compressed() {
    for engine in both() {
        let mut ws = with(engine.clone(), |_| ()).connection();
        let mut out = Vec::new();
        ws.compress_next(Compress::Yes);
        assert!(!ws.would_compress(1000));
        ws.send_text(SOME, &mut out).unwrap();
        assert_eq!(sent_frames(&out, engine.is_client), [(0x81, SOME.into())]);
    }
}

// ---- which messages ----------------------------------------------------------------------

#[test]
fn the_length_decides() {
    for (min_len, lens) in [(64, [63, 64, 65]), (10, [9, 10, 11]), (0, [0, 1, 2])] {
        for engine in both() {
            let engine = with(engine, |deflate| deflate.min_len = min_len);
            let mut sending = Sending::new(engine, true, 15);
            for len in lens {
                assert_eq!(sending.ws.would_compress(len), len >= min_len);
                assert_eq!(sending.sends(vec![1; len]).is_compressed, len >= min_len, "{len}");
            }
        }
    }
    for engine in both() {
        let engine = with(engine, |deflate| deflate.min_len = usize::MAX);
        let mut sending = Sending::new(engine, true, 15);
        assert!(!sending.sends(vec![1; 1000]).is_compressed);
    }
}

#[test]
fn the_default_is_64_bytes() {
    for engine in both_compressing() {
        let mut ws = engine.connection();
        assert!(!ws.would_compress(63) && ws.would_compress(64));
        let mut out = Vec::new();
        for len in [63, 64] {
            ws.send_binary(&vec![1; len], &mut out).unwrap();
        }
        let firsts: Vec<_> = sent_frames(&out, engine.is_client).iter().map(|f| f.0).collect();
        assert_eq!(firsts, [0x82, 0xc2]);
    }
}

#[test]
fn a_choice_is_for_the_next_message_only() {
    for (engine, keeps) in all() {
        let mut sending = Sending::new(engine, keeps, 15);
        let short = [1; 20];
        for (choice, is_short, is_long) in [
            (Compress::Yes, true, true),
            (Compress::No, false, false),
            (Compress::Auto, false, true),
        ] {
            for (data, expected, usual) in
                [(&short[..], is_short, false), (&[1; 99], is_long, true)]
            {
                sending.ws.compress_next(choice);
                assert_eq!(sending.ws.would_compress(data.len()), expected);
                // Asking changes nothing, nor does a control frame.
                assert_eq!(sending.ws.would_compress(data.len()), expected);
                sending.ws.send_ping(b"", &mut sending.out).unwrap();
                assert_eq!(sending.sends(data).is_compressed, expected);
                assert_eq!(sending.ws.would_compress(data.len()), usual);
                assert_eq!(sending.sends(data).is_compressed, usual);
            }
        }
        // The last one counts.
        sending.ws.compress_next(Compress::Yes);
        sending.ws.compress_next(Compress::No);
        assert!(!sending.sends([1; 99]).is_compressed);
    }
}

#[test]
fn a_choice_is_used_up_however_the_message_is_sent() {
    for engine in both() {
        let mut sending = Sending::new(engine.clone(), true, 15);
        let Sending { ws, out, .. } = &mut sending;
        ws.compress_next(Compress::No);
        ws.send_text_fragment(SOME.as_bytes(), true, out).unwrap();
        assert!(ws.would_compress(100));
        ws.compress_next(Compress::No);
        ws.begin_frame(MessageKind::Text, &mut [], true).unwrap();
        assert!(ws.would_compress(100));
        if engine.is_client {
            continue;
        }
        let sendings: [fn(&mut sockeye::Connection); 4] = [
            |ws| assert!(ws.begin_text("", true).is_ok()),
            |ws| assert!(ws.begin_binary(b"", true).is_ok()),
            |ws| assert!(ws.begin_prepared(&PreparedMessage::text("x")).is_ok()),
            |ws| ws.send_prepared(&PreparedMessage::text("x"), &mut Vec::new()).unwrap(),
        ];
        for send in sendings {
            ws.compress_next(Compress::No);
            assert!(!ws.would_compress(100));
            send(ws);
            assert!(ws.would_compress(100));
        }
    }
}

#[test]
fn a_choice_is_not_lost_when_a_command_fails() {
    for (engine, keeps) in all() {
        let is_client = engine.is_client;
        let mut sending = Sending::new(engine, keeps, 15);
        let Sending { ws, out, .. } = &mut sending;
        ws.compress_next(Compress::Yes);
        let mut none = sockeye::FixedOutput::new(&mut []);
        let full = |result| assert!(matches!(result, Err(SendError::OutputFull { .. })));
        full(ws.send_text("x", &mut none));
        full(ws.send_binary(b"x", &mut none));
        full(ws.send_text_fragment(b"x", false, &mut none));
        full(ws.send_binary_fragment(b"x", true, &mut none));
        assert_eq!(ws.send_text_fragment(b"\xff", false, out), Err(SendError::InvalidText));
        assert_eq!(ws.send_text_fragment(b"\xe2", true, out), Err(SendError::InvalidText));
        let begun = ws.begin_frame(MessageKind::Text, &mut [0xff], true);
        assert_eq!(begun.map(drop), Err(SendError::InvalidText));
        assert_eq!(ws.send_ping(&[0; 126], out), Err(SendError::ControlTooLong));
        if is_client {
            let prepared = PreparedMessage::text("x");
            assert_eq!(ws.begin_text("x", true).map(drop), Err(SendError::MaskRequired));
            assert_eq!(ws.begin_binary(b"", true).map(drop), Err(SendError::MaskRequired));
            assert_eq!(ws.begin_prepared(&prepared).map(drop), Err(SendError::MaskRequired));
            assert_eq!(ws.send_prepared(&prepared, out), Err(SendError::MaskRequired));
        } else {
            full(ws.send_prepared(&PreparedMessage::text("x"), &mut none));
        }
        assert!(ws.would_compress(0));
        assert!(sending.sends([0; 20]).is_compressed);
    }
}

// ---- the window ----------------------------------------------------------------------------

#[test]
fn s7_1_1_with_context_takeover_messages_refer_to_those_before() {
    for engine in both() {
        let mut sending = Sending::new(engine, true, 15);
        let text = random_text(&mut Random(1), 500);
        let first = sending.sends(&text);
        assert!(first.is_compressed && !first.refers_back);
        for _ in 0..3 {
            let next = sending.sends(&text);
            assert!(next.refers_back && next.payload.len() < 30, "{}", next.payload.len());
        }
    }
}

#[test]
fn s7_1_1_without_context_takeover_each_stands_for_itself() {
    for engine in both() {
        let mut sending = Sending::new(engine, false, 15);
        let text = random_text(&mut Random(1), 500);
        let first = sending.sends(&text);
        for _ in 0..3 {
            let next = sending.sends(&text);
            assert!(next.is_compressed && !next.refers_back);
            assert_eq!(next.payload, first.payload);
            let inflated = Inflater::new(15).message(&next.payload);
            assert!(inflated.is_ok_and(|data| data == text.as_bytes()));
        }
    }
}

/// What is sent plain is not in the peer's window, so nothing may refer to it.
#[test]
fn s7_2_1_plain_messages_enter_no_window() {
    for (engine, keeps) in all() {
        let mut random = Random(1);
        let is_client = engine.is_client;
        let mut sending = Sending::new(engine, keeps, 15);
        sending.sends(random_text(&mut random, 100));
        for way in 0..8 {
            let plain = random_text(&mut random, 300);
            let bytes = plain.as_bytes();
            let Sending { ws, out, .. } = &mut sending;
            let prepared = PreparedMessage::text(&plain);
            ws.compress_next(Compress::No);
            match way {
                0 => ws.send_text(&plain, out).unwrap(),
                1 => ws.send_binary(bytes, out).unwrap(),
                2 => {
                    ws.send_text_fragment(&bytes[..200], false, out).unwrap();
                    ws.send_text_fragment(&bytes[200..], true, out).unwrap();
                }
                3 => {
                    for (piece, fin) in [(&bytes[..150], false), (&bytes[150..], true)] {
                        let mut piece = piece.to_vec();
                        let header = ws.begin_frame(MessageKind::Binary, &mut piece, fin).unwrap();
                        out.extend([header.as_bytes(), &piece].concat());
                    }
                }
                _ if is_client => continue,
                4 => {
                    let header = ws.begin_text(&plain, true).unwrap();
                    out.extend([header.as_bytes(), bytes].concat());
                }
                5 => {
                    let header = ws.begin_binary(bytes, true).unwrap();
                    out.extend([header.as_bytes(), bytes].concat());
                }
                6 => ws.send_prepared(&prepared, out).unwrap(),
                _ => out.extend(ws.begin_prepared(&prepared).unwrap()),
            }
            let message = sending.message();
            assert!(!message.is_compressed && message.data == bytes);
            // Were it in our window, this would refer to it; it is not in the
            // peer's, who would get something else.
            let next = sending.sends(&plain);
            assert!(next.is_compressed && next.payload.len() > 150);
            assert_eq!(sending.sends(&plain).refers_back, keeps);
        }
    }
}

/// Behind a plain message, the window is as it was before.
#[test]
fn s7_2_1_plain_messages_clear_no_window() {
    for engine in both() {
        let mut sending = Sending::new(engine, true, 15);
        let text = random_text(&mut Random(3), 500);
        sending.sends(&text);
        sending.ws.compress_next(Compress::No);
        sending.sends(&text);
        sending.sends("short");
        let next = sending.sends(&text);
        assert!(next.refers_back && next.payload.len() < 30);
    }
}

#[test]
fn without_context_what_does_not_shrink_goes_plain() {
    let zeros = |len| vec![0; len];
    for engine in both() {
        let mut shorter = [0; 3];
        let yes = |keeps, len| {
            let mut sending = Sending::new(engine.clone(), keeps, 15);
            sending.ws.compress_next(Compress::Yes);
            sending.sends(zeros(len))
        };
        for len in 1..50 {
            let kept = yes(true, len);
            assert!(kept.is_compressed);
            let order = kept.payload.len().cmp(&len);
            assert_eq!(yes(false, len).is_compressed, order.is_lt(), "{len}");
            shorter[(order as i8 + 1) as usize] += 1;
        }
        // Some as long as before, which is no gain.
        assert!(!shorter.contains(&0), "{shorter:?}");

        let mut sending = Sending::new(engine, false, 15);
        for len in [64, 1000, 20_000] {
            let random = Random(len as u64).bytes(len);
            let message = sending.sends(&random);
            assert!(!message.is_compressed && message.payload == random);
            assert!(sending.sends(zeros(len)).is_compressed);
        }
    }
}

/// With one, it is in the window by then, and has to be in the peer's.
#[test]
fn with_context_what_does_not_shrink_goes_compressed() {
    for engine in both() {
        let mut sending = Sending::new(engine, true, 15);
        let random = Random(1).bytes(1000);
        let message = sending.sends(&random);
        assert!(message.is_compressed && message.payload.len() > 1000);
        let again = sending.sends(&random);
        assert!(again.refers_back && again.payload.len() < 50);
    }
}

// ---- windows -------------------------------------------------------------------------------

#[test]
fn s7_1_2_nothing_refers_farther_back_than_the_window() {
    for (i, (engine, keeps)) in all().enumerate() {
        for bits in 9..=15 {
            let window = 1 << bits;
            // Strict inflaters are slow.
            let (levels, distances) = match bits {
                9 | 10 => (&[1, 2, 3, 6, 9][..], &[window - 1, window, window + 1, 2 * window][..]),
                _ if i % 2 == bits % 2 => (&[1, 6][..], &[window + 1][..]),
                _ => continue,
            };
            for &level in levels {
                let engine = with(engine.clone(), |deflate| deflate.level = level);
                let mut sending = Sending::new(engine, keeps, bits as u8);
                for &distance in distances {
                    let text = random_text(&mut Random(level.into()), distance);
                    // In one message, and in another; in fragments.
                    assert!(sending.sends(text.repeat(2)).farthest <= window);
                    assert!(sending.sends(&text).farthest <= window);
                    let Sending { ws, out, .. } = &mut sending;
                    ws.send_binary_fragment(text.as_bytes(), false, out).unwrap();
                    ws.send_binary_fragment(text.as_bytes(), true, out).unwrap();
                    let message = sending.message();
                    assert!(message.data == text.repeat(2).as_bytes());
                    assert!(message.farthest <= window);
                }
            }
        }
    }
}

/// A window is used as far as zlib can.
#[test]
fn s7_1_2_much_of_the_window_is_used() {
    for (engine, keeps) in all() {
        for bits in 9..=15 {
            let mut sending = Sending::new(engine.clone(), keeps, bits);
            // zlib keeps its longest match and a bit more out of reach.
            let text = Random(9).bytes((1 << bits) - 270);
            let message = sending.sends([&text[..], &text].concat());
            assert!(message.is_compressed, "{bits} bits");
            assert!(message.farthest > 1 << (bits - 2), "{bits} bits: {}", message.farthest);
        }
    }
}

#[test]
fn s7_1_2_with_the_smallest_window_all_goes_plain() {
    for (engine, keeps) in all() {
        let mut sending = Sending::new(engine, keeps, 8);
        for choice in [Compress::Auto, Compress::Yes, Compress::No] {
            sending.ws.compress_next(choice);
            assert!(!sending.ws.would_compress(1000));
            assert!(!sending.sends(SOME).is_compressed);
        }
        sending.ws.compress_next(Compress::Yes);
        for fin in [false, true] {
            sending.ws.send_text_fragment(SOME.as_bytes(), fin, &mut sending.out).unwrap();
        }
        assert!(!sending.message().is_compressed);
    }
}
