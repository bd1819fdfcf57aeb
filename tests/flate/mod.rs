//! DEFLATE (RFC 1951) as permessage-deflate (RFC 7692) uses it, a second time:
//! written for these tests, for clarity rather than speed, and from the RFCs
//! alone, so that it does not share the mistakes of what it is compared with.
//!
//! [`Inflater`] says what a payload means, and whether it means anything;
//! [`Compressor`] makes payloads such as a peer may send, not only those that
//! usual compressors make; [`by_hand`] makes broken ones. The inflater shares no
//! code and no tables with the others, so that neither hides a mistake of the
//! other. [`Peer`] is an inflater that takes frames.
//!
//! A test that declares this module declares `mod common;` as well: random
//! numbers come from there.
//!
//! # Where a cut message goes unnoticed
//!
//! DEFLATE has no checksum, and a receiver appends the four octets 00 00 ff ff
//! to whatever it got. A message cut short is therefore an error except where
//! these four complete it. They can do that in three places only:
//!
//! - right after the octet in which the header of a stored block ends: they are
//!   taken for its LEN and NLEN. What was before the block comes out;
//! - four octets before the end of the data of a stored block: they are taken
//!   for its last four;
//! - in a dynamic block whose codes happen to end the block with the last of
//!   their bits. Its end-of-block code has to be made of ones for that.
//!
//! Nothing can begin within the four and end with them, and a fixed block
//! cannot end with ones.

#![allow(dead_code)] // each test uses some of it
#![allow(unused_imports)] // likewise

pub mod by_hand;
mod compress;
mod encode;
mod inflate;
mod peer;

pub use compress::Compressor;
pub use inflate::{Block, Inflater, Kind, Reference};
pub use peer::{Message, Peer, Sending};
