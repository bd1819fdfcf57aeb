//! Connecting through proxies, with tokio: SOCKS 5 (RFC 1928).

#![cfg(all(feature = "proxy", feature = "url"))]

mod common;
mod reach;
mod sockets;

use std::io::Read;
use std::net::{Ipv4Addr, Shutdown, TcpStream};

use reach::proxy::*;
use reach::*;
use sockets::*;
use sockeye::net::{Endpoint, Error};

/// What is asked of a proxy with this scheme.
fn asked_of(scheme: &str, endpoint: Endpoint) -> Asked {
    let (proxy, server) = proxy_that(|mut peer| {
        let asked = socks(&mut peer, None);
        serve(&mut peer);
        asked
    });
    dial(endpoint.proxy(&format!("{scheme}://127.0.0.1:{proxy}"))).unwrap().check_echo();
    server.join()
}

#[test]
fn rfc1928_socks5h_lets_the_proxy_look_the_name_up() {
    bounded(|| {
        let asked = asked_of("socks5h", Endpoint::new(THERE, 80, "/"));
        assert_eq!(asked, Asked::Name(THERE.into(), 80));
        let asked = asked_of("socks5h", Endpoint::new("localhost", 8080, "/"));
        assert_eq!(asked, Asked::Name("localhost".into(), 8080));
    });
}

#[test]
fn rfc1928_socks5_tells_the_proxy_an_address() {
    bounded(|| match asked_of("socks5", Endpoint::new("localhost", 8080, "/")) {
        Asked::Address(address, 8080) => assert!(address.is_loopback()),
        other => panic!("{other:?}"),
    });
}

#[test]
fn rfc1928_an_address_is_an_address_either_way() {
    bounded(|| {
        for scheme in ["socks5", "socks5h"] {
            let asked = asked_of(scheme, Endpoint::new("192.0.2.7", 81, "/"));
            assert_eq!(asked, Asked::Address(Ipv4Addr::new(192, 0, 2, 7).into(), 81));
            let asked = asked_of(scheme, Endpoint::new("2001:db8::7", 82, "/"));
            assert_eq!(asked, Asked::Address("2001:db8::7".parse().unwrap(), 82));
        }
    });
}

#[test]
fn rfc1929_the_name_and_password_are_told_to_the_proxy_decoded() {
    bounded(|| {
        let (proxy, server) = proxy_that(|mut peer| {
            socks(&mut peer, Some(("us@er", "p:ss word")));
            serve(&mut peer)
        });
        let url = format!("socks5h://us%40er:p%3Ass%20word@127.0.0.1:{proxy}");
        dial(Endpoint::new(THERE, 80, "/x").proxy(&url)).unwrap().check_echo();
        let request = server.join();
        assert!(request.starts_with("GET /x HTTP/1.1\r\n"));
        assert_eq!(header(&request, "Host"), Some(THERE));
        assert_eq!(header(&request, "Authorization"), None);
        assert_eq!(header(&request, "Proxy-Authorization"), None);
    });
}

#[test]
fn rfc1928_a_proxy_that_does_not_let_us_through_is_an_error_of_the_proxy() {
    bounded(|| {
        let refusals: [fn(&mut Script<TcpStream>); 5] = [
            // No method is acceptable; another than the one offered; a wrong
            // password; connection refused; the end.
            |peer| peer.send_bytes([5, 0xff]),
            |peer| peer.send_bytes([5, 1]),
            |peer| {
                peer.send_bytes([5, 2]);
                let _ = (peer.bytes::<1>(), string(peer), string(peer));
                peer.send_bytes([1, 1]);
            },
            |peer| {
                peer.send_bytes([5, 2]);
                let _ = (peer.bytes::<1>(), string(peer), string(peer));
                peer.send_bytes([1, 0]);
                asked(peer);
                peer.send_bytes([5, 5, 0, 1, 0, 0, 0, 0, 0, 0]);
            },
            |peer| peer.stream.shutdown(Shutdown::Write).unwrap(),
        ];
        for refuse in refusals {
            let (proxy, server) = proxy_that(move |mut peer| {
                assert_eq!(peer.bytes(), [5, 1, 2]);
                refuse(&mut peer);
                let _ = peer.stream.read_to_end(&mut Vec::new());
            });
            let endpoint =
                Endpoint::new(THERE, 80, "/").proxy(&format!("socks5h://u:p@127.0.0.1:{proxy}"));
            assert_shape!(dial(endpoint), Err(Error::Proxy(_)));
            server.join();
        }
    });
}
