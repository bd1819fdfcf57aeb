//! The tokio adapter: how connections end.

#![cfg(all(feature = "tokio", feature = "url"))]

mod common;
mod sockets;
mod tokio_common;

use common::*;
use sockeye::tokio::{Error, WebSocket};
use sockeye::{Cause, Closed, Message, ProtocolError, SendError, Side};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;
use tokio_common::*;

/// Reads once, in a task of its own; and how the connection ended.
type Reading = JoinHandle<(Result<Option<Message<'static>>, Error>, Option<Closed>)>;

fn start_reading(mut ws: WebSocket<DuplexStream>) -> Reading {
    tokio::spawn(async move { (ws.read().await, ws.closed()) })
}

// ---- closing ---------------------------------------------------------------------

#[test]
fn s7_1_2_we_close_with_every_legal_code() {
    run_each_role(|role| async move {
        for number in CODES {
            let (mut ws, mut peer) = open(role, &defaults());
            let ours = tokio::spawn(async move { (ws.close(code(number), REASON).await, ws) });
            peer.expect([close(number, REASON)]).await;
            peer.send([close(number, REASON)]).await;
            peer.finish().await;
            let (closed, mut ws) = ours.await.unwrap();
            let closed = closed.unwrap();
            assert!(closed.is_clean());
            assert_eq!((closed.by(), closed.cause()), (Side::Local, Cause::ClosingHandshake));
            assert_eq!((closed.code().get(), closed.reason()), (number, REASON));
            assert_eq!(ws.closed(), Some(closed));
            assert_shape!(ws.send("more").await, Err(Error::Send(SendError::Closed)));
            assert_shape!(ws.ping(b"").await, Err(Error::Send(SendError::Closed)));
            assert_shape!(ws.read().await, Ok(None));
            assert_shape!(ws.ready().await, Ok(false));
            assert_shape!(ws.flush().await, Ok(()));
        }
    });
}

#[test]
fn s5_5_1_the_peers_close_is_answered_with_its_code_and_reason() {
    run_each_role(|role| async move {
        for number in CODES {
            let (mut ws, mut peer) = open(role, &defaults());
            let ours = tokio::spawn(async move { (ws.read().await, ws) });
            peer.send([close(number, REASON)]).await;
            peer.expect([close(number, REASON)]).await;
            peer.finish().await;
            let (outcome, mut ws) = ours.await.unwrap();
            assert_shape!(outcome, Ok(None));
            let closed = ws.closed().unwrap();
            assert!(closed.is_clean());
            assert_eq!(closed.by(), Side::Peer);
            assert_eq!((closed.code().get(), closed.reason()), (number, REASON));
            assert_shape!(ws.send("more").await, Err(Error::Send(SendError::Closed)));
            assert_eq!(ws.close(code(1000), "").await.unwrap(), closed);
        }
    });
}

#[test]
fn s7_1_5_a_close_without_a_body_reports_1005_on_both_sides() {
    run_each_role(|role| async move {
        for by_us in [true, false] {
            let (mut ws, mut peer) = open(role, &defaults());
            if by_us {
                ws.command(|ws, out| ws.close(None, "", out)).await.unwrap();
                peer.expect([empty_close()]).await;
                peer.send([empty_close()]).await;
            } else {
                peer.send([empty_close()]).await;
            }
            let ours = start_reading(ws);
            if !by_us {
                peer.expect([empty_close()]).await;
            }
            peer.finish().await;
            let (outcome, closed) = ours.await.unwrap();
            assert_shape!(outcome, Ok(None));
            let closed = closed.unwrap();
            assert_eq!((closed.is_clean(), closed.code().get()), (true, 1005));
        }
    });
}

#[test]
fn s7_4_codes_that_may_not_be_sent_are_refused_and_change_nothing() {
    run_each_role(|role| async move {
        let (mut ws, mut peer) = open(role, &defaults());
        for forbidden in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
            let code = code(forbidden);
            let outcome = ws.close(code, "").await;
            assert_shape!(outcome, Err(Error::Send(SendError::InvalidCloseCode)));
            let outcome = ws.start_close(code, "").await;
            assert_shape!(outcome, Err(Error::Send(SendError::InvalidCloseCode)));
        }
        ws.send("still open").await.unwrap();
        peer.expect([text("still open")]).await;
    });
}

#[test]
fn two_ends_of_ours_close_in_good_order() {
    run(|| async {
        for by_client in [true, false] {
            let (client, server) = pair(&defaults());
            let (mut first, second) = if by_client { (client, server) } else { (server, client) };
            let second = tokio::spawn(async move {
                let mut second = second;
                let outcome = second.read().await;
                (outcome, second.closed())
                // Dropped here: a server's end is the end of the stream.
            });
            let closed = first.close(code(1001), REASON).await.unwrap();
            drop(first);
            let (outcome, seen) = second.await.unwrap();
            let seen = seen.unwrap();
            assert_shape!(outcome, Ok(None));
            assert!(closed.is_clean() && seen.is_clean());
            assert_eq!((closed.by(), seen.by()), (Side::Local, Side::Peer));
            assert_eq!((seen.code().get(), seen.reason()), (1001, REASON));
        }
    });
}

#[test]
fn rule_65_both_may_close_at_the_same_time() {
    run_each_role(|role| async move {
        let (mut ws, mut peer) = open(role, &defaults());
        peer.send([close(4001, "theirs")]).await;
        ws.start_close(code(4000), "ours").await.unwrap();
        peer.expect([close(4000, "ours")]).await;
        let ours = start_reading(ws);
        peer.finish().await; // nothing comes but the end
        let (outcome, closed) = ours.await.unwrap();
        assert_shape!(outcome, Ok(None));
        let closed = closed.unwrap();
        assert!(closed.is_clean());
        assert_eq!((closed.code().get(), closed.reason()), (4001, "theirs"));
    });
}

#[test]
fn s5_5_1_messages_before_the_peers_close_are_read_after_ours() {
    run_each_role(|role| async move {
        let (mut ws, mut peer) = open(role, &defaults());
        ws.start_close(code(1000), "").await.unwrap();
        peer.expect([close(1000, "")]).await;
        peer.send([text("a"), ping("unanswered"), binary([2]), close(1000, "")]).await;
        let ours = tokio::spawn(async move {
            [ws.read().await, ws.read().await, ws.read().await].map(Result::unwrap)
        });
        peer.finish().await; // nothing comes but the end
        let read = [Some(Message::from("a")), Some(Message::from(vec![2])), None];
        assert_eq!(ours.await.unwrap(), read);
    });
}

#[test]
fn s5_5_1_close_reads_and_drops_what_the_peer_still_sends() {
    run_each_role(|role| async move {
        let (mut ws, mut peer) = open(role, &defaults());
        let ours = tokio::spawn(async move { ws.close(code(1000), "").await });
        // More than is on the way: it would get stuck.
        for _ in 0..10 {
            peer.send([binary(vec![0; 200_000])]).await;
        }
        peer.send([fragment(TEXT, "cut short"), close(1000, "")]).await;
        peer.expect([close(1000, "")]).await;
        peer.finish().await;
        assert!(ours.await.unwrap().unwrap().is_clean());
    });
}

#[test]
fn s5_5_1_what_was_queued_goes_out_before_our_close() {
    run_each_role(|role| async move {
        let (mut ws, mut peer) = open_with(role, &defaults(), 100);
        ws.queue("queued").unwrap();
        poll_times(ws.send(vec![7; 5000]), 1);
        let ours = tokio::spawn(async move { ws.close(code(1000), "").await });
        peer.expect([text("queued"), binary([7; 5000]), close(1000, "")]).await;
        peer.send([close(1000, "")]).await;
        peer.finish().await;
        assert!(ours.await.unwrap().unwrap().is_clean());
    });
}

#[test]
fn rule_73_a_message_that_a_close_cuts_short_is_void() {
    run_each_role(|role| async move {
        let (ws, mut peer) = open(role, &defaults());
        peer.send([fragment(TEXT, "half a mess"), close(1000, "")]).await;
        let ours = start_reading(ws);
        peer.expect([close(1000, "")]).await;
        peer.finish().await;
        assert_shape!(ours.await.unwrap().0, Ok(None));
    });
}

#[test]
fn s7_1_1_client_waits_for_the_server_to_close_the_transport() {
    run(|| async {
        let (ws, mut peer) = open(Role::Client, &defaults());
        let ours = start_reading(ws);
        peer.send([close(1000, "")]).await;
        peer.expect([close(1000, "")]).await;
        let waits = tokio::time::timeout(10 * SECOND, peer.stream.read_u8()).await;
        assert_shape!(waits, Err(_));
        drop(peer);
        assert_shape!(ours.await.unwrap().0, Ok(None));
    });
}

#[test]
fn s7_1_1_dropping_a_connection_ends_its_stream() {
    run_each_role(|role| async move {
        for is_split in [false, true] {
            let (ws, mut peer) = open(role, &defaults());
            if is_split {
                let (reader, sender) = ws.split();
                drop(reader);
                sender.send("still there").await.unwrap();
                peer.expect([text("still there")]).await;
            } else {
                drop(ws);
            }
            peer.expect_eof().await;
        }
    });
}

#[test]
fn aborting_ends_a_connection_with_no_word() {
    run_each_role(|role| async move {
        let (mut ws, mut peer) = open(role, &defaults());
        ws.queue("never sent").unwrap();
        let closed = ws.abort();
        assert_eq!((closed.cause(), closed.by()), (Cause::Aborted, Side::Local));
        assert_eq!((closed.code().get(), ws.queued_len()), (1006, 0));
        assert_shape!(ws.send("x").await, Err(Error::Send(SendError::Closed)));
        let (outcome, took) = timed(ws.read()).await;
        assert_shape!(outcome, Err(Error::Aborted));
        assert_eq!(took.as_secs(), 0);
        assert_eq!(ws.closed(), Some(closed));
        drop(ws);
        peer.expect_eof().await;
    });
}

// ---- failing ---------------------------------------------------------------------

#[test]
fn s7_1_7_a_violation_is_an_error_and_the_peer_is_told() {
    use ProtocolError::*;
    run_each_role(|role| async move {
        let masked = role == Role::Server;
        let violations = [
            (encode_for(role, [text("x").rsv(4)]), ReservedBits),
            (encode_for(role, [frame(3, "")]), ReservedOpcode),
            (encode_for(role, [fragment(PING, "")]), ControlFrameFragmented),
            (encode_for(role, [frame(CONTINUATION, "")]), ContinuationWithoutStart),
            (encode_for(role, [frame(TEXT, b"\xff")]), TextNotUtf8),
            (encode_for(role, [close(1005, "")]), CloseCodeInvalid),
            (encode_for(role, [binary([0; 801])]), FrameTooLong),
            (announce(0x80 | BINARY, 5, masked), LengthNotMinimal),
            if masked {
                (text("x").unmasked(), UnmaskedByClient)
            } else {
                (text("x").masked(), MaskedByServer)
            },
        ];
        for (bytes, expected) in violations {
            let (mut ws, mut peer) = open(role, &config(|c| c.max_frame_len = 800));
            peer.send([text("fine")]).await;
            peer.send_bytes(bytes).await;
            assert_eq!(ws.read().await.unwrap(), Some(Message::from("fine")));
            let ours = tokio::spawn(async move { (ws.read().await, ws) });
            peer.expect([close(expected.close_code().get(), "")]).await;
            peer.expect_eof().await;
            drop(peer);
            let (outcome, mut ws) = ours.await.unwrap();
            assert_shape!(outcome, Err(Error::Protocol(e)) if e == expected);
            assert_eq!(ws.closed().unwrap().cause(), Cause::Protocol(expected));
            assert_shape!(ws.read().await, Err(Error::Protocol(e)) if e == expected);
            assert_shape!(ws.send("x").await, Err(Error::Send(SendError::Closed)));
            let again = ws.close(code(1000), "").await;
            assert_shape!(again, Err(Error::Protocol(e)) if e == expected);
        }
    });
}

#[test]
fn rule_67_the_close_of_a_failing_connection_is_seen_by_a_peer_that_still_sends() {
    run_each_role(|role| async move {
        let (ws, mut peer) = open(role, &defaults());
        let ours = start_reading(ws);
        peer.send([text("x").rsv(1)]).await;
        peer.send_bytes(vec![0; 5_000_000]).await;
        peer.expect([close(1002, "")]).await;
        peer.expect_eof().await;
        drop(peer);
        let (outcome, _) = ours.await.unwrap();
        assert_shape!(outcome, Err(Error::Protocol(ProtocolError::ReservedBits)));
    });
}

#[test]
fn s7_1_5_the_end_of_the_stream_without_a_close_is_1006() {
    run_each_role(|role| async move {
        let (mut ws, mut peer) = open(role, &defaults());
        peer.half_close().await;
        assert_shape!(ws.read().await, Err(Error::Lost { inside_frame: false, .. }));
        let closed = ws.closed().unwrap();
        assert_eq!((closed.code().get(), closed.is_clean()), (1006, false));
        assert_eq!(closed.by(), Side::Peer);
        assert_shape!(ws.send("x").await, Err(Error::Send(SendError::Closed)));
        peer.expect_eof().await;

        // After our Close alone it is not clean either.
        let (mut ws, mut peer) = open(role, &defaults());
        peer.half_close().await;
        let outcome = ws.close(code(1000), "").await;
        assert_shape!(outcome, Err(Error::Lost { inside_frame: false, .. }));
        assert_eq!(ws.closed().unwrap().by(), Side::Local);
    });
}

#[test]
fn what_a_peer_said_before_it_went_away_is_read_though_we_cannot_write() {
    run_each_role(|role| async move {
        let (mut ws, mut peer) = open(role, &defaults());
        peer.send([text("a"), ping("p"), text("b"), close(1000, "")]).await;
        drop(peer);
        assert_shape!(ws.send("x").await, Err(Error::Io(_)));
        let read = [ws.read().await, ws.read().await, ws.read().await].map(Result::unwrap);
        assert_eq!(read, [Some("a".into()), Some("b".into()), None]);
        assert!(ws.closed().unwrap().is_clean());
    });
}

#[test]
fn s7_1_4_a_half_close_of_the_peers_lets_what_we_send_through() {
    run_each_role(|role| async move {
        let (mut ws, mut peer) = open(role, &defaults());
        peer.send([text("a"), close(1000, "")]).await;
        peer.stream.shutdown().await.unwrap();
        ws.queue("b").unwrap();
        assert_eq!(ws.read().await.unwrap(), Some(Message::from("a")));
        assert_shape!(ws.read().await, Ok(None));
        drop(ws);
        let frames = decoded([text("b"), close(1000, "")]);
        assert_same_frames(&peer.frames_to_the_end().await, &frames);
    });
}
