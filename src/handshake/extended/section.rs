//! A header section as HPACK or QPACK decode it (RFC 9113, sections 8.2 and
//! 8.3; RFC 9114, sections 4.2 and 4.3).

use alloc::format;
use core::fmt;

use super::super::head::HeadLimits;
use crate::extension::is_token;

/// Header fields of a section, without its pseudo-header fields.
#[derive(Clone, Copy)]
pub struct Fields<'a>(&'a [(&'a str, &'a [u8])]);

impl<'a> Fields<'a> {
    /// Names, which are lower case, and values, in order. Values may hold bytes
    /// that are not ASCII.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + use<'a> {
        self.0.iter().copied()
    }

    /// The values of all fields with this name, in lower case, in order.
    pub fn all<'n>(&self, name: &'n str) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        self.iter().filter(move |(n, _)| *n == name).map(|(_, value)| value)
    }

    /// The value of the first field with this name, in lower case.
    pub fn first(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }
}

impl fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.iter().map(|(name, value)| (name, format!("{}", value.escape_ascii())));
        f.debug_map().entries(fields).finish()
    }
}

/// What is wrong with a header section as such, whoever sent it. All but the
/// limits make a message *malformed* (RFC 9113, section 8.1.1; RFC 9114, section
/// 4.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SectionError {
    /// A field that is about an HTTP/1.1 connection: `connection`,
    /// `keep-alive`, `proxy-connection`, `transfer-encoding`, `upgrade`, or a
    /// `te` of anything but `trailers` (RFC 9113, section 8.2.2; RFC 8441,
    /// section 5).
    ConnectionSpecific,
    /// A name that is no token, or not in lower case (RFC 9113, section 8.2.1).
    FieldName,
    /// A value with a control byte, or with white space around it (RFC 9113,
    /// section 8.2.1).
    FieldValue,
    /// A pseudo-header field that is unknown, there twice, behind a field that
    /// is none, or in a message that must not have it (RFC 9113, sections 8.3
    /// and 8.5).
    PseudoHeader,
    /// A section longer than [`Config::max_head_len`](crate::Config), counted
    /// as SETTINGS_MAX_HEADER_LIST_SIZE is: names and values, and 32 bytes for
    /// each (RFC 9113, section 6.5.2).
    TooLong,
    /// More header fields than [`Config::max_headers`](crate::Config).
    /// Pseudo-header fields do not count, and `cookie` counts once, since it
    /// "MAY be split into separate header fields" (RFC 9113, section 8.2.3).
    TooManyFields,
}

impl SectionError {
    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::ConnectionSpecific => "connection-specific header field",
            Self::FieldName => "malformed name of a header field",
            Self::FieldValue => "malformed value of a header field",
            Self::PseudoHeader => "pseudo-header field out of place",
            Self::TooLong => "header section too long",
            Self::TooManyFields => "too many header fields",
        }
    }

    pub(super) const fn is_malformed(self) -> bool {
        !matches!(self, Self::TooLong | Self::TooManyFields)
    }
}

impl fmt::Display for SectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl core::error::Error for SectionError {}

/// Fields that no message of HTTP/2 or HTTP/3 may have (RFC 9113, section 8.2.2).
const CONNECTION_SPECIFIC: [&str; 5] =
    ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

/// True for the name of such a field, in any case.
pub(super) fn is_connection_specific(name: &str) -> bool {
    CONNECTION_SPECIFIC.iter().any(|specific| specific.eq_ignore_ascii_case(name))
}

/// The values of pseudo-header fields, and the rest.
type Parsed<'a, const N: usize> = ([Option<&'a [u8]>; N], Fields<'a>);

/// Checks a section, and takes the values of the `known` pseudo-header fields
/// apart from the rest.
pub(super) fn parse<'a, const N: usize>(
    section: &'a [(&'a str, &'a [u8])],
    known: [&str; N],
    limits: &HeadLimits,
) -> Result<Parsed<'a, N>, SectionError> {
    let mut len = 0usize;
    for (name, value) in section {
        len = len.saturating_add(name.len() + value.len() + 32);
        if len > limits.len {
            return Err(SectionError::TooLong);
        }
    }
    let is_pseudo = |(name, _): &(&str, &[u8])| name.starts_with(':');
    let start = section.iter().position(|field| !is_pseudo(field)).unwrap_or(section.len());
    let (pseudo, fields) = section.split_at(start);
    let mut values = [None; N];
    for &(name, value) in pseudo {
        let place = known.iter().position(|known| *known == name);
        let slot = place.and_then(|place| values.get_mut(place));
        if slot.ok_or(SectionError::PseudoHeader)?.replace(value).is_some() {
            return Err(SectionError::PseudoHeader);
        }
        check_value(value)?;
    }
    // "All pseudo-header fields MUST appear in a field block before all
    // regular field lines" (RFC 9113, section 8.3).
    if fields.iter().any(is_pseudo) {
        return Err(SectionError::PseudoHeader);
    }
    let cookies = fields.iter().filter(|(name, _)| *name == "cookie").count();
    if fields.len() - cookies.saturating_sub(1) > limits.headers {
        return Err(SectionError::TooManyFields);
    }
    for (name, value) in fields {
        if !is_token(name.as_bytes()) || name.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(SectionError::FieldName);
        }
        check_value(value)?;
        let is_te = *name == "te" && !value.eq_ignore_ascii_case(b"trailers");
        if is_te || is_connection_specific(name) {
            return Err(SectionError::ConnectionSpecific);
        }
    }
    Ok((values, Fields(fields)))
}

/// "A field value MUST NOT start or end with an ASCII whitespace character"
/// (RFC 9113, section 8.2.1); CR, LF and NUL are dangerous, the other controls
/// invalid (RFC 9110, section 5.5).
fn check_value(value: &[u8]) -> Result<(), SectionError> {
    let is_bad = |b: &u8| (*b < b' ' && *b != b'\t') || *b == 0x7f;
    let is_padded = value.trim_ascii().len() < value.len();
    if is_padded || value.iter().any(is_bad) { Err(SectionError::FieldValue) } else { Ok(()) }
}
