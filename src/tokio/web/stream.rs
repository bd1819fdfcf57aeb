//! The `WebSocketStream` shape: a connection as a reader and a writer that wait
//! for each other.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::task::Wake;
use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll, Waker, ready};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncWrite};

use super::half::{Readable, Writable};
use super::socket::WebSocket;
use crate::message::Message;
use crate::tokio::stream::Stream;
use crate::tokio::wakers::Wakers;
use crate::web::{
    CloseEvent, CloseInfo, Diagnostic, Event, Protocols, ReadyState, WebError, WebSocketError,
};

/// A connection with back-pressure in both directions: nothing is read from the
/// network unless somebody [reads](Readable::read), and
/// [writing](Writable::write) waits until the network has taken the message.
///
/// Bytes move while one of its futures is awaited, its halves' included. A
/// connection whose messages nobody reads answers no Ping and hears of no Close;
/// once it is closing, or the reader was dropped, messages are passed over.
///
/// Dropped with its halves, it sends an empty Close frame if that can be done at
/// once.
///
/// # Example: a question and its answer
///
/// ```no_run
/// use sockeye::tokio::web::WebSocketStream;
///
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// let mut stream = WebSocketStream::connect("wss://example.com/chat", ["chat"])?;
/// let mut opened = stream.opened().await?;
/// opened.writable.write("hello").await?;
/// println!("{:?}", opened.readable.read().await?);
/// opened.writable.close().await?;
/// # Ok(())
/// # }
/// ```
pub struct WebSocketStream<S: AsyncRead + AsyncWrite + Unpin = Stream> {
    url: String,
    shared: Arc<Shared<S>>,
    /// Until they are taken.
    halves: Option<(Readable<S>, Writable<S>)>,
}

/// What a connection is once it is open.
#[derive(Debug)]
#[non_exhaustive]
pub struct Opened<S: AsyncRead + AsyncWrite + Unpin = Stream> {
    /// Messages from the peer.
    pub readable: Readable<S>,
    /// Messages to the peer.
    pub writable: Writable<S>,
    /// The extensions in use, or nothing.
    pub extensions: String,
    /// The protocol that the server selected, or nothing.
    pub protocol: String,
}

impl WebSocketStream {
    /// A connection to a URL; what is checked is as for
    /// [`web::WebSocket::new`](crate::web::WebSocket::new).
    ///
    /// # Errors
    ///
    /// As [`web::WebSocket::new`](crate::web::WebSocket::new).
    pub fn connect(url: &str, protocols: impl Protocols) -> Result<Self, WebError> {
        Ok(Self::new(WebSocket::connect(url, protocols)?))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocketStream<S> {
    /// Makes one of a socket that nobody has taken an event of, with options, or
    /// over a stream of its own. Its handlers are not called.
    pub fn new(socket: WebSocket<S>) -> Self {
        let url = socket.url().into();
        let shared = Shared::new(socket);
        let halves = (Readable::new(shared.clone()), Writable::new(shared.clone()));
        Self { url, shared, halves: Some(halves) }
    }

    /// Where it leads, as the URL parser writes it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Waits until the connection is open. Cancel safe; to give up connecting,
    /// drop the stream, or [`close`](Self::close) it.
    ///
    /// # Errors
    ///
    /// It could not be opened: 1006. Called once more after it was: the same.
    pub async fn opened(&mut self) -> Result<Opened<S>, WebSocketError> {
        let mut wait = Wait::new(&self.shared);
        let (extensions, protocol) = poll_fn(|cx| wait.poll(cx, State::poll_open)).await?;
        let (readable, writable) = self.halves.take().ok_or_else(WebSocketError::abnormal)?;
        Ok(Opened { readable, writable, extensions, protocol })
    }

    /// Waits for the end, and says what the peer closed with. Cancel safe.
    ///
    /// # Errors
    ///
    /// It did not end well: 1006 without a Close frame of the peer's, or the
    /// peer's code if it closed before all was written.
    pub async fn closed(&self) -> Result<CloseEvent, WebSocketError> {
        let mut wait = Wait::new(&self.shared);
        poll_fn(|cx| wait.poll(cx, State::poll_closed)).await
    }

    /// Starts the closing handshake, or gives up connecting. It goes on while
    /// [`closed`](Self::closed) is awaited.
    pub fn close(&self, info: &CloseInfo) {
        self.shared.with(|state, cx| state.close(info, cx));
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> fmt::Debug for WebSocketStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketStream").field("url", &self.url).finish_non_exhaustive()
    }
}

// ---- what the halves share -----------------------------------------------------

pub(super) struct Shared<S: AsyncRead + AsyncWrite + Unpin> {
    state: Mutex<State<S>>,
    waiting: Arc<Waiting>,
    /// Wakes all that wait: a stream knows one task to wake for each direction.
    waker: Waker,
}

/// The tasks that wait, each in a place of its own.
#[derive(Debug, Default)]
struct Waiting(Mutex<Wakers>);

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Wakers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Waiting {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let all = self.lock().all();
        all.into_iter().for_each(Waker::wake);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Shared<S> {
    fn new(ws: WebSocket<S>) -> Arc<Self> {
        let waiting = Arc::new(Waiting::default());
        let waker = Waker::from(waiting.clone());
        let state = State { ws, has_reader: true, has_writer: true };
        Arc::new(Self { state: Mutex::new(state), waiting, waker })
    }

    /// Does something with the state, and wakes the others if it has changed.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut State<S>, &mut Context<'_>) -> T) -> T {
        // No call of ours panics while it holds the lock.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = state.progress();
        let result = work(&mut state, &mut Context::from_waker(&self.waker));
        let has_changed = state.progress() != before;
        drop(state);
        if has_changed {
            self.waker.wake_by_ref();
        }
        result
    }
}

/// A future that waits for the state: it leaves its place when it is dropped.
pub(super) struct Wait<'a, S: AsyncRead + AsyncWrite + Unpin> {
    shared: &'a Shared<S>,
    place: Place,
}

/// A place among those that wait, once there is one.
pub(super) type Place = Option<usize>;

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Wait<'a, S> {
    pub(super) fn new(shared: &'a Shared<S>) -> Self {
        Self { shared, place: None }
    }

    pub(super) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        work: impl FnMut(&mut State<S>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.shared.poll(&mut self.place, cx, work)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Drop for Wait<'_, S> {
    fn drop(&mut self) {
        self.shared.leave(&mut self.place);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Shared<S> {
    /// Waits for something, in a place that is taken when it is needed.
    pub(super) fn poll<T>(
        &self,
        place: &mut Place,
        cx: &mut Context<'_>,
        mut work: impl FnMut(&mut State<S>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        if let Poll::Ready(value) = self.with(&mut work) {
            return Poll::Ready(value);
        }
        // Once more after registering: what happened in between woke nobody.
        let mut waiting = self.waiting.lock();
        let place = *place.get_or_insert_with(|| waiting.enter());
        waiting.set(place, cx.waker());
        drop(waiting);
        self.with(work)
    }

    /// Nobody waits in this place any longer.
    pub(super) fn leave(&self, place: &mut Place) {
        if let Some(place) = place.take() {
            self.waiting.lock().leave(place);
        }
    }
}

/// The socket, and what was made of its events.
pub(super) struct State<S: AsyncRead + AsyncWrite + Unpin> {
    pub(super) ws: WebSocket<S>,
    pub(super) has_reader: bool,
    pub(super) has_writer: bool,
}

/// What somebody may be waiting for.
#[derive(PartialEq)]
struct Progress {
    ready_state: ReadyState,
    queued_len: usize,
    is_sending: bool,
    is_broken: bool,
    /// The next task is for the reader, who has to take it before others go on.
    has_message: bool,
    /// Without a reader, others read.
    has_reader: bool,
    has_ended: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> State<S> {
    fn progress(&self) -> Progress {
        Progress {
            ready_state: self.ws.ready_state(),
            queued_len: self.ws.queued_len(),
            is_sending: self.ws.is_sending(),
            is_broken: self.ws.is_broken(),
            has_message: self.ws.has_message(),
            has_reader: self.has_reader,
            has_ended: self.has_ended(),
        }
    }

    /// How it failed, if it did.
    pub(super) fn failure(&self) -> Option<WebSocketError> {
        let event = self.ws.close_event().filter(|event| !event.was_clean)?;
        // The peer has closed; that output is lost is for `closed` to tell.
        let is_closed = self.ws.diagnostic() == Some(&Diagnostic::Unsent);
        (!is_closed).then(|| WebSocketError::of_event(event))
    }

    /// Runs a task or moves bytes. Gives a message to the reader, who alone takes
    /// one while the connection is open. Otherwise ready when something has come
    /// of it: look again.
    pub(super) fn poll_step(
        &mut self,
        is_reader: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Message<'static>>> {
        let is_open = self.ws.ready_state() == ReadyState::Open;
        let may_take = is_reader || !self.has_reader || !is_open;
        if !self.ws.has_tasks() || !may_take && self.ws.has_message() {
            // Of a connection that is broken, what matters is how it ended.
            let may_read = may_take || self.ws.is_broken();
            return self.ws.poll_network(may_read, cx).map(|()| None);
        }
        let mut events = self.ws.turn().unwrap_or_default();
        Poll::Ready(events.find_map(|event| match event {
            Event::Message(message) if is_reader => Some(message.data),
            _ => None,
        }))
    }

    /// Extensions and protocol.
    fn poll_open(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(String, String), WebSocketError>> {
        while self.ws.ready_state() != ReadyState::Open {
            if let Some(event) = self.ws.close_event() {
                return Poll::Ready(Err(WebSocketError::of_event(event)));
            }
            ready!(self.poll_step(false, cx));
        }
        Poll::Ready(Ok((self.ws.extensions().into(), self.ws.protocol().into())))
    }

    pub(super) fn poll_closed(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<CloseEvent, WebSocketError>> {
        loop {
            match self.ws.close_event() {
                Some(event) if event.was_clean => return Poll::Ready(Ok(event.clone())),
                Some(event) => return Poll::Ready(Err(WebSocketError::of_event(event))),
                None => ready!(self.poll_step(false, cx)),
            };
        }
    }

    /// Starts the closing handshake, or gives up connecting. What that takes goes
    /// on while somebody awaits the end.
    pub(super) fn close(&mut self, info: &CloseInfo, cx: &mut Context<'_>) {
        self.ws.close_with(info);
        self.ws.tell(cx);
    }

    /// A half was dropped. When both were, nobody is left to talk to the peer:
    /// the connection is closed.
    pub(super) fn leave(&mut self, cx: &mut Context<'_>) {
        if !self.has_reader && !self.has_writer {
            self.close(&CloseInfo::default(), cx);
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ws.close_event().is_some()
    }
}
