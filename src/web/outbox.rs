//! Bytes for the network, and how much of the messages they are is not there
//! yet.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// Memory at the front is given back once it is worth moving the rest.
const FORGET_LEN: usize = 64 << 10;

/// What is to be written, in order. Positions count all bytes that ever were.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    /// Bytes at the front that were written.
    sent: usize,
    /// Bytes that were written, ever.
    position: u64,
    /// Bytes that were handed out to be written, and are not yet.
    away: u64,
    /// Messages not wholly written, oldest first.
    frames: VecDeque<Frame>,
    /// Payload bytes written since somebody asked.
    written: u64,
    /// Bytes of answers that the peer has asked for, and where the last of them
    /// ends; none once that is written.
    replies: u64,
    replied_to: u64,
}

/// A message among the bytes.
#[derive(Debug)]
struct Frame {
    /// Positions of the first byte of its header, and behind its last.
    start: u64,
    end: u64,
    /// Bytes of its payload, as it was before it was compressed, that count as
    /// not written.
    payload: u64,
}

impl Outbox {
    /// Where to append.
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(super) fn unsent(&self) -> &[u8] {
        &self.bytes[self.sent..]
    }

    pub(super) fn end(&self) -> u64 {
        self.position + self.away + self.unsent().len() as u64
    }

    /// What was appended since the end was at `start` is a message with so many
    /// bytes.
    pub(super) fn note_message(&mut self, start: u64, payload: u64) {
        let end = self.end();
        self.frames.push_back(Frame { start, end, payload });
    }

    /// What was appended since the end was at `start` was asked for by the peer.
    pub(super) fn note_replies(&mut self, start: u64) {
        let end = self.end();
        if end > start {
            self.replies += end - start;
            self.replied_to = end;
        }
    }

    /// Bytes of answers asked for since all of them were taken. What the script
    /// sends is its own affair: two ends that stopped reading for that would wait
    /// for each other.
    pub(super) fn replies(&self) -> u64 {
        self.replies
    }

    /// True if nothing is left to be written.
    pub(super) fn is_written(&self) -> bool {
        self.position == self.end()
    }

    /// Forgets what is not written: it counts as that for ever.
    pub(super) fn clear(&mut self) {
        *self = Self { written: self.written, ..Self::default() };
    }

    /// Hands all out to be written.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let mut bytes = core::mem::take(&mut self.bytes);
        bytes.drain(..core::mem::take(&mut self.sent));
        self.away += bytes.len() as u64;
        bytes
    }

    /// The network has taken the next `len` bytes.
    pub(super) fn wrote(&mut self, len: usize) {
        let len = (len as u64).min(self.end() - self.position);
        self.position += len;
        let away = len.min(self.away);
        self.away -= away;
        // What is left of it was among the unsent, so it is a `usize`.
        self.sent += usize::try_from(len - away).unwrap_or(0);
        if self.sent == self.bytes.len() {
            self.bytes.clear();
            self.sent = 0;
            self.bytes.shrink_to(FORGET_LEN);
        } else if self.sent >= FORGET_LEN && self.sent >= self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
        if self.position >= self.replied_to {
            self.replies = 0;
        }
        self.count();
    }

    /// Payload bytes written since the last call.
    pub(super) fn take_written(&mut self) -> u64 {
        core::mem::take(&mut self.written)
    }

    /// Of the frame being written, what is left of it counts, at most its
    /// payload: exactly its payload if it is not compressed.
    fn count(&mut self) {
        while let Some(frame) = self.frames.front_mut() {
            if self.position <= frame.start {
                break;
            }
            let left = frame.payload.min(frame.end.saturating_sub(self.position));
            self.written += frame.payload - left;
            frame.payload = left;
            if self.position < frame.end {
                break;
            }
            self.frames.pop_front();
        }
    }
}
