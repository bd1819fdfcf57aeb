//! The engine and its stream, polled: what a [`WebSocket`](super::WebSocket)
//! does by itself and its halves do under a lock.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::task::{Context, Poll, ready};
use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use super::shutdown::{Entry, Phase};
use super::wire::Wire;
use crate::close::CloseCode;
use crate::connection::{Connection, PreparedMessage};
use crate::error::SendError;
use crate::message::Message;
use crate::net::{
    Error, Inbox, Intake, Watch, is_gone, lend_by_thread, linger_until, send_message,
    write_patience,
};
use crate::time::Instant;

/// Reads without a whole message after which other tasks get a turn.
pub(super) const READS_IN_TURN: u32 = 32;

#[derive(Debug)]
pub(super) struct Driver<S> {
    pub(super) wire: Wire<S>,
    pub(super) ws: Connection,
    watch: Watch,
    /// Our direction is broken; the peer's may still hold its Close frame.
    cannot_write: bool,
    /// Output was discarded that nobody has been told of.
    lost_output: bool,
    /// The connection is over; what is left is to hang up, by this time.
    hang_up_until: Option<Instant>,
    /// Bytes of output that receiving made, and where they end in all output:
    /// a peer that never reads must not make them grow.
    replies: usize,
    replies_end: u64,
    /// The server that this connection belongs to, if it can be shut down.
    pub(super) entry: Option<Box<Entry>>,
}

impl<S> Driver<S> {
    pub(super) fn new(wire: Wire<S>, mut ws: Connection) -> Self {
        lend_by_thread(&mut ws);
        let mut driver = Self {
            wire,
            ws,
            watch: Watch::default(),
            cannot_write: false,
            lost_output: false,
            hang_up_until: None,
            replies: 0,
            replies_end: 0,
            entry: None,
        };
        driver.wire.alarm.reset();
        driver.watch.start(&mut driver.ws, driver.wire.now());
        driver
    }

    /// True while there is room for more output.
    pub(super) fn has_room(&self) -> bool {
        self.wire.queued_len() <= self.ws.config().max_queued_len
    }

    /// True unless the peer has asked for more answers than it has taken. What
    /// the application sends is its own affair: two ends that stopped reading
    /// for that would wait for each other.
    fn may_read(&self) -> bool {
        // What cannot be written is discarded, and does not grow.
        self.cannot_write
            || self.replies <= self.ws.config().max_queued_len
            || self.wire.written() >= self.replies_end
    }

    /// Has the engine receive; its answers are counted.
    pub(super) fn receive<T>(
        &mut self,
        receive: impl FnOnce(&mut Connection, &mut Vec<u8>) -> T,
    ) -> T {
        let before = self.wire.queued_len();
        let received = receive(&mut self.ws, self.wire.tx());
        let added = self.wire.queued_len() - before;
        if added > 0 {
            if self.wire.written() >= self.replies_end {
                self.replies = 0;
            }
            self.replies += added;
            self.replies_end = self.wire.mark();
        } else {
            // Nobody may wait with memory of the thread's.
            self.wire.release_unused();
        }
        received
    }

    /// Encodes a message and copies it.
    pub(super) fn queue(&mut self, message: &Message<'_>) -> Result<(), SendError> {
        send_message(&mut self.ws, message, self.wire.tx())
    }

    /// Copies a message encoded beforehand, if there is room.
    pub(super) fn queue_prepared(&mut self, message: &PreparedMessage) -> Result<(), Error> {
        if !self.has_room() {
            return Err(Error::QueueFull);
        }
        Ok(self.ws.send_prepared(message, self.wire.tx())?)
    }

    /// Starts the closing handshake with 1000, if nobody has.
    pub(super) fn start_close(&mut self) -> Result<(), SendError> {
        if !self.ws.is_open() {
            return Ok(());
        }
        self.ws.close(Some(CloseCode::NORMAL_CLOSURE), "", self.wire.tx())
    }

    /// Ends the connection here and now, with no closing handshake.
    pub(super) fn abort(&mut self) {
        self.ws.abort();
        self.cannot_write = true;
        self.discard_output();
    }

    fn discard_output(&mut self) {
        self.lost_output |= self.wire.queued_len() > 0;
        self.wire.discard_output();
    }

    /// What a task may be waiting for, to tell whether it has changed: bytes
    /// written, and how far the end has come.
    pub(super) fn progress(&self) -> (u64, [bool; 3]) {
        let ws = &self.ws;
        let end = [ws.is_open(), ws.should_close_transport(), self.cannot_write];
        (self.wire.written(), end)
    }

    /// The next deadline, which whoever reads has set an alarm for.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.watch.next()
    }

    fn phase(&mut self, cx: &mut Context<'_>) -> Option<Phase> {
        self.entry.as_mut().map(|entry| entry.phase(cx.waker()))
    }

    pub(super) fn note_time(&mut self) {
        self.watch.note_time(&mut self.ws, || self.wire.now());
    }

    /// A deadline has passed, and nothing was there to be read or taken.
    fn judge(&mut self) {
        let now = self.wire.now();
        self.watch.judge(&mut self.ws, now, self.wire.tx());
    }

    /// When to judge, if nothing happens before. While the peer takes nothing
    /// of what we send, it cannot answer what is queued behind either.
    fn due(&self) -> Option<Instant> {
        let next = self.watch.next()?;
        if self.ws.close_deadline().is_some() {
            return Some(next);
        }
        match (self.wire.stalled_since(), write_patience(self.ws.config())) {
            (Some(since), Some(patience)) => Some(next.max(since + patience)),
            _ => Some(next),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    // ---- receiving -------------------------------------------------------

    /// Ready with true when there are bytes to process, with false when the
    /// connection was closed in good order. Sends what is queued; reads nothing
    /// while there are too many answers among it.
    pub(super) fn poll_ready(
        &mut self,
        intake: &mut Intake,
        cx: &mut Context<'_>,
    ) -> Poll<Result<bool, Error>> {
        if intake.is_turn_over() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if intake.has_more(&self.ws) {
            return Poll::Ready(Ok(true));
        }
        let inbox = &mut intake.inbox;
        loop {
            self.obey(cx);
            self.note_time();
            if self.ws.should_close_transport() {
                return self.poll_end(inbox, cx);
            }
            // If the peer has closed its end, what it said before that can
            // still be read.
            if let Poll::Ready(Err(error)) = self.poll_write(&mut &[][..], cx) {
                if !is_gone(&error) {
                    return Poll::Ready(Err(error.into()));
                }
            }
            if self.may_read() {
                match self.wire.poll_read(inbox, cx) {
                    Poll::Ready(Ok(0)) => {
                        self.ws.receive_eof();
                        continue;
                    }
                    Poll::Ready(Ok(_)) => {
                        if !self.watch.is_too_late(|| self.wire.now(), false) {
                            return Poll::Ready(Ok(true));
                        }
                        self.judge();
                        if self.ws.should_close_transport() {
                            continue;
                        }
                        return Poll::Ready(Ok(true));
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(self.broken(error)),
                    Poll::Pending => {}
                }
            }
            // A task that has used up its turn is told that there is nothing to
            // read, which may not be so; but then it is told the same of time.
            ready!(self.wire.alarm.poll(self.due(), cx));
            self.judge();
        }
    }

    /// Ready with the next whole message, or `None` at the end.
    pub(super) fn poll_message(
        &mut self,
        intake: &mut Intake,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Message<'static>>, Error>> {
        for _ in 0..READS_IN_TURN {
            if intake.is_turn_over() {
                break;
            }
            if let Some(message) = self.receive(|ws, out| intake.next_message(ws, out)) {
                self.note_time();
                return Poll::Ready(Ok(Some(message)));
            }
            if !ready!(self.poll_ready(intake, cx))? {
                return Poll::Ready(Ok(None));
            }
        }
        // It goes on and on, of nothing that is a message: others want a turn.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// The stream failed. After a closing handshake that is no news.
    fn broken(&mut self, error: io::Error) -> Result<bool, Error> {
        self.cannot_write = true;
        let (closed, _) = self.watch.end(&mut self.ws);
        if closed.is_clean() { Ok(false) } else { Err(error.into()) }
    }

    /// The connection is over: closes the stream in good order, and gives the
    /// error that it ended with, if any.
    fn poll_end(&mut self, inbox: &mut Inbox, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        if !self.cannot_write {
            let until = match self.hang_up_until {
                Some(until) => until,
                None => linger_until(&self.ws, self.wire.now()),
            };
            self.hang_up_until = Some(until);
            let end = self.wire.mark();
            ready!(self.wire.poll_hang_up(inbox, until, cx));
            self.cannot_write = true;
            self.lost_output |= self.wire.written() < end;
        }
        inbox.consume(usize::MAX);
        Poll::Ready(self.watch.end(&mut self.ws).1.map_or(Ok(false), Err))
    }

    /// Does what the phase of the server asks for.
    fn obey(&mut self, cx: &mut Context<'_>) {
        match self.phase(cx) {
            Some(Phase::Closing) if self.ws.is_open() => {
                // A `Vec` has room for any Close frame.
                let _ = self.ws.close(Some(CloseCode::GOING_AWAY), "", self.wire.tx());
            }
            Some(Phase::Dropping) if !self.cannot_write => self.abort(),
            _ => {}
        }
    }

    // ---- sending ---------------------------------------------------------

    /// Encodes a message. Gives what has to be written behind the output, from
    /// where it is; all else was copied.
    pub(super) fn encode<'m>(&mut self, message: &'m Message<'_>) -> Result<&'m [u8], SendError> {
        let payload = message.as_bytes();
        // A client's payload has to be copied anyway, to be masked; and one that
        // is compressed becomes another.
        let becomes_another = !self.ws.is_server() || self.ws.would_compress(payload.len());
        if becomes_another || !self.wire.is_worth_a_slice(payload.len()) {
            self.queue(message)?;
            return Ok(&[]);
        }
        let header = match message {
            Message::Binary(data) => self.ws.begin_binary(data, true)?,
            Message::Text(text) => self.ws.begin_text(text, true)?,
        };
        self.wire.tx().extend_from_slice(header.as_bytes());
        Ok(payload)
    }

    /// As [`encode`](Self::encode), for a message encoded beforehand.
    pub(super) fn encode_prepared<'m>(
        &mut self,
        message: &'m PreparedMessage,
    ) -> Result<&'m [u8], SendError> {
        if self.wire.is_worth_a_slice(message.as_bytes().len()) {
            return self.ws.begin_prepared(message);
        }
        self.ws.send_prepared(message, self.wire.tx())?;
        Ok(&[])
    }

    /// Ready when the stream has taken all that is queued, and `payload`
    /// behind it.
    pub(super) fn poll_flush(
        &mut self,
        payload: &mut &[u8],
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        loop {
            // A Close would come between a header and its payload: later.
            if self.phase(cx) == Some(Phase::Dropping) {
                self.abort();
            }
            // Notes and appends nothing, for the same reason.
            self.note_time();
            if let Poll::Ready(result) = self.poll_write(payload, cx) {
                *payload = &[];
                return Poll::Ready(result.map_err(Into::into));
            }
            if self.hang_up_until.is_some() {
                // The reader sees to it, unless it has stopped.
                ready!(self.wire.alarm.poll(self.hang_up_until, cx));
                *payload = &[];
                self.cannot_write = true;
                continue;
            }
            if self.ws.should_close_transport() {
                // It failed: nobody may be left to see to the end.
                if let (_, Some(error)) = self.watch.end(&mut self.ws) {
                    *payload = &[];
                    return Poll::Ready(Err(error));
                }
            }
            ready!(self.wire.alarm.poll(self.due(), cx));
            // What is sent now goes behind the payload.
            self.wire.tx().extend_from_slice(core::mem::take(payload));
            self.judge();
            if self.ws.should_close_transport() {
                return Poll::Ready(self.watch.end(&mut self.ws).1.map_or(Ok(()), Err));
            }
        }
    }

    /// Ready when there is room for more output.
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.has_room() {
            return Poll::Ready(Ok(()));
        }
        match self.poll_flush(&mut &[][..], cx) {
            Poll::Pending if self.has_room() => Poll::Ready(Ok(())),
            result => result,
        }
    }

    /// Writes what there is to send, if that is still possible.
    fn poll_write(&mut self, payload: &mut &[u8], cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.cannot_write {
            // What was written last may be half a frame.
            self.lost_output |= !payload.is_empty();
            self.discard_output();
            return Poll::Ready(match self.lost_output {
                true => Err(io::ErrorKind::BrokenPipe.into()),
                false => Ok(()),
            });
        }
        let result = self.wire.poll_flush(payload, cx);
        if let Poll::Ready(Err(_)) = &result {
            self.cannot_write = true;
            self.lost_output = true;
        }
        result
    }
}
