//! TLS: both adapters as clients and as servers, the protocol that ALPN names,
//! and certificates.

#![cfg(all(feature = "rustls", feature = "tokio", feature = "url"))]

mod common;
mod processes;
mod reach;
mod sockets;

use std::env;
use std::fmt::Debug;
use std::io::Read;
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use processes::*;
use reach::*;
use rustls::ClientConfig;
use sockets::*;
use sockeye::handshake::Accept;
use sockeye::net::{Endpoint, Error, tls};
use sockeye::{CloseCode, Config, Message, blocking, tokio as ws};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

/// A server of either adapter that sends back what comes from one client, up
/// to the clean end; and its port.
fn echo_server(adapter: Adapter) -> (u16, Task<()>) {
    let (listener, port) = listen();
    let serve = move || {
        let (stream, _) = listener.accept().unwrap();
        match adapter {
            Adapter::Blocking => {
                let mut ws = blocking::accept(our_tls(stream)).unwrap();
                assert_eq!(ws.stream().connection().alpn_protocol(), Some(&b"http/1.1"[..]));
                echo(&mut ws).unwrap();
                assert!(ws.closed().unwrap().is_clean());
            }
            Adapter::Tokio => runtime().block_on(async {
                let mut ws = ws::accept(tokio_tls_server(stream).await).await.unwrap();
                assert_eq!(ws.stream().get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
                while let Some(message) = ws.read().await.unwrap() {
                    ws.send(message).await.unwrap();
                }
                assert!(ws.closed().unwrap().is_clean());
            }),
        }
    };
    (port, Task::start(serve))
}

async fn tokio_tls_server(
    stream: TcpStream,
) -> tokio_rustls::server::TlsStream<tokio::net::TcpStream> {
    stream.set_nonblocking(true).unwrap();
    let stream = tokio::net::TcpStream::from_std(stream).unwrap();
    TlsAcceptor::from(server_config()).accept(stream).await.unwrap()
}

/// The protocol that a client sees chosen.
fn chosen(client: &Client) -> Option<Vec<u8>> {
    let protocol = match client {
        Client::Blocking(ws) => match ws.stream() {
            blocking::Stream::Tls(stream) => stream.connection().alpn_protocol(),
            other => panic!("{other:?}"),
        },
        Client::Tokio(_, ws) => match ws.stream() {
            ws::Stream::Tls(stream) => stream.get_ref().1.alpn_protocol(),
            other => panic!("{other:?}"),
        },
    };
    protocol.map(<[u8]>::to_vec)
}

// ---- messages --------------------------------------------------------------------

#[test]
fn s4_1_wss_carries_messages_of_any_length_both_ways_and_closes_clean() {
    for server in ADAPTERS {
        for client in ADAPTERS {
            bounded(move || {
                let (port, server) = echo_server(server);
                let mut ws = client.connect(secure(port)).unwrap();
                // Around the lengths of frames and of TLS records.
                for len in [0, 1, 125, 126, 16_383, 16_384, 65_535, 65_536, 200_000, 3 << 20] {
                    for message in messages_of(len) {
                        ws.send(&message).unwrap();
                        assert!(ws.read().unwrap().unwrap() == message, "{len} bytes");
                    }
                }
                let closed = ws.close().unwrap();
                assert!(closed.is_clean());
                assert_eq!(closed.code(), CloseCode::NORMAL_CLOSURE);
                server.join();
            });
        }
    }
}

#[test]
fn s3_the_scheme_wss_and_the_default_port_are_those_of_tls() {
    bounded(|| {
        let endpoint = Endpoint::from_url("wss://localhost/").unwrap();
        assert!(endpoint.is_secure());
        assert_eq!(endpoint.port(), 443);
    });
    each_adapter(|adapter| {
        let (listener, port) = listen();
        let server = Task::start(move || {
            let mut peer = tls_peer(Role::Server, listener.accept().unwrap().0);
            peer.accept()
        });
        let endpoint = direct_url(&format!("wss://localhost:{port}/x")).tls(trusting());
        adapter.connect(endpoint).unwrap();
        let request = server.join();
        assert!(request.starts_with("GET /x HTTP/1.1\r\n"));
        assert_eq!(header(&request, "Host"), Some(format!("localhost:{port}").as_str()));
    });
}

/// How to send.
#[derive(Clone, Copy, Debug)]
enum Way {
    Send,
    /// As long as there is room.
    Queue,
}

/// Sends so many messages of so many bytes, and receives as many at the same
/// time.
async fn send_and_receive<S>(
    ws: ws::WebSocket<S>,
    way: Way,
    (times, len): (usize, usize),
) -> ws::WebSocket<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + Debug + 'static,
{
    let (mut reader, sender) = ws.split();
    let sending = tokio::spawn(async move {
        let message = Message::from(bytes_of(len));
        for _ in 0..times {
            match way {
                Way::Send => sender.send(&message).await.unwrap(),
                Way::Queue => {
                    sender.room().await.unwrap();
                    sender.queue(&message).unwrap();
                }
            }
        }
        sender.flush().await.unwrap();
        sender
    });
    let expected = bytes_of(len);
    for _ in 0..times {
        let message = reader.read().await.unwrap().unwrap();
        assert!(message.as_bytes() == expected);
    }
    reader.reunite(sending.await.unwrap()).unwrap()
}

/// Two ends that both send and receive that, over TLS; in one thread, and with
/// each task in any.
fn both_ways_at_once(config: fn() -> Arc<Config>, way: Way, messages: (usize, usize)) {
    for runtime in [runtime, busy_runtime] {
        let work = async move {
            let (listener, port) = listen();
            let server = tokio::spawn(async move {
                let accept = move || listener.accept().unwrap().0;
                let stream = tokio::task::spawn_blocking(accept).await.unwrap();
                let stream = tokio_tls_server(stream).await;
                let ws = ws::accept_with(stream, config(), |_| Accept::new().into()).await;
                let mut ws = send_and_receive(ws.unwrap().unwrap(), way, messages).await;
                assert_eq!(ws.read().await.unwrap(), None);
            });
            let ws = ws::connect(secure(port).config(config())).await.unwrap();
            let mut ws = send_and_receive(ws, way, messages).await;
            assert!(ws.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap().is_clean());
            server.await.unwrap();
        };
        bounded(move || {
            let bound = Duration::from_secs(20);
            let outcome = runtime().block_on(async { tokio::time::timeout(bound, work).await });
            outcome.expect("both ends wait for each other");
        });
    }
}

#[test]
fn split_halves_over_tls_send_and_receive_much_at_once() {
    both_ways_at_once(|| config(|c| c.max_queued_len = 16 << 20), Way::Send, (4, 3 << 20));
    both_ways_at_once(Arc::default, Way::Send, (1000, 10_000));
}

// Were an end not to read while its own message goes out, two ends that send
// one would wait for each other.
#[test]
fn split_halves_go_on_reading_while_a_long_message_waits() {
    both_ways_at_once(Arc::default, Way::Send, (4, 3 << 20));
}

#[test]
fn split_halves_go_on_reading_while_many_messages_wait() {
    both_ways_at_once(Arc::default, Way::Queue, (2000, 10_000));
}

/// Sends and receives long messages at once, and closes.
fn exchange((mut reader, sender): (blocking::Reader, blocking::Sender)) {
    let lens = || (0..30).map(|n| n * 20_011);
    let sending = Task::start({
        let sender = sender.clone();
        move || lens().for_each(|len| sender.send(bytes_of(len)).unwrap())
    });
    for len in lens() {
        assert!(reader.read().unwrap().unwrap().as_bytes() == bytes_of(len), "{len} bytes");
    }
    sending.join();
    // Both begin: one of them may be too late for that.
    let _ = sender.start_close(CloseCode::NORMAL_CLOSURE, "");
    assert_eq!(reader.read().unwrap(), None);
    assert!(reader.closed().unwrap().is_clean());
}

#[test]
fn split_blocking_halves_over_tls_send_and_receive_much_at_once() {
    bounded(|| {
        let (listener, port) = listen();
        let server = Task::start(move || {
            let tls = our_tls(listener.accept().unwrap().0);
            exchange(blocking::accept(tls).unwrap().split().unwrap());
        });
        exchange(blocking::connect(secure(port)).unwrap().split().unwrap());
        server.join();
    });
}

// ---- ALPN ------------------------------------------------------------------------

/// What a client with this configuration says when it calls this host: the
/// name of the server, and the protocols that it offers.
fn hello(adapter: Adapter, host: &str, config: ClientConfig) -> (Option<String>, Vec<String>) {
    let (listener, port) = listen();
    let server = Task::start(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE / 2)).unwrap();
        let mut acceptor = rustls::server::Acceptor::default();
        loop {
            assert_ne!(acceptor.read_tls(&mut stream).unwrap(), 0);
            if let Some(accepted) = acceptor.accept().map_err(|(error, _)| error).unwrap() {
                let hello = accepted.client_hello();
                let names = hello.alpn().into_iter().flatten();
                let names = names.map(|name| String::from_utf8(name.into()).unwrap()).collect();
                return (hello.server_name().map(str::to_owned), names);
            }
        }
    });
    // It learns what it wanted to know, and hangs up.
    let endpoint = direct(host, port, "/").secure().tls(Arc::new(config));
    assert!(adapter.connect(endpoint).is_err());
    server.join()
}

fn offered(adapter: Adapter, config: ClientConfig) -> Vec<String> {
    hello(adapter, "127.0.0.1", config).1
}

#[test]
fn rfc6066_s3_the_server_is_told_the_name_that_was_asked_for() {
    each_adapter(|adapter| {
        let named = |host| hello(adapter, host, ClientConfig::clone(&trusting())).0;
        assert_eq!(named("localhost").as_deref(), Some("localhost"));
        // An address is no name.
        assert_eq!(named("127.0.0.1"), None);
    });
}

#[test]
fn rfc7301_http_1_1_is_offered_unless_the_caller_names_others() {
    each_adapter(|adapter| {
        let ours = ClientConfig::clone(&trusting());
        assert_eq!(offered(adapter, ours.clone()), ["http/1.1"]);
        let mut of_caller = ours;
        of_caller.alpn_protocols.clear();
        assert_eq!(offered(adapter, of_caller.clone()), ["http/1.1"]);
        of_caller.alpn_protocols = vec![b"x/2".to_vec(), b"http/1.1".to_vec()];
        assert_eq!(offered(adapter, of_caller.clone()), ["x/2", "http/1.1"]);
        of_caller.alpn_protocols = vec![b"x/2".to_vec()];
        assert_eq!(offered(adapter, of_caller), ["x/2"]);
    });
}

#[test]
fn rfc7301_http_1_1_is_chosen_by_the_server() {
    each_adapter(|adapter| {
        let (port, server) = echo_server(adapter);
        let mut config = ClientConfig::clone(&trusting());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let client = adapter.connect(secure(port).tls(Arc::new(config))).unwrap();
        assert_eq!(chosen(&client).as_deref(), Some(&b"http/1.1"[..]));
        client.check_echo();
        server.join();
    });
}

#[test]
fn rfc7301_a_client_of_other_protocols_alone_is_refused_by_the_server() {
    each_adapter(|adapter| {
        let (port, server) = watched_server(&["127.0.0.1"]);
        let mut config = ClientConfig::clone(&trusting());
        config.alpn_protocols = vec![b"h2".to_vec()];
        let outcome = adapter.connect(secure(port).tls(Arc::new(config)));
        assert_shape!(outcome, Err(Error::Io(_)));
        server.join().expect_nothing();
    });
}

#[test]
fn s4_1_a_server_without_alpn_will_do() {
    each_adapter(|adapter| {
        let (listener, port) = listen();
        let server = Task::start(move || {
            let mut config = rustls::ServerConfig::clone(&server_config());
            config.alpn_protocols.clear();
            let stream = listener.accept().unwrap().0;
            let tls = blocking::Tls::server(Arc::new(config), stream).unwrap();
            let mut ws = blocking::accept(tls).unwrap();
            echo(&mut ws).unwrap();
        });
        let client = adapter.connect(secure(port)).unwrap();
        assert_eq!(chosen(&client), None);
        client.check_echo();
        server.join();
    });
}

// ---- certificates ----------------------------------------------------------------

/// What a server got from one client, and how its stream ended.
#[derive(Debug)]
struct Watched {
    plain: Vec<u8>,
    end: std::io::Result<usize>,
}

impl Watched {
    /// Not a byte came through TLS, and the handshake failed.
    #[track_caller]
    fn expect_nothing(&self) {
        assert_eq!(self.plain, b"");
        assert!(self.end.is_err(), "{self:?}");
    }
}

/// A server with a certificate for these names that says nothing.
fn watched_server(names: &'static [&str]) -> (u16, Task<Watched>) {
    let (listener, port) = listen();
    let serve = move || {
        let mut stream = tls_server(listener.accept().unwrap().0);
        stream.sock.set_read_timeout(Some(PATIENCE / 2)).unwrap();
        stream.conn = rustls::ServerConnection::new(server_named(names)).unwrap();
        let mut plain = Vec::new();
        let end = stream.read_to_end(&mut plain);
        Watched { plain, end }
    };
    (port, Task::start(serve))
}

#[test]
fn s4_1_a_certificate_for_another_name_ends_it_before_the_request() {
    each_adapter(|adapter| {
        for (names, host) in [
            (&["example.com"][..], "127.0.0.1"),
            (&["example.com", "127.0.0.1"], "localhost"),
            (&["localhost", "127.0.0.2"], "127.0.0.1"),
        ] {
            let (port, server) = watched_server(names);
            let endpoint = direct(host, port, "/").header("Cookie", "secret").secure();
            let outcome = adapter.connect(endpoint.tls(trusting()));
            assert_shape!(outcome, Err(Error::Io(e)) if e.to_string().contains("certificate"));
            server.join().expect_nothing();
        }
        // The names alone made the difference.
        let (port, server) = watched_server(&["127.0.0.1"]);
        let endpoint = secure(port).config(config(|c| c.handshake_timeout = Some(10 * SOON)));
        assert!(adapter.connect(endpoint).is_err());
        assert!(server.join().plain.starts_with(b"GET / HTTP/1.1\r\n"));
    });
}

#[test]
fn s4_1_a_certificate_of_an_unknown_authority_ends_it_before_the_request() {
    each_adapter(|adapter| {
        // Trusted is somebody else: another authority of the same name.
        let mut params = rcgen::CertificateParams::new([]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let stranger = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(stranger.der().clone()).unwrap();
        let config = Arc::new(tls::client_config_with(roots).unwrap());
        let (port, server) = watched_server(&["127.0.0.1"]);
        let outcome = adapter.connect(secure(port).tls(config));
        assert_shape!(outcome, Err(Error::Io(e)) if e.to_string().contains("certificate"));
        server.join().expect_nothing();
    });
}

#[test]
fn s4_1_the_platform_does_not_trust_the_authority_of_the_tests() {
    each_adapter(|adapter| {
        let (port, server) = watched_server(&["127.0.0.1"]);
        let outcome = adapter.connect(direct("127.0.0.1", port, "/").secure());
        assert_shape!(&outcome, Err(Error::Io(_)));
        if tls::client_config().is_ok() {
            assert_shape!(outcome, Err(Error::Io(e)) if e.to_string().contains("certificate"));
        }
        server.join().expect_nothing();
    });
}

/// The roots of the platform are what this variable names, if it is set: so
/// they are read, and by `wss` alone. In a process of its own.
#[test]
fn s4_1_without_a_configuration_the_roots_of_the_platform_are_trusted() {
    const NAME: &str = "s4_1_without_a_configuration_the_roots_of_the_platform_are_trusted";
    const PORTS: &str = "SOCKEYE_TEST_PORTS";
    if let Ok(ports) = env::var(PORTS) {
        for (adapter, port) in ADAPTERS.into_iter().zip(ports.split(' ')) {
            let url = format!("wss://localhost:{port}/");
            adapter.connect(direct_url(&url)).unwrap().check_echo();
        }
        return;
    }
    bounded(|| {
        let servers = ADAPTERS.map(echo_server);
        let ports = servers.each_ref().map(|(port, _)| port.to_string()).join(" ");
        let roots = RootFile::write();
        let ended = Ended::of(
            Command::new(env::current_exe().unwrap())
                .args(["--exact", NAME, "--nocapture"])
                .env(PORTS, ports)
                .env("SSL_CERT_FILE", &roots.0)
                .env_remove("SSL_CERT_DIR"),
        );
        assert_eq!(ended.status, Some(0), "{ended:?}");
        servers.into_iter().for_each(|(_, server)| server.join());
    });
}

/// A file with the authority of the tests, for as long as this lives.
struct RootFile(std::path::PathBuf);

impl RootFile {
    fn write() -> Self {
        use base64::Engine as _;
        let name = format!("sockeye-test-root-{}.pem", std::process::id());
        let file = Self(env::temp_dir().join(name));
        let base64 = base64::engine::general_purpose::STANDARD.encode(root());
        let pem = format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n");
        std::fs::write(&file.0, pem).unwrap();
        file
    }
}

impl Drop for RootFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_key_that_does_not_fit_the_certificate_is_an_error_of_the_server() {
    bounded(|| {
        let key = rcgen::KeyPair::generate().unwrap();
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
        assert!(tls::server_config(vec![root()], key.into()).is_err());
    });
}

#[test]
fn s4_1_a_host_that_no_certificate_can_be_for_is_an_error_before_the_request() {
    each_adapter(|adapter| {
        let (_listener, port) = listen();
        // The resolver takes this one; TLS has no such names.
        let outcome = adapter.connect(direct("127.1", port, "/").secure().tls(trusting()));
        assert_shape!(outcome, Err(Error::Url(_)));
    });
}
