//! Where a server sends its client instead (RFC 6455, section 4.1, item 1:
//! "the client might [...] be redirected"; RFC 9110, section 15.4).

use alloc::format;

use url::{Position, Url};

use super::endpoint::{Authorization, Endpoint};
use super::error::Refused;

/// What belongs to one origin and must not be told to another.
const CREDENTIALS: [&str; 3] = ["Authorization", "Cookie", "Proxy-Authorization"];

impl Endpoint {
    /// Where to go instead; `None` if this is no redirect, leads nowhere, or
    /// must not be followed: then the refusal is what it is.
    pub(super) fn redirected_by(&self, refused: &Refused) -> Option<Self> {
        if !matches!(refused.status(), 301 | 302 | 303 | 307 | 308) {
            return None;
        }
        let max_redirects = self.max_redirects.checked_sub(1)?;
        let location = core::str::from_utf8(refused.header("Location")?).ok()?;
        let scheme = if self.secure { "wss" } else { "ws" };
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let here = Url::parse(&format!("{scheme}://{host}:{}{}", self.port, self.target)).ok()?;
        let there = here.join(location).ok()?;
        let secure = match there.scheme() {
            "wss" | "https" => true,
            // Never from a private line to a public one.
            "ws" | "http" if !self.secure => false,
            _ => return None,
        };
        let mut endpoint = self.clone();
        endpoint.max_redirects = max_redirects;
        endpoint.secure = secure;
        endpoint.host = bare_host(&there)?.into();
        endpoint.port = there.port_or_known_default()?;
        endpoint.target = there[Position::BeforePath..Position::AfterQuery].into();
        let same_origin = (endpoint.secure, endpoint.host.as_str(), endpoint.port)
            == (self.secure, bare_host(&here)?, self.port);
        if !same_origin {
            endpoint.authorization = Authorization::None;
            endpoint
                .headers
                .retain(|(name, _)| !CREDENTIALS.iter().any(|c| c.eq_ignore_ascii_case(name)));
        }
        Some(endpoint)
    }
}

/// As the parser writes it, so that equal hosts are equal; an IPv6 address
/// without brackets.
fn bare_host(url: &Url) -> Option<&str> {
    Some(url.host_str()?.trim_start_matches('[').trim_end_matches(']'))
}
