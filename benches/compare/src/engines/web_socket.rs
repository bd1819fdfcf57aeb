//! web-socket: reads header and payload one after the other, so it is given a
//! stream with a buffer. Fragments and text are the caller's to put together
//! and to check.

use std::hint::black_box;

use ::web_socket as peer;
use peer::{DataType, Event, MessageType, WebSocket};
use tokio::io::{AsyncRead, AsyncWrite, BufReader, BufWriter};

use super::{Engine, Receive, Sending, Setup, Visit};
use crate::clock::block_on;
use crate::frames::Kind;
use crate::pipe::Pipe;

pub(super) fn engines() -> Vec<Engine> {
    let small = Engine {
        receive: Some(|setup| Box::new(Connection::new(setup, 8 << 10))),
        send: Some(|setup| Box::new(Sender::new(setup, setup.pipe()))),
        send_corked: Some(|setup| Box::new(Sender::new(setup, BufWriter::new(setup.pipe())))),
        ..Engine::new("web-socket", "BufReader of 8 KiB")
    };
    let large = Engine {
        receive: Some(|setup| Box::new(Connection::new(setup, 64 << 10))),
        ..Engine::new("web-socket", "BufReader of 64 KiB")
    };
    vec![small, large]
}

fn open<S: AsyncRead + AsyncWrite + Unpin>(setup: &Setup, stream: S) -> WebSocket<S> {
    let mut ws = match setup.is_server() {
        true => WebSocket::server(stream),
        false => WebSocket::client(stream),
    };
    ws.max_payload_len = super::MAX_LEN;
    ws
}

struct Connection {
    ws: WebSocket<BufReader<Pipe>>,
    message: Vec<u8>,
}

impl Connection {
    fn new(setup: &Setup, buffer: usize) -> Self {
        let stream = BufReader::with_capacity(buffer, setup.pipe());
        Self { ws: open(setup, stream), message: Vec::new() }
    }
}

fn visit_message(ty: MessageType, bytes: &[u8], visit: &mut impl Visit) {
    if ty.is_text() {
        let text = simdutf8::basic::from_utf8(bytes).expect("text");
        visit.message(Kind::Text, text.as_bytes());
    } else {
        visit.message(Kind::Binary, bytes);
    }
}

impl Receive for Connection {
    fn receive(&mut self, messages: u64, visit: &mut impl Visit) {
        block_on(async {
            let mut received = 0;
            while received < messages {
                match self.ws.recv().await.expect("right") {
                    Event::Data { ty: DataType::Complete(ty), data } => {
                        visit_message(ty, &data, visit);
                        received += 1;
                    }
                    Event::Data { ty: DataType::Stream(stream), data } => {
                        self.message.extend_from_slice(&data);
                        if let peer::Stream::End(ty) = stream {
                            visit_message(ty, &self.message, visit);
                            self.message.clear();
                            received += 1;
                        }
                    }
                    other => panic!("{other:?}"),
                }
            }
        });
    }

    fn state_len(&self) -> usize {
        size_of::<WebSocket<BufReader<Pipe>>>() - size_of::<Pipe>()
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
                let payload = black_box(&self.payloads[self.next][..]);
                self.next = (self.next + 1) % self.payloads.len();
                self.ws.send(payload).await.expect("memory");
                in_cork += 1;
                if in_cork == corked {
                    self.ws.flash().await.expect("memory");
                    in_cork = 0;
                }
            }
        });
    }
}
