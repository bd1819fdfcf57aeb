//! Clients of both adapters that do the same, servers that answer one after
//! another, and what TLS needs.

#![allow(dead_code)] // each test file uses some of it

#[cfg(feature = "proxy")]
pub mod proxy;

use std::future::Future;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::thread;

use sockeye::net::{Endpoint, Error};
use sockeye::{CloseCode, Closed, Message, blocking, tokio as ws};
use tokio::runtime::Runtime;

use crate::common::{Frame, sent_frames};
use crate::sockets::{PATIENCE, Role, SOON, Task, bounded, reply};

// ---- clients ---------------------------------------------------------------------

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adapter {
    Blocking,
    Tokio,
}

pub const ADAPTERS: [Adapter; 2] = [Adapter::Blocking, Adapter::Tokio];

/// Runs a test of each adapter.
#[track_caller]
pub fn each_adapter(test: impl Fn(Adapter) + Copy + Send + 'static) {
    for adapter in ADAPTERS {
        bounded(move || test(adapter));
    }
}

/// Does what a deadline of milliseconds has to end: long before a test has to.
#[track_caller]
pub fn in_good_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, outcome) = mpsc::channel();
    let work = Task::start(move || {
        let value = work();
        let _ = done.send(());
        value
    });
    match outcome.recv_timeout(PATIENCE / 4) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("still at it after {:?}", PATIENCE / 4),
        _ => work.join(),
    }
}

pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// One whose tasks run while the test does something else.
pub fn busy_runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

impl Adapter {
    pub fn connect(self, endpoint: Endpoint) -> Result<Client, Error> {
        match self {
            Self::Blocking => blocking::connect(endpoint).map(|ws| Client::Blocking(Box::new(ws))),
            Self::Tokio => {
                let runtime = runtime();
                let ws = runtime.block_on(ws::connect(endpoint))?;
                Ok(Client::Tokio(runtime, Box::new(ws)))
            }
        }
    }
}

/// An open connection of either adapter.
#[derive(Debug)]
pub enum Client {
    Blocking(Box<blocking::WebSocket<blocking::Stream>>),
    Tokio(Runtime, Box<ws::WebSocket<ws::Stream>>),
}

impl Client {
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), Error> {
        match self {
            Self::Blocking(ws) => ws.send(message),
            Self::Tokio(runtime, ws) => runtime.block_on(ws.send(message)),
        }
    }

    pub fn read(&mut self) -> Result<Option<Message<'static>>, Error> {
        match self {
            Self::Blocking(ws) => ws.read(),
            Self::Tokio(runtime, ws) => runtime.block_on(ws.read()),
        }
    }

    pub fn close(&mut self) -> Result<Closed, Error> {
        let code = CloseCode::NORMAL_CLOSURE;
        match self {
            Self::Blocking(ws) => ws.close(code, ""),
            Self::Tokio(runtime, ws) => runtime.block_on(ws.close(code, "")),
        }
    }

    pub fn closed(&self) -> Option<Closed> {
        match self {
            Self::Blocking(ws) => ws.closed(),
            Self::Tokio(_, ws) => ws.closed(),
        }
    }

    /// The other end sends this back, and closes in good order.
    #[track_caller]
    pub fn check_echo(mut self) {
        self.send("hello").unwrap();
        assert_eq!(self.read().unwrap(), Some("hello".into()));
        assert!(self.close().unwrap().is_clean());
    }
}

/// An endpoint on the loopback, whatever proxy the environment names.
pub fn direct(host: &str, port: u16, target: &str) -> Endpoint {
    without_proxy(Endpoint::new(host, port, target))
}

pub fn direct_url(url: &str) -> Endpoint {
    without_proxy(Endpoint::from_url(url).unwrap())
}

fn without_proxy(endpoint: Endpoint) -> Endpoint {
    #[cfg(feature = "proxy")]
    let endpoint = endpoint.without_proxy();
    endpoint
}

/// Polls once, and wakes nobody.
pub fn poll_once<T>(future: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

// ---- servers ---------------------------------------------------------------------

pub fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// Whoever has connected by now has not done so here: the next to come out of
/// the queue is the one who connects now.
#[track_caller]
pub fn assert_nobody_came(listener: &TcpListener) {
    let here = listener.local_addr().unwrap();
    let ours = TcpStream::connect(here).unwrap();
    let (_, next): (_, SocketAddr) = listener.accept().unwrap();
    assert_eq!(next, ours.local_addr().unwrap(), "somebody else has come");
}

/// Nobody comes any more: all that there was is over.
#[track_caller]
pub fn assert_empty(listener: &TcpListener) {
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

/// A reply that is no 101, whole at once.
pub fn status(status: u16, lines: &str) -> String {
    format!("HTTP/1.1 {status} No\r\n{lines}Content-Length: 0\r\n\r\n")
}

/// A reply that sends the client elsewhere.
pub fn redirect(code: u16, location: &str) -> String {
    status(code, &format!("Location: {location}\r\n"))
}

/// Gives each client in turn one of these replies, the empty one being a 101;
/// then it is over for everybody. Gives the heads of the requests and the
/// listener back.
pub fn answers(listener: TcpListener, replies: Vec<String>) -> Task<(Vec<String>, TcpListener)> {
    Task::start(move || {
        let heads = replies.into_iter().map(|text| {
            let mut peer = Script::of(Role::Server, listener.accept().unwrap().0);
            let request = peer.head();
            peer.send_bytes(if text.is_empty() { reply(&request, "") } else { text });
            request
        });
        (heads.collect(), listener)
    })
}

// ---- the peer --------------------------------------------------------------------

/// The other end over any stream, for short frames in any order.
pub struct Script<S> {
    pub stream: S,
    role: Role,
}

impl Script<TcpStream> {
    pub fn of(role: Role, stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE / 2)).unwrap();
        Self { stream, role }
    }
}

impl<S: Read + Write> Script<S> {
    pub fn over(role: Role, stream: S) -> Self {
        Self { stream, role }
    }

    #[track_caller]
    pub fn send_bytes(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
        self.stream.flush().unwrap();
    }

    #[track_caller]
    pub fn send(&mut self, frame: Frame) {
        let bytes = if self.role == Role::Client { frame.masked() } else { frame.unmasked() };
        self.send_bytes(bytes);
    }

    #[track_caller]
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// The head of a request or reply, with its blank line.
    #[track_caller]
    pub fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.extend(self.bytes::<1>());
        }
        String::from_utf8(head).unwrap()
    }

    /// Plays the server's part of the opening handshake.
    #[track_caller]
    pub fn accept(&mut self) -> String {
        let request = self.head();
        self.send_bytes(reply(&request, ""));
        request
    }

    /// This frame comes next.
    #[track_caller]
    pub fn expect(&mut self, frame: Frame) {
        let expected = sent_frames(&frame.unmasked(), false).remove(0);
        assert_eq!(self.frame(), expected);
    }

    /// The next frame, which is a short one.
    #[track_caller]
    pub fn frame(&mut self) -> (u8, Vec<u8>) {
        let mut bytes = self.bytes::<2>().to_vec();
        let len = usize::from(bytes[1] & 0x7f);
        assert!(len < 126, "a short frame");
        let mask = if bytes[1] & 0x80 == 0 { 0 } else { 4 };
        let mut rest = vec![0; mask + len];
        self.stream.read_exact(&mut rest).unwrap();
        bytes.extend(rest);
        sent_frames(&bytes, self.role == Role::Server).remove(0)
    }
}

/// Sends one byte after the other, each far earlier than any deadline of these
/// tests, until nobody listens: that is what they are about.
pub fn drip(mut stream: &TcpStream, bytes: &[u8]) {
    for byte in bytes {
        if stream.write_all(&[*byte]).is_err() {
            break;
        }
        thread::sleep(SOON / 10);
    }
}

// ---- TLS -------------------------------------------------------------------------

#[cfg(feature = "rustls")]
#[allow(unused_imports)] // each test file uses some of it
pub use with_tls::*;

#[cfg(feature = "rustls")]
mod with_tls {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpStream};
    use std::sync::{Arc, OnceLock};

    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
    use rustls::{
        ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    };
    use sockeye::net::{Endpoint, tls};

    use super::{Script, direct};
    use crate::sockets::{PATIENCE, Role};

    pub type TlsServer = StreamOwned<ServerConnection, TcpStream>;
    pub type TlsClient = StreamOwned<ClientConnection, TcpStream>;

    /// Whom the tests trust, and nobody else does.
    fn authority() -> &'static CertifiedIssuer<'static, KeyPair> {
        static AUTHORITY: OnceLock<CertifiedIssuer<'static, KeyPair>> = OnceLock::new();
        AUTHORITY.get_or_init(|| {
            let mut params = CertificateParams::new([]).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
        })
    }

    pub fn root() -> CertificateDer<'static> {
        authority().der().clone()
    }

    /// A server with a certificate for these names and addresses.
    pub fn server_named(names: &[&str]) -> Arc<ServerConfig> {
        let names: Vec<String> = names.iter().map(|&name| name.into()).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, authority());
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        Arc::new(tls::server_config(vec![certificate.unwrap().der().clone()], key).unwrap())
    }

    /// A server that is what it says.
    pub fn server_config() -> Arc<ServerConfig> {
        static CONFIG: OnceLock<Arc<ServerConfig>> = OnceLock::new();
        CONFIG.get_or_init(|| server_named(&["localhost", "127.0.0.1"])).clone()
    }

    /// A client that trusts the authority of the tests.
    pub fn trusting() -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(root()).unwrap();
        Arc::new(tls::client_config_with(roots).unwrap())
    }

    /// A server on the loopback that is trusted.
    pub fn secure(port: u16) -> Endpoint {
        direct("127.0.0.1", port, "/").secure().tls(trusting())
    }

    pub fn tls_server(stream: TcpStream) -> TlsServer {
        stream.set_nodelay(true).unwrap();
        StreamOwned::new(ServerConnection::new(server_config()).unwrap(), stream)
    }

    /// Our server's side of TLS, where `tls_server` is that of a peer.
    pub fn our_tls(stream: TcpStream) -> sockeye::blocking::Tls<TcpStream> {
        stream.set_nodelay(true).unwrap();
        sockeye::blocking::Tls::server(server_config(), stream).unwrap()
    }

    pub fn tls_client(stream: TcpStream) -> TlsClient {
        stream.set_nodelay(true).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        StreamOwned::new(ClientConnection::new(trusting(), name).unwrap(), stream)
    }

    /// The peer behind TLS, in this role.
    pub fn tls_peer(role: Role, stream: TcpStream) -> Script<Box<dyn Tls>> {
        stream.set_read_timeout(Some(PATIENCE / 2)).unwrap();
        let tls: Box<dyn Tls> = match role {
            Role::Client => Box::new(tls_client(stream)),
            Role::Server => Box::new(tls_server(stream)),
        };
        Script::over(role, tls)
    }

    /// A TLS stream of either side.
    pub trait Tls: Read + Write + Send {
        fn say_close_notify(&mut self);
        /// A record, to be put on the wire by hand.
        fn seal(&mut self, plain: &[u8]) -> Vec<u8>;
        fn socket(&self) -> &TcpStream;
    }

    macro_rules! tls_stream {
        ($stream:ty) => {
            impl Tls for $stream {
                fn say_close_notify(&mut self) {
                    self.conn.send_close_notify();
                    while self.conn.wants_write() {
                        self.conn.write_tls(&mut self.sock).unwrap();
                    }
                }

                fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
                    self.conn.writer().write_all(plain).unwrap();
                    let mut record = Vec::new();
                    while self.conn.wants_write() {
                        self.conn.write_tls(&mut record).unwrap();
                    }
                    record
                }

                fn socket(&self) -> &TcpStream {
                    &self.sock
                }
            }
        };
    }

    tls_stream!(TlsServer);
    tls_stream!(TlsClient);

    impl Tls for Box<dyn Tls> {
        fn say_close_notify(&mut self) {
            (**self).say_close_notify();
        }

        fn seal(&mut self, plain: &[u8]) -> Vec<u8> {
            (**self).seal(plain)
        }

        fn socket(&self) -> &TcpStream {
            (**self).socket()
        }
    }

    impl<S: Tls> Script<S> {
        /// Ends our direction of TLS, and leaves TCP as it is.
        pub fn close_notify(&mut self) {
            self.stream.say_close_notify();
        }

        /// Ends our direction of TCP, without a word of TLS.
        pub fn cut(&mut self) {
            self.stream.socket().shutdown(Shutdown::Write).unwrap();
        }

        /// close_notify comes next.
        #[track_caller]
        pub fn expect_close_notify(&mut self) {
            // Without it the end is an error to rustls, `UnexpectedEof`.
            assert_eq!(self.stream.read(&mut [0; 16]).unwrap(), 0, "nothing comes before the end");
        }
    }
}
