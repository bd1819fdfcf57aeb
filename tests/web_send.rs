//! `send(data)` and `bufferedAmount`.

#![cfg(feature = "web")]

mod common;
mod web_common;

use common::{Random, binary, close, empty_close, ping, text};
use sockeye::Message;
use sockeye::web::{Diagnostic, Options, ReadyState, TrySendError, WebSocket};
use web_common::{
    Page, Peer, STATES, Told, clean_close, failure, options, second, then_failure, told_text,
};

/// What `bufferedAmount` says after a turn of the loop.
fn buffered(page: &mut Page) -> u64 {
    assert!(page.turn().is_none(), "no task");
    page.buffered_amount()
}

fn limited(max: u64) -> Options {
    options(|options| options.max_buffered = Some(max))
}

#[test]
fn n1_nothing_can_be_sent_while_connecting() {
    let check = |page: &mut Page| {
        let before = (page.attributes(), page.output().to_vec());
        for result in [
            page.send_text("x"),
            page.send_text(""),
            page.send_binary(b"x"),
            page.send_utf16(&[0x78]),
        ] {
            let error = result.unwrap_err();
            assert_eq!((error.name(), error.legacy_code()), ("InvalidStateError", 11));
        }
        assert_eq!((page.attributes(), page.output().to_vec()), before);
    };
    check(&mut Page::new(web_common::URL, (), &Options::default()));
    let mut page = Page::connecting();
    check(&mut page);
    // Open, but the script was not told.
    page.accepts("");
    check(&mut page);
    assert_eq!(page.turns(), [Told::Open]);
    page.send_text("x").unwrap();
    page.sends([text("x")]);
    // Failed, but the script was not told.
    let mut page = Page::new("ws://h:1/", (), &Options::default());
    check(&mut page);
    assert_eq!(page.turns(), failure());
    page.send_text("x").unwrap();
}

#[test]
fn n2_what_is_sent_when_it_is_too_late_is_dropped_and_counts_for_ever() {
    for state in [ReadyState::Closing, ReadyState::Closed] {
        let mut page = Page::in_state(state);
        page.flush();
        page.send_text("\u{e9}\u{20ac}").unwrap();
        assert_eq!(page.buffered_amount(), 5);
        page.send_binary(&[0; 70_000]).unwrap();
        page.send_utf16(&[0xd800]).unwrap();
        page.send_text("").unwrap();
        assert!(page.output().is_empty());
        assert_eq!(buffered(&mut page), 70_008, "{state:?}");
        page.ends();
        page.turns();
        assert_eq!(page.buffered_amount(), 70_008);
    }
}

#[test]
fn n2_closed_by_the_server_is_too_late_before_the_script_knows() {
    for (name, end) in [("close", close(1000, "")), ("violation", common::frame(3, ""))] {
        let mut page = Page::open();
        page.hears_frames([end]);
        page.flush();
        assert_eq!(page.ready_state(), ReadyState::Open, "{name}");
        page.send_text("12345").unwrap();
        assert!(page.output().is_empty(), "{name}");
        page.ends();
        page.turns();
        assert_eq!(page.buffered_amount(), 5, "{name}");
    }
}

#[test]
fn n3_a_string_is_text_in_utf8() {
    let all = "a\u{0}\u{7f}\u{80}\u{7ff}\u{800}\u{fffe}\u{ffff}\u{10000}\u{10ffff}\u{feff}";
    let mut page = Page::open();
    page.send_text(all).unwrap();
    assert_eq!(page.buffered_amount(), all.len() as u64);
    page.sends([text(all)]);

    let cases: [(&[u16], &str); 8] = [
        (&[], ""),
        (&[0x61, 0x20ac], "a\u{20ac}"),
        (&[0xd83d, 0xde00], "\u{1f600}"),
        (&[0xd83d], "\u{fffd}"),
        (&[0xde00], "\u{fffd}"),
        (&[0xde00, 0xd83d], "\u{fffd}\u{fffd}"),
        (&[0xd83d, 0xd83d, 0xde00], "\u{fffd}\u{1f600}"),
        (&[0x61, 0xdfff, 0x62, 0xdbff], "a\u{fffd}b\u{fffd}"),
    ];
    for (utf16, utf8) in cases {
        let mut page = Page::open();
        page.send_utf16(utf16).unwrap();
        assert_eq!(page.buffered_amount(), utf8.len() as u64);
        page.sends([text(utf8)]);
    }
}

#[test]
fn n4_bytes_are_binary_and_a_part_is_a_part() {
    let all: Vec<u8> = (0..=255).collect();
    let mut page = Page::open();
    page.send_binary(&all).unwrap();
    page.send_binary(&all[10..20]).unwrap();
    page.try_send(&all[20..21]).unwrap();
    page.try_send(Message::from(vec![1, 2])).unwrap();
    assert_eq!(page.buffered_amount(), 256 + 10 + 1 + 2);
    page.sends([binary(&all), binary(&all[10..20]), binary([20]), binary([1, 2])]);
}

#[test]
fn n5_empty_messages_are_messages() {
    let mut page = Page::open();
    page.send_text("").unwrap();
    page.send_binary(&[]).unwrap();
    page.send_utf16(&[]).unwrap();
    assert_eq!(page.buffered_amount(), 0);
    page.sends([text(""), binary([]), text("")]);
    page.hears_frames([text(""), binary([])]);
    assert_eq!(page.turns(), [told_text(""), Told::Binary(vec![])]);
}

#[test]
fn n6_n7_sending_gives_nothing() {
    // No boolean, as Gecko 6 gave; what is not a string or bytes a binding makes
    // into one.
    let mut page = Page::open();
    let () = page.send_text("null").unwrap();
    let () = page.send_binary(b"").unwrap();
    let () = page.try_send("x").unwrap();
    page.sends([text("null"), binary([]), text("x")]);
}

#[test]
fn n8_in_one_task_it_only_grows() {
    let mut page = Page::open();
    for count in 1..=10 {
        page.send_text("1234567").unwrap();
        assert_eq!(page.buffered_amount(), 7 * count);
        page.flush();
        assert_eq!(page.buffered_amount(), 7 * count, "until the loop turns");
    }
    // It has no task, and changes all the same.
    assert!(!page.has_tasks());
    assert_eq!(buffered(&mut page), 0);
}

#[test]
fn n8_frames_and_control_frames_do_not_count() {
    let mut page = Page::open();
    page.hears_frames([ping("answered with a Pong")]);
    assert_eq!(buffered(&mut page), 0);
    page.send_text("12345").unwrap();
    assert_eq!(page.buffered_amount(), 5);
    // Pong, header, masking key: none of them is payload.
    let len = page.output().len();
    page.wrote(len - 5);
    assert_eq!(buffered(&mut page), 5);
    page.wrote(1);
    assert_eq!(buffered(&mut page), 4);
    page.close(None, None).unwrap();
    assert_eq!(buffered(&mut page), 4);
    page.flush();
    assert_eq!(buffered(&mut page), 0);
}

#[test]
fn n8_partial_writes_are_counted_to_the_byte() {
    let lens = [0usize, 1, 2, 125, 126, 127, 65_535, 65_536, 0, 3];
    let header = |len: usize| 4 + if len < 126 { 2 } else { 4 + 6 * usize::from(len > 65_535) };
    for seed in 0..12 {
        let mut random = Random(seed);
        let mut page = Page::open();
        for len in lens {
            page.send_binary(&random.bytes(len)).unwrap();
        }
        let mut expected: u64 = lens.iter().map(|&len| len as u64).sum();
        assert_eq!(page.buffered_amount(), expected);
        // For each byte of output, whether it is payload.
        let kinds: Vec<u64> = lens
            .iter()
            .flat_map(|&len| std::iter::repeat_n(0, header(len)).chain(std::iter::repeat_n(1, len)))
            .collect();
        assert_eq!(page.output().len(), kinds.len());
        let mut at = 0;
        while at < kinds.len() {
            let most = if seed == 0 { 1 } else { 5000 };
            let len = (1 + random.below(most)).min(kinds.len() - at);
            page.wrote(len);
            expected -= kinds[at..at + len].iter().sum::<u64>();
            at += len;
            if random.below(3) > 0 || at == kinds.len() {
                assert_eq!(buffered(&mut page), expected, "after {at} bytes");
            }
        }
        assert_eq!((page.buffered_amount(), page.output().len()), (0, 0));
        // Nothing was left over.
        page.wrote(1000);
        page.send_text("x").unwrap();
        assert_eq!(buffered(&mut page), 1);
    }
}

#[test]
fn n8_it_grows_while_it_is_written() {
    let mut page = Page::open();
    let mut random = Random(5);
    let (mut sent, mut seen) = (0u64, Vec::new());
    for _ in 0..2000 {
        let data = random.bytes(100);
        page.send_binary(&data).unwrap();
        sent += 100;
        let len = page.output().len();
        page.wrote(random.below(len.min(250) + 1));
        seen.push(buffered(&mut page));
        // Whole frames of 106 bytes, and what there is of one.
        let left = page.output().len() as u64;
        assert_eq!(page.buffered_amount(), left / 106 * 100 + (left % 106).min(100));
    }
    assert!(seen.windows(2).any(|two| two[0] < two[1]) && sent == 200_000);
    page.flush();
    assert_eq!(buffered(&mut page), 0);
}

#[test]
fn n8_compressed_messages_count_as_they_were_sent() {
    let (mut page, mut peer) = Peer::pair(true);
    let message = "the same words again and again, ".repeat(1000);
    page.send_text("short").unwrap();
    let plain = page.output().len();
    page.send_text(&message).unwrap();
    page.send_text("short").unwrap();
    let all = message.len() as u64;
    assert_eq!(page.buffered_amount(), 5 + all + 5);
    let len = page.output().len();
    assert!(len < message.len() / 20, "it was compressed");
    let mut bytes = page.output().to_vec();
    // As long as nothing of it is written, it counts as it was sent.
    page.wrote(plain);
    assert_eq!(buffered(&mut page), all + 5);
    // From then on as what is left to write, and at the end not at all.
    for left in (0..len - plain).rev() {
        page.wrote(1);
        let last = (left as u64).min(5);
        let most = left.saturating_sub(plain) as u64 + last;
        assert_eq!(buffered(&mut page), most, "with {left} bytes to write");
    }
    assert!(page.output().is_empty());
    peer.hears_bytes(&mut bytes);
    let told = ["short", &message, "short"].map(common::told_text);
    assert_eq!(peer.told, told);
}

#[test]
fn n8_other_ends_of_the_wire_do_not_count() {
    // What the server receives, answers or takes its time with is nothing to us.
    let (mut page, mut peer) = Peer::pair(false);
    page.send_text("x").unwrap();
    let mut away = page.flush();
    assert_eq!(buffered(&mut page), 0);
    page.waits(second(100));
    peer.hears_bytes(&mut away);
    peer.ws.send_text("answer", &mut peer.out).unwrap();
    peer.speaks(&mut page);
    assert_eq!(page.turns(), [told_text("answer")]);
    assert_eq!(page.buffered_amount(), 0);
}

#[test]
fn n9_closing_sets_nothing_back() {
    // In good order, but not written.
    let mut page = Page::open();
    page.send_text("12345").unwrap();
    page.wrote(6 + 2);
    page.close(None, None).unwrap();
    assert_eq!(buffered(&mut page), 3);
    page.hears_frames([empty_close()]);
    page.receive_eof();
    assert_eq!(page.turns(), [Told::Error, Told::Close(false, 1005, String::new())]);
    assert_eq!(page.buffered_amount(), 3);
    // It may be written still, up to the end of the transport.
    page.wrote(1);
    assert_eq!(buffered(&mut page), 2);
    page.send_text("67").unwrap();
    page.flush();
    assert_eq!(buffered(&mut page), 2, "what was too late");

    // Cut.
    let mut page = Page::open();
    page.send_binary(&[0; 1000]).unwrap();
    page.wrote(8 + 600);
    page.receive_eof();
    assert_eq!(page.buffered_amount(), 1000, "as of the last turn");
    assert_eq!(page.turns(), failure());
    assert_eq!(page.buffered_amount(), 400);
    page.send_binary(&[0; 50]).unwrap();
    assert_eq!(buffered(&mut page), 450);
}

#[test]
fn n10_a_full_buffer_fails_the_connection() {
    let mut page = Page::open_as(&limited(10));
    page.send_text("1234567890").unwrap();
    assert!(!page.has_tasks(), "as much as may be");
    page.flush();
    assert_eq!(page.buffered_amount(), 10);
    assert_eq!(buffered(&mut page), 0, "counted as of the last turn");
    page.send_text("123456").unwrap();
    page.wrote(7);
    page.hears_frames([text("before")]);
    page.send_text("12345").unwrap();
    // As everything else it is told later.
    assert_eq!((page.ready_state(), page.buffered_amount()), (ReadyState::Open, 11));
    assert!(page.output().is_empty() && page.should_close_transport());
    page.send_text("678").unwrap();
    assert_eq!(page.buffered_amount(), 14);
    assert_eq!(page.turns(), then_failure([told_text("before")]));
    assert_eq!(page.diagnostic(), Some(&Diagnostic::Full));
    // One byte was written; the rest was not, and never will be.
    assert_eq!(page.buffered_amount(), 13);
    page.wrote(100);
    page.send_text("x").unwrap();
    assert_eq!(buffered(&mut page), 14);

    // Nothing at all, and one byte too many at once.
    let mut page = Page::open_as(&limited(0));
    page.send_text("").unwrap();
    page.sends([text("")]);
    page.send_text("x").unwrap();
    page.fails(&Diagnostic::Full);
    // Without a limit there is none.
    let mut page = Page::open();
    for _ in 0..40 {
        page.send_binary(&[0; 1 << 20]).unwrap();
    }
    assert!(!page.has_tasks() && page.buffered_amount() == 40 << 20);
}

#[test]
fn n10_what_is_not_sent_fills_no_buffer() {
    // The closing handshake has started, and the script does not know: what it
    // sends is dropped, and the end is as clean as it would have been.
    let mut page = Page::open_as(&limited(10));
    page.hears_frames([close(1000, "bye")]);
    page.send_binary(&[0; 100]).unwrap();
    page.sends([close(1000, "bye")]);
    page.ends();
    page.send_binary(&[0; 100]).unwrap();
    assert_eq!(page.turns(), [clean_close(1000, "bye")]);
    assert_eq!((page.buffered_amount(), page.diagnostic()), (200, None));
    // Nor does it after close().
    let mut page = Page::open_as(&limited(10));
    page.close(None, None).unwrap();
    page.send_binary(&[0; 100]).unwrap();
    page.hears_frames([empty_close()]);
    page.ends();
    assert_eq!(page.turns(), [clean_close(1005, "")]);
}

#[test]
fn n11_it_is_a_number_of_64_bits_that_cannot_be_set() {
    let read: fn(&WebSocket) -> u64 = WebSocket::buffered_amount;
    let mut page = Page::in_state(ReadyState::Closed);
    // More than 32 bits of it.
    let megabytes = vec![0; 1 << 24];
    for _ in 0..257 {
        page.send_binary(&megabytes).unwrap();
    }
    assert_eq!(read(&page), 257 << 24);
    assert!(read(&page) > u64::from(u32::MAX));
}

#[test]
fn try_send_says_whether_it_is_sent() {
    for state in STATES {
        let mut page = Page::in_state(state);
        page.flush();
        let result = page.try_send("12345");
        if state == ReadyState::Open {
            assert_eq!((result, page.buffered_amount()), (Ok(()), 5));
            page.sends([text("12345")]);
        } else {
            assert_eq!((result, page.buffered_amount()), (Err(TrySendError::NotOpen), 0));
            assert!(page.output().is_empty() && page.ready_state() == state);
        }
    }
    // Not open any more, and the script does not know.
    for end in [false, true] {
        let mut page = Page::open();
        match end {
            false => page.hears_frames([close(1000, "")]),
            true => page.ends(),
        }
        page.flush();
        assert_eq!(page.try_send("x"), Err(TrySendError::NotOpen));
        assert_eq!((page.ready_state(), page.buffered_amount()), (ReadyState::Open, 0));
    }
    // Open, and the script does not know: it is not for want of room.
    for options in [Options::default(), limited(0)] {
        let mut page = Page::asking(web_common::URL, (), &options);
        page.accepts("");
        assert_eq!(page.try_send("x"), Err(TrySendError::NotOpen));
        assert_eq!(page.turns(), [Told::Open]);
    }
}

#[test]
fn try_send_waits_for_room() {
    let mut page = Page::open_as(&limited(10));
    page.try_send("1234567890").unwrap();
    for _ in 0..3 {
        assert_eq!(page.try_send(b"x"), Err(TrySendError::Full));
        page.try_send("").unwrap();
    }
    assert!(!page.has_tasks() && page.buffered_amount() == 10);
    page.flush();
    assert_eq!(page.try_send("x"), Err(TrySendError::Full), "until the loop turns");
    assert_eq!(buffered(&mut page), 0);
    page.try_send("x").unwrap();
    assert_eq!(page.try_send("1234567890"), Err(TrySendError::Full));
    page.sends([text("x")]);
}
