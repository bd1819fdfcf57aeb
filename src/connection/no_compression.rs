//! In place of `compression`, without the feature `deflate`: types that have
//! no values, so that nobody need ask whether the feature is there.

use core::convert::Infallible;

use crate::frame::FrameHeader;
use crate::time::Instant;

#[derive(Debug)]
pub(super) struct Compression {
    pub(super) rx: Inflation,
    pub(super) tx: Deflation,
}

#[derive(Debug)]
pub(super) struct Inflation(Infallible);

#[derive(Debug)]
pub(super) struct Deflation(Infallible);

pub(super) struct Corrupt;

pub(super) struct Progress {
    pub(super) consumed: usize,
    pub(super) produced: usize,
}

impl Inflation {
    pub(super) fn start_frame(&mut self, _first: bool, _header: &FrameHeader) -> bool {
        match self.0 {}
    }

    pub(super) fn max_len(&self) -> Option<u64> {
        match self.0 {}
    }

    pub(super) fn is_pending(&self) -> bool {
        match self.0 {}
    }

    pub(super) fn wants_scratch(&self) -> bool {
        match self.0 {}
    }

    pub(super) fn set_wants_scratch(&mut self, _wants: bool) {
        match self.0 {}
    }

    pub(super) fn inflate(
        &mut self,
        _payload: &[u8],
        _out: &mut [u8],
    ) -> (Progress, Result<(), Corrupt>) {
        match self.0 {}
    }

    pub(super) fn finish(&mut self) -> Result<(), Corrupt> {
        match self.0 {}
    }
}

impl Deflation {
    pub(super) fn applies(&self, _len: usize, _fin: bool) -> bool {
        match self.0 {}
    }

    pub(super) fn begun(&mut self) {
        match self.0 {}
    }

    pub(super) fn bound(&self, _len: usize) -> usize {
        match self.0 {}
    }

    pub(super) fn deflate(&mut self, _data: &[u8], _first: bool, _fin: bool) -> Option<&[u8]> {
        match self.0 {}
    }

    pub(super) fn end_message(&mut self) {
        match self.0 {}
    }

    pub(super) fn replaced(&mut self) {
        match self.0 {}
    }

    pub(super) fn wants_time(&self) -> bool {
        match self.0 {}
    }

    pub(super) fn note_time(&mut self, _now: Instant) -> Option<Instant> {
        match self.0 {}
    }

    pub(super) fn release(&mut self, _now: Instant, _inside_message: bool) -> Option<Instant> {
        match self.0 {}
    }
}
