//! The tasks that wait for the same thing, each in a place of its own: a task
//! that stops waiting leaves nothing behind.

use alloc::vec::Vec;
use core::task::Waker;

#[derive(Debug, Default)]
pub(super) struct Wakers {
    places: Vec<Option<Waker>>,
    free: Vec<usize>,
}

impl Wakers {
    /// Takes a place, empty so far.
    pub(super) fn enter(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        })
    }

    /// Puts a waker into a place.
    pub(super) fn set(&mut self, place: usize, waker: &Waker) {
        match self.places.get_mut(place) {
            Some(Some(known)) => known.clone_from(waker),
            Some(empty) => *empty = Some(waker.clone()),
            None => {}
        }
    }

    /// Gives a place back.
    pub(super) fn leave(&mut self, place: usize) {
        if let Some(slot) = self.places.get_mut(place) {
            *slot = None;
            self.free.push(place);
        }
        if self.free.len() == self.places.len() {
            *self = Self::default();
        }
    }

    /// All of them, to be woken once no lock is held. They keep their places.
    pub(super) fn all(&self) -> Vec<Waker> {
        self.places.iter().flatten().cloned().collect()
    }

    /// Places taken.
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }
}
