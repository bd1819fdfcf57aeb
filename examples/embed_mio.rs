//! The engine in an event loop of one's own: an echo server on mio, with one
//! thread for all connections.
//!
//!     cargo run --release --example embed_mio -- [ADDR]
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
//!
//! `embedding` in the documentation of the crate has the reasons.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use sockeye::handshake::{Accept, BuildError, RequestError, Server};
use sockeye::{Assembler, Clock, Config, Connection, Incoming, Input, Instant, Message, SendError};

const LISTENER: Token = Token(usize::MAX);

/// Bytes of one read.
const READ_LEN: usize = 64 << 10;

/// Bytes of output after which it is written before more is read.
const FLUSH_LEN: usize = 64 << 10;

/// Reads of one client before the others have their turn.
const READS_IN_TURN: u32 = 4;

/// Memory that a message came in is kept for the next one, if it is no more.
const KEEP_LEN: usize = 1 << 20;

/// How long a client may take nothing of what waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a client may take to take our last words, and to end its direction.
const LINGER: Duration = Duration::from_secs(5);

/// When accepting is tried again that did not work.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".into());
    match run(&addr) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("embed_mio: {addr}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(addr: &str) -> io::Result<()> {
    let addr: SocketAddr = addr.parse().map_err(io::Error::other)?;
    let mut listener = TcpListener::bind(addr)?;
    println!("listening on ws://{}", listener.local_addr()?);
    let poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    Loop::new(poll, listener).run()
}

/// The application: what a message is answered with.
fn answer(message: &Message<'_>, ws: &mut Connection, out: &mut Vec<u8>) -> Result<(), SendError> {
    match message {
        Message::Text(text) => ws.send_text(text, out),
        Message::Binary(data) => ws.send_binary(data, out),
    }
}

// ---- the loop ----------------------------------------------------------------------

struct Loop {
    poll: Poll,
    listener: TcpListener,
    /// Accepting did not work, for want of descriptors say: it is tried again then,
    /// or when a client has left.
    accept_at: Option<Instant>,
    clients: Vec<Option<Client>>,
    free: Vec<usize>,
    /// Clients that had their turn, and have more to be read.
    eager: VecDeque<usize>,
    deadlines: BinaryHeap<Reverse<(Instant, usize)>>,
    clock: Clock,
    config: Arc<Config>,
    thread: Thread,
}

/// Memory that all connections share.
struct Thread {
    read: Box<[u8]>,
    /// Compressed messages are inflated into it.
    scratch: Box<[u8]>,
    out: Vec<u8>,
    /// For the next message that comes in pieces.
    spare: Vec<u8>,
}

impl Loop {
    fn new(poll: Poll, listener: TcpListener) -> Self {
        let mut config = Config::default();
        config.ping_interval = Some(Duration::from_secs(60));
        #[cfg(feature = "deflate")]
        {
            config.deflate = Some(sockeye::DeflateConfig::default());
        }
        Self {
            poll,
            listener,
            accept_at: None,
            clients: Vec::new(),
            free: Vec::new(),
            eager: VecDeque::new(),
            deadlines: BinaryHeap::new(),
            clock: Clock::new(),
            config: Arc::new(config),
            thread: Thread {
                read: vec![0; READ_LEN].into(),
                scratch: vec![0; 16 << 10].into(),
                out: Vec::new(),
                spare: Vec::new(),
            },
        }
    }

    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        loop {
            let wait = self.time_to_wait();
            match self.poll.poll(&mut events, wait) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            for event in &events {
                if event.token() == LISTENER {
                    self.accept();
                    continue;
                }
                let Token(index) = event.token();
                if let Some(client) = self.clients.get_mut(index).and_then(Option::as_mut) {
                    client.can_read |= event.is_readable();
                    client.can_write |= event.is_writable();
                    client.is_ending |= event.is_read_closed();
                    self.advance(index);
                }
            }
            for _ in 0..self.eager.len() {
                let Some(index) = self.eager.pop_front() else { break };
                if let Some(client) = self.clients[index].as_mut() {
                    client.is_eager = false;
                    self.advance(index);
                }
            }
            self.judge();
            if self.accept_at.is_some_and(|at| at <= self.clock.now()) {
                self.accept();
            }
        }
    }

    fn time_to_wait(&self) -> Option<Duration> {
        if !self.eager.is_empty() {
            return Some(Duration::ZERO);
        }
        let due = self.deadlines.peek().map(|Reverse((due, _))| *due);
        let next = [due, self.accept_at].into_iter().flatten().min()?;
        // Not a little too early: poll counts in milliseconds.
        let wait = next.saturating_duration_since(self.clock.now());
        Some(wait + Duration::from_millis(1))
    }

    fn accept(&mut self) {
        self.accept_at = None;
        loop {
            let stream = match self.listener.accept() {
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
        let index = self.free.pop().unwrap_or_else(|| {
            self.clients.push(None);
            self.clients.len() - 1
        });
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registered = self.poll.registry().register(&mut stream, Token(index), interest);
        if let Err(error) = registered {
            self.free.push(index);
            return Err(error);
        }
        let client = Client::new(stream, self.config.clone(), self.clock.now());
        self.clients[index] = Some(client);
        self.advance(index);
        Ok(())
    }

    /// Does what can be done for a client now.
    fn advance(&mut self, index: usize) {
        let Some(client) = self.clients.get_mut(index).and_then(Option::as_mut) else { return };
        let now = self.clock.now();
        match client.advance(&mut self.thread, now) {
            Ok(Step::Waits) => self.watch(index),
            Ok(Step::HasMore) if client.is_eager => {}
            Ok(Step::HasMore) => {
                client.is_eager = true;
                self.eager.push_back(index);
            }
            Ok(Step::Done) => self.leave(index),
            Err(error) => {
                eprintln!("connection: {error}");
                self.thread.out.clear();
                self.leave(index);
            }
        }
    }

    /// Has the heap know of the client's next deadline. A later one than it knows
    /// of is found when that has come.
    fn watch(&mut self, index: usize) {
        let Some(client) = &mut self.clients[index] else { return };
        if let Some(due) = client.due {
            if client.watched.is_none_or(|watched| due < watched) {
                client.watched = Some(due);
                self.deadlines.push(Reverse((due, index)));
            }
        }
    }

    /// Those whose time has come.
    fn judge(&mut self) {
        let now = self.clock.now();
        while let Some(&Reverse((at, index))) = self.deadlines.peek() {
            if at > now {
                break;
            }
            self.deadlines.pop();
            let Some(client) = self.clients.get_mut(index).and_then(Option::as_mut) else {
                continue;
            };
            // Else it is of a client that was here before, or has come earlier.
            if client.watched != Some(at) {
                continue;
            }
            client.watched = None;
            // Who has more to say has a turn anyway.
            if !client.is_eager {
                self.advance(index);
            }
        }
    }

    fn leave(&mut self, index: usize) {
        self.clients[index] = None;
        self.free.push(index);
        if self.accept_at.is_some() {
            self.accept();
        }
    }
}

// ---- a client ------------------------------------------------------------------------

struct Client {
    stream: TcpStream,
    phase: Phase,
    /// Output that the socket has not taken, and how much of it it has since.
    pending: Vec<u8>,
    sent: usize,
    /// When it last took something.
    taken_at: Instant,
    can_read: bool,
    can_write: bool,
    /// The end of the stream is to be read, if not at once; or was.
    is_ending: bool,
    has_ended: bool,
    /// It has more to be read, and a place in the queue for that.
    is_eager: bool,
    /// When to look at it if nothing happens.
    due: Option<Instant>,
    /// The next time at which the heap will have it looked at.
    watched: Option<Instant>,
    /// By when it has to be gone, once all is said.
    leaves_by: Option<Instant>,
}

enum Phase {
    /// The request is coming.
    Opening {
        server: Server,
        received: Vec<u8>,
    },
    Open {
        ws: Connection,
        assembler: Assembler,
    },
    /// It was no good.
    Refused,
    /// Our direction has ended; what still comes is thrown away.
    Leaving,
}

enum Step {
    /// For readiness, or until it is due.
    Waits,
    /// There may be more to read.
    HasMore,
    Done,
}

impl Client {
    fn new(stream: TcpStream, config: Arc<Config>, now: Instant) -> Self {
        Self {
            stream,
            phase: Phase::Opening { server: Server::new(config), received: Vec::new() },
            pending: Vec::new(),
            sent: 0,
            taken_at: now,
            can_read: true,
            can_write: true,
            is_ending: false,
            has_ended: false,
            is_eager: false,
            due: None,
            watched: None,
            leaves_by: None,
        }
    }

    /// Reads, answers and writes, as far as the socket goes and the turn lasts.
    fn advance(&mut self, thread: &mut Thread, now: Instant) -> io::Result<Step> {
        self.flush(&mut thread.out, now)?;
        let mut reads = 0;
        while self.may_read() && reads < READS_IN_TURN {
            reads += 1;
            match self.stream.read(&mut thread.read) {
                Ok(0) => self.receive_eof(),
                Ok(len) => {
                    // A short read leaves nothing behind, but the end. (Of epoll
                    // and kqueue that is true; elsewhere, read on.)
                    self.can_read = len == READ_LEN || self.is_ending;
                    self.receive(len, thread).map_err(io::Error::other)?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.can_read = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if thread.out.len() >= FLUSH_LEN {
                self.flush(&mut thread.out, now)?;
            }
        }
        self.keep_time(&mut thread.out, now);
        self.flush(&mut thread.out, now)?;
        self.next_step(now)
    }

    /// Who takes nothing is not read from, nor who is to be hung up on.
    fn may_read(&self) -> bool {
        self.can_read && self.pending.is_empty() && !self.is_done()
    }

    fn next_step(&mut self, now: Instant) -> io::Result<Step> {
        let is_flushed = self.pending.is_empty();
        if self.is_done() || matches!(self.phase, Phase::Leaving) {
            let until = *self.leaves_by.get_or_insert(now + LINGER);
            self.due = Some(until);
            if until <= now || self.has_ended && is_flushed {
                return Ok(Step::Done);
            }
            if is_flushed && !matches!(self.phase, Phase::Leaving) {
                self.stream.shutdown(Shutdown::Write)?;
                self.phase = Phase::Leaving;
            }
        } else if !is_flushed {
            let until = self.taken_at + PATIENCE;
            self.due = Some(until);
            if until <= now {
                return Ok(Step::Done);
            }
        }
        Ok(if self.may_read() { Step::HasMore } else { Step::Waits })
    }

    /// The client sends no more.
    fn receive_eof(&mut self) {
        self.can_read = false;
        self.has_ended = true;
        if let Phase::Open { ws, .. } = &mut self.phase {
            let closed = ws.receive_eof();
            if !closed.is_clean() {
                eprintln!("connection: {closed:?}");
            }
        }
    }

    /// The first `len` bytes of the shared buffer have come.
    fn receive(&mut self, len: usize, thread: &mut Thread) -> Result<(), BuildError> {
        match &mut self.phase {
            Phase::Opening { server, received } => {
                // Most requests come whole, and are read where they lie.
                let mut gathered = std::mem::take(received);
                let bytes = if gathered.is_empty() {
                    &mut thread.read[..len]
                } else {
                    gathered.extend_from_slice(&thread.read[..len]);
                    &mut gathered[..]
                };
                let (ws, head_len) = match server.receive(bytes) {
                    Ok(Some(request)) => {
                        let ws = request.accept(&Accept::new(), &mut thread.out)?;
                        (ws, request.head_len())
                    }
                    Ok(None) => {
                        *received = bytes.to_vec();
                        return Ok(());
                    }
                    Err(error) => return self.refuse(&error, &mut thread.out),
                };
                let mut assembler = Assembler::new();
                assembler.set_max_len(ws.config().max_message_len);
                self.phase = Phase::Open { ws, assembler };
                self.due = None;
                // A client may not wait for the reply before it sends.
                let early = &mut bytes[head_len..];
                self.receive_frames(early, &mut thread.scratch, &mut thread.out);
            }
            Phase::Open { assembler, .. } => {
                assembler.put_buffer(std::mem::take(&mut thread.spare));
                let bytes = &mut thread.read[..len];
                self.receive_frames(bytes, &mut thread.scratch, &mut thread.out);
                if let Phase::Open { assembler, .. } = &mut self.phase {
                    thread.spare = assembler.take_buffer();
                    if thread.spare.capacity() > KEEP_LEN {
                        thread.spare = Vec::new();
                    }
                }
            }
            Phase::Refused | Phase::Leaving => {}
        }
        Ok(())
    }

    fn receive_frames(&mut self, bytes: &mut [u8], scratch: &mut [u8], out: &mut Vec<u8>) {
        let Phase::Open { ws, assembler } = &mut self.phase else { return };
        let mut left = bytes.len();
        loop {
            let start = bytes.len() - left;
            let mut input = Input::with_scratch(&mut bytes[start..], scratch);
            while let Some(event) = ws.receive(&mut input, out) {
                if let Some(Incoming::Message(message)) = assembler.push(event) {
                    // After our Close, what still comes has no answer.
                    let _ = answer(&message, ws, out);
                    assembler.put_buffer(message.into_buffer());
                }
            }
            left = input.len();
            if !ws.wants_scratch() {
                return;
            }
        }
    }

    /// Tells the client what is wrong with its request.
    fn refuse(&mut self, error: &RequestError, out: &mut Vec<u8>) -> Result<(), BuildError> {
        eprintln!("handshake: {error}");
        self.phase = Phase::Refused;
        error.write_response(out)
    }

    /// Tells the engine the time, if it cares. A deadline counts when there was
    /// nothing to read: what would keep it may be waiting there.
    fn keep_time(&mut self, out: &mut Vec<u8>, now: Instant) {
        let has_looked = !self.can_read && self.pending.is_empty();
        let is_due = has_looked && self.due.is_some_and(|due| due <= now);
        match &mut self.phase {
            Phase::Opening { server, .. } => match server.handle_timeout(now) {
                Ok(due) => self.due = due,
                // A `Vec` has room.
                Err(error) => drop(self.refuse(&error, out)),
            },
            Phase::Open { ws, .. } if is_due => self.due = ws.handle_timeout(now, out),
            Phase::Open { ws, .. } => self.due = ws.note_time(now),
            Phase::Refused | Phase::Leaving => {}
        }
    }

    /// True if our direction is to be ended, once all is written.
    fn is_done(&self) -> bool {
        match &self.phase {
            Phase::Open { ws, .. } => ws.should_close_transport(),
            Phase::Refused => true,
            Phase::Opening { .. } | Phase::Leaving => self.has_ended,
        }
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
        if before == 0 || self.pending.len() - self.sent < before {
            self.taken_at = now;
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
