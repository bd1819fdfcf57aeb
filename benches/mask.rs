//! Masking in place, against its definition in the RFC, byte by byte.

#![allow(missing_docs)] // of the functions that criterion makes

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sockeye::mask;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn masks(c: &mut Criterion) {
    let mut group = c.benchmark_group("mask");
    for len in [16, 64, 125, 1 << 10, 16 << 10, 64 << 10, 1 << 20] {
        // As behind a header of eight bytes: never aligned by itself.
        let mut data = vec![7; len + 8];
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(BenchmarkId::new("apply", format!("{len} B")), |b| {
            b.iter(|| mask::apply(black_box(&mut data[8..]), KEY));
        });
        group.bench_function(BenchmarkId::new("by definition", format!("{len} B")), |b| {
            b.iter(|| mask::apply_by_definition(black_box(&mut data[8..]), KEY));
        });
    }
}

criterion_group!(benches, masks);
criterion_main!(benches);
