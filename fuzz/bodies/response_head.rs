//! The client's side of the opening handshake (RFC 6455, section 4.1).
//!
//! Input: what a server sends, from its first byte on. Every
//! `s3pPLMBiTxaQ9kYGzzhZRbK+xOo=`, the RFC's own example of an accept value, is
//! first replaced by the one that this client expects: nobody can guess it.

use std::sync::{Arc, LazyLock};

use super::cut::Cut;
use super::http::{check_headers, is_part_of};
use sockeye::handshake::{Client, ClientRequest, Reply, Response, ResponseError, accept_key};
use sockeye::{Config, Seed};

pub fn response_head(data: &[u8]) {
    let data = &with_our_accept(data);
    let whole = summarize(data, Cut::Whole);
    for cut in [Cut::ByteByByte, Cut::ByData] {
        assert_eq!(summarize(data, cut), whole, "{cut:?}");
    }
}

const EXAMPLE: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const OFFERED: [&str; 2] = ["chat", "superchat"];

/// Limits that short inputs can pass.
static CONFIG: LazyLock<Arc<Config>> = LazyLock::new(|| {
    let mut config = Config::default();
    config.max_head_len = 1024;
    config.max_headers = 20;
    config.max_refusal_len = 48;
    Arc::new(config)
});

/// The accept value that answers the one key of [`client`].
static ACCEPT: LazyLock<[u8; 28]> = LazyLock::new(|| {
    let mut out = Vec::new();
    client().write_request(&mut out).expect("there is room");
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut request = httparse::Request::new(&mut headers);
    assert!(request.parse(&out).is_ok_and(|status| status.is_complete()));
    let key = request.headers.iter().find(|h| h.name == "Sec-WebSocket-Key");
    accept_key(key.expect("a request has a key").value)
});

fn client() -> Client {
    let request = ClientRequest::new(false, "example.com", 80, "/")
        .subprotocol(OFFERED[0])
        .subprotocol(OFFERED[1]);
    Client::new(request, Seed::from_bytes([7; 32]), CONFIG.clone())
        .expect("the request is in order")
}

fn with_our_accept(data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    let mut at = 0;
    while let Some(window) = data.get_mut(at..at + EXAMPLE.len()) {
        if window == EXAMPLE {
            window.copy_from_slice(&*ACCEPT);
        }
        at += 1;
    }
    data
}

/// All that a reply says, in a form that can be compared, and whether it took
/// the end of the stream to know.
fn summarize(data: &[u8], cut: Cut) -> (bool, Result<String, ResponseError>) {
    let mut client = client();
    for end in cut.ends(data) {
        match client.receive(&data[..end]) {
            Ok(None) => {}
            Ok(Some(reply)) => return (false, Ok(check_reply(reply, data))),
            Err(error) => return (false, Err(error)),
        }
    }
    (true, client.receive_eof(data).map(|reply| check_reply(reply, data)))
}

/// A reply says only what was sent, within the limits.
fn check_reply(reply: Reply<'_>, data: &[u8]) -> String {
    let said = format!("{reply:?}");
    match reply {
        Reply::Accepted(response) => check_response(response, data),
        Reply::Refused(refusal) => {
            assert!((200..=999).contains(&refusal.status()));
            assert!(refusal.body().len() <= CONFIG.max_refusal_len.min(data.len()));
            assert!(refusal.headers().iter().count() <= CONFIG.max_headers);
            check_headers(refusal.headers(), data);
        }
    }
    said
}

fn check_response(response: Response<'_>, data: &[u8]) {
    let len = response.head_len();
    assert!(data[..len].ends_with(b"\r\n\r\n"));
    let headers = response.headers();
    assert!(headers.iter().count() <= CONFIG.max_headers);
    check_headers(headers, &data[..len]);
    assert!(headers.all("Sec-WebSocket-Accept").eq([ACCEPT.as_slice()]), "the proof, once");
    let chosen = response.subprotocol();
    if let Some(name) = chosen {
        assert!(OFFERED.contains(&name) && is_part_of(name.as_bytes(), data), "{name:?}");
    }
    let ws = response.open();
    assert!(ws.is_open() && !ws.is_server());
    assert_eq!(ws.subprotocol(), chosen);
}
