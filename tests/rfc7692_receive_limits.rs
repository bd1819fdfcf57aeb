//! How large a compressed message may become (RFC 7692, section 8, on RFC 6455,
//! section 10.4): it counts as it is inflated.

#![cfg(feature = "deflate")]

mod common;
mod flate;

use common::*;
use flate::by_hand::{plain, run_of_a, stored};
use sockeye::ProtocolError::*;
use sockeye::{Config, DeflateConfig, Event, Input, ProtocolError};

const HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
const AGAIN: &[u8] = &[0xf2, 0x00, 0x11, 0x00, 0x00];

fn binary_of(payload: impl AsRef<[u8]>) -> Frame {
    frame(BINARY, payload).compressed()
}

fn compressing(set: impl Fn(&mut Config)) -> [Engine; 2] {
    both_compressing().map(|engine| engine.with(&set))
}

/// So many bytes come, and then this.
#[track_caller]
fn fails_after(story: &Story, told: &[Told], part: usize, error: ProtocolError) {
    story.fails(error);
    let (before, end) = story.told.split_at(told.len());
    assert_eq!(before, told);
    match end {
        [Told::PartOfBinary(bytes), Told::Failed(_)] => assert_eq!(bytes.len(), part),
        [Told::Failed(_)] => assert_eq!(0, part),
        _ => panic!("{end:?}"),
    }
}

// ---- messages ------------------------------------------------------------------------

#[test]
fn s8_the_limit_is_for_what_is_inflated() {
    let one = || vec![binary_of(HELLO)];
    let fragments = || {
        vec![
            fragment(BINARY, &HELLO[..2]).compressed(),
            fragment(CONTINUATION, ""),
            ping(""),
            frame(CONTINUATION, &HELLO[2..]),
        ]
    };
    let is_message = |told: &&Told| matches!(told, Told::Binary(_) | Told::PartOfBinary(_));
    for frames in [one, fragments] {
        for limit in 5..=7 {
            for engine in compressing(|c| c.max_message_len = limit) {
                let story = engine.receives(frames());
                let message = story.told.iter().find(is_message);
                assert_eq!(message, Some(&Told::Binary(b"Hello".to_vec())));
                assert!(story.closed.is_none());
            }
        }
        for limit in 0..=4 {
            for engine in compressing(|c| c.max_message_len = limit) {
                let story = engine.receives(frames());
                story.fails(MessageTooLong);
                let part = b"Hello"[..limit as usize].to_vec();
                let part = Some(Told::PartOfBinary(part)).filter(|_| limit > 0);
                assert_eq!(story.told.iter().find(is_message), part.as_ref());
            }
        }
    }
}

#[test]
fn s8_text_up_to_the_limit_is_told() {
    // "héllo": the limit is inside the character, or behind it.
    let payload = [stored("h\u{e9}llo".as_bytes()), vec![0x00]].concat();
    for (limit, part) in [(1, "h"), (2, "h"), (3, "h\u{e9}"), (5, "h\u{e9}ll")] {
        for engine in compressing(|c| c.max_message_len = limit) {
            let story = engine.receives([frame(TEXT, &payload).compressed()]);
            story.tells([Told::PartOfText(part.into()), Told::Failed(MessageTooLong)]);
            story.fails(MessageTooLong);
        }
    }
}

#[test]
fn s8_the_limit_is_for_each_message() {
    for engine in compressing(|c| c.max_message_len = 5) {
        let frames = [
            binary_of(HELLO),
            binary("plain"),
            binary_of(AGAIN),
            fragment(BINARY, HELLO).compressed(),
            frame(CONTINUATION, [0x00, 0x00, 0xff, 0xff, 0x00]),
            binary_of(AGAIN),
        ];
        let expected = [b"Hello", b"plain", b"Hello", b"Hello", b"Hello"];
        engine.receives(frames).tells(expected.map(|data| Told::Binary(data.to_vec())));
        let hello = Told::Binary(b"Hello".to_vec());
        let story = engine.receives([binary_of(HELLO), binary("longer")]);
        fails_after(&story, &[hello], 0, MessageTooLong);
    }
}

#[test]
fn s8_no_limit_is_none() {
    for engine in compressing(|c| {
        c.max_message_len = u64::MAX;
        c.max_frame_len = u64::MAX;
        c.max_fragments = u32::MAX;
    }) {
        engine.receives([binary_of(HELLO)]).tells([Told::Binary(b"Hello".to_vec())]);
    }
}

/// An empty message is within any limit.
#[test]
fn s8_nothing_passes_no_limit() {
    for engine in compressing(|c| c.max_message_len = 0) {
        for payload in [&[0x00][..], &[0x02, 0x00], &[]] {
            engine.receives([binary_of(payload)]).tells([Told::Binary(vec![])]);
        }
    }
}

#[test]
fn s8_the_length_on_the_wire_may_exceed_that_of_the_message() {
    let payload = [stored(b"Hello"), stored(b""), stored(b""), vec![0x00]].concat();
    for engine in compressing(|c| c.max_message_len = 5) {
        engine.receives([binary_of(&payload)]).tells([Told::Binary(b"Hello".to_vec())]);
    }
}

#[test]
fn s8_long_messages_stop_at_the_limit() {
    for len in [16383, 16384, 16385, 70_000] {
        let payload = run_of_a(len);
        for engine in compressing(|c| c.max_message_len = len as u64) {
            let story = engine.receives_whole([binary_of(&payload)]);
            assert!(story.told == [Told::Binary(vec![b'a'; len])]);
        }
        for engine in compressing(|c| c.max_message_len = len as u64 - 1) {
            let story = engine.receives_whole([binary_of(&payload)]);
            fails_after(&story, &[], len - 1, MessageTooLong);
        }
    }
}

/// Both are broken behind the limit: it depends on no cut which is told.
#[test]
fn s8_the_limit_comes_before_what_is_wrong_behind_it() {
    let corrupt = [stored(b"Hello"), vec![0b110]].concat();
    for (limit, error) in [(4, MessageTooLong), (5, CompressedDataInvalid)] {
        for engine in compressing(|c| c.max_message_len = limit) {
            let story = engine.receives([binary_of(&corrupt)]);
            fails_after(&story, &[], limit as usize, error);
        }
    }
    let not_text = [stored(b"Hell\xff"), vec![0x00]].concat();
    for (limit, error) in [(4, MessageTooLong), (5, TextNotUtf8)] {
        for engine in compressing(|c| c.max_message_len = limit) {
            let frames = [frame(TEXT, &not_text).compressed()];
            engine.receives(frames).tells([Told::PartOfText("Hell".into()), Told::Failed(error)]);
        }
    }
}

// ---- frames --------------------------------------------------------------------------

#[test]
fn s8_the_limit_of_frames_is_for_what_is_on_the_wire() {
    let len = HELLO.len() as u64;
    for engine in compressing(|c| c.max_frame_len = len) {
        engine.receives([binary_of(HELLO)]).tells([Told::Binary(b"Hello".to_vec())]);
        let payload = run_of_a(1 + 258);
        assert!(payload.len() as u64 <= len);
        engine.receives([binary_of(payload)]).tells([Told::Binary(vec![b'a'; 259])]);
    }
    for engine in compressing(|c| c.max_frame_len = len - 1) {
        let story = engine.receives([binary_of(HELLO)]);
        story.tells([Told::Failed(FrameTooLong)]).fails(FrameTooLong);
        let frames = [fragment(BINARY, &HELLO[..4]).compressed(), frame(CONTINUATION, &HELLO[4..])];
        engine.receives(frames).tells([Told::Binary(b"Hello".to_vec())]);
    }
    // Before any of it comes.
    for engine in compressing(|_| ()) {
        let header = announce(0xc2, (16 << 20) + 1, !engine.is_client);
        engine.receives_bytes(&header).tells([Told::Failed(FrameTooLong)]).fails(FrameTooLong);
        let header = announce(0xc2, 16 << 20, !engine.is_client);
        engine.receives_bytes(&header).tells([]);
    }
}

#[test]
fn s8_the_limit_of_fragments_is_for_compressed_messages_too() {
    for engine in compressing(|c| c.max_fragments = 3) {
        let first = || fragment(BINARY, HELLO).compressed();
        let empty = || fragment(CONTINUATION, "");
        let three = [first(), empty(), frame(CONTINUATION, "")];
        let told = Told::Binary(b"Hello".to_vec());
        engine.receives([&three[..], &three].concat()).tells([told.clone(), told]);
        let story = engine.receives([first(), empty(), empty(), frame(CONTINUATION, "")]);
        fails_after(&story, &[], 5, TooManyFragments);
    }
}

// ---- growth --------------------------------------------------------------------------

/// Bytes after which growth is judged each time.
const JUDGED_EVERY: usize = 64 << 10;

fn with_ratio(ratio: u32) -> [Engine; 2] {
    compressing(|c| {
        let mut deflate = DeflateConfig::default();
        deflate.max_ratio = Some(ratio);
        c.deflate = Some(deflate);
    })
}

/// What does not grow, and then what does: twice as long as its payload, and so
/// many bytes more.
fn grown(more: usize) -> (Vec<u8>, Vec<u8>) {
    let run = run_of_a(60_000);
    // A stored block has five bytes of header.
    let ballast = vec![b'b'; 60_000 - 2 * (5 + run.len()) - more];
    let payload = [stored(&ballast), run].concat();
    let data = [ballast, vec![b'a'; 60_000]].concat();
    assert_eq!(data.len(), 2 * payload.len() + more);
    (data, payload)
}

#[test]
fn s8_a_message_may_grow_as_much_as_it_may() {
    let ((data, payload), (longer, grows)) = (grown(0), grown(1));
    for engine in with_ratio(2) {
        let story = engine.receives_whole([binary_of(&payload), binary_of(&payload)]);
        assert!(story.told == [(); 2].map(|()| Told::Binary(data.clone())));
        let story = engine.receives_whole([binary_of(&payload), binary_of(&grows)]);
        let first = Told::Binary(data.clone());
        fails_after(&story, &[first], longer.len(), CompressionRatioTooHigh);
    }
    for engine in with_ratio(1) {
        let story = engine.receives_whole([binary_of(&payload)]);
        fails_after(&story, &[], JUDGED_EVERY, CompressionRatioTooHigh);
    }
}

#[test]
fn s8_messages_of_less_than_64_kib_may_grow_to_anything() {
    for ratio in [0, 1] {
        for engine in with_ratio(ratio) {
            let payload = run_of_a(JUDGED_EVERY - 1);
            let story = engine.receives_whole([binary_of(&payload), binary_of(&payload)]);
            assert!(story.told == [(); 2].map(|()| Told::Binary(vec![b'a'; JUDGED_EVERY - 1])));
            for len in [JUDGED_EVERY, JUDGED_EVERY + 1] {
                let story = engine.receives_whole([binary_of(run_of_a(len))]);
                fails_after(&story, &[], JUDGED_EVERY, CompressionRatioTooHigh);
            }
        }
    }
}

#[test]
fn s8_no_growth_is_asked_about_by_default() {
    let payload = run_of_a(200_000);
    for engine in both_compressing() {
        let story = engine.receives_whole([binary_of(&payload)]);
        assert!(story.told == [Told::Binary(vec![b'a'; 200_000])]);
    }
}

/// What has come counts, whatever frames it is in and whatever they announce.
#[test]
fn s8_growth_is_judged_by_what_has_come() {
    let run = run_of_a(100_000);
    let ballast = [stored(&[b'b'; 10_000]), vec![0x00]].concat();
    let flushed = |payload: &[u8]| [payload, &[0x00, 0x00, 0xff, 0xff]].concat();
    for engine in with_ratio(11) {
        // What does not grow goes before it, in the same frame or in another.
        let before = [flushed(&ballast), run.clone()].concat();
        let story = engine.receives_whole([binary_of(before)]);
        assert!(matches!(&story.told[..], [Told::Binary(data)] if data.len() == 110_000));
        let first = fragment(BINARY, flushed(&ballast)).compressed();
        let story = engine.receives_whole([first, frame(CONTINUATION, &run)]);
        assert!(matches!(&story.told[..], [Told::Binary(data)] if data.len() == 110_000));
        // Behind it is too late.
        let behind = [flushed(&run), ballast.clone()].concat();
        let story = engine.receives_whole([binary_of(&behind)]);
        fails_after(&story, &[], JUDGED_EVERY, CompressionRatioTooHigh);
        // What came before in another message is nothing to this one.
        let story = engine.receives_whole([binary_of(&ballast), binary_of(&behind)]);
        let earlier = Told::Binary(vec![b'b'; 10_000]);
        fails_after(&story, &[earlier], JUDGED_EVERY, CompressionRatioTooHigh);
        // Nor is what a frame promises.
        let frame = fragment(BINARY, [run.clone(), vec![0; 1 << 20]].concat()).compressed();
        let promised = engine.peer_sends([frame]);
        let story = engine.receives_bytes_whole(&promised[..20 + run.len()]);
        fails_after(&story, &[], JUDGED_EVERY, CompressionRatioTooHigh);
    }
}

/// Between two such places a message may have grown more, wherever its frames and
/// what comes at once end.
#[test]
fn s8_growth_is_judged_every_64_kib_and_at_the_end() {
    let grows = [stored(&[b'b'; 60_000]), run_of_a(65_000)].concat();
    assert!((60_000 + 65_000) > 2 * (grows.len() + 4) && 125_000 < 2 * JUDGED_EVERY);
    let grows = [&grows[..], &[0x00, 0x00, 0xff, 0xff]].concat();
    let ballast = [stored(&[b'c'; 20_000]), vec![0x00]].concat();
    for engine in with_ratio(2) {
        let first = fragment(BINARY, &grows).compressed();
        let story = engine.receives_whole([first, frame(CONTINUATION, &ballast)]);
        assert!(matches!(&story.told[..], [Told::Binary(data)] if data.len() == 145_000));
        let story = engine.receives_whole([binary_of([&grows[..], &ballast].concat())]);
        assert!(matches!(&story.told[..], [Told::Binary(data)] if data.len() == 145_000));
        let story = engine.receives_whole([binary_of([&grows[..], &[0x00]].concat())]);
        fails_after(&story, &[], 125_000, CompressionRatioTooHigh);
    }
}

#[test]
fn s8_the_smaller_of_two_limits_decides() {
    for (max_message_len, error) in [
        (JUDGED_EVERY as u64 - 1, MessageTooLong),
        (JUDGED_EVERY as u64, CompressionRatioTooHigh),
        (JUDGED_EVERY as u64 + 1, CompressionRatioTooHigh),
    ] {
        for engine in with_ratio(1).map(|e| e.with(|c| c.max_message_len = max_message_len)) {
            let story = engine.receives_whole([binary_of(run_of_a(70_000))]);
            let most = JUDGED_EVERY.min(max_message_len as usize);
            fails_after(&story, &[], most, error);
        }
    }
}

/// Plain messages do not grow.
#[test]
fn s8_growth_is_for_compressed_messages_only() {
    for engine in with_ratio(0) {
        let story = engine.receives_whole([binary(vec![1; 70_000])]);
        assert!(story.told == [Told::Binary(vec![1; 70_000])]);
    }
}

// ---- bombs ---------------------------------------------------------------------------

/// 256 MiB of zeros, as far as it takes: references of 13 bits, of which eight
/// are 13 bytes.
fn bomb() -> Vec<u8> {
    let reference = [(0b1010_0011, 8), (0, 5)]; // 258 bytes, one back
    let start = [&[(0b010, 3), (0b0000_1100, 8)], &reference.repeat(17)[..]].concat();
    let start = plain(&start);
    let references = start[2..15].iter().copied().cycle();
    start[..2].iter().copied().chain(references.take((256 << 20) / 258 * 13 / 8)).collect()
}

#[test]
fn s8_a_bomb_is_defused() {
    const LIMIT: u64 = 16 << 20;
    let bomb = bomb();
    assert!(bomb.len() < 2 << 20);
    for engine in both_compressing() {
        assert_eq!(engine.config.max_message_len, LIMIT);
        let mut bytes = engine.peer_sends([binary_of(&bomb)]);
        let (mut ws, mut out) = (engine.connection(), Vec::new());
        let mut scratch = vec![0; 16 << 10];
        let (mut chunks, mut total, mut read) = (0, 0, 0);
        let mut pieces = bytes.chunks_mut(64 << 10);
        let failed = 'all: loop {
            let piece = pieces.next().expect("it fails before");
            read += piece.len();
            let mut start = 0;
            loop {
                let mut input = Input::with_scratch(&mut piece[start..], &mut scratch);
                while let Some(event) = ws.receive(&mut input, &mut out) {
                    match event {
                        Event::Binary(chunk) => {
                            assert!(chunk.as_bytes().iter().all(|&byte| byte == 0));
                            chunks += 1;
                            total += chunk.as_bytes().len() as u64;
                        }
                        Event::Failed(error) => break 'all error,
                        other => panic!("{other:?}"),
                    }
                }
                let left = input.len();
                start = piece.len() - left;
                if !ws.wants_scratch() {
                    break;
                }
            }
        };
        assert_eq!(failed, MessageTooLong);
        assert_eq!(total, LIMIT, "all that is allowed, and no more");
        assert!(chunks <= LIMIT / (16 << 10) + 10, "{chunks} chunks");
        assert!(read < 200_000, "no more is needed for that");
        assert!(!ws.is_inflating() && !ws.wants_scratch());
        // The rest is not looked at.
        for piece in pieces {
            let mut input = Input::with_scratch(piece, &mut scratch);
            assert_eq!(ws.receive(&mut input, &mut out), None);
            assert!(input.is_empty());
        }
    }
}
