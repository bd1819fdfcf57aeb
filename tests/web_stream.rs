//! `WebSocketStream`: opening, writing, and each way to end (T1 to T7; T8 is in
//! `web_stream_flow`).

#![cfg(all(feature = "tokio", feature = "web"))]

mod common;
mod sockets;
mod tokio_common;
mod web_carried;
mod web_sockets;

use common::*;
use futures_util::{SinkExt, StreamExt};
use sockeye::Message;
use sockeye::tokio::web::{Opened, WebSocket, WebSocketStream, WriteError};
use sockeye::web::{self, CloseEvent, CloseInfo, Options, WebSocketError};
use tokio::io::{DuplexStream, duplex};
use tokio_common::{
    Call, Fault, Link, Peer, Role, SECOND, assert_took, bytes_of, poll_times, poll_to_end, reply,
    run, timed,
};
use web_carried::answer;
use web_sockets::*;

type Stream = WebSocketStream<DuplexStream>;

fn connecting_with(options: &Options, buffer: usize) -> (Stream, Peer) {
    let (ours, peer) = web_carried::connecting_with(options, buffer);
    (WebSocketStream::new(ours), peer)
}

fn connecting() -> (Stream, Peer) {
    connecting_with(&plain(), 64 << 10)
}

async fn open_with(options: &Options, buffer: usize) -> (Stream, Opened<DuplexStream>, Peer) {
    let (mut stream, mut peer) = connecting_with(options, buffer);
    let (opened, ()) = tokio::join!(stream.opened(), answer(&mut peer));
    (stream, opened.unwrap(), peer)
}

async fn open() -> (Stream, Opened<DuplexStream>, Peer) {
    open_with(&plain(), 64 << 10).await
}

/// What it ended with, in a few words.
fn ended(end: Result<CloseEvent, WebSocketError>) -> String {
    match end {
        Ok(event) => format!("{} {:?}", event.code, event.reason),
        Err(error) => format!("failed with {} {:?}", error.close_code, error.reason),
    }
}

const FAILED: &str = "failed with 1006 \"\"";

fn info(code: u16, reason: &str) -> CloseInfo {
    CloseInfo::new(Some(code), reason).unwrap()
}

fn abnormal(error: &WebSocketError) -> bool {
    (error.close_code, error.reason.as_str()) == (1006, "")
}

// ---- opening -----------------------------------------------------------------------

#[test]
fn opened_tells_what_was_agreed_on_once() {
    run(|| async {
        let (ours, theirs) = duplex(64 << 10);
        let socket = web::WebSocket::with_options(URL, ["chat", "echo"], &Options::default());
        let mut stream = WebSocketStream::new(WebSocket::carry(socket.unwrap(), ours));
        assert_eq!(stream.url(), "ws://example.com/chat");
        let mut peer = Peer::new(Role::Server, theirs);
        let server = async {
            let request = peer.head().await;
            let lines = "Sec-WebSocket-Protocol: echo\r\n\
                Sec-WebSocket-Extensions: permessage-deflate\r\n";
            peer.send_bytes(reply(&request, lines)).await;
        };
        let (opened, ()) = tokio::join!(stream.opened(), server);
        let opened = opened.unwrap();
        assert_eq!(
            (opened.protocol.as_str(), opened.extensions.as_str()),
            ("echo", "permessage-deflate")
        );
        assert!(abnormal(&stream.opened().await.unwrap_err()), "the halves were taken");
        assert!(format!("{opened:?} {stream:?}").contains("ws://example.com/chat"));
    });
}

#[test]
fn t1_dropped_while_connecting_it_stops_at_once() {
    run(|| async {
        let (mut stream, mut peer) = connecting();
        assert!(poll_times(stream.opened(), 3).is_none());
        drop(stream);
        peer.head().await;
        peer.expect_eof().await;
    });
}

#[test]
fn t1_a_dropped_wait_for_opened_has_no_effect() {
    run(|| async {
        let (mut stream, mut peer) = connecting();
        for _ in 0..3 {
            assert!(poll_times(stream.opened(), 1).is_none());
        }
        let (opened, ()) = tokio::join!(stream.opened(), answer(&mut peer));
        opened.unwrap().writable.write("a").await.unwrap();
        peer.expect([text("a")]).await;
    });
}

#[test]
fn t1_nothing_can_be_aborted_outside_of_a_runtime_but_all_can_be_dropped() {
    // As a program does that ends behind its `block_on`.
    tokio_common::bounded(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for drops_halves_first in [false, true] {
            let (stream, opened, mut peer) = runtime.block_on(open());
            if drops_halves_first {
                drop(opened);
                drop(stream);
            } else {
                drop((stream, opened));
            }
            runtime.block_on(async {
                peer.expect([empty_close()]).await;
                peer.expect_eof().await;
            });
        }
        let (stream, opened, mut peer) = runtime.block_on(open());
        stream.close(&info(3000, "bye"));
        opened.writable.abort(&info(3001, "late"));
        opened.readable.cancel(&info(3002, "late"));
        runtime.block_on(peer.expect([close(3000, "bye")]));
        // Also before it connects.
        drop(connecting());
    });
}

#[test]
fn t2_a_failure_to_connect_fails_both() {
    run(|| async {
        for reply in ["HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", "nonsense\r\n\r\n", ""] {
            let (mut stream, mut peer) = connecting();
            peer.send_bytes(reply).await;
            peer.half_close().await;
            assert!(abnormal(&stream.opened().await.unwrap_err()));
            assert_eq!(ended(stream.closed().await), FAILED);
            assert!(abnormal(&stream.opened().await.unwrap_err()), "and once more");
        }
    });
}

#[test]
fn t2_close_during_the_handshake_fails_both() {
    run(|| async {
        let (mut stream, mut peer) = connecting();
        assert!(poll_times(stream.opened(), 3).is_none());
        stream.close(&info(1000, ""));
        assert!(abnormal(&stream.opened().await.unwrap_err()));
        assert_eq!(ended(stream.closed().await), FAILED);
        peer.head().await;
        peer.expect_eof().await;
    });
}

// ---- closing -----------------------------------------------------------------------

#[test]
fn t3_close_sends_the_code_and_reason_or_neither() {
    run(|| async {
        let implied = CloseInfo::new(None, "why").unwrap();
        let cases = [
            (CloseInfo::default(), empty_close()),
            (implied, close(1000, "why")),
            (info(4999, ""), close(4999, "")),
        ];
        for (info, expected) in cases {
            let (stream, _opened, mut peer) = open().await;
            stream.close(&info);
            // It has gone out, though nobody awaits anything.
            peer.expect([expected]).await;
            let server = async {
                peer.send([close(3000, "theirs")]).await;
                peer.half_close().await;
                peer.expect_eof().await;
            };
            let (end, ()) = tokio::join!(stream.closed(), server);
            assert_eq!(ended(end), "3000 \"theirs\"");
        }
        assert_eq!(CloseInfo::new(Some(1001), "").unwrap_err().name(), "InvalidAccessError");
        let long = "x".repeat(124);
        assert_eq!(CloseInfo::new(None, &long).unwrap_err().name(), "SyntaxError");
    });
}

#[test]
fn t4_closing_the_writable_waits_for_the_whole_closing_handshake() {
    run(|| async {
        for uses_sink in [false, true] {
            let (stream, opened, mut peer) = open().await;
            let mut writable = opened.writable;
            let closing = tokio::spawn(async move {
                match uses_sink {
                    true => SinkExt::<Message<'_>>::close(&mut writable).await.map_err(drop),
                    false => writable.close().await.map_err(drop),
                }
            });
            peer.expect([empty_close()]).await;
            tokio::time::sleep(SECOND).await;
            assert!(!closing.is_finished(), "the peer has not answered");
            peer.send([empty_close()]).await;
            tokio::time::sleep(SECOND).await;
            assert!(!closing.is_finished(), "and its stream has not ended");
            peer.half_close().await;
            closing.await.unwrap().unwrap();
            assert_eq!(ended(stream.closed().await), "1005 \"\"");
        }
    });
}

#[test]
fn t4_closing_the_writable_fails_with_the_connection() {
    run(|| async {
        let (_stream, opened, peer) = open().await;
        drop(peer);
        assert!(abnormal(&opened.writable.close().await.unwrap_err()));
        let (_stream, mut opened, peer) = open().await;
        drop(peer);
        let closed = SinkExt::<Message<'_>>::close(&mut opened.writable).await;
        assert_eq!(closed, Err(WriteError::Failed(ended_abnormally())));
    });
}

fn ended_abnormally() -> WebSocketError {
    // It can only be had by failing.
    let (mut stream, peer) = connecting();
    drop(peer);
    match poll_to_end(stream.opened()) {
        Err(error) => error,
        Ok(_) => panic!("nobody was there"),
    }
}

#[test]
fn t5_abort_and_cancel_send_their_code_and_reason() {
    run(|| async {
        for (is_abort, info, expected) in [
            (true, info(4000, "abort"), close(4000, "abort")),
            (true, CloseInfo::default(), empty_close()),
            (false, info(4001, "cancel"), close(4001, "cancel")),
            (false, CloseInfo::default(), empty_close()),
        ] {
            let (stream, opened, mut peer) = open().await;
            let Opened { readable, writable, .. } = opened;
            // The other half is still there.
            let _halves: (Option<_>, Option<_>) = if is_abort {
                writable.abort(&info);
                (Some(readable), None)
            } else {
                readable.cancel(&info);
                (None, Some(writable))
            };
            let server = async {
                peer.expect([expected]).await;
                peer.send([text("not read"), close(1000, "")]).await;
                peer.half_close().await;
            };
            let (end, ()) = tokio::join!(stream.closed(), server);
            assert_eq!(ended(end), "1000 \"\"");
        }
    });
}

#[test]
fn t5_dropping_both_halves_is_an_empty_close() {
    run(|| async {
        let (stream, opened, mut peer) = open().await;
        let Opened { readable, writable, .. } = opened;
        drop(writable);
        tokio::time::sleep(SECOND).await;
        peer.send([text("still open")]).await;
        drop(readable);
        let server = async {
            peer.expect([empty_close()]).await;
            peer.send([close(1000, "")]).await;
            peer.half_close().await;
        };
        let (end, ()) = tokio::join!(stream.closed(), server);
        assert_eq!(ended(end), "1000 \"\"");
    });
}

#[test]
fn dropping_all_of_it_is_an_empty_close_and_the_end_of_the_stream() {
    run(|| async {
        let (stream, opened, mut peer) = open().await;
        drop(stream);
        let Opened { readable, mut writable, .. } = opened;
        writable.write("the halves live on").await.unwrap();
        peer.expect([text("the halves live on")]).await;
        drop((readable, writable));
        peer.expect([empty_close()]).await;
        peer.expect_eof().await;
    });
}

#[test]
fn dropping_one_half_leaves_the_other_at_work() {
    run(|| async {
        let (_stream, opened, mut peer) = open().await;
        let Opened { mut readable, writable, .. } = opened;
        drop(writable);
        peer.send([text("a"), close(3000, "bye")]).await;
        peer.half_close().await;
        assert_eq!(readable.read().await, Ok(Some("a".into())));
        assert_eq!(readable.read().await, Ok(None));

        let (stream, opened, mut peer) = open().await;
        let Opened { readable, mut writable, .. } = opened;
        drop(readable);
        // What comes is passed over, and the peer's Close is heard.
        let server = async {
            peer.send([binary(bytes_of(200_000)), ping("p")]).await;
            peer.expect([pong("p")]).await;
            peer.send([close(3000, "bye")]).await;
            peer.half_close().await;
        };
        let (end, ()) = tokio::join!(stream.closed(), server);
        assert_eq!(ended(end), "3000 \"bye\"");
        assert_eq!(writable.write("late").await, Err(WriteError::Closed));
    });
}

// ---- the end -----------------------------------------------------------------------

#[test]
fn t6_a_clean_end_gives_the_peers_code_and_ends_both_halves() {
    run(|| async {
        let (stream, mut opened, mut peer) = open().await;
        let server = async {
            peer.send([text("a"), close(4321, "peer's")]).await;
            peer.expect([close(4321, "peer's")]).await;
            peer.half_close().await;
        };
        let reads = async {
            assert_eq!(opened.readable.read().await, Ok(Some("a".into())));
            assert_eq!(opened.readable.read().await, Ok(None));
            assert_eq!(opened.readable.read().await, Ok(None));
        };
        let (end, (), ()) = tokio::join!(stream.closed(), reads, server);
        assert_eq!(ended(end), "4321 \"peer's\"");
        let error = opened.writable.write("late").await.unwrap_err();
        assert_eq!(error, WriteError::Closed);
        assert!(error.to_string().starts_with("InvalidStateError"), "{error}");
        assert_eq!(opened.writable.close().await, Ok(()), "it is");
        assert_eq!(ended(stream.closed().await), "4321 \"peer's\"");
    });
}

#[test]
fn t6_an_unclean_end_fails_all_three_with_the_same_error() {
    run(|| async {
        for last in [Vec::new(), text("whole").unmasked()[..4].to_vec(), vec![0x83, 0]] {
            let (stream, opened, mut peer) = open().await;
            let Opened { mut readable, mut writable, .. } = opened;
            peer.send([text("a")]).await;
            peer.send_bytes(last).await;
            peer.half_close().await;
            assert_eq!(readable.next().await, Some(Ok("a".into())));
            let error = readable.next().await.unwrap().unwrap_err();
            assert!(abnormal(&error));
            assert_eq!(readable.next().await, None, "it is told once");
            assert_eq!(stream.closed().await, Err(error.clone()));
            assert_eq!(writable.write("late").await, Err(WriteError::Failed(error.clone())));
            assert_eq!(writable.close().await, Err(error));
        }
    });
}

#[test]
fn t6_a_silent_peer_is_an_unclean_end() {
    run(|| async {
        let options = page(|c| c.close_timeout = Some(7 * SECOND));
        let (stream, _opened, _peer) = open_with(&options, 1000).await;
        stream.close(&CloseInfo::default());
        let (end, took) = timed(stream.closed()).await;
        assert_eq!(ended(end), FAILED);
        assert_took(took, 8 * SECOND);
    });
}

#[test]
fn t7_data_unwritten_when_the_peer_closes_fails_closed_with_the_peers_code() {
    run(|| async {
        let (stream, opened, mut peer) = open_with(&plain(), 1000).await;
        let Opened { mut readable, mut writable, .. } = opened;
        let writing = tokio::spawn(async move { writable.write(vec![7; 10_000]).await });
        let reading = tokio::spawn(async move { readable.read().await });
        tokio::time::sleep(SECOND).await;
        assert!(!writing.is_finished());
        peer.send([close(4000, "enough")]).await;
        peer.half_close().await;
        assert_eq!(ended(stream.closed().await), "failed with 4000 \"enough\"");
        assert_eq!(writing.await.unwrap(), Err(WriteError::Closed));
        assert_eq!(reading.await.unwrap(), Ok(None), "the reader has got all there was");
        drop(peer);
    });
}

#[test]
fn t7_data_written_while_the_peer_closes_is_no_failure() {
    run(|| async {
        let (stream, opened, mut peer) = open_with(&plain(), 1000).await;
        let Opened { mut readable, mut writable, .. } = opened;
        let data = bytes_of(10_000);
        let server = async {
            peer.send([close(4000, "")]).await;
            // It takes what was on its way, and our Close.
            peer.expect([binary(&data), close(4000, "")]).await;
            peer.half_close().await;
        };
        let (written, read, end, ()) =
            tokio::join!(writable.write(&data[..]), readable.read(), stream.closed(), server);
        assert_eq!((written, read), (Ok(()), Ok(None)));
        assert_eq!(ended(end), "4000 \"\"");
    });
}

#[test]
fn a_stream_that_breaks_on_write_fails_the_write_and_the_rest() {
    run(|| async {
        let link = Link::new("");
        link.net().behind_reply = Some(Vec::new());
        let ws = WebSocket::carry(web_sockets::socket(&plain()), link.clone());
        let mut stream = WebSocketStream::new(ws);
        let mut opened = poll_to_end(stream.opened()).unwrap();
        let writes = link.net().calls[Call::Write as usize];
        link.net().fault = Some((Call::Write, writes, Fault::Reset));
        let failed = Err(WriteError::Failed(ended_abnormally()));
        assert_eq!(poll_to_end(opened.writable.write("a")), failed);
        assert_eq!(poll_to_end(opened.writable.write("b")), failed);
        // Nobody reads, and the end is found all the same.
        assert!(poll_times(stream.closed(), 3).is_none());
        link.end();
        assert_eq!(ended(poll_to_end(stream.closed())), FAILED);
    });
}

#[test]
fn messages_of_every_kind_go_both_ways() {
    run(|| async {
        let (_stream, mut opened, mut peer) = open().await;
        let sizes = [0, 1, 125, 126, 65_535, 65_536, 300_000];
        let server = async {
            for len in sizes {
                peer.expect([binary(bytes_of(len)), text("")]).await;
                peer.send([binary(bytes_of(len)), text("")]).await;
            }
        };
        let ours = async {
            for len in sizes {
                opened.writable.write(bytes_of(len)).await.unwrap();
                opened.writable.write("").await.unwrap();
                let came = opened.readable.read().await.unwrap().unwrap();
                assert!(came == bytes_of(len).into());
                assert_eq!(opened.readable.read().await, Ok(Some("".into())));
            }
        };
        tokio::join!(ours, server);
    });
}

#[test]
fn handlers_of_its_socket_are_not_called() {
    run(|| async {
        let mut socket = web_sockets::socket(&plain());
        socket.on_open(|_| panic!("open"));
        socket.on_close(|_, _| panic!("close"));
        let (ours, theirs) = duplex(1000);
        let mut stream = WebSocketStream::new(WebSocket::carry(socket, ours));
        let mut peer = Peer::new(Role::Server, theirs);
        let (opened, ()) = tokio::join!(stream.opened(), answer(&mut peer));
        drop((opened.unwrap(), peer));
        assert_eq!(ended(stream.closed().await), FAILED);
    });
}
