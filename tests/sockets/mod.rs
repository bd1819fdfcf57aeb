//! Real sockets for tests: our end, and a peer that does as it is told.
//!
//! Nothing waits for ever: what a test does runs in a [`Task`], and a task
//! that does not end fails the test.

#![allow(dead_code)] // each test file uses some of it

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use sockeye::blocking::{Error, Transport, WebSocket, accept_with, handshake};
use sockeye::handshake::{Accept, accept_key};
use sockeye::net::Endpoint;
use sockeye::{CloseCode, Config, Message};

use crate::common::*;

/// Far more than any test needs, on however busy a machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The codes that may be sent (section 7.4).
pub const CODES: [u16; 16] = [
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999,
];

/// Fails unless a value has this shape, and shows it.
#[allow(unused_macros)] // each test file uses some of it
macro_rules! assert_shape {
    ($value:expr, $shape:pat $(if $guard:expr)?) => {
        match $value {
            $shape $(if $guard)? => {}
            other => panic!("{other:?} is no {}", stringify!($shape $(if $guard)?)),
        }
    };
}
#[allow(unused_imports)]
pub(crate) use assert_shape;

// ---- tasks -----------------------------------------------------------------------

/// Work in a thread of its own.
pub struct Task<T>(mpsc::Receiver<thread::Result<T>>);

impl<T: Send + 'static> Task<T> {
    pub fn start(work: impl FnOnce() -> T + Send + 'static) -> Self {
        let (done, outcome) = mpsc::channel();
        thread::spawn(move || done.send(catch_unwind(AssertUnwindSafe(work))));
        Self(outcome)
    }

    /// What it came to. Its panic is ours; if it does not end, so is that.
    #[track_caller]
    pub fn join(self) -> T {
        match self.0.recv_timeout(PATIENCE) {
            Ok(Ok(value)) => value,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => panic!("no end in sight after {PATIENCE:?}"),
        }
    }
}

/// Runs a test, and fails it if it hangs.
#[track_caller]
pub fn bounded(test: impl FnOnce() + Send + 'static) {
    Task::start(test).join();
}

// ---- connections -----------------------------------------------------------------

/// One of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Client,
    Server,
}

pub const ROLES: [Role; 2] = [Role::Client, Role::Server];

/// Runs a test of our end in each role.
#[track_caller]
pub fn each_role(test: impl Fn(Role) + Copy + Send + 'static) {
    for role in ROLES {
        bounded(move || test(role));
    }
}

/// The default limits, and deadlines that no good run waits for; but for what
/// `set` changes.
pub fn config(set: impl FnOnce(&mut Config)) -> Arc<Config> {
    let mut config = Config::default();
    config.handshake_timeout = Some(PATIENCE);
    config.close_timeout = Some(PATIENCE);
    set(&mut config);
    Arc::new(config)
}

/// The default limits, and deadlines that no good run waits for.
pub fn defaults() -> Arc<Config> {
    config(|_| {})
}

/// Two ends of a connection over the loopback.
pub fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
    }
    (client, server)
}

/// A port of the loopback that refuses connections for as long as the socket
/// beside it lives: it is taken, and nobody listens on it.
pub fn refusing_port() -> (u16, (TcpStream, TcpStream)) {
    let pair = tcp_pair();
    (pair.0.local_addr().unwrap().port(), pair)
}

/// Accepts whoever comes, with the first subprotocol offered.
pub fn accept<S: Transport>(stream: S, config: &Arc<Config>) -> Result<WebSocket<S>, Error> {
    let accepted = accept_with(stream, config.clone(), |request| {
        Accept::new().subprotocol(request.subprotocols().next()).into()
    })?;
    Ok(accepted.expect("nobody was rejected"))
}

/// Shakes hands as a client, over a stream that leads anywhere.
pub fn connect<S: Transport>(stream: S, config: &Arc<Config>) -> Result<WebSocket<S>, Error> {
    handshake(Endpoint::new("localhost", 80, "/").config(config.clone()), stream)
}

/// Our client and our server, over any pair of streams.
pub fn pair_over<S: Transport + Send + 'static>(
    (client, server): (S, S),
    config: &Arc<Config>,
) -> (WebSocket<S>, WebSocket<S>) {
    let for_server = config.clone();
    let server = Task::start(move || accept(server, &for_server).unwrap());
    (connect(client, config).unwrap(), server.join())
}

/// Our client and our server.
pub fn pair(config: &Arc<Config>) -> (WebSocket<TcpStream>, WebSocket<TcpStream>) {
    pair_over(tcp_pair(), config)
}

/// Our end in this role, and a peer at the other.
pub fn open(ours: Role, config: &Arc<Config>) -> (WebSocket<TcpStream>, Peer) {
    let (client, server) = tcp_pair();
    match ours {
        Role::Client => {
            let peer = Task::start(move || Peer::accept(server, ""));
            let ws = connect(client, config).unwrap();
            (ws, peer.join())
        }
        Role::Server => {
            let mut peer = Peer::new(Role::Client, client);
            peer.send_bytes(request(""));
            let ws = accept(server, config).unwrap();
            assert!(peer.head().starts_with("HTTP/1.1 101 "));
            (ws, peer)
        }
    }
}

/// A server that does this with its one client; and its port.
pub fn server_that<T: Send + 'static>(
    serves: impl FnOnce(Peer) -> T + Send + 'static,
) -> (u16, Task<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = move || serves(Peer::new(Role::Server, listener.accept().unwrap().0));
    (port, Task::start(task))
}

// ---- the opening handshake -------------------------------------------------------

/// A request that opens a connection, with more header lines.
pub fn request(more: &str) -> String {
    format!(
        "GET /chat HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}

/// The reply to this request, with more header lines.
pub fn reply(request: &str, more: &str) -> String {
    let key = header(request, "Sec-WebSocket-Key").expect("a client sends a key");
    let accept = accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: {}\r\n{more}\r\n",
        std::str::from_utf8(&accept).unwrap()
    )
}

/// The value of the one header line with this name.
#[track_caller]
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut values = head.lines().filter_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then_some(value.trim())
    });
    let value = values.next();
    assert_eq!(values.next(), None, "{name} comes once");
    value
}

// ---- the peer --------------------------------------------------------------------

/// The other end: a plain socket, for any bytes in any order.
pub struct Peer {
    pub stream: TcpStream,
    role: Role,
}

impl Peer {
    pub fn new(role: Role, stream: TcpStream) -> Self {
        // A read that gets nothing fails by itself, and says where.
        stream.set_read_timeout(Some(PATIENCE / 2)).unwrap();
        Self { stream, role }
    }

    /// Plays the server up to its reply, which has these header lines more.
    pub fn accept(stream: TcpStream, more: &str) -> Self {
        let mut peer = Self::new(Role::Server, stream);
        let request = peer.head();
        peer.send_bytes(reply(&request, more));
        peer
    }

    /// The same peer once more, to read in one thread and write in another.
    pub fn another(&self) -> Self {
        Self { stream: self.stream.try_clone().unwrap(), role: self.role }
    }

    #[track_caller]
    pub fn send_bytes(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    #[track_caller]
    pub fn send(&mut self, frames: impl IntoIterator<Item = Frame>) {
        self.send_bytes(self.encode(frames));
    }

    /// The frames as the role of this peer has to send them.
    pub fn encode(&self, frames: impl IntoIterator<Item = Frame>) -> Vec<u8> {
        let is_client = self.role == Role::Client;
        frames.into_iter().flat_map(|f| if is_client { f.masked() } else { f.unmasked() }).collect()
    }

    /// The head of a request or reply, with its blank line.
    #[track_caller]
    pub fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(self.bytes::<1>());
        }
        String::from_utf8(head).unwrap()
    }

    /// The next frame: its first byte, and its payload unmasked.
    #[track_caller]
    pub fn frame(&mut self) -> (u8, Vec<u8>) {
        let mut bytes = self.bytes::<2>().to_vec();
        let len = match bytes[1] & 0x7f {
            126 => self.long_len::<2>(&mut bytes),
            127 => self.long_len::<8>(&mut bytes),
            len => u64::from(len),
        };
        let mask = if bytes[1] & 0x80 == 0 { 0 } else { 4 };
        let rest = bytes.len() + mask + usize::try_from(len).unwrap();
        let start = bytes.len();
        bytes.resize(rest, 0);
        self.stream.read_exact(&mut bytes[start..]).unwrap();
        sent_frames(&bytes, self.role == Role::Server).remove(0)
    }

    #[track_caller]
    fn long_len<const N: usize>(&mut self, bytes: &mut Vec<u8>) -> u64 {
        let len = self.bytes::<N>();
        bytes.extend(len);
        len.iter().fold(0, |len, &byte| len << 8 | u64::from(byte))
    }

    #[track_caller]
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// These frames come next.
    #[track_caller]
    pub fn expect(&mut self, frames: impl IntoIterator<Item = Frame>) {
        for frame in frames {
            let expected = sent_frames(&frame.unmasked(), false).remove(0);
            let came = self.frame();
            assert!(came == expected, "came {}, not {}", brief(&came), brief(&expected));
        }
    }

    /// All frames that come up to the end of the stream.
    #[track_caller]
    pub fn frames_to_the_end(mut self) -> Vec<(u8, Vec<u8>)> {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes).unwrap();
        sent_frames(&bytes, self.role == Role::Server)
    }

    /// The end of the stream comes next: no byte, and no reset.
    #[track_caller]
    pub fn expect_eof(&mut self) {
        let mut bytes = [0; 16];
        let len = self.stream.read(&mut bytes).unwrap();
        assert_eq!(&bytes[..len], b"", "nothing comes before the end");
    }

    /// Does the peer's part of the end of the transport, after the closing
    /// handshake: the server goes first (section 7.1.1).
    #[track_caller]
    pub fn finish(mut self) {
        if self.role == Role::Client {
            self.expect_eof();
        }
    }

    /// Ends its direction of the stream.
    pub fn half_close(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }
}

/// The beginning of a frame, for messages about those of many megabytes.
fn brief((first, payload): &(u8, Vec<u8>)) -> String {
    let start = &payload[..payload.len().min(60)];
    format!("{first:#x} with {} bytes \"{}\"", payload.len(), start.escape_ascii())
}

// ---- messages --------------------------------------------------------------------

/// A text and bytes of each of these lengths come back, and closing is clean.
#[track_caller]
pub fn assert_echoes<S: Transport>(mut ws: WebSocket<S>, lens: impl IntoIterator<Item = usize>) {
    for message in lens.into_iter().flat_map(messages_of) {
        ws.send(&message).unwrap();
        assert!(ws.read().unwrap().unwrap() == message);
    }
    assert!(ws.close(CloseCode::NORMAL_CLOSURE, "").unwrap().is_clean());
}

/// Text of exactly `len` bytes, in characters of one to four bytes.
pub fn text_of(len: usize) -> String {
    const PATTERN: &str = "salmon, \u{448}\u{443}\u{43a}\u{430} \u{9c88}\u{9c7c} \u{1f41f}. ";
    let mut text = PATTERN.repeat(len / PATTERN.len());
    text.extend(std::iter::repeat_n('x', len - text.len()));
    text
}

/// `len` bytes, of every value.
pub fn bytes_of(len: usize) -> Vec<u8> {
    (0..=250).cycle().take(len).collect()
}

/// Text that can be compressed to little, and says where it was cut.
pub fn numbered_lines(len: usize) -> String {
    let lines = (0..).flat_map(|n: usize| format!("line {n}, ").into_bytes());
    lines.take(len).map(char::from).collect()
}

/// A text and a binary message of `len` bytes.
pub fn messages_of(len: usize) -> [Message<'static>; 2] {
    [text_of(len).into(), bytes_of(len).into()]
}

pub fn code(code: u16) -> CloseCode {
    CloseCode::new(code)
}

/// What the peer says in the sessions that faults are put into, after the
/// opening handshake.
pub fn session() -> [Frame; 6] {
    [
        text("hello"),
        fragment(TEXT, b"h\xc3"),
        ping("p"),
        frame(CONTINUATION, b"\xa9"),
        binary(bytes_of(5000)), // long enough to be written from where it is
        close(1000, "bye"),
    ]
}

/// Which of these frames ends which message.
pub fn session_messages() -> [(usize, Message<'static>); 3] {
    [(0, "hello".into()), (3, "h\u{e9}".into()), (4, bytes_of(5000).into())]
}

// ---- streams in memory -----------------------------------------------------------

/// Makes a [`Transport`] of a stream that never waits.
macro_rules! never_waits {
    ($stream:ty) => {
        impl Transport for $stream {
            fn set_read_timeout(&mut self, _timeout: Option<Duration>) -> io::Result<()> {
                Ok(())
            }

            fn set_write_timeout(&mut self, _timeout: Option<Duration>) -> io::Result<()> {
                Ok(())
            }

            fn shutdown_write(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
    };
}
#[allow(unused_imports)] // each test uses some of it
pub(crate) use never_waits;

/// A stream with a few bytes to read, that keeps what is written to it.
#[derive(Debug, Default)]
pub struct Tape {
    pub to_read: io::Cursor<Vec<u8>>,
    pub written: Vec<u8>,
    /// The slices of each write, as address and length.
    pub writes: Vec<Vec<(usize, usize)>>,
    /// Bytes that one write takes at most; 0: any number.
    pub max_write: usize,
}

impl Tape {
    fn max_write(&self) -> usize {
        if self.max_write == 0 { usize::MAX } else { self.max_write }
    }
}

never_waits!(Tape);

impl Read for Tape {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.to_read.read(buf)
    }
}

impl Write for Tape {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.writes.push(bufs.iter().map(|b| (b.as_ptr().addr(), b.len())).collect());
        let mut left = self.max_write();
        for buf in bufs {
            let taken = &buf[..buf.len().min(left)];
            self.written.extend_from_slice(taken);
            left -= taken.len();
        }
        Ok(self.max_write() - left)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Short enough to be waited for, where a test is about a time that passes.
pub const SOON: Duration = Duration::from_millis(50);

pub fn soon() -> Option<Instant> {
    Some(Instant::now() + SOON)
}

/// More than the network holds while nobody reads.
pub const STUCK: usize = 24 << 20;

pub const REASON: &str = "au revoir, \u{9c7c} \u{1f41f}";

/// Sends back all that comes, up to the closing of the connection.
pub fn echo<S: Transport>(ws: &mut WebSocket<S>) -> Result<(), Error> {
    while let Some(message) = ws.read()? {
        ws.send(&message)?;
        ws.recycle(message);
    }
    Ok(())
}
