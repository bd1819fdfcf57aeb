//! The opening handshake: what the request says, and what is made of the reply
//! (WebSockets Standard, section 2.2).

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::WebSocket;
use super::diagnostic::Diagnostic;
use super::network::{Open, Phase};
use super::options::{BlockedPorts, CookieStore, Options};
use super::ports;
use super::task::Task;
use crate::handshake::{Client, ClientRequest, Headers, Reply, ResponseError, basic_authorization};
use crate::location::Location;
use crate::message::Assembler;
use crate::seed::Seed;
use crate::time::Instant;

/// A handshake in progress.
#[derive(Debug)]
pub(super) struct Opening {
    client: Client,
    /// All of the reply that has come.
    received: Vec<u8>,
    until: Option<Instant>,
}

impl Opening {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
    }

    /// When the reply must be complete.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    pub(super) fn handle_timeout(
        &mut self,
        now: Instant,
    ) -> Result<Option<Instant>, ResponseError> {
        self.client.handle_timeout(now)
    }
}

/// A client's side, if the request can be made and may be.
pub(super) fn client(
    location: &Location,
    protocols: &[String],
    options: &Options,
    seed: Option<Seed>,
) -> Result<Client, Diagnostic> {
    if options.blocked_ports != BlockedPorts::Allow && ports::is_blocked(location.port()) {
        return Err(Diagnostic::BlockedPort(location.port()));
    }
    let seed = seed.ok_or_else(|| Diagnostic::Request("no random numbers".into()))?;
    let (secure, host, port) = (location.is_secure(), location.host(), location.port());
    let mut request = ClientRequest::new(secure, host, port, location.target());
    for protocol in protocols {
        request = request.subprotocol(protocol);
    }
    let is_said = |name: &str| options.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    if let (Some(origin), false) = (&options.origin, is_said("Origin")) {
        request = request.header("Origin", origin);
    }
    if let Some(cookies) = options.cookies.as_ref().and_then(|jar| jar.cookies(&location.as_http()))
    {
        request = request.header("Cookie", &cookies);
    }
    for (name, value) in &options.headers {
        request = request.header(name, value);
    }
    if let (Some((user, password)), false) = (location.credentials(), is_said("Authorization")) {
        let authorization = basic_authorization(&user, &password)
            .ok_or_else(|| Diagnostic::Request("a user name with a colon".into()))?;
        request = request.header("Authorization", &authorization);
    }
    Client::new(request, seed, options.config.clone())
        .map_err(|error| Diagnostic::Request(error.to_string()))
}

impl WebSocket {
    /// The request is in the output.
    pub(super) fn start_opening(&mut self, until: Option<Instant>) {
        match core::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Waiting(client) => {
                let opening = Opening { client: *client, received: Vec::new(), until };
                self.phase = Phase::Opening(Box::new(opening));
            }
            other => self.phase = other,
        }
    }

    /// Looks at what has come of the reply; `eof`: no more of it will.
    pub(super) fn receive_reply(&mut self, eof: bool) {
        let mut opening = match core::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Opening(opening) => opening,
            other => {
                self.phase = other;
                return;
            }
        };
        let Opening { client, received, .. } = opening.as_mut();
        // For the body of a refusal nobody waits.
        let reply = match eof {
            true => client.receive_eof(received).map(Some),
            false => client.receive_head(received),
        };
        match reply {
            Ok(None) => self.phase = Phase::Opening(opening),
            Ok(Some(Reply::Accepted(response))) => {
                let headers = response.headers();
                self.keep_cookies(headers);
                let protocol = response.subprotocol().unwrap_or_default().into();
                // Stricter than RFC 6455: "if protocols is not the empty list and
                // [...] results in null [...] then fail".
                if self.requires_protocol && response.subprotocol().is_none() {
                    return self.fail(Diagnostic::SubprotocolMissing);
                }
                self.tasks
                    .push_back(Task::Established { extensions: extensions(headers), protocol });
                let head_len = response.head_len();
                let (ws, assembler) = (response.open(), Assembler::new());
                self.phase = Phase::Open(Box::new(Open { ws, assembler, is_new: true }));
                self.receive_frames(&mut received[head_len..]);
            }
            Ok(Some(Reply::Refused(refusal))) => {
                self.keep_cookies(refusal.headers());
                self.fail(Diagnostic::Refused(refusal.status()));
            }
            Err(error) => self.fail(Diagnostic::Response(error)),
        }
    }

    fn keep_cookies(&self, headers: Headers<'_>) {
        let Some(jar) = &self.cookies else { return };
        for value in headers.all("Set-Cookie").map(String::from_utf8_lossy) {
            jar.set_cookie(&self.location.as_http(), &value);
        }
    }
}

/// The extensions in use, as the server wrote them: it was checked that they
/// are what was offered.
fn extensions(headers: Headers<'_>) -> String {
    let values = headers.all("Sec-WebSocket-Extensions").map(String::from_utf8_lossy);
    values.filter(|value| !value.is_empty()).collect::<Vec<_>>().join(", ")
}

/// Where a socket keeps cookies.
pub(super) type Cookies = Option<Arc<dyn CookieStore>>;
