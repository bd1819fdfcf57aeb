//! The documents' examples in JavaScript, and the same programs in Rust.
