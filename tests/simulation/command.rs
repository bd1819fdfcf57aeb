//! What an application may ask of its end, as values: for scripts to spell out
//! and for seeds to draw.

use std::sync::LazyLock;

use sockeye::{CloseCode, MessageKind, ProtocolError};

use crate::common::{self, Frame, Random};

#[derive(Clone, Debug)]
pub enum Command {
    Abort,
    Binary(Vec<u8>),
    Close(Option<u16>, String),
    /// Whether the next message is compressed.
    #[cfg(feature = "deflate")]
    CompressNext(sockeye::deflate::Compress),
    /// With its header alone from the engine if `by_hand`. Begins a message, or
    /// goes on with the one that was begun, whatever its kind.
    Fragment {
        kind: MessageKind,
        payload: Vec<u8>,
        fin: bool,
        by_hand: bool,
    },
    /// Nothing that any engine would send, past the engine.
    Intrude(Intruder),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Prepared(String),
    Text(String),
}

/// What breaks a rule of section 5 wherever it stands.
#[derive(Clone, Copy, Debug)]
pub enum Intruder {
    CloseCode,
    ClosePayload,
    CloseReason,
    FragmentedPing,
    LongPing,
    /// A client's frame without a mask, a server's with one.
    Mask,
    ReservedOpcode,
    Rsv2,
    /// Text where none was begun, the next fragment where one was.
    Utf8,
}

impl Intruder {
    pub const ALL: [Self; 9] = [
        Self::CloseCode,
        Self::ClosePayload,
        Self::CloseReason,
        Self::FragmentedPing,
        Self::LongPing,
        Self::Mask,
        Self::ReservedOpcode,
        Self::Rsv2,
        Self::Utf8,
    ];

    /// Bytes of its frame that show it: no more may be waited for.
    pub fn noticed_after(self, error: &ProtocolError, len: usize) -> usize {
        match self {
            Self::Utf8 if *error == ProtocolError::MessageInProgress => 1,
            Self::FragmentedPing | Self::ReservedOpcode | Self::Rsv2 => 1,
            Self::LongPing | Self::Mask => 2,
            Self::CloseCode | Self::ClosePayload | Self::CloseReason | Self::Utf8 => len,
        }
    }

    /// The frame, and what the receiver must call it.
    pub fn frame(self) -> (Frame, ProtocolError) {
        let utf8 = [0xe2, 0x82, 0x28];
        match self {
            Self::CloseCode => (common::close(1005, ""), ProtocolError::CloseCodeInvalid),
            Self::ClosePayload => {
                (common::frame(common::CLOSE, [3]), ProtocolError::ClosePayloadTruncated)
            }
            Self::CloseReason => (common::close(1000, utf8), ProtocolError::CloseReasonNotUtf8),
            Self::FragmentedPing => {
                (common::fragment(common::PING, "x"), ProtocolError::ControlFrameFragmented)
            }
            Self::LongPing => (common::ping([0; 126]), ProtocolError::ControlFrameTooLong),
            Self::Mask => (common::ping("x"), ProtocolError::MaskedByServer),
            Self::ReservedOpcode => (common::frame(0x3, "x"), ProtocolError::ReservedOpcode),
            Self::Rsv2 => (common::ping("x").rsv(2), ProtocolError::ReservedBits),
            Self::Utf8 => (common::frame(common::TEXT, utf8), ProtocolError::TextNotUtf8),
        }
    }
}

/// What payloads are cut from: noise, and text in characters of all lengths.
static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| Random(1).bytes(LONGEST + 1024));
static PROSE: LazyLock<String> = LazyLock::new(|| {
    let mut random = Random(2);
    let words = ["a", "word ", "caf\u{e9} ", "10 \u{20ac} ", "\u{1f41f}", "the quick brown fox "];
    let mut prose = String::new();
    while prose.len() < LONGEST + 1024 {
        prose.push_str(words[random.below(words.len())]);
    }
    prose
});
const LONGEST: usize = 66_000;

/// Makes what is made on first use.
pub fn prepare() {
    LazyLock::force(&NOISE);
    LazyLock::force(&PROSE);
}

fn below_char(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Lengths around every border that a frame has, and rarely long ones.
fn len(random: &mut Random) -> usize {
    const SHORT: [usize; 12] = [0, 1, 2, 5, 20, 63, 64, 100, 125, 126, 127, 300];
    const LONG: [usize; 6] = [1000, 4096, 5000, 17_000, 65_535, 65_536];
    match random.below(64) {
        0 => LONG[random.below(LONG.len())],
        1..=3 => random.below(2000),
        _ => SHORT[random.below(SHORT.len())],
    }
}

fn bytes(random: &mut Random) -> Vec<u8> {
    let (from, len) = (random.below(1024), len(random));
    let source = if random.below(2) == 0 { &NOISE } else { PROSE.as_bytes() };
    source[from..from + len].to_vec()
}

fn text(random: &mut Random) -> String {
    let (from, len) = (random.below(1000), len(random));
    let from = below_char(&PROSE, from);
    PROSE[from..below_char(&PROSE, from + len)].to_owned()
}

fn control(random: &mut Random) -> Vec<u8> {
    let len = [0, 1, 4, 8, 125][random.below(5)];
    let from = random.below(1024);
    NOISE[from..from + len].to_vec()
}

pub fn close(random: &mut Random) -> Command {
    match random.below(4) {
        0 => Command::Close(None, String::new()),
        1 => Command::Close(Some(1000), text(random)),
        _ => Command::Close(Some(3000 + random.below(2000) as u16), "done".into()),
    }
}

/// What goes on all the time.
pub fn traffic(random: &mut Random) -> Command {
    match random.below(16) {
        0..=2 => Command::Text(text(random)),
        3..=5 => Command::Binary(bytes(random)),
        6..=10 => {
            let (fin, by_hand) = (random.below(3) == 0, random.below(6) == 0);
            if random.below(2) == 0 {
                let payload = text(random).into_bytes();
                Command::Fragment { kind: MessageKind::Text, payload, fin, by_hand }
            } else {
                let payload = bytes(random);
                Command::Fragment { kind: MessageKind::Binary, payload, fin, by_hand }
            }
        }
        11..=12 => Command::Ping(control(random)),
        13 => Command::Pong(control(random)),
        14 => Command::Prepared(text(random)),
        _ => choose(random),
    }
}

#[cfg(feature = "deflate")]
fn choose(random: &mut Random) -> Command {
    use sockeye::deflate::Compress;
    Command::CompressNext([Compress::Auto, Compress::No, Compress::Yes][random.below(3)])
}

#[cfg(not(feature = "deflate"))]
fn choose(random: &mut Random) -> Command {
    Command::Ping(control(random))
}

pub fn code(code: Option<u16>) -> Option<CloseCode> {
    code.map(CloseCode::new)
}
