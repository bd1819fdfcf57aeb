//! The buffer that a socket is read into.

use alloc::vec::Vec;
use core::ops::Range;
use std::io::{self, Read};

use crate::buf::Input;

/// The first size, and the one that small messages never leave.
const MIN_LEN: usize = 16 << 10;
/// The size that reads which come back full grow to.
const MAX_LEN: usize = 64 << 10;

/// Memory that stays initialised, so that no read pays for zeroing it, and
/// the part of it that holds bytes not yet processed.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    memory: Vec<u8>,
    unread: Range<usize>,
}

impl Inbox {
    /// An inbox with bytes that have come already.
    pub(super) fn with(early: &[u8]) -> Self {
        Self { memory: early.to_vec(), unread: 0..early.len() }
    }

    /// Bytes read and not yet consumed.
    pub(super) fn unread(&self) -> &[u8] {
        &self.memory[self.unread.clone()]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unread.is_empty()
    }

    /// Consumes the first `len` bytes.
    pub(super) fn consume(&mut self, len: usize) {
        self.unread.start = self.unread.start.saturating_add(len).min(self.unread.end);
    }

    /// The bytes as input for the engine, and what has to be told how much of
    /// it the engine left: events borrow the bytes alone.
    pub(super) fn open(&mut self) -> (Input<'_>, Unread<'_>) {
        let unread = self.unread.clone();
        (Input::new(&mut self.memory[unread]), Unread(&mut self.unread))
    }

    /// Reads once, behind the bytes not yet consumed; gives how many came.
    pub(super) fn read_from(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        if self.unread.is_empty() {
            // The last read filled the buffer: there is more where it came from.
            if self.unread.end == self.memory.len() && self.memory.len() < MAX_LEN {
                let len = (self.memory.len() * 2).clamp(MIN_LEN, MAX_LEN);
                self.memory.resize(len, 0);
            }
            self.unread = 0..0;
        } else if self.unread.end == self.memory.len() {
            self.memory.resize((self.memory.len() * 2).max(MIN_LEN), 0);
        }
        let len = stream.read(&mut self.memory[self.unread.end..])?;
        self.unread.end += len;
        Ok(len)
    }
}

/// Which bytes of an inbox are not processed yet.
pub(super) struct Unread<'a>(&'a mut Range<usize>);

impl Unread<'_> {
    /// The engine has left the last `len` bytes.
    pub(super) fn leave(self, len: usize) {
        self.0.start = self.0.end - len;
    }
}
