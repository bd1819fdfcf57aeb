//! Sends a text, waits for its echo, and closes in good order.
//!
//!     cargo run --release --features deflate --example echo_client -- ws://127.0.0.1:9001/ hello
//!
//! Exit status 0 only if the echo came back and the closing was clean. Ends
//! within 20 seconds, whatever the server does.

use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use std::{env, thread};

use sockeye::net::Endpoint;
use sockeye::{CloseCode, Config, DeflateConfig, blocking};

/// For the whole run; leaves time to say what went wrong.
const PATIENCE: Duration = Duration::from_secs(15);

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let [url, text] = args.as_slice() else {
        eprintln!("usage: echo_client URL TEXT");
        return ExitCode::from(2);
    };
    // Looking up a name can take longer than anybody's deadline, so the work
    // is done elsewhere and waited for here.
    let (done, outcome) = mpsc::channel();
    let (url, text) = (url.clone(), text.clone());
    thread::spawn(move || done.send(run(&url, &text).map_err(|e| e.to_string())));
    match outcome.recv_timeout(PATIENCE + Duration::from_secs(3)) {
        Ok(Ok(echo)) => {
            println!("{echo}");
            ExitCode::SUCCESS
        }
        Ok(Err(message)) => {
            eprintln!("echo_client: {message}");
            ExitCode::FAILURE
        }
        Err(_) => {
            eprintln!("echo_client: no end in sight, giving up");
            ExitCode::FAILURE
        }
    }
}

fn run(url: &str, text: &str) -> Result<String, Box<dyn std::error::Error>> {
    let deadline = Instant::now() + PATIENCE;
    let mut config = Config::default();
    config.handshake_timeout = Some(Duration::from_secs(5));
    config.deflate = Some(DeflateConfig::default());
    let mut ws = blocking::connect(Endpoint::from_url(url)?.config(Arc::new(config)))?;
    ws.set_deadline(Some(deadline));
    ws.send(text)?;
    let echo = loop {
        match ws.read()? {
            Some(message) if message.as_text() == Some(text) => break text.to_owned(),
            Some(_) => {} // not ours to judge: a greeting, perhaps
            None => return Err(format!("no echo: {}", outcome(&ws.closed())).into()),
        }
    };
    let closed = ws.close(CloseCode::NORMAL_CLOSURE, "")?;
    if !closed.is_clean() {
        return Err(closed.to_string().into());
    }
    Ok(echo)
}

fn outcome(closed: &Option<sockeye::Closed>) -> String {
    closed.as_ref().map_or_else(|| "still open".into(), ToString::to_string)
}
