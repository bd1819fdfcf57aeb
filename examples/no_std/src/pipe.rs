//! Two ends of a wire in memory: what there is a modem for elsewhere. It takes
//! and gives as few bytes at a time as it likes, so that every cut there is
//! comes up.

use core::cell::RefCell;

use crate::endpoint::Wire;

/// Bytes on their way in one direction.
pub struct Pipe {
    bytes: [u8; 256],
    len: usize,
    has_ended: bool,
    chance: u32,
}

impl Pipe {
    pub const fn new(chance: u32) -> RefCell<Self> {
        RefCell::new(Self { bytes: [0; 256], len: 0, has_ended: false, chance })
    }

    /// Some number up to 96.
    fn some(&mut self) -> usize {
        self.chance = self.chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.chance >> 16) as usize % 97
    }
}

/// One end: a pipe to read from, and one to write to.
pub struct End<'a> {
    pub from: &'a RefCell<Pipe>,
    pub to: &'a RefCell<Pipe>,
}

impl Wire for End<'_> {
    fn receive(&mut self, room: &mut [u8]) -> Option<usize> {
        let mut pipe = self.from.borrow_mut();
        if pipe.len == 0 && pipe.has_ended {
            return None;
        }
        let len = pipe.some().min(pipe.len).min(room.len());
        room[..len].copy_from_slice(&pipe.bytes[..len]);
        let end = pipe.len;
        pipe.bytes.copy_within(len..end, 0);
        pipe.len -= len;
        Some(len)
    }

    fn send(&mut self, bytes: &[u8]) -> usize {
        let mut pipe = self.to.borrow_mut();
        let start = pipe.len;
        let len = pipe.some().min(bytes.len()).min(pipe.bytes.len() - start);
        pipe.bytes[start..start + len].copy_from_slice(&bytes[..len]);
        pipe.len += len;
        len
    }

    fn close(&mut self) {
        self.to.borrow_mut().has_ended = true;
    }
}
