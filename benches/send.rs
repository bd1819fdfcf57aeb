//! Sending: a command to bytes in the output, which is emptied each time.
//! Payloads from 0 B to 16 MiB, for both roles: into a `Vec` (`message`), into
//! memory of fixed size (`fixed`), as fragments of 4 KiB (`fragmented`), the
//! header alone (`header`), and sixteen before the output is emptied (`corked`).

#![allow(missing_docs)] // of the functions that criterion makes

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sockeye::{Config, Connection, FixedOutput, MessageKind, PreparedMessage, Seed, SendError};

/// Bytes of a fragment: not whole characters of three bytes.
const FRAGMENT: usize = 4 << 10;

fn send(c: &mut Criterion) {
    let config = Arc::new(Config::default());
    let kinds = [
        ("binary", MessageKind::Binary, "x"),
        ("ascii", MessageKind::Text, "x"),
        ("cjk", MessageKind::Text, "\u{9c7c}"),
    ];
    for (kind, unit) in kinds.map(|(name, kind, unit)| ((name, kind), unit)) {
        let roles = [
            ("server", Connection::server(config.clone())),
            ("client", Connection::client(Seed::from_bytes([7; 32]), config.clone())),
        ];
        for (role, mut ws) in roles {
            let mut group = c.benchmark_group(format!("send/{role}/{}", kind.0));
            for len in [0, 20, 64, 125, 1 << 10, 16 << 10, 64 << 10, 1 << 20, 16 << 20] {
                let payload = unit.repeat(len / unit.len());
                message(&mut group, &mut ws, kind.1, &payload, len);
            }
        }
    }
    prepared(c, config);
}

fn message(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    ws: &mut Connection,
    kind: MessageKind,
    payload: &str,
    len: usize,
) {
    group.throughput(Throughput::Bytes(payload.len() as u64));
    let mut out = Vec::with_capacity(len + 14);
    group.bench_function(BenchmarkId::new("message", format!("{len} B")), |b| {
        b.iter(|| {
            out.clear();
            one(ws, kind, black_box(payload), &mut out)
        });
    });
    let mut memory = vec![0; len + 14];
    group.bench_function(BenchmarkId::new("fixed", format!("{len} B")), |b| {
        b.iter(|| one(ws, kind, black_box(payload), &mut FixedOutput::new(&mut memory)));
    });
    if len > FRAGMENT {
        group.bench_function(BenchmarkId::new("fragmented", format!("{len} B")), |b| {
            b.iter(|| {
                out.clear();
                let mut fragments = payload.as_bytes().chunks(FRAGMENT).peekable();
                while let Some(fragment) = fragments.next() {
                    let fin = fragments.peek().is_none();
                    let sent = match kind {
                        MessageKind::Binary => ws.send_binary_fragment(fragment, fin, &mut out),
                        MessageKind::Text => ws.send_text_fragment(fragment, fin, &mut out),
                    };
                    assert_eq!(sent, Ok(()));
                }
            });
        });
    }
    if len >= FRAGMENT && ws.is_server() {
        group.bench_function(BenchmarkId::new("header", format!("{len} B")), |b| {
            b.iter(|| match kind {
                MessageKind::Binary => ws.begin_binary(black_box(payload).as_bytes(), true),
                MessageKind::Text => ws.begin_text(black_box(payload), true),
            });
        });
    }
    if len <= 125 {
        let mut memory = vec![0; 16 * (len + 14)];
        group.throughput(Throughput::Elements(16));
        group.bench_function(BenchmarkId::new("corked", format!("{len} B")), |b| {
            b.iter(|| {
                let mut out = FixedOutput::new(&mut memory);
                for _ in 0..16 {
                    assert_eq!(one(ws, kind, black_box(payload), &mut out), Ok(()));
                }
            });
        });
    }
}

fn one(
    ws: &mut Connection,
    kind: MessageKind,
    payload: &str,
    out: &mut impl sockeye::Output,
) -> Result<(), SendError> {
    match kind {
        MessageKind::Binary => ws.send_binary(payload.as_bytes(), out),
        MessageKind::Text => ws.send_text(payload, out),
    }
}

fn prepared(c: &mut Criterion, config: Arc<Config>) {
    let mut ws = Connection::server(config);
    let message = PreparedMessage::binary(&[7; 64]);
    let mut out = Vec::with_capacity(128);
    let mut group = c.benchmark_group("send/server/prepared");
    group.throughput(Throughput::Elements(1));
    group.bench_function("64 B", |b| {
        b.iter(|| {
            out.clear();
            ws.send_prepared(black_box(&message), &mut out)
        });
    });
}

criterion_group!(benches, send);
criterion_main!(benches);
