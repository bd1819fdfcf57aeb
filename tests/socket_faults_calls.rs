//! Both adapters over TCP, with a fault at every call that they make: an error,
//! an end, an interruption, or no more than one byte.

#![cfg(all(feature = "deflate", feature = "tokio", feature = "url"))]

mod common;
mod faults;
mod flate;
mod reach;
mod sockets;

use std::io::ErrorKind;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use faults::ours::{Place, Session, accept_async, in_tokio, talk_async, talk_whole};
use faults::peer::{Deed, Fault, Heard, Manner, play};
use faults::struck::{Call, Strike, Struck, Tally};
use faults::{End, Plot, plots};
use reach::runtime;
use sockets::*;
use sockeye::net::Endpoint;
use sockeye::{Side, tokio as ws};
use tokio::io::{AsyncRead, AsyncWrite};

// ---- the session -----------------------------------------------------------------

/// Which streams our end is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Blocking,
    Tokio,
    TokioSplit,
}

const KINDS: [Kind; 3] = [Kind::Blocking, Kind::Tokio, Kind::TokioSplit];

/// What became of a session.
struct Outcome {
    session: Session,
    heard: Heard,
    tally: Tally,
}

/// A session with a peer that says all at once and hears us out.
fn meet(
    place: &Place,
    kind: Kind,
    plot: &Arc<Plot>,
    max: usize,
    strike: Option<(Call, usize, Strike)>,
) -> Outcome {
    let tally = Arc::new(Mutex::new(Tally { strike, ..Tally::default() }));
    let (port, theirs) = (place.port, plot.clone());
    let peer = Task::start(move || {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let fault = Fault { at: theirs.len(), deed: Deed::HalfClose, manner: Manner::AtOnce };
        play(stream, &theirs, fault)
    });
    let socket = place.accept();
    let config = plot.config(|_| {});
    let session = match kind {
        Kind::Blocking => {
            let stream = Struck { socket, max, tally: tally.clone() };
            let opened = match plot.ours {
                Role::Client => connect(stream, &config),
                Role::Server => accept(stream, &config),
            };
            talk_whole(opened, plot.closes)
        }
        Kind::Tokio | Kind::TokioSplit => runtime().block_on(async {
            let stream = Struck { socket: in_tokio(socket), max, tally: tally.clone() };
            let opened = match plot.ours {
                Role::Client => {
                    let endpoint = Endpoint::new("localhost", 80, "/").config(config.clone());
                    ws::handshake(endpoint, stream).await
                }
                Role::Server => accept_async(stream, &config).await,
            };
            match opened {
                Ok(ws) if kind == Kind::TokioSplit => talk_in_turns(ws, plot.closes).await,
                opened => talk_async(opened, false, plot.closes).await,
            }
        }),
    };
    let heard = peer.join();
    let tally = std::mem::take(&mut *tally.lock().unwrap());
    Outcome { session, heard, tally }
}

/// Halves in the same task, so that what is written when is known.
async fn talk_in_turns<S>(ws: ws::WebSocket<S>, closes: Side) -> Session
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut reader, sender) = ws.split();
    let mut read = Vec::new();
    let end = async {
        while let Some(message) = reader.read().await? {
            read.push(message.clone());
            match closes {
                Side::Local if read.len() > 1 => continue,
                _ => sender.send(message).await?,
            }
            if closes == Side::Local {
                // Without it there may still be a Close of the peer's.
                match sender.start_close(code(1000), "bye").await {
                    Err(ws::Error::Io(_)) => {}
                    result => result?,
                }
            }
        }
        Ok(reader.closed().expect("it has ended"))
    };
    let end = end.await;
    assert_shape!(sender.send("late").await, Err(_));
    let again = async {
        while reader.read().await?.is_some() {}
        Ok(reader.closed().expect("it has ended"))
    };
    let again = again.await;
    Session::ended(read, end, again)
}

/// Strikes each call of this kind in turn, until there are no more of them.
/// Hands over what became of each, and whether all but our Close had been
/// written by then.
fn strike_everywhere(
    kinds: &[Kind],
    call: Call,
    strike: Strike,
    check: impl Fn(&Plot, Kind, &Outcome, bool) + Copy + Send + 'static,
) {
    let plots = plots();
    let each = plots.iter().flat_map(|plot| kinds.iter().map(move |kind| (plot.clone(), *kind)));
    let tasks = each.map(|(plot, kind)| {
        Task::start(move || {
            let place = Place::new();
            for max in [100, usize::MAX] {
                strike_in_turn(&place, kind, &plot, max, call, strike, check);
            }
        })
    });
    tasks.collect::<Vec<_>>().into_iter().for_each(Task::join);
}

fn strike_in_turn(
    place: &Place,
    kind: Kind,
    plot: &Arc<Plot>,
    max: usize,
    call: Call,
    strike: Strike,
    check: impl Fn(&Plot, Kind, &Outcome, bool),
) {
    let sound = meet(place, kind, plot, max, None);
    check_sound(plot, kind, &sound);
    let close_len = 2 + 2 + "bye".len() + if plot.ours == Role::Client { 4 } else { 0 };
    let before_close = sound.tally.written - close_len;
    for number in 0.. {
        let outcome = meet(place, kind, plot, max, Some((call, number, strike)));
        let (frames, is_cut) = outcome.heard.frames(plot);
        let all = plot.answers_until(plot.len());
        assert!(all.starts_with(&frames), "{kind:?}: right as far as it goes");
        let Some((_, written)) = outcome.tally.struck else {
            // There are that many calls, and no more.
            assert!(number > 0, "{kind:?} makes no {call:?} at all");
            check_sound(plot, kind, &outcome);
            break;
        };
        // A flush comes behind what is written.
        let at_close = written >= before_close + usize::from(call == Call::Flush);
        assert!(!is_cut || at_close || outcome.session.end != plot.clean());
        check(plot, kind, &outcome, at_close);
    }
}

#[track_caller]
fn check_sound(plot: &Plot, kind: Kind, outcome: &Outcome) {
    let is_split = kind == Kind::TokioSplit;
    let (session, all) = (&outcome.session, plot.len());
    assert_eq!(session.end, plot.clean(), "{kind:?}, {:?}", plot.ours);
    assert!(outcome.heard.frames(plot) == (plot.answers_until(all), false));
    assert!(session.read == plot.messages_until(all, is_split), "{:?}", session.read);
}

// ---- tests -----------------------------------------------------------------------

#[test]
fn s5_4_calls_may_transfer_one_byte_each() {
    for kind in KINDS {
        bounded(move || {
            let place = Place::new();
            for plot in plots() {
                for max in [1, 2, 7, 1000] {
                    check_sound(&plot, kind, &meet(&place, kind, &plot, max, None));
                }
            }
        });
    }
}

#[test]
fn rule_72_a_socket_may_end_at_any_read() {
    strike_everywhere(&KINDS, Call::Read, Strike::End, |plot, kind, outcome, _| {
        let (read, _) = outcome.tally.struck.unwrap();
        check_lost(plot, kind, outcome, &plot.end_at(read, Deed::HalfClose), read);
    });
}

#[test]
fn an_error_at_any_read_is_told_until_the_closing_handshake_is_done() {
    for error in [ErrorKind::ConnectionReset, ErrorKind::Other, ErrorKind::PermissionDenied] {
        let strike = Strike::Fails(error);
        strike_everywhere(&KINDS, Call::Read, strike, move |plot, kind, outcome, _| {
            let (read, _) = outcome.tally.struck.unwrap();
            let end = if read == plot.len() { plot.clean() } else { End::Io(error) };
            check_lost(plot, kind, outcome, &end, read);
        });
    }
}

/// It ends as it must, and what was read before is there.
#[track_caller]
fn check_lost(plot: &Plot, kind: Kind, outcome: &Outcome, end: &End, read: usize) {
    let (session, is_split) = (&outcome.session, kind == Kind::TokioSplit);
    assert_eq!(session.end, *end, "{kind:?}, {:?} at {read}", plot.ours);
    assert!(session.read == plot.messages_until(read, is_split), "{kind:?} at {read}");
}

#[test]
fn an_error_at_any_write_is_told_unless_only_our_close_is_lost() {
    for error in [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe] {
        for call in [Call::Write, Call::Flush] {
            let strike = Strike::Fails(error);
            strike_everywhere(&KINDS, call, strike, move |plot, kind, outcome, at_close| {
                check_unsent(plot, kind, outcome, at_close, error);
            });
        }
    }
}

#[test]
fn behind_a_write_that_failed_nothing_more_is_written() {
    // Or a frame would begin inside another; the peer looks for that.
    strike_everywhere(&KINDS, Call::Write, Strike::FailsOnce, |plot, kind, outcome, at_close| {
        check_unsent(plot, kind, outcome, at_close, ErrorKind::ConnectionReset);
        let (_, written) = outcome.tally.struck.unwrap();
        assert_eq!(outcome.tally.written, written, "{kind:?}, {:?}", plot.ours);
    });
}

#[test]
fn a_socket_that_takes_no_more_bytes_is_an_error() {
    strike_everywhere(&KINDS, Call::Write, Strike::End, |plot, kind, outcome, at_close| {
        check_unsent(plot, kind, outcome, at_close, ErrorKind::WriteZero);
    });
}

#[track_caller]
fn check_unsent(plot: &Plot, kind: Kind, outcome: &Outcome, at_close: bool, error: ErrorKind) {
    let (end, struck) = (&outcome.session.end, outcome.tally.struck);
    let context = format!("{kind:?}, {:?}, {:?} closes, {struck:?}", plot.ours, plot.closes);
    let is_split = kind == Kind::TokioSplit;
    match end {
        // The peer's Close can still be read.
        End::Clean { .. } => assert!(at_close || is_split, "{context}"),
        // A sender may be told by its reader what has become of the stream.
        End::Io(ErrorKind::BrokenPipe) if is_split => {}
        // Nobody knows whether a socket that takes nothing still has its other
        // direction.
        End::Io(kind) => {
            let may_be_told = !at_close || is_split || error == ErrorKind::WriteZero;
            assert!(*kind == error && may_be_told, "{context}: {kind}");
        }
        other => panic!("{context}: {other:?}"),
    }
    let all = plot.messages_until(plot.len(), is_split);
    assert!(all.starts_with(&outcome.session.read), "{context}");
}

#[test]
fn interruptions_change_nothing() {
    for call in [Call::Read, Call::Write] {
        for strike in [Strike::Interrupted, Strike::Waits] {
            strike_everywhere(&KINDS, call, strike, |plot, kind, outcome, _| {
                check_sound(plot, kind, outcome);
            });
        }
    }
}

#[test]
fn how_the_shutdown_of_the_socket_goes_changes_nothing() {
    // The peer waits for an end that only dropping the socket makes.
    let strike = Strike::Fails(ErrorKind::NotConnected);
    strike_everywhere(&KINDS, Call::Shutdown, strike, |plot, kind, outcome, _| {
        check_sound(plot, kind, outcome);
    });
}

#[test]
fn a_socket_whose_deadlines_cannot_be_set_is_an_error() {
    let error = ErrorKind::InvalidInput;
    let strike = Strike::Fails(error);
    strike_everywhere(&[Kind::Blocking], Call::SetTimeout, strike, move |plot, _, outcome, _| {
        let (read, written) = outcome.tally.struck.unwrap();
        let has_answered = outcome.heard.frames(plot).0 == plot.answers_until(plot.len());
        let is_through = read == plot.len() && has_answered;
        let end = if is_through { plot.clean() } else { End::Io(error) };
        assert_eq!(outcome.session.end, end, "{:?} at {read} and {written}", plot.ours);
    });
}
