//! Receiving: bytes that have been read, to events. Payloads from 0 B to
//! 1 MiB; many frames in one input (`batch`), or one (`single`); both roles.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sockeye::frame::{FrameHeader, Opcode};
use sockeye::{Config, Connection, Input, Seed, mask};

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame as the peer of a server (`masked`) or of a client sends it.
fn frame(opcode: Opcode, payload: &[u8], masked: bool) -> Vec<u8> {
    let key = masked.then_some(KEY);
    let header = FrameHeader::new(true, opcode, key, payload.len() as u64).encode();
    let mut bytes = [header.as_bytes(), payload].concat();
    mask::apply(&mut bytes[header.as_bytes().len()..], key.unwrap_or_default());
    bytes
}

fn connection(server: bool) -> Connection {
    let config = Arc::new(Config::default());
    match server {
        true => Connection::server(config),
        false => Connection::client(Seed::from_bytes([7; 32]), config),
    }
}

/// Runs the engine over `bytes` with events looked at and dropped.
fn drain(ws: &mut Connection, bytes: &mut [u8], out: &mut Vec<u8>) {
    let mut input = Input::new(bytes);
    while let Some(event) = ws.receive(&mut input, out) {
        black_box(&event);
    }
}

fn receive(c: &mut Criterion) {
    let texts = [
        ("binary", Opcode::BINARY, "x"),
        ("ascii", Opcode::TEXT, "x"),
        ("cjk", Opcode::TEXT, "\u{9c7c}"),
    ];
    for (role, server) in [("server", true), ("client", false)] {
        for (kind, opcode, unit) in texts {
            let mut group = c.benchmark_group(format!("receive/{role}/{kind}"));
            for len in [0, 64, 125, 1 << 10, 16 << 10, 64 << 10, 1 << 20] {
                let payload = unit.repeat(len / unit.len());
                let bytes = frame(opcode, payload.as_bytes(), server);
                let (mut ws, mut out) = (connection(server), Vec::new());
                group.throughput(Throughput::Bytes(bytes.len() as u64));
                // Unmasking spends the bytes, so each run has its own copy;
                // the copy is not timed.
                group.bench_function(BenchmarkId::new("single", len), |b| {
                    b.iter_batched_ref(
                        || bytes.clone(),
                        |bytes| drain(&mut ws, bytes, &mut out),
                        BatchSize::SmallInput,
                    );
                });
                if bytes.len() <= 1 << 10 {
                    let count = (64 << 10) / bytes.len();
                    let batch = bytes.repeat(count);
                    group.throughput(Throughput::Elements(count as u64));
                    group.bench_function(BenchmarkId::new("batch", len), |b| {
                        b.iter_batched_ref(
                            || batch.clone(),
                            |bytes| drain(&mut ws, bytes, &mut out),
                            BatchSize::SmallInput,
                        );
                    });
                }
            }
        }
    }
}

criterion_group!(benches, receive);
criterion_main!(benches);
