//! The loop of `embed_io_uring`.

mod ring;

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::mem;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use slab::Slab;
use sockeye::{Clock, Config, Instant};

use crate::embed::deadlines::{Deadlines, Watched};
use crate::embed::session::{Session, Step};
use crate::embed::{ACCEPT_AGAIN, Memory};
use ring::{Completion, ECANCELED, ENOBUFS, Received};
pub use ring::{Ring, why};

/// Bytes of output that may wait for a client, or be on their way, while more is
/// received from it. What has come when there are more is answered nevertheless.
/// There is no bound to that but the buffers: the kernel fills all that it has.
const BACKLOG_LEN: usize = 64 << 10;

/// Buffers for output that are kept for the next client, and how long at most.
const SPARES: usize = 64;
const SPARE_LEN: usize = 64 << 10;

pub struct Loop {
    ring: Ring,
    /// `None` once the server is about to end.
    listener: Option<TcpListener>,
    /// The kernel accepts clients.
    is_accepting: bool,
    /// Accepting did not work: it is tried again then, or when a client has left.
    accept_at: Option<Instant>,
    /// Readable once the process is asked to end.
    end: UnixStream,
    clients: Slab<Client>,
    /// Clients to which something has happened.
    touched: VecDeque<usize>,
    /// Clients for which there was no buffer: the first that there are is theirs.
    hungry: VecDeque<usize>,
    deadlines: Deadlines,
    clock: Clock,
    config: Arc<Config>,
    memory: Memory,
    spares: Vec<Vec<u8>>,
}

struct Client {
    stream: TcpStream,
    session: Session,
    /// Output that is not being sent.
    pending: Vec<u8>,
    /// Where in its bytes what is being sent begins, and how much that is.
    sending: Option<(usize, usize)>,
    receiving: Receiving,
    is_touched: bool,
    /// It is dropped when nothing is under way with it any more.
    is_leaving: bool,
    watched: Watched,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Receiving {
    Off,
    On,
    Stopping,
}

impl Loop {
    pub fn new(ring: Ring, listener: TcpListener, config: Arc<Config>) -> io::Result<Self> {
        Ok(Self {
            ring,
            listener: Some(listener),
            is_accepting: false,
            accept_at: None,
            end: crate::embed::end()?,
            clients: Slab::new(),
            touched: VecDeque::new(),
            hungry: VecDeque::new(),
            deadlines: Deadlines::default(),
            clock: Clock::new(),
            config,
            memory: Memory::new(),
            spares: Vec::new(),
        })
    }

    /// Until the server has been told to end, and the last client has left.
    pub fn run(mut self) -> io::Result<()> {
        self.accept();
        self.ring.watch(&self.end);
        while self.listener.is_some() || self.is_accepting || !self.clients.is_empty() {
            self.ring.wait(self.time_to_wait())?;
            self.complete();
            if self.deadlines.next().is_some_and(|due| due <= self.clock.now()) {
                // What would keep a deadline may have come meanwhile.
                self.ring.wait(Some(Duration::ZERO))?;
                self.complete();
                self.judge();
            }
            // In this order the kernel serves them, as long as there are buffers.
            while let Some(number) = self.hungry.pop_front().or_else(|| self.touched.pop_front()) {
                self.advance(number);
            }
            if self.accept_at.is_some_and(|at| at <= self.clock.now()) {
                self.accept();
            }
        }
        Ok(())
    }

    fn time_to_wait(&self) -> Option<Duration> {
        let next = [self.deadlines.next(), self.accept_at].into_iter().flatten().min()?;
        Some(next.saturating_duration_since(self.clock.now()))
    }

    // ---- what the kernel has done --------------------------------------------------

    /// All that is complete. That is bounded, and what anybody has sent is in it a
    /// buffer at a time, so nobody is all that is listened to.
    fn complete(&mut self) {
        while let Some(completion) = self.ring.next() {
            match completion {
                Completion::Accepted { outcome, goes_on } => self.accepted(outcome, goes_on),
                Completion::Received { number, outcome, goes_on } => {
                    self.received(number, outcome, goes_on);
                }
                Completion::Sent { number, bytes, outcome } => self.sent(number, bytes, outcome),
                Completion::Readable => self.go_away(),
            }
        }
    }

    fn accept(&mut self) {
        self.accept_at = None;
        if let (Some(listener), false) = (&self.listener, self.is_accepting) {
            self.is_accepting = true;
            self.ring.accept(listener);
        }
    }

    fn accepted(&mut self, outcome: io::Result<TcpStream>, goes_on: bool) {
        self.is_accepting = goes_on;
        if self.listener.is_none() {
            // Whoever it is came too late.
            return;
        }
        match outcome {
            Ok(stream) => self.enter(stream),
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(error) => {
                eprintln!("accept: {error}");
                self.accept_at = Some(self.clock.now() + ACCEPT_AGAIN);
                return;
            }
        }
        if !goes_on {
            self.accept();
        }
    }

    fn enter(&mut self, stream: TcpStream) {
        if let Err(error) = stream.set_nodelay(true) {
            return eprintln!("connection: {error}");
        }
        let number = self.clients.insert(Client {
            stream,
            session: Session::new(self.config.clone(), self.clock.now()),
            pending: Vec::new(),
            sending: None,
            receiving: Receiving::Off,
            is_touched: false,
            is_leaving: false,
            watched: Watched::default(),
        });
        self.touch(number);
    }

    fn received(&mut self, number: usize, outcome: io::Result<Option<Received>>, goes_on: bool) {
        let client = &mut self.clients[number];
        if !goes_on {
            client.receiving = Receiving::Off;
        }
        let result = match outcome {
            Ok(Some(received)) if client.is_leaving => {
                self.ring.open(received, |_| {});
                Ok(())
            }
            Ok(Some(received)) => {
                if client.pending.capacity() == 0 {
                    client.pending = self.spares.pop().unwrap_or_default();
                }
                let (session, out) = (&mut client.session, &mut client.pending);
                let receive = |bytes: &mut [u8]| session.receive(bytes, &mut self.memory, out);
                self.ring.open(received, receive).map_err(io::Error::other)
            }
            Ok(None) => {
                client.session.receive_eof();
                Ok(())
            }
            // It begins again when it has its turn.
            Err(error) if error.raw_os_error() == Some(ENOBUFS) => {
                if !mem::replace(&mut client.is_touched, true) {
                    self.hungry.push_back(number);
                }
                return;
            }
            Err(error) if error.raw_os_error() == Some(ECANCELED) => Ok(()),
            Err(error) => Err(error),
        };
        self.settle(number, result);
    }

    fn sent(&mut self, number: usize, mut bytes: Vec<u8>, outcome: io::Result<usize>) {
        let client = &mut self.clients[number];
        let Some((start, len)) = client.sending.take() else { return };
        let result = match outcome {
            _ if client.is_leaving => Ok(()),
            Ok(0) => Err(ErrorKind::WriteZero.into()),
            Ok(sent) => {
                client.session.has_taken(self.clock.now());
                if sent < len {
                    client.sending = Some((start + sent, len - sent));
                    self.ring.send(number, &client.stream, bytes, start + sent);
                } else if self.spares.len() < SPARES && bytes.capacity() <= SPARE_LEN {
                    bytes.clear();
                    self.spares.push(bytes);
                }
                Ok(())
            }
            Err(error) => Err(error),
        };
        self.settle(number, result);
    }

    fn settle(&mut self, number: usize, result: io::Result<()>) {
        match result {
            Ok(()) => self.touch(number),
            Err(error) => {
                eprintln!("connection: {error}");
                self.leave(number);
            }
        }
    }

    // ---- what a client gets --------------------------------------------------------

    /// It has its turn when all is known that has happened.
    fn touch(&mut self, number: usize) {
        if !mem::replace(&mut self.clients[number].is_touched, true) {
            self.touched.push_back(number);
        }
    }

    /// Those whose time has come.
    fn judge(&mut self) {
        let now = self.clock.now();
        while let Some((at, number)) = self.deadlines.pop(now) {
            let client = self.clients.get_mut(number);
            if client.is_some_and(|client| client.watched.comes_up(at)) {
                self.touch(number);
            }
        }
    }

    /// One write for all that has come; and what is next.
    fn advance(&mut self, number: usize) {
        let now = self.clock.now();
        let client = &mut self.clients[number];
        client.is_touched = false;
        if client.is_leaving {
            return self.drop_if_idle(number);
        }
        if client.session.holds_input() && client.pending.is_empty() && client.sending.is_none() {
            client.session.go_on(&mut self.memory, &mut client.pending);
        }
        // What it has sent would be here.
        let has_looked = client.receiving == Receiving::On
            && client.pending.is_empty()
            && client.sending.is_none();
        client.session.keep_time(has_looked, now, &mut client.pending);
        if client.sending.is_none() && !client.pending.is_empty() {
            client.session.has_taken(now);
            client.sending = Some((0, client.pending.len()));
            self.ring.send(number, &client.stream, mem::take(&mut client.pending), 0);
        }
        let is_flushed = client.sending.is_none();
        let ended = match client.session.next_step(is_flushed, now) {
            Step::Drop => return self.leave(number),
            Step::HangUp => client.stream.shutdown(Shutdown::Write),
            Step::Wait => Ok(()),
        };
        if let Err(error) = ended {
            eprintln!("connection: {error}");
            return self.leave(number);
        }
        let waiting = client.pending.len() + client.sending.map_or(0, |(_, len)| len);
        let may_receive = client.session.wants_bytes() && waiting <= BACKLOG_LEN;
        match client.receiving {
            Receiving::Off if may_receive => {
                client.receiving = Receiving::On;
                self.ring.receive(number, &client.stream);
            }
            Receiving::On if !may_receive => {
                client.receiving = Receiving::Stopping;
                self.ring.stop_receiving(number);
            }
            _ => {}
        }
        self.deadlines.watch(number, client.session.due(), &mut client.watched);
    }

    fn leave(&mut self, number: usize) {
        let client = &mut self.clients[number];
        if !mem::replace(&mut client.is_leaving, true) {
            self.ring.stop(&client.stream);
        }
        self.touch(number);
    }

    /// The kernel is done with it: its number may be another's.
    fn drop_if_idle(&mut self, number: usize) {
        let client = &self.clients[number];
        if client.receiving == Receiving::Off && client.sending.is_none() {
            self.clients.remove(number);
            if self.accept_at.is_some() {
                self.accept();
            }
        }
    }

    /// Nobody else comes in, and who is here is asked to leave.
    fn go_away(&mut self) {
        self.accept_at = None;
        // The kernel holds it until it has stopped.
        self.listener = None;
        self.ring.stop_accepting();
        let all: Vec<_> = self.clients.iter().map(|(number, _)| number).collect();
        for number in all {
            let client = &mut self.clients[number];
            client.session.go_away(&mut client.pending);
            self.touch(number);
        }
    }
}
