//! The tokio adapter without tokio's runtime: on smol. Streams of `futures-io`
//! get tokio's traits by tokio-util's `compat`, and the time comes from a
//! [`Timer`] of ours. (Other runtimes differ in the names of the stream and the
//! timer alone.)

#![cfg(feature = "tokio")]

mod common;
mod sockets;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use smol::net::{TcpListener, TcpStream};
use sockets::*;
use sockeye::handshake::Accept;
use sockeye::net::Endpoint;
use sockeye::tokio::{Error, Sleep, Timer, accept_on, handshake_on};
use sockeye::{CloseCode, Config};
use tokio_util::compat::FuturesAsyncReadCompatExt;

/// smol's clock.
#[derive(Debug)]
struct SmolTimer;

impl Timer for SmolTimer {
    fn now(&self) -> Duration {
        static EPOCH: OnceLock<Instant> = OnceLock::new();
        EPOCH.get_or_init(Instant::now).elapsed()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(async move {
            smol::Timer::after(duration).await;
        })
    }
}

/// A server that does this with its one client; and its port.
async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[test]
fn messages_come_back_without_a_runtime_of_tokios() {
    async fn serve(stream: TcpStream) -> Result<(), Error> {
        let config = Arc::new(Config::default());
        let accepted = accept_on(&SmolTimer, stream.compat(), config, |_| Accept::new().into());
        let mut ws = accepted.await?.expect("nobody was rejected");
        while let Some(message) = ws.read().await? {
            ws.send(message).await?;
        }
        Ok(())
    }
    bounded(|| {
        smol::block_on(async {
            let (listener, port) = listen().await;
            let server =
                smol::spawn(async move { serve(listener.accept().await.unwrap().0).await });
            let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let endpoint = Endpoint::new("127.0.0.1", port, "/");
            let mut ws = handshake_on(&SmolTimer, endpoint, stream.compat()).await.unwrap();
            for message in [0, 1, 126, 70_000, 3_000_000].into_iter().flat_map(messages_of) {
                ws.send(&message).await.unwrap();
                assert!(ws.read().await.unwrap().unwrap() == message);
            }
            assert!(ws.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap().is_clean());
            server.await.unwrap();
        });
    });
}

#[test]
fn deadlines_are_kept_by_a_timer_of_smols() {
    bounded(|| {
        smol::block_on(async {
            // It listens, and says nothing.
            let (_listener, port) = listen().await;
            let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let endpoint = Endpoint::new("127.0.0.1", port, "/")
                .config(config(|c| c.handshake_timeout = Some(SOON)));
            let start = Instant::now();
            let error = handshake_on(&SmolTimer, endpoint, stream.compat()).await.unwrap_err();
            assert!(start.elapsed() >= SOON, "{error}");
            assert!(error.to_string().contains("in time"), "{error}");
        });
    });
}
