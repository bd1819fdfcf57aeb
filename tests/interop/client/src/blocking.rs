//! The adapter for blocking sockets.

use std::time::Instant;

use sockeye::blocking::{self, Stream, WebSocket};
use sockeye::net::{Endpoint, Error};
use sockeye::{CloseCode, Closed, Connection, Message};

use crate::adapter::{Adapter, Came, Command, Socket};

pub struct Blocking;

impl Adapter for Blocking {
    fn connect(&self, endpoint: Endpoint, deadline: Instant) -> Result<Box<dyn Socket>, Error> {
        let mut ws = blocking::connect(endpoint)?;
        ws.set_deadline(Some(deadline));
        Ok(Box::new(ws))
    }
}

impl Socket for WebSocket<Stream> {
    fn read(&mut self) -> Result<Option<Message<'static>>, Error> {
        self.read()
    }

    fn next(&mut self) -> Result<Option<Came>, Error> {
        loop {
            if let Some(incoming) = self.next_incoming() {
                return Ok(Some(incoming.into()));
            }
            if !self.ready()? {
                return Ok(None);
            }
        }
    }

    fn send(&mut self, message: Message<'_>) -> Result<(), Error> {
        self.send(message)
    }

    fn command(&mut self, command: Command<'_>) -> Result<(), Error> {
        self.command(command)
    }

    fn close(&mut self, code: CloseCode, reason: &str) -> Result<Closed, Error> {
        self.close(code, reason)
    }

    fn closed(&self) -> Option<Closed> {
        self.closed()
    }

    fn connection(&self) -> &Connection {
        self.connection()
    }
}
