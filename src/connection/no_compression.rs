//! In place of `compression`, without the feature `deflate`: types that have
//! no values, so that nobody need ask whether the feature is there.

use crate::frame::FrameHeader;
use crate::time::Instant;

#[derive(Debug)]
pub(super) struct Compression {
    pub(super) rx: Inflation,
    pub(super) tx: Deflation,
}

impl Compression {
    pub(super) fn end(&mut self) {
        match self.rx {}
    }
}

#[derive(Debug)]
pub(super) enum Inflation {}

#[derive(Debug)]
pub(super) enum Deflation {}

pub(super) struct Corrupt;

pub(super) struct Progress {
    pub(super) consumed: usize,
    pub(super) produced: usize,
}

impl Inflation {
    pub(super) fn start_frame(&mut self, _first: bool, _header: &FrameHeader) -> bool {
        match *self {}
    }

    pub(super) fn unjudged(&self, _message_len: u64) -> u64 {
        match *self {}
    }

    pub(super) fn has_grown_too_much(&self, _message_len: u64, _ends: bool) -> bool {
        match *self {}
    }

    pub(super) fn is_pending(&self) -> bool {
        match *self {}
    }

    pub(super) fn wants_scratch(&self) -> bool {
        match *self {}
    }

    pub(super) fn set_wants_scratch(&mut self, _wants: bool) {
        match *self {}
    }

    pub(super) fn inflate(
        &mut self,
        _payload: &[u8],
        _out: &mut [u8],
    ) -> (Progress, Result<(), Corrupt>) {
        match *self {}
    }

    pub(super) fn finish(&mut self) -> Result<(), Corrupt> {
        match *self {}
    }
}

impl Deflation {
    pub(super) fn applies(&self, _len: usize, _fin: bool) -> bool {
        match *self {}
    }

    pub(super) fn begun(&mut self) {
        match *self {}
    }

    pub(super) fn bound(&self, _len: usize) -> usize {
        match *self {}
    }

    pub(super) fn deflate(&mut self, _data: &[u8], _first: bool, _fin: bool) -> Option<&[u8]> {
        match *self {}
    }

    pub(super) fn end_message(&mut self) {
        match *self {}
    }

    pub(super) fn replaced(&mut self) {
        match *self {}
    }

    pub(super) fn wants_time(&self) -> bool {
        match *self {}
    }

    pub(super) fn note_time(&mut self, _now: Instant) -> Option<Instant> {
        match *self {}
    }

    pub(super) fn release(&mut self, _now: Instant, _inside_message: bool) -> Option<Instant> {
        match *self {}
    }
}
