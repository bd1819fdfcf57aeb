//! The client's side of an extended CONNECT (RFC 8441, sections 3 to 5).

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::super::build::BuildError;
use super::super::client::ClientRequest;
#[cfg(feature = "deflate")]
use super::super::client::offers;
use super::super::deadline::Deadline;
use super::super::head::HeadLimits;
use super::super::response::ResponseError as HandshakeError;
use super::reply::{check_name, field};
use super::response::{Outcome, Refusal, Response, ResponseError, settle};
use super::section;
use super::settings::Settings;
use crate::config::Config;
use crate::seed::{KeyGenerator, Seed};
use crate::time::Instant;

/// Asks for a connection on a stream of HTTP/2 or HTTP/3, and checks the reply.
///
/// # Order of calls
///
/// [`fields`](Self::fields) once the server's SETTINGS are there, sent without
/// END_STREAM; then [`receive`](Self::receive) with each header section that
/// comes, until it gives an [`Outcome`]; [`receive_eof`](Self::receive_eof) if the
/// stream ends before. There is nothing to send on the stream before the reply
/// accepts: only then there is a connection.
///
/// # Early data
///
/// Not to be sent in 0-RTT, since a replay would be a connection of its own:
/// see [the module](super#early-data).
///
/// # Example: connect
///
/// ```
/// use std::sync::Arc;
/// use sockeye::handshake::ClientRequest;
/// use sockeye::handshake::extended::{Client, Outcome, Settings};
/// use sockeye::{Config, Seed};
///
/// let request = ClientRequest::new(true, "example.com", 443, "/chat").subprotocol("chat");
/// let seed = Seed::from_bytes([7; 32]); // in earnest: Seed::from_os()?
/// let mut client = Client::new(request, seed, Arc::new(Config::default()))?;
///
/// let settings = Settings::enabled(true); // in earnest: what the server sent
/// let section = client.fields(&settings)?;
/// let pairs: Vec<_> = section.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
/// assert_eq!(pairs[..5], [
///     (":method", "CONNECT"),
///     (":protocol", "websocket"),
///     (":scheme", "https"),
///     (":authority", "example.com"),
///     (":path", "/chat"),
/// ]);
///
/// match client.receive(200, &[("sec-websocket-protocol", b"chat")])?.expect("no 1xx") {
///     Outcome::Accepted(response) => {
///         let ws = response.open();
///         assert_eq!(ws.subprotocol(), Some("chat"));
///     }
///     Outcome::Refused(refusal) => println!("{}", refusal.status()),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Client {
    request: ClientRequest,
    /// Until the connection takes it.
    keys: Option<Box<KeyGenerator>>,
    limits: HeadLimits,
    deadline: Deadline,
    config: Arc<Config>,
}

impl Client {
    /// A client's side, with the limits and deadlines of `config` on the
    /// handshake and on the connection, and masking keys out of `seed`.
    ///
    /// # Errors
    ///
    /// The first mistake in `request`; [`BuildError::ReservedHeader`] for the
    /// fields that are [about a connection](super::SectionError::ConnectionSpecific).
    pub fn new(
        request: ClientRequest,
        seed: Seed,
        config: Arc<Config>,
    ) -> Result<Self, BuildError> {
        if let Some(error) = request.error {
            return Err(error);
        }
        request.headers.iter().try_for_each(|(name, _)| check_name(name))?;
        Ok(Self {
            keys: Some(Box::new(KeyGenerator::new(seed))),
            limits: HeadLimits::of_reply(&config),
            deadline: Deadline::new(config.handshake_timeout),
            request,
            config,
        })
    }

    /// The header section of the request, pseudo-header fields first. Send it
    /// without END_STREAM, and not in early data.
    ///
    /// # Errors
    ///
    /// [`BuildError::ExtendedConnectDisabled`], also before the SETTINGS are there.
    pub fn fields(&self, settings: &Settings) -> Result<Vec<(String, String)>, BuildError> {
        // A server that does not know `:protocol` takes the request for
        // malformed (section 3).
        if !settings.is_enabled() {
            return Err(BuildError::ExtendedConnectDisabled);
        }
        let request = &self.request;
        let scheme = if request.secure { "https" } else { "http" };
        let mut fields: Vec<(String, String)> = [
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", scheme),
            (":authority", &request.host),
            (":path", &request.target),
            ("sec-websocket-version", "13"),
        ]
        .map(|(name, value)| (name.into(), value.into()))
        .into();
        if !request.subprotocols.is_empty() {
            let offered = request.subprotocols.join(", ");
            fields.push(("sec-websocket-protocol".into(), offered));
        }
        #[cfg(feature = "deflate")]
        if let Some(offers) = offers(&self.config) {
            fields.push(("sec-websocket-extensions".into(), offers.to_string()));
        }
        fields.extend(request.headers.iter().map(|(name, value)| field(name, value)));
        Ok(fields)
    }

    /// Checks a header section that came: its `status`, and its `fields` with or
    /// without `:status`. `None` for an interim reply (1xx), behind which another
    /// comes.
    ///
    /// A 2xx accepts (RFC 8441, section 5). `content-length` says nothing in it
    /// (RFC 9110, section 9.3.6), and neither does `sec-websocket-accept`.
    ///
    /// # Errors
    ///
    /// The first rule that the reply breaks: reset the stream, with
    /// [`PROTOCOL_ERROR`](super::PROTOCOL_ERROR) or
    /// [`H3_MESSAGE_ERROR`](super::H3_MESSAGE_ERROR) if it
    /// [is malformed](ResponseError::is_malformed), else with
    /// [`CANCEL`](super::CANCEL) or
    /// [`H3_REQUEST_CANCELLED`](super::H3_REQUEST_CANCELLED).
    pub fn receive<'a>(
        &mut self,
        status: u16,
        fields: &'a [(&'a str, &'a [u8])],
    ) -> Result<Option<Outcome<'a>>, ResponseError> {
        let ([written], fields) = section::parse(fields, [":status"], &self.limits)?;
        if written.is_some_and(|written| written != status.to_string().as_bytes()) {
            return Err(ResponseError::StatusInvalid);
        }
        match status {
            200..=299 => {
                let settled = settle(fields, &self.request.subprotocols, &self.config)?;
                // Taken by the one reply that opens the connection.
                let keys = self.keys.take().ok_or(HandshakeError::EndOfStream)?;
                let config = self.config.clone();
                let response = Response { status, fields, settled, keys, config };
                Ok(Some(Outcome::Accepted(response)))
            }
            // There is nothing to switch to on a stream (RFC 9113, section 8.6).
            101 => Err(ResponseError::StatusInvalid),
            100..=199 => Ok(None),
            300..=599 => Ok(Some(Outcome::Refused(Refusal { status, fields }))),
            _ => Err(ResponseError::StatusInvalid),
        }
    }

    /// The stream ended, or was reset, before there was a reply: the error that
    /// this is.
    pub fn receive_eof(&self) -> ResponseError {
        HandshakeError::EndOfStream.into()
    }

    /// Says when to call next; `None`: never.
    ///
    /// # Errors
    ///
    /// [`Timeout`](super::super::ResponseError::Timeout) when
    /// [`Config::handshake_timeout`] has passed since the first call: reset the
    /// stream.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<Option<Instant>, ResponseError> {
        self.deadline.check(now).map_err(|_| HandshakeError::Timeout.into())
    }
}
