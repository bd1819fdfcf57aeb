//! The tokio adapter: opening, taking over what was begun elsewhere, and
//! putting halves together again.

#![cfg(all(feature = "tokio", feature = "url"))]

mod common;
mod sockets;
mod tokio_common;

use std::io::ErrorKind;
use std::sync::Arc;

use common::*;
use sockeye::handshake::{Accept, BuildError, Rejection, RequestError, ResponseError};
use sockeye::net::Endpoint;
use sockeye::tokio::{Error, WebSocket, accept, accept_with, connect, handshake};
use sockeye::{Connection, Event, Message, PreparedMessage, SendError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::TcpListener;
use tokio_common::*;

// ---- opening ---------------------------------------------------------------------

#[test]
fn s4_1_a_client_and_a_server_of_ours_open_a_connection() {
    run(|| async {
        for buffer in [1, 7, 10_000] {
            let (ours, theirs) = duplex(buffer);
            let endpoint = Endpoint::new("localhost", 80, "/chat?room=1")
                .subprotocol("chat.v2")
                .subprotocol("chat.v1");
            let server = accept_with(theirs, defaults(), |request| {
                assert_eq!((request.path(), request.query()), ("/chat", Some("room=1")));
                Accept::new().subprotocol(request.subprotocols().last()).into()
            });
            let (client, server) = tokio::join!(handshake(endpoint, ours), server);
            let (mut client, mut server) = (client.unwrap(), server.unwrap().unwrap());
            for ws in [&client, &server] {
                assert_eq!(ws.connection().subprotocol(), Some("chat.v1"));
            }
            let hello = async { server.send(server_hello()).await };
            let (message, sent) = tokio::join!(client.read(), hello);
            sent.unwrap();
            assert_eq!(message.unwrap(), Some(server_hello()));
        }
    });
}

fn server_hello() -> Message<'static> {
    "hello".into()
}

#[test]
fn s4_2_2_frames_may_come_right_behind_the_handshake() {
    run(|| async {
        let (ours, theirs) = duplex(10_000);
        let mut peer = Peer::new(Role::Client, theirs);
        let frames = peer.encode([text("early"), ping("p")]);
        peer.send_bytes([request("").as_bytes(), &frames].concat()).await;
        let mut ws = accept(ours).await.unwrap();
        assert_eq!(ws.read().await.unwrap(), Some(Message::from("early")));
        peer.half_close().await;
        assert_shape!(ws.read().await, Err(Error::Lost { .. }));
        assert!(peer.head().await.starts_with("HTTP/1.1 101 "));
        peer.expect([pong("p")]).await;

        let (ours, theirs) = duplex(10_000);
        let mut peer = Peer::new(Role::Server, theirs);
        let serving = tokio::spawn(async move {
            let reply = reply(&peer.head().await, "");
            let frames = peer.encode([text("early")]);
            peer.send_bytes([reply.as_bytes(), &frames].concat()).await;
            peer
        });
        let endpoint = Endpoint::new("localhost", 80, "/");
        let mut ws = handshake(endpoint, ours).await.unwrap();
        assert_eq!(ws.read().await.unwrap(), Some(Message::from("early")));
        drop(serving);
    });
}

#[test]
fn s4_2_2_whoever_is_rejected_reads_why() {
    run(|| async {
        for status in [200, 302, 401, 403, 404, 429, 500, 503] {
            let (ours, theirs) = duplex(10_000);
            let rejecting = tokio::spawn(async move {
                accept_with(ours, defaults(), |_| {
                    Rejection::new(status).header("X-Why", "because").body("not today\n").into()
                })
                .await
            });
            let refused = handshake(Endpoint::new("localhost", 80, "/"), theirs).await;
            let Err(Error::Refused(refused)) = refused else { panic!("{refused:?}") };
            assert_eq!((refused.status(), refused.body()), (status, &b"not today\n"[..]));
            assert_eq!(refused.header("x-why"), Some(&b"because"[..]));
            assert_shape!(rejecting.await.unwrap(), Ok(None));
        }
    });
}

#[test]
fn s4_2_1_a_request_that_opens_nothing_is_answered_and_an_error() {
    run(|| async {
        let requests = [
            ("POST / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "405"),
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(), "426"),
            (request("").replace("Version: 13", "Version: 12"), "426"),
            (request("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"), "400"),
            (request(&format!("X: {}\r\n", "x".repeat(20_000))), "431"),
            ("what is this\r\n\r\n".to_owned(), "400"),
        ];
        for (request, status) in requests {
            let (ours, mut theirs) = duplex(100_000);
            theirs.write_all(request.as_bytes()).await.unwrap();
            theirs.shutdown().await.unwrap();
            assert_shape!(accept(ours).await, Err(Error::Request(_)));
            let mut answer = String::new();
            theirs.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        }
    });
}

#[test]
fn an_answer_that_cannot_be_sent_is_told_as_500() {
    run(|| async {
        let (ours, mut theirs) = duplex(10_000);
        theirs.write_all(request("").as_bytes()).await.unwrap();
        theirs.shutdown().await.unwrap();
        let accepted =
            accept_with(ours, defaults(), |_| Accept::new().header("X", "line\r\nbreak").into());
        assert_shape!(accepted.await, Err(Error::Build(BuildError::InvalidHeaderValue)));
        let mut answer = String::new();
        theirs.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    });
}

#[test]
fn a_stream_that_ends_within_the_handshake_is_an_error() {
    run(|| async {
        let (ours, theirs) = duplex(100);
        drop(theirs);
        let outcome = accept(ours).await;
        assert_shape!(outcome, Err(Error::Io(e)) if e.kind() == ErrorKind::UnexpectedEof);
        let (ours, theirs) = duplex(1000);
        let mut peer = Peer::new(Role::Server, theirs);
        peer.half_close().await;
        let outcome = handshake(Endpoint::new("localhost", 80, "/"), ours).await;
        assert_shape!(outcome, Err(Error::Response(ResponseError::EndOfStream)));
        let (ours, theirs) = duplex(1000);
        drop(theirs);
        let outcome = handshake(Endpoint::new("localhost", 80, "/"), ours).await;
        assert_shape!(outcome, Err(Error::Io(e)) if e.kind() == ErrorKind::BrokenPipe);
    });
}

#[test]
fn s4_1_redirects_are_followed_over_tcp() {
    run_threads(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let rejected = accept_with(stream, defaults(), |_| {
                Rejection::new(307).header("Location", "/there").into()
            });
            assert_shape!(rejected.await, Ok(None));
            let (stream, _) = listener.accept().await.unwrap();
            let accepted = accept_with(stream, defaults(), |request| {
                assert_eq!(request.path(), "/there");
                Accept::new().into()
            });
            echo(&mut accepted.await.unwrap().unwrap()).await
        });
        let url = format!("ws://127.0.0.1:{port}/here");
        let mut ws = connect(url.as_str()).await.unwrap();
        for message in [0, 126, 5000, 70_000, 3_000_000].into_iter().flat_map(messages_of) {
            let (mut reader, sender) = ws.split();
            let (sent, came) = tokio::join!(sender.send(&message), reader.read());
            sent.unwrap();
            assert!(came.unwrap().unwrap() == message);
            ws = reader.reunite(sender).unwrap();
        }
        assert!(ws.close(code(1000), "").await.unwrap().is_clean());
        serving.await.unwrap().unwrap();
        let gone = connect(url.as_str()).await;
        assert_shape!(gone, Err(Error::Io(e)) if e.kind() == ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_request_that_is_wrong_is_told_before_anything_is_sent() {
    run(|| async {
        let (ours, mut theirs) = duplex(1000);
        let endpoint = Endpoint::new("localhost", 80, "/").header("X", "line\r\nbreak");
        assert_shape!(handshake(endpoint, ours).await, Err(Error::Build(_)));
        assert_eq!(theirs.read(&mut [0; 9]).await.unwrap(), 0);
        assert_shape!(connect("http://localhost/").await, Err(Error::Url(_)));
    });
}

#[test]
fn a_refused_request_that_comes_in_pieces_is_refused_as_soon_as_it_is_wrong() {
    run(|| async {
        let (ours, mut theirs) = duplex(1000);
        theirs.write_all(b"GET / HTTP/1.1\n").await.unwrap();
        let (outcome, came) = tokio::join!(accept(ours), async {
            let mut answer = vec![0; 12];
            theirs.read_exact(&mut answer).await.unwrap();
            drop(theirs);
            answer
        });
        assert_shape!(outcome, Err(Error::Request(e)) if !matches!(e, RequestError::Timeout));
        assert_eq!(came, b"HTTP/1.1 400");
    });
}

// ---- parts -----------------------------------------------------------------------

#[test]
fn a_connection_made_elsewhere_brings_the_bytes_behind_its_handshake() {
    run_each_role(|role| async move {
        let said = encode_for(role, [text("early"), ping("p"), text("late"), close(1000, "")]);
        for cut in 0..=said.len() {
            let (early, late) = said.split_at(cut);
            let link = Link::new(late);
            link.end();
            let ws = match role {
                Role::Client => Connection::client(sockeye::Seed::from_bytes([1; 32]), defaults()),
                Role::Server => Connection::server(defaults()),
            };
            let mut ws = WebSocket::from_parts(link.clone(), ws, early);
            for word in ["early", "late"] {
                assert_eq!(ws.read().await.unwrap(), Some(Message::from(word)));
            }
            assert_shape!(ws.read().await, Ok(None));
            let frames = decoded([pong("p"), close(1000, "")]);
            assert_same_frames(&link.frames(role), &frames);
        }
    });
}

#[test]
fn memory_of_a_message_can_be_used_again() {
    run_each_role(|role| async move {
        for is_split in [false, true] {
            let data = bytes_of(300_000);
            let said = [fragment(BINARY, &data), frame(CONTINUATION, "")];
            let link = Link::new(encode_for(role, said.iter().chain(&said).cloned()));
            let mut ws = end_on(role, link, &defaults());
            let (first, second) = if is_split {
                let (mut reader, _sender) = ws.split();
                let first = reader.read().await.unwrap().unwrap();
                let address = first.as_bytes().as_ptr().addr();
                reader.recycle(first);
                (address, reader.read().await.unwrap().unwrap())
            } else {
                let first = ws.read().await.unwrap().unwrap();
                let address = first.as_bytes().as_ptr().addr();
                ws.recycle(first);
                (address, ws.read().await.unwrap().unwrap())
            };
            assert_eq!(second.as_bytes().as_ptr().addr(), first);
            assert!(second.as_bytes() == data);
        }
    });
}

#[test]
fn s5_4_events_are_read_without_waiting_for_the_end_of_a_message() {
    run_each_role(|role| async move {
        let config = config(|c| (c.max_message_len, c.max_frame_len) = (u64::MAX, u64::MAX));
        let (ws, mut peer) = open(role, &config);
        let (mut reader, _sender) = ws.split();
        peer.send_bytes(announce(0x80 | BINARY, 1 << 40, role == Role::Server)).await;
        peer.send_bytes([0; 1000]).await;
        let mut came = 0;
        while came < 1000 {
            assert!(reader.ready().await.unwrap());
            while let Some(event) = reader.next_event() {
                let Event::Binary(chunk) = event else { panic!("{event:?}") };
                assert!(!chunk.is_last());
                came += chunk.as_bytes().len();
            }
        }
        drop(peer);
        assert_shape!(reader.ready().await, Err(Error::Lost { inside_frame: true, .. }));
    });
}

#[test]
fn s5_1_a_client_prepares_nothing_beforehand() {
    run(|| async {
        let message = PreparedMessage::text("news");
        let mut ws = client_on(Link::new(""), &defaults());
        let refused = ws.send_prepared(&message).await;
        assert_shape!(refused, Err(Error::Send(SendError::MaskRequired)));
        assert_shape!(ws.queue_prepared(&message), Err(Error::Send(_)));
        let (_reader, sender) = ws.split();
        assert_shape!(sender.send_prepared(&message).await, Err(Error::Send(_)));
        assert_shape!(sender.queue_prepared(&message), Err(Error::Send(_)));
        assert_eq!(sender.queued_len(), 0);
    });
}

// ---- putting halves together -----------------------------------------------------

#[test]
fn halves_are_put_together_if_no_other_sender_is_left() {
    run_each_role(|role| async move {
        let (ws, mut peer) = open(role, &defaults());
        let (other, _other_peer) = open(role, &defaults());
        let (reader, sender) = ws.split();
        let (other_reader, other_sender) = other.split();
        // Not of one connection.
        let (reader, other_sender) = reader.reunite(other_sender).unwrap_err();
        // Not the only sender.
        let clone = reader.sender();
        let (reader, sender) = reader.reunite(sender).unwrap_err();
        // They are as good as before.
        sender.send("a").await.unwrap();
        clone.send("b").await.unwrap();
        drop(sender);
        let mut ws = reader.reunite(clone).unwrap();
        ws.send("c").await.unwrap();
        peer.expect([text("a"), text("b"), text("c")]).await;
        assert!(other_reader.reunite(other_sender).is_ok());
    });
}

#[test]
fn what_is_put_together_goes_on_with_what_was_pending() {
    run_each_role(|role| async move {
        let (mut ws, mut peer) = open_with(role, &defaults(), 100);
        // Read in part, and sent in part, before and between.
        peer.send([text("one"), ping("p"), text("two"), fragment(TEXT, "th")]).await;
        assert_eq!(ws.read().await.unwrap(), Some(Message::from("one")));
        let (mut reader, sender) = ws.split();
        assert_eq!(reader.read().await.unwrap(), Some(Message::from("two")));
        assert_shape!(poll_times(sender.send(vec![7; 5000]), 2), None);
        assert_shape!(poll_times(reader.read(), 2), None);
        sender.queue("queued").unwrap();
        let mut ws = reader.reunite(sender).unwrap();
        assert!(ws.queued_len() > 4000);
        let reading = tokio::spawn(async move { (ws.read().await, ws) });
        let mut came = Vec::new();
        for _ in 0..3 {
            came.push(peer.frame().await);
        }
        let expected = decoded([pong("p"), binary([7; 5000]), text("queued")]);
        assert_same_frames(&came, &expected);
        peer.send([frame(CONTINUATION, "ree")]).await;
        let (message, mut ws) = reading.await.unwrap();
        assert_eq!(message.unwrap(), Some(Message::from("three")));

        // And it wakes who waits, as ever.
        let reading = tokio::spawn(async move { ws.read().await });
        settle().await;
        peer.send([text("four")]).await;
        assert_eq!(reading.await.unwrap().unwrap(), Some(Message::from("four")));
    });
}

#[test]
fn a_config_is_shared() {
    run(|| async {
        let config = defaults();
        let ws = server_on(Link::new(""), &config);
        assert_eq!(Arc::strong_count(&config), 2);
        let (reader, sender) = ws.split();
        drop((reader, sender));
        assert_eq!(Arc::strong_count(&config), 1);
    });
}
