//! The engines, each behind the same few traits, and each driven the way that
//! is fastest for it. README.md says how.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;

use crate::frames::{Kind, Traffic};
use crate::pipe::{Pipe, Sink};

mod fastwebsockets;
mod ours;
pub(crate) mod sockudo;
mod tokio_websockets;
mod tungstenite;
mod web_socket;
mod wtx;
pub(crate) mod yawc;

/// No message of any traffic is longer.
const MAX_LEN: usize = 64 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Client,
    Server,
}

/// A connection to be made.
#[derive(Clone)]
pub struct Setup {
    pub role: Role,
    /// What it receives, or what it sends.
    pub traffic: Traffic,
    pub sends: bool,
    pub sink: Rc<RefCell<Sink>>,
}

impl Setup {
    pub fn pipe(&self) -> Pipe {
        Pipe::new(&self.traffic, &self.sink)
    }

    pub fn is_server(&self) -> bool {
        self.role == Role::Server
    }

    /// Messages to send; none for who receives.
    fn messages(&self) -> &[Vec<u8>] {
        if self.sends { &self.traffic.messages } else { &[] }
    }

    /// The same, where a clone costs no copy.
    fn payloads(&self) -> Vec<Bytes> {
        let payload = |message: &Vec<u8>| {
            let payload = Bytes::from(message.clone());
            // It is shared from the second handle on, which takes an allocation.
            drop(payload.clone());
            payload
        };
        self.messages().iter().map(payload).collect()
    }
}

// ---- receiving -----------------------------------------------------------------------

/// Sees what is received.
pub trait Visit {
    fn chunk(&mut self, kind: Kind, bytes: &[u8], is_last: bool);

    #[inline]
    fn message(&mut self, kind: Kind, bytes: &[u8]) {
        self.chunk(kind, bytes, true);
    }
}

/// An engine that receives.
pub trait Receive {
    /// Receives so many messages, or some more.
    fn receive(&mut self, messages: u64, visit: &mut impl Visit);

    /// Bytes of the connection itself, without what is on the heap or belongs
    /// to the stream.
    fn state_len(&self) -> usize;
}

/// The same, behind a pointer.
pub trait Receiving {
    fn count(&mut self, messages: u64) -> Count;
    fn compare(&mut self, messages: u64, compare: &mut Compare);
    fn state_len(&self) -> usize;
}

impl<T: Receive> Receiving for T {
    fn count(&mut self, messages: u64) -> Count {
        let mut count = Count::default();
        self.receive(messages, &mut count);
        count
    }

    fn compare(&mut self, messages: u64, compare: &mut Compare) {
        self.receive(messages, compare);
    }

    fn state_len(&self) -> usize {
        Receive::state_len(self)
    }
}

/// Looks no closer than it has to: what is timed.
#[derive(Default)]
pub struct Count {
    pub messages: u64,
    pub bytes: u64,
}

impl Visit for Count {
    #[inline]
    fn chunk(&mut self, _: Kind, bytes: &[u8], is_last: bool) {
        std::hint::black_box(bytes.as_ptr());
        self.bytes += bytes.len() as u64;
        self.messages += u64::from(is_last);
    }
}

/// Looks at every byte.
pub struct Compare {
    traffic: Traffic,
    at: usize,
    message: Vec<u8>,
}

impl Compare {
    pub fn new(traffic: &Traffic) -> Self {
        Self { traffic: traffic.clone(), at: 0, message: Vec::new() }
    }
}

impl Visit for Compare {
    fn chunk(&mut self, kind: Kind, bytes: &[u8], is_last: bool) {
        assert_eq!(kind, self.traffic.content.kind());
        self.message.extend_from_slice(bytes);
        if is_last {
            assert!(self.message == self.traffic.messages[self.at], "not what was sent");
            self.at = (self.at + 1) % self.traffic.messages.len();
            self.message.clear();
        }
    }
}

// ---- sending -------------------------------------------------------------------------

/// An engine that sends the messages of the traffic, one after the other.
pub trait Sending {
    /// Sends so many, and has them written after each `corked` of them.
    fn send(&mut self, messages: u64, corked: u32);
}

// ---- all of them ---------------------------------------------------------------------

pub type MakeReceiving = fn(&Setup) -> Box<dyn Receiving>;
pub type MakeSending = fn(&Setup) -> Box<dyn Sending>;
/// Opens so many connections, with the request or for it; the bytes written go
/// to the sink.
pub type Handshake = fn(request: &[u8], times: u64, sink: &Rc<RefCell<Sink>>);

/// An engine with one setting.
#[derive(Clone, Copy)]
pub struct Engine {
    pub name: &'static str,
    pub setting: &'static str,
    pub receive: Option<MakeReceiving>,
    pub receive_compressed: Option<MakeReceiving>,
    pub send: Option<MakeSending>,
    /// Masks what it is given in place: the caller's bytes are spent.
    pub send_in_place: Option<MakeSending>,
    pub send_corked: Option<MakeSending>,
    pub send_compressed: Option<MakeSending>,
    pub accept: Option<Handshake>,
    pub connect: Option<Handshake>,
}

impl Engine {
    const fn new(name: &'static str, setting: &'static str) -> Self {
        Self {
            name,
            setting,
            receive: None,
            receive_compressed: None,
            send: None,
            send_in_place: None,
            send_corked: None,
            send_compressed: None,
            accept: None,
            connect: None,
        }
    }
}

pub fn all() -> Vec<Engine> {
    [
        ours::engines(),
        tungstenite::engines(),
        fastwebsockets::engines(),
        tokio_websockets::engines(),
        sockudo::engines(),
        yawc::engines(),
        web_socket::engines(),
        wtx::engines(),
    ]
    .concat()
}

/// Ours, which is compared with the best of the others.
pub const OURS: &str = "sockeye";
/// Ours as well: chunks as they arrive, no whole messages.
pub const OURS_CHUNKS: &str = "sockeye, chunks";
/// Ours as well: the loop of an example, over loopback.
pub const OURS_MIO: &str = "sockeye, mio loop";
