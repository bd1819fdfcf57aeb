//! The engine in an event loop of one's own: an echo server on mio, with one
//! thread for all connections.
//!
//!     cargo run --release --example embed_mio -- [ADDR [PING_AFTER_SECONDS]]
//!
//! What is read goes through one buffer, and answers through another, which
//! belong to the thread: an idle connection owns its state and nothing else.
//!
//! 1. Readiness: a client can be read from, or written to.
//! 2. Read into the shared buffer, and give the engine what came.
//! 3. What its events say is answered into the shared output, until all that
//!    there was to read is read: one write for many messages. After a few reads
//!    it is somebody else's turn.
//! 4. What the socket does not take waits with the client, who is not read from
//!    until it has taken it: back-pressure. Who takes nothing for long is let go.
//! 5. The engine says when it wants to be called if nothing happens. A heap
//!    holds the next of these times.
//! 6. Ctrl-C or SIGTERM: every client is told 1001, and has some time to answer.
//!
//! What has nothing to do with mio is in `embed/`. `embedding` in the
//! documentation of the crate has the reasons.

mod embed;

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use embed::deadlines::{Deadlines, Watched};
use embed::session::{Session, Step};
use embed::{ACCEPT_AGAIN, KEEP_LEN, Memory};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use sockeye::{Clock, Config, Instant};

const LISTENER: Token = Token(usize::MAX);
const END: Token = Token(usize::MAX - 1);

/// Bytes of one read.
const READ_LEN: usize = 64 << 10;

/// Bytes of output after which it is written before more is read.
const FLUSH_LEN: usize = 64 << 10;

/// Reads of one client before the others have their turn.
const READS_IN_TURN: u32 = 4;

fn main() -> ExitCode {
    embed::main("embed_mio", run)
}

fn run(addr: &str, config: Arc<Config>) -> io::Result<()> {
    let addr: SocketAddr = addr.parse().map_err(io::Error::other)?;
    let mut listener = TcpListener::bind(addr)?;
    let poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    #[cfg(unix)]
    let mut end = mio::net::UnixStream::from_std(embed::end()?);
    #[cfg(unix)]
    poll.registry().register(&mut end, END, Interest::READABLE)?;
    println!("listening on ws://{}", listener.local_addr()?);
    Loop::new(poll, listener, config).run()
}

// ---- the loop ----------------------------------------------------------------------

struct Loop {
    poll: Poll,
    /// `None` once the server is about to end.
    listener: Option<TcpListener>,
    /// Accepting did not work: it is tried again then, or when a client has left.
    accept_at: Option<Instant>,
    clients: Slab<Client>,
    /// Clients that had their turn, and have more to be read.
    eager: VecDeque<usize>,
    deadlines: Deadlines,
    clock: Clock,
    config: Arc<Config>,
    thread: Thread,
}

/// What all connections share.
struct Thread {
    read: Box<[u8]>,
    memory: Memory,
    out: Vec<u8>,
}

impl Loop {
    fn new(poll: Poll, listener: TcpListener, config: Arc<Config>) -> Self {
        let thread =
            Thread { read: vec![0; READ_LEN].into(), memory: Memory::new(), out: Vec::new() };
        Self {
            poll,
            listener: Some(listener),
            accept_at: None,
            clients: Slab::new(),
            eager: VecDeque::new(),
            deadlines: Deadlines::default(),
            clock: Clock::new(),
            config,
            thread,
        }
    }

    /// Until the server has been told to end, and the last client has left.
    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        while self.listener.is_some() || !self.clients.is_empty() {
            let wait = self.time_to_wait();
            match self.poll.poll(&mut events, wait) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    END => self.go_away(),
                    Token(index) => {
                        let Some(client) = self.clients.get_mut(index) else { continue };
                        client.can_read |= event.is_readable();
                        client.can_write |= event.is_writable();
                        client.is_ending |= event.is_read_closed();
                        self.advance(index);
                    }
                }
            }
            for _ in 0..self.eager.len() {
                let Some(index) = self.eager.pop_front() else { break };
                if let Some(client) = self.clients.get_mut(index) {
                    client.is_eager = false;
                    self.advance(index);
                }
            }
            self.judge();
            if self.accept_at.is_some_and(|at| at <= self.clock.now()) {
                self.accept();
            }
        }
        Ok(())
    }

    fn time_to_wait(&self) -> Option<Duration> {
        if !self.eager.is_empty() {
            return Some(Duration::ZERO);
        }
        let next = [self.deadlines.next(), self.accept_at].into_iter().flatten().min()?;
        // Not a little too early: poll counts in milliseconds.
        let wait = next.saturating_duration_since(self.clock.now());
        Some(wait + Duration::from_millis(1))
    }

    fn accept(&mut self) {
        self.accept_at = None;
        while let Some(listener) = &self.listener {
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(error) => {
                    eprintln!("accept: {error}");
                    self.accept_at = Some(self.clock.now() + ACCEPT_AGAIN);
                    return;
                }
            };
            if let Err(error) = self.enter(stream) {
                eprintln!("connection: {error}");
            }
        }
    }

    fn enter(&mut self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let entry = self.clients.vacant_entry();
        let index = entry.key();
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(index), interest)?;
        entry.insert(Client::new(stream, self.config.clone(), self.clock.now()));
        self.advance(index);
        Ok(())
    }

    /// Does what can be done for a client now.
    fn advance(&mut self, index: usize) {
        let Some(client) = self.clients.get_mut(index) else { return };
        match client.advance(&mut self.thread, self.clock.now()) {
            Ok(Turn::Waits) => {
                let due = client.session.due();
                self.deadlines.watch(index, due, &mut client.watched);
            }
            Ok(Turn::HasMore) if client.is_eager => {}
            Ok(Turn::HasMore) => {
                client.is_eager = true;
                self.eager.push_back(index);
            }
            Ok(Turn::Done) => self.leave(index),
            Err(error) => {
                eprintln!("connection: {error}");
                self.thread.out.clear();
                self.leave(index);
            }
        }
    }

    /// Those whose time has come.
    fn judge(&mut self) {
        let now = self.clock.now();
        while let Some((at, index)) = self.deadlines.pop(now) {
            let Some(client) = self.clients.get_mut(index) else { continue };
            // Who has more to say has a turn anyway.
            if client.watched.comes_up(at) && !client.is_eager {
                self.advance(index);
            }
        }
    }

    fn leave(&mut self, index: usize) {
        self.clients.remove(index);
        if self.accept_at.is_some() {
            self.accept();
        }
    }

    /// Nobody else comes in, and who is here is asked to leave.
    fn go_away(&mut self) {
        if self.listener.take().is_none() {
            return;
        }
        self.accept_at = None;
        let all: Vec<_> = self.clients.iter().map(|(index, _)| index).collect();
        for index in all {
            self.clients[index].session.go_away(&mut self.thread.out);
            self.advance(index);
        }
    }
}

// ---- a client ------------------------------------------------------------------------

struct Client {
    stream: TcpStream,
    session: Session,
    /// Output that the socket has not taken, and how much of it it has since.
    pending: Vec<u8>,
    sent: usize,
    can_read: bool,
    can_write: bool,
    /// The end of the stream is to be read, if not at once.
    is_ending: bool,
    /// It has more to be read, and a place in the queue for that.
    is_eager: bool,
    watched: Watched,
}

/// How a client's turn has ended.
enum Turn {
    /// It waits for readiness, or until it is due.
    Waits,
    /// There may be more to read.
    HasMore,
    Done,
}

impl Client {
    fn new(stream: TcpStream, config: Arc<Config>, now: Instant) -> Self {
        Self {
            stream,
            session: Session::new(config, now),
            pending: Vec::new(),
            sent: 0,
            can_read: true,
            can_write: true,
            is_ending: false,
            is_eager: false,
            watched: Watched::default(),
        }
    }

    /// Reads, answers and writes, as far as the socket goes and the turn lasts.
    fn advance(&mut self, thread: &mut Thread, now: Instant) -> io::Result<Turn> {
        self.flush(&mut thread.out, now)?;
        let mut reads = 0;
        while self.may_go_on() && reads < READS_IN_TURN {
            reads += 1;
            let Thread { read, memory, out } = thread;
            if self.session.holds_input() {
                self.session.go_on(memory, out);
                self.flush(out, now)?;
                continue;
            }
            let room = self.session.room();
            let has_room = !room.is_empty();
            let target = if has_room { room } else { &mut read[..] };
            let asked = target.len();
            match self.stream.read(target) {
                Ok(0) => {
                    self.can_read = false;
                    self.session.receive_eof();
                }
                Ok(len) => {
                    // A short read leaves nothing behind, but the end. (Of epoll
                    // and kqueue that is true; elsewhere, read on.)
                    self.can_read = len == asked || self.is_ending;
                    if has_room {
                        self.session.receive_room(len, memory, out);
                    } else {
                        let received = self.session.receive(&mut read[..len], memory, out);
                        received.map_err(io::Error::other)?;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.can_read = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if thread.out.len() >= FLUSH_LEN {
                self.flush(&mut thread.out, now)?;
            }
        }
        let is_all_received = !self.can_read && !self.session.holds_input();
        let has_looked = is_all_received && self.pending.is_empty();
        self.session.keep_time(has_looked, now, &mut thread.out);
        self.flush(&mut thread.out, now)?;
        match self.session.next_step(self.pending.is_empty(), now) {
            Step::Drop => return Ok(Turn::Done),
            Step::HangUp => self.stream.shutdown(Shutdown::Write)?,
            Step::Wait => {}
        }
        Ok(if self.may_go_on() { Turn::HasMore } else { Turn::Waits })
    }

    /// Who takes nothing is not read from.
    fn may_go_on(&self) -> bool {
        let has_more = self.can_read && self.session.wants_bytes();
        (has_more || self.session.holds_input()) && self.pending.is_empty()
    }

    /// Writes what waits, and then the shared output; what is not taken waits.
    fn flush(&mut self, out: &mut Vec<u8>, now: Instant) -> io::Result<()> {
        let before = self.pending.len() - self.sent;
        while self.can_write && self.sent < self.pending.len() {
            self.sent += write(&mut self.stream, &self.pending[self.sent..], &mut self.can_write)?;
        }
        if self.sent == self.pending.len() {
            // An idle client owns no buffer.
            self.pending = Vec::new();
            self.sent = 0;
        }
        let mut sent = 0;
        while self.can_write && sent < out.len() {
            sent += write(&mut self.stream, &out[sent..], &mut self.can_write)?;
        }
        self.pending.extend_from_slice(&out[sent..]);
        out.clear();
        out.shrink_to(KEEP_LEN);
        if before == 0 || self.pending.len() - self.sent < before {
            self.session.has_taken(now);
        }
        Ok(())
    }
}

/// Writes what the socket takes: nothing if it can not be written to.
fn write(stream: &mut TcpStream, bytes: &[u8], can_write: &mut bool) -> io::Result<usize> {
    match stream.write(bytes) {
        Ok(0) => Err(ErrorKind::WriteZero.into()),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            *can_write = false;
            Ok(0)
        }
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
        result => result,
    }
}
