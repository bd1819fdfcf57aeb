//! The WebSocket engine `sockeye` for C: functions that its header declares.
//!
//! It does nothing by itself: each function checks what C gave it, has the engine
//! do its work, and says what came of it. Rust programs use the crate `sockeye`.
//!
//! - `boundary`: what every function goes through, so that no panic gets out.
//! - `memory`: bytes, input and output, which are the caller's.
//! - `settings`, `server`, `client`, `connection`: the objects, in the order in
//!   which a program meets them; `event` and `closed` what a connection tells.
//! - `result`, `error`: what can go wrong, as numbers and as text.
//!
//! # Safety
//!
//! Of all functions, and of none in particular; what can be checked is.
//!
//! - A pointer to a struct is null, or points to a whole one; where the function
//!   reads it, an initialised one. A pair of `data` and `len` is memory of that
//!   length that was written to once; an output's needs not have been.
//! - An object came from the function that makes it, and was not freed.
//! - Nobody else uses an object, or memory that was given, during the call.

#![allow(non_camel_case_types)] // as C writes them
#![allow(clippy::missing_safety_doc)] // the same for all, see above
#![warn(unreachable_pub, clippy::exhaustive_enums, clippy::expect_used, clippy::unwrap_used)]
#![warn(clippy::cast_possible_truncation, clippy::multiple_unsafe_ops_per_block)]
#![allow(clippy::exhaustive_enums)] // their numbers are what is stable

mod boundary;
mod texts;

// In the order of the header.
mod result;

mod memory;

mod time;

mod settings;

mod header;

mod server;

mod client;

mod connection;

mod send;

mod event;

mod closed;

mod error;

#[cfg(test)]
mod panics;

pub use client::*;
pub use closed::*;
pub use connection::*;
pub use error::*;
pub use event::*;
pub use header::*;
pub use memory::*;
pub use result::*;
pub use send::*;
pub use server::*;
pub use settings::*;
pub use time::*;

/// The version of the library that runs, such as `0.1.0`; that of the header is
/// `SOCKEYE_VERSION`. It lasts as long as the program. Any thread may call this.
#[unsafe(no_mangle)]
pub extern "C" fn sockeye_version() -> *const std::ffi::c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}
