//! sockeye: the engine itself, in a loop such as `embedding` describes, with
//! memory that a thread's connections share.

use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::io::{IoSlice, Read, Write};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use sockeye::deflate::Params;
use sockeye::handshake::{Accept, Client, ClientRequest, Reply, Server};
use sockeye::{
    Assembler, Config, Connection, DeflateConfig, Event, FixedOutput, Incoming, Input, Message,
    MessageKind, Seed,
};

use super::{Engine, OURS, OURS_CHUNKS, Receive, Sending, Setup, Visit};
use crate::frames::{Content, Kind};
use crate::memory::handshake::Responder;
use crate::pipe::{Pipe, Sink};

/// Bytes of a read: a message of 16 KiB with its header. Twice as much does not stay
/// in the first-level cache from when it is read until it is looked at.
const READ_LEN: usize = (16 << 10) + 16;
/// The same where another large message may begin, which then has room of its own.
const FIRST_LEN: usize = 4 << 10;
/// Compressed messages are inflated into so much at a time.
const SCRATCH_LEN: usize = 64 << 10;
/// From here on a payload is written from where it is, as in the adapters.
const VECTORED_LEN: usize = 4 << 10;
/// Bytes put together for one write.
const CORK_LEN: usize = 16 << 10;

pub(super) fn engines() -> Vec<Engine> {
    let whole = Engine {
        receive: Some(|setup| Box::new(Whole::new(setup))),
        receive_compressed: Some(|setup| Box::new(Compressed::new(setup))),
        send: Some(|setup| Box::new(Sender::new(setup))),
        send_corked: Some(|setup| Box::new(Sender::new(setup))),
        send_in_place: Some(|setup| Box::new(InPlace(Sender::new(setup)))),
        send_compressed: Some(|setup| Box::new(Sender::new(setup))),
        accept: Some(accept),
        connect: Some(connect),
        ..Engine::new(OURS, "")
    };
    let chunks = Engine {
        receive: Some(|setup| Box::new(Chunks::new(setup))),
        ..Engine::new(OURS_CHUNKS, "")
    };
    vec![whole, chunks]
}

/// Of all connections of a kind.
fn config(is_compressed: bool) -> Arc<Config> {
    static PLAIN: OnceLock<Arc<Config>> = OnceLock::new();
    static COMPRESSED: OnceLock<Arc<Config>> = OnceLock::new();
    let config = if is_compressed { &COMPRESSED } else { &PLAIN };
    let config = config.get_or_init(|| {
        let mut config = Config::default();
        config.max_message_len = super::MAX_LEN as u64;
        config.max_frame_len = super::MAX_LEN as u64;
        if is_compressed {
            let mut deflate = DeflateConfig::default();
            deflate.level = 6;
            deflate.min_len = 0;
            config.deflate = Some(deflate);
        }
        Arc::new(config)
    });
    config.clone()
}

fn connection(setup: &Setup) -> Connection {
    let config = config(setup.traffic.compressed);
    let ws = match setup.is_server() {
        true => Connection::server(config),
        false => Connection::client(Seed::from_bytes([7; 32]), config),
    };
    match setup.traffic.compressed {
        true => ws.with_deflate(Params::default()),
        false => ws,
    }
}

fn kind(kind: MessageKind) -> Kind {
    match kind {
        MessageKind::Text => Kind::Text,
        MessageKind::Binary => Kind::Binary,
    }
}

// ---- receiving -----------------------------------------------------------------------

thread_local! {
    static READ: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Memory that connections lend from their thread while they have something to do.
struct Lent {
    from: &'static std::thread::LocalKey<Cell<Vec<u8>>>,
    memory: Vec<u8>,
}

impl Lent {
    fn new(from: &'static std::thread::LocalKey<Cell<Vec<u8>>>, len: usize) -> Self {
        let mut memory = from.take();
        if memory.len() < len {
            memory.resize(len, 0);
        }
        Self { from, memory }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.from.set(std::mem::take(&mut self.memory));
    }
}

struct Whole {
    ws: Connection,
    assembler: Assembler,
    pipe: Pipe,
    out: Vec<u8>,
    /// Bytes of a read to room of a message's own: for a client, who unmasks nothing, as
    /// many as it has.
    room_len: usize,
    /// Some of the message in progress was read to room of its own.
    in_room: bool,
    /// The last message was large, and some of it was: the next may be like it.
    roomed: bool,
}

impl Whole {
    fn new(setup: &Setup) -> Self {
        drop(Lent::new(&READ, READ_LEN));
        Self {
            ws: connection(setup),
            assembler: Assembler::new(),
            pipe: setup.pipe(),
            out: Vec::new(),
            room_len: if setup.is_server() { READ_LEN } else { usize::MAX },
            in_room: false,
            roomed: false,
        }
    }

    /// How much to read where there is no room for it. Of a large message the rest of
    /// its frame and no more: the next begins with a read then, and needs no putting
    /// together if it is whole in there.
    fn read_len(&self) -> usize {
        let rest = usize::try_from(self.ws.frame_remaining()).unwrap_or(usize::MAX);
        let is_large = rest.saturating_add(self.assembler.len()) > READ_LEN / 2;
        match rest {
            1.. if is_large => rest.min(READ_LEN),
            _ if self.roomed => FIRST_LEN,
            _ => READ_LEN,
        }
    }

    /// A message of so many bytes is whole.
    fn ended(&mut self, len: usize) {
        self.roomed = std::mem::take(&mut self.in_room) && len > READ_LEN;
    }
}

impl Receive for Whole {
    fn receive(&mut self, messages: u64, visit: &mut impl Visit) {
        let mut lent = Lent::new(&READ, READ_LEN);
        let mut received = 0;
        while received < messages {
            // The rest of a large message goes to where it belongs.
            let room = self.assembler.room(&self.ws);
            if !room.is_empty() {
                self.in_room = true;
                let most = room.len().min(self.room_len);
                let len = self.pipe.read(&mut room[..most]).expect("memory");
                if let Some(message) = self.assembler.receive_room(len, &mut self.ws, &mut self.out)
                {
                    visit.message(kind(message.kind()), message.as_bytes());
                    self.ended(message.as_bytes().len());
                    self.assembler.put_buffer(message.into_buffer());
                    received += 1;
                }
                continue;
            }
            let len = self.pipe.read(&mut lent.memory[..self.read_len()]).expect("memory");
            let mut input = Input::new(&mut lent.memory[..len]);
            while let Some(event) = self.ws.receive(&mut input, &mut self.out) {
                match self.assembler.push(event) {
                    Some(Incoming::Message(message)) => {
                        visit.message(kind(message.kind()), message.as_bytes());
                        self.ended(message.as_bytes().len());
                        self.assembler.put_buffer(message.into_buffer());
                        received += 1;
                    }
                    None => {}
                    Some(other) => panic!("{other:?}"),
                }
            }
        }
    }

    fn state_len(&self) -> usize {
        size_of::<Connection>() + size_of::<Assembler>()
    }
}

struct Chunks {
    ws: Connection,
    pipe: Pipe,
    out: Vec<u8>,
}

impl Chunks {
    fn new(setup: &Setup) -> Self {
        drop(Lent::new(&READ, READ_LEN));
        Self { ws: connection(setup), pipe: setup.pipe(), out: Vec::new() }
    }
}

impl Receive for Chunks {
    fn receive(&mut self, messages: u64, visit: &mut impl Visit) {
        let mut lent = Lent::new(&READ, READ_LEN);
        let mut received = 0;
        while received < messages {
            let len = self.pipe.read(&mut lent.memory[..READ_LEN]).expect("memory");
            let mut input = Input::new(&mut lent.memory[..len]);
            while let Some(event) = self.ws.receive(&mut input, &mut self.out) {
                let is_last = match &event {
                    Event::Text(chunk) => {
                        visit.chunk(Kind::Text, chunk.as_str().as_bytes(), chunk.is_last());
                        chunk.is_last()
                    }
                    Event::Binary(chunk) => {
                        visit.chunk(Kind::Binary, chunk.as_bytes(), chunk.is_last());
                        chunk.is_last()
                    }
                    other => panic!("{other:?}"),
                };
                received += u64::from(is_last);
            }
        }
    }

    fn state_len(&self) -> usize {
        size_of::<Connection>()
    }
}

/// Whole messages that were compressed.
struct Compressed(Whole);

impl Compressed {
    fn new(setup: &Setup) -> Self {
        drop(Lent::new(&SCRATCH, SCRATCH_LEN));
        Self(Whole::new(setup))
    }
}

impl Receive for Compressed {
    fn receive(&mut self, messages: u64, visit: &mut impl Visit) {
        let (mut read, mut scratch) =
            (Lent::new(&READ, READ_LEN), Lent::new(&SCRATCH, SCRATCH_LEN));
        let Whole { ws, assembler, pipe, out, .. } = &mut self.0;
        let mut received = 0;
        while received < messages {
            let len = pipe.read(&mut read.memory).expect("memory");
            let mut left = len;
            loop {
                let bytes = &mut read.memory[len - left..len];
                let mut input = Input::with_scratch(bytes, &mut scratch.memory);
                while let Some(event) = ws.receive(&mut input, out) {
                    if let Some(Incoming::Message(message)) = assembler.push(event) {
                        visit.message(kind(message.kind()), message.as_bytes());
                        assembler.put_buffer(message.into_buffer());
                        received += 1;
                    }
                }
                left = input.len();
                if !ws.wants_scratch() {
                    break;
                }
            }
        }
    }

    fn state_len(&self) -> usize {
        Receive::state_len(&self.0)
    }
}

// ---- sending -------------------------------------------------------------------------

struct Sender {
    ws: Connection,
    pipe: Pipe,
    /// What is sent is put together in here: a thread's, in a loop of one.
    memory: Vec<u8>,
    messages: Vec<Message<'static>>,
    next: usize,
    vectored: bool,
}

impl Sender {
    fn new(setup: &Setup) -> Self {
        let message = |bytes: &Vec<u8>| match setup.traffic.content {
            Content::Binary => Message::from(bytes.clone()),
            _ => Message::from(String::from_utf8(bytes.clone()).expect("text")),
        };
        let messages: Vec<_> = setup.messages().iter().map(message).collect();
        let longest = messages.iter().map(|message| message.as_bytes().len()).max().unwrap_or(0);
        let vectored = setup.is_server() && !setup.traffic.compressed;
        let ws = connection(setup);
        let memory = vec![0; CORK_LEN.max(2 * longest + 128)];
        Self { ws, pipe: setup.pipe(), memory, messages, next: 0, vectored }
    }
}

impl Sending for Sender {
    fn send(&mut self, messages: u64, corked: u32) {
        let mut in_cork = 0;
        let mut out = FixedOutput::new(&mut self.memory);
        for _ in 0..messages {
            let message = black_box(&self.messages[self.next]);
            self.next = (self.next + 1) % self.messages.len();
            let payload = message.as_bytes();
            if self.vectored && payload.len() >= VECTORED_LEN {
                let header = self.ws.begin_binary(payload, true).expect("it is open");
                let parts = [IoSlice::new(header.as_bytes()), IoSlice::new(payload)];
                let written = self.pipe.write_vectored(&parts).expect("memory");
                assert_eq!(written, header.as_bytes().len() + payload.len());
                continue;
            }
            let sent = match message {
                Message::Text(text) => self.ws.send_text(text, &mut out),
                Message::Binary(data) => self.ws.send_binary(data, &mut out),
            };
            sent.expect("it is open");
            in_cork += 1;
            if in_cork == corked {
                self.pipe.write_all(out.filled()).expect("memory");
                out.clear();
                in_cork = 0;
            }
        }
    }
}

/// A client that masks what it sends where it is.
struct InPlace(Sender);

impl Sending for InPlace {
    fn send(&mut self, messages: u64, _: u32) {
        let Sender { ws, pipe, messages: payloads, next, .. } = &mut self.0;
        let count = payloads.len();
        for _ in 0..messages {
            let Message::Binary(payload) = &mut payloads[*next] else { panic!("text") };
            *next = (*next + 1) % count;
            let payload = black_box(payload.to_mut());
            let header = ws.begin_frame(MessageKind::Binary, payload, true).expect("it is open");
            let parts = [IoSlice::new(header.as_bytes()), IoSlice::new(payload)];
            let written = pipe.write_vectored(&parts).expect("memory");
            assert_eq!(written, header.as_bytes().len() + payload.len());
        }
    }
}

// ---- the opening handshake -----------------------------------------------------------

fn accept(request: &[u8], times: u64, sink: &Rc<RefCell<Sink>>) {
    let config = Arc::new(Config::default());
    let mut out = Vec::with_capacity(1024);
    let mut read = Vec::from(request);
    for _ in 0..times {
        let mut pipe = Pipe { source: crate::pipe::Source::once(&[]), sink: sink.clone() };
        read.copy_from_slice(black_box(request));
        let mut server = Server::new(config.clone());
        let request = server.receive(&read).expect("right").expect("complete");
        black_box(request.accept(&Accept::new(), &mut out).expect("there is room"));
        pipe.write_all(&out).expect("memory");
        out.clear();
    }
}

fn connect(_: &[u8], times: u64, sink: &Rc<RefCell<Sink>>) {
    let config = Arc::new(Config::default());
    let mut out = Vec::with_capacity(1024);
    let mut read = vec![0; 1024];
    for _ in 0..times {
        let mut pipe = Responder::new(sink);
        let request = ClientRequest::new(false, "example.com", 80, "/");
        // From a generator of the thread's, which the operating system has seeded.
        let seed = Seed::from_bytes(rand::random());
        let mut client = Client::new(request, seed, config.clone()).expect("right");
        client.write_request(&mut out).expect("there is room");
        pipe.write_all(&out).expect("memory");
        out.clear();
        let len = pipe.read(&mut read).expect("memory");
        match client.receive(&read[..len]).expect("right").expect("complete") {
            Reply::Accepted(response) => drop(black_box(response.open())),
            refused => panic!("{refused:?}"),
        }
    }
}
