//! The peer of a connection that sends: takes messages out of frames, and
//! inflates those that are compressed, as strictly as the RFCs have it.

use super::{Inflater, Kind};
use crate::common::{CONTINUATION, Engine, TEXT, sent_frames};
use sockeye::Connection;

const FIN: u8 = 0x80;
const RSV: u8 = 0x70;
const RSV1: u8 = 0x40;
const CONTROL: u8 = 0x08;

/// What stands at the end of each fragment but the last.
const FLUSHED: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// The receiver of one direction of one connection.
pub struct Peer {
    inflater: Inflater,
    keeps_context: bool,
    message: Option<Message>,
}

/// A message, or what there is of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub opcode: u8,
    pub is_compressed: bool,
    /// As it was on the wire, all frames together.
    pub payload: Vec<u8>,
    /// What it stands for.
    pub data: Vec<u8>,
    /// Bytes of payload in each frame.
    pub frames: Vec<usize>,
    /// It refers to what was before it.
    pub refers_back: bool,
    /// The largest distance it refers to, or 0.
    pub farthest: usize,
}

impl Peer {
    /// With a window of 2^`window_bits` bytes, kept from message to message or
    /// not.
    pub fn new(keeps_context: bool, window_bits: u8) -> Self {
        Self { inflater: Inflater::new(window_bits), keeps_context, message: None }
    }

    /// Takes frames, as `common::sent_frames` gives them; gives the messages
    /// that they complete, and leaves control frames out.
    #[track_caller]
    pub fn receives(&mut self, frames: Vec<(u8, Vec<u8>)>) -> Vec<Message> {
        frames.into_iter().filter_map(|(first, payload)| self.frame(first, &payload)).collect()
    }

    /// What has come of the message in progress.
    pub fn so_far(&self) -> Option<&Message> {
        self.message.as_ref()
    }

    #[track_caller]
    fn frame(&mut self, first: u8, payload: &[u8]) -> Option<Message> {
        let (opcode, is_last) = (first & 0x0f, first & FIN != 0);
        if opcode & CONTROL != 0 {
            assert_eq!(first & (FIN | RSV), FIN, "section 6: control frames are not compressed");
            return None;
        }
        let mut message = match self.message.take() {
            None => {
                assert_ne!(opcode, CONTINUATION, "nothing to continue");
                assert_eq!(first & RSV & !RSV1, 0, "bits without a meaning");
                let is_compressed = first & RSV1 != 0;
                if is_compressed && !self.keeps_context {
                    self.inflater.reset();
                }
                Message {
                    opcode,
                    is_compressed,
                    payload: Vec::new(),
                    data: Vec::new(),
                    frames: Vec::new(),
                    refers_back: false,
                    farthest: 0,
                }
            }
            Some(message) => {
                assert_eq!(opcode, CONTINUATION, "a message inside another");
                assert_eq!(first & RSV, 0, "section 6: the bit is set on the first frame only");
                message
            }
        };
        message.payload.extend_from_slice(payload);
        message.frames.push(payload.len());
        if message.is_compressed {
            self.inflate(&mut message, is_last);
        } else {
            message.data.clone_from(&message.payload);
        }
        if !is_last {
            self.message = Some(message);
            return None;
        }
        if opcode == TEXT {
            assert!(std::str::from_utf8(&message.data).is_ok(), "it is text");
        }
        Some(message)
    }

    /// All that was compressed can be inflated, be it the end or not.
    #[track_caller]
    fn inflate(&mut self, message: &mut Message, is_last: bool) {
        if is_last {
            let result = self.inflater.message(&message.payload);
            message.data = result.unwrap_or_else(|e| panic!("{e}: {:02x?}", message.payload));
            let blocks = self.inflater.blocks();
            let end = blocks.last().unwrap();
            assert_eq!(
                (end.kind, end.data.is_empty(), end.bits.end),
                (Kind::Stored, true, 8 * (message.payload.len() + 4)),
                "section 7.2.1: the end of an empty stored block was removed"
            );
            let references = || blocks.iter().flat_map(|block| &block.references);
            message.refers_back = references().any(|r| r.distance > r.at);
            message.farthest = references().map(|r| r.distance).max().unwrap_or(0);
        } else if !message.payload.is_empty() {
            let flushed = message.payload.strip_suffix(&FLUSHED).expect("an empty stored block");
            let data = self.inflater.clone().message(flushed);
            let data = data.unwrap_or_else(|e| panic!("{e}: {flushed:02x?}"));
            assert!(data.starts_with(&message.data), "what came before has changed");
            message.data = data;
        }
    }
}

/// A connection that sends, and its peer.
pub struct Sending {
    pub ws: Connection,
    pub out: Vec<u8>,
    pub peer: Peer,
    is_client: bool,
}

impl Sending {
    /// What is agreed on for what it sends: whether it keeps a context, and the
    /// bits of its window. In the other direction it is the other way round, so
    /// that nothing is right by chance.
    #[cfg(feature = "deflate")]
    pub fn new(engine: Engine, keeps_context: bool, window_bits: u8) -> Self {
        let sends = (keeps_context, window_bits);
        let engine = engine.streams(sends, (!keeps_context, 23 - window_bits));
        Self {
            ws: engine.connection(),
            out: Vec::new(),
            peer: Peer::new(keeps_context, window_bits),
            is_client: engine.is_client,
        }
    }

    /// The frames sent since this was last asked, which the peer does not see.
    pub fn frames(&mut self) -> Vec<(u8, Vec<u8>)> {
        sent_frames(&std::mem::take(&mut self.out), self.is_client)
    }

    /// The messages that they complete, seen by the peer.
    #[track_caller]
    pub fn messages(&mut self) -> Vec<Message> {
        let frames = self.frames();
        self.peer.receives(frames)
    }

    /// The only one.
    #[track_caller]
    pub fn message(&mut self) -> Message {
        let mut messages = self.messages();
        assert_eq!(messages.len(), 1, "one message");
        messages.remove(0)
    }

    /// Has it sent, and gives what the peer gets, which is this.
    #[track_caller]
    pub fn sends(&mut self, data: impl AsRef<[u8]>) -> Message {
        let data = data.as_ref();
        self.ws.send_binary(data, &mut self.out).unwrap();
        let message = self.message();
        assert!(message.data == data, "{} bytes are not those sent", message.data.len());
        message
    }
}
