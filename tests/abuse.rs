//! Attacks on open connections, from raw sockets on the echo servers as a user
//! runs them. Each prints what it cost:
//!
//!     cargo test --release --all-features --test 'abuse*' -- --nocapture

#![cfg(all(target_os = "linux", feature = "deflate", feature = "url"))]

mod common;
mod processes;
mod sockets;
mod victim;

use std::io::{Read, Write};
use std::iter;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use common::*;
use sockets::*;
use sockeye::deflate::Params;
use sockeye::{Config, Connection, Seed};
use victim::*;

// ---- what is not read ------------------------------------------------------------

/// More than all buffers of the system hold, in both directions.
const FLOOD: usize = 64 << 20;

/// Sends a frame again and again and reads nothing, until nothing more is taken.
/// Then reads all that it gets, which must be `answer` as often, and asks for
/// one thing more.
fn flood_unread(victim: &Victim, frame: &Frame, answer: &Frame, what: &str, limit_kib: u64) {
    victim.attacked(what, limit_kib, || {
        let mut peer = victim.peer("/", "");
        let (one, answer) = (frame.masked(), answer.unmasked());
        let many = one.repeat((1 << 20) / one.len());
        let sent = flood(&mut peer.stream, &many, FLOOD, STALLED);
        assert!(sent < FLOOD, "all was taken, though none of the answers was");
        let count = sent.div_ceil(one.len());
        let rest = one[one.len() - (count * one.len() - sent)..].to_vec();
        let mut writer = peer.another();
        let writer = Task::start(move || {
            writer.send_bytes(rest);
            writer.send([text("alive?")]);
        });
        let mut answers = vec![0; count * answer.len()];
        peer.stream.read_exact(&mut answers).unwrap();
        assert!(answers.chunks(answer.len()).all(|came| came == answer));
        peer.expect([text("alive?")]);
        writer.join();
        format!("{} KiB taken, then nothing; {count} answers, and lives", sent >> 10)
    });
}

#[test]
fn s5_5_2_pings_whose_answers_are_not_read_are_not_hoarded() {
    each_victim(&[], |victim| {
        for (len, what) in
            [(125, "Pings of 125 bytes, Pongs unread"), (0, "empty Pings, Pongs unread")]
        {
            let payload = bytes_of(len);
            flood_unread(victim, &ping(&payload), &pong(&payload), what, 2048);
        }
    });
}

#[test]
fn echoes_that_are_not_read_are_not_hoarded() {
    each_victim(&[], |victim| {
        for len in [100, 1000, 60_000] {
            let what = format!("messages of {len} bytes, echoes unread");
            let message = binary(bytes_of(len));
            flood_unread(victim, &message, &message, &what, 2048);
        }
    });
}

// ---- fragments -------------------------------------------------------------------

#[test]
fn s5_4_messages_of_100_000_fragments_on_32_connections_cost_what_they_are_long() {
    const COUNT: usize = 100_000;
    each_victim(&[], |victim| {
        victim.attacked("100,000 fragments of a byte, on 32 connections", 8192, || {
            let middle = iter::repeat_n(fragment(CONTINUATION, "x").masked(), COUNT - 2);
            let bytes: Arc<Vec<u8>> = Arc::new(
                iter::once(fragment(TEXT, "x").masked())
                    .chain(middle)
                    .chain([frame(CONTINUATION, "x").masked()])
                    .flatten()
                    .collect(),
            );
            let mut peers: Vec<_> = (0..32).map(|_| victim.peer("/", "")).collect();
            // All of them together, so that all are in the middle at once.
            for piece in bytes.chunks(bytes.len() / 8) {
                peers.iter_mut().for_each(|peer| peer.send_bytes(piece));
            }
            let expected = (0x80 | TEXT, vec![b'x'; COUNT]);
            for peer in &mut peers {
                assert!(peer.frame() == expected, "the echo is another");
            }
            "all are echoed".into()
        });
    });
}

#[test]
fn rule_45_a_message_of_empty_fragments_without_end_is_refused() {
    each_victim(&[], |victim| {
        for (opcode, name) in [(TEXT, "text"), (BINARY, "binary")] {
            let what = format!("empty fragments without end, {name}");
            victim.attacked(&what, 1024, || {
                let mut peer = victim.peer("/", "");
                let one = fragment(CONTINUATION, "").masked();
                let limit = Config::default().max_fragments as usize;
                let mut reader = peer.another();
                let reader = Task::start(move || read_to_the_end(&mut reader.stream));
                peer.send([fragment(opcode, "")]);
                let most = limit * one.len();
                peer.send_bytes(one.repeat(limit - 1));
                // That was the limit; this is more, for as long as it is taken.
                let sent = flood(&mut peer.stream, &one.repeat(1000), most, PATIENCE) / one.len();
                let answer = sent_frames(&reader.join(), false);
                assert_eq!(answer, [(0x80 | CLOSE, 1009_u16.to_be_bytes().to_vec())]);
                format!("1009 after {limit}, {sent} more sent")
            });
        }
    });
}

// ---- lengths ---------------------------------------------------------------------

#[test]
fn s5_2_lengths_that_are_announced_are_not_allocated() {
    each_victim(&[], |victim| {
        victim.attacked("announced lengths, up to 2^64 - 1", 512, || {
            for (len, code) in [
                (u64::MAX, 1002),
                (1 << 63, 1002),
                ((1 << 63) - 1, 1009),
                (1 << 62, 1009),
                (1 << 40, 1009),
                (1 << 32, 1009),
                ((32 << 20) + (4 << 20) + 1, 1009), // the frame
                ((32 << 20) + 1, 1009),             // the message
            ] {
                for opcode in [TEXT, BINARY] {
                    let mut peer = victim.peer("/", "");
                    peer.send_bytes(announce(0x80 | opcode, len, true));
                    peer.expect([close(code, "")]);
                    peer.expect_eof();
                }
            }
            // A compressed message counts as it comes out, its frame as it is.
            for len in [1 << 62, (32 << 20) + (4 << 20) + 1] {
                let mut peer = victim.peer("/", DEFLATE);
                peer.send_bytes(announce(0xC0 | BINARY, len, true));
                peer.expect([close(1009, "")]);
                peer.expect_eof();
            }
            "1002 from 2^63 on, 1009 below".into()
        });
        victim.attacked("32 MiB announced on each of 64 connections", 3072, || {
            let peers = iter::repeat_with(|| {
                let mut peer = victim.peer("/", "");
                peer.send_bytes(announce(0x80 | BINARY, 32 << 20, true));
                peer.send_bytes([7; 100]);
                peer
            });
            let peers: Vec<_> = peers.take(64).collect();
            visit_all(victim);
            drop(peers);
            "waits for the rest".into()
        });
    });
}

/// A good client that comes now has been served: whoever came before was heard.
fn visit_all(victim: &Victim) {
    let mut peer = victim.peer("/", "");
    peer.send([text("?")]);
    peer.expect([text("?")]);
}

// ---- compression -----------------------------------------------------------------

/// A header line that offers compression.
const DEFLATE: &str = "Sec-WebSocket-Extensions: permessage-deflate\r\n";

/// 256 MiB of zeros in one message, compressed: in as many frames, and in one.
static BOMBS: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    let mut client = Connection::client(Seed::from_bytes([7; 32]), Arc::new(Config::default()))
        .with_deflate(Params::default());
    let (mut frames, zeros) = (Vec::new(), vec![0; 1 << 20]);
    for n in 1..=256 {
        client.send_binary_fragment(&zeros, n == 256, &mut frames).unwrap();
    }
    assert!(frames.len() < 1 << 20);
    let together: Vec<u8> =
        sent_frames(&frames, true).into_iter().flat_map(|(_, payload)| payload).collect();
    [frames, binary(together).compressed().masked()]
});

#[test]
fn s8_a_bomb_of_256_mib_costs_no_more_than_the_limit_of_16() {
    each_victim(&["--max-message", "16777216"], |victim| {
        for (bomb, how) in BOMBS.iter().zip(["256 frames", "one frame"]) {
            let what = format!("256 MiB of zeros in {how}, limit 16 MiB");
            victim.attacked(&what, 20 << 10, || {
                let mut peer = victim.peer("/", DEFLATE);
                let mut reader = peer.another();
                let reader = Task::start(move || read_to_the_end(&mut reader.stream));
                flood(&mut peer.stream, bomb, bomb.len(), PATIENCE);
                let answer = sent_frames(&reader.join(), false);
                assert_eq!(answer, [(0x80 | CLOSE, 1009_u16.to_be_bytes().to_vec())]);
                format!("1009 for {} KiB", bomb.len() >> 10)
            });
        }
    });
}

// ---- small pieces ----------------------------------------------------------------

#[test]
fn one_byte_in_each_segment_is_served_like_any_other() {
    each_victim(&[], |victim| {
        victim.attacked("a byte in each segment", 512, || {
            let mut peer = victim.stranger();
            let frames = [
                text("h\u{e9}\u{1f41f}"),
                fragment(BINARY, [1; 200]),
                ping("p"),
                frame(CONTINUATION, [2; 200]),
                close(4000, "gr\u{fc}\u{df}e"),
            ];
            let bytes = [request("").into_bytes(), peer.encode(frames.clone())].concat();
            for byte in &bytes {
                peer.stream.write_all(&[*byte]).unwrap();
            }
            assert!(peer.head().starts_with("HTTP/1.1 101 "));
            let [hello, _, _, _, bye] = frames;
            let whole = binary([[1; 200], [2; 200]].concat());
            peer.expect([hello, pong("p"), whole, bye]);
            peer.expect_eof();
            format!("{} bytes, all is answered", bytes.len())
        });
    });
}

// ---- the end ---------------------------------------------------------------------

/// The deadline by default, and time for a busy machine.
fn assert_within_close_timeout(start: Instant) {
    let limit = Config::default().close_timeout.unwrap() + Duration::from_secs(20);
    assert!(start.elapsed() < limit, "it took {:?}", start.elapsed());
}

/// Sends text for as long as it is taken.
fn talks_on(peer: &Peer) -> Task<usize> {
    let mut writer = peer.another();
    let words = text("and another thing").masked().repeat(100);
    Task::start(move || flood(&mut writer.stream, &words, usize::MAX, PATIENCE))
}

#[test]
fn s7_1_1_a_close_that_is_never_finished_ends_with_the_deadline() {
    each_victim(&[], |victim| {
        let before = victim.descriptors();
        victim.attacked("Close never answered, in three ways", 1024, || {
            let start = Instant::now();
            // Silent for ever.
            let mut silent = victim.peer("/?close=4000", "");
            silent.expect([close(4000, "")]);
            // Within its answer.
            let mut half = victim.peer("/?close=4001", "");
            half.expect([close(4001, "")]);
            half.send_bytes(&close(4001, "").masked()[..5]);
            // With everything but an answer, read or not.
            let mut talking = victim.peer("/?close=4002", "");
            talking.expect([close(4002, "")]);
            let talker = talks_on(&talking);
            silent.expect_eof();
            half.expect_eof();
            read_to_the_end(&mut talking.stream);
            talker.join();
            assert_within_close_timeout(start);
            format!("TCP ended after {:.1} s at most", start.elapsed().as_secs_f32())
        });
        victim.attacked("failed, or closed, and talks on for ever", 1024, || {
            let start = Instant::now();
            let mut peers =
                [(frame(3, "reserved"), close(1002, "")), (close(4000, "bye"), close(4000, "bye"))]
                    .map(|(says, answer)| {
                        let mut peer = victim.peer("/", "");
                        peer.send([says]);
                        let talker = talks_on(&peer);
                        peer.expect([answer]);
                        (peer, talker)
                    });
            for (peer, _) in &mut peers {
                assert_eq!(read_to_the_end(&mut peer.stream), b"", "nothing comes after a Close");
            }
            let sent: usize = peers.into_iter().map(|(_, talker)| talker.join()).sum();
            assert_within_close_timeout(start);
            format!("let go after {:.1} s, {} MiB", start.elapsed().as_secs_f32(), sent >> 20)
        });
        // What was let go is gone.
        let deadline = Instant::now() + PATIENCE / 2;
        while victim.descriptors() > before {
            assert!(Instant::now() < deadline, "{} descriptors", victim.descriptors());
            std::thread::sleep(Duration::from_millis(10));
        }
    });
}

#[test]
fn s5_5_1_what_follows_a_close_is_not_heard() {
    each_victim(&[], |victim| {
        victim.attacked("bytes after Close", 512, || {
            let garbage = frame(7, "garbage").rsv(7);
            for more in [text("more"), ping("more"), close(4000, "more"), garbage] {
                let mut peer = victim.peer("/", "");
                peer.send([text("one"), close(1000, "bye"), more, text("more")]);
                peer.expect([text("one"), close(1000, "bye")]);
                peer.expect_eof();
            }
            "Close, then the end of TCP".into()
        });
    });
}
