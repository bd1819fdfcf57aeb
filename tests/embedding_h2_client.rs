//! `examples/embed_h2.rs`, the client, as a user runs it, against servers that do
//! what no good one does. The rules are those of RFC 8441 where no other RFC is
//! named.

#![cfg(all(feature = "http", feature = "url"))]

mod common;
mod processes;
mod sockets;
mod streams;

use std::process::Command;
use std::task::Poll;

use common::*;
use h2::Reason;
use h2::ext::Protocol;
use http::Response;
use processes::{Ended, example};
use sockets::Task;
use streams::*;
use tokio::net::TcpListener;

/// Runs the client, with one stream, against a server that enables extended
/// CONNECT and does this; gives what the client had to say.
#[track_caller]
fn client_of<F: Future<Output = ()>>(serves: impl FnOnce(Server) -> F + Send + 'static) -> Ended {
    client_of_any(true, serves)
}

#[track_caller]
fn client_of_any<F: Future<Output = ()>>(
    enable_connect_protocol: bool,
    serves: impl FnOnce(Server) -> F + Send + 'static,
) -> Ended {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    listener.set_nonblocking(true).unwrap();
    let program = example("embed_h2");
    let client = Task::start(move || Ended::of(Command::new(program).args(["client", &addr, "1"])));
    bounded(move || async move {
        let listener = TcpListener::from_std(listener).unwrap();
        serves(Server::accept(listener, enable_connect_protocol).await).await;
    });
    client.join()
}

/// Answers the one request, and gives the stream. The connection goes on.
async fn accepted(mut server: Server) -> Stream {
    let asked = server.request().await.unwrap();
    let stream = asked.accept();
    server.go_on();
    stream
}

#[test]
fn rule_92_s3_nothing_is_asked_of_a_server_that_has_not_enabled_it() {
    let ended = client_of_any(false, |mut server| async move {
        assert!(server.request().await.is_none());
    });
    ended.assert_failed(1, "the server has not enabled extended CONNECT");
}

#[test]
fn rule_93_s5_the_request_is_an_extended_connect_and_has_no_upgrade_in_it() {
    client_of(|mut server| async move {
        let asked = server.request().await.unwrap();
        let request = &asked.request;
        assert_eq!(request.method(), "CONNECT");
        let protocol = request.extensions().get::<Protocol>().unwrap();
        assert_eq!(protocol.as_str(), "websocket");
        assert_eq!(request.uri().scheme_str(), Some("http"));
        assert_eq!(request.uri().path(), "/echo");
        assert_eq!(request.uri().authority().unwrap().host(), "127.0.0.1");
        let mut names: Vec<&str> = request.headers().keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        let mut expected = vec!["sec-websocket-version"];
        if cfg!(feature = "deflate") {
            expected.insert(0, "sec-websocket-extensions");
        }
        assert_eq!(names, expected);
        assert_eq!(request.headers()["sec-websocket-version"], "13");
    });
}

#[test]
fn rule_98_nothing_is_sent_before_the_reply() {
    let ended = client_of(|mut server| async move {
        let mut asked = server.request().await.unwrap();
        server.round_trip().await;
        let data = std::future::poll_fn(|cx| Poll::Ready(asked.recv.poll_data(cx))).await;
        assert!(data.is_pending(), "{data:?}");
        let mut stream = asked.accept();
        server.go_on();
        stream.expect([text("")]).await;
        stream.close_with(1001).await;
    });
    ended.assert_failed(1, "closed by the peer: 1001");
}

#[test]
fn rule_94_s5_what_is_no_2xx_refuses() {
    for status in [301, 400, 403, 501, 503] {
        let ended = client_of(move |mut server| async move {
            let asked = server.request().await.unwrap();
            let reply = Response::builder().status(status).body(()).unwrap();
            asked.answer(reply).finish();
            server.go_on().await.unwrap();
        });
        ended.assert_failed(1, &format!("refused: {status}"));
    }
}

#[test]
fn rule_94_s5_what_was_not_offered_fails_and_the_stream_is_cancelled() {
    let ended = client_of(|mut server| async move {
        let asked = server.request().await.unwrap();
        let reply = Response::builder().header("sec-websocket-protocol", "surprise");
        let mut stream = asked.answer(reply.body(()).unwrap());
        server.go_on();
        assert_eq!(stream.data().await, Err(End::Reset(Some(Reason::CANCEL))));
    });
    ended.assert_failed(1, "subprotocol that was not offered");
}

#[test]
fn s5_a_close_of_the_server_is_answered_and_end_stream_comes_from_both() {
    let ended = client_of(|server| async move {
        let mut stream = accepted(server).await;
        stream.expect([text("")]).await;
        stream.close_with(1001).await;
    });
    ended.assert_failed(1, "closed by the peer: 1001");
}

#[test]
fn rule_96_s5_a_reset_and_an_early_end_are_told() {
    let ended = client_of(|server| async move {
        let mut stream = accepted(server).await;
        stream.expect([text("")]).await;
        stream.send_bytes(&binary([7; 100]).unmasked()[..50]).await;
        stream.send.send_reset(Reason::CANCEL);
    });
    ended.assert_failed(1, "stream ");
    let ended = client_of(|server| async move {
        let mut stream = accepted(server).await;
        stream.expect([text("")]).await;
        stream.send_bytes(&text("cut").unmasked()[..3]).await;
        stream.finish();
        assert_eq!(stream.end().await, End::EndStream);
    });
    ended.assert_failed(1, "stream cut inside a frame");
}

#[test]
fn rule_95_rfc6455_s5_1_a_masked_frame_of_a_server_fails() {
    let ended = client_of(|server| async move {
        let mut stream = accepted(server).await;
        stream.expect([text("")]).await;
        stream.send_bytes(text("").masked()).await;
        stream.expect([close(1002, "")]).await;
        stream.finish();
        assert_eq!(stream.end().await, End::EndStream);
    });
    ended.assert_failed(1, "masked");
}
