//! Servers without a protocol: they send back the bytes that come. What the
//! kernel and a runtime cost at least.

use std::io::{self, ErrorKind, Read, Write};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use tokio::io::AsyncWriteExt;

use super::{Server, Writes, handshake, on_tokio};
use crate::handmade;

pub(super) fn servers() -> Vec<Server> {
    vec![
        Server::new("floor-mio", "floor: mio, no protocol", "", Writes::Raw, mio_loop),
        Server::new("floor-tokio", "floor: tokio, no protocol", "", Writes::Raw, on_a_task),
    ]
}

const LISTENER: Token = Token(usize::MAX);
const READ_LEN: usize = 64 << 10;

fn mio_loop() -> io::Result<()> {
    let mut listener = TcpListener::bind("127.0.0.1:0".parse().map_err(io::Error::other)?)?;
    println!("listening on ws://{}", listener.local_addr()?);
    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut clients: Vec<Option<Client>> = Vec::new();
    let (mut events, mut read) = (Events::with_capacity(1024), vec![0; READ_LEN]);
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((mut stream, _)) = listener.accept() {
                    stream.set_nodelay(true)?;
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut stream, Token(clients.len()), interest)?;
                    clients.push(Some(Client { stream, is_open: false, pending: Vec::new() }));
                }
            } else if let Some(client) = &mut clients[event.token().0]
                && client.echo(&mut read).is_err()
            {
                clients[event.token().0] = None;
            }
        }
    }
}

struct Client {
    stream: TcpStream,
    is_open: bool,
    pending: Vec<u8>,
}

impl Client {
    fn echo(&mut self, read: &mut [u8]) -> io::Result<()> {
        loop {
            while !self.pending.is_empty() {
                match self.stream.write(&self.pending) {
                    Ok(len) => drop(self.pending.drain(..len)),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
            let len = match self.stream.read(read) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                result => result?,
            };
            let reply;
            let mut bytes = if self.is_open {
                &read[..len]
            } else {
                self.is_open = true;
                reply = handmade::reply(&read[..len]);
                &reply
            };
            while !bytes.is_empty() {
                match self.stream.write(bytes) {
                    Ok(written) => bytes = &bytes[written..],
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error),
                }
            }
            self.pending.extend_from_slice(bytes);
            if len < read.len() && self.pending.is_empty() {
                return Ok(());
            }
        }
    }
}

fn on_a_task() -> io::Result<()> {
    on_tokio(|mut stream| async move {
        handshake(&mut stream).await?;
        // Memory only while there is something to read, as an idle connection
        // should have it.
        loop {
            stream.readable().await.ok()?;
            let mut read = READ.take();
            read.resize(READ_LEN, 0);
            let echoed = match stream.try_read(&mut read) {
                Ok(0) => None,
                Ok(len) => stream.write_all(&read[..len]).await.ok(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => Some(()),
                Err(_) => None,
            };
            READ.set(read);
            echoed?;
        }
    })
}

thread_local! {
    static READ: std::cell::Cell<Vec<u8>> = const { std::cell::Cell::new(Vec::new()) };
}
