//! What an engine appends, looked at frame by frame as soon as it is there.

use sockeye::frame::{self, FrameHeader, Opcode};
use sockeye::{Output, mask};

use super::invariants;
use super::log::{Log, Sent};

/// An output with room for so many bytes, and the log of all that went
/// through it.
#[derive(Debug)]
pub struct Outgoing {
    bytes: Vec<u8>,
    room: usize,
    is_client: bool,
    /// Where the call in progress began to append.
    from: usize,
    pub log: Log,
}

/// A frame that an engine has appended.
#[derive(Debug)]
pub struct Appended {
    pub header: FrameHeader,
    /// Of a control frame, unmasked.
    pub payload: Vec<u8>,
}

impl Outgoing {
    pub fn new(is_client: bool, room: usize) -> Self {
        Self { bytes: Vec::new(), room, is_client, from: 0, log: Log::default() }
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The first bytes are on the wire.
    pub fn flushed(&mut self, len: usize) {
        self.bytes.drain(..len);
    }

    /// A call begins that appends at most `len` bytes: what it allocates
    /// besides is the engine's.
    pub fn begin(&mut self, len: usize) {
        self.from = self.bytes.len();
        self.bytes.reserve(len);
    }

    /// The frame that the call has appended, if it has; one is all that any
    /// call may append.
    pub fn appended(&mut self) -> Option<Appended> {
        let bytes = &self.bytes[self.from..];
        if bytes.is_empty() {
            return None;
        }
        invariants::nothing_follows_a_close(self.log.is_closed);
        let decoded = frame::decode(bytes).expect("a frame well formed");
        let (header, header_len) = decoded.expect("a header that is whole");
        assert_eq!(header.mask.is_some(), self.is_client, "section 5.1: clients mask");
        assert_eq!(header_len as u64 + header.len, bytes.len() as u64, "one frame, and whole");
        let mut payload = Vec::new();
        if header.opcode.is_control() {
            assert!(header.fin && header.len <= 125 && header.rsv == 0, "section 5.5: {header:?}");
            payload.extend_from_slice(&bytes[header_len..]);
            mask::apply_by_definition(&mut payload, header.mask.unwrap_or_default());
        }
        let data_fin = (!header.opcode.is_control()).then_some(header.fin);
        self.log.frame(bytes.len(), data_fin);
        self.from = self.bytes.len();
        Some(Appended { header, payload })
    }

    /// The control frame that the call has appended, entered in the log.
    pub fn appended_control(&mut self) -> Option<(Opcode, Vec<u8>)> {
        let Appended { header, payload } = self.appended()?;
        self.log.push(match header.opcode {
            Opcode::PING => Sent::Ping(payload.clone()),
            Opcode::PONG => Sent::Pong(payload.clone()),
            Opcode::CLOSE => Sent::Close(payload.clone()),
            other => panic!("nobody asked for a frame of {other:?}"),
        });
        Some((header.opcode, payload))
    }

    /// Puts a frame between two others that no engine would send. Its receiver
    /// notices after so many bytes of it.
    pub fn intrude(&mut self, bytes: &[u8], violation: Sent, noticed_after: usize) {
        let there_at = self.log.len() + noticed_after as u64;
        self.bytes.extend_from_slice(bytes);
        self.log.frame(bytes.len(), None);
        self.log.push_at(violation, there_at);
    }
}

impl Output for Outgoing {
    fn has_room(&self, len: usize) -> bool {
        self.bytes.len().saturating_add(len) <= self.room
    }

    fn append(&mut self, bytes: &[u8]) -> &mut [u8] {
        assert!(self.has_room(bytes.len()), "an engine asks before it appends");
        Output::append(&mut self.bytes, bytes)
    }
}
