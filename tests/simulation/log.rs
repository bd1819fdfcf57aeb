//! What one end has put on the wire, frame by frame, and what the other must
//! make of it: each thing once, in order, whatever the wire does to the bytes.

use sockeye::{Config, Message, ProtocolError};

use super::invariants;

/// Something sent, as the receiver is to be told of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Sent {
    Message(Message<'static>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// The payload.
    Close(Vec<u8>),
    /// The receiver must fail the connection, for this reason.
    Violation(ProtocolError),
}

/// A data frame, as it counts against the limits of the receiver.
#[derive(Clone, Copy, Debug)]
pub struct DataFrame {
    pub begins: bool,
    /// Bytes of its payload, on the wire and before compression.
    pub wire_len: usize,
    pub len: usize,
    /// Of the message's first frame.
    pub rsv1: bool,
}

/// Counted since a message began.
#[derive(Debug, Default)]
struct Progress {
    len: u64,
    frames: u32,
    is_compressed: bool,
}

#[derive(Debug, Default)]
pub struct Log {
    sent: Vec<Sent>,
    /// With how many bytes each of them is there.
    there_at: Vec<u64>,
    /// How many of them were told.
    told: usize,
    /// Where each frame ends, in bytes from the start, and whether more of its
    /// message follows; and how many were passed.
    frame_ends: Vec<u64>,
    is_inside: Vec<bool>,
    passed: usize,
    message: Progress,
    /// A Close frame was sent.
    pub is_closed: bool,
}

impl Log {
    /// A frame of so many bytes goes out; a data frame begins a message or ends
    /// one.
    pub fn frame(&mut self, len: usize, data_fin: Option<bool>) {
        self.frame_ends.push(self.len() + len as u64);
        let before = self.is_inside.last().copied().unwrap_or(false);
        self.is_inside.push(data_fin.map_or(before, |fin| !fin));
    }

    /// Bytes sent.
    pub fn len(&self) -> u64 {
        self.frame_ends.last().copied().unwrap_or(0)
    }

    pub fn push(&mut self, sent: Sent) {
        self.push_at(sent, self.len());
    }

    /// Something that is noticed with so many bytes.
    pub fn push_at(&mut self, sent: Sent, there_at: u64) {
        self.is_closed |= matches!(sent, Sent::Close(_));
        self.sent.push(sent);
        self.there_at.push(there_at);
    }

    /// What a receiver of so many bytes has to be told, all in all.
    pub fn sent_with(&self, len: u64) -> &[Sent] {
        let count = self.there_at.iter().take_while(|at| **at <= len).count();
        let is_last = |sent: &Sent| matches!(sent, Sent::Close(_) | Sent::Violation(_));
        let last = self.sent.iter().position(is_last).map_or(count, |at| at + 1);
        &self.sent[..count.min(last)]
    }

    /// What the receiver was told of.
    pub fn told_so_far(&self) -> &[Sent] {
        &self.sent[..self.told]
    }

    pub fn frame_ends(&self) -> &[u64] {
        &self.frame_ends
    }

    /// Counts a data frame against the limits that the receiver has.
    pub fn data_frame(&mut self, frame: DataFrame, limits: &Config) {
        if frame.begins {
            self.message = Progress { is_compressed: frame.rsv1, ..Progress::default() };
        }
        self.message.len += frame.len as u64;
        let is_too_long = self.message.len > limits.max_message_len;
        let violation = if frame.wire_len as u64 > limits.max_frame_len {
            Some(ProtocolError::FrameTooLong)
        } else if is_too_long && !self.message.is_compressed {
            Some(ProtocolError::MessageTooLong)
        } else if self.message.frames >= limits.max_fragments {
            Some(ProtocolError::TooManyFragments)
        } else {
            is_too_long.then_some(ProtocolError::MessageTooLong)
        };
        self.message.frames += 1;
        if let Some(error) = violation {
            self.push(Sent::Violation(error));
        }
    }

    // ---- the receiver's side ------------------------------------------------

    /// The receiver was told of something.
    #[track_caller]
    pub fn told(&mut self, what: &Sent) {
        invariants::delivered_is_a_prefix_of_sent(what, self.sent.get(self.told));
        self.told += 1;
    }

    pub fn is_all_told(&self) -> bool {
        self.told == self.sent.len()
    }

    pub fn untold(&self) -> &[Sent] {
        &self.sent[self.told..]
    }

    /// True if a receiver that has consumed so many bytes is inside a frame.
    pub fn is_inside_frame(&mut self, consumed: u64) -> bool {
        while self.frame_ends.get(self.passed).is_some_and(|end| *end <= consumed) {
            self.passed += 1;
        }
        self.passed < self.frame_ends.len()
            && consumed > self.passed.checked_sub(1).map_or(0, |before| self.frame_ends[before])
    }

    /// True if it is inside a message, after the frames that it has consumed.
    pub fn is_inside_message(&self) -> bool {
        self.passed > 0 && self.is_inside[self.passed - 1]
    }
}
