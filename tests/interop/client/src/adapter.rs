//! What the cases need of an adapter. Every adapter has these verbs; one with
//! `async` methods drives each to its end before it returns.

use std::time::Instant;

use sockeye::net::{Endpoint, Error};
use sockeye::{CloseCode, Closed, Connection, Message, Output, SendError};

use crate::{blocking, tokio};

/// The adapter of that name.
pub fn by_name(name: &str) -> Option<&'static dyn Adapter> {
    match name {
        "blocking" => Some(&blocking::Blocking),
        "tokio" => Some(&tokio::Tokio),
        _ => None,
    }
}

/// Opens connections.
pub trait Adapter {
    /// Connects; what is done with the connection fails after `deadline`.
    fn connect(&self, endpoint: Endpoint, deadline: Instant) -> Result<Box<dyn Socket>, Error>;
}

/// A call that the engine has and the adapter has not.
pub type Command<'c> = &'c mut dyn FnMut(&mut Connection, &mut dyn Output) -> Result<(), SendError>;

/// An open connection.
pub trait Socket {
    /// The next message; `None` if the connection was closed in good order.
    fn read(&mut self) -> Result<Option<Message<'static>>, Error>;
    /// As `read`, with control frames.
    fn next(&mut self) -> Result<Option<Came>, Error>;
    fn send(&mut self, message: Message<'_>) -> Result<(), Error>;
    fn command(&mut self, command: Command<'_>) -> Result<(), Error>;
    fn close(&mut self, code: CloseCode, reason: &str) -> Result<Closed, Error>;
    fn closed(&self) -> Option<Closed>;
    fn connection(&self) -> &Connection;
}

/// What came from the peer.
#[derive(Debug, PartialEq)]
pub enum Came {
    Message(Message<'static>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// A Close, or what was no WebSocket.
    End,
}

impl From<sockeye::Incoming<'_>> for Came {
    fn from(incoming: sockeye::Incoming<'_>) -> Self {
        match incoming {
            sockeye::Incoming::Message(message) => Self::Message(message.into_owned()),
            sockeye::Incoming::Ping(payload) => Self::Ping(payload.to_vec()),
            sockeye::Incoming::Pong(payload) => Self::Pong(payload.to_vec()),
            _ => Self::End,
        }
    }
}
