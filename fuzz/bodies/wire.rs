//! What an engine has put on the wire, read by the definition.

use sockeye::frame::{self, Opcode};
use sockeye::mask;

const RSV1: u8 = 0x40;

#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    pub fin: bool,
    /// RSV1 (RFC 7692, section 6).
    pub compressed: bool,
    pub opcode: Opcode,
    pub payload: Vec<u8>,
}

impl Frame {
    /// A frame of its own.
    pub fn new(opcode: Opcode, payload: impl Into<Vec<u8>>) -> Self {
        Self { fin: true, compressed: false, opcode, payload: payload.into() }
    }
}

/// The frames in what an engine sent that has agreed on no extension. Fails
/// unless they are whole, and masked as section 5.1 demands of the role.
pub fn frames(bytes: &[u8], by_client: bool) -> Vec<Frame> {
    let frames = compressed_frames(bytes, by_client);
    assert!(!frames.iter().any(|frame| frame.compressed), "section 5.2: no extension is in use");
    frames
}

/// The same of one that may compress.
pub fn compressed_frames(mut bytes: &[u8], by_client: bool) -> Vec<Frame> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (header, len) = frame::decode(bytes).expect("well-formed").expect("a whole header");
        assert_eq!(header.mask.is_some(), by_client, "section 5.1: a client masks, a server not");
        assert_eq!(header.rsv & !RSV1, 0, "section 5.2: no extension defines them");
        let end = len + usize::try_from(header.len).expect("what has been sent is in memory");
        let mut payload = bytes[len..end].to_vec();
        mask::apply_by_definition(&mut payload, header.mask.unwrap_or_default());
        let compressed = header.rsv & RSV1 != 0;
        frames.push(Frame { fin: header.fin, compressed, opcode: header.opcode, payload });
        bytes = &bytes[end..];
    }
    frames
}
