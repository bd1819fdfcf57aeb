//! What each fuzz target asserts, as ordinary functions over bytes.
//!
//! The fuzz package builds them into a library for its targets, and
//! `tests/fuzz_replay.rs` of the main crate includes them as a module and runs
//! them over the corpus, so that they cannot rot. They may use sockeye, and
//! what sockeye depends on; what needs more is beside this folder.
//!
//! A body fails by panicking. What it is given is never wrong: any bytes are
//! an input, and each body says how it reads them.

#![allow(
    missing_docs,
    unreachable_pub, // public here, private in the test
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used
)]

mod commands;
mod cut;
mod extended;
mod extensions;
mod frame_header;
mod http;
mod mask;
mod receive;
mod request_head;
mod response_head;
#[allow(dead_code)] // each body uses some of it, and some bodies may be off
pub(crate) mod script;
mod utf8;
#[cfg(feature = "web")]
mod web;
pub(crate) mod wire;

pub use commands::commands;
pub use extended::extended;
pub use extensions::extensions;
pub use frame_header::frame_header;
pub use mask::mask;
#[cfg(feature = "deflate")]
pub use receive::inflate;
pub use receive::{receive_client, receive_server};
pub use request_head::request_head;
pub use response_head::response_head;
pub use utf8::utf8;
#[cfg(feature = "web")]
pub use web::web;
