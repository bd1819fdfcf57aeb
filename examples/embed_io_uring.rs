//! The engine on io_uring: an echo server with one thread for all connections,
//! which asks the kernel once for all that is to be done. Linux 6.1 or newer.
//!
//!     cargo run --release --example embed_io_uring -- [ADDR [PING_AFTER_SECONDS]]
//!
//! 1. One operation accepts whoever comes, and one for each client receives
//!    whatever comes, for as long as they are not stopped (multishot).
//! 2. The buffers that are received into belong to the thread (a provided buffer
//!    ring): an idle client owns none. The engine reads where the kernel has
//!    written, and the buffer goes back at once.
//! 3. When all that is complete is looked at, the answers to each client are one
//!    operation. Where a socket takes a part of it, the rest is sent again.
//! 4. With too much to be sent to a client it is not received from:
//!    back-pressure. Who takes nothing for long is let go.
//! 5. The engine says when it wants to be called if nothing happens. A heap holds
//!    the next of these times, and the wait ends then.
//! 6. Ctrl-C or SIGTERM: every client is told 1001, and has some time to answer.
//!
//! The loop is `embed/uring/mod.rs`, and what needs unsafe code is behind
//! `embed/uring/ring.rs`; what has nothing to do with io_uring is in `embed/`.
//! Where the kernel refuses, as in many containers, it says so. Exit status 2.

#[cfg(target_os = "linux")]
mod embed;
#[cfg(target_os = "linux")]
#[path = "embed/uring/mod.rs"]
mod uring;

use std::process::ExitCode;

/// Here is no io_uring.
const REFUSED: u8 = 2;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    let mut is_refused = false;
    let status = embed::main("embed_io_uring", |addr, config| {
        let listener = std::net::TcpListener::bind(addr)?;
        let ring = uring::Ring::new().map_err(|error| {
            is_refused = true;
            std::io::Error::other(format!("the kernel refuses: {} ({error})", uring::why(&error)))
        })?;
        let addr = listener.local_addr()?;
        let server = uring::Loop::new(ring, listener, config)?;
        println!("listening on ws://{addr}");
        server.run()
    });
    if is_refused { ExitCode::from(REFUSED) } else { status }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("embed_io_uring: io_uring is a part of Linux, and this is another system");
    ExitCode::from(REFUSED)
}
