//! What was read, on its way to the user: the half of a connection that needs
//! no stream.

use alloc::vec::Vec;

use crate::connection::{Connection, Event};
use crate::message::{Assembler, Incoming, Message};
use crate::net::Inbox;

#[derive(Debug)]
pub(super) struct Intake {
    pub(super) inbox: Inbox,
    pub(super) assembler: Assembler,
    /// The last item of the stream of messages was an error.
    pub(super) has_ended: bool,
}

impl Intake {
    pub(super) fn new(inbox: Inbox) -> Self {
        Self { inbox, assembler: Assembler::new(), has_ended: false }
    }

    pub(super) fn next_event(
        &mut self,
        ws: &mut Connection,
        out: &mut Vec<u8>,
    ) -> Option<Event<'_>> {
        let (mut input, unread) = self.inbox.open();
        let event = ws.receive(&mut input, out);
        unread.leave(input.len());
        event
    }

    pub(super) fn next_incoming(
        &mut self,
        ws: &mut Connection,
        out: &mut Vec<u8>,
    ) -> Option<Incoming<'_>> {
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
    pub(super) fn next_message(
        &mut self,
        ws: &mut Connection,
        out: &mut Vec<u8>,
    ) -> Option<Message<'static>> {
        while let Some(incoming) = self.next_incoming(ws, out) {
            if let Incoming::Message(message) = incoming {
                let message = message.into_owned();
                // The task may now wait for something else.
                if self.inbox.is_empty() {
                    self.inbox.release();
                }
                return Some(message);
            }
        }
        None
    }
}
