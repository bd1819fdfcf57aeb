//! Whose memory the bytes are in: the caller's, all of them.

use std::ffi::{CStr, c_char};
use std::ops::Range;
use std::{ptr, slice};

use sockeye::{FixedOutput, Input, Output};

use crate::boundary::{self, Outcome, addresses, are_apart, bytes_mut, check_memory, value};
use crate::result::sockeye_result;
use crate::result::sockeye_result::*;

/// Bytes to be read: `len` of them from `data` on. Given to a function, they have to
/// stay what they are during the call. `data` may be NULL if `len` is 0.
///
/// Where a function gives some, it says whose they are and how long they last. What
/// is absent has `data` NULL; what is empty has not.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sockeye_bytes {
    /// The first byte.
    pub data: *const u8,
    /// How many there are.
    pub len: usize,
}

impl sockeye_bytes {
    pub(crate) const ABSENT: Self = Self { data: ptr::null(), len: 0 };

    pub(crate) fn of(bytes: &[u8]) -> Self {
        // C may copy no bytes from an address, but not from any.
        static EMPTY: [u8; 1] = [0];
        let data = if bytes.is_empty() { EMPTY.as_ptr() } else { bytes.as_ptr() };
        Self { data, len: bytes.len() }
    }

    pub(crate) fn of_some(text: Option<&str>) -> Self {
        text.map_or(Self::ABSENT, |text| Self::of(text.as_bytes()))
    }

    pub(crate) fn addresses(self) -> Range<usize> {
        addresses(self.data, self.len)
    }
}

/// The bytes of a C string, without its NUL; for literals, mostly. NULL is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_text(text: *const c_char) -> sockeye_bytes {
    value(sockeye_bytes::ABSENT, || {
        if text.is_null() {
            return sockeye_bytes::ABSENT;
        }
        // SAFETY: a C string, by the words above.
        sockeye_bytes::of(unsafe { CStr::from_ptr(text) }.to_bytes())
    })
}

/// Received bytes, consumed from the front: a call takes what it has used up off
/// `data` and `len`. They are worked on in place: what was consumed is spent.
///
/// `scratch` is memory of which the calls need some to inflate into, where compression
/// was agreed on (RFC 7692); else it may be NULL. Each call has all of it anew. Its
/// contents do not matter, but it must have some: `static`, or from `calloc`. One for
/// all connections of a thread will do.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sockeye_input {
    /// The first byte not consumed.
    pub data: *mut u8,
    /// How many are not consumed.
    pub len: usize,
    /// Memory to inflate into, or NULL.
    pub scratch: *mut u8,
    /// Its bytes: at least `SOCKEYE_SCRATCH_MIN`; 64 KiB is a good size, as what is
    /// inflated comes in pieces that are as long.
    pub scratch_len: usize,
}

/// Where bytes to be sent are appended: memory of the caller's, of which the first
/// `len` bytes are filled. Nothing is appended beyond `capacity`, nor in part: a frame
/// that does not fit gives `SOCKEYE_OUTPUT_FULL`, and `needed` is the free room that
/// it asks for. Write the first `len` bytes to the transport, in order, and set `len`
/// to 0 (or move the rest to the front); or make the memory larger; and call again.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sockeye_output {
    /// The memory. It need not be initialised.
    pub data: *mut u8,
    /// Its bytes: at least `SOCKEYE_OUTPUT_MIN` for a connection.
    pub capacity: usize,
    /// The filled bytes.
    pub len: usize,
    /// After `SOCKEYE_OUTPUT_FULL`, the free bytes that would have been enough.
    pub needed: usize,
}

/// The least `capacity` of an output: with as much room free, whatever comes in can be
/// answered.
pub const SOCKEYE_OUTPUT_MIN: usize = 131;

/// The least `scratch_len` of an input, if compression was agreed on.
pub const SOCKEYE_SCRATCH_MIN: usize = 16;

const _: () = assert!(SOCKEYE_OUTPUT_MIN == FixedOutput::MIN_LEN);
const _: () = assert!(SOCKEYE_SCRATCH_MIN == Input::MIN_SCRATCH);

/// The free room that is enough to send so many bytes in one frame, whatever was agreed
/// on: a header, and what a message that does not compress may grow by while it is
/// tried.
#[unsafe(no_mangle)]
pub extern "C" fn sockeye_output_bound(payload_len: usize) -> usize {
    value(usize::MAX, || {
        // See `FixedOutput::MIN_LEN`; and the longest header.
        payload_len.saturating_add(payload_len / 4).saturating_add(78 + 14)
    })
}

// ---- what the engine sees of it ------------------------------------------------------

/// The free part of an output. Unlike the engine's `FixedOutput` it needs no memory
/// that was written to, which C programs need not have.
pub(crate) struct Free<'a> {
    rest: &'a mut [std::mem::MaybeUninit<u8>],
    len: usize,
    /// What was asked for in vain.
    pub(crate) needed: usize,
}

impl Output for Free<'_> {
    #[inline]
    fn has_room(&self, len: usize) -> bool {
        len <= self.rest.len() - self.len
    }

    /// # Panics
    ///
    /// If there is no room, which means that nobody asked for it.
    #[inline]
    fn append(&mut self, bytes: &[u8]) -> &mut [u8] {
        let room = &mut self.rest[self.len..][..bytes.len()];
        let start = room.as_mut_ptr().cast::<u8>();
        // SAFETY: as many bytes of room, which are borrowed for us alone.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), start, bytes.len()) };
        self.len += bytes.len();
        // SAFETY: these bytes were written by the line above.
        unsafe { slice::from_raw_parts_mut(start, bytes.len()) }
    }
}

impl sockeye_output {
    /// Has `body` append to an output, which must be apart from this memory.
    ///
    /// # Safety
    ///
    /// `output` is null, or holds a value whose memory is there and nobody else's.
    pub(crate) unsafe fn append(
        output: *mut Self,
        others: &[Range<usize>],
        body: impl FnOnce(&mut Free<'_>) -> Outcome,
    ) -> Outcome {
        // SAFETY: null, or a value.
        let mut now = unsafe { boundary::read(output) }?;
        if now.len > now.capacity {
            return Err(SOCKEYE_INVALID_ARGUMENT);
        }
        let len = check_memory(now.data, now.capacity)?.unwrap_or(0);
        let memory = addresses(now.data, len);
        if others.iter().any(|other| !are_apart(other, &memory)) {
            return Err(SOCKEYE_INVALID_ARGUMENT);
        }
        let all = if len == 0 { ptr::dangling_mut() } else { now.data.cast() };
        // SAFETY: not null, no longer than memory can be, there, and lent to us.
        let all = unsafe { slice::from_raw_parts_mut(all, len) };
        let mut free = Free { rest: &mut all[now.len..], len: 0, needed: 0 };
        let outcome = body(&mut free);
        now.len += free.len;
        now.needed = if outcome == Err(SOCKEYE_OUTPUT_FULL) { free.needed } else { 0 };
        // SAFETY: it was read from there.
        unsafe { output.write(now) };
        outcome
    }
}

impl sockeye_input {
    /// Where the bytes are, and the scratch room.
    pub(crate) fn addresses(&self) -> [Range<usize>; 2] {
        [addresses(self.data, self.len), addresses(self.scratch, self.scratch_len)]
    }

    /// # Safety
    ///
    /// The memory is there, was written to once, and is nobody else's for `'a`.
    pub(crate) unsafe fn lent<'a>(&self) -> Result<Input<'a>, sockeye_result> {
        let [bytes, scratch] = self.addresses();
        if !are_apart(&bytes, &scratch) {
            return Err(SOCKEYE_INVALID_ARGUMENT);
        }
        // SAFETY: passed on.
        let bytes = unsafe { bytes_mut(self.data, self.len) }?;
        // SAFETY: passed on, and apart from the other.
        let scratch = unsafe { bytes_mut(self.scratch, self.scratch_len) }?;
        Ok(Input::with_scratch(bytes, scratch))
    }
}
