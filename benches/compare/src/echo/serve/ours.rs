//! sockeye: on tokio, and in the loop of `examples/embed_mio.rs`.

use std::io;

use sockeye::tokio::accept;

use super::{Server, Start, Writes, on_tokio};
use crate::engines::{OURS, OURS_MIO};

pub(super) fn servers() -> Vec<Server> {
    let mio = Server {
        name: "sockeye-mio",
        engine: OURS_MIO,
        setting: "",
        writes: Writes::Collected,
        start: Start::Program("embed_mio"),
    };
    vec![
        mio,
        Server::new("sockeye", OURS, "tokio", Writes::Each, read_and_send),
        Server::new("sockeye+b", OURS, "tokio", Writes::Collected, all_that_is_ready),
    ]
}

fn read_and_send() -> io::Result<()> {
    on_tokio(|stream| async move {
        let mut ws = accept(stream).await.ok()?;
        while let Some(message) = ws.read().await.ok()? {
            ws.send(message).await.ok()?;
        }
        None
    })
}

/// As `examples/tokio_echo_server.rs`: one write for what was read at once.
fn all_that_is_ready() -> io::Result<()> {
    on_tokio(|stream| async move {
        let mut ws = accept(stream).await.ok()?;
        while ws.ready().await.ok()? {
            while let Some(incoming) = ws.next_incoming() {
                let sockeye::Incoming::Message(message) = incoming else { continue };
                let message = message.into_owned();
                if message.as_bytes().len() < 4096 {
                    ws.room().await.ok()?;
                    ws.queue(&message).ok()?;
                } else {
                    ws.send(&message).await.ok()?;
                }
                ws.recycle(message);
            }
        }
        None
    })
}
