//! The adapter for tokio, each call driven to its end.

use std::future::Future;
use std::time::Instant;

use sockeye::net::{Endpoint, Error};
use sockeye::tokio::{Stream, WebSocket, connect};
use sockeye::{CloseCode, Closed, Connection, Message};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout_at;

use crate::adapter::{Adapter, Came, Command, Socket};

pub struct Tokio;

struct Driven {
    ws: WebSocket<Stream>,
    runtime: Runtime,
    deadline: Instant,
}

/// Runs a call to its end, or to the deadline.
fn drive<T>(
    runtime: &Runtime,
    deadline: Instant,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let call = async { timeout_at(deadline.into(), call).await };
    runtime.block_on(call).map_err(|_| Error::DeadlineExceeded)?
}

impl Adapter for Tokio {
    fn connect(&self, endpoint: Endpoint, deadline: Instant) -> Result<Box<dyn Socket>, Error> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let ws = drive(&runtime, deadline, connect(endpoint))?;
        Ok(Box::new(Driven { ws, runtime, deadline }))
    }
}

impl Socket for Driven {
    fn read(&mut self) -> Result<Option<Message<'static>>, Error> {
        drive(&self.runtime, self.deadline, self.ws.read())
    }

    fn next(&mut self) -> Result<Option<Came>, Error> {
        loop {
            if let Some(incoming) = self.ws.next_incoming() {
                return Ok(Some(incoming.into()));
            }
            if !drive(&self.runtime, self.deadline, self.ws.ready())? {
                return Ok(None);
            }
        }
    }

    fn send(&mut self, message: Message<'_>) -> Result<(), Error> {
        drive(&self.runtime, self.deadline, self.ws.send(message))
    }

    fn command(&mut self, command: Command<'_>) -> Result<(), Error> {
        drive(&self.runtime, self.deadline, self.ws.command(command))
    }

    fn close(&mut self, code: CloseCode, reason: &str) -> Result<Closed, Error> {
        drive(&self.runtime, self.deadline, self.ws.close(code, reason))
    }

    fn closed(&self) -> Option<Closed> {
        self.ws.closed()
    }

    fn connection(&self) -> &Connection {
        self.ws.connection()
    }
}
