//! The browser's `WebSocket` object in a terminal: sends a greeting on open,
//! prints what comes back, and closes.
//!
//!     cargo run --features web --example web_client -- [URL] [TEXT]

use std::env;
use std::process::ExitCode;

use sockeye::blocking::web::WebSocket;
use sockeye::web::{EventKind, WebError};

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let url = args.next().unwrap_or_else(|| "ws://127.0.0.1:9001/".into());
    let text = args.next().unwrap_or_else(|| "hello".into());
    match talk(&url, text) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// True if it ended well.
fn talk(url: &str, text: String) -> Result<bool, WebError> {
    let mut ws = WebSocket::connect(url, ())?;
    ws.on_open(move |ws| {
        println!("open: {} {:?}", ws.url(), ws.extensions());
        // It is open.
        let _ = ws.send_text(&text);
    });
    ws.on_message(|ws, event| {
        println!("message from {}: {:?}", event.origin, event.data);
        // 1000 is a code that applications may use.
        let _ = ws.close(Some(1000), Some("done"));
    });
    ws.on_error(|ws| {
        if let Some(why) = ws.diagnostic() {
            eprintln!("error: {why}");
        }
    });
    // As many listeners as one likes.
    ws.add_listener(EventKind::Close, |ws, _| println!("state: {:?}", ws.ready_state()));
    let close = ws.run();
    println!("close: {} {:?} clean: {}", close.code, close.reason, close.was_clean);
    Ok(close.was_clean)
}
