//! A small language for protocol tests: an engine, the bytes it receives, what
//! it then tells and sends.
//!
//! Every run is made whole, byte by byte, cut at random, and with an output
//! that is always nearly full; all must tell the same story.

#![allow(dead_code)] // each test uses some of it

use std::sync::Arc;

use sockeye::{
    CloseCode, Closed, Config, Connection, Event, FixedOutput, Input, Output, ProtocolError, Seed,
    frame, mask,
};

// ---- bytes -----------------------------------------------------------------

pub const CONTINUATION: u8 = 0x0;
pub const TEXT: u8 = 0x1;
pub const BINARY: u8 = 0x2;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xA;

const FIN: u8 = 0x80;
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame to be put on the wire, by a peer that may do anything.
#[derive(Clone, Debug)]
pub struct Frame {
    first: u8,
    payload: Vec<u8>,
}

/// A frame with FIN.
pub fn frame(opcode: u8, payload: impl AsRef<[u8]>) -> Frame {
    Frame { first: FIN | opcode, payload: payload.as_ref().to_vec() }
}

/// A frame without FIN.
pub fn fragment(opcode: u8, payload: impl AsRef<[u8]>) -> Frame {
    Frame { first: opcode, payload: payload.as_ref().to_vec() }
}

pub fn text(text: &str) -> Frame {
    frame(TEXT, text)
}

pub fn binary(data: impl AsRef<[u8]>) -> Frame {
    frame(BINARY, data)
}

pub fn ping(payload: impl AsRef<[u8]>) -> Frame {
    frame(PING, payload)
}

pub fn pong(payload: impl AsRef<[u8]>) -> Frame {
    frame(PONG, payload)
}

pub fn close(code: u16, reason: impl AsRef<[u8]>) -> Frame {
    frame(CLOSE, [&code.to_be_bytes(), reason.as_ref()].concat())
}

pub fn empty_close() -> Frame {
    frame(CLOSE, "")
}

impl Frame {
    /// With these RSV bits (0 to 7).
    pub fn rsv(mut self, bits: u8) -> Self {
        self.first |= bits << 4;
        self
    }

    /// With the bit "Per-Message Compressed" (RFC 7692, section 6).
    pub fn compressed(self) -> Self {
        self.rsv(4)
    }

    pub fn unmasked(&self) -> Vec<u8> {
        self.encode(None)
    }

    pub fn masked(&self) -> Vec<u8> {
        self.encode(Some(KEY))
    }

    fn encode(&self, key: Option<[u8; 4]>) -> Vec<u8> {
        let len = self.payload.len();
        let mask_bit = if key.is_some() { 0x80 } else { 0 };
        let mut bytes = vec![self.first];
        match len {
            0..=125 => bytes.push(mask_bit | len as u8),
            126..=0xFFFF => {
                bytes.push(mask_bit | 126);
                bytes.extend((len as u16).to_be_bytes());
            }
            _ => {
                bytes.push(mask_bit | 127);
                bytes.extend((len as u64).to_be_bytes());
            }
        }
        bytes.extend(key.iter().flatten());
        let start = bytes.len();
        bytes.extend(&self.payload);
        mask::apply_by_definition(&mut bytes[start..], key.unwrap_or_default());
        bytes
    }
}

/// A header with this first byte that announces `len` bytes in 8 bytes, whether
/// it may or not; masked for a server.
pub fn announce(first: u8, len: u64, masked: bool) -> Vec<u8> {
    let mut bytes = vec![first, if masked { 0xff } else { 0x7f }];
    bytes.extend(len.to_be_bytes());
    bytes.extend(if masked { &KEY[..] } else { &[] });
    bytes
}

/// The frames in what an engine sent: first byte and payload, unmasked. Fails
/// if they are not whole, or not masked as the role demands.
pub fn sent_frames(mut bytes: &[u8], by_client: bool) -> Vec<(u8, Vec<u8>)> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (header, len) = frame::decode(bytes).expect("well-formed").expect("a whole header");
        assert_eq!(header.mask.is_some(), by_client, "section 5.1: a client masks, a server not");
        let end = len + usize::try_from(header.len).unwrap();
        let mut payload = bytes[len..end].to_vec();
        mask::apply_by_definition(&mut payload, header.mask.unwrap_or_default());
        frames.push((bytes[0], payload));
        bytes = &bytes[end..];
    }
    frames
}

// ---- stories -----------------------------------------------------------------

/// What an engine told, chunks put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Text(String),
    Binary(Vec<u8>),
    /// The beginning of a message that was not completed.
    PartOfText(String),
    PartOfBinary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    Failed(ProtocolError),
}

pub fn told_text(text: &str) -> Told {
    Told::Text(text.into())
}

pub fn told_close(code: u16, reason: &str) -> Told {
    Told::Close(Some(code), reason.into())
}

/// Everything that one run shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Story {
    pub told: Vec<Told>,
    pub out: Vec<u8>,
    pub closed: Option<Closed>,
    pub should_close_transport: bool,
    is_client: bool,
}

impl Story {
    /// The engine told exactly this.
    #[track_caller]
    pub fn tells(&self, expected: impl IntoIterator<Item = Told>) -> &Self {
        let expected: Vec<Told> = expected.into_iter().collect();
        assert_eq!(self.told, expected);
        self
    }

    /// The engine sent exactly these frames.
    #[track_caller]
    pub fn sends(&self, expected: impl IntoIterator<Item = Frame>) -> &Self {
        let expected: Vec<_> = expected.into_iter().map(|f| (f.first, f.payload)).collect();
        assert_eq!(sent_frames(&self.out, self.is_client), expected);
        self
    }

    /// The peer broke this rule: told last, and answered with its code alone.
    #[track_caller]
    pub fn fails(&self, error: ProtocolError) -> &Self {
        assert_eq!(self.told.last(), Some(&Told::Failed(error)));
        let last = sent_frames(&self.out, self.is_client).pop();
        let code = error.close_code().get().to_be_bytes().to_vec();
        assert_eq!(last, Some((FIN | CLOSE, code)), "the Close frame of 7.1.7");
        let closed = self.closed.expect("it is over");
        assert!(!closed.is_clean());
        assert_eq!(closed.cause(), sockeye::Cause::Protocol(error));
        assert!(self.should_close_transport);
        self
    }
}

/// Scratch room that is enough for one chunk.
const SCRATCH_LEN: usize = 16 << 10;

/// An engine to be given bytes.
#[derive(Clone)]
pub struct Engine {
    pub is_client: bool,
    pub config: Config,
    /// Sent before anything is received.
    pub close_first: bool,
    /// What was agreed on about compression.
    #[cfg(feature = "deflate")]
    pub deflate: Option<sockeye::deflate::Params>,
}

pub fn server() -> Engine {
    Engine {
        is_client: false,
        config: Config::default(),
        close_first: false,
        #[cfg(feature = "deflate")]
        deflate: None,
    }
}

pub fn client() -> Engine {
    Engine { is_client: true, ..server() }
}

/// Both roles, for rules that are blind to them.
pub fn both() -> [Engine; 2] {
    [server(), client()]
}

/// The same, having agreed on compression as the RFC has it by default.
#[cfg(feature = "deflate")]
pub fn both_compressing() -> [Engine; 2] {
    both().map(|engine| engine.compressing(sockeye::deflate::Params::default()))
}

impl Engine {
    pub fn with(mut self, set: impl FnOnce(&mut Config)) -> Self {
        set(&mut self.config);
        self
    }

    /// Has sent a Close frame with code 1000 already.
    pub fn closing(mut self) -> Self {
        self.close_first = true;
        self
    }

    /// Has agreed on compression.
    #[cfg(feature = "deflate")]
    pub fn compressing(mut self, params: sockeye::deflate::Params) -> Self {
        self.deflate = Some(params);
        self
    }

    /// Has agreed on compression, put another way: for what this engine sends,
    /// and for what it receives, whether contexts are kept from message to
    /// message, and the bits of the window.
    #[cfg(feature = "deflate")]
    pub fn streams(self, sends: (bool, u8), receives: (bool, u8)) -> Self {
        use sockeye::deflate::{Params, WindowBits};
        let (server, client) = if self.is_client { (receives, sends) } else { (sends, receives) };
        let bits = |(_, bits)| WindowBits::new(bits).unwrap();
        self.compressing(Params {
            server_no_context_takeover: !server.0,
            client_no_context_takeover: !client.0,
            server_max_window_bits: bits(server),
            client_max_window_bits: bits(client),
        })
    }

    pub fn connection(&self) -> Connection {
        let config = Arc::new(self.config.clone());
        let ws = if self.is_client {
            Connection::client(Seed::from_bytes([7; 32]), config)
        } else {
            Connection::server(config)
        };
        #[cfg(feature = "deflate")]
        if let Some(params) = self.deflate {
            return ws.with_deflate(params);
        }
        ws
    }

    /// The frames as the peer of this engine has to send them.
    pub fn peer_sends(&self, frames: impl IntoIterator<Item = Frame>) -> Vec<u8> {
        let encode = |f: Frame| if self.is_client { f.unmasked() } else { f.masked() };
        frames.into_iter().flat_map(encode).collect()
    }

    /// Receives frames in every way of cutting.
    #[track_caller]
    pub fn receives(&self, frames: impl IntoIterator<Item = Frame>) -> Story {
        self.receives_bytes(&self.peer_sends(frames))
    }

    /// Receives bytes in every way of cutting.
    #[track_caller]
    pub fn receives_bytes(&self, bytes: &[u8]) -> Story {
        let whole = self.run(bytes, |_| usize::MAX, false, SCRATCH_LEN);
        let mut ways = vec![
            ("byte by byte", self.run(bytes, |_| 1, false, SCRATCH_LEN)),
            ("into a full output", self.run(bytes, |_| usize::MAX, true, SCRATCH_LEN)),
            ("byte by byte into a full output", self.run(bytes, |_| 1, true, SCRATCH_LEN)),
            ("into little scratch room", {
                self.run(bytes, |_| usize::MAX, false, Input::MIN_SCRATCH)
            }),
            ("into little scratch room and a full output", {
                self.run(bytes, |_| usize::MAX, true, Input::MIN_SCRATCH)
            }),
        ];
        for seed in 1..9 {
            let mut random = Random(seed);
            let scratch_len = Input::MIN_SCRATCH + random.below(100);
            ways.push(("cut at random", self.run(bytes, |_| random.below(9), false, scratch_len)));
        }
        for (way, story) in ways {
            assert_eq!(story, whole, "{way}");
        }
        whole
    }

    /// Receives frames in one piece: for long ones.
    #[track_caller]
    pub fn receives_whole(&self, frames: impl IntoIterator<Item = Frame>) -> Story {
        self.receives_bytes_whole(&self.peer_sends(frames))
    }

    /// Receives bytes in one piece.
    #[track_caller]
    pub fn receives_bytes_whole(&self, bytes: &[u8]) -> Story {
        self.run(bytes, |_| usize::MAX, false, SCRATCH_LEN)
    }

    /// One run; `cut` says how many bytes come next.
    fn run(
        &self,
        bytes: &[u8],
        mut cut: impl FnMut(usize) -> usize,
        tight: bool,
        scratch_len: usize,
    ) -> Story {
        let mut ws = self.connection();
        let mut out = Vec::new();
        if self.close_first {
            ws.close(Some(CloseCode::NORMAL_CLOSURE), "", &mut out).unwrap();
        }
        let mut told = Vec::new();
        let mut scratch = vec![0; scratch_len];
        let mut at = 0;
        while at < bytes.len() {
            let end = at.saturating_add(cut(at).max(1)).min(bytes.len());
            let mut piece = bytes[at..end].to_vec();
            let mut rest = &mut piece[..];
            at = end;
            loop {
                let mut input = Input::with_scratch(rest, &mut scratch);
                if tight {
                    // Just the room that is promised to be enough.
                    let mut memory = [0; FixedOutput::MIN_LEN];
                    let mut fixed = FixedOutput::new(&mut memory);
                    drain(&mut ws, &mut input, &mut fixed, &mut told);
                    out.extend_from_slice(fixed.filled());
                } else {
                    drain(&mut ws, &mut input, &mut out, &mut told);
                }
                if !ws.wants_room() && !ws.wants_scratch() {
                    assert!(input.is_empty(), "input left though nothing is wanted");
                    assert!(!ws.is_inflating(), "there is more, and nothing is wanted");
                    break;
                }
                assert!(tight || !ws.wants_room(), "no output has more room than this");
                let left = input.len();
                let start = piece.len() - left;
                rest = &mut piece[start..];
            }
        }
        Story {
            told,
            out,
            closed: ws.closed(),
            should_close_transport: ws.should_close_transport(),
            is_client: self.is_client,
        }
    }
}

/// Takes all events that there are; puts chunks together in `told`.
pub fn drain(
    ws: &mut Connection,
    input: &mut Input<'_>,
    out: &mut (impl Output + ?Sized),
    told: &mut Vec<Told>,
) {
    while let Some(event) = ws.receive(input, out) {
        match event {
            Event::Text(chunk) => {
                let part = if chunk.is_first() {
                    String::new()
                } else {
                    let at = told.iter().rposition(|t| matches!(t, Told::PartOfText(_)));
                    match told.remove(at.expect("a chunk before this one")) {
                        Told::PartOfText(part) => part,
                        _ => unreachable!(),
                    }
                };
                let whole = part + chunk.as_str();
                let last = chunk.is_last();
                told.push(if last { Told::Text(whole) } else { Told::PartOfText(whole) });
            }
            Event::Binary(chunk) => {
                let mut part = if chunk.is_first() {
                    Vec::new()
                } else {
                    let at = told.iter().rposition(|t| matches!(t, Told::PartOfBinary(_)));
                    match told.remove(at.expect("a chunk before this one")) {
                        Told::PartOfBinary(part) => part,
                        _ => unreachable!(),
                    }
                };
                part.extend_from_slice(chunk.as_bytes());
                let last = chunk.is_last();
                told.push(if last { Told::Binary(part) } else { Told::PartOfBinary(part) });
            }
            Event::Ping(payload) => told.push(Told::Ping(payload.to_vec())),
            Event::Pong(payload) => told.push(Told::Pong(payload.to_vec())),
            Event::Close(frame) => {
                told.push(Told::Close(frame.code().map(CloseCode::get), frame.reason().into()));
            }
            Event::Failed(error) => told.push(Told::Failed(error)),
            other => panic!("unknown event {other:?}"),
        }
    }
}

/// A small generator of numbers, the same in every run.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// Runs `story` for so many seeds; says which one failed, and how to run it
/// again by the `test` program.
pub fn for_seeds(test: &str, count: u64, story: impl Fn(u64)) {
    if let Ok(seed) = std::env::var("SOCKEYE_SEED") {
        return story(seed.parse().expect("SOCKEYE_SEED is a number"));
    }
    for seed in 0..count {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| story(seed)));
        if let Err(panic) = result {
            eprintln!("replay with: SOCKEYE_SEED={seed} cargo test --all-features --test {test}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// Runs with `len` bytes whole, byte by byte and cut at random: `run` is told
/// how many come next, and must give the same each time.
pub fn any_cut<T: PartialEq + std::fmt::Debug>(
    len: usize,
    run: impl Fn(&mut dyn FnMut() -> usize) -> T,
) -> T {
    let whole = run(&mut || len);
    assert_eq!(run(&mut || 1), whole, "byte by byte");
    for seed in 0..8 {
        let mut random = Random(seed);
        assert_eq!(run(&mut || 1 + random.below(20)), whole, "cut at random");
    }
    whole
}
