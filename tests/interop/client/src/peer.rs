//! The peer's server: connecting to it, and asking it what it saw.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use sockeye::deflate::Params;
use sockeye::net::{self, Endpoint};
use sockeye::{Cause, CloseCode, CloseFrame, Closed, Message, Side};
use url::form_urlencoded::Serializer;

use crate::adapter::{Adapter, Socket};

const CASE_LIMIT: Duration = Duration::from_secs(10);
/// What the end of a connection may take: less than anybody's timeout.
const END_LIMIT: Duration = Duration::from_secs(3);

pub type Outcome = Result<(), Box<dyn Error>>;

pub struct Peer<'p> {
    adapter: &'p dyn Adapter,
    url: &'p str,
    case: usize,
    keys: Cell<usize>,
    deadline: Instant,
}

impl<'p> Peer<'p> {
    pub fn new(adapter: &'p dyn Adapter, url: &'p str, case: usize) -> Self {
        let deadline = Instant::now() + CASE_LIMIT;
        Self { adapter, url, case, keys: Cell::new(0), deadline }
    }

    pub fn endpoint(&self, query: &[(&str, &str)]) -> Result<Endpoint, net::Error> {
        let query = Serializer::new(String::new()).extend_pairs(query).finish();
        Endpoint::from_url(&format!("{}/?{query}", self.url))
    }

    pub fn open(&self, endpoint: Endpoint) -> Result<Box<dyn Socket>, net::Error> {
        self.adapter.connect(endpoint, self.deadline)
    }

    pub fn connect(&self, query: &[(&str, &str)]) -> Result<Box<dyn Socket>, net::Error> {
        self.open(self.endpoint(query)?)
    }

    /// A name for a connection that the peer is to remember.
    pub fn key(&self) -> String {
        self.keys.set(self.keys.get() + 1);
        format!("{}-{}", self.case, self.keys.get())
    }

    /// Runs `body` on a connection, closes it in good order, and gives what
    /// the peer saw of it.
    pub fn with(
        &self,
        query: &[(&str, &str)],
        body: impl FnOnce(&mut dyn Socket) -> Outcome,
    ) -> Result<Report, Box<dyn Error>> {
        let key = self.key();
        let endpoint = self.endpoint(&[query, &[("record", &key)]].concat())?;
        self.with_endpoint(endpoint, &key, body)
    }

    /// As `with`, for a connection that the peer knows by `key`.
    pub fn with_endpoint(
        &self,
        endpoint: Endpoint,
        key: &str,
        body: impl FnOnce(&mut dyn Socket) -> Outcome,
    ) -> Result<Report, Box<dyn Error>> {
        let report = self.talk(endpoint, key, body)?;
        report.check_deflate("", None)?;
        Ok(report)
    }

    /// The same, whatever was agreed on about compression.
    pub fn talk(
        &self,
        endpoint: Endpoint,
        key: &str,
        body: impl FnOnce(&mut dyn Socket) -> Outcome,
    ) -> Result<Report, Box<dyn Error>> {
        let mut ws = self.open(endpoint)?;
        body(&mut *ws)?;
        let started = Instant::now();
        let closed = ws.close(CloseCode::NORMAL_CLOSURE, "done")?;
        let frame = CloseFrame::new(CloseCode::NORMAL_CLOSURE, "done");
        check_closed(&closed, Side::Local, frame, started)?;
        let report = self.report(key)?;
        report.check_closed(frame)?;
        Ok(report)
    }

    /// What the peer saw of a connection that is over.
    pub fn report(&self, key: &str) -> Result<Report, Box<dyn Error>> {
        let mut ws = self.connect(&[("report", key)])?;
        let message = ws.read()?.ok_or("no report")?;
        let text = message.as_text().ok_or("no report in text")?;
        let fields = text.lines().filter_map(|line| line.split_once(' '));
        let report = Report(fields.map(|(name, value)| (name.into(), value.into())).collect());
        ws.close(CloseCode::NORMAL_CLOSURE, "")?;
        Ok(report)
    }
}

/// What the peer saw of a connection.
#[derive(Debug)]
pub struct Report(BTreeMap<String, String>);

impl Report {
    pub fn get(&self, name: &str) -> Result<&str, String> {
        self.0.get(name).map(String::as_str).ok_or_else(|| format!("no {name} in {:?}", self.0))
    }

    /// The frames that the peer got, such as `text*:3`, `cont:2`, `ping:6869`:
    /// with `*` if it is not the last of its message and `~` before that if it
    /// has RSV1, with the length of data on the wire and the payload of control
    /// frames in hex.
    pub fn frames(&self) -> Result<Vec<&str>, String> {
        Ok(self.get("frames")?.split_whitespace().collect())
    }

    /// The frames are these, and the Close of [`Peer::with`].
    pub fn check_frames(&self, wanted: &[String]) -> Outcome {
        let (_, frames) = self.frames()?.split_last().map(|(a, b)| (*a, b.to_vec())).unzip();
        same(&frames.unwrap_or_default(), &wanted.iter().map(String::as_str).collect(), "frames")
    }

    /// The frames of this name.
    pub fn check_frames_named(&self, name: &str, wanted: &[String]) -> Outcome {
        let frames = self.frames()?;
        let named = frames.into_iter().filter(|f| f.split(':').next() == Some(name)).collect();
        same(&named, &wanted.iter().map(String::as_str).collect::<Vec<_>>(), name)
    }

    /// The peer was offered this, compressed by these parameters, and found no
    /// reference to what is outside of our window.
    pub fn check_deflate(&self, offered: &str, agreed: Option<Params>) -> Outcome {
        let agreed = agreed.map(|params| params.to_string()).unwrap_or_default();
        same(self.get("offered")?, offered, "offered")?;
        same(self.get("deflate")?, &*agreed, "agreed on for the peer")?;
        same(self.get("window")?, "", "window")
    }

    /// The peer got this Close frame, and found the end clean.
    pub fn check_closed(&self, frame: CloseFrame) -> Outcome {
        same(self.get("code")?, &code_of(frame).get().to_string(), "code that the peer saw")?;
        same(self.get("reason")?, frame.reason(), "reason that the peer saw")?;
        same(self.get("clean")?, "true", "clean for the peer")?;
        let body = frame.code().map(|code| code.get().to_be_bytes().to_vec()).unwrap_or_default();
        let body = [&body, frame.reason().as_bytes()].concat();
        let last = self.frames()?.pop().unwrap_or_default();
        same(last, &format!("close:{}", hex(&body)), "the last frame that the peer got")
    }
}

/// The connection ended with this Close frame both ways, and in time.
pub fn check_closed(closed: &Closed, by: Side, frame: CloseFrame, started: Instant) -> Outcome {
    same(&closed.is_clean(), &true, "clean")?;
    same(&closed.cause(), &Cause::ClosingHandshake, "cause")?;
    same(&closed.by(), &by, "closed by")?;
    same(&closed.received(), &Some(&frame), "received")?;
    same(&closed.sent(), &Some(&frame), "sent")?;
    same(&closed.code(), &code_of(frame), "code")?;
    same(closed.reason(), frame.reason(), "reason")?;
    let took = started.elapsed();
    if took > END_LIMIT {
        return Err(format!("the end took {took:?}").into());
    }
    Ok(())
}

fn code_of(frame: CloseFrame) -> CloseCode {
    frame.code().unwrap_or(CloseCode::NO_STATUS_RECEIVED)
}

pub fn same<T: Debug + PartialEq + ?Sized>(got: &T, wanted: &T, what: &str) -> Outcome {
    if got == wanted {
        return Ok(());
    }
    Err(format!("{what}: {}, expected {}", brief(got), brief(wanted)).into())
}

/// The message is this one.
pub fn same_message(got: Option<Message<'_>>, wanted: &Message<'_>, what: &str) -> Outcome {
    same(&got.as_ref(), &Some(wanted), what)
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn brief(value: &(impl Debug + ?Sized)) -> String {
    let shown = format!("{value:?}");
    match shown.char_indices().nth(300) {
        Some((at, _)) => format!("{}… ({} bytes)", &shown[..at], shown.len()),
        None => shown,
    }
}
