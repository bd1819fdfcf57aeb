//! Receiving (RFC 6455, sections 5 to 8): however the bytes are cut, and
//! however little room the output has, an engine tells the same story.
//!
//! Input: what the peer puts on the wire, from its first frame on. Of `inflate`,
//! a byte of configuration before that.

mod room;

use std::sync::{Arc, LazyLock};

use super::cut::{Cut, ways};
use super::wire::{Frame, frames};
use sockeye::frame::Opcode;
use sockeye::{
    CloseCode, CloseFrame, Closed, Config, Connection, Event, FixedOutput, Input, MessageKind,
    Output, ProtocolError, Seed,
};

pub fn receive_server(data: &[u8]) {
    let story = SERVER.any_cut(data);
    assert!(story.out.len() <= data.len() + 4, "a server's replies never amplify");
    room::check(SERVER, data, &story);
    Engine { is_closing: true, ..SERVER }.any_cut(data);
}

pub fn receive_client(data: &[u8]) {
    let story = CLIENT.any_cut(data);
    assert!(story.out.len() <= 3 * data.len() + 8, "a client adds a key to each frame, no more");
    room::check(CLIENT, data, &story);
    Engine { is_closing: true, ..CLIENT }.any_cut(data);
}

/// As the two above, with compression: how much scratch room there is makes no
/// difference either, and what comes out is never more than the limit.
#[cfg(feature = "deflate")]
pub fn inflate(data: &[u8]) {
    let [flags, wire @ ..] = data else { return };
    let params = sockeye::deflate::Params {
        server_no_context_takeover: flags & 1 != 0,
        client_no_context_takeover: flags & 1 != 0,
        ..Default::default()
    };
    // A server's peer masks: mutations of what it compresses say little.
    let engine = if flags & 2 == 0 { CLIENT } else { SERVER };
    let engine = Engine { params: Some(params), ..engine };
    let story = engine.any_cut(wire);
    room::check(engine, wire, &story);
    for told in &story.told {
        if let Told::Data { bytes, .. } = told {
            assert!(bytes.len() as u64 <= MAX_INFLATED_LEN);
        }
    }
}

/// More than a chunk, and little enough to be inflated many times.
#[cfg(feature = "deflate")]
const MAX_INFLATED_LEN: u64 = 20_000;

/// Limits that short inputs can pass, by many frames or by announcing much;
/// but every form of the length is within them.
static CONFIG: LazyLock<Arc<Config>> = LazyLock::new(|| {
    let mut config = Config::default();
    config.max_frame_len = 1 << 20;
    config.max_message_len = (1 << 20) + 64;
    config.max_fragments = 8;
    Arc::new(config)
});

/// The same, and less to inflate.
#[cfg(feature = "deflate")]
static INFLATING: LazyLock<Arc<Config>> = LazyLock::new(|| {
    let mut config = Config::clone(&CONFIG);
    config.max_message_len = MAX_INFLATED_LEN;
    Arc::new(config)
});

/// Who receives.
#[derive(Clone, Copy)]
struct Engine {
    is_client: bool,
    /// It has sent a Close frame before: it hears, but answers nothing.
    is_closing: bool,
    /// It has agreed on compression.
    #[cfg(feature = "deflate")]
    params: Option<sockeye::deflate::Params>,
}

const SERVER: Engine = Engine {
    is_client: false,
    is_closing: false,
    #[cfg(feature = "deflate")]
    params: None,
};

const CLIENT: Engine = Engine { is_client: true, ..SERVER };

/// Room for the output.
#[derive(Clone, Copy, Debug)]
enum Room {
    Endless,
    /// What is promised to be enough, flushed whenever it is full.
    Least,
}

/// Everything that one run shows.
#[derive(Debug, PartialEq)]
struct Story {
    told: Vec<Told>,
    out: Vec<u8>,
    is_open: bool,
    should_close_transport: bool,
    /// Of a connection that is over it means nothing.
    frame_remaining: Option<u64>,
    closed: Option<Closed>,
    /// How it ended, should the stream end here.
    at_eof: Closed,
}

/// An event; those of one message are put together unless another came in
/// between.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    Data { kind: MessageKind, bytes: Vec<u8>, is_last: bool },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(CloseFrame),
    Failed(ProtocolError),
}

impl Engine {
    fn connection(self) -> Connection {
        let with = |config: Arc<Config>| match self.is_client {
            true => Connection::client(Seed::from_bytes([7; 32]), config),
            false => Connection::server(config),
        };
        #[cfg(feature = "deflate")]
        if let Some(params) = self.params {
            return with(INFLATING.clone()).with_deflate(params);
        }
        with(CONFIG.clone())
    }

    fn inflates(self) -> bool {
        #[cfg(feature = "deflate")]
        return self.params.is_some();
        #[cfg(not(feature = "deflate"))]
        false
    }

    /// Runs in every way, and gives the story that all of them told.
    fn any_cut(self, data: &[u8]) -> Story {
        const WAYS: [(Cut, Room); 4] = [
            (Cut::ByteByByte, Room::Endless),
            (Cut::ByData, Room::Least),
            (Cut::ByData, Room::Endless),
            (Cut::Whole, Room::Least),
        ];
        let story = self.run(data, Cut::Whole, Room::Endless);
        // One that is closing answers nothing: the room matters less.
        let all = if self.is_closing { &WAYS[..2] } else { &WAYS };
        for &(cut, room) in ways(all, data) {
            assert_eq!(self.run(data, cut, room), story, "{cut:?}, {room:?}");
        }
        assert_eq!(frames(&story.out, self.is_client), self.expected_replies(&story.told));
        let should_close = match story.told.last() {
            // Section 7.1.1: the server first; the client waits for it.
            Some(Told::Close(_)) => !self.is_client,
            Some(Told::Failed(_)) => true,
            _ => false,
        };
        assert_eq!(story.should_close_transport, should_close);
        story
    }

    fn run(self, data: &[u8], cut: Cut, room: Room) -> Story {
        let mut ws = self.connection();
        let mut out = Vec::new();
        if self.is_closing {
            ws.close(Some(CloseCode::NORMAL_CLOSURE), "", &mut out).expect("it is open");
        }
        let mut listener = Listener::default();
        let mut spent = data.to_vec();
        let mut start = 0;
        for end in cut.ends(data) {
            let piece = &mut spent[start..end];
            start = end;
            match room {
                Room::Endless => listener.drain_all(&mut ws, piece, &mut out),
                Room::Least => listener.drain_by_least_room(&mut ws, piece, &mut out),
            }
        }
        self.end(ws, listener.told, out)
    }

    /// The story of a run, whose input is over.
    fn end(self, mut ws: Connection, told: Vec<Told>, out: Vec<u8>) -> Story {
        let closed = ws.closed();
        let frame_remaining = closed.is_none().then(|| ws.frame_remaining());
        let is_open = ws.is_open();
        let should_close_transport = ws.should_close_transport();
        let at_eof = ws.receive_eof();
        assert!(closed.is_none_or(|closed| closed == at_eof), "an outcome is final");
        assert_eq!(ws.receive_eof(), at_eof);
        Story { told, out, is_open, should_close_transport, frame_remaining, closed, at_eof }
    }

    /// What the RFC demands as an answer to these events, and nothing else.
    fn expected_replies(self, told: &[Told]) -> Vec<Frame> {
        let body = |code: CloseCode| code.get().to_be_bytes();
        if self.is_closing {
            return vec![Frame::new(Opcode::CLOSE, body(CloseCode::NORMAL_CLOSURE))];
        }
        let reply = |told: &Told| match told {
            Told::Ping(payload) => Some(Frame::new(Opcode::PONG, payload.as_slice())),
            Told::Close(frame) => {
                let mut payload = frame.code().map(body).map_or(Vec::new(), Vec::from);
                payload.extend_from_slice(frame.reason().as_bytes());
                Some(Frame::new(Opcode::CLOSE, payload))
            }
            Told::Failed(error) => Some(Frame::new(Opcode::CLOSE, body(error.close_code()))),
            Told::Data { .. } | Told::Pong(_) => None,
        };
        told.iter().filter_map(reply).collect()
    }
}

#[derive(Default)]
struct Listener {
    told: Vec<Told>,
    /// The message of which a chunk came, but not the last.
    in_progress: Option<MessageKind>,
    /// What it said of the rest of the message.
    remaining: Option<u64>,
    /// What is inflated into, once there is something.
    scratch: Vec<u8>,
}

impl Listener {
    /// Takes all events that there are.
    fn drain(
        &mut self,
        ws: &mut Connection,
        input: &mut Input<'_>,
        out: &mut (impl Output + ?Sized),
    ) {
        while let Some(event) = ws.receive(input, out) {
            let over = matches!(self.told.last(), Some(Told::Close(_) | Told::Failed(_)));
            assert!(!over, "section 7.1.7: nothing is delivered after the end, but {event:?}");
            self.hear(event);
        }
    }

    /// With scratch room for a chunk of the largest kind, if any is needed.
    fn drain_all(&mut self, ws: &mut Connection, piece: &mut [u8], out: &mut Vec<u8>) {
        let mut scratch = core::mem::take(&mut self.scratch);
        let mut left = piece.len();
        loop {
            let start = piece.len() - left;
            let mut input = Input::with_scratch(&mut piece[start..], &mut scratch);
            self.drain(ws, &mut input, out);
            left = input.len();
            if !ws.wants_scratch() {
                break;
            }
            scratch.resize(16 << 10, 0);
        }
        self.scratch = scratch;
        assert!(left == 0 && !ws.is_inflating(), "input left though there is room");
    }

    /// With the least output and little scratch room.
    fn drain_by_least_room(&mut self, ws: &mut Connection, piece: &mut [u8], out: &mut Vec<u8>) {
        let mut memory = [0; FixedOutput::MIN_LEN];
        let mut scratch = [0; 3 * Input::MIN_SCRATCH];
        let mut left = piece.len();
        loop {
            let start = piece.len() - left;
            let mut input = Input::with_scratch(&mut piece[start..], &mut scratch);
            let mut fixed = FixedOutput::new(&mut memory);
            self.drain(ws, &mut input, &mut fixed);
            out.extend_from_slice(fixed.filled());
            left = input.len();
            if !ws.wants_room() && !ws.wants_scratch() {
                break;
            }
        }
        assert!(left == 0 && !ws.is_inflating(), "input left though there is room");
    }

    fn hear(&mut self, event: Event<'_>) {
        let (kind, bytes, is_first, remaining) = match &event {
            Event::Text(chunk) => {
                let bytes = chunk.as_str().as_bytes();
                (MessageKind::Text, bytes, chunk.is_first(), chunk.remaining())
            }
            Event::Binary(chunk) => {
                let bytes = chunk.as_bytes();
                if let Some(before) = self.remaining {
                    assert_eq!(chunk.remaining(), Some(before - bytes.len() as u64));
                }
                (MessageKind::Binary, bytes, chunk.is_first(), chunk.remaining())
            }
            Event::Ping(payload) => return self.told.push(Told::Ping(payload.to_vec())),
            Event::Pong(payload) => return self.told.push(Told::Pong(payload.to_vec())),
            Event::Close(frame) => return self.told.push(Told::Close(**frame)),
            Event::Failed(error) => return self.told.push(Told::Failed(*error)),
            other => panic!("unknown event {other:?}"),
        };
        let is_last = remaining == Some(0);
        assert!(is_last || !bytes.is_empty(), "a chunk that is no news");
        assert_eq!(is_first, self.in_progress.is_none(), "one message at a time");
        assert!(is_first || self.in_progress == Some(kind), "a message is of one kind");
        self.in_progress = (!is_last).then_some(kind);
        self.remaining = remaining.filter(|_| !is_last);
        match self.told.last_mut() {
            Some(Told::Data { bytes: before, is_last: ended, .. }) if !is_first => {
                before.extend_from_slice(bytes);
                *ended = is_last;
            }
            _ => self.told.push(Told::Data { kind, bytes: bytes.to_vec(), is_last }),
        }
    }
}
