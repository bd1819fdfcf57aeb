//! What the targets call: the bodies that the tests of sockeye include too, and
//! the one that needs another engine.

mod bodies;
mod differential;

pub use bodies::*;
pub use differential::differential;
