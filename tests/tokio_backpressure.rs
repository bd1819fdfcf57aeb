//! The tokio adapter and a peer that does not take what we send: what is
//! queued is bounded, and so is what is read from the peer.

#![cfg(all(feature = "tokio", feature = "url"))]

mod common;
mod sockets;
mod tokio_common;

use std::iter;
use std::sync::Arc;
use std::time::Duration;

use common::*;
use sockeye::tokio::{Error, QueueError};
use sockeye::{Config, Message, PreparedMessage, SendError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_common::*;

fn limit(len: usize) -> Arc<Config> {
    config(|c| c.max_queued_len = len)
}

/// A stream that takes nothing yet.
fn stuck() -> Link {
    let link = Link::new("");
    link.net().window = Some(0);
    link
}

// ---- queueing --------------------------------------------------------------------

#[test]
fn a_message_that_finds_no_room_comes_back() {
    run_each_role(|role| async move {
        let mut ws = end_on(role, stuck(), &limit(10));
        ws.queue("the message that passes the limit is queued whole").unwrap();
        let queued_len = ws.queued_len();
        for message in messages_of(100) {
            let error = ws.queue(&message).unwrap_err();
            assert_eq!(error, QueueError::Full((&message).into()));
            assert_eq!(error.into_message(), message);
            let error = ws.queue(&message).unwrap_err();
            assert_shape!(Error::from(error), Error::QueueFull);
        }
        assert_eq!(ws.queued_len(), queued_len);

        let (_reader, sender) = ws.split();
        assert_eq!(sender.queue("x"), Err(QueueError::Full("x".into())));
        assert_eq!(sender.queued_len(), queued_len);
    });
}

#[test]
fn the_limit_itself_is_room() {
    run(|| async {
        let frame_len = text("12345678").unmasked().len();
        for (max, fits) in [(frame_len, true), (frame_len - 1, false)] {
            let mut ws = server_on(stuck(), &limit(max));
            ws.queue("12345678").unwrap();
            assert_eq!(ws.queue("x").is_ok(), fits);
            let (_reader, sender) = {
                let mut ws = server_on(stuck(), &limit(max));
                ws.queue("12345678").unwrap();
                assert_eq!(poll_times(ws.room(), 3).is_some(), fits);
                ws.split()
            };
            assert_eq!(poll_times(sender.room(), 3).is_some(), fits);
            assert_eq!(sender.queue("x").is_ok(), fits);
        }
    });
}

#[test]
fn a_prepared_message_that_finds_no_room_is_refused() {
    run(|| async {
        let message = PreparedMessage::text("prepared");
        let link = stuck();
        let mut ws = server_on(link.clone(), &limit(5));
        ws.queue_prepared(&message).unwrap();
        assert_shape!(ws.queue_prepared(&message), Err(Error::QueueFull));
        let (_reader, sender) = ws.split();
        assert_shape!(sender.queue_prepared(&message), Err(Error::QueueFull));
        link.widen(1000);
        sender.room().await.unwrap();
        sender.queue_prepared(&message).unwrap();
        sender.flush().await.unwrap();
        assert_same_frames(&link.frames(Role::Server), &decoded(["prepared"; 2].map(text)));
    });
}

#[test]
fn s5_5_1_a_message_that_the_engine_refuses_comes_back_too() {
    run_each_role(|role| async move {
        let mut ws = end_on(role, Link::new(""), &defaults());
        ws.start_close(code(1000), "").await.unwrap();
        let refused = QueueError::Send(SendError::Closed, "late".into());
        assert_eq!(ws.queue("late"), Err(refused));
        let (_reader, sender) = ws.split();
        assert_eq!(sender.queue("late").unwrap_err().into_message(), "late".into());
    });
}

// ---- waiting for room ------------------------------------------------------------

#[test]
fn room_is_waited_for_and_no_longer_than_need_be() {
    run_each_role(|role| async move {
        let link = stuck();
        let mut ws = end_on(role, link.clone(), &limit(1000));
        ws.queue(vec![0; 5000]).unwrap();
        let over = ws.queued_len() - 1000;
        let waiting = tokio::spawn(async move { ws.room().await.map(|()| ws) });
        for less in [over - 1, 1] {
            settle().await;
            assert!(!waiting.is_finished());
            link.widen(less);
        }
        let (ws, took) = timed(waiting).await;
        assert_eq!(took, Duration::ZERO);
        let mut ws = ws.unwrap().unwrap();
        assert_eq!(ws.queued_len(), 1000);
        ws.queue("fits").unwrap();
    });
}

#[test]
fn split_all_senders_that_wait_for_room_are_woken() {
    run_each_role(|role| async move {
        let link = stuck();
        let (_reader, sender) = end_on(role, link.clone(), &limit(1000)).split();
        sender.queue(vec![0; 5000]).unwrap();
        let tasks = [0, 1, 2].map(|n| {
            let sender = sender.clone();
            tokio::spawn(async move {
                match n {
                    0 => sender.room().await,
                    1 => sender.send("short").await,
                    _ => sender.send(vec![1; 5000]).await,
                }
            })
        });
        settle().await;
        assert!(tasks.iter().all(|task| !task.is_finished()));
        link.widen(20_000);
        for task in tasks {
            let (outcome, took) = timed(task).await;
            outcome.unwrap().unwrap();
            assert_eq!(took, Duration::ZERO);
        }
        let mut frames = link.frames(role);
        frames.sort();
        let expected = [text("short"), binary([0; 5000]), binary([1; 5000])];
        assert_same_frames(&frames, &decoded(expected));
    });
}

#[test]
fn senders_that_wait_do_not_make_the_queue_grow() {
    run_each_role(|role| async move {
        let (_reader, sender) = end_on(role, stuck(), &limit(1000)).split();
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                let sender = sender.clone();
                tokio::spawn(async move { sender.send(vec![0; 500]).await })
            })
            .collect();
        settle().await;
        assert!(sender.queued_len() < 2000, "{} bytes", sender.queued_len());
        assert!(tasks.iter().all(|task| !task.is_finished()));
    });
}

#[test]
fn flush_waits_for_what_was_queued_before_it_and_not_for_more() {
    run(|| async {
        let link = stuck();
        let (_reader, sender) = server_on(link.clone(), &defaults()).split();
        sender.queue("before").unwrap();
        let flushing = tokio::spawn({
            let sender = sender.clone();
            async move { sender.flush().await }
        });
        settle().await;
        sender.queue("behind").unwrap();
        link.widen(text("before").unmasked().len() - 1);
        settle().await;
        assert!(!flushing.is_finished());
        link.widen(1);
        flushing.await.unwrap().unwrap();
        assert_eq!(sender.queued_len(), text("behind").unmasked().len());
    });
}

#[test]
fn a_long_queue_goes_out_piece_by_piece_as_it_was() {
    run_each_role(|role| async move {
        for is_split in [false, true] {
            let link = stuck();
            let mut ws = end_on(role, link.clone(), &defaults());
            let data = Random(1).bytes(300_000);
            ws.queue(data.as_slice()).unwrap();
            ws.queue("behind").unwrap();
            let flushing = tokio::spawn(async move {
                if is_split {
                    let (_reader, sender) = ws.split();
                    sender.flush().await
                } else {
                    ws.flush().await
                }
            });
            while !flushing.is_finished() {
                link.widen(10_000);
                settle().await;
            }
            flushing.await.unwrap().unwrap();
            assert_same_frames(&link.frames(role), &decoded([binary(data), text("behind")]));
        }
    });
}

// ---- floods ----------------------------------------------------------------------

const LIMIT: usize = 10_000;
/// Bytes on the way in each direction, at most.
const ON_THE_WAY: usize = 1000;
/// The most that one read may bring.
const ONE_READ: usize = 64 << 10;

/// Sends these frames over and over until they are not taken any more, and
/// gives how many bytes were.
async fn flood(peer: &mut Peer, frame: Frame) -> usize {
    let bytes = peer.encode([frame]);
    let mut sent = 0;
    loop {
        assert!(sent < 100 * LIMIT, "{sent} bytes were taken, and none of the answers");
        let rest = &bytes[sent % bytes.len()..];
        match timeout(SECOND, peer.stream.write(rest)).await {
            Ok(written) => sent += written.unwrap(),
            Err(_) => return sent,
        }
    }
}

/// After a flood: the peer reads, and all that it said is answered, up to a
/// last word.
async fn drain(peer: Peer, sent: usize, frame: Frame) -> Vec<(u8, Vec<u8>)> {
    let bytes = peer.encode([frame]);
    let rest = bytes[sent % bytes.len()..].to_vec();
    let last = peer.encode([text("last"), close(1000, "")]);
    let (mut from, mut to) = tokio::io::split(peer.stream);
    let writing = tokio::spawn(async move {
        to.write_all(&rest).await.unwrap();
        to.write_all(&last).await.unwrap();
        to.shutdown().await.unwrap();
    });
    let mut came = Vec::new();
    from.read_to_end(&mut came).await.unwrap();
    writing.await.unwrap();
    let is_masked = came[1] & 0x80 != 0;
    sent_frames(&came, is_masked)
}

#[test]
fn s5_5_2_pings_of_a_peer_that_never_reads_are_not_hoarded() {
    run_each_role(|role| async move {
        for is_split in [false, true] {
            let (mut ws, mut peer) = open_with(role, &limit(LIMIT), ON_THE_WAY);
            let reading: JoinHandle<_> = if is_split {
                let (mut reader, sender) = ws.split();
                tokio::spawn(async move {
                    let read = (reader.read().await, reader.read().await);
                    drop(sender);
                    read
                })
            } else {
                tokio::spawn(async move { (ws.read().await, ws.read().await) })
            };
            let sent = flood(&mut peer, ping([7; 125])).await;
            assert!(sent > LIMIT / 2);
            assert!(sent <= LIMIT + ONE_READ + 2 * ON_THE_WAY, "{sent} bytes were taken");
            // No wait changes that.
            assert_shape!(timeout(DAY / 10, peer.stream.write(b"x")).await, Err(_));

            let pings = sent.div_ceil(peer.encode([ping([7; 125])]).len());
            let answers = drain(peer, sent, ping([7; 125])).await;
            let pongs = iter::repeat_n(pong([7; 125]), pings);
            assert_same_frames(&answers, &decoded(pongs.chain([close(1000, "")])));
            let (last, end) = reading.await.unwrap();
            assert_eq!(last.unwrap(), Some(Message::from("last")));
            assert_shape!(end, Ok(None));
        }
    });
}

#[test]
fn messages_of_a_peer_that_never_reads_its_echo_are_not_hoarded() {
    run_each_role(|role| async move {
        let (mut ws, mut peer) = open_with(role, &limit(LIMIT), ON_THE_WAY);
        let echoing = tokio::spawn(async move {
            while let Some(message) = ws.read().await? {
                ws.room().await?;
                ws.queue(message)?;
            }
            Ok::<_, Error>(ws.closed())
        });
        let sent = flood(&mut peer, binary([7; 300])).await;
        assert!(sent > LIMIT / 2);
        assert!(sent <= LIMIT + ONE_READ + 2 * ON_THE_WAY, "{sent} bytes were taken");
        let count = sent.div_ceil(peer.encode([binary([7; 300])]).len());
        let answers = drain(peer, sent, binary([7; 300])).await;
        let echo = iter::repeat_n(binary([7; 300]), count);
        assert_same_frames(&answers, &decoded(echo.chain([text("last"), close(1000, "")])));
        assert!(echoing.await.unwrap().unwrap().unwrap().is_clean());
    });
}

#[test]
fn split_messages_of_a_peer_that_never_reads_their_answers_are_not_hoarded() {
    // Answered with `queue`, which does not wait; refused ones are dropped.
    run_each_role(|role| async move {
        let (ws, mut peer) = open_with(role, &limit(LIMIT), ON_THE_WAY);
        let (mut reader, sender) = ws.split();
        let for_reader = sender.clone();
        let reading = tokio::spawn(async move {
            let mut dropped = 0;
            while let Some(message) = reader.read().await? {
                if let Err(QueueError::Full(_)) = for_reader.queue(message) {
                    dropped += 1;
                }
                assert!(for_reader.queued_len() <= LIMIT + 400);
            }
            Ok::<usize, Error>(dropped)
        });
        flood_for(&mut peer, binary([7; 300]), 200).await;
        assert!(sender.queued_len() <= LIMIT + 400);
        drop(peer);
        assert_shape!(reading.await.unwrap(), Err(Error::Lost { .. } | Error::Io(_)));
    });
}

/// Sends so many frames, or as many of them as are taken.
async fn flood_for(peer: &mut Peer, frame: Frame, count: usize) {
    for _ in 0..count {
        let bytes = peer.encode([frame.clone()]);
        if timeout(SECOND, peer.stream.write_all(&bytes)).await.is_err() {
            return;
        }
    }
}

#[test]
fn what_a_peer_says_while_we_send_is_left_with_it() {
    run_each_role(|role| async move {
        let (mut ws, mut peer) = open_with(role, &defaults(), ON_THE_WAY);
        let sending = tokio::spawn(async move { ws.send(vec![7; 50_000]).await.map(|()| ws) });
        let sent = flood(&mut peer, ping("p")).await;
        assert!(sent <= ON_THE_WAY);
        peer.expect([binary([7; 50_000])]).await;
        assert_open(sending.await.unwrap().unwrap());
    });
}

fn assert_open(ws: sockeye::tokio::WebSocket<DuplexStream>) {
    assert!(ws.connection().is_open());
    assert_eq!(ws.queued_len(), 0);
}

// The answers to its Pings cannot be written: they are no reason to stop.
#[test]
fn what_a_peer_says_is_read_to_its_end_though_nothing_can_be_written() {
    run(|| async {
        let mut said = Vec::new();
        for _ in 0..20 {
            (0..100).for_each(|_| said.extend(ping("p".repeat(100)).masked()));
            said.extend(text("t").masked());
        }
        said.extend(close(1000, "").masked());
        let link = Link::new(said);
        link.net().sizes = vec![4096];
        link.net().fault = Some((Call::Write, 0, Fault::Reset));
        let mut ws = server_on(link, &config(|c| c.max_queued_len = 1000));
        let mut read = 0;
        while ws.read().await.unwrap().is_some() {
            read += 1;
        }
        assert_eq!(read, 20);
        assert!(ws.closed().unwrap().received().is_some());
    });
}
