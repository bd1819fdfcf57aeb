//! What both handshake bodies ask of HTTP heads.

use sockeye::handshake::Headers;

/// A reply as httparse, which is not what wrote it, reads it.
#[derive(Debug)]
pub struct Parsed<'a> {
    pub status: u16,
    pub headers: Vec<(&'a str, &'a [u8])>,
    pub body: &'a [u8],
}

impl<'a> Parsed<'a> {
    /// Fails unless `bytes` begins with a whole, well-formed reply.
    pub fn new(bytes: &'a [u8]) -> Self {
        let mut headers = [httparse::EMPTY_HEADER; 16];
        let mut reply = httparse::Response::new(&mut headers);
        match reply.parse(bytes) {
            Ok(httparse::Status::Complete(len)) => Self {
                status: reply.code.expect("a complete reply has a status"),
                headers: reply.headers.iter().map(|h| (h.name, h.value)).collect(),
                body: &bytes[len..],
            },
            other => panic!("{other:?}: {}", bytes.escape_ascii()),
        }
    }

    /// The value of a header that is there exactly once.
    pub fn only(&self, name: &str) -> &'a [u8] {
        let mut values = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        match (values.next(), values.next()) {
            (Some((_, value)), None) => value,
            other => panic!("{name} once, not {other:?}"),
        }
    }
}

/// Header lines that were let through: each name a token, no value with a byte
/// that could end it, and all of them from `received`.
pub fn check_headers(headers: Headers<'_>, received: &[u8]) {
    for (name, value) in headers.iter() {
        assert!(is_token(name), "{name:?}");
        assert!(!value.iter().any(|&b| is_control(b)), "{}", value.escape_ascii());
        assert!(is_part_of(name.as_bytes(), received) && is_part_of(value, received));
        assert_eq!(headers.first(name).is_some(), headers.all(name).next().is_some());
    }
}

fn is_control(byte: u8) -> bool {
    byte.is_ascii_control() && byte != b'\t'
}

/// A token (RFC 9110, section 5.6.2), by its definition: visible characters
/// without delimiters.
pub fn is_token(text: &str) -> bool {
    let is_delimiter = |c| r#"(),/:;<=>?@[\]{}""#.contains(c);
    !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && !is_delimiter(c))
}

/// True if `part` is a slice of `whole`, and not of anything else.
pub fn is_part_of(part: &[u8], whole: &[u8]) -> bool {
    let (part, whole) = (part.as_ptr_range(), whole.as_ptr_range());
    whole.start <= part.start && part.end <= whole.end
}
