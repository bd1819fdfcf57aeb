//! The server's side of the opening handshake, from request to reply.

#![allow(missing_docs)] // of the functions that criterion makes

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use sockeye::Config;
use sockeye::handshake::{Accept, Server};

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
    for (name, request) in [("minimal", MINIMAL), ("browser", BROWSER)] {
        c.bench_function(&format!("handshake/server/{name}"), |b| {
            b.iter(|| {
                out.clear();
                let mut server = Server::new(config.clone());
                let request = server.receive(black_box(request)).ok().flatten().expect("complete");
                request.accept(&Accept::new(), &mut out)
            });
        });
    }
}

criterion_group!(benches, handshake);
criterion_main!(benches);
