//! The four parameters of permessage-deflate (RFC 7692, section 7.1).

use core::fmt;

/// The size of an LZ77 window as its base-2 logarithm, 8 to 15: 256 bytes to
/// 32 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowBits(u8);

impl WindowBits {
    /// 8: a window of 256 bytes. zlib cannot compress with it, so what is sent
    /// under it goes uncompressed, as the RFC allows any message to.
    pub const MIN: Self = Self(8);
    /// 15: a window of 32 KiB, which is meant where nothing is said.
    pub const MAX: Self = Self(15);

    /// `None` unless `bits` is in `8..=15`.
    pub const fn new(bits: u8) -> Option<Self> {
        if bits >= Self::MIN.0 && bits <= Self::MAX.0 { Some(Self(bits)) } else { None }
    }

    /// The number, `8..=15`.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// "A decimal integer value without leading zeroes between 8 to 15,
    /// inclusive" (section 7.1.2.1).
    pub(super) fn parse(value: &str) -> Option<Self> {
        match value.as_bytes() {
            [digit @ b'8'..=b'9'] => Self::new(digit - b'0'),
            [b'1', digit @ b'0'..=b'5'] => Self::new(10 + digit - b'0'),
            _ => None,
        }
    }
}

impl Default for WindowBits {
    fn default() -> Self {
        Self::MAX
    }
}

impl fmt::Display for WindowBits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How the messages of a connection are compressed: what was agreed on, or
/// what an endpoint is ready to agree on.
///
/// The default is that of the RFC: contexts are kept from message to message
/// in both directions, with windows of 32 KiB.
///
/// # Example: a server that keeps no memory between messages
///
/// ```
/// use sockeye::DeflateConfig;
/// use sockeye::deflate::Params;
///
/// let mut deflate = DeflateConfig::default();
/// deflate.params = vec![Params::NO_CONTEXT_TAKEOVER];
/// assert_eq!(
///     deflate.params[0].to_string(),
///     "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
/// );
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_structs)] // the RFC has four
pub struct Params {
    /// The server compresses each message by itself (section 7.1.1.1).
    pub server_no_context_takeover: bool,
    /// The client compresses each message by itself (section 7.1.1.2).
    pub client_no_context_takeover: bool,
    /// The largest window that the server compresses with (section 7.1.2.1).
    pub server_max_window_bits: WindowBits,
    /// The largest window that the client compresses with (section 7.1.2.2).
    pub client_max_window_bits: WindowBits,
}

impl Params {
    /// Each message by itself, in both directions: no memory is kept between
    /// messages, and short ones compress less well.
    pub const NO_CONTEXT_TAKEOVER: Self = Self {
        server_no_context_takeover: true,
        client_no_context_takeover: true,
        server_max_window_bits: WindowBits::MAX,
        client_max_window_bits: WindowBits::MAX,
    };
}
