//! The tokio adapter as `Stream` and `Sink`.

#![cfg(all(feature = "tokio", feature = "url"))]

mod common;
mod sockets;
mod tokio_common;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use common::*;
use futures_util::{Sink, SinkExt, StreamExt, TryStreamExt, future, stream};
use sockeye::tokio::{Error, WebSocket};
use sockeye::{Message, ProtocolError, SendError, Timeout};
use tokio::io::DuplexStream;
use tokio_common::*;

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|n| n.to_string().repeat(1 + n % 50)).collect()
}

/// Sends them, and closes when all of them have come back.
async fn converse(client: WebSocket<DuplexStream>, texts: &[String]) {
    let (mut reader, mut sender) = client.split();
    let mut messages = stream::iter(texts.iter().map(|t| Ok(Message::from(t.as_str()))));
    let back = reader.by_ref().take(texts.len()).try_collect::<Vec<_>>();
    let (sent, back) = tokio::join!(sender.send_all(&mut messages), back);
    sent.unwrap();
    assert!(back.unwrap().iter().map(Message::as_text).eq(texts.iter().map(|t| Some(t.as_str()))));
    SinkExt::<Message<'static>>::close(&mut sender).await.unwrap();
    assert!(reader.next().await.is_none());
}

#[test]
fn an_echo_is_a_stream_forwarded_into_its_sink() {
    run(|| async {
        let (client, server) = pair(&config(|c| c.max_queued_len = 100));
        let echo = tokio::spawn(async move {
            let (sink, stream) = StreamExt::split::<Message<'static>>(server);
            stream.forward(sink).await
        });
        converse(client, &texts(500)).await;
        echo.await.unwrap().unwrap();
    });
}

#[test]
fn split_an_echo_is_a_reader_forwarded_into_a_sender() {
    run(|| async {
        let (client, server) = pair(&config(|c| c.max_queued_len = 100));
        let echo = tokio::spawn(async move {
            let (reader, sender) = server.split();
            reader.forward(sender).await
        });
        converse(client, &texts(500)).await;
        echo.await.unwrap().unwrap();
    });
}

#[test]
fn a_stream_ends_after_a_close() {
    run_each_role(|role| async move {
        for is_split in [false, true] {
            let (mut ws, mut peer) = open(role, &defaults());
            peer.send([text("a"), close(1000, "")]).await;
            drop(peer);
            let (items, after) = if is_split {
                let (mut reader, _sender) = ws.split();
                (reader.by_ref().collect::<Vec<_>>().await, reader.next().await.is_none())
            } else {
                (ws.by_ref().collect::<Vec<_>>().await, ws.next().await.is_none())
            };
            let [Ok(message)] = items.as_slice() else { panic!("{items:?}") };
            assert!(*message == Message::from("a") && after);
        }
    });
}

#[test]
fn a_stream_ends_after_an_error() {
    run_each_role(|role| async move {
        for is_split in [false, true] {
            let (mut ws, mut peer) = open(role, &defaults());
            peer.send([text("a"), text("b").rsv(1)]).await;
            drop(peer);
            let items = if is_split {
                let (mut reader, _sender) = ws.split();
                let items = reader.by_ref().collect::<Vec<_>>().await;
                assert!(reader.next().await.is_none());
                items
            } else {
                let items = ws.by_ref().collect::<Vec<_>>().await;
                assert!(ws.next().await.is_none());
                items
            };
            let [Ok(message), Err(Error::Protocol(ProtocolError::ReservedBits))] = items.as_slice()
            else {
                panic!("{items:?}")
            };
            assert_eq!(*message, Message::from("a"));
        }
    });
}

#[test]
fn an_end_of_a_stream_is_remembered_by_halves_and_by_what_is_put_together() {
    run(|| async {
        let (mut ws, mut peer) = open(Role::Server, &defaults());
        peer.half_close().await;
        assert_shape!(ws.next().await, Some(Err(Error::Lost { .. })));
        let (mut reader, sender) = ws.split();
        assert!(reader.next().await.is_none());
        let mut ws = reader.reunite(sender).unwrap();
        assert!(ws.next().await.is_none());
        // `read` tells as often as it is asked.
        assert_shape!(ws.read().await, Err(Error::Lost { .. }));
    });
}

#[test]
fn s7_1_2_closing_a_sink_starts_the_closing_handshake_with_1000() {
    run_each_role(|role| async move {
        for is_split in [false, true] {
            let (mut ws, mut peer) = open(role, &defaults());
            let ours = tokio::spawn(async move {
                if is_split {
                    let (reader, mut sender) = ws.split();
                    SinkExt::feed(&mut sender, Message::from("fed")).await?;
                    SinkExt::<Message<'static>>::close(&mut sender).await?;
                    // More than once: it is closed already.
                    SinkExt::<Message<'static>>::close(&mut sender).await?;
                    let late = SinkExt::send(&mut sender, Message::from("late")).await;
                    assert_shape!(late, Err(Error::Send(SendError::Closed)));
                    reader.try_collect::<Vec<_>>().await
                } else {
                    SinkExt::feed(&mut ws, Message::from("fed")).await?;
                    SinkExt::<Message<'static>>::close(&mut ws).await?;
                    SinkExt::<Message<'static>>::close(&mut ws).await?;
                    let late = SinkExt::send(&mut ws, Message::from("late")).await;
                    assert_shape!(late, Err(Error::Send(SendError::Closed)));
                    ws.try_collect::<Vec<_>>().await
                }
            });
            peer.expect([text("fed"), close(1000, "")]).await;
            peer.send([text("last words"), close(1000, "")]).await;
            peer.finish().await;
            assert_eq!(ours.await.unwrap().unwrap(), [Message::from("last words")]);
        }
    });
}

#[test]
fn a_sink_is_ready_while_there_is_room() {
    run_each_role(|role| async move {
        for is_split in [false, true] {
            let link = Link::new("");
            link.net().window = Some(0);
            let ws = end_on(role, link.clone(), &config(|c| c.max_queued_len = 10));
            type Messages = dyn futures_util::Sink<Message<'static>, Error = Error> + Send;
            let mut kept = None;
            let mut sink: Pin<Box<Messages>> = if is_split {
                let (reader, sender) = ws.split();
                kept = Some(reader);
                Box::pin(sender)
            } else {
                Box::pin(ws)
            };
            sink.feed(Message::from("passes the limit")).await.unwrap();
            let ready = tokio::spawn(async move {
                future::poll_fn(|cx| sink.as_mut().poll_ready(cx)).await.map(|()| sink)
            });
            settle().await;
            assert!(!ready.is_finished());
            link.widen(1000);
            let mut sink = ready.await.unwrap().unwrap();
            sink.send(Message::from("behind")).await.unwrap();
            let frames = decoded([text("passes the limit"), text("behind")]);
            assert_same_frames(&link.frames(role), &frames);
            drop(kept);
        }
    });
}

#[test]
fn a_sink_tells_that_its_stream_is_gone() {
    run_each_role(|role| async move {
        let (mut ws, peer) = open(role, &defaults());
        drop(peer);
        assert_shape!(SinkExt::send(&mut ws, Message::from("x")).await, Err(Error::Io(_)));
        let (ws, peer) = open(role, &defaults());
        drop(peer);
        let (_reader, mut sender) = ws.split();
        assert_shape!(SinkExt::send(&mut sender, Message::from("x")).await, Err(Error::Io(_)));
        assert_shape!(SinkExt::<Message<'static>>::close(&mut sender).await, Err(Error::Io(_)));
    });
}

#[test]
fn deadlines_hold_while_a_stream_is_waited_for() {
    run_each_role(|role| async move {
        let config = config(|c| {
            c.idle_timeout = Some(10 * SECOND);
            c.close_timeout = Some(SECOND);
        });
        let (ws, _peer) = open(role, &config);
        let (items, took) = timed(ws.collect::<Vec<_>>()).await;
        assert_shape!(items.as_slice(), [Err(Error::Timeout(Timeout::Idle))]);
        assert_took(took, 11 * SECOND);
    });
}

/// A split server's sender, whose stream takes nothing yet.
fn stuck_sender() -> (Link, sockeye::tokio::Reader<Link>, sockeye::tokio::Sender<Link>) {
    let link = Link::new("");
    link.net().window = Some(0);
    let (reader, sender) = server_on(link.clone(), &defaults()).split();
    (link, reader, sender)
}

#[test]
fn a_senders_flush_waits_for_what_was_sent_since_it_began() {
    run(|| async {
        let (link, _reader, mut sender) = stuck_sender();
        let mut cx = Context::from_waker(Waker::noop());
        let mut sink = Pin::new(&mut sender);
        Sink::<Message<'_>>::start_send(sink.as_mut(), "one".into()).unwrap();
        assert!(Sink::<Message<'_>>::poll_flush(sink.as_mut(), &mut cx).is_pending());
        Sink::<Message<'_>>::start_send(sink.as_mut(), "two".into()).unwrap();
        link.widen(5);
        assert!(Sink::<Message<'_>>::poll_flush(sink.as_mut(), &mut cx).is_pending());
        assert!(Sink::<Message<'_>>::poll_close(sink.as_mut(), &mut cx).is_pending());
        link.widen(5);
        assert!(Sink::<Message<'_>>::poll_close(sink.as_mut(), &mut cx).is_pending());
        link.widen(4);
        assert!(Sink::<Message<'_>>::poll_close(sink.as_mut(), &mut cx).is_ready());
        assert_eq!(sender.queued_len(), 0);
    });
}

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_sink_that_waits_for_nothing_is_not_woken() {
    run(|| async {
        let (link, mut reader, mut sender) = stuck_sender();
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        let mut sink = Pin::new(&mut sender);
        Sink::<Message<'_>>::start_send(sink.as_mut(), "one".into()).unwrap();
        assert!(Sink::<Message<'_>>::poll_flush(sink.as_mut(), &mut cx).is_pending());
        link.widen(1000);
        assert!(Sink::<Message<'_>>::poll_flush(sink.as_mut(), &mut cx).is_ready());
        let woken = count.0.load(Ordering::Relaxed);
        let reading = tokio::spawn(async move { while reader.next().await.is_some() {} });
        for _ in 0..10 {
            settle().await;
            link.say(&text("hi").masked());
        }
        settle().await;
        assert_eq!(count.0.load(Ordering::Relaxed), woken);
        assert!(!reading.is_finished());
    });
}
