//! The object, carried by a task.

use alloc::boxed::Box;
use core::fmt;
use core::future::{Future, poll_fn};
use core::ops::{Deref, DerefMut};
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use futures_core::Stream as Events;
use tokio::io::{AsyncRead, AsyncWrite};

use super::line::Line;
use crate::net::{Endpoint, Error, Turn};
use crate::tokio::client::open_stream;
use crate::tokio::stream::Stream;
use crate::tokio::time::{Timer, TokioTimer};
use crate::web::{self, CloseEvent, Event, Fired, Network, Protocols, ReadyState, WebError};

/// A [`web::WebSocket`], which it derefs to, with its network.
///
/// It is the event loop: the network moves, tasks run and handlers are called
/// only while [`next_event`](Self::next_event) or one of its like is awaited.
/// All of them are cancel safe. Nothing is read while there are events to take,
/// so that the network holds back a peer that sends too much.
///
/// Dropped while open, it sends an empty Close frame if that can be done at
/// once. To leave in good order, `close` and take the events that are left.
pub struct WebSocket<S: AsyncRead + AsyncWrite + Unpin = Stream> {
    socket: Network,
    link: Link<S>,
    timer: &'static dyn Timer,
    /// Events of the last task.
    fired: Fired,
}

enum Link<S> {
    Dialing(Dialing<S>),
    Up(Box<Line<S>>),
    Down,
}

/// Connecting: gives the stream, and the right to be the one that connects.
type Dialing<S> = Pin<Box<dyn Future<Output = Result<(Option<Turn>, S), Error>> + Send>>;

impl WebSocket {
    /// A socket to a URL, as [`web::WebSocket::new`] makes it. Returns at once,
    /// while it is connecting.
    ///
    /// # Errors
    ///
    /// As [`web::WebSocket::new`].
    pub fn connect(url: &str, protocols: impl Protocols) -> Result<Self, WebError> {
        Ok(Self::start(web::WebSocket::new(url, protocols)?))
    }

    /// Carries a socket, with options and handlers of its own, to where it
    /// leads, from when it is first waited for. One at a time connects to a host
    /// and port (RFC 6455, section 4.1, item 2); the others wait for it as long
    /// as that takes.
    pub fn start(socket: web::WebSocket) -> Self {
        Self::start_through(socket, |endpoint| endpoint)
    }

    /// As [`start`](Self::start), on a way that is not the usual: `change` may set
    /// TLS, a proxy, or not to wait for others. What is said to the server is
    /// the socket's.
    pub fn start_through(
        socket: web::WebSocket,
        change: impl FnOnce(Endpoint) -> Endpoint,
    ) -> Self {
        let socket = Network::new(socket);
        let link = match Endpoint::of_socket(&socket).map(change) {
            Some(endpoint) => {
                Link::Dialing(Box::pin(async move { open_stream(&endpoint, None).await }))
            }
            // It has failed already, and will say so.
            None => Link::Down,
        };
        Self { socket, link, timer: &TokioTimer, fired: Fired::default() }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Carries a socket over a stream that leads to where it wants to be
    /// connected.
    pub fn carry(socket: web::WebSocket, stream: S) -> Self {
        Self::carry_on(&TokioTimer, socket, stream)
    }

    /// As [`carry`](Self::carry), with the clock of another runtime than tokio's.
    pub fn carry_on(timer: &'static dyn Timer, socket: web::WebSocket, stream: S) -> Self {
        let mut socket = Network::new(socket);
        let link = Link::Up(Box::new(Line::new(&mut socket, timer, stream, None)));
        Self { socket, link, timer, fired: Fired::default() }
    }

    /// Waits for the next event, whose handlers have been called when it comes.
    /// `None` after `Close`.
    ///
    /// Cancel safe.
    pub async fn next_event(&mut self) -> Option<Event> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// Waits until there is a task to run, which is for
    /// [`turn`](web::WebSocket::turn) or [`dispatch`](web::WebSocket::dispatch)
    /// to do. False: there will be none. For those who run tasks in a loop of
    /// their own, and not by [`next_event`](Self::next_event).
    ///
    /// Cancel safe.
    pub async fn ready(&mut self) -> bool {
        poll_fn(|cx| self.poll_ready(cx)).await
    }

    /// Waits until the connection is open, and takes that event.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    ///
    /// How it was closed instead; [`diagnostic`](web::WebSocket::diagnostic)
    /// tells why.
    pub async fn opened(&mut self) -> Result<(), CloseEvent> {
        while self.socket.ready_state() != ReadyState::Open {
            match self.next_event().await {
                Some(Event::Close(close)) => return Err(close),
                Some(_) => {}
                None => return Err(self.end()),
            }
        }
        Ok(())
    }

    /// Waits until the network has taken all that was sent, or the connection is
    /// over, or nothing can be sent any more. Meanwhile no task is run, so a peer
    /// that stops reading until we do is waited for in vain: select this together
    /// with something else.
    ///
    /// Cancel safe.
    pub async fn flushed(&mut self) {
        poll_fn(|cx| {
            while self.is_sending() && !self.is_broken() && !self.socket.should_close_transport() {
                ready!(self.poll_network(true, cx));
            }
            Poll::Ready(())
        })
        .await;
    }

    /// Takes events, and has handlers called, until the end.
    pub async fn run(mut self) -> CloseEvent {
        loop {
            match self.next_event().await {
                Some(Event::Close(close)) => return close,
                Some(_) => {}
                None => return self.end(),
            }
        }
    }

    /// It has been told before, if there is no event left.
    fn end(&self) -> CloseEvent {
        self.socket.close_event().cloned().unwrap_or_default()
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            if let Some(event) = self.fired.next() {
                return Poll::Ready(Some(event));
            }
            if !ready!(self.poll_ready(cx)) {
                return Poll::Ready(None);
            }
            self.fired = self.socket.dispatch().unwrap_or_default();
        }
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        loop {
            if self.has_tasks() {
                return Poll::Ready(true);
            }
            if self.is_down() {
                return Poll::Ready(false);
            }
            ready!(self.poll_network(true, cx));
        }
    }

    /// True if there is a task to run. The last event is told when the transport
    /// is closed.
    pub(super) fn has_tasks(&self) -> bool {
        self.socket.has_tasks() && (self.is_down() || !self.socket.is_about_to_end())
    }

    /// True once the network is done with.
    pub(super) fn is_down(&self) -> bool {
        matches!(self.link, Link::Down)
    }

    /// Bytes that the network has not taken.
    pub(super) fn queued_len(&self) -> usize {
        self.socket.output().len()
    }

    /// True if something was sent that the network has not taken.
    pub(super) fn is_sending(&self) -> bool {
        let is_unflushed = matches!(&self.link, Link::Up(line) if line.is_unflushed());
        is_unflushed || !self.socket.output().is_empty()
    }

    /// The script has closed: gives up connecting, or tells the peer what can be
    /// told at once. Waits for nothing, and so needs no runtime.
    pub(super) fn tell(&mut self, cx: &mut Context<'_>) {
        match &mut self.link {
            Link::Dialing(_) if self.socket.should_close_transport() => self.link = Link::Down,
            Link::Up(line) => {
                let _ = line.tell(&mut self.socket, cx);
            }
            Link::Dialing(_) | Link::Down => {}
        }
    }

    /// True if what was sent never will be.
    pub(super) fn is_broken(&self) -> bool {
        match &self.link {
            Link::Up(line) => line.is_broken(),
            Link::Dialing(_) => false,
            Link::Down => true,
        }
    }

    /// Moves bytes. Ready when something has come of it.
    pub(super) fn poll_network(&mut self, may_read: bool, cx: &mut Context<'_>) -> Poll<()> {
        let polled = self.poll_link(may_read, cx);
        self.socket.count_written();
        polled
    }

    fn poll_link(&mut self, may_read: bool, cx: &mut Context<'_>) -> Poll<()> {
        let socket = &mut self.socket;
        match &mut self.link {
            Link::Dialing(_) if socket.should_close_transport() => self.link = Link::Down,
            Link::Dialing(dialing) => match ready!(dialing.as_mut().poll(cx)) {
                Ok((turn, stream)) => {
                    let line = Line::new(socket, self.timer, stream, turn);
                    self.link = Link::Up(Box::new(line));
                }
                Err(error) => {
                    socket.connect_failed(error);
                    self.link = Link::Down;
                }
            },
            Link::Up(line) if socket.should_close_transport() => {
                ready!(line.poll_hang_up(socket, cx));
                self.link = Link::Down;
            }
            Link::Up(line) => return line.poll(socket, may_read, cx),
            Link::Down => {}
        }
        Poll::Ready(())
    }
}

/// The object.
impl<S: AsyncRead + AsyncWrite + Unpin> Deref for WebSocket<S> {
    type Target = web::WebSocket;

    fn deref(&self) -> &web::WebSocket {
        &self.socket
    }
}

/// The object. What is sent goes out while events are waited for.
impl<S: AsyncRead + AsyncWrite + Unpin> DerefMut for WebSocket<S> {
    fn deref_mut(&mut self) -> &mut web::WebSocket {
        &mut self.socket
    }
}

/// As [`next_event`](WebSocket::next_event).
impl<S: AsyncRead + AsyncWrite + Unpin> Events for WebSocket<S> {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.poll_event(cx)
    }
}

/// As when a script's object is collected: nobody is left to wait.
impl<S: AsyncRead + AsyncWrite + Unpin> Drop for WebSocket<S> {
    fn drop(&mut self) {
        if let Link::Up(line) = &mut self.link {
            // Without code and reason it never fails.
            let _ = self.socket.close(None, None);
            line.leave(&mut self.socket);
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + fmt::Debug> fmt::Debug for WebSocket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").field("socket", &self.socket).finish_non_exhaustive()
    }
}
