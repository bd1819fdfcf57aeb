//! The blocking adapter over real sockets and other streams: messages.

#![cfg(feature = "url")]

mod common;
mod sockets;

use std::io::{self, Cursor, ErrorKind, Read, Write};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use common::*;
use sockets::*;
use sockeye::blocking::{Error, Transport, Untimed, WebSocket};
use sockeye::{CloseCode, Config, Connection, Event, Message, SendError};

// ---- messages --------------------------------------------------------------------

#[test]
fn more_queued_than_its_limit_is_flushed_first() {
    let config = config(|c| c.max_queued_len = 100);
    let connection = Connection::server(config);
    let mut ws = WebSocket::from_parts(Tape::default(), connection, b"");
    ws.queue(vec![1; 90]).unwrap();
    ws.queue(vec![2; 90]).unwrap();
    assert_eq!(ws.stream().writes.len(), 0);
    ws.queue(vec![3; 90]).unwrap();
    assert_eq!((ws.stream().writes.len(), ws.stream().written.len()), (1, 2 * 92));
    ws.flush().unwrap();
    assert_eq!((ws.stream().writes.len(), ws.stream().written.len()), (2, 3 * 92));
}

#[test]
fn s5_6_messages_of_every_length_go_both_ways() {
    bounded(|| {
        const LENGTHS: [usize; 14] = [
            0,
            1,
            125,
            126,
            4095,
            4096,
            16_384,
            65_535,
            65_536,
            65_537,
            1 << 20,
            3_000_001,
            (16 << 20) - 1,
            16 << 20,
        ];
        let (mut client, mut server) = pair(&defaults());
        let server = Task::start(move || echo(&mut server));
        for message in LENGTHS.into_iter().flat_map(messages_of) {
            client.send(&message).unwrap();
            let back = client.read().unwrap().unwrap();
            assert!(back == message, "{:?} of {} bytes", message.kind(), message.as_bytes().len());
        }
        assert!(client.close(CloseCode::NORMAL_CLOSURE, "").unwrap().is_clean());
        server.join().unwrap();
    });
}

/// A server's end over a tape, with these bytes to read.
fn server_on_tape(config: &Arc<Config>, to_read: Vec<u8>) -> WebSocket<Tape> {
    let tape = Tape { to_read: Cursor::new(to_read), ..Tape::default() };
    WebSocket::from_parts(tape, Connection::server(config.clone()), b"")
}

#[test]
fn a_large_message_of_a_servers_is_written_from_where_it_is() {
    for message in messages_of(1 << 20) {
        let mut ws = server_on_tape(&defaults(), Vec::new());
        ws.send(&message).unwrap();
        let bytes = message.as_bytes();
        match ws.stream().writes.as_slice() {
            [parts] => {
                assert_eq!(parts.len(), 2, "header and payload");
                assert_eq!(parts[1], (bytes.as_ptr().addr(), bytes.len()));
            }
            writes => panic!("{} writes", writes.len()),
        }
    }
}

#[test]
fn a_stream_may_take_a_message_in_pieces_of_any_length() {
    for message in [0, 100, 5000, 70_000].into_iter().flat_map(messages_of) {
        for max_write in [1, 2, 3, 10, 4096] {
            let (mut whole, mut pieces) = (Tape::default(), Tape { max_write, ..Tape::default() });
            for tape in [&mut whole, &mut pieces] {
                let ws = Connection::server(defaults());
                let mut ws = WebSocket::from_parts(tape, ws, b"");
                ws.queue("before").unwrap();
                ws.send(&message).unwrap();
                ws.send("behind").unwrap();
            }
            assert!(whole.written == pieces.written, "{max_write} bytes at a time");
        }
    }
}

#[test]
fn s5_4_nothing_comes_between_the_header_and_the_payload_of_a_large_message() {
    // A Ping is due whenever the time is told.
    let config = config(|c| {
        c.ping_interval = Some(Duration::from_nanos(1));
        c.idle_timeout = Some(Duration::from_secs(3600));
    });
    for message in messages_of(5000) {
        let mut ws = server_on_tape(&config, Vec::new());
        ws.send(&message).unwrap();
        let frames = sent_frames(&ws.stream().written, false);
        let mut data = frames.iter().filter(|(first, _)| first & 0x0f != PING);
        assert_eq!(data.next().map(|(_, payload)| payload.as_slice()), Some(message.as_bytes()));
        assert_eq!(data.next(), None);
    }
}

#[test]
fn many_messages_and_answers_go_out_in_one_write() {
    let mut ws = server_on_tape(&defaults(), frames_from_client([ping("p"), ping("q"), ping("r")]));
    for n in 0..100 {
        ws.queue(n.to_string()).unwrap();
    }
    assert!(ws.stream().writes.is_empty(), "queued is not sent");
    ws.flush().unwrap();
    assert_eq!(ws.stream().writes.len(), 1);
    assert_shape!(ws.read(), Err(Error::Lost { .. }));
    assert_eq!(ws.stream().writes.len(), 2);
    let texts = (0..100).map(|n| (0x80 | TEXT, n.to_string().into_bytes()));
    let pongs = ["p", "q", "r"].map(|p| (0x80 | PONG, p.into()));
    assert_eq!(
        sent_frames(&ws.stream().written, false),
        texts.chain(pongs).collect::<Vec<_>>(),
        "in order"
    );
}

fn frames_from_client(frames: impl IntoIterator<Item = Frame>) -> Vec<u8> {
    frames.into_iter().flat_map(|f| f.masked()).collect()
}

#[test]
fn what_is_queued_goes_out_before_read_waits() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &defaults());
        ws.queue("a").unwrap();
        ws.queue(vec![1, 2]).unwrap();
        let reader = Task::start(move || ws.read().unwrap());
        peer.expect([text("a"), binary([1, 2])]);
        peer.send([text("c")]);
        assert_eq!(reader.join(), Some(Message::from("c")));
    });
}

#[test]
fn s5_4_fragments_of_both_sides_make_one_message() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &defaults());
        // The cut goes through a character.
        ws.command(|ws, out| ws.send_text_fragment(b"fl\xc3", false, out)).unwrap();
        ws.ping(b"between").unwrap();
        ws.command(|ws, out| ws.send_text_fragment(b"\xbc", false, out)).unwrap();
        ws.command(|ws, out| ws.send_text_fragment(b"ssig", true, out)).unwrap();
        let fragments = [
            fragment(TEXT, b"fl\xc3"),
            ping("between"),
            fragment(CONTINUATION, b"\xbc"),
            frame(CONTINUATION, "ssig"),
        ];
        peer.expect(fragments.clone());
        peer.send(fragments);
        peer.send([fragment(BINARY, ""), fragment(CONTINUATION, [1]), frame(CONTINUATION, "")]);
        assert_eq!(ws.read().unwrap(), Some(Message::from("fl\u{fc}ssig")));
        assert_eq!(ws.read().unwrap(), Some(Message::from(vec![1])));
    });
}

#[test]
fn s5_4_events_are_read_without_waiting_for_the_end_of_a_message() {
    bounded(|| {
        const LEN: u64 = 4 << 20;
        let config = config(|c| {
            c.max_message_len = u64::MAX;
            c.max_frame_len = u64::MAX;
        });
        for role in ROLES {
            let (mut ws, mut peer) = open(role, &config);
            let masked = role == Role::Server;
            // A frame that will never end.
            peer.send_bytes(announce(0x80 | BINARY, (1 << 63) - 1, masked));
            let sender = Task::start(move || {
                // Masked with the key of `announce`, so what arrives repeats every 4 bytes.
                peer.send_bytes(vec![0; LEN as usize]);
                peer
            });
            let (mut came, mut chunks) = (0, 0);
            while came < LEN {
                assert!(ws.ready().unwrap());
                while let Some(event) = ws.next_event() {
                    match event {
                        Event::Binary(chunk) => {
                            assert_eq!(chunk.is_first(), chunks == 0);
                            assert!(!chunk.is_last());
                            came += chunk.as_bytes().len() as u64;
                            chunks += 1;
                        }
                        other => panic!("{other:?}"),
                    }
                }
            }
            assert!(chunks > 1);
            assert_eq!(ws.connection().frame_remaining(), (1 << 63) - 1 - LEN);
            drop(sender.join());
            assert_shape!(ws.ready(), Err(Error::Lost { inside_frame: true, .. }));
        }
    });
}

#[test]
fn s5_5_2_pings_are_answered_while_read_waits() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &defaults());
        let reader = Task::start(move || ws.read().unwrap());
        peer.send([ping("one")]);
        peer.expect([pong("one")]);
        peer.send([fragment(TEXT, "a"), ping([0; 125])]);
        peer.expect([pong([0; 125])]);
        peer.send([pong("unasked for"), frame(CONTINUATION, "b")]);
        assert_eq!(reader.join(), Some(Message::from("ab")));
    });
}

#[test]
fn s5_5_3_the_pong_to_a_ping_of_ours_tells_the_round_trip_time() {
    each_role(|role| {
        let (mut ws, mut peer) = open(role, &defaults());
        ws.ping(b"there?").unwrap();
        assert_shape!(ws.ping(&[0; 126]), Err(Error::Send(SendError::ControlTooLong)));
        peer.expect([ping("there?")]);
        assert_eq!(ws.connection().round_trip_time(), None);
        peer.send([pong("there?"), text("x")]);
        assert!(ws.read().unwrap().is_some());
        assert!(ws.connection().round_trip_time().is_some());
    });
}

#[test]
fn memory_of_a_message_can_be_used_again() {
    bounded(|| {
        let (mut client, mut server) = pair(&defaults());
        let sender = Task::start(move || {
            for _ in 0..2 {
                client.send(bytes_of(1 << 20)).unwrap();
            }
            client
        });
        let first = server.read().unwrap().unwrap();
        let address = first.as_bytes().as_ptr().addr();
        server.recycle(first);
        let second = server.read().unwrap().unwrap();
        assert_eq!(second.as_bytes().as_ptr().addr(), address);
        sender.join();
    });
}

#[test]
fn a_connection_made_elsewhere_brings_the_bytes_behind_its_handshake() {
    bounded(|| {
        let (client, server) = tcp_pair();
        let early = frames_from_client([text("early"), text("late")]);
        let (early, late) = early.split_at(8);
        let ws = Connection::server(defaults());
        let mut ws = WebSocket::from_parts(server, ws, early);
        let mut peer = Peer::new(Role::Client, client);
        peer.send_bytes(late);
        for word in ["early", "late"] {
            assert_eq!(ws.read().unwrap(), Some(Message::from(word)));
        }
    });
}

// ---- other streams ---------------------------------------------------------------

/// One end of a pair of queues; its reads wait, and know no time.
struct Pipe {
    from: mpsc::Receiver<Vec<u8>>,
    to: mpsc::Sender<Vec<u8>>,
    came: Cursor<Vec<u8>>,
}

fn pipes() -> (Untimed<Pipe>, Untimed<Pipe>) {
    let (to_a, from_b) = mpsc::channel();
    let (to_b, from_a) = mpsc::channel();
    let pipe = |from, to| Untimed::new(Pipe { from, to, came: Cursor::default() });
    (pipe(from_a, to_a), pipe(from_b, to_b))
}

impl Read for Pipe {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.came.read(buf)? {
                0 => match self.from.recv() {
                    Ok(bytes) => self.came = Cursor::new(bytes),
                    Err(_) => return Ok(0), // the other end was dropped
                },
                len => return Ok(len),
            }
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.to.send(buf.to_vec()).map_err(|_| ErrorKind::BrokenPipe)?;
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Messages there and back over any pair of streams.
fn exchange<S: Transport + Send + 'static>(streams: (S, S)) -> (WebSocket<S>, WebSocket<S>) {
    let (mut client, mut server) = pair_over(streams, &defaults());
    let echo = Task::start(move || {
        for _ in 0..10 {
            let message = server.read().unwrap().unwrap();
            server.send(&message).unwrap();
        }
        server
    });
    for message in [0, 1, 126, 5000, 300_000].into_iter().flat_map(messages_of) {
        client.send(&message).unwrap();
        assert!(client.read().unwrap().unwrap() == message);
    }
    (client, echo.join())
}

#[test]
fn a_stream_without_timeouts_carries_messages() {
    bounded(|| {
        let (client, mut server) = exchange(pipes());
        drop(client);
        assert_shape!(server.read(), Err(Error::Lost { inside_frame: false, .. }));
    });
}

#[test]
fn s7_1_1_two_ends_without_timeouts_or_half_close_do_not_wait_for_each_other() {
    bounded(|| {
        for by_client in [true, false] {
            let (client, server) = exchange(pipes());
            let (mut first, mut second) =
                if by_client { (client, server) } else { (server, client) };
            let second = Task::start(move || second.read().map(|_| second.closed()));
            // Dropping the stream is what ends it.
            let closed = Task::start(move || first.close(code(1000), "")).join().unwrap();
            assert!(closed.is_clean());
            assert!(second.join().unwrap().unwrap().is_clean());
        }
    });
}

#[cfg(unix)]
#[test]
fn a_unix_socket_is_as_good_as_any() {
    bounded(|| {
        for by_client in [true, false] {
            let (client, server) = exchange(std::os::unix::net::UnixStream::pair().unwrap());
            let (mut first, mut second) =
                if by_client { (client, server) } else { (server, client) };
            let second = Task::start(move || second.read());
            assert!(first.close(code(1000), "").unwrap().is_clean());
            assert_shape!(second.join(), Ok(None));
        }
    });
}
