//! tungstenite: on streams that block.

use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;

use ::tungstenite as peer;
use bytes::Bytes;
use peer::handshake::machine::TryParse;
use peer::handshake::server::{Request, create_response, write_response};
use peer::protocol::{Role, WebSocketConfig};
use peer::{Message, Utf8Bytes, WebSocket};

use super::{Engine, Receive, Sending, Setup, Visit};
use crate::frames::{Content, Kind};
use crate::memory::handshake::Responder;
use crate::pipe::{Pipe, Sink};

pub(super) fn engines() -> Vec<Engine> {
    let large = Engine {
        receive: Some(|setup| Box::new(Connection::new(setup, 128 << 10))),
        send: Some(|setup| Box::new(Connection::new(setup, 128 << 10))),
        send_corked: Some(|setup| Box::new(Connection::new(setup, 128 << 10))),
        accept: Some(accept),
        connect: Some(connect),
        ..Engine::new("tungstenite", "buffers of 128 KiB (default)")
    };
    let small = Engine {
        receive: Some(|setup| Box::new(Connection::new(setup, 4 << 10))),
        send: Some(|setup| Box::new(Connection::new(setup, 4 << 10))),
        ..Engine::new("tungstenite", "buffers of 4 KiB")
    };
    vec![large, small]
}

struct Connection {
    ws: WebSocket<Pipe>,
    payloads: Vec<Message>,
    next: usize,
}

impl Connection {
    fn new(setup: &Setup, buffer: usize) -> Self {
        let role = if setup.is_server() { Role::Server } else { Role::Client };
        let config = WebSocketConfig::default()
            .read_buffer_size(buffer)
            .write_buffer_size(buffer)
            .max_message_size(Some(super::MAX_LEN))
            .max_frame_size(Some(super::MAX_LEN));
        let message = |bytes: Bytes| match setup.traffic.content {
            Content::Binary => Message::Binary(bytes),
            _ => Message::Text(Utf8Bytes::try_from(bytes).expect("text")),
        };
        let payloads = setup.payloads().into_iter().map(message).collect();
        Self { ws: WebSocket::from_raw_socket(setup.pipe(), role, Some(config)), payloads, next: 0 }
    }
}

impl Receive for Connection {
    fn receive(&mut self, messages: u64, visit: &mut impl Visit) {
        for _ in 0..messages {
            match self.ws.read().expect("right") {
                Message::Binary(bytes) => visit.message(Kind::Binary, &bytes),
                Message::Text(text) => visit.message(Kind::Text, text.as_bytes()),
                other => panic!("{other:?}"),
            }
        }
    }

    fn state_len(&self) -> usize {
        size_of::<WebSocket<Pipe>>() - size_of::<Pipe>()
    }
}

impl Sending for Connection {
    fn send(&mut self, messages: u64, corked: u32) {
        let mut in_cork = 0;
        for _ in 0..messages {
            let message = black_box(&self.payloads[self.next]).clone();
            self.next = (self.next + 1) % self.payloads.len();
            self.ws.write(message).expect("memory");
            in_cork += 1;
            if in_cork == corked {
                self.ws.flush().expect("memory");
                in_cork = 0;
            }
        }
    }
}

/// The parts that `accept` is made of, without the buffers of the connection.
fn accept(request: &[u8], times: u64, sink: &Rc<RefCell<Sink>>) {
    let mut out = Vec::with_capacity(1024);
    for _ in 0..times {
        let pipe = Pipe { source: crate::pipe::Source::once(&[]), sink: sink.clone() };
        let (_, request) =
            Request::try_parse(black_box(request)).expect("right").expect("complete");
        let response = create_response(&request).expect("right");
        write_response(&mut out, &response).expect("memory");
        std::io::Write::write_all(&mut { pipe }, &out).expect("memory");
        out.clear();
    }
}

fn connect(_: &[u8], times: u64, sink: &Rc<RefCell<Sink>>) {
    // The least that it can be given.
    let config = WebSocketConfig::default().read_buffer_size(256).write_buffer_size(256);
    for _ in 0..times {
        let stream = Responder::new(sink);
        let opened = peer::client::client_with_config("ws://example.com/", stream, Some(config));
        black_box(opened.expect("right"));
    }
}
