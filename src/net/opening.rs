//! The opening handshake over any transport: what to make of each read, up to
//! the open connection. The adapters read, write and wait.

use alloc::sync::Arc;
use alloc::vec::Vec;
use std::io;

use super::endpoint::Endpoint;
use super::error::Error;
use super::inbox::Inbox;
use super::trace;
use crate::config::Config;
use crate::connection::Connection;
use crate::handshake::{
    Answer, BuildError, Client, Rejection, Reply, Request, RequestError, ResponseError, Server,
};
use crate::time::Instant;

/// What became of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// It was done.
    Done,
    /// The stream has ended.
    Eof,
    /// It was not done in time.
    TimedOut,
}

/// A client's side.
#[derive(Debug)]
pub(crate) struct ClientOpening {
    endpoint: Endpoint,
    client: Client,
    until: Option<Instant>,
    /// Bytes came after the deadline.
    is_late: bool,
}

impl ClientOpening {
    pub(crate) fn new(endpoint: &Endpoint) -> Result<Self, Error> {
        let client = endpoint.client()?;
        Ok(Self { endpoint: endpoint.clone(), client, until: None, is_late: false })
    }

    /// Puts the request into `out`: its time begins.
    pub(crate) fn start(&mut self, now: Instant, out: &mut Vec<u8>) -> Result<(), Error> {
        self.client.write_request(out)?;
        self.until = self.client.handle_timeout(now)?;
        Ok(())
    }

    /// Until when to wait for the stream.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// The stream did not take the request, or not in time.
    pub(crate) fn not_sent(&self) -> Error {
        ResponseError::Timeout.into()
    }

    /// Looks at what was read. `None`: read on.
    pub(crate) fn receive(
        &mut self,
        read: io::Result<Waited>,
        inbox: &mut Inbox,
        now: Instant,
    ) -> Result<Option<Connection>, Error> {
        let result = self.look(read, inbox, now);
        match &result {
            Ok(None) => {}
            Ok(Some(ws)) => trace::opened("client", Ok(ws)),
            Err(error) => trace::opened("client", Err(Some(error))),
        }
        result
    }

    fn look(
        &mut self,
        read: io::Result<Waited>,
        inbox: &mut Inbox,
        now: Instant,
    ) -> Result<Option<Connection>, Error> {
        let received = inbox.unread();
        let reply = match (self.client.receive(received)?, read) {
            (Some(reply), _) => reply,
            (None, Ok(Waited::Done)) if !self.is_late => {
                // If it is not complete now, it has had its time.
                self.is_late = self.until.is_some_and(|until| now >= until);
                return Ok(None);
            }
            (None, Ok(Waited::Eof)) => self.client.receive_eof(received)?,
            // A refusal whose body was cut short, by time or by an error, is
            // told as far as it has come.
            (None, Ok(_)) => match self.client.handle_timeout(now) {
                Ok(until) => {
                    self.until = until;
                    return Ok(None);
                }
                Err(error) => self.client.receive_eof(received).map_err(|_| error)?,
            },
            (None, Err(error)) => match self.client.receive_eof(received) {
                Ok(reply) => reply,
                Err(_) => return Err(error.into()),
            },
        };
        match reply {
            Reply::Accepted(response) => {
                self.endpoint.response_came(&response);
                let head_len = response.head_len();
                let ws = response.open();
                inbox.consume(head_len);
                Ok(Some(ws))
            }
            Reply::Refused(refusal) => Err(Error::Refused(refusal.into())),
        }
    }
}

/// A server's side; `F` decides what to answer.
#[derive(Debug)]
pub(crate) struct ServerOpening<F> {
    server: Server,
    answer: Option<F>,
    until: Option<Instant>,
}

/// What a server's side came to; its answer is in the output.
#[derive(Debug)]
pub(crate) enum Opened {
    /// The connection is open.
    Accepted(Connection),
    /// The application said no, or this was wrong.
    Refused(Option<Error>),
}

impl<F> ServerOpening<F>
where
    F: for<'r> FnOnce(&Request<'r>) -> Answer<'r>,
{
    /// Its time begins `now`.
    pub(crate) fn new(config: Arc<Config>, answer: F, now: Instant) -> Result<Self, Error> {
        let mut server = Server::new(config);
        let until = server.handle_timeout(now)?;
        Ok(Self { server, answer: Some(answer), until })
    }

    /// Until when to wait for the stream.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// The stream did not take the reply in time.
    pub(crate) fn not_sent(&self) -> Error {
        RequestError::Timeout.into()
    }

    /// Looks at what was read. `None`: read on.
    pub(crate) fn receive(
        &mut self,
        read: io::Result<Waited>,
        inbox: &mut Inbox,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Result<Option<Opened>, Error> {
        let result = self.look(read, inbox, now, out);
        match &result {
            Ok(None) => {}
            Ok(Some(Opened::Accepted(ws))) => trace::opened("server", Ok(ws)),
            Ok(Some(Opened::Refused(error))) => trace::opened("server", Err(error.as_ref())),
            Err(error) => trace::opened("server", Err(Some(error))),
        }
        result
    }

    fn look(
        &mut self,
        read: io::Result<Waited>,
        inbox: &mut Inbox,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Result<Option<Opened>, Error> {
        let request = match (self.server.receive(inbox.unread()), read?) {
            (Ok(Some(request)), _) => request,
            (Err(error), _) => return Ok(Some(refuse(error, out))),
            // What is not complete now has had its time.
            (Ok(None), Waited::Done) if self.until.is_some_and(|until| now >= until) => {
                return Ok(Some(refuse(RequestError::Timeout, out)));
            }
            (Ok(None), Waited::Done) => return Ok(None),
            (Ok(None), Waited::Eof) => {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            (Ok(None), Waited::TimedOut) => match self.server.handle_timeout(now) {
                Ok(until) => {
                    self.until = until;
                    return Ok(None);
                }
                Err(error) => return Ok(Some(refuse(error, out))),
            },
        };
        let head_len = request.head_len();
        // There is one request, and one answer.
        let Some(answer) = self.answer.take() else { return Ok(None) };
        let opened = match answer(&request) {
            Answer::Accept(accept) => request.accept(&accept, out).map(Opened::Accepted),
            Answer::Reject(rejection) => {
                request.reject(&rejection, out).map(|()| Opened::Refused(None))
            }
        };
        let opened = opened.unwrap_or_else(|error| fail(error, out));
        inbox.consume(head_len);
        Ok(Some(opened))
    }
}

/// Tells the client what is wrong with its request.
fn refuse(error: RequestError, out: &mut Vec<u8>) -> Opened {
    // A `Vec` has room for any answer.
    let _ = error.write_response(out);
    Opened::Refused(Some(error.into()))
}

/// Tells the client that what is wrong is on our side.
fn fail(error: BuildError, out: &mut Vec<u8>) -> Opened {
    let _ = Rejection::new(500).write(out);
    Opened::Refused(Some(error.into()))
}
