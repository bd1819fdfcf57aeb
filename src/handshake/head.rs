//! The head of an HTTP/1.1 message: found in the bytes as they come, then
//! parsed once (RFC 9112, sections 2 to 5).

use core::fmt;
use core::ops::Range;

use crate::config::Config;

/// Header lines as they stand in a head: iterating parses, nothing is stored.
#[derive(Clone, Copy)]
pub struct Headers<'a> {
    /// Whole lines, each with its CRLF; found well-formed by [`parse`].
    lines: &'a [u8],
}

impl<'a> Headers<'a> {
    /// Names as they were written, and values without the white space around
    /// them, in order. Values may hold bytes that are not ASCII.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        self.lines.split(|&b| b == b'\n').filter_map(|line| {
            let line = line.strip_suffix(b"\r")?;
            let colon = line.iter().position(|&b| b == b':')?;
            let name = core::str::from_utf8(&line[..colon]).ok()?;
            Some((name, line[colon + 1..].trim_ascii()))
        })
    }

    /// The values of all lines with this name, in order. Names compare without
    /// regard to case.
    pub fn all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The value of the first line with this name.
    pub fn first(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }
}

impl fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.iter().map(|(name, value)| (name, value.escape_ascii()));
        f.debug_map().entries(lines.map(|(n, v)| (n, alloc::format!("{v}")))).finish()
    }
}

/// What is wrong with a head as such, whoever sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HeadError {
    /// A CR without LF, which some read as the end of a line and others do
    /// not (RFC 9112, section 2.2).
    BareCarriageReturn,
    /// An LF without CR. RFC 9112 (section 2.2) lets a recipient take it for
    /// the end of a line; we refuse it, because peers that differ about where
    /// a line ends are how requests get smuggled.
    BareLineFeed,
    /// A byte that no part of a head may hold, such as NUL; or the beginning
    /// of something that is not HTTP.
    ControlByte,
    /// A first line that is neither a request line nor a status line.
    FirstLine,
    /// A header line that goes on in the next (obs-fold, RFC 9112, section
    /// 5.2).
    FoldedLine,
    /// A line that is no header: no colon, white space before it, or a name
    /// that is not a token (RFC 9112, section 5.1).
    HeaderSyntax,
    /// A target longer than [`Config::max_target_len`].
    TargetTooLong,
    /// A head longer than [`Config::max_head_len`].
    TooLong,
    /// More header lines than [`Config::max_headers`].
    TooManyHeaders,
}

impl HeadError {
    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::BareCarriageReturn => "carriage return without line feed",
            Self::BareLineFeed => "line feed without carriage return",
            Self::ControlByte => "control byte in the head",
            Self::FirstLine => "malformed first line",
            Self::FoldedLine => "folded header line",
            Self::HeaderSyntax => "malformed header line",
            Self::TargetTooLong => "request target too long",
            Self::TooLong => "head too long",
            Self::TooManyHeaders => "too many header lines",
        }
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for HeadError {}

/// The limits of [`Config`] on a head.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadLimits {
    pub(super) len: usize,
    pub(super) headers: usize,
    /// `usize::MAX` for a reply, which has none.
    pub(super) target: usize,
}

impl HeadLimits {
    pub(super) fn of_request(config: &Config) -> Self {
        Self { target: config.max_target_len, ..Self::of_reply(config) }
    }

    pub(super) fn of_reply(config: &Config) -> Self {
        Self {
            len: config.max_head_len,
            headers: config.max_headers.min(Config::MAX_HEADERS),
            target: usize::MAX,
        }
    }
}

/// Bytes that a method may have; the longest registered has 17.
const MAX_METHOD_LEN: usize = 32;

/// Looks for the end of a head. Remembers how far it has looked, so that each
/// byte is looked at twice at most, however it comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadScanner {
    /// Where the head begins.
    start: usize,
    /// Bytes before this have been looked at.
    at: usize,
    line_start: usize,
    /// Lines so far, the first line included.
    lines: usize,
    /// Where the first space of the first line is: the target follows.
    target_start: Option<usize>,
}

impl HeadScanner {
    /// A scanner for the head that begins at byte `start`.
    pub(super) const fn new(start: usize) -> Self {
        Self { start, at: start, line_start: start, lines: 0, target_start: None }
    }

    /// Looks at the bytes that have come since the last call; `bytes` holds
    /// all of them so far. Says where the head is once it is complete.
    pub(super) fn scan(
        &mut self,
        bytes: &[u8],
        limits: &HeadLimits,
    ) -> Result<Option<Range<usize>>, HeadError> {
        let mut previous =
            if self.at > self.start { bytes.get(self.at - 1).copied().unwrap_or(0) } else { 0 };
        while let Some(&byte) = bytes.get(self.at) {
            // A line that is there whole is taken whole, if nothing is odd
            // about it. The rest is looked at byte by byte.
            if let Some(len) = self.plain_line(bytes, limits) {
                self.end_line(limits)?;
                self.at += len;
                self.line_start = self.at;
                previous = b'\n';
                continue;
            }
            if self.at - self.start >= limits.len {
                return Err(HeadError::TooLong);
            }
            match (previous, byte) {
                (b'\r', b'\n') => {
                    let is_empty = self.at - 1 == self.line_start;
                    if is_empty && self.lines > 0 {
                        self.at += 1;
                        return Ok(Some(self.start..self.at));
                    }
                    // "A server [...] SHOULD ignore at least one empty line
                    // (CRLF) received prior to the request-line" (RFC 9112,
                    // section 2.2): one.
                    if is_empty && self.line_start > self.start {
                        return Err(HeadError::FirstLine);
                    }
                    if !is_empty {
                        self.end_line(limits)?;
                    }
                    self.line_start = self.at + 1;
                }
                (b'\r', _) => return Err(HeadError::BareCarriageReturn),
                (_, b'\n') => return Err(HeadError::BareLineFeed),
                (_, b'\r' | b'\t' | b' '..=b'~' | 0x80..) => self.check(byte, limits)?,
                _ => return Err(HeadError::ControlByte),
            }
            previous = byte;
            self.at += 1;
        }
        Ok(None)
    }

    fn end_line(&mut self, limits: &HeadLimits) -> Result<(), HeadError> {
        self.lines += 1;
        // The first line is none of the headers.
        if self.lines > limits.headers + 1 { Err(HeadError::TooManyHeaders) } else { Ok(()) }
    }

    /// The length of the line that begins here, with its CRLF, if it is whole,
    /// not empty, within the limits, and holds neither controls nor, at its
    /// start, a space.
    #[inline]
    fn plain_line(&self, bytes: &[u8], limits: &HeadLimits) -> Option<usize> {
        if self.at != self.line_start {
            return None;
        }
        let left = limits.len.saturating_sub(self.at - self.start);
        let rest = &bytes[self.at..];
        let len = plain_len(&rest[..left.min(rest.len())]);
        let (line, end) = rest.split_at(len);
        let is_line = matches!(line, [first, ..] if *first != b' ') && end.starts_with(b"\r\n");
        if !is_line || len + 2 > left {
            return None;
        }
        if self.lines == 0 {
            line.iter().take(MAX_METHOD_LEN + 1).position(|&b| b == b' ')?;
            if len > limits.target {
                return None;
            }
        }
        Some(len + 2)
    }

    /// Checks a byte within a line.
    #[inline]
    fn check(&mut self, byte: u8, limits: &HeadLimits) -> Result<(), HeadError> {
        if self.lines > 0 {
            let folded = self.at == self.line_start && matches!(byte, b' ' | b'\t');
            return if folded { Err(HeadError::FoldedLine) } else { Ok(()) };
        }
        match self.target_start {
            None if byte == b' ' => {
                self.target_start = Some(self.at + 1);
                Ok(())
            }
            None if self.at - self.line_start >= MAX_METHOD_LEN => Err(HeadError::FirstLine),
            // The target ends at the next space; until then it grows.
            Some(_) if byte == b' ' => {
                self.target_start = Some(usize::MAX);
                Ok(())
            }
            Some(start) if self.at.saturating_sub(start) >= limits.target => {
                Err(HeadError::TargetTooLong)
            }
            _ => Ok(()),
        }
    }
}

/// Bytes up to the first control byte, tabs included.
#[inline]
fn plain_len(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 0xFF;
    const TOPS: u64 = ONES * 0x80;
    let mut words = bytes.chunks_exact(8);
    let mut len = 0;
    for word in &mut words {
        let Ok(word) = word.try_into().map(u64::from_le_bytes) else { break };
        // The top bit of each byte that is less than a space, or DEL. Borrows
        // go upwards only, so that the lowest is right.
        let below = word.wrapping_sub(ONES * 0x20) & !word;
        let del = word ^ (ONES * 0x7F);
        let found = (below | del.wrapping_sub(ONES) & !del) & TOPS;
        if found != 0 {
            return len + found.trailing_zeros() as usize / 8;
        }
        len += 8;
    }
    len + words.remainder().iter().take_while(|byte| !byte.is_ascii_control()).count()
}

/// Splits a complete head into its first line and its headers, and checks the
/// syntax of every header line.
pub(super) fn parse(head: &[u8]) -> Result<(&[u8], Headers<'_>), HeadError> {
    parse_with(head, |_| ()).map(|(line, headers, ())| (line, headers))
}

/// As [`parse`], and has the lines read as they were found. They are not kept:
/// a request is a few slices and no table.
pub(super) fn parse_with<'a, T>(
    head: &'a [u8],
    read: impl FnOnce(&[httparse::Header<'a>]) -> T,
) -> Result<(&'a [u8], Headers<'a>, T), HeadError> {
    let head = head.strip_prefix(b"\r\n").unwrap_or(head);
    let end = head.iter().position(|&b| b == b'\n').ok_or(HeadError::FirstLine)?;
    let (line, lines) = head.split_at(end + 1);
    let line = line.strip_suffix(b"\r\n").ok_or(HeadError::FirstLine)?;
    let headers = Headers { lines };
    // Most heads are short, and it takes time to clear a table.
    let mut few = [httparse::EMPTY_HEADER; 20];
    let read = match httparse::parse_headers(lines, &mut few) {
        Err(httparse::Error::TooManyHeaders) => {
            let mut many = [httparse::EMPTY_HEADER; Config::MAX_HEADERS];
            found(lines, httparse::parse_headers(lines, &mut many)).map(read)
        }
        result => found(lines, result).map(read),
    };
    // Not too many: the scanner counts lines.
    read.map(|read| (line, headers, read)).ok_or(HeadError::HeaderSyntax)
}

/// The header lines, if all of `lines` is such.
fn found<'t, 'a>(
    lines: &[u8],
    result: httparse::Result<(usize, &'t [httparse::Header<'a>])>,
) -> Option<&'t [httparse::Header<'a>]> {
    match result {
        Ok(httparse::Status::Complete((len, parsed))) if len == lines.len() => Some(parsed),
        _ => None,
    }
}

/// The elements of one line's comma-separated list, without empty ones
/// (RFC 9110, section 5.6.1.2).
pub(super) fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// True if such a list has an element equal to `token` without regard to
/// case (RFC 9110, section 7.8: protocol names; section 7.6.1: options).
pub(super) fn has_element(value: &[u8], token: &str) -> bool {
    // Most lists have one.
    value.eq_ignore_ascii_case(token.as_bytes())
        || elements(value).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
}

/// Whether a head says `Upgrade: websocket` and `Connection: Upgrade`, on
/// whichever of such lines (section 4.1, items 5 and 6; section 4.2.1, items 3
/// and 4).
#[derive(Default)]
pub(super) struct Upgrade {
    pub(super) websocket: bool,
    pub(super) connection: bool,
}

impl Upgrade {
    /// Looks at one line of any name.
    #[inline]
    pub(super) fn note(&mut self, name: &str, value: &[u8]) {
        if name.eq_ignore_ascii_case("Upgrade") {
            self.websocket |= has_element(value, "websocket");
        } else if name.eq_ignore_ascii_case("Connection") {
            self.connection |= has_element(value, "upgrade");
        }
    }
}

/// Sets `slot` to the value of a line that may come once.
pub(super) fn set_once<'a>(slot: &mut Option<&'a [u8]>, value: &'a [u8]) -> Result<(), Duplicate> {
    if slot.replace(value).is_some() { Err(Duplicate) } else { Ok(()) }
}

/// More than one line where one is allowed.
pub(super) struct Duplicate;

/// The bytes as text if they are one or more characters of visible ASCII.
pub(super) fn visible(bytes: &[u8]) -> Option<&str> {
    let visible = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_graphic);
    core::str::from_utf8(bytes).ok().filter(|_| visible)
}

/// The bytes as a host, with or without a port: nothing that delimits other
/// parts of a URL (RFC 3986, section 3.2).
pub(super) fn host(bytes: &[u8]) -> Option<&str> {
    let is_host = !bytes.is_empty() && bytes.iter().all(|&b| IN_HOST[usize::from(b)]);
    core::str::from_utf8(bytes).ok().filter(|_| is_host)
}

/// What a host may be written with: visible ASCII, but for delimiters.
const IN_HOST: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = b'!';
    while byte <= b'~' {
        table[byte as usize] = !matches!(
            byte,
            b'@' | b'/' | b'?' | b'#' | b'\\' | b'"' | b'<' | b'>' | b'{' | b'}' | b','
        );
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Words at a time: every byte at every place, among ASCII and not, and
    /// with another control behind it.
    #[test]
    fn plain_bytes_end_at_the_first_control() {
        for len in 0..20 {
            for at in 0..len {
                for byte in 0..=u8::MAX {
                    for (around, behind) in [(b'a', b'a'), (0xE9, 0), (b'~', 0x7F), (b' ', b'\t')] {
                        let mut bytes: Vec<u8> = alloc::vec![around; len];
                        bytes[at] = byte;
                        if let Some(next) = bytes.get_mut(at + 1) {
                            *next = behind;
                        }
                        let expected = bytes.iter().position(u8::is_ascii_control).unwrap_or(len);
                        assert_eq!(plain_len(&bytes), expected, "{bytes:02x?}");
                    }
                }
            }
        }
    }

    /// What is taken whole, and what is left to be looked at byte by byte.
    #[test]
    fn plain_lines_are_taken_whole_up_to_the_limits() {
        let taken = |lines: usize, line: &str, len: usize, target: usize| {
            let start = 10;
            let bytes = ["0123456789", line, "next"].concat();
            let scanner = HeadScanner { lines, ..HeadScanner::new(start) };
            scanner.plain_line(bytes.as_bytes(), &HeadLimits { len, headers: 5, target })
        };
        let first = "GET / HTTP/1.1\r\n";
        assert_eq!(taken(0, first, 100, 100), Some(16));
        assert_eq!((taken(0, first, 16, 100), taken(0, first, 15, 100)), (Some(16), None));
        assert_eq!((taken(0, first, 100, 14), taken(0, first, 100, 13)), (Some(16), None));
        // The limit of a target is for the first line.
        let header = "host: example.com\r\n";
        assert_eq!((taken(1, header, 19, 1), taken(1, header, 18, 1)), (Some(19), None));
        assert_eq!(taken(0, "no-space\r\n", 100, 100), None);
        for (len, expected) in [(32, Some(36)), (33, None)] {
            let line = ["M".repeat(len), " /\r\n".into()].concat();
            assert_eq!(taken(0, &line, 100, 100), expected, "a method of {len} bytes");
        }
        for odd in ["\r\n", " folded\r\n", "a: b\n", "a: b\rc\r\n", "a:\tb\r\n", "a: b"] {
            assert_eq!(taken(1, odd, 100, 100), None, "{odd:?}");
        }
        // Within a line it is too late.
        let inside = HeadScanner { at: 2, ..HeadScanner::new(0) };
        let limits = HeadLimits { len: 100, headers: 5, target: 100 };
        assert_eq!(inside.plain_line(first.as_bytes(), &limits), None);
    }
}
