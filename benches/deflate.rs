//! Compression: a message to a compressed frame and back.

#![allow(missing_docs)] // of the functions that criterion makes

use std::hint::black_box;
use std::sync::{Arc, Mutex};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sockeye::deflate::{Compress, Deflater, Inflater, Lender, Params, Strength, WindowBits};
use sockeye::{Config, Connection, DeflateConfig, Event, Input, PreparedMessage, Seed};

/// With contexts that are kept, and without.
const TAKEOVER: Params = Params {
    server_no_context_takeover: false,
    client_no_context_takeover: false,
    server_max_window_bits: WindowBits::MAX,
    client_max_window_bits: WindowBits::MAX,
};
const NO_TAKEOVER: Params =
    Params { server_no_context_takeover: true, client_no_context_takeover: true, ..TAKEOVER };

const LENGTHS: [usize; 4] = [64, 256, 4 << 10, 64 << 10];

/// Lends one context of each kind, as the adapters do.
#[derive(Debug)]
struct Shelf(Mutex<(Option<Box<Inflater>>, Option<Box<Deflater>>)>);

static SHELF: Shelf = Shelf(Mutex::new((None, None)));

impl Lender for Shelf {
    fn take_inflater(&self) -> Option<Box<Inflater>> {
        self.0.lock().ok()?.0.take()
    }
    fn put_inflater(&self, inflater: Box<Inflater>) {
        self.0.lock().expect("nobody panics").0 = Some(inflater);
    }
    fn take_deflater(&self, strength: Strength) -> Option<Box<Deflater>> {
        self.0.lock().ok()?.1.take_if(|deflater| deflater.strength() == strength)
    }
    fn put_deflater(&self, deflater: Box<Deflater>) {
        self.0.lock().expect("nobody panics").1 = Some(deflater);
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
    let mut state = seed;
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
    for (name, params) in [("takeover", TAKEOVER), ("no_takeover", NO_TAKEOVER)] {
        let mut group = c.benchmark_group(format!("deflate/server/{name}"));
        for level in [1, 3, 6] {
            for len in LENGTHS {
                let mut ws = server(params, level);
                // Messages that differ, so that a context helps as it does.
                let messages: Vec<String> = (0..64).map(|n| json(len, n)).collect();
                let mut turn = messages.iter().cycle();
                let mut out = Vec::with_capacity(2 * len + 64);
                let (mut wire, mut sent) = (0, 0);
                group.throughput(Throughput::Bytes(len as u64));
                group.bench_function(BenchmarkId::new(format!("level{level}"), len), |b| {
                    b.iter(|| {
                        out.clear();
                        ws.compress_next(Compress::Yes);
                        let message = turn.next().map_or("", String::as_str);
                        ws.send_text(black_box(message), &mut out).expect("it is open");
                        wire += out.len();
                        sent += message.len();
                    });
                });
                println!(
                    "{name} level {level}, {len} bytes: {:.1} %",
                    100.0 * wire as f64 / sent as f64
                );
            }
        }
    }
}

fn receive(c: &mut Criterion) {
    for (name, params) in [("takeover", TAKEOVER), ("no_takeover", NO_TAKEOVER)] {
        let mut group = c.benchmark_group(format!("inflate/client/{name}"));
        for len in LENGTHS {
            let mut wire = Vec::new();
            let mut server = server(params, 6);
            server.compress_next(Compress::Yes);
            server.send_text(&json(len, 1), &mut wire).expect("it is open");
            let config = Arc::new(Config::default());
            let mut ws = Connection::client(Seed::from_bytes([1; 32]), config).with_deflate(params);
            ws.set_lender(&SHELF);
            let (mut scratch, mut out) = (vec![0; 16 << 10], Vec::new());
            group.throughput(Throughput::Bytes(len as u64));
            group.bench_function(BenchmarkId::new("message", len), |b| {
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

fn prepare(c: &mut Criterion) {
    let config = DeflateConfig::default();
    for len in [256, 64 << 10] {
        let text = json(len, 1);
        c.bench_function(&format!("deflate/prepare/{len}"), |b| {
            b.iter(|| PreparedMessage::text(black_box(&text)).with_compression(&config));
        });
    }
}

criterion_group!(benches, send, receive, prepare);
criterion_main!(benches);
