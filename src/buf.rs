//! Where bytes come from and where they go: [`Input`], [`Output`].
//!
//! Layer: above `mask`. Both are the caller's memory. What goes out are frames,
//! each a header and a payload; what they say is none of this module's business.

use alloc::vec::Vec;
use core::fmt;
use core::mem;

use crate::mask;

/// Received bytes, consumed from the front.
///
/// The pieces handed out borrow from `'b`, the caller's buffer, and not from
/// this value: an event can be held while the connection is used to answer
/// it. Payloads are unmasked in place, and headers are written over, so what was
/// consumed of the buffer is spent.
///
/// Data that was compressed needs other memory to be inflated into: scratch
/// room, which the caller lends along with the bytes.
pub struct Input<'b> {
    rest: &'b mut [u8],
    scratch: &'b mut [u8],
}

impl<'b> Input<'b> {
    /// Bytes of scratch room below which a connection asks for more.
    pub const MIN_SCRATCH: usize = 16;

    /// All of `bytes` as input, and no scratch room: for connections that have
    /// not agreed on compression.
    #[inline]
    pub fn new(bytes: &'b mut [u8]) -> Self {
        Self { rest: bytes, scratch: &mut [] }
    }

    /// All of `bytes` as input, and `scratch` to inflate into; what it holds is
    /// overwritten. When it is used up, `Connection::receive` gives `None` and
    /// `Connection::wants_scratch` is true: be done with the events, and make
    /// another input of what is left of this one, be it empty.
    ///
    /// A chunk ends where the scratch room does, at 128 KiB, and where the input
    /// ends; and at each 64 KiB of a message if there is a
    /// `DeflateConfig::max_ratio`. A message whose payload is in the input comes in
    /// one chunk if there is room for a byte more than it has. 64 KiB are a good
    /// amount to lend: with 16 KiB it takes a third longer to inflate as much.
    ///
    /// # Example: receiving, compressed or not
    ///
    /// ```
    /// use sockeye::{Connection, Event, Input};
    ///
    /// fn receive(ws: &mut Connection, bytes: &mut [u8], scratch: &mut [u8], out: &mut Vec<u8>) {
    ///     let mut left = bytes.len();
    ///     loop {
    ///         let start = bytes.len() - left;
    ///         let mut input = Input::with_scratch(&mut bytes[start..], scratch);
    ///         while let Some(event) = ws.receive(&mut input, out) {
    ///             if let Event::Text(chunk) = event {
    ///                 print!("{}", chunk.as_str());
    ///             }
    ///         }
    ///         left = input.len();
    ///         if !ws.wants_scratch() {
    ///             break; // for a `FixedOutput`, look at `wants_room` as well
    ///         }
    ///     }
    /// }
    /// ```
    #[inline]
    pub fn with_scratch(bytes: &'b mut [u8], scratch: &'b mut [u8]) -> Self {
        Self { rest: bytes, scratch }
    }

    /// Bytes not yet consumed.
    #[inline]
    pub fn len(&self) -> usize {
        self.rest.len()
    }

    /// True when all bytes are consumed.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The bytes not yet consumed, untouched so far.
    #[inline]
    pub fn into_rest(self) -> &'b mut [u8] {
        self.rest
    }

    /// Looks at the bytes not yet consumed.
    #[inline]
    pub(crate) fn peek(&self) -> &[u8] {
        self.rest
    }

    /// The first `len` bytes not yet consumed, to write to.
    pub(crate) fn peek_mut(&mut self, len: usize) -> &mut [u8] {
        &mut self.rest[..len]
    }

    /// Consumes `len` bytes (at most what is there) and hands them out.
    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> &'b mut [u8] {
        let rest = mem::take(&mut self.rest);
        let (taken, rest) = rest.split_at_mut(len.min(rest.len()));
        self.rest = rest;
        taken
    }

    /// Consumes `skipped` bytes and `len` more (both are there), and hands the
    /// latter out.
    #[inline]
    pub(crate) fn take_behind(&mut self, skipped: usize, len: usize) -> &'b mut [u8] {
        let rest = mem::take(&mut self.rest);
        let (taken, rest) = rest.split_at_mut(skipped + len);
        self.rest = rest;
        &mut taken[skipped..]
    }

    /// The first `len` bytes not yet consumed, and the scratch room.
    pub(crate) fn peek_with_scratch(&mut self, len: usize) -> (&mut [u8], &mut [u8]) {
        (&mut self.rest[..len], self.scratch)
    }

    /// Bytes of scratch room left.
    pub(crate) fn scratch_len(&self) -> usize {
        self.scratch.len()
    }

    /// Uses up the first `len` bytes of the scratch room and hands them out.
    pub(crate) fn take_scratch(&mut self, len: usize) -> &'b mut [u8] {
        let scratch = mem::take(&mut self.scratch);
        let (taken, scratch) = scratch.split_at_mut(len.min(scratch.len()));
        self.scratch = scratch;
        taken
    }

    /// Consumes everything.
    #[inline]
    pub(crate) fn discard(&mut self) {
        self.rest = &mut [];
    }
}

impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("len", &self.len()).finish()
    }
}

/// Where encoded bytes are appended. They are put on the wire in order.
///
/// `Vec<u8>` always has room. [`FixedOutput`] is a slice with a cursor.
///
/// # Contract
///
/// While `has_room(n)` is true, `n` bytes can be appended, in any number of
/// calls. The engine asks before it appends; a frame is appended whole or not
/// at all.
pub trait Output {
    /// True if `len` more bytes can be appended. Asking changes nothing, so
    /// that a connection which owes no bytes costs no memory.
    fn has_room(&self, len: usize) -> bool;

    /// Appends bytes that there is room for and gives the appended copy: all of
    /// it and nothing else, since what a client sends is masked there.
    fn append(&mut self, bytes: &[u8]) -> &mut [u8];

    /// Appends a frame: `header` as it is, then `payload`, masked with `key` if
    /// there is one (RFC 6455, section 5.3); `payload` itself stays as it is. An
    /// output that can, does so in one pass.
    fn append_frame(&mut self, header: &[u8], payload: &[u8], key: Option<[u8; 4]>) {
        append_in_blocks(self, header, payload, key);
    }
}

/// The way of outputs that cannot copy and mask at once: a block at a time, so
/// that the copy is still in the first-level cache when it is masked.
#[inline]
fn append_in_blocks(
    out: &mut (impl Output + ?Sized),
    header: &[u8],
    payload: &[u8],
    key: Option<[u8; 4]>,
) {
    out.append(header);
    match key {
        None => {
            out.append(payload);
        }
        Some(mut key) => {
            for block in payload.chunks(BLOCK) {
                key = mask::apply(out.append(block), key);
            }
        }
    }
}

/// Bytes worked on at a time, so that a second pass finds them in the
/// first-level cache.
pub(crate) const BLOCK: usize = 16 * 1024;

impl Output for Vec<u8> {
    #[inline]
    fn has_room(&self, _len: usize) -> bool {
        true
    }

    #[inline]
    fn append(&mut self, bytes: &[u8]) -> &mut [u8] {
        let start = self.len();
        self.extend_from_slice(bytes);
        &mut self[start..]
    }

    #[inline]
    fn append_frame(&mut self, header: &[u8], payload: &[u8], key: Option<[u8; 4]>) {
        // Once for both, and for all blocks.
        self.reserve(header.len() + payload.len());
        append_in_blocks(self, header, payload, key);
    }
}

impl<T: Output + ?Sized> Output for &mut T {
    #[inline]
    fn has_room(&self, len: usize) -> bool {
        (**self).has_room(len)
    }

    #[inline]
    fn append(&mut self, bytes: &[u8]) -> &mut [u8] {
        (**self).append(bytes)
    }

    #[inline]
    fn append_frame(&mut self, header: &[u8], payload: &[u8], key: Option<[u8; 4]>) {
        (**self).append_frame(header, payload, key);
    }
}

/// An [`Output`] over memory of fixed size.
///
/// A connection needs at least [`FixedOutput::MIN_LEN`] bytes, or it could
/// never answer the largest Ping.
///
/// # Example: no allocator in sight
///
/// ```
/// use sockeye::{FixedOutput, Output};
///
/// let mut memory = [0; FixedOutput::MIN_LEN];
/// let mut out = FixedOutput::new(&mut memory);
/// assert!(out.has_room(5));
/// out.append(b"hello");
/// assert_eq!(out.filled(), b"hello");
/// assert!(!out.has_room(FixedOutput::MIN_LEN));
/// out.clear();
/// assert!(out.filled().is_empty());
/// ```
pub struct FixedOutput<'a> {
    memory: &'a mut [u8],
    len: usize,
}

impl<'a> FixedOutput<'a> {
    /// A client's Pong with 125 bytes of payload: 2 + 4 + 125. A message that is
    /// to be compressed asks for more room than it will take: a quarter more than
    /// it is long, and 78 bytes.
    pub const MIN_LEN: usize = 131;

    /// An empty output over `memory`.
    pub fn new(memory: &'a mut [u8]) -> Self {
        Self { memory, len: 0 }
    }

    /// The bytes to put on the wire.
    pub fn filled(&self) -> &[u8] {
        &self.memory[..self.len]
    }

    /// Forgets the filled bytes: they are on the wire.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    #[inline(always)]
    fn take_room(&mut self, len: usize) -> &mut [u8] {
        let room = &mut self.memory[self.len..][..len];
        self.len += len;
        room
    }
}

impl Output for FixedOutput<'_> {
    #[inline]
    fn has_room(&self, len: usize) -> bool {
        len <= self.memory.len() - self.len
    }

    /// # Panics
    ///
    /// If there is no room, which means that nobody asked for it.
    #[inline]
    fn append(&mut self, bytes: &[u8]) -> &mut [u8] {
        let room = self.take_room(bytes.len());
        room.copy_from_slice(bytes);
        room
    }

    /// # Panics
    ///
    /// As [`append`](Self::append).
    #[inline(always)] // with the length of the header known
    fn append_frame(&mut self, header: &[u8], payload: &[u8], key: Option<[u8; 4]>) {
        let room = self.take_room(header.len() + payload.len());
        let (start, rest) = room.split_at_mut(header.len());
        start.copy_from_slice(header);
        match key {
            None => rest.copy_from_slice(payload),
            Some(key) => mask::copy(payload, rest, key),
        }
    }
}

impl fmt::Debug for FixedOutput<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FixedOutput")
            .field("len", &self.len)
            .field("capacity", &self.memory.len())
            .finish()
    }
}
