//! Compression: a message to a compressed frame and back.

#![allow(missing_docs)] // of the functions that criterion makes

use std::hint::black_box;
use std::sync::{Arc, Mutex};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sockeye::deflate::{Compress, Deflater, Inflater, Lender, Params, Strength};
use sockeye::{Config, Connection, DeflateConfig, Event, Input, PreparedMessage, Seed};

/// With contexts that are kept, and without.
fn modes() -> [(&'static str, Params); 2] {
    [("takeover", Params::default()), ("no_takeover", Params::NO_CONTEXT_TAKEOVER)]
}

const LENGTHS: [usize; 5] = [64, 128, 256, 4 << 10, 64 << 10];

/// Lends one context of each kind, as the adapters do.
#[derive(Debug)]
struct Shelf {
    inflater: Mutex<Option<Box<Inflater>>>,
    deflater: Mutex<Option<Box<Deflater>>>,
}

static SHELF: Shelf = Shelf { inflater: Mutex::new(None), deflater: Mutex::new(None) };

impl Lender for Shelf {
    fn take_inflater(&self) -> Option<Box<Inflater>> {
        self.inflater.lock().ok()?.take()
    }
    fn put_inflater(&self, inflater: Box<Inflater>) {
        *self.inflater.lock().expect("nobody panics") = Some(inflater);
    }
    fn take_deflater(&self, strength: Strength) -> Option<Box<Deflater>> {
        self.deflater.lock().ok()?.take_if(|deflater| deflater.strength() == strength)
    }
    fn put_deflater(&self, deflater: Box<Deflater>) {
        *self.deflater.lock().expect("nobody panics") = Some(deflater);
    }
}

fn server(params: Params, level: u8) -> Connection {
    let mut deflate = DeflateConfig::default();
    deflate.level = level;
    let mut config = Config::default();
    config.deflate = Some(deflate);
    let mut ws = Connection::server(Arc::new(config)).with_deflate(params);
    ws.set_lender(&SHELF);
    ws
}

/// What a chat or a feed of prices sends: JSON whose fields repeat and whose
/// values do not.
fn json(len: usize, seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let mut text = String::with_capacity(len + 100);
    while text.len() < len {
        let (id, price, size) = (next(), next() % 100_000, next() % 1000);
        text += &format!("{{\"type\":\"trade\",\"id\":{id},\"price\":{price},\"size\":{size}}},");
    }
    text.truncate(len);
    text
}

fn send(c: &mut Criterion) {
    for (name, params) in modes() {
        let mut group = c.benchmark_group(format!("deflate/server/{name}"));
        for level in [1, 3, 6] {
            for len in LENGTHS {
                let mut ws = server(params, level);
                // More than a window holds, so that none comes again in it.
                let count = (128 << 10) / len as u64;
                let messages: Vec<String> = (0..count).map(|n| json(len, n)).collect();
                let mut turn = messages.iter().cycle();
                let mut out = Vec::with_capacity(2 * len + 64);
                let (mut wire, mut sent) = (0_u64, 0_u64);
                group.throughput(Throughput::Bytes(len as u64));
                group.bench_function(
                    BenchmarkId::new(format!("level{level}"), format!("{len} B")),
                    |b| {
                        b.iter(|| {
                            out.clear();
                            ws.compress_next(Compress::Yes);
                            let message = turn.next().map_or("", String::as_str);
                            ws.send_text(black_box(message), &mut out).expect("it is open");
                            wire += out.len() as u64;
                            sent += message.len() as u64;
                        });
                    },
                );
                println!(
                    "{name} level {level}, {len} bytes: {:.1} %",
                    100.0 * wire as f64 / sent as f64
                );
            }
        }
    }
}

fn receive(c: &mut Criterion) {
    for (name, params) in modes() {
        let mut group = c.benchmark_group(format!("inflate/client/{name}"));
        for len in LENGTHS {
            let mut wire = Vec::new();
            let mut server = server(params, 6);
            server.compress_next(Compress::Yes);
            server.send_text(&json(len, 1), &mut wire).expect("it is open");
            let config = Arc::new(Config::default());
            let mut ws = Connection::client(Seed::from_bytes([1; 32]), config).with_deflate(params);
            ws.set_lender(&SHELF);
            let (mut scratch, mut out) = (vec![0; 64 << 10], Vec::new());
            group.throughput(Throughput::Bytes(len as u64));
            group.bench_function(BenchmarkId::new("message", format!("{len} B")), |b| {
                b.iter(|| {
                    let (mut left, mut came) = (wire.len(), 0);
                    loop {
                        let start = wire.len() - left;
                        let mut input = Input::with_scratch(&mut wire[start..], &mut scratch);
                        while let Some(event) = ws.receive(&mut input, &mut out) {
                            if let Event::Text(chunk) = event {
                                came += black_box(chunk.as_str()).len();
                            }
                        }
                        left = input.len();
                        if !ws.wants_scratch() {
                            break;
                        }
                    }
                    assert_eq!(came, len);
                });
            });
        }
    }
}

/// A message to many, by the first that it goes to.
fn prepare(c: &mut Criterion) {
    let mut group = c.benchmark_group("deflate/prepare");
    for len in [256, 64 << 10] {
        let (text, mut ws) = (json(len, 1), server(Params::NO_CONTEXT_TAKEOVER, 3));
        let mut out = Vec::new();
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(format!("{len} B"), |b| {
            b.iter(|| {
                out.clear();
                ws.send_prepared(&PreparedMessage::text(black_box(&text)), &mut out)
            });
        });
    }
}

criterion_group!(benches, send, receive, prepare);
criterion_main!(benches);
