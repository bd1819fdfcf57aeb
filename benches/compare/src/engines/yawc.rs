//! yawc: its stream, with text checked.

use std::hint::black_box;

use ::yawc as peer;
use bytes::Bytes;
use futures_util::SinkExt;
use peer::{CompressionLevel, Frame, OpCode, Options, WebSocket};

use super::{Engine, Receive, Sending, Setup, Visit};
use crate::clock::block_on;
use crate::frames::{Content, Kind};
use crate::pipe::Pipe;

pub(super) fn engines() -> Vec<Engine> {
    let default = Engine {
        receive: Some(|setup| Box::new(Connection::new(setup, options()))),
        send: Some(|setup| Box::new(Connection::new(setup, options()))),
        send_corked: Some(|setup| Box::new(Connection::new(setup, options()))),
        ..Engine::new("yawc", "buffers of 8 KiB (default)")
    };
    let tuned = Engine {
        receive: Some(|setup| Box::new(Connection::new(setup, tuned()))),
        receive_compressed: Some(|setup| Box::new(Connection::new(setup, tuned()))),
        send: Some(|setup| Box::new(Connection::new(setup, tuned()))),
        send_corked: Some(|setup| Box::new(Connection::new(setup, tuned()))),
        send_compressed: Some(|setup| Box::new(Connection::new(setup, tuned()))),
        ..Engine::new("yawc", "reads of 128 KiB, writes of 64 KiB")
    };
    vec![default, tuned]
}

pub(crate) fn options() -> Options {
    Options::default().with_utf8().with_limits(super::MAX_LEN, super::MAX_LEN)
}

/// As in its own benchmarks.
pub(crate) fn tuned() -> Options {
    options()
        .with_read_buffer_capacity(128 << 10)
        .with_write_buffer_capacity(64 << 10)
        .with_backpressure_boundary(64 << 10)
}

struct Connection {
    ws: WebSocket<Pipe>,
    text: bool,
    payloads: Vec<Bytes>,
    next: usize,
}

impl Connection {
    fn new(setup: &Setup, options: Options) -> Self {
        let role = if setup.is_server() { peer::Role::Server } else { peer::Role::Client };
        let (options, extensions) = match setup.traffic.compressed {
            true => (
                options.with_compression_level(CompressionLevel::new(6)),
                Some("permessage-deflate"),
            ),
            false => (options, None),
        };
        let ws = WebSocket::from_stream_with_extensions(setup.pipe(), role, extensions, options);
        let text = setup.traffic.content != Content::Binary;
        Self { ws: ws.expect("right"), text, payloads: setup.payloads(), next: 0 }
    }
}

impl Receive for Connection {
    fn receive(&mut self, messages: u64, visit: &mut impl Visit) {
        block_on(async {
            for _ in 0..messages {
                let frame = self.ws.next_frame().await.expect("right");
                let kind = match frame.opcode() {
                    OpCode::Text => Kind::Text,
                    OpCode::Binary => Kind::Binary,
                    other => panic!("{other:?}"),
                };
                visit.message(kind, frame.payload());
            }
        });
    }

    fn state_len(&self) -> usize {
        size_of::<WebSocket<Pipe>>() - size_of::<Pipe>()
    }
}

impl Sending for Connection {
    fn send(&mut self, messages: u64, corked: u32) {
        block_on(async {
            let mut in_cork = 0;
            for _ in 0..messages {
                let payload = black_box(&self.payloads[self.next]).clone();
                self.next = (self.next + 1) % self.payloads.len();
                let frame = if self.text { Frame::text(payload) } else { Frame::binary(payload) };
                self.ws.feed(frame).await.expect("memory");
                in_cork += 1;
                if in_cork == corked {
                    self.ws.flush().await.expect("memory");
                    in_cork = 0;
                }
            }
        });
    }
}
