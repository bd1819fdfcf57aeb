//! Received bytes on their way into the engine, and the memory they are in.
//!
//! A thread has buffers that all its connections read into. One of them lends
//! its memory to a connection while there are bytes to process; a connection
//! that waits owns at most the bytes of a head that is not complete.

use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use core::ops::Range;

use crate::buf::Input;

/// Bytes asked of the system at first: a thread that waits to read has as much
/// memory.
const MIN_READ: usize = 16 << 10;
/// Bytes of room to inflate into.
const ROOM: usize = 64 << 10;
/// Buffers that a thread keeps: more are only needed while connections wait
/// to send with bytes unprocessed.
const MAX_SPARE: usize = 4;

std::thread_local! {
    static SPARE: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer of the thread's, to read into or to inflate into. Its memory stays
/// initialised, so that no read pays for zeroing it. Goes back when dropped.
pub(crate) struct Scratch {
    memory: Vec<u8>,
}

impl Scratch {
    pub(crate) fn lease() -> Self {
        // `try_with`: a connection can be dropped by another thread-local.
        let spare = SPARE.try_with(|spare| spare.borrow_mut().pop());
        Self { memory: spare.ok().flatten().unwrap_or_default() }
    }

    /// Room to inflate into.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        self.window(ROOM)
    }

    /// The first `len` bytes of the memory.
    fn window(&mut self, len: usize) -> &mut [u8] {
        if self.memory.len() < len {
            self.memory.resize(len, 0);
        }
        &mut self.memory[..len]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let memory = core::mem::take(&mut self.memory);
        if memory.is_empty() {
            return;
        }
        let _ = SPARE.try_with(|spare| {
            let mut spare = spare.borrow_mut();
            if spare.len() < MAX_SPARE {
                spare.push(memory);
            }
        });
    }
}

/// What was read and not yet processed.
pub(crate) struct Inbox {
    bytes: Bytes,
    unread: Range<usize>,
    /// Bytes to ask for next: reads that come back full make it grow to what the
    /// adapter allows, for good. Who sends a little more than one read takes
    /// does so again.
    read_len: usize,
}

enum Bytes {
    /// Of the thread: nobody waits while it is lent.
    Lent(Scratch),
    /// Our own, as long as what they hold.
    Kept(Vec<u8>),
}

impl Default for Inbox {
    fn default() -> Self {
        Self { bytes: Bytes::Kept(Vec::new()), unread: 0..0, read_len: MIN_READ }
    }
}

impl Inbox {
    /// An inbox with bytes that have come already.
    pub(crate) fn with(early: &[u8]) -> Self {
        Self { bytes: Bytes::Kept(early.to_vec()), unread: 0..early.len(), ..Self::default() }
    }

    /// Bytes read and not yet consumed.
    pub(crate) fn unread(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Lent(scratch) => &scratch.memory[self.unread.clone()],
            Bytes::Kept(bytes) => &bytes[self.unread.clone()],
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.unread.is_empty()
    }

    /// Consumes the first `len` bytes.
    pub(crate) fn consume(&mut self, len: usize) {
        self.unread.start = self.unread.start.saturating_add(len).min(self.unread.end);
    }

    /// The bytes as input for the engine, with `scratch` to inflate into, and
    /// what has to be told how much of it the engine left: events borrow the
    /// bytes alone.
    #[inline]
    pub(crate) fn open<'a>(&'a mut self, scratch: &'a mut [u8]) -> (Input<'a>, Unread<'a>) {
        let memory = match &mut self.bytes {
            Bytes::Lent(scratch) => &mut scratch.memory,
            Bytes::Kept(bytes) => bytes,
        };
        let input = Input::with_scratch(&mut memory[self.unread.clone()], scratch);
        (input, Unread(&mut self.unread))
    }

    /// Reads once, at most `most` bytes, behind those not yet consumed, into
    /// memory of the thread's. `came` says how many of the result were read;
    /// none, and the memory goes back at once.
    pub(crate) fn read_with<R>(
        &mut self,
        most: usize,
        read: impl FnOnce(&mut [u8]) -> R,
        came: impl FnOnce(&R) -> usize,
    ) -> R {
        self.release();
        let mut scratch = Scratch::lease();
        let window = scratch.window(self.read_len);
        let result = read(window);
        let len = came(&result).min(window.len());
        if len == window.len() {
            self.read_len = (self.read_len * 2).min(most);
        }
        match &mut self.bytes {
            _ if len == 0 => {}
            Bytes::Kept(kept) if !self.unread.is_empty() => {
                kept.extend_from_slice(&window[..len]);
                self.unread.end += len;
            }
            _ => {
                self.bytes = Bytes::Lent(scratch);
                self.unread = 0..len;
            }
        }
        result
    }

    /// Gives the thread's memory back, and keeps what is unread in our own.
    pub(crate) fn release(&mut self) {
        match &mut self.bytes {
            Bytes::Kept(kept) if self.unread.len() == kept.len() => {}
            _ => {
                let kept = self.unread().to_vec();
                self.unread = 0..kept.len();
                self.bytes = Bytes::Kept(kept);
            }
        }
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch").field("len", &self.memory.len()).finish_non_exhaustive()
    }
}

/// How much is unread, and not what.
impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("unread_len", &self.unread.len()).finish_non_exhaustive()
    }
}

/// Which bytes of an inbox are not processed yet.
pub(crate) struct Unread<'a>(&'a mut Range<usize>);

impl Unread<'_> {
    /// The engine has left the last `len` bytes.
    #[inline]
    pub(crate) fn leave(self, len: usize) {
        self.0.start = self.0.end - len;
    }
}
