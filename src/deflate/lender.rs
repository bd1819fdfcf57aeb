//! Where connections that keep no context between messages have it from.

use alloc::boxed::Box;
use core::fmt;

use super::deflater::{Deflater, Strength};
use super::inflater::Inflater;

/// Lends contexts to connections for the time of a message, and takes them
/// back: a pool. The adapters have one for each thread; whoever drives
/// [`Connection`](crate::Connection)s alone can have
/// [one of his own](crate::Connection::set_lender), or none, and then each
/// message makes its context and frees it.
///
/// Contexts come back as they were used; whoever gets one resets it.
pub trait Lender: fmt::Debug + Send + Sync {
    /// A decompressor, if there is one.
    fn take_inflater(&self) -> Option<Box<Inflater>>;

    /// Takes a decompressor back, to keep it or to drop it.
    fn put_inflater(&self, inflater: Box<Inflater>);

    /// A compressor of this [strength](Deflater::strength), if there is one.
    fn take_deflater(&self, strength: Strength) -> Option<Box<Deflater>>;

    /// Takes a compressor back, to keep it or to drop it.
    fn put_deflater(&self, deflater: Box<Deflater>);
}
