//! The way in and out: pointers become references here, if they can, and panics
//! become results.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;
use std::str;
use std::{mem, ptr};

use crate::memory::sockeye_bytes;
use crate::result::sockeye_result;
use crate::result::sockeye_result::*;

/// What a function does: `Err` if it did nothing.
pub(crate) type Outcome = Result<sockeye_result, sockeye_result>;

/// An object that C holds.
pub(crate) trait Handle {
    /// True once a call has panicked, which leaves it in any state.
    fn poisoned(&mut self) -> &mut bool;
}

/// Makes a [`Handle`] of a type with a field `poisoned`.
macro_rules! handle {
    ($name:ty) => {
        impl crate::boundary::Handle for $name {
            fn poisoned(&mut self) -> &mut bool {
                &mut self.poisoned
            }
        }
    };
}
pub(crate) use handle;

/// `None` if `body` panicked.
fn caught<R>(body: impl FnOnce() -> R) -> Option<R> {
    let body = || {
        #[cfg(test)]
        injected::panic_if_asked();
        body()
    };
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => Some(value),
        Err(panic) => {
            // What was thrown may throw once more when it is dropped.
            mem::forget(panic);
            None
        }
    }
}

/// A function without an object.
pub(crate) fn enter(body: impl FnOnce() -> Outcome) -> sockeye_result {
    match caught(body) {
        Some(Ok(result) | Err(result)) => result,
        None => SOCKEYE_PANICKED,
    }
}

/// A function without an object that gives a value; `otherwise` if it panics.
pub(crate) fn value<R>(otherwise: R, body: impl FnOnce() -> R) -> R {
    caught(body).unwrap_or(otherwise)
}

/// A function of an object.
///
/// # Safety
///
/// `handle` is null, or an object that nobody else uses.
pub(crate) unsafe fn enter_with<T: Handle>(
    handle: *mut T,
    body: impl FnOnce(&mut T) -> Outcome,
) -> sockeye_result {
    // SAFETY: null, or an object that nobody else uses.
    let Some(object) = (unsafe { handle.as_mut() }) else { return SOCKEYE_NULL_POINTER };
    if *object.poisoned() {
        return SOCKEYE_PANICKED;
    }
    match caught(|| body(object)) {
        Some(Ok(result) | Err(result)) => result,
        None => {
            *object.poisoned() = true;
            SOCKEYE_PANICKED
        }
    }
}

/// A question to an object that it answers with a value; `otherwise` if it is
/// null or has panicked.
///
/// # Safety
///
/// As [`enter_with`].
pub(crate) unsafe fn ask<T: Handle, R>(
    handle: *const T,
    otherwise: R,
    body: impl FnOnce(&T) -> R,
) -> R {
    // SAFETY: null, or an object that nobody else uses.
    let Some(object) = (unsafe { handle.cast_mut().as_mut() }) else { return otherwise };
    if *object.poisoned() {
        return otherwise;
    }
    match caught(|| body(object)) {
        Some(value) => value,
        None => {
            *object.poisoned() = true;
            otherwise
        }
    }
}

/// Frees an object. Null is none.
///
/// # Safety
///
/// `handle` is null, or came from [`Place::give`] and is not used again.
pub(crate) unsafe fn free<T>(handle: *mut T) {
    if !handle.is_null() {
        // SAFETY: it came out of a box, and nobody uses it any more.
        let object = unsafe { Box::from_raw(handle) };
        let _ = caught(|| drop(object));
    }
}

/// Where C wants a value to be put, which may hold none yet.
pub(crate) struct Place<T>(*mut T);

impl<T> Place<T> {
    /// # Safety
    ///
    /// `place` is null, or can be written to.
    pub(crate) unsafe fn new(place: *mut T) -> Result<Self, sockeye_result> {
        match (place.is_null(), place.is_aligned()) {
            (true, _) => Err(SOCKEYE_NULL_POINTER),
            (_, false) => Err(SOCKEYE_INVALID_ARGUMENT),
            _ => Ok(Self(place)),
        }
    }

    pub(crate) fn put(&self, value: T) {
        // SAFETY: it can be written to. What it holds is plain data.
        unsafe { self.0.write(value) }
    }
}

impl<T> Place<*mut T> {
    /// A place for an object, which holds none until it is [given](Self::give).
    ///
    /// # Safety
    ///
    /// As [`new`](Self::new).
    pub(crate) unsafe fn for_object(place: *mut *mut T) -> Result<Self, sockeye_result> {
        // SAFETY: as above.
        let place = unsafe { Self::new(place) }?;
        place.put(ptr::null_mut());
        Ok(place)
    }

    /// Gives C an object, which is freed with [`free`].
    pub(crate) fn give(&self, object: T) {
        self.put(Box::into_raw(Box::new(object)));
    }
}

/// A struct that C has filled.
///
/// # Safety
///
/// `place` is null, or holds a value.
pub(crate) unsafe fn read<T: Copy>(place: *const T) -> Result<T, sockeye_result> {
    // SAFETY: a place to read from is one as well.
    let Place(place) = unsafe { Place::new(place.cast_mut()) }?;
    // SAFETY: it holds a value.
    Ok(unsafe { place.read() })
}

/// Checks a piece of memory; `None` if it is empty.
pub(crate) fn check_memory(data: *const u8, len: usize) -> Result<Option<usize>, sockeye_result> {
    match (data.is_null(), isize::try_from(len)) {
        (_, Ok(0)) => Ok(None),
        (true, _) => Err(SOCKEYE_NULL_POINTER),
        (_, Err(_)) => Err(SOCKEYE_INVALID_ARGUMENT),
        _ if (data as usize).checked_add(len).is_none() => Err(SOCKEYE_INVALID_ARGUMENT),
        _ => Ok(Some(len)),
    }
}

/// Bytes of the caller's.
///
/// # Safety
///
/// They are there, and stay what they are for `'a`.
pub(crate) unsafe fn bytes<'a>(bytes: sockeye_bytes) -> Result<&'a [u8], sockeye_result> {
    match check_memory(bytes.data, bytes.len)? {
        None => Ok(&[]),
        // SAFETY: not null, no longer than memory can be, and there.
        Some(len) => Ok(unsafe { slice::from_raw_parts(bytes.data, len) }),
    }
}

/// Memory of the caller's, to work in.
///
/// # Safety
///
/// It is there, was written to once, and is nobody else's for `'a`.
pub(crate) unsafe fn bytes_mut<'a>(
    data: *mut u8,
    len: usize,
) -> Result<&'a mut [u8], sockeye_result> {
    match check_memory(data, len)? {
        None => Ok(&mut []),
        // SAFETY: not null, no longer than memory can be, there, and lent to us.
        Some(len) => Ok(unsafe { slice::from_raw_parts_mut(data, len) }),
    }
}

/// Text of the caller's.
///
/// # Safety
///
/// As [`bytes`].
pub(crate) unsafe fn text<'a>(text: sockeye_bytes) -> Result<&'a str, sockeye_result> {
    // SAFETY: passed on.
    let bytes = unsafe { bytes(text) }?;
    str::from_utf8(bytes).map_err(|_| SOCKEYE_INVALID_TEXT)
}

/// The addresses that bytes are at.
pub(crate) fn addresses(data: *const u8, len: usize) -> Range<usize> {
    data as usize..(data as usize).saturating_add(len)
}

/// True if no byte is in both.
pub(crate) fn are_apart(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.is_empty() || b.is_empty() || a.end <= b.start || b.end <= a.start
}

/// Panics where the engine never does, for tests.
#[cfg(test)]
pub(crate) mod injected {
    use std::cell::Cell;

    std::thread_local! {
        static ASKED: Cell<bool> = const { Cell::new(false) };
    }

    /// What is thrown: it throws again when it is dropped.
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    /// The next call of this thread panics.
    pub(crate) fn ask() {
        ASKED.set(true);
    }

    /// False if no call has panicked since.
    pub(crate) fn has_come() -> bool {
        !ASKED.get()
    }

    pub(super) fn panic_if_asked() {
        if ASKED.replace(false) {
            std::panic::panic_any(Bomb);
        }
    }
}
