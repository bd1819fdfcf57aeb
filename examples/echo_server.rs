//! An echo server: a thread per connection, blocking sockets.
//!
//!     cargo run --release --example echo_server -- [ADDR] [--max-message BYTES]
//!
//! Any path. Messages come back as they came; of the subprotocols offered the
//! first is selected. Query parameters, combined freely, make it exercise its
//! clients:
//!
//! | parameter | the server |
//! |---|---|
//! | `close=CODE` `&reason=TEXT` | closes right after open with that; `close=` sends a Close without a body |
//! | `push=N` | first sends text messages "0" … "N-1" |
//! | `abort` | some 50 ms after open, ends TCP with no Close frame |
//! | `status=N` | answers the handshake with that HTTP status |
//! | `noproto` | selects no subprotocol |
//! | `ping=TEXT` | sends a Ping; when a Pong comes, sends the text `pong:` and its payload |
//! | `fragment=N` | sends each echo in N frames, split at any byte |
//! | `count=KEY` | does not echo; counts the messages under KEY |
//! | `counted=KEY` | sends that count as text on open |

use std::collections::HashMap;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{env, io, thread};

use sockeye::blocking::{Error, WebSocket, accept_with};
use sockeye::handshake::{Accept, Rejection};
use sockeye::{CloseCode, Config, Incoming, Message};

/// Threads at once; whoever comes then is told to come again.
const MAX_CONNECTIONS: usize = 1000;

const USAGE: &str = "usage: echo_server [ADDR] [--max-message BYTES]";

fn main() -> ExitCode {
    match parse_args().and_then(|(addr, max)| run(&addr, max).map_err(|e| format!("{addr}: {e}"))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("echo_server: {message}");
            ExitCode::FAILURE
        }
    }
}

fn parse_args() -> Result<(String, u64), String> {
    let (mut addr, mut max_message) = (None, 32 << 20);
    let mut args = env::args().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--max-message" {
            let bytes = args.next().and_then(|bytes| bytes.parse().ok());
            max_message = bytes.ok_or_else(|| format!("--max-message needs a number; {USAGE}"))?;
        } else if arg.starts_with('-') || addr.is_some() {
            return Err(USAGE.into());
        } else {
            addr = Some(arg);
        }
    }
    Ok((addr.unwrap_or_else(|| "127.0.0.1:9001".into()), max_message))
}

fn run(addr: &str, max_message: u64) -> io::Result<()> {
    let mut config = Config::default();
    config.max_message_len = max_message;
    config.max_frame_len = max_message;
    let config = Arc::new(config);
    let counts = Arc::new(Counts::default());
    let open = Arc::new(AtomicUsize::new(0));

    let listener = TcpListener::bind(addr)?;
    println!("listening on ws://{}", listener.local_addr()?);
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, or a client that left before its turn:
                // others will leave too, so wait a little and go on.
                eprintln!("accept: {error}");
                thread::sleep(Duration::from_millis(50));
                continue;
            }
        };
        let slot = Slot::take(&open);
        if open.load(Ordering::Relaxed) > MAX_CONNECTIONS {
            turn_away(stream);
            continue;
        }
        let (config, counts) = (config.clone(), counts.clone());
        let served = thread::Builder::new().spawn(move || {
            let _slot = slot;
            if let Err(error) = serve(stream, &config, &counts) {
                eprintln!("connection: {error}");
            }
        });
        if let Err(error) = served {
            eprintln!("thread: {error}");
        }
    }
}

/// One of the connections that are open.
struct Slot(Arc<AtomicUsize>);

impl Slot {
    fn take(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(open.clone())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn turn_away(mut stream: TcpStream) {
    let mut reply = Vec::new();
    if Rejection::new(503).header("Retry-After", "1").write(&mut reply).is_ok() {
        // Small enough for any socket's buffer: it does not wait.
        let _ = io::Write::write_all(&mut stream, &reply);
        let _ = stream.shutdown(Shutdown::Write);
    }
}

/// Messages counted under each key.
#[derive(Default)]
struct Counts(Mutex<HashMap<String, u64>>);

impl Counts {
    fn add(&self, key: &str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(key.into()).or_default() += 1;
    }

    fn get(&self, key: &str) -> u64 {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(key).copied().unwrap_or_default()
    }
}

/// What the query asks for.
struct Wishes(HashMap<String, String>);

impl Wishes {
    fn parse(query: &str) -> Self {
        Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn number<N: std::str::FromStr>(&self, key: &str) -> Option<N> {
        self.text(key)?.parse().ok()
    }
}

fn serve(stream: TcpStream, config: &Arc<Config>, counts: &Counts) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let mut wishes = Wishes::parse("");
    let accepted = accept_with(stream, config.clone(), |request| {
        wishes = Wishes::parse(request.query().unwrap_or_default());
        if let Some(status) = wishes.number("status") {
            return Rejection::new(status).body(format!("you asked for {status}\n")).into();
        }
        let first = request.subprotocols().next().filter(|_| !wishes.has("noproto"));
        Accept::new().subprotocol(first).into()
    })?;
    let Some(mut ws) = accepted else { return Ok(()) };

    if let Some(key) = wishes.text("counted") {
        ws.send(counts.get(key).to_string())?;
    }
    for n in 0..wishes.number("push").unwrap_or(0_u64) {
        ws.send(n.to_string())?;
    }
    if let Some(payload) = wishes.text("ping") {
        ws.ping(payload.as_bytes())?;
    }
    if wishes.has("abort") {
        thread::sleep(Duration::from_millis(50));
        return Ok(());
    }
    if let Some(code) = wishes.text("close") {
        // Without a number: a Close without a body.
        let code = code.parse().ok().map(CloseCode::new);
        let reason = wishes.text("reason").unwrap_or_default();
        ws.command(|ws, out| ws.close(code, reason, out))?;
    }
    echo(&mut ws, &wishes, counts)
}

/// Answers until the connection is closed.
fn echo(ws: &mut WebSocket<TcpStream>, wishes: &Wishes, counts: &Counts) -> Result<(), Error> {
    let fragments: usize = wishes.number("fragment").unwrap_or(1).max(1);
    while ws.ready()? {
        while let Some(incoming) = ws.next_incoming() {
            let reply = match incoming {
                Incoming::Message(message) => match wishes.text("count") {
                    Some(key) => {
                        counts.add(key);
                        continue;
                    }
                    None => message.into_owned(),
                },
                Incoming::Pong(payload) if wishes.has("ping") => {
                    Message::from(format!("pong:{}", String::from_utf8_lossy(&payload)))
                }
                _ => continue,
            };
            if !ws.connection().is_open() {
                continue; // we have closed: nothing more may be sent
            }
            if fragments > 1 {
                send_fragmented(ws, &reply, fragments)?;
            } else if reply.as_bytes().len() < 4096 {
                // Goes out with all other answers to what was read, at once.
                ws.queue(&reply)?;
            } else {
                ws.send(&reply)?;
            }
            ws.recycle(reply);
        }
    }
    Ok(())
}

/// Sends a message in so many frames, of as equal a length as can be.
fn send_fragmented(
    ws: &mut WebSocket<TcpStream>,
    message: &Message<'_>,
    fragments: usize,
) -> Result<(), Error> {
    let mut rest = message.as_bytes();
    for left in (1..=fragments).rev() {
        let (piece, behind) = rest.split_at(rest.len() / left);
        rest = behind;
        ws.command(|ws, out| match message {
            Message::Text(_) => ws.send_text_fragment(piece, left == 1, out),
            Message::Binary(_) => ws.send_binary_fragment(piece, left == 1, out),
        })?;
    }
    Ok(())
}
