//! Where sockeye and tungstenite 0.30 are known to differ: each once, as narrow
//! as can be said, with the section and who is right. The same list for people
//! is in `../README.md`.

use core::cmp::Ordering;

use super::definition::{self, Frame};
use super::peer::Peer;
use super::story::{End, Heard, Story};
use super::theirs;
use sockeye::ProtocolError as Ours;

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Difference {
    /// Section 7.4 and the registry of IANA: 1014, bad gateway, may be sent. They
    /// take it for a code that may not. We are right.
    BadGateway,
    /// Section 7.4.1: a code that may not be sent. We fail the connection; they
    /// tell of a Close with 1002 in its place, or, if they have sent a Close
    /// before, with the code as it is. We are right in the second case; in the
    /// first the wire is the same but for their reason.
    CloseCode,
    /// A Close whose code and whose reason are both wrong: we say 1002, they say
    /// 1007. Both are right; the sections name no order.
    CodeBeforeReason,
    /// RFC 7692: a compressed message, where we have agreed on that. They know no
    /// extension, and would not have.
    Compressed,
    /// Section 5.5: a control frame of at most 125 bytes, and a limit for frames that
    /// is less. They refuse it with 1009; our limit is for data. Both may (section
    /// 10.4).
    ControlOverLimit,
    /// The frame is cut, and what is there of it is wrong already. We fail at the
    /// first byte that cannot be right; they wait for the whole frame. Both may
    /// (sections 5.2 and 8.1 name no time).
    Cut,
    /// Section 5.2: "the minimal number of bytes MUST be used to encode the
    /// length". They accept any. We are right.
    LengthNotMinimal,
    /// A frame that announces more than the limit and is wrong in another way
    /// (with the top bit of the length set, for one): we say 1002, they 1009. Both
    /// may (section 10.4), but for the top bit, where 1002 is right.
    LimitFirst,
}

impl Difference {
    /// The difference that these stories show, if it is one of these.
    pub fn between(ours: &Story, theirs: &Story, peer: &Peer) -> Option<Self> {
        let at = |story: &Story| story.stopped_at.unwrap_or(usize::MAX);
        let frames = definition::frames(&peer.wire);
        let frame = frames.get(at(ours).min(at(theirs)))?;
        match at(ours).cmp(&at(theirs)) {
            Ordering::Less => Self::where_we_stop(ours, theirs, frame, peer),
            Ordering::Equal => Self::where_both_stop(ours, theirs, frame, peer),
            Ordering::Greater => Self::where_they_stop(theirs, frame, peer),
        }
    }

    fn where_we_stop(ours: &Story, theirs: &Story, frame: &Frame, peer: &Peer) -> Option<Self> {
        let is_cut = frame.missing > 0 && ours.error.is_some() && theirs.end == End::OfStream;
        if is_cut && is_refused_when_whole(peer) {
            return Some(Self::Cut);
        }
        is_refused_for_length(ours, frame).then_some(Self::LengthNotMinimal)
    }

    fn where_they_stop(theirs: &Story, frame: &Frame, peer: &Peer) -> Option<Self> {
        match theirs.end {
            End::Refused(1002) if is_compressed(frame, peer) => Some(Self::Compressed),
            End::Refused(1009) if is_control_over_limit(frame, peer) => {
                Some(Self::ControlOverLimit)
            }
            _ => None,
        }
    }

    fn where_both_stop(ours: &Story, theirs: &Story, frame: &Frame, peer: &Peer) -> Option<Self> {
        let code = frame.payload.first_chunk().copied().map(u16::from_be_bytes);
        let is_violation = theirs.heard.last() == Some(&protocol_violation());
        match (ours.end, theirs.end) {
            (End::Closed, End::Closed) => {
                (code == Some(1014) && is_violation).then_some(Self::BadGateway)
            }
            (End::Refused(1002), End::Closed) if ours.error == Some(Ours::CloseCodeInvalid) => {
                let is_as_it_came = match theirs.heard.last() {
                    Some(Heard::Close(Some((told, _)))) => code == Some(*told),
                    _ => false,
                };
                let is_known = if peer.is_closing { is_as_it_came } else { is_violation };
                is_known.then_some(Self::CloseCode)
            }
            (End::Refused(1002), End::Refused(1007))
                if ours.error == Some(Ours::CloseCodeInvalid) =>
            {
                let reason = frame.payload.get(2..).unwrap_or_default();
                core::str::from_utf8(reason).is_err().then_some(Self::CodeBeforeReason)
            }
            (End::Refused(1002), End::Refused(1009)) if frame.len > peer.max_frame_len as u64 => {
                Some(Self::LimitFirst)
            }
            (_, End::Refused(1009)) if is_control_over_limit(frame, peer) => {
                Some(Self::ControlOverLimit)
            }
            (End::Refused(1007 | 1009), End::Refused(1002)) if is_compressed(frame, peer) => {
                Some(Self::Compressed)
            }
            // They get past the length, to another fault, or to none.
            (ours_end, theirs_end) if ours_end != theirs_end => {
                is_refused_for_length(ours, frame).then_some(Self::LengthNotMinimal)
            }
            _ => None,
        }
    }

    /// True if two lists, of what was heard or of what was sent, are the same
    /// but for the difference.
    pub fn allows<T: PartialEq>(self, ours: &[T], theirs: &[T]) -> bool {
        match self {
            Self::CodeBeforeReason | Self::Cut | Self::LimitFirst => ours == theirs,
            Self::BadGateway => match (ours.split_last(), theirs.split_last()) {
                (Some((_, ours)), Some((_, theirs))) => ours == theirs,
                _ => false,
            },
            // They tell of a Close, and answer it.
            Self::CloseCode => theirs.starts_with(ours) && theirs.len() <= ours.len() + 1,
            // One of them goes on.
            Self::Compressed | Self::ControlOverLimit => ours.starts_with(theirs),
            Self::LengthNotMinimal => theirs.starts_with(ours),
        }
    }
}

/// What they make of what was sent by the book.
pub fn as_they_hear(heard: Heard) -> Heard {
    match heard {
        Heard::Close(Some((1014, _))) => protocol_violation(),
        heard => heard,
    }
}

/// What they tell of a Close with a code that they do not allow.
fn protocol_violation() -> Heard {
    Heard::Close(Some((1002, "Protocol violation".to_owned())))
}

/// What they would say to the last frame once it is all there: nothing that
/// could still come makes it right.
fn is_refused_when_whole(peer: &Peer) -> bool {
    let whole = Peer { wire: definition::completed(&peer.wire), ..*peer };
    matches!(theirs::run(&whole).end, End::Refused(_))
}

fn is_compressed(frame: &Frame, peer: &Peer) -> bool {
    peer.is_compressing && frame.rsv == 0x40 && matches!(frame.opcode, 1 | 2)
}

fn is_control_over_limit(frame: &Frame, peer: &Peer) -> bool {
    frame.opcode >= 8 && frame.len <= 125 && frame.len > peer.max_frame_len as u64
}

/// From the header of a control frame two faults can be seen.
fn is_refused_for_length(ours: &Story, frame: &Frame) -> bool {
    let is_for_length =
        matches!(ours.error, Some(Ours::LengthNotMinimal | Ours::ControlFrameTooLong));
    is_for_length && !frame.is_minimal
}
