//! Memory, counted: what an idle connection owns, what a message allocates.

mod counted;

use std::sync::Arc;

use counted::count;
use sockeye::handshake::{Accept, Server};
use sockeye::{Assembler, Config, Connection, Event, Incoming, Input, PreparedMessage, Seed};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

#[test]
fn memory_is_what_the_documentation_says() {
    let config = Arc::new(Config::default());

    // An idle server's connection is 128 bytes and owns no heap.
    #[cfg(target_pointer_width = "64")]
    assert_eq!(size_of::<Connection>(), 128);
    let (allocations, live, _) = count(|| Connection::server(config.clone()));
    assert_eq!((allocations, live), (0, 0), "a server's connection");
    // A client's owns its generator of masking keys.
    let (allocations, live, _) =
        count(|| Connection::client(Seed::from_bytes([1; 32]), config.clone()));
    assert_eq!(allocations, 1, "a client's connection");
    assert_eq!(live, 260, "bytes of a client's connection: SECURITY.md says so");
    println!("connection: {} bytes, and {live} of heap for a client", size_of::<Connection>());

    // The handshake of a server allocates nothing.
    let mut out = Vec::with_capacity(1024);
    let (allocations, ..) = count(|| {
        let mut server = Server::new(config.clone());
        let request = server.receive(REQUEST).unwrap().unwrap();
        request.accept(&Accept::new(), &mut out).unwrap()
    });
    assert_eq!(allocations, 0, "a server's handshake");

    // A vector grows once for a frame, however long.
    let mut client = Connection::client(Seed::from_bytes([1; 32]), config.clone());
    let long = vec![7; 1 << 20];
    let (allocations, ..) = count(|| {
        let mut out = Vec::new();
        client.send_binary(&long, &mut out).unwrap();
        out
    });
    assert_eq!(allocations, 1, "a frame of a megabyte");

    pings_in_one_piece(&config);
    messages_in_steady_state(&config);
    announced_lengths(&config);
    room(&config);
}

/// The payload of a Ping is borrowed where it came, be it after its header.
fn pings_in_one_piece(config: &Arc<Config>) {
    let mut server = Connection::server(config.clone());
    let mut out = Vec::with_capacity(100);
    for split in [0, 6, 11] {
        let mut ping = *b"\x89\x85\0\0\0\0hello";
        let (header, rest) = ping.split_at_mut(split);
        let (allocations, ..) = count(|| {
            assert!(server.receive(&mut Input::new(header), &mut out).is_some() == (split == 11));
            assert!(server.receive(&mut Input::new(rest), &mut out).is_some() != (split == 11));
        });
        assert_eq!(allocations, 0, "a Ping that was cut behind {split} bytes");
    }
}

/// A thousand messages back and forth allocate nothing.
fn messages_in_steady_state(config: &Arc<Config>) {
    let mut client = Connection::client(Seed::from_bytes([1; 32]), config.clone());
    let mut server = Connection::server(config.clone());
    let mut assembler = Assembler::new();
    let prepared = PreparedMessage::text("to all");
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    let data = [7; 300];
    let mut round = || {
        to_server.clear();
        client.send_text("a text of some length, with an \u{e9}", &mut to_server).unwrap();
        client.send_binary(&data, &mut to_server).unwrap();
        client.send_binary_fragment(&data, false, &mut to_server).unwrap();
        client.send_pong(b"p", &mut to_server).unwrap();
        client.send_binary_fragment(&data, true, &mut to_server).unwrap();
        client.send_text_fragment(b"\xc3", false, &mut to_server).unwrap();
        client.send_text_fragment(b"\xa9", true, &mut to_server).unwrap();

        // Echoed in pieces, also those that are cut.
        to_client.clear();
        for piece in to_server.chunks_mut(500) {
            let mut input = Input::new(piece);
            while let Some(event) = server.receive(&mut input, &mut to_client) {
                match event {
                    Event::Text(t) => {
                        let text = t.as_str().as_bytes();
                        server.send_text_fragment(text, t.is_last(), &mut to_client).unwrap();
                    }
                    Event::Binary(b) => {
                        server
                            .send_binary_fragment(b.as_bytes(), b.is_last(), &mut to_client)
                            .unwrap();
                    }
                    _ => {}
                }
            }
        }
        server.send_prepared(&prepared, &mut to_client).unwrap();

        let mut input = Input::new(&mut to_client);
        let mut messages = 0;
        while let Some(event) = client.receive(&mut input, &mut to_server) {
            if let Some(Incoming::Message(message)) = assembler.push(event) {
                messages += 1;
                let buffer = message.into_buffer();
                if buffer.capacity() > 0 {
                    assembler.put_buffer(buffer);
                }
            }
        }
        assert_eq!(messages, 5);
    };
    for _ in 0..10 {
        round();
    }
    let (allocations, ..) = count(|| {
        for _ in 0..1000 {
            round();
        }
    });
    assert_eq!(allocations, 0, "messages in steady state");
}

/// What a frame announces costs nothing; what has come is kept, and given
/// back when the message leaves.
fn announced_lengths(config: &Arc<Config>) {
    let mut config = Config::clone(config);
    config.max_frame_len = u64::MAX;
    config.max_message_len = u64::MAX;
    let config = Arc::new(config);
    let mut out = Vec::new();

    let mut ws = Connection::client(Seed::from_bytes([1; 32]), config.clone());
    let mut assembler = Assembler::new();
    let mut bytes = *b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xffonly these bytes come";
    let (.., peak) = count(|| {
        let mut input = Input::new(&mut bytes);
        while let Some(event) = ws.receive(&mut input, &mut out) {
            assert_eq!(assembler.push(event), None);
        }
    });
    assert!(peak <= 64, "{peak} bytes for 21 that came of 2^63-1 announced");

    // 4 MiB in one frame, read in pieces: at most twice that at any time, and
    // nothing afterwards.
    let len = 4 << 20;
    let mut frame = vec![0x82, 0x7f];
    frame.extend((len as u64).to_be_bytes());
    frame.resize(frame.len() + len, 7);
    let mut ws = Connection::client(Seed::from_bytes([1; 32]), config);
    let mut assembler = Assembler::new();
    let (_, live, peak) = count(|| {
        let mut seen = 0;
        for piece in frame.chunks_mut(16 << 10) {
            let mut input = Input::new(piece);
            while let Some(event) = ws.receive(&mut input, &mut out) {
                if let Some(Incoming::Message(message)) = assembler.push(event) {
                    seen = message.as_bytes().len();
                }
            }
        }
        assert_eq!(seen, len);
    });
    println!("a message of {len} bytes: {peak} at the peak, {live} left behind");
    assert!(peak <= 2 * len + 4096, "{peak} at the peak");
    assert_eq!(live, 0, "left behind");
}

/// An assembler's room doubles with what has come, not with each read, and ends where
/// the message does.
fn room(config: &Arc<Config>) {
    let len = 1_000_000_u64;
    let mut ws = Connection::client(Seed::from_bytes([1; 32]), config.clone());
    let (mut assembler, mut out) = (Assembler::new(), Vec::new());
    let mut first = [&[0x82, 0x7f][..], &len.to_be_bytes(), &[7; 4096]].concat();
    let (_, mut capacity, _) = count(|| {
        let event = ws.receive(&mut Input::new(&mut first), &mut out).unwrap();
        assert_eq!(assembler.push(event), None);
    });
    let (mut capacities, mut message) = (vec![capacity], None);
    while message.is_none() {
        let mut lent = 0;
        let (_, more, _) = count(|| lent = assembler.room(&ws).len());
        assert_ne!(lent, 0, "of {}", ws.frame_remaining());
        if more > 0 {
            capacity += more;
            capacities.push(capacity);
        }
        message = assembler.receive_room(lent, &mut ws, &mut out);
    }
    let doubled = (12..20).map(|doublings| 1 << doublings);
    assert_eq!(capacities, doubled.chain([1_000_000]).collect::<Vec<_>>());
}
