//! Where a server sends its client instead (RFC 6455, section 4.1, item 1:
//! "the client might [...] be redirected"; RFC 9110, section 15.4).

use alloc::format;

use url::Url;

use super::endpoint::{Authorization, Endpoint};
use super::error::Refused;
use crate::location::Location;

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
        let mut there = here.join(location).ok()?;
        there.set_fragment(None);
        let (here, there) = (Location::new(here).ok()?, Location::new(there).ok()?);
        // Never from a private line to a public one.
        if self.secure && !there.is_secure() {
            return None;
        }
        let mut endpoint = self.clone();
        endpoint.max_redirects = max_redirects;
        endpoint.secure = there.is_secure();
        endpoint.host = there.host().into();
        endpoint.port = there.port();
        endpoint.target = there.target().into();
        let place = |of: &Location| (of.is_secure(), of.port());
        let same_origin = place(&there) == place(&here) && there.host() == here.host();
        if !same_origin {
            endpoint.authorization = Authorization::None;
            endpoint
                .headers
                .retain(|(name, _)| !CREDENTIALS.iter().any(|c| c.eq_ignore_ascii_case(name)));
        }
        Some(endpoint)
    }
}
