//! Handshakes from and to the types of the `http` crate, for requests that an
//! HTTP library has read.
//!
//! They are written out as the heads they were, and take the same way as any
//! other: every rule is checked in one place.

use alloc::sync::Arc;
use alloc::vec::Vec;

use http::header::{CONNECTION, CONTENT_LENGTH, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

use super::build::BuildError;
use super::head::{self, Headers};
use super::reject::Rejection;
use super::request::{Answer, Request};
use super::response::Response;
use super::server::Server;
use crate::config::Config;
use crate::connection::Connection;

/// Answers a request that an HTTP library has read, and lets `answer` decide
/// about those that may be accepted. Gives the reply to send, and the connection
/// that is open behind it; none if the reply refuses, because `answer` rejects
/// or the request is malformed (or no handshake at all: 426).
///
/// # Example: hyper
///
/// axum is the same, with its own names for body and handler; there are
/// examples for both, `hyper_server` and `axum_server`.
///
/// ```ignore
/// let upgrading = hyper::upgrade::on(&mut request);
/// let (reply, connection) = upgrade(&request, config, |_| Accept::new().into());
/// if let Some(connection) = connection {
///     tokio::spawn(async move {
///         let stream = TokioIo::new(upgrading.await?);
///         let mut ws = WebSocket::from_parts(stream, connection, &[]);
///         while let Some(message) = ws.read().await? { ... }
///     });
/// }
/// Ok(reply.map(Full::from))
/// ```
pub fn upgrade<B>(
    request: &http::Request<B>,
    config: Arc<Config>,
    answer: impl for<'r> FnOnce(&Request<'r>) -> Answer<'r>,
) -> (http::Response<Vec<u8>>, Option<Connection>) {
    let received = head_of(request);
    let mut out = Vec::new();
    let opened = match Server::new(config).receive(&received) {
        Ok(Some(request)) => match answer(&request) {
            Answer::Accept(accept) => request.accept(&accept, &mut out).map(Some),
            Answer::Reject(rejection) => request.reject(&rejection, &mut out).map(|()| None),
        },
        Ok(None) => Ok(None), // a head has an end
        Err(error) => error.write_response(&mut out).map(|()| None),
    };
    let connection = opened.unwrap_or_else(|_: BuildError| {
        // A `Vec` has room for any answer.
        let _ = Rejection::new(500).write(&mut out);
        None
    });
    let mut reply = reply_of(&out);
    if connection.is_none() {
        // How long the body is, and whether the connection goes on, is for the
        // library to say. But 426 is told with an Upgrade.
        let headers = reply.headers_mut();
        headers.remove(CONTENT_LENGTH);
        headers.remove(CONNECTION);
        if headers.contains_key(UPGRADE) {
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        }
    }
    (reply, connection)
}

/// The head as it was on the wire, or might have been.
fn head_of<B>(request: &http::Request<B>) -> Vec<u8> {
    let version: &[u8] = match request.version() {
        Version::HTTP_09 => b"HTTP/0.9",
        Version::HTTP_10 => b"HTTP/1.0",
        Version::HTTP_11 => b"HTTP/1.1",
        Version::HTTP_2 => b"HTTP/2.0",
        _ => b"HTTP/3.0",
    };
    let target = alloc::format!("{}", request.uri());
    let mut head =
        [request.method().as_str().as_bytes(), b" ", target.as_bytes(), b" ", version, b"\r\n"]
            .concat();
    for (name, value) in request.headers() {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// A reply of our own as a value.
fn reply_of(bytes: &[u8]) -> http::Response<Vec<u8>> {
    const END: &[u8] = b"\r\n\r\n";
    let end = bytes.windows(END.len()).position(|w| w == END).map_or(bytes.len(), |at| at + 4);
    let (head, body) = bytes.split_at(end);
    let mut reply = http::Response::new(body.to_vec());
    if let Ok((line, headers)) = head::parse(head) {
        let status = line.get(9..12).and_then(|code| http::StatusCode::from_bytes(code).ok());
        *reply.status_mut() = status.unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
        *reply.headers_mut() = headers.to_http();
    }
    reply
}

impl Headers<'_> {
    /// The same as a map. Lines that the `http` crate cannot hold are left out.
    pub fn to_http(&self) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in self.iter() {
            append_to_http(&mut map, name, value);
        }
        map
    }
}

/// Adds a line to `map`, if the `http` crate can hold it.
pub(crate) fn append_to_http(map: &mut HeaderMap, name: &str, value: &[u8]) {
    let name = HeaderName::from_bytes(name.as_bytes());
    if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
        map.append(name, value);
    }
}

impl Request<'_> {
    /// The same as a request of the `http` crate: `None` if that takes the
    /// target for none.
    pub fn to_http(&self) -> Option<http::Request<()>> {
        let target = match self.query() {
            Some(query) => alloc::format!("{}?{query}", self.path()),
            None => self.path().into(),
        };
        let mut request = http::Request::new(());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = target.parse().ok()?;
        *request.headers_mut() = self.headers().to_http();
        Some(request)
    }
}

impl Response<'_> {
    /// The same as a response of the `http` crate.
    pub fn to_http(&self) -> http::Response<()> {
        let mut response = http::Response::new(());
        *response.status_mut() = http::StatusCode::SWITCHING_PROTOCOLS;
        *response.headers_mut() = self.headers().to_http();
        response
    }
}
