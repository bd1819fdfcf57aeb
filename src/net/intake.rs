//! What was read, on its way to the user: the half of a connection that needs
//! no stream.

use alloc::vec::Vec;

use super::inbox::{Inbox, Scratch};
use crate::connection::{Connection, Event};
use crate::message::{Assembler, Incoming, Message};

#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) inbox: Inbox,
    pub(crate) assembler: Assembler,
    /// What compressed messages are inflated into.
    scratch: Option<Scratch>,
}

impl Intake {
    pub(crate) fn new(inbox: Inbox) -> Self {
        Self { inbox, assembler: Assembler::new(), scratch: None }
    }

    /// The next event. `None`: all was processed, or [`has_more`](Self::has_more).
    pub(crate) fn next_event(
        &mut self,
        ws: &mut Connection,
        out: &mut Vec<u8>,
    ) -> Option<Event<'_>> {
        self.rest(ws);
        let (mut input, unread) = self.inbox.open(room(&mut self.scratch, ws));
        let event = ws.receive(&mut input, out);
        unread.leave(input.len());
        event
    }

    /// As [`next_event`](Self::next_event), with chunks put together.
    pub(crate) fn next_incoming(
        &mut self,
        ws: &mut Connection,
        out: &mut Vec<u8>,
    ) -> Option<Incoming<'_>> {
        self.rest(ws);
        let (mut input, unread) = self.inbox.open(room(&mut self.scratch, ws));
        let mut incoming = None;
        while let Some(event) = ws.receive(&mut input, out) {
            incoming = self.assembler.push(event);
            if incoming.is_some() {
                break;
            }
        }
        unread.leave(input.len());
        incoming
    }

    /// The next whole message, copied; all else is passed over. `None`: all
    /// was processed.
    pub(crate) fn next_message(
        &mut self,
        ws: &mut Connection,
        out: &mut Vec<u8>,
    ) -> Option<Message<'static>> {
        loop {
            match self.next_incoming(ws, out) {
                Some(Incoming::Message(message)) => {
                    let message = message.into_owned();
                    self.rest(ws);
                    return Some(message);
                }
                None if !ws.is_inflating() => {
                    self.rest(ws);
                    return None;
                }
                // Not a message, or scratch room was used up.
                _ => {}
            }
        }
    }

    /// True if there may be events without reading.
    pub(crate) fn has_more(&self, ws: &Connection) -> bool {
        !self.inbox.is_empty() || ws.is_inflating()
    }

    /// Gives the thread's memory back once all of it is processed: whoever
    /// reads may now wait for something else.
    fn rest(&mut self, ws: &Connection) {
        if !self.has_more(ws) {
            self.inbox.release();
            self.scratch = None;
        }
    }
}

/// Scratch room for a connection that has agreed on compression.
fn room<'a>(scratch: &'a mut Option<Scratch>, ws: &Connection) -> &'a mut [u8] {
    match ws.may_inflate() {
        true => scratch.get_or_insert_with(Scratch::lease).room(),
        false => &mut [],
    }
}
