//! Blocking sockets and threads: what one client says, all are told.
//!
//!     cargo run --release --example embed_threads -- [ADDR]
//!
//! A connection is split. One thread reads, and answers Pings and Close frames
//! while it does; another sends what waits in the client's queue. Nobody waits
//! for a client that is slow: when its queue is full, it has to go.

use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{io, thread};

use sockeye::blocking::{Error, Sender, accept_with};
use sockeye::handshake::Accept;
use sockeye::{CloseCode, Config, Message, PreparedMessage};

/// Messages that wait for a client at most, and bytes that one may have: 16
/// MiB for one who is slow.
const QUEUE_LEN: usize = 64;
const MAX_MESSAGE_LEN: u64 = 256 << 10;

fn main() -> ExitCode {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".into());
    match run(&addr) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("embed_threads: {addr}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(addr: &str) -> io::Result<()> {
    let listener = TcpListener::bind(addr)?;
    println!("listening on ws://{}", listener.local_addr()?);
    let room = Arc::new(Room::default());
    let mut config = Config::default();
    config.max_message_len = MAX_MESSAGE_LEN;
    // Who takes nothing for so long answers no Ping either, and is let go.
    config.ping_interval = Some(Duration::from_secs(30));
    let config = Arc::new(config);
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors: others will leave.
                eprintln!("accept: {error}");
                thread::sleep(Duration::from_millis(50));
                continue;
            }
        };
        let (room, config) = (room.clone(), config.clone());
        let serving = thread::Builder::new().spawn(move || {
            if let Err(error) = serve(stream, config, &room) {
                eprintln!("connection: {error}");
            }
        });
        if let Err(error) = serving {
            // No more threads: who wanted to come in is let go.
            eprintln!("connection: {error}");
        }
    }
}

/// Reads from a client until it is gone.
fn serve(stream: TcpStream, config: Arc<Config>, room: &Room) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    let accepted = accept_with(stream, config, |_| Accept::new().into())?;
    let Some(ws) = accepted else { return Ok(()) };
    let (mut reader, sender) = ws.split()?;
    let (queue, queued) = sync_channel(QUEUE_LEN);
    // Ends when the room lets go of the queue.
    let sending = thread::Builder::new().spawn(move || send(&sender, &queued))?;
    let id = room.enter(queue);
    let result = loop {
        match reader.read() {
            Ok(Some(message)) => room.tell(&message),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    room.leave(id);
    // A panic there has been told by itself.
    let _ = sending.join();
    result
}

/// Sends what is queued. To wait for a client that takes nothing is this
/// thread's affair; the reader finds out when it is dead.
fn send(sender: &Sender, queued: &Receiver<PreparedMessage>) {
    for message in queued {
        if sender.send_prepared(&message).is_err() {
            return;
        }
    }
    // Too slow, if it is not gone.
    let _ = sender.start_close(CloseCode::new(1013), "too slow");
}

/// Who is here.
#[derive(Default)]
struct Room {
    clients: Mutex<Clients>,
}

#[derive(Default)]
struct Clients {
    queues: BTreeMap<u64, SyncSender<PreparedMessage>>,
    last_id: u64,
}

impl Room {
    fn lock(&self) -> MutexGuard<'_, Clients> {
        // No call panics while it holds the lock.
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, queue: SyncSender<PreparedMessage>) -> u64 {
        let mut clients = self.lock();
        clients.last_id += 1;
        let id = clients.last_id;
        clients.queues.insert(id, queue);
        id
    }

    fn leave(&self, id: u64) {
        self.lock().queues.remove(&id);
    }

    /// Encoded once, and queued for each.
    fn tell(&self, message: &Message<'_>) {
        let message = match message {
            Message::Text(text) => PreparedMessage::text(text),
            Message::Binary(data) => PreparedMessage::binary(data),
        };
        self.lock().queues.retain(|_, queue| {
            !matches!(queue.try_send(message.clone()), Err(TrySendError::Full(_)))
        });
    }
}
