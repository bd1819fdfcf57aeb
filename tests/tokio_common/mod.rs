//! A runtime whose clock is virtual, and streams in memory: our end, and a
//! peer that does as it is told.
//!
//! Nothing waits for ever: the virtual clock ends a test that hangs, and that
//! of the system one that spins.

#![allow(dead_code, unused_imports)] // each test file uses some of it

mod link;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Once};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sockeye::tokio::{Error, WebSocket};
use sockeye::{Config, Connection, Seed};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::common::{Frame, sent_frames};
pub(crate) use crate::sockets::assert_shape;
pub use crate::sockets::{
    CODES, REASON, ROLES, Role, Task, bounded, bytes_of, code, config, defaults, header,
    messages_of, numbered_lines, reply, request, text_of,
};
pub use link::*;

// ---- time ------------------------------------------------------------------------

/// Longer than any test lasts on the virtual clock.
pub const DAY: Duration = Duration::from_secs(86_400);

pub const SECOND: Duration = Duration::from_secs(1);

/// Runs a test in one thread, with a virtual clock: it stands still while
/// there is anything to do, and then goes on to the next deadline.
#[track_caller]
pub fn run<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    bounded(move || {
        begin_time();
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(in_time(test()));
    });
}

/// Runs a test of our end in each role.
#[track_caller]
pub fn run_each_role<F: Future<Output = ()>>(test: impl Fn(Role) -> F + Copy + Send + 'static) {
    for role in ROLES {
        run(move || test(role));
    }
}

/// Runs a test in threads, with the clock of the system.
#[track_caller]
pub fn run_threads<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    bounded(move || {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(4).enable_all().build().unwrap().block_on(test());
    });
}

/// The epoch of the adapter's clock is when it was first asked: before any
/// virtual clock starts, so that none of them is behind it.
fn begin_time() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async { drop(server_on(tokio::io::empty(), &defaults())) });
    });
}

pub async fn in_time<T>(work: impl Future<Output = T>) -> T {
    timeout(DAY, work).await.expect("no end in sight")
}

/// What it comes to, and the time that takes.
pub async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let start = tokio::time::Instant::now();
    (work.await, start.elapsed())
}

/// This long, give or take the resolution of the timer.
#[track_caller]
pub fn assert_took(took: Duration, expected: Duration) {
    let most = expected + Duration::from_millis(10);
    assert!((expected..most).contains(&took), "{took:?} is not {expected:?}");
}

/// Passes while everybody else waits: then nothing is left to be done now.
pub async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

// ---- futures ---------------------------------------------------------------------

/// Polls so often, and drops what is not done then.
pub fn poll_times<T>(future: impl Future<Output = T>, times: usize) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..times {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Some(value);
        }
    }
    None
}

/// Polls to the end, over a stream that never makes us wait for long.
#[track_caller]
pub fn poll_to_end<T>(future: impl Future<Output = T>) -> T {
    poll_times(future, 1_000_000).expect("an end")
}

// ---- connections -----------------------------------------------------------------

pub fn server_on<S>(stream: S, config: &Arc<Config>) -> WebSocket<S> {
    WebSocket::from_parts(stream, Connection::server(config.clone()), b"")
}

pub fn client_on<S>(stream: S, config: &Arc<Config>) -> WebSocket<S> {
    let seed = Seed::from_bytes([7; 32]);
    WebSocket::from_parts(stream, Connection::client(seed, config.clone()), b"")
}

/// Our end in this role, over any stream.
pub fn end_on<S>(role: Role, stream: S, config: &Arc<Config>) -> WebSocket<S> {
    match role {
        Role::Client => client_on(stream, config),
        Role::Server => server_on(stream, config),
    }
}

/// Our end in this role, and a peer at the other; each direction holds so many
/// bytes.
pub fn open_with(
    role: Role,
    config: &Arc<Config>,
    buffer: usize,
) -> (WebSocket<DuplexStream>, Peer) {
    let (ours, theirs) = duplex(buffer);
    let peer_role = if role == Role::Client { Role::Server } else { Role::Client };
    (end_on(role, ours, config), Peer::new(peer_role, theirs))
}

pub fn open(role: Role, config: &Arc<Config>) -> (WebSocket<DuplexStream>, Peer) {
    open_with(role, config, 64 << 10)
}

/// Our client and our server.
pub fn pair(config: &Arc<Config>) -> (WebSocket<DuplexStream>, WebSocket<DuplexStream>) {
    let (client, server) = duplex(64 << 10);
    (client_on(client, config), server_on(server, config))
}

/// Sends back all that comes, up to the closing of the connection.
pub async fn echo<S>(ws: &mut WebSocket<S>) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = ws.read().await? {
        ws.send(&message).await?;
        ws.recycle(message);
    }
    Ok(())
}

// ---- the peer --------------------------------------------------------------------

/// The other end: a plain stream, for any bytes in any order.
pub struct Peer<S = DuplexStream> {
    pub stream: S,
    role: Role,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    pub fn new(role: Role, stream: S) -> Self {
        Self { stream, role }
    }

    pub async fn send_bytes(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    pub async fn send(&mut self, frames: impl IntoIterator<Item = Frame>) {
        self.send_bytes(self.encode(frames)).await;
    }

    /// The frames as the role of this peer has to send them.
    pub fn encode(&self, frames: impl IntoIterator<Item = Frame>) -> Vec<u8> {
        encode_for(if self.role == Role::Client { Role::Server } else { Role::Client }, frames)
    }

    /// The head of a request or reply, with its blank line.
    pub async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap()
    }

    /// The next frame: its first byte, and its payload unmasked.
    pub async fn frame(&mut self) -> (u8, Vec<u8>) {
        let mut bytes = vec![0; 2];
        self.stream.read_exact(&mut bytes).await.unwrap();
        let len = match bytes[1] & 0x7f {
            126 => {
                let len = self.stream.read_u16().await.unwrap();
                bytes.extend(len.to_be_bytes());
                usize::from(len)
            }
            127 => {
                let len = self.stream.read_u64().await.unwrap();
                bytes.extend(len.to_be_bytes());
                usize::try_from(len).unwrap()
            }
            len => usize::from(len),
        };
        let mask = if bytes[1] & 0x80 == 0 { 0 } else { 4 };
        let start = bytes.len();
        bytes.resize(start + mask + len, 0);
        self.stream.read_exact(&mut bytes[start..]).await.unwrap();
        sent_frames(&bytes, self.role == Role::Server).remove(0)
    }

    /// These frames come next.
    pub async fn expect(&mut self, frames: impl IntoIterator<Item = Frame>) {
        for frame in frames {
            let came = self.frame().await;
            assert_same_frames(&[came], &decoded([frame]));
        }
    }

    /// The end of the stream comes next.
    pub async fn expect_eof(&mut self) {
        let mut bytes = [0; 16];
        let len = self.stream.read(&mut bytes).await.unwrap();
        assert_eq!(&bytes[..len], b"", "nothing comes before the end");
    }

    /// All frames that come up to the end of the stream.
    pub async fn frames_to_the_end(&mut self) -> Vec<(u8, Vec<u8>)> {
        let mut bytes = Vec::new();
        self.stream.read_to_end(&mut bytes).await.unwrap();
        sent_frames(&bytes, self.role == Role::Server)
    }

    /// Ends its direction of the stream.
    pub async fn half_close(&mut self) {
        self.stream.shutdown().await.unwrap();
    }

    /// Does the peer's part of the end of the transport, after the closing
    /// handshake: the server goes first (section 7.1.1).
    pub async fn finish(mut self) {
        if self.role == Role::Client {
            self.expect_eof().await;
        }
    }
}

/// The frames as the peer of our end sends them.
pub fn encode_for(ours: Role, frames: impl IntoIterator<Item = Frame>) -> Vec<u8> {
    let encode = |f: Frame| if ours == Role::Server { f.masked() } else { f.unmasked() };
    frames.into_iter().flat_map(encode).collect()
}

/// The first bytes and payloads of these frames.
pub fn decoded(frames: impl IntoIterator<Item = Frame>) -> Vec<(u8, Vec<u8>)> {
    let bytes: Vec<u8> = frames.into_iter().flat_map(|f| f.unmasked()).collect();
    sent_frames(&bytes, false)
}

/// As `assert_eq`, but short about frames of many bytes.
#[track_caller]
pub fn assert_same_frames(came: &[(u8, Vec<u8>)], expected: &[(u8, Vec<u8>)]) {
    let brief = |frames: &[(u8, Vec<u8>)]| -> Vec<String> {
        let brief = |(first, payload): &(u8, Vec<u8>)| {
            let start = payload[..payload.len().min(40)].escape_ascii();
            format!("{first:#x} with {} bytes \"{start}\"", payload.len())
        };
        frames.iter().map(brief).collect()
    };
    assert!(came == expected, "came {:#?}, not {:#?}", brief(came), brief(expected));
}
