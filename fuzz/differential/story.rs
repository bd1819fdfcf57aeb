//! What a run of an engine shows, in words that both have.

use crate::bodies::wire::Frame;
use sockeye::frame::Opcode;

#[derive(Debug, Default, PartialEq)]
pub struct Story {
    pub heard: Vec<Heard>,
    pub end: End,
    /// The frame after which it heard nothing more, counted from 0.
    pub stopped_at: Option<usize>,
    /// What it put on the wire.
    pub sent: Vec<u8>,
    /// Our engine's own word for a refusal.
    pub error: Option<sockeye::ProtocolError>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum End {
    /// There was nothing more to hear.
    #[default]
    OfStream,
    /// A Close frame came.
    Closed,
    /// The peer broke a rule; the close code for it.
    Refused(u16),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

impl Heard {
    /// What a well-formed frame of a whole message says.
    pub fn of_frame(frame: Frame) -> Self {
        assert!(frame.fin, "neither engine was asked for fragments");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("sent as text");
        match (frame.opcode, frame.payload.as_slice()) {
            (Opcode::TEXT, payload) => Self::Text(text(payload)),
            (Opcode::BINARY, _) => Self::Binary(frame.payload),
            (Opcode::PING, _) => Self::Ping(frame.payload),
            (Opcode::PONG, _) => Self::Pong(frame.payload),
            (Opcode::CLOSE, &[a, b, ref reason @ ..]) => {
                Self::Close(Some((u16::from_be_bytes([a, b]), text(reason))))
            }
            (Opcode::CLOSE, []) => Self::Close(None),
            other => panic!("{other:?}"),
        }
    }
}
