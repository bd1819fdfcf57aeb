//! Sessions over real sockets that something happens to: how they are meant to
//! go, and what they have to come to. That follows from the script alone.

#![allow(dead_code)] // each test file uses some of it

pub mod ours;
pub mod peer;
pub mod struck;

use std::io::ErrorKind;
use std::sync::Arc;

use sockeye::handshake::{RequestError, ResponseError};
use sockeye::net::Error;
use sockeye::{Closed, Config, DeflateConfig, Message, Side, Timeout};

use crate::common::*;
use crate::flate::Compressor;
use crate::sockets::*;
use peer::Deed;

/// A session as it is meant to go.
#[derive(Debug)]
pub struct Plot {
    pub ours: Role,
    pub closes: Side,
    is_compressed: bool,
    /// The peer's frames as it sends them, and where each of them ends.
    frames: Vec<u8>,
    ends: Vec<usize>,
    /// Which of these frames ends which message.
    messages: Vec<(usize, Message<'static>)>,
    /// What we have to send: first bytes and payloads, and to which of these
    /// frames.
    answers: Vec<(usize, (u8, Vec<u8>))>,
}

impl Plot {
    pub fn new(ours: Role, closes: Side) -> Arc<Self> {
        Arc::new(Self::of(ours, closes, session(), false))
    }

    /// The same, with every message of the peer's compressed.
    pub fn compressed(ours: Role) -> Arc<Self> {
        let [_, _, ping, _, _, close] = session();
        let mut compressor = Compressor::new(15, 1);
        let [hello, second, long] =
            session_messages().map(|(_, message)| compressor.message(message.as_bytes()));
        let (start, rest) = second.split_at(1);
        let frames = [
            frame(TEXT, hello).compressed(),
            fragment(TEXT, start).compressed(),
            ping,
            frame(CONTINUATION, rest),
            frame(BINARY, long).compressed(),
            close,
        ];
        Arc::new(Self::of(ours, Side::Peer, frames, true))
    }

    fn of(ours: Role, closes: Side, session: [Frame; 6], is_compressed: bool) -> Self {
        let (mut frames, mut ends) = (Vec::new(), Vec::new());
        for frame in session {
            frames.extend(if ours == Role::Server { frame.masked() } else { frame.unmasked() });
            ends.push(frames.len());
        }
        let bye = || close(1000, "bye");
        let answers = match closes {
            Side::Peer => vec![
                (0, text("hello")),
                (2, pong("p")),
                (3, text("h\u{e9}")),
                (4, binary(bytes_of(5000))),
                (5, bye()),
            ],
            Side::Local => vec![(0, text("hello")), (0, bye())],
        };
        let decode = |frame: Frame| sent_frames(&frame.unmasked(), false).remove(0);
        Self {
            ours,
            closes,
            is_compressed,
            frames,
            ends,
            messages: session_messages().into(),
            answers: answers.into_iter().map(|(to, answer)| (to, decode(answer))).collect(),
        }
    }

    /// Limits and deadlines for our end, and compression if the plot has it.
    pub fn config(&self, set: impl FnOnce(&mut Config)) -> Arc<Config> {
        config(|config| {
            config.deflate = self.is_compressed.then(DeflateConfig::default);
            set(config);
        })
    }

    fn extensions(&self) -> &'static str {
        if self.is_compressed { "Sec-WebSocket-Extensions: permessage-deflate\r\n" } else { "" }
    }

    /// The bytes that the peer says before its frames.
    pub fn head_len(&self) -> usize {
        let request = request(self.extensions());
        // Whatever the key is.
        if self.ours == Role::Server { request.len() } else { self.head_for(&request).len() }
    }

    /// What the peer says to this request, or instead.
    fn head_for(&self, asked: &str) -> String {
        match self.ours {
            Role::Client => reply(asked, self.extensions()),
            Role::Server => request(self.extensions()),
        }
    }

    /// All that the peer says, in bytes.
    pub fn len(&self) -> usize {
        self.head_len() + self.frames.len()
    }

    /// Where to cut it: everywhere, but for the inside of a long message.
    pub fn cuts(&self) -> impl Iterator<Item = usize> + use<> {
        let (head_len, len) = (self.head_len(), self.len());
        let long = head_len + self.ends[3] + 10..head_len + self.ends[4] - 2;
        (0..=len).filter(move |at| !long.contains(at) || at % 1009 == 0)
    }

    /// Where frames begin, where the last ends, and in each a byte of its head
    /// and one of its payload.
    pub fn boundaries(&self) -> Vec<usize> {
        let mask_len = if self.ours == Role::Server { 4 } else { 0 };
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        let cuts = starts.flat_map(|start| [start, start + 1, start + 3 + mask_len]);
        cuts.filter(|at| *at <= self.frames.len()).map(|at| self.head_len() + at).collect()
    }

    /// How many of the peer's frames are whole in so many bytes.
    fn whole_frames(&self, at: usize) -> usize {
        let at = at.checked_sub(self.head_len());
        at.map_or(0, |at| self.ends.iter().filter(|end| **end <= at).count())
    }

    /// The bytes end inside a frame.
    pub fn is_inside_frame(&self, at: usize) -> bool {
        let at = at - self.head_len();
        at != 0 && !self.ends.contains(&at)
    }

    /// What we have to have sent when so many bytes have come.
    pub fn answers_until(&self, at: usize) -> Vec<(u8, Vec<u8>)> {
        let whole = self.whole_frames(at);
        let answers = self.answers.iter().filter(|(to, _)| *to < whole);
        answers.map(|(_, answer)| answer.clone()).collect()
    }

    /// What we have to have read when so many bytes have come. A connection
    /// that closes passes over what still comes; its reader alone, once split,
    /// gives it.
    pub fn messages_until(&self, at: usize, is_split: bool) -> Vec<Message<'static>> {
        let whole = self.whole_frames(at);
        let most = if self.closes == Side::Local && !is_split { 1 } else { usize::MAX };
        let messages = self.messages.iter().filter(|(last, _)| *last < whole).take(most);
        messages.map(|(_, message)| message.clone()).collect()
    }

    /// The end of a session whose peer does this behind so many bytes, when all
    /// that we had to send has gone.
    pub fn end_at(&self, at: usize, deed: Deed) -> End {
        let is_client = self.ours == Role::Client;
        let in_head = at < self.head_len();
        match deed {
            _ if at == self.len() => self.clean(),
            Deed::Reset => End::Io(ErrorKind::ConnectionReset),
            Deed::Close | Deed::HalfClose => match in_head {
                true if is_client => End::Response(ResponseError::EndOfStream),
                true => End::Io(ErrorKind::UnexpectedEof),
                false => End::Lost { inside_frame: self.is_inside_frame(at) },
            },
            Deed::Stall => match in_head {
                true if is_client => End::Response(ResponseError::Timeout),
                true => End::Request(RequestError::Timeout),
                // Nobody waits for a Pong once a Close was sent.
                false if self.closes == Side::Local && self.whole_frames(at) > 0 => {
                    End::Timeout(Timeout::Close)
                }
                false => End::Timeout(Timeout::Pong),
            },
        }
    }

    pub fn clean(&self) -> End {
        End::Clean { code: 1000, reason: "bye".into(), by: self.closes }
    }
}

/// Both roles, and a closing by each side.
pub fn plots() -> Vec<Arc<Plot>> {
    let sides = [Side::Local, Side::Peer];
    ROLES.into_iter().flat_map(|ours| sides.map(|closes| Plot::new(ours, closes))).collect()
}

/// How a session ended, to be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    Clean { code: u16, reason: String, by: Side },
    Io(ErrorKind),
    Lost { inside_frame: bool },
    Request(RequestError),
    Response(ResponseError),
    Timeout(Timeout),
    Other(String),
}

impl End {
    pub fn of(result: Result<Closed, Error>) -> Self {
        match result {
            Ok(closed) if closed.is_clean() => Self::Clean {
                code: closed.code().get(),
                reason: closed.reason().into(),
                by: closed.by(),
            },
            Err(Error::Io(error)) => Self::Io(error.kind()),
            Err(Error::Lost { inside_frame, .. }) => Self::Lost { inside_frame },
            Err(Error::Request(error)) => Self::Request(error),
            Err(Error::Response(error)) => Self::Response(error),
            Err(Error::Timeout(timeout)) => Self::Timeout(timeout),
            other => Self::Other(format!("{other:?}")),
        }
    }
}
