//! Compressed messages that go out in fragments (RFC 7692, section 6.1): one
//! stream, of which each fragment can be inflated when it comes.

#![cfg(feature = "deflate")]

mod common;
mod flate;

use common::*;
use flate::Sending;
use sockeye::deflate::Compress;
use sockeye::{MessageKind, PreparedMessage, SendError};

/// Long enough, and made of words that repeat.
const SOME: &str = "some text, more text, and some more text: all of it is text, and there is more";

/// Either role; keeping a context, and not.
fn all() -> impl Iterator<Item = Sending> {
    let ways = [(0, true), (0, false), (1, true), (1, false)];
    ways.into_iter().map(|(role, keeps)| Sending::new(both()[role].clone(), keeps, 15))
}

/// The first byte of each frame sent since this was last asked, seen by the
/// peer, and the messages that they complete.
fn firsts(sending: &mut Sending) -> (Vec<u8>, Vec<flate::Message>) {
    let frames = sending.frames();
    let firsts = frames.iter().map(|frame| frame.0).collect();
    (firsts, sending.peer.receives(frames))
}

// ---- one stream --------------------------------------------------------------------------

#[test]
fn s6_1_the_bit_is_set_on_the_first_frame_only() {
    for mut sending in all() {
        for _ in 0..2 {
            let Sending { ws, out, .. } = &mut sending;
            ws.send_text_fragment(b"one ", false, out).unwrap();
            ws.send_text_fragment(b"two ", false, out).unwrap();
            ws.send_ping(b"ping", out).unwrap();
            ws.send_text_fragment(b"", false, out).unwrap();
            ws.send_pong(b"pong", out).unwrap();
            ws.send_text_fragment(b"three", true, out).unwrap();
            ws.send_binary_fragment(SOME.as_bytes(), true, out).unwrap();
            let (firsts, messages) = firsts(&mut sending);
            assert_eq!(firsts, [0x41, 0x00, 0x89, 0x00, 0x8a, 0x80, 0xc2]);
            assert_eq!(messages[0].data, b"one two three");
            assert_eq!(messages[1].data, SOME.as_bytes());
        }
    }
}

/// Whatever the lengths; also nothing at all, wherever it stands.
#[test]
fn s6_1_each_fragment_can_be_inflated_when_it_comes() {
    for mut sending in all() {
        let mut random = Random(1);
        for lens in [
            &[5, 5, 5][..],
            &[0, 5, 5],
            &[5, 0, 5],
            &[5, 5, 0],
            &[0, 0, 0],
            &[0, 5, 0],
            &[0, 0],
            &[1; 20],
            &[1000, 1, 0, 16384, 0, 16385, 40_000, 1, 0],
        ] {
            for kind in 0..2 {
                let mut sent = Vec::new();
                for (i, &len) in lens.iter().enumerate() {
                    // Noise; and what was there before.
                    let piece = if kind == 0 { random.bytes(len) } else { vec![b'x'; len] };
                    let fin = i + 1 == lens.len();
                    sending.ws.send_binary_fragment(&piece, fin, &mut sending.out).unwrap();
                    sent.extend(piece);
                    let mut messages = sending.messages();
                    if fin {
                        let message = messages.pop().unwrap();
                        assert!(message.is_compressed && message.data == sent, "{lens:?}");
                        assert_eq!(message.frames.len(), lens.len());
                    } else {
                        let so_far = sending.peer.so_far().unwrap();
                        assert!(so_far.is_compressed && so_far.data == sent, "{lens:?}");
                        assert!(len > 0 || so_far.frames.ends_with(&[0]), "nothing of nothing");
                    }
                }
            }
        }
    }
}

#[test]
fn s7_2_1_the_tail_is_stripped_at_the_end_only() {
    for mut sending in all() {
        let Sending { ws, out, .. } = &mut sending;
        ws.send_text_fragment(b"Hello", false, out).unwrap();
        ws.send_text_fragment(b"Hello", false, out).unwrap();
        ws.send_text_fragment(b"Hello", true, out).unwrap();
        ws.send_text_fragment(b"Hello", false, out).unwrap();
        ws.send_text_fragment(b"", true, out).unwrap();
        let tail = [0x00, 0x00, 0xff, 0xff];
        let frames = sending.frames();
        let has_tail: Vec<_> = frames.iter().map(|frame| frame.1.ends_with(&tail)).collect();
        assert_eq!(has_tail, [true, true, false, true, false]);
        assert_eq!(frames[4].1, [0x00]);
        let messages = sending.peer.receives(frames);
        assert_eq!(messages[0].data, b"HelloHelloHello");
        assert_eq!(messages[1].data, b"Hello");
    }
}

#[test]
fn s6_1_fragments_refer_to_each_other() {
    for mut sending in all() {
        let text = Random(2).bytes(400);
        for _ in 0..10 {
            sending.ws.send_binary_fragment(&text, false, &mut sending.out).unwrap();
        }
        sending.ws.send_binary_fragment(&text, true, &mut sending.out).unwrap();
        let message = sending.message();
        assert!(message.data == text.repeat(11));
        assert!(message.frames[1..].iter().all(|&len| len < 40), "{:?}", message.frames);
    }
}

#[test]
fn s6_1_text_may_be_cut_inside_characters() {
    let text = "a\u{e9}\u{20ac}\u{1f41f}z".repeat(3);
    for mut sending in all() {
        for step in 1..5 {
            let pieces = text.as_bytes().chunks(step);
            let last = pieces.len() - 1;
            for (i, piece) in pieces.enumerate() {
                sending.ws.send_text_fragment(piece, i == last, &mut sending.out).unwrap();
            }
            assert_eq!(sending.message().data, text.as_bytes());
        }
    }
}

/// What is refused has entered no window.
#[test]
fn s8_1_text_that_is_none_is_refused_and_changes_nothing() {
    for mut sending in all() {
        let Sending { ws, out, .. } = &mut sending;
        ws.send_text_fragment(b"some \xe2", false, out).unwrap();
        for (piece, fin) in [(&b"x"[..], false), (b"\x82\xac \xff", false), (b"\x82", true)] {
            let len = out.len();
            assert_eq!(ws.send_text_fragment(piece, fin, out), Err(SendError::InvalidText));
            assert_eq!(out.len(), len);
        }
        ws.send_text_fragment(b"\x82\xac text", true, out).unwrap();
        assert_eq!(sending.message().data, "some \u{20ac} text".as_bytes());
    }
}

// ---- which messages ------------------------------------------------------------------------

#[test]
fn a_message_in_fragments_is_compressed_unless_the_only_one_is_short() {
    for mut sending in all() {
        for (lens, expected) in
            [(&[63][..], false), (&[64], true), (&[1, 1], true), (&[0, 0], true), (&[63, 0], true)]
        {
            for (i, &len) in lens.iter().enumerate() {
                let fin = i + 1 == lens.len();
                sending.ws.send_binary_fragment(&vec![1; len], fin, &mut sending.out).unwrap();
            }
            let message = sending.message();
            assert_eq!(message.is_compressed, expected, "{lens:?}");
            assert_eq!(message.data.len(), lens.iter().sum::<usize>());
        }
    }
}

#[test]
fn a_choice_is_for_all_of_a_message_and_no_other() {
    for mut sending in all() {
        for (choice, expected) in [(Compress::No, false), (Compress::Yes, true)] {
            let Sending { ws, out, .. } = &mut sending;
            ws.compress_next(choice);
            ws.send_text_fragment(SOME.as_bytes(), false, out).unwrap();
            // For the one after this.
            ws.compress_next(if expected { Compress::No } else { Compress::Yes });
            ws.send_text_fragment(SOME.as_bytes(), false, out).unwrap();
            ws.send_text_fragment(b"", true, out).unwrap();
            ws.send_text_fragment(&[b'a'; 30], true, out).unwrap();
            let messages = sending.messages();
            let compressed: Vec<_> = messages.iter().map(|m| m.is_compressed).collect();
            assert_eq!(compressed, [expected, !expected]);
            assert_eq!(messages[0].data, SOME.repeat(2).as_bytes());
            assert_eq!(messages[1].data, [b'a'; 30]);
        }
    }
}

/// The same message in one frame and in one fragment are the same.
#[test]
fn an_only_fragment_is_a_message() {
    for mut sending in all() {
        let noise = Random(1).bytes(500);
        let whole = sending.sends(&noise);
        sending.ws.send_binary_fragment(&noise, true, &mut sending.out).unwrap();
        let fragment = sending.message();
        assert_eq!(fragment.data, whole.data);
        // One of them has nothing to refer to, and goes plain.
        assert_eq!(fragment.refers_back, whole.is_compressed);
        assert_eq!(fragment.is_compressed, whole.is_compressed);
    }
}

// ---- headers alone ---------------------------------------------------------------------------

#[test]
fn nothing_goes_plain_inside_a_compressed_message() {
    for mut sending in all() {
        let is_server = sending.ws.is_server();
        let Sending { ws, out, .. } = &mut sending;
        ws.send_text_fragment(b"some \xe2\x82", false, out).unwrap();
        ws.compress_next(Compress::No);
        let refused = Err(SendError::MessageCompressed);
        for fin in [false, true] {
            let mut payload = *b"\xac text";
            let begun = ws.begin_frame(MessageKind::Text, &mut payload, fin);
            assert_eq!(begun.map(drop_header), refused);
            assert_eq!(payload, *b"\xac text", "not masked");
            let begun = ws.begin_frame(MessageKind::Binary, &mut payload, fin);
            assert_eq!(begun.map(drop_header), Err(SendError::FragmentInProgress));
        }
        // Text that is none is another matter.
        let begun = ws.begin_frame(MessageKind::Text, &mut [b'x'], false);
        assert_eq!(begun.map(drop_header), Err(SendError::InvalidText));
        ws.send_text_fragment(b"\xac ", false, out).unwrap();
        if is_server {
            assert_eq!(ws.begin_text("text", true).map(drop_header), refused);
            assert_eq!(ws.begin_text("text", false).map(drop_header), refused);
            let in_progress = Err(SendError::FragmentInProgress);
            assert_eq!(ws.begin_binary(b"", true).map(drop_header), in_progress);
            let prepared = PreparedMessage::text("text");
            assert_eq!(ws.begin_prepared(&prepared).map(drop), in_progress);
            assert_eq!(ws.send_prepared(&prepared, out), in_progress);
        }
        assert_eq!(ws.send_binary(b"", out), Err(SendError::FragmentInProgress));
        ws.send_text_fragment(b"text", true, out).unwrap();
        let message = sending.message();
        assert!(message.is_compressed);
        assert_eq!(message.data, "some \u{20ac} text".as_bytes());
        // The choice was for this one.
        assert!(!sending.ws.would_compress(1000));
        assert!(!sending.sends(SOME).is_compressed);
    }
}

fn drop_header(_: sockeye::frame::EncodedHeader) {}

/// Puts a header and its payload on the wire.
fn begin(sending: &mut Sending, kind: MessageKind, payload: &[u8], fin: bool) {
    let mut payload = payload.to_vec();
    let header = sending.ws.begin_frame(kind, &mut payload, fin).unwrap();
    sending.out.extend([header.as_bytes(), &payload].concat());
}

#[test]
fn a_plain_message_may_be_begun_behind_a_compressed_one() {
    for kind in [MessageKind::Text, MessageKind::Binary] {
        for mut sending in all() {
            for fragments in [1, 2] {
                // Compressed, in one fragment or more.
                for i in 1..=fragments {
                    let Sending { ws, out, .. } = &mut sending;
                    ws.send_text_fragment(SOME.as_bytes(), i == fragments, out).unwrap();
                }
                assert!(sending.message().is_compressed);
                // Plain, by headers alone.
                begin(&mut sending, kind, b"one ", false);
                begin(&mut sending, kind, b"two ", false);
                begin(&mut sending, kind, b"three", true);
                let message = sending.message();
                assert_eq!(
                    (message.is_compressed, &message.data[..]),
                    (false, &b"one two three"[..])
                );
            }
        }
    }
}

/// Begun by a header alone, it has to be gone on with as it is.
#[test]
fn a_plain_message_begun_behind_a_compressed_one_stays_plain() {
    for mut sending in all() {
        sending.ws.send_binary_fragment(SOME.as_bytes(), true, &mut sending.out).unwrap();
        assert!(sending.message().is_compressed);
        begin(&mut sending, MessageKind::Binary, b"one ", false);
        sending.ws.send_binary_fragment(b"two ", false, &mut sending.out).unwrap();
        sending.ws.send_binary_fragment(SOME.as_bytes(), true, &mut sending.out).unwrap();
        let message = sending.message();
        let expected = [b"one two ", SOME.as_bytes()].concat();
        assert_eq!((message.is_compressed, message.data), (false, expected));
    }
}

#[test]
fn a_plain_message_stays_plain_whoever_goes_on_with_it() {
    for mut sending in all() {
        for _ in 0..2 {
            // Begun by a header alone, and gone on with by others.
            begin(&mut sending, MessageKind::Binary, b"one ", false);
            sending.ws.send_binary_fragment(b"two ", false, &mut sending.out).unwrap();
            begin(&mut sending, MessageKind::Binary, b"three ", false);
            sending.ws.send_binary_fragment(SOME.as_bytes(), true, &mut sending.out).unwrap();
            let message = sending.message();
            let expected = [b"one two three ", SOME.as_bytes()].concat();
            assert_eq!((message.is_compressed, message.data), (false, expected));
            // Begun by a command, and gone on with by headers.
            sending.ws.compress_next(Compress::No);
            sending.ws.send_binary_fragment(b"one ", false, &mut sending.out).unwrap();
            begin(&mut sending, MessageKind::Binary, b"two", true);
            let message = sending.message();
            assert_eq!((message.is_compressed, &message.data[..]), (false, &b"one two"[..]));
        }
    }
}

/// A choice made inside a message is for the one behind it.
#[test]
fn a_plain_fragment_uses_up_no_choice() {
    for mut sending in all() {
        begin(&mut sending, MessageKind::Binary, b"one ", false);
        sending.ws.compress_next(Compress::Yes);
        begin(&mut sending, MessageKind::Binary, b"two ", false);
        sending.ws.send_binary_fragment(b"three ", false, &mut sending.out).unwrap();
        if sending.ws.is_server() {
            let header = sending.ws.begin_binary(b"four ", false).unwrap();
            sending.out.extend([header.as_bytes(), b"four "].concat());
        }
        begin(&mut sending, MessageKind::Binary, b"five", true);
        assert!(!sending.message().is_compressed);
        assert!(sending.ws.would_compress(1));
        assert!(sending.sends([1; 20]).is_compressed);
    }
}

#[test]
fn a_compressed_message_may_be_begun_behind_a_plain_one() {
    for mut sending in all() {
        for _ in 0..2 {
            begin(&mut sending, MessageKind::Text, b"plain", false);
            begin(&mut sending, MessageKind::Text, b"", true);
            assert!(!sending.message().is_compressed);
            for fin in [false, true] {
                sending.ws.send_text_fragment(SOME.as_bytes(), fin, &mut sending.out).unwrap();
            }
            let message = sending.message();
            assert!(message.is_compressed && message.data == SOME.repeat(2).as_bytes());
        }
    }
}
