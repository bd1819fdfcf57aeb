//! The load: one thread, many connections, each with so many messages under
//! way. Frames are made by hand beforehand, and every byte that comes back is
//! compared.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustix::net::sockopt::set_socket_linger;

use super::histogram::Histogram;
use crate::frames::{Content, Random, frame};
use crate::handmade::{ACCEPT, REPLY_LEN, REQUEST};

/// What is sent and how.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub len: usize,
    pub connections: usize,
    pub depth: usize,
    /// As a client's frames are; not for a server that sends back what comes.
    pub masked: bool,
}

/// Different messages of a connection, which come again after so many.
const MESSAGES: usize = 32;

pub struct Load {
    poll: Poll,
    events: Events,
    clients: Vec<Client>,
    read: Vec<u8>,
    depth: usize,
    pub latencies: Histogram,
    pub echoed: u64,
}

struct Client {
    stream: TcpStream,
    /// Masked frames, and what is to come back for each.
    sends: Vec<Vec<u8>>,
    echoes: Vec<Vec<u8>>,
    next_send: usize,
    next_echo: usize,
    /// How much of the next echo has come.
    echoed: usize,
    sent_at: VecDeque<Instant>,
    /// What the socket has not taken.
    pending: Vec<u8>,
}

impl Load {
    /// Opens the connections, one after the other.
    pub fn open(addr: SocketAddr, plan: Plan) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut clients = Vec::new();
        for index in 0..plan.connections {
            let mut stream = TcpStream::from_std(open(addr)?);
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut stream, Token(index), interest)?;
            clients.push(Client::new(stream, plan, index));
        }
        Ok(Self {
            poll,
            events: Events::with_capacity(1024),
            clients,
            read: vec![0; 256 << 10],
            depth: plan.depth,
            latencies: Histogram::default(),
            echoed: 0,
        })
    }

    /// Puts the messages under way.
    pub fn start(&mut self) -> io::Result<()> {
        let (depth, now) = (self.depth, Instant::now());
        self.clients.iter_mut().try_for_each(|client| client.send(depth, now))
    }

    /// Goes on for so long: whatever comes back is sent again.
    pub fn run(&mut self, time: Duration) -> io::Result<()> {
        let until = Instant::now() + time;
        let mut now = Instant::now();
        while now < until {
            self.poll.poll(&mut self.events, Some(Duration::from_millis(100)))?;
            now = Instant::now();
            for event in &self.events {
                let client = &mut self.clients[event.token().0];
                client.flush()?;
                let came = client.receive(&mut self.read, &mut self.latencies)?;
                if came > 0 {
                    self.echoed += came as u64;
                    client.send(came, Instant::now())?;
                }
            }
        }
        Ok(())
    }

    /// One message of each connection, there and back.
    pub fn once(&mut self) -> io::Result<()> {
        for client in &mut self.clients {
            client.send(1, Instant::now())?;
        }
        let until = Instant::now() + Duration::from_secs(60);
        while self.clients.iter().any(|client| !client.sent_at.is_empty()) {
            if Instant::now() > until {
                return Err(ErrorKind::TimedOut.into());
            }
            self.poll.poll(&mut self.events, Some(Duration::from_millis(100)))?;
            for event in &self.events {
                let client = &mut self.clients[event.token().0];
                client.flush()?;
                client.receive(&mut self.read, &mut self.latencies)?;
            }
        }
        Ok(())
    }
}

/// A connection whose opening handshake is done.
fn open(addr: SocketAddr) -> io::Result<std::net::TcpStream> {
    let mut stream = std::net::TcpStream::connect(addr)?;
    stream.set_nodelay(true)?;
    // Its port is free again at once.
    set_socket_linger(&stream, Some(Duration::ZERO))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(REQUEST)?;
    let mut reply = Vec::with_capacity(2 * REPLY_LEN);
    let mut bytes = [0; 512];
    while !reply.ends_with(b"\r\n\r\n") {
        match stream.read(&mut bytes)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            len => reply.extend_from_slice(&bytes[..len]),
        }
    }
    let reply = String::from_utf8_lossy(&reply);
    if !reply.starts_with("HTTP/1.1 101 ") || !reply.contains(ACCEPT) {
        return Err(io::Error::other(format!("refused: {reply}")));
    }
    stream.set_nonblocking(true)?;
    Ok(stream)
}

impl Client {
    fn new(stream: TcpStream, Plan { len, masked, .. }: Plan, index: usize) -> Self {
        // Long messages are few, or making them would take long.
        let count = if len > 4 << 10 { 4 } else { MESSAGES };
        let messages: Vec<Vec<u8>> =
            (0..count).map(|n| Content::Binary.make(len, (index * count + n) as u64)).collect();
        let mut random = Random(index as u64);
        let mut key = || masked.then(|| (random.number() as u32 | 1).to_ne_bytes());
        Self {
            stream,
            sends: messages.iter().map(|bytes| frame(true, 2, key(), bytes)).collect(),
            echoes: messages.iter().map(|bytes| frame(true, 2, None, bytes)).collect(),
            next_send: 0,
            next_echo: 0,
            echoed: 0,
            sent_at: VecDeque::new(),
            pending: Vec::new(),
        }
    }

    /// Sends the next messages, in one write.
    fn send(&mut self, count: usize, now: Instant) -> io::Result<()> {
        for _ in 0..count {
            self.pending.extend_from_slice(&self.sends[self.next_send]);
            self.next_send = (self.next_send + 1) % self.sends.len();
            self.sent_at.push_back(now);
        }
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut sent = 0;
        while sent < self.pending.len() {
            match self.stream.write(&self.pending[sent..]) {
                Ok(len) => sent += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.pending.drain(..sent);
        Ok(())
    }

    /// Compares all that has come; says how many messages are complete.
    fn receive(&mut self, read: &mut [u8], latencies: &mut Histogram) -> io::Result<usize> {
        let mut came = 0;
        loop {
            let len = match self.stream.read(read) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(came),
                Err(error) => return Err(error),
            };
            let now = Instant::now();
            let mut bytes = &read[..len];
            while !bytes.is_empty() {
                let echo = &self.echoes[self.next_echo][self.echoed..];
                let (piece, rest) = bytes.split_at(bytes.len().min(echo.len()));
                if piece != &echo[..piece.len()] {
                    return Err(io::Error::other("not what was sent"));
                }
                self.echoed += piece.len();
                bytes = rest;
                if self.echoed == self.echoes[self.next_echo].len() {
                    self.echoed = 0;
                    self.next_echo = (self.next_echo + 1) % self.echoes.len();
                    let sent_at = self.sent_at.pop_front();
                    latencies.add(now - sent_at.ok_or_else(|| io::Error::other("not asked for"))?);
                    came += 1;
                }
            }
            if len < read.len() {
                return Ok(came);
            }
        }
    }
}
