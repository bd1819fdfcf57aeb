//! sockudo-ws: its stream, and its protocol without one.

use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::io::{Read, Write};
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use sockudo_ws::deflate::DeflateConfig;
use sockudo_ws::protocol::{CompressedProtocol, Protocol};
use sockudo_ws::{Config, Message, Role, WebSocketStream, handshake};
use tokio::io::AsyncReadExt;

use super::{Engine, Receive, Sending, Setup, Visit};
use crate::clock::block_on;
use crate::frames::{Content, Kind, READ_LEN};
use crate::memory::handshake::Responder;
use crate::pipe::{Pipe, Sink};

pub(super) fn engines() -> Vec<Engine> {
    let core = Engine {
        receive: Some(|setup| Box::new(Core::new(setup, Plain(protocol(setup))))),
        receive_compressed: Some(|setup| Box::new(Core::new(setup, Deflating(compressed(setup))))),
        send: Some(|setup| Box::new(Core::new(setup, Plain(protocol(setup))))),
        send_corked: Some(|setup| Box::new(Core::new(setup, Plain(protocol(setup))))),
        send_compressed: Some(|setup| Box::new(Core::new(setup, Deflating(compressed(setup))))),
        accept: Some(accept),
        connect: Some(connect),
        ..Engine::new("sockudo-ws", "Protocol, without a stream")
    };
    let stream = Engine {
        receive: Some(|setup| Box::new(Stream::new(setup))),
        send: Some(|setup| Box::new(Stream::new(setup))),
        send_corked: Some(|setup| Box::new(Stream::new(setup))),
        ..Engine::new("sockudo-ws", "WebSocketStream, no heartbeat")
    };
    vec![core, stream]
}

fn role(setup: &Setup) -> Role {
    if setup.is_server() { Role::Server } else { Role::Client }
}

fn messages(setup: &Setup) -> Vec<Message> {
    let message = |bytes: Bytes| match setup.traffic.content {
        Content::Binary => Message::Binary(bytes),
        _ => Message::Text(bytes),
    };
    setup.payloads().into_iter().map(message).collect()
}

fn visit_message(message: &Message, visit: &mut impl Visit) {
    match message {
        Message::Binary(bytes) => visit.message(Kind::Binary, bytes),
        Message::Text(bytes) => visit.message(Kind::Text, bytes),
        other => panic!("{other:?}"),
    }
}

// ---- the protocol alone --------------------------------------------------------------

trait Codec {
    fn process(&mut self, bytes: &mut BytesMut, messages: &mut Vec<Message>);
    fn encode(&mut self, message: &Message, out: &mut BytesMut);
}

struct Plain(Protocol);
struct Deflating(CompressedProtocol);

fn protocol(setup: &Setup) -> Protocol {
    Protocol::new(role(setup), super::MAX_LEN, super::MAX_LEN)
}

fn compressed(setup: &Setup) -> CompressedProtocol {
    let config =
        DeflateConfig { compression_level: 6, compression_threshold: 0, ..Default::default() };
    match setup.is_server() {
        true => CompressedProtocol::server(super::MAX_LEN, super::MAX_LEN, config),
        false => CompressedProtocol::client(super::MAX_LEN, super::MAX_LEN, config),
    }
}

impl Codec for Plain {
    #[inline]
    fn process(&mut self, bytes: &mut BytesMut, messages: &mut Vec<Message>) {
        self.0.process_into(bytes, messages).expect("right");
    }

    #[inline]
    fn encode(&mut self, message: &Message, out: &mut BytesMut) {
        self.0.encode_message(message, out).expect("right");
    }
}

impl Codec for Deflating {
    #[inline]
    fn process(&mut self, bytes: &mut BytesMut, messages: &mut Vec<Message>) {
        self.0.process_into(bytes, messages).expect("right");
    }

    #[inline]
    fn encode(&mut self, message: &Message, out: &mut BytesMut) {
        self.0.encode_message(message, out).expect("right");
    }
}

struct Core<C> {
    codec: C,
    pipe: Pipe,
    buffer: BytesMut,
    received: Vec<Message>,
    payloads: Vec<Message>,
    next: usize,
}

impl<C: Codec> Core<C> {
    fn new(setup: &Setup, codec: C) -> Self {
        let (pipe, payloads) = (setup.pipe(), messages(setup));
        Self { codec, pipe, buffer: BytesMut::new(), received: Vec::new(), payloads, next: 0 }
    }
}

thread_local! {
    /// Read into by connections that have nothing left over.
    static READ: Cell<BytesMut> = Cell::new(BytesMut::new());
}

impl<C: Codec> Receive for Core<C> {
    fn receive(&mut self, messages: u64, visit: &mut impl Visit) {
        if self.buffer.capacity() == 0 {
            self.buffer = READ.take();
        }
        block_on(async {
            let mut received = 0;
            while received < messages {
                // Memory that was not there before is not filled with zeros first.
                self.buffer.reserve(READ_LEN);
                let read = AsyncReadExt::read_buf(&mut self.pipe, &mut self.buffer).await;
                assert!(read.expect("memory") > 0);
                self.codec.process(&mut self.buffer, &mut self.received);
                for message in self.received.drain(..) {
                    visit_message(&message, visit);
                    received += 1;
                }
            }
        });
        if self.buffer.is_empty() {
            READ.set(std::mem::take(&mut self.buffer));
        }
    }

    fn state_len(&self) -> usize {
        size_of::<C>() + size_of::<BytesMut>()
    }
}

impl<C: Codec> Sending for Core<C> {
    fn send(&mut self, messages: u64, corked: u32) {
        let mut in_cork = 0;
        for _ in 0..messages {
            let message = black_box(&self.payloads[self.next]);
            self.next = (self.next + 1) % self.payloads.len();
            self.codec.encode(message, &mut self.buffer);
            in_cork += 1;
            if in_cork == corked {
                self.pipe.write_all(&self.buffer).expect("memory");
                self.buffer.clear();
                in_cork = 0;
            }
        }
    }
}

// ---- the stream ----------------------------------------------------------------------

struct Stream {
    ws: WebSocketStream<Pipe>,
    payloads: Vec<Message>,
    next: usize,
}

impl Stream {
    fn new(setup: &Setup) -> Self {
        let ws = WebSocketStream::from_raw(setup.pipe(), role(setup), config());
        Self { ws, payloads: messages(setup), next: 0 }
    }
}

/// No timers, which would want a runtime, and a clock.
pub(crate) fn config() -> Config {
    Config::builder()
        .max_message_size(super::MAX_LEN)
        .max_frame_size(super::MAX_LEN)
        .idle_timeout(0)
        .auto_ping(false)
        .build()
}

impl Receive for Stream {
    fn receive(&mut self, messages: u64, visit: &mut impl Visit) {
        block_on(async {
            for _ in 0..messages {
                visit_message(&self.ws.next().await.expect("no end").expect("right"), visit);
            }
        });
    }

    fn state_len(&self) -> usize {
        size_of::<WebSocketStream<Pipe>>() - size_of::<Pipe>()
    }
}

impl Sending for Stream {
    fn send(&mut self, messages: u64, corked: u32) {
        block_on(async {
            let mut in_cork = 0;
            for _ in 0..messages {
                let message = black_box(&self.payloads[self.next]).clone();
                self.next = (self.next + 1) % self.payloads.len();
                self.ws.feed(message).await.expect("memory");
                in_cork += 1;
                if in_cork == corked {
                    self.ws.flush().await.expect("memory");
                    in_cork = 0;
                }
            }
        });
    }
}

// ---- the opening handshake -----------------------------------------------------------

fn accept(request: &[u8], times: u64, sink: &Rc<RefCell<Sink>>) {
    let mut read = Vec::from(request);
    for _ in 0..times {
        let mut pipe = Pipe { source: crate::pipe::Source::once(&[]), sink: sink.clone() };
        read.copy_from_slice(black_box(request));
        let (request, _) = handshake::parse_request(&read).expect("right").expect("complete");
        let key = handshake::generate_accept_key(request.key);
        let response = handshake::build_response(&key, None, None);
        pipe.write_all(&response).expect("memory");
    }
}

fn connect(_: &[u8], times: u64, sink: &Rc<RefCell<Sink>>) {
    let mut read = vec![0; 1024];
    for _ in 0..times {
        let mut pipe = Responder::new(sink);
        let key = handshake::generate_key();
        let request = handshake::build_request("example.com", "/", &key, None, None);
        pipe.write_all(&request).expect("memory");
        let len = Read::read(&mut pipe, &mut read).expect("memory");
        let (response, _) =
            handshake::parse_response(&read[..len]).expect("right").expect("complete");
        assert!(handshake::validate_accept_key(&key, response.accept.expect("there")));
    }
}
