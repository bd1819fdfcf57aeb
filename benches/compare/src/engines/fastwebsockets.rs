//! fastwebsockets: unmasks and checks text; long payloads are written from
//! where they are, which is its default.

use std::hint::black_box;

use ::fastwebsockets as peer;
use peer::{FragmentCollector, Frame, OpCode, Payload, WebSocket};
use tokio::io::{AsyncRead, AsyncWrite, BufWriter};

use super::{Engine, Receive, Sending, Setup, Visit};
use crate::clock::block_on;
use crate::frames::Kind;
use crate::pipe::Pipe;

pub(super) fn engines() -> Vec<Engine> {
    vec![Engine {
        receive: Some(|setup| match setup.traffic.fragmented {
            false => Box::new(Frames(open(setup, setup.pipe()))),
            true => Box::new(Whole(FragmentCollector::new(open(setup, setup.pipe())))),
        }),
        send: Some(|setup| Box::new(Sender::new(setup, setup.pipe()))),
        send_in_place: Some(|setup| Box::new(InPlace(Sender::new(setup, setup.pipe())))),
        // It writes each frame: only a stream with a buffer can collect them.
        send_corked: Some(|setup| Box::new(Sender::new(setup, BufWriter::new(setup.pipe())))),
        ..Engine::new("fastwebsockets", "")
    }]
}

fn open<S: AsyncRead + AsyncWrite + Unpin>(setup: &Setup, stream: S) -> WebSocket<S> {
    let role = if setup.is_server() { peer::Role::Server } else { peer::Role::Client };
    WebSocket::after_handshake(stream, role)
}

fn kind(opcode: OpCode) -> Kind {
    match opcode {
        OpCode::Binary => Kind::Binary,
        OpCode::Text => Kind::Text,
        other => panic!("{other:?}"),
    }
}

/// Messages of one frame.
struct Frames(WebSocket<Pipe>);

impl Receive for Frames {
    fn receive(&mut self, messages: u64, visit: &mut impl Visit) {
        block_on(async {
            for _ in 0..messages {
                let frame = self.0.read_frame().await.expect("right");
                visit.message(kind(frame.opcode), &frame.payload);
            }
        });
    }

    fn state_len(&self) -> usize {
        size_of::<WebSocket<Pipe>>() - size_of::<Pipe>()
    }
}

struct Whole(FragmentCollector<Pipe>);

impl Receive for Whole {
    fn receive(&mut self, messages: u64, visit: &mut impl Visit) {
        block_on(async {
            for _ in 0..messages {
                let frame = self.0.read_frame().await.expect("right");
                visit.message(kind(frame.opcode), &frame.payload);
            }
        });
    }

    fn state_len(&self) -> usize {
        size_of::<FragmentCollector<Pipe>>() - size_of::<Pipe>()
    }
}

struct Sender<S> {
    ws: WebSocket<S>,
    payloads: Vec<Vec<u8>>,
    next: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sender<S> {
    fn new(setup: &Setup, stream: S) -> Self {
        Self { ws: open(setup, stream), payloads: setup.messages().to_vec(), next: 0 }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sending for Sender<S> {
    fn send(&mut self, messages: u64, corked: u32) {
        block_on(async {
            let mut in_cork = 0;
            for _ in 0..messages {
                let payload = Payload::Borrowed(black_box(&self.payloads[self.next]));
                self.next = (self.next + 1) % self.payloads.len();
                self.ws.write_frame(Frame::binary(payload)).await.expect("memory");
                in_cork += 1;
                if in_cork == corked {
                    self.ws.flush().await.expect("memory");
                    in_cork = 0;
                }
            }
        });
    }
}

struct InPlace(Sender<Pipe>);

impl Sending for InPlace {
    fn send(&mut self, messages: u64, _: u32) {
        let Sender { ws, payloads, next } = &mut self.0;
        let count = payloads.len();
        block_on(async {
            for _ in 0..messages {
                let payload = Payload::BorrowedMut(black_box(&mut payloads[*next]));
                *next = (*next + 1) % count;
                ws.write_frame(Frame::binary(payload)).await.expect("memory");
            }
        });
    }
}
