//! When to connect again: the delays of section 7.2.3, and what is worth
//! another attempt.

#![cfg(all(feature = "tokio", feature = "url"))]

mod common;
mod reach;
mod sockets;

use std::sync::Arc;
use std::time::{Duration, Instant};

use reach::*;
use sockets::*;
use sockeye::handshake::ResponseError;
use sockeye::net::{Backoff, Endpoint, Error};
use sockeye::{Config, Seed, blocking, tokio as ws};

/// Enough to come close to both ends of every range.
const SEEDS: u8 = 200;

fn seeded(seed: u8) -> Backoff {
    Backoff::new(Seed::from_bytes([seed; 32]))
}

/// The delays before one attempt after the other, for each seed.
fn delays(make: impl Fn(u8) -> Backoff, times: usize) -> Vec<Vec<Duration>> {
    let delays = |seed| {
        let mut backoff = make(seed);
        (0..times).map(|_| backoff.next_delay()).collect()
    };
    (0..SEEDS).map(delays).collect()
}

/// All delays are in these ranges of milliseconds, and all of each is used.
#[track_caller]
fn assert_ranges(make: impl Fn(u8) -> Backoff, ranges: &[(u64, u64)]) {
    let delays = delays(make, ranges.len());
    for (n, &(least, most)) in ranges.iter().enumerate() {
        let [least, most] = [least, most].map(Duration::from_millis);
        let margin = (most - least) / 10;
        let nth = || delays.iter().map(|delays| delays[n]);
        let (min, max) = (nth().min().unwrap(), nth().max().unwrap());
        assert!(least <= min && max <= most, "delay {n}: {min:?} to {max:?}");
        assert!(min <= least + margin && most - margin <= max, "delay {n}: {min:?} to {max:?}");
    }
}

// ---- delays ----------------------------------------------------------------------

#[test]
fn s7_2_3_the_first_delay_is_at_most_five_seconds() {
    assert_ranges(seeded, &[(0, 5_000)]);
}

#[test]
fn rule_71_delays_grow_and_are_truncated() {
    assert_ranges(
        seeded,
        &[
            (0, 5_000),
            (5_000, 10_000),
            (10_000, 20_000),
            (20_000, 40_000),
            // Twice as much would be too much; but not all come back at once.
            (30_000, 60_000),
            (30_000, 60_000),
            (30_000, 60_000),
        ],
    );
}

#[test]
fn s7_2_3_the_first_and_the_longest_delay_can_be_set() {
    let millis = Duration::from_millis;
    let of = |first: u64, longest: u64| {
        move |seed| seeded(seed).first(millis(first)).longest(millis(longest))
    };
    assert_ranges(of(10, 1000), &[(0, 10), (10, 20), (20, 40), (40, 80), (80, 160), (160, 320)]);
    assert_ranges(of(100, 150), &[(0, 100), (75, 150), (75, 150)]);
    // Never longer than the longest, not even the first.
    assert_ranges(of(100, 10), &[(0, 10), (5, 10), (5, 10)]);
    for delays in delays(of(0, 1000), 40).into_iter().chain(delays(of(1000, 0), 40)) {
        assert!(delays.into_iter().all(|delay| delay.is_zero()));
    }
}

#[test]
fn s7_2_3_there_is_an_end_to_growing_and_none_to_trying() {
    let mut backoff = seeded(1);
    let delays: Vec<_> = (0..200).map(|_| backoff.next_delay()).collect();
    // Past any shift and any power of two.
    assert!(delays[5..].iter().all(|delay| (30..=60).contains(&delay.as_secs())));
    let mut longest = seeded(1).first(Duration::MAX / 2).longest(Duration::MAX / 2);
    for _ in 0..200 {
        assert!(longest.next_delay() <= Duration::MAX / 2);
    }
}

#[test]
fn s7_2_3_after_a_success_the_first_delay_is_the_first_again() {
    let make = |attempts: usize| {
        move |seed| {
            let mut backoff = seeded(seed);
            (0..attempts).for_each(|_| {
                backoff.next_delay();
            });
            backoff.reset();
            backoff
        }
    };
    for attempts in [0, 1, 7] {
        assert_ranges(make(attempts), &[(0, 5_000), (5_000, 10_000)]);
    }
}

#[test]
fn s7_2_3_clients_do_not_all_come_back_at_once() {
    let of_system = (0..20).map(|_| Backoff::from_os().unwrap().next_delay());
    let distinct: std::collections::BTreeSet<_> = of_system.collect();
    assert!(distinct.len() > 15, "{distinct:?}");
    // Equal seeds give equal delays, others give others.
    assert_eq!(delays(seeded, 9), delays(seeded, 9));
    assert_ne!(delays(seeded, 9)[0], delays(seeded, 9)[1]);
}

// ---- attempts --------------------------------------------------------------------

/// Without deadlines: the time of these tests goes on by itself whenever there
/// is nothing to do but wait.
fn timeless() -> Arc<Config> {
    config(|c| c.handshake_timeout = None)
}

/// Runs a test in a time of its own.
fn in_paused_time<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    bounded(|| {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().unwrap().block_on(test());
    });
}

/// What is worth another attempt; the end of the stream is too.
fn setbacks() -> Vec<String> {
    let mut replies: Vec<_> =
        [503, 500, 502, 504, 408, 425, 429].map(|code| status(code, "")).into();
    replies.push("HTTP/1.1 101 Swi".into());
    replies
}

/// The sum of so many delays of a copy of this backoff.
fn sum(mut copy: Backoff, times: usize) -> Duration {
    (0..times).map(|_| copy.next_delay()).sum()
}

#[test]
fn rule_71_tokio_tries_again_for_as_long_as_it_may_pass() {
    in_paused_time(|| async {
        let (listener, port) = listen();
        let mut replies = setbacks();
        replies.push(String::new());
        let attempts = replies.len();
        let server = answers(listener, replies);
        let endpoint = direct("127.0.0.1", port, "/x").config(timeless());
        let mut backoff = seeded(1);
        let start = tokio::time::Instant::now();
        let ws = ws::reconnect(&endpoint, &mut backoff).await.unwrap();
        // Before each attempt, the first included, and nowhere else. The timer
        // counts whole milliseconds.
        let (took, expected) = (start.elapsed(), sum(seeded(1), attempts));
        let rounding = Duration::from_millis(2 * attempts as u64);
        assert!(took >= expected && took <= expected + rounding, "{took:?}, not {expected:?}");
        let (heads, listener) = server.join();
        assert_eq!(heads.len(), attempts);
        assert_empty(&listener);
        drop(ws);
        // It was a success: the next delay is the first again.
        assert!(backoff.next_delay() <= Duration::from_secs(5));
    });
}

#[test]
fn rule_71_tokio_tries_again_while_connections_are_refused() {
    in_paused_time(|| async {
        let (port, _taken) = refusing_port();
        let endpoint = direct("127.0.0.1", port, "/").config(timeless());
        let mut backoff = seeded(2);
        let an_hour = Duration::from_secs(3600);
        let reconnecting = ws::reconnect(&endpoint, &mut backoff);
        assert!(tokio::time::timeout(an_hour, reconnecting).await.is_err());
        // It has drawn as many delays as fit into an hour, and is in the last.
        let mut copy = seeded(2);
        let mut drawn = Duration::ZERO;
        while drawn <= an_hour {
            drawn += copy.next_delay();
        }
        assert_eq!(backoff.next_delay(), copy.next_delay());
    });
}

/// Whether an error is the one that a reply deserves.
type IsExpected = fn(&Error) -> bool;

/// Replies that are wrong will be wrong again.
fn final_replies() -> Vec<(String, IsExpected)> {
    fn is_refused(error: &Error) -> bool {
        matches!(error, Error::Refused(r) if [400, 401, 403, 404, 426].contains(&r.status()))
    }
    let mut replies: Vec<(String, IsExpected)> = Vec::new();
    for code in [400, 401, 403, 404, 426] {
        replies.push((status(code, ""), is_refused));
    }
    replies
        .push((redirect(302, "ftp://x/"), |e| matches!(e, Error::Refused(r) if r.status() == 302)));
    let accept = "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n";
    replies.push((accept.into(), |e| matches!(e, Error::Response(ResponseError::AcceptInvalid))));
    replies.push(("SSH-2.0-OpenSSH_9.6\r\n\r\n".into(), |e| {
        matches!(e, Error::Response(ResponseError::Head(_)))
    }));
    replies
}

#[test]
fn rule_71_tokio_stops_at_what_will_not_pass() {
    for (text, is_expected) in final_replies() {
        in_paused_time(move || async move {
            let (listener, port) = listen();
            let server = answers(listener, vec![status(503, ""), text]);
            let endpoint = direct("127.0.0.1", port, "/").config(timeless());
            let error = ws::reconnect(&endpoint, &mut seeded(3)).await.unwrap_err();
            assert!(is_expected(&error) && !error.is_temporary(), "{error:?}");
            assert_empty(&server.join().1);
        });
    }
    in_paused_time(|| async {
        let endpoint = Endpoint::new("127.0.0.1", 1, "/a b");
        let outcome = ws::reconnect(&endpoint, &mut seeded(3)).await;
        assert_shape!(outcome, Err(Error::Build(_)));
    });
}

/// Delays that a test can wait for.
fn short(seed: u8) -> Backoff {
    seeded(seed).first(Duration::from_millis(8)).longest(Duration::from_millis(20))
}

#[test]
fn rule_71_blocking_tries_again_for_as_long_as_it_may_pass() {
    bounded(|| {
        let (listener, port) = listen();
        let mut replies = setbacks();
        replies.push(String::new());
        let attempts = replies.len();
        let server = answers(listener, replies);
        let endpoint = direct("127.0.0.1", port, "/");
        let mut backoff = short(1);
        let start = Instant::now();
        drop(blocking::reconnect(&endpoint, &mut backoff).unwrap());
        assert!(start.elapsed() >= sum(short(1), attempts));
        let (heads, listener) = server.join();
        assert_eq!(heads.len(), attempts);
        assert_empty(&listener);
        assert!(backoff.next_delay() <= Duration::from_millis(8));
    });
}

#[test]
fn rule_71_blocking_stops_at_what_will_not_pass() {
    for (text, is_expected) in final_replies() {
        bounded(move || {
            let (listener, port) = listen();
            let server = answers(listener, vec![status(503, ""), text]);
            let endpoint = direct("127.0.0.1", port, "/");
            let mut backoff = short(2);
            let error = blocking::reconnect(&endpoint, &mut backoff).unwrap_err();
            assert!(is_expected(&error) && !error.is_temporary(), "{error:?}");
            assert_empty(&server.join().1);
            // Two attempts were made, and none was a success.
            let mut copy = short(2);
            (0..2).for_each(|_| {
                copy.next_delay();
            });
            assert_eq!(backoff.next_delay(), copy.next_delay());
        });
    }
}

#[test]
fn rule_71_a_lost_connection_is_opened_again() {
    bounded(|| {
        let (listener, port) = listen();
        let server = Task::start(move || {
            // Gone without a word; then as it should be.
            Peer::accept(listener.accept().unwrap().0, "");
            Peer::accept(listener.accept().unwrap().0, "").send([common::text("again")]);
        });
        let endpoint = direct("127.0.0.1", port, "/");
        let mut ws = blocking::connect(endpoint.clone()).unwrap();
        let lost = ws.read().unwrap_err();
        assert_shape!(&lost, Error::Lost { .. } | Error::Io(_));
        assert!(lost.is_temporary());
        let mut ws = blocking::reconnect(&endpoint, &mut short(3)).unwrap();
        assert_eq!(ws.read().unwrap(), Some("again".into()));
        server.join();
    });
}
