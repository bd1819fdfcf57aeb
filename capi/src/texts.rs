//! Numbers in words, as C strings: made once, when they are first asked for.

use std::ffi::{CStr, CString, c_char};
use std::sync::OnceLock;

use crate::boundary::value;

/// Each number with its words.
pub(crate) type Texts = OnceLock<Vec<(i32, CString)>>;

pub(crate) fn text_of(
    texts: &'static Texts,
    number: i32,
    unknown: &'static CStr,
    make: impl FnOnce() -> Vec<(i32, CString)>,
) -> *const c_char {
    value(unknown.as_ptr(), || {
        let found = texts.get_or_init(make).iter().find(|(known, _)| *known == number);
        found.map_or(unknown, |(_, text)| text).as_ptr()
    })
}

/// What the engine says of a value.
pub(crate) fn said_of(value: impl std::fmt::Display) -> CString {
    // No text of the engine's has a NUL.
    CString::new(value.to_string()).unwrap_or_default()
}
