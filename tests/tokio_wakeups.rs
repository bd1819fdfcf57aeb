//! The tokio adapter, split: whoever waits is woken, in threads that race and
//! over streams that know one waker only.

#![cfg(all(feature = "tokio", feature = "url"))]

mod common;
mod sockets;
mod tokio_common;

use std::sync::Arc;
use std::time::Duration;

use common::*;
use sockeye::tokio::{Error, Reader, Sender, WebSocket};
use sockeye::{Config, Message, ProtocolError, SendError, Timeout};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, yield_now};
use tokio_common::*;

// ---- threads ---------------------------------------------------------------------

/// A message of the sender with this number: who it is, the message's number,
/// and as many bytes as chance will have it, now and then very many.
fn letter(sender: u8, number: u32, random: &mut Random) -> Vec<u8> {
    let most = if random.below(40) == 0 { 30_000 } else { 300 };
    let mut data = vec![sender];
    data.extend(number.to_be_bytes());
    data.resize(5 + random.below(most), sender);
    data
}

/// Sends back all that comes, and reads on meanwhile.
fn start_echo<S>(ws: WebSocket<S>) -> JoinHandle<Result<(), Error>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut reader, sender) = ws.split();
    let (put, mut take) = mpsc::unbounded_channel::<Message<'static>>();
    tokio::spawn(async move {
        while let Some(message) = take.recv().await {
            if sender.send(message).await.is_err() {
                break;
            }
        }
    });
    tokio::spawn(async move {
        while let Some(message) = reader.read().await? {
            put.send(message).unwrap();
        }
        Ok(())
    })
}

/// Several senders and a reader, each in a task of its own, whose messages all
/// come back, each sender's in order.
async fn exchange<S>(streams: (S, S), ours: Role, senders: u8, count: u32)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    // The queue is full all the time.
    let small = config(|c| c.max_queued_len = 1000);
    // Whoever has too much to send does not read; if both do not, nobody does.
    let large = config(|c| c.max_queued_len = usize::MAX);
    let theirs = if ours == Role::Client { Role::Server } else { Role::Client };
    let echo = start_echo(end_on(theirs, streams.1, &large));
    let (mut reader, sender) = end_on(ours, streams.0, &small).split();
    let sending: Vec<JoinHandle<Result<(), Error>>> = (0..senders)
        .map(|n| {
            let sender = sender.clone();
            tokio::spawn(async move {
                let mut random = Random(u64::from(n));
                for number in 0..count {
                    let data = letter(n, number, &mut random);
                    match random.below(8) {
                        0 => sender.ping(b"?").await?,
                        1 => sender.flush().await?,
                        2 => yield_now().await,
                        _ => {}
                    }
                    match random.below(4) {
                        0 => {
                            sender.room().await?;
                            // Others may have taken the room since.
                            while sender.queue(data.as_slice()).is_err() {
                                sender.room().await?;
                            }
                        }
                        _ => sender.send(data).await?,
                    }
                }
                Ok(())
            })
        })
        .collect();
    let mut numbers = vec![0_u32; usize::from(senders)];
    for _ in 0..count * u32::from(senders) {
        let message = reader.read().await.unwrap().unwrap();
        let (head, rest) = message.as_bytes().split_at(5);
        let number = &mut numbers[usize::from(head[0])];
        assert_eq!(head[1..], number.to_be_bytes(), "in order, none lost, none twice");
        assert!(rest.iter().all(|&byte| byte == head[0]));
        *number += 1;
    }
    for task in sending {
        task.await.unwrap().unwrap();
    }
    let closing = tokio::spawn(async move { sender.start_close(code(1000), "").await });
    assert_shape!(reader.read().await, Ok(None));
    closing.await.unwrap().unwrap();
    echo.await.unwrap().unwrap();
}

/// Less than most messages, so that writes wait all the time.
const BUFFER: usize = 256;

#[test]
fn split_no_wake_up_is_lost_between_threads() {
    run_threads(|| async {
        for role in ROLES {
            for (senders, count) in [(1, 1500), (2, 1000), (8, 400)] {
                exchange(duplex(BUFFER), role, senders, count).await;
            }
        }
    });
}

#[test]
fn split_no_wake_up_is_lost_by_a_stream_that_wakes_the_last_who_asked() {
    run_threads(|| async {
        for role in ROLES {
            for (senders, count) in [(1, 1000), (4, 400)] {
                let (ours, theirs) = duplex(BUFFER);
                let streams = (LastWaker::new(ours), LastWaker::new(theirs));
                exchange(streams, role, senders, count).await;
            }
        }
    });
}

#[test]
fn split_no_wake_up_is_lost_over_tcp() {
    run_threads(|| async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = tokio::net::TcpStream::connect(listener.local_addr().unwrap());
        let (client, server) = tokio::join!(client, listener.accept());
        exchange((client.unwrap(), server.unwrap().0), Role::Client, 4, 500).await;
    });
}

#[test]
fn split_no_wake_up_is_lost_in_one_thread() {
    run_each_role(|role| async move {
        let (ours, theirs) = duplex(BUFFER);
        let streams = (LastWaker::new(ours), LastWaker::new(theirs));
        exchange(streams, role, 5, 200).await;
    });
}

/// Both ends send these messages at once, and read those of the other.
async fn cross(lengths: impl Iterator<Item = usize> + Clone + Send + 'static, buffer: usize) {
    let (client, server) = duplex(buffer);
    let ends = [client_on(client, &defaults()), server_on(server, &defaults())];
    let tasks = ends.map(|ws| {
        let (mut reader, sender) = ws.split();
        let (to_send, to_read) = (lengths.clone(), lengths.clone());
        let sending = tokio::spawn(async move {
            for len in to_send {
                sender.send(vec![7; len]).await.unwrap();
            }
            sender
        });
        let reading = tokio::spawn(async move {
            for len in to_read {
                let message = reader.read().await.unwrap().unwrap();
                assert_eq!(message.as_bytes().len(), len);
            }
            reader
        });
        (sending, reading)
    });
    let [one, other] = tasks;
    let both = tokio::join!(one.0, one.1, other.0, other.1);
    both.0.unwrap();
    both.1.unwrap();
    both.2.unwrap();
    both.3.unwrap();
}

#[test]
fn split_messages_cross_each_other() {
    run_threads(|| cross((0..2000).map(|n| n % 700), BUFFER));
}

// Were an end not to read while its own message goes out, two ends that send
// one would wait for each other.
#[test]
fn split_messages_longer_than_the_queue_cross_each_other() {
    run(|| cross([3 << 20, 3 << 20].into_iter(), 64 << 10));
}

// ---- one half wakes the other ----------------------------------------------------

fn open_split(
    role: Role,
    config: &Arc<Config>,
) -> (Reader<DuplexStream>, Sender<DuplexStream>, Peer) {
    let (ws, peer) = open_with(role, config, 1000);
    let (reader, sender) = ws.split();
    (reader, sender, peer)
}

/// Reads to the end, in a task of its own that waits when this returns.
async fn start_reading(
    mut reader: Reader<DuplexStream>,
) -> JoinHandle<Result<Vec<Message<'static>>, Error>> {
    let task = tokio::spawn(async move {
        let mut read = Vec::new();
        while let Some(message) = reader.read().await? {
            read.push(message);
        }
        Ok(read)
    });
    settle().await;
    task
}

/// Sends what the peer does not take, in a task that waits when this returns.
async fn get_stuck(sender: &Sender<DuplexStream>) -> JoinHandle<Result<(), Error>> {
    let sender = sender.clone();
    let task = tokio::spawn(async move { sender.send(vec![7; 5000]).await });
    settle().await;
    assert!(!task.is_finished());
    task
}

#[test]
fn split_a_queued_message_wakes_the_reader_which_writes_it() {
    run_each_role(|role| async move {
        let (reader, sender, mut peer) = open_split(role, &defaults());
        let reading = start_reading(reader).await;
        let (_, took) = timed(async {
            sender.queue("one").unwrap();
            sender.queue("two").unwrap();
            peer.expect([text("one"), text("two")]).await;
        })
        .await;
        assert_eq!(took, Duration::ZERO, "no timer had to wake it");
        assert!(!reading.is_finished());
    });
}

#[test]
fn split_a_queued_message_goes_out_behind_one_that_is_stuck() {
    run_each_role(|role| async move {
        let (reader, sender, mut peer) = open_split(role, &defaults());
        let _reading = start_reading(reader).await;
        let stuck = get_stuck(&sender).await;
        sender.queue("behind").unwrap();
        peer.expect([binary([7; 5000]), text("behind")]).await;
        stuck.await.unwrap().unwrap();
    });
}

#[test]
fn split_a_sender_needs_no_reader_to_be_woken() {
    run_each_role(|role| async move {
        let (_reader, sender, mut peer) = open_split(role, &defaults());
        let tasks = [get_stuck(&sender).await, get_stuck(&sender).await];
        peer.expect([binary([7; 5000]), binary([7; 5000])]).await;
        for task in tasks {
            task.await.unwrap().unwrap();
        }
    });
}

#[test]
fn s7_1_1_split_a_senders_close_arms_the_deadline_of_a_reader_that_waits() {
    run_each_role(|role| async move {
        let config = config(|c| c.close_timeout = Some(3 * SECOND));
        let (reader, sender, _peer) = open_split(role, &config);
        let reading = start_reading(reader).await;
        sender.start_close(code(1000), "").await.unwrap();
        let (outcome, took) = timed(reading).await;
        assert_shape!(outcome.unwrap(), Err(Error::Timeout(Timeout::Close)));
        // A server hangs up, a client has no more to wait for either.
        assert_took(took, 3 * SECOND);
        assert_shape!(sender.send("late").await, Err(Error::Send(SendError::Closed)));
    });
}

/// Ends the connection while the reader waits and two senders are stuck. All
/// of them are woken; gives what the reader came to.
async fn end_with_stuck_senders(
    role: Role,
    end: impl AsyncFnOnce(&mut Peer),
) -> Result<Vec<Message<'static>>, Error> {
    let config = config(|c| c.close_timeout = Some(SECOND));
    let (reader, sender, mut peer) = open_split(role, &config);
    let reading = start_reading(reader).await;
    let tasks = [get_stuck(&sender).await, get_stuck(&sender).await];
    end(&mut peer).await;
    let (outcome, took) = timed(reading).await;
    assert!(took <= 6 * SECOND, "{took:?}");
    for task in tasks {
        let (outcome, took) = timed(task).await;
        assert_shape!(outcome.unwrap(), Err(Error::Io(_) | Error::Lost { .. }));
        assert_eq!(took, Duration::ZERO);
    }
    outcome.unwrap()
}

#[test]
fn split_senders_that_wait_are_woken_when_the_peer_closes() {
    run_each_role(|role| async move {
        let end = async |peer: &mut Peer| peer.send([close(1000, "")]).await;
        assert_shape!(end_with_stuck_senders(role, end).await, Ok(_));
    });
}

#[test]
fn split_senders_that_wait_are_woken_when_the_peer_breaks_a_rule() {
    run_each_role(|role| async move {
        let end = async |peer: &mut Peer| peer.send([text("x").rsv(1)]).await;
        let outcome = end_with_stuck_senders(role, end).await;
        assert_shape!(outcome, Err(Error::Protocol(ProtocolError::ReservedBits)));
    });
}

// The reader hangs up, and has a deadline for that which is not the senders'.
#[test]
fn split_senders_that_wait_are_woken_when_the_peers_stream_ends() {
    run_each_role(|role| async move {
        let end = async |peer: &mut Peer| peer.half_close().await;
        let outcome = end_with_stuck_senders(role, end).await;
        assert_shape!(outcome, Err(Error::Lost { inside_frame: false, .. }));
    });
}

#[test]
fn split_all_that_wait_are_woken_when_one_sender_aborts() {
    run_each_role(|role| async move {
        let (reader, sender, _peer) = open_split(role, &defaults());
        let reading = start_reading(reader).await;
        let stuck = get_stuck(&sender).await;
        let (closed, took) = timed(async {
            let closed = sender.abort();
            assert_shape!(reading.await.unwrap(), Err(Error::Aborted));
            assert_shape!(stuck.await.unwrap(), Err(Error::Io(_) | Error::Send(_)));
            closed
        })
        .await;
        assert!(!closed.is_clean());
        assert_eq!(took, Duration::ZERO);
    });
}

#[test]
fn split_a_sender_that_waits_for_room_is_woken_by_the_readers_writing() {
    run_each_role(|role| async move {
        let config = config(|c| c.max_queued_len = 500);
        let (reader, sender, mut peer) = open_split(role, &config);
        let _reading = start_reading(reader).await;
        sender.queue(vec![7; 5000]).unwrap();
        settle().await;
        let waiting = tokio::spawn({
            let sender = sender.clone();
            async move { sender.room().await }
        });
        settle().await;
        assert!(!waiting.is_finished());
        peer.expect([binary([7; 5000])]).await;
        waiting.await.unwrap().unwrap();
    });
}

#[test]
fn split_the_reader_goes_on_where_a_dropped_one_left_off() {
    run_each_role(|role| async move {
        let (mut reader, sender, mut peer) = open_split(role, &defaults());
        // Whoever was woken is gone: the next has to ask anew.
        for n in 0..20_u64 {
            let wait = Duration::from_millis(n % 3);
            let outcome = tokio::time::timeout(wait, reader.read()).await;
            assert_shape!(outcome, Err(_));
            sender.queue(n.to_string()).unwrap();
        }
        let reading = start_reading(reader).await;
        peer.expect((0..20).map(|n| text(&n.to_string()))).await;
        peer.send([text("done"), close(1000, "")]).await;
        peer.expect([close(1000, "")]).await;
        peer.finish().await;
        assert_eq!(reading.await.unwrap().unwrap(), [Message::from("done")]);
    });
}
