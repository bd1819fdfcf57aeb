//! Header lines of the opening handshake, in both directions.

use std::ops::Range;

use crate::boundary::{Place, addresses, bytes, check_memory, enter, text};
use crate::memory::sockeye_bytes;
use crate::result::sockeye_result;
use crate::result::sockeye_result::*;

/// A header line to be sent: both are UTF-8, the name a token, the value without
/// control bytes. It is copied; the memory need not outlast the call.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct sockeye_header {
    /// Such as `Set-Cookie`.
    pub name: sockeye_bytes,
    /// What stands behind the colon.
    pub value: sockeye_bytes,
}

/// Finds a header line that was received, by its name without regard to case: that
/// with this `index` among those of the name, counted from 0. `headers` is that of a
/// `sockeye_request` or `sockeye_reply`. `value`, without white space around it, points
/// into the same bytes.
///
/// Errors: `SOCKEYE_NONE` if there is none; `SOCKEYE_NULL_POINTER`,
/// `SOCKEYE_INVALID_ARGUMENT`. Any thread may call this.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sockeye_header_find(
    headers: sockeye_bytes,
    name: sockeye_bytes,
    index: usize,
    value: *mut sockeye_bytes,
) -> sockeye_result {
    enter(|| {
        // SAFETY: null, or can be written to.
        let value = unsafe { Place::new(value) }?;
        // SAFETY: there for as long as the call.
        let lines = unsafe { bytes(headers) }?;
        // SAFETY: the same.
        let name = unsafe { bytes(name) }?;
        // The engine has read these lines: each is a name, a colon, a value.
        let mut values = lines.split(|&byte| byte == b'\n').filter_map(|line| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            let is_it = line[..colon].eq_ignore_ascii_case(name);
            is_it.then(|| line[colon + 1..].trim_ascii())
        });
        let Some(found) = values.nth(index) else { return Ok(SOCKEYE_NONE) };
        value.put(sockeye_bytes::of(found));
        Ok(SOCKEYE_OK)
    })
}

/// Header lines of the caller's, as text.
///
/// # Safety
///
/// `count` headers, whose memory is there for `'a`.
pub(crate) unsafe fn lines<'a>(
    headers: *const sockeye_header,
    count: usize,
) -> Result<Vec<(&'a str, &'a str)>, sockeye_result> {
    let len = count.checked_mul(size_of::<sockeye_header>()).ok_or(SOCKEYE_INVALID_ARGUMENT)?;
    if check_memory(headers.cast(), len)?.is_none() {
        return Ok(Vec::new());
    }
    if !headers.is_aligned() {
        return Err(SOCKEYE_INVALID_ARGUMENT);
    }
    // SAFETY: not null, aligned, no longer than memory can be, and there.
    let headers = unsafe { std::slice::from_raw_parts(headers, count) };
    let line = |header: &sockeye_header| {
        // SAFETY: passed on.
        let name = unsafe { text(header.name) }?;
        // SAFETY: passed on.
        Ok((name, unsafe { text(header.value) }?))
    };
    headers.iter().map(line).collect()
}

/// Where the names and values are.
pub(crate) fn texts_of(lines: &[(&str, &str)]) -> Vec<Range<usize>> {
    let texts = lines.iter().flat_map(|(name, value)| [*name, *value]);
    texts.map(|text| addresses(text.as_ptr(), text.len())).collect()
}

/// The bytes that the engine's header lines stand in: from the first name to the last
/// value.
pub(crate) fn place_of<'a>(
    received: &'a [u8],
    mut headers: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> sockeye_bytes {
    let at = |pointer: *const u8| (pointer as usize).checked_sub(received.as_ptr() as usize);
    let Some(first) = headers.next() else { return sockeye_bytes::ABSENT };
    let (_, end) = headers.last().unwrap_or(first);
    let lines = at(first.0.as_ptr()).zip(at(end.as_ptr_range().end));
    let lines = lines.and_then(|(start, end)| received.get(start..end));
    lines.map_or(sockeye_bytes::ABSENT, sockeye_bytes::of)
}
