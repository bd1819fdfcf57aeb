//! Our end of a session: either adapter, used by one thread or task or by two.

use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use sockeye::blocking::{self, OverTcp, Transport};
use sockeye::handshake::Accept;
use sockeye::net::{Endpoint, Error};
use sockeye::tokio as ws;
use sockeye::{Closed, Config, Message, SendError, Side};
use tokio::io::{AsyncRead, AsyncWrite};

use super::peer::{Fault, Heard, play};
use super::{End, Plot};
use crate::reach::{ADAPTERS, Adapter, direct, listen, runtime};
use crate::sockets::*;

/// How our end is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    pub adapter: Adapter,
    pub is_split: bool,
}

pub fn ways() -> impl Iterator<Item = Way> {
    ADAPTERS.into_iter().flat_map(|adapter| [false, true].map(|is_split| Way { adapter, is_split }))
}

/// What became of a session.
#[derive(Debug)]
pub struct Session {
    pub read: Vec<Message<'static>>,
    pub end: End,
    /// What was told when somebody asked again, if it was open at all.
    pub again: Option<End>,
    pub took: Duration,
}

impl Session {
    fn unopened(error: Error) -> Self {
        Self { read: Vec::new(), end: End::of(Err(error)), again: None, took: Duration::ZERO }
    }
}

/// Where the two ends meet.
pub struct Place {
    listener: TcpListener,
    pub port: u16,
}

impl Place {
    pub fn new() -> Self {
        let (listener, port) = listen();
        Self { listener, port }
    }

    fn endpoint(&self, config: &Arc<Config>) -> Endpoint {
        direct("127.0.0.1", self.port, "/").config(config.clone())
    }

    /// Another handle of the listener.
    pub fn listener(&self) -> TcpListener {
        self.listener.try_clone().unwrap()
    }

    /// What a server does with whom it accepts.
    pub fn accept(&self) -> TcpStream {
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// A session with a peer that does this.
    pub fn meet(&self, way: Way, plot: &Arc<Plot>, fault: Fault) -> (Session, Heard) {
        self.meet_with(way, plot, &plot.config(|_| {}), fault)
    }

    pub fn meet_with(
        &self,
        way: Way,
        plot: &Arc<Plot>,
        config: &Arc<Config>,
        fault: Fault,
    ) -> (Session, Heard) {
        let (port, theirs) = (self.port, plot.clone());
        let listener = self.listener();
        let peer = Task::start(move || {
            let stream = match theirs.ours {
                Role::Client => listener.accept().unwrap().0,
                Role::Server => TcpStream::connect(("127.0.0.1", port)).unwrap(),
            };
            play(stream, &theirs, fault)
        });
        let session = self.run(way, plot, config);
        (session, peer.join())
    }

    /// Our end of a session: opens, sends every message back, closes; then
    /// tries what should do nothing any more.
    pub fn run(&self, way: Way, plot: &Plot, config: &Arc<Config>) -> Session {
        let start = Instant::now();
        let session = match way.adapter {
            Adapter::Blocking => self.run_blocking(way.is_split, plot, config),
            Adapter::Tokio => runtime().block_on(self.run_tokio(way.is_split, plot, config)),
        };
        Session { took: start.elapsed(), ..session }
    }

    fn run_blocking(&self, is_split: bool, plot: &Plot, config: &Arc<Config>) -> Session {
        match plot.ours {
            Role::Client => talk(blocking::connect(self.endpoint(config)), is_split, plot.closes),
            Role::Server => talk(accept(self.accept(), config), is_split, plot.closes),
        }
    }

    async fn run_tokio(&self, is_split: bool, plot: &Plot, config: &Arc<Config>) -> Session {
        match plot.ours {
            Role::Client => {
                let opened = ws::connect(self.endpoint(config)).await;
                talk_async(opened, is_split, plot.closes).await
            }
            Role::Server => {
                let opened = accept_async(in_tokio(self.accept()), config).await;
                talk_async(opened, is_split, plot.closes).await
            }
        }
    }
}

/// The same socket for tokio.
pub fn in_tokio(stream: TcpStream) -> tokio::net::TcpStream {
    stream.set_nodelay(true).unwrap();
    stream.set_nonblocking(true).unwrap();
    tokio::net::TcpStream::from_std(stream).unwrap()
}

pub async fn accept_async<S>(stream: S, config: &Arc<Config>) -> Result<ws::WebSocket<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let accepted = ws::accept_with(stream, config.clone(), |_| Accept::new().into()).await?;
    Ok(accepted.expect("nobody was rejected"))
}

// ---- blocking --------------------------------------------------------------------

pub fn talk<S: Transport + OverTcp>(
    opened: Result<blocking::WebSocket<S>, Error>,
    is_split: bool,
    closes: Side,
) -> Session {
    match opened {
        Ok(ws) if is_split => talk_in_halves(ws, closes),
        opened => talk_whole(opened, closes),
    }
}

pub fn talk_whole<S: Transport>(
    opened: Result<blocking::WebSocket<S>, Error>,
    closes: Side,
) -> Session {
    let mut ws = match opened {
        Ok(ws) => ws,
        Err(error) => return Session::unopened(error),
    };
    let mut read = Vec::new();
    let mut converse = || {
        while let Some(message) = ws.read()? {
            ws.send(&message)?;
            read.push(message);
            if closes == Side::Local {
                return ws.close(code(1000), "bye");
            }
        }
        Ok(ws.closed().expect("it has ended"))
    };
    let end = converse();
    assert_shape!(ws.send("late"), Err(_));
    let again = rest(|| ws.read()).map(|()| ws.closed().expect("it has ended"));
    Session::ended(read, end, again)
}

fn talk_in_halves<S: Transport + OverTcp>(ws: blocking::WebSocket<S>, closes: Side) -> Session {
    let (mut reader, sender) = ws.split().unwrap();
    let (say, hear) = mpsc::channel::<Message<'static>>();
    let late = sender.clone();
    let sending = Task::start(move || {
        for message in hear {
            sender.send(message)?;
            if closes == Side::Local {
                return sender.start_close(code(1000), "bye");
            }
        }
        Ok(())
    });
    let mut read = Vec::new();
    let mut converse = || {
        while let Some(message) = reader.read()? {
            let _ = say.send(message.clone());
            read.push(message);
        }
        Ok(reader.closed().expect("it has ended"))
    };
    let end = converse();
    drop(say);
    let end = first_told(sending.join(), end);
    assert_shape!(late.send("late"), Err(_));
    let again = rest(|| reader.read()).map(|()| reader.closed().expect("it has ended"));
    Session::ended(read, end, again)
}

/// What a sender was told counts, unless it only came too late.
fn first_told(sent: Result<(), Error>, end: Result<Closed, Error>) -> Result<Closed, Error> {
    match sent {
        Ok(()) | Err(Error::Send(SendError::Closed)) => end,
        Err(error) => Err(error),
    }
}

/// Reads what there still is.
fn rest(mut read: impl FnMut() -> Result<Option<Message<'static>>, Error>) -> Result<(), Error> {
    while read()?.is_some() {}
    Ok(())
}

impl Session {
    pub fn ended(
        read: Vec<Message<'static>>,
        end: Result<Closed, Error>,
        again: Result<Closed, Error>,
    ) -> Self {
        let (end, again) = (End::of(end), Some(End::of(again)));
        Self { read, end, again, took: Duration::ZERO }
    }
}

// ---- tokio -----------------------------------------------------------------------

pub async fn talk_async<S>(
    opened: Result<ws::WebSocket<S>, Error>,
    is_split: bool,
    closes: Side,
) -> Session
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    match opened {
        Ok(ws) if is_split => talk_async_in_halves(ws, closes).await,
        Ok(ws) => talk_async_whole(ws, closes).await,
        Err(error) => Session::unopened(error),
    }
}

async fn talk_async_whole<S>(mut ws: ws::WebSocket<S>, closes: Side) -> Session
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut read = Vec::new();
    let end = async {
        while let Some(message) = ws.read().await? {
            ws.send(&message).await?;
            read.push(message);
            if closes == Side::Local {
                return ws.close(code(1000), "bye").await;
            }
        }
        Ok(ws.closed().expect("it has ended"))
    };
    let end = end.await;
    assert_shape!(ws.send("late").await, Err(_));
    let again = async {
        while ws.read().await?.is_some() {}
        Ok(ws.closed().expect("it has ended"))
    };
    let again = again.await;
    Session::ended(read, end, again)
}

async fn talk_async_in_halves<S>(ws: ws::WebSocket<S>, closes: Side) -> Session
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut reader, sender) = ws.split();
    let (say, mut hear) = tokio::sync::mpsc::unbounded_channel::<Message<'static>>();
    let late = sender.clone();
    let sending = tokio::spawn(async move {
        while let Some(message) = hear.recv().await {
            sender.send(message).await?;
            if closes == Side::Local {
                return sender.start_close(code(1000), "bye").await;
            }
        }
        Ok(())
    });
    let mut read = Vec::new();
    let end = async {
        while let Some(message) = reader.read().await? {
            let _ = say.send(message.clone());
            read.push(message);
        }
        Ok(reader.closed().expect("it has ended"))
    };
    let end = end.await;
    drop(say);
    let end = first_told(sending.await.unwrap(), end);
    assert_shape!(late.send("late").await, Err(_));
    let again = async {
        while reader.read().await?.is_some() {}
        Ok(reader.closed().expect("it has ended"))
    };
    let again = again.await;
    Session::ended(read, end, again)
}
