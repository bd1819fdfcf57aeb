//! Messages compressed once and sent to many (RFC 7692, section 7.2.1): which
//! form a connection takes, and what that does to its window.

#![cfg(feature = "deflate")]

mod common;
mod flate;

use common::*;
use flate::{Inflater, Message, Sending};
use sockeye::deflate::Compress;
use sockeye::{FixedOutput, MessageKind, PreparedMessage, SendError};

/// Noise of a length that repeats itself far back: the larger the window, the
/// smaller it becomes.
fn news() -> Vec<u8> {
    let mut random = Random(1);
    let [near, middle, far] = [200, 3000, 20_000].map(|len| random.bytes(len));
    let near = [&near[..], &near].concat();
    let middle = [&middle[..], &near, &middle].concat();
    [&far[..], &middle, &far].concat()
}

#[track_caller]
fn sends(sending: &mut Sending, prepared: &PreparedMessage) -> Message {
    sending.ws.send_prepared(prepared, &mut sending.out).unwrap();
    sending.message()
}

/// Text that shrinks, and has nothing in common with another.
fn some_text(seed: u64) -> String {
    let mut random = Random(seed);
    let letters: String = (0..200).map(|_| char::from(b'a' + random.below(26) as u8)).collect();
    letters.repeat(2)
}

#[test]
fn a_form_is_made_once_for_each_window() {
    let news = news();
    let prepared = PreparedMessage::binary(&news);
    let mut lens = Vec::new();
    for bits in 9..=15 {
        let mut len = 0;
        for keeps in [true, false] {
            let mut sending = Sending::new(server(), keeps, bits);
            let message = sends(&mut sending, &prepared);
            assert!(message.is_compressed && message.data == news, "{bits}");
            assert!(!message.refers_back);
            len = message.payload.len();
            // The same bytes, and of the same memory, to every connection.
            let form = sending.ws.begin_prepared(&prepared).unwrap();
            let mut another = Sending::new(server(), !keeps, bits).ws;
            let other = another.begin_prepared(&prepared).unwrap();
            assert_eq!(form.as_ptr_range(), other.as_ptr_range());
            let clone = prepared.clone();
            let other = another.begin_prepared(&clone).unwrap();
            assert_eq!(form.as_ptr_range(), other.as_ptr_range());
        }
        lens.push(len);
    }
    assert!(lens.is_sorted_by(|a, b| a >= b) && lens[0] > lens[3] && lens[3] > lens[6], "{lens:?}");
}

#[test]
fn a_connection_that_does_not_compress_sends_it_plain() {
    let news = news();
    let prepared = PreparedMessage::binary(&news);
    // With a window of 8 bits nobody does.
    let mut sending = Sending::new(server(), true, 8);
    sending.ws.compress_next(Compress::Yes);
    let message = sends(&mut sending, &prepared);
    assert!(!message.is_compressed && message.data == news);
    // Nor one that has not agreed on compression.
    let mut out = Vec::new();
    server().connection().send_prepared(&prepared, &mut out).unwrap();
    assert!(out == prepared.as_bytes());
    assert!(out == server().connection().begin_prepared(&prepared).unwrap());
}

#[test]
fn the_length_decides_as_for_any_message() {
    for (len, is_compressed) in [(63, false), (64, true)] {
        let prepared = PreparedMessage::text(&"a".repeat(len));
        let mut sending = Sending::new(server(), true, 15);
        assert_eq!(sends(&mut sending, &prepared).is_compressed, is_compressed, "{len}");
        sending.ws.compress_next(Compress::Yes);
        assert!(sends(&mut sending, &prepared).is_compressed);
    }
}

#[test]
fn both_types_of_message_and_any_length() {
    for len in [1, 100, 125, 126, 5000, 70_000] {
        let text = "ab".repeat(len);
        for (opcode, prepared) in [
            (TEXT, PreparedMessage::text(&text)),
            (BINARY, PreparedMessage::binary(text.as_bytes())),
        ] {
            let message = sends(&mut Sending::new(server(), false, 15), &prepared);
            assert_eq!(message.opcode, opcode);
            assert!(message.data == text.as_bytes());
            assert_eq!(message.is_compressed, len > 1);
        }
    }
}

/// The length of a message is no matter: its form is shorter, or there is none.
#[test]
fn a_form_that_is_not_shorter_is_not_kept() {
    let mut seen = [0; 3];
    for len in 0..50 {
        let data = vec![0; len];
        let mut sending = Sending::new(server(), true, 15);
        sending.ws.compress_next(Compress::Yes);
        let own = sending.sends(&data);
        let prepared = PreparedMessage::binary(&data);
        sending.ws.compress_next(Compress::Yes);
        let message = sends(&mut sending, &prepared);
        assert_eq!(message.is_compressed, own.payload.len() < len, "{len}");
        seen[(own.payload.len().cmp(&len) as i8 + 1) as usize] += 1;
    }
    assert!(!seen.contains(&0), "longer, shorter, and neither: {seen:?}");
    let noise = Random(1).bytes(1000);
    let prepared = PreparedMessage::binary(&noise);
    assert!(!sends(&mut Sending::new(server(), true, 15), &prepared).is_compressed);
}

#[test]
fn with_context_takeover_what_comes_next_can_be_inflated() {
    let texts = [1, 2, 3].map(some_text);
    let prepared = PreparedMessage::text(&texts[0]);
    for bits in [10, 12, 15] {
        let mut sending = Sending::new(server(), true, bits);
        // First of all; again; and behind messages of the connection's own.
        for _ in 0..3 {
            assert!(!sends(&mut sending, &prepared).refers_back);
            assert!(!sends(&mut sending, &prepared).refers_back);
            for text in &texts {
                sending.sends(text);
            }
            for text in &texts {
                assert!(sending.sends(text).refers_back || bits < 12);
            }
        }
        // Its own context was forgotten, since it is not that of the peer.
        sending.sends(&texts[1]);
        assert!(sends(&mut sending, &prepared).is_compressed);
        let next = sending.sends(&texts[1]);
        assert!(next.is_compressed && !next.refers_back);
        assert!(Inflater::new(bits).message(&next.payload).is_ok());
    }
}

/// Plain, it is not in the peer's window; nothing is forgotten.
#[test]
fn a_plain_form_leaves_the_context_as_it_was() {
    let texts = [1, 2].map(some_text);
    let prepared = &PreparedMessage::text(&texts[0]);
    for has_form in [false, true] {
        let mut sending = Sending::new(server(), true, 15);
        if has_form {
            assert!(sends(&mut sending, prepared).is_compressed);
        }
        sending.sends(&texts[1]);
        sending.ws.compress_next(Compress::No);
        assert!(!sends(&mut sending, prepared).is_compressed);
        assert!(sending.sends(&texts[1]).refers_back);
        assert!(sending.sends(&texts[0]).payload.len() > 100);
    }
}

#[test]
fn a_choice_of_no_is_for_one_prepared_message() {
    let text = some_text(1);
    let prepared = PreparedMessage::text(&text);
    for keeps in [true, false] {
        let mut sending = Sending::new(server(), keeps, 15);
        sending.ws.compress_next(Compress::No);
        let mut none = FixedOutput::new(&mut []);
        let plain_len = prepared.as_bytes().len();
        match sending.ws.send_prepared(&prepared, &mut none) {
            Err(SendError::OutputFull { needed, .. }) => assert_eq!(needed, plain_len),
            other => panic!("{other:?}"),
        }
        assert!(!sends(&mut sending, &prepared).is_compressed);
        assert!(sends(&mut sending, &prepared).is_compressed);
        sending.ws.compress_next(Compress::Yes);
        assert!(sends(&mut sending, &prepared).is_compressed);
        assert!(!sending.ws.would_compress(0), "the choice is used up");
    }
}

#[test]
fn begin_gives_the_bytes_that_send_appends() {
    let prepared = [
        PreparedMessage::text("short"),
        PreparedMessage::text(&some_text(1)),
        PreparedMessage::binary(&news()),
    ];
    for bits in [8, 9, 14, 15] {
        let mut sending = Sending::new(server(), true, bits);
        let mut beginning = Sending::new(server(), true, bits);
        for choice in [Compress::Auto, Compress::No, Compress::Yes] {
            for message in &prepared {
                for one in [&mut sending, &mut beginning] {
                    one.sends(some_text(2));
                    one.ws.compress_next(choice);
                }
                sending.ws.send_prepared(message, &mut sending.out).unwrap();
                let bytes = beginning.ws.begin_prepared(message).unwrap();
                assert!(sending.out == bytes);
                beginning.out.extend_from_slice(bytes);
                assert_eq!(sending.message(), beginning.message());
                // And both are as they were before, or both are not.
                assert_eq!(sending.sends(some_text(2)), beginning.sends(some_text(2)));
            }
        }
    }
}

#[test]
fn it_takes_the_room_of_its_form() {
    let text = some_text(1);
    let prepared = PreparedMessage::text(&text);
    let mut sending = Sending::new(server(), true, 15);
    let len = sending.ws.begin_prepared(&prepared).unwrap().len();
    assert!(len < prepared.as_bytes().len());
    sending.sends(some_text(2));
    let mut memory = vec![0; len];
    let mut little = FixedOutput::new(&mut memory[1..]);
    match sending.ws.send_prepared(&prepared, &mut little) {
        Err(SendError::OutputFull { needed, .. }) => assert_eq!(needed, len),
        other => panic!("{other:?}"),
    }
    assert!(little.filled().is_empty());
    // It has not been sent, so nothing was forgotten.
    assert!(sending.sends(some_text(2)).refers_back);
    let mut room = FixedOutput::new(&mut memory);
    sending.ws.send_prepared(&prepared, &mut room).unwrap();
    sending.out.extend_from_slice(room.filled());
    assert!(sending.message().is_compressed);
}

#[test]
fn inside_a_message_it_is_refused() {
    let text = some_text(1);
    let prepared = PreparedMessage::text(&text);
    let mut sending = Sending::new(server(), true, 15);
    let refused = Err(SendError::FragmentInProgress);
    for choice in [Compress::Yes, Compress::No] {
        let Sending { ws, out, .. } = &mut sending;
        ws.compress_next(choice);
        ws.send_text_fragment(b"one ", false, out).unwrap();
        assert_eq!(ws.send_prepared(&prepared, out), refused);
        assert_eq!(ws.begin_prepared(&prepared).map(|_| ()), refused);
        ws.send_text_fragment(b"two", true, out).unwrap();
        assert_eq!(sending.message().data, b"one two");
    }
    // Nor does a client send what is not masked.
    let mut ws = Sending::new(client(), true, 15).ws;
    let refused = Err(SendError::MaskRequired);
    assert_eq!(ws.send_prepared(&prepared, &mut Vec::new()), refused);
    assert_eq!(ws.begin_prepared(&prepared).map(|_| ()), refused);
    assert!(ws.begin_frame(MessageKind::Text, &mut [], true).is_ok());
}
