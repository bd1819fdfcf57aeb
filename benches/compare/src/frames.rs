//! Frames made and read by hand (RFC 6455, section 5.2): none of the engines
//! makes what another is measured with.

use std::rc::Rc;

use flate2::{Compress, Compression, FlushCompress, Status};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text = 1,
    Binary = 2,
}

/// What messages are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    Binary,
    Ascii,
    /// Characters of three bytes each, with some ASCII between them.
    Cjk,
    /// What a chat or a feed of prices sends.
    Json,
}

impl Content {
    pub fn kind(self) -> Kind {
        match self {
            Self::Binary => Kind::Binary,
            _ => Kind::Text,
        }
    }

    /// `len` bytes of it, different for each `seed`.
    pub fn make(self, len: usize, seed: u64) -> Vec<u8> {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let mut bytes = Vec::with_capacity(len + 100);
        while bytes.len() < len {
            match self {
                Self::Binary => bytes.push(random.number() as u8),
                Self::Ascii => bytes.push(b' ' + (random.number() % 95) as u8),
                Self::Cjk if len - bytes.len() < 3 || random.number().is_multiple_of(16) => {
                    bytes.push(b'a')
                }
                Self::Cjk => {
                    let char = char::from_u32(0x4E00 + (random.number() % 0x5000) as u32);
                    bytes.extend(char.expect("CJK").encode_utf8(&mut [0; 4]).bytes());
                }
                Self::Json => {
                    let (id, price) = (random.number(), random.number() % 100_000);
                    let size = random.number() % 1000;
                    let trade = format!(
                        "{{\"type\":\"trade\",\"id\":{id},\"price\":{price},\"size\":{size}}},"
                    );
                    bytes.extend(trade.bytes());
                }
            }
        }
        bytes.truncate(len);
        bytes
    }
}

/// Enough to tell messages apart.
pub struct Random(pub u64);

impl Random {
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        self.0 >> 33
    }
}

/// What a peer sends, over and over.
#[derive(Clone)]
pub struct Traffic {
    pub content: Content,
    pub messages: Rc<[Vec<u8>]>,
    /// As it is on the wire.
    pub wire: Rc<[u8]>,
    /// Bytes of the longest read: a read ends at every multiple of it.
    pub read_len: usize,
    pub fragmented: bool,
    pub compressed: bool,
}

/// Bytes that a socket has at once, at most.
pub const READ_LEN: usize = 64 << 10;

/// Bytes of traffic after which it comes again: what can be in sockets, and
/// stays in the second-level cache.
const WIRE_LEN: usize = 256 << 10;

impl Traffic {
    /// Messages of `len` bytes, one behind the other.
    pub fn whole(content: Content, len: usize, masked: bool) -> Self {
        let count = (WIRE_LEN / (len + 14)).max(1);
        Self::new(content, len, count, masked, |opcode, message, key| {
            frame(true, opcode, key, message)
        })
    }

    /// The same, with one frame in each read.
    pub fn single(content: Content, len: usize, masked: bool) -> Self {
        let mut traffic = Self::whole(content, len, masked);
        traffic.read_len = traffic.wire.len() / traffic.messages.len();
        traffic
    }

    /// Messages in fragments of so many bytes: characters are cut by most of
    /// their ends.
    pub fn fragmented(content: Content, len: usize, fragment: usize, masked: bool) -> Self {
        let count = (WIRE_LEN / len).max(1);
        let mut traffic = Self::new(content, len, count, masked, |opcode, message, key| {
            let mut bytes = Vec::new();
            let last = message.len().div_ceil(fragment) - 1;
            for (i, piece) in message.chunks(fragment).enumerate() {
                let opcode = if i == 0 { opcode } else { 0 };
                bytes.extend(frame(i == last, opcode, key, piece));
            }
            bytes
        });
        traffic.fragmented = true;
        traffic
    }

    /// Messages compressed, each for itself (RFC 7692).
    pub fn compressed(len: usize, masked: bool) -> Self {
        let count = WIRE_LEN / len;
        let mut traffic = Self::new(Content::Json, len, count, masked, |opcode, message, key| {
            frame(true, opcode | 0x40, key, &deflate(message))
        });
        traffic.compressed = true;
        traffic
    }

    fn new(
        content: Content,
        len: usize,
        count: usize,
        masked: bool,
        mut encode: impl FnMut(u8, &[u8], Option<[u8; 4]>) -> Vec<u8>,
    ) -> Self {
        let (mut wire, mut messages, mut random) = (Vec::new(), Vec::new(), Random(len as u64));
        for seed in 0..count {
            let message = content.make(len, seed as u64);
            let key = (random.number() as u32 | 1).to_ne_bytes();
            wire.extend(encode(content.kind() as u8, &message, masked.then_some(key)));
            messages.push(message);
        }
        let (wire, messages) = (wire.into(), messages.into());
        let (fragmented, compressed) = (false, false);
        Self { content, messages, wire, read_len: READ_LEN, fragmented, compressed }
    }
}

/// A frame, masked if there is a key. `opcode` may have reserved bits with it.
pub fn frame(fin: bool, opcode: u8, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![opcode | u8::from(fin) << 7];
    let mask_bit = u8::from(key.is_some()) << 7;
    match payload.len() {
        len @ 0..=125 => bytes.push(mask_bit | len as u8),
        len @ 126..=0xFFFF => {
            bytes.push(mask_bit | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        len => {
            bytes.push(mask_bit | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes.extend(key.unwrap_or_default().iter().take(if key.is_some() { 4 } else { 0 }));
    let key = key.unwrap_or_default();
    bytes.extend(payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]));
    bytes
}

/// A frame that was sent: its first byte, whether it is masked, its payload.
pub struct Sent {
    pub first: u8,
    pub masked: bool,
    pub payload: Vec<u8>,
}

/// Takes a whole frame from the front of `bytes`.
pub fn parse(bytes: &mut &[u8]) -> Option<Sent> {
    let mut rest = *bytes;
    let [first, second] = *rest.split_off(..2)? else { return None };
    let len = match second & 0x7F {
        126 => u16::from_be_bytes(rest.split_off(..2)?.try_into().ok()?).into(),
        127 => u64::from_be_bytes(rest.split_off(..8)?.try_into().ok()?),
        len => len.into(),
    };
    let masked = second & 0x80 != 0;
    let key = if masked { rest.split_off(..4)? } else { &[0; 4] };
    let payload = rest.split_off(..usize::try_from(len).ok()?)?;
    let payload = payload.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect();
    *bytes = rest;
    Some(Sent { first, masked, payload })
}

/// RFC 7692, section 7.2.1.
pub fn deflate(message: &[u8]) -> Vec<u8> {
    let mut compress = Compress::new(Compression::new(6), false);
    let mut bytes = Vec::with_capacity(message.len() + 100);
    let status = compress.compress_vec(message, &mut bytes, FlushCompress::Sync);
    assert!(matches!(status, Ok(Status::Ok)) && bytes.ends_with(&[0, 0, 0xFF, 0xFF]));
    bytes.truncate(bytes.len() - 4);
    bytes
}

/// RFC 7692, section 7.2.2.
pub fn inflate(payload: &[u8], len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 100);
    let payload = [payload, &[0, 0, 0xFF, 0xFF]].concat();
    let mut decompress = flate2::Decompress::new(false);
    let status = decompress.decompress_vec(&payload, &mut bytes, flate2::FlushDecompress::Sync);
    assert!(status.is_ok());
    bytes
}
