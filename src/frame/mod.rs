//! One frame header: bytes to value and back (RFC 6455, section 5.2).
//!
//! Layer: the lowest. Knows nothing of roles, messages or connection state;
//! whether a header is *allowed* here and now is the connection's business.

mod header;
mod opcode;

pub use header::{EncodedHeader, FrameHeader, HeaderError, MAX_HEADER_LEN, decode, encoded_len};
pub(crate) use header::{KEY_LEN, MASK, RSV1, decode_whole, split_first, split_second};
pub use opcode::Opcode;
