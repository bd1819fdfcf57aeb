//! The blocking adapter over real sockets: one connection, two threads.

#![cfg(feature = "url")]

mod common;
mod sockets;

use std::io::{ErrorKind, Read, Write};
use std::iter;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use common::*;
use sockets::*;
use sockeye::blocking::{Error, Reader, Sender};
use sockeye::{Config, Message, ProtocolError, SendError, Side, Timeout};

// ---- two threads -----------------------------------------------------------------

/// Our end in this role, split; and the peer.
fn open_split(ours: Role, config: &Arc<Config>) -> (Reader, Sender, Peer) {
    let (ws, peer) = open(ours, config);
    let (reader, sender) = ws.split().unwrap();
    (reader, sender, peer)
}

/// Reads to the end.
fn read_all(mut reader: Reader) -> Result<Vec<Message<'static>>, Error> {
    iter::from_fn(|| reader.read().transpose()).collect()
}

/// Sends a message that nobody reads.
fn get_stuck(sender: Sender, peer: &Peer) -> Task<Result<(), Error>> {
    let sender = Task::start(move || sender.send(vec![7; STUCK]));
    peer.stream.peek(&mut [0]).unwrap(); // it has begun, and cannot end
    sender
}

#[test]
fn split_ten_thousand_messages_go_each_way_at_once() {
    bounded(|| {
        const COUNT: u32 = 10_000;
        let (client, server) = pair(&defaults());
        let tasks = [client, server].map(|ws| {
            let (mut reader, sender) = ws.split().unwrap();
            let sender = Task::start(move || {
                for n in 0..COUNT {
                    sender.send(n.to_string()).unwrap();
                }
                sender
            });
            let reader = Task::start(move || {
                for n in 0..COUNT {
                    assert_eq!(reader.read().unwrap(), Some(Message::from(n.to_string())));
                }
                reader
            });
            (reader, sender)
        });
        let [(client, closer), (server, _)] = tasks.map(|(r, w)| (r.join(), w.join()));
        closer.start_close(code(1000), "enough").unwrap();
        let server = Task::start(move || read_all(server).unwrap());
        assert_eq!(read_all(client).unwrap(), []);
        assert_eq!(server.join(), []);
    });
}

#[test]
fn split_large_messages_cross_each_other() {
    bounded(|| {
        let (client, server) = pair(&defaults());
        let tasks = [client, server].map(|ws| {
            let (mut reader, sender) = ws.split().unwrap();
            let message = bytes_of(8 << 20);
            let expected = Message::from(message.clone());
            let sender = Task::start(move || {
                for _ in 0..3 {
                    sender.send(message.as_slice()).unwrap();
                }
                sender
            });
            let reader = Task::start(move || {
                for _ in 0..3 {
                    assert!(reader.read().unwrap().unwrap() == expected);
                }
                reader
            });
            (reader, sender)
        });
        for (reader, sender) in tasks {
            reader.join();
            sender.join();
        }
    });
}

#[test]
fn rule_58_split_answers_pings_at_the_next_border_while_the_writer_is_stuck() {
    each_role(|role| {
        let (mut reader, sender, mut peer) = open_split(role, &defaults());
        let sender = get_stuck(sender, &peer);
        for n in 0..3 {
            peer.send([ping(format!("p{n}")), text(&n.to_string())]);
            assert_eq!(reader.read().unwrap(), Some(Message::from(n.to_string())));
        }
        let reader = Task::start(move || reader.read());
        let (first, payload) = peer.frame();
        assert!(first == 0x80 | BINARY && payload == vec![7; STUCK]);
        // Without another word from either of us.
        peer.expect([pong("p0"), pong("p1"), pong("p2")]);
        sender.join().unwrap();
        peer.send([text("bye")]);
        assert_eq!(reader.join().unwrap(), Some(Message::from("bye")));
    });
}

#[test]
fn split_takes_over_what_was_read_and_what_was_not_sent() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &config(|c| c.max_queued_len = usize::MAX));
        peer.send([text("first"), text("second"), ping("p"), text("third")]);
        assert_eq!(ws.read().unwrap(), Some(Message::from("first")));
        // Part of it is on the wire.
        ws.set_deadline(soon());
        assert_shape!(ws.send(vec![7; STUCK]), Err(Error::DeadlineExceeded));
        ws.queue("queued").unwrap();
        let (mut reader, sender) = ws.split().unwrap();
        let ours = Task::start(move || {
            sender.send("by the sender").unwrap();
            [reader.read(), reader.read()].map(Result::unwrap)
        });
        let (first, payload) = peer.frame();
        assert!(first == 0x80 | BINARY && payload == vec![7; STUCK]);
        peer.expect([text("queued"), text("by the sender"), pong("p")]);
        assert_eq!(ours.join(), ["second", "third"].map(|t| Some(Message::from(t))));
    });
}

#[test]
fn split_the_reader_sees_the_writers_close_to_its_end() {
    each_role(|role| {
        let (reader, sender, mut peer) = open_split(role, &defaults());
        let reader = Task::start(move || read_all(reader));
        sender.start_close(code(4000), REASON).unwrap();
        assert_shape!(sender.send("more"), Err(Error::Send(SendError::Closed)));
        peer.expect([close(4000, REASON)]);
        peer.send([text("not yet"), close(4000, "")]);
        peer.finish();
        assert_eq!(reader.join().unwrap(), [Message::from("not yet")]);
        let closed = sender.closed().unwrap();
        assert!(closed.is_clean());
        assert_eq!((closed.by(), closed.code().get()), (Side::Local, 4000));
    });
}

#[test]
fn split_the_peers_close_is_answered_and_ends_both_halves() {
    each_role(|role| {
        let (reader, sender, mut peer) = open_split(role, &defaults());
        let reader = Task::start(move || read_all(reader));
        peer.send([text("bye"), close(1001, REASON)]);
        peer.expect([close(1001, REASON)]);
        peer.finish();
        assert_eq!(reader.join().unwrap(), [Message::from("bye")]);
        assert_shape!(sender.send("more"), Err(Error::Send(SendError::Closed)));
        assert_shape!(sender.ping(b""), Err(Error::Send(SendError::Closed)));
        assert!(sender.closed().unwrap().is_clean());
    });
}

#[test]
fn split_a_violation_is_told_to_a_peer_that_is_still_sending() {
    each_role(|role| {
        let (reader, sender, mut peer) = open_split(role, &defaults());
        let reader = Task::start(move || read_all(reader));
        peer.send([frame(TEXT, b"\xc0")]);
        peer.send_bytes(vec![0; STUCK]);
        peer.expect([close(1007, "")]);
        peer.expect_eof();
        drop(peer);
        assert_shape!(reader.join(), Err(Error::Protocol(ProtocolError::TextNotUtf8)));
        assert_shape!(sender.send("more"), Err(Error::Send(SendError::Closed)));
    });
}

#[test]
fn split_the_close_deadline_is_noticed_though_the_reader_waits() {
    each_role(|role| {
        let config = config(|c| c.close_timeout = Some(SOON));
        let (reader, sender, mut peer) = open_split(role, &config);
        let reader = Task::start(move || read_all(reader));
        // Read by the reader: it waits now, or soon.
        peer.send([ping("")]);
        peer.expect([pong("")]);
        sender.start_close(code(1000), "").unwrap();
        assert_shape!(reader.join(), Err(Error::Timeout(Timeout::Close)));
        peer.expect([close(1000, "")]);
    });
}

#[test]
fn split_the_other_deadlines_are_the_readers_to_keep() {
    bounded(|| {
        let pong = config(|c| {
            c.ping_interval = Some(SOON);
            c.pong_timeout = SOON;
            c.close_timeout = Some(SOON);
        });
        let idle = config(|c| {
            c.idle_timeout = Some(SOON);
            c.close_timeout = Some(SOON);
        });
        for role in ROLES {
            for (config, expected) in [(&pong, Timeout::Pong), (&idle, Timeout::Idle)] {
                let (reader, sender, _peer) = open_split(role, config);
                assert_shape!(read_all(reader), Err(Error::Timeout(t)) if t == expected);
                assert_shape!(sender.send("more"), Err(Error::Send(SendError::Closed)));
            }
        }
    });
}

#[test]
fn split_a_stuck_writer_gets_an_error_when_the_connection_ends() {
    bounded(|| {
        let config = config(|c| c.close_timeout = Some(SOON));
        let ends: [fn(&mut Peer); 4] = [
            |peer| peer.send([text("x").rsv(1)]),
            |peer| peer.send([close(1000, "")]),
            |peer| peer.half_close(),
            |peer| peer.send_bytes([0x81]),
        ];
        for role in ROLES {
            for (n, end) in ends.into_iter().enumerate() {
                let (reader, sender, mut peer) = open_split(role, &config);
                let sender = get_stuck(sender, &peer);
                let reader = Task::start(move || read_all(reader));
                end(&mut peer);
                if n == 3 {
                    peer.half_close();
                }
                let outcome = reader.join();
                assert_shape!(sender.join(), Err(Error::Io(_)));
                match n {
                    0 => assert_shape!(outcome, Err(Error::Protocol(_))),
                    1 => assert_shape!(outcome, Ok(_)),
                    _ => assert_shape!(
                        outcome,
                        Err(Error::Lost { inside_frame, .. }) if inside_frame == (n == 3)
                    ),
                }
            }
        }
    });
}

#[test]
fn split_a_reset_ends_both_halves() {
    each_role(|role| {
        let (reader, sender, peer) = open_split(role, &defaults());
        let sender = get_stuck(sender, &peer);
        let reader = Task::start(move || read_all(reader));
        drop(peer); // with bytes unread: a reset
        assert_shape!(reader.join(), Err(Error::Io(_) | Error::Lost { .. }));
        assert_shape!(sender.join(), Err(Error::Io(_)));
    });
}

// ---- floods ----------------------------------------------------------------------

/// More than all buffers of the system hold, in both directions.
const FLOOD: usize = 64 << 20;

/// Sends Pings until they are not taken any more, which they must not be for
/// ever by who cannot send the answers. Gives what is missing of the last.
fn flood(peer: &mut Peer) -> Vec<u8> {
    let pings = peer.encode(iter::repeat_n(ping([0; 125]), 500));
    // What is not taken for so long will not be.
    peer.stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut sent = 0;
    while sent < FLOOD {
        match peer.stream.write(&pings[sent % pings.len()..]) {
            Ok(len) => sent += len,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                peer.stream.set_write_timeout(None).unwrap();
                let frame_len = pings.len() / 500;
                return pings[sent % frame_len..frame_len].to_vec();
            }
        }
    }
    panic!("{sent} bytes of Pings were taken, and none of the answers");
}

/// After a flood: the peer reads, and nothing was lost.
fn goes_on<T: Send + 'static>(
    mut peer: Peer,
    rest: Vec<u8>,
    reader: Task<Result<(Option<Message<'static>>, T), Error>>,
    says_bye: impl FnOnce(&mut T),
) {
    let all = peer.another();
    let all = Task::start(move || all.frames_to_the_end());
    peer.send_bytes(rest);
    peer.send([text("hello")]);
    let (message, mut ours) = reader.join().unwrap();
    assert_eq!(message, Some(Message::from("hello")));
    says_bye(&mut ours);
    drop(ours);
    assert_eq!(all.join().last(), Some(&(0x80 | TEXT, b"bye".to_vec())));
}

#[test]
fn rule_59_pings_of_a_peer_that_never_reads_are_not_hoarded() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &defaults());
        let reader = Task::start(move || ws.read().map(|message| (message, ws)));
        let rest = flood(&mut peer);
        goes_on(peer, rest, reader, |ws| ws.send("bye").unwrap());
    });
}

#[test]
fn rule_59_split_pings_of_a_peer_that_never_reads_are_not_hoarded() {
    each_role(|role| {
        for messages in [0, 20] {
            let (mut reader, sender, mut peer) = open_split(role, &defaults());
            let sender = Task::start(move || {
                // The right to write is the sender's, which is stuck.
                for _ in 0..messages {
                    sender.send(vec![0; 1 << 20]).unwrap();
                }
                sender
            });
            if messages > 0 {
                assert_eq!(peer.frame().0, 0x80 | BINARY);
            }
            let reader = Task::start(move || reader.read().map(|message| (message, reader)));
            let rest = flood(&mut peer);
            goes_on(peer, rest, reader, |_| sender.join().send("bye").unwrap());
        }
    });
}

#[test]
fn rule_59_split_a_flood_of_pings_does_not_hold_the_writer() {
    each_role(|role| {
        let (reader, sender, mut peer) = open_split(role, &defaults());
        let reader = Task::start(move || read_all(reader));
        // A peer that takes whatever comes, until the end.
        let mut answers = peer.another();
        let (begins, began) = mpsc::channel();
        let sink = Task::start(move || {
            let mut memory = vec![0; 1 << 16];
            while matches!(answers.stream.read(&mut memory), Ok(1..)) {
                let _ = begins.send(());
            }
        });
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let flood = Task::start(move || {
            let pings = peer.encode(iter::repeat_n(ping(""), 10_000));
            while !stopped.load(Ordering::Relaxed) {
                peer.send_bytes(&pings);
            }
            peer.half_close();
            peer
        });
        began.recv().unwrap();
        for _ in 0..100 {
            sender.send("x").unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        flood.join();
        assert_shape!(reader.join(), Err(Error::Lost { inside_frame: false, .. }));
        drop(sender);
        sink.join();
    });
}

#[test]
fn split_a_peer_that_takes_nothing_cannot_keep_us_from_closing() {
    each_role(|role| {
        let config = config(|c| c.close_timeout = Some(SOON));
        let (reader, sender, mut peer) = open_split(role, &config);
        let reader = Task::start(move || read_all(reader));
        flood(&mut peer); // the reader is stuck with its answers
        let sender = Task::start(move || sender.start_close(code(1000), ""));
        assert_shape!(reader.join(), Err(_));
        // The Close frame found room or not.
        let _ = sender.join();
    });
}
