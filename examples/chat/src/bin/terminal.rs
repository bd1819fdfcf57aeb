//! The chat in a terminal, on the browser's `WebSocket` object.
//!
//!     cargo run --release --manifest-path examples/chat/Cargo.toml --bin terminal -- \
//!         [--name NAME] [URL]
//!
//! What is typed is said. `/name NAME` changes the name; `/quit`, or the end of
//! the input, leaves.

use std::collections::VecDeque;
use std::env;
use std::error::Error;
use std::io::BufRead;
use std::process::ExitCode;
use std::thread;

use sockeye::net::Backoff;
use sockeye::tokio::web::WebSocket;
use sockeye::web::{CloseEvent, Diagnostic, Event};
use sockeye_chat::client::Client;
use sockeye_chat::line::{line, utc_time};
use sockeye_chat::protocol::{FromClient, FromServer, SUBPROTOCOL};
use tokio::sync::mpsc;

const USAGE: &str = "terminal [--name NAME] [URL]";
const URL: &str = "ws://127.0.0.1:8080/socket/lobby";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let (mut name, mut url) = (env::var("USER").unwrap_or_else(|_| "guest".into()), URL.into());
    let mut args = env::args().skip(1);
    while let Some(arg) = args.next() {
        match (arg.as_str(), args.len()) {
            ("--name", 1..) => name = args.next().unwrap_or_default(),
            ("--help" | "--name", _) => {
                eprintln!("{USAGE}");
                return ExitCode::FAILURE;
            }
            _ => url = arg,
        }
    }
    match chat(&url, Client::new(name)).await {
        Ok(close) if close.was_clean => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Talks, and connects again when a connection is lost, until there is nobody
/// left who wants to.
async fn chat(url: &str, mut client: Client) -> Result<CloseEvent, Box<dyn Error>> {
    let mut typed = Typed::new();
    let mut backoff = Backoff::from_os()?;
    loop {
        let mut ws = WebSocket::connect(url, SUBPROTOCOL)?;
        let close = talk(&mut ws, &mut client, &mut typed).await;
        // Cut off, or the server goes away or is full: that may pass.
        let may_pass = match ws.diagnostic() {
            Some(Diagnostic::Refused(status)) => *status == 503,
            _ => matches!(close.code, 1001 | 1006 | 1012 | 1013),
        };
        if !may_pass || typed.wants_out {
            println!("closed: {} {}", close.code, close.reason);
            return Ok(close);
        }
        if client.is_known() {
            backoff.reset();
            client.forget();
        }
        let delay = backoff.next_delay();
        eprintln!("disconnected; trying again in {:.1} s", delay.as_secs_f32());
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = typed.until_out() => return Ok(close),
        }
    }
}

/// One connection, to its end.
async fn talk(ws: &mut WebSocket, client: &mut Client, typed: &mut Typed) -> CloseEvent {
    loop {
        // What was typed earlier has waited until there is somebody to hear it.
        while client.is_known() {
            let Some(line) = typed.held.pop_front() else { break };
            on_line(ws, client, &line);
        }
        if typed.wants_out && (client.is_known() || typed.held.is_empty()) {
            leave(ws);
        }
        tokio::select! {
            event = ws.next_event() => match event {
                Some(Event::Message(message)) => {
                    let text = message.data.as_text().unwrap_or_default();
                    on_message(ws, client, text);
                }
                Some(Event::Error) => {
                    if let Some(why) = ws.diagnostic() {
                        eprintln!("{why}");
                    }
                }
                Some(Event::Close(close)) => return close,
                Some(Event::Open) => {}
                None => return CloseEvent::default(),
            },
            () = typed.more(), if !typed.wants_out => {}
        }
    }
}

fn on_message(ws: &mut WebSocket, client: &mut Client, text: &str) {
    let Ok(message) = FromServer::from_json(text) else {
        eprintln!("this is no message of the chat: {text:?}");
        return;
    };
    if let Some(line) = line(&message, utc_time) {
        println!("{line}");
    }
    if let Some(answer) = client.receive(&message) {
        send(ws, &answer);
    }
}

fn on_line(ws: &mut WebSocket, client: &mut Client, line: &str) {
    let message = match line.trim() {
        "" => return,
        line => match line.strip_prefix("/name ") {
            Some(name) => client.rename(name),
            None => client.say(line),
        },
    };
    match message {
        Some(message) => send(ws, &message),
        None => eprintln!("not connected; nobody hears that"),
    }
}

fn send(ws: &mut WebSocket, message: &FromClient) {
    if let Err(error) = ws.try_send(message.to_json()) {
        eprintln!("not sent: {error}");
    }
}

fn leave(ws: &mut WebSocket) {
    // A code that applications may use.
    let _ = ws.close(Some(1000), Some("goodbye"));
}

/// Lines from the terminal, read by a thread of their own: nothing else can wait
/// for them, and it ends with the program.
struct Typed {
    lines: mpsc::Receiver<String>,
    /// Not said yet.
    held: VecDeque<String>,
    /// `/quit`, or the end of the input.
    wants_out: bool,
}

impl Typed {
    fn new() -> Self {
        let (tx, lines) = mpsc::channel(16);
        thread::spawn(move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                if tx.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        Self { lines, held: VecDeque::new(), wants_out: false }
    }

    /// Waits for a line. Cancel safe.
    async fn more(&mut self) {
        match self.lines.recv().await {
            Some(line) if line.trim() != "/quit" => self.held.push_back(line),
            _ => self.wants_out = true,
        }
    }

    /// Waits until nobody is left who wants to talk. Cancel safe.
    async fn until_out(&mut self) {
        while !self.wants_out {
            self.more().await;
        }
    }
}
