//! Receiving: bytes that have been read, to events. Payloads from 0 B to
//! 1 MiB; many frames in one input (`batch`), or one (`single`); both roles.

#![allow(missing_docs)] // of the functions that criterion makes

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sockeye::frame::{FrameHeader, Opcode};
use sockeye::{Config, Connection, Event, Input, Seed, mask};

/// Unmasks these payloads to other valid text, and that to the first again:
/// the same memory can be received over and over, with no copy to be timed.
const KEY: [u8; 4] = [1; 4];

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
        assert!(!matches!(black_box(&event), Event::Failed(_)));
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
                let mut single = bytes.clone();
                group.bench_function(BenchmarkId::new("single", len), |b| {
                    b.iter(|| drain(&mut ws, &mut single, &mut out));
                });
                if bytes.len() <= 1 << 10 {
                    let count = (64 << 10) / bytes.len();
                    let mut batch = bytes.repeat(count);
                    group.throughput(Throughput::Elements(count as u64));
                    group.bench_function(BenchmarkId::new("batch", len), |b| {
                        b.iter(|| drain(&mut ws, &mut batch, &mut out));
                    });
                }
            }
        }
    }
}

criterion_group!(benches, receive);
criterion_main!(benches);
