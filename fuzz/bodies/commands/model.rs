//! What an engine should make of a command: whether it is refused, and whether
//! a message is compressed.

use sockeye::SendError;

/// Why a command may be refused.
#[derive(Debug, Default)]
pub struct Faults {
    pub closed: bool,
    pub control_too_long: bool,
    pub fragment_in_progress: bool,
    pub invalid_close_code: bool,
    pub invalid_text: bool,
    pub mask_required: bool,
    pub message_compressed: bool,
    pub full: Full,
}

/// Whether the output is too full.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Full {
    #[default]
    No,
    /// How much room is asked for depends on how well it compresses.
    Perhaps,
    Yes,
}

impl Faults {
    /// A command succeeds if nothing is wrong, and else fails with something
    /// that is.
    pub fn allow(&self, result: Result<(), SendError>) -> bool {
        let allowed = match result {
            Ok(()) => !self.any(),
            Err(SendError::Closed) => self.closed,
            Err(SendError::ControlTooLong) => self.control_too_long,
            Err(SendError::FragmentInProgress) => self.fragment_in_progress,
            Err(SendError::InvalidCloseCode) => self.invalid_close_code,
            Err(SendError::InvalidText) => self.invalid_text,
            Err(SendError::MaskRequired) => self.mask_required,
            Err(SendError::MessageCompressed) => self.message_compressed,
            Err(SendError::OutputFull { .. }) => self.full != Full::No,
            Err(_) => false,
        };
        assert!(allowed, "{result:?} with {self:?}");
        result.is_ok()
    }

    fn any(&self) -> bool {
        self.closed
            || self.control_too_long
            || self.fragment_in_progress
            || self.invalid_close_code
            || self.invalid_text
            || self.mask_required
            || self.message_compressed
            || self.full == Full::Yes
    }
}

/// How an end compresses what it sends. Without the feature there is none.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "deflate"), allow(dead_code))] // never made
pub struct Compressing {
    pub keeps_context: bool,
    pub window_bits: u8,
    min_len: usize,
    /// What was asked for the next message.
    pub choice: Option<bool>,
    /// The message being sent in fragments is compressed.
    pub in_progress: bool,
}

impl Compressing {
    #[cfg(feature = "deflate")]
    pub fn new(is_client: bool, params: sockeye::deflate::Params, min_len: usize) -> Self {
        let (no_takeover, window) = match is_client {
            true => (params.client_no_context_takeover, params.client_max_window_bits),
            false => (params.server_no_context_takeover, params.server_max_window_bits),
        };
        Self {
            keeps_context: !no_takeover,
            window_bits: window.get(),
            min_len,
            choice: None,
            in_progress: false,
        }
    }

    /// True if a message begun with so many bytes is compressed.
    pub fn applies(&self, len: usize, fin: bool) -> bool {
        // zlib has no window of 8 bits.
        self.window_bits > 8
            && self.choice.unwrap_or(len >= self.min_len || !fin && self.min_len != usize::MAX)
    }

    /// The most bytes of a frame's payload: a block is never longer than 9 bits
    /// for each byte, and a few for its header.
    pub fn most(len: usize) -> usize {
        len + len / 4 + 64
    }
}
