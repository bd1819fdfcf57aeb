//! Both adapters over TCP, with a peer that is lost at every byte of what it
//! says: its end, half of it, or a reset.

#![cfg(all(feature = "deflate", feature = "tokio", feature = "url"))]

mod common;
mod faults;
mod flate;
mod reach;
mod sockets;

use std::sync::Arc;

use faults::ours::{Place, Session, Way, ways};
use faults::peer::{Deed, Fault, Heard, Manner};
use faults::{End, Plot, plots};
use sockets::*;
use sockeye::Side;

/// Loses the peer of this plot at each byte in turn. Heads are the same in all
/// plots: they are cut in those where the peer closes.
fn cut_everywhere(way: Way, plot: &Arc<Plot>, deed: Deed) {
    let place = Place::new();
    let has_new_head = plot.closes == Side::Peer;
    for at in plot.cuts().filter(|at| has_new_head || *at >= plot.head_len()) {
        let (session, heard) = place.meet(way, plot, Fault { at, deed, manner: Manner::InStep });
        check(way, plot, at, deed, session, &heard);
    }
}

#[track_caller]
fn check(way: Way, plot: &Plot, at: usize, deed: Deed, session: Session, heard: &Heard) {
    let context = format!("{way:?}, {:?}, {deed:?} at {at} of {}", plot.ours, plot.len());
    assert_eq!(session.end, plot.end_at(at, deed), "{context}");
    assert!(session.read == plot.messages_until(at, way.is_split), "{context}: {:?}", session.read);
    let (frames, is_cut) = heard.frames(plot);
    assert!(frames == plot.answers_until(at) && !is_cut, "{context}: the answers");
    let again = match &session.end {
        // Of the socket no more is known than this.
        End::Io(_) if at >= plot.head_len() => {
            Some(End::Lost { inside_frame: plot.is_inside_frame(at) })
        }
        End::Clean { .. } | End::Lost { .. } => Some(session.end),
        _ => None,
    };
    assert_eq!(session.again, again, "{context}: once more");
    assert!(session.took < PATIENCE / 4, "{context}: after {:?}", session.took);
}

/// Each plot in each way.
fn each_session(test: impl Fn(Way, Arc<Plot>) + Copy + Send + 'static) {
    // Two at a time: most of it is waiting for the other end.
    for plots in plots().chunks(2) {
        let tasks = plots.iter().cloned().flat_map(|plot| {
            ways().map(move |way| {
                let plot = plot.clone();
                Task::start(move || test(way, plot))
            })
        });
        tasks.collect::<Vec<_>>().into_iter().for_each(Task::join);
    }
}

#[test]
fn rule_72_the_peer_may_end_its_direction_at_any_byte() {
    each_session(|way, plot| cut_everywhere(way, &plot, Deed::HalfClose));
}

#[test]
fn rule_72_the_peer_may_be_gone_at_any_byte() {
    each_session(|way, plot| cut_everywhere(way, &plot, Deed::Close));
}

#[test]
fn a_reset_at_any_byte_is_an_error_until_the_closing_handshake_is_done() {
    each_session(|way, plot| cut_everywhere(way, &plot, Deed::Reset));
}

#[test]
fn s7_2_1_a_compressed_session_ends_as_any_other() {
    for (role, way) in ROLES.into_iter().flat_map(|role| ways().map(move |way| (role, way))) {
        bounded(move || {
            let plot = Plot::compressed(role);
            let place = Place::new();
            for at in plot.boundaries() {
                for deed in [Deed::Close, Deed::HalfClose, Deed::Reset] {
                    let fault = Fault { at, deed, manner: Manner::InStep };
                    let (session, heard) = place.meet(way, &plot, fault);
                    check(way, &plot, at, deed, session, &heard);
                }
            }
        });
    }
}

#[test]
fn s5_4_bytes_may_come_and_go_in_segments_of_one_byte() {
    each_session(|way, plot| {
        let place = Place::new();
        // No reset: it would take back what did not yet fit into our buffer.
        let deed = Deed::HalfClose;
        for at in [plot.len(), plot.len() - 3] {
            let fault = Fault { at, deed, manner: Manner::Dripping };
            let (session, heard) = place.meet(way, &plot, fault);
            check(way, &plot, at, deed, session, &heard);
        }
    });
}

/// A reset overtakes what is under way, so that much depends on who is quicker.
/// What holds: messages in order, no byte of another frame inside one, an end.
#[test]
fn a_reset_in_the_middle_of_everything_is_an_end() {
    each_session(|way, plot| {
        let place = Place::new();
        for at in plot.cuts().step_by(3) {
            let fault = Fault { at, deed: Deed::Reset, manner: Manner::AtOnce };
            let (session, _) = place.meet(way, &plot, fault);
            let context = format!("{way:?}, {:?} at {at}: {session:?}", plot.ours);
            let all = plot.messages_until(at, way.is_split);
            assert!(all.starts_with(&session.read), "{context}");
            let lost = |end: &End| match end {
                End::Io(kind) => is_gone(*kind),
                End::Lost { .. } => at >= plot.head_len(),
                End::Clean { .. } => at == plot.len(),
                _ => false,
            };
            assert!(lost(&session.end), "{context}");
            assert!(session.again.as_ref().is_none_or(lost), "{context}");
        }
    });
}

fn is_gone(kind: std::io::ErrorKind) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected)
}
