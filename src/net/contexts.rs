//! Compression contexts that a thread keeps for its connections: those that
//! keep none of their own borrow one for each message.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cell::RefCell;
use std::thread::LocalKey;

use crate::deflate::{Deflater, Inflater, Lender, Strength};

/// The pool of whichever thread asks.
pub(crate) static OF_THREAD: OfThread = OfThread;

#[derive(Debug)]
pub(crate) struct OfThread;

/// Contexts of either kind that a thread keeps. More than one are only needed
/// for messages that come or go in fragments, or for several strengths.
const MAX_SPARE: usize = 4;

type Spare<T> = RefCell<Vec<Box<T>>>;

std::thread_local! {
    static INFLATERS: Spare<Inflater> = const { RefCell::new(Vec::new()) };
    static DEFLATERS: Spare<Deflater> = const { RefCell::new(Vec::new()) };
}

impl Lender for OfThread {
    fn take_inflater(&self) -> Option<Box<Inflater>> {
        take(&INFLATERS, |_| true)
    }

    fn put_inflater(&self, inflater: Box<Inflater>) {
        put(&INFLATERS, inflater);
    }

    fn take_deflater(&self, strength: Strength) -> Option<Box<Deflater>> {
        take(&DEFLATERS, |deflater| deflater.strength() == strength)
    }

    fn put_deflater(&self, deflater: Box<Deflater>) {
        put(&DEFLATERS, deflater);
    }
}

// `try_with`: a connection can be dropped by another thread-local.

fn take<T>(spare: &'static LocalKey<Spare<T>>, is_fit: impl Fn(&T) -> bool) -> Option<Box<T>> {
    let taken = spare.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        let at = spare.iter().rposition(|context| is_fit(context))?;
        Some(spare.swap_remove(at))
    });
    taken.ok().flatten()
}

fn put<T>(spare: &'static LocalKey<Spare<T>>, context: Box<T>) {
    let _ = spare.try_with(|spare| {
        let mut spare = spare.borrow_mut();
        if spare.len() < MAX_SPARE {
            spare.push(context);
        }
    });
}
