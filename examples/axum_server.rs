//! A web server of axum's, with a WebSocket at /echo.
//!
//!     cargo run --features http,tokio --example axum_server -- [ADDR]

use std::env;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{any, get};
use hyper::upgrade::OnUpgrade;
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
    let app = Router::new()
        .route("/", get(|| async { "The WebSocket is at /echo.\n" }))
        .route("/echo", any(on_echo))
        .with_state(Arc::new(Config::default()));
    axum::serve(listener, app).await
}

async fn on_echo(State(config): State<Arc<Config>>, mut request: Request) -> Response {
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
    reply.map(Body::from)
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
