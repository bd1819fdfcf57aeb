//! WebSockets on the streams of HTTP/2 connections (RFC 8441), with the `h2`
//! crate: an echo server, and a client that tries it on many streams at once.
//!
//!     cargo run --release --features http --example embed_h2 -- server ADDR
//!     cargo run --release --features http --example embed_h2 -- client ADDR STREAMS
//!
//! Both speak HTTP/2 with prior knowledge and without TLS. For browsers, hand
//! `serve` the stream of a TLS library that has agreed on `h2` by ALPN.
//!
//! 1. An extended CONNECT and its reply are checked by `handshake::extended`.
//! 2. From then on a stream is a transport like any other. What DATA frames hold
//!    is given to the engine as it comes; where they end means nothing.
//! 3. What is to be sent waits for the windows of the stream and of the
//!    connection. When too much waits, the stream is not read from; its window is
//!    not enlarged, and so the peer has to wait as well: back-pressure.
//! 4. END_STREAM is the end of the transport, RST_STREAM a transport that broke.
//!
//! `embedding` in the documentation of the crate has the reasons.

use std::error::Error;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use std::{env, mem};

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, StreamExt};
use h2::client::SendRequest;
use h2::ext::Protocol;
use h2::server::SendResponse;
use h2::{Ping, Reason, RecvStream, SendStream};
use http::{Request, Response};
use sockeye::handshake::extended::{self, Client, Settings};
use sockeye::handshake::{Accept, ClientRequest, Rejection};
use sockeye::{
    Assembler, Clock, CloseCode, Closed, Config, Connection, Incoming, Input, Instant, Message,
    Seed, SendError,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// WebSockets of one HTTP/2 connection.
const MAX_STREAMS: u32 = 100;

/// Bytes that may come on a stream before we have processed any of them.
const WINDOW: u32 = 64 << 10;

/// The same for all streams of a connection together: one that is not read from
/// must leave the others theirs.
const ALL_WINDOWS: u32 = MAX_STREAMS * WINDOW;

/// Bytes to be sent from which on no more is made of what was received: 64 KiB,
/// compressed, can be sixty megabytes to be sent back.
const ENOUGH: usize = 256 << 10;

/// How long a peer may take nothing of what waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection may take to begin, and how long one without a stream
/// is kept.
const IDLE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match args[..] {
        ["server", addr] => server(addr).await,
        ["client", addr, streams] => client(addr, streams).await,
        _ => Err("usage: embed_h2 server ADDR | client ADDR STREAMS".into()),
    };
    if let Err(error) = &result {
        eprintln!("embed_h2: {error}");
    }
    if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn config() -> Arc<Config> {
    let mut config = Config::default();
    config.ping_interval = Some(Duration::from_secs(60));
    #[cfg(feature = "deflate")]
    {
        config.deflate = Some(sockeye::DeflateConfig::default());
    }
    Arc::new(config)
}

// ---- a stream, of either end ---------------------------------------------------------

/// What is done with what came; answers go through the engine into the output.
type Application<'a> = dyn FnMut(Incoming<'_>, &mut Connection, &mut Vec<u8>) + Send + 'a;

/// A WebSocket and its stream of HTTP/2.
struct WebSocket {
    ws: Connection,
    messages: Assembler,
    recv: RecvStream,
    send: SendStream<Bytes>,
    /// What the engine and the application have to say.
    out: Vec<u8>,
    /// What was said before that, and waits for room in the windows.
    waiting: Bytes,
    /// What has come and is not all received yet, and whether there is more in it.
    held: BytesMut,
    holds: bool,
    /// When the peer last took something.
    took: Instant,
    clock: Clock,
    due: Option<Instant>,
    /// END_STREAM has come, and was sent.
    has_ended: bool,
    has_finished: bool,
}

/// What a stream is ready for.
enum Ready {
    Data(Bytes),
    End,
    /// To be sent so many bytes.
    Room(usize),
    /// RST_STREAM, or the whole connection is gone.
    Reset,
}

impl WebSocket {
    fn new(ws: Connection, recv: RecvStream, send: SendStream<Bytes>, out: Vec<u8>) -> Self {
        let clock = Clock::new();
        let (messages, waiting, took) = (Assembler::new(), Bytes::new(), clock.now());
        Self {
            ws,
            messages,
            recv,
            send,
            out,
            waiting,
            held: BytesMut::new(),
            holds: false,
            took,
            clock,
            due: None,
            has_ended: false,
            has_finished: false,
        }
    }

    /// Moves bytes until the connection is over.
    async fn run(mut self, application: &mut Application<'_>) -> Closed {
        loop {
            let now = self.clock.now();
            if self.ws.wants_time() {
                self.due = self.ws.note_time(now);
            }
            if self.waiting.is_empty() && !self.out.is_empty() {
                self.waiting = mem::take(&mut self.out).into();
                self.took = now;
            }
            if self.holds && self.waiting.is_empty() {
                self.go_on(application);
                continue;
            }
            if self.ws.should_close_transport() && self.waiting.is_empty() {
                if !mem::replace(&mut self.has_finished, true) {
                    let _ = self.send.send_data(Bytes::new(), true);
                }
                // What still comes is read, and thrown away by the engine.
                if self.has_ended {
                    return self.ws.receive_eof();
                }
            }
            // Who is not read from cannot be heard to answer.
            let due = self.due.filter(|_| self.may_read());
            let at = [due, self.patience()].into_iter().flatten().min();
            let wait = at.map_or(Duration::MAX, |at| at.saturating_duration_since(now));
            match timeout(wait, poll_fn(|cx| self.poll_ready(cx))).await {
                Ok(Ready::Data(data)) => self.receive(data, application),
                Ok(Ready::End) => {
                    self.has_ended = true;
                    self.ws.receive_eof();
                }
                Ok(Ready::Room(0)) => {}
                Ok(Ready::Room(len)) => {
                    self.took = self.clock.now();
                    let data = self.waiting.split_to(len.min(self.waiting.len()));
                    // If there is nobody to send it to, it is told next.
                    let _ = self.send.send_data(data, false);
                }
                Ok(Ready::Reset) => return self.ws.receive_eof(),
                Err(_) if self.patience().is_some_and(|at| at <= self.clock.now()) => {
                    self.send.send_reset(Reason::CANCEL);
                    return self.ws.abort();
                }
                Err(_) => self.due = self.ws.handle_timeout(self.clock.now(), &mut self.out),
            }
        }
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Ready> {
        if !self.waiting.is_empty() {
            self.send.reserve_capacity(self.waiting.len());
            // Only what is added to it can be polled for.
            match self.send.capacity() {
                0 => match self.send.poll_capacity(cx) {
                    Poll::Ready(Some(Ok(room))) => return Poll::Ready(Ready::Room(room)),
                    Poll::Ready(_) => return Poll::Ready(Ready::Reset),
                    Poll::Pending => {}
                },
                room => return Poll::Ready(Ready::Room(room)),
            }
        }
        if !self.may_read() {
            return Poll::Pending;
        }
        Poll::Ready(match ready!(self.recv.poll_data(cx)) {
            Some(Ok(data)) => Ready::Data(data),
            Some(Err(_)) => Ready::Reset,
            None => Ready::End,
        })
    }

    /// Who takes nothing is not read from.
    fn may_read(&self) -> bool {
        let queued = self.waiting.len() + self.out.len();
        !self.has_ended && !self.holds && queued <= self.ws.config().max_queued_len
    }

    /// When what waits has waited for too long.
    fn patience(&self) -> Option<Instant> {
        let stuck = (!self.waiting.is_empty()).then(|| self.took + PATIENCE);
        let close = self.ws.close_deadline().filter(|_| self.ws.should_close_transport());
        [stuck, close].into_iter().flatten().min()
    }

    fn receive(&mut self, data: Bytes, application: &mut Application<'_>) {
        self.held = data.into();
        self.go_on(application);
    }

    /// Receives what is held, until there is enough to be sent.
    fn go_on(&mut self, application: &mut Application<'_>) {
        let held = self.held.len();
        let mut left = held;
        // Compressed messages are inflated into it.
        let mut scratch = [0; 16 << 10];
        loop {
            let mut input = Input::with_scratch(&mut self.held[held - left..], &mut scratch);
            while self.out.len() < ENOUGH {
                let Some(event) = self.ws.receive(&mut input, &mut self.out) else { break };
                if let Some(incoming) = self.messages.push(event) {
                    application(incoming, &mut self.ws, &mut self.out);
                }
            }
            left = input.len();
            if self.out.len() >= ENOUGH || !self.ws.wants_scratch() {
                break;
            }
        }
        self.holds = self.out.len() >= ENOUGH && (left > 0 || self.ws.is_inflating());
        drop(self.held.split_to(held - left));
        // They are processed: so many more may come. If the stream is reset, none.
        let _ = self.recv.flow_control().release_capacity(held - left);
    }
}

// ---- the server ----------------------------------------------------------------------

/// Sends back what comes. After a Close nothing can be sent, and need not.
fn echo(incoming: Incoming<'_>, ws: &mut Connection, out: &mut Vec<u8>) {
    let _ = match incoming {
        Incoming::Message(Message::Text(text)) => ws.send_text(&text, out),
        Incoming::Message(Message::Binary(data)) => ws.send_binary(&data, out),
        _ => Ok(()),
    };
}

async fn server(addr: &str) -> Result<()> {
    let listener = TcpListener::bind(addr).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let config = config();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors: others will leave.
                eprintln!("accept: {error}");
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        spawn("connection", serve(stream, config.clone()));
    }
}

/// Work beside ours that has nobody but the user to tell.
fn spawn(what: &'static str, work: impl Future<Output = Result<()>> + Send + 'static) {
    tokio::spawn(async move { work.await.inspect_err(|error| eprintln!("{what}: {error}")) });
}

/// Serves an HTTP/2 connection.
async fn serve(stream: TcpStream, config: Arc<Config>) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut builder = h2::server::Builder::new();
    builder.enable_connect_protocol().max_concurrent_streams(MAX_STREAMS);
    builder.initial_window_size(WINDOW).initial_connection_window_size(ALL_WINDOWS);
    builder.max_header_list_size(config.max_head_len.try_into()?);
    let mut connection = timeout(IDLE, builder.handshake::<_, Bytes>(stream)).await??;
    loop {
        // It is this that moves the bytes of all streams.
        match timeout(IDLE, connection.accept()).await {
            Ok(Some(request)) => {
                let (request, respond) = request?;
                spawn("stream", answer(request, respond, config.clone()));
            }
            Ok(None) => return Ok(()),
            Err(_) if connection.has_streams() => {}
            Err(_) => {
                connection.abrupt_shutdown(Reason::NO_ERROR);
                timeout(PATIENCE, poll_fn(|cx| connection.poll_closed(cx))).await??;
                return Ok(());
            }
        }
    }
}

/// Answers a request, and is the server's end of the WebSocket that may follow.
async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    config: Arc<Config>,
) -> Result<()> {
    let protocol = request.extensions().get::<Protocol>().map(Protocol::as_str);
    let (reply, ws) = extended::accept(&request, protocol, config, |request| {
        // Browsers let any page ask; ours are those of this server.
        let own_origin = format!("{}://{}", request.scheme(), request.authority());
        if request.check_origin(&[own_origin]).is_err() {
            return Rejection::new(403).body("page of another origin").into();
        }
        Accept::new().subprotocol(request.subprotocols().next()).into()
    });
    let (head, body) = reply.into_parts();
    let mut send = respond.send_response(Response::from_parts(head, ()), false)?;
    let Some(ws) = ws else { return Ok(send.send_data(body.into(), true)?) };
    let closed = WebSocket::new(ws, request.into_body(), send, Vec::new()).run(&mut echo).await;
    if closed.is_clean() { Ok(()) } else { Err(closed.to_string().into()) }
}

// ---- the client ----------------------------------------------------------------------

/// Lengths of the messages that each stream is to bring back.
const LENS: [usize; 8] = [0, 1, 125, 126, 5000, 70_000, 0, 200_000];

async fn client(addr: &str, streams: &str) -> Result<()> {
    let (addr, streams): (SocketAddr, usize) = (addr.parse()?, streams.parse()?);
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let mut builder = h2::client::Builder::new();
    builder.enable_push(false);
    builder.initial_window_size(WINDOW).initial_connection_window_size(ALL_WINDOWS);
    let (requests, mut connection) = timeout(PATIENCE, builder.handshake(stream)).await??;
    let mut pings = connection.ping_pong().ok_or("ping_pong was taken before")?;
    // It is this that moves the bytes of all streams.
    let moving = tokio::spawn(connection);
    // Its SETTINGS are the first that a server sends (RFC 9113, section 3.4): they
    // are there when the answer to a PING is.
    timeout(PATIENCE, pings.ping(Ping::opaque())).await??;
    let settings = Settings::enabled(requests.is_extended_connect_protocol_enabled());
    // More than the server allows would wait for their replies in vain.
    let at_once = requests.current_max_send_streams().clamp(1, streams.max(1));
    let talks = (0..streams).map(|number| talk(requests.clone(), addr, settings, number));
    let ends: Vec<Result<()>> = stream::iter(talks).buffer_unordered(at_once).collect().await;
    drop(requests);
    let moved = timeout(PATIENCE, moving).await;
    ends.into_iter().collect::<Result<()>>()?;
    moved???;
    println!("{} messages came back on {streams} streams", streams * LENS.len());
    Ok(())
}

/// Asks for a WebSocket, and for the echo of one message after the other on it.
async fn talk(
    requests: SendRequest<Bytes>,
    addr: SocketAddr,
    settings: Settings,
    number: usize,
) -> Result<()> {
    let request = ClientRequest::new(false, &addr.ip().to_string(), addr.port(), "/echo");
    let mut client = Client::new(request, Seed::from_os()?, config())?;
    let mut request = client.request(&settings)?;
    request.extensions_mut().insert(Protocol::from_static("websocket"));
    let (reply, send) = requests.ready().await?.send_request(request, false)?;
    let reply = timeout(PATIENCE, reply).await??;
    let Some(mut ws) = client.open(&reply)? else {
        return Err(format!("refused: {}", reply.status()).into());
    };
    let (mut out, mut answered) = (Vec::new(), 0);
    ask(number, answered, &mut ws, &mut out)?;
    let mut ask_on = |incoming: Incoming<'_>, ws: &mut Connection, out: &mut Vec<u8>| {
        if let Incoming::Message(message) = incoming {
            let expected = LENS.get(answered).map(|_| text(number, answered).into());
            if Some(message) == expected {
                answered += 1;
            }
            let _ = ask(number, answered, ws, out);
        }
    };
    let closed = WebSocket::new(ws, reply.into_body(), send, out).run(&mut ask_on).await;
    match closed.is_clean() && answered == LENS.len() {
        true => Ok(()),
        false => Err(format!("stream {number}: {closed}, after {answered} messages").into()),
    }
}

/// A message that no other stream asks for.
fn text(number: usize, n: usize) -> String {
    format!("stream {number}, ").chars().cycle().take(LENS[n]).collect()
}

/// Sends the message that is next; closes behind the last.
fn ask(number: usize, n: usize, ws: &mut Connection, out: &mut Vec<u8>) -> Result<(), SendError> {
    match n == LENS.len() {
        true => ws.close(Some(CloseCode::NORMAL_CLOSURE), "", out),
        false => ws.send_text(&text(number, n), out),
    }
}
