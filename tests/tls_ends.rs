//! TLS: how a connection ends, and how long it may take. What ends without a
//! Close frame is 1006, however it ends; deadlines hold inside of TLS too.

#![cfg(all(feature = "rustls", feature = "tokio", feature = "url"))]

mod common;
mod reach;
mod sockets;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use common::*;
use reach::*;
use sockets::*;
use sockeye::handshake::{Accept, RequestError, ResponseError};
use sockeye::net::Error;
use sockeye::{CloseCode, Closed, Config, Message, Timeout, blocking, tokio as ws};
use tokio_rustls::TlsAcceptor;

// ---- our end ---------------------------------------------------------------------

/// What our end does once it is open.
#[derive(Clone, Copy, Debug)]
enum Work {
    /// Reads to the end.
    Read,
    /// Closes.
    Close,
    /// Sends more than the network holds.
    Send,
}

/// What came of it.
#[derive(Debug)]
struct Outcome {
    result: Result<(), Error>,
    closed: Option<Closed>,
    took: Duration,
}

impl Outcome {
    /// The connection was lost, and nobody calls that clean.
    #[track_caller]
    fn expect_lost(self, inside: bool) {
        assert_shape!(&self.result, Err(Error::Lost { inside_frame, .. }) if *inside_frame == inside);
        let closed = self.closed.unwrap();
        assert_eq!(closed.code(), CloseCode::ABNORMAL_CLOSURE);
        assert!(!closed.is_clean());
    }

    #[track_caller]
    fn expect_clean(self) {
        assert_shape!(self.result, Ok(()));
        assert!(self.closed.unwrap().is_clean());
    }

    #[track_caller]
    fn expect_timeout(self, timeout: Timeout) {
        assert_shape!(&self.result, Err(Error::Timeout(t)) if *t == timeout);
        assert!(self.took < PATIENCE / 4, "{self:?}");
    }
}

/// Does the work over a connection of either adapter.
macro_rules! work_on {
    ($ws:ident, $work:expr $(, $await:tt)?) => {{
        let start = Instant::now();
        let result = match $work {
            Work::Read => loop {
                match $ws.read()$(.$await)? {
                    Ok(Some(_)) => {}
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error),
                }
            },
            Work::Close => $ws.close(CloseCode::NORMAL_CLOSURE, "")$(.$await)?.map(|_| ()),
            Work::Send => $ws.send(Message::from(bytes_of(STUCK)))$(.$await)?,
        };
        Outcome { result, closed: $ws.closed(), took: start.elapsed() }
    }};
}

/// Our end, at work; and the peer, behind the opening handshake.
fn open(
    role: Role,
    adapter: Adapter,
    config: &Arc<Config>,
    work: Work,
) -> (Task<Outcome>, Script<Box<dyn Tls>>) {
    let config = config.clone();
    let (listener, port) = listen();
    match role {
        Role::Client => {
            let endpoint = secure(port).config(config);
            let ours = Task::start(move || match adapter.connect(endpoint).unwrap() {
                Client::Blocking(mut ws) => work_on!(ws, work),
                Client::Tokio(runtime, mut ws) => {
                    runtime.block_on(async { work_on!(ws, work, await) })
                }
            });
            let mut peer = tls_peer(Role::Server, listener.accept().unwrap().0);
            peer.accept();
            (ours, peer)
        }
        Role::Server => {
            let accept = move || listener.accept().unwrap().0;
            let ours = Task::start(move || match adapter {
                Adapter::Blocking => {
                    let mut ws = sockets::accept(our_tls(accept()), &config).unwrap();
                    work_on!(ws, work)
                }
                Adapter::Tokio => runtime().block_on(async {
                    let stream = accept();
                    stream.set_nonblocking(true).unwrap();
                    let stream = tokio::net::TcpStream::from_std(stream).unwrap();
                    let acceptor = TlsAcceptor::from(server_config());
                    let stream = acceptor.accept(stream).await.unwrap();
                    let answer = ws::accept_with(stream, config, |_| Accept::new().into());
                    let mut ws = answer.await.unwrap().unwrap();
                    work_on!(ws, work, await)
                }),
            });
            let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let mut peer = tls_peer(Role::Client, stream);
            peer.send_bytes(request(""));
            assert!(peer.head().starts_with("HTTP/1.1 101 "));
            (ours, peer)
        }
    }
}

/// Runs a test of both adapters in both roles.
#[track_caller]
fn each_end(test: impl Fn(Role, Adapter) + Copy + Send + 'static) {
    for role in ROLES {
        each_adapter(move |adapter| test(role, adapter));
    }
}

// ---- ends ------------------------------------------------------------------------

/// The bytes of this frame, as the peer of `ours` sends it.
fn bytes_for(ours: Role, frame: &Frame) -> Vec<u8> {
    if ours == Role::Client { frame.unmasked() } else { frame.masked() }
}

#[test]
fn s7_1_5_tcp_that_ends_without_close_notify_is_1006() {
    each_end(|role, adapter| {
        let hello = bytes_for(role, &text("hello"));
        for (said, inside_frame) in [(0, false), (hello.len(), false), (1, true), (4, true)] {
            let (ours, mut peer) = open(role, adapter, &defaults(), Work::Read);
            peer.send_bytes(&hello[..said]);
            peer.cut();
            ours.join().expect_lost(inside_frame);
        }
    });
}

#[test]
fn s7_1_5_tcp_that_ends_inside_a_record_is_1006() {
    each_end(|role, adapter| {
        let hello = bytes_for(role, &close(1000, ""));
        // Half of a Close frame is none.
        let (ours, mut peer) = open(role, adapter, &defaults(), Work::Read);
        let record = peer.stream.seal(&hello);
        peer.stream.socket().write_all(&record[..record.len() / 2]).unwrap();
        peer.cut();
        ours.join().expect_lost(false);
    });
}

#[test]
fn s7_1_5_close_notify_without_a_close_frame_is_1006() {
    each_end(|role, adapter| {
        let hello = bytes_for(role, &text("hello"));
        for (said, inside_frame) in [(0, false), (hello.len(), false), (3, true)] {
            let (ours, mut peer) = open(role, adapter, &defaults(), Work::Read);
            peer.send_bytes(&hello[..said]);
            peer.close_notify();
            ours.join().expect_lost(inside_frame);
            // Our Close frame is not missing: there is nobody to read it. But
            // the peer learns that the end is ours.
            drop(peer);
        }
    });
}

#[test]
fn s7_1_4_an_end_without_close_notify_behind_the_closing_handshake_is_no_news() {
    each_end(|role, adapter| {
        let (ours, mut peer) = open(role, adapter, &defaults(), Work::Close);
        peer.expect(close(1000, ""));
        peer.send(close(1000, ""));
        peer.cut();
        ours.join().expect_clean();
    });
}

#[test]
fn s7_1_1_closing_sends_close_notify_when_we_began() {
    each_end(|role, adapter| {
        let (ours, mut peer) = open(role, adapter, &defaults(), Work::Close);
        peer.expect(close(1000, ""));
        peer.send(close(1000, ""));
        if role == Role::Client {
            // The server goes first.
            peer.close_notify();
        }
        peer.expect_close_notify();
        drop(peer);
        ours.join().expect_clean();
    });
}

#[test]
fn s7_1_1_closing_sends_close_notify_when_the_peer_began() {
    each_end(|role, adapter| {
        let (ours, mut peer) = open(role, adapter, &defaults(), Work::Read);
        peer.send(text("hello"));
        peer.send(close(1001, "bye"));
        peer.expect(close(1001, "bye"));
        if role == Role::Client {
            peer.close_notify();
        }
        peer.expect_close_notify();
        drop(peer);
        ours.join().expect_clean();
    });
}

#[test]
fn s7_1_7_whoever_breaks_a_rule_is_told_and_then_close_notify() {
    each_end(|role, adapter| {
        let (ours, mut peer) = open(role, adapter, &defaults(), Work::Read);
        peer.send(frame(TEXT, b"\xff"));
        peer.expect(close(1007, ""));
        peer.expect_close_notify();
        drop(peer);
        assert_shape!(ours.join().result, Err(Error::Protocol(_)));
    });
}

#[test]
fn bytes_that_are_no_tls_are_an_error() {
    each_end(|role, adapter| {
        let (ours, mut peer) = open(role, adapter, &defaults(), Work::Read);
        // The connection is open, and all that came has been read.
        peer.send(ping("?"));
        peer.expect(pong("?"));
        let forged = b"\x17\x03\x03\x00\x20was never encrypted by anybody...";
        peer.stream.socket().write_all(forged).unwrap();
        let outcome = ours.join();
        assert_shape!(outcome.result, Err(Error::Io(_)));
        assert_eq!(outcome.closed.unwrap().code(), CloseCode::ABNORMAL_CLOSURE);
    });
}

// ---- deadlines of the handshake ------------------------------------------------------

/// A record of a handshake that is far from being complete.
const START_OF_RECORD: &[u8] = &[0x16, 3, 3, 0x3f, 0xff, 2, 0, 0x3f, 0xfb];

/// Says something, then one byte after the other, until nobody listens.
fn drip(mut stream: &TcpStream, start: &[u8]) {
    stream.write_all(start).unwrap();
    drip_all(stream, &[0; 20_000]);
}

/// Sends one byte after the other, each far earlier than any deadline.
fn drip_all(mut stream: &TcpStream, bytes: &[u8]) {
    for byte in bytes {
        if stream.write_all(&[*byte]).is_err() {
            break;
        }
        thread::sleep(SOON / 10);
    }
}

fn hasty() -> Arc<Config> {
    config(|c| c.handshake_timeout = Some(SOON))
}

/// Connects to a server that says this, and then waits or drips.
fn stalled(adapter: Adapter, said: &'static [u8], drips: bool) {
    let (listener, port) = listen();
    let server = Task::start(move || {
        let (mut stream, _) = listener.accept().unwrap();
        match drips {
            true => drip(&stream, said),
            false => {
                stream.write_all(said).unwrap();
                // Our client's hello, and that it has gone.
                let _ = stream.read_to_end(&mut Vec::new());
            }
        }
    });
    let ours = move || adapter.connect(secure(port).config(hasty()));
    let error = in_good_time(ours).unwrap_err();
    match &error {
        Error::Io(e) => assert_eq!(e.kind(), ErrorKind::TimedOut),
        error => assert_shape!(error, Error::Response(ResponseError::Timeout)),
    }
    assert!(error.is_temporary());
    server.join();
}

#[test]
fn s4_1_tokio_does_not_wait_for_a_server_that_stalls_in_tls() {
    stalled(Adapter::Tokio, b"", false);
    stalled(Adapter::Tokio, START_OF_RECORD, false);
}

// TLS reads when it is first written to.
#[test]
fn s4_1_blocking_does_not_wait_for_a_server_that_stalls_in_tls() {
    stalled(Adapter::Blocking, b"", false);
    stalled(Adapter::Blocking, START_OF_RECORD, false);
}

#[test]
fn s4_1_tokio_does_not_wait_for_a_server_that_drips_in_tls() {
    stalled(Adapter::Tokio, START_OF_RECORD, true);
}

// No byte may start the time anew.
#[test]
fn s4_1_blocking_does_not_wait_for_a_server_that_drips_in_tls() {
    stalled(Adapter::Blocking, START_OF_RECORD, true);
}

/// Waits for a client that says this over TCP, and then waits or drips, with
/// the blocking adapter: in tokio the acceptor of TLS has its own future.
fn stalled_client(said: &'static [u8], drips: bool) {
    let (mut client, server) = tcp_pair();
    let client = Task::start(move || match drips {
        true => drip(&client, said),
        false => {
            client.write_all(said).unwrap();
            let _ = client.read_to_end(&mut Vec::new());
        }
    });
    // Five seconds of it are given to whoever is refused.
    let outcome = in_good_time(move || sockets::accept(our_tls(server), &hasty()));
    assert_shape!(outcome, Err(Error::Request(RequestError::Timeout)));
    client.join();
}

#[test]
fn s4_2_1_a_client_that_stalls_in_tls_is_not_waited_for_any_longer() {
    stalled_client(b"", false);
}

#[test]
fn s4_2_1_a_client_that_drips_in_tls_is_not_waited_for_any_longer() {
    stalled_client(b"\x16\x03\x01\x3f\xff\x01\x00\x3f\xfb", true);
}

// ---- deadlines of the connection -----------------------------------------------------

fn keep_alive() -> Arc<Config> {
    config(|c| {
        c.ping_interval = Some(SOON);
        c.pong_timeout = 4 * SOON;
        c.close_timeout = Some(10 * SOON);
    })
}

#[test]
fn s5_5_2_a_peer_that_does_not_answer_a_ping_over_tls_is_given_up() {
    each_end(|role, adapter| {
        let (ours, mut peer) = open(role, adapter, &keep_alive(), Work::Read);
        assert_eq!(peer.frame().0, 0x80 | PING);
        peer.expect(close(1011, "no answer to a Ping"));
        peer.expect_close_notify();
        drop(peer);
        let outcome = ours.join();
        assert_eq!(outcome.closed.unwrap().code(), CloseCode::ABNORMAL_CLOSURE);
        outcome.expect_timeout(Timeout::Pong);
    });
}

#[test]
fn s5_5_2_a_peer_that_answers_pings_over_tls_is_kept() {
    each_end(|role, adapter| {
        let config = config(|c| c.ping_interval = Some(SOON));
        let (ours, mut peer) = open(role, adapter, &config, Work::Read);
        for _ in 0..5 {
            let (first, payload) = peer.frame();
            assert_eq!(first, 0x80 | PING);
            peer.send(pong(payload));
        }
        peer.send(close(1000, ""));
        ours_ends(role, peer);
        ours.join().expect_clean();
    });
}

/// Our end answers the Close frame, and the peer does its part of the end.
fn ours_ends(ours: Role, mut peer: Script<Box<dyn Tls>>) {
    while peer.frame().0 != 0x80 | CLOSE {}
    if ours == Role::Client {
        peer.close_notify();
    }
    peer.expect_close_notify();
}

/// A peer that takes nothing of what our end sends.
fn takes_nothing(adapter: Adapter) {
    for role in ROLES {
        in_good_time(move || {
            let (ours, peer) = open(role, adapter, &keep_alive(), Work::Send);
            ours.join().expect_timeout(Timeout::Pong);
            drop(peer);
        });
    }
}

#[test]
fn s5_5_2_tokio_gives_up_a_peer_that_takes_nothing_over_tls() {
    takes_nothing(Adapter::Tokio);
}

#[test]
fn s5_5_2_blocking_gives_up_a_peer_that_takes_nothing_over_tls() {
    takes_nothing(Adapter::Blocking);
}

/// A peer that sends a record byte by byte, and answers nothing.
fn drips_a_record(adapter: Adapter) {
    for role in ROLES {
        in_good_time(move || {
            let (ours, mut peer) = open(role, adapter, &keep_alive(), Work::Read);
            let record = peer.stream.seal(&bytes_for(role, &binary(bytes_of(16_000))));
            // In time it would take more than a minute.
            let dripping = Task::start(move || drip_all(peer.stream.socket(), &record));
            ours.join().expect_timeout(Timeout::Pong);
            dripping.join();
        });
    }
}

#[test]
fn s5_5_2_tokio_gives_up_a_peer_that_drips_a_record() {
    drips_a_record(Adapter::Tokio);
}

#[test]
fn s5_5_2_blocking_gives_up_a_peer_that_drips_a_record() {
    drips_a_record(Adapter::Blocking);
}

#[test]
fn s7_1_1_a_peer_that_does_not_close_over_tls_is_given_up() {
    each_end(|role, adapter| {
        let config = config(|c| c.close_timeout = Some(SOON));
        let (ours, mut peer) = open(role, adapter, &config, Work::Close);
        peer.expect(close(1000, ""));
        ours.join().expect_timeout(Timeout::Close);
        drop(peer);
    });
}

#[test]
fn deadlines_of_the_caller_hold_over_tls_and_lose_nothing() {
    bounded(|| {
        let (listener, port) = listen();
        let peer = Task::start(move || {
            let mut peer = tls_peer(Role::Server, listener.accept().unwrap().0);
            peer.accept();
            peer
        });
        let mut ws = blocking::connect(secure(port)).unwrap();
        let mut peer = peer.join();
        // Half a record, half a frame in a whole record.
        let hello = text("hello").unmasked();
        let record = peer.stream.seal(&hello[..3]);
        for part in [&record[..0], &record[..7], &record[7..]] {
            peer.stream.socket().write_all(part).unwrap();
            ws.set_deadline(soon());
            assert_shape!(ws.read(), Err(Error::DeadlineExceeded));
        }
        peer.send_bytes(&hello[3..]);
        ws.set_deadline(None);
        assert_eq!(ws.read().unwrap(), Some("hello".into()));
    });
}
