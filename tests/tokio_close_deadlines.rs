//! The tokio adapter and the clock, which is virtual: how long closing may
//! take, and what no peer can put off.

#![cfg(all(feature = "tokio", feature = "url"))]

mod common;
mod sockets;
mod tokio_common;

use std::sync::Arc;
use std::time::Duration;

use common::*;
use sockeye::tokio::Error;
use sockeye::{Cause, Config, Message, ProtocolError, Timeout};
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;
use tokio_common::*;

fn close_in(timeout: Duration) -> Arc<Config> {
    config(|c| c.close_timeout = Some(timeout))
}

#[test]
fn a_peer_that_does_not_answer_our_close_is_given_up() {
    run_each_role(|role| async move {
        let (mut ws, mut peer) = open(role, &close_in(5 * SECOND));
        let (outcome, took) = timed(ws.close(code(1000), "")).await;
        assert_shape!(outcome, Err(Error::Timeout(Timeout::Close)));
        assert_took(took, 5 * SECOND);
        let closed = ws.closed().unwrap();
        assert_eq!(closed.cause(), Cause::Timeout(Timeout::Close));
        assert_eq!((closed.is_clean(), closed.code().get()), (false, 1006));
        peer.expect([close(1000, "")]).await;
        peer.expect_eof().await;
    });
}

#[test]
fn a_peer_that_takes_nothing_cannot_keep_us_from_closing() {
    run_each_role(|role| async move {
        let (mut ws, _peer) = open_with(role, &close_in(5 * SECOND), 10);
        ws.queue("more than the stream takes").unwrap();
        let (outcome, took) = timed(ws.close(code(1000), "")).await;
        assert_shape!(outcome, Err(Error::Timeout(Timeout::Close)));
        assert_took(took, 5 * SECOND);
    });
}

#[test]
fn a_peer_that_talks_on_has_no_more_time_to_answer_our_close() {
    run_each_role(|role| async move {
        let (mut ws, mut peer) = open(role, &close_in(5 * SECOND));
        let chatter = peer.encode([text("chatter")]);
        let talking = tokio::spawn(async move {
            while peer.stream.write_all(&chatter).await.is_ok() {
                sleep(Duration::from_millis(300)).await;
            }
        });
        let (outcome, took) = timed(ws.close(code(1000), "")).await;
        assert_shape!(outcome, Err(Error::Timeout(Timeout::Close)));
        assert!(took <= 6 * SECOND, "{took:?}");
        drop(ws);
        talking.await.unwrap();
    });
}

#[test]
fn s7_1_1_closing_takes_no_longer_than_its_one_deadline() {
    run_each_role(|role| async move {
        let (mut ws, mut peer) = open(role, &close_in(10 * SECOND));
        let closing = tokio::spawn(async move { timed(ws.close(code(1000), "")).await });
        peer.expect([close(1000, "")]).await;
        // Answers late, and then keeps the stream open.
        sleep(6 * SECOND).await;
        peer.send([close(1000, "")]).await;
        let (closed, took) = closing.await.unwrap();
        assert!(closed.unwrap().is_clean());
        assert_took(took, 10 * SECOND);
    });
}

#[test]
fn s7_1_1_a_close_that_came_while_the_application_was_busy_came_in_time() {
    run_each_role(|role| async move {
        let (mut ws, mut peer) = open(role, &close_in(5 * SECOND));
        ws.start_close(code(1000), "").await.unwrap();
        peer.expect([close(1000, "")]).await;
        peer.send([text("late"), close(1000, "")]).await;
        sleep(100 * SECOND).await;
        assert_eq!(ws.read().await.unwrap(), Some(Message::from("late")));
        assert_shape!(ws.read().await, Ok(None));
        assert_eq!(ws.closed().unwrap().cause(), Cause::ClosingHandshake);
    });
}

#[test]
fn s7_1_1_a_server_reads_on_until_its_client_has_ended_and_no_longer_than_that() {
    run(|| async {
        let (mut ws, mut peer) = open(Role::Server, &close_in(10 * SECOND));
        let reading = tokio::spawn(async move { (timed(ws.read()).await, ws.closed()) });
        peer.send([close(1000, "")]).await;
        peer.expect([close(1000, "")]).await;
        peer.expect_eof().await;
        for _ in 0..5 {
            // More than is on the way: it is read.
            peer.send_bytes(vec![0; 200_000]).await;
            sleep(SECOND).await;
        }
        assert!(!reading.is_finished());
        drop(peer);
        let ((outcome, took), closed) = reading.await.unwrap();
        assert_shape!(outcome, Ok(None));
        assert_took(took, 5 * SECOND);
        assert!(closed.unwrap().is_clean());
    });
}

#[test]
fn s7_1_1_a_peer_that_never_ends_the_stream_is_not_waited_for_for_ever() {
    run_each_role(|role| async move {
        // No deadline at all: a linger of five seconds, if we go first.
        for timeout in [Some(3 * SECOND), None] {
            let config = config(|c| c.close_timeout = timeout);
            for talks in [false, true] {
                let (mut ws, mut peer) = open(role, &config);
                let talking = tokio::spawn(async move {
                    peer.send([close(1000, "")]).await;
                    while peer.stream.write_all(&[0; 100]).await.is_ok() && talks {
                        sleep(SECOND / 3).await;
                    }
                    peer
                });
                let waits = async {
                    if role == Role::Client && timeout.is_none() {
                        // It waits for the server, which hangs up.
                        sleep(SECOND).await;
                        talking.abort();
                        drop(talking);
                    }
                };
                let ((outcome, ()), took) = timed(async { tokio::join!(ws.read(), waits) }).await;
                assert_shape!(outcome, Ok(None));
                let most = timeout.unwrap_or(5 * SECOND);
                assert!(took <= most + SECOND / 2, "{took:?}");
                assert!(ws.closed().unwrap().is_clean());
            }
        }
    });
}

#[test]
fn s7_1_7_a_failed_connection_lingers_until_its_peer_ends_or_its_deadline() {
    run_each_role(|role| async move {
        for ends in [true, false] {
            let (mut ws, mut peer) = open(role, &close_in(5 * SECOND));
            let reading = tokio::spawn(async move { timed(ws.read()).await });
            peer.send([text("x").rsv(1)]).await;
            peer.send_bytes(vec![0; 500_000]).await;
            peer.expect([close(1002, "")]).await;
            peer.expect_eof().await;
            if ends {
                peer.half_close().await;
            }
            let (outcome, took) = reading.await.unwrap();
            assert_shape!(outcome, Err(Error::Protocol(ProtocolError::ReservedBits)));
            assert_took(took, if ends { Duration::ZERO } else { 5 * SECOND });
        }
    });
}

#[test]
fn pings_put_off_no_idle_deadline() {
    run_each_role(|role| async move {
        for is_split in [true, false] {
            let config = config(|c| {
                c.idle_timeout = Some(10 * SECOND);
                c.close_timeout = Some(5 * SECOND);
            });
            let (mut ws, peer) = open(role, &config);
            let pings = peer.encode([ping("still there?")]);
            let (mut from, mut to) = tokio::io::split(peer.stream);
            let talking = tokio::spawn(async move {
                while to.write_all(&pings).await.is_ok() {
                    sleep(Duration::from_millis(70)).await;
                }
            });
            let sink =
                tokio::spawn(
                    async move { tokio::io::copy(&mut from, &mut tokio::io::sink()).await },
                );
            let reading = async {
                if is_split {
                    let (mut reader, _sender) = ws.split();
                    reader.read().await
                } else {
                    ws.read().await
                }
            };
            let (outcome, took) = timed(reading).await;
            assert_shape!(outcome, Err(Error::Timeout(Timeout::Idle)));
            assert!(took <= 17 * SECOND, "{took:?}");
            talking.await.unwrap();
            sink.abort();
        }
    });
}

#[test]
fn deadlines_may_be_off_or_as_long_as_a_duration_can_be() {
    run(|| async {
        for long in [None, Some(Duration::MAX)] {
            let config = config(|c| {
                c.handshake_timeout = long;
                c.ping_interval = long;
                c.pong_timeout = Duration::MAX;
                c.idle_timeout = long;
                c.close_timeout = long;
            });
            let (mut client, mut server) = pair(&config);
            let server = tokio::spawn(async move { echo(&mut server).await });
            client.send("hello").await.unwrap();
            assert_eq!(client.read().await.unwrap(), Some(Message::from("hello")));
            let (mut reader, sender) = client.split();
            sender.start_close(code(1000), "").await.unwrap();
            assert_shape!(reader.read().await, Ok(None));
            server.await.unwrap().unwrap();
        }
    });
}
