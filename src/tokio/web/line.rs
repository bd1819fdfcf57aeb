//! A stream to the server of a socket: moves bytes between the two.

use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};
use core::time::Duration;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::net::{Inbox, Turn, Watch};
use crate::time::Instant;
use crate::tokio::time::Timer;
use crate::tokio::wire::Wire;
use crate::web::WebSocket;

/// How long the peer may take to end its direction of the transport once a
/// connection is over: events wait for that.
const FAREWELL: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Line<S> {
    wire: Wire<S>,
    inbox: Inbox,
    watch: Watch,
    /// Others wait until the handshake is over.
    turn: Option<Turn>,
    cannot_write: bool,
    hang_up_until: Option<Instant>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Line<S> {
    /// The socket is connected, and says so.
    pub(super) fn new(
        socket: &mut WebSocket,
        timer: &'static dyn Timer,
        stream: S,
        turn: Option<Turn>,
    ) -> Self {
        let wire = Wire::new(stream, timer);
        let mut watch = Watch::default();
        let now = wire.now();
        socket.connected(now);
        watch.start(socket, now);
        let inbox = Inbox::default();
        Self { wire, inbox, watch, turn, cannot_write: false, hang_up_until: None }
    }

    /// Writes, reads once if it may and there is no task to run before,
    /// and watches the deadlines. Ready when something has come of it.
    pub(super) fn poll(
        &mut self,
        socket: &mut WebSocket,
        may_read: bool,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if !socket.is_opening() {
            self.turn = None;
        }
        self.watch.note_time(socket, || self.wire.now());
        // If the peer has closed its end, what it said before that can still be
        // read.
        let _ = self.poll_write(socket, cx);
        if may_read && !socket.has_tasks() {
            if let Poll::Ready(read) = self.wire.poll_read(&mut self.inbox, cx) {
                self.came(socket, read);
                return Poll::Ready(());
            }
        }
        ready!(self.wire.alarm.poll(self.watch.next(), cx));
        self.watch.judge_socket(socket, self.wire.now());
        Poll::Ready(())
    }

    /// Something was read, or nothing ever will be.
    fn came(&mut self, socket: &mut WebSocket, read: io::Result<usize>) {
        match read {
            Ok(0) => socket.receive_eof(),
            Ok(_) => {
                let (input, unread) = self.inbox.open(&mut []);
                socket.receive(input.into_rest());
                unread.leave(0);
                self.inbox.release();
                if self.watch.is_too_late(|| self.wire.now(), false) {
                    self.watch.judge_socket(socket, self.wire.now());
                }
            }
            Err(error) => socket.connect_failed(error),
        }
    }

    /// Writes what there is to write, if that is still possible.
    pub(super) fn poll_write(&mut self, socket: &mut WebSocket, cx: &mut Context<'_>) -> Poll<()> {
        if self.cannot_write {
            return Poll::Ready(());
        }
        let mut output = socket.output();
        let len = output.len();
        let result = self.wire.poll_flush(&mut output, cx);
        let written = len - output.len();
        socket.wrote(written);
        ready!(result).unwrap_or_else(|_| self.cannot_write = true);
        Poll::Ready(())
    }

    /// The socket is done with the transport: it is flushed and closed.
    pub(super) fn poll_hang_up(
        &mut self,
        socket: &mut WebSocket,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        self.turn = None;
        if self.cannot_write {
            return Poll::Ready(());
        }
        let until = *self.hang_up_until.get_or_insert(self.wire.now() + FAREWELL);
        if self.poll_write(socket, cx).is_pending() {
            return self.wire.alarm.poll(Some(until), cx);
        }
        self.wire.poll_hang_up(&mut self.inbox, until, cx)
    }

    /// True if what is to be written never will be.
    pub(super) fn is_broken(&self) -> bool {
        self.cannot_write
    }

    /// Tells the peer what can be told without waiting.
    pub(super) fn leave(&mut self, socket: &mut WebSocket) {
        let cx = &mut Context::from_waker(Waker::noop());
        if self.poll_write(socket, cx).is_ready() {
            let _ = Pin::new(&mut self.wire.stream).poll_shutdown(cx);
        }
    }
}
