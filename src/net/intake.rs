//! What was read, on its way to the user: the half of a connection that needs
//! no stream.

use alloc::vec::Vec;

use super::inbox::Inbox;
use crate::connection::{Connection, Event};
use crate::message::{Assembler, Incoming, Message};

#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) inbox: Inbox,
    pub(crate) assembler: Assembler,
}

impl Intake {
    pub(crate) fn new(inbox: Inbox) -> Self {
        Self { inbox, assembler: Assembler::new() }
    }

    pub(crate) fn next_event(
        &mut self,
        ws: &mut Connection,
        out: &mut Vec<u8>,
    ) -> Option<Event<'_>> {
        self.rest();
        let (mut input, unread) = self.inbox.open();
        let event = ws.receive(&mut input, out);
        unread.leave(input.len());
        event
    }

    pub(crate) fn next_incoming(
        &mut self,
        ws: &mut Connection,
        out: &mut Vec<u8>,
    ) -> Option<Incoming<'_>> {
        self.rest();
        let (mut input, unread) = self.inbox.open();
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

    /// The next whole message, copied; all else is passed over.
    pub(crate) fn next_message(
        &mut self,
        ws: &mut Connection,
        out: &mut Vec<u8>,
    ) -> Option<Message<'static>> {
        while let Some(incoming) = self.next_incoming(ws, out) {
            if let Incoming::Message(message) = incoming {
                let message = message.into_owned();
                self.rest();
                return Some(message);
            }
        }
        None
    }

    /// Gives the thread's memory back once all of it is processed: whoever
    /// reads may now wait for something else.
    fn rest(&mut self) {
        if self.inbox.is_empty() {
            self.inbox.release();
        }
    }
}
