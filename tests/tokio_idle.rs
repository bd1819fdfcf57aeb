//! What idle connections of the tokio adapter cost: bytes of heap beyond socket
//! and task, over streams in memory and over TCP, and 5,000 of them in a
//! process of their own. `cargo test -- --nocapture` shows the figures.

#![cfg(feature = "tokio")]

mod idle;

use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener as StdListener, TcpStream as StdStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::{env, fs, thread};

use futures_util::{StreamExt, stream};
use idle::heap::{each, live, live_in_process};
use idle::pipe::{End, pipe};
use idle::{Count, Held, LIMIT, PATIENCE, config, must_wait, runtime};
use sockeye::handshake::{Accept, accept_key};
use sockeye::net::Endpoint;
use sockeye::tokio::{Error, Stream, WebSocket, accept, accept_with, connect, handshake};
use sockeye::{CloseCode, Config, Message, blocking};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Connections that the heap of one is averaged over.
const COUNT: usize = 100;

/// Each way of using a connection: deadlines on, in halves.
const VARIANTS: [(bool, bool); 4] = [(false, false), (true, false), (false, true), (true, true)];

fn name((deadlines, split): (bool, bool)) -> String {
    let deadlines = if deadlines { "ping_interval and idle_timeout" } else { "no deadlines" };
    format!("{deadlines}, {}", if split { "split" } else { "whole" })
}

/// More than a read takes, and than a stream takes at once.
fn long_message() -> Vec<u8> {
    (0..100 << 10).map(|n: u32| n as u8).collect()
}

// ---- in memory -------------------------------------------------------------------

/// Our server and our client, over a stream in memory.
async fn open(
    (server, client): (End, End),
    config: &Arc<Config>,
) -> (WebSocket<End>, WebSocket<End>) {
    let endpoint = Endpoint::new("localhost", 80, "/").config(config.clone());
    let (server, client) = tokio::join!(
        accept_with(server, config.clone(), |_| Accept::new().into()),
        handshake(endpoint, client),
    );
    (server.unwrap().unwrap(), client.unwrap())
}

/// Messages of every kind, from one end to the other.
async fn talk(from: &mut Held<End>, to: &mut Held<End>) {
    let long = long_message();
    let messages = [Message::from("hello"), Message::from(&long[..])];
    for message in messages {
        let (sent, read) = tokio::join!(from.send(message.clone()), to.read());
        sent.unwrap();
        assert_eq!(read.unwrap(), Some(message));
    }
    let (one, two) = long.split_at(1000);
    let (sent, read) = tokio::join!(from.send_in_two(one, two), to.read());
    sent.unwrap();
    assert_eq!(read.unwrap(), Some(Message::from(&long[..])));
}

/// The heap of idle connections, of a server and of a client. In the halves of
/// one that was split there is its stream, which is no part of that.
async fn heap_in_memory(count: usize, (deadlines, split): (bool, bool)) -> (usize, usize) {
    let config = config(deadlines);
    let mut streams: Vec<_> = (0..count).map(|_| pipe()).collect();
    let mut held = Vec::with_capacity(count);
    let (mut servers, mut clients) = (Vec::with_capacity(count), Vec::with_capacity(count));
    let before = live();
    for streams in streams.drain(..) {
        held.push(streams.0.socket());
        let (server, client) = open(streams, &config).await;
        let (mut server, mut client) = (Held::new(server, split), Held::new(client, split));
        talk(&mut server, &mut client).await;
        talk(&mut client, &mut server).await;
        // Only who waits has given the thread its memory back.
        server.must_wait().await;
        client.must_wait().await;
        servers.push(server);
        clients.push(client);
    }
    // Without what goes back to the thread: with it, by what came into being.
    let both = live() - before;
    clients.clear();
    let of_clients = before + both - live();
    servers.clear();
    let of_servers = before + both - of_clients - live();
    let stream = if split { size_of::<End>() } else { 0 };
    (each(of_servers, count) - stream, each(of_clients, count) - stream)
}

/// Lets the thread come by the memory that it keeps for all its connections.
async fn have_memory_of_the_thread() {
    let before = live();
    heap_in_memory(1, (true, true)).await;
    println!("in memory: the thread keeps {} bytes for all connections", live() - before);
}

#[test]
fn an_idle_connection_in_memory_owns_at_most_a_kibibyte() {
    println!(
        "in memory: {} bytes of task for a connection, {} for a reader, {} for a sender",
        size_of::<WebSocket<End>>() - size_of::<End>(),
        size_of::<sockeye::tokio::Reader<End>>(),
        size_of::<sockeye::tokio::Sender<End>>(),
    );
    runtime().block_on(async {
        for variant in VARIANTS {
            heap_in_memory(4, variant).await;
            let before = live();
            let (server, client) = heap_in_memory(COUNT, variant).await;
            assert_eq!(live(), before, "left behind");
            println!("in memory, {}: heap {server} (server), {client} (client)", name(variant));
            assert!(server <= LIMIT && client <= LIMIT, "{server} and {client} are too much");
        }
    });
}

// ---- in memory: unfinished heads ---------------------------------------------------

/// What a connection may hold of so many bytes that have come in such pieces.
/// Memory that grows does so by doubling.
fn allowance(len: usize, piece_len: usize) -> isize {
    (if piece_len >= len { len } else { 2 * len + 8 }) as isize
}

/// A client's frame with a masking key of zeros, and its head's length.
fn frame(opcode: u8, payload: &[u8]) -> (Vec<u8>, usize) {
    let mut bytes = vec![0x80 | opcode];
    match payload.len() {
        len @ ..126 => bytes.push(0x80 | len as u8),
        len @ ..0x1_0000 => {
            bytes.push(0x80 | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    let head_len = bytes.len();
    bytes.extend(payload);
    (bytes, head_len)
}

#[test]
fn of_an_unfinished_frame_head_a_connection_holds_the_bytes_alone() {
    let message = vec![7; 0x1_0000];
    let (binary, binary_head) = frame(2, &message);
    let (ping, _) = frame(9, &[b'p'; 125]);
    runtime().block_on(async {
        have_memory_of_the_thread().await;
        let mut most = 0;
        // Alone, and behind a message that took one read, or several.
        for in_front in [0, 300, 60_000] {
            // A Ping counts as one head: it is answered when it is complete.
            for (frame, cut) in [
                (&binary, 1),
                (&binary, 2),
                (&binary, binary_head - 1),
                (&ping, 1),
                (&ping, 5),
                (&ping, 66),
                (&ping, 130),
            ] {
                for piece_len in [1, usize::MAX] {
                    most = most.max(hold_unfinished(in_front, frame, cut, piece_len).await);
                }
            }
        }
        println!("in memory, an unfinished head of a frame: heap {most} at most");
    });
}

/// Sends a message and then a frame, and stops for a while where it is cut:
/// says how much a server's connection holds then.
async fn hold_unfinished(in_front: usize, frame: &[u8], cut: usize, piece_len: usize) -> isize {
    let (ours, mut peer) = pipe();
    let ws = sockeye::Connection::server(config(false));
    let mut ws = WebSocket::from_parts(ours, ws, b"");
    must_wait(ws.read()).await;
    let before = live();

    let (tail, rest) = frame.split_at(cut);
    let mut pieces = tail.chunks(piece_len);
    if in_front > 0 {
        // The first piece comes with the message.
        let (mut bytes, _) = self::frame(2, &vec![1; in_front]);
        bytes.extend(pieces.next().unwrap());
        let (written, message) = tokio::join!(peer.write_all(&bytes), ws.read());
        written.unwrap();
        assert_eq!(message.unwrap().unwrap().as_bytes().len(), in_front);
    }
    must_wait(ws.read()).await;
    for piece in pieces {
        peer.write_all(piece).await.unwrap();
        must_wait(ws.read()).await;
    }
    let held = live() - before;
    let is_ping = frame[0] & 0x0f == 9;
    // There may be room for the payload of any Ping at once.
    let most = allowance(if is_ping && cut > 6 { 126 } else { cut }, piece_len);
    assert!(held <= most, "{held} bytes for {cut} behind {in_front} in pieces of {piece_len}");

    // The rest comes: nothing is held any longer.
    let written = async { peer.write_all(rest).await.unwrap() };
    if is_ping {
        written.await;
        must_wait(ws.read()).await;
        peer.read_exact(&mut [0; 2 + 125]).await.unwrap();
    } else {
        let ((), message) = tokio::join!(written, ws.read());
        drop(message.unwrap());
        must_wait(ws.read()).await;
    }
    assert_eq!(live() - before, 0, "held after the end of a frame");
    held
}

/// Header lines that fill a head to some ten KiB.
fn many_headers() -> String {
    (0..10).map(|n| format!("X-Line-{n}: {}\r\n", "x".repeat(1000))).collect()
}

#[test]
fn of_an_unfinished_request_a_server_holds_the_bytes_alone() {
    let request = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\n"
        .to_owned()
        + &many_headers();
    runtime().block_on(async {
        have_memory_of_the_thread().await;
        for piece_len in [1, 999, usize::MAX] {
            let (ours, mut peer) = pipe();
            let config = config(false);
            let start = live();
            let mut opening = Box::pin(accept_with(ours, config, |_| Accept::new().into()));
            let task = size_of_val(&*opening) as isize;
            must_wait(opening.as_mut()).await;
            let silent = live() - start - task;
            assert!(silent <= LIMIT as isize, "{silent} bytes for who has said nothing");

            let before = live();
            for piece in request.as_bytes().chunks(piece_len) {
                peer.write_all(piece).await.unwrap();
                must_wait(opening.as_mut()).await;
            }
            let held = live() - before;
            let most = allowance(request.len(), piece_len);
            assert!(held <= most, "{held} bytes for {}", request.len());

            // With the beginning of a frame behind it.
            peer.write_all(b"\r\n\x81").await.unwrap();
            let mut ws = opening.as_mut().await.unwrap().unwrap();
            drop(opening);
            let reply = peer.read(&mut [0; 1000]).await.unwrap();
            assert!(reply > 100);
            must_wait(ws.read()).await;
            let open = live() - start;
            assert!(open <= 1, "{open} bytes of a server's connection with one byte");
            // Not before: what tests print is collected in the heap of their thread.
            println!(
                "in memory, a server's handshake in pieces of {}: heap {silent} before any byte, \
                 {held} more with {} of the head, {open} once open; {task} of task",
                piece_len.min(request.len()),
                request.len(),
            );
        }
    });
}

#[test]
fn of_an_unfinished_reply_a_client_holds_the_bytes_alone() {
    runtime().block_on(async {
        have_memory_of_the_thread().await;
        for piece_len in [1, 999, usize::MAX] {
            let (ours, mut peer) = pipe();
            let start = live();
            let endpoint = Endpoint::new("localhost", 80, "/");
            let mut opening = Box::pin(handshake(endpoint, ours));
            let task = size_of_val(&*opening) as isize;
            must_wait(opening.as_mut()).await;
            let mut request = [0; 1000];
            let len = peer.read(&mut request).await.unwrap();
            let silent = live() - start - task;
            let reply = reply_to(&request[..len]);

            let before = live();
            for piece in reply.as_bytes().chunks(piece_len) {
                peer.write_all(piece).await.unwrap();
                must_wait(opening.as_mut()).await;
            }
            let held = live() - before;
            let most = allowance(reply.len(), piece_len);
            assert!(held <= most, "{held} bytes for {}", reply.len());

            // With the beginning of a frame behind it.
            peer.write_all(b"\r\n\x81").await.unwrap();
            let mut ws = opening.as_mut().await.unwrap();
            drop(opening);
            must_wait(ws.read()).await;
            let open = live() - start - reply.capacity() as isize;
            assert!(open <= LIMIT as isize, "{open} bytes of a client's connection with one byte");
            // Not before: what tests print is collected in the heap of their thread.
            println!(
                "in memory, a client's handshake in pieces of {}: heap {silent} before any byte, \
                 {held} more with {} of the head, {open} once open; {task} of task",
                piece_len.min(reply.len()),
                reply.len(),
            );
        }
    });
}

/// A long reply to a client's request, but for the blank line at its end.
fn reply_to(request: &[u8]) -> String {
    let request = std::str::from_utf8(request).unwrap();
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let accept = accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n{}",
        std::str::from_utf8(&accept).unwrap(),
        many_headers(),
    )
}

// ---- over TCP --------------------------------------------------------------------

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Client,
    Server,
}

/// A thread with the other ends of connections: brings them about, says so,
/// and drops them when it may. What it allocates is counted in it alone.
struct Peers {
    ready: mpsc::Receiver<()>,
    release: mpsc::Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl Peers {
    fn start<T>(work: impl FnOnce() -> T + Send + 'static) -> Self {
        let (tell_ready, ready) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            let ends = work();
            let _ = tell_ready.send(());
            let _ = released.recv();
            drop(ends);
        });
        Self { ready, release, thread }
    }

    /// Until they have done what there was to do.
    async fn ready(&self) {
        let ready = async {
            while let Err(error) = self.ready.try_recv() {
                assert_eq!(error, mpsc::TryRecvError::Empty, "the peers have failed");
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ready).await.expect("no end in sight");
    }

    fn end(self) {
        drop(self.release);
        self.thread.join().unwrap();
    }
}

/// Has a small and a long message echoed.
fn talk_as_peer(ws: &mut blocking::WebSocket<StdStream>) {
    for message in [Message::from("hello"), Message::from(long_message())] {
        ws.send(message.clone()).unwrap();
        assert_eq!(ws.read().unwrap(), Some(message));
    }
}

/// Sends back what comes; counts those that wait for it. The tasks that it runs
/// in are boxed: tokio rounds what they own up, which would blur the figures.
async fn echo(ws: WebSocket<TcpStream>, split: bool, waiting: Arc<Count>) {
    let mut ws = Held::new(ws, split);
    // The peer goes in the end without a word.
    while let Ok(Some(message)) = waiting.while_waiting(ws.read()).await {
        ws.send(message).await.unwrap();
    }
}

/// The heap of a socket and its task with nothing on top, without the future
/// of the task itself.
async fn heap_of_bare_sockets(count: usize) -> usize {
    let waiting = Arc::new(Count::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let before = live();
    let peers = Peers::start(move || {
        (0..count).map(|_| StdStream::connect(address).unwrap()).collect::<Vec<_>>()
    });
    let mut task = 0;
    for _ in 0..count {
        let (mut stream, _) = listener.accept().await.unwrap();
        let waiting = waiting.clone();
        let future = async move {
            let read = waiting.while_waiting(stream.read(&mut [0])).await;
            assert_eq!(read.unwrap(), 0);
        };
        task = size_of_val(&future);
        tokio::spawn(Box::pin(future));
    }
    peers.ready().await;
    waiting.until(count).await;
    let heap = live() - before;
    peers.end();
    waiting.until(0).await;
    each(heap, count) - task
}

/// The heap of idle connections, with socket and task, and the size of the
/// future that is in it.
async fn heap_over_tcp(
    ours: Role,
    count: usize,
    (deadlines, split): (bool, bool),
) -> (usize, usize) {
    let config = config(deadlines);
    let waiting = Arc::new(Count::new());
    let mut task = 0;
    let (peers, before) = match ours {
        Role::Server => {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let before = live();
            let peers = Peers::start(move || {
                let open = |_| {
                    let stream = StdStream::connect(address).unwrap();
                    let endpoint = Endpoint::new("localhost", 80, "/");
                    let mut ws = blocking::handshake(endpoint, stream).unwrap();
                    talk_as_peer(&mut ws);
                    ws
                };
                (0..count).map(open).collect::<Vec<_>>()
            });
            for _ in 0..count {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (config, waiting) = (config.clone(), waiting.clone());
                let future = async move {
                    let ws = accept_with(stream, config, |_| Accept::new().into()).await;
                    echo(ws.unwrap().unwrap(), split, waiting).await;
                };
                task = size_of_val(&future);
                tokio::spawn(Box::pin(future));
            }
            (peers, before)
        }
        Role::Client => {
            let listener = StdListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let before = live();
            let peers = Peers::start(move || {
                let open = |_| {
                    let (stream, _) = listener.accept().unwrap();
                    stream.set_nodelay(true).unwrap();
                    let mut ws = blocking::accept(stream).unwrap();
                    talk_as_peer(&mut ws);
                    ws
                };
                (0..count).map(open).collect::<Vec<_>>()
            });
            for _ in 0..count {
                let stream = TcpStream::connect(address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let endpoint = Endpoint::new("localhost", 80, "/").config(config.clone());
                let waiting = waiting.clone();
                let future = async move {
                    let ws = handshake(endpoint, stream).await.unwrap();
                    echo(ws, split, waiting).await;
                };
                task = size_of_val(&future);
                tokio::spawn(Box::pin(future));
            }
            (peers, before)
        }
    };
    peers.ready().await;
    waiting.until(count).await;
    let heap = live() - before;
    peers.end();
    waiting.until(0).await;
    (each(heap, count), task)
}

#[test]
fn an_idle_connection_over_tcp_owns_at_most_a_kibibyte() {
    // A runtime of its own for each: what it keeps is counted once.
    let bare = runtime().block_on(heap_of_bare_sockets(COUNT));
    for variant in VARIANTS {
        for role in [Role::Server, Role::Client] {
            // So that the thread has the memory that it keeps for all.
            runtime().block_on(heap_over_tcp(role, 4, variant));
            let (heap, task) = runtime().block_on(heap_over_tcp(role, COUNT, variant));
            // A task that has split its connection has the stream in the heap.
            let stream = if variant.1 { size_of::<TcpStream>() } else { 0 };
            let beyond = heap.saturating_sub(bare + task + stream);
            println!(
                "over TCP, {}, {role:?}: heap {heap}, of it {task} of the task's future, {bare} \
                 for any socket and task, {beyond} beyond",
                name(variant),
            );
            assert!(beyond <= LIMIT, "{beyond} bytes are too much");
        }
    }
}

// ---- five thousand ----------------------------------------------------------------

const MANY: usize = 5000;
/// Connections that are being made or used at the same time: fewer than fit
/// into any listener's backlog.
const AT_ONCE: usize = 50;
/// The most resident memory that an idle connection may cost the process: some
/// 1,570 bytes when this was written.
const RESIDENT_LIMIT: usize = 2560;
/// Set in the process of the server.
const SERVER: &str = "SOCKEYE_IDLE_SERVER";
/// Before each of its lines: the test harness writes to the same stream.
const MARK: &str = "idle-server: ";

/// Bytes of this process in physical memory. `None` where nobody says so.
fn resident() -> Option<usize> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = statm.split(' ').nth(1)?.parse().ok()?;
    let page = Command::new("getconf").arg("PAGESIZE").output().ok();
    let page = page.and_then(|page| String::from_utf8(page.stdout).ok()?.trim().parse().ok());
    Some(pages * page.unwrap_or(4096))
}

/// Fails if this process may not open as many files as it takes.
fn check_descriptors() {
    let needed = MANY + 1000; // the other tests have some
    let Ok(limits) = fs::read_to_string("/proc/self/limits") else {
        println!("no /proc/self/limits: {needed} descriptors had better be allowed");
        return;
    };
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let limit = line.split_whitespace().next().unwrap();
    if limit.parse().is_ok_and(|limit: usize| limit < needed) {
        panic!(
            "{MANY} connections take {needed} file descriptors in each of two processes, and \
             the limit is {limit}: run `ulimit -n {needed}` in this shell, or have the hard \
             limit raised, and test again"
        );
    }
}

/// What a server's process says of itself.
#[derive(Clone, Copy, Debug)]
struct Figures {
    heap: isize,
    resident: Option<usize>,
    /// Of the future of a connection's task.
    task: usize,
}

/// A process with the server.
struct ServerProcess {
    child: Child,
    commands: ChildStdin,
    lines: mpsc::Receiver<String>,
}

impl ServerProcess {
    fn start() -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "in_a_process_of_its_own_this_is_the_server", "--nocapture"])
            .env(SERVER, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Some((_, line)) = line.split_once(MARK) {
                    let _ = send.send(line.to_owned());
                }
            }
        });
        Self { child, commands, lines }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("the server has gone, or is stuck")
    }

    /// Its figures once so many of its connections wait, and so many have ended
    /// in good order.
    fn figures(&mut self, waiting: usize, ended: usize) -> Figures {
        writeln!(self.commands, "{waiting} {ended}").unwrap();
        let line = self.line();
        let mut numbers = line.split(' ').map(|number| number.parse::<isize>().unwrap());
        let mut next = || numbers.next().unwrap();
        Figures {
            heap: next(),
            resident: usize::try_from(next()).ok(),
            task: usize::try_from(next()).unwrap(),
        }
    }

    /// It ends when it hears no more.
    fn end(mut self) {
        drop(self.commands);
        assert!(self.child.wait().unwrap().success(), "the server has failed");
    }
}

/// Not a test by itself: what [`five_thousand_idle_connections_cost_little`]
/// starts in another process, for limits and figures of its own.
#[test]
fn in_a_process_of_its_own_this_is_the_server() {
    if env::var_os(SERVER).is_none() {
        return;
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    println!("{MARK}{}", listener.local_addr().unwrap().port());

    static TASK: AtomicUsize = AtomicUsize::new(0);
    static ENDED: Count = Count::new();
    static WAITING: Count = Count::new();
    runtime.spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let future = async move {
                // Whatever goes wrong, the load notices.
                let mut ws = accept(stream).await?;
                while let Some(message) = WAITING.while_waiting(ws.read()).await? {
                    ws.send(message).await?;
                }
                ENDED.add(1);
                Ok::<(), Error>(())
            };
            TASK.store(size_of_val(&future), Ordering::SeqCst);
            tokio::spawn(future);
        }
    });
    for command in io::stdin().lines() {
        let command = command.unwrap();
        let (waiting, ended) = command.split_once(' ').unwrap();
        runtime.block_on(async {
            WAITING.until(waiting.parse().unwrap()).await;
            ENDED.until(ended.parse().unwrap()).await;
        });
        let resident = resident().map_or(-1, |bytes| bytes as isize);
        let task = TASK.load(Ordering::SeqCst);
        println!("{MARK}{} {resident} {task}", live_in_process());
    }
}

/// Has a message echoed on each connection.
async fn echo_on_all(all: &mut [WebSocket<Stream>], text: &str) {
    stream::iter(all)
        .for_each_concurrent(AT_ONCE, |ws| async move {
            ws.send(text).await.unwrap();
            assert_eq!(ws.read().await.unwrap(), Some(Message::from(text)));
        })
        .await;
}

#[test]
fn five_thousand_idle_connections_cost_little() {
    check_descriptors();
    let mut server = ServerProcess::start();
    let port = server.line().parse().unwrap();
    runtime().block_on(async {
        let before = server.figures(0, 0);
        let load_before = live();
        let endpoint = Endpoint::new("127.0.0.1", port, "/").without_waiting();
        let mut all: Vec<_> = stream::iter(0..MANY)
            .map(|_| async { connect(endpoint.clone()).await.unwrap() })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        echo_on_all(&mut all, "hello").await;
        for ws in &mut all {
            must_wait(ws.read()).await;
        }

        let of_load = each(live() - load_before, MANY) - size_of::<WebSocket<Stream>>();
        let idle = server.figures(MANY, 0);
        let heap = each(idle.heap - before.heap, MANY);
        let task = idle.task;
        println!("{MANY} idle connections over TCP:");
        println!(
            "  server: heap {heap} for each, socket and task included; {task} of it are the \
             future of its task",
        );
        println!(
            "  load: heap {of_load} for each, socket included, and {} in a list",
            size_of::<WebSocket<Stream>>(),
        );
        assert!(heap <= LIMIT + task, "{heap} bytes of heap, {task} of them a task's future");
        match (before.resident, idle.resident) {
            (Some(empty), Some(full)) => {
                let resident = full.saturating_sub(empty).div_ceil(MANY);
                println!(
                    "  server: resident {resident} for each; {} KiB with them, {} KiB without",
                    full >> 10,
                    empty >> 10,
                );
                assert!(resident <= RESIDENT_LIMIT, "{resident} bytes of resident memory");
            }
            _ => println!("  server: what is resident cannot be known on this system"),
        }

        // They are alive, and end in good order.
        echo_on_all(&mut all, "still there?").await;
        server.figures(MANY, 0);
        stream::iter(all)
            .for_each_concurrent(AT_ONCE, |mut ws| async move {
                let closed = ws.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
                assert!(closed.is_clean(), "{closed:?}");
            })
            .await;
        let after = server.figures(0, MANY);
        println!("  server: {} bytes of heap more than before them", after.heap - before.heap);
    });
    server.end();
}
