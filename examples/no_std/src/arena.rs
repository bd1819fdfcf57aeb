//! An allocator over memory of fixed size, which counts. It is the one module
//! that cannot do without unsafe code; whoever has an allocator needs none of it.
//!
//! The memory is blocks, and a piece is the first row of free ones that is long
//! enough. That is slow, and no matter: what is allocated is allocated once.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::hint::spin_loop;
use core::ops::Range;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, Ordering};

const BLOCK_LEN: usize = 16;
const BLOCKS: usize = 256;

#[global_allocator]
pub static ARENA: Arena = Arena {
    memory: UnsafeCell::new([Block([0; BLOCK_LEN]); BLOCKS]),
    is_locked: AtomicBool::new(false),
    state: UnsafeCell::new(State {
        is_taken: [false; BLOCKS],
        allocations: 0,
        live: 0,
        peak: 0,
        highest: 0,
    }),
};

pub struct Arena {
    memory: UnsafeCell<[Block; BLOCKS]>,
    /// Where interrupts allocate, this has to keep them away.
    is_locked: AtomicBool,
    state: UnsafeCell<State>,
}

/// Aligned as much as anybody asks for.
#[derive(Clone, Copy)]
#[repr(align(16))]
struct Block(#[allow(dead_code)] [u8; BLOCK_LEN]); // used by its address alone

struct State {
    is_taken: [bool; BLOCKS],
    allocations: usize,
    live: usize,
    peak: usize,
    highest: usize,
}

impl State {
    fn take(&mut self, layout: Layout) -> Option<usize> {
        let count = layout.size().div_ceil(BLOCK_LEN);
        let is_free = |row: &[bool]| row.iter().all(|is_taken| !is_taken);
        let start = self.is_taken.windows(count.max(1)).position(is_free)?;
        self.is_taken[start..start + count].fill(true);
        self.allocations += 1;
        self.live += layout.size();
        self.peak = self.peak.max(self.live);
        self.highest = self.highest.max(start + count);
        Some(start)
    }

    fn give_back(&mut self, blocks: Range<usize>, len: usize) {
        self.is_taken[blocks].fill(false);
        self.live -= len;
    }
}

impl Arena {
    /// How often memory was asked for.
    pub fn allocations(&self) -> usize {
        self.locked(|state| state.allocations)
    }

    /// Bytes in use.
    pub fn live(&self) -> usize {
        self.locked(|state| state.live)
    }

    /// Bytes in use at most since the last call of this.
    pub fn take_peak(&self) -> usize {
        self.locked(|state| core::mem::replace(&mut state.peak, state.live))
    }

    /// Bytes from the front behind which nothing ever was.
    pub fn highest(&self) -> usize {
        self.locked(|state| state.highest * BLOCK_LEN)
    }

    fn locked<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        while self.is_locked.swap(true, Ordering::Acquire) {
            spin_loop();
        }
        // SAFETY: whoever holds the lock is the only one here, since nothing that
        // is done under it allocates, or panics on the way.
        let result = work(unsafe { &mut *self.state.get() });
        self.is_locked.store(false, Ordering::Release);
        result
    }
}

// SAFETY: the state is looked at under its lock, and the memory never through
// this value, but only handed out.
unsafe impl Sync for Arena {}

// SAFETY: a piece is a row of blocks within the memory, which is as long as its
// layout or longer, and aligned as a block is; a layout that wants more is
// refused. Its blocks are taken until it is given back, so no two overlap.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > align_of::<Block>() {
            return null_mut();
        }
        match self.locked(|state| state.take(layout)) {
            // SAFETY: that block is within the memory.
            Some(block) => unsafe { self.memory.get().cast::<Block>().add(block).cast() },
            None => null_mut(),
        }
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        let start = (piece.addr() - self.memory.get().addr()) / BLOCK_LEN;
        let blocks = start..start + layout.size().div_ceil(BLOCK_LEN);
        self.locked(|state| state.give_back(blocks, layout.size()));
    }
}
