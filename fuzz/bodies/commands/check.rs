//! What must be true of two ends when all is over: what each put on the wire is
//! what was asked of it, and what the other heard.

use super::super::wire::{Frame, compressed_frames, frames};
use super::end::{End, Form};
#[cfg(feature = "deflate")]
use super::inflate::Inflater;
use super::model::Compressing;
use sockeye::frame::Opcode;
use sockeye::{Cause, CloseFrame, Message};

pub fn check(end: &End, peer: &End) {
    let bytes = end.all_sent();
    let sent = match end.compressing {
        Some(_) => compressed_frames(&bytes, end.is_client),
        None => frames(&bytes, end.is_client),
    };
    let of = |opcode| {
        let frames = sent.iter().filter(move |f| f.opcode == opcode);
        frames.map(|f| f.payload.clone()).collect::<Vec<_>>()
    };
    let outcome = end.outcome.expect("it is over");
    let peers = peer.outcome.expect("it is over");

    let on_wire = messages(&sent, end.compressing.as_ref());
    assert_eq!(on_wire.len(), end.sent.len(), "what was asked for was sent");
    for ((message, compressed), asked) in on_wire.iter().zip(&end.sent) {
        assert_eq!(message, &asked.message);
        let is_as_asked = match asked.form {
            Form::Plain => !compressed,
            Form::Compressed => *compressed,
            Form::Either => true,
        };
        assert!(is_as_asked, "{asked:?}, compressed: {compressed}");
    }
    let came = peer.messages.iter().zip(&end.sent);
    assert!(came.clone().all(|(heard, sent)| *heard == sent.message), "what came had been sent");
    assert!(peer.messages.len() <= end.sent.len());
    assert_eq!(of(Opcode::PONG), end.pongs, "section 5.5.2: a Pong for each Ping");
    assert!(of(Opcode::PING).starts_with(&peer.heard_pings));
    assert!(of(Opcode::PONG).starts_with(&peer.heard_pongs));

    // The outcome names the Close frame that was sent, the last of all.
    let close = |frame: &CloseFrame| {
        let mut payload = frame.code().map_or(Vec::new(), |c| c.get().to_be_bytes().to_vec());
        payload.extend_from_slice(frame.reason().as_bytes());
        Frame::new(Opcode::CLOSE, payload)
    };
    let last = sent.iter().position(|f| f.opcode == Opcode::CLOSE).map(|at| &sent[at..]);
    assert_eq!(last.map(<[_]>::to_vec), outcome.sent().map(|f| vec![close(f)]));
    assert_eq!(peers.received().is_some(), peer.heard_close);
    if peers.received().is_some() {
        assert_eq!(peers.received(), outcome.sent(), "the codes agree");
        assert_eq!(came.len(), end.sent.len(), "all that was sent before the Close came");
    }
    assert!(!matches!(outcome.cause(), Cause::Protocol(_)), "{outcome:?}");
}

/// The messages in a series of frames, which must be one that section 5.4
/// allows, and whether they are compressed. One that was not finished is left
/// out.
fn messages(frames: &[Frame], compressing: Option<&Compressing>) -> Vec<(Message<'static>, bool)> {
    let mut messages = Vec::new();
    let mut partial: Option<(Opcode, bool, Vec<u8>)> = None;
    let mut inflate = Inflate::new(compressing);
    for frame in frames {
        assert!(frame.fin || !frame.opcode.is_control(), "section 5.5: {frame:?}");
        let (kind, compressed, so_far) = match frame.opcode {
            opcode if opcode.is_control() => {
                assert!(!frame.compressed, "RFC 7692, section 6.1: {frame:?}");
                continue;
            }
            Opcode::CONTINUATION => {
                assert!(!frame.compressed, "RFC 7692, section 6.1: {frame:?}");
                let (kind, compressed, so_far) = partial.take().expect("a message to continue");
                (kind, compressed, [so_far, frame.payload.clone()].concat())
            }
            opcode => {
                assert_eq!(partial, None, "section 5.4: one message at a time");
                (opcode, frame.compressed, frame.payload.clone())
            }
        };
        if !frame.fin {
            partial = Some((kind, compressed, so_far));
            continue;
        }
        let data = if compressed { inflate.message(&so_far) } else { so_far };
        let message = match kind {
            Opcode::BINARY => data.into(),
            _ => String::from_utf8(data).expect("section 5.6").into(),
        };
        messages.push((message, compressed));
    }
    messages
}

/// Inflates by the RFCs, within the window agreed on and no larger.
struct Inflate {
    #[cfg(feature = "deflate")]
    stream: Option<(Inflater, bool)>,
}

impl Inflate {
    #[cfg(feature = "deflate")]
    fn new(of: Option<&Compressing>) -> Self {
        Self { stream: of.map(|of| (Inflater::new(of.window_bits), of.keeps_context)) }
    }

    #[cfg(feature = "deflate")]
    fn message(&mut self, payload: &[u8]) -> Vec<u8> {
        let (inflater, keeps_context) = self.stream.as_mut().expect("it was agreed on");
        if !*keeps_context {
            inflater.reset();
        }
        inflater.message(payload).expect("RFC 7692, section 7.2.1")
    }

    #[cfg(not(feature = "deflate"))]
    fn new(_: Option<&Compressing>) -> Self {
        Self {}
    }

    #[cfg(not(feature = "deflate"))]
    fn message(&mut self, _: &[u8]) -> Vec<u8> {
        panic!("nothing is compressed")
    }
}
