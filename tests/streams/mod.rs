//! Streams of HTTP/2 for tests: peers that send any DATA in any order. They know
//! of RFC 8441 what is written here by hand, and nothing of ours.

#![allow(dead_code)] // each test file uses some of it

use std::future::{Future, poll_fn};

use bytes::Bytes;
use h2::client::SendRequest;
use h2::ext::Protocol;
use h2::server::SendResponse;
use h2::{Ping, PingPong, Reason, RecvStream, SendStream};
use http::{Request, Response};
use tokio::net::{TcpListener, TcpStream};

use crate::common::*;
use crate::sockets::{Role, Task};

/// Far more than any stream of a test takes before somebody has to wait.
const CONNECTION_WINDOW: u32 = 16 << 20;

/// Runs a test, and fails it if it hangs.
#[track_caller]
pub fn bounded<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test());
    };
    Task::start(run).join();
}

// ---- a client ------------------------------------------------------------------------

/// A connection to a server that is under test.
pub struct Client {
    pub requests: SendRequest<Bytes>,
    pings: PingPong,
}

impl Client {
    /// Connects, and waits for the server's SETTINGS.
    pub async fn connect(port: u16) -> Self {
        let tcp = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let mut builder = h2::client::Builder::new();
        builder.initial_connection_window_size(CONNECTION_WINDOW);
        let (requests, mut connection) = builder.handshake(tcp).await.unwrap();
        let pings = connection.ping_pong().unwrap();
        tokio::spawn(async move {
            let _ = connection.await;
        });
        let mut client = Self { requests, pings };
        client.round_trip().await;
        assert!(client.requests.is_extended_connect_protocol_enabled());
        client
    }

    /// What was sent before this is there when it returns.
    pub async fn round_trip(&mut self) {
        self.pings.ping(Ping::opaque()).await.unwrap();
    }

    /// Sends a request; gives the reply, and the stream.
    pub async fn ask(&mut self, request: Request<()>) -> (Response<()>, Stream) {
        let mut ready = self.requests.clone().ready().await.unwrap();
        let (reply, send) = ready.send_request(request, false).unwrap();
        let (reply, recv) = reply.await.unwrap().into_parts();
        let reply = Response::from_parts(reply, ());
        (reply, Stream { send, recv, role: Role::Client, bytes: Vec::new(), is_held: false })
    }

    /// A stream on which frames may be sent.
    pub async fn open(&mut self) -> Stream {
        let (reply, stream) = self.ask(connect_request(|_| {})).await;
        assert_eq!(reply.status(), 200);
        stream
    }
}

/// The extended CONNECT that asks for a WebSocket, but for what `set` changes.
pub fn connect_request(set: impl FnOnce(&mut Request<()>)) -> Request<()> {
    let mut request = Request::builder()
        .method("CONNECT")
        .uri("http://localhost/echo")
        .header("sec-websocket-version", "13")
        .extension(Protocol::from_static("websocket"))
        .body(())
        .unwrap();
    set(&mut request);
    request
}

// ---- a server ------------------------------------------------------------------------

/// A server with the one client that is under test.
pub struct Server {
    connection: h2::server::Connection<TcpStream, Bytes>,
}

/// A request that came, and the stream that will be open if it is accepted.
pub struct Asked {
    pub request: Request<()>,
    pub recv: RecvStream,
    respond: SendResponse<Bytes>,
}

impl Server {
    pub async fn accept(listener: TcpListener, enable_connect_protocol: bool) -> Self {
        let (tcp, _) = listener.accept().await.unwrap();
        tcp.set_nodelay(true).unwrap();
        let mut builder = h2::server::Builder::new();
        builder.initial_connection_window_size(CONNECTION_WINDOW);
        if enable_connect_protocol {
            builder.enable_connect_protocol();
        }
        Self { connection: builder.handshake(tcp).await.unwrap() }
    }

    /// The next request; `None` at the end of the connection.
    pub async fn request(&mut self) -> Option<Asked> {
        let (request, respond) = self.connection.accept().await?.unwrap();
        let (head, recv) = request.into_parts();
        Some(Asked { request: Request::from_parts(head, ()), recv, respond })
    }

    /// What the client had sent before this is there when it returns.
    pub async fn round_trip(&mut self) {
        let mut pings = self.connection.ping_pong().expect("once");
        tokio::select! {
            pong = pings.ping(Ping::opaque()) => drop(pong.unwrap()),
            other = self.connection.accept() => panic!("{:?}", other.is_some()),
        }
    }

    /// Moves the bytes of all streams while the test goes on, up to the end of
    /// the connection.
    pub fn go_on(mut self) -> tokio::task::JoinHandle<()> {
        tokio::spawn(async move { while let Some(Ok(_)) = self.connection.accept().await {} })
    }
}

impl Asked {
    pub fn answer(mut self, reply: Response<()>) -> Stream {
        let send = self.respond.send_response(reply, false).unwrap();
        Stream { send, recv: self.recv, role: Role::Server, bytes: Vec::new(), is_held: false }
    }

    pub fn accept(self) -> Stream {
        self.answer(Response::new(()))
    }
}

// ---- a stream ------------------------------------------------------------------------

/// Our end of a stream: a plain one, for any bytes in any DATA frames.
pub struct Stream {
    pub send: SendStream<Bytes>,
    pub recv: RecvStream,
    role: Role,
    /// What came and was not looked at.
    bytes: Vec<u8>,
    /// The window is not enlarged for what comes.
    pub is_held: bool,
}

/// How a stream ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    EndStream,
    Reset(Option<Reason>),
}

impl Stream {
    /// Sends these bytes in DATA frames as the windows have room.
    pub async fn send_bytes(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.unwrap();
    }

    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> Result<(), End> {
        let mut bytes = Bytes::copy_from_slice(bytes.as_ref());
        while !bytes.is_empty() {
            self.send.reserve_capacity(bytes.len());
            while self.send.capacity() == 0 {
                if !matches!(poll_fn(|cx| self.send.poll_capacity(cx)).await, Some(Ok(_))) {
                    return Err(self.reset().await);
                }
            }
            let len = self.send.capacity().min(bytes.len());
            self.send.send_data(bytes.split_to(len), false).unwrap();
        }
        Ok(())
    }

    /// The stream is reset by the other end.
    pub async fn reset(&mut self) -> End {
        End::Reset(poll_fn(|cx| self.send.poll_reset(cx)).await.ok())
    }

    /// The frames as this end has to send them.
    pub fn encode(&self, frames: impl IntoIterator<Item = Frame>) -> Vec<u8> {
        let is_client = self.role == Role::Client;
        frames.into_iter().flat_map(|f| if is_client { f.masked() } else { f.unmasked() }).collect()
    }

    pub async fn send(&mut self, frames: impl IntoIterator<Item = Frame>) {
        self.send_bytes(self.encode(frames)).await;
    }

    /// Sends END_STREAM.
    pub fn finish(&mut self) {
        self.send.send_data(Bytes::new(), true).unwrap();
    }

    /// What comes next in a DATA frame that is not empty.
    pub async fn data(&mut self) -> Result<Bytes, End> {
        loop {
            let data = match self.recv.data().await {
                Some(Ok(data)) => data,
                Some(Err(error)) => return Err(End::Reset(error.reason())),
                None => return Err(End::EndStream),
            };
            if !self.is_held {
                self.recv.flow_control().release_capacity(data.len()).unwrap();
            }
            if !data.is_empty() {
                return Ok(data);
            }
        }
    }

    /// The next frame: its first byte, and its payload unmasked.
    pub async fn frame(&mut self) -> (u8, Vec<u8>) {
        loop {
            if let Some((header, start)) = sockeye::frame::decode(&self.bytes).unwrap() {
                let end = start + usize::try_from(header.len).unwrap();
                if self.bytes.len() >= end {
                    let frame: Vec<u8> = self.bytes.drain(..end).collect();
                    return sent_frames(&frame, self.role == Role::Server).remove(0);
                }
            }
            let data = self.data().await.unwrap();
            self.bytes.extend_from_slice(&data);
        }
    }

    /// These frames come next.
    pub async fn expect(&mut self, frames: impl IntoIterator<Item = Frame>) {
        for frame in frames {
            let expected = sent_frames(&frame.unmasked(), false).remove(0);
            let (first, payload) = self.frame().await;
            assert_eq!((first, payload.len()), (expected.0, expected.1.len()));
            assert!(payload == expected.1, "{:?}", frame.unmasked().get(..60));
        }
    }

    /// The end comes next, and not a byte before it.
    pub async fn end(mut self) -> End {
        assert_eq!(self.bytes, b"");
        match self.data().await {
            Err(end) => end,
            Ok(data) => panic!("{data:?} before the end"),
        }
    }

    /// Closes with this code, and does this end's part of the end of the stream:
    /// the server goes first (RFC 6455, section 7.1.1).
    pub async fn close_with(mut self, code: u16) {
        self.send([close(code, "bye")]).await;
        self.expect([close(code, "bye")]).await;
        if self.role == Role::Server {
            self.finish();
        }
        let end = self.data().await.expect_err("nothing comes before the end");
        assert_eq!(end, End::EndStream);
        if self.role == Role::Client {
            self.finish();
        }
    }

    /// Closes in good order.
    pub async fn close(self) {
        self.close_with(1000).await;
    }
}
