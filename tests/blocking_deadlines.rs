//! The blocking adapter and the clock: deadlines of the caller and of the
//! engine; and an application that was busy while time passed must not blame
//! its peer for it.

#![cfg(feature = "url")]

mod common;
mod sockets;

use std::io::Write;
use std::iter;
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use common::*;
use sockets::*;
use sockeye::blocking::Error;
use sockeye::handshake::{RequestError, ResponseError};
use sockeye::{Cause, Config, Message, SendError, Side, Timeout};

/// Passes while the application does something else: that is what these tests
/// are about, and not a wait for something to happen.
const BUSY: Duration = Duration::from_millis(900);

fn keep_alive() -> Arc<Config> {
    config(|c| {
        c.ping_interval = Some(BUSY / 6);
        // Longer than a loaded machine takes to answer.
        c.pong_timeout = BUSY * 2 / 3;
        c.idle_timeout = Some(100 * BUSY);
    })
}

#[test]
fn s5_2_nothing_goes_between_a_header_and_its_payload() {
    each_role(|role| {
        // Due are a Ping and the deadline of its Pong.
        let (mut ws, mut peer) = open(role, &keep_alive());
        for len in [10, 5_000, 100_000] {
            thread::sleep(BUSY);
            let data = bytes_of(len);
            ws.send(data.as_slice()).unwrap();
            assert_eq!(peer.frame(), (0x80 | BINARY, data));
        }
    });
}

#[test]
fn s5_5_2_a_pong_that_came_while_the_application_was_busy_came_in_time() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &keep_alive());
        let ours = Task::start(move || {
            let first = ws.read().unwrap();
            thread::sleep(BUSY);
            // The Pong is behind this message, in the same buffer or the next.
            (first, ws.read().unwrap(), ws.read().unwrap(), ws)
        });
        let (first, payload) = peer.frame();
        assert_eq!(first, 0x80 | PING);
        peer.send([text("a"), text("b"), pong(payload), text("c")]);
        let (a, b, c, ws) = ours.join();
        let expected = ["a", "b", "c"].map(|m| Some(Message::from(m)));
        assert_eq!([a, b, c], expected);
        assert!(ws.connection().is_open());
    });
}

#[test]
fn s5_5_2_split_a_pong_that_came_while_the_application_was_busy_came_in_time() {
    each_role(|role| {
        let (ws, mut peer) = open(role, &keep_alive());
        let (mut reader, sender) = ws.split().unwrap();
        let ours = Task::start(move || {
            let first = reader.read().unwrap();
            thread::sleep(BUSY);
            (first, reader.read().unwrap(), reader)
        });
        let (first, payload) = peer.frame();
        assert_eq!(first, 0x80 | PING);
        peer.send([text("a"), pong(payload), text("b")]);
        let (a, b, reader) = ours.join();
        assert_eq!([a, b], ["a", "b"].map(|m| Some(Message::from(m))));
        assert_eq!(reader.closed(), None);
        drop(sender);
    });
}

#[test]
fn s7_1_1_a_close_that_came_while_the_application_was_busy_came_in_time() {
    each_role(|role| {
        let config = config(|c| c.close_timeout = Some(BUSY * 2 / 3));
        let (mut ws, mut peer) = open(role, &config);
        ws.start_close(code(1000), "").unwrap();
        peer.expect([close(1000, "")]);
        peer.send([text("late"), close(1000, "")]);
        thread::sleep(BUSY);
        assert_eq!(ws.read().unwrap(), Some(Message::from("late")));
        assert_shape!(ws.read(), Ok(None));
        assert_eq!(ws.closed().unwrap().cause(), Cause::ClosingHandshake);
    });
}

#[test]
fn s7_1_1_closing_takes_no_longer_than_its_one_deadline() {
    each_role(|role| {
        let timeout = Duration::from_secs(2);
        let config = config(|c| c.close_timeout = Some(timeout));
        let (mut ws, mut peer) = open(role, &config);
        let start = Instant::now();
        let ours = Task::start(move || (ws.close(code(1000), "").unwrap(), start.elapsed()));
        peer.expect([close(1000, "")]);
        // Answers late, and then keeps the stream open.
        thread::sleep(timeout / 2);
        peer.send([close(1000, "")]);
        let (closed, took) = ours.join();
        assert!(closed.is_clean());
        assert!(took < timeout + timeout / 2, "{took:?} of {timeout:?}");
        drop(peer);
    });
}

#[test]
fn s5_5_2_split_the_round_trip_is_that_of_the_ping() {
    each_role(|role| {
        let (ws, mut peer) = open(role, &defaults());
        let (mut reader, sender) = ws.split().unwrap();
        let ours = Task::start(move || (reader.read().unwrap(), reader));
        sender.ping(b"?").unwrap();
        peer.expect([ping("?")]);
        thread::sleep(BUSY);
        peer.send([pong("?"), text("x")]);
        let (message, reader) = ours.join();
        assert_eq!(message, Some(Message::from("x")));
        assert!(reader.ask(|ws| ws.round_trip_time()).unwrap() >= BUSY);
    });
}

#[test]
fn split_a_peer_that_floods_and_takes_nothing_ends_with_the_idle_deadline() {
    each_role(|role| {
        let config = config(|c| {
            c.idle_timeout = Some(BUSY);
            c.close_timeout = Some(BUSY);
        });
        let (ws, peer) = open(role, &config);
        let (mut reader, sender) = ws.split().unwrap();
        let reader = Task::start(move || while let Ok(Some(_)) = reader.read() {});
        // Until our end is gone.
        let pings = peer.encode((0..10_000).map(|_| ping([0; 125])));
        let flood = Task::start(move || {
            let mut stream = peer.stream;
            while std::io::Write::write_all(&mut stream, &pings).is_ok() {}
        });
        reader.join();
        let late = sender.send("late");
        assert_shape!(late, Err(Error::Send(_)) | Err(Error::Io(_)));
        drop(sender);
        flood.join();
    });
}

// ---- deadlines of the caller -----------------------------------------------------

#[test]
fn a_read_that_its_deadline_ends_loses_nothing() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &defaults());
        let bytes =
            peer.encode([ping("p"), fragment(TEXT, "\u{e9}"), frame(CONTINUATION, "t\u{e9}")]);
        for cut in 0..bytes.len() {
            peer.send_bytes(&bytes[..cut]);
            ws.set_deadline(Some(Instant::now() + Duration::from_millis(5)));
            assert_shape!(ws.read(), Err(Error::DeadlineExceeded));
            assert_shape!(ws.read(), Err(Error::DeadlineExceeded));
            peer.send_bytes(&bytes[cut..]);
            ws.set_deadline(None);
            assert_eq!(ws.read().unwrap(), Some(Message::from("\u{e9}t\u{e9}")));
            ws.flush().unwrap();
            peer.expect([pong("p")]);
        }
    });
}

#[test]
fn a_send_that_its_deadline_ends_goes_on_with_flush() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &config(|c| c.max_queued_len = usize::MAX));
        let message = Message::from(bytes_of(STUCK));
        ws.set_deadline(soon());
        assert_shape!(ws.send(&message), Err(Error::DeadlineExceeded));
        ws.queue("behind it").unwrap();
        assert_shape!(ws.flush(), Err(Error::DeadlineExceeded));
        ws.set_deadline(None);
        let ours = Task::start(move || ws.flush());
        let (first, payload) = peer.frame();
        assert!(first == 0x80 | BINARY && payload == message.as_bytes());
        peer.expect([text("behind it")]);
        ours.join().unwrap();
    });
}

#[test]
fn a_deadline_ends_waiting_for_the_peers_close_too() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &defaults());
        ws.set_deadline(soon());
        assert_shape!(ws.close(code(1000), ""), Err(Error::DeadlineExceeded));
        ws.set_deadline(None);
        peer.expect([close(1000, "")]);
        peer.send([close(1000, "")]);
        let ours = Task::start(move || ws.close(code(1000), ""));
        peer.finish();
        assert!(ours.join().unwrap().is_clean());
    });
}

// ---- deadlines of the engine -----------------------------------------------------

#[test]
fn a_peer_that_answers_no_ping_is_given_up() {
    bounded(|| {
        let config = config(|c| {
            c.ping_interval = Some(SOON);
            c.pong_timeout = SOON;
        });
        for role in ROLES {
            let (mut ws, mut peer) = open(role, &config);
            let ours = Task::start(move || (ws.read(), ws.closed().unwrap()));
            assert_eq!(peer.frame().0, 0x80 | PING);
            peer.expect([close(1011, "no answer to a Ping")]);
            peer.expect_eof();
            drop(peer);
            let (outcome, closed) = ours.join();
            assert_shape!(outcome, Err(Error::Timeout(Timeout::Pong)));
            assert_eq!(closed.cause(), Cause::Timeout(Timeout::Pong));
        }
    });
}

#[test]
fn a_peer_that_answers_pings_is_kept() {
    bounded(|| {
        let config = config(|c| c.ping_interval = Some(Duration::from_millis(5)));
        for role in ROLES {
            let (mut ws, mut peer) = open(role, &config);
            let ours = Task::start(move || (ws.read().unwrap(), ws));
            for _ in 0..5 {
                let (first, payload) = peer.frame();
                assert_eq!(first, 0x80 | PING);
                peer.send([pong(payload)]);
            }
            peer.send([text("here")]);
            let (message, ws) = ours.join();
            assert_eq!(message, Some(Message::from("here")));
            assert!(ws.connection().round_trip_time().is_some());
        }
    });
}

#[test]
fn a_peer_that_takes_nothing_is_given_up_while_we_send() {
    bounded(|| {
        let config = config(|c| {
            c.ping_interval = Some(SOON);
            c.pong_timeout = SOON;
            c.close_timeout = Some(SOON);
        });
        for role in ROLES {
            let (mut ws, peer) = open(role, &config);
            let outcome = ws.send(vec![0; STUCK]);
            assert_shape!(outcome, Err(Error::Timeout(Timeout::Pong)));
            assert_shape!(ws.send("more"), Err(Error::Send(SendError::Closed)));
            drop(peer);
        }
    });
}

#[test]
fn an_idle_connection_is_closed_with_1001() {
    bounded(|| {
        for role in ROLES {
            for answers in [true, false] {
                let config = config(|c| {
                    c.idle_timeout = Some(SOON);
                    c.close_timeout = Some(if answers { PATIENCE } else { SOON });
                });
                let (mut ws, mut peer) = open(role, &config);
                // Not data: it does not count.
                peer.send([ping("")]);
                let ours = Task::start(move || (ws.read(), ws.closed().unwrap()));
                peer.expect([pong(""), close(1001, "idle for too long")]);
                if answers {
                    peer.send([close(1001, "")]);
                    peer.half_close();
                }
                let (outcome, closed) = ours.join();
                assert_eq!(closed.cause(), Cause::Timeout(Timeout::Idle));
                assert_eq!((closed.is_clean(), closed.by()), (answers, Side::Local));
                if answers {
                    assert_shape!(outcome, Ok(None));
                } else {
                    assert_shape!(outcome, Err(Error::Timeout(Timeout::Idle)));
                }
            }
        }
    });
}

#[test]
fn a_peer_that_does_not_answer_our_close_is_given_up() {
    bounded(|| {
        let config = config(|c| c.close_timeout = Some(SOON));
        for role in ROLES {
            let (mut ws, mut peer) = open(role, &config);
            assert_shape!(ws.close(code(1000), ""), Err(Error::Timeout(Timeout::Close)));
            assert_eq!(ws.closed().unwrap().cause(), Cause::Timeout(Timeout::Close));
            peer.expect([close(1000, "")]);

            // Nor does one that goes on talking get more time.
            let (mut ws, mut peer) = open(role, &config);
            let chatter = peer.encode(iter::repeat_n(text("chatter"), 100));
            let talker = Task::start(move || while peer.stream.write_all(&chatter).is_ok() {});
            assert_shape!(ws.close(code(1000), ""), Err(Error::Timeout(Timeout::Close)));
            drop(ws);
            talker.join();
        }
    });
}

#[test]
fn deadlines_may_be_off_or_as_long_as_a_duration_can_be() {
    bounded(|| {
        for long in [None, Some(Duration::MAX)] {
            let config = config(|c| {
                c.handshake_timeout = long;
                c.ping_interval = long;
                c.pong_timeout = Duration::MAX;
                c.idle_timeout = long;
                c.close_timeout = long;
            });
            let (mut client, mut server) = pair(&config);
            let server = Task::start(move || echo(&mut server));
            client.send("hello").unwrap();
            assert_eq!(client.read().unwrap(), Some(Message::from("hello")));
            let (mut reader, sender) = client.split().unwrap();
            sender.start_close(code(1000), "").unwrap();
            assert_shape!(reader.read(), Ok(None));
            server.join().unwrap();
        }
    });
}

// ---- peers that never stop talking -------------------------------------------------

/// Writes this over and over, until nobody listens any more.
fn chatter(mut stream: TcpStream, bytes: Vec<u8>) -> Task<()> {
    Task::start(move || {
        while stream.write_all(&bytes).is_ok() {
            thread::sleep(Duration::from_millis(1));
        }
    })
}

#[test]
fn rule_28_a_request_that_drips_is_answered_408_at_its_deadline() {
    bounded(|| {
        let (client, server) = tcp_pair();
        let mut peer = Peer::new(Role::Client, client);
        peer.send_bytes("GET / HTTP/1.1\r\nX: ");
        let talker = chatter(peer.stream.try_clone().unwrap(), b"x".to_vec());
        let config = config(|c| c.handshake_timeout = Some(BUSY / 3));
        assert_shape!(accept(server, &config), Err(Error::Request(RequestError::Timeout)));
        assert!(peer.head().starts_with("HTTP/1.1 408 "));
        drop(peer);
        talker.join();
    });
}

#[test]
fn rule_11_a_reply_that_drips_is_given_up_at_its_deadline() {
    bounded(|| {
        let (client, server) = tcp_pair();
        let talker = chatter(server, b"HTTP/1.1 100 Continue\r\n\r\n".to_vec());
        let config = config(|c| {
            c.handshake_timeout = Some(BUSY / 3);
            c.max_head_len = usize::MAX;
        });
        assert_shape!(connect(client, &config), Err(Error::Response(ResponseError::Timeout)));
        talker.join();
    });
}

#[test]
fn s7_1_1_a_failed_connection_lingers_no_longer_than_its_deadline() {
    each_role(|role| {
        let config = config(|c| c.close_timeout = Some(BUSY / 3));
        let (mut ws, peer) = open(role, &config);
        let talker = chatter(peer.stream.try_clone().unwrap(), vec![0xff; 4096]);
        assert_shape!(ws.read(), Err(Error::Protocol(_)));
        drop((ws, peer));
        talker.join();
    });
}

#[test]
fn chatter_puts_off_no_deadline() {
    each_role(|role| {
        // Of the caller.
        let (mut ws, peer) = open(role, &defaults());
        let pings = peer.encode([ping("are you there?")]);
        let talker = chatter(peer.stream.try_clone().unwrap(), pings.clone());
        ws.set_deadline(Some(Instant::now() + BUSY / 3));
        assert_shape!(ws.read(), Err(Error::DeadlineExceeded));
        drop((ws, peer));
        talker.join();

        // Of the engine: control frames are no data. Alone, and split.
        let config = config(|c| {
            c.idle_timeout = Some(BUSY / 3);
            c.close_timeout = Some(BUSY / 3);
        });
        let (mut ws, peer) = open(role, &config);
        let talker = chatter(peer.stream.try_clone().unwrap(), pings.clone());
        assert_shape!(ws.read(), Err(Error::Timeout(Timeout::Idle)));
        drop((ws, peer));
        talker.join();

        let (ws, peer) = open(role, &config);
        let talker = chatter(peer.stream.try_clone().unwrap(), pings);
        let (mut reader, sender) = ws.split().unwrap();
        // Takes what it is sent.
        let mut answers = peer.stream.try_clone().unwrap();
        let sink = Task::start(move || std::io::copy(&mut answers, &mut std::io::sink()).ok());
        assert_shape!(reader.read(), Err(Error::Timeout(Timeout::Idle)));
        drop((reader, sender, peer));
        talker.join();
        sink.join();
    });
}

#[test]
fn s5_5_2_a_silent_peer_is_not_waited_for_twice() {
    each_role(|role| {
        let config = config(|c| {
            c.ping_interval = Some(BUSY / 6);
            c.pong_timeout = BUSY / 6;
            c.close_timeout = Some(BUSY / 6);
        });
        let (mut ws, peer) = open(role, &config);
        let start = Instant::now();
        assert_shape!(ws.read(), Err(Error::Timeout(Timeout::Pong)));
        // Half a second in all; five more would be those of no deadline at all.
        assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
        drop(peer);
    });
}
