//! The opening handshake: a server's from request to reply, a client's from its
//! seed to the connection.

#![allow(missing_docs)] // of the functions that criterion makes

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sockeye::handshake::{Accept, Client, ClientRequest, Reply, Server, accept_key};
use sockeye::{Config, Seed};

const MINIMAL: &[u8] = b"GET / HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

const BROWSER: &[u8] = b"GET /chat?room=1 HTTP/1.1\r\nHost: server.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0\r\n\
    Accept: */*\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
    Sec-WebSocket-Version: 13\r\nOrigin: https://example.com\r\n\
    Sec-WebSocket-Extensions: permessage-deflate\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nConnection: keep-alive, Upgrade\r\n\
    Cookie: session=0123456789abcdef; theme=dark\r\nSec-Fetch-Dest: empty\r\n\
    Sec-Fetch-Mode: websocket\r\nSec-Fetch-Site: same-site\r\nPragma: no-cache\r\n\
    Cache-Control: no-cache\r\nUpgrade: websocket\r\n\r\n";

fn handshake(c: &mut Criterion) {
    let config = Arc::new(Config::default());
    let mut out = Vec::with_capacity(1024);
    let mut group = c.benchmark_group("handshake");
    group.throughput(Throughput::Elements(1));
    for (name, request) in [("minimal", MINIMAL), ("browser", BROWSER)] {
        group.bench_function(format!("server/{name}"), |b| {
            b.iter(|| {
                out.clear();
                let mut server = Server::new(config.clone());
                let request = server.receive(black_box(request)).ok().flatten().expect("complete");
                request.accept(&Accept::new(), &mut out)
            });
        });
    }
    // The same seed has the same key, so that there is one reply to it.
    let client = || {
        let request = ClientRequest::new(false, "example.com", 80, "/");
        Client::new(request, Seed::from_bytes([7; 32]), config.clone()).expect("nothing is wrong")
    };
    out.clear();
    client().write_request(&mut out).expect("there is room");
    let head = String::from_utf8(out.clone()).expect("ASCII");
    let (_, key) = head.split_once("Sec-WebSocket-Key: ").expect("a key");
    let accept = accept_key(&key.as_bytes()[..24]).map(char::from);
    let reply = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: {}\r\n\r\n",
        String::from_iter(accept)
    );
    group.bench_function("client", |b| {
        b.iter(|| {
            out.clear();
            let mut client = client();
            client.write_request(&mut out).expect("there is room");
            match client.receive(black_box(reply.as_bytes())) {
                Ok(Some(Reply::Accepted(response))) => response.open(),
                other => panic!("{other:?}"),
            }
        });
    });
}

criterion_group!(benches, handshake);
criterion_main!(benches);
