//! The browser's `WebSocket` object, carried by a task: how much is read and
//! written when, and for how long a peer is waited for.

#![cfg(all(feature = "tokio", feature = "web"))]

mod common;
mod sockets;
mod tokio_common;
mod web_carried;
mod web_sockets;

use std::time::Duration;

use common::*;
use sockeye::tokio::web::WebSocket;
use sockeye::tokio::{Sleep, Timer};
use sockeye::web::{self, Diagnostic, ReadyState};
use tokio::io::AsyncWriteExt;
use tokio_common::{
    Call, DAY, Fault, Link, Role, SECOND, assert_took, bounded, bytes_of, decoded, poll_times,
    poll_to_end, run, settle, timed,
};
use web_carried::*;
use web_sockets::*;

/// What one read may bring, and some more.
const A_READ: usize = 256 << 10;

/// A mebibyte of small messages, numbered.
fn many_messages() -> Vec<u8> {
    (0..20_000).flat_map(|n| text(&format!("{n:<49}")).unmasked()).collect()
}

#[test]
fn h11_waiting_for_ones_turn_takes_as_long_as_it_takes() {
    bounded(|| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("ws://{}/", listener.local_addr().unwrap());
            let socket = |patience| {
                let options = page(|config| config.handshake_timeout = patience);
                WebSocket::start(web::WebSocket::with_options(&url, (), &options).unwrap())
            };
            let (mut first, mut second) = (socket(None), socket(Some(SECOND)));
            for ws in [&mut first, &mut second] {
                let event = tokio::time::timeout(DAY, ws.next_event()).await;
                assert!(event.is_err(), "nobody answers: {event:?}");
                assert_eq!(ws.ready_state(), ReadyState::Connecting);
            }
        });
    });
}

// ---- reading -----------------------------------------------------------------------

#[test]
fn nothing_is_read_while_there_are_events_to_take() {
    run(|| async {
        let link = Link::new("");
        let mut ws = open_on(&link, &plain(), many_messages());
        let mut before = link.net().read;
        assert!(before < A_READ, "{before}");
        assert!(poll_to_end(ws.ready()));
        before = before.max(link.net().read);
        ws.send_text("a").unwrap();
        for _ in 0..100 {
            assert!(poll_to_end(ws.ready()));
            poll_to_end(ws.flushed());
        }
        assert_eq!(link.net().read, before, "there is a task to run");
        for n in 0..20_000 {
            let event = poll_to_end(ws.next_event()).unwrap();
            assert_eq!(told(&event).split_whitespace().nth(1), Some(n.to_string().as_str()));
            let taken = (n + 1) * 51;
            assert!(link.net().read < taken + A_READ, "{} of {taken}", link.net().read);
        }
    });
}

#[test]
fn a_peer_that_sends_endlessly_is_held_back_while_no_events_are_taken() {
    run(|| async {
        let (mut ws, mut peer) = open_with(&plain(), 1000).await;
        let (say, mut sent) = tokio::sync::watch::channel(0);
        tokio::spawn(async move {
            let message = text(&"x".repeat(100)).unmasked();
            while peer.stream.write_all(&message).await.is_ok() {
                say.send_modify(|sent| *sent += message.len());
            }
        });
        assert!(ws.ready().await);
        for _ in 0..10 {
            settle().await;
            assert!(ws.ready().await);
        }
        assert!(*sent.borrow_and_update() < 3000, "{}", *sent.borrow());
        // It goes on when they are taken.
        for _ in 0..1000 {
            assert_eq!(told(&ws.next_event().await.unwrap()), "text of 100 bytes");
        }
        assert!(*sent.borrow() > 90_000);
    });
}

#[test]
fn a_peer_that_asks_for_answers_and_takes_none_is_held_back() {
    run(|| async {
        let (mut ws, mut peer) = open_with(&page(|c| c.max_queued_len = 10_000), 1000).await;
        // What we send ourselves is no reason not to read.
        ws.send_binary(&bytes_of(50_000)).unwrap();
        peer.send([text("a")]).await;
        assert_eq!(told(&ws.next_event().await.unwrap()), "text a");
        let waiting = tokio::spawn(async move { told(&ws.next_event().await.unwrap()) });
        let (mut read, mut write) = tokio::io::split(peer.stream);
        let (say, sent) = tokio::sync::watch::channel(0);
        tokio::spawn(async move {
            for n in 1..1000 {
                write.write_all(&ping([7; 100]).unmasked()).await.unwrap();
                say.send(n).unwrap();
            }
            write.write_all(&text("heard").unmasked()).await.unwrap();
        });
        tokio::time::sleep(SECOND).await;
        // 10 KB of answers, and what is in the streams and their buffers.
        let pings = *sent.borrow();
        assert!((90..200).contains(&pings), "{pings}");
        // It takes them, and is heard again.
        let taking = tokio::spawn(async move {
            let _ = tokio::io::copy(&mut read, &mut tokio::io::sink()).await;
        });
        assert_eq!(waiting.await.unwrap(), "text heard");
        taking.abort();
    });
}

#[test]
fn a_peer_that_asks_for_answers_that_cannot_be_written_is_given_up() {
    run(|| async {
        let link = Link::new("");
        let mut ws = open_on(&link, &page(|c| c.max_queued_len = 10_000), Vec::new());
        let writes = link.net().calls[Call::Write as usize];
        link.net().fault = Some((Call::Write, writes, Fault::Reset));
        for _ in 0..200 {
            link.say(&ping([7; 100]).unmasked());
        }
        assert_failure(&poll_to_end(rest(&mut ws)));
    });
}

#[test]
fn a_peer_that_never_stops_leaves_others_their_turn() {
    run(|| async {
        let link = Link::new("");
        // A hundred reads of nothing that is an event, and then more of them.
        link.net().sizes = vec![1000];
        let mut pings = Vec::new();
        (0..1000).for_each(|_| pings.extend(ping([0; 98]).unmasked()));
        let mut ws = open_on(&link, &plain(), pings.clone());
        let before = link.net().read;
        assert!(poll_times(ws.next_event(), 1).is_none());
        let read = link.net().read - before;
        assert!((10_000..50_000).contains(&read), "{read} of {} bytes", pings.len());
        // It has seen to it that it is polled again.
        link.say(&text("done").unmasked());
        assert_eq!(told(&ws.next_event().await.unwrap()), "text done");
    });
}

// ---- writing -----------------------------------------------------------------------

#[test]
fn n8_buffered_amount_goes_down_while_events_are_waited_for() {
    run(|| async {
        let link = Link::new("");
        let mut ws = open_on(&link, &plain(), Vec::new());
        link.net().window = Some(0);
        ws.send_binary(&[1; 100]).unwrap();
        ws.send_text("12345").unwrap();
        assert_eq!(ws.buffered_amount(), 105);
        assert!(poll_times(ws.next_event(), 3).is_none());
        assert_eq!(ws.buffered_amount(), 105, "the network has taken nothing");
        let mut last = 105;
        for _ in 0..4 {
            // Of a hundred bytes and their header.
            link.widen(26);
            assert_eq!(ws.buffered_amount(), last, "not before the loop has turned");
            assert!(poll_times(ws.next_event(), 1).is_none());
            assert!(ws.buffered_amount() < last);
            last = ws.buffered_amount();
        }
        assert_eq!(last, 7, "two bytes of the one, and the other");
        link.widen(2);
        assert!(poll_times(ws.next_event(), 1).is_none());
        assert_eq!(ws.buffered_amount(), 5);
        ws.send_text("678").unwrap();
        assert_eq!(ws.buffered_amount(), 8, "in one task it only grows");
        link.widen(1000);
        assert!(poll_times(ws.next_event(), 1).is_none());
        assert_eq!(ws.buffered_amount(), 0);
    });
}

#[test]
fn n9_buffered_amount_stays_when_the_connection_is_over() {
    run(|| async {
        let (mut ws, peer) = open_with(&plain(), 1000).await;
        ws.send_binary(&bytes_of(10_000)).unwrap();
        assert!(poll_times(ws.next_event(), 2).is_none());
        let left = ws.buffered_amount();
        assert!((8000..10_000).contains(&left), "{left}");
        drop(peer);
        assert_failure(&rest(&mut ws).await);
        assert_eq!(ws.buffered_amount(), left);
        ws.send_text("more").unwrap();
        assert!(!ws.ready().await);
        ws.flushed().await;
        assert_eq!(ws.buffered_amount(), left + 4);
    });
}

#[test]
fn flushed_waits_until_the_network_has_taken_all() {
    run(|| async {
        let (mut ws, mut peer) = open_with(&plain(), 1000).await;
        poll_times(ws.flushed(), 1).expect("there is nothing to wait for");
        let data = bytes_of(10_000);
        ws.send_binary(&data).unwrap();
        assert!(tokio::time::timeout(SECOND, ws.flushed()).await.is_err());
        // It reads one piece meanwhile, and keeps the event.
        peer.send([text("a")]).await;
        let ((), ()) = tokio::join!(ws.flushed(), peer.expect([binary(&data)]));
        assert_eq!(ws.buffered_amount(), 0);
        assert_eq!(told(&ws.next_event().await.unwrap()), "text a");
    });
}

#[test]
fn flushed_waits_for_streams_with_buffers_of_their_own() {
    run(|| async {
        let link = Link::new("");
        let mut ws = open_on(&link, &plain(), Vec::new());
        let flushes = link.net().calls[Call::Flush as usize];
        link.net().fault = Some((Call::Flush, flushes, Fault::Stall));
        ws.send_text("a").unwrap();
        assert!(poll_times(ws.flushed(), 3).is_none());
        assert_eq!(link.frames(Role::Client), decoded([text("a")]), "but it is still in there");
        link.net().fault = None;
        assert!(poll_times(ws.flushed(), 3).is_some());
    });
}

#[test]
fn flushed_ends_when_nothing_can_be_sent_any_more() {
    run(|| async {
        // The connection ends.
        let (mut ws, mut peer) = open_with(&plain(), 1000).await;
        ws.send_binary(&bytes_of(10_000)).unwrap();
        peer.half_close().await;
        ws.flushed().await;
        drop(peer);
        assert_failure(&rest(&mut ws).await);
        // Only our direction does, and the peer keeps silent, or talks.
        for says in ["", "a"] {
            let link = Link::new("");
            let mut ws = open_on(&link, &plain(), Vec::new());
            let writes = link.net().calls[Call::Write as usize];
            link.net().fault = Some((Call::Write, writes, Fault::Reset));
            link.say(&text(says).unmasked());
            ws.send_text("b").unwrap();
            assert!(poll_times(ws.flushed(), 3).is_some());
        }
    });
}

#[test]
fn what_the_peer_said_can_still_be_read_when_it_takes_nothing_any_more() {
    run(|| async {
        let link = Link::new("");
        let mut ws = open_on(&link, &plain(), Vec::new());
        let writes = link.net().calls[Call::Write as usize];
        link.net().fault = Some((Call::Write, writes, Fault::Reset));
        ws.send_text("not taken").unwrap();
        assert!(poll_times(ws.next_event(), 3).is_none(), "it may have said something");
        link.say(&[text("a").unmasked(), close(1001, "restart").unmasked()].concat());
        link.end();
        let came = poll_to_end(rest(&mut ws));
        assert_eq!(came[0], "text a");
        assert!(came.last().unwrap().starts_with("close 1001 \"restart\""), "{came:?}");
        assert_eq!(ws.buffered_amount(), 9);
    });
}

#[test]
fn nothing_follows_what_the_network_did_not_take() {
    run(|| async {
        let link = Link::new("");
        let mut ws = open_on(&link, &plain(), Vec::new());
        let writes = link.net().calls[Call::Write as usize];
        link.net().fault = Some((Call::Write, writes, Fault::ResetOnce));
        for _ in 0..3 {
            ws.send_text("a").unwrap();
            assert!(poll_times(ws.next_event(), 3).is_none());
        }
        ws.close(None, None).unwrap();
        link.say(&empty_close().unmasked());
        link.end();
        poll_to_end(rest(&mut ws));
        assert_eq!(link.net().written, b"", "half of a frame may be missing");
        assert_eq!(ws.buffered_amount(), 3);
    });
}

#[test]
fn what_handlers_send_goes_out_though_events_come_all_the_time() {
    run(|| async {
        let (mut ws, mut peer) = open(&plain()).await;
        ws.on_message(|ws, event| ws.send_text(event.data.as_text().unwrap()).unwrap());
        peer.send((0..100).map(|n| text(&n.to_string()))).await;
        let ours = async {
            for _ in 0..100 {
                ws.next_event().await.unwrap();
            }
            ws.flushed().await;
        };
        tokio::join!(ours, peer.expect((0..100).map(|n| text(&n.to_string()))));
    });
}

// ---- deadlines ---------------------------------------------------------------------

#[test]
fn h12_a_silent_server_has_the_time_for_the_handshake_and_no_more() {
    run(|| async {
        for reply in ["", "HTTP/1.1 101 Swit", "HTTP/1.1 403 No\r\nContent-Length: 9\r\n"] {
            let (mut ws, mut peer) = connecting(&page(|c| c.handshake_timeout = Some(7 * SECOND)));
            peer.send_bytes(reply).await;
            let (came, took) = timed(rest(&mut ws)).await;
            assert_failure(&came);
            assert_took(took, 7 * SECOND);
            assert!(matches!(ws.diagnostic(), Some(Diagnostic::Response(_))), "{ws:?}");
        }
    });
}

#[test]
fn h12_a_server_that_takes_no_request_has_no_more_time() {
    run(|| async {
        let options = page(|c| {
            c.handshake_timeout = Some(7 * SECOND);
            (c.ping_interval, c.pong_timeout) = (Some(50 * SECOND), 50 * SECOND);
        });
        let (mut ws, _peer) = connecting_with(&options, 10);
        let (came, took) = timed(rest(&mut ws)).await;
        assert_failure(&came);
        assert_took(took, 7 * SECOND);
    });
}

#[test]
fn h12_a_failure_is_told_at_once_whether_the_server_hangs_up_or_not() {
    run(|| async {
        let replies = [
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\nSec-WebSocket-Accept: no\r\n\r\n",
            "SSH-2.0-OpenSSH_9.6\r\n\r\n",
        ];
        for reply in replies {
            let (mut ws, mut peer) = connecting(&plain());
            peer.send_bytes(reply).await;
            let (came, took) = timed(rest(&mut ws)).await;
            assert_failure(&came);
            assert_eq!(took, Duration::ZERO);
            // And the stream is gone.
            peer.head().await;
            peer.expect_eof().await;
        }
    });
}

#[test]
fn h12_a_reset_is_told_as_such_to_those_who_may_know() {
    run(|| async {
        let link = Link::new("");
        link.net().fault = Some((Call::Read, 0, Fault::Reset));
        let mut ws = WebSocket::carry(socket(&plain()), link.clone());
        assert_failure(&poll_to_end(rest(&mut ws)));
        assert!(matches!(ws.diagnostic(), Some(Diagnostic::Connect(_))), "{ws:?}");
    });
}

#[test]
fn x10_a_peer_that_talks_on_about_other_things_is_not_listened_to_for_ever() {
    run(|| async {
        let link = Link::new("");
        let mut ws = open_on(&link, &page(|c| c.close_timeout = Some(7 * SECOND)), Vec::new());
        link.net().sizes = vec![100];
        ws.close(None, None).unwrap();
        assert!(poll_times(ws.next_event(), 3).is_none());
        (0..2000).for_each(|_| link.say(&ping([0; 98]).unmasked()));
        let before = link.net().read;
        tokio::time::advance(8 * SECOND).await;
        // In time, as far as can be known; but not all of it.
        assert!(poll_times(ws.ready(), 1).is_none());
        assert!(ws.diagnostic().is_some(), "given up");
        let read = link.net().read - before;
        assert!((500..10_000).contains(&read), "{read}");
        assert_failure(&rest(&mut ws).await);
    });
}

#[test]
fn a_connection_that_fails_gives_the_peer_a_second_to_hear_of_it() {
    run(|| async {
        let (mut ws, mut peer) = open(&plain()).await;
        peer.send_bytes([0x83, 0]).await;
        let (came, took) = timed(rest(&mut ws)).await;
        assert_failure(&came);
        assert_took(took, SECOND);
        // Also one that takes nothing.
        let (mut ws, mut peer) = open_with(&plain(), 100).await;
        ws.send_binary(&bytes_of(1000)).unwrap();
        peer.send_bytes([0x83, 0]).await;
        let (came, took) = timed(rest(&mut ws)).await;
        assert_failure(&came);
        assert_took(took, SECOND);
        // Or goes on talking.
        let (mut ws, mut peer) = open_with(&plain(), 100).await;
        peer.send_bytes([0x83, 0]).await;
        let talking = tokio::spawn(async move {
            while peer.stream.write_all(&[0x89, 0].repeat(40)).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        let (came, took) = timed(rest(&mut ws)).await;
        assert_failure(&came);
        assert_took(took, SECOND);
        talking.abort();
    });
}

#[test]
fn x10_a_peer_that_takes_nothing_is_given_up_as_well() {
    run(|| async {
        let options = page(|c| {
            c.close_timeout = Some(7 * SECOND);
            // That is for those who may yet answer.
            (c.ping_interval, c.pong_timeout) = (Some(50 * SECOND), 50 * SECOND);
        });
        let (mut ws, _peer) = open(&options).await;
        ws.send_binary(&bytes_of(1 << 20)).unwrap();
        ws.close(None, None).unwrap();
        let (came, took) = timed(rest(&mut ws)).await;
        assert_failure(&came);
        assert_took(took, 8 * SECOND);
        assert!(ws.buffered_amount() > 0);
    });
}

#[test]
fn pings_keep_a_peer_that_answers_and_find_one_that_does_not() {
    run(|| async {
        let options = page(|c| {
            c.ping_interval = Some(10 * SECOND);
            c.pong_timeout = 5 * SECOND;
        });
        let (mut ws, mut peer) = open(&options).await;
        let server = async {
            for _ in 0..3 {
                let (first, payload) = peer.frame().await;
                assert_eq!(first, 0x89);
                peer.send([pong(payload)]).await;
            }
            let (last, _) = peer.frame().await;
            assert_eq!(last, 0x89);
            let _ = peer.frames_to_the_end().await;
        };
        let ((came, took), ()) = tokio::join!(timed(rest(&mut ws)), server);
        assert_failure(&came);
        assert_took(took, 46 * SECOND);
    });
}

#[test]
fn a_peer_that_reads_slowly_cannot_answer_what_is_queued_behind() {
    run(|| async {
        let options = page(|c| {
            c.ping_interval = Some(2 * SECOND);
            c.pong_timeout = 3 * SECOND;
        });
        let link = Link::new("");
        let mut ws = open_on(&link, &options, Vec::new());
        link.net().window = Some(0);
        ws.send_binary(&bytes_of(100_000)).unwrap();
        let slow = link.clone();
        tokio::spawn(async move {
            for _ in 0..20 {
                tokio::time::sleep(2 * SECOND).await;
                slow.widen(4000);
            }
        });
        // It lives as long as it takes something, and that patience longer.
        let (came, took) = timed(rest(&mut ws)).await;
        assert_failure(&came);
        assert!((43 * SECOND..48 * SECOND).contains(&took), "{took:?}");
    });
}

#[test]
fn carry_on_takes_the_clock_of_another_runtime() {
    /// Its time passes when somebody waits for it.
    #[derive(Debug)]
    struct Hasty(std::sync::atomic::AtomicU64);
    impl Timer for Hasty {
        fn now(&self) -> Duration {
            Duration::from_millis(self.0.load(std::sync::atomic::Ordering::SeqCst))
        }
        fn sleep(&self, duration: Duration) -> Sleep {
            let millis = u64::try_from(duration.as_millis()).unwrap();
            self.0.fetch_add(millis, std::sync::atomic::Ordering::SeqCst);
            Box::pin(std::future::ready(()))
        }
    }
    static HASTY: Hasty = Hasty(std::sync::atomic::AtomicU64::new(0));
    // No runtime of tokio's is there.
    let options = page(|c| c.handshake_timeout = Some(7 * SECOND));
    let mut ws = WebSocket::carry_on(&HASTY, socket(&options), Link::new(""));
    assert_failure(&poll_to_end(rest(&mut ws)));
    assert_eq!(HASTY.now(), 7 * SECOND);
    assert_eq!(ws.ready_state(), ReadyState::Closed);
}
