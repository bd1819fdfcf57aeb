//! What is io_uring's about the example that is built on it: kernels that refuse,
//! and more at once than there are buffers and completions for. (What it has in
//! common with the others is in `embedding.rs`.)

#![cfg(all(target_os = "linux", feature = "url"))]

mod common;
mod processes;
mod sockets;

use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::thread;

use common::*;
use processes::*;
use seccompiler::{SeccompAction, SeccompFilter};
use sockets::*;

const EXAMPLE: &str = "embed_io_uring";

/// The number of `io_uring_setup`: the same on all systems.
const IO_URING_SETUP: i64 = 425;

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

/// Runs it where this error is all that the kernel has for it.
fn refused_with(errno: u32) -> Ended {
    let arch = std::env::consts::ARCH.try_into().expect("seccompiler knows it");
    let refuse = SeccompAction::Errno(errno);
    let filter = [(IO_URING_SETUP, vec![])].into();
    let filter = SeccompFilter::new(filter, SeccompAction::Allow, refuse, arch).unwrap();
    let program: seccompiler::BpfProgram = filter.try_into().unwrap();
    let mut command = Command::new(example(EXAMPLE));
    // Holds for this thread and the processes it starts.
    Task::start(move || {
        seccompiler::apply_filter(&program).unwrap();
        Ended::of(command.arg("127.0.0.1:0"))
    })
    .join()
}

#[test]
fn a_kernel_that_forbids_io_uring_is_said_to() {
    let ended = refused_with(EPERM);
    ended.assert_failed(2, "the kernel refuses: a container or the setting");
}

#[test]
fn a_kernel_without_io_uring_is_said_to_be() {
    let ended = refused_with(ENOSYS);
    ended.assert_failed(2, "the kernel refuses: it has no io_uring");
}

/// Does this with a server, if the kernel has io_uring for it.
#[track_caller]
fn with_server(test: impl FnOnce(Server) + Send + 'static) {
    match Server::or_end(Command::new(example(EXAMPLE)).arg("127.0.0.1:0")) {
        Ok(server) => bounded(move || test(server)),
        Err(ended) => ended.assert_without_io_uring(EXAMPLE),
    }
}

fn open(port: u16) -> Peer {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut peer = Peer::new(Role::Client, stream);
    peer.send_bytes(request(""));
    assert!(peer.head().starts_with("HTTP/1.1 101 "));
    peer
}

/// The kernel has 128 buffers of 4 KiB to fill: who finds none has to begin again.
#[test]
fn more_may_come_at_once_than_there_are_buffers_for() {
    with_server(|server| {
        let message = bytes_of(1_000_000);
        let peers: Vec<_> = (0..16).map(|_| open(server.port)).collect();
        let tasks: Vec<_> = peers
            .into_iter()
            .map(|mut peer| {
                let message = message.clone();
                let mut again = peer.another();
                Task::start(move || {
                    let sent = message.clone();
                    let sending = Task::start(move || {
                        for _ in 0..2 {
                            again.send([binary(&sent)]);
                        }
                    });
                    for _ in 0..2 {
                        peer.expect([binary(&message)]);
                    }
                    sending.join();
                })
            })
            .collect();
        tasks.into_iter().for_each(Task::join);
    });
}

#[test]
fn who_finds_no_buffer_is_served_before_those_who_always_have_something_to_fill_it() {
    with_server(|server| {
        let mut quiet = open(server.port);
        let talkers: Vec<_> = (0..8).map(|_| open(server.port)).collect();
        let pongs = pong([7; 125]).masked().repeat(1000);
        for peer in &talkers {
            let (mut stream, pongs) = (peer.stream.try_clone().unwrap(), pongs.clone());
            thread::spawn(move || while stream.write_all(&pongs).is_ok() {});
        }
        for _ in 0..20 {
            quiet.send([text("still here")]);
            quiet.expect([text("still here")]);
        }
        talkers.iter().for_each(Peer::half_close);
    });
}

/// Operations are handed over 256 at a time, and 4096 completions have a place.
#[test]
fn more_clients_may_speak_at_once_than_operations_are_handed_over() {
    with_server(|server| {
        let mut peers: Vec<_> = (0..400).map(|_| open(server.port)).collect();
        for round in 0..5 {
            // It finds all of them when it wakes up.
            server.signal("STOP");
            for peer in &mut peers {
                for n in 0..15 {
                    peer.send([text(&format!("{round} {n}"))]);
                }
            }
            server.signal("CONT");
            for peer in &mut peers {
                peer.expect((0..15).map(|n| text(&format!("{round} {n}"))));
            }
        }
        // All of them are told at once.
        server.signal("TERM");
        for peer in &mut peers {
            peer.expect([close(1001, "")]);
            peer.send([close(1001, "")]);
        }
        for peer in &mut peers {
            peer.expect_eof();
        }
        assert_eq!(server.ended().status, Some(0));
    });
}
