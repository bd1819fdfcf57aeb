//! The asynchronous adapter without tokio's runtime: an echo server and its
//! client on smol. Streams of `futures-io` get tokio's traits by tokio-util's
//! `compat`, and the time comes from a `Timer` of ours.
//!
//!     cargo run --features tokio --example smol_echo -- hello
//!
//! async-std and others differ in the names of the stream and the timer alone.

use std::env;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use smol::net::{TcpListener, TcpStream};
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

fn main() -> Result<(), Error> {
    let text = env::args().nth(1).unwrap_or_else(|| "hello".into());
    smol::block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let server = smol::spawn(async move { serve(listener.accept().await?.0).await });
        let echo = ask(port, &text).await?;
        server.await?;
        println!("{echo}");
        Ok(())
    })
}

async fn serve(stream: TcpStream) -> Result<(), Error> {
    let config = Arc::new(Config::default());
    let accepted = accept_on(&SmolTimer, stream.compat(), config, |_| Accept::new().into());
    let Some(mut ws) = accepted.await? else { return Ok(()) };
    while let Some(message) = ws.read().await? {
        ws.send(message).await?;
    }
    Ok(())
}

async fn ask(port: u16, text: &str) -> Result<String, Error> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let endpoint = Endpoint::new("127.0.0.1", port, "/");
    let mut ws = handshake_on(&SmolTimer, endpoint, stream.compat()).await?;
    ws.send(text).await?;
    let echo = ws.read().await?;
    ws.close(CloseCode::NORMAL_CLOSURE, "").await?;
    Ok(echo.as_ref().and_then(|m| m.as_text()).unwrap_or_default().into())
}
