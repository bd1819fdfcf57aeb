//! Compressing (RFC 7692, section 7.2.1): a seam around zlib-rs.

use alloc::vec::Vec;
use core::fmt;

use zlib_rs::{Deflate, DeflateConfig as ZlibConfig, DeflateFlush};

use super::config::DeflateConfig;
use super::inflater::{TAIL, difference};
use super::params::WindowBits;

/// Whether to compress a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums)] // yes, no, or it depends
pub enum Compress {
    /// If it is as long as [`DeflateConfig::min_len`](super::DeflateConfig::min_len).
    #[default]
    Auto,
    /// No: it goes as it is, and enters no window.
    No,
    /// Yes, however short it is; unless it becomes no shorter and no context is
    /// kept, since then there is no reason to.
    Yes,
}

/// What a compressor was made for: window, level and memory level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Strength {
    window_bits: WindowBits,
    level: u8,
    mem_level: u8,
}

impl Strength {
    /// As configured, within this window. `None` for a window that zlib cannot
    /// compress with.
    pub(crate) fn new(window_bits: WindowBits, config: &DeflateConfig) -> Option<Self> {
        let (level, mem_level) = (config.level.clamp(1, 9), config.mem_level.clamp(1, 9));
        (window_bits > WindowBits::MIN).then_some(Self { window_bits, level, mem_level })
    }

    /// The size of the window.
    pub fn window_bits(self) -> WindowBits {
        self.window_bits
    }
}

/// A compressor and its window. Opaque: a connection makes and uses it, a
/// [`Lender`](super::Lender) keeps it.
///
/// Its size is in the table of [`deflate`](crate::deflate); up to 16 KiB more
/// are the room that compressed bytes are made in.
pub struct Deflater {
    stream: Deflate,
    strength: Strength,
    /// Room for what comes out; stays initialised.
    memory: Vec<u8>,
}

/// Room that is kept between messages.
const KEEP_LEN: usize = 16 << 10;
/// Room without which it makes no sense to ask zlib for more.
const MIN_ROOM: usize = 16;

impl Deflater {
    pub(crate) fn new(strength: Strength) -> Self {
        let config = ZlibConfig {
            level: strength.level.into(),
            // Negative: without zlib's header.
            window_bits: -i32::from(strength.window_bits.get()),
            mem_level: strength.mem_level.into(),
            ..ZlibConfig::default()
        };
        Self { stream: Deflate::new_with_config(config), strength, memory: Vec::new() }
    }

    /// What it was made for.
    pub fn strength(&self) -> Strength {
        self.strength
    }

    /// Forgets the window.
    pub(crate) fn reset(&mut self) {
        self.stream.reset();
    }

    /// The most bytes that `len` bytes can become. No block that zlib makes
    /// is larger than 9 bits for each byte and five bytes for each hundred;
    /// this is more than both together.
    pub(crate) fn bound(len: usize) -> usize {
        len.saturating_add(len / 4).saturating_add(64)
    }

    /// Compresses the next fragment of a message, all of it: whoever inflates
    /// it has the data at once. `fin`: it is the last.
    pub(crate) fn deflate(&mut self, data: &[u8], fin: bool) -> &[u8] {
        // zlib makes nothing of nothing. "If the resulting data does not end
        // with an empty DEFLATE block with no compression, append" one, then
        // "remove 4 octets [...] from the tail end" (section 7.2.1).
        if data.is_empty() {
            return if fin { &[0x00] } else { &[] };
        }
        let len = self.flush(data);
        let made = &self.memory[..len];
        match made.strip_suffix(&TAIL) {
            Some(stripped) if fin => stripped,
            _ => made,
        }
    }

    /// Compresses `data` up to the border of a byte: an empty stored block at
    /// the end (section 7.2.1). Gives the length of the result.
    fn flush(&mut self, data: &[u8]) -> usize {
        let (start, mut len) = (self.stream.total_in(), 0);
        // With room for all of it the end of the block is made at once; zlib
        // may make it twice where it had to stop.
        let first = Self::bound(data.len()).min(KEEP_LEN);
        if self.memory.len() < first {
            self.memory.resize(first, 0);
        }
        loop {
            if self.memory.len() < len + MIN_ROOM {
                let most = Self::bound(data.len()).max(len + MIN_ROOM);
                self.memory.resize((2 * len).max(KEEP_LEN).min(most), 0);
            }
            let rest = &data[difference(self.stream.total_in(), start)..];
            let before = self.stream.total_out();
            let room = &mut self.memory[len..];
            let result = self.stream.compress(rest, room, DeflateFlush::SyncFlush);
            // The only errors there are say that a stream was never made.
            debug_assert!(result.is_ok());
            let added = difference(self.stream.total_out(), before);
            len += added;
            let is_consumed = difference(self.stream.total_in(), start) == data.len();
            let is_flushed = is_consumed && added < room.len();
            if is_flushed || result.is_err() {
                return len;
            }
        }
    }

    /// Gives memory back that a long message left.
    pub(crate) fn trim(&mut self) {
        if self.memory.len() > KEEP_LEN {
            self.memory = Vec::new();
        }
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater").field("strength", &self.strength).finish_non_exhaustive()
    }
}
