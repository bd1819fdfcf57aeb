//! tungstenite on the bytes of a peer.

use std::io::{self, Read, Write};

use super::definition;
use super::peer::Peer;
use super::story::{End, Heard, Story};
use tungstenite::error::ProtocolError;
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Error, Message, WebSocket};

pub fn run(peer: &Peer) -> Story {
    let mut config = WebSocketConfig::default()
        .max_frame_size(Some(peer.max_frame_len))
        .max_message_size(Some(peer.max_message_len))
        .write_buffer_size(0);
    // What it allocates at once.
    config.read_buffer_size = 1 << 10;
    let role = if peer.is_client { Role::Server } else { Role::Client };
    let mut ws = WebSocket::from_raw_socket(Memory::of(peer), role, Some(config));
    if peer.is_closing {
        let close = CloseFrame { code: CloseCode::Normal, reason: "".into() };
        ws.close(Some(close)).expect("it is open");
    }
    let mut story = Story::default();
    let error = loop {
        match ws.read() {
            Ok(message) => {
                if peer.is_echoed && ws.can_write() && (message.is_text() || message.is_binary()) {
                    ws.write(message.clone()).expect("it is open, and there is room");
                }
                story.heard.push(heard(message));
                if let Some(Heard::Close(_)) = story.heard.last() {
                    // Writes the answer. What comes after it we do not hear, and
                    // theirs refuses: see README.md.
                    drop(ws.flush());
                    break None;
                }
            }
            Err(error) => break Some(error),
        }
    };
    story.end = error.as_ref().map_or(End::Closed, end);
    let memory = ws.into_inner();
    story.stopped_at = match story.end {
        End::OfStream => None,
        End::Closed | End::Refused(_) => memory.frames_read.checked_sub(1),
    };
    story.sent = memory.written;
    story
}

/// A refusal is an error; the close code for it is the caller's to choose.
fn end(error: &Error) -> End {
    match error {
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => End::OfStream,
        Error::Protocol(_) => End::Refused(1002),
        Error::Utf8(_) => End::Refused(1007),
        Error::Capacity(_) => End::Refused(1009),
        other => panic!("{other:?} of bytes in memory"),
    }
}

fn heard(message: Message) -> Heard {
    match message {
        Message::Text(text) => Heard::Text(text.as_str().to_owned()),
        Message::Binary(data) => Heard::Binary(data.to_vec()),
        Message::Ping(payload) => Heard::Ping(payload.to_vec()),
        Message::Pong(payload) => Heard::Pong(payload.to_vec()),
        Message::Close(frame) => {
            Heard::Close(frame.map(|f| (f.code.into(), f.reason.as_str().to_owned())))
        }
        Message::Frame(frame) => panic!("{frame:?} was read"),
    }
}

/// A transport that gives a frame at a time, and keeps what is written.
struct Memory<'a> {
    wire: &'a [u8],
    /// Ends of the frames.
    ends: Vec<usize>,
    frames_read: usize,
    at: usize,
    written: Vec<u8>,
}

impl<'a> Memory<'a> {
    fn of(peer: &'a Peer) -> Self {
        let ends = definition::frames(&peer.wire).iter().map(|frame| frame.end).collect();
        Self { wire: &peer.wire, ends, frames_read: 0, at: 0, written: Vec::new() }
    }
}

impl Read for Memory<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.ends.get(self.frames_read.wrapping_sub(1)).is_none_or(|&end| end == self.at) {
            if self.frames_read == self.ends.len() {
                return Ok(0);
            }
            self.frames_read += 1;
        }
        let end = self.ends[self.frames_read - 1];
        let len = room.len().min(end - self.at);
        room[..len].copy_from_slice(&self.wire[self.at..self.at + len]);
        self.at += len;
        Ok(len)
    }
}

impl Write for Memory<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
