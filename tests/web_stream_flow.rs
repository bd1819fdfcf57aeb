//! `WebSocketStream`: back-pressure in both directions (T8), and halves in tasks
//! of their own that wake each other, when there is reason to.

#![cfg(all(feature = "tokio", feature = "web"))]

mod common;
mod sockets;
mod tokio_common;
mod web_carried;
mod web_sockets;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use common::*;
use futures_util::{SinkExt, StreamExt, TryStreamExt};
use sockeye::Message;
use sockeye::tokio::web::{Opened, Readable, WebSocket, WebSocketStream, Writable, WriteError};
use sockeye::web::{CloseInfo, Options};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::watch;
use tokio_common::{
    Call, DAY, Fault, LastWaker, Link, Peer, Role, SECOND, assert_took, bytes_of, poll_times,
    poll_to_end, run, run_threads, settle, timed,
};
use web_carried::answer;
use web_sockets::*;

/// Without any deadline: a timer would wake those whom somebody forgot to wake.
fn quiet() -> Options {
    page(|c| (c.handshake_timeout, c.close_timeout) = (None, None))
}

type Halves<S> = (WebSocketStream<S>, Readable<S>, Writable<S>);

async fn open_with(options: &Options, buffer: usize) -> (Halves<DuplexStream>, Peer) {
    let (ours, mut peer) = web_carried::connecting_with(options, buffer);
    let mut stream = WebSocketStream::new(ours);
    let (opened, ()) = tokio::join!(stream.opened(), answer(&mut peer));
    let Opened { readable, writable, .. } = opened.unwrap();
    ((stream, readable, writable), peer)
}

/// Over a stream that does as it is told, whose peer says this.
fn open_on(link: &Link, options: &Options, behind: Vec<u8>) -> Halves<Link> {
    link.net().behind_reply = Some(behind);
    let mut stream = WebSocketStream::new(WebSocket::carry(socket(options), link.clone()));
    let Opened { readable, writable, .. } = poll_to_end(stream.opened()).unwrap();
    link.net().written.clear();
    (stream, readable, writable)
}

/// A future, and how often it was polled.
struct Counted<F>(Pin<Box<F>>, Arc<AtomicUsize>);

fn counted<F: Future>(future: F) -> (Counted<F>, Arc<AtomicUsize>) {
    let polls = Arc::new(AtomicUsize::new(0));
    (Counted(Box::pin(future), polls.clone()), polls)
}

impl<F: Future> Future for Counted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.as_mut().poll(cx)
    }
}

// ---- reading -----------------------------------------------------------------------

/// Sends without end; says how many bytes the streams have taken.
fn flood(mut stream: impl AsyncWrite + Unpin + Send + 'static) -> watch::Receiver<usize> {
    let (say, sent) = watch::channel(0);
    let message = text(&"x".repeat(100)).unmasked();
    tokio::spawn(async move {
        while stream.write_all(&message).await.is_ok() {
            say.send_modify(|sent| *sent += message.len());
        }
    });
    sent
}

#[test]
fn t8_nothing_is_read_unless_somebody_reads() {
    run(|| async {
        let ((stream, mut readable, mut writable), peer) = open_with(&quiet(), 1000).await;
        let (read, write) = tokio::io::split(peer.stream);
        tokio::spawn(async move {
            let mut read = read;
            let _ = tokio::io::copy(&mut read, &mut tokio::io::sink()).await;
        });
        let sent = flood(write);
        // Whoever writes, or waits for the end, does not read for others.
        let ended = tokio::spawn(async move { stream.closed().await });
        for _ in 0..100 {
            writable.write(bytes_of(5000)).await.unwrap();
        }
        assert!(tokio::time::timeout(SECOND, async {}).await.is_ok());
        tokio::time::sleep(SECOND).await;
        assert!(*sent.borrow() <= 1000, "{} bytes were taken", *sent.borrow());
        // A reader takes what it reads, and little more.
        for n in 1..=100 {
            assert_eq!(brief(&readable.read().await.unwrap().unwrap()), "text of 100 bytes");
            settle().await;
            assert!(*sent.borrow() <= n * 102 + 3000, "{} bytes for {n} messages", *sent.borrow());
        }
        assert!(!ended.is_finished());
    });
}

#[test]
fn t8_a_message_that_came_with_the_reply_waits_for_its_reader() {
    run(|| async {
        let link = Link::new("");
        let behind = [text("a").unmasked(), text("b").unmasked()].concat();
        let (stream, mut readable, mut writable) = open_on(&link, &quiet(), behind);
        let before = link.net().read;
        poll_to_end(writable.write("c")).unwrap();
        assert!(poll_times(stream.closed(), 5).is_none());
        link.say(&text("d").unmasked());
        assert!(poll_times(stream.closed(), 5).is_none());
        assert_eq!(link.net().read, before);
        for expected in ["a", "b", "d"] {
            assert_eq!(poll_to_end(readable.read()), Ok(Some(expected.into())));
        }
        assert!(poll_times(readable.read(), 3).is_none());
    });
}

#[test]
fn t8_a_peer_that_nobody_listens_to_is_not_held_to_its_deadlines() {
    run(|| async {
        let options = page(|c| {
            c.ping_interval = Some(2 * SECOND);
            c.pong_timeout = SECOND;
            c.idle_timeout = Some(5 * SECOND);
        });
        let ((stream, mut readable, _writable), mut peer) = open_with(&options, 1000).await;
        peer.send([text("a")]).await;
        let ended = tokio::spawn(async move { stream.closed().await });
        tokio::time::sleep(100 * SECOND).await;
        assert!(!ended.is_finished(), "the peer may have answered, and nobody looked");
        assert_eq!(readable.read().await, Ok(Some("a".into())));
        // Who reads and hears nothing gives up.
        let (read, took) = timed(readable.read()).await;
        assert_eq!(read.unwrap_err().close_code, 1006);
        assert!(took < 10 * SECOND, "{took:?}");
    });
}

#[test]
fn the_peers_close_is_heard_by_whoever_reads_and_told_to_all() {
    run(|| async {
        let ((stream, mut readable, mut writable), mut peer) = open_with(&quiet(), 1000).await;
        let ended = tokio::spawn(async move { stream.closed().await });
        let writing = tokio::spawn(async move {
            writable.write(bytes_of(10_000)).await.unwrap();
            writable
        });
        settle().await;
        peer.send([close(3000, "bye")]).await;
        tokio::time::sleep(SECOND).await;
        assert!(!ended.is_finished(), "nobody reads");
        let server = async {
            peer.expect([binary(bytes_of(10_000)), close(3000, "bye")]).await;
            peer.half_close().await;
        };
        let (read, ()) = tokio::join!(readable.read(), server);
        assert_eq!(read, Ok(None));
        writing.await.unwrap();
        assert_eq!(ended.await.unwrap().unwrap().code, 3000);
    });
}

#[test]
fn taking_the_last_message_sets_those_to_work_that_wait_for_the_end() {
    run(|| async {
        let ((stream, mut readable, _writable), mut peer) = open_with(&quiet(), 1000).await;
        let ended = tokio::spawn(async move { stream.closed().await });
        settle().await;
        // In one read, so that nothing more comes that would wake anybody.
        peer.send([text("a"), text("b"), close(3000, "bye")]).await;
        for message in ["a", "b"] {
            assert_eq!(readable.read().await, Ok(Some(message.into())));
        }
        let server = async {
            peer.expect([close(3000, "bye")]).await;
            peer.half_close().await;
        };
        let (end, ()) = tokio::join!(ended, server);
        assert_eq!(end.unwrap().unwrap().code, 3000);
    });
}

#[test]
fn dropping_the_reader_sets_those_to_work_that_wait() {
    run(|| async {
        // The reader has never read, so that nothing would wake anybody.
        let ((stream, readable, writable), mut peer) = open_with(&quiet(), 1000).await;
        let (ended, polls) = counted(async move { stream.closed().await });
        let ended = tokio::spawn(ended);
        settle().await;
        peer.send([text("passed over"), close(3000, "bye")]).await;
        settle().await;
        assert!(polls.load(Ordering::Relaxed) < 5);
        drop(readable);
        let server = async {
            peer.expect([close(3000, "bye")]).await;
            peer.half_close().await;
        };
        let (end, ()) = tokio::join!(ended, server);
        assert_eq!(end.unwrap().unwrap().code, 3000);
        drop(writable);
    });
}

#[test]
fn closing_sets_those_to_work_that_wait() {
    run(|| async {
        let ((stream, _readable, _writable), mut peer) = open_with(&quiet(), 1000).await;
        let stream = Arc::new(stream);
        let waits = stream.clone();
        let ended = tokio::spawn(async move { waits.closed().await });
        settle().await;
        stream.close(&CloseInfo::default());
        peer.expect([empty_close()]).await;
        peer.send([close(3000, "bye")]).await;
        peer.half_close().await;
        assert_eq!(ended.await.unwrap().unwrap().code, 3000);
    });
}

#[test]
fn whoever_reads_the_end_tells_those_that_wait() {
    run(|| async {
        let ((stream, mut readable, _writable), mut peer) = open_with(&quiet(), 1000).await;
        let ended = tokio::spawn(async move { stream.closed().await });
        settle().await;
        // All of it is there before anybody reads: the network has no more news.
        peer.send([close(3000, "bye")]).await;
        peer.half_close().await;
        settle().await;
        assert_eq!(readable.read().await, Ok(None));
        assert_eq!(ended.await.unwrap().unwrap().code, 3000);
    });
}

#[test]
fn a_stream_that_wakes_before_it_says_that_it_waits_is_asked_again() {
    run(|| async {
        let link = Link::new("");
        (link.net().waits, link.net().behind_reply) = (3, Some(text("a").unmasked()));
        let ws = WebSocket::carry(socket(&quiet()), link.clone());
        let mut stream = WebSocketStream::new(ws);
        let mut opened = stream.opened().await.unwrap();
        opened.writable.write(bytes_of(1000)).await.unwrap();
        assert_eq!(opened.readable.read().await, Ok(Some("a".into())));
        link.say(&empty_close().unmasked());
        link.end();
        assert_eq!(opened.readable.read().await, Ok(None));
        assert_eq!(stream.closed().await.unwrap().code, 1005);
    });
}

// ---- writing -----------------------------------------------------------------------

#[test]
fn t8_a_write_resolves_when_the_network_has_taken_the_message_and_not_before() {
    run(|| async {
        let ((_stream, _readable, mut writable), mut peer) = open_with(&quiet(), 100).await;
        writable.write("fits").await.unwrap();
        peer.expect([text("fits")]).await;
        let data = bytes_of(10_000);
        let ours = data.clone();
        let writing = tokio::spawn(async move { writable.write(ours).await });
        let mut taken = vec![0; 10_000 + 8 - 101];
        tokio::io::AsyncReadExt::read_exact(&mut peer.stream, &mut taken).await.unwrap();
        tokio::time::sleep(SECOND).await;
        assert!(!writing.is_finished(), "a byte is not in the stream");
        tokio::io::AsyncReadExt::read_exact(&mut peer.stream, &mut [0; 101]).await.unwrap();
        writing.await.unwrap().unwrap();
    });
}

#[test]
fn t8_a_write_waits_for_streams_with_buffers_of_their_own() {
    run(|| async {
        let link = Link::new("");
        let (_stream, _readable, mut writable) = open_on(&link, &quiet(), Vec::new());
        let flushes = link.net().calls[Call::Flush as usize];
        link.net().fault = Some((Call::Flush, flushes, Fault::Stall));
        assert!(poll_times(writable.write("a"), 5).is_none());
        link.net().fault = None;
        assert_eq!(poll_to_end(SinkExt::<Message<'_>>::flush(&mut writable)), Ok(()));
        assert_eq!(link.frames(Role::Client).len(), 1, "dropped while it waited, and sent once");
    });
}

#[test]
fn t8_a_sink_is_ready_while_there_is_room() {
    run(|| async {
        let options = page(|c| c.max_queued_len = 1000);
        let ((_stream, _readable, mut writable), mut peer) = open_with(&options, 100).await;
        let message = || Message::from(vec![7; 300]);
        let mut fed = 0;
        while tokio::time::timeout(SECOND, writable.feed(message())).await.is_ok() {
            fed += 1;
            assert!(fed < 10);
        }
        assert!((4..=6).contains(&fed), "{fed} messages in a thousand bytes");
        let taking = tokio::spawn(async move {
            for _ in 0..fed + 1 {
                peer.expect([binary([7; 300])]).await;
            }
            peer
        });
        writable.send(message()).await.unwrap();
        taking.await.unwrap();
        assert_eq!(SinkExt::<Message<'_>>::flush(&mut writable).await, Ok(()));
    });
}

#[test]
fn the_limit_of_the_buffer_refuses_a_message_and_nothing_else() {
    run(|| async {
        let mut options = plain();
        options.max_buffered = Some(100);
        let ((_stream, _readable, mut writable), mut peer) = open_with(&options, 1000).await;
        assert_eq!(writable.write(vec![0; 101]).await, Err(WriteError::Full));
        writable.write(vec![1; 100]).await.unwrap();
        peer.expect([binary([1; 100])]).await;
    });
}

#[test]
fn what_is_fed_goes_out_while_somebody_reads() {
    run(|| async {
        let ((_stream, mut readable, mut writable), mut peer) = open_with(&quiet(), 1000).await;
        let reading = tokio::spawn(async move { readable.read().await });
        settle().await;
        writable.feed(Message::from("a")).await.unwrap();
        peer.expect([text("a")]).await;
        drop(reading);
    });
}

#[test]
fn a_write_that_is_dropped_is_sent_all_the_same_and_once() {
    run(|| async {
        for polls in 0..20 {
            let link = Link::new("");
            let (_stream, _readable, mut writable) = open_on(&link, &quiet(), Vec::new());
            (link.net().sizes, link.net().waits) = (vec![1, 7, 100], 2);
            let is_done = poll_times(writable.write(bytes_of(300)), polls).is_some();
            poll_to_end(writable.write("behind")).unwrap();
            let frames = link.frames(Role::Client);
            let expected = if polls == 0 { 1 } else { 2 };
            assert_eq!(frames.len(), expected, "after {polls} polls, done: {is_done}");
            assert_eq!(frames.last().unwrap().1, b"behind");
        }
    });
}

// ---- tasks -------------------------------------------------------------------------

/// Everything that is written comes back, to another task.
async fn echo_between_tasks<S>((ours, theirs): (S, S), count: u32)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let server = tokio::spawn(async move {
        let mut config = (*quiet().config).clone();
        config.max_queued_len = usize::MAX;
        let server = sockeye::tokio::accept_with(theirs, Arc::new(config), |_| {
            sockeye::handshake::Accept::new().into()
        });
        let (mut reader, sender) = server.await.unwrap().unwrap().split();
        let (put, mut take) = tokio::sync::mpsc::unbounded_channel::<Message<'static>>();
        let sending = tokio::spawn(async move {
            while let Some(message) = take.recv().await {
                if sender.send(message).await.is_err() {
                    break;
                }
            }
        });
        while let Some(message) = reader.read().await.unwrap() {
            put.send(message).unwrap();
        }
        drop(put);
        sending.await.unwrap();
    });
    let mut stream = WebSocketStream::new(WebSocket::carry(socket(&quiet()), ours));
    let Opened { mut readable, mut writable, .. } = stream.opened().await.unwrap();
    let writing = tokio::spawn(async move {
        let mut random = Random(7);
        for n in 0..count {
            let mut data = n.to_be_bytes().to_vec();
            let most = if random.below(40) == 0 { 30_000 } else { 300 };
            data.resize(4 + random.below(most), 7);
            match random.below(3) {
                0 => writable.feed(Message::from(data)).await.unwrap(),
                _ => writable.write(data).await.unwrap(),
            }
        }
        SinkExt::<Message<'_>>::flush(&mut writable).await.unwrap();
        writable
    });
    let ended = tokio::spawn(async move { stream.closed().await });
    for n in 0..count {
        let message = readable.try_next().await.unwrap().unwrap();
        assert_eq!(message.as_bytes()[..4], n.to_be_bytes());
    }
    let writable = writing.await.unwrap();
    let closing = tokio::spawn(writable.close());
    assert_eq!(readable.read().await, Ok(None));
    closing.await.unwrap().unwrap();
    ended.await.unwrap().unwrap();
    server.await.unwrap();
}

#[test]
fn no_wake_up_is_lost_between_threads() {
    run_threads(|| async {
        for buffer in [64, 1000] {
            echo_between_tasks(duplex(buffer), 1500).await;
        }
    });
}

#[test]
fn no_wake_up_is_lost_over_streams_that_know_one_waker() {
    run_threads(|| async {
        let (ours, theirs) = duplex(256);
        echo_between_tasks((LastWaker::new(ours), LastWaker::new(theirs)), 1500).await;
    });
    run(|| async {
        let (ours, theirs) = duplex(64);
        echo_between_tasks((LastWaker::new(ours), LastWaker::new(theirs)), 500).await;
    });
}

#[test]
fn large_messages_both_ways_at_once_do_not_wait_for_each_other() {
    run_threads(|| async {
        const LEN: usize = 8 << 20;
        let ((_stream, mut readable, mut writable), mut peer) = open_with(&quiet(), 64 << 10).await;
        let server = tokio::spawn(async move {
            // All of it, before anything is read.
            peer.send([binary(vec![7; LEN])]).await;
            assert!(peer.frame().await.1 == vec![9; LEN]);
        });
        let writing = tokio::spawn(async move { writable.write(vec![9; LEN]).await });
        let message = readable.read().await.unwrap().unwrap();
        assert!(message.as_bytes() == vec![7; LEN]);
        writing.await.unwrap().unwrap();
        server.await.unwrap();
    });
}

#[test]
fn whoever_waits_is_not_polled_for_nothing() {
    run(|| async {
        let ((stream, mut readable, mut writable), mut peer) = open_with(&quiet(), 1000).await;
        let (reading, reads) =
            counted(async move { while readable.read().await.unwrap().is_some() {} });
        let (ended, waits) = counted(async move { stream.closed().await });
        let (writing, writes) = counted(async move {
            writable.write(bytes_of(10_000)).await.unwrap();
            writable
        });
        let tasks = (tokio::spawn(reading), tokio::spawn(ended), tokio::spawn(writing));
        tokio::time::sleep(DAY / 100).await;
        let polls = || [&reads, &waits, &writes].map(|count| count.load(Ordering::Relaxed));
        assert!(polls().iter().all(|&polls| polls < 10), "{:?}", polls());
        // For each piece that the peer takes they are polled a few times.
        peer.expect([binary(bytes_of(10_000))]).await;
        let writable = tasks.2.await.unwrap();
        assert!(polls().iter().all(|&polls| polls < 200), "{:?}", polls());
        for _ in 0..100 {
            peer.send([text("a")]).await;
            settle().await;
        }
        assert!(polls().iter().all(|&polls| polls < 600), "{:?}", polls());
        drop(writable);
        peer.send([empty_close()]).await;
        peer.half_close().await;
        tasks.0.await.unwrap();
        tasks.1.await.unwrap().unwrap();
        assert!(polls().iter().all(|&polls| polls < 620), "{:?}", polls());
    });
}

#[test]
fn a_wait_that_is_dropped_leaves_nothing_behind() {
    run(|| async {
        let ((stream, mut readable, mut writable), mut peer) = open_with(&quiet(), 100).await;
        struct Task;
        impl std::task::Wake for Task {
            fn wake(self: Arc<Self>) {}
        }
        let task = Arc::new(Task);
        for _ in 0..100 {
            let waker = task.clone().into();
            let mut ended = Box::pin(stream.closed());
            assert!(ended.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            assert!(poll_times(readable.read(), 2).is_none());
        }
        assert_eq!(Arc::strong_count(&task), 1, "nobody would wake it any more");
        let writing = tokio::spawn(async move { writable.write(bytes_of(1000)).await });
        peer.expect([binary(bytes_of(1000))]).await;
        writing.await.unwrap().unwrap();
        stream.close(&CloseInfo::default());
        peer.expect([empty_close()]).await;
        peer.send([empty_close()]).await;
        peer.half_close().await;
        let (end, took) = timed(stream.closed()).await;
        assert_eq!(end.unwrap().code, 1005);
        assert_took(took, std::time::Duration::ZERO);
    });
}

#[test]
fn combinators_work_on_both_halves() {
    run(|| async {
        let ((stream, readable, writable), mut peer) = open_with(&quiet(), 1000).await;
        let server = async {
            for n in 0..20 {
                peer.send([text(&n.to_string())]).await;
                peer.expect([text(&format!("<{n}>"))]).await;
            }
            peer.send([empty_close()]).await;
            peer.expect([empty_close()]).await;
            peer.half_close().await;
        };
        let echo = readable
            .map_ok(|message| Message::from(format!("<{}>", message.as_text().unwrap())))
            .map_err(WriteError::Failed)
            .forward(writable);
        let (echoed, (), end) = tokio::join!(echo, server, stream.closed());
        echoed.unwrap();
        assert_eq!(end.unwrap().code, 1005);
    });
}
