//! An allocator that counts, for each thread alone: the test harness allocates
//! in its own.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// The crate forbids unsafe code; this is the one trait that cannot be had
// without it, and lives in a test.
#[allow(unsafe_code)]
// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        LIVE.set(LIVE.get().wrapping_add(layout.size()));
        PEAK.set(PEAK.get().max(LIVE.get()));
        // SAFETY: as the caller promised us.
        unsafe { System.alloc(layout) }
    }

    // Counted as the difference: for what is large the system moves pages, and
    // never has both.
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        LIVE.set(LIVE.get().wrapping_add(len).saturating_sub(layout.size()));
        PEAK.set(PEAK.get().max(LIVE.get()));
        // SAFETY: as the caller promised us.
        unsafe { System.realloc(pointer, layout, len) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // What another thread has allocated was not counted in this one.
        LIVE.set(LIVE.get().saturating_sub(layout.size()));
        // SAFETY: as the caller promised us.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations that `work` makes, bytes it leaves behind, and the most it had.
pub fn count<T>(work: impl FnOnce() -> T) -> (usize, usize, usize) {
    let (allocations, live) = (ALLOCATIONS.get(), LIVE.get());
    PEAK.set(live);
    let kept = black_box(work());
    let counted =
        (ALLOCATIONS.get() - allocations, LIVE.get().saturating_sub(live), PEAK.get() - live);
    drop(kept);
    counted
}
