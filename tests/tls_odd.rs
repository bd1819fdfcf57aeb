//! TLS of the blocking adapter over streams that fail, or are slow.

#![cfg(all(feature = "rustls", feature = "tokio", feature = "url"))]

mod common;
mod reach;
mod sockets;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::*;
use reach::*;
use sockets::*;
use sockeye::blocking::{self, Transport, WebSocket};
use sockeye::net::Error;
use sockeye::{Message, Timeout};

/// A socket whose writes can be made to fail, or to take a little at a time.
#[derive(Debug)]
struct Odd {
    stream: TcpStream,
    manner: Arc<AtomicU8>,
}

const FAILS: u8 = 1;
const IS_SLOW: u8 = 2;

impl Read for Odd {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buf)
    }
}

impl Write for Odd {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self.manner.load(Ordering::Relaxed) {
            FAILS => Err(ErrorKind::BrokenPipe.into()),
            IS_SLOW => {
                thread::sleep(SOON / 5);
                self.stream.write(&buf[..buf.len().min(512)])
            }
            _ => self.stream.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Odd {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_read_timeout(timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.stream.set_write_timeout(timeout)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }
}

type Peer = Script<Box<dyn Tls>>;

/// Our server over an odd socket, its peer, and what makes it odd.
fn open() -> (WebSocket<blocking::Tls<Odd>>, Peer, Arc<AtomicU8>) {
    let (client, stream) = tcp_pair();
    let manner = Arc::new(AtomicU8::new(0));
    let odd = Odd { stream, manner: manner.clone() };
    let tls = blocking::Tls::server(server_config(), odd).unwrap();
    let server = Task::start(move || blocking::accept(tls).unwrap());
    let mut peer = tls_peer(Role::Client, client);
    peer.send_bytes(request(""));
    assert!(peer.head().starts_with("HTTP/1.1 101 "));
    (server.join(), peer, manner)
}

#[test]
fn what_the_peer_said_before_it_left_can_be_read_though_writing_fails() {
    bounded(|| {
        let (mut ws, mut peer, manner) = open();
        peer.send_bytes(text("last words").masked());
        manner.store(FAILS, Ordering::Relaxed);
        assert_shape!(ws.send("x"), Err(Error::Io(e)) if e.kind() == ErrorKind::BrokenPipe);
        assert_eq!(ws.read().unwrap(), Some(Message::from("last words")));
    });
}

#[test]
fn a_peer_that_takes_a_little_at_a_time_does_not_outlast_a_deadline() {
    bounded(|| {
        let (mut ws, _peer, manner) = open();
        manner.store(IS_SLOW, Ordering::Relaxed);
        let start = Instant::now();
        ws.set_deadline(soon());
        // More than a hundred writes of a fifth of that time each.
        assert_shape!(ws.send(vec![7; 60_000]), Err(Error::DeadlineExceeded));
        assert!(start.elapsed() < 20 * SOON, "{:?}", start.elapsed());
    });
}

#[test]
fn split_a_peer_that_drips_a_record_does_not_outlast_the_closing() {
    bounded(|| {
        let (client, server) = tcp_pair();
        let config = config(|c| c.close_timeout = Some(4 * SOON));
        let ours = Task::start(move || accept(our_tls(server), &config).unwrap());
        let mut socket = client.try_clone().unwrap();
        let mut peer = tls_peer(Role::Client, client);
        peer.send_bytes(request(""));
        assert!(peer.head().starts_with("HTTP/1.1 101 "));
        let (mut reader, sender) = ours.join().split().unwrap();
        // A record of 16 KiB, so that no byte of it is plain for a long time.
        let dripping = Task::start(move || {
            socket.write_all(&[23, 3, 3, 0x40, 0]).unwrap();
            while socket.write_all(&[1]).is_ok() {
                thread::sleep(Duration::from_micros(300));
            }
        });
        let start = Instant::now();
        sender.start_close(code(1000), "").unwrap();
        assert_shape!(reader.read(), Err(Error::Timeout(Timeout::Close)));
        assert!(start.elapsed() < 30 * SOON, "{:?}", start.elapsed());
        drop((reader, sender));
        dripping.join();
    });
}
