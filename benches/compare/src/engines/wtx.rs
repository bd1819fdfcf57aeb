//! wtx: frames borrow from its buffer; a client masks what it is given.

use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;

use ::wtx as peer;
use peer::collection::Vector;
use peer::misc::UriRef;
use peer::rng::Xorshift64;
use peer::web_socket::compression::{Flate2, NegotiatedCompression, NegotiatedFlate2, WindowBits};
use peer::web_socket::{
    Compression, CompressionLevel, DeflateConfig, Frame, OpCode, WebSocketAcceptor,
    WebSocketBuffer, WebSocketConnector, WebSocketOwned, WebSocketPayloadOrigin,
};

use super::{Engine, MakeSending, Receive, Sending, Setup, Visit};
use crate::clock::block_on;
use crate::frames::{Content, Kind};
use crate::memory::handshake::Responder;
use crate::pipe::{Pipe, Sink, Source};

type Owned<NC, const IS_CLIENT: bool> = WebSocketOwned<NC, Xorshift64, Pipe, IS_CLIENT>;

pub(super) fn engines() -> Vec<Engine> {
    let send: MakeSending = |setup| match setup.is_server() {
        true => Box::new(Connection::<(), false>::new(setup, ())),
        false => Box::new(Copied(Connection::<(), true>::new(setup, ()))),
    };
    vec![Engine {
        receive: Some(|setup| match setup.is_server() {
            true => Box::new(Connection::<(), false>::new(setup, ())),
            false => Box::new(Connection::<(), true>::new(setup, ())),
        }),
        receive_compressed: Some(|setup| match setup.is_server() {
            true => Box::new(Connection::<_, false>::new(setup, flate2::<false>())),
            false => Box::new(Connection::<_, true>::new(setup, flate2::<true>())),
        }),
        send: Some(send),
        send_in_place: Some(|setup| Box::new(Connection::<(), true>::new(setup, ()))),
        send_compressed: Some(|setup| match setup.is_server() {
            true => Box::new(Connection::<_, false>::new(setup, flate2::<false>())),
            false => Box::new(Connection::<_, true>::new(setup, flate2::<true>())),
        }),
        accept: Some(accept),
        connect: Some(connect),
        ..Engine::new("wtx", "")
    }]
}

fn flate2<const IS_CLIENT: bool>() -> Option<NegotiatedFlate2> {
    let config = DeflateConfig {
        client_max_window_bits: WindowBits::Fifteen,
        compression_level: CompressionLevel::Six,
        server_max_window_bits: WindowBits::Fifteen,
    };
    let header =
        httparse::Header { name: "Sec-WebSocket-Extensions", value: b"permessage-deflate" };
    Compression::<IS_CLIENT>::negotiate(Flate2::from(config), [header].iter()).expect("right")
}

struct Connection<NC, const IS_CLIENT: bool> {
    ws: Owned<NC, IS_CLIENT>,
    buffer: Vector<u8>,
    opcode: OpCode,
    payloads: Vec<Vec<u8>>,
    next: usize,
}

impl<NC: NegotiatedCompression, const IS_CLIENT: bool> Connection<NC, IS_CLIENT> {
    fn new(setup: &Setup, nc: NC) -> Self {
        let mut ws =
            Owned::new(nc, false, Xorshift64::from(7), setup.pipe(), WebSocketBuffer::new());
        ws.set_max_payload_len(super::MAX_LEN);
        let opcode =
            if setup.traffic.content == Content::Binary { OpCode::Binary } else { OpCode::Text };
        let payloads = setup.messages().to_vec();
        Self { ws, buffer: Vector::new(), opcode, payloads, next: 0 }
    }
}

impl<NC: NegotiatedCompression, const IS_CLIENT: bool> Receive for Connection<NC, IS_CLIENT> {
    fn receive(&mut self, messages: u64, visit: &mut impl Visit) {
        block_on(async {
            for _ in 0..messages {
                let origin = WebSocketPayloadOrigin::Adaptive;
                let frame = self.ws.read_frame(&mut self.buffer, origin).await.expect("right");
                let kind = match frame.op_code() {
                    OpCode::Binary => Kind::Binary,
                    OpCode::Text => Kind::Text,
                    other => panic!("{other:?}"),
                };
                visit.message(kind, frame.payload());
            }
        });
    }

    fn state_len(&self) -> usize {
        size_of::<Owned<NC, IS_CLIENT>>() - size_of::<Pipe>()
    }
}

/// What a client sends is masked where it is.
impl<NC: NegotiatedCompression, const IS_CLIENT: bool> Sending for Connection<NC, IS_CLIENT> {
    fn send(&mut self, messages: u64, corked: u32) {
        assert_eq!(corked, 1);
        block_on(async {
            for _ in 0..messages {
                let index = self.next;
                self.next = (self.next + 1) % self.payloads.len();
                let payload = black_box(&mut self.payloads[index][..]);
                let mut frame = Frame::new_fin(self.opcode, payload);
                self.ws.write_frame(&mut frame).await.expect("memory");
            }
        });
    }
}

/// The caller's bytes are left as they are: a copy is masked.
struct Copied(Connection<(), true>);

impl Sending for Copied {
    fn send(&mut self, messages: u64, corked: u32) {
        assert_eq!(corked, 1);
        let Connection { ws, opcode, payloads, next, .. } = &mut self.0;
        let mut copy = Vec::new();
        block_on(async {
            for _ in 0..messages {
                copy.clear();
                copy.extend_from_slice(black_box(&payloads[*next]));
                *next = (*next + 1) % payloads.len();
                let mut frame = Frame::new_fin(*opcode, &mut copy[..]);
                ws.write_frame(&mut frame).await.expect("memory");
            }
        });
    }
}

fn accept(request: &[u8], times: u64, sink: &Rc<RefCell<Sink>>) {
    // One buffer for all, which it offers.
    let mut buffer = WebSocketBuffer::new();
    block_on(async {
        for _ in 0..times {
            let pipe = Pipe { source: Source::once(black_box(request)), sink: sink.clone() };
            let acceptor = WebSocketAcceptor::default().rng(Xorshift64::from(7)).wsb(&mut buffer);
            let opened: peer::Result<_> = acceptor.accept(pipe).await;
            black_box(&opened.expect("right"));
        }
    });
}

fn connect(_: &[u8], times: u64, sink: &Rc<RefCell<Sink>>) {
    let mut buffer = WebSocketBuffer::new();
    let uri = UriRef::new("ws://example.com:80/");
    block_on(async {
        for n in 0..times {
            let connector =
                WebSocketConnector::default().rng(Xorshift64::from(n | 1)).wsb(&mut buffer);
            let opened: peer::Result<_> = connector.connect(Responder::new(sink), &uri).await;
            black_box(&opened.expect("right"));
        }
    });
}
