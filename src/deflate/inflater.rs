//! Decompressing (RFC 7692, section 7.2.2): a seam around zlib-rs.

use core::fmt;

use zlib_rs::{Inflate, InflateFlush, Status};

use super::params::WindowBits;

/// "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end of the payload of
/// the message" (section 7.2.2): the length of an empty stored block, whose
/// header ends the payload.
pub(super) const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// A decompressor and its window. Opaque: a connection makes and uses it, a
/// [`Lender`](super::Lender) keeps it.
///
/// About 47 KiB, whatever the window: zlib-rs has one size.
pub struct Inflater {
    stream: Inflate,
    /// Bytes of the message have come since the last end of a stream.
    is_begun: bool,
}

/// Data that is not DEFLATE (RFC 1951).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Corrupt;

/// How far a call has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) consumed: usize,
    pub(crate) produced: usize,
}

impl Inflater {
    pub(crate) fn new() -> Self {
        Self { stream: Inflate::new(false, WindowBits::MAX.get()), is_begun: false }
    }

    /// Forgets the window.
    pub(crate) fn reset(&mut self) {
        self.stream.reset(false);
        self.is_begun = false;
    }

    /// Inflates as much of `input` as `out` has room for. If it fills `out`
    /// there may be more to come, without any more input.
    ///
    /// What was produced before corrupt data is valid.
    pub(crate) fn inflate(
        &mut self,
        input: &[u8],
        out: &mut [u8],
    ) -> (Progress, Result<(), Corrupt>) {
        let mut done = Progress::default();
        loop {
            let (input, out) = (&input[done.consumed..], &mut out[done.produced..]);
            let (step, result) = self.step(input, out, InflateFlush::NoFlush);
            done.consumed += step.consumed;
            done.produced += step.produced;
            self.is_begun |= step.consumed > 0;
            match result {
                // "An endpoint MUST be able to decompress" blocks with BFINAL
                // set (section 7.2.3.4): another stream begins behind it, at
                // the next byte. Only whoever has ended a stream has forgotten
                // its window, so that nothing refers to it any more.
                Ok(Status::StreamEnd) => {
                    self.reset();
                    if step.consumed == input.len() || step.produced == out.len() {
                        return (done, Ok(()));
                    }
                }
                Ok(_) => return (done, Ok(())),
                Err(corrupt) => return (done, Err(corrupt)),
            }
        }
    }

    /// Ends the message, all of which has been inflated. The next may refer to
    /// what is in the window.
    ///
    /// A message that stops short of the end of a block would go unnoticed,
    /// and spoil the next one; so what is appended has to take it to the end
    /// of a block exactly. But two things are put up with: no byte at all for
    /// an empty message, and none behind a final block.
    pub(crate) fn finish(&mut self) -> Result<(), Corrupt> {
        if !self.is_begun {
            return Ok(());
        }
        self.is_begun = false;
        // One byte more than the block has: zlib stops before it if, and only
        // if, a block ends there.
        let tail = [TAIL[0], TAIL[1], TAIL[2], TAIL[3], 0];
        let mut consumed = 0;
        while consumed < TAIL.len() {
            let (step, result) = self.step(&tail[consumed..], &mut [0], InflateFlush::Block);
            consumed += step.consumed;
            let ended = result? == Status::StreamEnd;
            if ended {
                self.reset();
            }
            if step.produced > 0 || step.consumed == 0 && !ended {
                return Err(Corrupt);
            }
        }
        if consumed == TAIL.len() { Ok(()) } else { Err(Corrupt) }
    }

    fn step(
        &mut self,
        input: &[u8],
        out: &mut [u8],
        flush: InflateFlush,
    ) -> (Progress, Result<Status, Corrupt>) {
        let (read, written) = (self.stream.total_in(), self.stream.total_out());
        let result = self.stream.decompress(input, out, flush);
        let progress = Progress {
            consumed: difference(self.stream.total_in(), read),
            produced: difference(self.stream.total_out(), written),
        };
        (progress, result.map_err(|_| Corrupt))
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater").finish_non_exhaustive()
    }
}

/// What one call has added to a count: no more than a slice holds.
#[allow(clippy::cast_possible_truncation)]
pub(super) fn difference(after: u64, before: u64) -> usize {
    (after - before) as usize
}
