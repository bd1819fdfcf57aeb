//! One direction of the transport: delays, stalls, and every way to be lost.

use core::time::Duration;
use std::collections::VecDeque;

use sockeye::Instant;

/// How a direction is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The receiver is told that the stream has ended.
    End,
    /// Nobody is told anything.
    Silence,
}

#[derive(Debug)]
pub struct Wire {
    /// On their way, from `head` on.
    bytes: Vec<u8>,
    head: usize,
    /// When the pieces of them arrive.
    pieces: VecDeque<(Instant, usize)>,
    /// Bytes of `pieces` that have arrived and were not read.
    arrived: usize,
    read: u64,
    /// Bytes that can be on their way.
    window: usize,
    /// After so many bytes, nothing.
    pub lost: Option<(u64, Loss)>,
    /// Nothing arrives before.
    pub stalled_until: Option<Instant>,
    /// The sender has ended its stream.
    pub ended: bool,
}

impl Wire {
    pub fn new(window: usize) -> Self {
        Self {
            bytes: Vec::new(),
            head: 0,
            pieces: VecDeque::new(),
            arrived: 0,
            read: 0,
            window,
            lost: None,
            stalled_until: None,
            ended: false,
        }
    }

    /// Bytes on their way, or there and not read.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.head
    }

    /// Bytes that the receiver has read.
    pub fn read_len(&self) -> u64 {
        self.read
    }

    /// How many more bytes it takes. What is ended takes any number.
    pub fn room(&self) -> usize {
        if self.ended { usize::MAX } else { self.window.saturating_sub(self.len()) }
    }

    /// Takes bytes that arrive after `delay`, and not before those in front.
    pub fn send(&mut self, bytes: &[u8], now: Instant, delay: Duration) {
        if self.ended || bytes.is_empty() {
            return;
        }
        let at = now + delay;
        let at = self.pieces.back().map_or(at, |(before, _)| at.max(*before));
        self.bytes.extend_from_slice(bytes);
        self.pieces.push_back((at, bytes.len()));
    }

    /// Bytes that can be read now, as `receive` gives them.
    pub fn ready(&mut self, now: Instant) -> usize {
        if self.stalled_until.is_some_and(|until| until > now) {
            return 0;
        }
        while self.pieces.front().is_some_and(|(at, _)| *at <= now) {
            self.arrived += self.pieces.pop_front().map_or(0, |(_, len)| len);
        }
        match self.lost {
            Some((at, _)) => self.arrived.min((at - self.read) as usize),
            None => self.arrived,
        }
    }

    /// Reads bytes that are ready.
    pub fn receive(&mut self, len: usize) -> &[u8] {
        if self.head == self.bytes.len() {
            self.bytes.clear();
            self.head = 0;
        }
        let from = self.head;
        self.head += len;
        self.arrived -= len;
        self.read += len as u64;
        &self.bytes[from..self.head]
    }

    /// The receiver sees the end of the stream.
    pub fn is_over(&mut self, now: Instant) -> bool {
        if self.stalled_until.is_some_and(|until| until > now) || self.ready(now) > 0 {
            return false;
        }
        match self.lost {
            Some((at, loss)) if self.read == at => loss == Loss::End,
            _ => self.ended && self.len() == 0,
        }
    }

    /// When something arrives next, after `now`.
    pub fn next(&self, now: Instant) -> Option<Instant> {
        if self.lost.is_some_and(|(at, loss)| self.read == at && loss == Loss::Silence) {
            return None;
        }
        let piece = self.pieces.front().map(|(at, _)| *at);
        let stall = self.stalled_until.filter(|_| piece.is_some() || self.ended);
        piece.max(stall).filter(|at| *at > now)
    }
}
