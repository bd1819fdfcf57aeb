//! The bytes of heap that are in use: those that this thread has allocated and
//! not freed, and those of the whole process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, Ordering};

thread_local! {
    // Signed: a thread may free what another has allocated.
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

static LIVE_IN_PROCESS: AtomicIsize = AtomicIsize::new(0);

struct Counting;

fn count(change: isize) {
    LIVE.set(LIVE.get() + change);
    LIVE_IN_PROCESS.fetch_add(change, Ordering::Relaxed);
}

// The crate forbids unsafe code; this is the one trait that cannot be had
// without it, and lives in a test.
#[allow(unsafe_code)]
// SAFETY: every call is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: as the caller promised us.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as the caller promised us.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that this thread has allocated, less those that it has freed.
pub fn live() -> isize {
    LIVE.get()
}

/// Bytes that all threads have allocated and not freed.
pub fn live_in_process() -> isize {
    LIVE_IN_PROCESS.load(Ordering::Relaxed)
}

/// The share of each, rounded up; 0 if there are fewer than before.
pub fn each(bytes: isize, count: usize) -> usize {
    usize::try_from(bytes).unwrap_or(0).div_ceil(count)
}
