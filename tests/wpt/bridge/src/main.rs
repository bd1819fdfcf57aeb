//! The WebSocket object for a script in another process.
//!
//! Requests come on stdin and are answered on stdout, in order, a JSON object a
//! line; that a task is queued is announced in a file (../README.md has the
//! protocol). Values are carried and converted here, nothing is decided: what a
//! call does, and what it fails with, is the object's.

mod requests;
mod sockets;

use std::fs::OpenOptions;
use std::future::poll_fn;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;
use std::task::Poll;
use std::thread;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::sockets::{Sockets, Trouble};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [roots, announcements] = arguments.as_slice() else {
        eprintln!("usage: sockeye-wpt-bridge ROOTS.pem ANNOUNCEMENTS");
        return ExitCode::from(2);
    };
    match serve(roots, announcements) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sockeye-wpt-bridge: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(roots: &str, announcements: &str) -> Result<(), Trouble> {
    let mut trusted = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(roots)? {
        trusted.add(root?)?;
    }
    let announcements = OpenOptions::new().write(true).open(announcements)?;
    let sockets = Sockets::new(trusted, announcements)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(answer(sockets, read_requests()))
}

/// A thread waits for the script, so that the sockets need not.
fn read_requests() -> mpsc::UnboundedReceiver<String> {
    let (sender, requests) = mpsc::unbounded_channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    requests
}

/// Until the script is gone.
///
/// The script and the sockets take turns, as in a browser, where both have one
/// thread: from its first request until it says that it is idle, nothing moves.
/// So what it reads twice is the same, unless it did something in between.
async fn answer(
    mut sockets: Sockets,
    mut requests: mpsc::UnboundedReceiver<String>,
) -> Result<(), Trouble> {
    let mut is_idle = false;
    loop {
        let next = poll_fn(|cx| {
            if let Poll::Ready(request) = requests.poll_recv(cx) {
                return Poll::Ready(Ok(request));
            }
            match is_idle.then(|| sockets.poll_tasks(cx)) {
                Some(Err(error)) => Poll::Ready(Err(error)),
                _ => Poll::Pending,
            }
        });
        let Some(line) = next.await? else { return Ok(()) };
        let request: Value = serde_json::from_str(&line)?;
        is_idle = request["call"] == "idle";
        if !is_idle {
            let answer = requests::answer(&mut sockets, &request)?;
            let mut stdout = io::stdout().lock();
            writeln!(stdout, "{answer}")?;
            stdout.flush()?;
        }
    }
}
