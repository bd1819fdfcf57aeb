//! What the echo servers have in common: arguments, and what a client can ask
//! for in its query.

use std::collections::HashMap;
use std::env;
use std::sync::{Arc, Mutex, PoisonError};

use sockeye::handshake::{Accept, Answer, Rejection, Request};
use sockeye::{CloseCode, Config, DeflateConfig, Incoming, Message};

/// Address, and limits.
pub fn parse_args(program: &str) -> Result<(String, Arc<Config>), String> {
    let usage = format!("usage: {program} [ADDR] [--max-message BYTES] [--deflate PARAMS]");
    let (mut addr, mut max_message) = (None, 32 << 20);
    let mut deflate = DeflateConfig::default();
    let mut args = env::args().skip(1);
    while let Some(arg) = args.next() {
        if arg == "--max-message" {
            let bytes = args.next().and_then(|bytes| bytes.parse().ok());
            max_message = bytes.ok_or_else(|| format!("--max-message needs a number; {usage}"))?;
        } else if arg == "--deflate" {
            let params = args.next().and_then(|params| params.parse().ok());
            let params = params.ok_or_else(|| format!("--deflate needs parameters; {usage}"))?;
            deflate.params = vec![params];
        } else if arg.starts_with('-') || addr.is_some() {
            return Err(usage);
        } else {
            addr = Some(arg);
        }
    }
    let mut config = Config::default();
    config.max_message_len = max_message;
    // What does not compress becomes a little longer if it is compressed.
    config.max_frame_len = max_message + max_message / 8;
    config.deflate = Some(deflate);
    Ok((addr.unwrap_or_else(|| "127.0.0.1:9001".into()), Arc::new(config)))
}

/// Messages counted under each key.
#[derive(Default)]
pub struct Counts(Mutex<HashMap<String, u64>>);

impl Counts {
    pub fn add(&self, key: &str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(key.into()).or_default() += 1;
    }

    pub fn get(&self, key: &str) -> u64 {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(key).copied().unwrap_or_default()
    }
}

/// What a query asks for.
pub struct Wishes(HashMap<String, String>);

impl Wishes {
    /// None of them.
    pub fn none() -> Self {
        Self(HashMap::new())
    }

    /// Reads the query, and answers the request as it wishes.
    pub fn answer<'r>(&mut self, request: &Request<'r>) -> Answer<'r> {
        let query = request.query().unwrap_or_default();
        self.0 = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        if let Some(status) = self.number("status") {
            return Rejection::new(status).body(format!("you asked for {status}\n")).into();
        }
        let first = request.subprotocols().next().filter(|_| !self.has("noproto"));
        let accept = Accept::new().subprotocol(first);
        if self.has("nodeflate") { accept.without_deflate().into() } else { accept.into() }
    }

    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    pub fn number<N: std::str::FromStr>(&self, key: &str) -> Option<N> {
        self.text(key)?.parse().ok()
    }

    /// The Close frame to send right after open; without a code, one without a
    /// body.
    pub fn close(&self) -> Option<(Option<CloseCode>, &str)> {
        let code = self.text("close")?.parse().ok().map(CloseCode::new);
        Some((code, self.text("reason").unwrap_or_default()))
    }

    /// What to send for what came in, if anything.
    pub fn reply(&self, incoming: Incoming<'_>, counts: &Counts) -> Option<Message<'static>> {
        match incoming {
            Incoming::Message(message) => match self.text("count") {
                Some(key) => {
                    counts.add(key);
                    None
                }
                None => Some(message.into_owned()),
            },
            Incoming::Pong(payload) if self.has("ping") => {
                Some(format!("pong:{}", String::from_utf8_lossy(&payload)).into())
            }
            _ => None,
        }
    }

    /// Frames that each echo is sent in.
    pub fn fragments(&self) -> usize {
        self.number("fragment").unwrap_or(1).max(1)
    }
}

/// The payload in so many pieces, of as equal a length as can be; with each,
/// whether it is the last.
pub fn pieces(payload: &[u8], count: usize) -> impl Iterator<Item = (&[u8], bool)> {
    let mut rest = payload;
    (1..=count).rev().map(move |left| {
        let (piece, behind) = rest.split_at(rest.len() / left);
        rest = behind;
        (piece, left == 1)
    })
}
