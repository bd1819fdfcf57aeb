//! Frame headers (RFC 6455, section 5.2): bytes to value and back.
//!
//! Input: the bytes of a header and what follows it.

use sockeye::frame::{FrameHeader, MAX_HEADER_LEN, Opcode, decode, encoded_len};

pub fn frame_header(data: &[u8]) {
    prefixes_decode_alike(data);
    if let Ok(Some((header, len))) = decode(data) {
        assert!(header.len <= u64::MAX >> 1, "the top bit MUST be 0");
        // Equal bytes means also that the length was in its shortest form.
        assert_eq!(header.encode().as_bytes(), &data[..len], "{header:?}");
    }
    any_value_encodes(data);
}

/// A prefix is either too short to say, or says what the whole says.
fn prefixes_decode_alike(data: &[u8]) {
    let whole = decode(data);
    if whole == Ok(None) {
        assert!(data.len() < MAX_HEADER_LEN);
    }
    let mut said = false;
    for len in 0..=data.len().min(MAX_HEADER_LEN + 1) {
        let part = decode(&data[..len]);
        said |= part != Ok(None);
        if said {
            assert_eq!(part, whole, "the first {len} bytes");
        }
        if let Ok(Some((_, header_len))) = part {
            assert!(header_len <= len);
        }
    }
}

/// The bytes read as fields of a header: any value encodes, in the length that
/// is foretold, and decodes to itself if the RFC allows it.
fn any_value_encodes(data: &[u8]) {
    let Some((&[first, flags, a, b, c, d, e, f, g, h, k0, k1, k2, k3], _)) =
        data.split_first_chunk()
    else {
        return;
    };
    // Shifted, so that short lengths are not all but unheard of.
    let len = u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> (flags & 63);
    let mask = (flags & 64 != 0).then_some([k0, k1, k2, k3]);
    let mut header = FrameHeader::new(first & 0x80 != 0, Opcode::from_bits(first), mask, len);
    header.rsv = first & 0x70;

    let bytes = header.encode();
    assert_eq!(bytes.as_bytes().len(), encoded_len(len, mask.is_some()));
    let decoded = decode(bytes.as_bytes());
    if len > u64::MAX >> 1 {
        assert!(decoded.is_err());
    } else {
        assert_eq!(decoded, Ok(Some((header, bytes.as_bytes().len()))));
    }
}
