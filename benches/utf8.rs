//! Decoding text: whole, and in pieces that cut characters.

#![allow(missing_docs)] // of the functions that criterion makes

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sockeye::utf8::Utf8Decoder;

fn utf8(c: &mut Criterion) {
    for (name, unit) in [("ascii", "x"), ("cjk", "\u{9c7c}"), ("mixed", "fish \u{9c7c} \u{1f41f} ")]
    {
        let mut group = c.benchmark_group(format!("utf8/{name}"));
        for len in [64, 1 << 10, 16 << 10, 64 << 10] {
            let text = unit.repeat(len / unit.len());
            group.throughput(Throughput::Bytes(text.len() as u64));
            for (way, step) in [("whole", usize::MAX), ("in pieces of 1000 B", 1000)] {
                group.bench_function(BenchmarkId::new(way, format!("{len} B")), |b| {
                    b.iter(|| {
                        let mut decoder = Utf8Decoder::new();
                        for piece in black_box(text.as_bytes()).chunks(step) {
                            decoder.check(piece).expect("valid");
                        }
                    });
                });
            }
        }
    }
}

criterion_group!(benches, utf8);
criterion_main!(benches);
