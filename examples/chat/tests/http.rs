//! The pages, and what they are protected by.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::*;
use sockeye::net::Endpoint;
use sockeye::tokio::{self as ws, Error};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn the_page_and_its_files() {
    let host = Host::start(|_| {}).await;
    for (path, kind, part) in [
        ("/", "text/html; charset=utf-8", "<!doctype html>"),
        ("/room/tea-room_2", "text/html; charset=utf-8", "<!doctype html>"),
        ("/chat.css", "text/css; charset=utf-8", "{"),
        ("/chat.js", "text/javascript; charset=utf-8", "WebSocket"),
        ("/favicon.svg", "image/svg+xml", "<svg"),
    ] {
        let (status, head, body) = host.get(path).await;
        assert_eq!(status, 200, "{path}");
        assert!(head.contains(&format!("content-type: {kind}")), "{path}: {head}");
        assert!(body.contains(part), "{path}");
    }
    for path in ["/room/", "/room/Tea", "/room/a%20b", "/room/a/b", "/index.php", "/socket"] {
        assert_eq!(host.get(path).await.0, 404, "{path}");
    }
    let long = format!("/room/{}", "x".repeat(33));
    assert_eq!(host.get(&long).await.0, 404);
}

#[tokio::test]
async fn every_reply_is_protected() {
    let host = Host::start(|_| {}).await;
    for path in ["/", "/chat.js", "/nothing", "/socket/lobby"] {
        let (_, head, _) = host.get(path).await;
        for line in [
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; ",
            "connect-src 'self'",
            "frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "x-frame-options: deny",
            "referrer-policy: no-referrer",
        ] {
            assert!(head.contains(line), "{path}: {line}");
        }
    }
}

#[tokio::test]
async fn the_page_has_nothing_inline() {
    let host = Host::start(|_| {}).await;
    let (_, _, page) = host.get("/").await;
    for part in ["<style", " style=", "onclick=", "javascript:", "http://", "https://"] {
        assert!(!page.contains(part), "{part}");
    }
    assert_eq!(page.matches("<script").count(), page.matches("<script src=").count());
    let (_, _, script) = host.get("/chat.js").await;
    for part in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
        assert!(!script.contains(part), "{part}");
    }
}

#[tokio::test]
async fn a_socket_is_no_page() {
    let host = Host::start(|_| {}).await;
    assert_eq!(host.get("/socket/lobby").await.0, 426);
    assert_eq!(host.get("/socket/Lobby").await.0, 404);
    let request = format!(
        "POST /socket/lobby HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        host.addr
    );
    assert_eq!(host.ask(&request).await.0, 405);
}

#[tokio::test]
async fn pages_of_others_are_refused() {
    let own = Host::start(|_| {}).await;
    let named = Host::start(|settings| settings.origins = vec!["https://a.example".into()]).await;
    let port = own.addr.port();
    let own_origin = format!("http://127.0.0.1:{port}");
    for (host, origin, is_allowed) in [
        (&own, Some(own_origin.as_str()), true),
        (&own, Some(&*format!("https://127.0.0.1:{port}")), true),
        (&own, None, true),
        (&own, Some("https://a.example"), false),
        (&own, Some("null"), false),
        (&own, Some("http://127.0.0.1"), false),
        (&own, Some(&*format!("http://127.0.0.1:{port}.a.example")), false),
        (&named, Some("https://a.example"), true),
        (&named, Some("http://a.example"), false),
        (&named, Some("https://a.example:444"), false),
        (&named, Some(&*format!("http://127.0.0.1:{}", named.addr.port())), false),
        (&named, None, true),
    ] {
        let mut endpoint: Endpoint = host.endpoint("lobby");
        if let Some(origin) = origin {
            endpoint = endpoint.header("Origin", origin);
        }
        match (ws::connect(endpoint).await, is_allowed) {
            (Ok(_), true) => {}
            (Err(Error::Refused(refused)), false) => assert_eq!(refused.status(), 403),
            (result, _) => panic!("{origin:?}: {:?}", result.map(drop)),
        }
    }
}

#[tokio::test]
async fn who_sends_no_head_is_dropped() {
    let host = Host::start(|settings| settings.patience = Duration::from_millis(100)).await;
    for sent in ["", "GET / HTTP/1.1\r\nHost: x\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"] {
        let mut stream = TcpStream::connect(host.addr).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        let mut reply = Vec::new();
        // The last is answered, and its connection does not stay open for ever.
        within("the end", stream.read_to_end(&mut reply)).await.unwrap();
        assert_eq!(reply.starts_with(b"HTTP/1.1 200 "), sent.ends_with("\r\n\r\n"), "{sent:?}");
    }
}

#[tokio::test]
async fn an_open_page_does_not_hold_the_server_up() {
    let host = Host::start(|settings| settings.patience = Duration::from_secs(3600)).await;
    let _silent = TcpStream::connect(host.addr).await.unwrap();
    let (status, ..) = host.get("/").await;
    assert_eq!(status, 200, "so the other has been accepted");
    assert_eq!(host.end().await, 0);
}
