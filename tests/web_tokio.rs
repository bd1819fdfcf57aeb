//! The browser's `WebSocket` object, carried by a task: events in their order,
//! handlers, closing, the end.

#![cfg(all(feature = "tokio", feature = "web"))]

mod common;
mod sockets;
mod tokio_common;
mod web_carried;
mod web_sockets;

use std::time::Duration;

use common::*;
use futures_util::StreamExt;
use sockeye::tokio::web::{Readable, WebSocket, WebSocketStream, Writable};
use sockeye::web::{self, Diagnostic, EventKind, Options, ReadyState};
use tokio::io::{DuplexStream, duplex};
use tokio_common::{
    Link, Peer, Role, SECOND, assert_same_frames, assert_took, bytes_of, code, decoded, poll_times,
    reply, run, settle, timed,
};
use web_carried::{answer, connecting, open, rest};
use web_sockets::*;

// ---- events ------------------------------------------------------------------------

#[test]
fn c12_nothing_happens_before_the_caller_has_returned_to_its_loop() {
    run(|| async {
        let (mut ws, mut peer) = connecting(&plain());
        settle().await;
        assert_eq!(ws.ready_state(), ReadyState::Connecting);
        assert!(ws.turn().is_none(), "there is no task");
        let (event, ()) = tokio::join!(ws.next_event(), answer(&mut peer));
        assert_eq!(told(&event.unwrap()), "open");
        // What comes while nobody waits for events changes nothing either.
        peer.send([text("a"), close(1000, "")]).await;
        settle().await;
        assert!(ws.turn().is_none());
        assert_eq!(ws.ready_state(), ReadyState::Open);
    });
}

#[test]
fn s6_events_come_in_order_and_none_after_close() {
    run(|| async {
        let (mut ws, mut peer) = connecting(&plain());
        let frames = [text("a"), fragment(TEXT, "b"), ping("p"), frame(CONTINUATION, "c")];
        let more = [binary([1, 2, 3]), text(""), close(3000, "bye")];
        let server = async {
            let request = peer.head().await;
            // All at once: the reply, and what comes behind it.
            let frames = peer.encode(frames.into_iter().chain(more));
            peer.send_bytes([reply(&request, "").into_bytes(), frames].concat()).await;
            peer.expect([pong("p"), close(3000, "bye")]).await;
            peer.half_close().await;
        };
        let (came, ()) = tokio::join!(rest(&mut ws), server);
        let expected =
            ["open", "text a", "text bc", "binary of 3 bytes", "text ", "close 3000 \"bye\" clean"];
        assert_eq!(came, expected);
        assert_eq!((ws.ready_state(), ws.diagnostic()), (ReadyState::Closed, None));
        assert_eq!(ws.next_event().await, None);
        assert!(!ws.ready().await);
        assert_eq!(ws.opened().await.unwrap_err().code, 3000, "as it was told before");
    });
}

#[test]
fn s2_state_changes_only_with_the_event_that_tells_of_it() {
    run(|| async {
        let (mut ws, mut peer) = open(&plain()).await;
        peer.send([text("a"), close(1000, "")]).await;
        peer.half_close().await;
        assert_eq!(told(&ws.next_event().await.unwrap()), "text a");
        assert_eq!(ws.ready_state(), ReadyState::Open, "of the Close it does not know yet");
        assert_eq!(told(&ws.next_event().await.unwrap()), "close 1000 \"\" clean");
        assert_eq!(ws.ready_state(), ReadyState::Closed);
    });
}

#[test]
fn a_stream_of_events_ends_after_close() {
    run(|| async {
        let (ws, mut peer) = open(&plain()).await;
        peer.send([text("a"), text("b"), empty_close()]).await;
        peer.half_close().await;
        let came: Vec<String> = ws.map(|event| told(&event)).collect().await;
        assert_eq!(came, ["text a", "text b", "close 1005 \"\" clean"]);
    });
}

#[test]
fn ready_and_turn_make_a_loop_of_ones_own() {
    run(|| async {
        let (mut ws, mut peer) = connecting(&plain());
        let server = async {
            answer(&mut peer).await;
            peer.send([text("a"), close(1000, "")]).await;
            peer.expect([close(1000, "")]).await;
            peer.half_close().await;
        };
        let ours = async {
            let mut came = Vec::new();
            while ws.ready().await {
                let before = ws.ready_state();
                // True until the task is run, however often it is asked.
                assert!(ws.ready().await);
                assert_eq!(ws.ready_state(), before, "only a turn changes it");
                came.extend(ws.turn().expect("a task").map(|event| told(&event)));
            }
            came
        };
        let (came, ()) = tokio::join!(ours, server);
        assert_eq!(came, ["open", "text a", "close 1000 \"\" clean"]);
    });
}

#[test]
fn ready_and_dispatch_call_the_handlers() {
    run(|| async {
        let (mut ws, mut peer) = connecting(&plain());
        let (say, mut hear) = tokio::sync::mpsc::unbounded_channel();
        ws.add_listener(EventKind::Message, move |_, event| say.send(told(event)).unwrap());
        let server = async {
            answer(&mut peer).await;
            peer.send([text("a"), empty_close()]).await;
            peer.half_close().await;
        };
        let ours = async {
            while ws.ready().await {
                let _ = ws.dispatch().expect("a task");
            }
        };
        tokio::join!(ours, server);
        assert_eq!(hear.recv().await.as_deref(), Some("text a"));
    });
}

// ---- handlers ----------------------------------------------------------------------

#[test]
fn e4_handlers_run_inside_of_run_and_what_they_send_goes_out() {
    run(|| async {
        let mut socket = socket(&plain());
        socket.on_open(|ws| ws.send_text("from open").unwrap());
        socket.on_message(|ws, event| match brief(&event.data).as_str() {
            "text close" => ws.close(Some(4000), Some("by handler")).unwrap(),
            _ => ws.send_text("from message").unwrap(),
        });
        let (ours, theirs) = duplex(64 << 10);
        let ws = WebSocket::carry(socket, ours);
        let mut peer = Peer::new(Role::Server, theirs);
        let server = async {
            answer(&mut peer).await;
            peer.expect([text("from open")]).await;
            peer.send([text("a"), text("b")]).await;
            peer.expect([text("from message"), text("from message")]).await;
            // What comes behind is not told: the handler has closed.
            peer.send([text("close"), text("late")]).await;
            peer.expect([close(4000, "by handler")]).await;
            peer.send([close(4000, "by handler")]).await;
            peer.half_close().await;
        };
        let (close, ()) = tokio::join!(ws.run(), server);
        assert_eq!((close.code, close.was_clean), (4000, true));
        assert_eq!(close.reason, "by handler");
    });
}

#[test]
fn run_gives_the_close_event_of_a_failure_as_well() {
    run(|| async {
        let (ws, peer) = connecting(&plain());
        drop(peer);
        let close = ws.run().await;
        assert_eq!((close.code, close.was_clean), (1006, false));
    });
}

// ---- closing -----------------------------------------------------------------------

#[test]
fn s7_both_closes_make_a_clean_end_whoever_begins() {
    run(|| async {
        let (mut ws, mut peer) = open(&plain()).await;
        ws.close(Some(1000), Some("done")).unwrap();
        let server = async {
            peer.expect([close(1000, "done")]).await;
            peer.send([close(1001, "me too")]).await;
            peer.half_close().await;
            peer.expect_eof().await;
        };
        let (came, ()) = tokio::join!(rest(&mut ws), server);
        assert_eq!(came, ["close 1001 \"me too\" clean"]);

        let (mut ws, mut peer) = open(&plain()).await;
        let server = async {
            peer.send([close(3333, "first")]).await;
            peer.expect([close(3333, "first")]).await;
            peer.half_close().await;
            peer.expect_eof().await;
        };
        let (came, ()) = tokio::join!(rest(&mut ws), server);
        assert_eq!(came, ["close 3333 \"first\" clean"]);
    });
}

#[test]
fn s7_1_1_after_a_clean_close_the_server_ends_tcp_first() {
    run(|| async {
        let (mut ws, mut peer) = open(&plain()).await;
        ws.close(None, None).unwrap();
        let server = async {
            peer.expect([empty_close()]).await;
            peer.send([empty_close()]).await;
            settle().await;
            peer.half_close().await;
        };
        let ((came, took), ()) = tokio::join!(timed(rest(&mut ws)), server);
        assert_eq!(came, ["close 1005 \"\" clean"]);
        assert!(took < SECOND, "{took:?}");
    });
}

#[test]
fn x8_messages_sent_before_close_go_out_before_it() {
    run(|| async {
        let (mut ws, mut peer) = open(&plain()).await;
        let data = bytes_of(300_000);
        ws.send_text("a").unwrap();
        ws.send_binary(&data).unwrap();
        ws.close(Some(1000), None).unwrap();
        ws.send_text("too late").unwrap();
        let server = async {
            peer.expect([text("a"), binary(&data), close(1000, "")]).await;
            peer.send([close(1000, "")]).await;
            peer.half_close().await;
            peer.expect_eof().await;
        };
        let (came, ()) = tokio::join!(rest(&mut ws), server);
        assert_eq!(came, ["close 1000 \"\" clean"]);
        assert_eq!(ws.buffered_amount(), 8, "what came too late, for ever");
    });
}

#[test]
fn x10_a_peer_that_does_not_answer_a_close_is_given_up() {
    run(|| async {
        let mut options = Options::default();
        assert_eq!(options.config.close_timeout, Some(Duration::from_secs(10)));
        options.config = page(|c| c.close_timeout = Some(7 * SECOND)).config;
        let (mut ws, mut peer) = open(&options).await;
        ws.close(None, None).unwrap();
        let server = async {
            peer.expect([empty_close()]).await;
            // It talks on, but not of that.
            peer.send([text("not heard"), ping("")]).await;
            peer.expect_eof().await;
            peer
        };
        let ((came, took), _peer) = tokio::join!(timed(rest(&mut ws)), server);
        assert_failure(&came);
        // And a second for the peer to end its side of TCP.
        assert_took(took, 8 * SECOND);
        assert!(matches!(ws.diagnostic(), Some(Diagnostic::Ended(_))));
    });
}

#[test]
fn e5_going_away_closes_with_1001() {
    run(|| async {
        let (mut ws, mut peer) = open(&plain()).await;
        ws.go_away();
        let server = async {
            peer.expect([close(1001, "")]).await;
            peer.send([close(1001, "")]).await;
            peer.half_close().await;
        };
        let (came, ()) = tokio::join!(rest(&mut ws), server);
        assert_eq!(came, ["close 1001 \"\" clean"]);
    });
}

// ---- other ends --------------------------------------------------------------------

#[test]
fn s8_an_abrupt_end_is_a_failure() {
    run(|| async {
        let partial = text("whole").unmasked()[..4].to_vec();
        for last in [Vec::new(), partial, fragment(TEXT, "half a message").unmasked()] {
            let (mut ws, mut peer) = open(&plain()).await;
            peer.send([text("a")]).await;
            peer.send_bytes(&last).await;
            peer.half_close().await;
            let (came, frames) = tokio::join!(rest(&mut ws), peer.frames_to_the_end());
            assert_eq!(came, ["text a", FAILURE[0], FAILURE[1]]);
            assert_eq!(frames, [], "there is nobody to tell");
        }
    });
}

#[test]
fn m5_a_peer_that_breaks_the_rules_is_told_why_before_the_transport_ends() {
    run(|| async {
        let cases = [(1007, fragment(TEXT, b"\xff").unmasked()), (1002, vec![0x83, 0])];
        for (code, bytes) in cases {
            let (mut ws, mut peer) = open(&plain()).await;
            peer.send([text("a")]).await;
            peer.send_bytes(&bytes).await;
            let server = async {
                let (first, payload) = peer.frame().await;
                assert_eq!(first, 0x88);
                assert_eq!(payload[..2], u16::to_be_bytes(code));
                peer.expect_eof().await;
                peer.half_close().await;
            };
            let ((came, took), ()) = tokio::join!(timed(rest(&mut ws)), server);
            assert_eq!(came, ["text a", FAILURE[0], FAILURE[1]]);
            assert!(took < SECOND, "the peer has ended: {took:?}");
            let shown = ws.diagnostic().unwrap().to_string();
            assert!(shown.contains("UTF-8") || code != 1007, "{shown}");
        }
    });
}

#[test]
fn a_close_that_follows_the_reply_at_once_gets_its_answer() {
    run(|| async {
        // In one read: the connection opens, and has failed.
        let (mut ws, mut peer) = connecting(&plain());
        let server = async {
            let request = peer.head().await;
            let frames = peer.encode([fragment(TEXT, b"\xff")]);
            peer.send_bytes([reply(&request, "").into_bytes(), frames].concat()).await;
            assert_eq!(peer.frame().await.1[..2], 1007_u16.to_be_bytes());
            peer.half_close().await;
        };
        let (came, ()) = tokio::join!(rest(&mut ws), server);
        assert_eq!(came, ["open", FAILURE[0], FAILURE[1]]);
    });
}

// ---- dropping ----------------------------------------------------------------------

#[test]
fn e5_dropped_while_open_it_sends_an_empty_close_and_ends_the_stream() {
    run(|| async {
        let (mut ws, mut peer) = open(&plain()).await;
        ws.send_text("last words").unwrap();
        drop(ws);
        let frames = peer.frames_to_the_end().await;
        assert_same_frames(&frames, &decoded([text("last words"), empty_close()]));
    });
}

#[test]
fn e5_dropped_in_an_event_loop_it_does_the_same_to_a_real_server() {
    run(|| async {
        let (ours, theirs) = duplex(64 << 10);
        let ws = WebSocket::carry(socket(&plain()), ours);
        let server = tokio::spawn(async move {
            let mut server = sockeye::tokio::accept(theirs).await.unwrap();
            server.send("hello").await.unwrap();
            assert_eq!(server.read().await.unwrap(), None, "closed in good order");
            server.closed().unwrap().code()
        });
        let client = tokio::spawn(async move {
            ws.take(2).for_each(|_| async {}).await; // and with it the socket goes
        });
        client.await.unwrap();
        assert_eq!(server.await.unwrap(), code(1005));
    });
}

#[test]
fn e5_dropped_while_closing_it_adds_nothing() {
    run(|| async {
        let (mut ws, mut peer) = open(&plain()).await;
        ws.close(Some(3000), Some("once")).unwrap();
        drop(ws);
        let frames = peer.frames_to_the_end().await;
        assert_same_frames(&frames, &decoded([close(3000, "once")]));
    });
}

#[test]
fn dropped_while_connecting_it_stops_at_once() {
    run(|| async {
        // Before it has said anything: it says nothing.
        let (ws, mut peer) = connecting(&plain());
        drop(ws);
        assert_eq!(peer.frames_to_the_end().await, []);
        // After its request.
        let (mut ws, mut peer) = connecting(&plain());
        assert!(poll_times(ws.next_event(), 3).is_none());
        drop(ws);
        peer.head().await;
        peer.expect_eof().await;
    });
}

#[test]
fn s10_closed_while_connecting_it_fails_and_never_opens() {
    run(|| async {
        // Before anything was said, and after.
        for polls in [0, 3] {
            let (mut ws, mut peer) = connecting(&plain());
            assert!(poll_times(ws.next_event(), polls).is_none());
            ws.close(Some(1000), None).unwrap();
            assert_eq!(ws.ready_state(), ReadyState::Closing);
            let (came, took) = timed(rest(&mut ws)).await;
            assert_failure(&came);
            assert_eq!(took, Duration::ZERO, "a server that was not heard is owed nothing");
            assert_eq!(ws.diagnostic(), Some(&Diagnostic::ClosedWhileConnecting));
            if polls > 0 {
                peer.head().await;
            }
            peer.expect_eof().await;
        }
    });
}

#[test]
fn s10_closed_before_the_request_has_gone_out_it_says_no_more() {
    run(|| async {
        let link = Link::new("");
        link.net().window = Some(10);
        let mut ws = WebSocket::carry(socket(&plain()), link.clone());
        assert!(poll_times(ws.next_event(), 3).is_none());
        ws.close(None, None).unwrap();
        let mut came = Vec::new();
        let ((), took) = timed(async {
            while let Some(event) = ws.next_event().await {
                came.push(told(&event));
            }
        })
        .await;
        assert_failure(&came);
        assert_eq!(took, Duration::ZERO);
        assert_eq!(link.net().written, b"GET /chat ");
    });
}

#[test]
fn s10_closed_when_the_reply_was_there_the_peer_hears_of_it() {
    run(|| async {
        let (mut ws, mut peer) = connecting(&plain());
        let (ready, ()) = tokio::join!(ws.ready(), answer(&mut peer));
        assert!(ready, "the event waits");
        ws.close(Some(1000), None).unwrap();
        let server = async {
            peer.expect([close(1001, "")]).await;
            peer.expect_eof().await;
            peer.half_close().await;
        };
        let (came, ()) = tokio::join!(rest(&mut ws), server);
        assert_failure(&came);
    });
}

// ---- types -------------------------------------------------------------------------

#[test]
fn carriers_and_their_futures_are_send() {
    fn is_send<T: Send>(_: &T) {}
    fn type_is_send<T: Send + 'static>() {}
    type_is_send::<WebSocket>();
    type_is_send::<WebSocket<DuplexStream>>();
    type_is_send::<WebSocketStream>();
    type_is_send::<Readable>();
    type_is_send::<Writable>();
    type_is_send::<sockeye::blocking::web::WebSocket>();
    type_is_send::<web::WebSocket>();
    run(|| async {
        let (mut ws, _peer) = connecting(&plain());
        is_send(&ws.next_event());
        is_send(&ws.ready());
        is_send(&ws.opened());
        is_send(&ws.flushed());
        is_send(&ws.run());
    });
}

#[test]
fn what_it_shows_says_how_far_it_is_and_nothing_secret() {
    run(|| async {
        let (ws, _peer) = connecting(&plain());
        let shown = format!("{ws:?}");
        assert!(shown.starts_with("WebSocket") && shown.contains("Connecting"), "{shown}");
    });
}
