//! Echo servers: each in a process of its own, on one thread. What is measured
//! is the open connection, so the opening handshake is made by hand for all
//! but ours.

mod floor;
mod ours;
mod peers;

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::handmade;

/// A server, as told in the tables and as named for `compare serve`.
#[derive(Clone, Copy, Debug)]
pub struct Server {
    pub name: &'static str,
    pub engine: &'static str,
    pub setting: &'static str,
    /// How it answers what came at once.
    pub writes: Writes,
    start: Start,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// Each message is written by itself.
    Each,
    /// All messages that are there are answered before anything is written.
    Collected,
    /// There are no messages.
    Raw,
}

#[derive(Clone, Copy, Debug)]
enum Start {
    /// Of `compare serve`.
    Serve(fn() -> io::Result<()>),
    /// A program beside this one.
    Program(&'static str),
}

pub fn all() -> Vec<Server> {
    [floor::servers(), ours::servers(), peers::servers()].concat()
}

impl Server {
    const fn new(
        name: &'static str,
        engine: &'static str,
        setting: &'static str,
        writes: Writes,
        serve: fn() -> io::Result<()>,
    ) -> Self {
        Self { name, engine, setting, writes, start: Start::Serve(serve) }
    }

    /// False if it sends back the bytes as they come.
    pub fn has_protocol(&self) -> bool {
        self.writes != Writes::Raw
    }

    /// The program that is the server, if it is not this one.
    pub fn program(&self) -> Option<&'static str> {
        match self.start {
            Start::Program(name) => Some(name),
            Start::Serve(_) => None,
        }
    }

    /// Serves, until it is killed.
    pub fn serve(&self) -> io::Result<()> {
        match self.start {
            Start::Serve(serve) => serve(),
            Start::Program(name) => Err(io::Error::other(format!("{name} is a program"))),
        }
    }
}

/// Connections taken from the listener, each served by a task of this thread.
fn on_tokio<F>(serve: impl Fn(TcpStream) -> F + 'static) -> io::Result<()>
where
    F: Future<Output = Option<()>> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("listening on ws://{}", listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // A task ends when its connection does, however it does.
            tokio::spawn(serve(stream));
        }
    })
}

/// Reads the request and replies. Nothing may follow the request.
async fn handshake(stream: &mut TcpStream) -> Option<()> {
    let mut head = [0; 1024];
    let mut len = 0;
    while !head[..len].ends_with(b"\r\n\r\n") {
        len += match stream.read(&mut head[len..]).await {
            Ok(0) | Err(_) => return None,
            Ok(len) => len,
        };
    }
    stream.write_all(&handmade::reply(&head[..len])).await.ok()
}
