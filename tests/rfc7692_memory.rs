//! Memory that compression takes, counted: it is what the table in
//! `sockeye::deflate` says, and no peer can make it more.

#![cfg(feature = "deflate")]

mod counted;

use std::sync::{Arc, Mutex};

use counted::count;
use sockeye::deflate::{Compress, Deflater, Inflater, Lender, Params, Strength, WindowBits};
use sockeye::{
    Assembler, Config, Connection, DeflateConfig, Event, Incoming, Input, ProtocolError,
};

fn config(set: impl FnOnce(&mut DeflateConfig)) -> Arc<Config> {
    let mut deflate = DeflateConfig::default();
    set(&mut deflate);
    let mut config = Config::default();
    config.deflate = Some(deflate);
    Arc::new(config)
}

/// A message with something to compress.
fn text(len: usize) -> String {
    "the quick brown fox jumps over the lazy dog ".chars().cycle().take(len).collect()
}

/// A client's compressed message, not masked: its key is zero.
fn from_client(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut ws = Connection::server(config(|_| {})).with_deflate(Params::NO_CONTEXT_TAKEOVER);
    ws.send_text(text, &mut out).unwrap();
    assert_eq!(out[0], 0xc1, "compressed");
    let at = if out[1] < 126 { 2 } else { 4 };
    out[1] |= 0x80;
    out.splice(at..at, [0; 4]);
    out
}

/// Receives all of it; gives the bytes of text that came.
fn receive(ws: &mut Connection, bytes: &mut [u8], scratch: &mut [u8]) -> usize {
    let (mut out, mut len) = (Vec::new(), 0);
    let mut input = Input::with_scratch(bytes, scratch);
    while let Some(event) = ws.receive(&mut input, &mut out) {
        let Event::Text(chunk) = event else { panic!("{event:?}") };
        len += chunk.as_str().len();
    }
    len
}

/// Keeps one context of each kind.
#[derive(Debug, Default)]
struct Shelf {
    inflater: Mutex<Option<Box<Inflater>>>,
    deflater: Mutex<Option<Box<Deflater>>>,
}

impl Lender for Shelf {
    fn take_inflater(&self) -> Option<Box<Inflater>> {
        self.inflater.lock().unwrap().take()
    }
    fn put_inflater(&self, inflater: Box<Inflater>) {
        *self.inflater.lock().unwrap() = Some(inflater);
    }
    fn take_deflater(&self, _: Strength) -> Option<Box<Deflater>> {
        self.deflater.lock().unwrap().take()
    }
    fn put_deflater(&self, deflater: Box<Deflater>) {
        *self.deflater.lock().unwrap() = Some(deflater);
    }
}

/// Bytes within two percent of what the documentation rounds to.
#[track_caller]
fn assert_about(bytes: usize, documented: usize, what: &str) {
    println!("{what}: {bytes} bytes");
    assert!(bytes.abs_diff(documented) * 50 <= documented, "{what}: {bytes}, not {documented}");
}

#[test]
fn contexts_take_what_the_documentation_says() {
    // The table of the module `deflate`: window, then levels 9, 8, 5 and 1.
    let table = include_str!("../src/deflate/mod.rs");
    let rows: Vec<Vec<usize>> = table
        .lines()
        .filter_map(|line| line.strip_prefix("//! | ")?.strip_suffix(" |"))
        .filter(|row| row.contains("compressor"))
        .map(|row| {
            let figures = row.rsplit('|').next().unwrap();
            figures.split('/').map(|n| n.trim().replace(',', "").parse().unwrap()).collect()
        })
        .collect();
    let [inflater, rows @ ..] = rows.as_slice() else { panic!("no table") };

    let mut server = Connection::server(config(|_| {})).with_deflate(Params::default());
    let mut bytes = from_client(&text(300));
    let mut scratch = vec![0; 16 << 10];
    let (_, live, _) = count(|| {
        receive(&mut server, &mut bytes, &mut scratch);
    });
    assert_about(live, inflater[0], "decompressor");

    for (row, bits) in rows.iter().zip([15, 12, 9]) {
        for (&documented, mem_level) in row.iter().zip([9, 8, 5, 1]) {
            let params = Params {
                server_max_window_bits: WindowBits::new(bits).unwrap(),
                ..Params::default()
            };
            let config = config(|deflate| deflate.mem_level = mem_level);
            let mut server = Connection::server(config).with_deflate(params);
            let mut out = Vec::with_capacity(1024);
            let (_, live, _) = count(|| server.send_text(&text(300), &mut out).unwrap());
            assert_about(live, documented, &format!("compressor {bits} {mem_level}"));
        }
    }
    assert_eq!(rows.len(), 3);
}

#[test]
fn an_idle_connection_without_contexts_owns_next_to_nothing() {
    let config = config(|_| {});
    let (_, live, _) =
        count(|| Connection::server(config.clone()).with_deflate(Params::NO_CONTEXT_TAKEOVER));
    println!("agreed on compression: {live} bytes");
    assert!(live <= 192, "{live} bytes of an agreement");

    // Also when messages have come and gone.
    let mut bytes = from_client(&text(300));
    let (mut scratch, mut out) = (vec![0; 16 << 10], Vec::with_capacity(1024));
    let (_, after, _) = count(|| {
        let mut server = Connection::server(config).with_deflate(Params::NO_CONTEXT_TAKEOVER);
        assert_eq!(receive(&mut server, &mut bytes, &mut scratch), 300);
        server.send_text(&text(300), &mut out).unwrap();
        server
    });
    assert_eq!(after, live, "contexts were freed");
}

#[test]
fn a_connection_that_is_over_keeps_no_contexts() {
    type End = fn(&mut Connection, &mut [u8]);
    let ends: [(&str, End); 4] = [
        ("a Close came", |ws, scratch| {
            assert_eq!(receive_end(ws, b"\x88\x80\0\0\0\0", scratch), 1);
        }),
        ("it failed", |ws, scratch| assert_eq!(receive_end(ws, b"\xff", scratch), 1)),
        ("the stream ended", |ws, _| assert!(!ws.receive_eof().is_clean())),
        ("it was dropped by the application", |ws, _| assert!(!ws.abort().is_clean())),
    ];
    for (how, end) in ends {
        let shelf: &'static Shelf = Box::leak(Box::default());
        let mut ws = Connection::server(config(|_| {})).with_deflate(Params::default());
        ws.set_lender(shelf);
        let (mut scratch, mut out) = (vec![0; 16 << 10], Vec::new());
        receive(&mut ws, &mut from_client(&text(300)), &mut scratch);
        ws.send_text(&text(300), &mut out).unwrap();
        let has_back =
            || [shelf.inflater.lock().unwrap().is_some(), shelf.deflater.lock().unwrap().is_some()];
        assert_eq!(has_back(), [false; 2], "the contexts are in use");
        end(&mut ws, &mut scratch);
        assert_eq!(has_back(), [true; 2], "{how}");
    }
}

/// Receives what ends a connection; gives the number of events.
fn receive_end(ws: &mut Connection, bytes: &[u8], scratch: &mut [u8]) -> usize {
    let (mut bytes, mut out) = (bytes.to_vec(), Vec::new());
    let mut input = Input::with_scratch(&mut bytes, scratch);
    let mut events = 0;
    while ws.receive(&mut input, &mut out).is_some() {
        events += 1;
    }
    events
}

/// Bytes of which nothing becomes fewer.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// What a message was compressed in is kept for the next, up to 16 KiB.
#[test]
fn a_long_message_leaves_no_memory_behind() {
    let mut server = Connection::server(config(|_| {})).with_deflate(Params::default());
    let mut out = Vec::with_capacity(4 << 20);
    let mut send = |data: &[u8]| {
        let (allocations, live, _) = count(|| server.send_binary(data, &mut out).unwrap());
        out.clear();
        (allocations, live)
    };
    send(&noise(100)); // makes the context
    let (_, live) = send(&noise(1 << 20));
    assert!(live <= 16 << 10, "{live} bytes stay");
    send(&noise(14_000));
    assert_eq!(send(&noise(14_000)), (0, 0), "16 KiB are kept");
}

#[test]
fn messages_allocate_nothing_once_contexts_are_there() {
    let config = config(|_| {});
    let shelf: &'static Shelf = Box::leak(Box::default());
    for params in [Params::default(), Params::NO_CONTEXT_TAKEOVER] {
        let mut server = Connection::server(config.clone()).with_deflate(params);
        server.set_lender(shelf);
        let (message, sent) = (from_client(&text(5000)), text(5000));
        let (mut bytes, mut scratch) = (message.clone(), vec![0; 16 << 10]);
        let mut out = Vec::with_capacity(64 << 10);
        let mut round = || {
            bytes.copy_from_slice(&message);
            assert_eq!(receive(&mut server, &mut bytes, &mut scratch), 5000);
            out.clear();
            server.send_text(&sent, &mut out).unwrap();
            server.compress_next(Compress::Yes);
            server.send_text_fragment(b"a", false, &mut out).unwrap();
            server.send_text_fragment(b"b", true, &mut out).unwrap();
        };
        round();
        let (allocations, live, _) = count(|| (0..100).for_each(|_| round()));
        assert_eq!((allocations, live), (0, 0), "{params}");
    }
}

#[test]
fn s8_a_bomb_of_256_mib_costs_no_more_than_the_limit_of_16() {
    // 256 MiB of zeros in one message. How long its first chunk is decides how
    // memory grows.
    for first in [0, 1, 5000, 16_380] {
        let mut bomb = Vec::new();
        let mut client = Connection::server(config(|_| {})).with_deflate(Params::default());
        let zeros = vec![0; 1 << 20];
        client.send_binary_fragment(&zeros[..first], false, &mut bomb).unwrap();
        for i in 0..256 {
            client.send_binary_fragment(&zeros, i == 255, &mut bomb).unwrap();
        }
        assert!(bomb.len() < 1 << 20);
        let peak = peak_of(&mut bomb);
        println!("a bomb of 256 MiB against a limit of 16 MiB: {peak} bytes at most");
        assert!(peak < 20 << 20, "{peak} bytes at the most");
    }
}

/// The most memory that it takes to receive this, up to the limit.
fn peak_of(bomb: &mut [u8]) -> usize {
    let mut config = Config::clone(&config(|_| {}));
    config.max_message_len = 16 << 20;
    let mut ws = Connection::client(sockeye::Seed::from_bytes([1; 32]), Arc::new(config))
        .with_deflate(Params::default());
    let mut end = None;
    let (_, _, peak) = count(|| {
        let (mut scratch, mut out) = (vec![0; 16 << 10], Vec::new());
        let mut assembler = Assembler::new();
        assembler.set_max_len(16 << 20);
        let mut at = 0;
        while end.is_none() && (at < bomb.len() || ws.is_inflating()) {
            let mut input = Input::with_scratch(&mut bomb[at..], &mut scratch);
            while let Some(event) = ws.receive(&mut input, &mut out) {
                if let Some(Incoming::Failed(error)) = assembler.push(event) {
                    end = Some(error);
                }
            }
            let left = input.len();
            at = bomb.len() - left;
        }
    });
    assert_eq!(end, Some(ProtocolError::MessageTooLong));
    peak
}

/// A stream whose peer has said something, and says nothing more for now.
#[derive(Debug)]
struct Said(Vec<u8>);

impl std::io::Read for Said {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let len = self.0.len().min(buf.len());
        buf[..len].copy_from_slice(&self.0[..len]);
        self.0.drain(..len);
        if len == 0 { Err(std::io::ErrorKind::WouldBlock.into()) } else { Ok(len) }
    }
}

impl std::io::Write for Said {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        Ok(buf.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// However it is read from: what was lent has gone back.
#[test]
fn an_idle_socket_keeps_no_scratch_room() {
    use sockeye::blocking::{Untimed, WebSocket};
    let config = config(|_| {});
    let said = from_client(&text(300));
    let read_from = |way: usize| {
        let ws = Connection::server(config.clone()).with_deflate(Params::NO_CONTEXT_TAKEOVER);
        let mut ws = WebSocket::from_parts(Untimed::new(Said(said.clone())), ws, b"");
        let mut len = 0;
        match way {
            0 => len = ws.read().unwrap().unwrap().as_bytes().len(),
            1 => {
                assert!(ws.ready().unwrap());
                while let Some(Event::Text(chunk)) = ws.next_event() {
                    len += chunk.as_str().len();
                }
            }
            _ => {
                assert!(ws.ready().unwrap());
                while let Some(Incoming::Message(message)) = ws.next_incoming() {
                    len += message.as_bytes().len();
                }
            }
        }
        assert_eq!(len, 300);
        ws
    };
    for way in 0..3 {
        // The first ones fill the pools, whose buffers are lent for either use.
        (0..4).for_each(|_| drop(read_from(way)));
        let (_, live, _) = count(|| (0..10).map(|_| read_from(way)).collect::<Vec<_>>());
        println!("ten idle sockets, read from in way {way}: {live} bytes");
        assert!(live < 10 * 1000, "{live} bytes of ten idle sockets, way {way}");
    }
}
