//! The payload of a control frame: at most 125 bytes (RFC 6455, section 5.5).
//!
//! Layer: the lowest. Knows nothing of a connection.

use alloc::boxed::Box;
use core::fmt;
use core::ops::Deref;

/// Bytes of payload that a control frame can have (section 5.5).
pub const MAX_CONTROL_LEN: usize = 125;

/// The payload of a Ping or Pong, 0 to 125 bytes; derefs to `[u8]`.
///
/// Borrows the input it came in, so an event stays small. A payload that a
/// read boundary cut in two is no longer in any one input: it comes in a box
/// of its own, the only case that allocates.
#[derive(Clone)]
pub struct ControlPayload<'b>(Repr<'b>);

#[derive(Clone)]
enum Repr<'b> {
    Borrowed(&'b [u8]),
    Gathered(Box<Gathered>),
}

impl<'b> ControlPayload<'b> {
    pub(crate) fn borrowed(bytes: &'b [u8]) -> Self {
        Self(Repr::Borrowed(bytes))
    }

    pub(crate) fn gathered(bytes: Box<Gathered>) -> Self {
        Self(Repr::Gathered(bytes))
    }

    /// The bytes, 0 to 125 of them.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Borrowed(bytes) => bytes,
            Repr::Gathered(gathered) => gathered.as_bytes(),
        }
    }
}

impl Deref for ControlPayload<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsRef<[u8]> for ControlPayload<'_> {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl PartialEq for ControlPayload<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for ControlPayload<'_> {}

impl fmt::Debug for ControlPayload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ControlPayload(\"{}\")", self.as_bytes().escape_ascii())
    }
}

/// Up to 125 bytes that are collected piece by piece.
#[derive(Clone, Debug)]
pub(crate) struct Gathered {
    bytes: [u8; MAX_CONTROL_LEN],
    len: u8,
}

impl Gathered {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; MAX_CONTROL_LEN], len: 0 }
    }

    /// Appends what there is room for and says how many bytes that was.
    pub(crate) fn extend(&mut self, bytes: &[u8]) -> usize {
        let room = &mut self.bytes[usize::from(self.len)..];
        let taken = bytes.len().min(room.len());
        room[..taken].copy_from_slice(&bytes[..taken]);
        // At most 125 by the line above.
        #[allow(clippy::cast_possible_truncation)]
        {
            self.len += taken as u8;
        }
        taken
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}
