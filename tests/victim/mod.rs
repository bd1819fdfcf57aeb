//! What the abuse tests share: a victim, which is one of the echo servers as a
//! user runs it; a good client, which must be served all the while; and a line
//! for the figures of each attack.

#![allow(dead_code)] // each test file uses some of it

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sockeye::blocking::{self, Stream, WebSocket};
use sockeye::net::Endpoint;
use sockeye::{CloseCode, Message};

use crate::processes::{Server, example};
use crate::sockets::*;

/// The echo servers, which all keep the same contract.
const SERVERS: &[&str] = &[
    "echo_server",
    #[cfg(feature = "tokio")]
    "tokio_echo_server",
];

/// The longest that a good client may have to wait for anything: it is a matter
/// of milliseconds, and of what else the machine does.
const SERVED_WITHIN: Duration = Duration::from_secs(20);

/// What is not taken for so long will not be. (On a machine that is busier than
/// that, less is sent, and the test is less of a test.)
pub const STALLED: Duration = Duration::from_millis(1500);

/// Runs an attack on a server of each kind, at the same time.
#[track_caller]
pub fn each_victim(args: &'static [&str], attack: impl Fn(&Victim) + Copy + Send + 'static) {
    each(attack, move |name| {
        let mut command = Command::new(example(name));
        command.arg("127.0.0.1:0").args(args);
        command
    });
}

/// As [`each_victim`], with so many descriptors for the server.
#[track_caller]
pub fn each_victim_with_descriptors(
    count: usize,
    attack: impl Fn(&Victim) + Copy + Send + 'static,
) {
    each(attack, move |name| {
        let mut command = Command::new("sh");
        let script = format!("ulimit -n {count} && exec \"$0\" 127.0.0.1:0");
        command.args(["-c", &script]).arg(example(name));
        command
    });
}

#[track_caller]
fn each(
    attack: impl Fn(&Victim) + Copy + Send + 'static,
    command: impl Fn(&str) -> Command + Copy + Send + 'static,
) {
    // Building them has all the time that it takes.
    SERVERS.iter().for_each(|name| drop(example(name)));
    let start = |name| Task::start(move || attack(&Victim::start(name, &mut command(name))));
    let all: Vec<_> = SERVERS.iter().map(|name| start(*name)).collect();
    // All of them, whatever becomes of the first: a server that nobody waits for
    // would outlive its test.
    let outcomes: Vec<_> =
        all.into_iter().map(|one| catch_unwind(AssertUnwindSafe(|| one.join()))).collect();
    for outcome in outcomes {
        outcome.unwrap_or_else(|panic| resume_unwind(panic));
    }
}

// ---- the victim ------------------------------------------------------------------

/// A server under attack.
pub struct Victim {
    name: &'static str,
    server: Server,
}

impl Victim {
    fn start(name: &'static str, command: &mut Command) -> Self {
        // What counts is what the server holds. By default glibc holds on to
        // some megabytes of what was given back, more or less of them from run
        // to run: once a long buffer was freed, the next is not memory of its own
        // any more, and is copied within the heap to grow.
        command.env("MALLOC_MMAP_THRESHOLD_", "131072").env("MALLOC_TRIM_THRESHOLD_", "131072");
        Self { name, server: Server::of(command) }
    }

    pub fn stream(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// A raw client that has said nothing yet.
    pub fn stranger(&self) -> Peer {
        Peer::new(Role::Client, self.stream())
    }

    /// A raw client with its connection open; its request had these header
    /// lines more.
    pub fn peer(&self, target: &str, more: &str) -> Peer {
        let mut peer = self.stranger();
        peer.send_bytes(request(more).replace("/chat", target));
        assert!(peer.head().starts_with("HTTP/1.1 101 "));
        peer
    }

    /// A good client.
    fn client(&self) -> WebSocket<Stream> {
        client(self.address())
    }

    fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.server.port).into()
    }

    // ---- what it costs the victim

    fn proc(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.server.id())
    }

    pub fn descriptors(&self) -> usize {
        fs::read_dir(self.proc("fd")).expect("it lives").count()
    }

    /// The processor time that it has used.
    pub fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(self.proc("stat")).expect("it lives");
        // After the name, which may hold anything: user and system time, in
        // hundredths of a second.
        let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).map(|n| n.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }

    /// What it has complained of since the last time.
    pub fn complaints(&self) -> Vec<String> {
        let complaints: Vec<_> = self.server.complaints.try_iter().collect();
        for complaint in &complaints {
            assert!(!complaint.contains("panicked"), "{complaint}");
        }
        complaints
    }

    // ---- attacks

    /// An attack that may cost the server at most so many KiB at any time. It
    /// says what the server answered. A good client that was there before, and
    /// others that come, are served all the while and thereafter.
    #[track_caller]
    pub fn attacked(&self, what: &str, limit_kib: u64, attack: impl FnOnce() -> String) {
        self.attacked_beside(Newcomers::Come, what, limit_kib, attack);
    }

    /// As [`attacked`](Self::attacked); with newcomers among the good clients,
    /// or without, where none can get in.
    #[track_caller]
    pub fn attacked_beside(
        &self,
        newcomers: Newcomers,
        what: &str,
        limit_kib: u64,
        attack: impl FnOnce() -> String,
    ) {
        let mut early = self.client();
        for _ in 0..20 {
            serve(&mut early);
            visit(self.address());
        }
        let memory = Memory::of(self.server.id());
        let start = Instant::now();
        let good = Good::start(self.address(), early, newcomers, memory);
        let answer = attack();
        let took = start.elapsed();
        let Served { count, slowest, mut early, growth } = good.stop();
        serve(&mut early);
        visit(self.address());
        self.complaints();
        println!(
            "abuse: {:17} | {what:46} | {growth:5} KiB of {limit_kib:5} | {:4.1} s | good clients: \
            {count:4} served, slowest {:3} ms | {answer}",
            self.name,
            took.as_secs_f32(),
            slowest.as_millis(),
        );
        assert!(growth <= limit_kib, "{}, {what}: grew by {growth} KiB", self.name);
    }
}

// ---- the good clients ------------------------------------------------------------

fn client(address: SocketAddr) -> WebSocket<Stream> {
    let endpoint = Endpoint::new("127.0.0.1", address.port(), "/").config(defaults());
    // Not one after the other with those of other tests.
    blocking::connect(endpoint.without_waiting()).unwrap()
}

/// One message, there and back.
#[track_caller]
fn serve(ws: &mut WebSocket<Stream>) {
    ws.set_deadline(Some(Instant::now() + SERVED_WITHIN));
    ws.send("served?").unwrap();
    assert_eq!(ws.read().unwrap(), Some(Message::from("served?")));
}

/// A new connection, from the beginning to its end.
#[track_caller]
fn visit(address: SocketAddr) {
    let mut ws = client(address);
    serve(&mut ws);
    assert!(ws.close(CloseCode::NORMAL_CLOSURE, "").unwrap().is_clean());
}

/// Whether good clients come while an attack lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Newcomers {
    Come,
    WouldHaveToWait,
}

/// Good clients, one that was there before the attack and others, until they
/// are told that it is over. They keep an eye on the server's memory.
struct Good {
    is_over: Arc<AtomicBool>,
    task: Task<Served>,
}

struct Served {
    count: usize,
    slowest: Duration,
    early: WebSocket<Stream>,
    growth: u64,
}

impl Good {
    fn start(
        address: SocketAddr,
        mut early: WebSocket<Stream>,
        newcomers: Newcomers,
        mut memory: Memory,
    ) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = is_over.clone();
        let task = Task::start(move || {
            let (mut count, mut slowest) = (0, Duration::ZERO);
            let mut measure = |serve: &mut dyn FnMut()| {
                let start = Instant::now();
                serve();
                slowest = slowest.max(start.elapsed());
                count += 1;
            };
            while !ends.load(Ordering::Relaxed) {
                measure(&mut || serve(&mut early));
                if newcomers == Newcomers::Come {
                    measure(&mut || visit(address));
                }
                memory.look();
                // They want to be served, not to be an attack themselves.
                thread::sleep(Duration::from_millis(20));
            }
            assert!(slowest < SERVED_WITHIN, "a good client had to wait for {slowest:?}");
            Served { count, slowest, early, growth: memory.growth() }
        });
        Self { is_over, task }
    }

    #[track_caller]
    fn stop(self) -> Served {
        self.is_over.store(true, Ordering::Relaxed);
        self.task.join()
    }
}

/// The memory of a process, in KiB: at first, and at most since then.
pub struct Memory {
    id: u32,
    first: u64,
    most: u64,
}

impl Memory {
    pub fn of(id: u32) -> Self {
        // The system's own peak counts from here.
        fs::write(format!("/proc/{id}/clear_refs"), "5").unwrap();
        let mut memory = Self { id, first: 0, most: 0 };
        memory.first = memory.field("VmRSS");
        memory
    }

    /// The system looks for itself, but not closely: what there is now may be
    /// more than its peak.
    fn look(&mut self) {
        self.most = self.most.max(self.field("VmHWM")).max(self.field("VmRSS"));
    }

    pub fn growth(mut self) -> u64 {
        self.look();
        self.most.saturating_sub(self.first)
    }

    fn field(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id)).expect("it lives");
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap().trim().trim_end_matches(" kB").parse().unwrap()
    }
}

// ---- what attackers do -----------------------------------------------------------

/// Sends these bytes again and again, until the connection ends, or none are
/// taken for so long, or `max` of them are sent. Gives how many were.
pub fn flood(stream: &mut TcpStream, bytes: &[u8], max: usize, stalled: Duration) -> usize {
    stream.set_write_timeout(Some(stalled)).unwrap();
    let mut sent = 0;
    while sent < max {
        match stream.write(&bytes[sent % bytes.len()..]) {
            Ok(len) => sent += len,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(e) if is_reset(e.kind()) => break,
            Err(e) => panic!("{e}"),
        }
    }
    stream.set_write_timeout(None).unwrap();
    sent
}

/// All that comes up to the end of the stream. An end by force is one too:
/// whoever sends on when he is not heard any more may lose what was said.
pub fn read_to_the_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Err(e) if !is_reset(e.kind()) => panic!("{e}, after \"{}\"", bytes.escape_ascii()),
        _ => bytes,
    }
}

fn is_reset(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe
    )
}
