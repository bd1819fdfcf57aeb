//! Masking (RFC 6455, section 5.3) against its definition.
//!
//! Input: four bytes of key, and the payload.

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

    for (key, payload_sent) in [(Some(key), &*expected), (None, payload)] {
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
