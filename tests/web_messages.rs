//! Messages: what a script is given of what the server sends.

#![cfg(feature = "web")]

mod common;
mod counted;
mod web_common;

use common::{
    BINARY, CONTINUATION, Random, TEXT, announce, binary, close, fragment, frame, ping, pong, text,
};
use counted::count;
use sockeye::web::{BinaryType, Diagnostic, Event, MessageEvent, Options, UnknownBinaryType};
use sockeye::{Cause, Message, ProtocolError};
use web_common::{
    Page, Peer, STATES, Told, configured, failure, frames_of, from_server, hears, then_failure,
    told_text,
};

fn message(page: &mut Page) -> MessageEvent {
    match page.turn().expect("a task").next() {
        Some(Event::Message(message)) => message,
        other => panic!("{other:?} is no message"),
    }
}

#[test]
fn m1_binary_type_is_looked_at_when_the_event_fires() {
    let mut page = Page::open();
    page.hears_frames([text("t"), binary([1, 2]), binary([3]), binary([4])]);
    let first = message(&mut page);
    assert_eq!((first.data, first.binary_type), (Message::from("t"), BinaryType::Blob));
    page.set_binary_type(BinaryType::ArrayBuffer);
    let second = message(&mut page);
    assert_eq!(second.data, Message::from(vec![1, 2]));
    assert_eq!(second.binary_type, BinaryType::ArrayBuffer);
    page.set_binary_type(BinaryType::Blob);
    assert_eq!(message(&mut page).binary_type, BinaryType::Blob);
    page.on_message(|ws: &mut _, message: &MessageEvent| {
        assert_eq!(message.binary_type, BinaryType::Blob);
        let ws: &mut sockeye::web::WebSocket = ws;
        ws.set_binary_type(BinaryType::ArrayBuffer);
    });
    // Set during the event it is for the next.
    assert_eq!(page.dispatches(), [Told::Binary(vec![4])]);
    assert_eq!(page.binary_type(), BinaryType::ArrayBuffer);
}

#[test]
fn m2_binary_type_is_one_of_two_words() {
    assert_eq!("blob".parse(), Ok(BinaryType::Blob));
    assert_eq!("arraybuffer".parse(), Ok(BinaryType::ArrayBuffer));
    let words = ["", "Blob", "BLOB", "arrayBuffer", "ArrayBuffer", " blob", "blob ", "text"];
    for word in words {
        let parsed: Result<BinaryType, UnknownBinaryType> = word.parse();
        assert!(parsed.is_err(), "{word:?}");
    }
    for state in STATES {
        let mut page = Page::in_state(state);
        for wanted in [BinaryType::ArrayBuffer, BinaryType::Blob, BinaryType::ArrayBuffer] {
            page.set_binary_type(wanted);
            assert_eq!(page.binary_type(), wanted, "{state:?}");
            assert_eq!(wanted.to_string().parse(), Ok(wanted));
        }
        assert_eq!(page.ready_state(), state);
    }
}

#[test]
fn m3_the_origin_is_that_of_the_url() {
    let cases = [
        ("ws://example.com", "ws://example.com"),
        ("ws://user:pw@EXAMPLE.com:80/path?query", "ws://example.com"),
        ("ws://example.com:8080/", "ws://example.com:8080"),
        ("wss://example.com:443/", "wss://example.com"),
        ("wss://example.com:80/", "wss://example.com:80"),
        ("http://example.com/", "ws://example.com"),
        ("https://example.com:444/", "wss://example.com:444"),
        ("ws://[::1]:81/", "ws://[::1]:81"),
        ("ws://127.1/", "ws://127.0.0.1"),
        ("ws://b\u{fc}cher.example/", "ws://xn--bcher-kva.example"),
    ];
    for (url, origin) in cases {
        let mut page = Page::asking(url, (), &Options::default());
        page.accepts("");
        page.turn().unwrap().for_each(drop);
        page.hears_frames([text("x")]);
        assert_eq!(&*message(&mut page).origin, origin, "{url}");
    }
}

#[test]
fn m4_fragments_are_joined_and_pings_are_not_seen() {
    let bytes = from_server([
        ping("before"),
        fragment(TEXT, "frag"),
        ping("between"),
        fragment(CONTINUATION, ""),
        pong("unasked"),
        fragment(CONTINUATION, [0xc3]),
        frame(CONTINUATION, [0xa9]),
        fragment(BINARY, [1]),
        frame(CONTINUATION, [2, 3]),
        ping(""),
        text("whole"),
    ]);
    let heard = hears(Page::open, &bytes);
    assert_eq!(
        heard.told,
        [told_text("frag\u{e9}"), Told::Binary(vec![1, 2, 3]), told_text("whole")]
    );
    assert_eq!(heard.sent, frames_of([pong("before"), pong("between"), pong("")]));
    // Until it is complete it is no message, and if it never is, neither.
    let mut page = Page::open();
    page.hears_frames([fragment(TEXT, "a"), fragment(CONTINUATION, "b")]);
    assert!(!page.has_tasks());
    page.hears_frames([close(1000, "")]);
    page.ends();
    assert_eq!(page.turns(), [web_common::clean_close(1000, "")]);
}

#[test]
fn m4_compressed_fragments_are_joined_too() {
    let (mut page, mut peer) = Peer::pair(true);
    let long = "fragments of one stream, ".repeat(4000);
    for (at, piece) in long.as_bytes().chunks(9999).enumerate() {
        let fin = at == long.len() / 9999;
        peer.ws.send_text_fragment(piece, fin, &mut peer.out).unwrap();
        peer.ws.send_ping(b"between", &mut peer.out).unwrap();
    }
    assert!(peer.out.len() < long.len() / 10);
    for byte in std::mem::take(&mut peer.out) {
        page.hears([byte]);
    }
    assert_eq!(page.turns(), [told_text(&long)]);
}

#[test]
fn m5_text_that_is_not_utf8_fails_with_1007() {
    let bad: [&[u8]; 8] = [
        b"\xff",
        b"a\x80",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xe2\x82",
        b"\xf0\x9f\x98",
        b"good\xc3(",
    ];
    for bytes in bad {
        for whole in [true, false] {
            let frames = match whole {
                true => vec![text("before"), frame(TEXT, bytes), text("behind")],
                false => {
                    let (a, b) = bytes.split_at(bytes.len() / 2);
                    vec![text("before"), fragment(TEXT, a), frame(CONTINUATION, b)]
                }
            };
            let heard = hears(Page::open, &from_server(frames));
            assert_eq!(heard.told, then_failure([told_text("before")]), "{bytes:?}");
            assert_eq!(heard.sent, frames_of([close(1007, "")]), "{bytes:?}");
            let Some(Diagnostic::Ended(closed)) = heard.why else { panic!("it ended") };
            assert_eq!(closed.cause(), Cause::Protocol(ProtocolError::TextNotUtf8));
        }
        // As bytes they are fine.
        let heard = hears(Page::open, &binary(bytes).unmasked());
        assert_eq!(heard.told, [Told::Binary(bytes.to_vec())]);
    }
}

#[test]
fn m6_noncharacters_are_characters() {
    let planes = (0..=16u32).flat_map(|plane| [plane << 16 | 0xfffe, plane << 16 | 0xffff]);
    let all: Vec<char> = (0xfdd0..=0xfdef).chain(planes).filter_map(char::from_u32).collect();
    assert_eq!(all.len(), 66);
    for &char in all.iter().chain(['\0', '\u{1}', '\u{7f}', '\u{9f}', '\u{2028}'].iter()) {
        let said = format!("a{char}b");
        let heard = hears(Page::open, &text(&said).unmasked());
        assert_eq!(heard.told, [told_text(&said)], "U+{:04X}", u32::from(char));
        let mut page = Page::open();
        page.send_text(&said).unwrap();
        page.sends([text(&said)]);
    }
    let said: String = all.into_iter().collect();
    let heard = hears(Page::open, &text(&said).unmasked());
    assert_eq!(heard.told, [told_text(&said)]);
}

#[test]
fn m7_a_byte_order_mark_is_kept() {
    for said in ["\u{feff}", "\u{feff}x", "\u{feff}\u{feff}x", "x\u{feff}"] {
        let heard = hears(Page::open, &text(said).unmasked());
        assert_eq!(heard.told, [told_text(said)]);
        let mut page = Page::open();
        page.send_text(said).unwrap();
        page.sends([text(said)]);
    }
}

// ---- limits --------------------------------------------------------------------------

#[test]
fn m8_messages_of_16_and_of_64_mib_are_taken() {
    for (len, whole) in [(16 << 20, true), ((16 << 20) + 1, true), (64 << 20, false)] {
        let data = vec![b'x'; len];
        let bytes = match whole {
            true => binary(&data).unmasked(),
            false => from_server([
                fragment(TEXT, &data[..len / 3]),
                frame(CONTINUATION, &data[len / 3..]),
            ]),
        };
        let mut page = Page::open();
        let mut random = Random(1);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let at = rest.len().min(1 + random.below(1 << 20));
            page.hears(&rest[..at]);
            rest = &rest[at..];
        }
        let message = message(&mut page);
        assert!(message.data.as_bytes() == data, "{len} bytes");
        assert!(!page.has_tasks());
    }
}

#[test]
fn m8_one_byte_more_fails_with_1009() {
    let limit = 64 << 20;
    let piece = announce(0x80 | BINARY, limit + 1, false);
    let heard = hears(Page::open, &piece);
    assert_eq!((heard.told, heard.over), (failure().into(), true));
    assert_eq!(heard.sent, frames_of([close(1009, "")]));
    let mut bytes = fragment(TEXT, "x").unmasked();
    bytes.extend(announce(0x80, limit, false));
    let heard = hears(Page::open, &bytes);
    assert_eq!(heard.told, failure());
    assert_eq!(heard.sent, frames_of([close(1009, "")]));
    // As long as may be is not too long.
    let heard = hears(Page::open, &announce(0x80 | BINARY, limit, false));
    assert_eq!((heard.told, heard.over), (vec![], false));

    let tight = || Page::open_as(&configured(|config| config.max_message_len = 5));
    let heard = hears(tight, &from_server([text("12345"), text("123456")]));
    assert_eq!(heard.told, then_failure([told_text("12345")]));
    let boundless = || {
        Page::open_as(&configured(|config| {
            config.max_message_len = u64::MAX;
            config.max_frame_len = u64::MAX;
        }))
    };
    let heard = hears(boundless, &announce(0x80 | BINARY, (1 << 63) - 1, false));
    assert_eq!((heard.told, heard.over), (vec![], false));
}

#[test]
fn m8_lengths_of_2_to_63_and_more_fail() {
    for len in [1 << 63, (1 << 63) + 1, u64::MAX] {
        let heard = hears(Page::open, &announce(0x80 | BINARY, len, false));
        assert_eq!(heard.told, failure());
        assert_eq!(heard.sent, frames_of([close(1002, "")]));
    }
}

#[test]
fn m8_what_is_inflated_is_limited_while_it_is() {
    let (mut page, mut peer) = Peer::pair(true);
    let bomb = vec![0; (64 << 20) + 1];
    peer.ws.send_binary(&bomb, &mut peer.out).unwrap();
    drop(bomb);
    assert!(peer.out.len() < 100_000);
    peer.speaks(&mut page);
    assert_eq!(page.turns(), failure());
    page.sends([close(1009, "")]);
}

#[test]
fn m8_a_length_that_is_announced_allocates_nothing() {
    for first in [0x80 | BINARY, 0x80 | TEXT, BINARY, TEXT] {
        let mut page = Page::open();
        let mut bytes = announce(first, 64 << 20, false);
        bytes.extend([b'x'; 100]);
        let (allocations, live, peak) = count(|| page.ws.receive(&mut bytes));
        assert!(peak < 1000, "{peak} bytes in {allocations} allocations for 100 bytes");
        assert!(live < 1000);
        // What comes is what is kept, with some room to grow.
        let mut more = vec![b'x'; 1 << 20];
        let (_, live, _) = count(|| page.ws.receive(&mut more));
        assert!(live < 3 << 20, "{live} bytes for 1 MiB");
    }
}

#[test]
fn m8_memory_of_messages_is_the_scripts() {
    let mut page = Page::open();
    let mut bytes = from_server([binary(vec![1; 1 << 20]), text(&"x".repeat(1 << 20))]);
    let (_, live, _) = count(|| {
        page.ws.receive(&mut bytes);
        while let Some(fired) = page.ws.turn() {
            fired.for_each(drop);
        }
    });
    assert!(live < 4096, "{live} bytes are kept");
}

#[test]
fn n8_memory_goes_back_when_much_was_written() {
    let mut page = Page::open();
    let data = vec![7; 8 << 20];
    let (_, live, peak) = count(|| {
        page.ws.send_binary(&data).unwrap();
        page.ws.send_binary(&data).unwrap();
        assert_eq!(page.ws.buffered_amount(), 16 << 20);
        while !page.ws.output().is_empty() {
            let len = page.ws.output().len().min(100_000);
            page.ws.wrote(len);
        }
        assert!(page.ws.turn().is_none());
    });
    assert_eq!(page.buffered_amount(), 0);
    assert!(live <= 80 << 10, "{live} bytes are kept");
    assert!(peak < 40 << 20, "{peak} bytes at most");

    // Also if something is always left, in as much as it is little.
    let mut page = Page::open();
    let small = vec![7; 1000];
    let (_, live, _) = count(|| {
        page.ws.send_binary(&small).unwrap();
        for _ in 0..50_000 {
            page.ws.send_binary(&small).unwrap();
            page.ws.wrote(1006);
            page.ws.turn();
        }
    });
    assert!(live <= 512 << 10, "{live} bytes for {}", page.output().len());
}

#[test]
fn a_peer_that_takes_none_of_its_answers_is_not_read_from() {
    let mut page = Page::open_as(&configured(|config| config.max_queued_len = 1000));
    // What the script has sent is no answer.
    page.ws.send_binary(&[7; 5000]).unwrap();
    assert!(page.wants_read());
    let answer = 6 + 100;
    for _ in 0..1000 / answer {
        page.hears_frames([ping([7; 100])]);
        assert!(page.wants_read());
    }
    page.hears_frames([ping([7; 100])]);
    assert!(!page.wants_read());
    // Until the last of them is on its way.
    page.ws.wrote(page.output().len() - 1);
    assert!(!page.wants_read());
    page.ws.wrote(1);
    assert!(page.wants_read());
    // Nor is one read from whose messages wait.
    page.hears_frames([text("x")]);
    assert!(!page.wants_read());
    assert_eq!(page.turns(), [told_text("x")]);
    assert!(page.wants_read());
}

#[test]
fn n10_what_fills_the_buffer_is_forgotten() {
    let mut page = Page::open_as(&web_common::options(|options| options.max_buffered = Some(99)));
    page.ws.send_binary(&[7; 99]).unwrap();
    let data = vec![7; 8 << 20];
    let (_, live, peak) = count(|| page.ws.send_binary(&data).unwrap());
    assert!(page.output().is_empty());
    assert!(live < 1000 && peak < 1000, "{peak} bytes at most, {live} are kept");
    assert_eq!(page.turns(), failure());
}
