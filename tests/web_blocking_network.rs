//! The browser's `WebSocket` object, carried by a thread: how much is read and
//! written when, and for how long a peer is waited for.

#![cfg(feature = "web")]

mod common;
mod sockets;
mod web_sockets;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use common::*;
use sockets::*;
use sockeye::blocking::Transport;
use sockeye::blocking::web::WebSocket;
use sockeye::web::Options;
use web_sockets::*;

type Ours = WebSocket<TcpStream>;

/// A socket that is connecting, and the server at the other end.
fn connecting(options: &Options) -> (Ours, Peer) {
    let (ours, theirs) = tcp_pair();
    (WebSocket::carry(socket(options), ours), Peer::new(Role::Server, theirs))
}

/// A socket that is open, and has said so.
fn open(options: &Options) -> (Ours, Peer) {
    let (ours, theirs) = tcp_pair();
    let server = Task::start(move || Peer::accept(theirs, ""));
    let mut ws = WebSocket::carry(socket(options), ours);
    ws.opened().unwrap();
    (ws, server.join())
}

/// All events that are left, in few words.
fn rest<S: Transport>(ws: &mut WebSocket<S>) -> Vec<String> {
    ws.map(|event| told(&event)).collect()
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    (work(), start.elapsed())
}

// ---- waiting for a limited time ----------------------------------------------------

#[test]
fn ready_for_gives_up_in_time_and_loses_nothing() {
    bounded(|| {
        let (mut ws, mut peer) = connecting(&plain());
        let (waited, took) = timed(|| ws.ready_for(SOON));
        assert_eq!(waited, None);
        assert!((SOON..PATIENCE / 4).contains(&took), "{took:?}");
        let request = peer.head();
        // Piece by piece, and each wait comes to nothing.
        let frame = text("slow").unmasked();
        for piece in [reply(&request, "").as_bytes(), &frame[..1], &frame[1..4], &frame[4..]] {
            assert_eq!(ws.ready_for(SOON / 10), None);
            peer.send_bytes(piece);
            if piece.len() > 20 {
                ws.opened().unwrap();
            }
        }
        assert_eq!(told(&ws.next_event().unwrap()), "text slow");
        assert_eq!(ws.ready_for(SOON / 10), None);
        ws.close(None, None).unwrap();
        peer.send([empty_close()]);
        peer.half_close();
        assert_eq!(ws.ready_for(PATIENCE), Some(true));
        assert_eq!(rest(&mut ws), ["close 1005 \"\" clean"]);
    });
}

#[test]
fn ready_for_no_time_at_all_looks_and_writes() {
    bounded(|| {
        let (mut ws, mut peer) = connecting(&plain());
        assert_eq!(ws.ready_for(Duration::ZERO), None);
        let request = peer.head();
        peer.send_bytes(reply(&request, ""));
        peer.send([text("a")]);
        let start = Instant::now();
        let mut came = Vec::new();
        while came.len() < 2 {
            assert!(start.elapsed() < PATIENCE / 2, "{came:?}");
            if ws.ready_for(Duration::ZERO) == Some(true) {
                came.extend(ws.turn().unwrap().map(|event| told(&event)));
            }
        }
        assert_eq!(came, ["open", "text a"]);
    });
}

#[test]
fn ready_for_takes_no_longer_when_much_is_to_be_written() {
    bounded(|| {
        let (mut ws, _peer) = open(&plain());
        ws.send_binary(&bytes_of(STUCK)).unwrap();
        let (waited, took) = timed(|| ws.ready_for(4 * SOON));
        assert_eq!(waited, None);
        assert!((4 * SOON..PATIENCE / 4).contains(&took), "{took:?}");
    });
}

// ---- reading and writing -----------------------------------------------------------

#[test]
fn n8_buffered_amount_goes_down_while_events_are_waited_for() {
    bounded(|| {
        let (mut ws, mut peer) = open(&plain());
        ws.send_binary(&vec![9; STUCK]).unwrap();
        assert_eq!(ws.buffered_amount(), STUCK as u64);
        assert_eq!(ws.ready_for(4 * SOON), None);
        let left = ws.buffered_amount();
        assert!(left > 0 && left < STUCK as u64, "{left}: the network has taken some");
        ws.send_text("12345").unwrap();
        assert_eq!(ws.buffered_amount(), left + 5);
        let server = Task::start(move || {
            let mut all = vec![0; STUCK + 14];
            peer.stream.read_exact(&mut all).unwrap();
            assert!(is_run_of(9, all[10..14].try_into().unwrap(), &all[14..]));
            peer.expect([text("12345")]);
            peer.send([text("all of it")]);
            peer
        });
        assert_eq!(told(&ws.next_event().unwrap()), "text all of it");
        assert_eq!(ws.buffered_amount(), 0);
        // It never goes back because of the end.
        let peer = server.join();
        ws.send_binary(&bytes_of(STUCK)).unwrap();
        assert_eq!(ws.ready_for(SOON), None);
        let left = ws.buffered_amount();
        drop(peer);
        assert_failure(&rest(&mut ws));
        ws.send_text("more").unwrap();
        assert!(!ws.ready());
        assert!(ws.buffered_amount() > 4 && ws.buffered_amount() <= left + 4);
    });
}

#[test]
fn nothing_is_read_while_there_are_events_to_take() {
    bounded(|| {
        let (mut ws, mut peer) = open(&plain());
        let (say, hear) = mpsc::channel();
        let server = Task::start(move || {
            // More than the network holds.
            let message = binary(bytes_of(1000)).unmasked();
            let much = message.repeat(STUCK / message.len());
            let halves = much.split_at(much.len() / 2);
            peer.send_bytes(halves.0);
            peer.send_bytes(halves.1);
            say.send(()).unwrap();
            peer.send([empty_close()]);
            peer.half_close();
            // What nobody reads would make a reset of the end.
            peer.stream.read_to_end(&mut Vec::new()).unwrap();
            much.len() / message.len()
        });
        assert!(ws.ready());
        ws.send_text("goes out later").unwrap();
        for _ in 0..20 {
            assert!(ws.ready());
            assert_eq!(ws.ready_for(SOON), Some(true));
        }
        assert!(hear.try_recv().is_err(), "the peer is held back");
        assert_eq!(rest(&mut ws).len(), server.join() + 1);
    });
}

#[test]
fn a_peer_that_asks_for_answers_and_takes_none_is_held_back() {
    bounded(|| {
        let (mut ws, peer) = open(&page(|c| c.max_queued_len = 100_000));
        peer.stream.set_write_timeout(Some(20 * SOON)).unwrap();
        let mut other = peer.another();
        let (say, stuck) = mpsc::channel();
        let flood = Task::start(move || {
            let pings = ping([7; 125]).unmasked().repeat(1000);
            // Until it gets stuck.
            let mut floods = 0..3 * STUCK / pings.len();
            say.send(floods.any(|_| other.stream.write_all(&pings).is_err())).unwrap();
        });
        let is_stuck = loop {
            assert_eq!(ws.ready_for(SOON), None);
            if let Ok(is_stuck) = stuck.try_recv() {
                break is_stuck;
            }
        };
        assert!(is_stuck, "it could have gone on");
        flood.join();
        drop(peer);
        assert_failure(&rest(&mut ws));
    });
}

#[test]
fn what_the_peer_said_can_still_be_read_when_it_takes_nothing_any_more() {
    /// A stream whose peer has gone, and left something.
    struct Half {
        left: io::Cursor<Vec<u8>>,
        written: Vec<u8>,
    }
    never_waits!(Half);
    impl Read for Half {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            if self.left.get_ref().is_empty() {
                let request = String::from_utf8(self.written.clone()).unwrap();
                let frames = [text("a").unmasked(), close(1001, "restart").unmasked()].concat();
                *self.left.get_mut() = [reply(&request, "").into_bytes(), frames].concat();
            }
            let most = buf.len().min(16);
            self.left.read(&mut buf[..most])
        }
    }
    impl Write for Half {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            if !self.left.get_ref().is_empty() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.written.extend_from_slice(buf);
            Ok(buf.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    bounded(|| {
        let stream = Half { left: io::Cursor::default(), written: Vec::new() };
        let mut ws = WebSocket::carry(socket(&plain()), stream);
        ws.opened().unwrap();
        ws.send_text("not taken").unwrap();
        let came = rest(&mut ws);
        assert_eq!(came[0], "text a");
        assert!(came.last().unwrap().starts_with("close 1001 \"restart\""), "{came:?}");
        assert_eq!(ws.buffered_amount(), 9);
    });
}

#[test]
fn pings_find_a_peer_that_does_not_answer_and_not_one_that_reads_slowly() {
    bounded(|| {
        let options = page(|c| {
            c.ping_interval = Some(4 * SOON);
            c.pong_timeout = 8 * SOON;
        });
        let (mut ws, mut peer) = open(&options);
        let server = Task::start(move || {
            for _ in 0..3 {
                let (first, payload) = peer.frame();
                assert_eq!(first, 0x89);
                peer.send([pong(payload)]);
            }
            peer
        });
        let (came, took) = timed(|| rest(&mut ws));
        assert_failure(&came);
        assert!((24 * SOON..PATIENCE / 4).contains(&took), "{took:?}");
        drop(server.join());
    });
}

/// A stream that takes little at a time, and whose peer answers behind it all.
struct Slow {
    to_read: Vec<u8>,
    written: Vec<u8>,
    last: Instant,
    /// All that is to be written.
    enough: usize,
}

never_waits!(Slow);

impl Read for Slow {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        std::thread::sleep(SOON / 10);
        if self.enough == 0 {
            let request = String::from_utf8(std::mem::take(&mut self.written)).unwrap();
            self.to_read = reply(&request, "").into_bytes();
            self.enough = 80_000;
        } else if self.written.len() > self.enough {
            self.to_read = close(1000, "").unmasked();
            self.enough = usize::MAX;
        }
        if self.to_read.is_empty() {
            return match self.enough {
                usize::MAX => Ok(0),
                _ => Err(io::ErrorKind::WouldBlock.into()),
            };
        }
        self.to_read.split_off(0).as_slice().read(buf)
    }
}

impl Write for Slow {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.last.elapsed() < SOON && self.enough == 80_000 {
            std::thread::sleep(SOON / 10);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.last = Instant::now();
        let taken = &buf[..buf.len().min(2000)];
        self.written.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_peer_that_reads_slowly_cannot_answer_what_is_queued_behind() {
    bounded(|| {
        let options = page(|c| {
            c.ping_interval = Some(4 * SOON);
            c.pong_timeout = 16 * SOON;
        });
        let (to_read, written) = (Vec::new(), Vec::new());
        let stream = Slow { to_read, written, last: Instant::now(), enough: 0 };
        let mut ws = WebSocket::carry(socket(&options), stream);
        ws.opened().unwrap();
        ws.send_binary(&bytes_of(80_000)).unwrap();
        assert_eq!(rest(&mut ws), ["close 1000 \"\" clean"]);
    });
}

/// A stream that takes the request and then nothing, and counts who tries.
struct Stuck {
    to_read: io::Cursor<Vec<u8>>,
    written: Vec<u8>,
    tries: mpsc::Sender<()>,
}

never_waits!(Stuck);

impl Read for Stuck {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.to_read.get_ref().is_empty() {
            let request = String::from_utf8(self.written.clone()).unwrap();
            let message = binary(vec![7; 1 << 20]).unmasked();
            *self.to_read.get_mut() = [reply(&request, "").into_bytes(), message].concat();
        }
        let most = buf.len().min(1000);
        self.to_read.read(&mut buf[..most])
    }
}

impl Write for Stuck {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if !self.to_read.get_ref().is_empty() {
            let _ = self.tries.send(());
            std::thread::sleep(SOON / 10);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.written.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_comes_while_the_stream_takes_nothing_does_not_wait_for_it_piece_by_piece() {
    bounded(|| {
        let (tries, tried) = mpsc::channel();
        let (to_read, written) = (io::Cursor::default(), Vec::new());
        let mut ws = WebSocket::carry(socket(&plain()), Stuck { to_read, written, tries });
        ws.opened().unwrap();
        ws.send_text("not taken").unwrap();
        assert_eq!(told(&ws.next_event().unwrap()), "binary of 1048576 bytes");
        let tried = tried.try_iter().count();
        assert!((1..100).contains(&tried), "{tried} tries, and a thousand reads");
    });
}

/// A stream that takes everything and passes nothing on.
struct Lazy {
    to_read: io::Cursor<Vec<u8>>,
    written: Vec<u8>,
    timeout: Option<Duration>,
    is_shut: Arc<AtomicBool>,
}

impl Lazy {
    fn new(is_shut: &Arc<AtomicBool>) -> Self {
        let (to_read, written) = (io::Cursor::default(), Vec::new());
        Self { to_read, written, timeout: None, is_shut: is_shut.clone() }
    }
}

impl Read for Lazy {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.to_read.get_ref().is_empty() {
            let request = String::from_utf8(self.written.clone()).unwrap();
            *self.to_read.get_mut() = reply(&request, "").into_bytes();
        }
        match self.to_read.read(buf) {
            Ok(0) => {
                std::thread::sleep(self.timeout.expect("it would wait for ever").min(SOON));
                Err(io::ErrorKind::WouldBlock.into())
            }
            result => result,
        }
    }
}

impl Write for Lazy {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.written.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.to_read.get_ref().is_empty() {
            return Ok(());
        }
        if self.written.len() > 1000 {
            // It has been asked often enough: the peer answers.
            self.to_read.get_mut().extend([0x83, 0]);
        }
        self.written.extend([b'.'; 50]);
        std::thread::sleep(SOON / 10);
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Transport for Lazy {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.timeout = timeout;
        Ok(())
    }

    fn set_write_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
        Ok(())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.is_shut.store(true, Ordering::Relaxed);
        Ok(())
    }
}

#[test]
fn what_a_stream_keeps_to_itself_is_passed_on_while_events_are_waited_for() {
    bounded(|| {
        let options = page(|c| (c.handshake_timeout, c.close_timeout) = (None, None));
        let is_shut = Arc::default();
        let mut ws = WebSocket::carry(socket(&options), Lazy::new(&is_shut));
        ws.opened().unwrap();
        ws.send_binary(&[0; 100]).unwrap();
        // It asks the stream again and again, until the peer has had enough.
        assert!(ws.ready());
    });
}

#[test]
fn s6_the_close_event_comes_when_the_transport_is_closed() {
    bounded(|| {
        let (mut ws, mut peer) = open(&plain());
        peer.send_bytes([0x83, 0]);
        let server = Task::start(move || {
            peer.frame();
            peer.expect_eof();
        });
        assert!(ws.ready());
        // The peer has heard of it, though no task was run.
        server.join();
        assert_eq!(rest(&mut ws), FAILURE);
    });
}
