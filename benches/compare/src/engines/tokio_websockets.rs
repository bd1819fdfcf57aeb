//! tokio-websockets.

use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;

use ::tokio_websockets as peer;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use peer::{ClientBuilder, Limits, Message, ServerBuilder, WebSocketStream};

use super::{Engine, Receive, Sending, Setup, Visit};
use crate::clock::block_on;
use crate::frames::Kind;
use crate::memory::handshake::Responder;
use crate::pipe::{Pipe, Sink, Source};

pub(super) fn engines() -> Vec<Engine> {
    vec![Engine {
        receive: Some(|setup| Box::new(Connection::new(setup))),
        send: Some(|setup| Box::new(Connection::new(setup))),
        send_corked: Some(|setup| Box::new(Connection::new(setup))),
        accept: Some(accept),
        connect: Some(connect),
        ..Engine::new("tokio-websockets", "")
    }]
}

struct Connection {
    ws: WebSocketStream<Pipe>,
    payloads: Vec<Bytes>,
    next: usize,
}

impl Connection {
    fn new(setup: &Setup) -> Self {
        let limits = Limits::default().max_payload_len(Some(super::MAX_LEN));
        let ws = match setup.is_server() {
            true => ServerBuilder::new().limits(limits).serve(setup.pipe()),
            false => ClientBuilder::new().limits(limits).take_over(setup.pipe()),
        };
        Self { ws, payloads: setup.payloads(), next: 0 }
    }
}

impl Receive for Connection {
    fn receive(&mut self, messages: u64, visit: &mut impl Visit) {
        block_on(async {
            for _ in 0..messages {
                let message = self.ws.next().await.expect("no end").expect("right");
                let kind = if message.is_text() { Kind::Text } else { Kind::Binary };
                visit.message(kind, message.as_payload());
            }
        });
    }

    fn state_len(&self) -> usize {
        size_of::<WebSocketStream<Pipe>>() - size_of::<Pipe>()
    }
}

impl Sending for Connection {
    fn send(&mut self, messages: u64, corked: u32) {
        block_on(async {
            let mut in_cork = 0;
            for _ in 0..messages {
                let payload = black_box(&self.payloads[self.next]).clone();
                self.next = (self.next + 1) % self.payloads.len();
                self.ws.feed(Message::binary(payload)).await.expect("memory");
                in_cork += 1;
                if in_cork == corked {
                    self.ws.flush().await.expect("memory");
                    in_cork = 0;
                }
            }
        });
    }
}

fn accept(request: &[u8], times: u64, sink: &Rc<RefCell<Sink>>) {
    let builder = ServerBuilder::new();
    block_on(async {
        for _ in 0..times {
            let pipe = Pipe { source: Source::once(black_box(request)), sink: sink.clone() };
            black_box(builder.accept(pipe).await.expect("right"));
        }
    });
}

fn connect(_: &[u8], times: u64, sink: &Rc<RefCell<Sink>>) {
    block_on(async {
        for _ in 0..times {
            let builder = ClientBuilder::new().uri("ws://example.com/").expect("right");
            black_box(builder.connect_on(Responder::new(sink)).await.expect("right"));
        }
    });
}
