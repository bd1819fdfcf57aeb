//! When to look at whom, if nothing happens before.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use sockeye::Instant;

/// A heap of deadlines. Those that were put off stay in it, and are found out
/// when they come up; so each client has one that counts.
#[derive(Default)]
pub struct Deadlines(BinaryHeap<Reverse<(Instant, usize)>>);

/// The next time at which the heap will have a client looked at.
#[derive(Default)]
pub struct Watched(Option<Instant>);

impl Deadlines {
    /// Has the heap know of the next deadline of the client with this number. A
    /// later one than it knows of is found when that has come.
    pub fn watch(&mut self, number: usize, due: Option<Instant>, watched: &mut Watched) {
        if let Some(due) = due {
            if watched.0.is_none_or(|known| due < known) {
                watched.0 = Some(due);
                self.0.push(Reverse((due, number)));
            }
        }
    }

    /// When to come back.
    pub fn next(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse((due, _))| *due)
    }

    /// A deadline that has passed, and whose it was.
    pub fn pop(&mut self, now: Instant) -> Option<(Instant, usize)> {
        self.next().filter(|due| *due <= now)?;
        self.0.pop().map(|Reverse(deadline)| deadline)
    }
}

impl Watched {
    /// True if this is the deadline that counts. Else it is of a client that was
    /// here before, or was looked at earlier.
    pub fn comes_up(&mut self, at: Instant) -> bool {
        self.0.take_if(|known| *known == at).is_some()
    }
}
