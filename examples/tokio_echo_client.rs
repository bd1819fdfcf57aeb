//! Sends a text, waits for its echo, and closes in good order, on tokio.
//!
//!     cargo run --release --features deflate,tokio --example tokio_echo_client -- ws://127.0.0.1:9001/ hello
//!
//! Exit status 0 only if the echo came back and the closing was clean. Ends
//! within 20 seconds, whatever the server does.

use std::env;
use std::process::{ExitCode, exit};
use std::sync::Arc;
use std::time::Duration;

use sockeye::net::Endpoint;
use sockeye::{CloseCode, Config, DeflateConfig, tokio as ws};

/// For the whole run; leaves time to say what went wrong.
const PATIENCE: Duration = Duration::from_secs(15);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let [url, text] = args.as_slice() else {
        eprintln!("usage: tokio_echo_client URL TEXT");
        return ExitCode::from(2);
    };
    match tokio::time::timeout(PATIENCE, run(url, text)).await {
        Ok(Ok(())) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Ok(Err(error)) => {
            eprintln!("tokio_echo_client: {error}");
            ExitCode::FAILURE
        }
        Err(_) => {
            eprintln!("tokio_echo_client: deadline exceeded, giving up");
            // A name that is still being looked up would be waited for.
            exit(1)
        }
    }
}

async fn run(url: &str, text: &str) -> Result<(), Box<dyn std::error::Error>> {
    let mut config = Config::default();
    config.handshake_timeout = Some(Duration::from_secs(5));
    config.deflate = Some(DeflateConfig::default());
    let mut ws = ws::connect(Endpoint::from_url(url)?.config(Arc::new(config))).await?;
    ws.send(text).await?;
    loop {
        match ws.read().await? {
            Some(message) if message.as_text() == Some(text) => break,
            Some(_) => {} // not ours to judge: a greeting, perhaps
            None => {
                let closed = ws.closed().map_or_else(|| "still open".into(), |c| c.to_string());
                return Err(format!("no echo: {closed}").into());
            }
        }
    }
    let closed = ws.close(CloseCode::NORMAL_CLOSURE, "").await?;
    if closed.is_clean() { Ok(()) } else { Err(closed.to_string().into()) }
}
