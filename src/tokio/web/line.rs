//! A stream to the server of a socket: moves bytes between the two.

use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};
use core::time::Duration;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::net::{Inbox, Turn, Watch};
use crate::time::Instant;
use crate::tokio::driver::READS_IN_TURN;
use crate::tokio::time::Timer;
use crate::tokio::wire::Wire;
use crate::web::Network;

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
    /// The request has gone out.
    has_asked: bool,
    was_open: bool,
    cannot_write: bool,
    /// Reads since others had a turn.
    reads: u32,
    hang_up_until: Option<Instant>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Line<S> {
    /// The socket is connected, and says so.
    pub(super) fn new(
        socket: &mut Network,
        timer: &'static dyn Timer,
        stream: S,
        turn: Option<Turn>,
    ) -> Self {
        let wire = Wire::new(stream, timer);
        let mut watch = Watch::default();
        let now = wire.now();
        socket.connected(now);
        watch.start(socket, now);
        Self {
            wire,
            inbox: Inbox::default(),
            watch,
            turn,
            has_asked: false,
            was_open: false,
            cannot_write: false,
            reads: 0,
            hang_up_until: None,
        }
    }

    /// Writes, reads once if it may and there is no task to run before,
    /// and watches the deadlines. Ready when something has come of it.
    pub(super) fn poll(
        &mut self,
        socket: &mut Network,
        may_read: bool,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        self.was_open |= !socket.is_opening();
        self.watch.note_time(socket, || self.wire.now());
        // If the peer has closed its end, what it said before that can still be
        // read.
        let _ = self.poll_write(socket, cx);
        if may_read && self.cannot_write && socket.is_flooded() {
            // It could go on for ever.
            socket.receive_eof();
            return Poll::Ready(());
        }
        let listens = may_read && socket.wants_read();
        if listens {
            if self.reads == READS_IN_TURN {
                // It goes on and on: others want a turn.
                self.reads = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if let Poll::Ready(read) = self.wire.poll_read(&mut self.inbox, cx) {
                self.reads += 1;
                self.came(socket, read);
                return Poll::Ready(());
            }
            self.reads = 0;
        }
        let due = self.watch.socket_due(socket, listens, self.wire.stalled_since());
        ready!(self.wire.alarm.poll(due, cx));
        self.watch.judge_socket(socket, self.wire.now());
        Poll::Ready(())
    }

    /// Something was read, or nothing ever will be.
    fn came(&mut self, socket: &mut Network, read: io::Result<usize>) {
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
        self.pass_turn(socket);
    }

    /// Others may connect as soon as it is known what has become of us, also if
    /// nobody asks us anything for a while.
    fn pass_turn(&mut self, socket: &Network) {
        if !socket.is_opening() {
            self.turn = None;
        }
    }

    /// Writes what there is to write, if that is still possible.
    fn poll_write(&mut self, socket: &mut Network, cx: &mut Context<'_>) -> Poll<()> {
        if self.cannot_write {
            return Poll::Ready(());
        }
        let mut output = socket.output();
        let len = output.len();
        let result = self.wire.poll_flush(&mut output, cx);
        let written = len - output.len();
        socket.wrote(written);
        self.has_asked |= socket.output().is_empty();
        ready!(result).unwrap_or_else(|_| self.cannot_write = true);
        Poll::Ready(())
    }

    /// The socket is done with the transport: it is flushed and closed.
    pub(super) fn poll_hang_up(&mut self, socket: &mut Network, cx: &mut Context<'_>) -> Poll<()> {
        if self.cannot_write || !self.has_last_words(socket) {
            return Poll::Ready(());
        }
        let until = *self.hang_up_until.get_or_insert(self.wire.now() + FAREWELL);
        if self.poll_write(socket, cx).is_pending() {
            return self.wire.alarm.poll(Some(until), cx);
        }
        self.wire.poll_hang_up(&mut self.inbox, until, cx)
    }

    /// True if the peer is owed something: to a request that is not answered as
    /// it should be, there is nothing more to say.
    fn has_last_words(&self, socket: &Network) -> bool {
        self.has_asked && (self.was_open || !socket.output().is_empty())
    }

    /// True if what is to be written never will be.
    pub(super) fn is_broken(&self) -> bool {
        self.cannot_write
    }

    /// True if the stream has taken bytes and not passed them on.
    pub(super) fn is_unflushed(&self) -> bool {
        self.wire.is_unflushed()
    }

    /// Tells the peer what can be told without waiting: it is closing.
    pub(super) fn tell(&mut self, socket: &mut Network, cx: &mut Context<'_>) -> Poll<()> {
        self.pass_turn(socket);
        if socket.should_close_transport() && !self.has_last_words(socket) {
            return Poll::Ready(());
        }
        self.poll_write(socket, cx)
    }

    /// The same, and that there will be no more.
    pub(super) fn leave(&mut self, socket: &mut Network) {
        let cx = &mut Context::from_waker(Waker::noop());
        if self.tell(socket, cx).is_ready() {
            let _ = Pin::new(&mut self.wire.stream).poll_shutdown(cx);
        }
    }
}
