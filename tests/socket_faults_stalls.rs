//! Both adapters over TCP, with a peer that falls silent: at each frame, and in
//! the middle of heads and payloads. A deadline ends that.

#![cfg(all(feature = "deflate", feature = "tokio", feature = "url"))]

mod common;
mod faults;
mod flate;
mod reach;
mod sockets;

use std::io::ErrorKind;
use std::net::TcpStream;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use common::*;
use faults::ours::{Place, Way, ways};
use faults::peer::{Deed, Fault, Manner, reset};
use faults::{End, Plot, plots};
use sockets::*;
use sockeye::{Config, Side, Timeout};
use tokio::net::TcpSocket;

/// What is waited for here; all other deadlines are as far as can be.
const SHORT: Duration = Duration::from_millis(200);

/// What finds out that an open connection is dead.
#[derive(Clone, Copy, Debug)]
enum Watch {
    Pings,
    Idleness,
}

fn watched(plot: &Plot, at: usize, watch: Watch) -> Arc<Config> {
    let is_closing = plot.end_at(at, Deed::Stall) == End::Timeout(Timeout::Close);
    plot.config(|config| {
        config.close_timeout = Some(SHORT);
        match watch {
            _ if at < plot.head_len() => config.handshake_timeout = Some(SHORT),
            // A sender that was slow to close would be too late.
            _ if is_closing => {}
            Watch::Pings => {
                (config.ping_interval, config.pong_timeout) = (Some(SHORT / 2), SHORT / 2);
            }
            Watch::Idleness => config.idle_timeout = Some(SHORT),
        }
    })
}

/// A session whose peer says so much at once, and then nothing.
#[track_caller]
fn stall(way: Way, plot: &Arc<Plot>, at: usize, watch: Watch) {
    let fault = Fault { at, deed: Deed::Stall, manner: Manner::AtOnce };
    let config = watched(plot, at, watch);
    let (session, _peer) = Place::new().meet_with(way, plot, &config, fault);
    let context = format!("{way:?}, {watch:?}, {:?} at {at} of {}", plot.ours, plot.len());
    let end = match (plot.end_at(at, Deed::Stall), watch) {
        (End::Timeout(Timeout::Pong), Watch::Idleness) => End::Timeout(Timeout::Idle),
        (end, _) => end,
    };
    assert_eq!(session.end, end, "{context}");
    assert!(session.read == plot.messages_until(at, way.is_split), "{context}: {:?}", session.read);
    let again = (at >= plot.head_len()).then_some(end);
    assert_eq!(session.again, again, "{context}: once more");
    // The system's clock is not as fine as ours.
    assert!(session.took >= SHORT * 9 / 10, "{context}: after {:?}", session.took);
    assert!(session.took < PATIENCE / 4, "{context}: after {:?}", session.took);
}

/// Stalls in all places at the same time: it is waiting, and not work.
fn stall_everywhere(plot: &Arc<Plot>, cuts: &[usize], watch: Watch) {
    let each = cuts.iter().flat_map(|at| ways().map(move |way| (*at, way)));
    // In two threads, whose Close is the first is a matter of luck.
    let by_luck = |at, way: Way| way.is_split && plot.closes == Side::Local && at == plot.len();
    let tasks = each.filter(|(at, way)| !by_luck(*at, *way)).map(|(at, way)| {
        let plot = plot.clone();
        Task::start(move || stall(way, &plot, at, watch))
    });
    tasks.collect::<Vec<_>>().into_iter().for_each(Task::join);
}

#[test]
fn a_peer_that_falls_silent_in_its_head_is_waited_for_until_the_deadline() {
    each_role(|role| {
        let plot = Plot::new(role, Side::Peer);
        let len = plot.head_len();
        stall_everywhere(&plot, &[0, 1, len / 2, len - 1], Watch::Pings);
    });
}

#[test]
fn a_peer_that_falls_silent_in_a_session_is_found_out_by_pings() {
    for plot in plots() {
        bounded(move || stall_everywhere(&plot, &plot.boundaries(), Watch::Pings));
    }
}

#[test]
fn a_peer_that_falls_silent_in_a_session_is_found_out_by_its_idleness() {
    for plot in plots() {
        bounded(move || stall_everywhere(&plot, &plot.boundaries(), Watch::Idleness));
    }
}

// ---- while we send ---------------------------------------------------------------

/// More than the network holds for a peer that takes little.
const LONG: usize = 5 << 20;

fn hold_little(stream: &TcpStream) {
    let socket = TcpSocket::from_std_stream(stream.try_clone().unwrap());
    socket.set_recv_buffer_size(16 << 10).unwrap();
}

/// A session whose peer says a long message, and reads nothing of what we send
/// back; and then does this, once we are at it.
fn get_stuck(way: Way, ours: Role, deed: Deed) {
    let place = Place::new();
    let plot = Plot::new(ours, Side::Peer);
    let config = plot.config(|config| {
        if deed == Deed::Stall {
            // Not while the message comes.
            (config.ping_interval, config.pong_timeout) = (Some(SHORT / 2), 10 * SHORT);
        }
        config.close_timeout = Some(SHORT);
    });
    let (listener, port) = (place.listener(), place.port);
    let (has_ended, ended) = mpsc::channel::<()>();
    let peer = Task::start(move || {
        let long = binary(vec![7; LONG]);
        let long = if ours == Role::Client { long.unmasked() } else { long.masked() };
        let mut peer = match ours {
            Role::Client => Peer::accept(listener.accept().unwrap().0, ""),
            Role::Server => {
                let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
                let mut peer = Peer::new(Role::Client, stream);
                peer.send_bytes(request(""));
                peer.head();
                peer
            }
        };
        hold_little(&peer.stream);
        peer.send_bytes(long);
        // It comes back.
        peer.stream.peek(&mut [0]).unwrap();
        match deed {
            Deed::Reset => reset(peer.stream),
            // It stays as long as our end does.
            _ => drop(ended.recv()),
        }
    });
    let session = place.run(way, &plot, &config);
    drop(has_ended);
    peer.join();
    let context = format!("{way:?}, {ours:?}, {deed:?}: {:?}", session.end);
    let (end, last) = match deed {
        Deed::Stall => (End::Timeout(Timeout::Pong), End::Timeout(Timeout::Pong)),
        _ => (End::Io(ErrorKind::ConnectionReset), End::Lost { inside_frame: false }),
    };
    match &session.end {
        // Whichever half is quicker is told by the system, and the other by it.
        End::Io(kind) if way.is_split => assert!(is_over(*kind), "{context}"),
        came => assert_eq!(*came, end, "{context}"),
    }
    assert_eq!(session.again, Some(last), "{context}: once more");
}

fn is_over(kind: ErrorKind) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionReset, NotConnected, TimedOut};
    matches!(kind, BrokenPipe | ConnectionReset | NotConnected | TimedOut)
}

/// In each way at the same time.
fn get_stuck_in_each_way(deed: Deed) {
    each_role(move |role| {
        let tasks = ways().map(|way| Task::start(move || get_stuck(way, role, deed)));
        tasks.collect::<Vec<_>>().into_iter().for_each(Task::join);
    });
}

#[test]
fn whoever_is_stuck_in_sending_is_told_of_a_reset() {
    get_stuck_in_each_way(Deed::Reset);
}

#[test]
fn whoever_is_stuck_in_sending_is_told_that_nobody_listens() {
    get_stuck_in_each_way(Deed::Stall);
}
