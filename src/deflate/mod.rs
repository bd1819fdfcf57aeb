//! permessage-deflate (RFC 7692): messages compressed one by one.
//!
//! Layer: above the grammar of extensions, below the connection. What is
//! agreed on ([`Params`], [`Offer`]), and the two streams; knows no frames and
//! no state of a connection.
//!
//! A connection compresses if its handshake agreed on it, which takes
//! [`Config::deflate`](crate::Config::deflate) on both ends. For handshakes
//! made elsewhere, [`DeflateConfig::offers`], [`accept`](DeflateConfig::accept)
//! and [`confirm`](DeflateConfig::confirm) negotiate over header values, and
//! [`Connection::with_deflate`](crate::Connection::with_deflate) takes the
//! result.
//!
//! # What it costs
//!
//! Compression is zlib's, in safe-to-call Rust (zlib-rs). The memory is in the
//! contexts: zlib's windows and tables.
//!
//! | what | bytes |
//! |---|---|
//! | decompressor, any window | 47,800 |
//! | compressor, window of 15 bits, memory level 9 / 8 / 5 / 1 | 495,000 / 380,000 / 280,000 / 266,000 |
//! | compressor, window of 12 bits, memory level 9 / 8 / 5 / 1 | 380,000 / 265,000 / 165,000 / 152,000 |
//! | compressor, window of 9 bits, memory level 9 / 8 / 5 / 1 | 366,000 / 251,000 / 151,000 / 137,000 |
//!
//! With context takeover (the default of the RFC, and the better compression)
//! a connection owns them from its first compressed message on, one for each
//! direction that is used, until it ends. So a peer can make a server keep a
//! decompressor with one short message, and a compressor with whatever is
//! answered: count them, or agree on no context takeover. A compressor can be
//! freed when it is not used for a while ([`DeflateConfig::release_after`]); a
//! decompressor cannot, since the peer may refer to what is in it.
//!
//! Without context takeover ([`Params::NO_CONTEXT_TAKEOVER`]) none is kept
//! between messages: the connection borrows one for each message, from its first
//! fragment to its last, from whoever [lends](Lender) them. The tokio adapter
//! lends from a pool of each thread's, which keeps at most four of each kind,
//! the blocking one from a pool of the process, which keeps at most sixteen. An
//! idle connection then owns about 150 bytes more than without compression.
//!
//! # Secrets
//!
//! Compressed lengths tell something of contents: who can have a guess of his
//! own compressed together with a secret can test it (BREACH; RFC 7692,
//! section 8). Send such messages plain, with
//! [`Connection::compress_next`](crate::Connection::compress_next).

mod config;
mod deflater;
mod inflater;
mod lender;
mod offer;
mod params;

pub use config::DeflateConfig;
pub use deflater::{Compress, Deflater, Strength};
pub use inflater::Inflater;
pub use lender::Lender;
pub use offer::{Agreement, InvalidReply, Offer, Offers};
pub use params::{Params, WindowBits};

pub(crate) use inflater::{Corrupt, Progress};
