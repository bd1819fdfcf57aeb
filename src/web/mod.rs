//! The browser's `WebSocket` object (WebSockets Standard), in Rust.
//!
//! Layer: above the engine, beside the adapters' common part; knows no sockets,
//! no clock, no runtime. `blocking::web` and `tokio::web` carry it over the
//! network.
//!
//! It has two sides. A *script* has the [`WebSocket`]: creates it, reads its
//! attributes, sends and closes. An adapter has the [`Network`] around it, which
//! tells it what has come. What the network tells never changes an attribute
//! between two statements of the script: it queues a task, and
//! [`turn`](WebSocket::turn) runs one, as the event loop of a page does.
//!
//! The same program in JavaScript and in Rust is in [`manual`].
//!
//! # Example: both sides by hand
//!
//! ```
//! use core::time::Duration;
//! use sockeye::web::{Event, Network, ReadyState, WebSocket};
//! use sockeye::{Connection, Config, Instant, handshake};
//! # use std::sync::Arc;
//!
//! let ws = WebSocket::new("ws://example.com/chat", ["chat"])?;
//! assert_eq!(ws.ready_state(), ReadyState::Connecting);
//!
//! // The network's side: connect to `ws.target()`, then move bytes.
//! let mut ws = Network::new(ws);
//! ws.connected(Instant::from_epoch(Duration::ZERO));
//! let mut reply = Vec::new();
//! # let config = Arc::new(Config::default());
//! # let mut server = handshake::Server::new(config);
//! # let request = server.receive(ws.output())?.unwrap();
//! # request.accept(&handshake::Accept::new().subprotocol(Some("chat")), &mut reply)?;
//! ws.wrote(ws.output().len());
//! ws.receive(&mut reply);
//! assert_eq!(ws.ready_state(), ReadyState::Connecting); // nothing has happened yet
//!
//! // The script's side: one task at a time.
//! let fired = ws.turn().expect("a task");
//! assert_eq!(fired.collect::<Vec<_>>(), [Event::Open]);
//! assert_eq!((ws.ready_state(), ws.protocol()), (ReadyState::Open, "chat"));
//! ws.send_text("hello")?;
//! assert_eq!(ws.buffered_amount(), 5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod close_info;
mod diagnostic;
mod error;
mod event;
mod handlers;
pub mod manual;
mod network;
mod opening;
mod options;
mod outbox;
mod ports;
mod protocols;
mod task;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use url::Url;

use self::handlers::Handlers;
use self::network::Phase;
use self::opening::Cookies;
use self::options::Counted;
use self::outbox::Outbox;
use self::task::Task;
use crate::close::CloseCode;
use crate::config::Config;
use crate::location::Location;
use crate::message::Message;
use crate::seed::Seed;

pub use close_info::{CloseInfo, WebSocketError};
pub use diagnostic::Diagnostic;
pub use error::{TrySendError, WebError};
pub use event::{
    BinaryType, CloseEvent, Event, EventKind, MessageEvent, ReadyState, UnknownBinaryType,
};
pub use handlers::{Handler, ListenerId};
pub use network::{Network, Target};
pub use options::{BlockedPorts, ConnectionLimit, CookieStore, Options};
pub use protocols::Protocols;
pub use task::Fired;

/// The object. Where its behaviour is not described here, it is that of the
/// [WebSockets Standard](https://websockets.spec.whatwg.org/).
///
/// Messages are encoded when they are sent, with one copy, and owned when they
/// are received, with one copy. What is sent is buffered without a limit, unless
/// [`Options::max_buffered`] sets one: a script that sends much looks at
/// [`buffered_amount`](Self::buffered_amount).
pub struct WebSocket {
    // What was settled by the constructor.
    location: Location,
    origin: Arc<str>,
    config: Arc<Config>,
    cookies: Cookies,
    requires_protocol: bool,
    max_buffered: u64,
    // Attributes.
    ready_state: ReadyState,
    buffered_amount: u64,
    extensions: String,
    protocol: String,
    binary_type: BinaryType,
    handlers: Handlers,
    // The network.
    tasks: VecDeque<Task>,
    phase: Phase,
    outbox: Outbox,
    counted: Option<Counted>,
    /// The task that ends it was queued.
    has_ended: bool,
    diagnostic: Option<Diagnostic>,
    close_event: Option<CloseEvent>,
}

impl WebSocket {
    /// A socket to a URL of the scheme `ws` or `wss` (or `http` or `https`, which
    /// become these), asking for `protocols`: `()` for none, or `"chat"`, or
    /// `["v2", "v1"]`, the preferred first. Nothing is connected to before an
    /// adapter carries it.
    ///
    /// # Errors
    ///
    /// [`WebError::Syntax`]: not an absolute URL; another scheme; a fragment; a
    /// protocol that is not a token (RFC 6455, section 4.1, item 10), or is there
    /// twice. They are looked for in this order.
    pub fn new(url: &str, protocols: impl Protocols) -> Result<Self, WebError> {
        Self::with_options(url, protocols, &Options::default())
    }

    /// As [`new`](Self::new), on a page with these options.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), but that the URL may be a relative one; and
    /// [`WebError::Security`] for mixed content and blocked ports, as the options
    /// have it.
    pub fn with_options(
        url: &str,
        protocols: impl Protocols,
        options: &Options,
    ) -> Result<Self, WebError> {
        Self::construct(url, protocols.into_list(), options, Seed::from_os().ok())
    }

    /// As [`with_options`](Self::with_options), with random numbers that the
    /// caller has made. Each seed serves once.
    ///
    /// # Errors
    ///
    /// As [`with_options`](Self::with_options).
    pub fn with_seed(
        url: &str,
        protocols: impl Protocols,
        options: &Options,
        seed: Seed,
    ) -> Result<Self, WebError> {
        Self::construct(url, protocols.into_list(), options, Some(seed))
    }

    fn construct(
        url: &str,
        protocols: Vec<String>,
        options: &Options,
        seed: Option<Seed>,
    ) -> Result<Self, WebError> {
        let location = locate(url, options)?;
        protocols::check(&protocols)?;
        let mut ws = Self {
            origin: location.origin().into(),
            location,
            config: options.config.clone(),
            cookies: options.cookies.clone(),
            requires_protocol: options.require_protocol && !protocols.is_empty(),
            max_buffered: options.max_buffered.unwrap_or(u64::MAX),
            ready_state: ReadyState::Connecting,
            buffered_amount: 0,
            extensions: String::new(),
            protocol: String::new(),
            binary_type: BinaryType::default(),
            handlers: Handlers::default(),
            tasks: VecDeque::new(),
            phase: Phase::Over,
            outbox: Outbox::default(),
            counted: None,
            has_ended: false,
            diagnostic: None,
            close_event: None,
        };
        match opening::client(&ws.location, &protocols, options, seed) {
            Ok(client) => ws.phase = Phase::Waiting(Box::new(client)),
            Err(why) => ws.fail(why),
        }
        if let (Some(limit), false) = (&options.connections, ws.has_ended) {
            ws.counted = limit.enter();
            if ws.counted.is_none() {
                ws.fail(Diagnostic::TooManyConnections);
            }
        }
        Ok(ws)
    }

    // ---- attributes ----------------------------------------------------------

    /// Where it leads: absolute, as the URL parser writes it.
    pub fn url(&self) -> &str {
        self.location.as_str()
    }

    /// How far it has come.
    pub fn ready_state(&self) -> ReadyState {
        self.ready_state
    }

    /// Bytes of messages (their payload, text as UTF-8) that were sent and that
    /// the network has not taken, as of the last [`turn`](Self::turn). What is
    /// sent when it is too late counts for ever; closing sets nothing back.
    pub fn buffered_amount(&self) -> u64 {
        self.buffered_amount
    }

    /// The extensions in use, as the server named them; empty if there are none,
    /// or it is not open yet.
    pub fn extensions(&self) -> &str {
        &self.extensions
    }

    /// The protocol that the server selected; empty if there is none, or it is
    /// not open yet.
    pub fn protocol(&self) -> &str {
        &self.protocol
    }

    /// How binary data are wanted; `Blob` at first.
    pub fn binary_type(&self) -> BinaryType {
        self.binary_type
    }

    /// Says how binary data are wanted, from the next event on.
    pub fn set_binary_type(&mut self, binary_type: BinaryType) {
        self.binary_type = binary_type;
    }

    /// Why the connection failed; `None` as long as it has not. For logs.
    pub fn diagnostic(&self) -> Option<&Diagnostic> {
        self.diagnostic.as_ref()
    }

    /// How it was closed, once that event has been fired.
    pub fn close_event(&self) -> Option<&CloseEvent> {
        self.close_event.as_ref()
    }

    /// Limits and deadlines in force.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    // ---- sending ---------------------------------------------------------------

    /// Sends a text. When the connection is closing or closed, it is dropped, and
    /// counts as buffered for ever; see [`try_send`](Self::try_send).
    ///
    /// # Errors
    ///
    /// [`WebError::InvalidState`] while it is connecting.
    pub fn send_text(&mut self, text: &str) -> Result<(), WebError> {
        self.send(&text.into())
    }

    /// Sends bytes, as [`send_text`](Self::send_text) does a text.
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text).
    pub fn send_binary(&mut self, data: &[u8]) -> Result<(), WebError> {
        self.send(&data.into())
    }

    /// Sends a text in UTF-16, as scripts have it: U+FFFD stands in for each
    /// surrogate without its other half.
    ///
    /// # Errors
    ///
    /// As [`send_text`](Self::send_text).
    pub fn send_utf16(&mut self, text: &[u16]) -> Result<(), WebError> {
        self.send_text(&String::from_utf16_lossy(text))
    }

    /// Sends a message if it can be sent, for callers who want to know.
    ///
    /// # Errors
    ///
    /// [`TrySendError`]; nothing has changed.
    pub fn try_send<'a>(&mut self, message: impl Into<Message<'a>>) -> Result<(), TrySendError> {
        let message = message.into();
        if !self.can_send() {
            return Err(TrySendError::NotOpen);
        }
        if !self.has_room(message.as_bytes().len()) {
            return Err(TrySendError::Full);
        }
        self.send(&message).map_err(|_| TrySendError::NotOpen)
    }

    fn send(&mut self, message: &Message<'_>) -> Result<(), WebError> {
        if self.ready_state == ReadyState::Connecting {
            return Err(WebError::InvalidState("the connection is not open yet".into()));
        }
        let len = message.as_bytes().len();
        let has_room = self.has_room(len);
        let len = len as u64;
        self.buffered_amount = self.buffered_amount.saturating_add(len);
        if !self.can_send() {
            return Ok(());
        }
        if !has_room {
            // "Flag the WebSocket as full and then close the connection."
            self.outbox.clear();
            self.fail(Diagnostic::Full);
            return Ok(());
        }
        if let Phase::Open(open) = &mut self.phase {
            let start = self.outbox.end();
            let out = self.outbox.bytes();
            let sent = match message {
                Message::Binary(data) => open.ws.send_binary(data, out),
                Message::Text(text) => open.ws.send_text(text, out),
            };
            if sent.is_ok() {
                self.outbox.note_message(start, len);
            }
        }
        Ok(())
    }

    /// False also if the peer has closed, and no task has told the script yet:
    /// what is sent then is too late as well.
    fn can_send(&self) -> bool {
        let is_open = matches!(&self.phase, Phase::Open(open) if open.ws.is_open());
        is_open && self.ready_state == ReadyState::Open
    }

    fn has_room(&self, len: usize) -> bool {
        self.buffered_amount.saturating_add(len as u64) <= self.max_buffered
    }

    // ---- closing ---------------------------------------------------------------

    /// Closes the connection, or gives up connecting. What was sent before goes
    /// out before. Without code and reason the Close frame is empty, which the
    /// peer sees as 1005 (and not as 1000); a reason without a code goes with
    /// 1000. Closing a second time changes nothing.
    ///
    /// The peer's answer ends the connection, or its silence, after
    /// [`Config::close_timeout`](crate::Config::close_timeout).
    ///
    /// # Errors
    ///
    /// In this order, in any state: [`WebError::InvalidAccess`] for a code that
    /// is neither 1000 nor in `3000..=4999`; [`WebError::Syntax`] for a reason of
    /// more than 123 bytes.
    pub fn close(&mut self, code: Option<u16>, reason: Option<&str>) -> Result<(), WebError> {
        let info = CloseInfo::new(code, reason.unwrap_or_default())?;
        self.close_with(&info);
        Ok(())
    }

    /// As [`close`](Self::close), with what was checked before.
    pub fn close_with(&mut self, info: &CloseInfo) {
        self.start_closing(info.close_code(), info.reason());
    }

    /// As [`close`](Self::close) with a reason in UTF-16: U+FFFD stands in for
    /// each surrogate without its other half, before it is measured.
    ///
    /// # Errors
    ///
    /// As [`close`](Self::close).
    pub fn close_utf16(&mut self, code: Option<u16>, reason: &[u16]) -> Result<(), WebError> {
        self.close(code, Some(&String::from_utf16_lossy(reason)))
    }

    /// *Makes disappear*: the page goes away. Closes with 1001, or gives up
    /// connecting.
    pub fn go_away(&mut self) {
        self.start_closing(Some(CloseCode::GOING_AWAY), "");
    }

    fn start_closing(&mut self, code: Option<CloseCode>, reason: &str) {
        match self.ready_state {
            ReadyState::Connecting => {
                self.ready_state = ReadyState::Closing;
                // It may have been established meanwhile, and more; the script
                // will not hear of that.
                self.close_engine(Some(CloseCode::GOING_AWAY), "");
                self.tasks.clear();
                self.has_ended = false;
                let why = self.diagnostic.take();
                self.fail(why.unwrap_or(Diagnostic::ClosedWhileConnecting));
            }
            ReadyState::Open => {
                self.ready_state = ReadyState::Closing;
                self.close_engine(code, reason);
            }
            ReadyState::Closing | ReadyState::Closed => {}
        }
    }

    fn close_engine(&mut self, code: Option<CloseCode>, reason: &str) {
        if let Phase::Open(open) = &mut self.phase {
            // Unless the peer was first, which is as good. Code and reason were
            // checked, and a `Vec` has room.
            let _ = open.ws.close(code, reason, self.outbox.bytes());
        }
    }
}

/// Without what may be a secret: the whole URL, and messages.
impl fmt::Debug for WebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("origin", &self.origin)
            .field("ready_state", &self.ready_state)
            .field("buffered_amount", &self.buffered_amount)
            .field("protocol", &self.protocol)
            .field("diagnostic", &self.diagnostic)
            .finish_non_exhaustive()
    }
}

/// The constructor's first steps: URL, scheme, fragment, and what the page may
/// do.
fn locate(url: &str, options: &Options) -> Result<Location, WebError> {
    // Without the URL: a password may be in it.
    let syntax = |why: &dyn ToString| WebError::Syntax(why.to_string().into());
    let base = match &options.base_url {
        Some(base) => Some(Url::parse(base).map_err(|error| syntax(&error))?),
        None => None,
    };
    let parsed = Url::options().base_url(base.as_ref()).parse(url);
    let location = Location::new(parsed.map_err(|error| syntax(&error))?);
    let location = location.map_err(|error| syntax(&error))?;
    if options.secure_context && !location.is_secure() && !location.is_loopback() {
        return Err(WebError::Security("a page that came over TLS may not use ws".into()));
    }
    if options.blocked_ports == BlockedPorts::Throw && ports::is_blocked(location.port()) {
        return Err(WebError::Security("the port belongs to another protocol".into()));
    }
    Ok(location)
}
