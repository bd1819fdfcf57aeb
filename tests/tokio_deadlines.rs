//! The tokio adapter and the clock, which is virtual: each deadline to the
//! moment, and none held against a peer that is late because of us.

#![cfg(all(feature = "tokio", feature = "url"))]

mod common;
mod sockets;
mod tokio_common;

use std::sync::Arc;
use std::time::Duration;

use common::*;
use sockeye::handshake::{Accept, RequestError, ResponseError};
use sockeye::net::Endpoint;
use sockeye::tokio::{Error, WebSocket, accept_with, handshake};
use sockeye::{Cause, Config, Message, SendError, Side, Timeout};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{sleep, timeout};
use tokio_common::*;

// ---- the opening handshake -------------------------------------------------------

fn in_ten_seconds() -> Arc<Config> {
    config(|c| c.handshake_timeout = Some(10 * SECOND))
}

async fn accept(stream: DuplexStream) -> Result<Option<WebSocket<DuplexStream>>, Error> {
    accept_with(stream, in_ten_seconds(), |_| Accept::new().into()).await
}

async fn shake(stream: DuplexStream) -> Result<WebSocket<DuplexStream>, Error> {
    let config = in_ten_seconds();
    handshake(Endpoint::new("localhost", 80, "/").config(config), stream).await
}

#[test]
fn rule_28_a_request_that_does_not_come_in_time_is_answered_408() {
    run(|| async {
        let whole = request("");
        for len in [0, 1, whole.len() - 1] {
            let (ours, theirs) = duplex(1000);
            let mut peer = Peer::new(Role::Client, theirs);
            peer.send_bytes(&whole[..len]).await;
            let told = async {
                let head = peer.head().await;
                assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
                drop(peer);
            };
            let ((outcome, ()), took) = timed(async { tokio::join!(accept(ours), told) }).await;
            assert_shape!(outcome, Err(Error::Request(RequestError::Timeout)));
            assert_took(took, 10 * SECOND);
        }
    });
}

#[test]
fn rule_28_a_request_that_drips_is_answered_408_at_its_deadline() {
    run(|| async {
        let (ours, theirs) = duplex(1000);
        let mut peer = Peer::new(Role::Client, theirs);
        let dripping = async {
            for byte in request(&format!("X: {}\r\n", "x".repeat(99))).bytes() {
                peer.send_bytes([byte]).await;
                match timeout(Duration::from_millis(300), peer.stream.read_u8()).await {
                    Ok(first) => {
                        assert_eq!(first.unwrap(), b'H');
                        assert!(peer.head().await.starts_with("TTP/1.1 408 "));
                        drop(peer);
                        return;
                    }
                    Err(_) => continue,
                }
            }
            panic!("no answer");
        };
        let ((outcome, ()), took) = timed(async { tokio::join!(accept(ours), dripping) }).await;
        assert_shape!(outcome, Err(Error::Request(RequestError::Timeout)));
        assert!(took < 11 * SECOND, "{took:?}");
    });
}

#[test]
fn a_client_that_is_refused_has_five_seconds_to_read_why() {
    run(|| async {
        let (ours, mut theirs) = duplex(1000);
        theirs.write_all(b"POST / HTTP/1.1\r\n\r\n").await.unwrap();
        let (outcome, took) = timed(accept(ours)).await;
        assert_shape!(outcome, Err(Error::Request(_)));
        assert_took(took, 5 * SECOND);
        let mut answer = String::new();
        theirs.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    });
}

#[test]
fn a_reply_that_the_client_does_not_take_is_given_up() {
    run(|| async {
        let (ours, theirs) = duplex(10);
        let (mut from, mut to) = tokio::io::split(theirs);
        let asking = async { to.write_all(request("").as_bytes()).await };
        let ((outcome, asked), took) = timed(async { tokio::join!(accept(ours), asking) }).await;
        assert_shape!(outcome, Err(Error::Request(RequestError::Timeout)));
        asked.unwrap();
        assert_took(took, 10 * SECOND);
        assert_eq!(from.read(&mut [0; 99]).await.unwrap(), 10);
    });
}

#[test]
fn rule_11_a_reply_that_does_not_come_in_time_is_given_up() {
    run(|| async {
        let (ours, theirs) = duplex(1000);
        let (outcome, took) = timed(shake(ours)).await;
        assert_shape!(outcome, Err(Error::Response(ResponseError::Timeout)));
        assert_took(took, 10 * SECOND);
        drop(theirs);

        // In part, and dripping.
        for drip in [false, true] {
            let (ours, theirs) = duplex(1000);
            let mut peer = Peer::new(Role::Server, theirs);
            tokio::spawn(async move {
                peer.head().await;
                peer.send_bytes("HTTP/1.1 101 Switching Protocols\r\nX: ").await;
                while !drip || peer.stream.write_all(b"x").await.is_ok() {
                    sleep(SECOND).await;
                }
            });
            let (outcome, took) = timed(shake(ours)).await;
            assert_shape!(outcome, Err(Error::Response(ResponseError::Timeout)));
            assert!(took >= 10 * SECOND && took <= 11 * SECOND, "{took:?}");
        }
    });
}

#[test]
fn a_request_that_the_server_does_not_take_is_given_up() {
    run(|| async {
        let (ours, _theirs) = duplex(10);
        let (outcome, took) = timed(shake(ours)).await;
        assert_shape!(outcome, Err(Error::Response(ResponseError::Timeout)));
        assert_took(took, 10 * SECOND);
    });
}

// ---- keep-alive ------------------------------------------------------------------

/// A Ping after 20 seconds, which has to be answered in 5.
fn keep_alive() -> Arc<Config> {
    config(|c| {
        c.ping_interval = Some(20 * SECOND);
        c.pong_timeout = 5 * SECOND;
    })
}

#[test]
fn s5_5_2_a_peer_that_answers_no_ping_is_given_up_with_1011() {
    run_each_role(|role| async move {
        for is_split in [false, true] {
            let (mut ws, mut peer) = open(role, &keep_alive());
            let reading = tokio::spawn(async move {
                if is_split {
                    let (mut reader, sender) = ws.split();
                    let outcome = timed(reader.read()).await;
                    assert_shape!(sender.send("x").await, Err(Error::Send(SendError::Closed)));
                    (outcome, reader.closed())
                } else {
                    (timed(ws.read()).await, ws.closed())
                }
            });
            let ((first, _), after) = timed(peer.frame()).await;
            assert_eq!(first, 0x80 | PING);
            assert_took(after, 20 * SECOND);
            let (_, after) = timed(peer.expect([close(1011, "no answer to a Ping")])).await;
            assert_took(after, 5 * SECOND);
            peer.expect_eof().await;
            drop(peer);
            let ((outcome, took), closed) = reading.await.unwrap();
            assert_shape!(outcome, Err(Error::Timeout(Timeout::Pong)));
            assert_took(took, 25 * SECOND);
            let closed = closed.unwrap();
            assert_eq!((closed.cause(), closed.by()), (Cause::Timeout(Timeout::Pong), Side::Local));
        }
    });
}

#[test]
fn s5_5_2_a_peer_that_answers_pings_is_kept_and_its_round_trip_is_told() {
    run_each_role(|role| async move {
        for is_split in [false, true] {
            let (mut ws, mut peer) = open(role, &keep_alive());
            let reading = tokio::spawn(async move {
                if is_split {
                    let (mut reader, _sender) = ws.split();
                    (reader.read().await, reader.ask(|ws| ws.round_trip_time()))
                } else {
                    (ws.read().await, ws.connection().round_trip_time())
                }
            });
            for _ in 0..100 {
                let ((first, payload), after) = timed(peer.frame()).await;
                assert_eq!(first, 0x80 | PING);
                assert_took(after, 20 * SECOND);
                sleep(4 * SECOND).await;
                peer.send([pong(payload)]).await;
            }
            peer.send([text("here")]).await;
            let (message, round_trip) = reading.await.unwrap();
            assert_eq!(message.unwrap(), Some(Message::from("here")));
            assert_took(round_trip.unwrap(), 4 * SECOND);
        }
    });
}

#[test]
fn s5_5_2_a_pong_that_came_while_the_application_was_busy_came_in_time() {
    run_each_role(|role| async move {
        for is_split in [false, true] {
            let (mut ws, mut peer) = open(role, &keep_alive());
            // Busy for far longer than anything may take, with each message.
            let ours = tokio::spawn(async move {
                let mut read = Vec::new();
                if is_split {
                    let (mut reader, _sender) = ws.split();
                    while let Some(message) = reader.read().await.unwrap() {
                        read.push(message);
                        sleep(DAY / 100).await;
                    }
                } else {
                    while let Some(message) = ws.read().await.unwrap() {
                        read.push(message);
                        sleep(DAY / 100).await;
                    }
                }
                read
            });
            let (first, payload) = peer.frame().await;
            assert_eq!(first, 0x80 | PING);
            // In one read, and in several.
            peer.send([text("a"), text("b"), pong(payload), text("c")]).await;
            let (first, payload) = loop {
                let frame = peer.frame().await;
                if frame.0 == 0x80 | PING {
                    break frame;
                }
            };
            assert_eq!(first, 0x80 | PING);
            peer.send([pong(payload), text("d"), close(1000, "")]).await;
            peer.expect([close(1000, "")]).await;
            peer.finish().await;
            assert_eq!(ours.await.unwrap(), ["a", "b", "c", "d"].map(Message::from));
        }
    });
}

#[test]
fn s5_5_2_a_pong_that_lies_unread_came_in_time() {
    run_each_role(|role| async move {
        for is_split in [false, true] {
            let (mut ws, mut peer) = open(role, &keep_alive());
            let ours = tokio::spawn(async move {
                if is_split {
                    let (mut reader, _sender) = ws.split();
                    let first = reader.read().await;
                    sleep(DAY / 100).await;
                    [first, reader.read().await]
                } else {
                    let first = ws.read().await;
                    sleep(DAY / 100).await;
                    [first, ws.read().await]
                }
            });
            let (_, payload) = peer.frame().await;
            peer.send([text("a")]).await;
            settle().await;
            // Nobody reads now, and the time of the Pong runs out.
            peer.send([pong(payload), text("b")]).await;
            let read = ours.await.unwrap().map(Result::unwrap);
            assert_eq!(read, ["a", "b"].map(|m| Some(Message::from(m))));
        }
    });
}

#[test]
fn s5_4_what_falls_due_goes_behind_the_payload_that_is_on_its_way() {
    run_each_role(|role| async move {
        for is_split in [false, true] {
            let link = Link::new("");
            link.net().window = Some(2);
            let mut ws = end_on(role, link.clone(), &keep_alive());
            let sending = tokio::spawn(async move {
                // Borrowed: a server writes it from where it is.
                let data = [7; 5000];
                if is_split {
                    let (_reader, sender) = ws.split();
                    sender.send(&data[..]).await
                } else {
                    ws.send(&data[..]).await
                }
            });
            // Within the header, until a Ping is due.
            sleep(22 * SECOND).await;
            assert!(!sending.is_finished());
            link.widen(10_000);
            sending.await.unwrap().unwrap();
            let frames = link.frames(role);
            assert_same_frames(&frames[..1], &decoded([binary([7; 5000])]));
            assert_eq!(frames.iter().map(|f| f.0).collect::<Vec<_>>(), [0x82, 0x80 | PING]);
        }
    });
}

#[test]
fn a_peer_that_takes_our_output_slowly_is_not_judged() {
    run_each_role(|role| async move {
        for is_split in [false, true] {
            let (mut ws, mut peer) = open_with(role, &keep_alive(), 100);
            let sending = tokio::spawn(async move {
                if is_split {
                    let (mut reader, sender) = ws.split();
                    let reading = tokio::spawn(async move { reader.read().await });
                    sender.send(vec![7; 20_000]).await.unwrap();
                    reading.await.unwrap()
                } else {
                    ws.send(vec![7; 20_000]).await.unwrap();
                    ws.read().await
                }
            });
            // 800 seconds: it cannot see our Pings before their time is up.
            let mut bytes = Vec::new();
            while bytes.len() < 20_000 {
                sleep(4 * SECOND).await;
                let mut piece = vec![0; 100];
                let len = peer.stream.read(&mut piece).await.unwrap();
                bytes.extend_from_slice(&piece[..len]);
            }
            assert!(!sending.is_finished());
            peer.send([text("alive")]).await;
            assert_eq!(sending.await.unwrap().unwrap(), Some(Message::from("alive")));
        }
    });
}

#[test]
fn a_peer_that_takes_nothing_is_given_up_while_we_send() {
    run_each_role(|role| async move {
        let (mut ws, peer) = open_with(role, &keep_alive(), 100);
        let (outcome, took) = timed(ws.send(vec![0; 5000])).await;
        assert_shape!(outcome, Err(Error::Timeout(Timeout::Pong)));
        assert_took(took, 25 * SECOND);
        assert_shape!(ws.send("more").await, Err(Error::Send(SendError::Closed)));
        drop(peer);

        // So is one that floods us, and with both halves.
        let (ws, mut peer) = open_with(role, &keep_alive(), 100);
        let (mut reader, sender) = ws.split();
        let reading = tokio::spawn(async move { reader.read().await });
        let pings = peer.encode((0..1000).map(|_| ping([0; 125])));
        let flooding = tokio::spawn(async move {
            while timeout(100 * SECOND, peer.stream.write_all(&pings))
                .await
                .is_ok_and(|r| r.is_ok())
            {}
            peer
        });
        let (outcome, took) = timed(sender.send(vec![0; 5000])).await;
        assert_shape!(outcome, Err(_));
        assert!(took <= 60 * SECOND, "{took:?}");
        assert_shape!(reading.await.unwrap(), Err(Error::Timeout(Timeout::Pong)));
        drop((flooding, sender));
    });
}

// ---- idle ------------------------------------------------------------------------

#[test]
fn an_idle_connection_is_closed_with_1001() {
    run_each_role(|role| async move {
        for answers in [true, false] {
            let config = config(|c| {
                c.idle_timeout = Some(30 * SECOND);
                c.close_timeout = Some(5 * SECOND);
            });
            let (mut ws, mut peer) = open(role, &config);
            let reading = tokio::spawn(async move { (timed(ws.read()).await, ws.closed()) });
            // No data: they do not count.
            for _ in 0..2 {
                sleep(10 * SECOND).await;
                peer.send([ping("")]).await;
                peer.expect([pong("")]).await;
            }
            let (_, after) = timed(peer.expect([close(1001, "idle for too long")])).await;
            assert_took(after, 10 * SECOND);
            if answers {
                peer.send([close(1001, "")]).await;
                peer.finish().await;
            } else {
                peer.expect_eof().await;
                drop(peer);
            }
            let ((outcome, took), closed) = reading.await.unwrap();
            let closed = closed.unwrap();
            assert_eq!(closed.cause(), Cause::Timeout(Timeout::Idle));
            assert_eq!((closed.is_clean(), closed.by()), (answers, Side::Local));
            if answers {
                assert_shape!(outcome, Ok(None));
                assert_took(took, 30 * SECOND);
            } else {
                assert_shape!(outcome, Err(Error::Timeout(Timeout::Idle)));
                assert_took(took, 35 * SECOND);
            }
        }
    });
}

#[test]
fn data_in_either_direction_keeps_a_connection_from_being_idle() {
    run_each_role(|role| async move {
        let config = config(|c| c.idle_timeout = Some(30 * SECOND));
        let (ws, mut peer) = open(role, &config);
        let (mut reader, sender) = ws.split();
        let reading = tokio::spawn(async move {
            while let Some(message) = reader.read().await? {
                assert_eq!(message, Message::from("theirs"));
            }
            Ok::<_, Error>(())
        });
        for n in 0..10 {
            sleep(25 * SECOND).await;
            match n % 3 {
                0 => peer.send([text("theirs")]).await,
                1 => {
                    sender.send("ours").await.unwrap();
                    peer.expect([text("ours")]).await;
                }
                _ => {
                    sender.queue("ours").unwrap();
                    peer.expect([text("ours")]).await;
                }
            }
        }
        let (_, after) = timed(peer.expect([close(1001, "idle for too long")])).await;
        assert_took(after, 30 * SECOND);
        peer.send([close(1001, "")]).await;
        peer.finish().await;
        reading.await.unwrap().unwrap();
    });
}
