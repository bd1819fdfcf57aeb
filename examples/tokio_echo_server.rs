//! An echo server on tokio: a task per connection.
//!
//!     cargo run --release --features deflate,tokio --example tokio_echo_server -- \
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
//!
//! Ctrl-C ends it in good order: every client is told 1001.

mod contract;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use contract::{Counts, Wishes, parse_args, pieces};
use sockeye::handshake::Rejection;
use sockeye::tokio::{Entry, Error, Shutdown, WebSocket, accept_with};
use sockeye::{Config, Message};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

/// Connections at once; whoever comes then is told to come again.
const MAX_CONNECTIONS: usize = 10_000;

/// The time that clients have to answer the Close when the server ends.
const DRAIN: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> ExitCode {
    let result = match parse_args("tokio_echo_server") {
        Ok((addr, config)) => run(&addr, config).await.map_err(|e| format!("{addr}: {e}")),
        Err(message) => Err(message),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("tokio_echo_server: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn run(addr: &str, config: Arc<Config>) -> io::Result<()> {
    let counts = Arc::new(Counts::default());
    let shutdown = Shutdown::new();
    let listener = TcpListener::bind(addr).await?;
    println!("listening on ws://{}", listener.local_addr()?);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            signal = tokio::signal::ctrl_c() => {
                signal?;
                let dropped = shutdown.shut_down(DRAIN).await;
                eprintln!("going away; {dropped} clients did not answer");
                return Ok(());
            }
        };
        match accepted {
            Ok((stream, _)) if shutdown.connections() < MAX_CONNECTIONS => {
                let (config, counts, entry) = (config.clone(), counts.clone(), shutdown.enter());
                tokio::spawn(async move {
                    if let Err(error) = serve(stream, config, &counts, entry).await {
                        eprintln!("connection: {error}");
                    }
                });
            }
            Ok((stream, _)) => turn_away(stream).await,
            Err(error) => {
                // Out of descriptors, or a client that left before its turn:
                // others will leave too, so wait a little and go on.
                eprintln!("accept: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn turn_away(mut stream: TcpStream) {
    let mut reply = Vec::new();
    if Rejection::new(503).header("Retry-After", "1").write(&mut reply).is_ok() {
        // Small enough for any socket's buffer: it does not wait.
        let _ = stream.write_all(&reply).await;
        let _ = stream.shutdown().await;
    }
}

async fn serve(
    stream: TcpStream,
    config: Arc<Config>,
    counts: &Counts,
    entry: Entry,
) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let mut wishes = Wishes::none();
    let accepted = accept_with(stream, config, |request| wishes.answer(request)).await?;
    let Some(ws) = accepted else { return Ok(()) };
    let mut ws = entry.watch(ws);

    if let Some(key) = wishes.text("counted") {
        ws.send(counts.get(key).to_string()).await?;
    }
    for n in 0..wishes.number("push").unwrap_or(0_u64) {
        ws.send(n.to_string()).await?;
    }
    if let Some(payload) = wishes.text("ping") {
        ws.ping(payload.as_bytes()).await?;
    }
    if wishes.has("abort") {
        tokio::time::sleep(Duration::from_millis(50)).await;
        return Ok(());
    }
    if let Some((code, reason)) = wishes.close() {
        ws.command(|ws, out| ws.close(code, reason, out)).await?;
    }
    echo(&mut ws, &wishes, counts).await
}

/// Answers until the connection is closed.
async fn echo(
    ws: &mut WebSocket<TcpStream>,
    wishes: &Wishes,
    counts: &Counts,
) -> Result<(), Error> {
    let fragments = wishes.fragments();
    while ws.ready().await? {
        while let Some(incoming) = ws.next_incoming() {
            let Some(reply) = wishes.reply(incoming, counts) else { continue };
            if !ws.is_open() {
                continue; // we have closed: nothing more may be sent
            }
            if fragments > 1 {
                send_fragmented(ws, &reply, fragments).await?;
            } else if reply.as_bytes().len() < 4096 {
                // Goes out with all other answers to what was read, at once.
                ws.room().await?;
                ws.queue(&reply)?;
            } else {
                ws.send(&reply).await?;
            }
            ws.recycle(reply);
        }
    }
    Ok(())
}

/// Sends a message in so many frames.
async fn send_fragmented(
    ws: &mut WebSocket<TcpStream>,
    message: &Message<'_>,
    fragments: usize,
) -> Result<(), Error> {
    for (piece, fin) in pieces(message.as_bytes(), fragments) {
        ws.command(|ws, out| match message {
            Message::Text(_) => ws.send_text_fragment(piece, fin, out),
            Message::Binary(_) => ws.send_binary_fragment(piece, fin, out),
        })
        .await?;
    }
    Ok(())
}
