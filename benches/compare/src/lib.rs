//! The same work on several WebSocket engines: from memory, and over loopback.

pub mod clock;
pub mod echo;
pub mod engines;
pub mod frames;
pub mod handmade;
pub mod measure;
pub mod memory;
pub mod pipe;
pub mod report;
pub mod results;
