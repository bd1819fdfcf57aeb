//! The tokio adapter: a server that is shut down in good order.

#![cfg(all(feature = "tokio", feature = "url"))]

mod common;
mod sockets;
mod tokio_common;

use std::sync::Arc;
use std::time::Duration;

use common::*;
use sockeye::tokio::{Error, Shutdown, WebSocket};
use sockeye::{Cause, Closed, Config, Message, SendError};
use tokio::io::{DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio_common::*;

/// Reads to the end, in a task of its own that waits when this returns; how it
/// ended, and how long that took.
type Member = JoinHandle<(Result<Option<Closed>, Error>, Duration)>;

async fn start(mut ws: WebSocket<DuplexStream>) -> Member {
    let task = tokio::spawn(timed(async move {
        while ws.read().await?.is_some() {}
        Ok(ws.closed())
    }));
    settle().await;
    task
}

/// A member, and its client.
async fn join(shutdown: &Shutdown, config: &Arc<Config>) -> (Member, Peer) {
    let (ws, peer) = open(Role::Server, config);
    (start(shutdown.watch(ws)).await, peer)
}

/// Shuts down in a task of its own, which waits when this returns.
async fn begin(shutdown: &Shutdown, drain: Duration) -> JoinHandle<(usize, Duration)> {
    let shutdown = shutdown.clone();
    let task = tokio::spawn(async move { timed(shutdown.shut_down(drain)).await });
    settle().await;
    task
}

// ---- in good order ---------------------------------------------------------------

#[test]
fn s7_4_1_every_client_is_told_1001_and_none_is_dropped() {
    run(|| async {
        let shutdown = Shutdown::new();
        let mut members = Vec::new();
        for _ in 0..10 {
            members.push(join(&shutdown, &defaults()).await);
        }
        assert_eq!(shutdown.connections(), 10);
        let shutting = begin(&shutdown, 100 * SECOND).await;
        for (n, (member, mut peer)) in members.into_iter().enumerate() {
            peer.send([text("last words")]).await;
            peer.expect([close(1001, "")]).await;
            assert_eq!(shutdown.connections(), 10 - n);
            peer.send([close(1001, "")]).await;
            peer.finish().await;
            let closed = member.await.unwrap().0.unwrap().unwrap();
            assert!(closed.is_clean());
            assert_eq!(shutdown.connections(), 9 - n);
        }
        let (dropped, took) = shutting.await.unwrap();
        assert_eq!(dropped, 0);
        assert!(took < SECOND, "{took:?}");
    });
}

#[test]
fn what_clients_still_say_is_read() {
    run(|| async {
        let shutdown = Shutdown::new();
        let (ws, mut peer) = open(Role::Server, &defaults());
        let mut ws = shutdown.watch(ws);
        let reading = tokio::spawn(async move { [ws.read().await, ws.read().await] });
        let shutting = begin(&shutdown, 100 * SECOND).await;
        peer.expect([close(1001, "")]).await;
        peer.send([text("last words"), close(1001, "")]).await;
        peer.finish().await;
        let read = reading.await.unwrap().map(Result::unwrap);
        assert_eq!(read, [Some(Message::from("last words")), None]);
        assert_eq!(shutting.await.unwrap().0, 0);
    });
}

#[test]
fn a_server_without_connections_is_shut_down_at_once() {
    run(|| async {
        let shutdown = Shutdown::new();
        for _ in 0..2 {
            let (dropped, took) = timed(shutdown.shut_down(100 * SECOND)).await;
            assert_eq!((dropped, took), (0, Duration::ZERO));
        }
    });
}

#[test]
fn a_connection_that_comes_too_late_is_closed_at_once() {
    run(|| async {
        let shutdown = Shutdown::new();
        let (_member, _peer) = join(&shutdown, &defaults()).await;
        let _shutting = begin(&shutdown, 100 * SECOND).await;
        let (member, mut peer) = join(&shutdown, &defaults()).await;
        peer.expect([close(1001, "")]).await;
        peer.send([close(1001, "")]).await;
        peer.finish().await;
        assert!(member.await.unwrap().0.unwrap().unwrap().is_clean());
    });
}

#[test]
fn a_connection_that_is_closing_says_nothing_twice() {
    run(|| async {
        let shutdown = Shutdown::new();
        let (ws, mut peer) = open(Role::Server, &defaults());
        let mut ws = shutdown.watch(ws);
        ws.start_close(code(4000), "").await.unwrap();
        let member = start(ws).await;
        let _shutting = begin(&shutdown, 100 * SECOND).await;
        peer.send([close(4000, "")]).await;
        assert_same_frames(&peer.frames_to_the_end().await, &decoded([close(4000, "")]));
        drop(peer);
        assert!(member.await.unwrap().0.unwrap().unwrap().is_clean());
    });
}

#[test]
fn split_halves_are_one_member() {
    run(|| async {
        let shutdown = Shutdown::new();
        let (ws, mut peer) = open(Role::Server, &defaults());
        let (mut reader, sender) = shutdown.watch(ws).split();
        let other = sender.clone();
        assert_eq!(shutdown.connections(), 1);
        let reading = tokio::spawn(async move { (reader.read().await, reader.closed()) });
        settle().await;
        let shutting = begin(&shutdown, 100 * SECOND).await;
        peer.expect([close(1001, "")]).await;
        assert!(!sender.is_open());
        assert_shape!(sender.send("late").await, Err(Error::Send(SendError::Closed)));
        peer.send([close(1001, "")]).await;
        peer.finish().await;
        let (outcome, closed) = reading.await.unwrap();
        assert_shape!(outcome, Ok(None));
        assert!(closed.unwrap().is_clean());
        // The reader is gone: the senders are left.
        for sender in [sender, other] {
            assert_eq!(shutdown.connections(), 1);
            assert!(!shutting.is_finished());
            drop(sender);
            settle().await;
        }
        assert_eq!(shutdown.connections(), 0);
        assert_eq!(shutting.await.unwrap().0, 0);
    });
}

// ---- counting and waiting --------------------------------------------------------

#[test]
fn connections_are_counted_until_they_are_dropped() {
    run(|| async {
        let shutdown = Shutdown::new();
        let watch = || {
            let (ours, _) = duplex(10);
            shutdown.clone().watch(server_on(ours, &defaults()))
        };
        let mut members: Vec<_> = (0..5).map(|_| watch()).collect();
        assert_eq!(shutdown.connections(), 5);
        for n in [3, 0, 1] {
            members.swap_remove(n);
        }
        assert_eq!(shutdown.connections(), 2);
        members.extend((0..4).map(|_| watch()));
        assert_eq!(shutdown.connections(), 6);
        // Watched twice, it is one.
        let again = members.pop().unwrap();
        let again = shutdown.watch(again);
        assert_eq!(shutdown.connections(), 6);
        let (reader, sender) = again.split();
        drop(members);
        assert_eq!(shutdown.connections(), 1);
        drop(reader);
        assert_eq!(shutdown.connections(), 1);
        drop(sender);
        assert_eq!(shutdown.connections(), 0);
    });
}

#[test]
fn whoever_waits_for_the_beginning_is_woken() {
    run(|| async {
        let shutdown = Shutdown::new();
        let (_member, _peer) = join(&shutdown, &defaults()).await;
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let shutdown = shutdown.clone();
                tokio::spawn(async move { shutdown.begun().await })
            })
            .collect();
        settle().await;
        assert!(!shutdown.has_begun());
        assert!(waiting.iter().all(|task| !task.is_finished()));
        let _shutting = begin(&shutdown, 100 * SECOND).await;
        assert!(shutdown.has_begun());
        for task in waiting {
            let ((), took) = timed(async { task.await.unwrap() }).await;
            assert_eq!(took, Duration::ZERO);
        }
        let ((), took) = timed(shutdown.begun()).await;
        assert_eq!(took, Duration::ZERO);
    });
}

#[test]
fn begun_may_be_dropped_and_asked_again() {
    run(|| async {
        let shutdown = Shutdown::new();
        for polls in 0..10 {
            assert_shape!(poll_times(shutdown.begun(), polls), None);
        }
        let waiting = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.begun().await }
        });
        settle().await;
        assert_eq!(shutdown.shut_down(SECOND).await, 0);
        waiting.await.unwrap();
    });
}

// ---- those that take too long ----------------------------------------------------

const DRAIN: Duration = Duration::from_secs(10);

/// Shuts down; one connection is left at the end, and its task has to end then.
async fn drops_one(shutdown: &Shutdown, member: Member, most: Duration) {
    let (dropped, took) = begin(shutdown, DRAIN).await.await.unwrap();
    assert_eq!(dropped, 1);
    assert_took(took, DRAIN);
    let (outcome, took) = timed(member).await;
    assert!(took <= most, "it took {took:?} more to drop it");
    drop(outcome.unwrap());
    assert_eq!(shutdown.connections(), 0);
}

// It is woken for the beginning, and once more when the time is up.
#[test]
fn a_client_that_does_not_answer_is_dropped_when_the_time_is_up() {
    run(|| async {
        let shutdown = Shutdown::new();
        let (member, mut peer) = join(&shutdown, &defaults()).await;
        let (_, mut polite) = {
            let (member, mut peer) = join(&shutdown, &defaults()).await;
            let answering = tokio::spawn(async move {
                peer.expect([close(1001, "")]).await;
                peer.send([close(1001, "")]).await;
                peer.finish().await;
            });
            (member, answering)
        };
        drops_one(&shutdown, member, Duration::ZERO).await;
        peer.expect([close(1001, "")]).await;
        peer.expect_eof().await;
        (&mut polite).await.unwrap();
    });
}

#[test]
fn a_dropped_connection_says_that_we_dropped_it() {
    run(|| async {
        let shutdown = Shutdown::new();
        let (ws, mut peer) = open(Role::Server, &defaults());
        let mut ws = shutdown.watch(ws);
        // Nobody reads until all is over: then it is over at once.
        assert_eq!(shutdown.shut_down(DRAIN).await, 1);
        let (outcome, took) = timed(ws.read()).await;
        assert_shape!(outcome, Err(Error::Aborted));
        assert_eq!(took, Duration::ZERO);
        assert_eq!(ws.closed().unwrap().cause(), Cause::Aborted);
        assert_shape!(ws.send("x").await, Err(Error::Send(SendError::Closed)));
        drop(ws);
        peer.expect_eof().await;
    });
}

#[test]
fn a_client_that_answers_and_keeps_the_stream_is_dropped_when_the_time_is_up() {
    run(|| async {
        let shutdown = Shutdown::new();
        let (member, mut peer) = join(&shutdown, &defaults()).await;
        peer.send([close(1000, "")]).await;
        peer.expect([close(1000, "")]).await;
        drops_one(&shutdown, member, Duration::ZERO).await;
    });
}

// What it sends keeps it from reading, so it must be told where it waits.
#[test]
fn a_client_that_takes_nothing_is_dropped_when_the_time_is_up() {
    run(|| async {
        let shutdown = Shutdown::new();
        let (ws, _peer) = open_with(Role::Server, &defaults(), 100);
        let mut ws = shutdown.watch(ws);
        let member = tokio::spawn(timed(async move {
            ws.send(vec![7; 5000]).await?;
            while ws.read().await?.is_some() {}
            Ok(ws.closed())
        }));
        settle().await;
        drops_one(&shutdown, member, Duration::ZERO).await;
    });
}

#[test]
fn split_a_client_that_takes_nothing_is_dropped_when_the_time_is_up() {
    run(|| async {
        let shutdown = Shutdown::new();
        let (ws, _peer) = open_with(Role::Server, &defaults(), 100);
        let (mut reader, sender) = shutdown.watch(ws).split();
        let sending = tokio::spawn(async move { sender.send(vec![7; 5000]).await });
        let member = tokio::spawn(timed(async move {
            while reader.read().await?.is_some() {}
            Ok::<_, Error>(reader.closed())
        }));
        settle().await;
        let shutting = begin(&shutdown, DRAIN).await;
        assert_eq!(shutting.await.unwrap().0, 1);
        let (outcome, took) = timed(async { tokio::join!(member, sending) }).await;
        assert_eq!(took, Duration::ZERO);
        assert_shape!(outcome.0.unwrap().0, Err(Error::Aborted));
        assert_shape!(outcome.1.unwrap(), Err(Error::Io(_) | Error::Send(_)));
        assert_eq!(shutdown.connections(), 0);
    });
}

#[test]
fn shutting_down_that_is_dropped_goes_on_and_drops_nobody() {
    run(|| async {
        let shutdown = Shutdown::new();
        let (member, mut peer) = join(&shutdown, &defaults()).await;
        let cut = tokio::time::timeout(SECOND, shutdown.shut_down(2 * SECOND)).await;
        assert_shape!(cut, Err(_));
        assert!(shutdown.has_begun());
        tokio::time::sleep(10 * SECOND).await;
        peer.expect([close(1001, "")]).await;
        assert!(!member.is_finished());
        let again = begin(&shutdown, 100 * SECOND).await;
        peer.send([close(1001, "")]).await;
        peer.finish().await;
        assert!(member.await.unwrap().0.unwrap().unwrap().is_clean());
        assert_eq!(again.await.unwrap().0, 0);
    });
}

// ---- threads ---------------------------------------------------------------------

#[test]
fn no_connection_is_forgotten_that_comes_or_goes_meanwhile() {
    run_threads(|| async {
        for round in 0..30 {
            let shutdown = Shutdown::new();
            // It is not over before this one has gone.
            let (_client, guard) = pair(&defaults());
            let guard = shutdown.watch(guard);
            let mut tasks = Vec::new();
            for n in 0..20 {
                let shutdown = shutdown.clone();
                tasks.push(tokio::spawn(async move {
                    if n == round % 20 {
                        shutdown.begun().await;
                        return;
                    }
                    let (client, server) = pair(&defaults());
                    let mut server = shutdown.watch(server);
                    let client = tokio::spawn(async move {
                        let mut client = client;
                        client.send("hello").await.ok();
                        while let Ok(Some(_)) = client.read().await {}
                        client.closed()
                    });
                    while server.read().await.unwrap().is_some() {}
                    drop(server);
                    let closed = client.await.unwrap().unwrap();
                    assert_eq!((closed.code().get(), closed.is_clean()), (1001, true));
                }));
            }
            let shutting = tokio::spawn({
                let shutdown = shutdown.clone();
                async move { shutdown.shut_down(DAY).await }
            });
            for task in tasks {
                task.await.unwrap();
            }
            drop(guard);
            assert_eq!(shutting.await.unwrap(), 0);
            assert_eq!(shutdown.connections(), 0);
        }
    });
}
