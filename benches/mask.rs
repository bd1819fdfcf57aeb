//! Masking in place, against its definition in the RFC, byte by byte; and of what was
//! just read.

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

/// Copied as a read does, and unmasked where it then is: faster while as much stays
/// in the first-level cache.
fn reads(c: &mut Criterion) {
    let came = vec![7; 256 << 10];
    let mut group = c.benchmark_group("read and mask");
    group.throughput(Throughput::Bytes(came.len() as u64));
    for len in [8 << 10, 16 << 10, 32 << 10, 64 << 10] {
        let mut memory = vec![0; len];
        group.bench_function(format!("{len} B a read"), |b| {
            b.iter(|| {
                for read in black_box(&came).chunks(len) {
                    memory.copy_from_slice(read);
                    mask::apply(black_box(&mut memory), KEY);
                }
            });
        });
    }
}

criterion_group!(benches, masks, reads);
criterion_main!(benches);
