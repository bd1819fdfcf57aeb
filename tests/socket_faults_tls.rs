//! Both adapters over TLS over TCP, with a peer that is lost: inside of the
//! handshake of TLS, between its records, and inside of one.

#![cfg(all(feature = "deflate", feature = "rustls", feature = "tokio", feature = "url"))]

mod common;
mod faults;
mod flate;
mod reach;
mod sockets;

use std::io::{ErrorKind, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;

use faults::ours::{Session, Way, accept_async, in_tokio, talk, talk_async, ways};
use faults::peer::{Deed, Heard, Manner, reset, say};
use faults::{End, Plot, plots};
use reach::{
    ADAPTERS, Adapter, Tls as _, in_good_time, listen, our_tls, runtime, secure, server_config,
    tls_peer,
};
use rustls::ServerConnection;
use sockets::*;
use sockeye::net::Endpoint;
use sockeye::{blocking, tokio as ws};
use tokio_rustls::TlsAcceptor;

// ---- in the handshake of TLS -----------------------------------------------------

/// What connecting comes to.
fn connect_to(adapter: Adapter, endpoint: Endpoint) -> End {
    match adapter.connect(endpoint) {
        Ok(_) => End::Other("connected".into()),
        Err(error) => End::of(Err(error)),
    }
}

/// What a server says first, in bytes.
fn first_flight(stream: &mut TcpStream) -> Vec<u8> {
    let mut tls = ServerConnection::new(server_config()).unwrap();
    while !tls.wants_write() {
        assert!(tls.read_tls(stream).unwrap() > 0, "a greeting");
        tls.process_new_packets().unwrap();
    }
    let mut flight = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut flight).unwrap();
    }
    flight
}

/// Says a part of the first flight, numbered from 0 to `PARTS`.
fn say_part(listener: &TcpListener, part: usize) -> TcpStream {
    let mut stream = listener.accept().unwrap().0;
    let flight = first_flight(&mut stream);
    stream.write_all(&flight[..flight.len() * part / PARTS]).unwrap();
    stream
}

const PARTS: usize = 40;

/// Ends its direction, and hears our end out.
fn end(mut stream: &TcpStream) {
    stream.shutdown(Shutdown::Write).unwrap();
    let _ = std::io::copy(&mut stream, &mut std::io::sink());
}

#[test]
fn a_server_lost_in_the_handshake_of_tls_is_an_error() {
    for adapter in ADAPTERS {
        bounded(move || {
            let (listener, port) = listen();
            for (part, is_reset) in (0..PARTS).flat_map(|part| [(part, false), (part, true)]) {
                let listener = listener.try_clone().unwrap();
                let server = Task::start(move || {
                    let stream = say_part(&listener, part);
                    if is_reset { reset(stream) } else { end(&stream) }
                });
                let end = connect_to(adapter, secure(port).config(defaults()));
                let kind = match is_reset {
                    true => ErrorKind::ConnectionReset,
                    false => ErrorKind::UnexpectedEof,
                };
                assert_eq!(end, End::Io(kind), "{adapter:?} at {part}");
                server.join();
            }
        });
    }
}

#[test]
fn a_server_silent_in_the_handshake_of_tls_is_not_waited_for() {
    for adapter in ADAPTERS {
        in_good_time(move || {
            let tasks = (0..PARTS).step_by(4).map(|part| {
                Task::start(move || {
                    let (listener, port) = listen();
                    let server = Task::start(move || say_part(&listener, part));
                    let config = config(|c| c.handshake_timeout = Some(4 * SOON));
                    let end = connect_to(adapter, secure(port).config(config));
                    let timed_out = matches!(
                        end,
                        End::Io(ErrorKind::TimedOut)
                            | End::Response(sockeye::handshake::ResponseError::Timeout)
                    );
                    assert!(timed_out, "{adapter:?} at {part}: {end:?}");
                    drop(server.join());
                })
            });
            tasks.collect::<Vec<_>>().into_iter().for_each(Task::join);
        });
    }
}

// ---- in a session ----------------------------------------------------------------

/// How much of one more record the peer says, at last.
#[derive(Clone, Copy, Debug)]
enum Rest {
    Nothing,
    /// Some bytes of it.
    Part,
    /// The word that nothing more comes.
    CloseNotify,
}

fn play_tls(stream: TcpStream, plot: &Plot, at: usize, rest: Rest, deed: Deed) -> Heard {
    stream.set_nodelay(true).unwrap();
    let role = if plot.ours == Role::Client { Role::Server } else { Role::Client };
    let mut tls = tls_peer(role, stream).stream;
    let (heard, _) = say(&mut tls, plot, at, Manner::InStep);
    match rest {
        Rest::Nothing => {}
        Rest::Part => {
            let record = tls.seal(b"of which nobody learns");
            tls.socket().write_all(&record[..record.len() - 3]).unwrap();
        }
        Rest::CloseNotify => tls.say_close_notify(),
    }
    let socket = tls.socket().try_clone().unwrap();
    drop(tls);
    match deed {
        Deed::Reset => reset(socket),
        Deed::HalfClose => end(&socket),
        Deed::Close | Deed::Stall => {}
    }
    Heard::new(heard)
}

fn meet(way: Way, plot: &Arc<Plot>, at: usize, rest: Rest, deed: Deed) -> (Session, Heard) {
    let (listener, port) = listen();
    let (theirs, is_client) = (plot.clone(), plot.ours == Role::Client);
    let others = listener.try_clone().unwrap();
    let peer = Task::start(move || {
        let stream = match is_client {
            true => others.accept().unwrap().0,
            false => TcpStream::connect(("127.0.0.1", port)).unwrap(),
        };
        play_tls(stream, &theirs, at, rest, deed)
    });
    let (config, split, closes) = (plot.config(|_| {}), way.is_split, plot.closes);
    let endpoint = || secure(port).config(config.clone());
    let session = match (way.adapter, is_client) {
        (Adapter::Blocking, true) => talk(blocking::connect(endpoint()), split, closes),
        (Adapter::Blocking, false) => {
            talk(accept(our_tls(listener.accept().unwrap().0), &config), split, closes)
        }
        (Adapter::Tokio, true) => runtime()
            .block_on(async { talk_async(ws::connect(endpoint()).await, split, closes).await }),
        (Adapter::Tokio, false) => runtime().block_on(async {
            let stream = in_tokio(listener.accept().unwrap().0);
            let stream = TlsAcceptor::from(server_config()).accept(stream).await.unwrap();
            talk_async(accept_async(stream, &config).await, split, closes).await
        }),
    };
    (session, peer.join())
}

#[test]
fn rule_72_a_session_over_tls_ends_as_any_other() {
    for plot in plots() {
        let tasks = ways().map(|way| {
            let plot = plot.clone();
            Task::start(move || {
                // Each of them takes a handshake of TLS.
                for at in plot.boundaries().into_iter().step_by(2) {
                    for (rest, deed) in [
                        (Rest::Nothing, Deed::Close),
                        (Rest::Nothing, Deed::Reset),
                        (Rest::Part, Deed::HalfClose),
                        (Rest::Part, Deed::Reset),
                        (Rest::CloseNotify, Deed::Close),
                    ] {
                        check(way, &plot, at, rest, deed);
                    }
                }
            })
        });
        tasks.collect::<Vec<_>>().into_iter().for_each(Task::join);
    }
}

fn check(way: Way, plot: &Arc<Plot>, at: usize, rest: Rest, deed: Deed) {
    let (session, heard) = meet(way, plot, at, rest, deed);
    let context = format!("{way:?}, {:?}, {rest:?}, {deed:?} at {at}", plot.ours);
    // Whoever has said that it says no more has ended, whatever TCP says then.
    let counts = if matches!(rest, Rest::CloseNotify) { Deed::Close } else { deed };
    assert_eq!(session.end, plot.end_at(at, counts), "{context}");
    assert!(session.read == plot.messages_until(at, way.is_split), "{context}");
    let (frames, is_cut) = heard.frames(plot);
    assert!(frames == plot.answers_until(at) && !is_cut, "{context}: the answers");
}
