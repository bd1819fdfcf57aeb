//! One connection at a time in the state CONNECTING, for each host and port.
//!
//! "If the client already has a WebSocket connection to the remote host [...]
//! even if the remote host is known by another name, the client MUST wait
//! until that connection has been established or for that connection to have
//! failed" (RFC 6455, section 4.1, item 2).
//!
//! A host is known here by its name in the URL, as the RFC has it for a client
//! behind a proxy, which does not learn the address. Two names of one address
//! count as two hosts: less than the RFC asks of other clients, but a turn can
//! be waited for before anything is looked up.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::task::Wake;
use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::Instant;

/// A host and a port.
type Place = (String, u16);

/// Who is connecting to where, and who waits for that, in this process.
static PLACES: Mutex<BTreeMap<Place, Queue>> = Mutex::new(BTreeMap::new());

/// Those that wait for a place, in the order of their coming.
#[derive(Debug, Default)]
struct Queue {
    /// Somebody is connecting.
    taken: bool,
    waiting: VecDeque<Ticket>,
    last_number: u64,
}

impl Queue {
    /// Whose turn it is, if nobody is connecting.
    fn next(&self) -> Option<&Ticket> {
        self.waiting.front().filter(|_| !self.taken)
    }
}

#[derive(Debug)]
struct Ticket {
    number: u64,
    waker: Waker,
}

fn places() -> MutexGuard<'static, BTreeMap<Place, Queue>> {
    PLACES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Changes the queue of a place, and wakes whose turn it has become.
fn update(place: &Place, change: impl FnOnce(&mut Queue)) {
    let mut places = places();
    let Some(queue) = places.get_mut(place) else { return };
    change(queue);
    let next = queue.next().map(|ticket| ticket.waker.clone());
    if !queue.taken && queue.waiting.is_empty() {
        places.remove(place);
    }
    drop(places);
    if let Some(waker) = next {
        waker.wake();
    }
}

/// The right to connect to a place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn(Place);

impl Turn {
    /// Waits for the turn, in the order of the calls. Cancel safe.
    pub(crate) fn wait(host: &str, port: u16) -> Waiting {
        Waiting { place: (host.to_ascii_lowercase(), port), ticket: None }
    }

    /// Waits on this thread, until `deadline` at most; then `None`.
    pub(crate) fn wait_blocking(host: &str, port: u16, deadline: Option<Instant>) -> Option<Self> {
        struct Unpark(Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut waiting = pin!(Self::wait(host, port));
        loop {
            match waiting.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(turn) => return Some(turn),
                Poll::Pending => match deadline {
                    None => thread::park(),
                    Some(at) => match at.checked_duration_since(Instant::now()) {
                        Some(left) if !left.is_zero() => thread::park_timeout(left),
                        _ => return None,
                    },
                },
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        update(&self.0, |queue| queue.taken = false);
    }
}

/// Waits for a [`Turn`].
#[derive(Debug)]
pub(crate) struct Waiting {
    place: Place,
    /// The number of our ticket, once we have one.
    ticket: Option<u64>,
}

impl Future for Waiting {
    type Output = Turn;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Turn> {
        let mut places = places();
        let queue = places.entry(self.place.clone()).or_default();
        let is_next = match self.ticket {
            Some(number) => queue.next().is_some_and(|ticket| ticket.number == number),
            None => !queue.taken && queue.waiting.is_empty(),
        };
        if is_next {
            queue.taken = true;
            if self.ticket.take().is_some() {
                queue.waiting.pop_front();
            }
            return Poll::Ready(Turn(self.place.clone()));
        }
        let ours = queue.waiting.iter_mut().find(|ticket| Some(ticket.number) == self.ticket);
        match ours {
            Some(ticket) => ticket.waker.clone_from(cx.waker()),
            None => {
                queue.last_number += 1;
                let number = queue.last_number;
                queue.waiting.push_back(Ticket { number, waker: cx.waker().clone() });
                self.ticket = Some(number);
            }
        }
        Poll::Pending
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(number) = self.ticket {
            update(&self.place, |queue| queue.waiting.retain(|ticket| ticket.number != number));
        }
    }
}
