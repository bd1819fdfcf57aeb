//! Attackers that take all descriptors of a server: the echo servers as a user
//! runs them, with few to take. Each prints what it cost; see `abuse.rs`.

#![cfg(all(target_os = "linux", feature = "deflate", feature = "url"))]

mod common;
mod processes;
mod sockets;
mod victim;

use std::thread;
use std::time::{Duration, Instant};

use common::*;
use sockets::*;
use sockeye::Config;
use victim::*;

/// Of the server.
const DESCRIPTORS: usize = 48;

/// More than there are descriptors, and less than twice as many. All get
/// through: the system accepts them on the server's behalf.
fn crowd(victim: &Victim) -> Vec<Peer> {
    let crowd = (0..DESCRIPTORS + 12).map(|_| victim.stranger()).collect();
    let deadline = Instant::now() + PATIENCE / 2;
    // What it has inherited from whoever started it may be on top of them.
    while victim.descriptors() < DESCRIPTORS {
        assert!(Instant::now() < deadline, "it never runs out of descriptors");
        thread::sleep(Duration::from_millis(10));
    }
    crowd
}

/// It waits for descriptors and does not ask for them all the time: some twenty
/// times a second, and between that it rests.
#[track_caller]
fn assert_rests(victim: &Victim) -> String {
    const WINDOW: Duration = Duration::from_secs(2);
    victim.complaints();
    let (start, before) = (Instant::now(), victim.processor_time());
    thread::sleep(WINDOW);
    let used = victim.processor_time() - before;
    let share = used.as_secs_f32() / start.elapsed().as_secs_f32();
    let complaints = victim.complaints();
    let tries = complaints.iter().filter(|line| line.starts_with("accept: ")).count();
    assert!(share < 0.3, "{used:?} of processor time");
    assert!(tries > 0, "it does not try any more");
    assert!(tries as f32 <= 40.0 * start.elapsed().as_secs_f32(), "it tried {tries} times");
    format!("{:.1} % of a core", share * 100.0)
}

/// A newcomer, who has to wait in the queue of the system until it is served.
fn newcomer(victim: &Victim) -> Duration {
    let start = Instant::now();
    let mut peer = victim.peer("/", "");
    peer.send([text("at last")]);
    peer.expect([text("at last")]);
    start.elapsed()
}

#[test]
fn without_descriptors_a_server_rests_and_serves_again_once_there_are_some() {
    each_victim_with_descriptors(DESCRIPTORS, |victim| {
        let what = "no descriptors left; the crowd leaves";
        victim.attacked_beside(Newcomers::WouldHaveToWait, what, 2048, || {
            let crowd = crowd(victim);
            let rests = assert_rests(victim);
            drop(crowd);
            let waited = newcomer(victim);
            assert!(waited < PATIENCE / 4, "a newcomer had to wait for {waited:?}");
            format!("{rests}; a newcomer is served after {} ms", waited.as_millis())
        });
        let what = "no descriptors left; the crowd stays";
        victim.attacked_beside(Newcomers::WouldHaveToWait, what, 2048, || {
            let _crowd = crowd(victim);
            let rests = assert_rests(victim);
            // Those that never asked are turned out by the deadline, and given
            // some time to go.
            let waited = newcomer(victim);
            let turned_out = Config::default().handshake_timeout.unwrap() + Duration::from_secs(20);
            assert!(waited < turned_out, "a newcomer had to wait for {waited:?}");
            format!("{rests}; a newcomer is served after {:.1} s", waited.as_secs_f32())
        });
    });
}
