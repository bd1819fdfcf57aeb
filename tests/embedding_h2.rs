//! `examples/embed_h2.rs`, the server, as a user runs it; against its own client,
//! and against peers that do what no good one does. The rules are those of RFC
//! 8441 where no other RFC is named.

#![cfg(all(feature = "http", feature = "url"))]

mod common;
mod processes;
mod sockets;
mod streams;

use std::process::Command;
use std::time::Duration;

use common::*;
use h2::Reason;
use h2::ext::Protocol;
use http::{HeaderValue, Request};
use processes::*;
use sockets::{PATIENCE, bytes_of, text_of};
use streams::*;

fn server() -> processes::Server {
    processes::Server::of(Command::new(example("embed_h2")).args(["server", "127.0.0.1:0"]))
}

/// Runs a test against a server of its own; gives it the port.
#[track_caller]
fn with_server<F: Future<Output = ()>>(test: impl FnOnce(u16) -> F + Send + 'static) {
    let server = server();
    let port = server.port;
    bounded(move || test(port));
    drop(server);
}

/// A message comes back on a new stream of this connection.
async fn assert_serves(client: &mut Client) {
    let mut stream = client.open().await;
    stream.send([text("still there")]).await;
    stream.expect([text("still there")]).await;
    stream.close().await;
}

#[test]
fn its_own_client_gets_every_message_back_on_every_stream() {
    let server = server();
    let addr = format!("127.0.0.1:{}", server.port);
    // More than it takes at a time, one after the other.
    for streams in ["1", "20", "120"] {
        let mut client = Command::new(example("embed_h2"));
        let ended = Ended::of(client.args(["client", &addr, streams]));
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
        let messages = 8 * streams.parse::<usize>().unwrap();
        assert!(ended.stdout.starts_with(&format!("{messages} messages came back")));
    }
}

#[test]
fn s5_messages_of_any_length_come_back_through_any_window() {
    with_server(|port| async move {
        let mut client = Client::connect(port).await;
        let mut stream = client.open().await;
        for len in [0, 1, 125, 126, 16_384, 65_535, 65_536, 3_000_000, 16 << 20] {
            let messages = [text(&text_of(len)), binary(bytes_of(len))];
            for message in messages {
                stream.send([message.clone()]).await;
                stream.expect([message]).await;
            }
        }
        stream.close().await;
    });
}

#[test]
fn rule_95_s5_however_data_frames_are_cut_the_answers_are_the_same() {
    with_server(|port| async move {
        let mut client = Client::connect(port).await;
        for seed in 0..6 {
            let mut random = Random(seed);
            let mut stream = client.open().await;
            let bytes = stream.encode([
                text("h\u{e9}"),
                ping("p"),
                fragment(BINARY, [1; 200]),
                ping(""),
                frame(CONTINUATION, [2; 200]),
                fragment(TEXT, b"\xe2\x82"),
                frame(CONTINUATION, b"\xac"),
            ]);
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let len = if seed == 0 { 1 } else { random.below(30) };
                let (piece, behind) = rest.split_at(len.min(rest.len()));
                // Empty ones are legal too. h2 sends each as a frame of its own.
                stream.send.send_data(piece.to_vec().into(), false).unwrap();
                rest = behind;
            }
            let joined = [[1; 200], [2; 200]].concat();
            let answers = [text("h\u{e9}"), pong("p"), pong(""), binary(joined), text("\u{20ac}")];
            stream.expect(answers).await;
            stream.close().await;
        }
    });
}

#[cfg(feature = "deflate")]
#[test]
fn s5_compression_is_agreed_on_and_used() {
    with_server(|port| async move {
        let mut client = Client::connect(port).await;
        let (reply, mut stream) = client
            .ask(connect_request(|request| {
                let offer = HeaderValue::from_static("permessage-deflate");
                request.headers_mut().insert("sec-websocket-extensions", offer);
            }))
            .await;
        assert_eq!(reply.headers()["sec-websocket-extensions"], "permessage-deflate");
        // RFC 7692, section 7.2.3.1; the echo is too short to be compressed.
        stream.send([frame(TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00").compressed()]).await;
        stream.expect([text("Hello")]).await;
        stream.send([text(&"long ".repeat(1000))]).await;
        let (first, payload) = stream.frame().await;
        assert_eq!(first, 0xc1, "RSV1");
        assert!(payload.len() < 100);
        stream.close().await;
    });
}

// ---- refusals --------------------------------------------------------------------------

#[test]
fn rules_93_94_97_requests_that_are_no_good_get_their_status_and_others_go_on() {
    with_server(|port| async move {
        let mut client = Client::connect(port).await;
        let header = |name: &'static str, value: &'static str| {
            connect_request(|request| {
                request.headers_mut().insert(name, HeaderValue::from_static(value));
            })
        };
        let other_protocol = connect_request(|request| {
            request.extensions_mut().insert(Protocol::from_static("webtransport"));
        });
        let get = Request::get("http://localhost/").body(()).unwrap();
        let tunnel = Request::connect("localhost:80").body(()).unwrap();
        for (request, status, body) in [
            (other_protocol, 501, "this is a WebSocket server: another :protocol"),
            (header("origin", "http://evil.example"), 403, "page of another origin"),
            (header("sec-websocket-version", "8"), 400, "WebSocket version other than 13"),
            (header("host", "elsewhere"), 400, "Host differs from :authority"),
            (header("early-data", "1"), 425, "request in early data"),
            (get, 405, ""),
            (tunnel, 501, "this is no proxy: CONNECT without :protocol"),
        ] {
            let (reply, mut stream) = client.ask(request).await;
            assert_eq!(reply.status(), status);
            let version = (body.contains("version")).then(|| HeaderValue::from_static("13"));
            assert_eq!(reply.headers().get("sec-websocket-version"), version.as_ref());
            let mut read = Vec::new();
            while let Ok(data) = stream.data().await {
                read.extend_from_slice(&data);
            }
            assert_eq!(std::str::from_utf8(&read), Ok(body));
        }
        // A page of its own, and keys that nobody processes.
        for request in [header("origin", "http://localhost"), header("sec-websocket-key", "x")] {
            let (reply, stream) = client.ask(request).await;
            assert_eq!(reply.status(), 200);
            assert!(!reply.headers().contains_key("sec-websocket-accept"));
            stream.close().await;
        }
        let protocols = header("sec-websocket-protocol", "b, a");
        assert_eq!(client.ask(protocols).await.0.headers()["sec-websocket-protocol"], "b");
        assert_serves(&mut client).await;
    });
}

// ---- ends --------------------------------------------------------------------------------

#[test]
fn rule_96_s5_end_stream_is_the_end_of_the_transport() {
    let server = server();
    let port = server.port;
    bounded(move || async move {
        let mut client = Client::connect(port).await;
        // Behind a closing handshake, the server's comes first.
        client.open().await.close().await;
        // Without one, and inside a frame: ours is answered by the server's, behind
        // the answers that it owes.
        let mut stream = client.open().await;
        stream.send([text("last words")]).await;
        stream.finish();
        stream.expect([text("last words")]).await;
        assert_eq!(stream.end().await, End::EndStream);
        let mut stream = client.open().await;
        stream.send_bytes(&text("cut").masked()[..7]).await;
        stream.finish();
        assert_eq!(stream.end().await, End::EndStream);
        assert_serves(&mut client).await;
    });
    let complaints: Vec<String> = (0..2).map(|_| complaint(&server)).collect();
    for expected in
        ["stream: stream ended without a closing handshake", "stream: stream cut inside a frame"]
    {
        assert!(complaints.iter().any(|complaint| complaint == expected), "{complaints:?}");
    }
}

fn complaint(server: &processes::Server) -> String {
    server.complaints.recv_timeout(PATIENCE).unwrap()
}

#[test]
fn rule_96_s5_a_reset_is_that_of_tcp_and_of_one_stream_only() {
    let server = server();
    let port = server.port;
    bounded(move || async move {
        let mut client = Client::connect(port).await;
        let mut other = client.open().await;
        for at in [0, 3, 50] {
            let mut stream = client.open().await;
            stream.send_bytes(&binary([7; 100]).masked()[..at]).await;
            stream.send.send_reset(Reason::CANCEL);
        }
        other.send([text("untouched")]).await;
        other.expect([text("untouched")]).await;
        other.close().await;
        assert_serves(&mut client).await;
    });
    for _ in 0..3 {
        let complaint = complaint(&server);
        assert!(complaint.starts_with("stream: stream "), "{complaint}");
    }
}

#[test]
fn rfc6455_s7_1_7_a_violation_is_told_and_ends_the_stream() {
    with_server(|port| async move {
        let mut client = Client::connect(port).await;
        let unmasked = text("x").unmasked();
        for (bytes, code) in [
            (unmasked, 1002),
            (frame(TEXT, b"\xff").masked(), 1007),
            (announce(0x82, 1 << 40, true), 1009),
        ] {
            let mut stream = client.open().await;
            stream.send_bytes(&bytes).await;
            stream.expect([close(code, "")]).await;
            // Whatever else it sends is read, and thrown away.
            let more = binary([7; 200_000]).masked();
            stream.send_bytes(&more).await;
            stream.finish();
            assert_eq!(stream.end().await, End::EndStream);
        }
        assert_serves(&mut client).await;
    });
}

#[test]
fn rule_96_s5_who_does_not_end_its_direction_is_reset_with_cancel() {
    with_server(|port| async move {
        let mut client = Client::connect(port).await;
        let mut stream = client.open().await;
        stream.send([close(1000, "")]).await;
        stream.expect([close(1000, "")]).await;
        assert_eq!(stream.data().await, Err(End::EndStream));
        // Its `Config::close_timeout`, five seconds.
        assert_eq!(stream.reset().await, End::Reset(Some(Reason::CANCEL)));
        assert_serves(&mut client).await;
    });
}

// ---- back-pressure -----------------------------------------------------------------------

#[test]
fn a_stream_that_is_not_read_is_held_back_then_let_go_and_the_others_go_on() {
    with_server(|port| async move {
        let mut client = Client::connect(port).await;
        let mut stuck = client.open().await;
        stuck.is_held = true;
        let message = binary([7; 60_000]).masked();
        // It takes what its window holds, and what may wait behind; then no more.
        let mut taken = 0;
        loop {
            let sending = stuck.try_send(&message);
            match tokio::time::timeout(Duration::from_millis(500), sending).await {
                Ok(sent) => sent.unwrap(),
                Err(_) => break,
            }
            taken += 1;
            assert!(taken < 1000, "60 MB were taken, and where are they?");
        }
        // The others have their windows all the while.
        assert_serves(&mut client).await;
        let is_reset = tokio::time::timeout(Duration::ZERO, stuck.reset()).await.is_ok();
        assert!(!is_reset, "they had to wait for its end");
        // The server's patience is ten seconds.
        let end = loop {
            if let Err(end) = stuck.try_send(&message).await {
                break end;
            }
        };
        assert_eq!(end, End::Reset(Some(Reason::CANCEL)));
        assert_serves(&mut client).await;
    });
}
