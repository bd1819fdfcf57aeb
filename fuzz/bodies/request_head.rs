//! The server's side of the opening handshake (RFC 6455, section 4.2).
//!
//! Input: what a client sends, from its first byte on.

use std::sync::{Arc, LazyLock};

use super::cut::Cut;
use super::http::{Parsed, check_headers, is_part_of, is_token};
use sockeye::handshake::{
    Accept, BuildError, Rejection, Request, RequestError, Server, accept_key,
};
use sockeye::{Config, FixedOutput};

pub fn request_head(data: &[u8]) {
    let whole = receive(data, Cut::Whole);
    for cut in [Cut::ByteByByte, Cut::ByData] {
        let part = receive(data, cut);
        match (&whole, &part) {
            // A request cannot be compared; all that it is can be printed.
            (Ok(Some(a)), Ok(Some(b))) => assert_eq!(format!("{a:?}"), format!("{b:?}"), "{cut:?}"),
            (Ok(None), Ok(None)) => {}
            (Err(a), Err(b)) => assert_eq!(a, b, "{cut:?}"),
            _ => panic!("{whole:?}, but {cut:?} {part:?}"),
        }
    }
    match whole {
        Ok(Some(request)) => {
            check_request(&request, data);
            check_acceptance(&request);
            check_rejection(&request);
        }
        Ok(None) => assert!(data.len() <= CONFIG.max_head_len),
        Err(error) => check_answer(error),
    }
}

/// Limits that short inputs can pass.
static CONFIG: LazyLock<Arc<Config>> = LazyLock::new(|| {
    let mut config = Config::default();
    config.max_head_len = 1024;
    config.max_headers = 20;
    config.max_target_len = 64;
    Arc::new(config)
});

fn receive(data: &[u8], cut: Cut) -> Result<Option<Request<'_>>, RequestError> {
    let mut server = Server::new(CONFIG.clone());
    for end in cut.ends(data) {
        if let Some(request) = server.receive(&data[..end])? {
            return Ok(Some(request));
        }
    }
    Ok(None)
}

/// A request says only what was sent, within the limits.
fn check_request(request: &Request<'_>, data: &[u8]) {
    let head = &data[..request.head_len()];
    assert!(head.len() <= CONFIG.max_head_len);
    assert!(head.ends_with(b"\r\n\r\n"));
    assert!(!head[2..head.len() - 1].windows(4).any(|w| w == b"\r\n\r\n"), "one blank line");
    assert!(request.headers().iter().count() <= CONFIG.max_headers);
    check_headers(request.headers(), head);

    let texts = [request.query(), Some(request.host()), request.origin()];
    for text in texts.into_iter().flatten().chain(request.subprotocols()) {
        assert!(is_part_of(text.as_bytes(), head), "{text:?}");
        assert!(text.bytes().all(|b| b.is_ascii_graphic()), "{text:?}");
    }
    let path = request.path();
    // A URL without a path stands for the one of the root.
    assert!(path == "/" || is_part_of(path.as_bytes(), head), "{path:?}");
    assert!(path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic()), "{path:?}");
    assert!(path.len() + request.query().map_or(0, str::len) <= CONFIG.max_target_len);
    assert!(request.subprotocols().all(is_token));
}

/// The reply of section 4.2.2, and a connection to go with it.
fn check_acceptance(request: &Request<'_>) {
    let chosen = request.subprotocols().last();
    let accept = Accept::new().subprotocol(chosen).header("Set-Cookie", "a=b");
    let mut out = Vec::new();
    let ws = request.accept(&accept, &mut out).expect("it was offered");
    assert!(ws.is_open() && ws.is_server());
    assert_eq!(ws.subprotocol(), chosen);

    let reply = Parsed::new(&out);
    let key = request.headers().first("Sec-WebSocket-Key").expect("a request has one");
    assert_eq!(reply.status, 101);
    assert_eq!(reply.only("Sec-WebSocket-Accept"), accept_key(key));
    assert_eq!(reply.only("Upgrade"), b"websocket");
    assert_eq!(reply.only("Connection"), b"Upgrade");
    assert_eq!(reply.headers.len(), 4 + usize::from(chosen.is_some()));
    assert!(reply.body.is_empty(), "frames come next");

    // Whole or not at all.
    let mut memory = vec![0; out.len() - 1];
    let mut small = FixedOutput::new(&mut memory);
    match request.accept(&accept, &mut small) {
        Err(BuildError::OutputFull { needed, .. }) => assert_eq!(needed, out.len()),
        other => panic!("{other:?}"),
    }
    assert!(small.filled().is_empty());
}

/// Whatever of the request a refusal repeats, it stays the reply it was: one
/// header more, or an error.
fn check_rejection(request: &Request<'_>) {
    let (path, query) = (request.path(), request.query().unwrap_or_default());
    let mut out = Vec::new();
    let rejection = Rejection::new(404).header(query, path).body(path);
    match request.reject(&rejection, &mut out) {
        Ok(()) => {
            let reply = Parsed::new(&out);
            assert_eq!(reply.status, 404);
            assert_eq!(reply.only("Connection"), b"close");
            assert_eq!(reply.only("Content-Length"), path.len().to_string().as_bytes());
            assert!(!reply.only("Content-Type").is_empty());
            assert_eq!(reply.body, path.as_bytes());
            let own = usize::from(!query.eq_ignore_ascii_case("Content-Type"));
            assert_eq!(reply.headers.len(), 3 + own);
        }
        Err(BuildError::InvalidHeaderName) => assert!(!is_token(query), "{query:?}"),
        Err(BuildError::ReservedHeader) => assert!(is_token(query), "{query:?}"),
        Err(error) => panic!("{error:?}"),
    }
}

/// The HTTP answer to a fault: well-formed, final, and with the headers that
/// belong to its status (RFC 9110, section 15).
fn check_answer(error: RequestError) {
    let mut out = Vec::new();
    error.write_response(&mut out).expect("there is room");
    let reply = Parsed::new(&out);
    assert_eq!(reply.status, error.status());
    assert!((400..=505).contains(&reply.status), "{error:?}");
    assert!(reply.only("Connection").ends_with(b"close"));
    assert_eq!(reply.only("Content-Length"), reply.body.len().to_string().as_bytes());
    match reply.status {
        405 => assert_eq!(reply.only("Allow"), b"GET"),
        426 => {
            assert_eq!(reply.only("Upgrade"), b"websocket");
            assert_eq!(reply.only("Sec-WebSocket-Version"), b"13");
        }
        _ => {}
    }
}
