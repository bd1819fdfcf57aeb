//! The browser's `WebSocket` object, carried by a thread.

#![cfg(feature = "web")]

mod common;
mod sockets;
mod web_sockets;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use common::*;
use sockets::*;
use sockeye::blocking::Transport;
use sockeye::blocking::web::WebSocket;
use sockeye::web::{Diagnostic, Options, ReadyState};
use web_sockets::*;

type Ours = WebSocket<TcpStream>;

/// A socket that is connecting, and the server at the other end.
fn connecting(options: &Options) -> (Ours, Peer) {
    let (ours, theirs) = tcp_pair();
    (WebSocket::carry(socket(options), ours), Peer::new(Role::Server, theirs))
}

/// A socket that is open, and has said so.
fn open(options: &Options) -> (Ours, Peer) {
    let (ours, theirs) = tcp_pair();
    let server = Task::start(move || Peer::accept(theirs, ""));
    let mut ws = WebSocket::carry(socket(options), ours);
    ws.opened().unwrap();
    (ws, server.join())
}

/// All events that are left, in few words.
fn rest<S: Transport>(ws: &mut WebSocket<S>) -> Vec<String> {
    ws.map(|event| told(&event)).collect()
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    (work(), start.elapsed())
}

// ---- events ------------------------------------------------------------------------

#[test]
fn c12_nothing_happens_before_the_caller_has_returned_to_its_loop() {
    bounded(|| {
        let (mut ws, mut peer) = connecting(&plain());
        assert!(ws.turn().is_none());
        assert_eq!(ws.ready_state(), ReadyState::Connecting);
        let server = Task::start(move || {
            let request = peer.head();
            // All at once: the reply, and what comes behind it.
            let frames = peer.encode([text("a"), ping("p"), binary([1]), close(3000, "bye")]);
            peer.send_bytes([reply(&request, "").into_bytes(), frames].concat());
            peer.expect([pong("p"), close(3000, "bye")]);
            peer.half_close();
        });
        assert!(ws.ready());
        assert!(ws.ready(), "true until the task is run");
        assert_eq!(ws.ready_state(), ReadyState::Connecting);
        assert_eq!(told(&ws.next_event().unwrap()), "open");
        assert_eq!(told(&ws.next_event().unwrap()), "text a");
        assert_eq!(ws.ready_state(), ReadyState::Open, "of the Close it does not know yet");
        assert_eq!(rest(&mut ws), ["binary of 1 bytes", "close 3000 \"bye\" clean"]);
        assert_eq!((ws.ready_state(), ws.diagnostic()), (ReadyState::Closed, None));
        assert!(ws.next_event().is_none());
        assert!(!ws.ready());
        assert_eq!(ws.ready_for(SOON), Some(false));
        assert_eq!(ws.opened().unwrap_err().code, 3000, "as it was told before");
        server.join();
    });
}

#[test]
fn ready_and_turn_make_a_loop_of_ones_own() {
    bounded(|| {
        let (mut ws, mut peer) = open(&plain());
        peer.send([text("a"), empty_close()]);
        peer.half_close();
        let mut came = Vec::new();
        while ws.ready() {
            came.extend(ws.turn().expect("a task").map(|event| told(&event)));
        }
        assert_eq!(came, ["text a", "close 1005 \"\" clean"]);
    });
}

#[test]
fn e4_handlers_run_inside_of_run_and_what_they_send_goes_out() {
    bounded(|| {
        let mut socket = socket(&plain());
        let (say, hear) = mpsc::channel();
        socket.on_open(|ws| ws.send_text("from open").unwrap());
        socket.on_message(move |ws, event| {
            say.send(brief(&event.data)).unwrap();
            ws.send_text("from message").unwrap();
            ws.close(Some(4000), Some("by handler")).unwrap();
        });
        let (ours, theirs) = tcp_pair();
        let ours = Task::start(move || WebSocket::carry(socket, ours).run());
        let mut peer = Peer::accept(theirs, "");
        peer.expect([text("from open")]);
        peer.send([text("a"), text("late")]);
        peer.expect([text("from message"), close(4000, "by handler")]);
        peer.send([close(4000, "by handler")]);
        peer.half_close();
        let close = ours.join();
        assert_eq!((close.code, close.was_clean), (4000, true));
        assert_eq!(hear.iter().collect::<Vec<_>>(), ["text a"]);
    });
}

// ---- closing -----------------------------------------------------------------------

#[test]
fn s7_both_closes_make_a_clean_end_and_the_server_ends_tcp_first() {
    bounded(|| {
        let (mut ws, mut peer) = open(&plain());
        let data = bytes_of(3_000_000);
        ws.send_text("x8: sent before").unwrap();
        ws.send_binary(&data).unwrap();
        ws.close(Some(1000), Some("done")).unwrap();
        let server = Task::start(move || {
            peer.expect([text("x8: sent before"), binary(data), close(1000, "done")]);
            peer.send([text("not heard"), close(1001, "me too")]);
            peer.half_close();
            peer.expect_eof();
        });
        assert_eq!(rest(&mut ws), ["close 1001 \"me too\" clean"]);
        assert_eq!(ws.buffered_amount(), 0);
        server.join();
    });
}

#[test]
fn x10_a_peer_that_does_not_answer_a_close_is_given_up() {
    bounded(|| {
        for len in [0, STUCK] {
            let (mut ws, peer) = open(&page(|c| c.close_timeout = Some(4 * SOON)));
            ws.send_binary(&bytes_of(len)).unwrap();
            ws.close(None, None).unwrap();
            let (came, took) = timed(|| rest(&mut ws));
            assert_failure(&came);
            assert!(took >= 4 * SOON && took < PATIENCE / 4, "{took:?}");
            assert_shape!(ws.diagnostic(), Some(Diagnostic::Ended(_)));
            drop(peer);
        }
    });
}

#[test]
fn s8_an_abrupt_end_is_a_failure() {
    bounded(|| {
        let partial = text("whole").unmasked()[..4].to_vec();
        for last in [Vec::new(), partial, fragment(TEXT, "half a message").unmasked()] {
            let (mut ws, mut peer) = open(&plain());
            peer.send([text("a")]);
            peer.send_bytes(&last);
            peer.half_close();
            assert_eq!(rest(&mut ws), ["text a", FAILURE[0], FAILURE[1]]);
            drop(ws);
            assert_eq!(peer.frames_to_the_end(), []);
        }
    });
}

#[test]
fn m5_a_peer_that_breaks_the_rules_is_told_why_before_the_transport_ends() {
    bounded(|| {
        let (mut ws, mut peer) = open(&plain());
        peer.send([text("a"), fragment(TEXT, b"\xff")]);
        let server = Task::start(move || {
            let (first, payload) = peer.frame();
            assert_eq!((first, &payload[..2]), (0x88, &1007_u16.to_be_bytes()[..]));
            peer.expect_eof();
        });
        let (came, took) = timed(|| rest(&mut ws));
        assert_eq!(came, ["text a", FAILURE[0], FAILURE[1]]);
        assert!(took < PATIENCE / 4);
        server.join();
    });
}

#[test]
fn h12_silence_and_refusals_are_failures_at_once() {
    bounded(|| {
        let (mut ws, _peer) = connecting(&page(|c| c.handshake_timeout = Some(SOON)));
        let (came, took) = timed(|| rest(&mut ws));
        assert_failure(&came);
        assert!(took >= SOON && took < PATIENCE / 4, "{took:?}");
        assert_shape!(ws.diagnostic(), Some(Diagnostic::Response(_)));

        let (mut ws, mut peer) = connecting(&plain());
        peer.send_bytes("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
        assert_failure(&rest(&mut ws));
        assert_eq!(ws.diagnostic(), Some(&Diagnostic::Refused(403)));
        peer.head();
        peer.expect_eof();
    });
}

#[test]
fn h12_to_a_server_that_does_not_answer_there_is_no_farewell() {
    /// A stream on which nothing comes.
    struct Silent;
    impl Read for Silent {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            std::thread::sleep(SOON / 10);
            Err(io::ErrorKind::WouldBlock.into())
        }
    }
    impl Write for Silent {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            Ok(buf.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    impl Transport for Silent {
        fn set_read_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
            Ok(())
        }
        fn set_write_timeout(&mut self, _: Option<Duration>) -> io::Result<()> {
            Ok(())
        }
        fn shutdown_write(&mut self) -> io::Result<()> {
            panic!("somebody could wait for the end of the other direction");
        }
    }
    bounded(|| {
        let options = page(|c| c.handshake_timeout = Some(SOON));
        assert_failure(&rest(&mut WebSocket::carry(socket(&options), Silent)));
        let mut ws = WebSocket::carry(socket(&plain()), Silent);
        assert_eq!(ws.ready_for(SOON), None);
        ws.close(None, None).unwrap();
        assert_failure(&rest(&mut ws));
    });
}

#[test]
fn s10_closed_while_connecting_it_fails_and_never_opens() {
    bounded(|| {
        for asks in [false, true] {
            let (mut ws, mut peer) = connecting(&plain());
            if asks {
                assert_eq!(ws.ready_for(SOON), None);
                peer.head();
            }
            ws.close(Some(1000), None).unwrap();
            assert_failure(&rest(&mut ws));
            assert_eq!(ws.diagnostic(), Some(&Diagnostic::ClosedWhileConnecting));
            peer.expect_eof();
        }
        // The reply was there, and nobody knew.
        let (mut ws, mut peer) = connecting(&plain());
        assert_eq!(ws.ready_for(SOON), None);
        let request = peer.head();
        peer.send_bytes(reply(&request, ""));
        assert!(ws.ready());
        ws.close(Some(1000), None).unwrap();
        let server = Task::start(move || {
            peer.expect([close(1001, "")]);
            peer.expect_eof();
        });
        assert_failure(&rest(&mut ws));
        server.join();
    });
}

// ---- dropping ----------------------------------------------------------------------

#[test]
fn e5_dropped_while_open_it_sends_an_empty_close_and_ends_the_stream() {
    bounded(|| {
        let (mut ws, peer) = open(&plain());
        ws.send_text("last words").unwrap();
        drop(ws);
        let frames = peer.frames_to_the_end();
        let close = text("last words").unmasked().into_iter().chain(empty_close().unmasked());
        assert_eq!(frames, sent_frames(&close.collect::<Vec<_>>(), false));

        let (mut ws, peer) = open(&plain());
        ws.go_away();
        drop(ws);
        assert_eq!(peer.frames_to_the_end(), sent_frames(&close_frame(1001), false));
    });
}

fn close_frame(code: u16) -> Vec<u8> {
    close(code, "").unmasked()
}

#[test]
fn dropped_while_connecting_it_says_nothing_more() {
    bounded(|| {
        let (ws, peer) = connecting(&plain());
        drop(ws);
        assert_eq!(peer.frames_to_the_end(), []);
        let (mut ws, mut peer) = connecting(&plain());
        assert_eq!(ws.ready_for(SOON), None);
        drop(ws);
        peer.head();
        peer.expect_eof();
    });
}

#[test]
fn dropped_with_much_to_be_written_it_does_not_wait() {
    bounded(|| {
        let (mut ws, _peer) = open(&plain());
        ws.send_binary(&bytes_of(STUCK)).unwrap();
        let ((), took) = timed(|| drop(ws));
        assert!(took < PATIENCE / 8, "{took:?}");
    });
}
