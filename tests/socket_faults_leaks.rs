//! Hundreds of sessions that come to a bad end leave nothing behind: no heap, no
//! descriptor, no thread. `cargo test -- --nocapture` shows the figures.

#![cfg(all(target_os = "linux", feature = "tokio", feature = "web"))]

mod common;
mod faults;
mod flate;
#[allow(dead_code)] // of a process, and not of each thread
#[path = "idle/heap.rs"]
mod heap;
mod reach;
mod sockets;
mod web_either;
mod web_sockets;

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use faults::ours::{Place, Way, ways};
use faults::peer::{Deed, Fault, Manner, play};
use faults::{Plot, plots};
use heap::live_in_process;
use reach::{ADAPTERS, Adapter};
use sockets::*;
use sockeye::Side;
use web_either::start;
use web_sockets::*;

/// What a process holds.
#[derive(Clone, Copy, Debug)]
struct Held {
    heap: isize,
    descriptors: usize,
    threads: usize,
}

fn entries(directory: &str) -> usize {
    fs::read_dir(directory).unwrap().count()
}

impl Held {
    fn now() -> Self {
        // Each count opens one for itself.
        let descriptors = entries("/proc/self/fd");
        Self { heap: live_in_process(), descriptors, threads: entries("/proc/self/task") }
    }

    /// What is held once no more threads run than these: those of a session
    /// have said all when their work is done, and still have to end.
    fn with_threads(most: usize) -> Self {
        let start = Instant::now();
        loop {
            let held = Self::now();
            if held.threads <= most {
                return held;
            }
            assert!(start.elapsed() < PATIENCE / 2, "threads that were left behind: {held:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// What happens to the peer, and where.
fn faults(plot: &Plot) -> impl Iterator<Item = Fault> + use<> {
    let cuts = [0, 20, plot.head_len() - 1].into_iter().chain(plot.boundaries());
    let each = [
        (Deed::Close, Manner::InStep),
        (Deed::HalfClose, Manner::InStep),
        (Deed::Reset, Manner::InStep),
        (Deed::Reset, Manner::AtOnce),
    ];
    cuts.collect::<Vec<_>>()
        .into_iter()
        .flat_map(move |at| each.map(|(deed, manner)| Fault { at, deed, manner }))
}

/// All of them with this plot, one after the other. Says how many.
fn suffer(place: &Place, way: Way, plot: &Arc<Plot>) -> usize {
    faults(plot).map(|fault| drop(place.meet(way, plot, fault))).count()
}

/// The same for a page's socket, which says nothing.
fn suffer_as_page(place: &Place, adapter: Adapter, plot: &Arc<Plot>) -> usize {
    let run = |fault| {
        let fault = Fault { manner: Manner::AtOnce, ..fault };
        let (listener, plot) = (place.listener(), plot.clone());
        let server = Task::start(move || play(listener.accept().unwrap().0, &plot, fault));
        start(adapter, socket_to(place.port, &plain())).rest();
        server.join();
    };
    faults(plot).map(run).count()
}

fn suffer_everything(place: &Place) -> usize {
    let plots = plots().into_iter().chain(ROLES.map(Plot::compressed));
    let mut sessions = 0;
    for plot in plots {
        sessions += ways().map(|way| suffer(place, way, &plot)).sum::<usize>();
        if plot.ours == Role::Client && plot.closes == Side::Peer {
            let pages = ADAPTERS.into_iter();
            sessions += pages.map(|adapter| suffer_as_page(place, adapter, &plot)).sum::<usize>();
        }
    }
    sessions
}

/// One test in this file, so that no other holds anything meanwhile.
#[test]
fn hundreds_of_sessions_that_end_badly_leave_nothing_behind() {
    let place = Place::new();
    // What is made once, and what grows to its size.
    suffer_everything(&place);
    let threads = entries("/proc/self/task").min(2); // the harness's, and this one
    let before = Held::with_threads(threads);
    let sessions = suffer_everything(&place);
    let after = Held::with_threads(threads);
    println!("{sessions} sessions: {before:?}, and then {after:?}");
    assert_eq!(after.descriptors, before.descriptors, "{sessions} sessions");
    let heap = after.heap - before.heap;
    // Less than the least that one of them could leave each time.
    assert!(heap < sessions as isize, "{heap} bytes of {sessions} sessions");
}
