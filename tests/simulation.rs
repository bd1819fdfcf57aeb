//! Two engines, a simulated wire, a virtual clock: random traffic, cuts,
//! delays and faults from a seed. A failing seed is replayed with
//! `SOCKEYE_SEED=N cargo test --test simulation`.

mod common;

use core::time::Duration;
use std::collections::VecDeque;
use std::sync::Arc;

use common::{Random, for_seeds};
use sockeye::{
    Assembler, Cause, CloseCode, Config, Connection, Incoming, Input, Instant, Message, Seed,
    SendError, Timeout,
};

const SEEDS: u64 = 3000;

/// One direction of the wire.
#[derive(Default)]
struct Pipe {
    /// Pieces on their way, and when each arrives.
    pieces: VecDeque<(Instant, Vec<u8>)>,
    /// The sender has ended its side.
    ended: bool,
    /// Nothing arrives any more, and nobody is told.
    stalled: bool,
}

/// One end of the connection.
struct End {
    ws: Connection,
    out: Vec<u8>,
    assembler: Assembler,
    /// Messages handed to the engine whole, and the one being sent in
    /// fragments.
    sent: Vec<Message<'static>>,
    fragments: Option<Message<'static>>,
    received: Vec<Message<'static>>,
    pings: usize,
    pongs: usize,
    /// Events of an end; more than one is a bug.
    ends: usize,
    /// The stream from the peer has ended.
    eof: bool,
}

impl End {
    fn new(ws: Connection) -> Self {
        Self {
            ws,
            out: Vec::new(),
            assembler: Assembler::new(),
            sent: Vec::new(),
            fragments: None,
            received: Vec::new(),
            pings: 0,
            pongs: 0,
            ends: 0,
            eof: false,
        }
    }

    fn receive(&mut self, mut bytes: Vec<u8>) {
        let mut input = Input::new(&mut bytes);
        while let Some(event) = self.ws.receive(&mut input, &mut self.out) {
            assert_eq!(self.ends, 0, "nothing comes after the end");
            match self.assembler.push(event) {
                None | Some(Incoming::Ping(_)) => {}
                Some(Incoming::Message(message)) => self.received.push(message.into_owned()),
                Some(Incoming::Pong(_)) => self.pongs += 1,
                Some(Incoming::Close(_)) => self.ends += 1,
                Some(other) => panic!("our own engine broke a rule: {other:?}"),
            }
        }
        assert!(input.is_empty());
    }

    /// A random command.
    fn act(&mut self, random: &mut Random) {
        let out = &mut self.out;
        let result = match random.below(10) {
            0..=2 => {
                let text = random_text(random);
                let result = self.ws.send_text(&text, out);
                if result.is_ok() {
                    self.sent.push(Message::from(text));
                }
                result
            }
            3..=5 => {
                let len = [0, 5, 125, 126, 300, 70_000][random.below(6)];
                let data = random.bytes(len);
                let result = self.ws.send_binary(&data, out);
                if result.is_ok() {
                    self.sent.push(Message::from(data));
                }
                result
            }
            6..=8 => self.send_fragment(random),
            _ => {
                let result = self.ws.send_ping(b"ping", out);
                self.pings += usize::from(result.is_ok());
                result
            }
        };
        match result {
            Ok(()) => {}
            Err(SendError::Closed) => assert!(!self.ws.is_open()),
            Err(SendError::FragmentInProgress) => assert!(self.fragments.is_some()),
            Err(error) => panic!("{error:?}"),
        }
    }

    fn send_fragment(&mut self, random: &mut Random) -> Result<(), SendError> {
        let fin = random.below(3) == 0;
        let begun = self.fragments.clone();
        let whole = match begun {
            Some(Message::Text(text)) => {
                // Cut inside the character half of the time.
                let piece = "\u{20ac}".as_bytes();
                let cut = random.below(4);
                self.ws.send_text_fragment(&piece[..cut], false, &mut self.out)?;
                self.ws.send_text_fragment(&piece[cut..], fin, &mut self.out)?;
                Message::from(format!("{text}\u{20ac}"))
            }
            Some(Message::Binary(data)) => {
                let len = random.below(200);
                let piece = random.bytes(len);
                self.ws.send_binary_fragment(&piece, fin, &mut self.out)?;
                Message::from([data.as_ref(), &piece].concat())
            }
            None if random.below(2) == 0 => {
                self.ws.send_text_fragment(b"begun", fin, &mut self.out)?;
                Message::from("begun").into_owned()
            }
            None => {
                self.ws.send_binary_fragment(b"", fin, &mut self.out)?;
                Message::from(Vec::new())
            }
        };
        if fin {
            self.fragments = None;
            self.sent.push(whole);
        } else {
            self.fragments = Some(whole);
        }
        Ok(())
    }
}

fn random_text(random: &mut Random) -> String {
    let chars = ["a", "\u{e9}", "\u{20ac}", "\u{1f41f}"];
    (0..random.below(40)).map(|_| chars[random.below(4)]).collect()
}

struct World {
    ends: [End; 2],
    /// `pipes[i]` leads from end `i` to the other.
    pipes: [Pipe; 2],
    now: Instant,
    random: Random,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut config = Config::default();
        config.ping_interval = Some(Duration::from_secs(5));
        config.pong_timeout = Duration::from_secs(5);
        let config = Arc::new(config);
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        let client = Connection::client(Seed::from_bytes(bytes), config.clone());
        Self {
            ends: [End::new(client), End::new(Connection::server(config))],
            pipes: Default::default(),
            now: Instant::from_epoch(Duration::ZERO),
            random: Random(seed),
        }
    }

    /// Puts what an end has to send on the wire, in pieces that arrive later.
    fn flush(&mut self, i: usize) {
        let out = std::mem::take(&mut self.ends[i].out);
        let pipe = &mut self.pipes[i];
        if pipe.ended {
            return;
        }
        let mut at = pipe.pieces.back().map_or(self.now, |(at, _)| (*at).max(self.now));
        let mut rest = out.as_slice();
        while !rest.is_empty() {
            let bound = [3, 20, 1000, 100_000][self.random.below(4)];
            let (piece, behind) = rest.split_at((1 + self.random.below(bound)).min(rest.len()));
            at = at + Duration::from_millis(self.random.below(20) as u64);
            // All delays of a flush together stay below the deadlines.
            at = at.min(self.now + Duration::from_millis(900));
            pipe.pieces.push_back((at, piece.to_vec()));
            rest = behind;
        }
        if self.ends[i].ws.should_close_transport() {
            pipe.ended = true;
        }
    }

    /// Delivers what has arrived, answers, and tells the time.
    fn pump(&mut self) {
        for i in 0..2 {
            self.flush(i);
            let pipe = &mut self.pipes[i];
            let end = &mut self.ends[1 - i];
            while !pipe.stalled && pipe.pieces.front().is_some_and(|(at, _)| *at <= self.now) {
                if let Some((_, piece)) = pipe.pieces.pop_front() {
                    end.receive(piece);
                }
            }
            if pipe.ended && pipe.pieces.is_empty() && !pipe.stalled && !end.eof {
                end.eof = true;
                let closed = end.ws.receive_eof();
                assert_eq!(end.ws.receive_eof(), closed);
            }
            end.ws.handle_timeout(self.now, &mut end.out);
        }
        for i in 0..2 {
            self.flush(i);
            let received = &self.ends[1 - i].received;
            let sent = &self.ends[i].sent;
            assert!(sent.starts_with(received), "received is a prefix of what was sent");
        }
    }

    fn pass(&mut self, millis: u64) {
        self.now = self.now + Duration::from_millis(millis);
        self.pump();
    }

    /// Random traffic.
    fn traffic(&mut self, steps: usize) {
        for _ in 0..steps {
            match self.random.below(4) {
                0 | 1 => {
                    let i = self.random.below(2);
                    let end = &mut self.ends[i];
                    end.act(&mut self.random);
                    if end.ws.wants_time() {
                        end.ws.note_time(self.now);
                    }
                }
                2 => {
                    let millis = self.random.below(300) as u64;
                    self.pass(millis);
                }
                _ => self.pump(),
            }
        }
    }
}

#[test]
fn without_faults_everything_arrives_and_closing_is_clean() {
    for_seeds("simulation", SEEDS, |seed| {
        let mut world = World::new(seed);
        world.traffic(40);
        // Now everything on its way arrives; then one side closes, or both.
        for _ in 0..20 {
            world.pass(100);
        }
        for i in 0..2 {
            assert_eq!(world.ends[i].sent, world.ends[1 - i].received);
            // The keep-alive may have asked too.
            assert!(world.ends[i].pongs >= world.ends[i].pings, "every Ping was answered");
            assert!(world.ends[i].ws.is_open());
            assert!(world.ends[i].ws.round_trip_time().is_some() || world.ends[i].pings == 0);
        }
        let closers = 1 + world.random.below(3);
        for i in 0..2 {
            if closers & (1 << i) != 0 {
                let code = CloseCode::new(4000 + i as u16);
                let End { ws, out, .. } = &mut world.ends[i];
                ws.close(Some(code), "done", out).unwrap();
            }
        }
        for _ in 0..30 {
            world.pass(100);
        }
        for i in 0..2 {
            let end = &world.ends[i];
            let closed = end.ws.closed().expect("closed");
            assert!(closed.is_clean() && end.eof && end.ws.should_close_transport());
            let code = if closers == 3 { 4000 + (1 - i) } else { 4000 + closers / 2 };
            assert_eq!(usize::from(closed.code().get()), code);
            assert_eq!(closed.cause(), Cause::ClosingHandshake);
        }
    });
}

#[test]
fn s7_1_4_a_transport_lost_at_any_moment_leaves_a_prefix_and_one_outcome() {
    for_seeds("simulation", SEEDS, |seed| {
        let mut world = World::new(seed);
        let steps = world.random.below(60);
        world.traffic(steps);
        // Of what is on its way, some still arrives: cut at any byte.
        for pipe in &mut world.pipes {
            pipe.ended = true;
            let keep = world.random.below(pipe.pieces.len() + 1);
            pipe.pieces.truncate(keep);
            if let Some((_, piece)) = pipe.pieces.back_mut() {
                piece.truncate(world.random.below(piece.len() + 1));
            }
        }
        for _ in 0..20 {
            world.pass(100);
        }
        for end in &mut world.ends {
            let closed = end.ws.closed().expect("closed");
            assert!(!closed.is_clean(), "nobody had closed");
            assert!(matches!(closed.cause(), Cause::EndOfStream { .. }), "{closed:?}");
            assert_eq!(closed.code(), CloseCode::ABNORMAL_CLOSURE);
            assert_eq!(end.ws.send_text("x", &mut end.out), Err(SendError::Closed));
        }
    });
}

#[test]
fn s5_5_2_a_wire_that_stalls_is_noticed_within_the_deadlines() {
    for_seeds("simulation", SEEDS, |seed| {
        let mut world = World::new(seed);
        world.traffic(20);
        // Either direction, or both.
        let stalled = 1 + world.random.below(3);
        let closes = world.random.below(2) == 0;
        for i in 0..2 {
            world.pipes[i].stalled = stalled & (1 << i) != 0;
        }
        if closes {
            let End { ws, out, .. } = &mut world.ends[0];
            ws.close(None, "", out).unwrap();
        }
        // Interval, Pong and the time to close, on both sides after another.
        for _ in 0..300 {
            world.pass(100);
        }
        for end in &world.ends {
            let closed = end.ws.closed().expect("within the deadlines");
            let expected = matches!(
                closed.cause(),
                Cause::Timeout(Timeout::Pong | Timeout::Close)
                    | Cause::EndOfStream { .. }
                    | Cause::ClosingHandshake
            );
            assert!(expected && end.ws.should_close_transport(), "{closed:?}");
        }
    });
}
