//! What was read, on its way to the user: the half of a connection that needs
//! no stream.

use alloc::vec::Vec;

use super::inbox::{Inbox, Scratch, Unread};
use crate::buf::Input;
use crate::connection::{Connection, Event};
use crate::message::{Assembler, Incoming, Message};

/// Bytes inflated after which others should get a turn: a few hundred
/// microseconds. What was read bounds everything else, but what was read can
/// become a thousand times as much.
const TURN_LEN: usize = 256 << 10;

#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) inbox: Inbox,
    pub(crate) assembler: Assembler,
    /// What compressed messages are inflated into.
    scratch: Option<Scratch>,
    /// Bytes inflated in this turn.
    inflated: usize,
}

impl Intake {
    pub(crate) fn new(inbox: Inbox) -> Self {
        Self { inbox, assembler: Assembler::new(), scratch: None, inflated: 0 }
    }

    /// The next event. `None`: all was processed, or scratch room was used up,
    /// or the [turn is over](Self::is_turn_over); [`has_more`](Self::has_more)
    /// tells.
    pub(crate) fn next_event(
        &mut self,
        ws: &mut Connection,
        out: &mut Vec<u8>,
    ) -> Option<Event<'_>> {
        let (mut opened, _) = self.open(ws)?;
        let event = ws.receive(&mut opened.input, out);
        opened.leave();
        event
    }

    /// As [`next_event`](Self::next_event), with chunks put together.
    pub(crate) fn next_incoming(
        &mut self,
        ws: &mut Connection,
        out: &mut Vec<u8>,
    ) -> Option<Incoming<'_>> {
        let (mut opened, assembler) = self.open(ws)?;
        assembler.set_max_len(ws.config().max_message_len);
        let mut incoming = None;
        while let Some(event) = ws.receive(&mut opened.input, out) {
            incoming = assembler.push(event);
            if incoming.is_some() {
                break;
            }
        }
        opened.leave();
        incoming
    }

    /// What there is to process, with scratch room if there may be something to
    /// inflate. `None`: the turn is over.
    fn open(&mut self, ws: &Connection) -> Option<(Opened<'_>, &mut Assembler)> {
        if self.inflated >= TURN_LEN {
            return None;
        }
        let lends = self.has_more(ws) && ws.may_inflate();
        self.rest_if_done(ws);
        let room = match lends {
            true => self.scratch.get_or_insert_with(Scratch::lease).room(),
            false => &mut [],
        };
        let lent = room.len();
        let (input, unread) = self.inbox.open(room);
        let opened = Opened { input, unread, lent, inflated: &mut self.inflated };
        Some((opened, &mut self.assembler))
    }

    /// The next whole message, copied; all else is passed over. `None`: all
    /// was processed, or the [turn is over](Self::is_turn_over).
    pub(crate) fn next_message(
        &mut self,
        ws: &mut Connection,
        out: &mut Vec<u8>,
    ) -> Option<Message<'static>> {
        loop {
            match self.next_incoming(ws, out) {
                Some(Incoming::Message(message)) => {
                    let message = message.into_owned();
                    self.rest_if_done(ws);
                    return Some(message);
                }
                Some(_) => {}
                None => {
                    // Scratch room was used up: on, but not for ever.
                    if !ws.is_inflating() || self.inflated >= TURN_LEN {
                        self.rest_if_done(ws);
                        return None;
                    }
                }
            }
        }
    }

    /// True if there may be events without reading.
    pub(crate) fn has_more(&self, ws: &Connection) -> bool {
        !self.inbox.is_empty() || ws.is_inflating()
    }

    /// True, once, if so much was inflated since the last time that others
    /// should get a turn.
    pub(crate) fn is_turn_over(&mut self) -> bool {
        let is_over = self.inflated >= TURN_LEN;
        if is_over {
            self.inflated = 0;
        }
        is_over
    }

    fn rest_if_done(&mut self, ws: &Connection) {
        if !self.has_more(ws) {
            self.rest();
        }
    }

    /// Gives the thread's memory back: all of it is processed, and whoever
    /// reads may now wait for something else.
    fn rest(&mut self) {
        self.inbox.release();
        self.scratch = None;
    }
}

/// Input that the engine is at work on, and who has to be told what it left.
struct Opened<'a> {
    input: Input<'a>,
    unread: Unread<'a>,
    /// Bytes of scratch room at first.
    lent: usize,
    inflated: &'a mut usize,
}

impl Opened<'_> {
    fn leave(self) {
        self.unread.leave(self.input.len());
        *self.inflated += self.lent - self.input.scratch_len();
    }
}
