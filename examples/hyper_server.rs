//! A web server of hyper's, with a WebSocket at /echo.
//!
//!     cargo run --features http,tokio --example hyper_server -- [ADDR]

use std::convert::Infallible;
use std::env;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use sockeye::handshake::{Accept, upgrade};
use sockeye::tokio::{Error, WebSocket};
use sockeye::{Config, Connection};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let addr = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let listener = TcpListener::bind(addr).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let config = Arc::new(Config::default());
    loop {
        let (stream, _) = listener.accept().await?;
        let config = config.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, config.clone()));
            let served = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
                .await;
            if let Err(error) = served {
                eprintln!("connection: {error}");
            }
        });
    }
}

async fn answer(
    mut request: Request<Incoming>,
    config: Arc<Config>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() != "/echo" {
        return Ok(Response::new("The WebSocket is at /echo.\n".into()));
    }
    let upgrading = hyper::upgrade::on(&mut request);
    let (reply, connection) = upgrade(&request, config, |request| {
        Accept::new().subprotocol(request.subprotocols().next()).into()
    });
    if let Some(connection) = connection {
        tokio::spawn(async move {
            if let Err(error) = echo(upgrading, connection).await {
                eprintln!("websocket: {error}");
            }
        });
    }
    Ok(reply.map(Full::from))
}

/// Runs beside the service: hyper hands the stream over once the reply is out.
async fn echo(upgrading: OnUpgrade, connection: Connection) -> Result<(), Error> {
    let stream = upgrading.await.map_err(std::io::Error::other)?;
    let mut ws = WebSocket::from_parts(TokioIo::new(stream), connection, &[]);
    while let Some(message) = ws.read().await? {
        ws.send(message).await?;
    }
    Ok(())
}
