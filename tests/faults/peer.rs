//! The other end: a plain socket that says its part up to some byte, and then
//! does something else.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use sockeye::frame;
use tokio::net::TcpSocket;

use super::Plot;
use crate::common::sent_frames;
use crate::flate::Inflater;
use crate::sockets::{PATIENCE, Role};

/// What the peer does once it has said its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It is gone, having read all that there was.
    Close,
    /// It ends its direction, and hears us out.
    HalfClose,
    /// It is gone, with a reset.
    Reset,
    /// It says nothing, and reads nothing, for as long as we look.
    Stall,
}

/// How the peer says its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// In one piece, whatever we say.
    AtOnce,
    /// Each frame once all that was said before has been answered: when the end
    /// comes, nobody is talking.
    InStep,
    /// The same, with a segment for each byte; and read in single bytes too.
    Dripping,
}

/// Up to where the peer says its part, and what it does then.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub at: usize,
    pub deed: Deed,
    pub manner: Manner,
}

/// What the peer has heard.
pub struct Heard {
    bytes: Vec<u8>,
    /// The socket, if it is still open.
    pub stream: Option<TcpStream>,
}

/// Says and does all that. Stops early if our end is gone.
pub fn play(stream: TcpStream, plot: &Plot, fault: Fault) -> Heard {
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE / 2)).unwrap();
    let mut stream = stream;
    let (mut heard, is_through) = say(&mut stream, plot, fault.at, fault.manner);
    match fault.deed {
        Deed::Stall => return Heard { bytes: heard, stream: Some(stream) },
        // Our end may have been quicker.
        Deed::HalfClose if is_through && stream.shutdown(Shutdown::Write).is_ok() => {
            let _ = stream.read_to_end(&mut heard);
        }
        Deed::Reset => reset(stream),
        Deed::Close | Deed::HalfClose => {}
    }
    Heard { bytes: heard, stream: None }
}

/// Closes a socket, of which there is no other handle, with a reset.
pub fn reset(stream: TcpStream) {
    TcpSocket::from_std_stream(stream).set_zero_linger().unwrap();
}

/// Says so much over any stream. Gives what was heard, and whether our end was
/// there for all of it.
pub fn say(stream: impl Read + Write, plot: &Plot, at: usize, manner: Manner) -> (Vec<u8>, bool) {
    let mut player = Player { stream, heard: Vec::new(), manner };
    let is_through = player.say_up_to(plot, at);
    (player.heard, is_through)
}

struct Player<S> {
    stream: S,
    heard: Vec<u8>,
    manner: Manner,
}

impl<S: Read + Write> Player<S> {
    /// False if our end is gone.
    fn say_up_to(&mut self, plot: &Plot, at: usize) -> bool {
        // The key is in the request.
        if plot.ours == Role::Client && !self.hear(0) {
            return false;
        }
        let asked = String::from_utf8_lossy(&self.heard).into_owned();
        let head = plot.head_for(&asked);
        let script = [head.as_bytes(), &plot.frames].concat();
        if self.manner == Manner::AtOnce {
            return self.say(&script[..at]);
        }
        let mut said = 0;
        for end in [0].iter().chain(&plot.ends).map(|end| head.len() + end) {
            if !self.say(&script[said..at.min(end)]) {
                return false;
            }
            if at < end {
                return true;
            }
            if !self.hear(plot.answers_until(end).len()) {
                return false;
            }
            said = end;
        }
        true
    }

    fn say(&mut self, bytes: &[u8]) -> bool {
        let len = if self.manner == Manner::Dripping { 1 } else { usize::MAX };
        bytes.chunks(len).all(|piece| self.stream.write_all(piece).is_ok())
            && self.stream.flush().is_ok()
    }

    /// Reads until there are a head and so many frames.
    fn hear(&mut self, frames: usize) -> bool {
        let mut memory = [0; 4096];
        let len = if self.manner == Manner::Dripping { 1 } else { memory.len() };
        while !has_come(&self.heard, frames) {
            match self.stream.read(&mut memory[..len]) {
                Ok(len @ 1..) => self.heard.extend(&memory[..len]),
                _ => return false,
            }
        }
        true
    }
}

/// Where the head ends, if it does.
fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// True if there are a head and so many whole frames.
pub fn has_come(bytes: &[u8], frames: usize) -> bool {
    head_end(bytes).is_some_and(|end| frame_ends(&bytes[end..]).count() >= frames)
}

/// Where each whole frame ends.
fn frame_ends(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (header, len) = frame::decode(&bytes[at..]).unwrap()?;
        at += len + usize::try_from(header.len).unwrap();
        (at <= bytes.len()).then_some(at)
    })
}

impl Heard {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, stream: None }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The frames that came, inflated, and whether another was begun.
    pub fn frames(&self, plot: &Plot) -> (Vec<(u8, Vec<u8>)>, bool) {
        let Some(start) = head_end(&self.bytes) else { return (Vec::new(), false) };
        let bytes = &self.bytes[start..];
        let whole = frame_ends(bytes).last().unwrap_or(0);
        let mut inflater = Inflater::new(15);
        let frames = sent_frames(&bytes[..whole], plot.ours == Role::Client);
        let frames = frames.into_iter().map(|(first, payload)| match first & 0x40 {
            0 => (first, payload),
            _ => (first & !0x40, inflater.message(&payload).unwrap()),
        });
        (frames.collect(), whole < bytes.len())
    }
}
