//! A server's refusal, with as much of its body as a caller wants to see
//! (RFC 9112, section 6).

use alloc::borrow::Cow;
use alloc::vec::Vec;

use super::head::{self, Headers};

/// An ordinary HTTP reply to a handshake: status, headers, and a body of at
/// most [`Config::max_refusal_len`](crate::Config::max_refusal_len) bytes.
#[derive(Clone, Debug)]
pub struct Refusal<'a> {
    pub(super) status: u16,
    pub(super) headers: Headers<'a>,
    pub(super) body: Cow<'a, [u8]>,
    pub(super) is_complete: bool,
}

impl<'a> Refusal<'a> {
    /// The HTTP status, `200..=999`.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// All header lines, such as `Location` or `WWW-Authenticate`.
    pub fn headers(&self) -> Headers<'a> {
        self.headers
    }

    /// The body, or its beginning.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// False if the body was cut: by the limit, by the end of the stream, or since
    /// nobody waited for it.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }
}

/// Bytes of a chunk's size line, with its extensions, that are put up with.
const MAX_SIZE_LINE: usize = 64;
/// Chunks of a body that are put up with: their framing is bounded as well as
/// what they hold.
const MAX_CHUNKS: usize = 1024;

/// How far the body of a refusal has come.
#[derive(Debug)]
pub(super) struct Body {
    framing: Framing,
    /// Where the next byte to look at is.
    at: usize,
    max: usize,
    /// What was decoded of a chunked body.
    decoded: Vec<u8>,
    chunks: usize,
}

/// How the end of the body is known (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// In chunks; bytes of the current one to come, with its CRLF.
    Chunked(u64),
    Length(u64),
    UntilEof,
}

impl Body {
    /// The body that begins at byte `start`.
    pub(super) fn new(status: u16, headers: Headers<'_>, start: usize, max: usize) -> Self {
        let chunked =
            headers.all("Transfer-Encoding").any(|value| head::has_element(value, "chunked"));
        let mut lengths = headers.all("Content-Length").map(parse_length);
        let length = lengths.next().flatten();
        // Lengths that differ, or are none, say nothing.
        let length = length.filter(|_| lengths.all(|other| other == length));
        let framing = match (status, chunked, length) {
            (204 | 304, ..) => Framing::Length(0),
            (_, true, _) => Framing::Chunked(0),
            (_, _, Some(length)) => Framing::Length(length),
            _ => Framing::UntilEof,
        };
        Self { framing, at: start, max, decoded: Vec::new(), chunks: 0 }
    }

    /// The body and whether it is complete, as soon as no more of it will
    /// come or be kept.
    pub(super) fn read<'a>(
        &mut self,
        received: &'a [u8],
        eof: bool,
    ) -> Option<(Cow<'a, [u8]>, bool)> {
        let rest = received.get(self.at..).unwrap_or_default();
        let kept = &rest[..rest.len().min(self.max)];
        match self.framing {
            Framing::Length(length) if kept.len() as u64 >= length => {
                // It fits: `kept` is at least as long.
                let length = usize::try_from(length).unwrap_or(kept.len());
                Some((Cow::Borrowed(&kept[..length]), true))
            }
            // The limit is inclusive: only a byte more shows that it is passed.
            Framing::UntilEof => {
                let fits = kept.len() == rest.len();
                (eof || !fits).then_some((Cow::Borrowed(kept), fits))
            }
            Framing::Length(_) => {
                (eof || kept.len() == self.max).then_some((Cow::Borrowed(kept), false))
            }
            Framing::Chunked(_) => {
                let end = self.read_chunks(received);
                let over = match end {
                    ChunksEnd::Last => Some(true),
                    ChunksEnd::Cut => Some(false),
                    ChunksEnd::More => eof.then_some(false),
                };
                over.map(|complete| (Cow::Owned(core::mem::take(&mut self.decoded)), complete))
            }
        }
    }

    /// Decodes the chunks that are there (RFC 9112, section 7.1). Trailers
    /// are not waited for.
    fn read_chunks(&mut self, received: &[u8]) -> ChunksEnd {
        loop {
            let rest = received.get(self.at..).unwrap_or_default();
            if rest.is_empty() {
                return ChunksEnd::More;
            }
            match self.framing {
                Framing::Chunked(0) => {
                    // No more than may be: the same line, however it comes.
                    let line = &rest[..rest.len().min(MAX_SIZE_LINE)];
                    match httparse::parse_chunk_size(line) {
                        Ok(httparse::Status::Complete((_, 0))) => return ChunksEnd::Last,
                        Ok(httparse::Status::Complete((len, size))) if self.chunks < MAX_CHUNKS => {
                            self.chunks += 1;
                            self.at += len;
                            self.framing = Framing::Chunked(size.saturating_add(2));
                        }
                        Ok(httparse::Status::Partial) if line.len() < MAX_SIZE_LINE => {
                            return ChunksEnd::More;
                        }
                        _ => return ChunksEnd::Cut,
                    }
                }
                Framing::Chunked(left) => {
                    // What is left of the data; the last two bytes are CRLF.
                    let data = usize::try_from(left - 2).unwrap_or(usize::MAX);
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    let keep = here.min(data).min(self.max - self.decoded.len());
                    self.decoded.extend_from_slice(&rest[..keep]);
                    if keep < here.min(data) {
                        return ChunksEnd::Cut;
                    }
                    // The CRLF behind the data is taken at once, or not yet.
                    let taken = if (here as u64) < left { here.min(data) } else { here };
                    if taken == 0 {
                        return ChunksEnd::More;
                    }
                    if taken > data && !rest[..taken].ends_with(b"\r\n") {
                        return ChunksEnd::Cut;
                    }
                    self.at += taken;
                    let left = left - taken as u64;
                    self.framing = Framing::Chunked(left);
                }
                _ => return ChunksEnd::Cut,
            }
        }
    }
}

/// A length is digits (RFC 9110, section 8.6); `parse` would take a sign.
fn parse_length(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    core::str::from_utf8(value).ok().filter(|_| digits)?.parse().ok()
}

/// Where decoding stopped.
enum ChunksEnd {
    /// Behind the last chunk.
    Last,
    /// At something that is no chunk, or at the limit.
    Cut,
    /// At the end of what is there.
    More,
}
