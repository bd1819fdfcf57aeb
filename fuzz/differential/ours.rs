//! sockeye on the bytes of a peer.

use std::sync::Arc;

use super::definition;
use super::peer::Peer;
use super::story::{End, Heard, Story};
use sockeye::{
    Assembler, CloseCode, CloseFrame, Config, Connection, Incoming, Input, Message, Seed,
};

pub fn run(peer: &Peer) -> Story {
    let mut ws = connection(peer);
    let mut story = Story::default();
    if peer.is_closing {
        let closed = ws.close(Some(CloseCode::NORMAL_CLOSURE), "", &mut story.sent);
        closed.expect("it is open");
    }
    let mut assembler = Assembler::new();
    let mut scratch = [0; 1 << 10];
    let mut wire = peer.wire.clone();
    // Frame by frame, to see which was the last; other cuts are for other targets.
    for (number, frame) in definition::frames(&peer.wire).into_iter().enumerate() {
        let mut input = Input::with_scratch(&mut wire[frame.start..frame.end], &mut scratch);
        while let Some(event) = ws.receive(&mut input, &mut story.sent) {
            let Some(incoming) = assembler.push(event) else { continue };
            let heard = match incoming {
                Incoming::Message(message) => {
                    if peer.is_echoed && ws.is_open() {
                        echo(&mut ws, &message, &mut story.sent);
                    }
                    match message {
                        Message::Text(text) => Heard::Text(text.into_owned()),
                        Message::Binary(data) => Heard::Binary(data.into_owned()),
                    }
                }
                Incoming::Ping(payload) => Heard::Ping(payload.to_vec()),
                Incoming::Pong(payload) => Heard::Pong(payload.to_vec()),
                Incoming::Close(frame) => {
                    story.end = End::Closed;
                    story.stopped_at = Some(number);
                    Heard::Close(code_and_reason(&frame))
                }
                Incoming::Failed(error) => {
                    story.end = End::Refused(error.close_code().get());
                    story.stopped_at = Some(number);
                    story.error = Some(error);
                    break;
                }
                other => panic!("unknown {other:?}"),
            };
            story.heard.push(heard);
        }
        // Theirs is not asked to inflate, and nothing is compared from there on.
        if story.stopped_at.is_some() || ws.is_inflating() {
            break;
        }
    }
    story
}

fn connection(peer: &Peer) -> Connection {
    let mut config = Config::default();
    config.max_frame_len = peer.max_frame_len as u64;
    config.max_message_len = peer.max_message_len as u64;
    // Of which theirs has none; section 10.4 asks for limits, and names none.
    config.max_fragments = u32::MAX;
    let config = Arc::new(config);
    let ws = match peer.is_client {
        true => Connection::server(config),
        false => Connection::client(Seed::from_bytes([7; 32]), config),
    };
    match peer.is_compressing {
        true => ws.with_deflate(sockeye::deflate::Params::default()),
        false => ws,
    }
}

fn echo(ws: &mut Connection, message: &Message<'_>, out: &mut Vec<u8>) {
    // Theirs does not compress: it could not be compared.
    ws.compress_next(sockeye::deflate::Compress::No);
    let sent = match message {
        Message::Text(text) => ws.send_text(text, out),
        Message::Binary(data) => ws.send_binary(data, out),
    };
    sent.expect("it is open, and there is room");
}

fn code_and_reason(frame: &CloseFrame) -> Option<(u16, String)> {
    frame.code().map(|code| (code.get(), frame.reason().to_owned()))
}
