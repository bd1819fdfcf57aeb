//! Masking (RFC 6455, section 5.3) against its definition.
//!
//! Input: four bytes of key, and the payload. Its first four bytes also say how
//! long a payload is made of it, by saying it again and again: see [`Long`].

use super::cut::Cut;
use sockeye::mask::{apply, apply_by_definition};
use sockeye::{FixedOutput, Output};

pub fn mask(data: &[u8]) {
    let Some((&key, payload)) = data.split_first_chunk::<4>() else { return };
    let mut expected = payload.to_vec();
    apply_by_definition(&mut expected, key);

    for cut in Cut::ALL {
        let mut masked = payload.to_vec();
        let mut next = key;
        let mut start = 0;
        for end in cut.ends(payload) {
            next = apply(&mut masked[start..end], next);
            start = end;
        }
        assert_eq!(masked, expected, "{cut:?}");
        let mut turned = key;
        turned.rotate_left(payload.len() % 4);
        assert_eq!(next, turned, "{cut:?}");
    }

    // At every alignment in memory, which is what vector code cares for.
    for offset in 0..payload.len().min(8) {
        let mut masked = payload.to_vec();
        apply(&mut masked[offset..], key);
        assert_eq!(&masked[..offset], &payload[..offset]);
        apply_by_definition(&mut masked[offset..], key);
        assert_eq!(masked, payload, "twice is not at all");
    }

    appended(payload, &expected, key);
    if let Some(long) = Long::new(payload) {
        long.check(key);
    }
}

/// In a frame, masked on the way or not.
fn appended(payload: &[u8], masked: &[u8], key: [u8; 4]) {
    for (key, payload_sent) in [(Some(key), masked), (None, payload)] {
        let frame = [b"header", payload_sent].concat();
        let mut grown = b"before".to_vec();
        grown.append_frame(b"header", payload, key);
        assert_eq!(grown, [b"before", &*frame].concat());
        let mut memory = vec![0; frame.len()];
        let mut fixed = FixedOutput::new(&mut memory);
        fixed.append_frame(b"header", payload, key);
        assert_eq!(fixed.filled(), frame);
    }
}

/// A payload of up to 8 KiB: from 256 bytes on there are vectors, and from
/// 4 KiB on a beginning by other means, up to a line of the cache. One input in
/// eight is worth the time.
struct Long {
    payload: Vec<u8>,
    /// Where in a line of the cache it is to begin, more or less.
    offset: usize,
    /// Where it comes in two pieces.
    cut: usize,
}

impl Long {
    const MOST: usize = 8 << 10;

    fn new(said: &[u8]) -> Option<Self> {
        let &[low, high, offset, cut, ..] = said else { return None };
        let len = usize::from(u16::from_le_bytes([low, high]));
        if len <= said.len() || len > Self::MOST {
            return None;
        }
        let mut payload = Vec::with_capacity(len + said.len());
        while payload.len() < len {
            // Not the same each time: bytes may have come from the wrong place.
            let times = said.len() + payload.len();
            payload.extend_from_slice(said);
            if let Some(byte) = payload.last_mut() {
                *byte ^= times.to_le_bytes()[0];
            }
        }
        payload.truncate(len);
        Some(Self { payload, offset: usize::from(offset % 64), cut: len * usize::from(cut) / 256 })
    }

    fn check(&self, key: [u8; 4]) {
        let mut expected = self.payload.clone();
        apply_by_definition(&mut expected, key);

        let mut memory = vec![0; self.offset];
        memory.extend_from_slice(&self.payload);
        apply(&mut memory[self.offset..], key);
        assert!(memory[self.offset..] == expected, "{} bytes", expected.len());
        assert!(memory[..self.offset].iter().all(|&byte| byte == 0), "what is before is not ours");

        memory[self.offset..].copy_from_slice(&self.payload);
        let (start, end) = memory[self.offset..].split_at_mut(self.cut);
        apply(end, apply(start, key));
        assert!(memory[self.offset..] == expected, "{} bytes and the rest", self.cut);

        appended(&self.payload, &expected, key);
    }
}
