//! Large messages read to where they belong: an `Assembler` that lends its room
//! tells the same story as one that is given chunks.

use super::{Cut, Engine, Room, Story, Told};
use sockeye::{Assembler, Connection, FixedOutput, Incoming, Input, Message, Output};

/// Bytes of a frame still to come from which on there is room.
const MIN_ROOM: u64 = 4 << 10;
/// Bytes that are put behind an input, which is never as long.
const MOST_BEHIND: usize = 8 << 10;

/// Takes the inputs that end inside a large binary frame, and goes on with it.
/// `story` is what became of them.
pub(super) fn check(engine: Engine, data: &[u8], story: &Story) {
    let remaining = story.frame_remaining.filter(|&remaining| remaining >= MIN_ROOM);
    let is_binary = matches!(story.told.last(), Some(Told::Data { kind, is_last: false, .. })
        if *kind == sockeye::MessageKind::Binary);
    let Some(remaining) = remaining.filter(|_| is_binary) else { return };
    let wire = go_on(data, remaining);
    let story = engine.run(&wire, Cut::Whole, Room::Endless);
    let expected = Story { told: whole_messages(&story.told), ..story };
    let lends = data.len() % 2 == 1;
    assert_eq!(by_room(engine, &wire, lends), expected, "lent memory: {lends}");
}

/// The frame to its end, unless it is very long, and what may come behind it:
/// the input again and again.
fn go_on(data: &[u8], remaining: u64) -> Vec<u8> {
    let behind = usize::try_from(remaining).map_or(MOST_BEHIND, |len| len.min(MOST_BEHIND));
    let end = data.len() + behind;
    let mut wire = Vec::with_capacity(end + data.len());
    wire.extend_from_slice(data);
    while wire.len() < end {
        wire.extend_from_within(..wire.len().min(end - wire.len()));
    }
    wire.extend_from_slice(data);
    wire
}

/// What is told to who asks for whole messages.
fn whole_messages(told: &[Told]) -> Vec<Told> {
    let mut whole = Vec::new();
    let mut begun = Vec::new();
    for one in told {
        match one {
            Told::Data { kind, bytes, is_last } => {
                begun.extend_from_slice(bytes);
                if *is_last {
                    let bytes = core::mem::take(&mut begun);
                    whole.push(Told::Data { kind: *kind, bytes, is_last: true });
                }
            }
            other => whole.push(other.clone()),
        }
    }
    whole
}

/// Reads to the room if there is any, and in small pieces if not, as long as the
/// bytes say.
fn by_room(engine: Engine, wire: &[u8], lends: bool) -> Story {
    let mut reader = Reader::new(engine);
    if lends {
        reader.assembler.put_buffer(vec![0xAA; 5_000]);
        reader.assembler.set_max_len(reader.ws.config().max_message_len);
    }
    let mut left = wire;
    let mut reads = 0;
    while let [byte, ..] = left {
        let room = reader.assembler.room(&reader.ws);
        let most = if room.is_empty() { 3 * usize::from(*byte).max(21) } else { room.len() };
        let len = match byte % 4 {
            0 => 1,
            1 => usize::from(*byte),
            2 => most / 2,
            _ => most,
        };
        // Thousands of bytes one by one show no more than a few, and take the time.
        reads += 1;
        let least = if reads < 64 { 1 } else { 61 };
        let (piece, rest) = left.split_at(len.max(least).min(most).min(left.len()));
        left = rest;
        match room.get_mut(..piece.len()) {
            Some(room) => {
                room.copy_from_slice(piece);
                reader.receive_room(piece.len());
            }
            None => reader.receive(piece.to_vec()),
        }
    }
    let Reader { ws, told, out, mut small, .. } = reader;
    let mut out = out;
    small.flush(&mut out);
    engine.end(ws, told, out)
}

struct Reader {
    ws: Connection,
    assembler: Assembler,
    /// What is inflated into.
    scratch: Vec<u8>,
    told: Vec<Told>,
    small: Small,
    /// What was flushed.
    out: Vec<u8>,
}

impl Reader {
    fn new(engine: Engine) -> Self {
        Self {
            ws: engine.connection(),
            assembler: Assembler::new(),
            scratch: vec![0; if engine.inflates() { 16 << 10 } else { 0 }],
            told: Vec::new(),
            small: Small::default(),
            out: Vec::new(),
        }
    }

    fn receive_room(&mut self, len: usize) {
        loop {
            let message = self.assembler.receive_room(len, &mut self.ws, &mut self.small);
            if let Some(message) = message {
                return self.told.push(told(Incoming::Message(message)));
            }
            if !self.ws.wants_room() {
                return;
            }
            self.small.flush(&mut self.out);
        }
    }

    fn receive(&mut self, mut piece: Vec<u8>) {
        let mut left = piece.len();
        loop {
            let start = piece.len() - left;
            let mut input = Input::with_scratch(&mut piece[start..], &mut self.scratch);
            while let Some(event) = self.ws.receive(&mut input, &mut self.small) {
                self.told.extend(self.assembler.push(event).map(told));
            }
            left = input.len();
            if self.ws.wants_room() {
                self.small.flush(&mut self.out);
            } else if !self.ws.wants_scratch() {
                return assert_eq!(left, 0, "input left though there is room");
            }
        }
    }
}

fn told(incoming: Incoming<'_>) -> Told {
    match incoming {
        Incoming::Message(message) => {
            let kind = message.kind();
            Told::Data { kind, bytes: Message::into_owned(message).into_buffer(), is_last: true }
        }
        Incoming::Ping(payload) => Told::Ping(payload.to_vec()),
        Incoming::Pong(payload) => Told::Pong(payload.to_vec()),
        Incoming::Close(frame) => Told::Close(*frame),
        Incoming::Failed(error) => Told::Failed(error),
        other => panic!("unknown {other:?}"),
    }
}

/// The least output that is enough, flushed when that is wanted and not before.
#[derive(Default)]
struct Small(Vec<u8>);

impl Small {
    fn flush(&mut self, out: &mut Vec<u8>) {
        out.append(&mut self.0);
    }
}

impl Output for Small {
    fn has_room(&self, len: usize) -> bool {
        self.0.len() + len <= FixedOutput::MIN_LEN
    }

    fn append(&mut self, bytes: &[u8]) -> &mut [u8] {
        assert!(self.has_room(bytes.len()), "an engine asks before it appends");
        Output::append(&mut self.0, bytes)
    }
}
