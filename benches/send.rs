//! Sending: a command to bytes in the output, which is emptied each time.

#![allow(missing_docs)] // of the functions that criterion makes

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sockeye::{Config, Connection, PreparedMessage, Seed};

fn send(c: &mut Criterion) {
    let config = Arc::new(Config::default());
    let roles = [
        ("server", Connection::server(config.clone())),
        ("client", Connection::client(Seed::from_bytes([7; 32]), config.clone())),
    ];
    for (role, mut ws) in roles {
        let mut group = c.benchmark_group(format!("send/{role}/binary"));
        for len in [0, 64, 125, 1 << 10, 16 << 10, 64 << 10, 1 << 20] {
            let payload = vec![7; len];
            let mut out = Vec::with_capacity(len + 14);
            group.throughput(Throughput::Bytes(len as u64));
            group.bench_function(BenchmarkId::new("message", len), |b| {
                b.iter(|| {
                    out.clear();
                    ws.send_binary(black_box(&payload), &mut out)
                });
            });
        }
    }

    let mut ws = Connection::server(config);
    let message = PreparedMessage::binary(&[7; 64]);
    let mut out = Vec::with_capacity(128);
    c.bench_function("send/server/prepared/64", |b| {
        b.iter(|| {
            out.clear();
            ws.send_prepared(black_box(&message), &mut out)
        });
    });
}

criterion_group!(benches, send);
criterion_main!(benches);
