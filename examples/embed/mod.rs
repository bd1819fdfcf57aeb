//! What the examples that embed the engine in a loop have in common: a client
//! without its socket. To move the bytes and to wait is what they differ in.

#![allow(dead_code)] // each loop uses some of it

pub mod deadlines;
pub mod session;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use sockeye::{Config, Connection, Message, SendError};

/// How long a client may take nothing of what waits for it.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How long a client may take to take our last words, and to end its direction.
pub const LINGER: Duration = Duration::from_secs(5);

/// When accepting is tried again that did not work, for want of descriptors say.
pub const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// Bytes to be written from which on no more is made of what was received: a read
/// of 64 KiB, compressed, can be sixty megabytes to be sent back.
const ENOUGH: usize = 256 << 10;

/// Memory that a message came in is kept for the next one, if it is no more.
pub const KEEP_LEN: usize = 1 << 20;

/// What the command line says: where to listen; and after how many seconds of
/// silence a client is asked if it is still there.
pub fn args() -> Result<(String, Arc<Config>), &'static str> {
    const USAGE: &str = "arguments are: [ADDR [PING_AFTER_SECONDS]]";
    let mut args = std::env::args().skip(1);
    let addr = args.next().unwrap_or_else(|| "127.0.0.1:9001".into());
    let seconds = args.next().map_or(Ok(60), |seconds| seconds.parse());
    match (seconds, args.next()) {
        (Ok(seconds), None) => Ok((addr, config(Duration::from_secs(seconds)))),
        _ => Err(USAGE),
    }
}

/// Limits and deadlines of all clients.
fn config(ping_interval: Duration) -> Arc<Config> {
    let mut config = Config::default();
    config.ping_interval = Some(ping_interval);
    #[cfg(feature = "deflate")]
    {
        config.deflate = Some(sockeye::DeflateConfig::default());
    }
    Arc::new(config)
}

/// Runs a server by its arguments.
pub fn main(program: &str, run: impl FnOnce(&str, Arc<Config>) -> io::Result<()>) -> ExitCode {
    let result = match args() {
        Ok((addr, config)) => run(&addr, config).map_err(|error| format!("{addr}: {error}")),
        Err(usage) => Err(usage.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{program}: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The application: what a message is answered with.
fn answer(message: &Message<'_>, ws: &mut Connection, out: &mut Vec<u8>) -> Result<(), SendError> {
    match message {
        Message::Text(text) => ws.send_text(text, out),
        Message::Binary(data) => ws.send_binary(data, out),
    }
}

/// Memory that all clients of a thread share.
pub struct Memory {
    /// Compressed messages are inflated into it.
    scratch: Box<[u8]>,
    /// For the next message that comes in pieces.
    spare: Vec<u8>,
}

impl Memory {
    pub fn new() -> Self {
        Self { scratch: vec![0; 64 << 10].into(), spare: Vec::new() }
    }

    /// Keeps what a message was in for the next one.
    fn keep(&mut self, buffer: Vec<u8>) {
        if (self.spare.capacity()..=KEEP_LEN).contains(&buffer.capacity()) {
            self.spare = buffer;
        }
    }
}

/// Something to be read from once the process is asked to end, by Ctrl-C or
/// SIGTERM: what loops can wait for beside their clients.
#[cfg(unix)]
pub fn end() -> io::Result<std::os::unix::net::UnixStream> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let (ours, signals) = std::os::unix::net::UnixStream::pair()?;
    for signal in [SIGINT, SIGTERM] {
        signal_hook::low_level::pipe::register(signal, signals.try_clone()?)?;
    }
    ours.set_nonblocking(true)?;
    Ok(ours)
}
