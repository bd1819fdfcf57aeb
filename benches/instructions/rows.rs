//! What is counted: each row does the same work many times.

use std::hint::black_box;
use std::sync::Arc;

use sockeye::frame::{FrameHeader, Opcode};
use sockeye::handshake::{Accept, Client, ClientRequest, Reply, Server};
use sockeye::{Assembler, Config, Connection, Event, FixedOutput, Input, Output, Seed, mask};

pub struct Row {
    pub name: String,
    /// Frames, messages or handshakes that `work` takes care of.
    pub operations: u64,
    /// Prepares, and hands what is to be counted to its argument.
    pub work: Box<dyn FnMut(Measure)>,
}

pub type Measure = fn(&mut dyn FnMut());

pub fn all() -> Vec<Row> {
    let mut rows = Vec::new();
    for len in [0, 20, 64, 125, 1 << 10] {
        rows.push(receive("server/binary", true, &binary(len), 64));
    }
    rows.push(receive("server/binary", true, &binary(16 << 10), 1));
    rows.push(receive("client/binary", false, &binary(64), 64));
    for len in [20, 125] {
        rows.push(receive("server/binary", true, &binary(len), 1));
    }
    for (name, unit) in [("server/ascii", "x"), ("server/cjk", "\u{9c7c}")] {
        for len in [126, 16 << 10] {
            rows.push(receive(name, true, &text(unit, len), if len < 1024 { 64 } else { 1 }));
        }
    }
    rows.push(receive("server/binary/4 fragments", true, &fragments(Opcode::BINARY, "x"), 16));
    rows.push(receive("server/cjk/4 fragments", true, &fragments(Opcode::TEXT, "\u{9c7c}"), 16));
    rows.push(receive("server/ping", true, &[(Opcode::PING, true, vec![7; 8])], 64));
    rows.push(receive_cut());
    rows.push(assemble());
    for len in [20, 64, 125, 1 << 10] {
        rows.push(send("server", Connection::server(Arc::default()), len));
    }
    for len in [20, 64, 1 << 10, 16 << 10] {
        let seed = Seed::from_bytes([7; 32]);
        rows.push(send("client", Connection::client(seed, Arc::default()), len));
    }
    rows.push(handshake("minimal", ""));
    rows.push(handshake("browser", BROWSER));
    rows.push(handshake_client());
    rows
}

type Frame = (Opcode, bool, Vec<u8>);

fn binary(len: usize) -> Vec<Frame> {
    vec![(Opcode::BINARY, true, vec![7; len])]
}

fn text(unit: &str, len: usize) -> Vec<Frame> {
    vec![(Opcode::TEXT, true, unit.repeat(len / unit.len()).into_bytes())]
}

/// A message in four frames of 100 bytes, which cut characters.
fn fragments(opcode: Opcode, unit: &str) -> Vec<Frame> {
    let payload = unit.repeat(400 / unit.len() + 1);
    let payload = &payload.as_bytes()[..400 / unit.len() * unit.len()];
    let mut frames: Vec<Frame> =
        payload.chunks(100).map(|piece| (Opcode::CONTINUATION, false, piece.to_vec())).collect();
    frames[0].0 = opcode;
    frames[3].1 = true;
    frames
}

fn encode(frames: &[Frame], masked: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (opcode, fin, payload) in frames {
        let key = masked.then_some([0x37, 0xfa, 0x21, 0x3d]);
        let header = FrameHeader::new(*fin, *opcode, key, payload.len() as u64);
        bytes.extend_from_slice(header.encode().as_bytes());
        let start = bytes.len();
        bytes.extend_from_slice(payload);
        mask::apply(&mut bytes[start..], key.unwrap_or_default());
    }
    bytes
}

fn connection(server: bool) -> Connection {
    if server {
        Connection::server(Arc::default())
    } else {
        Connection::client(Seed::from_bytes([7; 32]), Arc::default())
    }
}

/// `count` times the frames in one read, ten reads.
fn receive(name: &str, server: bool, frames: &[Frame], count: usize) -> Row {
    let bytes = encode(frames, server).repeat(count);
    let len = frames[0].2.len();
    let mut ws = connection(server);
    let mut memory = vec![0; 16 << 10];
    Row {
        name: format!("receive/{name}/{len}/{count} a read"),
        operations: (10 * count) as u64,
        work: Box::new(move |measure| {
            let mut reads = vec![bytes.clone(); 10]; // unmasking spends them
            measure(&mut || {
                for read in &mut reads {
                    let mut input = Input::new(read);
                    let mut out = FixedOutput::new(&mut memory);
                    while let Some(event) = ws.receive(&mut input, &mut out) {
                        assert!(!matches!(black_box(&event), Event::Failed(_)));
                    }
                }
            });
        }),
    }
}

/// A frame whose header, and whose payload, is cut in two.
fn receive_cut() -> Row {
    let bytes = encode(&binary(64), true);
    let mut ws = connection(true);
    let mut out = Vec::new();
    Row {
        name: "receive/server/binary/64/cut in header and payload".into(),
        operations: 10,
        work: Box::new(move |measure| {
            let mut reads = vec![bytes.clone(); 10];
            measure(&mut || {
                for read in &mut reads {
                    let mut rest = &mut read[..];
                    for len in [1, 20, 49] {
                        let (piece, more) = rest.split_at_mut(len);
                        rest = more;
                        let mut input = Input::new(piece);
                        while let Some(event) = ws.receive(&mut input, &mut out) {
                            assert!(!matches!(black_box(&event), Event::Failed(_)));
                        }
                    }
                }
            });
        }),
    }
}

/// Whole messages by way of the assembler.
fn assemble() -> Row {
    let bytes = encode(&binary(64), true).repeat(64);
    let (mut ws, mut assembler) = (connection(true), Assembler::new());
    let mut out = Vec::new();
    Row {
        name: "assemble/server/binary/64/64 a read".into(),
        operations: 640,
        work: Box::new(move |measure| {
            let mut reads = vec![bytes.clone(); 10];
            measure(&mut || {
                for read in &mut reads {
                    let mut input = Input::new(read);
                    while let Some(event) = ws.receive(&mut input, &mut out) {
                        assert!(black_box(assembler.push(event)).is_some());
                    }
                }
            });
        }),
    }
}

fn send(role: &str, mut ws: Connection, len: usize) -> Row {
    let payload = vec![7; len];
    let mut memory = vec![0; 2 * len + 14 * 16];
    Row {
        name: format!("send/{role}/binary/{len}"),
        operations: 100,
        work: Box::new(move |measure| {
            let mut out = FixedOutput::new(&mut memory);
            measure(&mut || {
                for _ in 0..100 {
                    if !out.has_room(len + 14) {
                        out.clear();
                    }
                    let sent = ws.send_binary(black_box(&payload), &mut out);
                    assert!(black_box(sent).is_ok());
                }
            });
        }),
    }
}

/// What a browser adds to the request, much shortened.
const BROWSER: &str = "Pragma: no-cache\r\nCache-Control: no-cache\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/131.0.0.0 Safari/537.36\r\nOrigin: https://example.com\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\nAccept-Language: en-US,en;q=0.9\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef\r\n\
    Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";

fn handshake(name: &str, more: &str) -> Row {
    let head = format!(
        "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Version: 13\r\n{more}\r\n"
    );
    let config = Arc::new(Config::default());
    let mut memory = [0; 512];
    Row {
        name: format!("handshake/server/{name}"),
        operations: 10,
        work: Box::new(move |measure| {
            measure(&mut || {
                for _ in 0..10 {
                    let mut out = FixedOutput::new(&mut memory);
                    let mut server = Server::new(config.clone());
                    let request = server.receive(black_box(head.as_bytes()));
                    let request = request.expect("a request").expect("all of it");
                    let ws = request.accept(&Accept::new(), &mut out).expect("accepted");
                    assert!(black_box(ws).is_open());
                }
            });
        }),
    }
}

/// From a host's name to an open connection.
fn handshake_client() -> Row {
    let config = Arc::new(Config::default());
    let connect = move |head: &mut Vec<u8>| {
        let request = ClientRequest::new(false, black_box("example.com"), 80, "/chat");
        let client = Client::new(request, Seed::from_bytes([7; 32]), config.clone());
        let client = client.expect("a good request");
        head.clear();
        client.write_request(head).expect("there is room");
        client
    };
    let (mut head, mut reply) = (Vec::with_capacity(512), Vec::with_capacity(512));
    drop(connect(&mut head));
    let mut server = Server::new(Arc::default());
    let request = server.receive(&head).expect("a request").expect("all of it");
    request.accept(&Accept::new(), &mut reply).expect("accepted");
    Row {
        name: "handshake/client".into(),
        operations: 10,
        work: Box::new(move |measure| {
            measure(&mut || {
                for _ in 0..10 {
                    let mut client = connect(&mut head);
                    match client.receive(black_box(&reply)) {
                        Ok(Some(Reply::Accepted(response))) => drop(black_box(response.open())),
                        other => panic!("{other:?}"),
                    }
                }
            });
        }),
    }
}
