//! Both adapters over TCP, with a peer in a process of its own: killed in the
//! middle of a message, or stopped.

#![cfg(all(unix, feature = "deflate", feature = "tokio", feature = "url"))]

mod common;
mod faults;
mod flate;
mod processes;
mod reach;
mod sockets;

use std::env;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use faults::ours::{Session, Way, accept_async, in_tokio, talk, talk_async, ways};
use faults::peer::{Deed, Fault, Manner, has_come, play};
use faults::{End, Plot};
use processes::Process;
use reach::{ADAPTERS, Adapter, listen, runtime};
use sockets::*;
use sockeye::net::Endpoint;
use sockeye::{Config, Side, Timeout, tokio as ws};

// ---- the other process -----------------------------------------------------------

/// Tells the peer's process what to do: a role for us, a port, and more.
const ORDERS: &str = "SOCKEYE_TEST_PEER";

/// What it does until it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// It says so many bytes, and has read all that was answered.
    Reads(usize),
    /// It says so many bytes; the answers are there, and it has not read them.
    ReadsNothing(usize),
    /// It sends back what comes.
    Echoes,
}

/// A peer in a process of its own, and our end of the connection to it. It has
/// played its part when a byte comes over the other connection.
fn start(ours: Role, part: Part) -> (Process, TcpStream, TcpStream) {
    let (listener, port) = listen();
    let (part, at) = match part {
        Part::Reads(at) => ("reads", at),
        Part::ReadsNothing(at) => ("reads nothing", at),
        Part::Echoes => ("echoes", 0),
    };
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "in_a_process_of_its_own_this_is_the_peer"]);
    command.env(ORDERS, format!("{ours:?},{port},{at},{part}"));
    let process = Process::start(&mut command);
    let (stream, _) = listener.accept().unwrap();
    let (control, _) = listener.accept().unwrap();
    control.set_read_timeout(Some(PATIENCE / 2)).unwrap();
    (process, stream, control)
}

/// No test of its own: what `start` starts.
#[test]
fn in_a_process_of_its_own_this_is_the_peer() {
    let Ok(orders) = env::var(ORDERS) else { return };
    let mut orders = orders.splitn(4, ',');
    let mut next = || orders.next().unwrap();
    let ours = if next() == "Client" { Role::Client } else { Role::Server };
    let (port, at, part) = (next().parse::<u16>().unwrap(), next().parse().unwrap(), next());
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut control = TcpStream::connect(("127.0.0.1", port)).unwrap();
    control.write_all(&std::process::id().to_be_bytes()).unwrap();
    if part == "echoes" {
        let ws = match ours {
            Role::Client => accept(stream, &defaults()),
            Role::Server => connect(stream, &defaults()),
        };
        echo(&mut ws.unwrap()).unwrap();
        return;
    }
    let plot = Plot::new(ours, Side::Peer);
    let manner = if part == "reads" { Manner::InStep } else { Manner::AtOnce };
    let heard = play(stream, &plot, Fault { at, deed: Deed::Stall, manner });
    if manner == Manner::AtOnce {
        wait_for_answers(&heard, &plot, at);
    }
    control.write_all(&[1]).unwrap();
    // Longer than anybody waits; and not for ever, if nobody is left to kill us.
    thread::sleep(2 * PATIENCE);
}

/// Looks at what has come, and leaves it there.
fn wait_for_answers(heard: &faults::peer::Heard, plot: &Plot, at: usize) {
    let mut memory = vec![0; 1 << 16];
    loop {
        let came = heard.stream.as_ref().unwrap().peek(&mut memory).unwrap();
        let all = [heard.bytes(), &memory[..came]].concat();
        if has_come(&all, plot.answers_until(at).len()) {
            return;
        }
        thread::sleep(Duration::from_millis(1));
    }
}

// ---- our end ---------------------------------------------------------------------

fn run(way: Way, stream: TcpStream, plot: &Plot, config: &Arc<Config>) -> Session {
    stream.set_nodelay(true).unwrap();
    match (way.adapter, plot.ours) {
        (Adapter::Blocking, Role::Client) => {
            talk(connect(stream, config), way.is_split, plot.closes)
        }
        (Adapter::Blocking, Role::Server) => {
            talk(accept(stream, config), way.is_split, plot.closes)
        }
        (Adapter::Tokio, role) => runtime().block_on(async {
            let opened = open_async(role, stream, config).await;
            talk_async(opened, way.is_split, plot.closes).await
        }),
    }
}

async fn open_async(
    ours: Role,
    stream: TcpStream,
    config: &Arc<Config>,
) -> Result<ws::WebSocket<tokio::net::TcpStream>, ws::Error> {
    let stream = in_tokio(stream);
    match ours {
        Role::Client => {
            let endpoint = Endpoint::new("localhost", 80, "/").config(config.clone());
            ws::handshake(endpoint, stream).await
        }
        Role::Server => accept_async(stream, config).await,
    }
}

// ---- tests -----------------------------------------------------------------------

/// Where the peer is killed: between frames, and inside of long ones.
fn places(plot: &Plot) -> [usize; 3] {
    [plot.head_len(), plot.len() - 2000, plot.boundaries()[9]]
}

#[test]
fn a_peer_killed_in_the_middle_of_a_message_is_lost() {
    for (role, way) in ROLES.into_iter().flat_map(|role| ways().map(move |way| (role, way))) {
        bounded(move || {
            let plot = Plot::new(role, Side::Peer);
            for at in places(&plot) {
                let unread = !plot.answers_until(at).is_empty();
                let parts = [Part::Reads(at), Part::ReadsNothing(at)];
                for part in parts.into_iter().take(1 + usize::from(unread)) {
                    kill(way, &plot, at, part);
                }
            }
        });
    }
}

fn kill(way: Way, plot: &Arc<Plot>, at: usize, part: Part) {
    let (process, stream, mut control) = start(plot.ours, part);
    let theirs = plot.clone();
    let ours = Task::start(move || run(way, stream, &theirs, &theirs.config(|_| {})));
    control.read_exact(&mut [0; 5]).unwrap();
    drop(process);
    let session = ours.join();
    // The system ends the connection for it; what it has not read makes a reset.
    let is_reset = matches!(part, Part::ReadsNothing(_));
    let deed = if is_reset { Deed::Reset } else { Deed::Close };
    let context = format!("{way:?}, {:?}, {part:?} of {}", plot.ours, plot.len());
    assert_eq!(session.end, plot.end_at(at, deed), "{context}");
    assert!(session.read == plot.messages_until(at, way.is_split), "{context}: {:?}", session.read);
    let lost = End::Lost { inside_frame: plot.is_inside_frame(at) };
    assert_eq!(session.again, Some(lost), "{context}: once more");
}

/// Whoever is alive is heard of before a Ping is due.
fn alive(config: &mut Config) {
    (config.ping_interval, config.pong_timeout) = (Some(40 * SOON), 20 * SOON);
    config.close_timeout = Some(SOON);
}

/// Stops a process: its sockets stay open, and take what comes.
fn stop(id: u32) {
    let status = Command::new("sh").args(["-c", &format!("kill -STOP {id}")]).status();
    assert!(status.unwrap().success());
}

#[test]
fn s5_5_2_a_peer_that_is_stopped_is_found_out_by_pings() {
    let each = ADAPTERS.into_iter().flat_map(|adapter| ROLES.map(|role| (adapter, role)));
    let tasks = each.map(|(adapter, role)| {
        Task::start(move || {
            let (_process, stream, mut control) = start(role, Part::Echoes);
            let mut id = [0; 4];
            control.read_exact(&mut id).unwrap();
            let end = stop_peer(adapter, role, stream, u32::from_be_bytes(id));
            assert_eq!(end, End::Timeout(Timeout::Pong), "{adapter:?}, {role:?}");
        })
    });
    tasks.collect::<Vec<_>>().into_iter().for_each(Task::join);
}

/// Hears of a peer, and then stops it.
fn stop_peer(adapter: Adapter, ours: Role, stream: TcpStream, id: u32) -> End {
    let config = config(alive);
    End::of(match (adapter, ours) {
        (Adapter::Blocking, ours) => {
            let opened = match ours {
                Role::Client => connect(stream, &config),
                Role::Server => accept(stream, &config),
            };
            let mut ws = opened.unwrap();
            ws.send("still there?").unwrap();
            assert_eq!(ws.read().unwrap(), Some("still there?".into()));
            stop(id);
            ws.read().map(|_| ws.closed().unwrap())
        }
        (Adapter::Tokio, ours) => runtime().block_on(async {
            let mut ws = open_async(ours, stream, &config).await.unwrap();
            ws.send("still there?").await.unwrap();
            assert_eq!(ws.read().await.unwrap(), Some("still there?".into()));
            stop(id);
            ws.read().await.map(|_| ws.closed().unwrap())
        }),
    })
}
