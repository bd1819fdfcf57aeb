//! An echo server: a thread per connection, blocking sockets.
//!
//!     cargo run --release --features deflate --example echo_server -- \
//!         [ADDR] [--max-message BYTES] [--deflate PARAMS]
//!
//! Any path. Messages come back as they came; of the subprotocols offered the
//! first is selected. Compression is accepted when offered: within PARAMS, such
//! as "permessage-deflate; server_max_window_bits=10", or any. Query parameters,
//! combined freely, make it exercise its clients:
//!
//! | parameter | the server |
//! |---|---|
//! | `close=CODE` `&reason=TEXT` | closes right after open with that; `close=` sends a Close without a body |
//! | `push=N` | first sends text messages "0" … "N-1" |
//! | `abort` | some 50 ms after open, ends TCP with no Close frame |
//! | `status=N` | answers the handshake with that HTTP status |
//! | `noproto` | selects no subprotocol |
//! | `nodeflate` | declines compression |
//! | `ping=TEXT` | sends a Ping; when a Pong comes, sends the text `pong:` and its payload |
//! | `fragment=N` | sends each echo in N frames, split at any byte |
//! | `count=KEY` | does not echo; counts the messages under KEY |
//! | `counted=KEY` | sends that count as text on open |

mod contract;

use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{io, thread};

use contract::{Counts, Wishes, parse_args, pieces};
use sockeye::blocking::{Error, WebSocket, accept_with};
use sockeye::handshake::Rejection;
use sockeye::{Config, Message};

/// Threads at once; whoever comes then is told to come again.
const MAX_CONNECTIONS: usize = 1000;

fn main() -> ExitCode {
    let result = parse_args("echo_server")
        .and_then(|(addr, config)| run(&addr, &config).map_err(|e| format!("{addr}: {e}")));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("echo_server: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(addr: &str, config: &Arc<Config>) -> io::Result<()> {
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

fn serve(stream: TcpStream, config: &Arc<Config>, counts: &Counts) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let mut wishes = Wishes::none();
    let accepted = accept_with(stream, config.clone(), |request| wishes.answer(request))?;
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
    if let Some((code, reason)) = wishes.close() {
        ws.command(|ws, out| ws.close(code, reason, out))?;
    }
    echo(&mut ws, &wishes, counts)
}

/// Answers until the connection is closed.
fn echo(ws: &mut WebSocket<TcpStream>, wishes: &Wishes, counts: &Counts) -> Result<(), Error> {
    let fragments = wishes.fragments();
    while ws.ready()? {
        while let Some(incoming) = ws.next_incoming() {
            let Some(reply) = wishes.reply(incoming, counts) else { continue };
            if !ws.is_open() {
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

/// Sends a message in so many frames.
fn send_fragmented(
    ws: &mut WebSocket<TcpStream>,
    message: &Message<'_>,
    fragments: usize,
) -> Result<(), Error> {
    for (piece, fin) in pieces(message.as_bytes(), fragments) {
        ws.command(|ws, out| match message {
            Message::Text(_) => ws.send_text_fragment(piece, fin, out),
            Message::Binary(_) => ws.send_binary_fragment(piece, fin, out),
        })?;
    }
    Ok(())
}
