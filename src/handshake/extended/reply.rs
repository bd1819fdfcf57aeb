//! A server's reply, as values for the HTTP layer to send.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::super::build::{BuildError, Lines};
use super::super::reject::Rejection;
use super::section::is_connection_specific;

/// A reply to be sent: `:status`, header fields, and a body if it refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    status: u16,
    fields: Vec<(String, String)>,
    body: String,
}

impl Reply {
    pub(super) const fn new(status: u16) -> Self {
        Self { status, fields: Vec::new(), body: String::new() }
    }

    /// The same with this text as its body.
    pub(super) fn text(mut self, body: &str) -> Self {
        self.push("content-type", "text/plain; charset=utf-8");
        self.set_body(body);
        self
    }

    pub(super) fn of_rejection(rejection: &Rejection<'_>) -> Result<Self, BuildError> {
        rejection.check()?;
        // "Any 2xx (Successful) response indicates that the sender [...] will
        // switch to tunnel mode" (RFC 9110, section 9.3.6).
        if (200..=299).contains(&rejection.status) {
            return Err(BuildError::InvalidStatus);
        }
        let mut reply = Self::new(rejection.status);
        reply.push_headers(&rejection.headers)?;
        if rejection.may_have_body() {
            if let Some(content_type) = rejection.own_content_type() {
                reply.push("content-type", content_type);
            }
            reply.set_body(&rejection.body);
        }
        Ok(reply)
    }

    /// The value of `:status`. 200 accepts.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Header fields: names in lower case and values, in order; without
    /// `:status`, which goes before them.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The body of a reply that refuses; it may be empty.
    pub fn body(&self) -> &str {
        &self.body
    }

    pub(super) fn push(&mut self, name: &str, value: &str) {
        self.fields.push((name.into(), value.into()));
    }

    /// Adds headers of the caller's, which are checked but for what differs
    /// from HTTP/1.1.
    pub(super) fn push_headers(&mut self, headers: &Lines<'_>) -> Result<(), BuildError> {
        for (name, value) in headers {
            check_name(name)?;
            self.fields.push(field(name, value));
        }
        Ok(())
    }

    fn set_body(&mut self, body: &str) {
        self.push("content-length", &body.len().to_string());
        self.body = body.into();
    }
}

/// Checks what is not reserved in HTTP/1.1.
pub(super) fn check_name(name: &str) -> Result<(), BuildError> {
    if is_connection_specific(name) { Err(BuildError::ReservedHeader) } else { Ok(()) }
}

/// A header of the caller's as a field: "field names MUST be converted to
/// lowercase when constructing an HTTP/2 message" (RFC 9113, section 8.2).
pub(super) fn field(name: &str, value: &str) -> (String, String) {
    (name.to_ascii_lowercase(), value.trim_ascii().into())
}
