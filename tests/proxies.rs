//! Connecting through proxies, with tokio: HTTP, with TLS to the proxy or
//! without. What has gone through is a connection like any other.

#![cfg(all(feature = "proxy", feature = "url"))]

mod common;
mod reach;
mod sockets;

use std::io::{ErrorKind, Read};
use std::net::Shutdown;

use reach::proxy::*;
use reach::*;
use sockets::*;
use sockeye::net::{Endpoint, Error};

// ---- HTTP ------------------------------------------------------------------------

#[test]
fn rfc9110_s9_3_6_ws_goes_through_a_tunnel() {
    bounded(|| {
        let hosts = [
            (THERE, 80, "server.invalid:80", "server.invalid"),
            (THERE, 8080, "server.invalid:8080", "server.invalid:8080"),
            ("192.0.2.7", 443, "192.0.2.7:443", "192.0.2.7:443"),
            ("2001:db8::7", 80, "[2001:db8::7]:80", "[2001:db8::7]"),
        ];
        for (host, port, authority, inside) in hosts {
            let (proxy, server) = proxy_that(|mut peer| (let_through(&mut peer), serve(&mut peer)));
            let endpoint = Endpoint::new(host, port, "/chat?x=1").header("Cookie", "a=b");
            let endpoint = endpoint.proxy(&format!("http://127.0.0.1:{proxy}"));
            dial(endpoint).unwrap().check_echo();
            let (tunnel, request) = server.join();
            assert_eq!(tunnel.lines().next(), Some(&*format!("CONNECT {authority} HTTP/1.1")));
            assert_eq!(header(&tunnel, "Host"), Some(authority));
            // That is for the server, and nothing is for the proxy.
            assert_eq!(header(&tunnel, "Cookie"), None);
            assert_eq!(header(&tunnel, "Proxy-Authorization"), None);
            assert!(request.starts_with("GET /chat?x=1 HTTP/1.1\r\n"), "{request}");
            assert_eq!(header(&request, "Host"), Some(inside));
            assert_eq!(header(&request, "Cookie"), Some("a=b"));
        }
    });
}

#[test]
fn s4_1_each_has_the_password_that_is_its_own() {
    bounded(|| {
        let (proxy, server) = proxy_that(|mut peer| (let_through(&mut peer), serve(&mut peer)));
        let endpoint = Endpoint::from_url("ws://Aladdin:open%20sesame@server.invalid/").unwrap();
        // test@x:123£ and a colon
        let url = format!("http://test%40x:12%3A3%C2%A3@127.0.0.1:{proxy}/ignored");
        dial(endpoint.proxy(&url)).unwrap().check_echo();
        let (tunnel, request) = server.join();
        let for_proxy = Some("Basic dGVzdEB4OjEyOjPCow==");
        assert_eq!(header(&tunnel, "Proxy-Authorization"), for_proxy);
        assert_eq!(header(&tunnel, "Authorization"), None);
        assert_eq!(header(&request, "Proxy-Authorization"), None);
        assert_eq!(header(&request, "Authorization"), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
    });
}

#[test]
fn s4_1_a_proxy_that_does_not_let_us_through_is_an_error_of_the_proxy() {
    bounded(|| {
        for said in [
            "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 403 Forbidden\r\n\r\n",
            // Nobody has asked it to be the server.
            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
            "HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n",
            "SSH-2.0-OpenSSH_9.6\r\n\r\n",
            "HTTP/1.1 200 O",
            "",
        ] {
            let (proxy, server) = proxy_that(move |mut peer| {
                peer.head();
                peer.send_bytes(said);
                let _ = peer.stream.shutdown(Shutdown::Write);
                // Our client says nothing more, and goes.
                let mut rest = Vec::new();
                let _ = peer.stream.read_to_end(&mut rest);
                rest
            });
            let endpoint =
                Endpoint::new(THERE, 80, "/").proxy(&format!("http://127.0.0.1:{proxy}"));
            let error = dial(endpoint).unwrap_err();
            assert_shape!(&error, Error::Proxy(_));
            assert!(error.is_temporary() && error.to_string().starts_with("proxy: "), "{error}");
            assert_eq!(server.join(), b"");
        }
    });
}

#[test]
fn s4_1_a_proxy_that_is_not_there_is_an_error_of_the_proxy() {
    bounded(|| {
        let (port, _taken) = refusing_port();
        for scheme in ["http", "https", "socks5h"] {
            let endpoint =
                Endpoint::new(THERE, 80, "/").proxy(&format!("{scheme}://127.0.0.1:{port}"));
            assert_shape!(dial(endpoint), Err(Error::Proxy(_)));
        }
    });
}

#[test]
fn s4_1_a_proxy_that_stalls_is_not_waited_for_any_longer_than_the_handshake_may_take() {
    for (scheme, said) in [
        ("http", &b""[..]),
        ("http", b"HTTP/1.1 200 OK\r\n"),
        ("https", b""),
        ("https", b"\x16\x03\x03"),
        ("socks5h", b""),
        ("socks5h", b"\x05"),
        ("socks5h", b"\x05\x00\x05\x00"),
    ] {
        if scheme == "https" && cfg!(not(feature = "rustls")) {
            continue;
        }
        in_good_time(move || {
            let (proxy, server) = proxy_that(move |mut peer| {
                peer.send_bytes(said);
                let _ = peer.stream.read_to_end(&mut Vec::new());
            });
            let endpoint =
                Endpoint::new(THERE, 80, "/").proxy(&format!("{scheme}://127.0.0.1:{proxy}"));
            let outcome = dial(endpoint.config(config(|c| c.handshake_timeout = Some(SOON))));
            assert_shape!(outcome, Err(Error::Io(e)) if e.kind() == ErrorKind::TimedOut);
            server.join();
        });
    }
}

#[test]
fn rfc9110_s15_4_a_redirect_goes_through_the_proxy_too() {
    bounded(|| {
        let (listener, port) = listen();
        let server = Task::start(move || {
            ["ws://other.invalid/x", ""].map(|location| {
                let mut peer = Script::of(Role::Server, listener.accept().unwrap().0);
                let tunnel = let_through(&mut peer);
                match location {
                    "" => drop(serve(&mut peer)),
                    _ => {
                        peer.head();
                        peer.send_bytes(redirect(302, location));
                    }
                }
                tunnel
            })
        });
        let endpoint = Endpoint::new(THERE, 80, "/").proxy(&format!("http://u:p@127.0.0.1:{port}"));
        dial(endpoint).unwrap().check_echo();
        let tunnels = server.join();
        assert_eq!(header(&tunnels[0], "Host"), Some("server.invalid:80"));
        assert_eq!(header(&tunnels[1], "Host"), Some("other.invalid:80"));
        assert_eq!(header(&tunnels[1], "Proxy-Authorization"), Some("Basic dTpw"));
    });
}

#[test]
fn a_proxy_without_a_usable_url_is_an_error_before_anybody_is_called() {
    bounded(|| {
        let (there, port) = listen();
        let (proxy, proxy_port) = listen();
        for url in [
            "",
            "http://",
            "a b",
            "ftp://127.0.0.1:{proxy}",
            "ws://127.0.0.1:{proxy}",
            "socks4://127.0.0.1:{proxy}",
            "socks4a://127.0.0.1:{proxy}",
            "socks://127.0.0.1:{proxy}",
            "http://u:p@",
            "/path",
        ] {
            let url = url.replace("{proxy}", &proxy_port.to_string());
            let outcome = dial(Endpoint::new("127.0.0.1", port, "/").proxy(&url));
            assert!(matches!(outcome, Err(Error::Url(_))), "{url}: {outcome:?}");
        }
        assert_empty(&there);
        assert_empty(&proxy);
    });
}

// Whoever is at the default port must not be told the password.
#[test]
fn a_proxy_with_a_host_or_port_that_is_none_is_an_error_before_anybody_is_called() {
    bounded(|| {
        let (_there, port) = listen();
        for url in ["http://u:p@127.0.0.1:65536", "socks5h://127.0.0.1:99999", "http://:3128"] {
            let outcome = dial(Endpoint::new("127.0.0.1", port, "/").proxy(url));
            assert!(matches!(outcome, Err(Error::Url(_))), "{url}: {outcome:?}");
        }
    });
}

// ---- TLS -------------------------------------------------------------------------

#[cfg(feature = "rustls")]
mod with_tls {
    use std::io::Write;

    use rustls::{ServerConnection, StreamOwned};

    use super::*;

    fn tls_over<S: Read + Write>(
        stream: S,
        names: &[&str],
    ) -> Script<StreamOwned<ServerConnection, S>> {
        let tls = ServerConnection::new(server_named(names)).unwrap();
        Script::over(Role::Server, StreamOwned::new(tls, stream))
    }

    #[test]
    fn s4_1_wss_speaks_tls_to_the_server_inside_of_the_tunnel() {
        bounded(|| {
            let (proxy, server) = proxy_that(|mut peer| {
                let tunnel = let_through(&mut peer);
                // The certificate is for the server, not for the proxy.
                (tunnel, serve(&mut tls_over(peer.stream, &[THERE])))
            });
            let endpoint = Endpoint::from_url("wss://server.invalid/x").unwrap().tls(trusting());
            let endpoint = endpoint.proxy(&format!("http://127.0.0.1:{proxy}"));
            dial(endpoint).unwrap().check_echo();
            let (tunnel, request) = server.join();
            assert!(tunnel.starts_with("CONNECT server.invalid:443 HTTP/1.1\r\n"));
            assert!(request.starts_with("GET /x HTTP/1.1\r\n"));
            assert_eq!(header(&request, "Host"), Some(THERE));
        });
    }

    #[test]
    fn s4_1_the_certificate_of_the_proxy_is_not_that_of_the_server() {
        bounded(|| {
            let (proxy, server) = proxy_that(|mut peer| {
                let_through(&mut peer);
                let mut plain = Vec::new();
                let mut peer = tls_over(peer.stream, &["127.0.0.1", "localhost"]);
                let end = peer.stream.read_to_end(&mut plain);
                (plain, end)
            });
            let endpoint = Endpoint::from_url("wss://server.invalid/x").unwrap().tls(trusting());
            let outcome = dial(endpoint.proxy(&format!("http://127.0.0.1:{proxy}")));
            assert_shape!(outcome, Err(Error::Io(e)) if e.to_string().contains("certificate"));
            let (plain, end) = server.join();
            assert_eq!((plain.as_slice(), end.is_err()), (&b""[..], true));
        });
    }

    #[test]
    fn s4_1_ws_goes_through_a_proxy_that_speaks_tls() {
        bounded(|| {
            let (proxy, server) = proxy_that(|peer| {
                let mut peer = tls_over(peer.stream, &["localhost"]);
                (let_through(&mut peer), serve(&mut peer))
            });
            let endpoint = Endpoint::new(THERE, 80, "/x").tls(trusting());
            dial(endpoint.proxy(&format!("https://u:p@localhost:{proxy}"))).unwrap().check_echo();
            let (tunnel, request) = server.join();
            assert!(tunnel.starts_with("CONNECT server.invalid:80 HTTP/1.1\r\n"));
            assert_eq!(header(&tunnel, "Proxy-Authorization"), Some("Basic dTpw"));
            assert!(request.starts_with("GET /x HTTP/1.1\r\n"));
        });
    }

    #[test]
    fn s4_1_wss_goes_through_a_proxy_that_speaks_tls() {
        bounded(|| {
            let (proxy, server) = proxy_that(|peer| {
                let mut outer = tls_over(peer.stream, &["localhost"]);
                let tunnel = let_through(&mut outer);
                let mut ws = sockets::accept(
                    sockeye::blocking::Untimed::new(tls_over(outer.stream, &[THERE]).stream),
                    &defaults(),
                )
                .unwrap();
                echo(&mut ws).unwrap();
                tunnel
            });
            let endpoint = Endpoint::from_url("wss://server.invalid/x").unwrap().tls(trusting());
            let endpoint = endpoint.proxy(&format!("https://localhost:{proxy}"));
            let mut ws = dial(endpoint).unwrap();
            for message in [0, 20_000, 1 << 20].into_iter().flat_map(messages_of) {
                ws.send(&message).unwrap();
                assert!(ws.read().unwrap().unwrap() == message);
            }
            ws.check_echo();
            assert!(server.join().starts_with("CONNECT server.invalid:443 HTTP/1.1\r\n"));
        });
    }

    #[test]
    fn s4_1_a_proxy_with_the_wrong_certificate_is_told_nothing() {
        bounded(|| {
            let (proxy, server) = proxy_that(|peer| {
                let mut plain = Vec::new();
                // What the server has does not help it.
                let mut peer = tls_over(peer.stream, &[THERE]);
                let end = peer.stream.read_to_end(&mut plain);
                (plain, end)
            });
            let endpoint = Endpoint::from_url("wss://server.invalid/").unwrap().tls(trusting());
            let outcome = dial(endpoint.proxy(&format!("https://u:p@localhost:{proxy}")));
            assert_shape!(outcome, Err(Error::Proxy(_)));
            let (plain, end) = server.join();
            assert_eq!((plain.as_slice(), end.is_err()), (&b""[..], true));
        });
    }

    #[test]
    fn rfc1928_wss_goes_through_socks() {
        bounded(|| {
            let (proxy, server) = proxy_that(|mut peer| {
                let asked = socks(&mut peer, None);
                (asked, serve(&mut tls_over(peer.stream, &[THERE])))
            });
            let endpoint = Endpoint::from_url("wss://server.invalid/x").unwrap().tls(trusting());
            let endpoint = endpoint.proxy(&format!("socks5h://127.0.0.1:{proxy}"));
            dial(endpoint).unwrap().check_echo();
            assert_eq!(server.join().0, Asked::Name(THERE.into(), 443));
        });
    }
}
