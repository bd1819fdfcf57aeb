//! The chat server.
//!
//!     cargo run --release --manifest-path examples/chat/Cargo.toml
//!
//! Prints the address to open in a browser; `--help` tells the options. Ctrl-C
//! ends it in good order: everybody is told 1001.

mod options;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;

use options::{Options, USAGE};
use sockeye_chat::server::{Server, Settings, Unable};

#[tokio::main]
async fn main() -> ExitCode {
    let result = match options::parse(std::env::args().skip(1)) {
        Ok(Options::Help) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Ok(Options::Run(settings)) => run(*settings).await,
        Err(message) => Err(format!("{message}\n`--help` tells the options")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("chat: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn run(settings: Settings) -> Result<(), String> {
    let listen = settings.listen.clone();
    // From here on signals are ours, so that none is missed.
    let end = signals().map_err(|error| format!("signals: {error}"))?;
    let server = Server::bind(settings).await.map_err(|unable| match unable {
        Unable::Listen(error) => cannot_listen(&listen, &error),
        Unable::Share(error) => error,
    })?;
    let addr = server.local_addr().map_err(|error| error.to_string())?;
    println!("The chat is open: http://{}/", to_open(addr));
    println!("Ctrl-C ends it.");
    match server.run(end).await {
        0 => println!("Closed."),
        dropped => println!("Closed; {dropped} connections did not answer in time."),
    }
    Ok(())
}

fn cannot_listen(listen: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "{listen} is in use by another program. Choose another address: \
             `--listen 127.0.0.1:8081`, or `--listen 127.0.0.1:0` for any port that is free"
        ),
        _ => format!("{listen}: {error}"),
    }
}

/// The address to open in a browser on this machine.
fn to_open(addr: SocketAddr) -> SocketAddr {
    let mut to_open = addr;
    match addr {
        SocketAddr::V4(addr) if addr.ip().is_unspecified() => {
            to_open.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        SocketAddr::V6(addr) if addr.ip().is_unspecified() => {
            to_open.set_ip(Ipv6Addr::LOCALHOST.into());
        }
        _ => {}
    }
    to_open
}

/// Waits for Ctrl-C, or for whoever else asks the process to end.
#[cfg(unix)]
fn signals() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
fn signals() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without signals there is no end but the hard one.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    })
}
