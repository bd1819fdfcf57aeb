//! Pages, and the connections that they are asked for on.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::App;
use super::room::RoomName;
use super::socket::on_socket;

/// Bytes of the head of a request.
const MAX_HEAD: usize = 16 << 10;

/// How many times its patience a connection may last.
const LONGEST: u32 = 6;

/// What the page may do: load its own files and connect to where it came from
/// (to a browser a WebSocket of the same host is `'self'` too). No script or
/// style in the page itself, no frames around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const SECURITY: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// The files of the page, which are part of the program.
const INDEX: &str = include_str!("../../page/index.html");
const STYLE: &str = include_str!("../../page/chat.css");
const SCRIPT: &str = include_str!("../../page/chat.js");
const ICON: &str = include_str!("../../page/favicon.svg");

/// What is at which address.
pub(super) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(|| async { file("text/html; charset=utf-8", INDEX) }))
        .route("/room/{name}", get(on_room))
        .route("/chat.css", get(|| async { file("text/css; charset=utf-8", STYLE) }))
        .route("/chat.js", get(|| async { file("text/javascript; charset=utf-8", SCRIPT) }))
        .route("/favicon.svg", get(|| async { file("image/svg+xml", ICON) }))
        .route("/socket/{name}", any(on_socket))
        .fallback(|| async { (StatusCode::NOT_FOUND, "There is nothing here.\n") })
        .layer(map_response(secure))
        .with_state(app)
}

/// The same page for each room: it finds out from its address.
async fn on_room(Path(name): Path<String>) -> Response {
    match RoomName::new(&name) {
        Some(_) => file("text/html; charset=utf-8", INDEX),
        None => no_such_room().into_response(),
    }
}

pub(super) fn no_such_room() -> (StatusCode, &'static str) {
    let text = "No room can be called so: up to 32 of a to z, 0 to 9, - and _ are a name.\n";
    (StatusCode::NOT_FOUND, text)
}

/// A browser asks each time: the program may be another one tomorrow.
fn file(kind: &'static str, body: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], body).into_response()
}

async fn secure(mut response: Response) -> Response {
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        for (name, value) in SECURITY {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
    }
    response
}

/// Answers the requests that come over a connection, until it becomes a
/// WebSocket, or ends; or the server does. A head has to come within
/// `patience`, and so has the next one; all of it within six times that.
pub(super) async fn serve(stream: TcpStream, app: &App, router: Router, patience: Duration) {
    // Messages are written whole: there is nothing to wait for.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    // What goes wrong here is the client's affair: it went away, or sent what
    // is no HTTP and has been told.
    tokio::select! {
        _ = connection.as_mut() => return,
        () = app.shutdown.begun() => {}
        // Who asks and does not read the answer would keep his place for ever.
        () = sleep(patience * LONGEST) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(patience, connection).await;
}
