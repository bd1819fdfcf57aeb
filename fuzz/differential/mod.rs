//! sockeye and tungstenite on the same bytes: both accept them or both refuse
//! them, hear the same, and answer the same; and each can read what the other
//! has sent.
//!
//! Input: a byte of configuration, and what the peer sends, as `peer` reads it.
//! Where the two are known to differ is in `known`.
//!
//! In the fuzz package alone, since sockeye does not depend on tungstenite.

#![allow(clippy::expect_used, clippy::panic)] // it asserts

mod definition;
mod known;
mod ours;
mod peer;
mod story;
mod theirs;

use self::known::Difference;
use self::peer::Peer;
use self::story::{End, Heard, Story};
use crate::bodies::wire::{Frame, frames};
use sockeye::frame::Opcode;

pub fn differential(data: &[u8]) {
    let peer = Peer::of(data);
    let ours = ours::run(&peer);
    let theirs = theirs::run(&peer);
    let sent = [replies(&ours, &peer), replies(&theirs, &peer)];
    match Difference::between(&ours, &theirs, &peer) {
        None => {
            assert_eq!(ours.heard, theirs.heard, "{peer:?}");
            assert_eq!((ours.end, ours.stopped_at), (theirs.end, theirs.stopped_at), "{peer:?}");
            assert_eq!(sent[0], sent[1], "{peer:?}");
        }
        Some(known) => {
            assert!(known.allows(&ours.heard, &theirs.heard), "{known:?}: {ours:?} {theirs:?}");
            assert!(known.allows(&sent[0], &sent[1]), "{known:?}: {ours:?} {theirs:?}");
        }
    }
    each_reads_the_other(&ours, &theirs, &peer);
}

/// What an engine has sent, without the Close frame by which ours says that it
/// refuses: theirs leaves that to its caller.
fn replies(story: &Story, peer: &Peer) -> Vec<Frame> {
    let mut sent = frames(&story.sent, !peer.is_client);
    if let (End::Refused(code), Some(_), false) = (story.end, story.error, peer.is_closing) {
        let close = Frame::new(Opcode::CLOSE, code.to_be_bytes());
        assert_eq!(sent.pop(), Some(close), "section 7.1.7");
    }
    sent
}

/// What either has sent is what the other hears, in the other role.
fn each_reads_the_other(ours: &Story, theirs: &Story, peer: &Peer) {
    let hear = |story: &Story| -> (Peer, Vec<Heard>) {
        let listener = Peer { wire: story.sent.clone(), ..peer.opposite() };
        let sent = frames(&story.sent, listener.is_client);
        (listener, sent.into_iter().map(Heard::of_frame).collect())
    };
    let (listener, sent) = hear(theirs);
    assert_eq!(ours::run(&listener).heard, sent, "we read what they sent");
    let (listener, sent) = hear(ours);
    let sent: Vec<Heard> = sent.into_iter().map(known::as_they_hear).collect();
    assert_eq!(theirs::run(&listener).heard, sent, "they read what we sent");
}
