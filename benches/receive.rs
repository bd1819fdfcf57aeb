//! Receiving: bytes that have been read, to events. Payloads from 0 B to
//! 16 MiB, of each kind, for both roles: whole in one input (`single`), many
//! frames in one (`batch`), cut into inputs of 16 KiB (`cut`), in fragments of
//! 4 KiB that cut characters (`fragmented`), and collected by an assembler from
//! inputs of 16 KiB and its room (`assembled`).

#![allow(missing_docs)] // of the functions that criterion makes

use std::hint::black_box;
use std::sync::Arc;

use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use sockeye::frame::{FrameHeader, Opcode};
use sockeye::{Assembler, Config, Connection, Event, Incoming, Input, Seed, mask};

/// Unmasks these payloads to other valid text, and that to the first again:
/// the same memory can be received over and over, with no copy to be timed,
/// unless fragments cut characters.
const KEY: [u8; 4] = [1; 4];

/// Bytes of an input that is cut off.
const READ: usize = 16 << 10;
/// Bytes of a fragment: not whole characters of three bytes.
const FRAGMENT: usize = 4 << 10;

/// A frame as the peer of a server (`masked`) or of a client sends it.
fn frame(fin: bool, opcode: Opcode, payload: &[u8], masked: bool) -> Vec<u8> {
    let key = masked.then_some(KEY);
    let header = FrameHeader::new(fin, opcode, key, payload.len() as u64).encode();
    let mut bytes = [header.as_bytes(), payload].concat();
    mask::apply(&mut bytes[header.as_bytes().len()..], key.unwrap_or_default());
    bytes
}

/// A message in fragments.
fn fragments(opcode: Opcode, payload: &[u8], masked: bool) -> Vec<u8> {
    let count = payload.len().div_ceil(FRAGMENT);
    let fragments = payload.chunks(FRAGMENT).enumerate().map(|(n, fragment)| {
        let opcode = if n == 0 { opcode } else { Opcode::CONTINUATION };
        frame(n + 1 == count, opcode, fragment, masked)
    });
    fragments.collect::<Vec<_>>().concat()
}

fn connection(server: bool) -> Connection {
    let mut config = Config::default();
    config.max_frame_len = 16 << 20;
    config.max_message_len = 16 << 20;
    match server {
        true => Connection::server(Arc::new(config)),
        false => Connection::client(Seed::from_bytes([7; 32]), Arc::new(config)),
    }
}

/// Runs the engine over `bytes`, in inputs of `read` bytes, with events looked
/// at and dropped.
fn drain(ws: &mut Connection, bytes: &mut [u8], read: usize, out: &mut Vec<u8>) {
    for bytes in bytes.chunks_mut(read) {
        let mut input = Input::new(bytes);
        while let Some(event) = ws.receive(&mut input, out) {
            assert!(!matches!(black_box(&event), Event::Failed(_)));
        }
    }
}

/// Copies `bytes` as a socket would, and collects the message.
fn collect(ws: &mut Connection, assembler: &mut Assembler, bytes: &[u8], memory: &mut [u8]) {
    let (mut rest, mut out) = (bytes, Vec::new());
    while !rest.is_empty() {
        let room = assembler.room(ws);
        let is_room = !room.is_empty();
        let to = if is_room { room } else { &mut *memory };
        let (read, left) = rest.split_at(to.len().min(rest.len()));
        rest = left;
        to[..read.len()].copy_from_slice(read);
        if is_room {
            if let Some(message) = assembler.receive_room(read.len(), ws, &mut out) {
                assembler.put_buffer(black_box(message).into_buffer());
            }
            continue;
        }
        let mut input = Input::new(&mut memory[..read.len()]);
        while let Some(event) = ws.receive(&mut input, &mut out) {
            if let Some(Incoming::Message(message)) = assembler.push(event) {
                let buffer = black_box(message).into_buffer();
                assembler.put_buffer(buffer);
            }
        }
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
            for len in [0, 20, 64, 125, 1 << 10, 16 << 10, 64 << 10, 1 << 20, 16 << 20] {
                let payload = unit.repeat(len / unit.len());
                small(&mut group, server, len, &frame(true, opcode, payload.as_bytes(), server));
                if len > READ {
                    large(&mut group, server, len, opcode, payload.as_bytes());
                }
            }
        }
    }
}

fn small(group: &mut BenchmarkGroup<'_, WallTime>, server: bool, len: usize, bytes: &[u8]) {
    let (mut ws, mut out) = (connection(server), Vec::new());
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    let mut single = bytes.to_vec();
    group.bench_function(BenchmarkId::new("single", format!("{len} B")), |b| {
        b.iter(|| drain(&mut ws, &mut single, usize::MAX, &mut out));
    });
    if bytes.len() > 2 << 10 {
        return;
    }
    let count = (64 << 10) / bytes.len();
    let mut batch = bytes.repeat(count);
    group.throughput(Throughput::Elements(count as u64));
    group.bench_function(BenchmarkId::new("batch", format!("{len} B")), |b| {
        b.iter(|| drain(&mut ws, &mut batch, usize::MAX, &mut out));
    });
}

fn large(
    group: &mut BenchmarkGroup<'_, WallTime>,
    server: bool,
    len: usize,
    opcode: Opcode,
    payload: &[u8],
) {
    let (mut ws, mut out) = (connection(server), Vec::new());
    let mut cut = frame(true, opcode, payload, server);
    group.throughput(Throughput::Bytes(cut.len() as u64));
    let (mut assembler, mut memory) = (Assembler::new(), vec![0; READ]);
    let whole = cut.clone();
    group.bench_function(BenchmarkId::new("assembled", format!("{len} B")), |b| {
        b.iter(|| collect(&mut ws, &mut assembler, &whole, &mut memory));
    });
    group.bench_function(BenchmarkId::new("cut", format!("{len} B")), |b| {
        b.iter(|| drain(&mut ws, &mut cut, READ, &mut out));
    });
    // What joins the two halves of a character is written over a header, so that
    // each time it is read anew.
    let fragmented = fragments(opcode, payload, server);
    let mut read = fragmented.clone();
    group.bench_function(BenchmarkId::new("fragmented", format!("{len} B")), |b| {
        b.iter(|| {
            read.copy_from_slice(&fragmented);
            drain(&mut ws, &mut read, usize::MAX, &mut out);
        });
    });
}

criterion_group!(benches, receive);
criterion_main!(benches);
