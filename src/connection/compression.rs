//! The two streams of permessage-deflate in an open connection (RFC 7692,
//! sections 6 and 7.2): whose contexts they use, and for which messages.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use crate::config::Config;
use crate::deflate::{
    Compress, Corrupt, DeflateConfig, Deflater, Inflater, Lender, Params, Progress, Strength,
    WindowBits,
};
use crate::frame::{FrameHeader, RSV1};
use crate::time::Instant;

/// What the handshake agreed on, and both directions of it.
#[derive(Debug)]
pub(super) struct Compression {
    pub(super) params: Params,
    pub(super) rx: Inflation,
    pub(super) tx: Deflation,
}

type LentBy = Option<&'static dyn Lender>;

impl Compression {
    pub(super) fn new(params: Params, is_server: bool, config: &Config) -> Self {
        let default;
        let config = match &config.deflate {
            Some(config) => config,
            None => {
                default = DeflateConfig::default();
                &default
            }
        };
        let server = (params.server_no_context_takeover, params.server_max_window_bits);
        let client = (params.client_no_context_takeover, params.client_max_window_bits);
        let (sends, receives) = if is_server { (server, client) } else { (client, server) };
        Self {
            params,
            rx: Inflation::new(!receives.0, config.max_ratio),
            tx: Deflation::new(!sends.0, sends.1, config),
        }
    }

    pub(super) fn set_lender(&mut self, lender: &'static dyn Lender) {
        self.rx.lender = Some(lender);
        self.tx.lender = Some(lender);
    }

    pub(super) fn has_lender(&self) -> bool {
        self.rx.lender.is_some()
    }

    /// Nothing more will be sent or received.
    pub(super) fn end(&mut self) {
        self.rx.give_back();
        self.tx.give_back();
        self.tx.is_used = false;
    }
}

impl Drop for Compression {
    fn drop(&mut self) {
        self.end();
    }
}

/// What comes in.
#[derive(Debug)]
pub(super) struct Inflation {
    /// Made or lent when a message begins; kept between messages only with its
    /// context.
    inflater: Option<Box<Inflater>>,
    keeps_context: bool,
    lender: LentBy,
    max_ratio: Option<u32>,
    /// Payload bytes of the message consumed.
    consumed: u64,
    /// The message in progress is compressed.
    is_compressed: bool,
    /// Something may come out without any more input.
    is_pending: bool,
    wants_scratch: bool,
}

/// How much a message has grown is judged each time that so many bytes more
/// have come out of it, and at its end.
const JUDGED_EVERY: u64 = 64 << 10;

impl Inflation {
    fn new(keeps_context: bool, max_ratio: Option<u32>) -> Self {
        Self {
            inflater: None,
            keeps_context,
            lender: None,
            max_ratio,
            consumed: 0,
            is_compressed: false,
            is_pending: false,
            wants_scratch: false,
        }
    }

    /// A data frame begins; `first`, of a message. True if it is compressed.
    #[cold] // it costs the frames of all others a tenth if it is not
    pub(super) fn start_frame(&mut self, first: bool, header: &FrameHeader) -> bool {
        if first {
            self.consumed = 0;
            // RFC 7692, section 6: RSV1 is "Per-Message Compressed".
            self.is_compressed = header.rsv == RSV1;
        }
        self.is_compressed
    }

    /// How many bytes may come out of a message before its growth is judged,
    /// when so many have.
    pub(super) fn unjudged(&self, message_len: u64) -> u64 {
        match self.max_ratio {
            Some(_) => JUDGED_EVERY - message_len % JUDGED_EVERY,
            None => u64::MAX,
        }
    }

    /// True if so many bytes, all there are if the message `ends`, are too many
    /// to have come out of what was consumed.
    pub(super) fn has_grown_too_much(&self, message_len: u64, ends: bool) -> bool {
        let Some(ratio) = self.max_ratio else { return false };
        let is_judged = ends || message_len % JUDGED_EVERY == 0;
        is_judged
            && message_len >= JUDGED_EVERY
            && message_len > self.consumed.saturating_mul(ratio.into())
    }

    pub(super) fn is_pending(&self) -> bool {
        self.is_pending
    }

    pub(super) fn wants_scratch(&self) -> bool {
        self.wants_scratch
    }

    pub(super) fn set_wants_scratch(&mut self, wants: bool) {
        self.wants_scratch = wants;
    }

    /// Inflates as much of the payload as there is room for.
    pub(super) fn inflate(
        &mut self,
        payload: &[u8],
        out: &mut [u8],
    ) -> (Progress, Result<(), Corrupt>) {
        let lender = self.lender;
        let inflater = self.inflater.get_or_insert_with(|| {
            match lender.and_then(|lender| lender.take_inflater()) {
                Some(mut lent) => {
                    lent.reset();
                    lent
                }
                None => Box::new(Inflater::new()),
            }
        });
        let (progress, result) = inflater.inflate(payload, out);
        self.is_pending = progress.produced == out.len();
        self.consumed += progress.consumed as u64;
        (progress, result)
    }

    /// All of a message has been inflated.
    pub(super) fn finish(&mut self) -> Result<(), Corrupt> {
        self.is_compressed = false;
        let result = self.inflater.as_deref_mut().map_or(Ok(()), Inflater::finish);
        if !self.keeps_context {
            self.give_back();
        }
        result
    }

    fn give_back(&mut self) {
        if let (Some(inflater), Some(lender)) = (self.inflater.take(), self.lender) {
            lender.put_inflater(inflater);
        }
        self.is_pending = false;
    }
}

/// What goes out.
#[derive(Debug)]
pub(super) struct Deflation {
    /// As [`Inflation::inflater`].
    deflater: Option<Box<Deflater>>,
    /// `None`: what is agreed on cannot be done, and all goes plain.
    strength: Option<Strength>,
    keeps_context: bool,
    /// The context does not hold what was sent last.
    is_stale: bool,
    lender: LentBy,
    min_len: usize,
    /// For the next message begun.
    choice: Compress,
    release_after: Option<Duration>,
    /// The compressor was used since the time was last told.
    is_used: bool,
    release_at: Option<Instant>,
}

impl Deflation {
    fn new(keeps_context: bool, window_bits: WindowBits, config: &DeflateConfig) -> Self {
        Self {
            deflater: None,
            strength: Strength::new(window_bits, config),
            keeps_context,
            is_stale: false,
            lender: None,
            min_len: config.min_len,
            choice: Compress::Auto,
            release_after: config.release_after.filter(|_| keeps_context),
            is_used: false,
            release_at: None,
        }
    }

    pub(super) fn choose(&mut self, choice: Compress) {
        self.choice = choice;
    }

    /// True if a message begun now, with a first frame of so many bytes, is
    /// compressed.
    pub(super) fn applies(&self, len: usize, fin: bool) -> bool {
        let wanted = match self.choice {
            // How long a message in fragments becomes is not known.
            Compress::Auto => len >= self.min_len || !fin && self.min_len != usize::MAX,
            Compress::No => false,
            Compress::Yes => true,
        };
        wanted && self.strength.is_some()
    }

    /// A message was begun: the choice was for it.
    pub(super) fn begun(&mut self) {
        self.choice = Compress::Auto;
    }

    /// The most bytes that `len` bytes can become.
    pub(super) fn bound(&self, len: usize) -> usize {
        Deflater::bound(len)
    }

    /// Compresses the next frame of a message, whole. `None` if it is not to
    /// be: it is a message of one frame, did not become shorter, and nothing
    /// has to be remembered of it.
    pub(super) fn deflate(&mut self, data: &[u8], first: bool, fin: bool) -> Option<&[u8]> {
        self.is_used |= self.release_after.is_some();
        let (lender, strength) = (self.lender, self.strength?);
        let deflater = self.deflater.get_or_insert_with(|| borrow_deflater(strength, lender));
        if core::mem::take(&mut self.is_stale) {
            deflater.reset();
        }
        let made = deflater.deflate(data, fin);
        let is_vain = made.len() >= data.len() && first && fin && !self.keeps_context;
        // An empty message was asked for.
        if is_vain && !data.is_empty() { None } else { Some(made) }
    }

    /// The last frame of a compressed message was made.
    pub(super) fn end_message(&mut self) {
        if !self.keeps_context {
            self.give_back();
        } else if let Some(deflater) = &mut self.deflater {
            deflater.trim();
        }
    }

    /// The window for a message of so many bytes that is compressed by itself,
    /// if it is to be.
    pub(super) fn applies_in(&self, len: usize) -> Option<WindowBits> {
        self.strength.filter(|_| self.applies(len, true)).map(Strength::window_bits)
    }

    /// Compresses a message by itself, with no regard to the context. `None` if
    /// it does not become shorter.
    pub(super) fn deflate_alone(&self, data: &[u8]) -> Option<Vec<u8>> {
        let mut deflater = borrow_deflater(self.strength?, self.lender);
        let made = deflater.deflate(data, true);
        let made = (made.len() < data.len()).then(|| made.to_vec());
        give_back_deflater(deflater, self.lender);
        made
    }

    /// Such a message went out. The peer's window now holds what ours does not,
    /// so ours must be forgotten.
    pub(super) fn replaced(&mut self) {
        self.is_stale = self.deflater.is_some();
    }

    fn give_back(&mut self) {
        if let Some(deflater) = self.deflater.take() {
            give_back_deflater(deflater, self.lender);
        }
        self.is_stale = false;
        self.release_at = None;
    }

    // ---- time ---------------------------------------------------------------

    pub(super) fn wants_time(&self) -> bool {
        self.is_used
    }

    /// Notes the time of the last use. Says when to release.
    pub(super) fn note_time(&mut self, now: Instant) -> Option<Instant> {
        if core::mem::take(&mut self.is_used) {
            self.release_at = self.release_after.map(|after| now + after);
        }
        self.release_at
    }

    /// Frees a compressor that was not used for long. Not inside a message,
    /// whose frames refer to each other: then it is put off. Says when to call
    /// again.
    pub(super) fn release(&mut self, now: Instant, inside_message: bool) -> Option<Instant> {
        if self.release_at.is_some_and(|at| at <= now) {
            if inside_message {
                self.release_at = self.release_after.map(|after| now + after);
            } else {
                self.give_back();
            }
        }
        self.release_at
    }
}

/// A compressor with an empty window.
fn borrow_deflater(strength: Strength, lender: LentBy) -> Box<Deflater> {
    let lent = lender.and_then(|lender| lender.take_deflater(strength));
    // Whoever lends something else is not trusted.
    match lent.filter(|deflater| deflater.strength() == strength) {
        Some(mut lent) => {
            lent.reset();
            lent
        }
        None => Box::new(Deflater::new(strength)),
    }
}

fn give_back_deflater(mut deflater: Box<Deflater>, lender: LentBy) {
    if let Some(lender) = lender {
        deflater.trim();
        lender.put_deflater(deflater);
    }
}
